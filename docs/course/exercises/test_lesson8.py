"""Is lesson 8 solved? python -m pytest docs/course/exercises/test_lesson8.py"""

import numpy as np
import pytest
from lesson8 import col2im, im2col, saved, two_outputs

from minimalstyle import reference


@pytest.fixture
def rng():
    return np.random.default_rng(0)


class Counted:
    """A number that counts how often two of its kind are multiplied."""

    products = 0

    def __init__(self, value):
        self.value = value

    def __add__(self, other):
        return Counted(self.value + other.value)

    def __sub__(self, other):
        return Counted(self.value - other.value)

    def __neg__(self):
        return Counted(-self.value)

    def __mul__(self, other):
        if isinstance(other, Counted):
            Counted.products += 1
            return Counted(self.value * other.value)
        assert other in (0.5, -0.5, -1), "only halves are free"
        return Counted(self.value * other)

    def __rmul__(self, factor):
        return self * factor

    def __truediv__(self, factor):
        return self * (1 / factor)


def test_im2col(rng):
    """With it a convolution is a single product of matrices."""
    x, weight = rng.standard_normal((6, 7, 3)), rng.standard_normal((3, 3, 3, 5))
    y = (im2col(x) @ weight.reshape(27, 5)).reshape(6, 7, 5)
    np.testing.assert_allclose(y, reference.convolve(x, weight, 0))


def test_col2im(rng):
    """The same way back is the backward pass."""
    dy, weight = rng.standard_normal((6, 7, 5)), rng.standard_normal((3, 3, 3, 5))
    dx = col2im(dy.reshape(42, 5) @ weight.reshape(27, 5).T, 6, 7)
    np.testing.assert_allclose(dx, reference.convolve_backward(dy, weight))


def test_two_outputs(rng):
    """Against numpy's correlation, and against Winograd's number of multiplications."""
    d, g = rng.standard_normal(4), rng.standard_normal(3)
    Counted.products = 0
    y = two_outputs([Counted(value) for value in d], [Counted(value) for value in g])
    np.testing.assert_allclose([one.value for one in y], np.correlate(d, g, "valid"))
    assert Counted.products == 4


@pytest.mark.parametrize(("m", "times"), [(1, 1), (2, 2.25), (4, 4), (6, 5.0625)])
def test_saved(m, times):
    """Lavin and Gray 2016, section 4."""
    assert saved(m) == pytest.approx(times)
