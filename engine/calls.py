"""What a name in a call means: an op by its own name, by numpy's, or what to write instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.grammar import SYNONYMS
from engine.names import nearest
from engine.op import Op


def find_op(
    name: str, ops: Mapping[str, Op], by_function: Mapping[Any, Op]
) -> tuple[Op | None, str]:
    """The op that `name` calls, and the hint for whoever wrote it where there is none."""
    known = ops.get(name) or by_function.get(getattr(np, name, _nothing))
    if known is not None:
        return known, ""
    meant = SYNONYMS.get(name) or nearest(name, ops)
    hint = f"write {meant}(…)" if meant else "/api/v1/ops and `nudge ops` list what there is"
    return None, hint


def _nothing() -> None:
    """Stands for a function that numpy does not have."""
