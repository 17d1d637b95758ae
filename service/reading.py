"""Sources read into programs. The last ones are kept: whoever asks about an expression changes the
point or the claims more often than the expression, and reading is half of the work."""

from __future__ import annotations

from functools import lru_cache

from engine import Limits, Program, Vocabulary, parse

KEPT = 64
"""Sources whose programs are at hand; the largest take a megabyte each."""


@lru_cache(maxsize=KEPT)
def read(source: str, vocabulary: Vocabulary, limits: Limits | None = None) -> Program:
    """The program of a source; programs do not change, so that many threads may share one.

    Raises ExpressionError for a source that cannot be read.
    """
    return parse(source, vocabulary, limits)
