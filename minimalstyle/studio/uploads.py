"""What a page sends: how large it may be, and how a picture in it is read."""

from __future__ import annotations

import asyncio
import json
import warnings
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from starlette.requests import Request

from ..errors import ImageError
from ..pictures import images
from ..pictures.opening import errors_of_pillow, open_picture

__all__ = ["MOST_BYTES", "Refused", "body", "read", "small", "wish"]

MOST_BYTES = 64_000_000  # of a file
MOST_PIXELS = 60_000_000
_MOST_JSON = 100_000  # bytes
_STALLED = 20.0  # seconds without a byte, after which whoever sends is taken to be gone


class Refused(Exception):
    """An answer with a line that says why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


async def body(request: Request, most: int) -> bytes:
    """The body of a request; Refused where it is longer than `most`, or its sender is gone."""
    words = f"the file is larger than {most / 1e6:.0f} MB, the most that is taken"
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > most:
        raise Refused(413, words)
    parts, got, stream = [], 0, request.stream()
    while True:
        try:
            part = await asyncio.wait_for(anext(stream, None), _STALLED)
        except TimeoutError:
            raise Refused(408, "the upload took too long") from None
        if part is None:
            break
        got += len(part)
        if got > most:
            raise Refused(413, words)
        parts.append(part)
    return b"".join(parts)


async def wish(request: Request) -> dict[str, Any]:
    """What the body of a request asks for: a photo, paintings and settings, unchecked."""
    try:
        found = json.loads(await body(request, _MOST_JSON))
        json.dumps(found, ensure_ascii=False).encode()  # JSON may hold halves of characters
    except (ValueError, RecursionError):
        raise Refused(400, "this is not JSON") from None
    if not isinstance(found, dict) or not {"photo", "paintings", "settings"} <= found.keys():
        raise Refused(400, "a photo, paintings and settings are needed")
    return found


def read(data: bytes) -> images.Picture:
    """The picture in a file; what would take too much memory is refused before it is decoded.

    Raises
    ------
    ImageError
        In words for the page.
    """
    if not data:
        raise ImageError("the file is empty")
    name = "this file"
    try:
        with errors_of_pillow(name), open_picture(BytesIO(data), name) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Image.DecompressionBombError
    except ImageError as error:
        if not isinstance(error.__cause__, Image.DecompressionBombError):
            raise
        most = f"{MOST_PIXELS / 1e6:.0f} million pixels"
        raise ImageError(f"{name}: has more than {most}, the most that are taken") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return images.load(data)


def small(picture: images.Picture, longer: int, quality: int, kind: str = "JPEG") -> bytes:
    """For the page: as the kind says, or a WebP where something is transparent."""
    width, height = images.Size.of(picture.rgb)
    size = images.fit(width, height, min(longer, max(width, height)))
    channels = picture.rgb
    if picture.alpha is not None:
        channels, kind = np.dstack([channels, picture.alpha]), "WEBP"
    codes = (channels * np.float32(255) + np.float32(0.5)).astype(np.uint8)  # seconds count here
    buffer = BytesIO()
    shown = Image.fromarray(codes).resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
    shown.save(buffer, kind, quality=quality)
    return buffer.getvalue()
