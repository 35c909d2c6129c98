"""Feature maps as the kernels see them: channels-last with a border of zeros."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .._types import Float32
from .product import COLUMNS, ROWS

__all__ = [
    "Map",
    "aligned",
    "clear_border",
    "counted",
    "empty",
    "flat",
    "inside",
    "padded_channels",
    "replicate_edge",
    "rows",
    "size",
]


_ALIGNMENT = 64  # a cache line
_COUNTED = ContextVar("counted", default=False)


class Map(NamedTuple):
    """A feature map of `height` x `width` pixels with `channels` values each, in flat memory.

    One pixel of zeros stands above and left of it, and six right of and below it, enough for
    whole tiles: kernels need no case for the edge of the picture. Pixel (y, x) starts at
    `data[(y + 1) * pitch + (x + 1) * channels]`.
    """

    data: Float32
    height: int
    width: int
    channels: int
    pitch: int


def padded_channels(channels: int) -> int:
    """Channels rounded up to whole panels of a matrix product; the added ones stay 0."""
    return -(-channels // COLUMNS) * COLUMNS


def _pixels(length: int) -> int:
    return length + 7


def size(height: int, width: int, channels: int) -> int:
    """float32 values in the memory of a map."""
    # The last block of rows of a matrix product may read past the last pixel.
    return (_pixels(height) * _pixels(width) + ROWS) * channels


@contextmanager
def counted() -> Iterator[None]:
    """Within it arrays take no memory, whatever they say: they are there to be counted only."""
    token = _COUNTED.set(True)
    try:
        yield
    finally:
        _COUNTED.reset(token)


def aligned(length: int, dtype: type = np.float32) -> npt.NDArray:
    """Zeros that start at a cache line, so that no vector load straddles two."""
    if _COUNTED.get():
        return np.broadcast_to(np.zeros(1, dtype), length)  # read-only: one zero, seen often
    item = np.dtype(dtype).itemsize
    raw = np.zeros(length * item + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + length * item].view(dtype)


def empty(height: int, width: int, channels: int, memory: Float32 | None = None) -> Map:
    """A map in fresh memory, all zeros, or in the given `memory`, whose border is cleared."""
    pitch = _pixels(width) * channels
    length = size(height, width, channels)
    if memory is None:
        return Map(aligned(length), height, width, channels, pitch)
    feature_map = Map(memory[:length], height, width, channels, pitch)
    clear_border(feature_map)
    return feature_map


def _grid(feature_map: Map) -> Float32:
    rows, columns = _pixels(feature_map.height), _pixels(feature_map.width)
    values = rows * columns * feature_map.channels
    return feature_map.data[:values].reshape(rows, columns, feature_map.channels)


def clear_border(feature_map: Map) -> None:
    """Set everything outside the pixels to 0, and what an odd size leaves without a 2x2 window."""
    grid = _grid(feature_map)
    bottom = feature_map.height // 2 * 2 + 1
    right = feature_map.width // 2 * 2 + 1
    grid[0] = 0
    grid[bottom:] = 0
    grid[:, 0] = 0
    grid[:, right:] = 0
    feature_map.data[grid.size :] = 0


def replicate_edge(feature_map: Map) -> None:
    """Set each pixel beside the edge, outside, to the nearest one inside."""
    grid = _grid(feature_map)
    bottom, right = feature_map.height, feature_map.width
    grid[0], grid[bottom + 1] = grid[1], grid[bottom]
    grid[: bottom + 2, 0], grid[: bottom + 2, right + 1] = (
        grid[: bottom + 2, 1],
        grid[: bottom + 2, right],
    )


def inside(feature_map: Map) -> Float32:
    """View of the pixels, (height, width, channels)."""
    return _grid(feature_map)[1 : feature_map.height + 1, 1 : feature_map.width + 1]


def rows(feature_map: Map, first: int, last: int) -> Map:
    """View of some rows. What stands above and below them is the map's own, not zeros.

    Kernels that go row by row, and moments, look at the rows alone.
    """
    data = feature_map.data[first * feature_map.pitch :]
    return feature_map._replace(data=data, height=last - first)


def flat(feature_map: Map) -> Float32:
    """View of the memory of the rows, with the zeros at both ends of each."""
    pitch = feature_map.pitch
    return feature_map.data[pitch : (feature_map.height + 1) * pitch]
