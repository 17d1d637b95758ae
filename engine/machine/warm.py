"""Compiling everything ahead: at set-up, in an image, at the start of a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from engine.machine import Warmth
from engine.machine.cache import folder, lasts
from engine.machine.compiled import compiled, from_disk
from engine.machine.interpreter import entry
from engine.machine.kernels import KERNELS
from engine.machine.lower import EXPONENTS, is_elementwise
from engine.machine.printed import printed
from engine.machine.record import Kernel
from engine.op import Op
from engine.ops import OPS


def warm(ops: Iterable[Op], report: Callable[[str, int, int], None] | None) -> Warmth:
    """See engine.machine.warm()."""
    kernels = list(_kernels(ops))
    total, fresh = len(kernels) + 1, 0
    entry.door()
    if report:
        report("the interpreter", 1, total)
    for done, kernel in enumerate(kernels, start=2):
        compiled(kernel)
        fresh += not from_disk(kernel)
        if report:
            report(kernel.name, done, total)
    return Warmth(total, fresh, str(folder()), lasts())


def _kernels(ops: Iterable[Op]) -> Iterator[Kernel]:
    for op in ops:
        if is_elementwise(op):
            yield printed(op)
            if op is OPS["pow"]:
                yield from (printed(op, {1: exponent}) for exponent in EXPONENTS)
    yield from KERNELS.values()
