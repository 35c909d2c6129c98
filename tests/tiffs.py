"""TIFF files of every kind by hand, from samples: for what Pillow cannot write."""

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_CODES = {"H": 3, "I": 4, "B": 1, "b": 7, "Q": 16}


def packed(samples: Array, bits: int, kind: int, order: str) -> bytes:
    """(rows, values in a row) as bytes, each row from a whole byte on."""
    if kind == 3:
        return samples.astype(f"{order}f{bits // 8}").tobytes()
    if bits >= 8 and bits != 12:
        return samples.astype(f"{order}{'ui'[kind - 1]}{bits // 8}").tobytes()
    digits = samples[..., None].astype(np.int64) >> np.arange(bits - 1, -1, -1) & 1
    return np.packbits(digits.reshape(len(samples), -1).astype(np.uint8), axis=1).tobytes()


def packbits(data: bytes) -> bytes:
    """Without any runs, which is allowed."""
    parts = [data[n : n + 128] for n in range(0, len(data), 128)]
    return b"".join(bytes([len(part) - 1]) + part for part in parts)


def differences(samples: Array) -> Array:
    """The horizontal predictor, of (H, W, C) whole numbers."""
    result = samples.copy()
    result[:, 1:] -= samples[:, :-1]
    return result


def directory(fields: list[tuple[int, str, list[int]]], place: int, order: str, following: int):
    """An image file directory that stands at `place`, and the values behind it."""
    entries, values = struct.pack(f"{order}H", len(fields)), b""
    end = place + 2 + 12 * len(fields) + 4
    for tag, kind, numbers in sorted(fields):
        value = struct.pack(f"{order}{len(numbers)}{kind.upper()}", *numbers)
        if len(value) > 4:
            values += value + bytes(len(value) % 2)
            value = struct.pack(f"{order}I", end + len(values) - len(value) - len(value) % 2)
        entries += struct.pack(f"{order}HHI", tag, _CODES[kind], len(numbers))
        entries += value.ljust(4, b"\0")
    return entries + struct.pack(f"{order}I", following and end + len(values)) + values


def tiff(
    samples: Array,
    *more: Array,
    bits: int = 8,
    kind: int = 1,
    photometric: int | None = None,
    extra: tuple[int, ...] = (),
    planes: int = 1,
    compression: int = 1,
    fill: int = 1,
    order: str = "<",
    tile: int = 0,
    strip: int = 0,
    predictor: int = 1,
    tags: tuple[tuple[int, str, list[int]], ...] = (),
    more_tags: tuple[tuple[int, str, list[int]], ...] = (),
) -> bytes:
    """A file with `samples`, (H, W, C), as its first picture and `more` behind it.

    `kind` is the SampleFormat, `fill` the FillOrder, `compression` 1, 8 (deflate) or 32773
    (PackBits); `tags` are added to the first directory or replace what is there.
    """
    body, pages = b"", [samples, *more]
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8)
    for number, page in enumerate(pages):
        height, width, channels = page.shape
        colours = channels - len(extra)
        photo = {1: 1, 3: 2, 4: 5}[colours] if photometric is None else photometric
        planar = [page] if planes == 1 else [page[..., [c]] for c in range(channels)]
        blocks = []
        for plane in planar:
            if not tile:
                rows = strip or height
                blocks += [plane[y : y + rows] for y in range(0, height, rows)]
                continue
            rows, columns = -height % tile, -width % tile
            padded = np.pad(plane, ((0, rows), (0, columns), (0, 0)))
            for y in range(0, height, tile):
                blocks += [padded[y : y + tile, x : x + tile] for x in range(0, width, tile)]
        data = []
        for block in blocks:
            values = differences(block) if predictor == 2 else block
            encode = {1: bytes, 8: zlib.compress, 32773: packbits}[compression]
            stored = encode(packed(values.reshape(len(block), -1), bits, kind, order))
            if fill == 2:
                digits = np.unpackbits(np.frombuffer(stored, np.uint8))
                stored = np.packbits(digits, bitorder="little").tobytes()
            data.append(stored)
        fields: dict[int, tuple[int, str, list[int]]] = {}
        for field in (
            (256, "I", [width]),
            (257, "I", [height]),
            (258, "H", [bits] * channels),
            (259, "H", [compression]),
            (262, "H", [photo]),
            (266, "H", [fill]),
            (277, "H", [channels]),
            (284, "H", [planes]),
            (317, "H", [predictor]),
            (338, "H", list(extra)),
            (339, "H", [kind] * channels),
            *([(320, "H", [v * 257 for v in range(2**bits)] * 3)] if photo == 3 else []),
            *(
                [(322, "I", [tile]), (323, "I", [tile])]
                if tile
                else [(278, "I", [strip or height])]
            ),
            (324 if tile else 273, "I", [0] * len(data)),
            (325 if tile else 279, "I", [len(part) for part in data]),
            *(tags if number == 0 else more_tags),
        ):
            fields[field[0]] = field
        listed = [field for field in fields.values() if field[2]]
        start = 8 + len(body)
        length = len(directory(listed, start, order, 0))
        places, place = [], start + length
        for part in data:
            places.append(place)
            place += len(part) + len(part) % 2
        offsets = 324 if tile else 273
        listed = [(t, k, places if t == offsets else v) for t, k, v in listed]
        made = bytearray(directory(listed, start, order, 0))
        if number < len(pages) - 1:
            struct.pack_into(f"{order}I", made, 2 + 12 * len(listed), place)
        body += bytes(made) + b"".join(part + bytes(len(part) % 2) for part in data)
    return head + body
