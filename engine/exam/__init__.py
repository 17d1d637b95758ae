"""The admission exam of an op: is its backward the slope of its forward?

The judge is the forward itself, by central differences with a bound on their error; the upstream
gradient is random, for one of ones hides every mistake in the use of g. Built-in ops sit it too.
"""

from __future__ import annotations

from engine.exam.examiner import Certificate, examine

__all__ = ["Certificate", "examine"]
