"""The hooks that a plugin may implement with @hookimpl of engine.extend. Nothing else is called."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from engine.op import Op

hookspec = pluggy.HookspecMarker("nudge")


@hookspec
def register_ops() -> Iterable[Op]:  # type: ignore[empty-body]
    """The ops that this plugin adds. A plugin without this hook adds the ops that it states."""
