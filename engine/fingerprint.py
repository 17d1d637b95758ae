"""What a Python function does, as bytes: the identity of a rule that has no formula."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np


def fingerprint(thing: Any) -> bytes:
    """The same for the same code, constants, defaults, enclosed and global values, anywhere.

    Functions are followed into those that they call by name. Bytecode is that of this Python.
    """
    return b"".join(_parts(thing, set()))


def _parts(thing: Any, seen: set[int]) -> Iterator[bytes]:
    yield type(thing).__qualname__.encode()
    if isinstance(thing, (bool, int, float, complex, str, bytes, type(None))):
        yield repr(thing).encode()
        return
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        yield repr((thing.shape, thing.dtype.str)).encode() + thing.tobytes()
    elif isinstance(thing, types.CodeType):
        yield thing.co_code + repr(thing.co_names).encode()
        yield from _each(thing.co_consts, seen)
    elif isinstance(thing, types.FunctionType):
        yield from _each(_used_by(thing), seen)
    elif isinstance(thing, (tuple, list)):
        yield from _each(thing, seen)
    elif isinstance(thing, (set, frozenset)):
        yield b"".join(sorted(fingerprint(part) for part in thing))
    elif isinstance(thing, Mapping):
        yield from _each(tuple(thing.items()), seen)
    else:  # a module, a class, a function written in C, an op: its name stands for it
        name = getattr(
            thing, "__qualname__", getattr(thing, "name", getattr(thing, "__name__", ""))
        )
        yield f"{getattr(thing, '__module__', '')}.{name}".encode()


def _each(things: Any, seen: set[int]) -> Iterator[bytes]:
    for thing in things:
        yield from _parts(thing, seen)


def _used_by(function: types.FunctionType) -> Iterator[Any]:
    code = function.__code__
    yield code
    yield function.__defaults__
    yield function.__kwdefaults__
    for cell in function.__closure__ or ():
        yield cell.cell_contents
    for name in code.co_names:
        yield function.__globals__.get(name)
