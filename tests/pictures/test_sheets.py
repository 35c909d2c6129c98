"""Contact sheets: where the pictures are, and labels that nobody would choose."""

import numpy as np
import pytest
from PIL import Image

from minimalstyle.pictures.sheets import contact_sheet, side_by_side

RED, GREEN, BLUE = (200, 0, 0), (0, 160, 0), (0, 0, 220)


def flat(width, height, colour):
    return np.full((height, width, 3), colour, np.uint8)


def box(sheet, colour):
    """(width, height) of the pixels of this colour, and that they fill a rectangle."""
    rows, columns = np.nonzero((sheet == colour).all(axis=2))
    width, height = int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1
    assert len(rows) == width * height
    return (width, height), (int(columns.min()), int(rows.min()))


def ink(sheet):
    """Pixels that are neither white nor of a picture."""
    grey = (sheet[..., 0] == sheet[..., 1]) & (sheet[..., 1] == sheet[..., 2])
    return grey & (sheet[..., 0] < 250)


def test_every_picture_in_its_place():
    rows = [[flat(40, 20, RED), flat(10, 30, GREEN)], [None, flat(64, 64, BLUE)]]
    sheet = contact_sheet(rows, ["one", "two"], ["left", "right"], cell=64)
    assert sheet.dtype == np.uint8
    red, green, blue = (box(sheet, colour) for colour in (RED, GREEN, BLUE))
    # Fitted to the cell, in proportion.
    assert red[0] == (64, 32)
    assert green[0] == (21, 64)
    assert blue[0] == (64, 64)
    # In rows and columns, centred.
    assert red[1][1] - 16 == green[1][1]
    assert green[1][1] + 64 < blue[1][1]
    assert red[1][0] + 64 < blue[1][0]
    assert abs(green[1][0] + 10.5 - (blue[1][0] + 32)) <= 1
    assert (sheet[0] == 255).all()
    assert (sheet[:, 0] == 255).all()


def test_labels_are_drawn_beside_the_pictures():
    rows = [[flat(40, 40, RED)], [flat(40, 40, BLUE)]]
    without = contact_sheet(rows, ["", ""], [""], cell=64)
    assert not ink(without).any()
    assert box(without, RED)[1] == (8, 8)
    top = contact_sheet(rows, ["", ""], ["column"], cell=64)
    assert ink(top)[: box(top, RED)[1][1]].any()
    assert not ink(top)[box(top, RED)[1][1] :].any()
    left = contact_sheet(rows, ["", "row"], [""], cell=64)
    assert ink(left)[box(left, BLUE)[1][1] :, : box(left, BLUE)[1][0]].any()
    assert not ink(left)[: box(left, BLUE)[1][1]].any()


def test_floats_and_arguments_unchanged():
    picture = np.full((20, 30, 3), 0.5, np.float32)
    sheet = contact_sheet([[picture]], [""], [""], cell=32)
    assert box(sheet, (128, 128, 128))[0] == (32, 21)
    assert (picture == 0.5).all()


def test_pictures_of_the_cell_s_size_are_not_resampled(random_image):
    picture = np.rint(random_image(24, 32) * 255).astype(np.uint8)
    sheet = contact_sheet([[picture]], [""], [""], cell=32)
    np.testing.assert_array_equal(sheet[8:32, 8:40], picture)


def test_large_pictures_are_averaged():
    checks = np.indices((256, 256)).sum(axis=0) % 2 * 255
    picture = np.repeat(checks[..., None], 3, axis=2).astype(np.uint8)
    sheet = contact_sheet([[picture]], [""], [""], cell=32)
    assert np.abs(sheet[8:40, 8:40].astype(int) - 128).max() < 8


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (2, 3)])
def test_extreme_pictures(shape):
    sheet = contact_sheet([[flat(*shape, RED)]], ["label"], ["label"], cell=32)
    assert max(box(sheet, RED)[0]) == 32


@pytest.mark.parametrize(
    "label",
    [
        "Ærø, 漢字, עברית, ابج, हिन्दी",
        "😀👩‍👩‍👧",
        "two\nlines\ttab\0",
        "\ud800\udcff",  # as Python reads bytes of a file name that are no UTF-8
        "e" + "\u0301" * 300,
        "\u200b" * 5000,
        "x" * 100_000,
        " ",
    ],
)
def test_strange_labels(label):
    sheet = contact_sheet([[flat(20, 20, RED)]], [label], [label], cell=64)
    assert box(sheet, RED)[0] == (64, 64)
    assert sheet.shape[1] <= 2 * 64 + 3 * 8


def test_labels_have_one_line():
    first, second = (
        contact_sheet([[flat(20, 20, RED)]], [""], [label], cell=128)
        for label in ("two\nlines", "two?lines")
    )
    np.testing.assert_array_equal(first, second)


def test_a_long_label_is_shortened():
    def sheet(label):
        return contact_sheet([[flat(20, 20, RED)]], [""], [label], cell=128)

    np.testing.assert_array_equal(sheet("a" * 100), sheet("a" * 1000))
    assert (sheet("a" * 100) != sheet("b" * 100)).any()
    # The ellipsis is there, and all of it inside the sheet.
    assert ink(sheet("a" * 100)).sum() > 0
    assert not ink(sheet("a" * 100))[:, -8:].any()


def test_a_label_may_be_wider_than_its_picture():
    tall = [flat(4, 64, RED), flat(4, 64, BLUE)]
    sheet = contact_sheet([tall], [""], ["content", "style"], cell=64)
    names = ink(sheet).any(axis=0)
    gap = np.diff(np.nonzero(names)[0]).max()
    assert gap >= 8  # the two do not run into each other


def test_larger_cells_have_larger_labels():
    def height(cell):
        sheet = contact_sheet([[flat(20, 20, RED)]], [""], ["Ag"], cell=cell)
        return np.ptp(np.nonzero(ink(sheet))[0])

    assert 6 <= height(32) < height(512)


def test_one_row():
    pictures = [flat(40, 20, RED), flat(30, 30, GREEN), flat(40, 20, BLUE)]
    sheet = side_by_side(pictures, ["content", "style", "result"], cell=64)
    assert box(sheet, RED)[1][1] == box(sheet, BLUE)[1][1]
    starts = [box(sheet, colour)[1][0] for colour in (RED, GREEN, BLUE)]
    assert starts == sorted(starts)
    assert starts[0] == 8  # no room for row labels
    assert side_by_side(pictures, ["", "", ""]).shape[1] == 3 * 512 + 4 * 8
    Image.fromarray(sheet).verify()


@pytest.mark.parametrize(
    ("rows", "left", "top", "message"),
    [
        ([], [], ["a"], "0 rows"),
        ([[]], ["a"], [], "1 rows"),
        ([[None]], ["a", "b"], ["a"], "1 rows with 2 labels"),
        ([[None], [None, None]], ["a", "b"], ["a"], "not 1 pictures"),
    ],
)
def test_labels_and_pictures_of_different_numbers(rows, left, top, message):
    with pytest.raises(ValueError, match=message):
        contact_sheet(rows, left, top)
