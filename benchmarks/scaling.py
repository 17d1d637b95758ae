"""How time and memory grow: `./run bench scaling`.

Each curve varies one size and leaves the rest; each point is measured in a process of its own, on
one core, in processor time. A straight line `time = fixed + slope * size` is laid through the
points by least squares of relative errors. A curve counts as linear from the size on from which no
time / size is more than half as large again as another.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence

import numpy as np

from benchmarks.contest import ONE_THREAD
from benchmarks.curves import CURVES, LARGE, Curve, Point
from benchmarks.results import SECTIONS, circumstances, put, short, table

APART = 1.5
BAR, LONGEST = 8, 32
"""Characters of the bar of the largest size, and of the longest that is drawn."""


def measured(curve: Curve) -> list[Point]:
    """Every point of a curve, each in a fresh process."""
    found = []
    for size in curve.sizes:
        command = [sys.executable, "-m", "benchmarks.curves", curve.name, str(size)]
        ended = subprocess.run(
            command, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            sys.exit(f"{curve.name} {size}: {ended.stderr[-2000:]}")
        found.append(Point(**json.loads(ended.stdout)))
        print(f"  {curve.name} {size:>9,}: {_clock(found[-1].seconds)}", flush=True)
    return found


# -- read ----------------------------------------------------------------------


def line(points: Sequence[Point]) -> tuple[float, float]:
    """Fixed seconds, and seconds a unit of size, by least squares of relative errors."""
    sizes, seconds = (np.array([getattr(p, name) for p in points]) for name in ("size", "seconds"))
    terms = np.column_stack([np.ones(len(points)), sizes]) / seconds[:, None]
    (fixed, slope), *_ = np.linalg.lstsq(terms, np.ones(len(points)), rcond=None)
    return float(fixed), float(slope)


def linear_from(points: Sequence[Point]) -> int:
    """The size on from which no two time / size differ by more than APART."""
    start, shares = points[-1].size, []
    for p in reversed(points):
        shares.append(p.seconds / p.size)
        if max(shares) > APART * min(shares):
            break
        start = p.size
    return start


# -- written -------------------------------------------------------------------


def section(curve: Curve, points: Sequence[Point]) -> str:
    fixed, slope = line(points)
    each = [p.seconds / p.size for p in points]
    head = (curve.name, "time", f"time / {curve.name}", "", "made in", "MB held")
    rows = [
        [
            f"{p.size:,}",
            _clock(p.seconds),
            _clock(share),
            _bar(share / each[-1]),
            _clock(p.made),
            short(p.held),
        ]
        for p, share in zip(points, each, strict=True)
    ]
    said = (
        f"{curve.what} Linear from {linear_from(points):,} on; "
        f"the line through all points is {_clock(fixed)} + {_clock(slope)} for each."
    )
    if curve.name == "nodes":
        largest = points[-1]
        said += f" At {largest.size:,} nodes memory is {largest.held * 1e6 / largest.size:,.0f} "
        said += "bytes a node, the program and its tape together."
    return f"### Time against {curve.name}\n\n{said}\n\n{table(head, rows)}"


def peaks(found: Sequence[tuple[Curve, Point]]) -> str:
    head = ("what", "time", "made in", "MB held", "MB at the peak of the process")
    rows = [
        [curve.what, _clock(p.seconds), _clock(p.made), short(p.held), short(p.peak)]
        for curve, p in found
    ]
    return f"### Large ones\n\n{table(head, rows)}"


def _bar(share: float) -> str:
    """As long as a share of the largest size's bar; an arrow for what is longer still."""
    length = round(BAR * share)
    return "█" * max(1, length) if length <= LONGEST else "█" * LONGEST + "→"


def _clock(seconds: float) -> str:
    """A time in the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(seconds) >= size:
            return f"{short(seconds / size)} {unit}"
    return f"{short(seconds * 1e9)} ns"


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench scaling", description=__doc__)
    parser.add_argument("--only", default=",".join(CURVES), help=f"of {', '.join(CURVES)}")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    asked = parser.parse_args()
    wanted = asked.only.split(",")
    if asked.write and set(wanted) != set(CURVES):
        parser.error("only the whole of it is written")
    reading = " ".join((__doc__ or "").partition("\n\n")[2].split())
    parts = [circumstances(), f"{reading}\n"]
    parts += [section(CURVES[name], measured(CURVES[name])) for name in wanted]
    if set(wanted) == set(CURVES):
        parts.append(peaks([(curve, measured(curve)[0]) for curve in LARGE]))
    text = "\n".join(parts)
    print(f"\n{text}")
    if asked.write:
        put(SECTIONS[1], text)


if __name__ == "__main__":
    main()
