"""3x3 convolution by Winograd's F(m x m, 3x3), forward and backward, with what follows it fused in.

A tile of outputs is `A^T [(G g G^T) * (B^T d B)] A` for a filter g and the inputs d (`transforms`).
Summed over the input channels, the product becomes a small matrix product for each of the
(m + 2)^2 "frequencies", with a quarter of the multiplications of the direct sum for m = 4 and a
fifth for m = 6. The backward pass is the same with flipped and transposed filters.

Each kernel handles one block of tiles: transform the inputs (V), multiply with the transformed
filters (M), transform the products back, and finish the values while they are still in the cache.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .jit import inlined, kernel
from .maps import Floats, aligned
from .pooling import max_window, mean_window, scatter_window
from .product import COLUMNS, ROWS, multiply_panel
from .simd import CACHE_LINE, LANES, address, load, prefetch, store, where_greater, zero
from .taps import affine_gradient
from .transforms import filter_transform, input_transform, output_transform

# ------------------------------------------------------------------------------------- filters


class Filters(NamedTuple):
    """Filters in the Winograd domain: for each frequency, panels of COLUMNS output channels.

    `data[((frequency * outputs / COLUMNS + panel) * inputs + c) * COLUMNS + j]`.
    """

    data: Floats
    inputs: int
    outputs: int
    tile: int  # side of the outputs, m


def tile_side(filters: int) -> int:
    """The side of a tile, for input times output channels.

    F(6x6) multiplies less, by a fifth, and rounds twice as much. Where there are many filters, it
    is not faster, for 64 values in place of 36 are to be read of each, and it takes more memory.
    """
    return 6 if filters < 256 * 256 else 4


def empty_filters(inputs: int, outputs: int) -> Filters:
    """Memory for the transformed filters of `inputs` to `outputs` (padded) channels."""
    tile = tile_side(inputs * outputs)
    return Filters(aligned(_frequencies(tile) * inputs * outputs), inputs, outputs, tile)


def _frequencies(tile: int) -> int:
    return (tile + 2) ** 2


@kernel
def transform_filters(block, weight, filters):
    """G g G^T for one panel of output channels of `weight`, flat (3, 3, inputs, outputs)."""
    inputs, outputs = filters.inputs, filters.outputs
    rows = np.empty(3 * (filters.tile + 2) * LANES, np.float32)
    for c in range(inputs):
        for half in range(0, COLUMNS, LANES):
            at = c * outputs + block * COLUMNS + half
            to = (block * inputs + c) * COLUMNS + half
            plane = inputs * outputs
            filter_transform(filters.tile, weight, at, plane, rows, filters.data, to, plane)


# --------------------------------------------------------------------------- a block of tiles


class Tiling(NamedTuple):
    """Which tiles of a map make up a block. What a tile becomes does not depend on its block."""

    tile: int
    columns: int
    tiles: int
    block: int

    @property
    def blocks(self) -> int:
        return -(-self.tiles // self.block)


# Tiles of a block: V and M of a frequency stay in the cache, and filters of F(4x4), which do not,
# are read once for more tiles.
_MOST_TILES = {4: 132, 6: 40}


def tiling(height: int, width: int, filters: int, threads: int) -> Tiling:
    """Equal blocks, as many for each thread.

    Parameters
    ----------
    height, width : int
        Of the map.
    filters : int
        Input times output channels of the convolution.
    threads : int
    """
    tile = tile_side(filters)
    rows, columns = -(-height // tile), -(-width // tile)
    tiles = rows * columns
    blocks = -(-tiles // _MOST_TILES[tile])
    blocks = -(-blocks // threads) * threads
    block = -(-tiles // blocks)
    return Tiling(tile, columns, tiles, -(-block // ROWS) * ROWS)


class Scratch(NamedTuple):
    """Memory of one thread for one block."""

    planes: Floats  # V and M: frequency, tile, channel
    rows: Floats  # a tile between the two passes of a transform
    tile: Floats  # of one vector of channels: its outputs, or inputs that were pooled
    features: Floats  # of up to `_TAPPED` pixels of whole tiles
    gradient: Floats  # of a tap there


_PADDING = 16  # floats between frequencies, so that they do not compete for the same cache lines
_TAPPED = 96  # pixels whose features and tap gradient stay in the cache


def _plane_size(tiling: Tiling, inputs: int, outputs: int) -> int:
    """Floats from one frequency to the next in the scratch memory."""
    return tiling.block * max(inputs, outputs) + _PADDING


_plane = inlined(_plane_size)


def scratch(layers: Sequence[tuple[Tiling, int, int]]) -> Scratch:
    """Scratch for convolutions with these tilings, input and output (padded) channels."""
    planes = ((_frequencies(layer[0].tile) + 1) * _plane_size(*layer) for layer in layers)
    channels = max((max(inputs, outputs) for _, inputs, outputs in layers), default=0)
    return Scratch(
        aligned(max(planes, default=0)),
        aligned(64 * LANES),
        aligned(100 * LANES),
        aligned(_TAPPED * channels),
        aligned(_TAPPED * channels),
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


@kernel
def _transform_inputs(x, tiling, first, tiles, scratch, plane):
    """V of `tiles` tiles of a map."""
    tile, inputs = tiling.tile, x.channels
    v = address(scratch.planes, plane)
    for t in range(tiles):
        top = tile * ((first + t) // tiling.columns)
        left = tile * ((first + t) % tiling.columns)
        corner = top * x.pitch + left * inputs
        next_tile = corner + (tile + 2) * inputs  # but for the two columns that both share
        for c in range(0, inputs, LANES):
            _prefetch(x.data, next_tile + tile * c, x.pitch, tile + 2, tile)
            at, to = corner + c, t * inputs + c
            input_transform(tile, x.data, at, x.pitch, inputs, scratch.rows, v, to, plane)


@kernel
def _transform_unpooled(gradient, tiling, first, tiles, scratch, plane):
    """V of `tiles` tiles of the gradient below a pooling, which is written nowhere else."""
    z = gradient.map
    tile, inputs = tiling.tile, z.channels
    side = tile + 4  # in whole windows; those at the edge reach beyond the inputs of the tile
    pitch = side * LANES
    v = address(scratch.planes, plane)
    for t in range(tiles):
        top = tile // 2 * ((first + t) // tiling.columns)
        left = tile // 2 * ((first + t) % tiling.columns)
        corner = top * z.pitch + left * inputs
        next_tile = corner + side // 2 * inputs
        for c in range(0, inputs, LANES):
            _prefetch(z.data, next_tile + tile // 2 * c, z.pitch, side // 2, tile // 2)
            for i in range(side // 2):
                for j in range(side // 2):
                    at = corner + i * z.pitch + j * inputs + c
                    value = gradient.share * load(z.data, at)
                    to = 2 * i * pitch + 2 * j * LANES
                    scatter_window(value, gradient.code, at, scratch.tile, to, pitch, LANES)
            at, to = pitch + LANES, t * inputs + c
            input_transform(tile, scratch.tile, at, pitch, LANES, scratch.rows, v, to, plane)


@kernel
def _multiply(filters, tiles, scratch, plane):
    """M = V U for `tiles` tiles.

    M of a frequency takes the place of V of the frequency before: half the memory stays in the
    cache more easily.
    """
    inputs, outputs = filters.inputs, filters.outputs
    m, v = address(scratch.planes, 0), address(scratch.planes, plane)
    for f in range((filters.tile + 2) ** 2):
        for p in range(0, outputs, COLUMNS):
            u = address(filters.data, (f * outputs + p) * inputs)
            to = address(m, f * plane + p)
            multiply_panel(address(v, f * plane), u, to, outputs, tiles, inputs)


@kernel
def _backward_products(gradient, filters, tiling, first, tiles, scratch, plane):
    if gradient.code.size > 0:
        _transform_unpooled(gradient, tiling, first, tiles, scratch, plane)
    else:
        _transform_inputs(gradient.map, tiling, first, tiles, scratch, plane)
    _multiply(filters, tiles, scratch, plane)


# ------------------------------------------------------------------------------------ kernels


@kernel
def convolve_relu(block, x, filters, bias, tiling, y, scratch):
    """y = max(x * g + bias, 0)."""
    tile = tiling.tile
    first = block * tiling.block
    tiles = min(tiling.block, tiling.tiles - first)
    plane = _plane(tiling, filters.inputs, filters.outputs)
    _transform_inputs(x, tiling, first, tiles, scratch, plane)
    _multiply(filters, tiles, scratch, plane)
    for t in range(tiles):
        top = tile * ((first + t) // tiling.columns)
        left = tile * ((first + t) % tiling.columns)
        at = (top + 1) * y.pitch + (left + 1) * y.channels
        m = t * filters.outputs
        for c in range(0, y.channels, LANES):
            _prefetch(y.data, at + tile * (y.channels + c), y.pitch, tile, tile)
            output_transform(tile, scratch.planes, m + c, plane, scratch.rows, scratch.tile)
            b = load(bias, c)
            for i in range(min(tile, y.height - top)):
                for j in range(min(tile, y.width - left)):
                    value = load(scratch.tile, (tile * i + j) * LANES) + b
                    value = where_greater(value, zero(), value, zero())
                    store(y.data, at + i * y.pitch + j * y.channels + c, value)


@kernel
def convolve_relu_pool(block, x, filters, bias, tiling, average, z, code, scratch):
    """z = pool(max(x * g + bias, 0)); `code` keeps which pixels of a window get its gradient."""
    tile = tiling.tile
    first = block * tiling.block
    tiles = min(tiling.block, tiling.tiles - first)
    plane = _plane(tiling, filters.inputs, filters.outputs)
    _transform_inputs(x, tiling, first, tiles, scratch, plane)
    _multiply(filters, tiles, scratch, plane)
    for t in range(tiles):
        top = tile // 2 * ((first + t) // tiling.columns)
        left = tile // 2 * ((first + t) % tiling.columns)
        m = t * filters.outputs
        for c in range(0, z.channels, LANES):
            output_transform(tile, scratch.planes, m + c, plane, scratch.rows, scratch.tile)
            b = load(bias, c)
            for i in range(min(tile // 2, z.height - top)):
                for j in range(min(tile // 2, z.width - left)):
                    at = (2 * tile * i + 2 * j) * LANES
                    window = (
                        load(scratch.tile, at) + b,
                        load(scratch.tile, at + LANES) + b,
                        load(scratch.tile, at + tile * LANES) + b,
                        load(scratch.tile, at + (tile + 1) * LANES) + b,
                    )
                    to = (top + i + 1) * z.pitch + (left + j + 1) * z.channels + c
                    if average:
                        mean_window(window, z.data, code, to)
                    else:
                        max_window(window, z.data, code, to)


@kernel
def _tap_tiles(first, number, f, tiling, tap, scratch):
    """F S of `number` tiles, whose features are laid side by side for it."""
    tile, channels = tiling.tile, f.channels
    features = address(scratch.features, 0)
    for t in range(number):
        top = tile * ((first + t) // tiling.columns)
        left = tile * ((first + t) % tiling.columns)
        for i in range(tile):
            source = address(f.data, (top + i + 1) * f.pitch + (left + 1) * channels)
            to = address(features, tile * (tile * t + i) * channels)
            for k in range(0, tile * channels, LANES):
                store(to, k, load(source, k))
    affine_gradient(features, tile * tile * number, channels, tap, address(scratch.gradient, 0))


@kernel
def backward_relu(block, gradient, filters, tiling, f, tap, scratch):
    """df = (dy * g' + gradient of the tap at f) where f > 0, written over the features `f`."""
    tile = tiling.tile
    first = block * tiling.block
    tiles = min(tiling.block, tiling.tiles - first)
    plane = _plane(tiling, filters.inputs, filters.outputs)
    _backward_products(gradient, filters, tiling, first, tiles, scratch, plane)
    channels = f.channels
    together = _TAPPED // (tile * tile)
    data, shift = address(f.data, 0), address(tap.shift, 0)
    target, added = address(tap.target, 0), address(tap.added, 0)
    has_matrix, has_target = tap.matrix.size > 0, tap.target.size > 0
    has_added = tap.added.size > 0
    tapped = address(scratch.gradient, 0)
    for t in range(tiles):
        top = tile * ((first + t) // tiling.columns)
        left = tile * ((first + t) % tiling.columns)
        corner = (top + 1) * f.pitch + (left + 1) * channels
        if has_matrix and t % together == 0:
            _tap_tiles(first + t, min(together, tiles - t), f, tiling, tap, scratch)
        pixels = t % together * tile * tile
        m = t * filters.outputs
        for c in range(0, channels, LANES):
            _prefetch(data, corner + tile * (channels + c), f.pitch, tile, tile)
            output_transform(tile, scratch.planes, m + c, plane, scratch.rows, scratch.tile)
            for i in range(min(tile, f.height - top)):
                for j in range(min(tile, f.width - left)):
                    at = corner + i * f.pitch + j * channels + c
                    here = load(data, at)
                    value = load(scratch.tile, (tile * i + j) * LANES)
                    if has_matrix:
                        pixel = (pixels + tile * i + j) * channels
                        value = value + load(tapped, pixel + c) + load(shift, c)
                    if has_target:
                        value = value + tap.factor * (here - load(target, at))
                    if has_added:
                        value = value + load(added, at)
                    store(data, at, where_greater(here, zero(), value, zero()))


@kernel
def backward_plain(block, gradient, filters, tiling, dx, scratch):
    """dx = dy * g'."""
    tile = tiling.tile
    first = block * tiling.block
    tiles = min(tiling.block, tiling.tiles - first)
    plane = _plane(tiling, filters.inputs, filters.outputs)
    _backward_products(gradient, filters, tiling, first, tiles, scratch, plane)
    for t in range(tiles):
        top = tile * ((first + t) // tiling.columns)
        left = tile * ((first + t) % tiling.columns)
        at = (top + 1) * dx.pitch + (left + 1) * dx.channels
        m = t * filters.outputs
        for c in range(0, dx.channels, LANES):
            _prefetch(dx.data, at + tile * (dx.channels + c), dx.pitch, tile, tile)
            output_transform(tile, scratch.planes, m + c, plane, scratch.rows, scratch.tile)
            for i in range(min(tile, dx.height - top)):
                for j in range(min(tile, dx.width - left)):
                    value = load(scratch.tile, (tile * i + j) * LANES)
                    store(dx.data, at + i * dx.pitch + j * dx.channels + c, value)
