"""How often the diagnosis names the mistake that was planted: `python -m benchmarks.diagnosis`."""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.beyond import SETS
from benchmarks.cases import PARTS, Case, Claim, cases
from benchmarks.machine import circumstances
from benchmarks.mistakes import MEASURED, STRUCTURAL, names, placed
from engine import check, parse
from tests.cases import lecture

RESULT = Path(__file__).parent / "DIAGNOSIS.md"

FAULTLESS = ("pass", "rounding")
"""Verdicts of claims that are right, on which no diagnosis may be offered."""


@dataclass
class Tally:
    """Outcomes counted by kind of claim, and how long each check took in milliseconds."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)

    def add(self, kind: str, outcomes: Iterable[str]) -> None:
        self.counts.update((kind, outcome) for outcome in ("claims", *outcomes))

    def total(self, outcome: str, kinds: Iterable[str]) -> int:
        return sum(self.counts[kind, outcome] for kind in kinds)

    @property
    def kinds(self) -> list[str]:
        return sorted({kind for kind, outcome in self.counts if outcome == "claims"})


def measure(chosen: Iterable[Case], tolerance: str, digits: int | None) -> Tally:
    """Check every wrong and every right claim of the cases, and compare its diagnoses with what
    was planted. With `digits` the wrong claims are rounded first, as a person types them."""
    tally = Tally()
    for case in chosen:
        for claim in case.claims:
            if claim.wanted not in ("fail", *FAULTLESS):
                continue
            typed = {k: rounded(g, digits) for k, g in claim.gradient.items()}
            start = time.perf_counter()
            report = check(case.program, case.at, typed, tolerance)
            spent = 1e3 * (time.perf_counter() - start)
            found = getattr(report, "diagnoses", ())
            if claim.wanted in FAULTLESS:
                tally.add("right", ["offered"] if found else [])
                continue
            if report.verdict != "fail":
                tally.add("not refused", [])
                continue  # without a fail there is no diagnosis; benchmarks.verdicts tells of these
            tally.milliseconds.append(spent)
            outcomes = list(outcomes_of(case, claim, found))
            tally.add(claim.kind, outcomes)
            if "wrong alone" in outcomes:
                tally.misses.insert(0, f"ALONE {miss(case, claim, found)}")
            elif claim.kind in STRUCTURAL and "first" not in outcomes:
                tally.misses.append(miss(case, claim, found))
    return tally


def rounded(number: float, digits: int | None) -> float:
    return number if digits is None else float(f"{number:.{digits}g}")


def outcomes_of(case: Case, claim: Claim, found: Sequence[Any]) -> Iterator[str]:
    """The outcomes of one wrong claim, by which a Tally counts."""
    alone = len(found) == 1
    if not found:
        yield "none"
        return
    yield "offered"
    if found[0].mistake not in MEASURED:
        yield "cause first"
    right = [names(diagnosis.mistake, case, claim) for diagnosis in found]
    if claim.kind not in STRUCTURAL:
        if alone and not right[0] and found[0].mistake not in MEASURED:
            yield "wrong alone"
        return
    if right[0]:
        yield "first"
        if placed(found[0].place, case, claim):
            yield "placed"
    if any(right[:3]):
        yield "third"
    if alone:
        yield "alone"
        if right[0]:
            yield "right alone"
        elif found[0].mistake not in MEASURED:
            yield "wrong alone"


def miss(case: Case, claim: Claim, found: Sequence[Any]) -> str:
    offered = "; ".join(
        f"{d.mistake} at {d.place.text if d.place else '-'} ({d.explains}/{d.of})"
        for d in found[:4]
    )
    return f"{case.id} {claim.kind} at {claim.loc}: {offered or 'nothing'}   [{case.source!r}]"


# -- printed ---------------------------------------------------------------------------------


RIGHT, UNREFUSED, GARBAGE = ("right",), ("not refused",), ("garbage",)

ROWS: tuple[tuple[str, str, str, Sequence[str] | None], ...] = (
    ("structural: top-1", "first", "claims", STRUCTURAL),
    ("structural: top-3", "third", "claims", STRUCTURAL),
    ("structural: right place, where top-1", "placed", "first", STRUCTURAL),
    ("structural: a single one offered", "alone", "claims", STRUCTURAL),
    ("structural: right when single", "right alone", "alone", STRUCTURAL),
    ("structural: none offered", "none", "claims", STRUCTURAL),
    ("right claims: offered", "offered", "claims", RIGHT),
    ("garbage: offered", "offered", "claims", GARBAGE),
    ("garbage: a stated cause first", "cause first", "claims", GARBAGE),
    (
        "structural and garbage: a wrong cause alone",
        "wrong alone",
        "claims",
        (*STRUCTURAL, *GARBAGE),
    ),
    ("all wrong: a wrong cause alone", "wrong alone", "claims", None),
)
"""Name of the figure, outcome, out of which outcome, over which kinds (None: all wrong ones)."""


def figures(tally: Tally) -> Iterator[tuple[str, str]]:
    """The measures of the diagnosis with their names."""
    wrong = [kind for kind in tally.kinds if kind not in (*RIGHT, *UNREFUSED)]
    for name, outcome, of, kinds in ROWS:
        yield name, share(tally.total(outcome, kinds or wrong), tally.total(of, kinds or wrong))
    yield "wrong claims without a fail, left out", f"{tally.total('claims', UNREFUSED):6}"
    yield "wrong claim: check and diagnosis, median", milliseconds(tally.milliseconds)


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:6.2f} %  ({part} of {whole})" if whole else "     -"


def milliseconds(times: Sequence[float]) -> str:
    return f"{statistics.median(times):6.2f} ms" if times else "     -"


def by_kind(tally: Tally) -> Iterator[str]:
    columns = ("claims", "first", "third", "placed", "alone", "right alone", "wrong alone", "none")
    yield f"{'kind':18}" + "".join(f"{column:>12}" for column in columns)
    for kind in tally.kinds:
        yield f"{kind:18}" + "".join(f"{tally.counts[kind, column]:12}" for column in columns)


def lecture_times(repeat: int = 20) -> Iterator[tuple[str, str]]:
    """Median milliseconds over the expressions of the lecture; the diagnosis is what a wrong claim
    takes longer than the right one."""
    taken: dict[str, list[float]] = {"right": [], "one sign wrong": [], "unexplained": []}
    for row in lecture()["expressions"]:
        program, at, truth = parse(row["source"]), row["at"], row["gradients"]
        last = list(truth)[-1]
        claims = {
            "right": truth,
            "one sign wrong": truth | {last: -truth[last]},
            "unexplained": {
                name: 1.37 * g + 0.61 * i for i, (name, g) in enumerate(truth.items(), 1)
            },
        }
        for name, claim in claims.items():
            taken[name].append(_median(partial(check, program, at, claim), repeat))
    yield "lecture: check of a right claim", milliseconds(taken["right"])
    for name in ("one sign wrong", "unexplained"):
        extra = [t - r for t, r in zip(taken[name], taken["right"], strict=True)]
        yield f"lecture: diagnosis, {name}", milliseconds(extra)


def _median(call: Callable[[], Any], repeat: int) -> float:
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def measured(part: str, step: int, tolerance: str, digits: int | None) -> Measured:
    """All figures of one part of the cases."""
    tally = measure(cases(tolerance, part, step), tolerance, digits)
    lines, misses = [*figures(tally)], [*tally.misses]
    for title, found_in, rows in SETS:
        found = found_in(part)
        lines += [
            (f"{title}: {name}", share(found.counts[n], found.counts[of])) for name, n, of in rows
        ]
        lines.append((f"{title}: slowest", milliseconds([found.slowest])))
        misses += found.misses
    return Measured(lines, [*by_kind(tally)], misses)


@dataclass(frozen=True)
class Measured:
    """Figures with their names, the table by kind of mistake, and what was missed."""

    lines: Sequence[tuple[str, str]]
    kinds: Sequence[str]
    misses: Sequence[str]


def document(parts: Mapping[str, Measured], times: Sequence[tuple[str, str]], told: str) -> str:
    """The page with the figures of each part side by side."""
    head = f"| measure | {' | '.join(parts)} |\n|{'---|' * (len(parts) + 1)}\n"
    names = [name for name, _ in next(iter(parts.values())).lines]
    columns = [dict(part.lines) for part in parts.values()]
    rows = [(name, *(column[name].strip() for column in columns)) for name in names]
    body = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    clock = "".join(f"| {name} | {time.strip()} |\n" for name, time in times)
    return (
        f"{INTRODUCTION}\n{told}\n{head}{body}\n"
        f"| time, expressions of the lecture | median |\n|---|---|\n{clock}"
    )


INTRODUCTION = """\
# How often a diagnosis is right

Made by `./run bench diagnosis --write`: no number here is typed by hand. The wrong claims of
`tests/cases/gradients.jsonl.gz` were each made with one known mistake; `unlisted` are mistakes that
no list holds, `pairs` two listed ones at once (`tests/cases/README.md`). Whoever wrote those cases
did not know how the diagnosis works. No case of the third called heldout was looked into while it
was made; its totals were printed several times. benchmarks/mistakes.py says what counts as the same
mistake.
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diagnosis", description=__doc__)
    parser.add_argument("--part", choices=list(PARTS), default="tuned")
    parser.add_argument("--step", type=int, default=1, help="judge every STEP-th case")
    parser.add_argument("--tolerance", default="strict", help="strict or student")
    parser.add_argument("--digits", type=int, help="round claims to so many digits first")
    parser.add_argument("--misses", type=int, default=0, help="print so many misses")
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name}, both parts")
    asked = parser.parse_args()
    start = time.perf_counter()
    if asked.write:
        parts = {name: measured(name, asked.step, "strict", None) for name in ("tuned", "heldout")}
        seconds = time.perf_counter() - start
        told = circumstances(seconds, asked.step, ("numpy", "python-flint"))
        RESULT.write_text(document(parts, [*lecture_times()], told))
        print(f"written to {RESULT.name}")
        return
    found = measured(asked.part, asked.step, asked.tolerance, asked.digits)
    print(f"part {asked.part}, every {asked.step}. case, tolerance {asked.tolerance}")
    for name, figure in [*found.lines, *lecture_times()]:
        print(f"{name:58}{figure}")
    print(*found.kinds, *found.misses[: asked.misses], sep="\n")
    print(f"took {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
