"""Public ids sort by time and cannot be guessed."""

from __future__ import annotations

from service.ids import RANDOM_DIGITS, is_id, new_id


def test_later_ids_sort_later(clock):
    ids = []
    for _ in range(50):
        ids.append(new_id("gc", clock))
        clock.forward(milliseconds=1)
    assert ids == sorted(ids)


def test_ids_of_one_instant_differ(clock):
    ids = {new_id("gc", clock) for _ in range(1000)}
    assert len(ids) == 1000
    assert len({text[:13] for text in ids}) == 1  # the time
    assert RANDOM_DIGITS * 5 >= 96


def test_form_of_ids_is_told_apart(clock):
    good = new_id("gc", clock)
    assert is_id(good, "gc")
    for bad in (good[:-1], good + "0", good.upper(), good + "\n", "run" + good[2:], "gc_", ""):
        assert not is_id(bad, "gc")
