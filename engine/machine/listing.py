"""A tape in words: one line for each row, with the names of what it writes and reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.machine.kernels import KERNELS
from engine.machine.record import INLINE, NEG
from engine.machine.tape import Call, Tape
from engine.program import Program

IN_PLACE = ("add", "sub", "mul", "neg")
"""Names of the codes before INLINE, in their order."""


def listing(tape: Tape, program: Program) -> str:
    """The rows of `tape`, which `program` was lowered to:

      0  mul    2  x1w1, x2w2  <-  x1, x2; w1, w2

    is row 0, which multiplies two pairs of numbers. A line with "py" for its number is a call of an
    op in Python. What the program has no name for is shown by its place in the buffer, as @7.
    """
    names = _names(tape, program)
    called = [call.equation.op.name for call in tape.calls]
    width = max(6, *map(len, [*(kernel.name for kernel in tape.kernels), *called, ""]))
    lines = []
    for k in range(len(tape.rows) + 1):
        lines += [_called(call, names, width) for call in tape.calls if call.before == k]
        lines += [_line(k, tape, names, width)] if k < len(tape.rows) else []
    return "\n".join(lines)


def _names(tape: Tape, program: Program) -> dict[int, str]:
    found: dict[int, str] = {}
    for node, home in zip(program.nodes, tape.homes, strict=True):
        if home is not None:
            found.setdefault(home.offset, node.name)
    return found


def _line(k: int, tape: Tape, names: dict[int, str], width: int) -> str:
    code, n, out = (int(x) for x in tape.rows[k, :3])
    kernel = IN_PLACE[code] if code < INLINE else tape.kernels[code - INLINE].name
    reads = "; ".join(", ".join(_shown(i, names) for i in group) for group in _reads(k, tape))
    indexed = code < INLINE or _is_indexed(k, tape)
    writes = ", ".join(_shown(i, names) for i in (range(out, out + n) if indexed else [out]))
    return f"{k:>3}  {kernel:<{width}} {n:>3}  {writes}  <-  {reads}"


def _called(call: Call, names: dict[int, str], width: int) -> str:
    reads = "; ".join(_shown(home.offset, names) for home in call.args)
    written = _shown(call.out.offset, names)
    return f" py  {call.equation.op.name:<{width}} {call.out.size:>3}  {written}  <-  {reads}"


def _is_indexed(k: int, tape: Tape) -> bool:
    """Whether the pool says where the operands of row k lie."""
    by_hand = tape.kernels[int(tape.rows[k, 0]) - INLINE] in KERNELS.values()
    return int(tape.rows[k, 3]) == 1 and not by_hand


def _reads(k: int, tape: Tape) -> Iterator[Sequence[int]]:
    """Offsets of what row k reads, operand by operand."""
    row = tape.rows[k]
    code, n = int(row[0]), int(row[1])
    if code < INLINE:
        for field in (4,) if code == NEG else (4, 6):
            yield tape.pool[int(row[field]) : int(row[field]) + n].tolist()
        return
    spans = [start for start, _ in tape.kernels[code - INLINE].extents(row, tape.pool)[0]]
    if _is_indexed(k, tape):
        yield from (spans[i : i + n] for i in range(0, len(spans), n))
    else:
        yield from ([start] for start in spans)


def _shown(offset: int, names: dict[int, str]) -> str:
    return names.get(offset, f"@{offset}")
