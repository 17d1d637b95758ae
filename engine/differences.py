"""The textbook check: nudge each input a little, look how far the output moves."""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine import machine
from engine.arrays import all_finite, pointer_part
from engine.batch import Writer, batched
from engine.check.array_tape import labels
from engine.errors import EngineError, InputError, Position
from engine.ops import OPS
from engine.program import Constant, Equation, Input, Program

if TYPE_CHECKING:
    from engine.machine.drive import Drive

Numbers = NDArray[np.float64]

POINTS = 128
"""How many points are computed together, at most: two for each number that is nudged."""

TOGETHER = 131072
"""Numbers of one array at all points that are computed together: a megabyte stays in a
processor's second cache."""

KEPT = 32
"""Sheets that are kept for each program."""


@dataclass(frozen=True, slots=True)
class Differences:
    """Central differences beside backpropagation's gradient.

    `numeric` and `gradients` map the name of each input to a number, or an array of its shape;
    along one direction they are one number each. `worst` is the largest gap between the two,
    |numeric - gradient| / max(1, |numeric|, |gradient|), and `where` the name and index of the
    number it belongs to: ("x", (2,)), ("b", ()) for a single number, None along a direction.
    `evaluations` counts the nudged points.
    """

    numeric: Any
    gradients: Any
    worst: float
    where: tuple[str, tuple[int, ...]] | None
    evaluations: int


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
    plan = _plan(program)
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


class Group(NamedTuple):
    """Inputs that are nudged in one go: single numbers (`shape` is ()), or one array, so that
    what depends on the other inputs alone is computed once."""

    names: tuple[str, ...]
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape) if self.shape else len(self.names)

    def flat(self, values: Mapping[str, Any]) -> Numbers:
        """All numbers of the group in one row."""
        if self.shape:
            return np.ravel(values[self.names[0]])
        return np.array([values[name] for name in self.names])

    def named(self, numbers: Numbers) -> dict[str, Any]:
        """The opposite: numbers in one row as the inputs have them."""
        if self.shape:
            return {self.names[0]: numbers.reshape(self.shape)}
        return dict(zip(self.names, numbers.tolist(), strict=True))

    def points(self, rows: Numbers) -> dict[str, Numbers]:
        """The inputs at many points, each of which is a row of numbers."""
        if self.shape:
            return {self.names[0]: rows.reshape(-1, *self.shape)}
        return dict(zip(self.names, rows.T, strict=True))

    def entry(self, place: int) -> tuple[str, tuple[int, ...]]:
        """Name and index of the number at a place of the row."""
        if self.shape:
            return self.names[0], tuple(map(int, np.unravel_index(place, self.shape)))
        return self.names[place], ()


Groups = tuple[Group, ...]


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


class Sheet:
    """A program at `count` points that are written in place: for each group, `rows` hold a row of
    its numbers for each point. One thread at a time may use it; `kind` says what it can serve."""

    kind: Hashable = None

    def __init__(
        self, program: Program, point: Mapping[str, Any], groups: Groups, count: int
    ) -> None:
        self._program, self._groups = program, groups
        self._fixed: Mapping[str, Any] = {}
        self._drive = self._taped(point, count) if machine.ready() else None
        if self._drive is None:
            memory = np.empty(count * sum(group.size for group in groups))
        else:
            memory = self._drive.values
            self._output = self._drive.tape.output.view(memory)
        self.rows: list[Numbers] = []
        end = 0
        for group in groups:  # on a tape, too, they come first, in this order
            start, end = end, end + count * group.size
            part = memory[start:end]
            self.rows.append(part.reshape(count, -1) if group.shape else part.reshape(-1, count).T)

    def _taped(self, point: Mapping[str, Any], count: int) -> Drive | None:
        moving = [name for group in self._groups for name in group.names]
        many = batched(self._program, {name: np.shape(x) for name, x in point.items()}, moving)
        if many is None:
            return None
        return _drive(many, {**point, **{name: np.array([point[name]] * count) for name in moving}})

    def fix(self, fixed: Mapping[str, Any]) -> None:
        """Take the inputs that are the same at all points."""
        self._fixed = fixed
        if self._drive is not None:
            for name, x in fixed.items():
                self._drive.tape.leaves[name].view(self._drive.values)[...] = x

    def outputs(self) -> Numbers:
        """The output at each point; good until it is asked for again."""
        if self._drive is not None:
            self._drive.forward()
            return self._output
        moving: dict[str, Numbers] = {}
        for group, rows in zip(self._groups, self.rows, strict=True):
            moving |= group.points(rows)
        found: Numbers = self._program.evaluate_many(moving, self._fixed)
        return found


class Whole:
    """The check of a program whose inputs are single numbers on one tape: its outputs at all
    points, the differences and the gaps. One thread at a time may use it; `kind` is as a sheet's.

    Raises EngineError where the program does not run, ValueError where it cannot be batched.
    """

    def __init__(self, program: Program, step: float) -> None:
        self.kind: Hashable = step
        self._defaults = {node.name: node.default for node in program.inputs}
        self._names = names = tuple(self._defaults)
        self._take = itemgetter(*names) if len(names) > 1 else lambda at: (at[names[0]],)
        self._compiled = program.compile(dict.fromkeys(names, 0.0))
        up = step * np.eye(len(names))
        self._nudges = np.concatenate([up, -up], axis=1)
        checked, numeric = _written_out(program, names, step)
        leaves = {"points": np.zeros(self._nudges.shape), "gradients": np.zeros(len(names))}
        self._drive = _drive(checked, leaves)
        tape, memory = self._drive.tape, self._drive.values
        home = tape.homes[numeric]
        assert home is not None
        self._numeric, self._gaps = home.view(memory), tape.output.view(memory)
        self._points, self._gradients = (tape.leaves[name].view(memory) for name in leaves)

    def __call__(self, at: Mapping[str, Any] | None) -> Differences | None:
        """None where the point is not a float for each input, or where anything that comes out is
        not finite."""
        given, names, compiled = self._defaults if at is None else at, self._names, self._compiled
        try:
            numbers = self._take(given)
        except KeyError:
            return None
        if len(given) > len(names) or {*map(type, numbers)} != {float}:
            return None
        compiled.point[:] = numbers
        if not compiled.run():
            return None
        np.add(compiled.point[:, np.newaxis], self._nudges, out=self._points)
        self._gradients[:] = compiled.gradient
        self._drive.forward()
        place = int(self._gaps.argmax())
        worst = self._gaps.item(place)
        if math.isnan(worst):
            return None
        numeric = dict(zip(names, self._numeric.tolist(), strict=True))
        gradients = dict(zip(names, compiled.gradient.tolist(), strict=True))
        return Differences(numeric, gradients, worst, (names[place], ()), 2 * len(names))


def _written_out(program: Program, names: tuple[str, ...], step: float) -> tuple[Program, int]:
    """The check as a program: `points`, a row for each number, and `gradients` in, the gaps out;
    and the place of the differences. The same as _quotients() and _largest_gap()."""
    many = batched(program, dict.fromkeys(names, ()), names)
    if many is None:
        raise ValueError("the program cannot be batched")
    count, here = len(names), Position(1, 1, 0)
    w = Writer()
    points = w.input(Input("points", None, here), (count, 2 * count), False)
    gradients = w.input(Input("gradients", None, here), (count,), False)
    made = [w.apply(OPS["getitem"], (2 * count,), points, index=i) for i in range(count)]
    for node in many.nodes[count:]:
        if isinstance(node, Equation):
            args = [made[arg] for arg in node.args]
            made.append(w.apply(node.op, (2 * count,), *args, **node.params))
        elif isinstance(node, Constant):
            made.append(w.constant(node.value))
    halves = w.reshaped(made[many.place], (2, count))
    up, down = (w.apply(OPS["getitem"], (count,), halves, index=i) for i in (0, 1))
    numeric = w.map(OPS["div"], w.map(OPS["sub"], up, down), w.constant(2 * step))
    sizes = w.map(OPS["max"], w.map(OPS["abs"], numeric), w.map(OPS["abs"], gradients))
    gap = w.map(OPS["abs"], w.map(OPS["sub"], numeric, gradients))
    gaps = w.map(OPS["div"], gap, w.map(OPS["max"], sizes, w.constant(1.0)))
    return Program("", tuple(w.nodes), w.place(gaps), many.limits), w.place(numeric)


def _drive(program: Program, point: Mapping[str, Any]) -> Drive:
    """A program of arrays of these shapes on a tape of its own."""
    from engine.machine.drive import Drive
    from engine.machine.lower import lower

    values = program.run(point, requires_grad=False)
    return Drive(lower(program, [value.shape for value in values], turn=False))


class Plan:
    """What is remembered of a program: the `names` of the inputs that can be nudged, which are all
    but classes, and sheets that are not in use."""

    def __init__(self, program: Program) -> None:
        self.program = program
        classes, nodes = labels(program), enumerate(program.nodes)
        self.names = tuple(n.name for i, n in nodes if isinstance(n, Input) and i not in classes)
        self._whole = 0 < 2 * len(program.inputs) <= POINTS and not classes
        self._sheets: dict[Hashable, Any] = {}

    def at_once(self, at: Mapping[str, Any] | None, step: float) -> Differences | None:
        """The whole check on one tape, where that can be."""
        if not self._whole or not machine.ready():
            return None
        try:
            whole: Whole = self._sheets.pop(step, None) or Whole(self.program, step)
        except (EngineError, ValueError):
            self._whole = False
            return None
        found = whole(at)
        self.put(whole)
        return found

    def take(self, point: Mapping[str, Any], groups: Groups, count: int) -> Sheet:
        """A sheet for these groups, with all else as in `point`. Nobody else has it meanwhile."""
        moving = {name for group in groups for name in group.names}
        fixed = {name: x for name, x in point.items() if name not in moving}
        kind = count, groups, tuple(map(np.shape, fixed.values())), machine.ready()
        sheet: Sheet = self._sheets.pop(kind, None) or Sheet(self.program, point, groups, count)
        sheet.kind = kind
        sheet.fix(fixed)
        return sheet

    def put(self, sheet: Sheet | Whole) -> None:
        """Keep a sheet for the next time."""
        if len(self._sheets) >= KEPT:
            self._sheets.pop(next(iter(self._sheets)), None)
        self._sheets[sheet.kind] = sheet


def _plan(program: Program) -> Plan:
    """The plan of a program, which lives as long as that."""
    plan: Plan | None = program.blocks.get(Plan)
    if plan is None:
        plan = program.blocks[Plan] = Plan(program)
    return plan
