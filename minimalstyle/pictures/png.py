"""The chunks of a PNG: what its pixels need, and what they mean.

Pillow unpacks every text and animation on the way to the pixels, and refuses the file when one of
them is too large; it does not know all chunks that say which colours the numbers are.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import ImageError
from ..files import one_line
from .profiles import Numbers, numbers_of_codes

__all__ = ["SIGNATURE", "Png", "read_png", "text_of"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_NEEDED = {b"IHDR", b"PLTE", b"IDAT", b"eXIf", b"gAMA", b"cHRM", b"sRGB"}
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
# Programs without eXIf write the orientation there.
_EXIF_TEXTS = (b"Raw profile type exif", b"XML:com.adobe.xmp")
_LARGEST_TEXT = 1 << 20  # Pillow's own limit
_LARGEST_PROFILE = 16 << 20  # printers have some MB


@dataclass(frozen=True)
class Png:
    """A PNG without what its pixels do not need.

    Attributes
    ----------
    data : bytes
        A PNG for Pillow.
    depth : int
        Bits of a sample.
    transparent : tuple of int or None
        The grey value or colour that is transparent, in the file's own depth.
    profile : bytes or None
        ICC.
    numbers : Numbers or None
        Of the chunk cICP, which is above all others.
    animated : bool
    remarks : tuple of str
        What the user should know.
    """

    data: bytes
    depth: int
    transparent: tuple[int, ...] | None
    profile: bytes | None
    numbers: Numbers | None
    animated: bool
    remarks: tuple[str, ...]


def read_png(data: bytes, name: str) -> Png:
    """Look at every chunk, and check its length and checksum.

    Raises
    ------
    SyntaxError
        A chunk that is cut off or has a wrong checksum: decoding trusts those of pixels.
    ImageError
        It has a chunk without which the pixels cannot be understood.
    """
    parts: list[bytes | memoryview] = [SIGNATURE]
    first: dict[bytes, memoryview] = {}
    texts: set[bytes] = set()
    for kind, content, whole in _chunks(data):
        first.setdefault(kind, content)
        header = first.get(b"IHDR", b"")
        if kind in _TEXTS:
            key = bytes(content[:80]).partition(b"\0")[0]
            if key not in _EXIF_TEXTS or key in texts or _text(kind, content) is None:
                continue
            texts.add(key)
        elif kind not in _NEEDED and not (kind == b"tRNS" and header[9:10] == b"\3"):
            if kind[:1].isupper():
                words = f"is a PNG with the chunk {one_line(kind.decode('latin-1'))}"
                raise ImageError(f"{name}: {words}, which is no standard; save it as PNG again")
            continue
        parts.append(whole)
    parts.append(b"\0\0\0\0IEND\xaeB`\x82")
    if len(first.get(b"IHDR", b"")) < 13:
        raise SyntaxError("it has no header")
    remarks: list[str] = []
    numbers, profile = _numbers(first, remarks), None
    if numbers is None and b"iCCP" in first:
        profile = _unpacked(bytes(first[b"iCCP"]).partition(b"\0")[2][1:], _LARGEST_PROFILE)
        if profile is None:
            remarks.append("colour profile ignored: it is damaged, or larger than 16 MB")
    return Png(
        data=b"".join(parts),
        depth=first[b"IHDR"][8],
        transparent=_transparent(first),
        profile=profile,
        numbers=numbers,
        animated=b"fdAT" in first,
        remarks=tuple(remarks),
    )


def _transparent(first: dict[bytes, memoryview]) -> tuple[int, ...] | None:
    depth, colour = first[b"IHDR"][8], first[b"IHDR"][9]
    if b"tRNS" not in first or colour not in (0, 2):
        return None
    if len(first[b"tRNS"]) < (2, 0, 6)[colour]:
        raise SyntaxError("its transparent colour is cut off")
    values = struct.unpack_from(f">{colour + 1}H", first[b"tRNS"])
    return tuple(value & (1 << depth) - 1 for value in values)


def _numbers(first: dict[bytes, memoryview], remarks: list[str]) -> Numbers | None:
    content = first.get(b"cICP", b"")
    if len(content) < 4:
        return None
    return numbers_of_codes(content[0], content[1], remarks)


def text_of(data: bytes, keyword: str) -> str | None:
    """The text under a keyword; checksums are not looked at.

    Raises
    ------
    SyntaxError
        The file ends before its last chunk.
    ValueError
        The text is damaged, or larger than 1 MB.
    """
    wanted = keyword.encode("latin-1") + b"\0"
    for name, content, _ in _chunks(data, check=False):
        if name in _TEXTS and content[: len(wanted)] == wanted:
            text = _text(name, content)
            if text is None:
                raise ValueError("its text is damaged, or too large")
            return text
    return None


def _chunks(data: bytes, check: bool = True) -> Iterator[tuple[bytes, memoryview, memoryview]]:
    """Name, content, and the chunk with its length and checksum, of all before IEND."""
    view, place = memoryview(data), len(SIGNATURE)
    while True:
        if place + 8 > len(data):
            raise SyntaxError("it ends before its last chunk")
        length = int.from_bytes(view[place : place + 4], "big")
        name = bytes(view[place + 4 : place + 8])
        if name == b"IEND":
            return
        end = place + 12 + length
        if end > len(data):
            raise SyntaxError("it ends inside a chunk")
        if (
            check
            and zlib.crc32(view[place + 4 : end - 4]).to_bytes(4, "big") != view[end - 4 : end]
        ):
            raise SyntaxError("a chunk has a wrong checksum")
        yield name, view[place + 8 : end - 4], view[place:end]
        place = end


def _text(name: bytes, content: memoryview) -> str | None:
    """None where it is damaged or too long."""
    text = bytes(content).partition(b"\0")[2]
    packed = name == b"zTXt" or (name == b"iTXt" and text[:1] == b"\1")
    text = text[1:] if name == b"zTXt" else text
    text = text[2:].split(b"\0", 2)[-1] if name == b"iTXt" else text
    plain = _unpacked(text, _LARGEST_TEXT) if packed else text
    if plain is None or len(plain) > _LARGEST_TEXT:
        return None
    return plain.decode("utf-8" if name == b"iTXt" else "latin-1", "replace")


def _unpacked(data: bytes, most: int) -> bytes | None:
    try:
        stream = zlib.decompressobj()
        result = stream.decompress(data, most + 1)
    except zlib.error:
        return None
    return None if len(result) > most or not stream.eof else result
