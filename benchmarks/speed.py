"""The engine against its peers: `./run bench speed`.

Each workload is a contest in a process of its own, where all systems take turns on one core. Then
come the start of a fresh process and the web service. The table says what was reached of
`targets.py`; `--write` puts it, with every system's figures, into RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

from benchmarks import start, web
from benchmarks.contest import CLOCKS, ONE_THREAD, Entry, one_core
from benchmarks.results import SECTIONS, circumstances, put, short, table
from benchmarks.targets import START, TARGETS, WEB, Times
from benchmarks.workloads import WORKLOADS

HEAD = (
    *("workload", "what", "ours", "best other", "", "ratio", "by the least", "goal", "stretch"),
    "verdict",
)

READING = """\
Times are medians in microseconds a unit (one evaluation, training step or check; the rows of the
process start in seconds, those of the web in requests a second). The ratio is ours over the best
other's, of medians; "by the least" is of the best samples, which a busy machine disturbs least.
Lower is better, but for the requests. Goal and stretch are what we aim at: what
falls short works all the same, only not as fast as we want it. The sections below say what W1 to W7
are. Systems take turns in one process, on one core, in float64.
Contests are timed by the {clock} clock.
"""

UNITS = {START: "seconds", WEB: "requests a second"}

Measured = dict[str, list[Entry]]


def measure(workload: str, options: Sequence[str]) -> list[Entry]:
    """A contest in a process of its own; what it says beside the figures is told if it fails."""
    command = [sys.executable, "-m", "benchmarks.contest", workload, *options]
    ended = subprocess.run(
        command, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        print(ended.stderr[-2000:], file=sys.stderr)
    lines = [line for line in ended.stdout.splitlines() if line.startswith('{"workload"')]
    return [Entry(**json.loads(line)) for line in lines]


def start_entries() -> tuple[list[Entry], list[str]]:
    seconds, notes = start.measure()
    return [
        Entry(START, system, statistics.median(taken), min(taken))
        for system, taken in seconds.items()
    ], notes


def web_entries() -> list[Entry]:
    try:
        rates = web.measure()
    except RuntimeError as error:
        print(f"{WEB}: {error}", file=sys.stderr)
        return []
    return [
        Entry(WEB, system, statistics.median(taken), max(taken)) for system, taken in rates.items()
    ]


def times(entries: Sequence[Entry], field: str) -> Times:
    """A figure of each system that ran."""
    return {e.system: getattr(e, field) for e in entries if e.ran}


# -- written -------------------------------------------------------------------


def verdicts(measured: Mapping[str, Sequence[Entry]]) -> Iterator[list[str]]:
    """The rows of the table of targets whose workload was measured."""
    for target in TARGETS:
        if target.workload not in measured:
            continue
        entries = measured[target.workload]
        medians, least = times(entries, "median"), times(entries, "least")
        best, figure = target.best(medians), target.figure(medians)
        yield [
            target.workload,
            target.what,
            short(medians.get(target.ours)),
            short(medians.get(best or "")),
            best or "-",
            short(figure),
            short(target.figure(least)),
            f"{target.goal:g}",
            f"{target.stretch:g}",
            target.verdict(figure),
        ]


def everybody(workload: str, entries: Sequence[Entry]) -> str:
    """Every system's figures on one workload."""
    head = ("system", "median", "least", "made in s", "first run s", "differs by", "how")
    rows = [
        [entry.system, "-", "-", "-", "-", "-", entry.error]
        if entry.error
        else [
            entry.system,
            short(entry.median),
            short(entry.least),
            short(entry.build_seconds),
            short(entry.first_seconds),
            "-" if entry.difference is None else f"{entry.difference:.0e}",
            entry.note,
        ]
        for entry in entries
    ]
    what = WORKLOADS[workload][0] if workload in WORKLOADS else UNITS[workload]
    return f"### {workload}: {what}\n\n{table(head, rows)}"


def document(measured: Mapping[str, Sequence[Entry]], notes: Sequence[str], clock: str) -> str:
    parts = [circumstances(), READING.format(clock=clock), table(HEAD, verdicts(measured), words=2)]
    parts += [f"{note}\n" for note in notes]
    parts += [everybody(workload, entries) for workload, entries in measured.items()]
    return "\n".join(parts)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """A table for the terminal."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines)


def main() -> None:
    known = (*WORKLOADS, START, WEB)
    parser = argparse.ArgumentParser(prog="./run bench speed", description=__doc__)
    parser.add_argument("--only", default=",".join(known), help=f"of {', '.join(known)}")
    parser.add_argument("--systems", default="", help="only systems with one of these in the name")
    parser.add_argument("--rounds", default="15")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="that times the contests")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    asked = parser.parse_args()
    wanted = asked.only.split(",")
    if unknown := set(wanted) - set(known):
        parser.error(f"no workload {', '.join(unknown)}; there are {', '.join(known)}")
    if asked.write and (set(wanted) != set(known) or asked.systems):
        parser.error("only the whole of it is written")

    options = ["--rounds", asked.rounds, "--only", asked.systems, "--clock", asked.clock]
    measured: Measured = {}
    notes: list[str] = []
    if WEB in wanted:
        measured[WEB] = web_entries()
    one_core()
    for workload in wanted:
        print(f"{workload} …", flush=True)
        if workload in WORKLOADS:
            measured[workload] = measure(workload, options)
        elif workload == START:
            measured[START], notes = start_entries()
        for entry in measured[workload]:
            print(f"  {entry.system:28} {entry.error or short(entry.median)}", flush=True)
    print(f"\n{aligned([HEAD, *verdicts(measured)])}\n", *notes, sep="\n")
    if asked.write:
        ordered = {workload: measured[workload] for workload in wanted}
        put(SECTIONS[0], document(ordered, notes, asked.clock))


if __name__ == "__main__":
    main()
