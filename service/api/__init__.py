"""The API: one file per resource. A new resource is a new file and a line here."""

from __future__ import annotations

from service.api import (
    datasets,
    evaluations,
    gradchecks,
    meta,
    ops,
    plugins,
    programs,
    rulechecks,
    runs,
    series,
)

RESOURCES = (
    evaluations.blueprint,
    gradchecks.blueprint,
    programs.blueprint,
    rulechecks.blueprint,
    runs.blueprint,
    series.blueprint,
    ops.blueprint,
    plugins.blueprint,
    datasets.blueprint,
    meta.version,
    meta.health,
)
"""Every resource, in the order of the description."""
