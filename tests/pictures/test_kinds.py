"""Kinds of BMP and AVIF against what was written, and true words for those that are not read."""

import struct
from io import BytesIO

import numpy as np
import pytest
from icc import DISPLAY_P3
from PIL import ExifTags, Image, ImageCms

from minimalstyle.errors import ImageError, MinimalstyleWarning
from minimalstyle.pictures import images


def bmp(pixels, masks):
    """A BMP with 16 or 32 bits per pixel and masks for red, green, blue and alpha."""
    height, width = pixels.shape
    bits = pixels.itemsize * 8
    info = struct.pack("<IiiHHIIiiII", 56, width, -height, 1, bits, 3, 0, 0, 0, 0, 0)
    info += struct.pack("<4I", *masks)
    rows = np.pad(pixels, ((0, 0), (0, -width * pixels.itemsize % 4 // pixels.itemsize)))
    start = 14 + len(info)
    data = rows.tobytes()
    return struct.pack("<2sIHHI", b"BM", start + len(data), 0, 0, start) + info + data


@pytest.mark.parametrize(
    ("kind", "masks"),
    [
        ("<u2", (0xF800, 0x7E0, 0x1F, 0)),
        ("<u2", (0x7C00, 0x3E0, 0x1F, 0)),
        ("<u4", (0xFF0000, 0xFF00, 0xFF, 0)),
        ("<u4", (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
        ("<u4", (0xFF000000, 0xFF0000, 0xFF00, 0xFF)),
        ("<u4", (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
    ],
)
def test_bmp_with_masks(kind, masks):
    random = np.random.default_rng(0)
    pixels = random.integers(0, np.iinfo(kind).max, (18, 21), endpoint=True).astype(kind)
    picture = images.load(bmp(pixels, masks))
    channels = [(pixels & mask) / mask for mask in masks if mask]
    alpha = channels[3] if masks[3] else np.ones(pixels.shape)
    if masks[3]:
        np.testing.assert_allclose(picture.alpha, alpha, atol=1e-6)
    expected = np.stack(channels[:3], axis=-1)
    # Pillow cuts what it makes of 5 and 6 bits.
    tolerance = 1.01 / 255 if kind == "<u2" else 1e-6
    seen = alpha >= 0.25
    np.testing.assert_allclose(picture.rgb[seen], expected[seen], atol=tolerance)


@pytest.mark.parametrize(
    ("kind", "masks", "words"),
    [
        ("<u2", (0x7C00, 0x3E0, 0x1F, 0x8000), "has 16-bit pixels with transparency"),
        ("<u2", (0xF00, 0xF0, 0xF, 0xF000), "is of a kind that is not read; save it as PNG"),
        ("<u2", (0xF00, 0xF0, 0xF, 0), "is of a kind that is not read; save it as PNG"),
        ("<u4", (0x3FF00000, 0xFFC00, 0x3FF, 0), "is of a kind that is not read; save it as PNG"),
    ],
)
def test_bmp_of_a_kind_that_is_not_read(kind, masks, words):
    with pytest.raises(ImageError, match=words) as caught:
        images.load(bmp(np.zeros((18, 21), kind), masks))
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"BM" + bytes(200), "is of a kind that is not read; save it as PNG: .* header type"),
        (b"\xff\xd8\xff\xc0\0\x11\x0c\0\x20\0\x20\3" + bytes(99), "not read.*12-bit layers"),
        (b"\xff\xd8\xff\xc0\0\x11\x08\0\x20\0\x20\2" + bytes(99), "not read.*2-layer images"),
        (b"GIF89a", "begins as a GIF, but is damaged or of a rare kind"),
        (b"II*\0\x08\0\0\0\0\0\0\0\0\0", "begins as a TIFF, but is damaged or of a rare kind"),
    ],
)
def test_true_words(data, words):
    with pytest.raises(ImageError, match=words):
        images.load(data)


def avif(rgba, **options):
    buffer = BytesIO()
    options = {"quality": 100, "subsampling": "4:4:4", "speed": 10, **options}
    Image.fromarray(rgba).save(buffer, "AVIF", **options)
    return buffer.getvalue()


Y, X = np.mgrid[0:24, 0:40]
PICTURE = np.stack([X * 6, Y * 10, 120 + X - Y], axis=-1).astype(np.uint8)


def test_avif_that_turns_its_colours_alone():
    """Its alpha plane lies over the colours as they are stored, and is turned with them."""
    alpha = np.where(np.arange(24)[:, None] < 10, 255, 80) * np.ones(40, int)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = avif(np.dstack([PICTURE, alpha]).astype(np.uint8), exif=exif)
    boxes = data.index(b"ipma")
    # Its last properties are its type, and, in files of newer programs, that rotation.
    of_both = data[boxes : boxes + 40].replace(b"\x08\x85", b"\x08\x08")
    alone = data[:boxes] + of_both + data[boxes + 40 :]
    for one in (data, alone):
        picture = images.load(one)
        np.testing.assert_allclose(picture.alpha, np.rot90(alpha, -1) / 255, atol=0.02)
        np.testing.assert_allclose(picture.rgb, np.rot90(PICTURE, -1) / 255, atol=0.03)


def test_colours_of_an_avif():
    """By code points: 12 is Display P3; against LittleCMS with the ICC's profile of it."""
    data = bytearray(avif(PICTURE))
    place = data.index(b"colrnclx") + 8
    plain = images.load(bytes(data))
    assert data[place : place + 4] == b"\0\1\0\x0d"
    data[place + 1] = 12
    expected = ImageCms.profileToProfile(
        Image.fromarray(np.rint(plain.rgb * 255).astype(np.uint8)),
        BytesIO(DISPLAY_P3),
        ImageCms.createProfile("sRGB"),
        outputMode="RGB",
    )
    picture = images.load(bytes(data))
    assert np.abs(picture.rgb - plain.rgb).max() > 0.1
    np.testing.assert_allclose(picture.rgb * 255, np.asarray(expected), atol=1.6)
    data[place + 3] = 16
    with pytest.warns(MinimalstyleWarning, match="HDR, H.273 12, 16"):
        images.load(bytes(data))
