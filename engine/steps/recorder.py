"""Gradients as they stand at one moment, and a record of every event that changed one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.arrays import tidy
from engine.errors import InputError
from engine.program import Equation
from engine.steps.records import Event, Visit
from engine.steps.tape import Tape

EVENTS = 5_000
"""Events of one replay. Without an order a gradient is sent on once for each way through the
program, and the ways may double with each equation."""

NUMBERS = 200_000
"""Numbers in the arrays of all events together."""


class Recorder:
    """Adds parts to gradients, one event each. Gradients of intermediate values and those of this
    pass are in `grads`, by place; what inputs held before this pass is added to what is shown.

    Raises InputError where there are more events, or numbers in them, than may be.
    """

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.events: list[Event] = []
        self.grads: dict[int, Any] = {}
        self.pass_number = 1
        self.overwrites = False
        self.visits: list[tuple[int, int, Visit]] = []
        """place, depth, visit: for traversals that visit a node more than once"""
        self._held: dict[int, Any] = {}
        self._numbers = 0

    # -- passes ----------------------------------------------------------------

    def next_pass(self, *, keep_leaves: bool, keep_inner: bool) -> None:
        """Begin another pass, with the gradients of inputs, or of all else, still there."""
        leaves = {p: g for p, g in self.grads.items() if self.tape.is_leaf(p)}
        inner = {p: g for p, g in self.grads.items() if p not in leaves}
        if keep_leaves:
            self._held = {place: self.total(place) for place in leaves}
        self.grads = inner if keep_inner else {}
        self.pass_number += 1

    def seed(self) -> None:
        """Set the gradient of the output to 1."""
        place = self.tape.program.place
        node, value = self.tape.program.nodes[place], self.tape.values[place]
        one = self.grads[place] = tidy(np.ones(value.shape))
        self._append(
            equation=None,
            output=node.name,
            argument=None,
            variable=node.name,
            op="seed",
            rule="1",
            text=f"{node.name}.grad = 1",
            upstream=None,
            local=None,
            outgoing=one,
            total=self.total(place),
            position=node.position,
        )

    # -- one event -------------------------------------------------------------

    def add(self, place: int, argument: int, arg: int, part: Any) -> None:
        """The equation at `place` adds `part` to the gradient of its input at `arg`."""
        equation, variable = self.tape.program.nodes[place], self.tape.program.nodes[arg]
        assert isinstance(equation, Equation)
        sign, before = ("=", None) if self.overwrites else ("+=", self.grads.get(arg, 0.0))
        with np.errstate(all="ignore"):
            self.grads[arg] = part if before is None else tidy(before + part)
        term = self.tape.terms[place, argument]
        self._append(
            equation=equation.number,
            output=equation.name,
            argument=argument,
            variable=variable.name,
            op=equation.op.name,
            rule=term,
            text=f"{variable.name}.grad {sign} {term}",
            upstream=self.grads[place],
            local=self.tape.local(place, argument),
            outgoing=part,
            total=self.total(arg),
            position=equation.position,
        )

    def visit(self, place: int, depth: int) -> None:
        """Note that a node now sends on the gradient it has."""
        name = self.tape.program.nodes[place].name
        self.visits.append((place, depth, Visit(name, self.grads[place], len(self.events))))

    def _append(self, **what: Any) -> None:
        if len(self.events) == EVENTS:
            raise InputError(
                f"gradients would be sent on more than {EVENTS} times",
                code="too_many_steps",
                pointer="/slip",
                hint="use a shorter expression, one that uses fewer values twice, or fewer passes",
            )
        event = Event(len(self.events), self.pass_number, **what)
        parts = (event.upstream, event.local, event.outgoing, event.total)
        self._numbers += sum(np.size(part) for part in parts if np.ndim(part))
        if self._numbers > NUMBERS:
            raise InputError(
                f"the steps of this expression would hold more than {NUMBERS} numbers",
                code="too_many_elements",
                position=event.position,
                hint="use smaller arrays",
            )
        self.events.append(event)

    # -- in the end ------------------------------------------------------------

    def total(self, place: int) -> Any:
        """The gradient of a node as it stands, of the node's shape."""
        now = self.grads.get(place, 0.0)
        if place in self._held:
            with np.errstate(all="ignore"):
                now = tidy(self._held[place] + now)
        shape = self.tape.values[place].shape
        return now if np.shape(now) == shape else np.zeros(shape) + now

    def gradients(self) -> Mapping[str, Any]:
        """The gradients of the inputs."""
        nodes = enumerate(self.tape.program.nodes)
        return {node.name: self.total(p) for p, node in nodes if self.tape.is_leaf(p)}
