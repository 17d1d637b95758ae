"""Any function at all: a callable of numbers or arrays, and a gradient that someone claims for it.

>>> check_function(lambda x: x**2, 3.0, gradient=6.0).verdict
<Verdict.PASS: 'pass'>
"""

from __future__ import annotations

from engine.check.function.examination import check_function

__all__ = ["check_function"]
