"""The street door (HTTP), the counter (checks, runs) and the ledger (SQLite) of Nudge."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("nudge")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"

_BLAS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

# One thread of BLAS in each process, unless the operator says otherwise: it then always adds in the
# same order, and n workers keep n cores busy. BLAS reads this while numpy is loaded, therefore it
# stands here, before any module of ours that asks for numpy.
for _name in _BLAS:
    os.environ.setdefault(_name, "1")
