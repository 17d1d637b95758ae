"""The exam refuses every planted mistake for the right reason, and no right op."""

from __future__ import annotations

import re

import numpy as np
import pytest

from engine.errors import OpRefused
from engine.exam import examine
from engine.extend import op
from engine.ops import OPS
from engine.value import Value
from tests.engine import planted


def names(full: bool) -> list[str]:
    """The dice follow from the name of an op: each name is another exam."""
    return [f"candidate{i}" for i in range(200 if full else 5)]


@pytest.mark.proof
@pytest.mark.parametrize("mistake", planted.MISTAKES)
def test_planted_mistake_is_refused(mistake: str, full: bool) -> None:
    make, evidence = planted.MISTAKES[mistake]
    for name in names(full):
        with pytest.raises(OpRefused) as refusal:
            examine(make(name))
        assert re.search(evidence, f"{refusal.value}; {refusal.value.hint}"), refusal.value


@pytest.mark.proof
@pytest.mark.parametrize("right", planted.RIGHT)
def test_right_op_is_admitted(right: str, full: bool) -> None:
    for name in names(full):
        certificate = examine(planted.RIGHT[right](name))
        assert certificate.points >= 3 * certificate.unmeasured


@pytest.mark.parametrize("name", OPS)
def test_every_built_in_is_admitted(name: str) -> None:
    certificate = examine(OPS[name])
    assert certificate.points >= 12
    assert certificate.worst < 1e-6


def test_exam_repeats_itself() -> None:
    assert examine(OPS["tanh"]) == examine(OPS["tanh"])


def test_table_costs_little_work() -> None:
    """It is examined at each start, so the calls of forwards are counted."""
    assert sum(examine(each).evaluations for each in OPS.values()) < 8_000


def test_refusal_gives_both_numbers() -> None:
    wrong = op("silu", planted.RIGHT["textbook sigmoid"]("s").forward, lambda g, y, x: g * y)
    with pytest.raises(OpRefused) as refusal:
        examine(wrong)
    found = re.fullmatch(
        r"silu: the backward says (\S+) for x at x = (\S+), "
        r"the slope of its forward times g = (\S+) is (\S+)",
        str(refusal.value),
    )
    assert found, refusal.value
    said, x, g, slope = map(float, found.groups())
    y = 1 / (1 + np.exp(-x))
    assert said == pytest.approx(g * y, rel=1e-3)
    assert slope == pytest.approx(g * y * (1 - y), rel=1e-3)


def test_refused_op_leaves_nothing_behind() -> None:
    wrong = op("wrong", np.sin, lambda g, y, x: g)
    with pytest.raises(OpRefused):
        examine(wrong)
    assert not hasattr(Value, "wrong")
