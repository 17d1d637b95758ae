"""A name that is not known, answered with the nearest one that is."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from engine.ranges import shown


def nearest(name: object, known: Iterable[str]) -> str | None:
    """The known name most like `name`, if one is near; capital letters do not count.

    Two letters swapped are the likeliest slip, so the same letters in another order come first.
    """
    if not isinstance(name, str) or len(name) > 100:
        return None
    low = name.lower()
    by_lower = {candidate.lower(): candidate for candidate in known}
    swapped = [candidate for candidate in by_lower if sorted(candidate) == sorted(low)]
    matches = swapped or get_close_matches(low, by_lower, n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """The sentence for an unknown name: "there is no loss 'hinje'; did you mean 'hinge'?"."""
    known = list(known)
    near = nearest(name, known)
    mend = f"did you mean '{near}'?" if near else f"known: {', '.join(known)}"
    return f"there is no {kind} {shown(name)}; {mend}"
