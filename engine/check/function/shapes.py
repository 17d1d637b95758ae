"""Two shapes that should be one, drawn below each other, and what their difference tells."""

from __future__ import annotations

import math


def aligned(name: str, claimed: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Both shapes, one below the other, axes aligned as broadcasting aligns them."""
    rows = [[str(length) for length in shape] for shape in (claimed, wanted)]
    axes = max(map(len, rows))
    padded = [[""] * (axes - len(row)) + row for row in rows]
    widths = [max(map(len, column)) for column in zip(*padded, strict=True)]
    drawn = [
        "  ".join(length.rjust(width) for length, width in zip(row, widths, strict=True))
        for row in padded
    ]
    return (
        f"the gradient of {name} has shape {claimed} against {wanted}\n"
        f"  gradient  {drawn[0]}\n  input     {drawn[1]}"
    )


def shape_hint(claimed: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    rule = "a gradient has the shape of its input"
    extra = len(claimed) - len(wanted)
    if extra >= 0:
        pairs = list(zip(claimed[extra:], wanted, strict=True))
        stretched = [
            extra + axis for axis, (ours, theirs) in enumerate(pairs) if ours != theirs == 1
        ]
        if all(ours == theirs or theirs == 1 for ours, theirs in pairs):
            axes = ", ".join(map(str, [*range(extra), *stretched]))
            plural = "axes" if "," in axes else "axis"
            kept = ", keeping the axis" if stretched else ""
            return f"{rule}: broadcasting is not undone; sum over {plural} {axes}{kept}"
    if claimed == wanted[::-1]:
        return f"{rule}: this one looks transposed"
    if math.prod(claimed) == math.prod(wanted):
        return f"{rule}: it has as many entries; reshape it, if their order is right"
    if extra < 0:
        lost = [
            axis for axis in range(len(wanted)) if wanted[:axis] + wanted[axis + 1 :] == claimed
        ]
        where = f"axis {lost[0]}" if lost else "too many axes"
        return f"{rule}: it seems summed over {where} by mistake"
    return rule
