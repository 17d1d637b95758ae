"""Every op, plugins included: compiled code against the interpreter as plain Python against the
op's own rule."""

from __future__ import annotations

import dataclasses
import zlib

import numpy as np
import pytest

from engine import Value
from engine.machine import lower as lowering
from engine.machine.lower import lower
from engine.op import Op, op
from engine.registry import load
from engine.trace import trace
from tests.engine.machine.oracle import compiled, plain
from tests.engine.machine.shelf_cases import case

SHELF = load(entry_points=False).ops
CASES = 200

every_op = pytest.mark.parametrize("op", SHELF.values(), ids=SHELF)


def weighed(op: Op, rng):
    """A random call of `op` as a program with one number at its end; its inputs."""
    inputs, params, shared = case(op, rng)
    blind = {} if op.variadic else op.blind

    def function(*values):
        args = [
            Value.constant(inputs[i]) if i in blind else values[first]
            for i, first in enumerate(shared)
        ]
        result = op(*args, **params)
        weights = rng.normal(size=result.shape)
        whole = (result * weights).sum() if result.shape else result * float(weights)
        return whole + result.sum() if rng.random() < 0.5 and result.shape else whole

    return trace(function, *inputs)


def tape_of(program):
    values = program.run(program.point(), requires_grad=False)
    return lower(program, [value.shape for value in values]), program.evaluate_slowly(
        program.point()
    )


def same(found, wanted, rtol=1e-11):
    """Equal to rounding: of the largest number about, since sums are added in another order."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    scale = np.max(np.abs(wanted[np.isfinite(wanted)]), initial=1.0)
    return np.allclose(found, wanted, rtol=rtol, atol=rtol * scale, equal_nan=True)


@every_op
def test_op_on_the_tape_equals_its_rule(op: Op) -> None:
    rng = np.random.default_rng(zlib.crc32(op.name.encode()))
    for number in range(CASES):
        program = weighed(op, rng)
        tape, rule = tape_of(program)
        leaves = np.zeros(tape.results[0])
        for name, home in tape.leaves.items():
            home.view(leaves)[...] = program.point()[name]
        with np.errstate(all="ignore"):
            fast, slopes = compiled(tape, leaves)
            about = (op.name, number, program.forward_text(), program.point())
            assert same(tape.output.view(fast), rule.value), about
            for name, home in tape.leaves.items():
                assert same(home.view(slopes), rule.gradients[name]), about
            if not tape.calls:
                slow, slow_slopes = plain(tape, leaves)
                first, end = tape.results
                assert same(fast[first:end], slow[first:end], 1e-12), about
                assert same(slopes[:first], slow_slopes[:first], 1e-12), about


def test_only_what_needs_python_is_called_in_python() -> None:
    """Each op of ours but `place`, the backward of an index, has rows of its own."""
    called = set()
    for name, each in SHELF.items():
        rng = np.random.default_rng(5)
        tapes = [tape_of(weighed(each, rng))[0] for _ in range(30)]
        if all(tape.calls for tape in tapes):
            called.add(name)
    assert called == {"place"}


def test_wrong_kernel_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that forgets to square: planted in place of tanh's."""
    real = lowering.printed

    def planted(each, known):
        if each.name != "tanh":
            return real(each, known)
        wrong = op("tanh", np.tanh, lambda g, y, x: g * (1 - y), doc="wrong")
        return dataclasses.replace(real(wrong, known), name="tanh")

    monkeypatch.setattr(lowering, "printed", planted)
    with pytest.raises(AssertionError):
        test_op_on_the_tape_equals_its_rule(SHELF["tanh"])
