"""What reading a file may cost: no more pixels, memory and time than its bytes can be worth."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import BinaryIO

from PIL import Image

from .pixels import check_side

__all__ = ["MAX_PIXELS", "check_effort", "check_size", "lifted", "max_pixels"]

MAX_PIXELS = 178_000_000  # just below where Pillow refuses
_LIFTED: ContextVar[int | None] = ContextVar("lifted", default=None)

# Fewest bytes for many pixels, and most scans (an encoder makes about ten): see `check_effort`.
_PIXELS_PER_BYTE = {"BMP": 150, "JPEG": 1000, "MPO": 1000, "TIFF": 10_000}
_SMALL = 16_000_000
_MAX_SCANS = 500


def max_pixels() -> int:
    """Of a picture that is read."""
    return _LIFTED.get() or MAX_PIXELS


@contextmanager
def lifted(pixels: int | None) -> Iterator[None]:
    """Within it pictures may have so many pixels."""
    if pixels is None:
        yield
        return
    before, token = Image.MAX_IMAGE_PIXELS, _LIFTED.set(pixels)
    Image.MAX_IMAGE_PIXELS = None if before is None else max(before, pixels)  # Pillow's own
    try:
        yield
    finally:
        _LIFTED.reset(token)
        Image.MAX_IMAGE_PIXELS = before


def check_size(image: Image.Image, name: str) -> None:
    """Before anything is decoded: what the header declares is not to be allocated."""
    if image.width * image.height > max_pixels():
        raise Image.DecompressionBombError
    check_side(image.width, image.height, name)


def check_effort(image: Image.Image, file: BinaryIO) -> None:
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
