"""Gradients checked in the tests of any project: the pytest fixture `gradcheck`, and a function.

    def test_backward_of_my_layer(gradcheck):
        gradcheck(loss, (weights, bias), gradient=my_backward)

The fixture is there where a conftest.py says so: `pytest_plugins = ["engine.testing"]`. Without
pytest there is assert_gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from engine.check.function import check_function
from engine.check.function.judging import label
from engine.check.report import Component, Report
from engine.check.verdict import Verdict

try:
    import pytest
except ModuleNotFoundError:  # unittest is enough for assert_gradient
    HAS_PYTEST = False
else:
    HAS_PYTEST = True

RIGHT = (Verdict.PASS, Verdict.ROUNDING)
"""Verdicts that let a test pass."""

SHOWN = 5
"""Components listed, the worst first."""

SENTENCES = {
    Verdict.FAIL: "the gradient is wrong at {count} of {total}",
    Verdict.NOT_DIFFERENTIABLE: "there is no slope at {count} of {total}: a kink or an edge",
    Verdict.INCONCLUSIVE: "{reason}",
    Verdict.NON_FINITE: "cannot judge: {reason}",
    Verdict.NONDETERMINISTIC: "cannot judge: {reason}",
}
"""What each verdict that fails a test comes to."""


def assert_gradient(
    fn: Callable[..., Any],
    at: Any,
    gradient: Any = None,
    tolerance: str | float = "student",
    names: Sequence[str] | None = None,
    *,
    allow_inconclusive: bool = False,
    max_evaluations: int = 200_000,
) -> Report:
    """The report of check_function, which takes the same arguments, where the gradient is right.

    Raises AssertionError with the sentence, the numbers and the diagnosis where it is wrong, and
    also where it cannot be judged: a check that cannot judge must not pass in silence, unless
    `allow_inconclusive`. Raises InputError where something does not fit.
    """
    __tracebackhide__ = True
    report = check_function(fn, at, gradient, tolerance, names, max_evaluations=max_evaluations)
    tolerated = allow_inconclusive and report.verdict is Verdict.INCONCLUSIVE
    if report.verdict not in RIGHT and not tolerated:
        raise AssertionError(describe(report))
    return report


def describe(report: Report) -> str:
    """A report in lines of plain text: the sentence, the worst components, what explains them."""
    worst = sorted(
        (c for c in report.components if c.verdict is report.verdict), key=_error, reverse=True
    )
    total = len(report.components)
    counted = f"{total} number{'s' * (total != 1)}"
    sentence = SENTENCES.get(report.verdict, "the gradient is right at {total}")
    lines = [sentence.format(count=len(worst), total=counted, reason=report.reason)]
    if report.verdict in (Verdict.FAIL, Verdict.NOT_DIFFERENTIABLE, Verdict.INCONCLUSIVE):
        lines += [f"  {_row(component)}" for component in worst[:SHOWN]]
        lines += [f"  and {len(worst) - SHOWN} more"] * (len(worst) > SHOWN)
    lines += [f"perhaps: {diagnosis.explanation}" for diagnosis in report.diagnoses[:3]]
    lines += [f"note: {warning}" for warning in report.warnings]
    return "\n".join([*lines, f"(relative tolerance {report.tolerance:g})"])


def _error(component: Component) -> float:
    error = component.relative_error
    return math.inf if error is None or math.isnan(error) else error


def _row(component: Component) -> str:
    said = f"{label(component)}: claimed {component.claim:.8g}"
    if component.slopes is not None:
        left, right = component.slopes
        return f"{said}, slope {left:.8g} from the left and {right:.8g} from the right"
    if component.reference is None:
        return f"{said}, slope unknown"
    return f"{said}, slope {component.reference:.8g} ± {component.error_bound:.2g}"


if HAS_PYTEST:

    @pytest.fixture
    def gradcheck() -> Callable[..., Report]:
        """gradcheck(fn, at, gradient=…, tolerance=…): the report of a right gradient, else the
        test fails with the numbers. Arguments are those of engine.testing.assert_gradient."""

        def check(*args: Any, **kwargs: Any) -> Report:
            __tracebackhide__ = True
            try:
                return assert_gradient(*args, **kwargs)
            except AssertionError as error:
                message = str(error)
            return pytest.fail(message)

        return check
