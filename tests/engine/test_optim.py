"""Optimisers against sums done by hand, their memory, and the ends of the schedules."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine import Value
from engine.optim import OPTIMIZERS, SGD, Adam
from engine.schedules import SCHEDULES, cosine, linear, step


def with_gradient(data, grad):
    value = Value(data)
    value.grad = grad
    return value


def test_sgd_steps_against_the_gradient():
    p = with_gradient([1.0, -2.0], np.array([0.5, -4.0]))
    SGD([p], learning_rate=0.1).step()
    np.testing.assert_allclose(p.data, [0.95, -1.6])


def test_momentum_remembers_its_velocity():
    p = with_gradient(np.array([1.0]), np.array([2.0]))
    sgd = SGD([p], learning_rate=0.1, momentum=0.5)
    sgd.step()  # v = 2, p = 0.8
    p.grad = np.array([1.0])
    sgd.step()  # v = 0.5 * 2 + 1 = 2, p = 0.6
    np.testing.assert_allclose(p.data, [0.6])
    np.testing.assert_allclose(sgd.velocity[0], [2.0])


def test_adam_equals_two_steps_by_hand():
    # rate 0.1, b1 0.9, b2 0.99, gradients 2 and then -1:
    #   m = 0.2,  v = 0.04;          corrected 2 and 4: p = 1 - 0.1 * 2 / 2 = 0.9
    #   m = 0.08, v = 0.0396 + 0.01; corrected 0.08 / 0.19 and 0.0496 / 0.0199
    p = with_gradient(np.array([1.0]), np.array([2.0]))
    adam = Adam([p], learning_rate=0.1, beta1=0.9, beta2=0.99, epsilon=0.0)
    adam.step()
    np.testing.assert_allclose(p.data, [0.9], rtol=1e-14)
    p.grad = np.array([-1.0])
    adam.step()
    expected = 0.9 - 0.1 * 0.42105263157894735 / math.sqrt(2.492462311557789)
    np.testing.assert_allclose(p.data, [expected], rtol=1e-13)


def test_adam_epsilon_keeps_zero_gradients_still():
    p = with_gradient(np.array([1.0]), np.array([0.0]))
    Adam([p]).step()
    assert p.data.tolist() == [1.0]


@pytest.mark.parametrize("row", OPTIMIZERS.values(), ids=lambda row: row.name)
def test_scalars_stay_floats(row):
    p = with_gradient(3.0, 1.0)
    optimizer = row.make([p], **{name: allowed.default for name, allowed in row.params.items()})
    optimizer.step()
    assert type(p.data) is float
    assert p.data < 3.0
    optimizer.zero_grad()
    assert p.grad == 0


@pytest.mark.parametrize(
    "make", [SGD, lambda ps: SGD(ps, momentum=0.9), Adam], ids=["sgd", "momentum", "adam"]
)
def test_loaded_state_goes_on_alike(make):
    rng = np.random.default_rng(5)
    gradients = rng.normal(size=(6, 2, 3))

    def walk(p, optimizer, part):
        for gradient in part:
            p.grad = gradient
            optimizer.step()

    whole = Value(np.ones((2, 3)))
    walk(whole, make([whole]), gradients)

    half = Value(np.ones((2, 3)))
    before = make([half])
    walk(half, before, gradients[:3])
    state = before.state()
    walk(half, before, gradients[:1])  # the copy must not follow
    rest = Value(np.ones((2, 3)))
    walk(rest, make([rest]), gradients[:3])
    after = make([rest])
    after.load(state)
    walk(rest, after, gradients[3:])
    assert rest.data.tobytes() == whole.data.tobytes()


def test_optimizers_leave_gradients_alone():
    for make in (SGD, Adam):
        p = with_gradient(np.array([1.0]), np.array([2.0]))
        make([p]).step()
        assert p.grad.tolist() == [2.0]


def test_linear_schedule_is_the_demo():
    rates = [linear(k, 100, 1.0, end=0.1) for k in range(100)]
    assert rates == [1.0 - 0.9 * k / 100 for k in range(100)]


@pytest.mark.parametrize("schedule", [linear, cosine])
def test_schedules_reach_their_ends(schedule):
    assert schedule(0, 50, 0.4, end=0.1) == pytest.approx(0.4, rel=1e-15)
    assert schedule(50, 50, 0.4, end=0.1) == pytest.approx(0.1, rel=1e-15)
    assert schedule(25, 50, 0.4, end=0.1) == pytest.approx(0.25, rel=1e-15)


def test_step_schedule_halves_on_time():
    assert [step(k, 9, 8.0, every=3, factor=0.5) for k in range(9)] == [8] * 3 + [4] * 3 + [2] * 3


@pytest.mark.parametrize("row", SCHEDULES.values(), ids=lambda row: row.name)
def test_every_schedule_starts_full(row):
    defaults = {name: allowed.default for name, allowed in row.params.items()}
    assert row.rate(0, 10, 0.3, **defaults) == pytest.approx(0.3)
    assert row.doc
