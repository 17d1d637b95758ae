"""Tapes that were tampered with are refused, or do exactly what they say and touch nothing else."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest

from engine import Value
from engine.machine.lower import lower
from engine.machine.record import INLINE
from engine.machine.tape import Tape
from engine.machine.validate import TapeError, validate
from engine.op import Op
from engine.registry import load
from engine.trace import trace
from tests.engine.machine.oracle import compiled, plain
from tests.engine.machine.shelf_cases import case

SHELF = load(entry_points=False).ops
ODD = (0, 1, 2, 3, 7, 8, 16, 255, 2**16, 2**31, 2**32 - 1)


def chain(rng) -> object:
    """A program of a few random ops on arrays, one after the other."""

    def function(*inputs):
        values = list(inputs)
        for _ in range(rng.integers(1, 6)):
            name = str(rng.choice(["add", "mul", "tanh", "exp", "sum", "matmul", "relu", "sub"]))
            picked: list[Value] = [values[int(rng.integers(len(values)))] for _ in range(2)]
            with np.errstate(all="ignore"):
                try:
                    values.append(SHELF[name](*picked[: SHELF[name].arity]))
                except Exception:
                    continue
        return sum((v.sum() if v.shape else v for v in values), Value.constant(0.0))

    shapes = [(), (), (3,), (2, 3), (3, 2), (3, 3)]
    return trace(function, *[rng.normal(size=shapes[int(rng.integers(6))]) for _ in range(3)])


def called(op: Op, rng) -> object:
    """A program of one op."""
    inputs, params, _ = case(op, rng)
    blind = () if op.variadic else op.blind

    def function(*values):
        result = op(*[inputs[i] if i in blind else v for i, v in enumerate(values)], **params)
        return result.sum() if result.shape else result + 0.0

    return trace(function, *inputs)


def tapes(rng, count: int) -> list[Tape]:
    made = []
    ops = [op for op in SHELF.values() if op.name != "place"]
    while len(made) < count:
        program = (
            chain(rng) if rng.random() < 0.5 else called(ops[int(rng.integers(len(ops)))], rng)
        )
        values = program.run(program.point(), requires_grad=False)
        tape = lower(program, [value.shape for value in values])
        if len(tape.rows) and not tape.calls and tape.values < 2000:
            made.append(tape)
    return made


def number(rng, before: int) -> int:
    """Something near what was there, or odd."""
    way = rng.random()
    if way < 0.4:
        return max(0, before + int(rng.integers(-3, 4)))
    if way < 0.6:
        return before ^ (1 << int(rng.integers(0, 32)))
    if way < 0.8:
        return int(rng.integers(0, 64))
    return int(rng.choice(ODD))


def tampered(tape: Tape, rng) -> Tape:
    """The tape with one to three fields of its rows, pool or layout changed, or a row moved."""
    rows, pool, changes = tape.rows.copy(), tape.pool.copy(), {}
    for _ in range(rng.integers(1, 4)):
        k, field = int(rng.integers(len(rows))), int(rng.integers(16))
        way = rng.random()
        if way < 0.7:
            rows[k, field] = number(rng, int(rows[k, field])) % 2**32
        elif way < 0.8 and len(pool):
            k = int(rng.integers(len(pool)))
            pool[k] = number(rng, int(pool[k])) % 2**32
        elif way < 0.9:
            other = int(rng.integers(len(rows)))
            rows[[k, other]] = rows[[other, k]]
        else:
            changes["values"] = number(rng, tape.values) % 5000
    return dataclasses.replace(tape, rows=rows, pool=pool, **changes)


@pytest.mark.proof
def test_tampered_tape_is_refused_or_right(full, figures):
    count = 1_000_000 if full else 1_000
    rng = np.random.default_rng(20)
    outcomes: Counter[str] = Counter()
    kernels: Counter[str] = Counter()
    while sum(outcomes.values()) < count:
        for tape in tapes(rng, 20):
            leaves = rng.normal(size=tape.results[0])
            for _ in range(25):
                candidate = tampered(tape, rng)
                try:
                    validate(candidate)
                except TapeError:
                    outcomes["refused"] += 1
                    continue
                outcomes["run"] += 1
                kernels.update(kernel.name for kernel in candidate.kernels)
                slow = plain(candidate, leaves)
                fast = compiled(candidate, leaves)
                for found, wanted in zip(fast, slow, strict=True):
                    cleared = np.where(np.isnan(found) & (wanted == 0), wanted, found)
                    assert np.allclose(cleared, wanted, rtol=1e-9, atol=1e-9, equal_nan=True), (
                        candidate.rows.tolist()
                    )
    assert outcomes["refused"] > 0.2 * count
    assert outcomes["run"] > 0.05 * count
    assert len(kernels) > 15
    figures("fuzzed-tapes", {"tapes": sum(outcomes.values()), **outcomes})


def test_every_part_of_a_tape_is_checked():
    rng = np.random.default_rng(3)
    tape = next(tape for tape in tapes(rng, 20) if tape.rows[-1, 0] >= INLINE)
    for changes in (
        {"rows": tape.rows.astype(np.int64)},
        {"rows": tape.rows[:, :8]},
        {"pool": tape.pool.astype(np.uint64)},
        {"output": dataclasses.replace(tape.output, offset=tape.gradients)},
        {"zeroed": np.array([[0, tape.gradients + 1]])},
        {"gradients": tape.values + 1},
        {"kernels": ()},
        {"results": (tape.results[0], tape.results[1] + 1)},
        {"constants": ((dataclasses.replace(tape.output, offset=tape.values), 1.0),)},
    ):
        validate(tape)
        with pytest.raises(TapeError):
            validate(dataclasses.replace(tape, **changes))
            pytest.fail(str(changes))
