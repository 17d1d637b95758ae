"""nudge check"""

from __future__ import annotations

import sys

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine import EngineError, Report
from engine.check.judges import METHODS, Method
from service import verdicts
from service.commands import shared
from service.excerpt import excerpt
from service.figures import apart, brief, figure, plain, rough
from service.judging import Judgement, Question, Sweep, judge

COLOURS = {"right": "green", "wrong": "red", "open": "yellow"}

EXIT_CODES = """\
\b
Exit codes:
  0  pass (or rounding: right, where float64 loses the digits)
  1  fail: at least one gradient is wrong
  2  the expression, a value or an option cannot be read
  3  no verdict: not differentiable, non finite, inconclusive, nondeterministic"""


@click.command("check", epilog=EXIT_CODES)
@click.argument("source")
@click.argument("point", nargs=-1, metavar="[NAME=VALUE]...")
@click.option(
    "--claim",
    "claims",
    multiple=True,
    metavar="NAME=VALUE",
    help="Your gradient, of an input or of an intermediate result; repeatable.",
)
@click.option(
    "--tolerance",
    default="student",
    show_default=True,
    metavar="student|strict|NUMBER",
    help="Relative: student is 7e-4 (four digits), strict is 1e-6.",
)
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="auto",
    show_default=True,
    help="Slopes from the formulas, or from float64 values alone.",
)
@click.option("--sweep", is_flag=True, help="Show the error of difference quotients against h.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, as the API answers.")
def command(
    source: str,
    point: tuple[str, ...],
    claims: tuple[str, ...],
    tolerance: str,
    method: Method,
    sweep: bool,
    as_json: bool,
) -> None:
    """Evaluate SOURCE, check its gradients against the slopes, and say what went wrong.

    SOURCE is an expression, or assignments divided by `;` or new lines; `-` reads it from
    standard input. Without --claim, the gradients judged are Nudge's own. A list is a value, too:
    "w=[1, 2]". Write `--` before a source that begins with a minus sign.

    \b
    nudge check "tanh(x*w + b)" x=2 w=-3 b=6.88
    nudge check "b = a + a" a=3 --claim a=1
    """
    source = shared.read_text("-") if source == "-" else source
    at, claimed = shared.pairs(point, "value"), shared.pairs(claims, "claim")
    question = Question(source, at, claimed or None, shared.tolerance(tolerance), method, sweep)
    vocabulary = shared.vocabulary()
    try:
        judgement = judge(question, vocabulary)
    except EngineError as error:
        shared.refuse_source(source, error)
    if as_json:
        from service.gradchecks import document, row_of

        shared.print_json(document(row_of(question, judgement, vocabulary.hash)))
    else:
        _print(shared.console(), source, judgement, bool(claimed))
    sys.exit(verdicts.VERDICTS[judgement.report.verdict].exit_code)


def _print(console: Console, source: str, judgement: Judgement, claimed: bool) -> None:
    report = judgement.report
    verdict = verdicts.VERDICTS[report.verdict]
    console.print(
        Text(verdict.label.upper(), style=f"bold {COLOURS[verdict.tone]}"),
        Text(verdicts.headline(report, claimed)),
    )
    if report.non_finite is None:
        name = verdicts.output_name(judgement.program.output)
        console.print(f"{name} = {plain(report.value)}")
        console.print(_table(report, claimed))
    _print_findings(console, source, report)
    if further := verdicts.unexplained(report, claimed):
        console.print(further)
    if report.local:
        console.print("Operations without a formula, each on its own:")
        console.print(_local_table(report))
    for warning in report.warnings:
        console.print(f"Note: {verdicts.sentence(warning)}")
    if claimed and report.unclaimed:
        console.print(f"Not judged, because nothing was claimed: {', '.join(report.unclaimed)}.")
    for sweep in judgement.sweeps or ():
        _print_sweep(console, sweep)


def _print_findings(console: Console, source: str, report: Report) -> None:
    """What explains the wrong claims, the place marked, and what explains them as well."""
    for number, found in enumerate(verdicts.findings(report)):
        share = f" ({found.share})" if found.share else ""
        if number == 0:
            console.print(Text(found.heading + share, style="bold"))
            console.print(found.sentence)
            if found.position is not None:
                console.print(shared.marked(excerpt(source, found.position)), no_wrap=True)
            if found.mend:
                console.print(f"To mend it: {found.mend}")
        else:
            if number == 1:
                console.print("\nIt could also be:", style="bold")
            console.print(f"- {found.title}{share}: {found.sentence}")
    if report.first_wrong is not None:
        console.print("\nWhere it goes wrong first", style="bold")
        console.print(verdicts.sentence(report.first_wrong.explanation))
    if report.diagnoses or report.first_wrong:
        console.print()


def _table(report: Report, claimed: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("name")
    for heading in ("claim" if claimed else "gradient", "slope", "known to ±", "relative error"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for component in report.components:
        verdict = verdicts.VERDICTS[component.verdict]
        claim, slope = plain(component.claim), "–"
        if component.reference is not None:
            claim, slope = apart(component.claim, component.reference, 6)
        label = verdict.label + (", follows" if component.follows else "")
        table.add_row(
            verdicts.component_name(component),
            claim,
            verdicts.slopes_text(component) or slope,
            rough(component.error_bound),
            rough(component.relative_error),
            Text(label, style=COLOURS[verdict.tone]),
        )
    return table


def _local_table(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("operation", "input"):
        table.add_column(heading)
    for heading in ("upstream", "rule gives", "slope"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for check in report.local:
        verdict = verdicts.VERDICTS[check.verdict]
        given, slope = brief(check.given, 6), "–"
        if check.reference is not None:
            slope = brief(check.reference, 6)
        table.add_row(
            Text(check.place.text),
            check.argument,
            "–" if check.upstream is None else brief(check.upstream),
            given,
            slope,
            Text(verdict.label, style=COLOURS[verdict.tone]),
        )
    return table


def _print_sweep(console: Console, sweep: Sweep) -> None:
    component, rows = sweep
    name = verdicts.component_name(component)
    if not rows:
        console.print(f"{name}: there is no one exact slope to compare difference quotients with.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("h", "forward difference", "error", "central difference", "error"):
        table.add_column(heading, justify="right")
    best = {
        kind: min((e for row in rows if (e := getattr(row, kind)) >= 0), default=None)
        for kind in ("forward_error", "central_error")
    }
    for row in rows:
        errors = [
            Text(rough(getattr(row, kind)), "bold green" if getattr(row, kind) == least else "")
            for kind, least in best.items()
        ]
        table.add_row(
            f"{row.h:g}", figure(row.forward, 8), errors[0], figure(row.central, 8), errors[1]
        )
    console.print(f"Difference quotients for {name}, and their relative error:")
    console.print(table)
