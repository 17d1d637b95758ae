"""Kernels as machine code: compiled once, kept on disk, reached by their addresses."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from numba import cfunc, config
from numba.core.compiler import Compiler

from engine.machine.cache import folder
from engine.machine.record import Kernel, Loop

SIGNATURE = "void(CPointer(float64), CPointer(float64), CPointer(uint32), CPointer(uint32))"
"""(v, d, r, p) of every kernel, by the addresses of their first elements."""

Made = TypeVar("Made")

LOCK = threading.RLock()
_COMPILED: dict[Kernel, tuple[Compiled, Any, Any]] = {}
"""Addresses with the objects that keep them alive."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """Addresses of C functions (v, d, r, p)."""

    forward: int
    backward: int


class _Apart(Compiler):  # type: ignore[misc]
    """numba's compiler, told that the four arrays never share memory, which is what lets LLVM keep
    a row's fields in registers and vectorise without asking at run time."""

    def __init__(
        self,
        typingctx: Any,
        targetctx: Any,
        library: Any,
        args: Any,
        return_type: Any,
        flags: Any,
        locals: Any,
    ) -> None:
        flags.noalias = True
        super().__init__(typingctx, targetctx, library, args, return_type, flags, locals)


def compiled(kernel: Kernel) -> Compiled:
    """`kernel` as machine code: from this process, else from disk (6 ms), else compiled now
    (0.2 to 0.8 s) and kept on disk.

    `v`, `d`, `r` and `p` must be four arrays that share no memory. Safe to call from threads.
    """
    with LOCK:
        if kernel not in _COMPILED:
            forward, backward = mended(
                lambda: (_machine_code(kernel.forward), _machine_code(kernel.backward))
            )
            addresses = Compiled(forward.address, backward.address)
            _COMPILED[kernel] = addresses, forward, backward
        return _COMPILED[kernel][0]


def known(kernel: Kernel) -> bool:
    """Whether `kernel` is in this process already, so that compiled() costs nothing."""
    return kernel in _COMPILED


def from_disk(kernel: Kernel) -> bool:
    """Whether both functions of a known `kernel` were found on disk, not compiled here."""
    return all(code.cache_hits for code in _COMPILED[kernel][1:])


@contextmanager
def kept() -> Iterator[None]:
    """What numba compiles with `cache=True` in this block is kept in our folder.

    Holds LOCK: the folder is a setting of the whole process, put back at the end.
    """
    with LOCK:
        settings = vars(config)
        before, settings["CACHE_DIR"] = settings["CACHE_DIR"], str(folder())
        try:
            yield
        finally:
            settings["CACHE_DIR"] = before


def mended(make: Callable[[], Made]) -> Made:
    """What `make` compiles, or finds in our folder. Where a file there cannot be read, because a
    disk was full or a process killed, all are removed and made anew."""
    with kept():
        try:
            return make()
        except (EOFError, ImportError, AttributeError, pickle.UnpicklingError):
            for file in folder().glob("**/*.nb[ic]"):
                file.unlink(missing_ok=True)
            return make()


def _machine_code(loop: Loop) -> Any:
    # Without numpy's error model 1/0 would end the loop there and leave old numbers. Of fastmath
    # only this: a product and a sum may become one instruction. More would undo the argument
    # reductions of the elementary functions.
    return cfunc(
        SIGNATURE,
        cache=True,
        error_model="numpy",
        fastmath={"contract"},
        pipeline_class=_Apart,
    )(loop)
