"""Colour profiles that LittleCMS does not write by itself."""

import struct

from PIL import ImageCms


def with_primaries(*primaries: tuple[float, float, float]) -> bytes:
    """The profile of sRGB with these in place of its red, green and blue, adapted to D50."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for tag, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=False):
        (offset,) = struct.unpack_from(">I", data, data.index(tag) + 4)
        struct.pack_into(">3i", data, offset + 8, *(round(v * 65536) for v in xyz))
    return bytes(data)


# As in the profile of that name in the ICC's registry.
DISPLAY_P3 = with_primaries(
    (0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)
)
