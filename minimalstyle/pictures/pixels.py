"""Pixels as numbers: which number types mean what, and other sizes."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from .._types import Float32
from ..errors import ImageError

__all__ = [
    "MIN_SIDE",
    "Size",
    "check_side",
    "eight_bits",
    "fit",
    "resize",
    "sixteen_bits",
]

MIN_SIDE = 16


class Size(NamedTuple):
    """Of a picture, in pixels; arrays have the height first."""

    width: int
    height: int

    @classmethod
    def of(cls, array: npt.NDArray[Any]) -> "Size":
        """Of an array (H, W) or (H, W, C)."""
        return cls(array.shape[1], array.shape[0])


def normalised(array: npt.NDArray[Any], name: str) -> Float32:
    """float32 in [0, 1] from any of the number types that pictures have; never a view."""
    kind, width = array.dtype.kind, array.dtype.itemsize
    if kind == "u" and width <= 2:
        return np.divide(array, 255 if width == 1 else 65535, dtype=np.float32)
    if kind not in "uif":
        raise ImageError(f"{name}: has {array.dtype} values; give uint8, uint16, or floats")
    low, high = float(array.min()), float(array.max())
    if kind == "f" and low >= -1e-3 and high <= 1 + 1e-3:  # resampling overshoots by rounding
        return np.clip(array, 0, 1).astype(np.float32)
    if array.dtype == np.int32 and low >= 0 and high <= 65535:
        # Pillow's mode "I": 16-bit data in a wider type.
        return np.divide(array, 65535, dtype=np.float32)
    hint = "uint8, uint16, or finite floats in [0, 1] make a picture"
    raise ImageError(f"{name}: has {array.dtype} values from {low:g} to {high:g}; {hint}")


def eight_bits(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Values in [0, 1] as whole numbers from 0 to 255; uint8 stays as it is."""
    if array.dtype == np.uint8:
        return array
    return np.rint(normalised(array, "result") * np.float32(255)).astype(np.uint8)


def sixteen_bits(array: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Values in [0, 1] as whole numbers from 0 to 65535; uint16 stays as it is."""
    if array.dtype == np.uint16:
        return array
    return np.rint(normalised(array, "result") * np.float32(65535)).astype(np.uint16)


def check_side(width: int, height: int, name: str) -> None:
    """Raise ImageError where a side is below `MIN_SIDE`."""
    if min(width, height) < MIN_SIDE:
        message = f"is {width}x{height} pixels; both sides need at least {MIN_SIDE}"
        raise ImageError(f"{name}: {message}")


def fit(width: int, height: int, longer_side: int) -> Size:
    """Scale (width, height) so that the longer side is `longer_side`.

    Neither is below `MIN_SIDE`: at extreme aspect ratios that stretches the shorter side.
    """
    scale = longer_side / max(width, height)
    return Size(max(MIN_SIDE, round(width * scale)), max(MIN_SIDE, round(height * scale)))


def resize(array: Float32, width: int, height: int) -> Float32:
    """Resample with an antialiasing Lanczos filter.

    Parameters
    ----------
    array : (H, W) or (H, W, C) float32 in [0, 1]
    width, height : int

    Returns
    -------
    (height, width) or (height, width, C) float32 in [0, 1]
        A copy when the size is the same already.
    """
    if array.shape[:2] == (height, width):
        return array.copy()
    result = np.empty((height, width, *array.shape[2:]), np.float32)
    for channel in np.ndindex(array.shape[2:]):
        plane = Image.fromarray(np.ascontiguousarray(array[(..., *channel)], np.float32))
        result[(..., *channel)] = plane.resize((width, height), Image.Resampling.LANCZOS)
    return np.clip(result, 0, 1, out=result)
