"""From a program to a tape: where each number lies, and which rows compute it.

A program of scalars becomes runs (schedule.py) over a pool of indices. One with arrays becomes a
row for each equation, in their order, by the rules of emit.py; a transpose that only a matrix
product sees, a reshape and an element taken by its index cost no row at all.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Sequence
from numbers import Real

import numpy as np

from engine.errors import InputError
from engine.machine import emit
from engine.machine.clearing import clear
from engine.machine.kernels import KERNELS
from engine.machine.memory import Memory, Shape
from engine.machine.printed import OPERANDS, printed
from engine.machine.record import ADD, INLINE, MUL, NEG, SUB, WIDTH, Kernel
from engine.machine.schedule import alive, runs
from engine.machine.tape import Call, Home, Tape
from engine.op import Op
from engine.ops import OPS
from engine.program import Constant, Equation, Input, Program

IN_PLACE = {"add": ADD, "sub": SUB, "mul": MUL, "neg": NEG}
"""Built-in ops that the interpreter does itself on scalars."""

EXPONENTS = (2.0, 3.0)
"""Constant exponents that have kernels of their own, without a logarithm."""

ADDRESSES = 2**32
"""Numbers that the 32 bits of a field can tell apart."""


def lower(
    program: Program,
    shapes: Sequence[Shape],
    data: Collection[str] = (),
    accumulate: bool = False,
    turn: bool = True,
) -> Tape:
    """The tape of `program`, whose nodes have these `shapes`, by place.

    Inputs named in `data` lie behind everything else and have no gradient; only products and
    losses may use them. With `accumulate` the gradients of the other inputs are kept from pass to
    pass. A matrix that is seen through its transpose alone is stored transposed if `turn` allows.
    Raises InputError where the numbers are too many for a tape's addresses.
    """
    lowering = Lowering(program, shapes, data, turn)
    scalars = not any(shapes[place] for place in lowering.users)
    for run in lowering.runs() if scalars else ([place] for place in lowering.equations):
        lowering.emit(run, scalars)
    return lowering.tape(accumulate, scalars)


def is_elementwise(op: Op) -> bool:
    """Whether an op has a kernel that is printed from its formulas."""
    return op.formula is not None and len(op.formula.inputs) <= OPERANDS


def has_kernel(equation: Equation) -> bool:
    """Whether an elementwise equation is a row: its parameters have to be numbers."""
    numbers = all(isinstance(value, Real) for value in equation.params.values())
    return numbers and is_elementwise(equation.op)


class Lowering:
    """A tape in the making."""

    def __init__(
        self,
        program: Program,
        shapes: Sequence[Shape],
        data: Collection[str] = (),
        turn: bool = True,
    ) -> None:
        self.program, self.shapes = program, shapes
        self.equations = alive(program.nodes, program.place)
        self.users: dict[int, list[int]] = {program.place: []}
        for place, equation in self.equations.items():
            for arg in equation.args:
                self.users.setdefault(arg, []).append(place)
        self.memory = Memory()
        self.homes: list[Home | None] = [None] * len(program.nodes)
        self.rows: list[list[int]] = []
        self.pool: list[int] = []
        self.codes: dict[Kernel, int] = {}
        self.calls: list[Call] = []
        self.leaves: dict[str, Home] = {}
        self.data: set[int] = set()
        self._plain: dict[int, Home] = {}
        self._merged: set[int] = set()
        for place, node in enumerate(program.nodes):
            if isinstance(node, Input):
                self._lay_leaf(place, node.name, node.name in data, turn)
            elif isinstance(node, Constant) and place in self.users:
                self.homes[place] = self.memory.constant(node.value)
        self.top_of_leaves = self.memory.top

    def _lay_leaf(self, place: int, name: str, is_data: bool, turn: bool) -> None:
        shape = self.shapes[place]
        if is_data:
            self.data.add(place)
            home = self.memory.data(shape)
        else:
            users = self.users.get(place, ())
            turned = all(emit.is_transpose(self.equations[user], shape) for user in users)
            home = self.memory.allocate(shape, turn and turned and bool(users))
        self.homes[place] = self.leaves[name] = home

    # -- what the rules of emit.py build with ---------------------------------------------

    def home(self, place: int) -> Home:
        """Where the numbers of a node lie, perhaps transposed."""
        home = self.homes[place]
        assert home is not None
        return home

    def plain(self, place: int) -> Home:
        """The same row by row; a copy where they lie transposed."""
        home = self.home(place)
        if not home.transposed:
            return home
        if place not in self._plain:
            self._plain[place] = self.spread(home, home.shape, [1, home.shape[0]])
        return self._plain[place]

    def aligned(self, place: int, shape: Shape) -> Home:
        """The numbers of a node as an array of `shape`, or the one number that stands for all."""
        home = self.plain(place)
        if home.size in (1, emit.size(shape)):
            return home
        return self.spread(home, shape, emit.stretched(home.shape, shape))

    def spread(
        self, home: Home, shape: Shape, strides: Sequence[int], place: int | None = None
    ) -> Home:
        """An array of `shape` read out of `home` by strides: the result at `place`, or a copy on
        the way to one. Raises Uncovered where that takes more axes than a row has room for."""
        axes = emit.joined(shape, strides)
        if len(axes) > emit.RANK:
            raise emit.Uncovered
        out = self.allocate(shape) if place is None else self.result(place)
        left = [0] * (emit.RANK - len(axes))
        sizes, steps = [size for size, _ in axes], [step for _, step in axes]
        self.row("spread", out.size, out, home.size, home.offset, len(axes), *sizes, *left, *steps)
        return out

    def result(self, place: int) -> Home:
        """Room for the node at `place`."""
        home = self.homes[place] = self.allocate(self.shapes[place])
        return home

    def allocate(self, shape: Shape) -> Home:
        """Room for a result on the way."""
        return self.memory.allocate(shape)

    def constant(self, value: float) -> Home:
        """The home of a number."""
        return self.memory.constant(value)

    def wanted(self, place: int) -> bool:
        """Whether the node at `place` has a gradient that anybody asks for."""
        return place not in self.data and not isinstance(self.program.nodes[place], Constant)

    def row(self, kind: str | Kernel, n: int, out: Home, *fields: int) -> None:
        """Append a row: its kernel, how many numbers it writes, where, and fields 3 to 15. What
        writes nothing is no row."""
        if not n:
            return
        code = self._code(KERNELS[kind] if isinstance(kind, str) else kind)
        self.rows.append([code, n, out.offset, *fields])

    def _code(self, used: Kernel) -> int:
        return self.codes.setdefault(used, INLINE + len(self.codes))

    def bias_of(self, place: int) -> tuple[Home | None, int]:
        """What is added to each row of the matrix product at `place`, and the place of the sum;
        where nothing of the kind follows, None and the place itself."""
        users, factors = self.users[place], self.equations[place].args
        if len(users) != 1 or any(len(self.shapes[arg]) != 2 for arg in factors):
            return None, place
        add = self.equations[users[0]]
        [bias] = [arg for arg in add.args if arg != place][:1] or [place]
        columns = self.shapes[place][1]
        fits = self.shapes[bias] in ((columns,), (1, columns)) and self.wanted(bias)
        if add.op is not OPS["add"] or self.homes[bias] is None or not fits:
            return None, place
        self._merged.add(users[0])
        return self.homes[bias], users[0]

    def kernel_of(self, equation: Equation) -> Kernel:
        """The kernel of an elementwise equation."""
        op, exponent = self._variant(equation)
        return printed(op, {} if exponent is None else {1: exponent})

    def _variant(self, equation: Equation) -> tuple[Op, float | None]:
        exponent = emit.constant_exponent(self.program, equation)
        return equation.op, exponent if exponent in EXPONENTS else None

    # -- equations in their order ----------------------------------------------------------

    def runs(self) -> Iterator[list[int]]:
        """The equations of a program of scalars in runs of one kernel."""

        def kind(equation: Equation) -> Hashable:
            if not has_kernel(equation):
                return None
            return self._variant(equation), tuple(equation.params.values())

        return runs(self.equations, kind)

    def emit(self, places: Sequence[int], scalars: bool) -> None:
        """The rows of equations that are done together, or of one alone."""
        place, equation = places[0], self.equations[places[0]]
        if place in self._merged:
            return
        if scalars and has_kernel(equation):
            self._emit_run(places)
            return
        rule = emit.RULES.get(equation.op.name) if equation.op.origin == "built-in" else None
        if has_kernel(equation):
            rule = emit.elementwise
        try:
            covered = rule is not None and rule(self, place, equation)
        except emit.Uncovered:
            covered = False
        if not covered:
            self._emit_call(place, equation)

    def _emit_run(self, places: Sequence[int]) -> None:
        equation = self.equations[places[0]]
        op = equation.op
        code = IN_PLACE.get(op.name) if op is OPS.get(op.name) else None
        row = [self._code(self.kernel_of(equation)) if code is None else code]
        row += [len(places), self.memory.top, 1]
        for i in range(len(op.input_names)):
            row += [len(self.pool), 0]
            self.pool += [self.home(self.equations[place].args[i]).offset for place in places]
        for value in equation.params.values():
            row += [len(self.pool), 0]
            self.pool += [self.constant(float(value)).offset] * len(places)
        for place in places:
            self.result(place)
        self.rows.append(row)

    def _emit_call(self, place: int, equation: Equation) -> None:
        homes = tuple(self.home(arg) for arg in equation.args)
        wanted = tuple(
            self.wanted(arg) and equation.op.differentiates(i)
            for i, arg in enumerate(equation.args)
        )
        self.calls.append(Call(len(self.rows), equation, homes, self.result(place), wanted))

    # -- the whole -----------------------------------------------------------------------

    def tape(self, accumulate: bool, scalars: bool) -> Tape:
        """What has been emitted, with every offset made absolute."""
        memory = self.memory
        if memory.values >= ADDRESSES:
            raise InputError(
                f"this program holds {memory.values} numbers; a tape has room for {ADDRESSES}",
                code="too_many_elements",
                hint="use smaller arrays",
            )
        table = np.zeros((len(self.rows), WIDTH), np.int64)
        for filled, row in zip(table, self.rows, strict=True):
            filled[: len(row)] = row
        rows = memory.settle(table).astype(np.uint32)
        pool = memory.settle(np.array(self.pool, np.int64)).astype(np.uint32)
        calls = [
            Call(c.before, c.equation, tuple(map(memory.settled, c.args)), c.out, c.wanted)
            for c in self.calls
        ]
        output = self.home(self.program.place)
        kept = self.top_of_leaves if accumulate else 0
        if scalars:
            zeroed = [(kept, memory.top - kept)]
        else:
            zeroed = clear(rows, pool, tuple(self.codes), calls, memory, output, kept)
        return Tape(
            rows=rows,
            pool=pool,
            kernels=tuple(self.codes),
            values=memory.values,
            gradients=memory.gradients,
            leaves={name: memory.settled(home) for name, home in self.leaves.items()},
            results=(self.top_of_leaves, memory.top),
            output=memory.settled(output),
            constants=tuple((memory.settled(home), value) for home, value in memory.constants),
            homes=tuple(None if home is None else memory.settled(home) for home in self.homes),
            zeroed=np.array(zeroed, np.int64).reshape(-1, 2),
            calls=tuple(calls),
        )
