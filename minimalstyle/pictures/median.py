"""The median of 3x3 pixels, in little memory."""

import numpy as np

from .._types import Float32

__all__ = ["median"]

_ROWS = 64  # that are worked on at a time


def median(image: Float32) -> Float32:
    """Each value's median with its eight neighbours; at the edge the nearest ones count again.

    Parameters
    ----------
    image : (H, W, C) float32

    Returns
    -------
    (H, W, C) float32

    Notes
    -----
    With each column of three sorted, the median of nine is that of the largest low one, the median
    of the middle ones, and the smallest high one. Neighbours share the columns.
    """
    height, result = len(image), np.empty_like(image)
    for top in range(0, height, _ROWS):
        bottom = min(top + _ROWS, height)
        rows = image[np.clip(np.arange(top - 1, bottom + 1), 0, height - 1)]
        rows = np.pad(rows, [(0, 0), (1, 1), (0, 0)], mode="edge")
        low, middle, high = _sorted(rows[:-2], rows[1:-1], rows[2:])
        low = np.maximum(np.maximum(low[:, :-2], low[:, 1:-1]), low[:, 2:])
        high = np.minimum(np.minimum(high[:, :-2], high[:, 1:-1]), high[:, 2:])
        middle = _sorted(middle[:, :-2], middle[:, 1:-1], middle[:, 2:])[1]
        result[top:bottom] = _sorted(low, middle, high)[1]
    return result


def _sorted(a: Float32, b: Float32, c: Float32) -> tuple[Float32, Float32, Float32]:
    """From low to high."""
    a, b = np.minimum(a, b), np.maximum(a, b)
    b, c = np.minimum(b, c), np.maximum(b, c)
    return np.minimum(a, b), np.maximum(a, b), c
