"""3x3 convolution by Winograd's F(4x4, 3x3), forward and backward, with what follows it fused in.

A tile of 4x4 outputs is `A^T [(G g G^T) * (B^T d B)] A` for a filter g and the 6x6 inputs d
(Lavin and Gray 2016, "Fast algorithms for convolutional neural networks"). Summed over the input
channels, the product becomes 36 small matrix products, with a quarter of the multiplications of
the direct sum. The backward pass is the same with flipped and transposed filters.

Each kernel handles one block of tiles: transform the inputs (V), multiply with the transformed
filters (M), transform the products back, and finish the values while they are still in the cache.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .jit import inlined, kernel
from .maps import TILE, Floats, aligned
from .pooling import max_window, mean_window, scatter_window
from .product import COLUMNS, ROWS, multiply_panel
from .simd import CACHE_LINE, LANES, address, load, prefetch, store, where_greater, zero
from .taps import affine_gradient

FREQUENCIES = 36
_TILES = 72  # of a block: its V and M, by frequency, stay in the cache
_MANY_TILES = 132  # where filters do not: they are read anew for each block
_MANY_FILTERS = 256 * 512
_TAPPED = 6  # tiles whose features and tap gradient stay in the cache
_PADDING = 16  # floats between frequencies, so that they do not compete for the same cache lines

# ---------------------------------------------------------------- the three transforms, in 1-D


@inlined
def _input_transform(d0, d1, d2, d3, d4, d5):
    """B^T d."""
    a = d4 - 4.0 * d2
    b = d3 - 4.0 * d1
    c = d4 - d2
    d = 2.0 * (d3 - d1)
    return 4.0 * d0 - 5.0 * d2 + d4, a + b, a - b, c + d, c - d, 4.0 * d1 - 5.0 * d3 + d5


@inlined
def _filter_transform(g0, g1, g2):
    """G g."""
    a = (-1.0 / 6.0) * (g0 + g2)
    b = (1.0 / 24.0) * g0 + (1.0 / 6.0) * g2
    c = (1.0 / 6.0) * g1
    d = (1.0 / 12.0) * g1
    return 0.25 * g0, a - c, a + c, b + d, b - d, g2


@inlined
def _output_transform(m0, m1, m2, m3, m4, m5):
    """A^T m."""
    a = m1 + m2
    b = m1 - m2
    c = m3 + m4
    d = m3 - m4
    return m0 + a + c, b + 2.0 * d, a + 4.0 * c, b + 8.0 * d + m5


# ------------------------------------------------------------------------------------- filters


class Filters(NamedTuple):
    """Filters in the Winograd domain: for each frequency, panels of COLUMNS output channels.

    `data[((frequency * outputs / COLUMNS + panel) * inputs + c) * COLUMNS + j]`.
    """

    data: Floats
    inputs: int
    outputs: int


def empty_filters(inputs: int, outputs: int) -> Filters:
    """Memory for the transformed filters of `inputs` to `outputs` (padded) channels."""
    return Filters(aligned(FREQUENCIES * inputs * outputs), inputs, outputs)


@kernel
def transform_filters(block, weight, filters):
    """G g G^T for one panel of output channels of `weight`, flat (3, 3, inputs, outputs)."""
    inputs, outputs = filters.inputs, filters.outputs
    step = outputs // COLUMNS * inputs * COLUMNS  # from one frequency to the next
    rows = np.empty(18 * LANES, np.float32)
    for c in range(inputs):
        for half in range(0, COLUMNS, LANES):
            source = c * outputs + block * COLUMNS + half
            target = (block * inputs + c) * COLUMNS + half
            for j in range(3):
                g = _filter_transform(
                    load(weight, source + (0 + j) * inputs * outputs),
                    load(weight, source + (3 + j) * inputs * outputs),
                    load(weight, source + (6 + j) * inputs * outputs),
                )
                store(rows, (0 + j) * LANES, g[0])
                store(rows, (3 + j) * LANES, g[1])
                store(rows, (6 + j) * LANES, g[2])
                store(rows, (9 + j) * LANES, g[3])
                store(rows, (12 + j) * LANES, g[4])
                store(rows, (15 + j) * LANES, g[5])
            for i in range(6):
                u = _filter_transform(
                    load(rows, (3 * i + 0) * LANES),
                    load(rows, (3 * i + 1) * LANES),
                    load(rows, (3 * i + 2) * LANES),
                )
                store(filters.data, target + (6 * i + 0) * step, u[0])
                store(filters.data, target + (6 * i + 1) * step, u[1])
                store(filters.data, target + (6 * i + 2) * step, u[2])
                store(filters.data, target + (6 * i + 3) * step, u[3])
                store(filters.data, target + (6 * i + 4) * step, u[4])
                store(filters.data, target + (6 * i + 5) * step, u[5])


# --------------------------------------------------------------------------- a block of tiles


class Tiling(NamedTuple):
    """Which tiles of a map make up a block. What a tile becomes does not depend on its block."""

    columns: int
    tiles: int
    block: int

    @property
    def blocks(self) -> int:
        return -(-self.tiles // self.block)


def tiling(height: int, width: int, filters: int, threads: int) -> Tiling:
    """Equal blocks of some 70 or 130 tiles, as many for each thread.

    Parameters
    ----------
    height, width : int
        Of the map.
    filters : int
        Input times output channels of the convolution.
    threads : int
    """
    rows, columns = -(-height // TILE), -(-width // TILE)
    tiles = rows * columns
    blocks = -(-tiles // (_MANY_TILES if filters >= _MANY_FILTERS else _TILES))
    blocks = -(-blocks // threads) * threads
    block = -(-tiles // blocks)
    return Tiling(columns, tiles, -(-block // ROWS) * ROWS)


class Scratch(NamedTuple):
    """Memory of one thread for one block."""

    planes: Floats  # V and M: frequency, tile, channel
    rows: Floats  # a tile between the two passes of a transform
    tile: Floats  # 4x4 outputs of one vector of channels
    features: Floats  # of `_TAPPED` tiles, pixel by pixel
    gradient: Floats  # of a tap there


def _plane_size(tiling: Tiling, inputs: int, outputs: int) -> int:
    """Floats from one frequency to the next in the scratch memory."""
    return tiling.block * max(inputs, outputs) + _PADDING


_plane = inlined(_plane_size)


def scratch(layers: Sequence[tuple[Tiling, int, int]]) -> Scratch:
    """Scratch for convolutions with these tilings, input and output (padded) channels."""
    plane = max((_plane_size(*layer) for layer in layers), default=0)
    channels = max((max(inputs, outputs) for _, inputs, outputs in layers), default=0)
    return Scratch(
        aligned((FREQUENCIES + 1) * plane),
        aligned(FREQUENCIES * LANES),
        aligned(TILE * TILE * LANES),
        aligned(_TAPPED * TILE * TILE * channels),
        aligned(_TAPPED * TILE * TILE * channels),
    )


@inlined
def _prefetch(data, at, pitch, rows, pixels):
    """Ask for `pixels` vectors of values from `at` on in each of `rows` rows.

    The processor foresees steps along a row, not those from row to row. Asked for while the tile
    before is in work, in as many parts as it has vectors of channels, values arrive in time: that
    halves the time of the transforms.
    """
    for row in range(rows):
        for i in range(0, pixels * LANES, CACHE_LINE):
            prefetch(data, at + row * pitch + i)


@inlined
def _transform_tile(x, source, pitch, pixel, rows, target, plane, v):
    """B^T d B of one tile of one vector of channels, from `target` on in `v`, `plane` apart."""
    for j in range(6):
        at = source + j * pixel
        t = _input_transform(
            load(x, at),
            load(x, at + pitch),
            load(x, at + 2 * pitch),
            load(x, at + 3 * pitch),
            load(x, at + 4 * pitch),
            load(x, at + 5 * pitch),
        )
        store(rows, (0 + j) * LANES, t[0])
        store(rows, (6 + j) * LANES, t[1])
        store(rows, (12 + j) * LANES, t[2])
        store(rows, (18 + j) * LANES, t[3])
        store(rows, (24 + j) * LANES, t[4])
        store(rows, (30 + j) * LANES, t[5])
    for i in range(6):
        at = 6 * i * LANES
        t = _input_transform(
            load(rows, at),
            load(rows, at + LANES),
            load(rows, at + 2 * LANES),
            load(rows, at + 3 * LANES),
            load(rows, at + 4 * LANES),
            load(rows, at + 5 * LANES),
        )
        at = target + 6 * i * plane
        store(v, at, t[0])
        store(v, at + plane, t[1])
        store(v, at + 2 * plane, t[2])
        store(v, at + 3 * plane, t[3])
        store(v, at + 4 * plane, t[4])
        store(v, at + 5 * plane, t[5])


@kernel
def _products(x, filters, tiling, first, tiles, scratch):
    """M = V U for `tiles` tiles of `x`.

    M of a frequency takes the place of V of the frequency before: half the memory stays in the
    cache more easily.
    """
    inputs, outputs = filters.inputs, filters.outputs
    plane = _plane(tiling, inputs, outputs)
    m, v = address(scratch.planes, 0), address(scratch.planes, plane)
    for t in range(tiles):
        y = TILE * ((first + t) // tiling.columns)
        column = TILE * ((first + t) % tiling.columns)
        source = y * x.pitch + column * inputs
        next_tile = source + 6 * inputs  # but for the two columns that it shares with this one
        for c in range(0, inputs, LANES):
            _prefetch(x.data, next_tile + TILE * c, x.pitch, 6, TILE)
            _transform_tile(
                x.data, source + c, x.pitch, inputs, scratch.rows, t * inputs + c, plane, v
            )
    for f in range(FREQUENCIES):
        for p in range(0, outputs, COLUMNS):
            u = address(filters.data, (f * outputs + p) * inputs)
            a, c = address(v, f * plane), address(m, f * plane + p)
            multiply_panel(a, u, c, outputs, tiles, inputs)


@inlined
def _transform_back(m, source, plane, rows, tile):
    """A^T M A of one tile of one vector of channels into `tile`, row by row."""
    for j in range(6):
        at = source + j * plane
        t = _output_transform(
            load(m, at),
            load(m, at + 6 * plane),
            load(m, at + 12 * plane),
            load(m, at + 18 * plane),
            load(m, at + 24 * plane),
            load(m, at + 30 * plane),
        )
        store(rows, (0 + j) * LANES, t[0])
        store(rows, (6 + j) * LANES, t[1])
        store(rows, (12 + j) * LANES, t[2])
        store(rows, (18 + j) * LANES, t[3])
    for i in range(4):
        at = 6 * i * LANES
        t = _output_transform(
            load(rows, at),
            load(rows, at + LANES),
            load(rows, at + 2 * LANES),
            load(rows, at + 3 * LANES),
            load(rows, at + 4 * LANES),
            load(rows, at + 5 * LANES),
        )
        at = 4 * i * LANES
        store(tile, at, t[0])
        store(tile, at + LANES, t[1])
        store(tile, at + 2 * LANES, t[2])
        store(tile, at + 3 * LANES, t[3])


# ------------------------------------------------------------------------------------ kernels


@kernel
def convolve_relu(block, x, filters, bias, tiling, y, scratch):
    """y = max(x * g + bias, 0)."""
    first = block * tiling.block
    tiles = min(tiling.block, tiling.tiles - first)
    _products(x, filters, tiling, first, tiles, scratch)
    plane = _plane(tiling, filters.inputs, filters.outputs)
    for t in range(tiles):
        top = TILE * ((first + t) // tiling.columns)
        left = TILE * ((first + t) % tiling.columns)
        at = (top + 1) * y.pitch + (left + 1) * y.channels
        m = t * filters.outputs
        for c in range(0, y.channels, LANES):
            _prefetch(y.data, at + TILE * (y.channels + c), y.pitch, TILE, TILE)
            _transform_back(scratch.planes, m + c, plane, scratch.rows, scratch.tile)
            b = load(bias, c)
            for i in range(min(TILE, y.height - top)):
                for j in range(min(TILE, y.width - left)):
                    value = load(scratch.tile, (TILE * i + j) * LANES) + b
                    value = where_greater(value, zero(), value, zero())
                    store(y.data, at + i * y.pitch + j * y.channels + c, value)


@kernel
def convolve_relu_pool(block, x, filters, bias, tiling, average, z, code, scratch):
    """z = pool(max(x * g + bias, 0)); `code` keeps which pixels of a window get its gradient."""
    first = block * tiling.block
    tiles = min(tiling.block, tiling.tiles - first)
    _products(x, filters, tiling, first, tiles, scratch)
    plane = _plane(tiling, filters.inputs, filters.outputs)
    for t in range(tiles):
        top = TILE // 2 * ((first + t) // tiling.columns)
        left = TILE // 2 * ((first + t) % tiling.columns)
        m = t * filters.outputs
        for c in range(0, z.channels, LANES):
            _transform_back(scratch.planes, m + c, plane, scratch.rows, scratch.tile)
            b = load(bias, c)
            for i in range(min(TILE // 2, z.height - top)):
                for j in range(min(TILE // 2, z.width - left)):
                    at = (2 * TILE * i + 2 * j) * LANES
                    window = (
                        load(scratch.tile, at) + b,
                        load(scratch.tile, at + LANES) + b,
                        load(scratch.tile, at + TILE * LANES) + b,
                        load(scratch.tile, at + (TILE + 1) * LANES) + b,
                    )
                    to = (top + i + 1) * z.pitch + (left + j + 1) * z.channels + c
                    to_code = ((top + i) * z.width + left + j) * z.channels + c
                    if average:
                        mean_window(window, z.data, to, code, to_code)
                    else:
                        max_window(window, z.data, to, code, to_code)


@kernel
def _tap_tiles(first, f, tiling, tap, scratch):
    """F S of up to `_TAPPED` tiles, whose features are laid side by side for it."""
    channels = f.channels
    tiles = min(_TAPPED, tiling.tiles - first)
    features = address(scratch.features, 0)
    for t in range(tiles):
        top = TILE * ((first + t) // tiling.columns)
        left = TILE * ((first + t) % tiling.columns)
        for i in range(TILE):
            source = address(f.data, (top + i + 1) * f.pitch + (left + 1) * channels)
            to = address(features, TILE * (TILE * t + i) * channels)
            for k in range(0, TILE * channels, LANES):
                store(to, k, load(source, k))
    pixels = TILE * TILE * tiles
    affine_gradient(features, pixels, channels, tap, address(scratch.gradient, 0))


@kernel
def backward_relu(block, dy, filters, tiling, f, tap, scratch):
    """df = (dy * g' + gradient of the tap at f) where f > 0, written over the features `f`."""
    first = block * tiling.block
    tiles = min(tiling.block, tiling.tiles - first)
    _products(dy, filters, tiling, first, tiles, scratch)
    plane = _plane(tiling, filters.inputs, filters.outputs)
    channels = f.channels
    area = TILE * TILE
    data, shift = address(f.data, 0), address(tap.shift, 0)
    target, added = address(tap.target, 0), address(tap.added, 0)
    has_matrix, has_target = tap.matrix.size > 0, tap.target.size > 0
    has_added = tap.added.size > 0
    gradient = address(scratch.gradient, 0)
    for t in range(tiles):
        top = TILE * ((first + t) // tiling.columns)
        left = TILE * ((first + t) % tiling.columns)
        corner = (top + 1) * f.pitch + (left + 1) * channels
        if has_matrix and t % _TAPPED == 0:
            _tap_tiles(first + t, f, tiling, tap, scratch)
        tapped = t % _TAPPED * area
        m = t * filters.outputs
        for c in range(0, channels, LANES):
            _prefetch(data, corner + TILE * (channels + c), f.pitch, TILE, TILE)
            _transform_back(scratch.planes, m + c, plane, scratch.rows, scratch.tile)
            for i in range(min(TILE, f.height - top)):
                for j in range(min(TILE, f.width - left)):
                    at = corner + i * f.pitch + j * channels + c
                    here = load(data, at)
                    value = load(scratch.tile, (TILE * i + j) * LANES)
                    if has_matrix:
                        pixel = (tapped + TILE * i + j) * channels
                        value = value + load(gradient, pixel + c) + load(shift, c)
                    if has_target:
                        value = value + tap.factor * (here - load(target, at))
                    if has_added:
                        value = value + load(added, at)
                    store(data, at, where_greater(here, zero(), value, zero()))


@kernel
def backward_unpool(block, dy, filters, tiling, code, share, df, scratch):
    """df = gradient below the pooling and the ReLU before it: `share` of dy * g' per winner."""
    first = block * tiling.block
    tiles = min(tiling.block, tiling.tiles - first)
    _products(dy, filters, tiling, first, tiles, scratch)
    plane = _plane(tiling, filters.inputs, filters.outputs)
    for t in range(tiles):
        top = TILE * ((first + t) // tiling.columns)
        left = TILE * ((first + t) % tiling.columns)
        m = t * filters.outputs
        corner = (2 * top + 1) * df.pitch + (2 * left + 1) * df.channels
        for c in range(0, df.channels, LANES):
            next_part = corner + 2 * TILE * (df.channels + c)
            _prefetch(df.data, next_part, df.pitch, 2 * TILE, 2 * TILE)
            _transform_back(scratch.planes, m + c, plane, scratch.rows, scratch.tile)
            for i in range(min(TILE, dy.height - top)):
                for j in range(min(TILE, dy.width - left)):
                    value = share * load(scratch.tile, (TILE * i + j) * LANES)
                    at = ((top + i) * dy.width + left + j) * df.channels + c
                    to = corner + 2 * i * df.pitch + 2 * j * df.channels + c
                    scatter_window(value, code, at, df.data, to, df.pitch, df.channels)


@kernel
def backward_plain(block, dy, filters, tiling, dx, scratch):
    """dx = dy * g'."""
    first = block * tiling.block
    tiles = min(tiling.block, tiling.tiles - first)
    _products(dy, filters, tiling, first, tiles, scratch)
    plane = _plane(tiling, filters.inputs, filters.outputs)
    for t in range(tiles):
        top = TILE * ((first + t) // tiling.columns)
        left = TILE * ((first + t) % tiling.columns)
        at = (top + 1) * dx.pitch + (left + 1) * dx.channels
        m = t * filters.outputs
        for c in range(0, dx.channels, LANES):
            _transform_back(scratch.planes, m + c, plane, scratch.rows, scratch.tile)
            for i in range(min(TILE, dx.height - top)):
                for j in range(min(TILE, dx.width - left)):
                    value = load(scratch.tile, (TILE * i + j) * LANES)
                    store(dx.data, at + i * dx.pitch + j * dx.channels + c, value)
