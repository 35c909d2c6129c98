"""PNGs of every kind by hand, from samples: for what Pillow cannot write."""

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

# Adam7: the first column and row of each pass, and the steps to the next.
PASSES = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4),
    (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
)  # fmt: skip


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    samples: npt.NDArray[Any],
    depth: int = 8,
    colour: int = 2,
    *extra: tuple[bytes, bytes],
    interlaced: bool = False,
) -> bytes:
    """A file of (H, W, C) whole numbers, with further chunks before the pixels."""
    height, width, _ = samples.shape
    passes = PASSES if interlaced else ((0, 0, 1, 1),)
    rows = b""
    for x, y, right, down in passes:
        part = samples[y::down, x::right]
        if not part.size:
            continue
        digits = part.reshape(len(part), -1)[..., None] >> np.arange(depth - 1, -1, -1) & 1
        packed = np.packbits(digits.reshape(len(part), -1).astype(np.uint8), axis=1)
        rows += b"".join(b"\0" + row.tobytes() for row in packed)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return b"".join((
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", header),
        *(chunk(*one) for one in extra),
        chunk(b"IDAT", zlib.compress(rows)),
        chunk(b"IEND", b""),
    ))  # fmt: skip
