"""A call of Python between two segments of a tape: an op without a kernel, on views of the
buffers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import EngineError
from engine.machine.tape import Call
from engine.methods import parts_of

Array = NDArray[np.float64]


class Foreign:
    """One equation bound to its numbers. Rules are pure: what they are given cannot be written."""

    def __init__(self, call: Call, values: Array, gradients: Array) -> None:
        equation = call.equation
        self._equation, self._op, self._params = equation, equation.op, dict(equation.params)
        self._inputs = [_read_only(home.view(values)) for home in call.args]
        self._scalars = [i for i, home in enumerate(call.args) if not home.shape]
        self._wanted = call.wanted
        self._output, self._upstream = call.out.view(values), call.out.view(gradients)
        self._y, self._g = _read_only(self._output), _read_only(self._upstream)
        self._parts = [
            home.view(gradients) if wanted else None
            for home, wanted in zip(call.args, call.wanted, strict=True)
        ]

    def _given(self) -> list[Any]:
        inputs: list[Any] = list(self._inputs)
        for i in self._scalars:
            inputs[i] = np.float64(inputs[i])
        return inputs

    def push(self) -> None:
        """Forward. Raises OpError or InputError, whatever the rule raises."""
        inputs = self._given()
        try:
            self._output[...] = self._op.forward(*inputs, **self._params)
        except Exception:
            self._output[...] = self._equation.apply(inputs)  # which tells it in our words

    def pull(self) -> None:
        """Backward. Raises OpError, whatever the rule raises."""
        g, y = (self._g, self._y) if self._y.shape else (np.float64(self._g), np.float64(self._y))
        inputs = self._given()
        try:
            parts = self._op.pull(g, y, inputs, self._params, self._wanted)
        except EngineError:
            raise
        except Exception:  # told again in our words
            parts = parts_of(self._op, g, y, inputs, self._params, self._wanted)
        for target, part in zip(self._parts, parts, strict=True):
            if target is not None and part is not None:
                target += part


def _read_only(view: Array) -> Array:
    shown = view.view()
    shown.flags.writeable = False
    return shown
