"""backpropagation() and replay(): a program at a point, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from engine.arrays import tidy
from engine.errors import InputError
from engine.names import nearest
from engine.program import Constant, Program
from engine.steps.diamond import smallest_diamond
from engine.steps.recorder import Recorder
from engine.steps.records import Difference, Event, Reuse, Slip, Steps, Use
from engine.steps.slips import SLIPS, in_order
from engine.steps.tape import Tape

PASSES = 2
"""How often a slip that shows in later passes is run, unless told otherwise."""

MOST_PASSES = 20

ROUNDED = 1e-12
"""Below this share of the largest part of a gradient, a difference comes from another order of
adding: a float64 sum of n parts is off by n roundoffs of 1.1e-16 at most."""


def backpropagation(program: Program, at: Mapping[str, Any] | None = None) -> Steps:
    """Every step of the engine's own backward pass: the events in their order, each number as the
    engine has it to the last bit.

    Raises InputError where the point does not fit, the output is no single number, or the events
    would hold more numbers than may be shown; OpError where an op broke its contract.
    """
    tape = Tape(program, at)
    recorder = Recorder(tape)
    in_order(recorder)
    return _steps(recorder)


def replay(
    program: Program, at: Mapping[str, Any] | None, slip: str, passes: int | None = None
) -> Steps:
    """The steps of backpropagation as they are with a slip, by its code in SLIPS, and what comes
    out wrong. `passes` (2 if not given, at most 20) goes with the slips that repeat.

    Raises InputError as backpropagation() does, for an unknown slip, for passes that do not fit,
    and where the slip sends more gradients on than may be shown.
    """
    made = _slip(slip)
    count = _passes(made, passes)
    tape = Tape(program, at)
    recorder = Recorder(tape)
    made.run(recorder, count)
    return _steps(
        recorder,
        slip=made,
        passes=count,
        differences=tuple(_differences(recorder, ROUNDED if made.reorders else 0.0)),
        reuses=tuple(_reuses(recorder.events)) if recorder.overwrites else (),
        diamond=smallest_diamond(recorder) if recorder.visits else None,
    )


def _steps(recorder: Recorder, **more: Any) -> Steps:
    tape = recorder.tape
    return Steps(
        program=tape.program,
        at=tape.point,
        value=tape.truth.value,
        forward=tuple(tape.forward()),
        events=tuple(recorder.events),
        gradients=recorder.gradients(),
        non_finite=tape.truth.non_finite,
        reason=tape.truth.reason,
        **more,
    )


def _slip(code: str) -> Slip:
    if code not in SLIPS:
        meant = nearest(code, SLIPS)
        raise InputError(
            f"there is no slip {code!r:.60}",
            code="unknown_slip",
            pointer="/slip",
            hint=f"did you mean {meant}?" if meant else f"there are {', '.join(SLIPS)}",
        )
    return SLIPS[code]


def _passes(slip: Slip, given: int | None) -> int:
    if not slip.repeats:
        if given not in (None, 1):
            repeating = " and ".join(s.code for s in SLIPS.values() if s.repeats)
            raise InputError(
                f"the slip {slip.code} shows in a single pass, not in {given}",
                code="wrong_passes",
                pointer="/passes",
                hint=f"leave passes out; it goes with {repeating}",
            )
        return 1
    count = PASSES if given is None else given
    if not 2 <= count <= MOST_PASSES:
        raise InputError(
            f"the slip {slip.code} cannot be shown in {count} passes",
            code="wrong_passes",
            pointer="/passes",
            hint=f"it shows from the second pass on; give 2 to {MOST_PASSES}",
        )
    return count


def _differences(recorder: Recorder, rounded: float) -> Iterator[Difference]:
    """Each gradient that differs from the truth, in some entry by more than the share `rounded` of
    the largest part of that entry."""
    tape = recorder.tape
    largest: dict[str, Any] = {}
    for event in recorder.events:
        size = np.abs(event.outgoing)
        size = np.where(np.isfinite(size), size, 0.0)
        largest[event.variable] = np.maximum(size, largest.get(event.variable, 0.0))
    for place, (node, true) in enumerate(zip(tape.program.nodes, tape.truth.nodes, strict=True)):
        if isinstance(node, Constant):
            continue
        wrong, right = recorder.total(place), true.gradient
        if not _agree(wrong, right, rounded * largest.get(node.name, 0.0)):
            yield Difference(node.name, wrong, right)


def _agree(wrong: Any, right: Any, slack: Any) -> bool:
    """Whether two gradients are the same in every entry, up to `slack`; nan is the same as nan."""
    with np.errstate(all="ignore"):
        near = np.abs(np.subtract(wrong, right)) <= slack
    return bool(np.all(near | np.equal(wrong, right) | (np.isnan(wrong) & np.isnan(right))))


def _reuses(events: list[Event]) -> Iterator[Reuse]:
    """The values with more than one use, in the order in which the first part came."""
    uses: dict[str, list[Use]] = {}
    for event in events:
        if event.equation is not None:
            use = Use(event.index, event.equation, event.outgoing)
            uses.setdefault(event.variable, []).append(use)
    for name, found in uses.items():
        if len(found) > 1:
            parts = [use.part for use in found]
            with np.errstate(all="ignore"):
                yield Reuse(name, tuple(found), tidy(sum(parts)), parts[-1])
