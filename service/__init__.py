"""The street door (HTTP), the counter (checks, runs) and the ledger (SQLite) of Nudge."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("nudge")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"
