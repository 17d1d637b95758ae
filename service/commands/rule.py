"""nudge rule"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import NoReturn

import click
from rich import box
from rich.table import Table
from rich.text import Text

from engine import EngineError
from engine.check.rules import RuleReport, check_rule
from engine.exam.judgement import two
from service import verdicts
from service.commands import shared
from service.commands.check import COLOURS
from service.figures import figure, plain

RULE = re.compile(r"\s*([^\W\d]\w*)\s*=(?!=)(.*)", re.DOTALL)
"""`x=g*(1-y**2)`; a comparison such as `x == 0` is none."""

EXIT_CODES = """\
\b
Exit codes:
  0  pass
  1  fail: at least one rule is wrong
  2  a text, a value or an option cannot be read
  3  no verdict: not differentiable, non finite, inconclusive"""


@click.command("rule", epilog=EXIT_CODES)
@click.argument("name")
@click.argument("texts", nargs=-1, required=True, metavar="[FORWARD] INPUT=RULE...")
@click.option(
    "--at", "point", multiple=True, metavar="INPUT=VALUE", help="A point to try; repeatable."
)
@click.option(
    "--tolerance",
    default="strict",
    show_default=True,
    metavar="student|strict|NUMBER",
    help="Relative: student is 7e-4 (four digits), strict is 1e-6.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, as the API answers.")
def command(
    name: str, texts: tuple[str, ...], point: tuple[str, ...], tolerance: str, as_json: bool
) -> None:
    """Check backward rules, written as text, of the operation NAME.

    FORWARD is what it computes; it may be left out for an operation that `nudge ops` lists. A
    RULE may use g (the upstream gradient), y (the output) and the inputs. It is tried at many
    points, on both sides of every kink.

    \b
    nudge rule tanh "tanh(x)" "x=g*(1 - y**2)"
    nudge rule div "a/b" "a=g/b" "b=-g*a/b**2"
    nudge rule relu "x=g*(x > 0)"
    """
    forward, backward = _texts(texts)
    at, allowed = shared.pairs(point, "value") or None, shared.tolerance(tolerance)
    try:
        report = check_rule(
            name,
            forward,
            backward,
            at=at,
            tolerance=allowed,
            vocabulary=shared.vocabulary(),
        )
    except EngineError as error:
        _refuse(error, forward, backward)
    if as_json:
        from service.rule_records import rule_report_record

        shared.print_json(rule_report_record(report))
    else:
        _print(report)
    sys.exit(verdicts.VERDICTS[report.verdict].exit_code)


def _texts(texts: Iterable[str]) -> tuple[str | None, dict[str, str]]:
    """The forward, if there is one, and the rules by input."""
    forward, backward = None, {}
    for text in texts:
        rule = RULE.fullmatch(text)
        if rule is not None:
            if rule[1] in backward:
                shared.refuse(f"{rule[1]} is given two rules.")
            backward[rule[1]] = rule[2].strip()
        elif forward is None:
            forward = text
        else:
            shared.refuse(f"{text} is no rule.", "Write INPUT=RULE, like x=g*(1-y**2).")
    if not backward:
        shared.refuse("There is no rule to check.", "Write INPUT=RULE, like x=g*(1-y**2).")
    return forward, backward


def _refuse(error: EngineError, forward: str | None, backward: dict[str, str]) -> NoReturn:
    """End the command with the place marked in the text that cannot be read."""
    texts = {f"/backward/{name}": text for name, text in backward.items()}
    shared.refuse_source(texts.get(error.pointer or "", forward or ""), error)


def _print(report: RuleReport) -> None:
    verdict = verdicts.VERDICTS[report.verdict]
    console = shared.console()
    console.print(
        Text(verdict.label.upper(), style=f"bold {COLOURS[verdict.tone]}"),
        Text(report.explanation),
    )
    console.print(_verdict_table(report))
    if any(rule.counterexample for rule in report.rules):
        console.print("Counterexamples, where the rule is to give the slope times g:")
        console.print(_counterexample_table(report))
    for rule in report.rules:
        if rule.verdict == "fail" and rule.explanation != report.explanation:
            console.print(rule.explanation)
        for said in (rule.slope_text, *rule.notes):
            if said is not None:
                console.print(f"{rule.input}: {said}.")
    for warning in report.warnings:
        console.print(f"Note: {warning}.")
    if report.unjudged:
        console.print(f"Not judged, because no rule was given: {', '.join(report.unjudged)}.")


def _verdict_table(report: RuleReport) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("input", "rule"):
        table.add_column(heading)
    table.add_column("points", justify="right")
    for heading in ("verdict", "mistake"):
        table.add_column(heading)
    for rule in report.rules:
        verdict = verdicts.VERDICTS[rule.verdict]
        label = Text(verdict.label, style=COLOURS[verdict.tone])
        mistake = rule.diagnosis.mistake if rule.diagnosis else ""
        table.add_row(rule.input, Text(rule.rule), str(rule.points), label, mistake)
    return table


def _counterexample_table(report: RuleReport) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("rule for")
    table.add_column("at")
    for heading in ("g", "y", "yours", "true"):
        table.add_column(heading, justify="right")
    for rule in report.rules:
        found = rule.counterexample
        if found is None:
            continue
        if found.true is None:
            left, right = sorted(found.g * slope + 0.0 for slope in found.slopes or ())
            yours, true = plain(found.yours), f"from {figure(left)} to {figure(right)}"
        else:
            yours, true = two(found.yours, found.true)
        at = ", ".join(f"{name} = {plain(x)}" for name, x in found.inputs.items())
        table.add_row(rule.input, at, plain(found.g), figure(found.y), yours, true)
    return table
