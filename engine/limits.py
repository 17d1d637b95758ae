"""Budgets of work. They count what is asked for, never seconds, so that the same input
gets the same answer on every machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may ask of the engine."""

    source_bytes: int = 4096
    """length of an expression's source, in bytes of UTF-8"""
    nodes: int = 2_000
    """inputs, constants and equations of one program together"""
    depth: int = 100
    """brackets, calls and signs inside one another"""
    inputs: int = 64
    """inputs of one program"""
    elements: int = 10_000
    """numbers in any one array of a program"""
    numbers: int = 100_000
    """numbers in all nodes of a program together"""
    check_work: int = 20_000
    """numbers judged by one gradient check x nodes of its program, where an array counts as ten
    nodes and a fiftieth of its size"""
    steps: int = 100_000
    """steps of one training run"""
    parameters: int = 100_000
    """weights and biases of one network"""
    points: int = 10_000
    """samples in one data set"""
    work: int = 20_000_000_000
    """steps x samples in a batch x parameters of one training run"""
    activations: int = 2_000_000
    """samples in a batch x neurons: what one training step keeps at once"""
