"""Detectors of what happened in the wrong order: gradients not zeroed, a graph used twice, an
update out of turn."""

from __future__ import annotations

from itertools import pairwise

from engine.autopsy.finding import finding, listed, shown
from engine.autopsy.records import Record, Step
from engine.autopsy.vectors import joined, norm, rounding, same
from engine.check.report import Diagnosis

DECISIVE = 0.1
"""A move is compared with a gradient only where rounding is below this share of it."""

SPELLED = 5
"""A running sum of up to this many gradients is written out."""


def forgotten_zero_grad(record: Record) -> Diagnosis | None:
    """Step k's gradient is the running sum of the fresh ones: seen where those are known, and else
    where the events show a loop that zeroes elsewhere but not between update and backward."""
    steps = record.sound
    pairs = enumerate(pairwise(steps), start=1)
    told = [(k, before, step) for k, (before, step) in pairs if step.fresh is not None]
    summed = [(k, _carrying(a, b), b) for k, a, b in told]
    shown_by = [(k, names, b) for k, names, b in summed if names]
    if not told:
        return _unzeroed(record)
    if 2 * len(shown_by) <= len(told):
        return None
    k, names, step = shown_by[min(1, len(shown_by) - 1)]
    assert step.fresh is not None
    used, alone = norm(joined(step.gradients, names)), norm(joined(step.fresh, names))
    everything = len(names) == len(step.parameters)
    whose = "" if everything else f" of {listed(names)}"
    return finding(
        "forgotten_zero_grad",
        f"The gradient{whose} at step {k} is the running sum {_sum(k)}: its length is "
        f"{shown(used)}, that of g{k} alone {shown(alone)}; zero_grad() was not called before "
        f"backward().",
        {"step": k, "used": used, "fresh": alone},
        None if everything else names[0],
        len(shown_by),
        len(told),
    )


def _carrying(before: Step, step: Step) -> list[str]:
    """The parameters whose gradient is the fresh one on top of what stood there a step before."""
    assert step.fresh is not None
    return [
        name
        for name, fresh in step.fresh.items()
        if same(step.gradients[name], before.gradients[name] + fresh)
        and not same(step.gradients[name], fresh)
    ]


def _sum(k: int) -> str:
    names = [f"g{j}" for j in range(k + 1)]
    return " + ".join(names if k < SPELLED else [names[0], "…", names[-1]])


def _unzeroed(record: Record) -> Diagnosis | None:
    """The same from events alone. A loop that never zeroes may not need to."""
    if "zero_grad" not in record.events:
        return None
    carried = passes = 0
    updated = zeroed = False
    for event in record.events:
        if event == "update":
            updated = True
        elif event == "zero_grad":
            zeroed = True
        elif event == "backward":
            passes += updated
            carried += updated and not zeroed
            updated = zeroed = False
    if not carried:
        return None
    return finding(
        "forgotten_zero_grad",
        f"{carried} of {passes} backward passes after an update came without zero_grad() in "
        f"between, so gradients of earlier steps are still in the sum.",
        {"without": carried, "passes": passes},
        shown_by=carried,
        of=passes,
    )


def stale_graph(record: Record) -> Diagnosis | None:
    """A second backward pass over the same graph, after the parameters alone were zeroed, gives
    another gradient than the first: the old one is still inside the graph."""
    for k, step in enumerate(record.sound):
        if step.again is None:
            continue
        first, second = step.slope, step.again
        parted = [name for name in first if not same(first[name], second[name])]
        if not parted:
            continue
        ratios = {name: norm(second[name]) / max(norm(first[name]), 1e-300) for name in parted}
        name = max(ratios, key=lambda name: ratios[name])
        numbers = {"step": k, "first": norm(first[name]), "second": norm(second[name])}
        return finding(
            "stale_graph",
            f"At step {k} a second backward pass over the same graph gives {name} a gradient of "
            f"length {shown(numbers['second'])} where the first gave {shown(numbers['first'])}, "
            f"{shown(ratios[name])} times as long: the parameters were zeroed, but old gradients "
            f"stayed in the values between.",
            numbers,
            name,
        )
    return None


def update_before_backward(record: Record) -> Diagnosis | None:
    """An update out of turn, told by the events, or by parameters that move along the gradient of
    the step before."""
    return _out_of_turn(record) or _one_behind(record)


TURNS = {
    "early": "came between a forward pass and its backward pass",
    "zeroed": "came after zero_grad() and before backward(), when every gradient is zero",
    "idle": "came without a backward pass since the update before",
}
"""What is wrong with an update that is out of turn."""


def _out_of_turn(record: Record) -> Diagnosis | None:
    turns = _turns(record.events)
    wrong = [(number, kind) for number, kind in enumerate(turns) if kind]
    if not wrong:
        return None
    number, kind = wrong[0]
    return finding(
        "update_before_backward",
        f"Update {number} {TURNS[kind]}, as did {len(wrong)} of {len(turns)} updates: the order is "
        f"zero_grad, forward, loss, backward, update.",
        {"update": number, "wrong": len(wrong), "updates": len(turns)},
        shown_by=len(wrong),
        of=len(turns),
    )


def _turns(events: tuple[str, ...]) -> list[str]:
    """For each update, replayed in order: a key of TURNS, or "" where it is in turn.

    A forward pass between backward and update is no harm (a validation, perhaps), unless its own
    backward pass comes after the update.
    """
    turns: list[str] = []
    state, open_pass = "idle", False
    for event, following in zip(events, _passes_ahead(events), strict=True):
        if event == "forward":
            open_pass = True
        elif event == "backward":
            state, open_pass = "", False
        elif event == "zero_grad":
            state = "zeroed"
        elif event == "update":
            turns.append("early" if open_pass and following == "backward" else state)
            state = "idle"
    return turns


def _passes_ahead(events: tuple[str, ...]) -> list[str]:
    """For each event the next "forward" or "backward" from there on, or ""."""
    ahead, following = [], ""
    for event in reversed(events):
        following = event if event in ("forward", "backward") else following
        ahead.append(following)
    return ahead[::-1]


def _one_behind(record: Record) -> Diagnosis | None:
    """Plain descent only: with momentum a move is never one step's gradient alone."""
    if not record.plain:
        return None
    judged = behind = 0
    example: tuple[int, float, float] | None = None
    for k, move in enumerate(record.moves[1:], start=1):
        before, step = record.sound[k - 1], record.sound[k]
        if not before.learning_rate or not step.learning_rate:
            continue
        names = list(step.gradients)
        moved, noise = joined(move, names), rounding(step.parameters, names)
        own = -step.learning_rate * joined(step.gradients, names)
        old = -step.learning_rate * joined(before.gradients, names)
        if 2 * noise > DECISIVE * norm(own - old):
            continue
        judged += 1
        if same(moved, old, 2 * noise) and not same(moved, own, 2 * noise):
            behind += 1
            example = example or (k, norm(own - moved), norm(moved))
    if example is None or 2 * behind <= judged:
        return None
    k, off, length = example
    return finding(
        "update_before_backward",
        f"Step {k} moved the parameters by -learning rate times the gradient of step {k - 1}, a "
        f"move of length {shown(length)} that is {shown(off)} away from its own: the update comes "
        f"before backward(). So did {behind} of {judged} steps.",
        {"step": k, "moved": length, "off": off},
        shown_by=behind,
        of=judged,
    )
