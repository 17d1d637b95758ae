"""The facts of this folder, read."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@cache
def lecture() -> dict[str, Any]:
    return json.loads((HERE / "lecture.json").read_text())


@cache
def gradients() -> list[dict[str, Any]]:
    with gzip.open(HERE / "gradients.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


@cache
def unlisted() -> list[dict[str, Any]]:
    return _lines("unlisted.jsonl")


@cache
def pairs() -> list[dict[str, Any]]:
    return _lines("pairs.jsonl")


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]
