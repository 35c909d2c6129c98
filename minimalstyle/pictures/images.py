"""Pictures in and out: what the rest of the program knows of files and of what is in them.

In memory a picture is float32 RGB in [0, 1], sRGB, upright; how the file held it is forgotten.
"""

import hashlib
import os
import warnings
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import ImageError, MinimalstyleWarning
from ..files import check_file, reason
from .decode import decode_file, decode_image
from .encode import check_writable, encode, keeps_alpha, save
from .hidden import fill_hidden
from .limits import MAX_PIXELS
from .pixels import (
    MIN_SIDE,
    Float32,
    Size,
    check_side,
    eight_bits,
    fit,
    normalised,
    resize,
    sixteen_bits,
)
from .profiles import grey_to_rgb

__all__ = [
    "MAX_PIXELS",
    "MIN_SIDE",
    "Picture",
    "Size",
    "Source",
    "check_writable",
    "eight_bits",
    "encode",
    "fit",
    "keeps_alpha",
    "load",
    "load_mask",
    "resize",
    "save",
    "sixteen_bits",
]

Buffer = bytes | bytearray | memoryview
Source = str | os.PathLike[str] | Buffer | IO[bytes] | Image.Image | npt.NDArray[Any]

_UNIFORM = 0.03  # largest difference of colours in a mask whose alpha is meant


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture.

    Attributes
    ----------
    rgb : (H, W, 3) float32 in [0, 1]
        sRGB, upright. Under transparent pixels, what is visible around them.
    alpha : (H, W) float32 in [0, 1] or None
        None when every pixel is opaque.
    sha256 : str or None
        Of the file's bytes; None when it did not come from a file.
    """

    rgb: Float32
    alpha: Float32 | None = None
    sha256: str | None = None


def load(source: Source) -> Picture:
    """Read a picture.

    Parameters
    ----------
    source : path, bytes, binary file, PIL.Image.Image or array
        A file, its bytes, or an open file that is read from its beginning: turned upright (EXIF)
        and converted to sRGB (embedded profile, or gamma and primaries of a PNG). An array is
        (H, W), (H, W, 3) or (H, W, 4), of uint8, uint16, or floats in [0, 1].

    Returns
    -------
    Picture
        With arrays of its own.

    Raises
    ------
    ImageError
        No such file, not a picture, damaged, of a kind that is not read, smaller than `MIN_SIDE`
        on a side, larger than `MAX_PIXELS`, wholly transparent, or values that have no meaning as
        a picture.

    Warns
    -----
    MinimalstyleWarning
        The first of several frames was taken, or a colour profile could not be used.

    Notes
    -----
    16 bits per channel are kept. A colour profile other than sRGB is applied to their upper
    8 bits; the lower ones are carried over.
    """
    name, rgb, alpha, sha256 = _read(source)
    if alpha is not None:
        if alpha.max() == 0:
            raise ImageError(f"{name}: is wholly transparent; there is nothing to see")
        rgb = fill_hidden(rgb, alpha)
    return Picture(rgb, alpha, sha256)


def load_mask(source: Source) -> Picture:
    """Read a mask, in which transparent is black.

    Parameters
    ----------
    source : as of `load`

    Returns
    -------
    Picture
        Without alpha: colours times alpha, or alpha alone where all that is visible has one
        colour, as of a cut-out.

    Raises
    ------
    ImageError
        As `load`, though a mask may be wholly transparent.
    """
    _, rgb, alpha, sha256 = _read(source)
    if alpha is not None:
        visible = rgb[alpha > 0]
        if not visible.size or np.ptp(visible, axis=0).max() < _UNIFORM:
            rgb = np.ones_like(rgb)
        rgb = rgb * alpha[..., None]
    return Picture(rgb, None, sha256)


def _read(source: Source) -> tuple[str, Float32, Float32 | None, str | None]:
    """Name for messages, rgb, alpha, and the hash of the file's bytes."""
    remarks: list[str] = []
    sha256 = None
    name = "picture"
    if isinstance(source, np.ndarray):
        name = "array"
        rgb, alpha = _from_array(source)
    elif isinstance(source, Image.Image):
        name = str(getattr(source, "filename", "") or name)
        rgb, alpha = decode_image(source, name, remarks)
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        name = str(path)
        check_file(path)
        try:
            file = path.open("rb")
        except OSError as error:
            raise ImageError(f"{name}: cannot be read: {reason(error)}") from error
        with file:
            rgb, alpha, sha256 = _from_file(file, name, remarks)
    else:
        data, name = _bytes_of(source)
        rgb, alpha, sha256 = _from_file(BytesIO(data), name, remarks)
    for remark in remarks:
        warnings.warn(f"{name}: {remark}", MinimalstyleWarning, stacklevel=3)
    return name, rgb, alpha, sha256


def _from_file(
    file: BufferedReader | BytesIO, name: str, remarks: list[str]
) -> tuple[Float32, Float32 | None, str]:
    rgb, alpha = decode_file(file, name, remarks)
    file.seek(0)
    return rgb, alpha, hashlib.file_digest(file, "sha256").hexdigest()


def _bytes_of(source: Any) -> tuple[bytes, str]:
    """What is in bytes or in an open file, and a name for it."""
    name = "picture"
    if isinstance(source, Buffer):
        data: Any = bytes(source)
    elif hasattr(source, "read"):
        given = getattr(source, "name", None)
        name = given if isinstance(given, str) else name
        try:
            if source.seekable():
                source.seek(0)
            data = source.read()
        except (OSError, ValueError, AttributeError) as error:
            raise ImageError(f"{name}: cannot be read: {reason(error)}") from error
        if not isinstance(data, bytes):
            raise ImageError(f"{name}: is open as text; open it in binary mode, as with 'rb'")
    else:
        kinds = "a path, bytes, a binary file, a PIL image or an array"
        raise ImageError(f"a picture is {kinds}, not {type(source).__name__}")
    if not data:
        raise ImageError(f"{name}: is empty (0 bytes)")
    return data, name


def _from_array(array: npt.NDArray[Any]) -> tuple[Float32, Float32 | None]:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        shape = "x".join(map(str, array.shape))
        raise ImageError(f"array of shape {shape}; expected (H, W), (H, W, 3) or (H, W, 4)")
    check_side(array.shape[1], array.shape[0], "array")
    values = normalised(array, "array")
    if values.ndim == 2:
        return grey_to_rgb(values, None), None
    alpha = values[..., 3].copy() if values.shape[2] == 4 and values[..., 3].min() < 1 else None
    return np.ascontiguousarray(values[..., :3]), alpha
