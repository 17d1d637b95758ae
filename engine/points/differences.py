"""The textbook check: nudge each input a little, look how far the output moves."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.arrays import all_finite, pointer_part
from engine.errors import InputError
from engine.points.plan import Plan, plan_of
from engine.points.records import Differences, Group, Groups, Numbers
from engine.points.sheets import POINTS, TOGETHER
from engine.program import Program


def differences(
    program: Program,
    at: Mapping[str, Any] | None = None,
    step: float = 1e-6,
    direction: int | None = None,
) -> Differences:
    """(f(x + h) - f(x - h)) / 2h for every number x of every input, with h = `step`, beside the
    gradient by backpropagation at that point.

    With `direction`, a seed, all inputs are nudged together instead, along one random direction of
    length 1: two evaluations, however many inputs. `numeric` is then the slope along it, and
    `gradients` the dot product of the gradient with it. A wrong gradient shows in nearly every
    direction, but not where it is wrong.

    This is the quick look that other libraries take; `engine.check` is the honest judge. Central
    differences are off by h²/6 times the third derivative and by about eps |f| / h, with
    eps = 2.2e-16 (Press et al. 2007, section 5.7), at a kink they show the mean of two slopes, and
    `step` is far too large or too small for inputs of another size than 1. So a small `worst` is
    good news and a large one a question.

    Classes of a loss cannot be nudged and are left out. Raises InputError where point or step do
    not fit, where there is nothing to nudge, and where the output or a gradient is not finite.
    """
    _require_step(step)
    plan = plan_of(program)
    if direction is not None:
        return Check(plan, at, step).along(_seed(direction))
    return plan.at_once(at, step) or Check(plan, at, step).number_by_number()


def _require_step(step: Any) -> None:
    number = isinstance(step, (int, float)) and not isinstance(step, bool)
    if not number or not 0 < step < math.inf:
        raise InputError(
            f"the step is {step!r}, not a positive number",
            code="invalid_step",
            pointer="/step",
            hint="give a small number such as 1e-6",
        )


def _seed(direction: Any) -> int:
    whole = isinstance(direction, (int, np.integer)) and not isinstance(direction, bool)
    if not whole or direction < 0:
        raise InputError(
            f"the direction is drawn from a seed, not from {direction!r}",
            code="invalid_direction",
            pointer="/direction",
            hint="give a whole number such as 0",
        )
    return int(direction)


class Check:
    """One call of differences(): a point, its gradients, and groups of what is nudged."""

    def __init__(self, plan: Plan, at: Mapping[str, Any] | None, step: float) -> None:
        self.plan, self.step = plan, step
        self.point = point = plan.program.point(at)
        self.evaluation = plan.program.evaluate(point)
        numbers = tuple(name for name in plan.names if point[name].__class__ is float)
        shapes = {name: np.shape(point[name]) for name in plan.names if name not in numbers}
        arrays = (Group((name,), shape) for name, shape in shapes.items() if 0 not in shape)
        self.groups: Groups = (*([Group(numbers, ())] if numbers else []), *arrays)
        if not self.groups:
            raise InputError(
                "this expression has no input that could be nudged",
                code="no_inputs",
                hint="leave a name without a value, or write x = 2 on a line of its own",
            )

    def number_by_number(self) -> Differences:
        """Every number of every group."""
        numeric: dict[str, Any] = {}
        worst, where, count = -1.0, None, 0
        for group in self.groups:
            slopes = self.slopes(group)
            gap, place = _largest_gap(slopes, group.flat(self.evaluation.gradients))
            if math.isnan(gap):
                raise self.undefined(*group.entry(place))
            if gap > worst:
                worst, where = gap, group.entry(place)
            numeric |= group.named(slopes)
            count += group.size
        gradients = {name: self.evaluation.gradients[name] for name in numeric}
        return Differences(numeric, gradients, worst, where, 2 * count)

    def slopes(self, group: Group) -> Numbers:
        """The central difference for every number of a group, in blocks of equal size. The first
        half of a block's points is nudged up, the second down."""
        x, step = group.flat(self.point), self.step
        room = max(2, min(POINTS, TOGETHER // len(x)))
        count = math.ceil(len(x) / math.ceil(2 * len(x) / room))
        sheet = self.plan.take(self.point, (group,), 2 * count)
        [rows] = sheet.rows
        rows[:] = x
        slopes = np.empty(len(x))
        for start in range(0, len(x), count):
            part = slice(min(start, len(x) - count), min(start + count, len(x)))
            up, down = (np.einsum("ii->i", half[:, part]) for half in (rows[:count], rows[count:]))
            up += step
            down -= step
            slopes[part] = _quotients(sheet.outputs(), step)
            up[:] = down[:] = x[part]
        self.plan.put(sheet)
        return slopes

    def along(self, seed: int) -> Differences:
        """All groups nudged together, along one direction."""
        way = _direction(sum(group.size for group in self.groups), seed)
        sheet = self.plan.take(self.point, self.groups, 2)
        expected, end = 0.0, 0
        for group, rows in zip(self.groups, sheet.rows, strict=True):
            start, end = end, end + group.size
            part, x = way[start:end], group.flat(self.point)
            nudge = self.step * part
            np.add(x, nudge, out=rows[0])
            np.subtract(x, nudge, out=rows[1])
            expected += float(part @ group.flat(self.evaluation.gradients))
        above, below = sheet.outputs().tolist()
        self.plan.put(sheet)
        numeric = (above - below) / (2 * self.step)
        gap = abs(numeric - expected) / max(1.0, abs(numeric), abs(expected))
        if math.isnan(gap):
            raise self.undefined()
        return Differences(numeric, expected, gap, None, 2)

    def undefined(self, name: str | None = None, index: tuple[int, ...] = ()) -> InputError:
        """What to say where a difference or a gradient is not finite."""
        found, output = self.evaluation, self.plan.program.output
        offender = found.non_finite
        if offender and not all(map(all_finite, [found.value, *found.gradients.values()])):
            return InputError(
                f"{output} has no gradient at this point: {found.reason}",
                code="not_finite",
                position=offender.position,
                hint="choose another point",
            )
        nudged = f"{name}{list(index) if index else ''} is" if name else "all inputs are"
        return InputError(
            f"{output} is not finite where {nudged} nudged by {self.step:g}",
            code="not_finite",
            pointer=f"/at/{pointer_part(name)}" if name else None,
            hint="nudge by less; engine.check tells the edge of a domain from a wrong gradient",
        )


@np.errstate(all="ignore")
def _quotients(outputs: Numbers, step: float) -> Numbers:
    """What the output moves by from the second half of the points to the first, for each unit of
    the step."""
    half = len(outputs) // 2
    return (outputs[:half] - outputs[half:]) / (2 * step)


@np.errstate(all="ignore")
def _largest_gap(slopes: Numbers, gradients: Numbers) -> tuple[float, int]:
    """The largest gap between the two, relative where they are large, and its place; nan at the
    first that is not finite."""
    scale = np.maximum(np.maximum(abs(slopes), abs(gradients)), 1.0)
    gaps = abs(slopes - gradients) / scale
    place = int(gaps.argmax())
    return float(gaps[place]), place


@functools.lru_cache(maxsize=4)
def _direction(size: int, seed: int) -> Numbers:
    """A random direction of length 1."""
    way = np.random.default_rng(seed).standard_normal(size)
    return np.asarray(way / np.linalg.norm(way))
