"""Problems: reads JSON that a person wrote and gathers everything that is wrong with it.

Each method returns the value it read, or None after noting why it cannot be used; reading goes
on, so that one answer names all mistakes. A place is a JSON pointer (RFC 6901): "/data/xs/3/1".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from engine.errors import ConfigError
from engine.names import nearest, unknown
from engine.ranges import Range, shown

MOST = 50

WHOLE_TREE = ""


class Problems:
    """The list of (pointer, message), and the readers that add to it."""

    def __init__(self) -> None:
        self.errors: list[tuple[str, str]] = []
        self.unsaid = 0

    def add(self, pointer: str, message: str) -> None:
        """Note one problem; beyond the first 50 they are only counted."""
        if len(self.errors) < MOST:
            self.errors.append((pointer, message))
        else:
            self.unsaid += 1

    @property
    def count(self) -> int:
        """How many problems there are."""
        return len(self.errors) + self.unsaid

    def end(self) -> None:
        """Raise ConfigError if anything was noted."""
        if self.unsaid:
            self.errors.append((WHOLE_TREE, f"and {self.unsaid} more problems"))
        if self.errors:
            raise ConfigError(self.errors)

    def mapping(self, pointer: str, value: Any, known: Collection[str]) -> dict[str, Any] | None:
        """An object without unknown keys; an unknown one is noted and left out."""
        if not isinstance(value, Mapping):
            self.add(pointer, f"must be an object, not {shown(value)}")
            return None
        for key in value:
            if key not in known:
                near = nearest(key, known)
                mend = f"did you mean '{near}'?" if near else f"known: {', '.join(known)}"
                self.add(f"{pointer}/{escaped(str(key))}", f"unknown key; {mend}")
        return {key: value[key] for key in known if key in value}

    def number(self, pointer: str, value: Any, allowed: Range) -> Any:
        """A number in its range: a float, or an int where whole numbers are asked for."""
        mistake = allowed.mistake(value)
        if mistake:
            self.add(pointer, mistake)
            return None
        return value if allowed.whole else float(value)

    def numbers(self, pointer: str, value: Any, ranges: Mapping[str, Range]) -> dict[str, Any]:
        """One number per range from an object, its default where the key is missing."""
        return {
            key: self.number(f"{pointer}/{key}", value[key], allowed)
            if key in value
            else allowed.default
            for key, allowed in ranges.items()
        }

    def flag(self, pointer: str, value: Any) -> bool | None:
        """True or false."""
        if isinstance(value, bool):
            return value
        self.add(pointer, f"must be true or false, not {shown(value)}")
        return None

    def choice(self, pointer: str, value: Any, kind: str, known: Iterable[str]) -> str | None:
        """One of the known names."""
        known = list(known)
        if isinstance(value, str) and value in known:
            return value
        if isinstance(value, str):
            self.add(pointer, unknown(kind, value, known))
        else:
            self.add(pointer, f"must be the name of a {kind}, not {shown(value)}")
        return None

    def sequence(self, pointer: str, value: Any, of: str) -> list[Any] | None:
        """A list with at least one item."""
        if not isinstance(value, (list, tuple)):
            self.add(pointer, f"must be a list of {of}, not {shown(value)}")
        elif not value:
            self.add(pointer, f"must hold at least one of the {of}")
        else:
            return list(value)
        return None


def escaped(key: str) -> str:
    """A key as a part of a JSON pointer, cut short where someone sent a novel."""
    return key[:60].replace("~", "~0").replace("/", "~1")
