"""The transforms of Winograd's F(4x4, 3x3) and F(6x6, 3x3), in one dimension and in two.

A row of m outputs of a convolution with three weights g is `A^T [(G g) * (B^T d)]` for m + 2
inputs d: both are polynomials, multiplied through their values at m + 1 points and at infinity
(Lavin and Gray 2016, "Fast algorithms for convolutional neural networks"). The points are 0, 1,
-1, 2, -2 and, for six outputs, 1/2 and -1/2. In two dimensions, the rows are transformed after the
columns.

Each transform takes and leaves a vector of channels at each of its places.
"""

import numpy as np
import numpy.typing as npt

from .jit import inlined
from .simd import LANES, load, store, straight_line

__all__ = ["filter_row_transform", "filter_transform", "input_transform", "output_transform"]

# G of F(4, 3) and F(6, 3), of which a single row is wanted at a time.
_G_4 = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
_G_6 = (
    np.array(
        [
            [90, 0, 0],
            [-20, -20, -20],
            [-20, 20, -20],
            [1, 2, 4],
            [1, -2, 4],
            [64, 32, 16],
            [64, -32, 16],
            [0, 0, 90],
        ]
    )
    / 90
)
_EXACT_G_6 = _G_6
_G_4, _G_6 = _G_4.astype(np.float32), _G_6.astype(np.float32)

# ------------------------------------------------- from `x[at + k * step]` to `y[to + k * to_step]`


@straight_line
def _input_4(d0, d1, d2, d3, d4, d5):
    """B^T d of F(4, 3)."""
    a = d4 - 4.0 * d2
    b = d3 - 4.0 * d1
    c = d4 - d2
    d = 2.0 * (d3 - d1)
    return (
        4.0 * d0 - 5.0 * d2 + d4,
        a + b,
        a - b,
        c + d,
        c - d,
        4.0 * d1 - 5.0 * d3 + d5,
    )


@inlined
def _filter_4(g0, g1, g2, y, to, to_step):
    """G g of F(4, 3)."""
    a = (-1.0 / 6.0) * (g0 + g2)
    b = (1.0 / 24.0) * g0 + (1.0 / 6.0) * g2
    c = (1.0 / 6.0) * g1
    d = (1.0 / 12.0) * g1
    store(y, to, 0.25 * g0)
    store(y, to + to_step, a - c)
    store(y, to + 2 * to_step, a + c)
    store(y, to + 3 * to_step, b + d)
    store(y, to + 4 * to_step, b - d)
    store(y, to + 5 * to_step, g2)


@straight_line
def _output_4(m0, m1, m2, m3, m4, m5):
    """A^T m of F(4, 3)."""
    a = m1 + m2
    b = m1 - m2
    c = m3 + m4
    d = m3 - m4
    return (
        m0 + a + c,
        b + 2.0 * d,
        a + 4.0 * c,
        b + 8.0 * d + m5,
    )


@straight_line
def _input_6(d0, d1, d2, d3, d4, d5, d6, d7):
    """B^T d of F(6, 3)."""
    a = d2 - 4.25 * d4 + d6
    b = d1 - 4.25 * d3 + d5
    c = 0.25 * d2 - 1.25 * d4 + d6
    d = 0.5 * d1 - 2.5 * d3 + 2.0 * d5
    e = 4.0 * d2 - 5.0 * d4 + d6
    f = 2.0 * d1 - 2.5 * d3 + 0.5 * d5
    return (
        d0 - d6 + 5.25 * (d4 - d2),
        a + b,
        a - b,
        c + d,
        c - d,
        e + f,
        e - f,
        d7 - d1 + 5.25 * (d3 - d5),
    )


@inlined
def _filter_6(g0, g1, g2, y, to, to_step):
    """G g of F(6, 3)."""
    a = (-2.0 / 9.0) * (g0 + g2)
    b = (2.0 / 9.0) * g1
    c = (1.0 / 90.0) * g0 + (2.0 / 45.0) * g2
    d = (1.0 / 45.0) * g1
    e = (32.0 / 45.0) * g0 + (8.0 / 45.0) * g2
    f = (16.0 / 45.0) * g1
    store(y, to, g0)
    store(y, to + to_step, a - b)
    store(y, to + 2 * to_step, a + b)
    store(y, to + 3 * to_step, c + d)
    store(y, to + 4 * to_step, c - d)
    store(y, to + 5 * to_step, e + f)
    store(y, to + 6 * to_step, e - f)
    store(y, to + 7 * to_step, g2)


@straight_line
def _output_6(m0, m1, m2, m3, m4, m5, m6, m7):
    """A^T m of F(6, 3)."""
    a = m1 + m2
    b = m1 - m2
    c = m3 + m4
    d = m3 - m4
    e = m5 + m6
    f = m5 - m6
    return (
        m0 + a + c + e,
        b + 2.0 * d + 0.5 * f,
        a + 4.0 * c + 0.25 * e,
        b + 8.0 * d + 0.125 * f,
        a + 16.0 * c + 0.0625 * e,
        b + 32.0 * d + 0.03125 * f + m7,
    )


# ------------------------------------------------------------------------------ two dimensions


@inlined
def input_transform(tile, x, at, pitch, pixel, rows, v, to, plane):
    """B^T d B of the inputs from `x[at]` on: the values at frequency f go to `v[to + f * plane]`.

    Parameters
    ----------
    tile : int
        4 or 6, the side of the outputs.
    pitch, pixel : int
        From one row of x to the next, and from one pixel.
    rows : memory
        What lies between the two passes.
    """
    if tile == 4:
        _input_4(6, x, at, pixel, pitch, rows, 0, LANES, 6 * LANES)
        _input_4(6, rows, 0, 6 * LANES, LANES, v, to, 6 * plane, plane)
    else:
        _input_6(8, x, at, pixel, pitch, rows, 0, LANES, 8 * LANES)
        _input_6(8, rows, 0, 8 * LANES, LANES, v, to, 8 * plane, plane)


@inlined
def output_transform(tile, m, at, plane, rows, y):
    """A^T M A of the values at `m[at + f * plane]`: `tile` rows of as many pixels, from `y[0]`."""
    if tile == 4:
        _output_4(6, m, at, plane, 6 * plane, rows, 0, LANES, 6 * LANES)
        _output_4(4, rows, 0, 6 * LANES, LANES, y, 0, 4 * LANES, LANES)
    else:
        _output_6(8, m, at, plane, 8 * plane, rows, 0, LANES, 8 * LANES)
        _output_6(6, rows, 0, 8 * LANES, LANES, y, 0, 6 * LANES, LANES)


def filter_transform(weight: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """G g G^T of F(6x6, 3x3) for filters that are kept so, (3, 3, ...) to (8, 8, ...).

    Sums without a BLAS, so that the bits are the same everywhere, in float64.
    """
    g = _EXACT_G_6.reshape(8, 3, *[1] * (weight.ndim - 1))
    rows = sum(g[:, i] * weight[i].astype(float) for i in range(3))  # (8, 3, ...)
    columns = [sum(g[j, i, 0] * rows[:, i] for i in range(3)) for j in range(8)]
    return np.stack(columns, axis=1).astype(np.float32)


@inlined
def _of_column(g0, g1, g2, weight, at, step):
    """A row of G times a column of weights."""
    w0, w1, w2 = load(weight, at), load(weight, at + 3 * step), load(weight, at + 6 * step)
    return g0 * w0 + g1 * w1 + g2 * w2


@inlined
def filter_row_transform(tile, row, weight, at, step, u, to, plane):
    """One row of G g G^T of the nine weights at `weight[at + k * step]`, to `u[to + f * plane]`."""
    g = _G_4 if tile == 4 else _G_6
    g0, g1, g2 = g[row, 0], g[row, 1], g[row, 2]
    left = _of_column(g0, g1, g2, weight, at, step)
    middle = _of_column(g0, g1, g2, weight, at + step, step)
    right = _of_column(g0, g1, g2, weight, at + 2 * step, step)
    if tile == 4:
        _filter_4(left, middle, right, u, to, plane)
    else:
        _filter_6(left, middle, right, u, to, plane)
