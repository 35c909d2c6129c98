"""The tags of a TIFF: which kinds Pillow reads rightly, and which picture in the file is meant.

Pillow hands over some kinds without a word as negatives, too dark, or as noise.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from PIL import TiffImagePlugin

from ..errors import ImageError

__all__ = ["Kind", "check_tiff", "describe"]

Tags = dict[int, tuple[int, ...]]

SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = (
    254,
    255,
    256,
    257,
    258,
    259,
    262,
)
FILL_ORDER, SAMPLES, PLANES, COLOUR_MAP, SUB_DIRECTORIES = 266, 277, 284, 320, 330
INK_SET, EXTRA, FORMAT, SUBSAMPLING, DNG_VERSION = 332, 338, 339, 530, 50706

_WANTED = {
    SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, SAMPLES,
    PLANES, COLOUR_MAP, SUB_DIRECTORIES, INK_SET, EXTRA, FORMAT, SUBSAMPLING, DNG_VERSION,
}  # fmt: skip
_LAYOUTS = {1: "B", 3: "H", 4: "I", 7: "B", 13: "I", 16: "Q"}  # of numbers, by their type
_MOST_DIRECTORIES, _MOST_ENTRIES, _MOST_NUMBERS = 100, 1000, 1000

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR, _LAB = 0, 1, 2, 3, 5, 6, 8
_SENSOR = {32803, 34892}  # values of a camera's sensor
_FAX = {2, 3, 4}
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_COLOURS = {
    _WHITE_IS_ZERO: "grey with white as 0", _BLACK_IS_ZERO: "grey", _RGB: "RGB",
    _PALETTE: "palette", 4: "a mask", _CMYK: "CMYK", _YCBCR: "YCbCr", _LAB: "CIE Lab", 9: "ICC Lab",
    10: "ITU Lab", 32844: "LogL", 32845: "LogLuv",
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """What Pillow does not do by itself.

    Attributes
    ----------
    most : int or None
        The largest value of whole numbers, where it is not that of their type.
    negative : bool
        Values are to be taken from white.
    palette : bool
        Its palette has 8 bits in place of the 16 of the standard.
    unnamed : bool
        It has a fourth channel beside red, green and blue, but does not say that it is alpha.
    remark : str or None
        What the user should know of the other pictures in the file.
    """

    most: int | None = None
    negative: bool = False
    palette: bool = False
    unnamed: bool = False
    remark: str | None = None


def check_tiff(file: BinaryIO, name: str) -> Kind:
    """Refuse what Pillow would get wrong.

    Raises
    ------
    ImageError
        A camera's raw file; the first picture is a thumbnail or a mask of another; a kind that
        is not read rightly.
    """
    found = list(_directories(file))
    if not found or WIDTH not in found[0]:
        return Kind()  # damaged: Pillow will say so
    first, *others = found
    sensor = any(one.get(PHOTOMETRIC, (0,))[0] in _SENSOR for one in found)
    file.seek(8)
    if sensor or DNG_VERSION in first or file.read(2) == b"CR":
        raise ImageError(f"{name}: is a camera's raw file; develop it first, and save it as TIFF")
    larger = max((one for one in others if not _reduced(one)), key=_area, default=first)
    sizes = "x".join(str(first.get(side, (0,))[0]) for side in (WIDTH, HEIGHT))
    if first.get(SUBFILE, (0,))[0] & 4:
        raise ImageError(f"{name}: its first picture is a mask; save the picture itself alone")
    if _reduced(first) and _area(larger) > _area(first):
        message = f"its first picture ({sizes} pixels) is a thumbnail"
        raise ImageError(f"{name}: {message}; save the picture itself alone, or develop it first")
    reason = _wrong(first)
    if reason is not None:
        raise ImageError(f"{name}: {reason}")
    remark = None
    if _area(larger) > _area(first):
        largest = "x".join(str(larger[side][0]) for side in (WIDTH, HEIGHT))
        remark = f"has several pages; the first ({sizes}) is used, not the largest ({largest})"
    bits, colour = _bits(first)[0], _colour(first)
    return Kind(
        most=4095 if bits == 12 else None,
        negative=colour == _WHITE_IS_ZERO and bits >= 16,
        palette=colour == _PALETTE and max(first.get(COLOUR_MAP, (256,))) < 256,
        unnamed=colour == _RGB and first.get(EXTRA) == (0,),
        remark=remark,
    )


def describe(file: BinaryIO) -> str | None:
    """What a TIFF holds, in words; None where it cannot be read so far."""
    first = next(_directories(file), None)
    if first is None or WIDTH not in first:
        return None
    bits = "/".join(str(n) for n in dict.fromkeys(_bits(first)))
    kinds = {_SIGNED: "signed ", _FLOAT: "floating-point "}
    kind = kinds.get(first.get(FORMAT, (1,))[0], "")
    colour = _COLOURS.get(_colour(first), f"colours {_colour(first)}")
    count = first.get(SAMPLES, (1,))[0]
    packing = _packing(first)
    words = f"{colour}, {count} channel{'s' * (count != 1)} of {bits} {kind}bits"
    return words if packing == "raw" else f"{words}, {packing}"


def _packing(tags: Tags) -> str:
    number = tags.get(COMPRESSION, (1,))[0]
    return str(TiffImagePlugin.COMPRESSION_INFO.get(number, f"compression {number}"))


def _bits(tags: Tags) -> tuple[int, ...]:
    return tags.get(BITS, (1,))


def _colour(tags: Tags) -> int:
    # Pillow takes 0 where the tag is missing, though the standard wants it.
    return tags.get(PHOTOMETRIC, (_WHITE_IS_ZERO,))[0]


def _area(tags: Tags) -> int:
    return tags.get(WIDTH, (0,))[0] * tags.get(HEIGHT, (0,))[0]


def _reduced(tags: Tags) -> bool:
    return bool(tags.get(SUBFILE, (0,))[0] & 1) or tags.get(OLD_SUBFILE, (1,))[0] == 2


def _wrong(tags: Tags) -> str | None:
    """Why Pillow would give other pixels than those of the file, or none."""
    colour, bits, kind = _colour(tags), _bits(tags)[0], tags.get(FORMAT, (_UNSIGNED,))[0]
    planes = tags.get(PLANES, (1,))[0] == 2 and tags.get(SAMPLES, (1,))[0] > 1
    packed = tags.get(COMPRESSION, (1,))[0]
    raw, extra, ycbcr = packed == 1, tags.get(EXTRA, ()), colour == _YCBCR
    subsampled = tags.get(SUBSAMPLING, (2, 2)) != (1, 1)
    wrong = {
        "has no tag that says what its numbers mean (PhotometricInterpretation)": (
            PHOTOMETRIC not in tags and packed not in _FAX
        ),
        f"is compressed in a way that is not read ({_packing(tags)}); save it with LZW": (
            packed not in TiffImagePlugin.COMPRESSION_INFO
        ),
        f"has signed numbers of {bits} bits; save it with unsigned ones": kind == _SIGNED,
        "has whole numbers of 32 bits; save it with 8 or 16": bits == 32 and kind != _FLOAT,
        "has each 16-bit channel in a plane of its own; save it with interleaved channels": (
            planes and raw and bits == 16
        ),
        "has a further channel in a plane of its own; save it with interleaved channels": (
            planes
            and bool(extra)
            and (colour in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _PALETTE) or max(extra) == 0)
        ),
        "has Lab colours in planes; save it with interleaved channels": planes and colour == _LAB,
        "has planes with the order of bits reversed; save it with interleaved channels": (
            planes and tags.get(FILL_ORDER, (1,))[0] == 2
        ),
        "has colours at half the resolution, uncompressed; save it as RGB": (
            ycbcr and raw and subsampled
        ),
        "has other inks than CMYK; save it as RGB": colour == _CMYK and tags.get(INK_SET) == (2,),
    }
    return next((words for words, holds in wrong.items() if holds), None)


def _directories(file: BinaryIO) -> Iterator[Tags]:
    """Tags with whole numbers of every picture in the file; what is damaged is left out."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(16).ljust(16, b"\0")
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None:
        return
    big = 43 in head[2:4]
    offset, count_of = struct.Struct(f"{order}{'IQ'[big]}"), struct.Struct(f"{order}{'HQ'[big]}")
    places = list(offset.unpack_from(head, 8 if big else 4))
    seen: set[int] = set()
    while places and len(seen) < _MOST_DIRECTORIES:
        place = places.pop(0)
        if place in seen or not 0 < place < size:
            continue
        seen.add(place)
        file.seek(place)
        (count,) = count_of.unpack(file.read(count_of.size).ljust(count_of.size, b"\0"))
        length = 4 + 2 * offset.size
        block = file.read(min(count, _MOST_ENTRIES) * length + offset.size)
        tags: Tags = {}
        for start in range(0, len(block) - length + 1, length):
            _add(tags, file, block[start : start + length], order, offset)
        places += tags.get(SUB_DIRECTORIES, ())
        if count <= _MOST_ENTRIES and len(block) == count * length + offset.size:
            places += offset.unpack(block[-offset.size :])
        yield tags


def _add(tags: Tags, file: BinaryIO, entry: bytes, order: str, offset: struct.Struct) -> None:
    """The numbers of one entry of a directory, if they are there and wanted."""
    tag, kind = struct.unpack_from(f"{order}HH", entry)
    (count,) = offset.unpack_from(entry, 4)
    if tag not in _WANTED or kind not in _LAYOUTS or not count:
        return
    layout = struct.Struct(f"{order}{min(count, _MOST_NUMBERS)}{_LAYOUTS[kind]}")
    value = entry[-offset.size :]
    if layout.size > len(value):
        with suppress(OSError, OverflowError, ValueError):  # beyond what a file can have
            file.seek(*offset.unpack(value))
            value = file.read(layout.size)
    if len(value) >= layout.size:
        tags[tag] = layout.unpack_from(value)
