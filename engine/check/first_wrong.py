"""Where claimed gradients, intermediate ones among them, first part from the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from engine.check.diagnosis.evidence import Evidence
from engine.check.diagnosis.found import number, stated
from engine.check.linear import Linear
from engine.check.report import Component, FirstWrong
from engine.check.verdict import Verdict
from engine.program import Equation

FOLLOWS = 1e-3
"""How closely, relatively, a claim has to follow from those before it."""


def trace_back(
    linear: Linear, components: Sequence[Component]
) -> tuple[FirstWrong | None, tuple[Component, ...]]:
    """The first claim, going backward from the output, that neither is true nor follows from the
    claims before it; and the components, with those marked that are wrong only because they follow.

    Tells nothing where no intermediate result is claimed, or where none is wrong.
    """
    claimed = {c.input: c for c in components}
    equations = {node.name for node in linear.program.equations}
    if not claimed.keys() & equations:
        return None, tuple(components)
    expected = _expected(linear, claimed)
    follow: list[tuple[str, int]] = []
    own: list[tuple[str, int]] = []
    for place in reversed(range(len(linear.values))):
        name = linear.program.nodes[place].name
        component = claimed.get(name)
        if component is None or component.verdict is not Verdict.FAIL:
            continue
        (follow if _follows(component, expected[place]) else own).append((name, place))
    marked = tuple(replace(c, follows=c.input in dict(follow)) for c in components)
    if not own:
        return None, marked
    name, place = own[0]
    behind = [it for it in follow if place in linear.program.after(it[1])]
    wrong = _told(linear, components, name, place, expected[place], behind, own[1:])
    return wrong, marked


def _follows(component: Component, expected: float) -> bool:
    """Whether a wrong claim is what wrong claims before it lead to."""
    if not math.isfinite(expected):
        return True
    truth = component.reference
    if truth is None or abs(expected - truth) <= FOLLOWS * abs(truth):
        return False  # nothing before it is wrong
    return abs(component.claim - expected) <= FOLLOWS * abs(expected)


def _expected(linear: Linear, claimed: dict[str, Component]) -> list[float]:
    """The gradient of every node as it follows from the claims nearer to the output."""
    expected = [0.0] * len(linear.values)
    taken = [0.0] * len(linear.values)
    for place in reversed(range(len(linear.values))):
        if place == linear.program.place:
            expected[place] = 1.0
        else:
            expected[place] = sum(use.derivative * taken[use.user] for use in linear.uses[place])
        component = claimed.get(linear.program.nodes[place].name)
        taken[place] = expected[place] if component is None else component.claim
    return expected


def _told(
    linear: Linear,
    components: Sequence[Component],
    name: str,
    place: int,
    expected: float,
    follow: Sequence[tuple[str, int]],
    others: Sequence[tuple[str, int]],
) -> FirstWrong:
    evidence = Evidence(linear, components)
    users = sorted({use.user for use in linear.uses[place]})
    claim = next(c.claim for c in components if c.input == name)
    sentence = (
        f"Going backward from the output, your gradients first part from the truth "
        f"{_where(linear, components, name, users)} the gradient of {name} comes to "
        f"{number(expected)}, and you have {number(claim)}."
    )
    if follow:
        names, only = _listed(follow), "only follows" if len(follow) == 1 else "only follow"
        sentence += f" What you have for {names} {only} from that: no new mistake."
    if others:
        sentence += f" Apart from it there is another slip at {_listed(others)}."
    return FirstWrong(
        place=evidence.place(users[0] if len(users) == 1 else place, place),
        name=name,
        claim=claim,
        expected=expected,
        follow=tuple(n for n, _ in follow),
        others=tuple(n for n, _ in others),
        explanation=sentence,
    )


def _listed(named: Sequence[tuple[str, int]]) -> str:
    return _joined([name for name, _ in named])


def _joined(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _where(linear: Linear, components: Sequence[Component], name: str, users: Sequence[int]) -> str:
    if not users:
        return f"at {name}, which no equation uses: there"
    if len(users) != 1:
        equations = _joined([str(_number(linear, user)) for user in users])
        return f"at {name}, where the parts from equations {equations} come together: from them"
    [user] = users
    text = stated(linear.program, user)
    equation = _number(linear, user)
    return f"at equation {equation}, {text}: from {_given(linear, components, user)}"


def _number(linear: Linear, place: int) -> int:
    node = linear.program.nodes[place]
    return node.number if isinstance(node, Equation) else 0


def _given(linear: Linear, components: Sequence[Component], at: int) -> str:
    if at == linear.program.place:
        return "the 1 that the output starts with"
    name = linear.program.nodes[at].name
    for component in components:
        if component.input == name:
            return f"your {number(component.claim)} for {name}"
    return "what you have up to there"
