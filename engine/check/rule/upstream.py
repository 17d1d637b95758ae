"""What a rule does with the upstream gradient, where it is not proportional to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.check.rule.evidence import Evidence, Found, same


def misuse(e: Evidence) -> Found | None:
    """What a rule does with g that is not proportional to it."""
    first, second = e.yours[0::2], e.yours[1::2]
    if same(first, second) and same(e.large, first) and same(e.zero, first):
        right = same(e.yours, e.slope)
        rest = "" if right else "; and what it gives is not the local derivative either"
        return Found(
            "upstream_ignored",
            "it gives the same for every upstream gradient, even for 0: multiply the local "
            f"derivative by g{rest}",
        )
    if e.zero.any() or np.isnan(e.zero).any():
        return _at_zero(e)
    scale = e.large_g / e.g[0::2]
    if same(e.large, scale * first):
        return _one_signed(e)
    power = _power(e.large, first, scale)
    if power is not None:
        return Found(
            "upstream_not_linear",
            f"it grows with g to the power of {power:g}: a gradient is proportional to g",
            power,
        )
    return Found(
        "upstream_not_linear",
        "it is not proportional to the upstream gradient: g times k must give k times as much",
    )


def _at_zero(e: Evidence) -> Found:
    if np.isnan(e.zero).any():
        return Found(
            "upstream_not_linear",
            "it gives no number where the upstream gradient is 0: there it must give 0",
        )
    added = np.repeat(e.zero, 2)
    rest = " without that it is right" if same(e.yours - added, e.slope * e.g) else ""
    what = f"{e.zero[0]:.4g} is" if same(e.zero, e.zero[0]) else "something is"
    return Found(
        "upstream_not_linear",
        f"{what} added that does not depend on g: for g = 0 a rule gives 0;{rest}".rstrip(";"),
    )


def _one_signed(e: Evidence) -> Found:
    """A rule that is proportional to g on either side of 0, with two different factors."""
    positive, negative = e.yours[e.g > 0], e.yours[e.g < 0]
    if not positive.any() or not negative.any():
        kept = "negative" if not positive.any() else "positive"
        return Found(
            "mask_from_gradient",
            f"it lets only {kept} upstream gradients through: a mask depends on the input, "
            "not on g",
        )
    if same(e.yours, np.abs(e.g) * e.slope) or same(e.yours, -np.abs(e.g) * e.slope):
        return Found("upstream_not_linear", "it uses the size of g without its sign: write g alone")
    return Found(
        "mask_from_gradient",
        "it treats positive and negative upstream gradients differently: a mask depends on the "
        "input, not on g",
    )


def _power(large: Any, small: Any, scale: Any) -> float | None:
    some = small != 0
    if not some.any():
        return None
    with np.errstate(all="ignore"):
        powers = np.log(np.abs(large[some] / small[some])) / np.log(np.abs(scale[some]))
    constant = np.all(np.abs(powers - powers[0]) < 1e-6)
    return round(float(powers[0]), 3) if constant else None
