"""Colour with 16 bits per channel, which Pillow reads as 8 and does not write."""

import struct
import sys
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["encode_png", "encode_tiff", "lower_bytes"]

UInt16 = npt.NDArray[np.uint16]

# Pillow's names for the layout of the bytes: big-endian, little-endian, that of the machine.
_TURNED = {
    f"{colours};16{order}": f"{colours};16{turned}"
    for colours in ("RGB", "RGBA", "RGBX")
    for order, turned in (("B", "L"), ("L", "B"), ("N", "LB"[sys.byteorder == "little"]))
}


def lower_bytes(image: Image.Image) -> Image.Image | None:
    """What Pillow leaves out of 16-bit colours, as a picture of the same mode and size.

    Pillow keeps the upper byte of each value. Told the wrong byte order, it keeps the lower.

    Parameters
    ----------
    image : PIL.Image.Image
        Just opened, nothing decoded yet; of no use afterwards.

    Returns
    -------
    PIL.Image.Image or None
        None where Pillow leaves nothing out, and for TIFFs with a plane for each channel.
    """
    tiles: list[Any] = getattr(image, "tile", [])  # of ImageFile only
    for number, tile in enumerate(tiles):
        is_text = isinstance(tile.args, str)
        layout, *others = [tile.args] if is_text else tile.args or [""]
        if layout == "LA;16B":  # as four channels of 8 bits: grey and alpha, each in two bytes
            tiles[number] = tile._replace(args="RGBA")
            grey, alpha = image.getchannel(1), image.getchannel(3)
            return Image.merge("RGBA", (grey, grey, grey, alpha))
        if layout not in _TURNED:
            return None
        args = _TURNED[layout] if is_text else (_TURNED[layout], *others)
        tiles[number] = tile._replace(args=args)
    return image if tiles else None


def encode_png(pixels: UInt16, profile: bytes, text: str | None = None) -> bytes:
    """A PNG file.

    Parameters
    ----------
    pixels : (H, W, 3 or 4) uint16
        RGB or RGBA.
    profile : bytes
        ICC colour profile.
    text : str, optional
        Latin-1; under the keyword "minimalstyle".

    References
    ----------
    .. [1] Portable Network Graphics (PNG) Specification, W3C.
    """

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(data, zlib.crc32(kind))
        return b"".join((struct.pack(">I", len(data)), kind, data, struct.pack(">I", checksum)))

    height, width, channels = pixels.shape
    rows = np.ascontiguousarray(pixels, ">u2").reshape(height, -1).view(np.uint8)
    # A row is stored as the number of its filter, 2, and its differences from the row above.
    filtered = np.full((height, 1 + rows.shape[1]), 2, np.uint8)
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    colour_type = 2 if channels == 3 else 6
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)),
            chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(profile)),
            b"" if text is None else chunk(b"tEXt", b"minimalstyle\0" + text.encode("latin-1")),
            chunk(b"IDAT", zlib.compress(filtered.data)),
            chunk(b"IEND", b""),
        )
    )


def encode_tiff(pixels: UInt16, profile: bytes, text: str | None = None) -> bytes:
    """A TIFF file, little-endian, deflated in a single strip.

    Parameters
    ----------
    pixels : (H, W, 3 or 4) uint16
        RGB or RGBA.
    profile : bytes
        ICC colour profile.
    text : str, optional
        ASCII; as image description.

    References
    ----------
    .. [1] TIFF, Revision 6.0, Adobe, 1992, and its Technical Notes of 2002 (deflate).
    """
    height, width, channels = pixels.shape
    differences = pixels.astype("<u2")
    differences[:, 1:] -= pixels[:, :-1]  # the horizontal predictor
    strip = zlib.compress(differences.data)
    strip += bytes(len(strip) % 2)  # what follows must begin at an even place

    def short(*numbers: int) -> tuple[int, int, bytes]:
        return 3, len(numbers), struct.pack(f"<{len(numbers)}H", *numbers)

    def long(number: int) -> tuple[int, int, bytes]:
        return 4, 1, struct.pack("<I", number)

    fields = {  # in ascending order
        256: long(width),
        257: long(height),
        258: short(*[16] * channels),
        259: short(8),  # deflated
        262: short(2),  # RGB
        270: (2, 0, b"") if text is None else (2, len(text) + 1, text.encode("ascii") + b"\0"),
        273: long(8),  # the strip stands after the header
        277: short(channels),
        278: long(height),
        279: long(len(strip)),
        317: short(2),  # horizontal predictor
        338: short(*[2] * (channels - 3)),  # alpha, not multiplied into the colours
        34675: (7, len(profile), profile),
    }
    fields = {tag: field for tag, field in fields.items() if field[1]}
    directory = 8 + len(strip)
    free = directory + 2 + 12 * len(fields) + 4  # for values of more than four bytes
    entries, values = [struct.pack("<H", len(fields))], []
    for tag, (kind, count, data) in fields.items():
        value = data.ljust(4, b"\0")
        if len(data) > 4:
            value = struct.pack("<I", free)
            values.append(data + bytes(len(data) % 2))
            free += len(values[-1])
        entries.append(struct.pack("<HHI", tag, kind, count) + value)
    header = b"II*\0" + struct.pack("<I", directory)
    return b"".join((header, strip, *entries, bytes(4), *values))
