"""Tiles: how a convolution is divided into work, and how its inputs enter the Winograd domain.

A convolution is *wide* if its filters, transformed, would fit in no cache, and *narrow* otherwise.

Narrow: each thread takes some tiles all the way. What lies between the transforms stays in its own
cache, and the transformed filters, which are kept, come from there as well.

Wide: each thread makes some output channels of many tiles. It transforms their filters when it
needs them, which costs as much as the products of four to ten tiles. Kept, they would be more than
half of all memory, and slower to read than to make. It does so a row of frequencies at a time, or,
for few tiles, whose products stay in the cache meanwhile, some inputs at a time: then the filters
are read once only. The transformed inputs of a group of tiles are there for all threads.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .jit import helper, inlined
from .maps import Map
from .pooling import scatter_window
from .product import COLUMNS, ROWS
from .simd import CACHE_LINE, LANES, load, prefetch_grid
from .transforms import input_transform

__all__ = ["UNITS", "Source", "Tiling", "is_wide", "tiling", "transform_tiles"]


class Source(NamedTuple):
    """What a convolution reads: a map, or the gradient of what came of a map by pooling.

    With a `code`, each pixel that it names has `share` of the gradient of its window. The code of
    a value of the pooled map is at the same index.
    """

    map: Map
    code: npt.NDArray[np.uint8]
    share: float


# ------------------------------------------------------------------------------ division of work


class Tiling(NamedTuple):
    """Which tiles belong together. What becomes of a tile does not depend on it."""

    tile: int  # side of the outputs, m
    columns: int
    tiles: int
    block: int  # tiles that a thread multiplies at a time
    group: int  # tiles whose blocks are worked on side by side
    wide: bool

    @property
    def frequencies(self) -> int:
        """(m + 2)^2."""
        return (self.tile + 2) ** 2


WIDE = 256 * 256  # filters, from which on a convolution is wide
UNITS = 4  # tiles of a unit of work when wide inputs are transformed
_NARROW_TILE = 6
_NARROW_BLOCK = 40  # at most, and times the channels:
_NARROW_VALUES = 40 * 128  # V and M of such a block stay in the second-level cache, or nearly
_WIDE_GROUP = {4: 256, 6: 128}  # at most, by tile: V of such a group stays in the last-level cache
_FILTERS = 4  # few tiles whose products cost as much as the transform of the filters


def is_wide(inputs: int, outputs: int) -> bool:
    """Whether a convolution of so many (padded) channels is wide."""
    return inputs * outputs >= WIDE


def wide_tile(height: int, width: int) -> int:
    """4 or 6, whichever multiplies less for a map.

    F(6x6) multiplies less for each pixel, by a fifth, but more of its last tiles lies outside.
    """

    def cost(tile: int) -> int:
        tiles = -(-height // tile) * -(-width // tile)
        groups = -(-tiles // _WIDE_GROUP[tile])
        return (tile + 2) ** 2 * groups * (_whole(-(-tiles // groups)) + _FILTERS)

    return min((4, 6), key=cost)


def tiling(height: int, width: int, inputs: int, outputs: int, threads: int) -> Tiling:
    """Work for so many threads, in equal parts.

    Parameters
    ----------
    height, width : int
        Of the map.
    inputs, outputs : int
        (Padded) channels; the tiling is also that of the way back, with both exchanged.
    threads : int
    """
    wide = is_wide(inputs, outputs)
    tile = wide_tile(height, width) if wide else _NARROW_TILE
    columns = -(-width // tile)
    tiles = -(-height // tile) * columns
    if wide:
        panels = min(inputs, outputs) // COLUMNS
        shares = -(-threads // panels)  # more threads than panels share the tiles
        group = -(-tiles // -(-tiles // _WIDE_GROUP[tile]))
        block = _whole(-(-group // shares))
        return Tiling(tile, columns, tiles, block, shares * block, wide)
    most = min(_NARROW_BLOCK, _NARROW_VALUES // max(inputs, outputs))
    blocks = -(-tiles // most)
    blocks = -(-blocks // threads) * threads
    block = _whole(-(-tiles // blocks))
    return Tiling(tile, columns, tiles, block, block * -(-tiles // block), wide)


def _whole(tiles: int) -> int:
    """Up to whole blocks of rows of a matrix product."""
    return -(-tiles // ROWS) * ROWS


# ---------------------------------------------------------------------------- B^T d B of tiles


@inlined
def _prefetch(data, at, pitch, rows, pixels):
    """Ask for `pixels` vectors of values from `at` on in each of `rows` rows.

    The processor foresees steps along a row, not those from row to row. Asked for while the tile
    before is in work, in as many parts as it has vectors of channels, values arrive in time: that
    halves the time of the transforms.
    """
    lines = -(-pixels * LANES // CACHE_LINE)
    prefetch_grid(data, at, pitch, rows, CACHE_LINE, lines)


@helper
def _transform_map(x, tiling, first, tiles, scratch, v, plane):
    tile, inputs = tiling.tile, x.channels
    for t in range(tiles):
        top = tile * ((first + t) // tiling.columns)
        left = tile * ((first + t) % tiling.columns)
        corner = top * x.pitch + left * inputs
        next_tile = corner + (tile + 2) * inputs  # but for the two columns that both share
        for c in range(0, inputs, LANES):
            _prefetch(x.data, next_tile + tile * c, x.pitch, tile + 2, tile)
            at, to = corner + c, t * inputs + c
            input_transform(tile, x.data, at, x.pitch, inputs, scratch.rows, v, to, plane)


@helper
def _transform_unpooled(source, tiling, first, tiles, scratch, v, plane):
    """The gradient below a pooling is spread here, and written nowhere else."""
    z = source.map
    tile, inputs = tiling.tile, z.channels
    side = tile + 4  # in whole windows; those at the edge reach beyond the inputs of the tile
    pitch = side * LANES
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
                    value = source.share * load(z.data, at)
                    to = 2 * i * pitch + 2 * j * LANES
                    scatter_window(value, source.code, at, scratch.tile, to, pitch, LANES)
            at, to = pitch + LANES, t * inputs + c
            input_transform(tile, scratch.tile, at, pitch, LANES, scratch.rows, v, to, plane)


@helper
def transform_tiles(source, tiling, first, tiles, scratch, v, plane):
    """V = B^T d B of `tiles` tiles from `first` on.

    The value of frequency f, tile t and channel c goes to
    `v[f * plane + (t - first) * channels + c]`.
    """
    if source.code.size > 0:
        _transform_unpooled(source, tiling, first, tiles, scratch, v, plane)
    else:
        _transform_map(source.map, tiling, first, tiles, scratch, v, plane)
