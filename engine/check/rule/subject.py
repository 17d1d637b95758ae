"""What is asked of a check of backward rules, read and refused where it does not fit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.arrays import pointer_part
from engine.check.rule.kinks import Point
from engine.domain import Domain
from engine.errors import ExpressionError, InputError
from engine.formula import Formula
from engine.limits import Limits
from engine.names import nearest
from engine.op import REQUIRED, Op
from engine.ops import OPS
from engine.rule_text import formula, free_names

if TYPE_CHECKING:
    from engine.registry import Vocabulary

MOST_INPUTS = 4
"""Inputs that one operation may have here."""

MOST_LINES = 100
"""Elementary operations that a forward or a rule may consist of."""

RESERVED = ("g", "y")
"""What rules call the upstream gradient and the output."""

Domains = Domain | Mapping[str, Domain] | None


@dataclass(frozen=True, slots=True)
class Subject:
    """The operation whose backward is judged: as text, as a formula of its inputs, and where each
    of these may lie (None: anywhere)."""

    text: str
    forward: Formula
    domains: tuple[Domain | None, ...]


def subject_of(
    name: str | None,
    text: str | None,
    domain: Domains,
    vocabulary: Vocabulary | None,
    limits: Limits,
) -> Subject:
    """What `text` states, or else the op of that name. Raises ExpressionError and InputError."""
    if text is not None:
        _require_text(text, "the forward", "/forward")
        found = _read(text, "/forward", None, vocabulary, limits)
        domains: Sequence[Domain | None] = [None] * len(found.inputs)
        shown = text
    else:
        op = _known_op(name, OPS if vocabulary is None else vocabulary.ops)
        found, domains = _op_forward(op)
        shown = found.texts()[0]
    for reserved in RESERVED:
        if reserved in found.inputs:
            what = "the upstream gradient" if reserved == "g" else "the output"
            raise InputError(
                f"{reserved} cannot name an input: rules call {what} so",
                code="reserved_name",
                pointer="/forward",
                hint="use another name, such as x",
            )
    if not 0 < len(found.inputs) <= MOST_INPUTS:
        many = "more than four inputs" if found.inputs else "no inputs"
        raise InputError(
            f"the forward has {many}",
            code="no_inputs" if not found.inputs else "too_many_inputs",
            pointer="/forward",
            hint="state one operation, such as tanh(x) or a/b",
        )
    if isinstance(domain, Domain):
        domains = [domain] * len(found.inputs)
    elif domain is not None:
        domains = [domain.get(n, d) for n, d in zip(found.inputs, domains, strict=True)]
    return Subject(shown, found, tuple(domains))


def _known_op(name: str | None, ops: Mapping[str, Op]) -> Op:
    if name is None:
        raise InputError(
            "there is neither a forward nor the name of an operation",
            code="missing_forward",
            pointer="/forward",
            hint="write what the operation computes, such as tanh(x)",
        )
    if name not in ops:
        meant = nearest(name, ops)
        raise InputError(
            f"there is no operation {name}",
            code="unknown_op",
            pointer="/name",
            hint=f"did you mean {meant}?" if meant else "give its forward, such as x*sigmoid(x)",
        )
    op = ops[name]
    if op.formula is None:
        raise InputError(
            f"{name} cannot be checked so: {op.python_only}",
            code="not_elementwise",
            pointer="/name",
            hint="rules as text are for elementwise operations",
        )
    return op


def _op_forward(op: Op) -> tuple[Formula, tuple[Domain, ...]]:
    """The forward of an op as a formula of its inputs, its parameters as they are by default."""
    assert op.formula is not None
    count = len(op.input_names)
    missing = [name for name, default in op.params.items() if default is REQUIRED]
    if missing:
        raise InputError(
            f"{op.name} needs a value for {missing[0]}",
            code="missing_parameter",
            pointer="/name",
            hint="give its forward with the number in it",
        )
    known = op.formula.given(
        {count + i: float(value) for i, value in enumerate(op.params.values())}
    )
    return Formula(op.input_names, known.lines, known.results), op.domains


def rules_of(
    subject: Subject,
    backward: Mapping[str, str],
    vocabulary: Vocabulary | None,
    limits: Limits,
) -> dict[str, tuple[str, Formula]]:
    """The rules by input, as text and as formulas of (g, y, *inputs).

    Raises ExpressionError and InputError.
    """
    inputs = subject.forward.inputs
    if not isinstance(backward, Mapping):
        raise _no_mapping("the rules", "/backward", f'{{"{inputs[0]}": "g * …"}}')
    if not backward:
        raise InputError(
            "there is no rule to check",
            code="no_rules",
            pointer="/backward",
            hint=f'give one, such as {{"{inputs[0]}": "g * …"}}',
        )
    for name in map(str, backward):
        if name not in inputs:
            meant = nearest(name, inputs)
            raise InputError(
                f"{name} is not an input of the forward",
                code="unknown_input",
                pointer=f"/backward/{pointer_part(name)}",
                hint=f"did you mean {meant}?" if meant else f"the inputs are {', '.join(inputs)}",
            )
        _require_text(backward[name], f"the rule for {name}", f"/backward/{pointer_part(name)}")
    known = (*RESERVED, *inputs)
    return {
        name: (
            backward[name],
            _read(backward[name], f"/backward/{pointer_part(name)}", known, vocabulary, limits),
        )
        for name in inputs
        if name in backward
    }


def _read(
    text: str,
    pointer: str,
    inputs: Sequence[str] | None,
    vocabulary: Vocabulary | None,
    limits: Limits,
) -> Formula:
    """A text as a formula, by default of the names in it; a refusal says which text it is."""
    try:
        found = formula(text, inputs or free_names(text, limits), limits, vocabulary)
    except ExpressionError as error:
        error.pointer = pointer
        raise
    if len(found.lines) > MOST_LINES:
        raise InputError(
            f"this consists of {len(found.lines)} operations; {MOST_LINES} can be checked at once",
            code="too_long",
            pointer=pointer,
            hint="a backward rule is for one operation: check it part by part",
        )
    return found


def point_of(subject: Subject, at: Mapping[str, Any] | None) -> Point | None:
    """The point `at`, one number for each input. Raises InputError."""
    if at is None:
        return None
    inputs = subject.forward.inputs
    if not isinstance(at, Mapping):
        raise _no_mapping("the point", "/at", f'{{"{inputs[0]}": 0.5}}')
    for name in [*map(str, at), *inputs]:
        known = name in inputs
        if not known or name not in at:
            raise InputError(
                f"{name} has no value" if known else f"{name} is not an input of the forward",
                code="missing_input" if known else "unknown_input",
                pointer="/at" if known else f"/at/{pointer_part(name)}",
                hint=f"the inputs are {', '.join(inputs)}",
            )
        if not _is_finite(at[name]):
            raise InputError(
                f"{name} must be a finite number",
                code="not_a_number",
                pointer=f"/at/{pointer_part(name)}",
                hint="a rule as text is for one number",
            )
    return tuple(float(at[name]) for name in inputs)


def _is_finite(value: Any) -> bool:
    """Whether `value` is one real number that float64 can hold."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _require_text(value: Any, what: str, pointer: str) -> None:
    if not isinstance(value, str):
        raise InputError(
            f"{what} is not a text", pointer=pointer, hint="write it as a formula in quotes"
        )


def _no_mapping(what: str, pointer: str, example: str) -> InputError:
    return InputError(f"{what} must be given by name", pointer=pointer, hint=f"write {example}")
