"""PNGs of every kind against their own samples, and what their other chunks mean."""

import io
import itertools
import struct
import warnings
import zlib

import numpy as np
import pytest
from icc import DISPLAY_P3
from PIL import Image, ImageCms, PngImagePlugin
from pngs import chunk, png

from minimalstyle.errors import ImageError, MinimalstyleWarning
from minimalstyle.pictures import images
from minimalstyle.pictures import png as chunks

H, W = 18, 21
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}


def load(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return images.load(data)


def kinds():
    for colour, depth, transparent, interlaced in itertools.product(
        CHANNELS, (1, 2, 4, 8, 16), (False, True), (False, True)
    ):
        if (colour == PALETTE and depth == 16) or (colour in (RGB, GREY_ALPHA, RGBA) and depth < 8):
            continue
        if transparent and colour in (GREY_ALPHA, RGBA):
            continue
        yield colour, depth, transparent, interlaced


@pytest.mark.parametrize(("colour", "depth", "transparent", "interlaced"), list(kinds()))
def test_every_kind(colour, depth, transparent, interlaced):
    """W3C PNG, 11.3.2.1: a transparent value counts in the file's own depth."""
    rng = np.random.default_rng(0)
    most = 2**depth - 1
    samples = rng.integers(0, most + 1, (H, W, CHANNELS[colour]))
    extra, palette, alphas = [], np.zeros((0, 3), int), np.zeros(0, int)
    if colour == PALETTE:
        palette = rng.integers(0, 256, (most + 1, 3))
        extra.append((b"PLTE", palette.astype(np.uint8).tobytes()))
    if transparent and colour == PALETTE:
        alphas = rng.integers(0, 256, most + 1)
        extra.append((b"tRNS", alphas.astype(np.uint8).tobytes()))
    elif transparent:
        value = samples[3, 5]
        samples[7, 9] = value
        samples[8:10, 9] = value ^ 1  # another, also in the last bit
        extra.append((b"tRNS", struct.pack(f">{len(value)}H", *value)))
    picture = load(png(samples, depth, colour, *extra, interlaced=interlaced))

    alpha = np.ones((H, W))
    if colour in (GREY_ALPHA, RGBA):
        alpha = samples[..., -1] / most
    if transparent:
        alpha = alphas[samples[..., 0]] / 255 if colour == PALETTE else (samples != value).any(2)
    rgb = samples[..., : 3 if colour in (RGB, RGBA) else 1] / most
    rgb = palette[samples[..., 0]] / 255 if colour == PALETTE else np.broadcast_to(rgb, (H, W, 3))
    if transparent or colour in (GREY_ALPHA, RGBA):
        np.testing.assert_allclose(picture.alpha, alpha, atol=1e-7)
    else:
        assert picture.alpha is None
    seen = alpha >= 0.25
    np.testing.assert_allclose(picture.rgb[seen], rgb[seen], atol=1e-7)


def test_transparent_value_that_is_turned():
    samples = np.arange(H * W).reshape(H, W, 1) * 100
    exif = Image.Exif()
    exif[274] = 6
    for order in (1, -1):
        extra = [(b"tRNS", struct.pack(">H", 700)), (b"eXIf", exif.tobytes()[6:])][::order]
        picture = load(png(samples, 16, GREY, *extra))
        np.testing.assert_array_equal(picture.alpha == 0, np.rot90(samples[..., 0] == 700, -1))


def test_transparent_value_that_is_cut_off():
    with pytest.raises(ImageError, match="its transparent colour is cut off"):
        load(png(np.zeros((H, W, 3), int), 8, RGB, (b"tRNS", bytes(5))))


# Gamma and primaries

SAMPLES = np.random.default_rng(1).integers(0, 65536, (H, W, 3))
SRGB = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
P3_NUMBERS = (0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
ADOBE = (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)


def gama(gamma):
    return b"gAMA", struct.pack(">I", round(gamma * 100_000))


def chrm(numbers):
    return b"cHRM", struct.pack(">8I", *(round(n * 100_000) for n in numbers))


def iccp(profile):
    return b"iCCP", b"name\0\0" + zlib.compress(profile)


def encoded(light):
    """IEC 61966-2-1."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("gamma", [1.0, 1 / 1.8, 0.3])
def test_gamma(gamma):
    """W3C PNG, 11.3.2.2: a sample is light to the power of gamma. All 16 bits count."""
    light = (SAMPLES / 65535) ** (1 / gamma)
    for extra in ((gama(gamma),), (gama(gamma), chrm(SRGB))):
        picture = load(png(SAMPLES, 16, RGB, *extra))
        np.testing.assert_allclose(picture.rgb, encoded(light), atol=2e-5)
    grey = load(png(SAMPLES[..., :1], 16, GREY, gama(gamma)))
    np.testing.assert_allclose(grey.rgb[..., 1], encoded(light[..., 0]), atol=2e-5)
    alpha = np.dstack([SAMPLES, SAMPLES[..., :1] | 1 << 15])
    picture = load(png(alpha, 16, RGBA, gama(gamma)))
    np.testing.assert_allclose(picture.rgb, encoded(light), atol=2e-5)
    np.testing.assert_allclose(picture.alpha, alpha[..., 3] / 65535, atol=1e-7)


def test_palette_with_gamma():
    colours = np.arange(48, dtype=np.uint8).reshape(16, 3) * 5
    samples = np.arange(H * W).reshape(H, W, 1) % 16
    picture = load(png(samples, 4, PALETTE, gama(1.0), (b"PLTE", colours.tobytes())))
    expected = encoded(colours[samples[..., 0]] / 255)
    np.testing.assert_allclose(picture.rgb, expected, atol=1e-5)


@pytest.mark.parametrize(
    "extra",
    [
        (gama(0.45455),),
        (gama(0.45455), chrm(SRGB)),
        (chrm(SRGB),),
        (gama(0.45455), chrm((0.31269, 0.32899, 0.63999, 0.33001, 0.3, 0.6, 0.15, 0.05999))),
        (gama(1.0), chrm(ADOBE), (b"sRGB", b"\0")),
        ((b"sRGB", b"\0"), gama(1.0)),
        (gama(1.0), iccp(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())),
        (gama(1.0), (b"cICP", bytes((1, 13, 0, 1)))),
        ((b"cICP", bytes((1, 13, 0, 1))), iccp(DISPLAY_P3)),
    ],
)
def test_srgb_changes_nothing(extra):
    np.testing.assert_allclose(load(png(SAMPLES, 16, RGB, *extra)).rgb, SAMPLES / 65535, atol=1e-7)


@pytest.mark.parametrize("extra", [(chrm(P3_NUMBERS),), ((b"cICP", bytes((12, 13, 0, 1))),)])
def test_primaries(extra):
    """Against LittleCMS, with the profile that says the same."""
    samples = SAMPLES >> 8
    expected = ImageCms.profileToProfile(
        Image.fromarray(samples.astype(np.uint8)),
        io.BytesIO(DISPLAY_P3),
        ImageCms.createProfile("sRGB"),
        outputMode="RGB",
    )
    rgb = load(png(samples, 8, RGB, *extra)).rgb
    assert np.abs(rgb - samples / 255).max() > 0.1
    np.testing.assert_allclose(rgb * 255, np.asarray(expected), atol=1.6)


def test_gamma_and_primaries():
    """Adobe RGB (1998), section 4.3.5: this matrix to XYZ; IEC 61966-2-1: this one back."""
    to_xyz = np.array(
        [[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]]
    )
    back = np.array(
        [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
    )
    light = np.clip((SAMPLES / 65535) ** 2.2 @ (back @ to_xyz).T, 0, 1)
    picture = load(png(SAMPLES, 16, RGB, gama(1 / 2.2), chrm(ADOBE)))
    np.testing.assert_allclose(picture.rgb, encoded(light), atol=3e-3)


@pytest.mark.parametrize(
    "extra",
    [
        gama(0.0),
        (b"gAMA", b"\xff" * 4),
        chrm([0.0] * 8),
        chrm([0.3] * 8),
        (b"cHRM", b"\xff" * 32),
    ],
)
def test_numbers_that_no_colours_have(extra):
    with pytest.warns(MinimalstyleWarning, match="its colours are taken for sRGB: it has"):
        picture = images.load(png(SAMPLES, 16, RGB, extra))
    np.testing.assert_allclose(picture.rgb, SAMPLES / 65535, atol=1e-7)


@pytest.mark.parametrize("code", [(9, 16), (9, 18), (250, 13)])
def test_colours_that_are_not_converted(code):
    with pytest.warns(
        MinimalstyleWarning, match=f"H.273 {code[0]}, {code[1]}\\) are not converted"
    ):
        images.load(png(SAMPLES, 16, RGB, (b"cICP", bytes((*code, 0, 1)))))


# Texts, profiles, and other chunks

PLAIN = np.random.default_rng(2).integers(0, 256, (H, W, 3))
LONG = b"x" * (3 << 20)


@pytest.mark.parametrize(
    "extra",
    [
        [(b"zTXt", b"a\0\0" + zlib.compress(LONG))],
        [(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(LONG))],
        [(b"zTXt", b"XML:com.adobe.xmp\0\0" + zlib.compress(LONG))],
        [(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + LONG)],
        [(b"tEXt", b"a\0" + LONG)] * 25,
        [(b"zTXt", b"a\0\7" + b"unknown method")],
        [(b"tEXt", b"a\0b"), (b"iTXt", b""), (b"zTXt", b"\xff")],
        [(b"acTL", bytes(8))],
        [(b"acTL", bytes(3)), (b"fcTL", bytes(1)), (b"pHYs", b"")],
        [(b"tIME", b"nonsense"), (b"prVt", b"anything")],
    ],
)
def test_what_does_not_matter_to_pixels(extra):
    picture = load(png(PLAIN, 8, RGB, *extra))
    np.testing.assert_allclose(picture.rgb, PLAIN / 255, atol=1e-7)


XMP = b"<x:xmpmeta><rdf:Description tiff:Orientation='6' tiff:Orientation=\"6\"/></x:xmpmeta>"
EXIF = (
    "\nexif\n      26\n" + (b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0").hex() + "\n"
)


@pytest.mark.parametrize(
    "text",
    [
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP)),
        (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(EXIF.encode())),
    ],
)
def test_orientation_in_a_text(text):
    for place in (0, 1):
        others = [(b"zTXt", b"a\0\0" + zlib.compress(LONG))]
        others.insert(place, text)
        picture = load(png(PLAIN, 8, RGB, *others))
        np.testing.assert_allclose(picture.rgb, np.rot90(PLAIN, -1) / 255, atol=1e-7)


def test_large_profile():
    """A few MB are real; they are read, and used."""
    small = load(png(PLAIN, 8, RGB, iccp(DISPLAY_P3))).rgb
    noise = np.random.default_rng(0).bytes(5 << 20)
    large = struct.pack(">I", len(DISPLAY_P3 + noise)) + DISPLAY_P3[4:] + noise
    np.testing.assert_array_equal(load(png(PLAIN, 8, RGB, iccp(large))).rgb, small)
    for content in (iccp(bytes(17 << 20)), (b"iCCP", b"name\0\0nonsense"), (b"iCCP", b"")):
        with pytest.warns(MinimalstyleWarning, match="colour profile ignored"):
            picture = images.load(png(PLAIN, 8, RGB, content))
        np.testing.assert_allclose(picture.rgb, PLAIN / 255, atol=1e-7)


def test_chunk_that_is_needed_and_unknown():
    """As in what a compiler for phones makes of a PNG."""
    data = png(PLAIN)
    data = data[:8] + chunk(b"CgBI", bytes(4)) + data[8:]
    with pytest.raises(ImageError, match="is a PNG with the chunk CgBI") as caught:
        images.load(data)
    assert "damaged" not in str(caught.value)


def test_text_of():
    info = PngImagePlugin.PngInfo()
    info.add_text("a", "ä" * 300, zip=True)
    info.add_itxt("b", "Ω", zip=True)
    info.add_itxt("c", "Ω")
    info.add_text("d", "ä")
    Image.new("RGB", (1, 1)).save(buffer := io.BytesIO(), "PNG", pnginfo=info)
    for key, text in (("a", "ä" * 300), ("b", "Ω"), ("c", "Ω"), ("d", "ä"), ("e", None)):
        assert chunks.text_of(buffer.getvalue(), key) == text
