"""What wrong gradients look like when laid beside the slopes: a factor, a transpose, a cut graph.

Nothing here knows how the function was computed. Each hypothesis says what the claims would be if
one mistake had been made, and is offered where it explains the wrong entries and contradicts none.
"""

from __future__ import annotations

from engine.check.symptoms.vector import symptoms

__all__ = ["symptoms"]
