"""False verdicts of gradient checkers on the adversarial cases: `./run bench verdicts`."""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.cases import cases
from benchmarks.checkers import OURS, PEERS, Checker, Judged
from benchmarks.machine import circumstances
from benchmarks.scoring import HEADINGS, Row, scores

RESULT = Path(__file__).with_name("VERDICTS.md")
TOLERANCES = ("strict", "student")
PACKAGES = ("jax", "numdifftools", "numpy", "python-flint", "torch")

INTRODUCTION = """\
# False verdicts of gradient checkers

Made by `./run bench verdicts`: no number here is typed by hand. Every claim of the adversarial
cases in `tests/cases/gradients.jsonl.gz` is put to each checker. The cases are badly scaled,
saturated or cancelling, near the edge of a domain, near a kink or on it, or beyond what float64 can
hold. On ordinary expressions every checker is good; the last table shows them alone.
"""

READING = """\
A share is of the claims of its kind: the right ones, the wrong ones, those at a kink, and those at
a point where the value is infinite or not a number. `0` means not one. A peer accepts or refuses,
so it can name no kink and is never inconclusive; at a kink a refusal is right only where the claim
lies outside both slopes. The tolerances `strict` (1e-6) and `student` (7e-4) say from which
relative error on a claim is wrong. Most peers have a tolerance of their own, so that at `strict`
they are bound to accept errors of 1e-4, and at `student` to refuse what is right to four digits.
Two columns are fair to all: claims right to 1e-9, and claims wrong by 1 % or more. The time is the
median of a claim; evaluations are of the whole function, divided by the number of its inputs, as
median / mean / most.
"""

TABLES: tuple[tuple[str, str, Callable[[Row], bool], tuple[Checker, ...]], ...] = (
    ("All cases, strict", "strict", lambda row: True, PEERS + OURS),
    ("All cases, student", "student", lambda row: True, PEERS + OURS),
    ("Held-out third, strict", "strict", lambda row: row.case.held_out, OURS),
    ("Held-out third, student", "student", lambda row: row.case.held_out, OURS),
    ("Ordinary cases, student", "student", lambda row: row.case.ordinary, PEERS + OURS),
)
"""Title, tolerance, which claims, which checkers."""


def judged(checker: Checker, tolerance: str, step: int) -> Iterator[Row]:
    """Every claim of every `step`-th case put to a checker, with a dot for each 50 cases."""
    for number, case in enumerate(cases(tolerance, "all", step)):
        if number % 50 == 0:
            print(".", end="", flush=True)
        for claim in case.claims:
            key = checker.name, case.id, tuple(claim.gradient.values())
            found = _SAID.get(key) or checker.judge(case, claim, tolerance)
            if not checker.told:
                _SAID[key] = found
            yield Row(case, claim, found.verdict, found.milliseconds, found.evaluations)


_SAID: dict[tuple[str, str, tuple[float, ...]], Judged] = {}
"""What a checker that is not told the tolerance said of a claim before."""


def measure(step: int) -> dict[tuple[str, str], list[Row]]:
    """The rows of every checker at every tolerance; progress is printed."""
    rows = {}
    for checker in PEERS + OURS:
        start = time.perf_counter()
        print(f"{checker.name:30}", end="", flush=True)
        for tolerance in TOLERANCES:
            rows[checker.name, tolerance] = list(judged(checker, tolerance, step))
        print(f" {time.perf_counter() - start:.0f} s", flush=True)
    return rows


def false_ones(checker: Checker, tolerance: str, rows: Sequence[Row]) -> Iterator[str]:
    """A line for each verdict of a checker that none of the fine ones covers, to look into."""
    for row in rows:
        if row.verdict not in (*row.claim.fine, "inconclusive"):
            wanted = " or ".join(row.claim.fine)
            yield (
                f"{checker.name}, {tolerance}: {row.verdict} for {wanted}, {row.case.id} "
                f"{row.claim.kind} {dict(row.claim.gradient)} [{row.case.source!r}]\n"
            )


# -- written -----------------------------------------------------------------------------------


def document(rows: dict[tuple[str, str], list[Row]], seconds: float, step: int) -> str:
    parts = [INTRODUCTION, circumstances(seconds, step, PACKAGES), READING]
    for title, tolerance, chosen, checkers in TABLES:
        parts.append(f"## {title}\n")
        lines = {c.name: [r for r in rows[c.name, tolerance] if chosen(r)] for c in checkers}
        parts.append(contents(next(iter(lines.values()))))
        parts.append(table(lines))
    parts.append("## How each was called\n")
    parts.append("\n".join(f"- {c.name}: {c.how}" for c in PEERS + OURS) + "\n")
    return "\n".join(parts)


def contents(rows: Sequence[Row]) -> str:
    """How many claims of which kind a table rests on."""
    wanted = Counter(row.claim.wanted for row in rows)
    right = wanted["pass"] + wanted["rounding"]
    expressions = len({row.case.id for row in rows})
    return (
        f"{len(rows):,} claims about {expressions:,} expressions: {right:,} right, "
        f"{wanted['fail']:,} wrong, {wanted['not_differentiable']:,} at a kink or an edge, "
        f"{wanted['non_finite']:,} where the value is not finite.\n"
    )


def table(lines: dict[str, list[Row]]) -> str:
    head = f"| checker | {' | '.join(HEADINGS)} |\n|{'---|' * (len(HEADINGS) + 1)}\n"
    body = (f"| {name} | {' | '.join(scores(rows))} |\n" for name, rows in lines.items())
    return head + "".join(body)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdicts", description=__doc__)
    parser.add_argument(
        "--step", type=int, default=1, help="judge every STEP-th case, write nothing"
    )
    step = parser.parse_args().step
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    start = time.perf_counter()
    rows = measure(step)
    for checker in OURS:
        for tolerance in TOLERANCES:
            print(*false_ones(checker, tolerance, rows[checker.name, tolerance]), sep="", end="")
    text = document(rows, time.perf_counter() - start, step)
    if step == 1:
        RESULT.write_text(text)
        print(f"written to {RESULT.name}")
    else:
        print(text)


if __name__ == "__main__":
    main()
