"""A gradient check from question to judgement: the same for the API, the pages and the command
line, and without a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine import Component, InputError, Limits, Program, Report, Vocabulary, check
from engine.check.judges import Method
from engine.check.sweep import SweepRow, sweep
from service.reading import read

SWEPT = 64
"""Components of one check that sweeps are made for."""

Sweep = tuple[Component, tuple[SweepRow, ...]]


@dataclass(frozen=True)
class Question:
    """What is to be checked: the expression, a point, and perhaps somebody's gradients.

    `method` is "auto", "exact" or "blackbox"; `sweep` asks for the error of difference quotients
    against their step besides.
    """

    source: str
    at: Mapping[str, Any]
    claimed: Mapping[str, Any] | None
    tolerance: str | float
    method: Method = "auto"
    sweep: bool = False


@dataclass(frozen=True)
class Judgement:
    """What a question comes to. `sweeps` holds one sweep for each component, where asked for."""

    program: Program
    report: Report
    sweeps: tuple[Sweep, ...] | None


def judge(question: Question, vocabulary: Vocabulary, limits: Limits | None = None) -> Judgement:
    """Judge the claims of `question`.

    Raises ExpressionError and InputError for what cannot be understood, and InputError where
    sweeps are asked for of more than SWEPT components.
    """
    program = read(question.source, vocabulary, limits)
    report = check(
        program, question.at, question.claimed, question.tolerance, method=question.method
    )
    sweeps = None
    if question.sweep:
        count = len(report.components)
        if count > SWEPT:
            raise InputError(
                f"a sweep is made for at most {SWEPT} numbers, and these are {count}",
                code="too_many_components",
                pointer="/sweep",
                hint=f"claim at most {SWEPT} numbers at a time, or leave the sweep out",
            )
        exact = report.method == "exact"
        sweeps = tuple((c, sweep_of(program, question.at, c, exact)) for c in report.components)
    return Judgement(program, report, sweeps)


def sweep_of(
    program: Program, at: Mapping[str, Any], component: Component, exact: bool = False
) -> tuple[SweepRow, ...]:
    """The error of difference quotients against their step; empty where there is no one slope.

    `exact` tells that the reference of the component is the exact slope, so that it need not be
    found once more; a measured one has errors of its own that would show.
    """
    if component.reference is None:
        return ()
    known = component.reference if exact else None
    return sweep(program, at, component.input, component.index, known)
