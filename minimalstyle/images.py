"""Pictures between files and arrays: decode, orient, convert, resize, encode, write safely.

In memory a picture is float32 RGB in [0, 1], sRGB, upright; how the file held it is forgotten.
"""

import hashlib
import json
import logging
import os
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageCms, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from .errors import ImageError, MinimalstyleWarning, OutputError, UsageError
from .files import atomic_write, check_file, check_target, reason, silent_stderr
from .sixteen_bits import encode_png, encode_tiff, lower_bytes

__all__ = [
    "MAX_PIXELS",
    "MIN_SIDE",
    "Picture",
    "check_writable",
    "eight_bits",
    "fit",
    "load",
    "resize",
    "save",
    "sixteen_bits",
]

MIN_SIDE = 16
MAX_PIXELS = 178_000_000  # just below where Pillow refuses

Float32 = npt.NDArray[np.float32]
Source = str | os.PathLike[str] | Image.Image | npt.NDArray[Any]

# Pillow logs errors before it raises them; without a handler they would land on stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())

# Only what photographs and paintings come in: Pillow also opens EPS, by running a program.
_READS = ("AVIF", "BMP", "GIF", "HEIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_READS_TEXT = "JPEG, PNG, WebP, TIFF, GIF, BMP, AVIF or HEIC"
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

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

# Fewest bytes for many pixels, and most scans (an encoder makes about ten): see `_check_effort`.
_PIXELS_PER_BYTE = {"BMP": 150, "JPEG": 1000, "MPO": 1000, "TIFF": 10_000}
_SMALL = 16_000_000
_MAX_SCANS = 500

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture.

    Attributes
    ----------
    rgb : (H, W, 3) float32 in [0, 1]
        sRGB, upright.
    alpha : (H, W) float32 in [0, 1] or None
        None when every pixel is opaque.
    sha256 : str or None
        Of the file's bytes; None when it did not come from a file.
    """

    rgb: Float32
    alpha: Float32 | None = None
    sha256: str | None = None


def load(source: Source) -> Picture:
    """Read a picture from a file, a PIL image or an array.

    Parameters
    ----------
    source : path, PIL.Image.Image or array
        A file is turned upright (EXIF) and converted to sRGB (embedded profile). An array is
        (H, W), (H, W, 3) or (H, W, 4), of uint8, uint16, or floats in [0, 1].

    Returns
    -------
    Picture
        With arrays of its own.

    Raises
    ------
    ImageError
        No such file, not a picture, damaged, smaller than `MIN_SIDE` on a side, larger than
        `MAX_PIXELS`, or values that have no meaning as a picture.

    Warns
    -----
    MinimalstyleWarning
        The first of several frames was taken, or a colour profile could not be used.

    Notes
    -----
    16 bits per channel are kept. A colour profile other than sRGB is applied to their upper
    8 bits; the lower ones are carried over.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    remarks: list[str] = []
    sha256 = None
    if isinstance(source, Image.Image):
        name = str(getattr(source, "filename", "") or "picture")
        with _decoding(name):
            _check_size(source, name)
            rgb, alpha = _decode(source, name, remarks)
    else:
        path = Path(source)
        name = str(path)
        check_file(path)
        with _decoding(name), path.open("rb") as file:
            image = _open(file, name)
            _check_size(image, name)
            _check_effort(image, file)
            _check_planes(image, name)
            if image.format == "PNG":
                _open(file, name).verify()  # lengths and checksums: decoding trusts those of pixels
            rgb, alpha = _decode(image, name, remarks, lower_bytes(_open(file, name)))
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            # Phones store a thumbnail or a gain map as a second JPEG: not a second frame.
            if image.format != "MPO" and getattr(_open(file, name), "is_animated", False):
                remarks.append("has several frames or pages; the first is used")
    for remark in remarks:
        warnings.warn(f"{name}: {remark}", MinimalstyleWarning, stacklevel=2)
    return Picture(rgb, alpha, sha256)


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Say Pillow's errors in one line and keep its warnings to ourselves."""
    too_large = f"{name}: has more than {MAX_PIXELS:,} pixels, the limit; make it smaller first"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        message = f"is not a picture ({_READS_TEXT}), damaged at its beginning, or of a rare kind"
        raise ImageError(f"{name}: {message}") from error
    except Image.DecompressionBombError as error:
        raise ImageError(too_large) from error
    except MemoryError as error:
        raise ImageError(f"{name}: not enough memory to decode it") from error
    # Besides OSError, decoders raise SyntaxError, ValueError, struct.error, IndexError ...
    except Exception as error:
        raise ImageError(f"{name}: damaged or incomplete: {reason(error)}") from error


def _open(file: BinaryIO, name: str) -> Image.Image:
    """Identify the picture; pixels are not decoded yet."""
    Image.init()
    file.seek(0)
    try:
        return Image.open(file, formats=[f for f in _READS if f in Image.OPEN])
    except UnidentifiedImageError:
        file.seek(0)
        head = file.read(12)
        if head[4:8] != b"ftyp" or head[8:12] not in _HEIC_BRANDS or "HEIF" in Image.OPEN:
            raise
        try:
            import pillow_heif  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            hint = "HEIC needs a plug-in (pip install pillow-heif), or save it as JPEG first"
            raise ImageError(f"{name}: {hint}") from None
        pillow_heif.register_heif_opener()
        return _open(file, name)


def _check_size(image: Image.Image, name: str) -> None:
    """Before anything is decoded: what the header declares is not to be allocated."""
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError
    _check_side(image.width, image.height, name)


def _check_effort(image: Image.Image, file: BinaryIO) -> None:
    """Refuse a file that costs far more memory or time than its bytes can be worth.

    libjpeg fills what is missing with grey, libtiff allocates it first, and a WebP of 30 bytes
    may hold 16383 x 16383 equal pixels. Blank pictures reach some hundred pixels per byte in a
    JPEG (64 per bit), 128 in a BMP, which Pillow unpacks in Python, some thousand elsewhere.
    """
    size = file.seek(0, os.SEEK_END)
    pixels, kind = image.width * image.height, image.format or ""
    most = _PIXELS_PER_BYTE.get(kind)
    if pixels > (size * most if most else max(_SMALL, size * 10_000)):
        raise OSError(f"{image.width}x{image.height} pixels in {size} bytes")
    if kind in ("JPEG", "MPO"):
        # An empty scan takes 10 bytes, and the decoder through all pixels. By chance, the two
        # bytes stand once in 65536: a phone appends thumbnails and films.
        file.seek(0)
        scans = file.read().count(b"\xff\xda")
        if scans > _MAX_SCANS + size / 10_000:
            raise OSError(f"{scans} scans of one picture")


def _check_planes(image: Image.Image, name: str) -> None:
    """Refuse the one kind of TIFF of which Pillow makes noise without a word."""
    tags = getattr(image, "tag_v2", {})
    separate = tags.get(TiffImagePlugin.PLANAR_CONFIGURATION) == 2
    deep = 16 in tags.get(TiffImagePlugin.BITSPERSAMPLE, ())
    if separate and deep and image.info.get("compression") == "raw":
        message = "has each 16-bit channel in a plane of its own; save it with interleaved channels"
        raise ImageError(f"{name}: {message}")


def _decode(
    image: Image.Image, name: str, remarks: list[str], lower: Image.Image | None = None
) -> tuple[Float32, Float32 | None]:
    """Pixels of an opened picture as (rgb, alpha); adds to `remarks` what the user should know."""
    # Before orientation: Pillow turns a TIFF when it loads it, and then forgets the tag.
    with silent_stderr() if image.format == "TIFF" else nullcontext():
        image.load()
        if lower is not None:
            lower.load()
    profile = _profile(image, remarks)
    with suppress(Exception):  # a damaged EXIF block is no reason to refuse the picture
        orientation = image.getexif().get(ExifTags.Base.Orientation)
        if orientation in _UPRIGHT:
            image = image.transpose(_UPRIGHT[orientation])
            lower = lower and lower.transpose(_UPRIGHT[orientation])

    fine = None  # of 16-bit values, what the upper byte does not say
    if lower is not None:
        fine = np.asarray(lower, np.float32) - np.asarray(image, np.float32)
        fine /= 65535

    grey = _is_grey(image.mode)
    if image.mode in ("La", "RGBa"):
        image = image.convert(image.mode.upper())
    alpha = None
    if "A" in image.getbands() or ("transparency" in image.info and "I" not in image.mode):
        alpha = _unit(np.asarray(image.convert("RGBA").getchannel("A")), name)
        if fine is not None and fine.shape[2] == 4:
            alpha += fine[..., 3]
        alpha = None if alpha.min() == 1 else alpha
    if grey:
        if image.mode in ("1", "LA"):
            image = image.convert("L")
        return _grey_to_rgb(_unit(np.asarray(image), name), profile), alpha
    if image.mode != "RGB" and (profile is None or image.mode not in ("CMYK", "LAB")):
        image = image.convert("RGB")
    if profile is not None:
        image = _to_srgb(image, profile)
    rgb = _unit(np.asarray(image), name)
    if fine is not None:
        np.clip(rgb + fine[..., :3], 0, 1, out=rgb)
    return rgb, alpha


def _is_grey(mode: str) -> bool:
    return mode in ("1", "L", "LA", "La", "I", "F") or mode.startswith("I;16")


def _profile(image: Image.Image, remarks: list[str]) -> ImageCms.ImageCmsProfile | None:
    """Colour profile to convert from; None when there is none that is of use."""
    if image.mode == "LAB":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    data = image.info.get("icc_profile")
    if not data:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(data))
        space = profile.profile.xcolor_space.strip()
        cmyk, grey = image.mode == "CMYK", _is_grey(image.mode)
        fits = {"CMYK": cmyk, "GRAY": grey, "RGB": not cmyk}
        if not fits.get(space, False):
            raise ImageCms.PyCMSError(f"it is for {space or 'no known'} colours")
        _to_srgb(Image.new({"GRAY": "L"}.get(space, space), (1, 1)), profile)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError) as error:
        remarks.append(f"colour profile ignored: {reason(error)}")
        return None
    return profile


def _to_srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile, flags: int = 0) -> Image.Image:
    srgb = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(
        image, profile, srgb, outputMode="RGB", flags=ImageCms.Flags(flags)
    )
    assert converted is not None  # it is None only for in-place conversion
    return converted


def _grey_to_rgb(values: Float32, profile: ImageCms.ImageCmsProfile | None) -> Float32:
    """(H, W) to (H, W, 3), through the profile's curve, without losing 16-bit or float depth."""
    if profile is None:
        return np.repeat(values[..., None], 3, axis=2)
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    if profile.profile.xcolor_space.strip() == "RGB":
        ramp = ramp.convert("RGB")
    curve = np.asarray(_to_srgb(ramp, profile, ImageCms.Flags.NOOPTIMIZE))[0] / 255
    levels = np.linspace(0, 1, 256)
    return np.stack([np.interp(values, levels, c).astype(np.float32) for c in curve.T], axis=-1)


def _unit(array: npt.NDArray[Any], name: str) -> Float32:
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


def _check_side(width: int, height: int, name: str) -> None:
    if min(width, height) < MIN_SIDE:
        message = f"is {width}x{height} pixels; both sides need at least {MIN_SIDE}"
        raise ImageError(f"{name}: {message}")


def _from_array(array: npt.NDArray[Any]) -> Picture:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        shape = "x".join(map(str, array.shape))
        raise ImageError(f"array of shape {shape}; expected (H, W), (H, W, 3) or (H, W, 4)")
    _check_side(array.shape[1], array.shape[0], "array")
    values = _unit(array, "array")
    if values.ndim == 2:
        return Picture(_grey_to_rgb(values, None))
    alpha = values[..., 3].copy() if values.shape[2] == 4 and values[..., 3].min() < 1 else None
    return Picture(np.ascontiguousarray(values[..., :3]), alpha)


def fit(width: int, height: int, longer_side: int) -> tuple[int, int]:
    """Scale (width, height) so that the longer side is `longer_side`.

    Neither is below `MIN_SIDE`: at extreme aspect ratios that stretches the shorter side.
    """
    scale = longer_side / max(width, height)
    return max(MIN_SIDE, round(width * scale)), max(MIN_SIDE, round(height * scale))


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


def save(
    path: str | os.PathLike[str],
    image: npt.NDArray[Any],
    alpha: npt.NDArray[Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    bits: int = 8,
) -> None:
    """Write a picture, in the format of the suffix, with an sRGB profile; all of it or nothing.

    Parameters
    ----------
    path : path
        `.png`, `.jpg`, `.jpeg`, `.webp`, `.tif` or `.tiff`; an existing file is replaced.
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
        The file cannot be written; nothing is left behind.
    """
    path = Path(path)
    kind = _format(path, bits)
    channels = [image] if alpha is None or kind == "JPEG" else [image, alpha[..., None]]
    try:
        if bits == 16:
            deep = np.concatenate([sixteen_bits(c) for c in channels], axis=2)
            text = None if metadata is None else json.dumps(metadata)
            data = _SIXTEEN[kind](deep, _srgb_bytes(), text)
        else:
            pixels = np.concatenate([eight_bits(c) for c in channels], axis=2)
            buffer = BytesIO()
            Image.fromarray(pixels).save(buffer, kind, **_options(kind, metadata))
            data = buffer.getvalue()
    except ImageError:
        raise
    except (OSError, ValueError, MemoryError, struct.error) as error:
        raise OutputError(f"{path}: cannot be encoded as {kind}: {reason(error)}") from error
    atomic_write(path, data)


def eight_bits(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Values in [0, 1] as whole numbers from 0 to 255; uint8 stays as it is."""
    if array.dtype == np.uint8:
        return array
    return np.rint(_unit(array, "result") * np.float32(255)).astype(np.uint8)


def sixteen_bits(array: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Values in [0, 1] as whole numbers from 0 to 65535; uint16 stays as it is."""
    if array.dtype == np.uint16:
        return array
    return np.rint(_unit(array, "result") * np.float32(65535)).astype(np.uint16)


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
    options: dict[str, Any] = {"icc_profile": _srgb_bytes()}
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


@cache
def _srgb_bytes() -> bytes:
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # The time of creation, six 16-bit numbers: fixed, so that equal pictures are equal files.
    data[24:36] = b"".join(n.to_bytes(2, "big") for n in (2000, 1, 1, 0, 0, 0))
    return bytes(data)


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
