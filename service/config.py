"""The settings: one table of name, kind, default and help, read once and then frozen.

A setting is one line of `Settings`; `SETTINGS` is the same table for documentation. Values come
from environment variables that start with `NUDGE_`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from service.errors import SettingsError

PREFIX = "NUDGE_"


@dataclass(frozen=True)
class Kind:
    """What a setting holds: a name for the documentation and a reader of its text, which raises
    ValueError with a sentence on what is wanted."""

    name: str
    read: Callable[[str], Any]


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    name: str
    kind: Kind
    default: Any
    help: str


def whole(low: int, high: int) -> Kind:
    """A whole number from `low` to `high`."""

    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
        if number is None or not low <= number <= high:
            raise ValueError(f"a whole number from {low} to {high} is wanted")
        return number

    return Kind(f"number from {low} to {high}", read)


def seconds(low: float, high: float) -> Kind:
    """A length of time."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise ValueError(f"a number of seconds from {low:g} to {high:g} is wanted")
        return number

    return Kind(f"seconds from {low:g} to {high:g}", read)


def choice(*names: str) -> Kind:
    """One of a few words, whatever their case."""

    def read(text: str) -> str:
        if text.upper() not in names:
            raise ValueError(f"one of {', '.join(names)} is wanted")
        return text.upper()

    return Kind(", ".join(names), read)


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("it may not be empty")
    return text.strip()


def _yes_or_no(text: str) -> bool:
    words = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}
    if text.lower() not in words:
        raise ValueError("1 or 0 is wanted")
    return words[text.lower()]


TEXT = Kind("text", _filled)
FOLDER = Kind("folder", lambda text: Path(_filled(text)).expanduser().resolve())
FLAG = Kind("0 or 1", _yes_or_no)
HOSTS = Kind("names with commas", lambda text: tuple(h for h in text.lower().split(",") if h))


def setting(kind: Kind, default: Any, help: str) -> Any:
    """A field of `Settings`; the default is given as it should be shown."""
    value = kind.read(default) if isinstance(default, str) else default
    return dataclasses.field(default=value, metadata={"kind": kind, "shown": default, "help": help})


@dataclass(frozen=True)
class Settings:
    """The settings in use. Each field is the environment variable of the same name, in capitals
    and after `NUDGE_`."""

    host: str = setting(TEXT, "127.0.0.1", "Address to listen on.")
    port: int = setting(whole(1, 65535), 8000, "Port to listen on.")
    allow_open: bool = setting(
        FLAG, False, "Listen on an address that others can reach, although there are no accounts."
    )
    allowed_hosts: tuple[str, ...] = setting(
        HOSTS,
        (),
        "Names under which Nudge is asked for, for instance nudge.example.org. Without them: "
        "this machine's own names, or any name with NUDGE_ALLOW_OPEN=1.",
    )
    data_dir: Path = setting(  # noqa: RUF009 - paths do not change
        FOLDER, "data", "Folder of the database and the queue; made if need be."
    )
    database_url: str | None = setting(
        TEXT, None, "SQLAlchemy URL of the database. Without it: nudge.db in the data folder."
    )
    plugins_dir: Path | None = setting(  # noqa: RUF009
        FOLDER, None, "Folder whose *.py files are plugins."
    )
    cache_dir: Path | None = setting(  # noqa: RUF009
        FOLDER,
        None,
        "Folder of compiled kernels; made if need be. Without it: nudge in the user's cache "
        "folder, or cache in the data folder for a user who can have none.",
    )
    warm: bool = setting(
        FLAG,
        True,
        "Load the compiled kernels into the web process, beside its first requests. Without them "
        "it answers all the same, only large programs take longer.",
    )
    retention_days: int = setting(
        whole(1, 36500),
        7,
        "Days after which gradient checks and runs nobody owns are removed, "
        "and programs nobody uses.",
    )
    workers: int = setting(whole(1, 64), 1, "Worker processes that carry out training runs.")
    lease_seconds: float = setting(
        seconds(0.1, 3600), 30.0, "How long a worker may be silent before its run is given away."
    )
    heartbeat_seconds: float = setting(
        seconds(0.01, 600), 5.0, "How often a worker stores progress and renews its lease."
    )
    reap_seconds: float = setting(
        seconds(0.05, 600), 10.0, "How often runs of lost workers are looked for."
    )
    max_queued: int = setting(
        whole(1, 1_000_000), 1000, "Runs that may wait for a worker; more are refused meanwhile."
    )
    max_body_bytes: int = setting(
        whole(1024, 1 << 30), 256 * 1024, "Largest body of a request, in bytes."
    )
    log_level: str = setting(
        choice("DEBUG", "INFO", "WARNING", "ERROR"), "INFO", "Least level that is logged."
    )

    def __post_init__(self) -> None:
        if self.heartbeat_seconds * 2 > self.lease_seconds:
            raise SettingsError(
                f"NUDGE_HEARTBEAT_SECONDS={self.heartbeat_seconds:g} is more than half of "
                f"NUDGE_LEASE_SECONDS={self.lease_seconds:g}: a healthy worker would lose its run."
            )

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """The settings in `environ`. Raises SettingsError, which names everything amiss."""
        values: dict[str, Any] = {}
        amiss: list[str] = []
        for name, text in sorted(environ.items()):
            if not name.startswith(PREFIX):
                continue
            row = BY_NAME.get(name)
            if row is None:
                amiss.append(f"{name} is not a setting.{_nearest(name)}")
                continue
            try:
                values[name.removeprefix(PREFIX).lower()] = row.kind.read(text)
            except ValueError as error:
                amiss.append(f"{name}={text!r}: {error}.")
        if amiss:
            raise SettingsError("\n".join(amiss))
        return cls(**values)

    @property
    def database(self) -> str:
        """The SQLAlchemy URL of the database in use."""
        return self.database_url or f"sqlite:///{self.data_dir / 'nudge.db'}"

    @property
    def hosts(self) -> frozenset[str] | None:
        """The host names, without port, under which requests are taken; None is any."""
        if self.allowed_hosts:
            return frozenset(self.allowed_hosts)
        if self.allow_open:
            return None
        return frozenset({"localhost", "127.0.0.1", "[::1]", self.host.lower()})


def _nearest(name: str) -> str:
    near = get_close_matches(name, BY_NAME, n=1)
    return f" Did you mean {near[0]}?" if near else ""


SETTINGS = tuple(
    Setting(
        PREFIX + field.name.upper(),
        cast(Kind, field.metadata["kind"]),
        field.metadata["shown"],
        field.metadata["help"],
    )
    for field in dataclasses.fields(Settings)
)
BY_NAME = {row.name: row for row in SETTINGS}
