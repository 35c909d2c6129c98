"""Which kind of file it is, and why it cannot be read, in true words."""

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from ..errors import ImageError
from ..files import reason
from ..shared import Shared
from . import limits
from .png import SIGNATURE
from .tiff import describe

__all__ = ["check_bmp", "errors_of_pillow", "is_tiff", "open_picture", "quiet_pillow"]

# Pillow logs errors before it raises them; without a handler they would land on stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())

# Only what photographs and paintings come in: Pillow also opens EPS, by running a program.
_READS = ("AVIF", "BMP", "GIF", "HEIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_READS_TEXT = "JPEG, PNG, WebP, TIFF, GIF, BMP, AVIF or HEIC"
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_BEGINNINGS = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (SIGNATURE,),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "GIF": (b"GIF87a", b"GIF89a"),
    "BMP": (b"BM",),
}
# Olympus, Panasonic, Fujifilm, Sigma, Minolta, Canon.
_RAW = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM")
_RAW_BRAND = b"ftypcrx "

# In Pillow's messages about files that are whole.
_UNSUPPORTED = re.compile(
    r"unsupported|not (yet )?supported|support not installed|cannot handle|"
    r"unknown (raw mode|pixel mode|data organization|filter|compression)",
    re.IGNORECASE,
)


@contextmanager
def _without_its_warnings() -> Iterator[None]:
    with warnings.catch_warnings():  # of the whole process: what others warn of stays
        warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif)(\.|$)")
        yield


quiet_pillow = Shared(_without_its_warnings)


@contextmanager
def errors_of_pillow(name: str) -> Iterator[None]:
    """Say Pillow's errors in one line and keep its warnings to ourselves."""
    most = f"{limits.max_pixels():,} pixels, the limit; make it smaller, or lift it: --max-pixels"
    try:
        with quiet_pillow:
            yield
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name}: has more than {most}") from error
    except MemoryError as error:
        raise ImageError(f"{name}: not enough memory to decode it") from error
    # Besides OSError, decoders raise SyntaxError, ValueError, struct.error, IndexError ...
    except Exception as error:
        what = "damaged or incomplete"
        if str(error).startswith("decoder error"):  # all that libtiff says
            what += ", or compressed in a way that is not read"
        if _UNSUPPORTED.search(str(error)):
            what = "is of a kind that is not read; save it as PNG"
        raise ImageError(f"{name}: {what}: {reason(error)}") from error


def open_picture(file: BinaryIO, name: str) -> Image.Image:
    """Identify the picture; pixels are not decoded yet."""
    Image.init()
    file.seek(0)
    try:
        return Image.open(file, formats=[f for f in _READS if f in Image.OPEN])
    except UnidentifiedImageError as error:
        file.seek(0)
        head = file.read(16)
        if head[4:8] != b"ftyp" or head[8:12] not in _HEIC_BRANDS or "HEIF" in Image.OPEN:
            raise ImageError(f"{name}: {_unidentified(file, head)}") from error
        try:
            import pillow_heif  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            hint = "HEIC needs a plug-in (pip install pillow-heif), or save it as JPEG first"
            raise ImageError(f"{name}: {hint}") from None
        pillow_heif.register_heif_opener()
        return open_picture(file, name)


def _unidentified(file: BinaryIO, head: bytes) -> str:
    """What can be said of a file that Pillow does not open."""
    if head.startswith(_RAW) or head[4:12] == _RAW_BRAND:
        return "is a camera's raw file; develop it first, and save it as TIFF"
    kinds = [kind for kind, beginnings in _BEGINNINGS.items() if head.startswith(beginnings)]
    if not kinds:
        return f"is not a picture ({_READS_TEXT}), damaged at its beginning, or of a rare kind"
    (kind,) = kinds
    file.seek(0)
    try:
        Image.OPEN[kind][0](file, "")
    except Exception as error:
        why = reason(error)
    else:
        why = "it is not understood"
    if kind == "TIFF":
        words = describe(file)
        if words is not None:
            doubt = "" if _UNSUPPORTED.search(why) else ", or damaged"
            return f"is a TIFF of a kind that is not read{doubt} ({words}); save it as PNG"
    if _UNSUPPORTED.search(why):
        return f"is a {kind} of a kind that is not read; save it as PNG: {why}"
    return f"begins as a {kind}, but is damaged or of a rare kind: {why}"


def is_tiff(head: bytes) -> bool:
    """By the first four bytes."""
    return head.startswith(_BEGINNINGS["TIFF"])


def check_bmp(file: BinaryIO, name: str) -> None:
    """Refuse 16-bit pixels with transparency, which Pillow drops without a word."""
    file.seek(0)
    head = file.read(70).ljust(70, b"\0")
    header, bits, packing, alpha = (
        int.from_bytes(head[place : place + size], "little")
        for place, size in ((14, 4), (28, 2), (30, 4), (66, 4))
    )
    if head[:2] == b"BM" and header >= 56 and bits == 16 and packing == 3 and alpha:
        raise ImageError(f"{name}: has 16-bit pixels with transparency; save it as PNG")
