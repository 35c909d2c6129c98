"""Is lesson 4 solved? python -m pytest docs/course/exercises/test_lesson4.py"""

import numpy as np
import pytest
from lesson4 import count_tied, fair_backward, leaky, leaky_backward

from minimalstyle import reference
from minimalstyle.gradcheck import gradcheck


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_leaky_relu(rng):
    """Against finite differences, away from the kink at zero."""
    x = rng.choice([-1.0, 1.0], (5, 7, 3)) * rng.uniform(0.1, 1, (5, 7, 3))
    R = rng.standard_normal(x.shape)
    assert gradcheck(lambda x: (np.sum(R * leaky(x)), leaky_backward(R, leaky(x))), x).passed()
    np.testing.assert_allclose(leaky(np.array([-2.0, 0.0, 2.0])), [-0.2, 0, 2])


def test_fair_backward_where_all_are_equal(rng):
    dy = rng.standard_normal((3, 4, 2))
    expected = reference.average_pool_backward(dy, (6, 8, 2))
    np.testing.assert_allclose(fair_backward(dy, np.ones((6, 8, 2))), expected)


def test_fair_backward_where_all_are_different(rng):
    dy = rng.standard_normal((3, 4, 2))
    x = rng.permutation(96.0 * np.arange(96)).reshape(6, 8, 2)
    R = gradcheck(lambda x: (np.sum(dy * reference.max_pool(x)[0]), fair_backward(dy, x)), x)
    assert R.passed()


def test_fair_backward_where_some_are_equal():
    x = np.array([[3.0, 1.0], [3.0, 2.0]])[:, :, None]
    expected = np.array([[5.0, 0.0], [5.0, 0.0]])[:, :, None]
    np.testing.assert_allclose(fair_backward(np.full((1, 1, 1), 10.0), x), expected)


def test_count_tied():
    x = np.array([[9.0, 1, 5, 5, 0, 0], [9, 2, 6, 1, 0, 0]])[:, :, None]
    assert count_tied(x) == 2  # 9 and 0; the two 5s lose


def test_count_tied_in_random_bytes(rng):
    """The maximum of four of n equally likely values is shared with probability 1 - (1 - 1/n)²."""
    x = rng.integers(0, 256, (400, 400, 1)).astype(float)
    expected = 40_000 * (1 - (1 - 1 / 256) ** 2)
    assert abs(count_tied(x) - expected) < 5 * np.sqrt(expected)
