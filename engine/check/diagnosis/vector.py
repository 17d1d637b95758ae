"""Mistakes that show in the numbers of a gradient alone: signs, factors, numbers in a wrong place,
slips of the pen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Context, Decimal
from typing import Any

import numpy as np

from engine.check.diagnosis.evidence import FEW, Evidence, decimals, significant
from engine.check.diagnosis.found import Found, number
from engine.check.diagnosis.slips import compiled
from engine.check.diagnosis.vocabulary import FACTOR_NAMES, FACTORS

NEARLY = 2e-3
"""A claim off by less than this share is not mistyped but not worked out."""

TELLING = 2
"""With fewer digits a claim may be near the truth by accident."""

CLEARLY = 3
"""A common factor differs from 1 by more than so many times the doubt in it."""

EXACT = Context(prec=1200)
"""Holds every float64 to every decimal place that another one shows."""

SHIFTS = (1, -1, 2, -2, 3, -3)
"""Places by which a decimal point slips."""


def symptoms(evidence: Evidence) -> Iterator[Found]:
    """What the vector itself shows, listed mistakes first."""
    claims, truth, wrong = evidence.claims, evidence.truth, evidence.wrong
    bad = np.flatnonzero(wrong)
    count = len(claims)
    if np.all(claims == 1) and count > 1:
        yield _vector(evidence, "ones", 0.3, "every gradient is claimed to be 1")
    if evidence.matches(-truth) and count > 1:
        yield _vector(
            evidence, "sign_all", 0.6,
            "every gradient has the sign turned around: the right numbers, each times -1",
        )  # fmt: skip
    for factor, said in ((2.0, "twice"), (0.5, "half")):
        if evidence.matches(factor * truth):
            yield _vector(
                evidence, "factor2", 1.1 if count > 1 else 2.2,
                f"every gradient is {said} what it should be", factor=factor,
            )  # fmt: skip
    if len(bad) == 1:
        yield from _single(evidence, int(bad[0]))
    elif not np.any(claims[bad]):
        names = ", ".join(evidence.names[i] for i in bad)
        yield _vector(
            evidence, "missing", 2.1,
            f"{names} got no gradient: something on the way from the output is cut off",
        )  # fmt: skip
    if len(bad) == 2 and _close(evidence, bad, truth[bad[::-1]]):
        one, two = (evidence.names[i] for i in bad)
        yield _component(
            evidence, "wrong_variable", 1.5, int(bad[0]),
            f"the gradients of {one} and {two} are exchanged: {number(claims[bad[0]])} belongs "
            f"to {two}, {number(claims[bad[1]])} to {one}",
        )  # fmt: skip


def _close(evidence: Evidence, places: Any, numbers: Any) -> bool:
    gaps = np.abs(evidence.claims[places] - numbers)
    return bool(np.all(gaps <= evidence.tolerance[places]))


def _single(evidence: Evidence, i: int) -> Iterator[Found]:
    """One wrong number among right ones."""
    claim, truth, name = evidence.claims[i], evidence.truth[i], evidence.names[i]
    if claim == 0:
        yield _component(
            evidence, "missing", 1.3, i,
            f"{name} got no gradient, though the output moves with it",
        )  # fmt: skip
    elif _close(evidence, [i], -truth):
        yield _component(
            evidence, "sign_component", 1.4, i,
            f"the gradient of {name} has its sign turned around: {number(claim)} for "
            f"{number(truth)}",
        )  # fmt: skip
    elif claim == 1 and len(evidence.claims) == 1:
        yield _component(evidence, "ones", 2.4, i, f"the gradient of {name} is claimed to be 1")
    for j, other in enumerate(evidence.names):
        if j != i and truth != 0 and _close(evidence, [i], evidence.truth[j]):
            yield _component(
                evidence, "typing_slip", 2.3, i,
                f"{number(claim)} is the gradient of {other}: copied from there to {name}",
            )  # fmt: skip


def too_few_digits(evidence: Evidence) -> Iterator[Found]:
    """Claims that are the truth, rounded to the digits they were given with."""
    if evidence.precise:
        return
    claims, truth = evidence.claims.tolist(), evidence.truth.tolist()
    counts = [significant(claims[i]) for i in np.flatnonzero(evidence.wrong)]
    few, many = min(counts), max(counts)
    short = all(
        t * c >= 0 and rounded_digits(t, decimals(c)) == rounded_digits(c, decimals(c))
        for c, t in zip(claims, truth, strict=True)
    )
    if short and many >= TELLING:
        digits = f"{few} digits" if few == many else f"{few} to {many} digits"
        yield _vector(
            evidence, "too_few_digits", 0.1,
            f"the claims are right as far as they go, {digits}; the tolerance asks for more",
        )  # fmt: skip


def slips_of_the_pen(evidence: Evidence) -> Iterator[Found]:
    """How one wrong number among right ones may have been mistyped."""
    bad = np.flatnonzero(evidence.wrong)
    if len(bad) != 1:
        return
    i = int(bad[0])
    claim, truth = float(evidence.claims[i]), float(evidence.truth[i])
    name, place = evidence.names[i], evidence.places[i]
    if truth == 0 or claim == 0:
        return
    for shift in SHIFTS:
        for sign, words in ((1, ""), (-1, ", and the sign is turned around")):
            if abs(claim - sign * truth * 10.0**shift) <= evidence.tolerance[i]:
                side = "right" if shift > 0 else "left"
                places = f"{abs(shift)} place{'s' if abs(shift) > 1 else ''}"
                yield _component(
                    evidence, "typing_slip", 2.6, i,
                    f"the decimal point of {name} slipped {places} to the {side}: "
                    f"{number(claim)} for {number(truth)}{words}",
                )  # fmt: skip
    values = evidence.linear.values
    if claim == values[place]:
        yield _component(
            evidence, "typing_slip", 2.7, i,
            f"{number(claim)} is the value of {name} itself, not its gradient",
        )  # fmt: skip
    if significant(claim) <= FEW:
        slip = _misspelt(claim, truth)
        if slip is not None:
            yield _component(
                evidence, "typing_slip", 2.8, i,
                f"{name} looks mistyped, {slip}: {number(claim)} for {number(truth)}",
            )  # fmt: skip


def _misspelt(claim: float, truth: float) -> str | None:
    """How the digits of a claim differ from those of the truth, where it is by one slip."""
    if claim * truth < 0 or abs(claim - truth) < NEARLY * abs(truth):
        return None
    places = decimals(claim)
    typed = rounded_digits(claim, places)
    for more in (0, 1, -1):
        meant = rounded_digits(truth, places + more)
        if any(_without(meant, k) == typed for k in range(len(meant))) and len(typed) > 1:
            return "with a digit left out"
        if len(meant) < 3 or len(typed) < 3:
            continue
        if _swapped(typed, meant):
            return "with two digits exchanged"
        if any(_without(typed, k) == meant and _doubles(typed, k) for k in range(len(typed))):
            return "with a digit typed twice"
        if len(typed) == len(meant) >= 4 and _differing(typed, meant) == 1:
            return "with one wrong digit"
    return None


def rounded_digits(x: float, places: int) -> str:
    """The digits of |x|, rounded to so many decimal places, a tie to even, without leading zeros;
    exactly, however large or small x is."""
    rounded = EXACT.quantize(Decimal(abs(x)), Decimal((0, (1,), -places)))
    return "".join(map(str, rounded.as_tuple().digits)).lstrip("0")


def _differing(a: str, b: str) -> int:
    return sum(x != y for x, y in zip(a, b, strict=True))


def _swapped(a: str, b: str) -> bool:
    if len(a) != len(b):
        return False
    differ = [k for k in range(len(a)) if a[k] != b[k]]
    if len(differ) != 2 or differ[1] != differ[0] + 1:
        return False
    k = differ[0]
    return a[k] == b[k + 1] and a[k + 1] == b[k]


def _without(text: str, k: int) -> str:
    return text[:k] + text[k + 1 :]


def _doubles(text: str, k: int) -> bool:
    return k > 0 and text[k] == text[k - 1]


def common_factor(evidence: Evidence) -> Iterator[Found]:
    """One factor between all claims and all true gradients, with a name where it has one."""
    truth, claims = evidence.truth, evidence.claims
    some = truth != 0
    if not np.any(some) or np.any(claims[~some]):
        return
    weights = 1 / np.maximum(evidence.tolerance[some], 1e-300)
    scaled = truth[some] * weights
    factor = float(scaled @ (claims[some] * weights) / (scaled @ scaled))
    if not math.isfinite(factor) or factor == 0 or not evidence.matches(factor * truth):
        return
    size = np.abs(truth)
    doubt = float(np.min(evidence.tolerance[some] / size[some]))
    right = some & ~evidence.wrong & (np.abs(claims - truth) <= evidence.tolerance)
    if abs(factor - 1) <= CLEARLY * doubt or np.any(right):
        return
    facts = {
        "o": evidence.linear.values[evidence.program.place],
        "n": float(len(claims)),
        "u": float(np.linalg.norm(truth)),
        "s": float(np.sum(size)),
        "m": float(np.max(size)),
    }
    named = _named(factor, doubt, [facts[name] for name in FACTOR_NAMES])
    if named in ("2", "1/2", "-1"):
        return  # listed mistakes of their own
    overdetermined = np.count_nonzero(some) > 1
    if not overdetermined and (named is None or not evidence.precise):
        return  # one number with few digits is met by some factor or other
    subject = (
        "every gradient"
        if overdetermined
        else f"the gradient of {evidence.names[int(np.flatnonzero(some)[0])]}"
    )
    shown = number(factor) if number(factor) != "1" else f"{factor:.8g}"
    name = f", {named}" if named not in (None, shown) else ""
    yield _vector(
        evidence, "common_factor",
        (1.8 if named is not None else 3.2) if overdetermined else 3.4,
        f"{subject} is {shown} times what it should be{name}",
        factor=factor,
    )  # fmt: skip


def _named(factor: float, doubt: float, facts: Sequence[float]) -> str | None:
    for text, name in FACTORS:
        try:
            [value] = compiled((text.replace("pi", repr(math.pi)),), FACTOR_NAMES)(*facts)
        except (ArithmeticError, ValueError):
            continue
        if value != 1 and abs(value - factor) <= 2 * doubt:
            return name
    return None


def _sentence(evidence: Evidence, text: str) -> str:
    first = text.replace(",", " ").split(" ", 1)[0]
    named = first in evidence.names  # a name keeps its own letters
    return f"{text if named else text[0].upper() + text[1:]}."


def _vector(
    evidence: Evidence, mistake: str, rank: float, sentence: str, **numbers: float
) -> Found:
    shown = dict(numbers)
    if "factor" in shown:
        shown |= {"yours": shown["factor"], "true": 1.0}
    return Found(rank, mistake, None, _sentence(evidence, sentence), shown, evidence.count)


def _component(evidence: Evidence, mistake: str, rank: float, i: int, sentence: str) -> Found:
    place = evidence.place(evidence.places[i])
    numbers = {"yours": float(evidence.claims[i]), "true": float(evidence.truth[i])}
    return Found(rank, mistake, place, _sentence(evidence, sentence), numbers, evidence.count)
