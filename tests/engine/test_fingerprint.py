"""Ops without a formula are told apart by what their rules do."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from engine.fingerprint import fingerprint

SCALE = 2.0


def _helper(x):
    return x * SCALE


def _scaled(weights):
    return lambda x: x * weights


def test_same_rule_has_same_fingerprint():
    assert fingerprint(_scaled(np.ones(3))) == fingerprint(_scaled(np.ones(3)))


def test_enclosed_array_tells_rules_apart():
    assert fingerprint(_scaled(np.ones(3))) != fingerprint(_scaled(np.zeros(3)))


def test_long_arrays_are_compared_in_full():
    one, other = np.zeros(5000), np.zeros(5000)
    other[2500] = 1
    assert fingerprint(_scaled(one)) != fingerprint(_scaled(other))


def test_defaults_tell_rules_apart():
    assert fingerprint(lambda x, n=2: x**n) != fingerprint(lambda x, n=3: x**n)


def test_changed_helper_changes_the_fingerprint(monkeypatch):
    def rule(x):
        return _helper(x)

    before = fingerprint(rule)
    monkeypatch.setitem(globals(), "_helper", lambda x: x * 3.0)
    assert fingerprint(rule) != before


def test_changed_global_number_changes_the_fingerprint(monkeypatch):
    before = fingerprint(_helper)
    monkeypatch.setitem(globals(), "SCALE", 4.0)
    assert fingerprint(_helper) != before


def test_rule_that_calls_itself_ends():
    def rule(x):
        return rule(x - 1) if x > 0 else x

    assert fingerprint(rule)


def test_hash_of_all_ops_is_the_same_in_another_process():
    code = "from engine.registry import builtins; print(builtins().hash)"
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert runs[0].stdout == runs[1].stdout
