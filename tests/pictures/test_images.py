"""Pictures in and out: every kind of file, and every way in which one can be broken."""

import errno
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import zlib
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from icc import with_primaries
from PIL import ExifTags, Image, ImageCms, ImageOps
from tiffs import tiff

from minimalstyle import files
from minimalstyle.errors import ImageError, MinimalstyleWarning, OutputError, UsageError
from minimalstyle.pictures import images, limits, profiles

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
LOSSLESS = (".png", ".tif", ".tiff")


@pytest.fixture(scope="module")
def rgb():
    """Smooth and not symmetric, so that lossy formats keep it and every turn shows."""
    y, x = np.mgrid[0:24, 0:40]
    return np.stack([x * 6, y * 10, 120 + x - y], axis=-1).astype(np.uint8)


def write(path, image, **options):
    Image.fromarray(image).save(path, **options)
    return path


def levels(picture):
    """Back to 8 bits, with half a level of room for float32."""
    return np.rint(picture.rgb * 255).astype(int)


def png(width, height, depth, colour, rows, *extra):
    """A PNG by hand, for what Pillow cannot write."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + b"".join(chunk(*e) for e in extra)
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))
        + chunk(b"IEND", b"")
    )


# Reading


def test_file_gives_floats_and_hash(tmp_path, rgb):
    path = write(tmp_path / "a.png", rgb)
    for source in (path, str(path)):
        picture = images.load(source)
        assert picture.rgb.dtype == np.float32
        assert picture.rgb.flags.c_contiguous
        np.testing.assert_array_equal(picture.rgb, (rgb / 255).astype(np.float32))
        assert picture.alpha is None
        assert picture.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_orientation(tmp_path, rgb, orientation, suffix):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = write(tmp_path / f"a{suffix}", rgb, exif=exif)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    np.testing.assert_array_equal(levels(images.load(path)), expected)


def test_orientation_of_16_bits_and_alpha(tmp_path):
    grey = (np.arange(24 * 40).reshape(24, 40) * 60).astype(np.uint16)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    path = write(tmp_path / "a.png", grey, exif=exif)
    np.testing.assert_allclose(images.load(path).rgb[..., 0], np.rot90(grey, -1) / 65535, atol=1e-7)
    alpha = (grey >> 8).astype(np.uint8)
    path = write(tmp_path / "b.png", np.dstack([alpha, alpha, alpha, alpha]), exif=exif)
    np.testing.assert_allclose(images.load(path).alpha, np.rot90(alpha, -1) / 255, atol=1e-7)


def test_broken_exif_does_not_matter(tmp_path, rgb):
    path = write(tmp_path / "a.png", rgb, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\xff")
    np.testing.assert_array_equal(levels(images.load(path)), rgb)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("1", ".png"),
        ("L", ".png"),
        ("L", ".jpg"),
        ("L", ".bmp"),
        ("P", ".png"),
        ("P", ".gif"),
        ("P", ".bmp"),
        ("RGB", ".bmp"),
        ("RGB", ".ppm"),
        ("RGB", ".webp"),
        ("RGB", ".tif"),
        ("CMYK", ".jpg"),
        ("CMYK", ".tif"),
        ("YCbCr", ".tif"),
    ],
)
def test_modes(tmp_path, rgb, mode, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(rgb).convert(mode).save(path)
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB"))
    picture = images.load(path)
    np.testing.assert_array_equal(levels(picture), expected)
    assert picture.alpha is None


def test_lab(tmp_path):
    lab = Image.new("LAB", (16, 16), (255, 128, 128))  # white
    lab.save(tmp_path / "a.tif")
    assert levels(images.load(tmp_path / "a.tif")).min() >= 254


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_alpha(tmp_path, rgb, suffix):
    alpha = rgb[..., 1]
    options = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    picture = images.load(write(tmp_path / f"a{suffix}", np.dstack([rgb, alpha]), **options))
    np.testing.assert_array_equal(levels(picture)[alpha >= 64], rgb[alpha >= 64])
    np.testing.assert_array_equal(picture.alpha, (alpha / 255).astype(np.float32))


def test_grey_with_alpha(tmp_path, rgb):
    grey, alpha = rgb[..., 0], rgb[..., 1]
    image = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])
    image.save(tmp_path / "a.png")
    for source in (tmp_path / "a.png", image, image.convert("La")):
        picture = images.load(source)
        np.testing.assert_array_equal(picture.alpha, (alpha / 255).astype(np.float32))
    seen = alpha >= 64
    np.testing.assert_array_equal(levels(images.load(image))[seen], np.dstack([grey] * 3)[seen])


def test_transparent_colour(tmp_path, rgb):
    grey = rgb[..., 0]
    for image in (Image.fromarray(grey), Image.fromarray(grey).convert("P")):
        image.save(tmp_path / "a.png", transparency=60)
        with Image.open(tmp_path / "a.png") as reopened:
            expected = np.asarray(reopened.convert("RGBA"))
        picture = images.load(tmp_path / "a.png")
        np.testing.assert_array_equal(picture.alpha == 0, expected[..., 3] == 0)
        assert (picture.alpha == 0).any()
        visible = picture.alpha == 1
        np.testing.assert_array_equal(levels(picture)[visible], expected[visible, :3])


def test_16_bits(tmp_path):
    deep = np.linspace(0, 65535, 24 * 40).reshape(24, 40).astype(np.uint16)
    for suffix in (".png", ".tif"):
        picture = images.load(write(tmp_path / f"a{suffix}", deep))
        for channel in range(3):
            np.testing.assert_allclose(picture.rgb[..., channel], deep / 65535, atol=1e-7)
    (tmp_path / "a.pgm").write_bytes(b"P5 40 24 65535\n" + deep.astype(">u2").tobytes())
    picture = images.load(tmp_path / "a.pgm")
    np.testing.assert_allclose(picture.rgb[..., 0], deep / 65535, atol=1e-7)


@pytest.fixture(scope="module")
def deep():
    """RGBA of 16 bits; every byte counts."""
    return np.random.default_rng(0).integers(0, 65536, (18, 21, 4)).astype(np.uint16)


def deep_tiff(pixels, order, planes=1, tags=()):
    extra = (2,) if pixels.shape[2] == 4 else ()
    return tiff(pixels, bits=16, order=order, planes=planes, extra=extra, tags=tags)


def check_deep(path, data, expected):
    path.write_bytes(data)
    picture = images.load(path)
    channels = np.atleast_3d(expected)
    seen = channels[..., -1] >= (65535 / 4 if channels.shape[2] == 4 else 0)
    np.testing.assert_allclose(picture.rgb[seen], channels[seen, :3] / 65535, atol=1e-7)
    if channels.shape[2] == 4:
        np.testing.assert_allclose(picture.alpha, channels[..., 3] / 65535, atol=1e-7)
    else:
        assert picture.alpha is None


def test_16_bits_in_colour(tmp_path, deep):
    """Pillow alone keeps the upper 8."""
    for channels, colour in ((3, 2), (4, 6)):
        data = png(21, 18, 16, colour, deep[..., :channels].astype(">u2"))
        check_deep(tmp_path / "a.png", data, deep[..., :channels])
        for order in "<>":
            data = deep_tiff(deep[..., :channels], order)
            check_deep(tmp_path / "a.tif", data, deep[..., :channels])
    grey = deep[..., [0, 0, 0, 3]]
    check_deep(tmp_path / "a.png", png(21, 18, 16, 4, deep[..., [0, 3]].astype(">u2")), grey)


def test_16_bits_are_turned_upright(tmp_path, deep):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = png(21, 18, 16, 6, deep.astype(">u2"), (b"eXIf", exif.tobytes()[6:]))
    check_deep(tmp_path / "a.png", data, np.rot90(deep, -1))
    data = deep_tiff(deep, ">", 1, ((274, "H", [6]),))
    check_deep(tmp_path / "a.tif", data, np.rot90(deep, -1))


def test_16_bits_with_a_profile(tmp_path, deep):
    """sRGB changes nothing; another is applied to what 8 bits hold of the picture."""
    rows = deep[..., :3].astype(">u2")
    for profile, tolerance in ((profiles.srgb_bytes(), 1 / 255), (wide_gamut(), 1.01 / 255)):
        chunk = (b"iCCP", b"name\0\0" + zlib.compress(profile))
        (tmp_path / "a.png").write_bytes(png(21, 18, 16, 2, rows, chunk))
        shallow = write(tmp_path / "b.png", (rows >> 8).astype(np.uint8), icc_profile=profile)
        difference = images.load(tmp_path / "a.png").rgb - images.load(shallow).rgb
        assert 0.3 / 255 < np.abs(difference).max() <= tolerance
    (tmp_path / "c.png").write_bytes(png(21, 18, 16, 2, rows))
    srgb = (b"iCCP", b"name\0\0" + zlib.compress(profiles.srgb_bytes()))
    (tmp_path / "a.png").write_bytes(png(21, 18, 16, 2, rows, srgb))
    plain, tagged = (images.load(tmp_path / name).rgb for name in ("c.png", "a.png"))
    np.testing.assert_array_equal(plain, tagged)


def test_16_bits_in_planes_are_refused(tmp_path, deep):
    """Pillow makes noise of them without a word."""
    (tmp_path / "a.tif").write_bytes(deep_tiff(deep[..., :3], "<", 2))
    assert "save it with interleaved channels" in refused(tmp_path / "a.tif")


def test_float_tiff(tmp_path):
    values = np.linspace(0, 1, 24 * 40, dtype=np.float32).reshape(24, 40)
    picture = images.load(write(tmp_path / "a.tif", values))
    np.testing.assert_array_equal(picture.rgb, np.dstack([values] * 3))
    for bad in (values * 255, values - 0.5, np.where(values > 0.5, np.nan, values)):
        write(tmp_path / "b.tif", bad.astype(np.float32))
        with pytest.raises(ImageError, match=r"b\.tif: has float32 values from .* finite floats"):
            images.load(tmp_path / "b.tif")


@pytest.mark.parametrize("source", ["1", "L", "P", "RGB", "RGBA", "CMYK"])
def test_pil_images(rgb, source):
    image = Image.fromarray(rgb).convert(source)
    before = image.tobytes()
    picture = images.load(image)
    np.testing.assert_array_equal(levels(picture), np.asarray(image.convert("RGB")))
    assert picture.sha256 is None
    assert image.tobytes() == before


def test_arrays(rgb):
    grey = rgb[..., 0]
    expected = (rgb / 255).astype(np.float32)
    for array in (rgb, rgb.astype(np.uint16) * 257, rgb / 255, expected, expected.astype(">f4")):
        picture = images.load(array)
        np.testing.assert_allclose(picture.rgb, expected, atol=1e-7)
        assert picture.rgb.dtype == np.float32
        assert picture.alpha is None
    np.testing.assert_array_equal(images.load(grey).rgb, np.dstack([grey / 255] * 3).astype("f4"))
    with_alpha = images.load(np.dstack([rgb, grey]))
    np.testing.assert_array_equal(with_alpha.rgb[grey >= 64], expected[grey >= 64])
    np.testing.assert_array_equal(with_alpha.alpha, (grey / 255).astype(np.float32))
    assert images.load(np.dstack([rgb, np.full_like(grey, 255)])).alpha is None
    assert not np.shares_memory(images.load(expected).rgb, expected)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((16, 16, 2)), "shape 16x16x2"),
        (np.zeros((16,)), "shape 16;"),
        (np.zeros((2, 16, 16, 3)), "shape 2x16x16x3"),
        (np.zeros((15, 100, 3)), "100x15 pixels"),
        (np.zeros((0, 0, 3)), "0x0 pixels"),
        (np.full((16, 16, 3), 255.0), "from 255 to 255"),
        (np.full((16, 16, 3), np.nan), "from nan to nan"),
        (np.full((16, 16, 3), -np.inf), "from -inf"),
        (np.zeros((16, 16), bool), "bool"),
        (np.zeros((16, 16), complex), "complex"),
        (np.zeros((16, 16), object), "object"),
        (np.full((16, 16), -1), "int64"),
        (np.full((16, 16), 70000, np.int32), "70000"),
    ],
)
def test_bad_arrays(array, message):
    with pytest.raises(ImageError, match=message):
        images.load(array)


def test_bytes_and_open_files(tmp_path, rgb):
    """As the path; an open file is read from its beginning, and stays open."""
    for suffix in (".png", ".tif", ".jpg"):
        path = write(tmp_path / f"a{suffix}", rgb)
        expected = images.load(path)
        data = path.read_bytes()
        with path.open("rb") as file, path.open("rb", buffering=0) as unbuffered:
            stream = BytesIO(data)
            stream.seek(7)
            sources = (data, bytearray(data), memoryview(data), stream, stream, file, unbuffered)
            for source in sources:
                picture = images.load(source)
                np.testing.assert_array_equal(picture.rgb, expected.rgb)
                assert picture.sha256 == expected.sha256
                mask = images.load_mask(source)
                np.testing.assert_array_equal(mask.rgb, expected.rgb)
            assert not file.closed
    with pytest.raises(ImageError, match=r"^picture: damaged"):
        images.load(data[:200])
    with (
        path.open("rb") as file,
        pytest.raises(ImageError, match=r"a\.jpg: damaged or incomplete: "),
    ):
        short = BytesIO(file.read()[:-300])
        short.name = str(path)
        images.load(short)


class Pipe(BytesIO):
    """Cannot be rewound."""

    def seekable(self):
        return False

    def seek(self, *_):
        raise OSError("not seekable")


def test_a_pipe(tmp_path, rgb):
    data = write(tmp_path / "a.png", rgb).read_bytes()
    np.testing.assert_array_equal(levels(images.load(Pipe(data))), rgb)


@pytest.mark.parametrize("source", [None, 5, 0.5, [1, 2], {"a": 1}, object(), images.Picture, ()])
def test_what_is_no_source(source):
    for load in (images.load, images.load_mask):
        with pytest.raises(ImageError, match="a picture is a path, bytes, a binary file") as caught:
            load(source)
        assert "\n" not in str(caught.value)


def test_open_files_that_cannot_be_read(tmp_path, rgb):
    path = write(tmp_path / "a.png", rgb)
    (tmp_path / "a.txt").write_text("text")
    with (tmp_path / "a.txt").open() as text, pytest.raises(ImageError, match="binary mode"):
        images.load(text)
    with path.open("rb") as closed:
        pass
    with path.open("ab") as write_only:
        for source, words in (
            (closed, r"a\.png: cannot be read: "),
            (write_only, r"a\.png: cannot be read: "),
            (b"", r"picture: is empty \(0 bytes\)"),
            (BytesIO(), r"picture: is empty \(0 bytes\)"),
        ):
            with pytest.raises(ImageError, match=words):
                images.load(source)


# Colour profiles


def wide_gamut():
    """ICC profile of a display like Adobe RGB: lcms writes only sRGB, so its primaries change."""
    return with_primaries((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609))


def grey_profile(gamma):
    """ICC profile for grey with a power curve, by hand."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    table = struct.pack(">I", 2)
    start = 128 + 4 + 2 * 12
    table += b"kTRC" + struct.pack(">II", start, len(curve))
    table += b"wtpt" + struct.pack(">II", start + len(curve), len(white))
    header = bytearray(128)
    header[8:12] = b"\x02\x10\0\0"
    header[12:24] = b"mntrGRAYXYZ "
    header[36:40] = b"acsp"
    header[68:80] = struct.pack(">3i", 63190, 65536, 54061)
    body = bytes(header) + table + curve + white
    return struct.pack(">I", len(body)) + body[4:]


def test_srgb_profile_changes_nothing(tmp_path, rgb):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = write(tmp_path / "a.png", rgb, icc_profile=profile)
    np.testing.assert_array_equal(levels(images.load(path)), rgb)


def test_profile_is_converted(tmp_path, rgb):
    profile = wide_gamut()
    expected = ImageCms.profileToProfile(
        Image.fromarray(rgb), BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    for suffix in (".png", ".tif"):
        path = write(tmp_path / f"a{suffix}", rgb, icc_profile=profile)
        np.testing.assert_array_equal(levels(images.load(path)), np.asarray(expected))
    assert np.abs(np.asarray(expected).astype(int) - rgb).max() > 10
    alpha = rgb[..., 1]
    picture = images.load(write(tmp_path / "b.png", np.dstack([rgb, alpha]), icc_profile=profile))
    seen = alpha >= 64
    np.testing.assert_array_equal(levels(picture)[seen], np.asarray(expected)[seen])
    np.testing.assert_array_equal(picture.alpha, (alpha / 255).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_linear_grey_is_converted(tmp_path, dtype):
    most = 1 if dtype == np.float32 else np.iinfo(dtype).max
    linear = np.linspace(0, most, 16 * 64).reshape(16, 64).astype(dtype)
    path = write(tmp_path / "a.tif", linear, icc_profile=grey_profile(1.0))
    v = linear / most
    expected = np.where(v <= 0.0031308, 12.92 * v, 1.055 * v ** (1 / 2.4) - 0.055)
    picture = images.load(path)
    bright = v > 0.02  # below, 256 nodes are coarse for so steep a curve
    np.testing.assert_allclose(picture.rgb[bright, 0], expected[bright], atol=0.006)
    np.testing.assert_allclose(picture.rgb[..., 0], picture.rgb[..., 2], atol=0.006)


def test_rgb_profile_on_grey(tmp_path, rgb):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    deep = rgb[..., 0].astype(np.uint16) * 250 + 7
    picture = images.load(write(tmp_path / "a.png", deep, icc_profile=profile))
    np.testing.assert_allclose(picture.rgb[..., 1], deep / 65535, atol=1e-6)


@pytest.mark.parametrize("profile", [b"nonsense", b"\0" * 200, grey_profile(1.0)])
def test_useless_profile_is_ignored_with_a_warning(tmp_path, rgb, profile):
    path = write(tmp_path / "a.png", rgb, icc_profile=profile)
    with pytest.warns(MinimalstyleWarning, match=r"a\.png: colour profile ignored: "):
        picture = images.load(path)
    np.testing.assert_array_equal(levels(picture), rgb)


# Several frames


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".tif"])
def test_first_frame_and_one_warning(tmp_path, rgb, suffix):
    frames = [Image.fromarray(a) for a in (rgb, 255 - rgb, rgb // 2)]
    path = tmp_path / f"a{suffix}"
    options = {"lossless": True} if suffix == ".webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    with pytest.warns(MinimalstyleWarning, match="several frames") as caught:
        picture = images.load(path)
    assert len(caught) == 1
    assert np.abs(levels(picture) - rgb).max() <= (40 if suffix == ".gif" else 0)


def test_second_jpeg_of_a_phone_is_no_frame(tmp_path, rgb):
    image = Image.fromarray(rgb)
    image.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[image.resize((16, 16))])
    assert images.load(tmp_path / "a.jpg").rgb.shape == (24, 40, 3)


# Bad files


def refused(path):
    """The message of the ImageError, after what holds for all of them."""
    with pytest.raises(ImageError) as caught:
        images.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_not_a_picture(tmp_path, rgb):
    assert "no such file" in refused(tmp_path / "none.jpg")
    assert "is a folder" in refused(tmp_path)
    (tmp_path / "empty.jpg").touch()
    assert "0 bytes" in refused(tmp_path / "empty.jpg")
    for text in (b"just a text", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", bytes(99)):
        (tmp_path / "text.jpg").write_bytes(text)
        assert "is not a picture (JPEG" in refused(tmp_path / "text.jpg")
    assert "no such file" in refused(tmp_path / "a.png" / "b.png")
    assert "cannot be read" in refused(tmp_path / ("n" * 300))
    write(tmp_path / "file.png", rgb)
    assert "cannot be read" in refused(tmp_path / "file.png" / "b.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert "not a regular file" in refused(tmp_path / "pipe.png")


@pytest.mark.parametrize("size", [(1, 1), (15, 400), (400, 15)])
def test_too_small(tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "a.png")
    assert f"{size[0]}x{size[1]} pixels; both sides need" in refused(tmp_path / "a.png")
    with pytest.raises(ImageError, match="both sides"):
        images.load(Image.new("RGB", size))


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".png", {}),
        (".jpg", {}),
        (".jpg", {"progressive": True}),
        (".webp", {}),
        (".gif", {}),
        (".bmp", {}),
        (".ppm", {}),
        (".tif", {}),
        (".tif", {"compression": "tiff_lzw"}),
        (".tif", {"compression": "tiff_deflate"}),
    ],
)
def test_truncated(tmp_path, rgb, suffix, options, capfd):
    whole = write(tmp_path / f"a{suffix}", np.tile(rgb, (2, 2, 1)), **options).read_bytes()
    expected = images.load(tmp_path / f"a{suffix}").rgb
    path = tmp_path / f"b{suffix}"
    refusals = 0
    for length in np.linspace(1, len(whole) - 1, 60).astype(int):
        path.write_bytes(whole[:length])
        try:
            picture = images.load(path)
        except ImageError as error:
            assert str(error).startswith(f"{path}: ")
            assert "\n" not in str(error)
            refusals += 1
        else:  # nothing but a trailer is missing
            np.testing.assert_array_equal(picture.rgb, expected)
    assert refusals >= 50
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".gif", ".tif", ".bmp"])
def test_flipped_bytes_give_our_own_errors_only(tmp_path, rgb, suffix, capfd):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    options = {} if suffix in (".gif", ".bmp") else {"exif": exif, "icc_profile": wide_gamut()}
    if suffix == ".tif":
        options["compression"] = "tiff_lzw"  # libtiff complains on stderr by itself
    whole = write(tmp_path / f"a{suffix}", rgb, **options).read_bytes()
    random = np.random.default_rng(1)
    for _ in range(150):
        data = bytearray(whole)
        for place in random.integers(0, len(data), random.integers(1, 4)):
            data[place] = random.integers(256)
        path = tmp_path / f"b{suffix}"
        path.write_bytes(data)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(limits, "MAX_PIXELS", 10**6)
            try:
                assert np.isfinite(images.load(path).rgb).all()
            except ImageError as error:
                assert "\n" not in str(error)
            except MinimalstyleWarning:
                pass
    assert capfd.readouterr() == ("", "")


def test_bomb_names_the_limit(tmp_path):
    row = np.zeros(0, np.uint8)
    for width, height in ((15000, 15000), (2**31 - 1, 2**31 - 1), (images.MAX_PIXELS, 16)):
        path = tmp_path / "a.png"
        path.write_bytes(png(width, height, 8, 2, [row]))
        assert "more than 178,000,000 pixels" in refused(path)


def test_limit_is_our_own(tmp_path, rgb, monkeypatch):
    path = write(tmp_path / "a.png", rgb)
    monkeypatch.setattr(limits, "MAX_PIXELS", 40 * 24 - 1)
    assert "has more than 959 pixels, the limit" in refused(path)
    with pytest.raises(ImageError, match="more than 959 pixels"):
        images.load(Image.fromarray(rgb))
    monkeypatch.setattr(limits, "MAX_PIXELS", 40 * 24)
    assert images.load(path).rgb.shape == (24, 40, 3)


def test_a_limit_that_is_lifted(tmp_path, rgb, monkeypatch):
    """Ours and Pillow's, for a while."""
    path = write(tmp_path / "a.png", rgb)
    monkeypatch.setattr(limits, "MAX_PIXELS", 40 * 24 - 1)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 24 // 2 - 1)
    with limits.lifted(40 * 24):
        assert images.load(path).rgb.shape == (24, 40, 3)
    assert "more than 959 pixels, the limit; make it smaller, or lift it: --max-p" in refused(path)
    with limits.lifted(40 * 24 - 1):
        assert "more than 959 pixels" in refused(path)
    assert Image.MAX_IMAGE_PIXELS == 40 * 24 // 2 - 1


def test_declared_size_is_not_allocated(tmp_path, rgb):
    """12000 x 12000 pixels in a header over nothing: refused at once, in little memory."""
    huge = struct.pack(">HH", 12000, 12000)
    (tmp_path / "a.png").write_bytes(png(12000, 12000, 8, 2, [np.zeros(30, np.uint8)]))
    jpeg = write(tmp_path / "a.jpg", rgb).read_bytes()
    size = jpeg.index(b"\xff\xc0") + 5
    (tmp_path / "a.jpg").write_bytes(jpeg[:size] + huge + jpeg[size + 4 :])
    tiff = write(tmp_path / "a.tif", rgb, compression="tiff_lzw", bigtiff=False).read_bytes()
    for tag, value in ((256, 40), (257, 24), (278, 24)):  # width, height, rows in a strip
        short = struct.pack("<HHIHH", tag, 3, 1, value, 0)
        long = struct.pack("<HHII", tag, 4, 1, value)
        assert short in tiff or long in tiff
        for entry in (short, long):
            tiff = tiff.replace(entry, struct.pack("<HHII", tag, 4, 1, 12000))
    (tmp_path / "a.tif").write_bytes(tiff)
    code = """
import resource, sys
from minimalstyle.pictures import images
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        images.load(path)
        sys.exit("not refused")
    except images.ImageError:
        pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    command = [sys.executable, "-c", code, *(tmp_path / f"a{s}" for s in (".png", ".jpg", ".tif"))]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stderr == ""
    assert int(run.stdout) < 100  # MiB


def test_closed_stderr_is_not_mistaken_for_the_picture(tmp_path, rgb):
    path = write(tmp_path / "a.tif", rgb, compression="tiff_lzw")
    code = "import sys; from minimalstyle.pictures import images; images.load(sys.argv[1])"
    shell = 'exec "$0" -c "$1" "$2" 2>&-'
    subprocess.run(["/bin/sh", "-c", shell, sys.executable, code, path], check=True)


def test_heic_without_plugin_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    assert "pip install pillow-heif" in refused(path)


@contextmanager
def without_privileges():
    """Root may do everything: be nobody meanwhile."""
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture
def folder():
    """Open to everyone, up to the root."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def test_unreadable_file(folder, rgb):
    path = write(folder / "a.png", rgb)
    path.chmod(0)
    with without_privileges():
        assert "Permission denied" in refused(path)


# Sizes


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_resize_agrees_with_box_average(factor):
    y, x = np.mgrid[0:60, 0:90] / 90
    smooth = (0.5 + 0.3 * np.sin(4 * x + 3 * y)).astype(np.float32)
    small = images.resize(smooth, 90 // factor, 60 // factor)
    box = smooth.reshape(60 // factor, factor, 90 // factor, factor).mean((1, 3))
    np.testing.assert_allclose(small[2:-2, 2:-2], box[2:-2, 2:-2], atol=0.005)
    assert abs(small.mean() - smooth.mean()) < 1e-3


def test_fine_checkerboard_becomes_grey():
    """1 pixel, 2 pixels: what sampling would turn into stripes or into all black."""
    for cell, factor in ((1, 2), (1, 3), (1, 7), (2, 5), (3, 10)):
        y, x = np.mgrid[0 : 30 * factor, 0 : 24 * factor] // cell
        small = images.resize(((x + y) % 2).astype(np.float32), 24, 30)
        np.testing.assert_allclose(small[4:-4, 4:-4], 0.5, atol=0.03)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_every_pixel_counts_by_its_area(factor):
    """The mean of noise stays, and so do the means of large blocks: nothing is skipped."""
    noise = np.random.default_rng(0).random((32 * factor, 48 * factor), np.float32)
    small = images.resize(noise, 48, 32)
    box = noise.reshape(32, factor, 48, factor).mean((1, 3))
    assert abs(small.mean() - noise.mean()) < 2e-4
    blocks = [a.reshape(4, 8, 6, 8).mean((1, 3)) for a in (small, box)]
    np.testing.assert_allclose(*blocks, atol=0.01)
    assert small.std() < 1.3 * box.std()  # a sample alone has `factor` times that


def test_resize_does_not_alias():
    stripes = np.zeros((64, 64), np.float32)
    stripes[:, ::2] = 1
    for width in (16, 21, 30):
        small = images.resize(stripes, width, 64)
        np.testing.assert_allclose(small[:, 3:-3], 0.5, atol=0.02)


@pytest.mark.parametrize("size", [(16, 16), (40, 90), (300, 16), (24, 40)])
def test_resize_shape_range_and_constants(rgb, size):
    width, height = size
    picture = images.load(rgb)
    result = images.resize(picture.rgb, width, height)
    assert result.shape == (height, width, 3)
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= 1
    for channel in range(3):
        alone = images.resize(picture.rgb[..., channel], width, height)
        np.testing.assert_array_equal(alone, result[..., channel])
    constant = np.full((37, 53, 3), 0.3, np.float32)
    np.testing.assert_allclose(images.resize(constant, width, height), 0.3, atol=1e-6)


def test_resize_to_the_same_size_is_a_copy(rgb):
    picture = images.load(rgb).rgb
    same = images.resize(picture, 40, 24)
    np.testing.assert_array_equal(same, picture)
    assert not np.shares_memory(same, picture)


@pytest.mark.parametrize(
    ("width", "height", "side", "expected"),
    [
        (600, 400, 300, (300, 200)),
        (400, 600, 300, (200, 300)),
        (16, 16, 1000, (1000, 1000)),
        (10000, 20, 512, (512, 16)),
        (20, 10000, 512, (16, 512)),
        (1001, 999, 512, (512, 511)),
    ],
)
def test_fit(width, height, side, expected):
    assert images.fit(width, height, side) == expected


# Writing


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip(tmp_path, rgb, suffix):
    path = tmp_path / f"a{suffix.upper()}"
    recipe = {"settings": {"size": 512, "name": "Zoë"}, "seed": 3}
    images.save(path, rgb, metadata=recipe)
    picture = images.load(path)
    assert np.abs(levels(picture) - rgb).max() <= (0 if suffix in LOSSLESS else 8)
    with Image.open(path) as image:
        profile = ImageCms.ImageCmsProfile(BytesIO(image.info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileDescription(profile)
        if suffix == ".png":
            text = image.text["minimalstyle"]
        elif image.format == "TIFF":
            text = image.tag_v2[ExifTags.Base.ImageDescription]
        else:
            comment = image.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
            assert comment[:8] == b"ASCII\0\0\0"
            text = comment[8:]
        if image.format == "JPEG":
            assert image.layer[0][1:3] == image.layer[1][1:3]  # 4:4:4
    assert json.loads(text) == recipe
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    first = path.read_bytes()
    images.save(path, rgb, metadata=recipe)
    assert path.read_bytes() == first


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_alpha_is_kept_where_it_can_be(tmp_path, rgb, suffix):
    alpha = np.linspace(0, 1, 24 * 40, dtype=np.float32).reshape(24, 40)
    images.save(tmp_path / f"a{suffix}", rgb, alpha=alpha)
    read = images.load(tmp_path / f"a{suffix}").alpha
    if suffix in (".jpg", ".jpeg"):
        assert read is None
    else:
        np.testing.assert_allclose(read, alpha, atol=0.5 / 255 + 1e-6)


def test_floats_are_rounded_not_cut(tmp_path):
    values = (np.arange(256) / 255).astype(np.float32).reshape(16, 16)
    image = np.dstack([values, values, values])
    images.save(tmp_path / "a.png", image + np.float32(0.4 / 255) * (image < 1))
    np.testing.assert_array_equal(
        levels(images.load(tmp_path / "a.png"))[..., 0].ravel(), range(256)
    )
    with pytest.raises(ImageError, match="nan"):
        images.save(tmp_path / "b.png", np.full((16, 16, 3), np.nan))
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("with_alpha", [False, True])
def test_16_bits_out(tmp_path, deep, suffix, with_alpha):
    """What Pillow finds in the file, and what is read of it again."""
    rgb, alpha = deep[..., :3], deep[..., 3] if with_alpha else None
    recipe = {"settings": {"name": "Zoë"}}
    path = tmp_path / f"a{suffix}"
    images.save(path, rgb, alpha, recipe, bits=16)
    with Image.open(path) as image:
        assert image.mode == ("RGBA" if with_alpha else "RGB")
        np.testing.assert_array_equal(np.asarray(image), deep[..., : 3 + with_alpha] >> 8)
        assert image.info["icc_profile"] == profiles.srgb_bytes()
        text = image.tag_v2[270] if image.format == "TIFF" else image.text["minimalstyle"]
        assert json.loads(text) == recipe
    check_deep(path, path.read_bytes(), deep[..., : 3 + with_alpha])
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    images.save(path, rgb, bits=16)  # nothing but the picture
    check_deep(path, path.read_bytes(), rgb)


def test_png_of_16_bits_byte_by_byte(tmp_path, deep):
    """Chunks with right checksums in the right order, and the rows that the filter promises."""
    images.save(tmp_path / "a.png", deep[..., :3], metadata={}, bits=16)
    data, place, chunks = (tmp_path / "a.png").read_bytes(), 8, []
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind, content = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", data, place + 8 + length) == (zlib.crc32(kind + content),)
        chunks.append((kind, content))
        place += 12 + length
    assert [kind for kind, _ in chunks] == [b"IHDR", b"iCCP", b"tEXt", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[0][1]) == (21, 18, 16, 2, 0, 0, 0)
    rows = np.frombuffer(zlib.decompress(chunks[3][1]), np.uint8).reshape(18, 1 + 21 * 6)
    assert (rows[:, 0] == 2).all()  # "up": the sum of all rows so far, modulo 256
    values = np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8).view(">u2").reshape(18, 21, 3)
    np.testing.assert_array_equal(values, deep[..., :3])


def test_tiff_of_16_bits_has_its_directory_at_an_even_place(tmp_path, deep):
    lengths = set()
    for height in range(16, 19):
        for width in range(16, 21):
            images.save(tmp_path / "a.tif", deep[:height, :width, :3] >> 9, bits=16)
            data = (tmp_path / "a.tif").read_bytes()
            (place,) = struct.unpack_from("<I", data, 4)
            assert place % 2 == 0
            stream = zlib.decompressobj()
            stream.decompress(data[8:])
            lengths.add((len(data) - 8 - len(stream.unused_data)) % 2)
    assert lengths == {0, 1}


def test_tiff_of_16_bits_byte_by_byte(tmp_path, deep):
    images.save(tmp_path / "a.tif", deep[..., :3], bits=16)
    data = (tmp_path / "a.tif").read_bytes()
    order, version, place = struct.unpack_from("<2sHI", data)
    assert (order, version, place % 2) == (b"II", 42, 0)
    (count,) = struct.unpack_from("<H", data, place)
    entries = [struct.unpack_from("<HHII", data, place + 2 + 12 * n) for n in range(count)]
    tags = [tag for tag, *_ in entries]
    assert tags == sorted(set(tags))
    assert struct.unpack_from("<I", data, place + 2 + 12 * count) == (0,)  # no second page
    value = {tag: value for tag, _, _, value in entries}
    assert (value[256], value[257], value[262], value[277], value[278]) == (21, 18, 2, 3, 18)
    assert struct.unpack_from("<3H", data, value[258]) == (16, 16, 16)
    assert (value[259], value[317]) == (8, 2)  # deflate, horizontal differences
    strip = zlib.decompress(data[value[273] : value[273] + value[279]])
    rows = np.frombuffer(strip, "<u2").reshape(18, 21, 3)
    np.testing.assert_array_equal(np.cumsum(rows, axis=1, dtype=np.uint16), deep[..., :3])


def test_16_bits_are_rounded_not_cut(tmp_path):
    values = np.arange(65536).reshape(256, 256)
    for offset in (-0.45, 0.0, 0.45):
        floats = np.clip((values + offset) / 65535, 0, 1)
        np.testing.assert_array_equal(images.sixteen_bits(floats), values)
    np.testing.assert_array_equal(
        images.sixteen_bits(np.arange(256, dtype=np.uint8)), np.arange(256) * 257
    )
    deep = values.astype(np.uint16)
    assert images.sixteen_bits(deep) is deep
    np.testing.assert_array_equal(images.eight_bits(deep), np.rint(values / 257))
    smooth = np.stack([values / 65535] * 3, axis=-1)
    images.save(tmp_path / "a.png", smooth, bits=16)
    assert np.abs(images.load(tmp_path / "a.png").rgb - smooth).max() <= 0.51 / 65535


@pytest.mark.parametrize("name", ["a.jpg", "a.jpeg", "a.webp"])
def test_16_bits_where_there_are_8(tmp_path, rgb, name):
    for call in (
        lambda path, bits: images.save(path, rgb, bits=bits),
        lambda path, bits: images.check_writable(path, 512, bits),
    ):
        with pytest.raises(
            UsageError, match=r"holds 8 bits per channel; use \.png or \.tif for 16"
        ):
            call(tmp_path / name, 16)
        with pytest.raises(UsageError, match="12 bits per channel; there are 8 and 16"):
            call(tmp_path / "a.png", 12)
    images.check_writable(tmp_path / "a.tif", 512, 16)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a", "a.bmp", "a.png.txt", ".png", ""])
def test_unknown_suffix(tmp_path, rgb, name):
    for call in (lambda p: images.save(p, rgb), images.check_writable):
        with pytest.raises(UsageError, match=r"use one of \.png, \.jpg"):
            call(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_what_the_format_cannot_hold(tmp_path):
    images.check_writable(tmp_path / "a.png", 20000)
    with pytest.raises(UsageError, match=r"at most 16383 pixels a side; use \.png"):
        images.check_writable(tmp_path / "a.webp", 16384)
    with pytest.raises(OutputError, match=r"a\.webp: cannot be encoded as WEBP"):
        images.save(tmp_path / "a.webp", np.zeros((16, 16384, 3), np.uint8))
    with pytest.raises(OutputError, match=r"a\.jpg: cannot be encoded as JPEG"):
        images.save(
            tmp_path / "a.jpg", np.zeros((16, 16, 3), np.uint8), metadata={"a": "b" * 70000}
        )
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_written(tmp_path, rgb):
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    for name, message in (
        ("none/a.png", "none does not exist|No such file"),
        ("file/a.png", "file is not a folder|Not a directory"),
        ("folder.png", "is a folder|not a regular file"),
        ("pipe.png", "not a regular file"),
        ("n" * 300 + ".png", "name too long"),
    ):
        for call in (lambda p: images.save(p, rgb), images.check_writable):
            with pytest.raises(OutputError, match=message) as caught:
                call(tmp_path / name)
            assert "\n" not in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.png", "pipe.png"]


def test_read_only_folder(folder, rgb):
    folder.chmod(0o555)
    for call in (lambda p: images.save(p, rgb), images.check_writable):
        with without_privileges(), pytest.raises(OutputError, match="Permission denied"):
            call(folder / "a.png")
    assert not list(folder.iterdir())


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_failure_leaves_everything_as_it_was(tmp_path, rgb, monkeypatch, function):
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, function, fail)
    with pytest.raises(OutputError, match=r"a\.png: cannot be written: No space left on device"):
        images.save(path, rgb)
    assert path.read_bytes() == b"precious"
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_full_disk_is_found_before_and_after(tmp_path):
    resource = pytest.importorskip("resource")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(OutputError, match="File too large"):
            images.check_writable(tmp_path / "a.png")
        with pytest.raises(OutputError, match="File too large"):
            files.atomic_write(tmp_path / "a.json", bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert not list(tmp_path.iterdir())


def test_interruption_while_writing_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.atomic_write(tmp_path / "a.json", b"{}")
    assert not list(tmp_path.iterdir())


def test_links_and_permissions_are_kept(tmp_path, rgb):
    target, link = tmp_path / "target.png", tmp_path / "link.png"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    images.save(link, rgb)
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    np.testing.assert_array_equal(levels(images.load(target)), rgb)
    files.atomic_write(tmp_path / "new", b"")
    (tmp_path / "plain").touch()
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode
