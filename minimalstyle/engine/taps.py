"""What the losses need at a tapped layer: sums over positions, and gradients that follow from them.

A loss that depends on the features through their first and second moments and through their
squared distance to a target has a gradient that is affine in the features: `F S + b + w (F - P)`.
Gram, mean-and-covariance and content losses are all of this kind. Where a region has a Gram matrix
of its own, the gradient `D` is a map of its own.
"""

from typing import NamedTuple

import numpy as np

from .._types import Float32
from .jit import helper, kernel
from .maps import Map, aligned, inside
from .product import COLUMNS, ROWS, multiply, multiply_panel
from .simd import LANES, address, load, store, where_greater, zero
from .threads import Threads

__all__ = [
    "Tap",
    "add_weighted_gradient",
    "affine_gradient",
    "make_tap",
    "moments",
    "squared_distance",
    "tap_gradient",
    "weighted_moments",
]

_SUMS = 1 << 14  # of the second moment, that one block adds up in the cache
_DEPTH = 128  # pixels whose features stay in the cache meanwhile
_CHUNK = 1 << 20  # values of a map between two partial sums
_MOST_CHUNKS = 32
_VALUES = 1 << 16  # values of a block of `squared_distance`


class Tap(NamedTuple):
    """The gradient `F S + b + w (F - P) + D` at a tapped map F.

    `matrix` holds S in panels of COLUMNS columns, or is empty; `target` and `added` are the memory
    of P and D, maps of the same shape as F, or empty. Only rows from `first` to before `last` have
    a gradient.
    """

    matrix: Float32
    shift: Float32
    target: Float32
    factor: float
    added: Float32
    first: int
    last: int


def make_tap(
    matrix: Float32 | None = None,
    shift: Float32 | None = None,
    target: Map | None = None,
    factor: float = 0.0,
    added: Map | None = None,
    rows: tuple[int, int] = (0, 1 << 40),
) -> Tap:
    """Make a `Tap` from S (C, C), b (C,), which needs S, P and w, and D."""
    nothing = np.empty(0, np.float32)
    if matrix is None:
        panels = nothing
    else:
        channels = len(matrix)
        panels = aligned(matrix.size)
        panels.reshape(-1, channels, COLUMNS)[...] = matrix.reshape(
            channels, -1, COLUMNS
        ).transpose(1, 0, 2)
        shift = np.zeros(channels, np.float32) if shift is None else shift.astype(np.float32)
    return Tap(
        panels,
        nothing if shift is None else shift,
        nothing if target is None else target.data,
        float(factor) if target is not None else 0.0,
        nothing if added is None else added.data,
        *rows,
    )


# ------------------------------------------------------------------------------------ moments


class _Sums(NamedTuple):
    """Partial sums of the moments: a part for each chunk of positions and group of rows."""

    chunks: int
    groups: int
    rows: int  # of the second moment in a group
    mean: Float32  # [chunk, channel]
    second: Float32  # [chunk, row, column]; only columns from the diagonal on are computed


def _sums(f: Map) -> _Sums:
    """Memory for them, divided by the shape of the map alone: so no thread changes the result."""
    rows = max(_SUMS // f.channels // ROWS, 1) * ROWS
    groups = -(-f.channels // rows)
    chunks = min(-(-f.data.size // _CHUNK), _MOST_CHUNKS)
    second = aligned(chunks * groups * rows * f.channels + COLUMNS)
    return _Sums(chunks, groups, rows, aligned(chunks * f.channels), second)


@kernel
def _add_moments(block, f, sums):
    """Sums over one chunk of positions: all of F, and one group of rows of the half of F'F."""
    chunk, group = block // sums.groups, block % sums.groups
    channels = f.channels
    pixels = f.height * (f.pitch // channels)  # the border between two rows adds nothing
    begin, end = chunk * pixels // sums.chunks, (chunk + 1) * pixels // sums.chunks
    own = chunk * sums.groups * sums.rows * channels
    first = group * sums.rows
    last = min(first + sums.rows, channels)
    products = 0
    for row in range(first, last, ROWS):
        products += (channels - row // COLUMNS * COLUMNS) // COLUMNS
    step = -(-channels // products)
    for start in range(begin, end, _DEPTH):
        depth = min(_DEPTH, end - start)
        pixel = f.pitch + start * channels
        more = start > begin
        if group == 0:
            for c in range(0, channels, LANES):
                total = load(sums.mean, chunk * channels + c) if more else zero()
                for k in range(depth):
                    total = total + load(f.data, pixel + k * channels + c)
                store(sums.mean, chunk * channels + c, total)
        ahead = pixel + depth * channels
        for row in range(first, last, ROWS):
            a = address(f.data, pixel + row)
            for column in range(row // COLUMNS * COLUMNS, channels, COLUMNS):
                b = address(f.data, pixel + column)
                to = address(sums.second, own + row * channels + column)
                soon = address(f.data, ahead)
                ahead += depth * step
                multiply(a, 1, channels, b, channels, to, channels, depth, more, soon, step)


@kernel
def _finish_moments(block, f, sums, mean, second):
    """Add the chunks, in order, and divide by the number of positions: some rows of each moment."""
    channels = f.channels
    positions = f.height * f.width
    step = sums.groups * sums.rows * channels  # from one chunk to the next
    rows = range(block * LANES, (block + 1) * LANES)
    for row in rows:
        total = 0.0
        for chunk in range(sums.chunks):
            total += sums.mean[chunk * channels + row]
        mean[row] = total / positions
    for column in range(channels):  # the outer loop, so that what is below the diagonal is near
        for row in rows:
            at = min(row, column) * channels + max(row, column)
            total = 0.0
            for chunk in range(sums.chunks):
                total += sums.second[chunk * step + at]
            second[row, column] = total / positions


def moments(f: Map, threads: Threads) -> tuple[Float32, Float32]:
    """Mean F'1 / N and second moment F'F / N (the Gram matrix) of a map.

    Returns
    -------
    mean : (C,) float32
    second : (C, C) float32
    """
    sums = _sums(f)
    threads.run(_add_moments, sums.chunks * sums.groups, f, sums)
    mean = np.empty(f.channels, np.float32)
    second = np.empty((f.channels, f.channels), np.float32)
    threads.run(_finish_moments, f.channels // LANES, f, sums, mean, second)
    return mean, second


def weighted_moments(
    f: Map, weight: Float32, scaled: Map, threads: Threads
) -> tuple[Float32, Float32]:
    """Mean and second moment `(wF)'(wF) / sum w^2` of a map whose pixels have the weights w.

    Parameters
    ----------
    weight : (height, width) float32
    scaled : Map
        Memory of the shape of f; it then holds wF.

    Returns
    -------
    mean : (C,) float32
    second : (C, C) float32
    """
    threads.run(scale_pixels, f.height, f, weight, False, scaled)
    _, second = moments(scaled, threads)
    squares = np.float32(np.vdot(weight, weight))
    mean = np.tensordot(weight, inside(scaled), 2) / squares
    return mean, second * (np.float32(weight.size) / squares)


def add_weighted_gradient(
    f: Map,
    weight: Float32,
    matrix: Float32,
    shift: Float32 | None,
    accumulate: bool,
    scaled: Map,
    gradient: Map,
    threads: Threads,
) -> None:
    """`w^2 (F S + b)`, added to `gradient` with `accumulate`; `scaled` is memory of the shape of f.

    That is the gradient of what depends on `weighted_moments`.
    """
    rows = [aligned((f.width + ROWS) * f.channels) for _ in range(threads.number)]
    product = make_tap(matrix)
    threads.run(scale_pixels, f.height, f, weight, False, scaled)
    threads.run(tap_gradient, f.height, scaled, product, False, False, scaled, scratch=rows)
    if shift is not None:
        inside(scaled)[...] += weight[:, :, None] * shift
    threads.run(scale_pixels, f.height, scaled, weight, accumulate, gradient)


# ----------------------------------------------------------------------------------- distance


@kernel
def _add_squared_distance(block, f, p, sums):
    total = 0.0
    begin, end = block * _VALUES, min((block + 1) * _VALUES, f.size)
    x, y = f[begin:end], p[begin:end]
    for i in range(x.size):
        difference = x[i] - y[i]
        total += difference * difference
    sums[block] = total


def squared_distance(f: Map, p: Map, threads: Threads) -> float:
    """||F - P||^2 of two maps of the same shape; their borders are zeros."""
    blocks = -(-f.data.size // _VALUES)
    sums = np.empty(blocks)
    threads.run(_add_squared_distance, blocks, f.data, p.data, sums)
    return float(sums.sum())


# ----------------------------------------------------------------------------------- gradient


@helper
def affine_gradient(features, pixels, channels, tap, gradient):
    """F S for `pixels` pixels side by side, written by whole blocks of `ROWS` pixels."""
    for p in range(0, channels, COLUMNS):
        panel = address(tap.matrix, p * channels)
        multiply_panel(features, panel, address(gradient, p), channels, pixels, channels)


@kernel
def scale_pixels(row, f, weight, accumulate, scaled):
    """One row of `weight`, (height, width), times F; added to `scaled` with `accumulate`."""
    start = (row + 1) * f.pitch + f.channels
    data, result = address(f.data, start), address(scaled.data, start)
    for x in range(f.width):
        factor = weight[row, x]
        for c in range(0, f.channels, LANES):
            value = factor * load(data, x * f.channels + c)
            if accumulate:
                value = value + load(result, x * f.channels + c)
            store(result, x * f.channels + c, value)


@kernel
def tap_gradient(row, f, tap, masked, accumulate, df, scratch):
    """One row of df = F S + b + w (F - P) + D, only where f > 0 if `masked`; df may be f itself."""
    channels = f.channels
    start = (row + 1) * f.pitch + channels
    data, result = address(f.data, start), address(df.data, start)
    shift, target = address(tap.shift, 0), address(tap.target, start)
    added = address(tap.added, start)
    counts = tap.first <= row < tap.last
    has_matrix, has_target = counts and tap.matrix.size > 0, counts and tap.target.size > 0
    has_added = counts and tap.added.size > 0
    if has_matrix:
        affine_gradient(data, f.width, channels, tap, address(scratch, 0))
    for x in range(f.width):
        for c in range(0, channels, LANES):
            at = x * channels + c
            here = load(data, at)
            value = zero()
            if has_matrix:
                value = load(scratch, at) + load(shift, c)
            if has_target:
                value = value + tap.factor * (here - load(target, at))
            if has_added:
                value = value + load(added, at)
            if masked:
                value = where_greater(here, zero(), value, zero())
            if accumulate:
                value = value + load(result, at)
            store(result, at, value)
