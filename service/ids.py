"""Public ids: they sort by the time of their making and cannot be guessed."""

from __future__ import annotations

import re
import secrets

from service.clock import Clock

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32, lower case: no i, l, o or u to be misread."""

TIME_DIGITS = 10  # 50 bits: milliseconds since 1970, until the year 37000
RANDOM_DIGITS = 20  # 100 bits

PATTERN = rf"[a-z]+_[{ALPHABET}]{{{TIME_DIGITS + RANDOM_DIGITS}}}"


def new_id(prefix: str, clock: Clock) -> str:
    """An id such as `gc_01k9…`: the prefix, ten digits of time, twenty of chance."""
    milliseconds = int(clock().timestamp() * 1000)
    chance = secrets.randbits(5 * RANDOM_DIGITS)
    return f"{prefix}_{_digits(milliseconds, TIME_DIGITS)}{_digits(chance, RANDOM_DIGITS)}"


def is_id(text: str, prefix: str) -> bool:
    """Whether `text` has the form of an id with this prefix."""
    return text.startswith(f"{prefix}_") and re.fullmatch(PATTERN, text) is not None


def _digits(number: int, count: int) -> str:
    digits = []
    for _ in range(count):
        number, last = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[last])
    return "".join(reversed(digits))
