"""Pictures into files: encode in the format of the suffix, write all of it or nothing."""

import json
import os
import struct
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, PngImagePlugin

from ..errors import ImageError, OutputError, UsageError
from ..files import atomic_write, check_target, reason
from .pixels import eight_bits, sixteen_bits
from .profiles import srgb_bytes
from .sixteen_bits import encode_png, encode_tiff

__all__ = ["check_writable", "encode", "keeps_alpha", "save"]

_WRITES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
_LONGEST = {"JPEG": 65_535, "WEBP": 16_383}
_SIXTEEN = {"PNG": encode_png, "TIFF": encode_tiff}


def save(
    path: str | os.PathLike[str],
    image: npt.NDArray[Any],
    alpha: npt.NDArray[Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    bits: int = 8,
) -> None:
    """Write a picture, all of it or nothing; an existing file is replaced. See `encode`.

    Raises
    ------
    UsageError, OutputError
        As from `encode`, or the file cannot be written; nothing is left behind.
    """
    atomic_write(path, encode(path, image, alpha, metadata, bits))


def encode(
    path: str | os.PathLike[str],
    image: npt.NDArray[Any],
    alpha: npt.NDArray[Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    bits: int = 8,
) -> bytes:
    """A picture as a file holds it, in the format of the suffix, with an sRGB profile.

    Parameters
    ----------
    path : path
        `.png`, `.jpg`, `.jpeg`, `.webp`, `.tif` or `.tiff`.
    image : (H, W, 3) uint8, uint16, or floats in [0, 1]
    alpha : (H, W) uint8, uint16, or floats in [0, 1], optional
        Left out of a JPEG, which cannot hold it.
    metadata : mapping, optional
        Stored as JSON: in the text chunk "minimalstyle" of a PNG, as image description of a
        TIFF, else as EXIF user comment.
    bits : {8, 16}
        Per channel; 16 in a PNG or TIFF only.

    Raises
    ------
    UsageError
        Unknown suffix, or 16 bits in a format that does not hold them.
    OutputError
        The format does not hold the picture.
    """
    path = Path(path)
    kind = _format(path, bits)
    channels = [image] if alpha is None or not keeps_alpha(path) else [image, alpha[..., None]]
    try:
        if bits == 16:
            deep = np.concatenate([sixteen_bits(c) for c in channels], axis=2)
            text = None if metadata is None else json.dumps(metadata)
            return _SIXTEEN[kind](deep, srgb_bytes(), text)
        pixels = np.concatenate([eight_bits(c) for c in channels], axis=2)
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, kind, **_options(kind, metadata))
        return buffer.getvalue()
    except ImageError:
        raise
    except (OSError, ValueError, MemoryError, struct.error) as error:
        raise OutputError(f"{path}: cannot be encoded as {kind}: {reason(error)}") from error


def keeps_alpha(path: Path) -> bool:
    """Whether the format of this suffix can hold transparency."""
    return _WRITES.get(path.suffix.lower()) != "JPEG"


def _format(path: Path, bits: int) -> str:
    try:
        kind = _WRITES[path.suffix.lower()]
    except KeyError:
        known = ", ".join(_WRITES)
        raise UsageError(f"{path}: no known picture suffix; use one of {known}") from None
    if bits not in (8, 16):
        raise UsageError(f"{path}: {bits} bits per channel; there are 8 and 16")
    if bits == 16 and kind not in _SIXTEEN:
        raise UsageError(f"{path}: {kind} holds 8 bits per channel; use .png or .tif for 16")
    return kind


def _options(kind: str, metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Arguments of Pillow's encoder."""
    options: dict[str, Any] = {"icc_profile": srgb_bytes()}
    if kind in ("JPEG", "WEBP"):
        options["quality"] = 95
    if kind == "JPEG":
        options["subsampling"] = 0
    if kind == "TIFF":
        options["compression"] = "tiff_deflate"
    if metadata is not None:
        text = json.dumps(metadata)
        if kind == "PNG":
            options["pnginfo"] = PngImagePlugin.PngInfo()
            options["pnginfo"].add_text("minimalstyle", text)
        elif kind == "TIFF":  # libtiff writes no EXIF block
            options["tiffinfo"] = {ExifTags.Base.ImageDescription: text}
        else:
            options["exif"] = Image.Exif()
            comment = b"ASCII\0\0\0" + text.encode("ascii")
            options["exif"].get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    return options


def check_writable(path: Path, longer_side: int = 0, bits: int = 8) -> None:
    """Find before the work starts why a picture could not be saved at its end.

    Raises
    ------
    UsageError
        Unknown suffix, or a `longer_side` or `bits` per channel that the format cannot hold.
    OutputError
        See `check_target`.
    """
    kind = _format(path, bits)
    longest = _LONGEST.get(kind, longer_side)
    if longer_side > longest:
        message = f"{kind} holds at most {longest} pixels a side; use .png"
        raise UsageError(f"{path}: {message}")
    check_target(path)
