"""Which questions an op is asked."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import OpRefused
from engine.exam.judgement import Entries, Places, Tally, agrees, input_name, judge, shapes_of, two
from engine.exam.points import ORDINARY, ordinary, places, room, worked_out
from engine.exam.slopes import slopes
from engine.exam.subject import STRUCTURAL, Subject
from engine.op import REQUIRED, Op, Trial, unbroadcast
from engine.value import Value, forget, push

ALONE = 4
"""How many places are also tried as single numbers."""

ENTRIES, ROUNDS = 12, 4
"""How many entries a structural op is judged by, if so many rounds of its trials give them."""

PAIRS = (((3,), (2, 3)), ((2, 1), (1, 3)), ((), (3,)), ((3,), ()))
"""Shapes that broadcast, for the inputs of an elementwise op in turn."""

Params = Mapping[str, Any]
Arrays = Any


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the exam of an op found: how many entries of gradients were compared with slopes, how
    many slopes could not be measured, the calls of the forward, the largest relative error."""

    op: str
    hash: str
    seed: int
    points: int
    unmeasured: int
    evaluations: int
    worst: float


def examine(op: Op) -> Certificate:
    """Examine `op`, the same way each time: the dice follow from its name and hash.

    Raises OpRefused, with the evidence, where it breaks the contract of ops.
    """
    seed = int.from_bytes(hashlib.sha256(f"{op.name} {op.hash}".encode()).digest()[:4])
    examiner = _Examiner(op, np.random.default_rng(seed))
    try:
        with np.errstate(all="ignore"):
            examiner.statement()
            if op.elementwise and not op.variadic:
                for params in _tried(op):
                    examiner.elementwise(params)
            else:
                examiner.trials()
    except OpRefused:
        forget(op)
        raise
    tally, calls = examiner.tally, examiner.subject.evaluations
    return Certificate(op.name, op.hash, seed, tally.points, tally.unmeasured, calls, tally.worst)


def _tried(op: Op) -> list[Params]:
    """Parameters to try an elementwise op with. One value alone could hide that the backward
    forgets the parameter, so each is also tried as another."""
    tried: list[Params] = [{**op.params, **trial.params} for trial in op.trials or [Trial()]]
    others = {name: _other(value) for name, value in tried[0].items()}
    return [*tried, others] if others != tried[0] and not op.trials else tried


def _other(value: Any) -> Any:
    """Another value of the same kind, near enough to be one that the op takes."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return 0.75 * value if isinstance(value, float) else value


class _Examiner:
    def __init__(self, op: Op, rng: np.random.Generator) -> None:
        self.op = op
        self.rng = rng
        self.subject = Subject(op)
        self.tally = Tally()

    def statement(self) -> None:
        """Is all stated that must be?"""
        op, refuse = self.op, self.subject.refuse
        if op.rules is None:
            refuse("it has no backward", f"state it with @{op.name}.backward")
        if not op.input_names:
            refuse("it has no inputs", "an op is a function of at least one number")
        if isinstance(op.rules, tuple) and not op.variadic and len(op.rules) != op.arity:
            refuse(f"it has {op.arity} inputs but {len(op.rules)} backward rules")
        needed = [name for name, default in op.params.items() if default is REQUIRED]
        if not op.trials and (needed or op.variadic or not op.elementwise):
            what = f"a value for {needed[0]}" if needed else "shapes of its inputs"
            refuse("there is nothing to try it with", f"state trials=[Trial(…)] with {what}")
        for trial in op.trials:
            misfits = [n for n in needed if n not in trial.params]
            misfits += [n for n in trial.params if n not in op.params]
            if misfits:
                refuse(f"a trial does not fit {op.call_text}, because of {misfits[0]}")

    # -- elementwise ops -----------------------------------------------------------

    def elementwise(self, params: Params) -> None:
        """Many places at once, each entry judged on its own; then other shapes and roads."""
        op, subject = self.op, self.subject
        try:
            rows = places(op, params, self.rng)
        except Exception as error:  # an author's functions may raise anything
            subject.refuse(f"it raises {type(error).__name__}: {error}", None, error)
        where = Places(op, rows.T, params)
        y = subject.forward(list(rows.T), params, f"{len(rows)} places, such as {where(0)}")
        if y.shape != (len(rows),):
            subject.refuse(
                f"its forward gives shape {y.shape} for inputs of shape {(len(rows),)}", STRUCTURAL
            )
        finite = np.isfinite(y)
        if not finite[:ORDINARY].all():
            i = int(np.argmin(finite))
            subject.refuse(
                f"its forward gives {y[i]:g} at {where(i)}, which its domain allows",
                "state the domain, for instance domain=positive",
            )
        y, xs = y[finite], list(rows[finite].T.copy())
        where = Places(op, xs, params)
        g = self.upstream(y.shape)
        grads = subject.backward(g, y, xs, params, f"{len(y)} places, such as {where(0)}")
        results = [y, *(np.zeros(len(y)) if d is None else d for d in grads)]
        self.alone(g, results, xs, params, where)
        for place, claims in enumerate(grads):
            reach = room(op.domains[place], xs[place])
            found = slopes(self.moved(place, xs, params), xs[place], reach)
            judge(subject, self.tally, place, claims, found, g, where)
        self.linear(y, xs, params)
        if len(xs) > 1:
            for shapes in PAIRS:
                self.broadcast(shapes, xs, params)
        self.formula(g, results, xs, params, where)

    def moved(self, place: int, xs: Arrays, params: Params) -> Any:
        """The forward as a function of the input at `place` alone."""

        def displaced(x: Any, which: Any) -> Any:
            inputs = [np.broadcast_to(other[which], x.shape) for other in xs]
            inputs[place] = x
            return self.subject.forward(inputs, params, "neighbouring places", again=True)

        return displaced

    def alone(self, g: Any, results: Arrays, xs: Arrays, params: Params, where: Places) -> None:
        """Single numbers must give what they give among others."""
        rows = []
        for i in range(ALONE):
            x, y = [a[i] for a in xs], results[0][i]
            single = self.subject.forward(x, params, where(i), again=True)
            if np.shape(single):
                shape = np.shape(single)
                self.subject.refuse(f"its forward gives shape {shape} for {where(i)}", STRUCTURAL)
            parts = self.subject.backward(g[i], y, x, params, where(i), again=True)
            rows += [[single, *(0.0 if d is None else d for d in parts)]]
        said = "it gives {} for {} alone, but {} where that stands in an array"
        self.agree(np.array(rows).T, results, where, said, STRUCTURAL)

    def broadcast(self, shapes: Sequence[tuple[int, ...]], xs: Arrays, params: Params) -> None:
        """Inputs of different shapes must give what their repeated numbers give."""
        subject, wanted = self.subject, itertools.cycle(shapes)
        small = [x[: math.prod(n)].reshape(n)[()] for x, n in zip(xs, wanted, strict=False)]
        large = [np.array(x) for x in np.broadcast_arrays(*small)]
        where = shapes_of(small)
        y = subject.forward(small, params, where, again=True)
        full = subject.forward(large, params, where, again=True)
        if y.shape != full.shape or not agrees(y, full).all():
            subject.refuse(f"its forward does not broadcast {where} as numpy does")
        g = self.upstream(y.shape)
        found = subject.backward(g, y, small, params, where, again=True)
        whole = subject.backward(g, y, large, params, where, again=True)
        for place, (d, all_d) in enumerate(zip(found, whole, strict=True)):
            if d is not None and not agrees(d, unbroadcast(all_d, d.shape)).all():
                subject.refuse(
                    f"its backward for {input_name(self.op, place)} is wrong where {where} meet",
                    "give the gradient in the shape of the output; Nudge sums what was repeated",
                )

    def formula(self, g: Any, results: Arrays, xs: Arrays, params: Params, where: Places) -> None:
        """The formulas, and the float methods printed from them, must be the functions."""
        forward, backward = self.op.formula, self.op.backward_formula
        if forward is None or backward is None:
            return
        known, y = [*xs, *params.values()], results[0]
        found = [*worked_out(forward, known)[1], *worked_out(backward, [g, y, *known])[1]]
        hint = "a rule must not ask what kind of input it was given, nor use what changes"
        rows = [np.broadcast_to(said, y.shape) for said in found]
        self.agree(rows, results, where, "its formula gives {} at {}, its function {}", hint)
        columns = []
        for i in range(ALONE):
            inputs = [Value(float(x[i])) for x in xs]
            output = push(self.op)(*inputs, **params)
            output.backward(g[i])
            columns += [[output.data, *(u.grad for u in inputs)]]
        said = "its float method gives {} at {}, its function {}"
        self.agree(np.array(columns).T, results, where, said, hint)

    def agree(
        self, found: Arrays, results: Arrays, where: Places, sentence: str, hint: str
    ) -> None:
        """Refuse with the first place where one of `found` is not what `results` has there."""
        for said, meant in zip(found, results, strict=True):
            same = agrees(said, meant[: len(said)])
            if not same.all():
                i = int(np.argmin(same))
                a, b = two(said[i], meant[i])
                self.subject.refuse(sentence.format(a, where(i), b), hint)

    # -- structural ops ------------------------------------------------------------

    def trials(self) -> None:
        """Each trial, and all of them again while they have given few entries to compare."""
        for _ in range(ROUNDS):
            for trial in self.op.trials:
                self.structural(trial)
            if self.tally.points >= ENTRIES:
                return
        if not self.tally.points:
            self.subject.refuse("its trials leave no input free", "give shapes, not inputs")

    def structural(self, trial: Trial) -> None:
        """The op on arrays of the shapes of one trial, every entry displaced in turn."""
        op, subject = self.op, self.subject
        params = {**op.params, **trial.params}
        fixed, inputs = self.drawn(trial)
        where = shapes_of(inputs)
        y = subject.forward(inputs, params, where)
        if not np.isfinite(y).all():
            subject.refuse(f"its forward is not finite for {where} inside its domain")
        g = self.upstream(np.shape(y))
        grads = subject.backward(g, y, inputs, params, where)
        for place, claims in enumerate(grads):
            if fixed[place] and claims is None:
                continue  # a label or a class: it has no slope, and the op claims none
            domain = op.domains[0 if op.variadic else place]
            x = np.reshape(inputs[place], -1)
            found = slopes(self.displaced(place, g, inputs, params), x, room(domain, x))
            claims = None if claims is None else np.reshape(claims, -1)
            judge(subject, self.tally, place, claims, found, None, Entries(op, place, inputs))
        self.linear(y, inputs, params)

    def drawn(self, trial: Trial) -> tuple[list[bool], list[Any]]:
        """Inputs of the shapes of a trial, and which of them it has fixed itself."""
        op = self.op
        count = max(len(trial.inputs), len(trial.shapes))
        if op.arity not in (None, count):
            self.subject.refuse(f"a trial has {count} inputs, but it is called as {op.call_text}")
        fixed: list[bool] = []
        inputs: list[Any] = []
        for i in range(count):
            given = trial.inputs[i] if i < len(trial.inputs) else None
            shape = trial.shapes[i] if i < len(trial.shapes) else ()
            domain = op.domains[0 if op.variadic else i]
            fixed += [given is not None]
            inputs += [
                np.array(given, float)[()] if fixed[i] else ordinary(domain, self.rng, shape)[()]
            ]
        return fixed, inputs

    def displaced(self, place: int, g: Any, inputs: Arrays, params: Params) -> Any:
        """The output times `g`, summed, as a function of single entries of the input at `place`."""
        op, shape, weights = self.op, np.shape(inputs[place]), np.reshape(g, -1)
        base = np.reshape(inputs[place], -1)

        def displaced(x: Any, which: Any) -> Any:
            found = np.empty(x.shape)
            self.subject.evaluations += x.size
            for step, k in np.ndindex(*x.shape):
                entries = base.copy()
                entries[which[k]] = x[step, k]
                moved = [*inputs]
                moved[place] = entries.reshape(shape)[()]
                found[step, k] = weights @ np.reshape(op.forward(*moved, **params), -1)
            return found

        return displaced

    # -- both ----------------------------------------------------------------------

    def upstream(self, shape: tuple[int, ...]) -> Any:
        """Random numbers of both signs, none of them near 0, 1 or -1."""
        size = self.rng.uniform(1.2, 2.6, shape) * 0.5 ** self.rng.integers(0, 3, shape)
        return size * self.rng.choice([-1.0, 1.0], shape)

    def linear(self, y: Any, inputs: Arrays, params: Params) -> None:
        """Twice one upstream less another gives twice the one gradient less the other; a zero
        upstream gives zeros."""
        one, other = self.upstream(np.shape(y)), self.upstream(np.shape(y))
        runs = [
            self.subject.backward(g, y, inputs, params, "another upstream gradient", again=True)
            for g in (one, other, 2 * one - other, 0.0 * one)
        ]
        for place, (a, b, both, zero) in enumerate(zip(*runs, strict=True)):
            name = input_name(self.op, place)
            if a is not None and not agrees(both, 2 * a - b).all():
                self.subject.refuse(f"its backward for {name} is not linear in the upstream g")
            if a is not None and np.any(zero):
                self.subject.refuse(f"its backward for {name} is not 0 for an upstream of 0")
