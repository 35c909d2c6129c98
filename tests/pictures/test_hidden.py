"""What is hidden under transparent pixels decides nothing; masks in which alpha counts."""

import io

import numpy as np
import pytest
from PIL import Image
from pngs import png
from scipy import ndimage
from tiffs import tiff

from minimalstyle.errors import ImageError
from minimalstyle.painting.regions import regions
from minimalstyle.pictures import images
from minimalstyle.pictures.hidden import fill_hidden

H, W = 37, 52
RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (H, W, 3)).astype(np.uint8)
ALPHA = np.zeros((H, W), np.uint8)
ALPHA[5:20, 8:30] = 255
ALPHA[25:30, 40:] = 100
ALPHA[0, 0] = 1


def with_hidden(colour):
    rgb = np.where(ALPHA[..., None] > 0, PICTURE, np.asarray(colour, np.uint8))
    return np.dstack([rgb, ALPHA])


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def premultiplied(rgba):
    share = rgba[..., 3:] / 255
    colours = np.rint(rgba[..., :3] * share).astype(np.uint8)
    return np.dstack([np.where(share > 0, colours, rgba[..., :3]), rgba[..., 3]])


FORMS = {
    "array": lambda rgba: rgba,
    "array of 16 bits": lambda rgba: rgba.astype(np.uint16) * 257,
    "array of floats": lambda rgba: rgba / 255,
    "Pillow": Image.fromarray,
    "grey": lambda rgba: Image.fromarray(rgba).convert("LA"),
    "PNG": lambda rgba: png(rgba, 8, 6),
    "PNG of 16 bits": lambda rgba: png(rgba.astype(int) * 257, 16, 6),
    "PNG with gamma": lambda rgba: png(rgba, 8, 6, (b"gAMA", b"\0\1\x86\xa0")),
    "WebP": lambda rgba: encoded(Image.fromarray(rgba), "WEBP", lossless=True, exact=True),
    "TIFF": lambda rgba: tiff(rgba, extra=(2,)),
    "TIFF, multiplied": lambda rgba: tiff(premultiplied(rgba), extra=(1,)),
}


@pytest.mark.parametrize("form", FORMS)
def test_hidden_colours_do_not_matter(form):
    pictures = [images.load(FORMS[form](with_hidden(c))) for c in ((0, 0, 0), (255, 0, 255))]
    np.testing.assert_array_equal(pictures[0].rgb, pictures[1].rgb)
    np.testing.assert_allclose(pictures[0].alpha, ALPHA / 255, atol=1e-7)
    if form not in ("grey", "PNG with gamma"):
        seen = ALPHA >= 64
        tolerance = 4 / 255 if "multiplied" in form else 1e-6
        rgb = pictures[0].rgb[seen]
        np.testing.assert_allclose(rgb, PICTURE[seen] / 255, atol=tolerance)
        assert pictures[0].rgb.max() <= 1


def test_palette_with_transparent_colours():
    """Two of them, of different colours."""
    samples = RNG.integers(0, 4, (H, W, 1))
    filled = []
    for hidden in (bytes(6), b"\xff\0\0\0\xff\0"):
        colours = (b"PLTE", b"\x10\x20\x30\x80\x90\xa0" + hidden)
        filled.append(images.load(png(samples, 2, 3, colours, (b"tRNS", b"\xff\xff\0\0"))).rgb)
    np.testing.assert_array_equal(filled[0], filled[1])


def test_one_colour_stays_one():
    alpha = (RNG.random((H, W)) > 0.95).astype(np.float32)
    rgb = np.where(alpha[..., None] > 0, np.float32([0.2, 0.5, 0.9]), RNG.random((H, W, 3)))
    filled = fill_hidden(rgb.astype(np.float32), alpha)
    np.testing.assert_allclose(filled, np.broadcast_to([0.2, 0.5, 0.9], rgb.shape), atol=1e-6)


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (1, 1), (1, 9), (64, 3)])
def test_between_what_is_visible(size):
    for share in (0.02, 0.5):
        rgb = RNG.random((*size, 3)).astype(np.float32)
        alpha = np.where(RNG.random(size) < share, RNG.random(size), 0).astype(np.float32)
        alpha[0, 0] = 0.7
        filled = fill_hidden(rgb, alpha)
        assert filled.dtype == np.float32
        seen = rgb[alpha > 0]
        assert (filled >= seen.min(0) - 1e-6).all()
        assert (filled <= seen.max(0) + 1e-6).all()
        np.testing.assert_array_equal(filled[alpha >= 0.25], rgb[alpha >= 0.25])


def test_holes_of_a_smooth_picture():
    """As good as the nearest visible pixel, and better in the middle."""
    y, x = np.mgrid[0:96, 0:128]
    smooth = 0.5 + 0.3 * np.sin(x / 25 + y / 40)
    true = np.stack([smooth, 1 - smooth, smooth**2], axis=-1).astype(np.float32)
    hidden = (np.hypot(x - 40, y - 50) < 18) | (np.abs(x - 100) < 5)
    filled = fill_hidden(np.where(hidden[..., None], 1, true), (~hidden).astype(np.float32))
    places = ndimage.distance_transform_edt(hidden, return_distances=False, return_indices=True)
    nearest = true[tuple(places)]

    def off(rgb):
        return np.sqrt(np.mean((rgb - true)[hidden] ** 2))

    assert off(filled) < 0.8 * off(nearest)
    assert np.abs(filled - true).max() < 0.15


@pytest.mark.parametrize("level", [1, 2, 3])
def test_nearly_hidden_colours_matter_little(level):
    """At most four times as much as a viewer sees of them, however large their area."""
    alpha = np.where(ALPHA == 255, 255, level).astype(np.uint8)
    pictures = []
    for colour in (0, 255):
        rgb = np.where(ALPHA[..., None] == 255, PICTURE, np.uint8(colour))
        pictures.append(images.load(np.dstack([rgb, alpha])).rgb)
    off = np.abs(pictures[0] - pictures[1])
    assert off.max() <= 4 * level / 255
    assert off[ALPHA == 255].max() == 0


def test_a_faint_picture_stays_what_it_is():
    alpha = np.full((H, W), 20, np.uint8)
    picture = images.load(np.dstack([PICTURE, alpha]))
    np.testing.assert_allclose(picture.rgb, PICTURE / 255, atol=1e-7)


def test_wholly_transparent():
    with pytest.raises(ImageError, match="is wholly transparent; there is nothing to see"):
        images.load(np.zeros((H, W, 4)))


def test_unused_fourth_bytes_of_a_bmp_are_no_alpha():
    """Browsers, too, show such a file."""
    rgba = np.dstack([PICTURE, np.zeros((H, W), np.uint8)])
    data = bytearray(encoded(Image.fromarray(rgba), "BMP"))
    picture = images.load(bytes(data))
    np.testing.assert_allclose(picture.rgb, PICTURE / 255, atol=1e-7)
    assert picture.alpha is None


# Masks

CUT = ALPHA / 255


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (30, 200, 60)])
@pytest.mark.parametrize("hidden", [(0, 0, 0), (255, 255, 255), (255, 0, 255)])
def test_mask_as_a_cut_out(colour, hidden):
    rgb = np.where(ALPHA[..., None] > 0, np.uint8(colour), np.uint8(hidden))
    mask = images.load_mask(np.dstack([rgb, ALPHA]))
    np.testing.assert_allclose(mask.rgb, np.dstack([CUT] * 3), atol=1e-7)
    assert mask.alpha is None


@pytest.mark.parametrize("hidden", [0, 255])
def test_mask_in_grey_with_alpha(hidden):
    """Transparent is black."""
    drawn = np.where(ALPHA > 0, PICTURE[..., 0], np.uint8(hidden))
    mask = images.load_mask(np.dstack([drawn, drawn, drawn, ALPHA]))
    expected = PICTURE[..., 0] / 255 * CUT
    np.testing.assert_allclose(mask.rgb, np.dstack([expected] * 3), atol=1e-6)


def test_mask_in_colours_with_alpha():
    areas = np.zeros((H, W, 4), np.uint8)
    areas[:20] = (255, 0, 0, 255)
    areas[25:] = (0, 0, 255, 255)
    areas[20:25, :, 1] = 255  # green, but nobody sees it
    found = regions([images.load_mask(areas).rgb], [], 3)
    assert [one.name for one in found] == ["region black", "region blue", "region red"]
    np.testing.assert_array_equal(found[0].mask, areas[..., 3] == 0)


def test_mask_without_alpha_and_wholly_transparent():
    rgb = PICTURE / 255
    np.testing.assert_allclose(images.load_mask(PICTURE).rgb, rgb, atol=1e-7)
    assert images.load_mask(np.dstack([rgb, np.zeros((H, W))])).rgb.max() == 0


def test_mask_has_the_hash_of_its_file(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(with_hidden((0, 0, 0))).save(path)
    assert images.load_mask(path).sha256 == images.load(path).sha256 is not None
