"""What a measurement was made on: date, processor, versions."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path


def circumstances(seconds: float, step: int, packages: Sequence[str]) -> str:
    """The sentence that stands above a table of results."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    sample = "" if step == 1 else f" This is a sample: every {step}. case."
    today = datetime.datetime.now(datetime.UTC).date()
    minutes = max(1, round(seconds / 60))
    return (
        f"Measured on {today}, {cpu()}, one process, in {minutes} "
        f"minute{'' if minutes == 1 else 's'}; "
        f"Python {platform.python_version()}, {versions}.{sample}\n"
    )


def cpu() -> str:
    """The model of the processor, as Linux tells it, or else what Python knows of it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
