"""Settings: read once, each with a name, a kind, a default and a help."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from service.config import SETTINGS, Settings
from service.errors import SettingsError

BAD = [
    ("NUDGE_PORT", "x", "1 to 65535"),
    ("NUDGE_PORT", "0", "1 to 65535"),
    ("NUDGE_PORT", "70000", "1 to 65535"),
    ("NUDGE_PORT", "٨٠٠٠", "1 to 65535"),
    ("NUDGE_PORT", "", "1 to 65535"),
    ("NUDGE_WORKERS", "1.5", "whole number"),
    ("NUDGE_ALLOW_OPEN", "maybe", "1 or 0"),
    ("NUDGE_LEASE_SECONDS", "nan", "seconds"),
    ("NUDGE_LEASE_SECONDS", "-1", "seconds"),
    ("NUDGE_LOG_LEVEL", "loud", "DEBUG"),
    ("NUDGE_HOST", " ", "empty"),
]


def test_defaults_serve_this_machine_only():
    settings = Settings.from_env({})
    assert (settings.host, settings.port, settings.allow_open) == ("127.0.0.1", 8000, False)
    assert settings.data_dir == Path("data").resolve()
    assert settings.database == f"sqlite:///{Path('data').resolve() / 'nudge.db'}"


def test_environment_is_read(tmp_path):
    environ = {"NUDGE_PORT": "81", "NUDGE_DATA_DIR": str(tmp_path), "NUDGE_ALLOW_OPEN": "1"}
    settings = Settings.from_env(environ | {"PATH": "/bin", "NUDGEPORT": "9"})
    assert (settings.port, settings.data_dir, settings.allow_open) == (81, tmp_path, True)


@pytest.mark.parametrize(("name", "text", "wanted"), BAD)
def test_unusable_value_is_named(name, text, wanted):
    with pytest.raises(SettingsError) as error:
        Settings.from_env({name: text})
    assert name in str(error.value)
    assert wanted in str(error.value)


def test_unknown_name_gets_the_nearest():
    with pytest.raises(
        SettingsError, match=r"NUDGE_PROT is not a setting. Did you mean NUDGE_PORT"
    ):
        Settings.from_env({"NUDGE_PROT": "80"})


def test_all_mistakes_are_named_at_once():
    with pytest.raises(SettingsError) as error:
        Settings.from_env({"NUDGE_PORT": "x", "NUDGE_WORKERS": "y"})
    assert str(error.value).count("\n") == 1


def test_heartbeat_must_fit_the_lease():
    with pytest.raises(SettingsError, match="HEARTBEAT"):
        Settings.from_env({"NUDGE_HEARTBEAT_SECONDS": "20"})


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings.from_env({}).port = 1  # type: ignore[misc]


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row.name)
def test_setting_says_what_it_is(row):
    assert row.name.startswith("NUDGE_")
    assert row.help.endswith(".")
    assert row.kind.name
    if row.default is not None and not isinstance(row.default, tuple | bool):
        assert Settings.from_env({row.name: str(row.default)}) == Settings.from_env({})


def test_hosts_follow_from_the_address():
    assert "localhost" in (Settings().hosts or ())
    assert Settings(allow_open=True).hosts is None
    assert Settings(allowed_hosts=("nudge.example.org",)).hosts == {"nudge.example.org"}
