"""Is lesson 4 solved? python -m pytest docs/course/exercises/test_lesson4.py"""

import lesson4
import numpy as np
from checks import right_gradient, same

from minimalstyle import reference


def test_1_leaky_relu(rng):
    """Against finite differences, away from the kink at zero."""
    x = rng.choice([-1.0, 1.0], (5, 7, 3)) * rng.uniform(0.1, 1, (5, 7, 3))
    R = rng.standard_normal(x.shape)
    same(lesson4.leaky(np.array([-2.0, 0.0, 2.0])), [-0.2, 0, 2], "leaky of -2, 0 and 2")
    right_gradient(
        lambda x: (np.sum(R * lesson4.leaky(x)), lesson4.leaky_backward(R, lesson4.leaky(x))),
        x,
        "leaky_backward(R, y), the gradient of Σ R · leaky(x) by x",
    )


def test_2_fair_backward_where_all_are_equal(rng):
    dy = rng.standard_normal((3, 4, 2))
    expected = reference.average_pool_backward(dy, (6, 8, 2))
    same(
        lesson4.fair_backward(dy, np.ones((6, 8, 2))),
        expected,
        "all four tied: dy / 4 to each of them",
    )


def test_2_fair_backward_where_all_are_different(rng):
    dy = rng.standard_normal((3, 4, 2))
    x = rng.permutation(96.0 * np.arange(96)).reshape(6, 8, 2)
    right_gradient(
        lambda x: (np.sum(dy * reference.max_pool(x)[0]), lesson4.fair_backward(dy, x)),
        x,
        "fair_backward(dy, x) without ties, the gradient of Σ dy · max_pool(x) by x",
    )


def test_2_fair_backward_where_some_are_equal():
    x = np.array([[3.0, 1.0], [3.0, 2.0]])[:, :, None]
    expected = np.array([[5.0, 0.0], [5.0, 0.0]])[:, :, None]
    found = lesson4.fair_backward(np.full((1, 1, 1), 10.0), x)
    same(found, expected, "dy = 10 for the window 3 1 / 3 2: 5 to each 3")


def test_3_count_tied():
    x = np.array([[9.0, 1, 5, 5, 0, 0], [9, 2, 6, 1, 0, 0]])[:, :, None]
    same(
        lesson4.count_tied(x),
        2,
        "windows of 9 1 5 5 0 0 / 9 2 6 1 0 0 with a tie: 9 and 0",
        within=0,
    )


def test_3_count_tied_in_random_bytes(rng):
    """The maximum of four of n equally likely values is shared with probability 1 - (1 - 1/n)²."""
    x = rng.integers(0, 256, (400, 400, 1)).astype(float)
    expected = 40_000 * (1 - (1 - 1 / 256) ** 2)
    found = lesson4.count_tied(x)
    near = abs(found - expected) < 5 * np.sqrt(expected)
    assert near, f"of 40 000 windows of random bytes about {expected:.0f} are tied, not {found}"
