"""Frames around paintings: found where they were put, and nowhere else."""

import numpy as np
import pytest
from conftest import EXAMPLES
from scipy.ndimage import gaussian_filter

from minimalstyle import stylize
from minimalstyle.pictures import images
from minimalstyle.pictures.frames import frame_of, without_frame
from minimalstyle.settings.settings import PRESETS


def painting(rng, height, width):
    """Blotches in three colours that reach every edge."""
    noise = gaussian_filter(rng.standard_normal((height, width, 3)), (3, 3, 0))
    return (0.45 + 0.15 * noise / noise.std()).clip(0, 1).astype(np.float32)


def framed(inside, widths, colour, rng):
    """A painting with a frame of a colour, a little grainy; widths: top, right, bottom, left."""
    top, right, bottom, left = widths
    height, width = inside.shape[0] + top + bottom, inside.shape[1] + left + right
    whole = np.full((height, width, 3), colour, np.float32)
    whole += rng.normal(0, 0.01, whole.shape).astype(np.float32)
    whole[top : height - bottom, left : width - right] = inside
    return whole.clip(0, 1)


@pytest.mark.parametrize("colour", [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.75, 0.6, 0.2)])
@pytest.mark.parametrize(
    ("size", "widths"),
    [
        ((300, 400), (10, 12, 14, 16)),
        ((700, 500), (30, 0, 0, 45)),
        ((1500, 2000), (60, 80, 70, 90)),
        ((90, 130), (6, 6, 6, 6)),
    ],
)
def test_a_frame_is_found(size, widths, colour, rng):
    whole = framed(painting(rng, *size), widths, colour, rng)
    slack = 3 + 0.025 * max(whole.shape[:2])  # the blurred step, and the edge of the canvas
    for found, width in zip(frame_of(whole), widths, strict=True):
        if width == 0:
            assert found == 0
        else:
            assert width <= found <= width + slack


def test_a_frame_in_a_frame(rng):
    inner = framed(painting(rng, 300, 400), (10, 10, 10, 10), (0.1, 0.1, 0.1), rng)
    whole = framed(inner, (15, 15, 15, 15), (0.9, 0.9, 0.9), rng)
    assert min(frame_of(whole)) >= 25


def test_the_mount_of_a_scroll():
    """Strips of tan silk, nearly as bright as the paper, above and below the ink landscape."""
    top, right, bottom, left = frame_of(images.load(EXAMPLES / "ink_landscape.webp").rgb)
    assert 8 < top < 40
    assert 8 < bottom < 40
    assert (left, right) == (0, 0)


def test_a_scale_beside_the_paper(rng):
    """A print on its sheet, photographed with a printer's grey patches at the left."""
    sheet = framed(painting(rng, 400, 300), (20, 20, 20, 30), (0.95, 0.93, 0.88), rng)
    patches = np.linspace(0, 1, 11).repeat(40)[:440, None, None] * np.ones((1, 25, 3))
    whole = np.concatenate([patches.astype(np.float32), sheet], axis=1)
    assert frame_of(whole)[3] >= 25 + 30
    assert min(frame_of(whole)) >= 20


def test_paintings_and_photographs_without_one(rng):
    for file in ("neuschwanstein.jpg", "starry_night.jpg"):
        assert frame_of(images.load(EXAMPLES / file).rgb) == (0, 0, 0, 0), file
    assert frame_of(painting(rng, 200, 300)) == (0, 0, 0, 0)


def test_a_drawing_keeps_its_margin(rng):
    """White paper with strokes in the middle: no straight step along any side."""
    paper = np.ones((300, 400, 3), np.float32)
    for _ in range(40):
        row, column = rng.integers(60, 240), rng.integers(60, 300)
        paper[row : row + 3, column : column + 40] = 0.1
    assert frame_of(paper) == (0, 0, 0, 0)


def test_an_object_at_the_edge_is_no_frame(rng):
    picture = painting(rng, 300, 400)
    picture[:20, :260] = 0.0  # two thirds of the side
    assert frame_of(picture) == (0, 0, 0, 0)


def test_patterns_have_no_frame(rng):
    """Stripes, tiles, a flag: inside of a step there is one colour as well, or none outside."""
    y, x = np.mgrid[:300, :400]
    for where in (
        y // 30 % 2 == 0,
        (x // 30 + y // 30) % 2 == 0,
        (x % 40 < 4) | (y % 40 < 4),
        (y < 28) | (y > 278),
        y > 270,
    ):
        picture = np.where(where[..., None], np.float32([0.9, 0.1, 0.1]), np.float32(1))
        assert frame_of(picture) == (0, 0, 0, 0)
    assert frame_of(rng.random((300, 400, 3), np.float32)) == (0, 0, 0, 0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [(16, 16), (64, 16), (16, 32), (16, 200), (48, 1600)])
def test_small_and_narrow_pictures(size, rng):
    stripes = np.zeros((*size, 3), np.float32)
    stripes[::4] = stripes[1::4] = 1
    for picture in (stripes, rng.random((*size, 3), np.float32)):
        inside, _ = without_frame(picture)
        assert min(inside.shape[:2]) >= images.MIN_SIDE


@pytest.mark.parametrize("colour", [0.0, 0.5, 1.0])
def test_one_colour_and_small_pictures(colour, rng):
    for height, width in [(300, 400), (16, 16), (16, 3000), (1, 1)]:
        flat = np.full((height, width, 3), colour, np.float32)
        assert frame_of(flat) == (0, 0, 0, 0)
    small = framed(painting(rng, 16, 16), (3, 3, 3, 3), (colour,) * 3, rng)
    inside, _ = without_frame(small)
    assert min(inside.shape[:2]) >= images.MIN_SIDE


def test_a_framed_painting_gives_what_it_gives_without(network, photograph, rng):
    whole = framed(painting(rng, 200, 260), (12, 12, 12, 12), (0.0, 0.0, 0.0), rng)
    inside, (top, right, bottom, left) = without_frame(whole)
    castle = photograph(40, 30)
    notes = []
    run = {"size": 32, "iterations": 2, "weights": network}
    result = stylize(castle, whole, on_note=notes.append, **run)
    np.testing.assert_array_equal(result.image, stylize(castle, inside, **run).image)
    kept = stylize(castle, whole, style_frame="keep", **run).image
    assert (kept != result.image).any()
    (note,) = notes
    assert note == (
        f"the frame of the painting is cut off, {top} px at the top, {right} right, {bottom} at "
        f"the bottom, {left} left; --style-frame keep leaves it"
    )


def test_which_of_several_paintings_has_the_frame(network, photograph, rng):
    plain = painting(rng, 200, 260)
    whole = framed(plain, (12, 12, 12, 12), (0.0, 0.0, 0.0), rng)
    notes = []
    run = {"size": 32, "iterations": 1, "weights": network, "on_note": notes.append}
    stylize(photograph(40, 30), [plain, whole], **run)
    (note,) = notes
    assert note.startswith("the frame of painting 2 is cut off")


def test_with_style_masks_the_frame_stays(network, photograph, rng):
    whole = framed(painting(rng, 200, 260), (12, 12, 12, 12), (0.0, 0.0, 0.0), rng)
    notes = []
    castle = photograph(40, 30)
    masks = [np.ones(one.shape[:2]) for one in (castle, whole)]
    run = {"size": 32, "iterations": 1, "weights": network, "on_note": notes.append}
    stylize(castle, whole, content_mask=masks[0], style_mask=masks[1], **run)
    assert not any("frame" in note for note in notes)


def test_the_paper_crops_nothing():
    assert PRESETS["gatys2016"]["style_frame"] == "keep"
