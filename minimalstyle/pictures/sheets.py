"""Contact sheets: labelled grids of pictures, for the eye that has to choose."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from .images import eight_bits

__all__ = ["contact_sheet", "side_by_side", "wall"]

_MARGIN = 8  # pixels around each picture and label
_SMALLEST_FONT = 12


def contact_sheet(
    rows: Sequence[Sequence[npt.NDArray[Any] | None]],
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    *,
    cell: int = 256,
) -> npt.NDArray[np.uint8]:
    """A grid of pictures on white, with labels on the left and on top.

    Parameters
    ----------
    rows : sequence of sequences of (H, W, 3) uint8, or floats in [0, 1], or None
        None leaves the cell empty.
    row_labels, column_labels : sequence of str
        One for each row and column. A label that is too long ends in an ellipsis; where all are
        empty, they take no room.
    cell : int
        Longer side of every picture on the sheet in pixels; smaller pictures are enlarged.

    Returns
    -------
    (height, width, 3) uint8

    Raises
    ------
    ValueError
        There is no cell, or the numbers of labels and pictures differ.
    """
    if not rows or not column_labels or len(rows) != len(row_labels):
        raise ValueError(f"{len(rows)} rows with {len(row_labels)} labels")
    if any(len(row) != len(column_labels) for row in rows):
        raise ValueError(f"a row has not {len(column_labels)} pictures, as there are column labels")
    pictures = [[None if one is None else _fitted(one, cell) for one in row] for row in rows]
    pen = _Pen(cell)
    left = [pen.shortened(label) for label in row_labels]
    top = [pen.shortened(label) for label in column_labels]
    columns = zip(*pictures, strict=True)
    # A first row and column of labels, then those of pictures.
    widths = [max(map(pen.length, left))]
    for label, column in zip(top, columns, strict=True):
        widths.append(max(_largest(column, 0, cell), pen.length(label)))
    heights = [pen.height if any(top) else 0, *(_largest(row, 1, cell) for row in pictures)]
    xs, ys = _starts(widths), _starts(heights)

    sheet = Image.new("RGB", (xs[-1], ys[-1]), "white")
    draw = ImageDraw.Draw(sheet)
    for x, width, label in zip(xs[1:], widths[1:], top, strict=False):
        draw.text((x + (width - pen.length(label)) // 2, ys[0]), label, "black", pen.font)
    for y, height, label, row in zip(ys[1:], heights[1:], left, pictures, strict=False):
        draw.text((xs[0], y + (height - pen.height) // 2), label, "black", pen.font)
        for x, width, picture in zip(xs[1:], widths[1:], row, strict=False):
            if picture is not None:
                at = x + (width - picture.width) // 2, y + (height - picture.height) // 2
                sheet.paste(picture, at)
    return np.array(sheet)


def side_by_side(
    pictures: Sequence[npt.NDArray[Any]], labels: Sequence[str], *, cell: int = 512
) -> npt.NDArray[np.uint8]:
    """Pictures in one row, such as content, style and result, with labels above them.

    Parameters
    ----------
    pictures : sequence of (H, W, 3) uint8, or floats in [0, 1]
    labels : sequence of str
        One for each picture.
    cell : int
        See `contact_sheet`.

    Returns
    -------
    (height, width, 3) uint8
    """
    return contact_sheet([pictures], [""], labels, cell=cell)


def wall(
    pictures: Sequence[npt.NDArray[Any]], labels: Sequence[str], *, columns: int, cell: int = 256
) -> npt.NDArray[np.uint8]:
    """Pictures in rows of so many, each with its label above it.

    Parameters
    ----------
    pictures : sequence of (H, W, 3) uint8, or floats in [0, 1]
    labels : sequence of str
        One for each picture.
    columns : int
    cell : int
        See `contact_sheet`.

    Returns
    -------
    (height, width, 3) uint8
    """
    starts = range(0, len(pictures), columns)
    rows = [
        side_by_side(pictures[at : at + columns], labels[at : at + columns], cell=cell)
        for at in starts
    ]
    width = max(row.shape[1] for row in rows)
    white = [
        np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255)
        for row in rows
    ]
    return np.concatenate(white)


class _Pen:
    """Pillow's default font, and how much room a text takes in it."""

    def __init__(self, cell: int) -> None:
        self.cell = cell
        self.font = ImageFont.load_default(max(_SMALLEST_FONT, cell // 16))
        self.height = round(self.font.getbbox("Åg")[3])

    def length(self, text: str) -> int:
        return round(self.font.getlength(text))

    def shortened(self, label: str) -> str:
        """A label in one line that is at most as long as a cell."""
        # Names of files may hold line feeds, and bytes that are no characters.
        text = "".join(c if c.isprintable() else "?" for c in label)
        if len(text) <= self.cell and self.length(text) <= self.cell:
            return text
        kept = text[: self.cell]  # hardly a character is narrower than a pixel
        while kept and self.length(kept + "…") > self.cell:
            kept = kept[:-1]
        return kept + "…"


def _fitted(picture: npt.NDArray[Any], cell: int) -> Image.Image:
    image = Image.fromarray(eight_bits(picture))
    scale = cell / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _largest(pictures: Sequence[Image.Image | None], axis: int, cell: int) -> int:
    """Width (axis 0) or height (1) of a column or row; that of a cell where all are empty."""
    return max((one.size[axis] for one in pictures if one is not None), default=cell)


def _starts(sizes: Sequence[int]) -> list[int]:
    """Where parts of these sizes begin, with margins between them, and where the sheet ends."""
    starts = [_MARGIN]
    for size in sizes:
        starts.append(starts[-1] + (size + _MARGIN if size else 0))
    return starts
