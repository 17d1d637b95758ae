"""The container files name commands, settings and files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import yaml

from service import cli
from service.config import SETTINGS, Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
NAMES = {setting.name for setting in SETTINGS}


def image_environment() -> dict[str, str]:
    line = re.search(r"^ENV (.*)$", DOCKERFILE, re.MULTILINE)
    assert line
    return dict(pair.split("=", 1) for pair in line[1].split())


def nudge_settings(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("NUDGE_")}


def test_roles_are_migrate_web_worker():
    assert set(SERVICES) == {"migrate", "web", "worker"}


@pytest.mark.parametrize("role", ["migrate", "web", "worker"])
def test_command_of_role_exists(role):
    program, name, *options = SERVICES[role]["command"]
    assert program == "nudge"
    command = cli.nudge.commands[name]
    known = {opt for p in command.params if isinstance(p, click.Option) for opt in p.opts}
    assert set(options) <= known


def test_environment_is_a_valid_setting():
    for role in SERVICES.values():
        settings = nudge_settings(image_environment() | role.get("environment", {}))
        assert set(settings) <= NAMES
        Settings.from_env(settings)


def test_web_is_published_to_this_machine_only():
    assert SERVICES["web"]["environment"]["NUDGE_HOST"] == "0.0.0.0"
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["web"]["ports"])
    assert not any("ports" in SERVICES[role] for role in ("migrate", "worker"))


def test_all_roles_share_the_data():
    folder = image_environment()["NUDGE_DATA_DIR"]
    assert all(role["volumes"] == [f"data:{folder}"] for role in SERVICES.values())


def test_web_and_worker_wait_for_migrate():
    for role in ("web", "worker"):
        waited = SERVICES[role]["depends_on"]["migrate"]["condition"]
        assert waited == "service_completed_successfully"
    assert SERVICES["migrate"]["restart"] == "no"


def test_roles_are_stopped_by_sigint():
    assert "STOPSIGNAL SIGINT" in DOCKERFILE
    assert all(role["stop_signal"] == "SIGINT" for role in SERVICES.values())


def test_image_is_made_of_files_that_exist():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        source
        for line in re.findall(r"^COPY (.*)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)


def test_image_runs_as_an_ordinary_user():
    assert re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE) == ["nudge"]
