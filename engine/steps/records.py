"""What backpropagation did, as data: events to be played, paused and rewound by any front end."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import Position
from engine.evaluation import Node
from engine.program import Program


@dataclass(frozen=True, slots=True)
class Slip:
    """A slip: what it is called, what its replay teaches, and how backpropagation goes with it.

    `run` takes the recorder and the number of passes. `repeats` tells that it shows in a second
    pass only; `reorders` that it adds in another order, so that last digits differ without harm.
    """

    code: str
    title: str
    teaches: str
    run: Callable[[Any, int], None]
    repeats: bool = False
    reorders: bool = False


@dataclass(frozen=True, slots=True)
class ForwardStep:
    """One equation, computed."""

    equation: int
    name: str
    op: str
    text: str
    value: Any
    position: Position


@dataclass(frozen=True, slots=True)
class Event:
    """One gradient on its way back: an equation adds a part to the gradient of one of its inputs.

    `upstream` is the gradient of the equation's output as it stands, `local` the slope of the
    equation in this input (entry by entry, of the output's shape; None where the operation mixes
    entries), `outgoing` what the rule makes of both, of the input's shape, and `total` the gradient
    of `variable` afterwards. `rule` is the term that is added, with names; `text` the whole line.
    The first event of a pass is its seed: it has no equation, argument, upstream or local.
    """

    index: int
    pass_number: int
    equation: int | None
    output: str
    argument: int | None
    """the place of `variable` among the inputs of the equation, from 0"""
    variable: str
    op: str
    rule: str
    text: str
    upstream: Any
    local: Any
    outgoing: Any
    total: Any
    position: Position


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the program forward, what it does backward, and the events that did it."""

    equation: int | None
    forward: str
    backward: tuple[str, ...]
    events: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """A gradient that came out otherwise than it should."""

    name: str
    wrong: Any
    right: Any


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a value, and the part of its gradient that comes from there."""

    event: int
    equation: int
    part: Any


@dataclass(frozen=True, slots=True)
class Reuse:
    """A value used more than once: what its uses sent, their sum, and the one part that was kept
    where each overwrote the one before."""

    name: str
    uses: tuple[Use, ...]
    sum: Any
    kept: Any


@dataclass(frozen=True, slots=True)
class Visit:
    """A node sends on the gradient it has so far. `event` is the first that it gives rise to."""

    name: str
    gradient: Any
    event: int


@dataclass(frozen=True, slots=True)
class Diamond:
    """Two ways from `top` down to `shared`, a computed value, by two of its uses: `users` are the
    equations at their ends (the same one twice for b * b). `nodes` are all nodes of both ways,
    outputs first; `visits` tells in which order they sent gradients on, when `top` first did."""

    top: str
    shared: str
    users: tuple[str, str]
    nodes: tuple[str, ...]
    visits: tuple[Visit, ...]


@dataclass(frozen=True)
class Steps:
    """A program at a point, forward and backward.

    `gradients` are those of the inputs in the end. Where a `slip` was made, `differences` holds
    every gradient, of inputs and of computed values, that is not what it should be; `reuses` belong
    to the slip `overwrite`, `diamond` to `no_order`.
    """

    program: Program
    at: Mapping[str, Any]
    value: Any
    forward: tuple[ForwardStep, ...]
    events: tuple[Event, ...]
    gradients: Mapping[str, Any]
    slip: Slip | None = None
    passes: int = 1
    differences: tuple[Difference, ...] = ()
    reuses: tuple[Reuse, ...] = ()
    diamond: Diamond | None = None
    non_finite: Node | None = None
    """where numbers stop being finite in the program as it should be, and in `reason`, why"""
    reason: str | None = None

    def listing(self) -> tuple[Row, ...]:
        """The program forward and backward, side by side: a row for each equation in order, and a
        last one for the seed. Read down for the values, up for the gradients."""
        rows = [
            self._row(step.equation, f"{step.equation:>3}  {step.text}") for step in self.forward
        ]
        return (*rows, self._row(None, ""))

    def _row(self, equation: int | None, forward: str) -> Row:
        events = self._by_equation.get(equation, ())
        lines = {event.argument: event.text for event in events}
        return Row(equation, forward, tuple(lines.values()), tuple(e.index for e in events))

    @functools.cached_property
    def _by_equation(self) -> Mapping[int | None, list[Event]]:
        found: dict[int | None, list[Event]] = {}
        for event in self.events:
            found.setdefault(event.equation, []).append(event)
        return found
