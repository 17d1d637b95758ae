"""What the engine raises, and whose fault each error is.

    EngineError
    ├── ExpressionError   the source cannot be read; `position` says where
    ├── InputError        a value, a claim or a shape that was handed in does not fit
    ├── ConfigError       a training configuration does not hold together; `errors` lists why
    └── OpError           an operation broke its contract
        └── OpRefused     an operation did not pass its admission exam

Every error carries a stable `code`, and where they are known a `hint` (how to mend it), a
`position` (in the source) and a `pointer` (a JSON pointer into what was handed in).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Position:
    """A stretch of source text: line and column count from 1, in characters."""

    line: int
    column: int
    length: int


class EngineError(Exception):
    """Base of all errors of the engine; `str(error)` is the message."""

    code = "engine_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        position: Position | None = None,
        pointer: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.hint = hint
        self.position = position
        self.pointer = pointer


class ExpressionError(EngineError):
    """The source cannot be read; `position` is always set."""

    code = "unreadable"


class InputError(EngineError):
    """A number, an array or a name that was handed in does not fit."""

    code = "invalid_input"


class ConfigError(EngineError):
    """A training configuration does not hold together.

    `errors` holds every problem found, each as (JSON pointer, message).
    """

    code = "invalid_config"

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        self.errors = tuple(errors)
        super().__init__(
            "; ".join(f"{pointer or '/'}: {message}" for pointer, message in self.errors),
            pointer=self.errors[0][0] if self.errors else None,
        )


class OpError(EngineError):
    """An operation broke its contract: wrong count, shape or kind of what its rules return."""

    code = "op_error"


class OpRefused(OpError):
    """An operation did not pass its admission exam; the message gives the evidence."""

    code = "op_refused"
