"""The shelf of slips that can be replayed: each makes backpropagation go wrong in one way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from engine.steps.recorder import Recorder
from engine.steps.records import Slip


def in_order(recorder: Recorder, passes: int = 1) -> None:
    """One pass as it should be: from the output back, each equation once, after all its users."""
    recorder.seed()
    for place in recorder.tape.order:
        for argument, arg, part in recorder.tape.parts(place, recorder.grads[place]):
            recorder.add(place, argument, arg, part)


def overwriting(recorder: Recorder, passes: int) -> None:
    """One pass in which each part takes the place of what was there."""
    recorder.overwrites = True
    in_order(recorder)


def without_order(recorder: Recorder, passes: int) -> None:
    """One pass as a recursion does it that asks no one to wait: add to an input, and at once let it
    send on all that it has. An input that is reached again sends on again."""
    recorder.seed()
    inner = set(recorder.tape.order)
    root = recorder.tape.program.place
    stack: list[tuple[int, Iterator[tuple[int, int, Any]]]] = []

    def enter(place: int) -> None:
        if place in inner:
            recorder.visit(place, len(stack))
            stack.append((place, recorder.tape.parts(place, recorder.grads[place])))

    enter(root)
    while stack:
        place, parts = stack[-1]
        following = next(parts, None)
        if following is None:
            stack.pop()
        else:
            argument, arg, part = following
            recorder.add(place, argument, arg, part)
            enter(arg)


def without_zero_grad(recorder: Recorder, passes: int) -> None:
    """Several passes; inputs keep what they have, all else begins afresh."""
    _repeated(recorder, passes, keep_leaves=True, keep_inner=False)


def on_stale_graph(recorder: Recorder, passes: int) -> None:
    """Several passes; inputs begin afresh, all else keeps what it has but for the seed."""
    _repeated(recorder, passes, keep_leaves=False, keep_inner=True)


def _repeated(recorder: Recorder, passes: int, *, keep_leaves: bool, keep_inner: bool) -> None:
    in_order(recorder)
    for _ in range(passes - 1):
        recorder.next_pass(keep_leaves=keep_leaves, keep_inner=keep_inner)
        in_order(recorder)


SLIPS: Mapping[str, Slip] = MappingProxyType(
    {
        slip.code: slip
        for slip in (
            Slip(
                "overwrite",
                "= where += belongs",
                "A value that is used several times gets a part of its gradient from each use, and "
                "the parts add up. Overwriting keeps only the part that came last.",
                overwriting,
            ),
            Slip(
                "no_order",
                "no topological order",
                "A value may send its gradient on only when all its users have sent theirs. Sent "
                "on early it is sent on again later, and what was sent first counts twice.",
                without_order,
                reorders=True,
            ),
            Slip(
                "no_zero_grad",
                "zero_grad forgotten",
                "Gradients of inputs add up over passes. Without zero_grad the second step moves "
                "by the sum of the first gradient and the second.",
                without_zero_grad,
                repeats=True,
            ),
            Slip(
                "stale_graph",
                "old gradients left inside the graph",
                "Computed values have gradients, too. If only the inputs are zeroed before "
                "backward runs again on the same graph, the old ones are sent on once more.",
                on_stale_graph,
                repeats=True,
            ),
        )
    }
)
"""All slips, by their codes."""
