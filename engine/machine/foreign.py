"""A call of Python between two segments of a tape: an op without a kernel, on views of the
buffers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.machine.tape import Call
from engine.methods import parts_of

Array = NDArray[np.float64]


class Foreign:
    """One equation bound to its numbers. Rules are pure: what they are given cannot be written."""

    def __init__(self, call: Call, values: Array, gradients: Array) -> None:
        equation = call.equation
        self._equation, self._op, self._params = equation, equation.op, dict(equation.params)
        self._inputs = tuple(_read_only(home.view(values)) for home in call.args)
        self._scalars = any(not view.shape for view in self._inputs)
        self._wanted = call.wanted
        self._output, self._upstream = call.out.view(values), call.out.view(gradients)
        self._y, self._g = _read_only(self._output), _read_only(self._upstream)
        self._parts = [home.view(gradients) for home in call.args]
        rules = self._op.rules
        one = callable(rules) and len(call.args) == 1 and call.wanted[0] and self._y.shape
        self._rule: Any = rules if one else None
        """the one rule of an op of one array, which needs no sorting of what comes back"""

    def _given(self) -> tuple[Any, ...]:
        if not self._scalars:
            return self._inputs
        return tuple(x if x.shape else np.float64(x) for x in self._inputs)

    def push(self) -> None:
        """Forward. Raises OpError or InputError, whatever the rule raises."""
        inputs = self._given()
        try:
            self._output[...] = self._op.forward(*inputs, **self._params)
        except Exception:
            self._output[...] = self._equation.apply(inputs)  # which tells it in our words

    def pull(self) -> None:
        """Backward. Raises OpError, whatever the rule raises."""
        inputs = self._given()
        if self._rule is not None:
            try:
                part = self._rule(self._g, self._y, *inputs, **self._params)
            except Exception:  # told in our words below
                part = None
            if np.shape(part) == self._parts[0].shape and part is not None:
                self._parts[0] += part
                return
        g, y = (self._g, self._y) if self._y.shape else (np.float64(self._g), np.float64(self._y))
        parts = parts_of(self._op, g, y, inputs, self._params, self._wanted)
        for target, part in zip(self._parts, parts, strict=True):
            if part is not None:
                target += part


def _read_only(view: Array) -> Array:
    shown = view.view()
    shown.flags.writeable = False
    return shown
