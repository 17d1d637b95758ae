"""The shelf of kernels written by hand: what works on whole arrays. All others are printed."""

from __future__ import annotations

from collections.abc import Mapping

from engine.machine.kernels.linear import LINEAR
from engine.machine.kernels.losses import LOSSES
from engine.machine.kernels.reductions import SUM
from engine.machine.kernels.softmax import LOGSUMEXP, SOFTMAX
from engine.machine.kernels.spread import COPY, SPREAD
from engine.machine.record import Kernel

KERNELS: Mapping[str, Kernel] = {
    kernel.name: kernel for kernel in (LINEAR, SUM, SPREAD, COPY, SOFTMAX, LOGSUMEXP, *LOSSES)
}
"""Kernels by their names."""
