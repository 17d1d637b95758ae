"""An op while it is examined: its functions run under guard, and how it is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from engine.errors import OpError, OpRefused
from engine.op import Op

STRUCTURAL = "an op that is not elementwise says elementwise=False and states trials"


class Subject:
    """Runs the forward and the rules of `op` on inputs that they cannot change, checks the kind of
    what comes back, and, the first time, that a second call gives the same."""

    def __init__(self, op: Op) -> None:
        self.op = op
        self.evaluations = 0

    def refuse(
        self, why: str, hint: str | None = None, cause: BaseException | None = None
    ) -> NoReturn:
        raise OpRefused(f"{self.op.name}: {why}", hint=hint) from cause

    def forward(
        self, inputs: Sequence[Any], params: Mapping[str, Any], where: str, again: bool = False
    ) -> Any:
        """What the forward gives for `inputs`, as float64. `again`: this has been checked."""

        def run() -> Any:
            self.evaluations += 1
            return self.number(self.op.forward(*inputs, **params), "forward")

        return self._guarded(run, "forward", inputs, where, again)

    def backward(
        self,
        g: Any,
        y: Any,
        inputs: Sequence[Any],
        params: Mapping[str, Any],
        where: str,
        again: bool = False,
    ) -> list[Any]:
        """The gradient of each input, of its shape; None where the op gives none."""
        wanted = [True] * len(inputs)

        def run() -> Any:
            parts = self.op.pull(g, y, inputs, params, wanted)
            return [None if d is None else self.number(d, "backward") for d in parts]

        return list(self._guarded(run, "backward", [*inputs, g, y], where, again))

    def number(self, returned: Any, side: str) -> Any:
        array = np.asarray(returned)
        if array.dtype.kind not in "biuf":
            self.refuse(f"its {side} gives {returned!r:.60}, which are not real numbers")
        return np.float64(array) if array.ndim == 0 else array.astype(np.float64)

    def _guarded(
        self, run: Callable[[], Any], side: str, given: Sequence[Any], where: str, again: bool
    ) -> Any:
        before = [x.tobytes() for x in given]
        for x in given:
            if isinstance(x, np.ndarray):
                x.flags.writeable = False
        try:
            first = run()
            second = first if again else run()
        except OpRefused:
            raise
        except OpError as error:
            raise OpRefused(str(error), hint=error.hint) from error
        except Exception as error:
            if "read-only" in str(error):
                self._changes(side, where, error)
            said = f"its {side} raises {type(error).__name__} at {where}: {error}"
            self.refuse(said, None, error)
        if before != [x.tobytes() for x in given]:
            self._changes(side, where)
        if _bytes(first) != _bytes(second):
            self.refuse(
                f"its {side} gives another answer each time it is called, at {where}",
                "an op is a function of its inputs alone, without dice and without memory",
            )
        return first

    def _changes(self, side: str, where: str, cause: Exception | None = None) -> NoReturn:
        why = f"its {side} changes what it is given, at {where}"
        self.refuse(why, "compute a new array; the engine needs the old one", cause)


def _bytes(numbers: Any) -> list[bytes | None]:
    parts = numbers if isinstance(numbers, list) else [numbers]
    return [None if part is None else part.tobytes() for part in parts]
