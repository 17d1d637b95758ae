"""What is said of a listed mistake: one sentence, with the place and the numbers."""

from __future__ import annotations

from collections.abc import Iterable

from engine.check.diagnosis.evidence import Evidence
from engine.check.diagnosis.found import number
from engine.check.diagnosis.hypotheses import Hypothesis
from engine.check.diagnosis.slips import NAMES
from engine.check.linear import Edge

TRUE_SLOPES = {
    "tanh": ("1 - y**2",),
    "exp": ("y",),
    "expm1": ("exp(x)",),
    "sigmoid": ("y*(1 - y)",),
    "sqrt": ("1/(2*y)",),
    "tan": ("1 + y**2",),
    "log": ("1/x",),
    "log1p": ("1/(1 + x)",),
    "sin": ("cos(x)",),
    "cos": ("-sin(x)",),
    "sinh": ("cosh(x)",),
    "cosh": ("sinh(x)",),
    "atan": ("1/(1 + x**2)",),
    "softplus": ("sigmoid(x)",),
    "relu": ("1 where x > 0, else 0",),
    "abs": ("the sign of x",),
    "neg": ("-1",),
    "add": ("1", "1"),
    "sub": ("1", "-1"),
    "mul": ("b", "a"),
    "div": ("1/b", "-a/b**2"),
    "pow": ("b*a**(b - 1)", "y*log(a)"),
    "max": ("1 for the greater, else 0", "1 for the greater, else 0"),
    "min": ("1 for the smaller, else 0", "1 for the smaller, else 0"),
}
"""The true local derivatives as people write them, in the terms of the slips."""

LISTED = 12
"""Parts of a sum, or places, that one sentence lists at most."""


def true_slope(evidence: Evidence, edge: Edge) -> str:
    """The true local derivative at an edge in a formula, if it has a short one."""
    op = evidence.linear.equation(edge).op.name
    known = TRUE_SLOPES.get(op, ())
    return known[edge.argument] if edge.argument < len(known) else ""


def legend(evidence: Evidence, edge: Edge) -> str:
    """What the letters of a formula stand for at this place."""
    equation = evidence.linear.equation(edge)
    names = NAMES.get(len(equation.args))
    if names is None:
        return ""
    parts = [
        f"{letter} for {evidence.written(arg)} = {number(evidence.linear.values[arg])}"
        for letter, arg in zip(names, equation.args, strict=True)
    ]
    result = f"y for the result {number(evidence.linear.values[edge.user])}"
    return ", ".join([*parts, result]).replace(" for ", " stands for ", 1)


def behaves(evidence: Evidence, edge: Edge, wrong: float, words: str) -> str:
    """Which local derivative was used, which is true, and what the letters mean."""
    true = true_slope(evidence, edge)
    shown = f"{words} = {number(wrong)}" if words != number(wrong) else words
    truth = number(edge.derivative)
    if true and true != truth:
        truth = f"{true} = {truth}"
    return f"yours behaves like {shown}, the true one is {truth} ({legend(evidence, edge)})"


def listing(parts: Iterable[str]) -> str:
    """Parts with commas between them, the first ones where there are many."""
    shown = list(parts)
    more = f" and {len(shown) - LISTED:,} more" if len(shown) > LISTED else ""
    return ", ".join(shown[:LISTED]) + more


def sentence(evidence: Evidence, it: Hypothesis) -> str:
    """The sentence for a listed mistake at one place of the program."""
    at = evidence.written(it.node)
    if it.mistake == "overwrite":
        return _overwrite(evidence, it)
    if it.edge is None:
        return OF_OPS[it.mistake].format(at=at, **_pair(evidence, it))
    used = evidence.written(it.edge.used)
    [(_, wrong)] = it.used
    behaviour = behaves(evidence, it.edge, wrong, it.words or number(wrong))
    facts = {
        "at": at,
        "used": used,
        "upstream": number(evidence.linear.adjoints[it.node]),
        "behaviour": behaviour,
        "words": it.words,
        "op": evidence.linear.equation(it.edge).op.name,
    }
    return OF_EDGES[it.mistake].format(**facts)


OF_EDGES = {
    "sign_op": "At {at} the sign is lost on the way to {used}: {behaviour}.",
    "input_not_output": "At {at} the input stands where the output belongs: {behaviour}.",
    "output_not_input": "At {at} the output stands where the input belongs: {behaviour}.",
    "sigmoid_factor": "At {at} the factor 1 - y is missing: {behaviour}.",
    "pow_no_coef": "At {at} the exponent did not come down as a factor: {behaviour}.",
    "pow_off_by_one": "At {at} the exponent was not lowered by one: {behaviour}.",
    "div_no_square": "At {at} the denominator is not squared: {behaviour}.",
    "relu_mask": "At {at} the mask is wrong: {behaviour}; the gradient passes where the input is "
    "positive, and only there.",
    "mask_from_gradient": "At {at} the gradient passed by its own sign ({upstream} came in): "
    "{behaviour}; the mask depends on the input.",
    "drop_factor": "At {at} the local derivative was forgotten: the incoming gradient {upstream} "
    "was passed to {used} as it is. That is right for +, not for {op}: {behaviour}.",
    "other_function": "At {at} the derivative is that of another function, {words}: {behaviour}.",
    "graph_cut": "The use of {used} in {at} adds nothing: there the gradient is cut off.",
}

OF_OPS = {
    "sign_op": "At {at} the sign of both gradients is turned around.",
    "swap_mul": "At {at} each factor got its own value for a gradient instead of the other "
    "factor's: {one} and {two} are exchanged.",
    "swap_operands": "At {at} the two operands got each other's gradient: {one} and {two} are "
    "exchanged.",
    "max_both": "At {at} the gradient went to both arguments; only the one that was chosen moves "
    "the result.",
    "max_wrong_branch": "At {at} the gradient went to the argument that was not chosen.",
    "upstream_ignored": "At {at} the gradient that comes in, {upstream}, was left out: the local "
    "derivative has to be multiplied by it (zero in must give zero out).",
}


def _pair(evidence: Evidence, it: Hypothesis) -> dict[str, str]:
    edges = [evidence.linear.edges[number] for number, _ in it.used]
    one, two = (evidence.written(edge.used) for edge in (edges[0], edges[-1]))
    return {"one": one, "two": two, "upstream": number(evidence.linear.adjoints[it.node])}


def _overwrite(evidence: Evidence, it: Hypothesis) -> str:
    linear = evidence.linear
    parts = [linear.adjoints[use.user] * use.derivative for use in linear.uses[it.node]]
    assert it.edge is not None
    kept = linear.adjoints[it.edge.user] * it.edge.derivative
    name = evidence.written(it.node)
    times = {2: "twice", 3: "three times"}.get(len(parts), f"{len(parts)} times")
    return (
        f"{name} is used {times}, and only the part from {evidence.written(it.edge.user)} is "
        f"there, {number(kept)}: the parts are {listing(map(number, parts))} and have to be "
        f"added (+=, not =), which makes {number(sum(parts))}."
    )
