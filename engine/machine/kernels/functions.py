"""The elementary functions of compiled code, by the names that engine.functions gives them.

Plain arithmetic and choices between two numbers, without branches or calls, so that LLVM vectorises
a loop over them for whatever the processor has; `pow`, `tan`, `atan` and angles beyond REACH are
libm's. The rest are Taylor series after a reduction of the argument by constants in two or three
parts, whose products with small whole numbers are exact (Cody and Waite 1980). They are off by at
most 2 units in the last place, and give what numpy gives at ±0, ±inf and nan and where a result
overflows or fades. All are plain Python functions too.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan, pi
from typing import Any, TypeVar

import numpy as np
from numba import types
from numba.extending import intrinsic, overload, register_jitable

F = TypeVar("F", bound=Callable[..., Any])


def inlined(function: F) -> F:
    """A plain function that compiled code takes in whole: calls do not vectorise."""
    marked: F = register_jitable(forceinline=True)(function)
    return marked


# -- numbers as their bits ------------------------------------------------------------------------

SIGN = -(2**63)
EXPONENT = 2**52
"""One more in the field of the exponent."""

SHIFT = 1.5 * 2.0**52
"""Added to a number, it leaves the nearest whole number in the lowest bits."""

SHIFT_BITS = 0x4338 << 48


def bits(x: float) -> Any:
    """The 64 bits of a float64, as an int64."""
    return np.float64(x).view(np.int64)


def number(i: int) -> float:
    """The float64 that has the bits of an int64."""
    return np.int64(i).view(np.float64)


def reordered(total: float, x: float) -> float:
    """total + x, where a sum may be taken in any order: so a loop over it vectorises."""
    return total + x


def _bits(typing: Any, x: Any) -> Any:
    return types.int64(types.float64), _cast


def _number(typing: Any, i: Any) -> Any:
    return types.float64(types.int64), _cast


def _cast(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return builder.bitcast(args[0], context.get_value_type(signature.return_type))


def _reordered(typing: Any, total: Any, x: Any) -> Any:
    def add(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fadd(*args, flags=("reassoc", "contract"))

    return types.float64(types.float64, types.float64), add


_bits_here: Any = intrinsic(_bits)
_number_here: Any = intrinsic(_number)
_reordered_here: Any = intrinsic(_reordered)


@overload(bits, strict=False)
def _overload_bits(x: Any) -> Any:
    return lambda x: _bits_here(x)


@overload(number, strict=False)
def _overload_number(i: Any) -> Any:
    return lambda i: _number_here(i)


@overload(reordered, strict=False)
def _overload_reordered(total: Any, x: Any) -> Any:
    return lambda total, x: _reordered_here(total, x)


@inlined
def at(r: Any, k: int) -> Any:
    """Field k of a row, or index k of the pool, with room for sums."""
    return np.int64(r[k])


@inlined
def _signed(size: float, x: float) -> float:
    """`size`, which is not negative, with the sign of x."""
    return number(bits(size) | (bits(x) & SIGN))


# -- choices --------------------------------------------------------------------------------------


@inlined
def where(condition: bool, a: float, b: float) -> float:
    return np.float64(a) if condition else np.float64(b)


@inlined
def abs(x: float) -> float:
    return number(bits(x) & ~SIGN)


@inlined
def sign(x: float) -> float:
    return where(x > 0.0, 1.0, where(x < 0.0, -1.0, x - x))


@inlined
def max(a: float, b: float) -> float:
    return where(a != a, a, where(a >= b, a, b))


@inlined
def min(a: float, b: float) -> float:
    return where(a != a, a, where(a <= b, a, b))


@inlined
def _within(low: float, x: float, high: float) -> float:
    return where(x < low, low, where(x > high, high, x))


# -- powers ---------------------------------------------------------------------------------------


@inlined
def sqrt(x: float) -> Any:
    return np.sqrt(x)


@inlined
def pow(x: float, y: float) -> Any:
    return np.float64(x) ** np.float64(y)  # np.power takes another way for an exponent of 0.5


# -- exponentials: x = k log(2) + r, exp(x) = 2**k exp(r) -----------------------------------------

PER_LOG2 = 1.4426950408889634
LOG2 = 0.6931471805599453
LOG2_HIGH = 0.6931471805592082
LOG2_LOW = 7.371002565167799e-13
"""log(2), whole and in two parts, the first of 40 bits."""

TINY = 2.0**-54
"""Up to this size x is the nearest number to expm1(x) and log1p(x)."""


@inlined
def _power_of_2(k: int) -> float:
    return number((k + 1023) * EXPONENT)


@inlined
def _reduced(x: float) -> tuple[int, float]:
    """k and r for |x| < 2**20."""
    shifted = x * PER_LOG2 + SHIFT
    k = shifted - SHIFT
    return bits(shifted) - SHIFT_BITS, (x - k * LOG2_HIGH) - k * LOG2_LOW


@inlined
def _rest(r: float) -> float:
    """exp(r) - 1 for |r| < 0.35."""
    z = r * r
    w = z * z
    even = (
        1 / 2
        + z * (1 / 24)
        + w * (1 / 720 + z * (1 / 40320) + w * (1 / 3628800 + z * (1 / 479001600)))
    )
    odd = (
        1 / 6
        + z * (1 / 120)
        + w * (1 / 5040 + z * (1 / 362880) + w * (1 / 39916800 + z * (1 / 6227020800)))
    )
    return r + z * (even + r * odd)


@inlined
def _scaled(y: float, k: int) -> float:
    """y * 2**k, in two steps: k may go beyond the exponents that there are."""
    half = k >> 1
    return y * _power_of_2(half) * _power_of_2(k - half)


@inlined
def exp(x: float) -> float:
    k, r = _reduced(_within(-750.0, x, 750.0))
    return _scaled(1.0 + _rest(r), k)


@inlined
def expm1(x: float) -> float:
    k, r = _reduced(_within(-50.0, x, 750.0))
    back = where(k > 1000, 0.0, _power_of_2(-k))
    return where(abs(x) < TINY, x, _scaled(_rest(r) + (1.0 - back), k))


@inlined
def tanh(x: float) -> float:
    """Near 0, x - x (cosh(x) - sinh(x) / x) / cosh(x), whose second term is small; farther out,
    1 - 2 / (exp(2 x) + 1). One division serves both."""
    a = abs(x)
    z = a * a
    w = z * z
    even = 1 / 3 + w * (1 / 840 + w * (1 / 3991680 + w * (1 / 93405312000)))
    odd = 1 / 30 + w * (1 / 45360 + w * (1 / 518918400))
    fall = a * z * (even + z * odd)
    even = 1 / 2 + w * (1 / 720 + w * (1 / 3628800 + w * (1 / 87178291200)))
    odd = 1 / 24 + w * (1 / 40320 + w * (1 / 479001600))
    cosine = 1.0 + z * (even + z * odd)
    k, r = _reduced(_within(0.0, 2.0 * a, 44.0))
    e = (1.0 + _rest(r)) * _power_of_2(k)
    near = a < 0.6
    y = where(near, a, 1.0) - where(near, fall, 2.0) / where(near, cosine, e + 1.0)
    return _signed(y, x)


@inlined
def _half_exp(a: float) -> float:
    """exp(a) / 2, which is finite for longer than exp(a)."""
    k, r = _reduced(_within(0.0, a, 750.0))
    return _scaled(1.0 + _rest(r), k - 1)


@inlined
def sinh(x: float) -> float:
    a = abs(x)
    z = a * a
    w = z * z
    even = 1 / 6 + w * (1 / 5040 + w * (1 / 39916800 + w * (1 / 1307674368000)))
    odd = 1 / 120 + w * (1 / 362880 + w * (1 / 6227020800 + w * (1 / 355687428096000)))
    half = _half_exp(a)
    return _signed(where(a < 1.0, a + a * z * (even + z * odd), half - 0.25 / half), x)


@inlined
def cosh(x: float) -> float:
    half = _half_exp(abs(x))
    return half + 0.25 / half


# -- logarithms: x = 2**e (1 + f), log(x) = e log(2) + log(1 + f), by s = f / (2 + f) -------------

HALF_ROOT_BITS = 0x3FE6A09E667F3BCD
"""Bits of sqrt(1/2): 1 + f lies between it and its double."""


@inlined
def _parts(x: float) -> tuple[float, float]:
    """e and f of a positive number that is not subnormal."""
    over = bits(x) - HALF_ROOT_BITS
    e = over >> 52
    return number(e + SHIFT_BITS) - SHIFT, number(bits(x) - e * EXPONENT) - 1.0


@inlined
def _log(e: float, f: float, low: float) -> float:
    """e log(2) + log(1 + f) + low: log(1 + f) = 2 s + 2 s**3 / 3 + … = f - (h - s (h + …))."""
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = 2 / 3 + w * (2 / 7 + w * (2 / 11 + w * (2 / 15 + w * (2 / 19))))
    odd = 2 / 5 + w * (2 / 9 + w * (2 / 13 + w * (2 / 17 + w * (2 / 21))))
    h = 0.5 * f * f
    return e * LOG2_HIGH - ((h - (s * (h + z * (even + z * odd)) + (e * LOG2_LOW + low))) - f)


@inlined
def log(x: float) -> float:
    subnormal = x < 2.0**-1022
    e, f = _parts(where(subnormal, x * 2.0**54, x))
    y = _log(where(subnormal, e - 54.0, e), f, 0.0)
    return where(x > 0.0, where(x < inf, y, x), where(x == 0.0, -inf, nan))


@inlined
def log1p(x: float) -> float:
    u = 1.0 + x
    lost = where(x > 1.0, 1.0 - (u - x), x - (u - 1.0))
    e, f = _parts(u)
    y = where(abs(x) < TINY, x, _log(e, f, lost / u))
    return where(x > -1.0, where(x < inf, y, x), where(x == -1.0, -inf, nan))


@inlined
def logaddexp(a: float, b: float) -> float:
    t = exp(-abs(a - b))
    u = 1.0 + t
    e, f = _parts(u)
    y = where(a > b, a, b) + _log(e, f, (t - (u - 1.0)) / u)
    return where(a == b, a + LOG2, y)


# -- angles: x = k pi / 2 + r ---------------------------------------------------------------------

REACH = 1e6
"""Up to this size an angle is reduced here; beyond, by libm, which has pi to more digits."""

PER_QUARTER = 2 / pi
QUARTER_HIGH = 1.5707963267341256
QUARTER_MIDDLE = 6.077100506303966e-11
QUARTER_LOW = 2.0222662487959506e-21
"""pi / 2 in three parts, the first two of 33 bits."""


@inlined
def _quarters(a: float) -> tuple[int, float]:
    """k, whose last two bits are the quadrant, and r, for 0 <= a <= REACH."""
    shifted = a * PER_QUARTER + SHIFT
    k = shifted - SHIFT
    high = a - k * QUARTER_HIGH
    both = high - k * QUARTER_MIDDLE
    lost = (high - both) - k * QUARTER_MIDDLE
    return bits(shifted), both - (k * QUARTER_LOW - lost)


@inlined
def _sine(r: float) -> float:
    z = r * r
    w = z * z
    even = -1 / 6 + w * (-1 / 5040 + w * (-1 / 39916800 + w * (-1 / 1307674368000)))
    odd = 1 / 120 + w * (1 / 362880 + w * (1 / 6227020800 + w * (1 / 355687428096000)))
    return r + r * z * (even + z * odd)


@inlined
def _cosine(r: float) -> float:
    z = r * r
    w = z * z
    even = 1 / 24 + w * (1 / 40320 + w * (1 / 479001600 + w * (1 / 20922789888000)))
    odd = -1 / 720 + w * (-1 / 3628800 + w * (-1 / 87178291200))
    h = 0.5 * z
    u = 1.0 - h
    return u + (((1.0 - u) - h) + w * (even + z * odd))


@inlined
def near_sin(x: float) -> float:
    """sin(x) for |x| <= REACH."""
    k, r = _quarters(abs(x))
    y = where(k & 1 == 1, _cosine(r), _sine(r))
    return number(bits(y) ^ ((k & 2) << 62) ^ (bits(x) & SIGN))


@inlined
def near_cos(x: float) -> float:
    """cos(x) for |x| <= REACH."""
    k, r = _quarters(abs(x))
    y = where(k & 1 == 1, _sine(r), _cosine(r))
    return number(bits(y) ^ (((k + 1) & 2) << 62))


@inlined
def sin(x: float) -> float:
    return near_sin(x) if abs(x) <= REACH else np.sin(x)


@inlined
def cos(x: float) -> float:
    return near_cos(x) if abs(x) <= REACH else np.cos(x)


@inlined
def tan(x: float) -> Any:
    return np.tan(x)


@inlined
def atan(x: float) -> Any:
    return np.arctan(x)
