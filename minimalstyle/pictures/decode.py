"""Pixels of a file or a picture of Pillow's: decode, turn upright, convert to sRGB."""

from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from .._types import Float32
from ..files import silent_stderr
from .limits import check_effort, check_size
from .opening import check_bmp, errors_of_pillow, is_tiff, open_picture
from .pixels import normalised
from .png import SIGNATURE, Png, read_png
from .profiles import find_profile, grey_to_rgb, is_grey, numbers_of_codes, numbers_to_srgb, to_srgb
from .sixteen_bits import lower_bytes
from .tiff import Kind, check_tiff

__all__ = ["decode_file", "decode_image"]

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_LONGEST_HEADER = 1 << 20  # of an AVIF

Pixels = tuple[Float32, Float32 | None]


@dataclass(frozen=True)
class _Beside:
    """What the file says of its pixels, and Pillow does not."""

    lower: Image.Image | None = None  # the lower bytes of 16-bit colours
    depth: int = 8
    transparent: tuple[int, ...] | None = None
    kind: Kind = field(default_factory=Kind)


def decode_file(file: BinaryIO, name: str, remarks: list[str]) -> Pixels:
    """Pixels of an open file.

    Parameters
    ----------
    file : binary file, seekable
    name : str
        For messages.
    remarks : list of str
        Gets what the user should know.

    Returns
    -------
    rgb : (H, W, 3) float32 in [0, 1]
    alpha : (H, W) float32 in [0, 1] or None

    Raises
    ------
    ImageError
    """
    with errors_of_pillow(name):
        file.seek(0)
        head = file.read(len(SIGNATURE))
        if head == SIGNATURE:
            file.seek(0)
            return _decode_png(read_png(file.read(), name), name, remarks)
        kind = Kind()
        if is_tiff(head):
            kind = check_tiff(file, name)
        image = open_picture(file, name)
        check_size(image, name)
        check_effort(image, file)
        if image.format == "BMP":
            check_bmp(file, name)
        if image.format in ("AVIF", "HEIF"):
            _note_codes(image, file, remarks)
        if kind.unnamed:
            remarks.append("has a further channel of no known meaning; it is not taken for alpha")
        beside = _Beside(lower_bytes(open_picture(file, name)), kind=kind)
        pixels = _decode(image, name, remarks, beside)
        if kind.remark is not None:
            remarks.append(kind.remark)
        # Phones store a thumbnail or a gain map as a second JPEG: not a second frame.
        elif image.format != "MPO" and getattr(open_picture(file, name), "is_animated", False):
            remarks.append("has several frames or pages; the first is used")
        return pixels


def decode_image(image: Image.Image, name: str, remarks: list[str]) -> Pixels:
    """Pixels of a picture of Pillow's; as `decode_file`."""
    with errors_of_pillow(name):
        check_size(image, name)
        return _decode(image, name, remarks, _Beside())


def _decode_png(png: Png, name: str, remarks: list[str]) -> Pixels:
    remarks += png.remarks
    file = BytesIO(png.data)
    image = open_picture(file, name)
    check_size(image, name)
    check_effort(image, file)
    image.info |= {"icc_profile": png.profile, "numbers": png.numbers}
    beside = _Beside(lower_bytes(open_picture(file, name)), png.depth, png.transparent)
    pixels = _decode(image, name, remarks, beside)
    if png.animated:
        remarks.append("has several frames or pages; the first is used")
    return pixels


def _decode(image: Image.Image, name: str, remarks: list[str], beside: _Beside) -> Pixels:
    """Pixels of an opened picture; adds to `remarks` what the user should know."""
    image, lower = _upright(image, beside)
    profile = find_profile(image, remarks)
    fine = None  # of 16-bit values, what the upper byte does not say
    if lower is not None:
        fine = (np.asarray(lower, np.float32) - np.asarray(image, np.float32)) / np.float32(65535)
    numbers = _numbers(image)
    alpha = None
    if beside.transparent is not None:
        alpha = _opaque(image, lower, beside.transparent, beside.depth).astype(np.float32)
    else:
        alpha = _alpha(image, fine, name)
    if alpha is not None and alpha.min() == 1:
        alpha = None
    if is_grey(image.mode):
        rgb = grey_to_rgb(_grey(image, beside.kind, name), profile)
    else:
        if image.mode != "RGB" and (profile is None or image.mode not in ("CMYK", "LAB")):
            image = image.convert("RGB")
        if profile is not None:
            image = to_srgb(image, profile)
        rgb = normalised(np.asarray(image), name)
        if fine is not None:
            np.clip(rgb + fine[..., :3], 0, 1, out=rgb)
    if profile is None and numbers is not None:
        try:
            rgb = numbers_to_srgb(rgb, numbers)
        except ValueError as error:
            remarks.append(f"its colours are taken for sRGB: it has {error}")
    return rgb, alpha


def _upright(image: Image.Image, beside: _Beside) -> tuple[Image.Image, Image.Image | None]:
    """The picture and its lower bytes, decoded and turned."""
    lower = beside.lower
    tiles: list[Any] = getattr(image, "tile", [])
    if tiles and tiles[0].codec_name == "libtiff" and tiles[0].args[0] in ("F;32F", "F;32BF"):
        # libtiff gives the machine's own order of bytes, but Pillow expects that of the file.
        tiles[0] = tiles[0]._replace(args=("F;32NF", *tiles[0].args[1:]))
    # Before orientation: Pillow turns a TIFF when it loads it, and then forgets the tag.
    with silent_stderr() if image.format == "TIFF" else nullcontext():
        image.load()
        if lower is not None:
            lower.load()
    if beside.kind.palette:
        colours = image.tag_v2[ExifTags.Base.ColorMap]  # type: ignore[attr-defined]
        image.putpalette(np.reshape(colours, (3, -1)).T.astype(np.uint8).tobytes())
    with suppress(Exception):  # a damaged EXIF block is no reason to refuse the picture
        orientation = image.getexif().get(ExifTags.Base.Orientation)
        if orientation in _UPRIGHT:
            image = image.transpose(_UPRIGHT[orientation])
            lower = lower and lower.transpose(_UPRIGHT[orientation])
    if image.mode in ("La", "RGBa"):
        image = image.convert(image.mode.upper())
    return image, lower


def _grey(image: Image.Image, kind: Kind, name: str) -> Float32:
    if image.mode in ("1", "LA"):
        image = image.convert("L")
    array: npt.NDArray[Any] = np.asarray(image)
    if kind.most is not None:
        array = np.minimum(array / np.float32(kind.most), 1)
    values = normalised(array, name)
    return 1 - values if kind.negative else values


def _alpha(image: Image.Image, fine: Float32 | None, name: str) -> Float32 | None:
    named = "transparency" in image.info and "I" not in image.mode
    if image.mode == "LAB" or not ("A" in image.getbands() or named):
        return None
    alpha = normalised(np.asarray(image.convert("RGBA").getchannel("A")), name)
    if fine is not None and fine.shape[2] == 4:
        alpha += fine[..., 3]
    if image.format == "BMP" and alpha.max() == 0:
        return None  # its fourth bytes are often nothing
    return alpha


def _note_codes(image: Image.Image, file: BinaryIO, remarks: list[str]) -> None:
    """Primaries and gamma from the box "colr", of which Pillow says nothing."""
    file.seek(0)
    _, found, content = file.read(_LONGEST_HEADER).partition(b"colrnclx")
    if found and len(content) >= 4 and "icc_profile" not in image.info:
        codes = int.from_bytes(content[:2], "big"), int.from_bytes(content[2:4], "big")
        image.info["numbers"] = numbers_of_codes(*codes, remarks)


def _numbers(image: Image.Image) -> Any:
    """Gamma and primaries of a PNG, in the order in which the chunks count."""
    info = image.info
    if info.get("numbers") is not None:
        return info["numbers"]
    if "srgb" in info or not ("gamma" in info or "chromaticity" in info):
        return None
    return info.get("gamma"), info.get("chromaticity")


def _opaque(
    image: Image.Image, lower: Image.Image | None, transparent: tuple[int, ...], depth: int
) -> npt.NDArray[np.bool_]:
    """Where a picture has another value than the transparent one, in the file's own depth."""
    if image.mode == "1":
        image = image.convert("L")
    values = np.atleast_3d(np.asarray(image)).astype(np.int32)
    if lower is not None:
        values = values * 256 + np.atleast_3d(np.asarray(lower))
    if depth < 8:
        values //= 255 // ((1 << depth) - 1)
    different: npt.NDArray[np.bool_] = (values[..., : len(transparent)] != transparent).any(axis=2)
    return different
