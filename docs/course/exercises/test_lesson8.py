"""Is lesson 8 solved? python -m pytest docs/course/exercises/test_lesson8.py"""

import lesson8
import numpy as np
import pytest
from checks import same

from minimalstyle import reference


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
        assert other in (0.5, -0.5, -1), f"only halves are free, not {other}"
        return Counted(self.value * other)

    def __rmul__(self, factor):
        return self * factor

    def __truediv__(self, factor):
        return self * (1 / factor)


def test_1_im2col(rng):
    """With it a convolution is a single product of matrices."""
    x, weight = rng.standard_normal((6, 7, 3)), rng.standard_normal((3, 3, 3, 5))
    columns = lesson8.im2col(x)
    assert columns.shape == (42, 27), (
        f"columns of (6, 7, 3) have shape {columns.shape}, not (42, 27)"
    )
    y = (columns @ weight.reshape(27, 5)).reshape(6, 7, 5)
    same(y, reference.convolve(x, weight, 0), "im2col(x) @ K.reshape(9 C, -1) = convolve(x, K)")


def test_1_col2im(rng):
    """The same way back is the backward pass."""
    dy, weight = rng.standard_normal((6, 7, 5)), rng.standard_normal((3, 3, 3, 5))
    dx = lesson8.col2im(dy.reshape(42, 5) @ weight.reshape(27, 5).T, 6, 7)
    right = reference.convolve_backward(dy, weight)
    same(dx, right, "col2im(dy @ K.reshape(9 C, -1).T) = convolve_backward(dy, K)")


def test_2_two_outputs(rng):
    """Against numpy's correlation, and against Winograd's number of multiplications."""
    d, g = rng.standard_normal(4), rng.standard_normal(3)
    Counted.products = 0
    y = lesson8.two_outputs([Counted(value) for value in d], [Counted(value) for value in g])
    outputs = [one.value for one in y]
    same(outputs, np.correlate(d, g, "valid"), "y0 = d0 g0 + d1 g1 + d2 g2 and y1, one further on")
    assert Counted.products == 4, f"it took {Counted.products} multiplications, not 4"


@pytest.mark.parametrize(("m", "times"), [(1, 1), (2, 2.25), (4, 4), (6, 5.0625)])
def test_3_saved(m, times):
    """Lavin and Gray 2016, section 4."""
    same(
        lesson8.saved(m), times, f"multiplications of the direct sum / those of F({m} x {m}, 3 x 3)"
    )
