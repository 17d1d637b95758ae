"""nudge check"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import click
from rich import box
from rich.table import Table
from rich.text import Text

from engine import EngineError, Program, Report, parse
from engine import check as checked
from service import verdicts
from service.commands import shared
from service.figures import figure, plain, rough, typed

COLOURS = {"right": "green", "wrong": "red", "open": "yellow"}

EXIT_CODES = """\
\b
Exit codes:
  0  pass (or rounding: right, where float64 loses the digits)
  1  fail: at least one gradient is wrong
  2  the expression, a value or an option cannot be read
  3  no verdict: not differentiable, non finite, inconclusive"""


@click.command("check", epilog=EXIT_CODES)
@click.argument("source")
@click.argument("point", nargs=-1, metavar="[NAME=VALUE]...")
@click.option(
    "--claim", "claims", multiple=True, metavar="NAME=VALUE", help="Your gradient; repeatable."
)
@click.option(
    "--tolerance",
    default="student",
    show_default=True,
    metavar="student|strict|NUMBER",
    help="Relative: student is 7e-4 (four digits), strict is 1e-6.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, as the API answers.")
def command(
    source: str, point: tuple[str, ...], claims: tuple[str, ...], tolerance: str, as_json: bool
) -> None:
    """Evaluate SOURCE and check its gradients against measured slopes.

    SOURCE is an expression, or assignments divided by `;` or new lines; `-` reads it from
    standard input. Without --claim, the gradients judged are Nudge's own. A list is a value, too:
    "w=[1, 2]". Write `--` before a source that begins with a minus sign.

    \b
    nudge check "tanh(x*w + b)" x=2 w=-3 b=6.88
    nudge check "b = a + a" a=3 --claim a=1
    """
    source = shared.read_text("-") if source == "-" else source
    at, claimed = _pairs(point, "value"), _pairs(claims, "claim")
    try:
        program = parse(source, shared.vocabulary())
        report = checked(program, at, claimed or None, _tolerance(tolerance))
    except EngineError as error:
        shared.refuse_source(source, error)
    if as_json:
        from service.gradchecks import report_record

        shared.print_json(report_record(report))
    else:
        _print(program, report, bool(claimed), at)
    sys.exit(verdicts.VERDICTS[report.verdict].exit_code)


def _pairs(texts: Iterable[str], what: str) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        name = name.strip()
        if not sign or not name:
            shared.refuse(f"{text} is no {what}: write NAME=VALUE, like x=2.")
        if name in read:
            shared.refuse(f"{name} is given twice.")
        try:
            read[name] = typed(value)
        except ValueError as error:
            shared.refuse(f"{name}: {error}")
    return read


def _tolerance(text: str) -> str | float:
    if text in ("student", "strict"):
        return text
    try:
        return float(text)
    except ValueError:
        shared.refuse(f"{text} is no tolerance.", "Say student, strict, or a number such as 1e-3.")


def _print(program: Program, report: Report, claimed: bool, at: dict[str, Any]) -> None:
    verdict = verdicts.VERDICTS[report.verdict]
    console = shared.console()
    console.print(
        Text(verdict.label.upper(), style=f"bold {COLOURS[verdict.tone]}"),
        Text(verdicts.headline(report, claimed)),
    )
    if report.non_finite is None:
        name = verdicts.output_name(program.output)
        console.print(f"{name} = {plain(report.value)}")
        console.print(_table(report, claimed))
    if claimed and report.unclaimed:
        console.print(f"Not judged, because nothing was claimed: {', '.join(report.unclaimed)}.")


def _table(report: Report, claimed: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("input")
    for heading in ("claim" if claimed else "gradient", "slope", "known to ±", "relative error"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for component in report.components:
        verdict = verdicts.VERDICTS[component.verdict]
        slope = "–" if component.reference is None else figure(component.reference, 6)
        table.add_row(
            verdicts.component_name(component),
            plain(component.claim),
            verdicts.slopes_text(component) or slope,
            rough(component.error_bound),
            rough(component.relative_error),
            Text(verdict.label, style=COLOURS[verdict.tone]),
        )
    return table
