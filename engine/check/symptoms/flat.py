"""Mistakes seen in the numbers alone, whatever their arrangement: a factor, a sign, a slip."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from engine.check.symptoms.part import Part, Symptom, listed

FACTORS: tuple[tuple[float, str], ...] = (
    (2.0, "2"),
    (1 / 2, "1/2"),
    (10.0, "10"),
    (1 / 10, "1/10"),
    (math.pi / 180, "π/180, as between degrees and radians,"),
    (180 / math.pi, "180/π, as between radians and degrees,"),
    (math.log(10), "ln 10"),
    (1 / math.log(10), "1/ln 10"),
    (math.log(2), "ln 2"),
)
"""Factors that people leave out or put in, whatever the shapes."""


ALONE = 2
"""The first so many of FACTORS are common enough to be suspected from a single number."""


Hypothesis = Callable[[Part], Iterator[Symptom]]


def _ones(part: Part) -> Iterator[Symptom]:
    if part.claim.size > 1 and np.all(part.claim == 1):
        sentence = (
            f"every entry is 1 ({part.evidence}): that is the gradient a backward pass starts "
            "from, before any local derivative is multiplied in"
        )
        yield Symptom("ones", sentence, int(part.wrong.sum()), numbers=part.numbers())


def _cut(part: Part) -> Iterator[Symptom]:
    wrong = part.wrong
    if not np.all(part.claim[wrong] == 0):
        return
    names = [
        name
        for owner, name in enumerate(part.shapes)
        if np.any(wrong & (part.owners == owner))
    ]  # fmt: skip
    where = "" if np.all(part.claim == 0) else f" at {wrong.sum()} of {wrong.size} entries"
    sentence = (
        f"the gradient of {listed(names)} is 0{where} where the slope is not ({part.evidence}): "
        "the graph is cut there, so nothing flows back"
    )
    key = ",".join(names)
    yield Symptom("graph_cut", sentence, int(wrong.sum()), key, part.numbers())


def _factor(part: Part) -> Iterator[Symptom]:
    known = part.known
    if not known.any():
        return
    top = int(np.argmax(np.abs(part.truth)))
    factor = float(part.claim[top] / part.truth[top])
    if not math.isfinite(factor) or factor == 0 or not part.agree(factor * part.truth).all():
        return
    count = int(part.wrong.sum())
    numbers = part.numbers(factor=factor)
    if math.isclose(factor, -1, rel_tol=part.rtol):
        sentence = (
            f"every entry has the opposite sign ({part.evidence}): a minus is missing or one too "
            "many"
        )
        yield Symptom("sign_all", sentence, count, numbers=numbers)
        return
    named = _named(abs(factor), part, alone=known.sum() == 1)
    if named is None and known.sum() == 1:
        return
    sign = " and the sign is turned" if factor < 0 else ""
    name = named or f"{factor:.6g}"
    entry = "every entry is" if known.sum() > 1 else "the number is"
    sentence = f"{entry} {name} times what it should be ({part.evidence}){sign}"
    yield Symptom("common_factor", sentence, count, f"{factor:.3g}", numbers)


def _named(factor: float, part: Part, alone: bool) -> str | None:
    """A factor in the words of the one who made the mistake: "1/4, and axis 0 of w has length 4,".
    `alone`: there is a single number to tell it from, so that only the commonest are considered."""

    def near(number: float) -> bool:
        return math.isclose(factor, number, rel_tol=part.rtol)

    common = FACTORS[:ALONE] if alone else FACTORS
    words = next((word for number, word in common if near(number)), None)
    if alone:
        return words
    for size, what in _sizes(part.shapes):
        if near(size):
            return f"{size}, and {what} is {size},"
        if near(1 / size):
            return f"1/{size}, and {what} is {size},"
    count = round(max(factor, 1 / factor))
    if words is None and count * part.rtol < 0.1 and near(count):
        return f"{count}, as by a sum where a mean over {count} is taken,"
    if words is None and count * part.rtol < 0.1 and near(1 / count):
        return f"1/{count}, as by a mean over {count} where a sum is taken,"
    return words


def _sizes(shapes: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[int, str]]:
    for name, shape in shapes.items():
        for axis, length in enumerate(shape):
            if length > 1:
                yield length, f"the length of axis {axis} of {name}"
        if len(shape) > 1:
            yield math.prod(shape), f"the size of {name}"


def _sign(part: Part) -> Iterator[Symptom]:
    wrong = part.wrong
    if not np.any(~wrong & part.known) or not part.agree(np.where(wrong, -1, 1) * part.truth).all():
        return
    names = [part.name(int(entry)) for entry in np.flatnonzero(wrong)]
    sentence = (
        f"the sign of {listed(names)} is turned ({part.evidence}); the other "
        f"{(~wrong).sum()} are right"
    )
    yield Symptom("sign_component", sentence, len(names), ",".join(names), part.numbers())


def _typing(part: Part) -> Iterator[Symptom]:
    if part.wrong.sum() != 1 or part.claim.size < 2:
        return
    at = part.worst
    yours, true = float(part.claim[at]), float(part.truth[at])
    if not math.isfinite(yours):
        return
    for places in (1, -1, 2, -2, 3, -3):
        if math.isclose(yours, true * 10.0**places, rel_tol=part.rtol):
            slip = f"the decimal point of {part.name(at)} has slipped ({part.evidence})"
            yield Symptom("typing_slip", slip, 1, numbers=part.numbers())
    if _digits_swapped(yours, true):
        slip = f"two digits of {part.name(at)} have changed places ({part.evidence})"
        yield Symptom("typing_slip", slip, 1, numbers=part.numbers())
    twins = np.flatnonzero(part.known & (np.abs(yours - part.truth) <= part.rtol * abs(yours)))
    if twins.size and yours:
        slip = f"{part.name(at)} holds the number of {part.name(int(twins[0]))} ({part.evidence})"
        yield Symptom("typing_slip", slip, 1, numbers=part.numbers())


def _digits_swapped(yours: float, true: float) -> bool:
    """Whether a number of at most six digits is the true one with two neighbouring digits
    exchanged."""
    typed = f"{abs(yours):.5e}"
    if float(typed) != abs(yours) or yours * true <= 0:
        return False
    a, exponent = typed.replace(".", "").split("e")
    a = a.rstrip("0")
    b, other = f"{abs(true):.{max(len(a) - 1, 1)}e}".replace(".", "").split("e")
    if exponent != other or len(a) != len(b):
        return False
    apart = [place for place in range(len(a)) if a[place] != b[place]]
    return (
        len(apart) == 2
        and apart[1] == apart[0] + 1
        and a[apart[0]] == b[apart[1]]
        and a[apart[1]] == b[apart[0]]
    )


def _permuted(part: Part) -> Iterator[Symptom]:
    wrong = part.wrong
    order = np.argsort(part.truth)
    if wrong.sum() < 2 or not np.all(np.isfinite(part.claim)):
        return
    arranged = np.empty_like(part.truth)
    arranged[np.argsort(part.claim)] = part.truth[order]
    if not part.agree(arranged).all():
        return
    how = f"{wrong.sum()} entries hold each other's numbers"
    if part.agree(part.truth[::-1]).all():
        how = "the entries are in reverse order"
    else:
        for shift in range(1, part.truth.size):
            if part.agree(np.roll(part.truth, shift)).all():
                places = "place" if shift == 1 else "places"
                how = f"every entry has moved on by {shift} {places}"
                break
    sentence = f"{how} ({part.evidence}): the right numbers, in another order"
    yield Symptom("permuted", sentence, int(wrong.sum()), numbers=part.numbers())


def _same_sum(part: Part) -> Iterator[Symptom]:
    """The wrong axis of a square keeps the sum of all entries and changes each of them."""
    (name, shape), *others = part.shapes.items()
    if others or part.wrong.sum() < 3 or part.truth.size < math.prod(shape):
        return
    yours, true = float(part.claim.sum()), float(part.truth.sum())
    room = part.rtol * abs(true)
    if abs(true) < 1e-3 * np.abs(part.truth).sum() or not abs(yours - true) <= room:
        return
    sentence = (
        f"the entries of {name} are wrong but add up to {true:.6g} as the slopes do "
        f"({part.evidence}): as if summed over the wrong axis"
    )
    yield Symptom("summed_over_axis", sentence, int(part.wrong.sum()), name, part.numbers())


FLAT: tuple[Hypothesis, ...] = (_ones, _cut, _factor, _sign, _typing)
"""What needs no shape, from the most specific on."""

GENERAL: tuple[Hypothesis, ...] = (_permuted, _same_sum)
"""What is only asked where nothing else explains every wrong entry."""
