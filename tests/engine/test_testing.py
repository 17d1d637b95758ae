"""gradcheck in the tests of others: right gradients pass, all else fails with the numbers."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from engine.testing import assert_gradient, describe

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
COUNT = itertools.count()
CONFTEST = 'pytest_plugins = ["engine.testing"]'


def run(pytester, body):
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(f"import numpy as np\n\ndef test_it(gradcheck):\n    {body}\n")
    return pytester.runpytest("-p", "no:cacheprovider", "-p", "no:playwright")


def test_right_gradient_passes(pytester):
    run(
        pytester,
        "r = gradcheck(lambda x: np.sum(x**2), np.ones(3), gradient=lambda x: 2 * x);"
        "assert r.verdict == 'pass'",
    ).assert_outcomes(passed=1)


def test_wrong_gradient_fails_with_the_numbers(pytester):
    result = run(
        pytester, "gradcheck(lambda x: np.sum(x**2), np.arange(1.0, 9.0), gradient=lambda x: x)"
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*Failed: the gradient is wrong at 8 of 8 numbers",
            "*x[[][0-7][]]: claimed *, slope * ± *",
            "*and 3 more",
            "*perhaps: every entry is 1/2 times what it should be (8 against 16 at x[[]7[]])",
            "*(relative tolerance 0.0007)",
        ]
    )
    result.stdout.no_fnmatch_line("*def assert_gradient*")


def test_doubt_fails_unless_it_is_allowed(pytester):
    wild = "gradcheck(np.sin, np.float32(1), gradient=np.cos(1), tolerance='strict'"
    result = run(pytester, f"{wild})")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Failed: cannot judge x *"])
    run(pytester, f"{wild}, allow_inconclusive=True)").assert_outcomes(passed=1)


def test_allowed_doubt_does_not_excuse_a_wrong_gradient(pytester):
    wrong = "gradcheck(np.sin, 1.0, gradient=0.1, allow_inconclusive=True)"
    run(pytester, wrong).assert_outcomes(failed=1)


def test_wrong_shape_is_an_error_with_both_shapes(pytester):
    result = run(pytester, "gradcheck(np.sum, np.ones(4), gradient=np.ones((3, 4)))")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*(3, 4) against (4,)*"])


@pytest.mark.parametrize(
    ("fn", "at", "words"),
    [
        (np.abs, 0.0, "no slope at 1 of 1 number: a kink or an edge\n  x: claimed 0.5, slope -1 "),
        (np.log, -1.0, "cannot judge: log is nan at this point"),
        (lambda x: x * next(COUNT), 1.0, "cannot judge: not deterministic"),
        (np.sin, 1.0, "wrong at 1 of 1 number\n  x: claimed 0.5, slope 0.54030"),
    ],
)
def test_unittest_gets_an_assertion(fn, at, words):
    with pytest.raises(AssertionError) as caught:
        assert_gradient(fn, at, 0.5)
    assert words in str(caught.value)


def test_note_comes_with_a_right_gradient():
    text = describe(assert_gradient(lambda x: 5.0, 2.0, 0.0))
    assert text.startswith("the gradient is right at 1 number\nnote: this comparison cannot fail")


def test_no_plugin_is_pressed_on_other_projects():
    """An entry point would load our `engine` before a project's own package of that name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "entry-points" not in project


@pytest.mark.parametrize("way", ["conftest", "option"])
def test_fixture_is_had_for_the_asking(pytester, way):
    if way == "conftest":
        pytester.makeconftest('pytest_plugins = ["engine.testing"]')
    pytester.makepyfile("def test_it(gradcheck):\n    gradcheck(abs, 2.0, gradient=1.0)\n")
    asked = ["-p", "engine.testing"] if way == "option" else []
    result = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", *asked],
        cwd=pytester.path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in result.stdout, result.stdout + result.stderr


def test_engine_works_without_pytest():
    code = (
        "import sys; sys.modules['pytest'] = None; import engine; "
        "assert 'engine.testing' not in sys.modules; "
        "from engine.testing import assert_gradient; "
        "print(assert_gradient(abs, 2.0, 1.0).verdict)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "pass", result.stderr
