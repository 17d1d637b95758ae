"""The smallest diamond of a program: where going back without an order begins to count twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.steps.recorder import Recorder
from engine.steps.records import Diamond, Visit
from engine.steps.tape import Tape

Slot = tuple[int, int]
"""Where a value is used: the place of the equation, and which of its inputs."""


@dataclass(frozen=True, slots=True)
class _Way:
    """A shortest way up from one use of the shared value, as the places it leads through."""

    use: Slot
    places: tuple[int, ...]


def smallest_diamond(recorder: Recorder) -> Diamond | None:
    """The diamond of the fewest nodes, the first in the program among equals; None where no
    computed value is used twice. Its visits are those of the recorded traversal."""
    tape = recorder.tape
    users = _users(tape)
    best: tuple[int, int, _Way, _Way] | None = None
    for shared in sorted(place for place, uses in users.items() if len(uses) > 1):
        for one, other in _meetings(shared, users, best[0] if best else len(tape.values) + 2):
            size = len(one.places) + len(other.places)
            if best is None or size < best[0]:
                best = (size, shared, one, other)
    if best is None:
        return None
    _, shared, one, other = best
    places = sorted({shared, *one.places, *other.places}, reverse=True)
    nodes = tape.program.nodes
    top = one.places[-1]
    return Diamond(
        top=nodes[top].name,
        shared=nodes[shared].name,
        users=(nodes[one.use[0]].name, nodes[other.use[0]].name),
        nodes=tuple(nodes[place].name for place in places),
        visits=tuple(_visits(recorder, top, set(places))),
    )


def _users(tape: Tape) -> Mapping[int, list[Slot]]:
    """For each computed value, its uses by equations that send it a gradient."""
    inner = set(tape.order)
    users: dict[int, list[Slot]] = {place: [] for place in inner}
    for place in tape.order:
        for argument, arg in tape.targets(place):
            if arg in inner:
                users[arg].append((place, argument))
    return users


def _meetings(
    shared: int, users: Mapping[int, list[Slot]], most: int
) -> Iterator[tuple[_Way, _Way]]:
    """The shortest two ways up from different uses of `shared`, for each node where such ways meet
    and no way has `most` places.

    A breadth-first walk that enters a node at most twice, from two different uses.
    """
    ways = [_Way(use, (use[0],)) for use in users[shared]]
    entered: dict[int, list[_Way]] = {}
    for way in ways:
        place = way.places[-1]
        known = entered.setdefault(place, [])
        if len(known) == 2 or any(other.use == way.use for other in known):
            continue
        known.append(way)
        if len(known) == 2:
            yield known[0], known[1]
        if len(way.places) + 1 < most:
            above = dict.fromkeys(user for user, _ in users[place])
            ways += [_Way(way.use, (*way.places, user)) for user in above]


def _visits(recorder: Recorder, top: int, places: set[int]) -> Iterator[Visit]:
    """The visits of these places within the first visit of `top`."""
    inside: int | None = None
    for place, depth, visit in recorder.visits:
        if inside is None and place == top:
            inside = depth
        elif inside is None:
            continue
        elif depth <= inside:
            return
        if place in places:
            yield visit
