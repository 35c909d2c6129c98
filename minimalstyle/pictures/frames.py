"""The frame that a photograph of a painting has taken along: an edge, dark, white or gilded.

A network sees a straight line all around such a painting, and would draw one around the result.
"""

import numpy as np

from .._types import Float32
from . import images

__all__ = ["frame_of", "without_frame"]


_SIDE = 512  # longer side at which frames are looked for, so that all resolutions are alike
_WIDEST = 0.12  # of the picture, on each side
_WIDEST_SHEET = 0.16  # where there is more beyond the paper, such as a printer's scale
_PAPER = 0.02  # of the picture: least width of the paper there
_STEP = 0.12  # between a frame and its painting, in the colour that differs most
_UNIFORM = 0.08  # most that the pixels of a line differ from their median, in the median
_PAINTED = 0.012  # least that those of a line inside do: stripes and flags have no frame
_ALONG = 0.8  # of a side: an object at the edge is shorter
_BLUR = 2  # pixels on both sides of a step that are of neither
_EDGE = 0.01  # of the longer side: shadow of the frame, or canvas without paint
_ROUNDS = 3  # a frame in a frame, and sides whose ends were frame


def frame_of(picture: Float32) -> tuple[int, int, int, int]:
    """How much of each side of a picture is a frame.

    That is what lies outside of a straight step along nearly the whole of a side, no wider than an
    eighth of the picture, if each line out there has one colour and those inside have not. Beyond
    a strip of paper anything may lie, such as a printer's scale. A sheet with a drawing on it has
    no such step, and keeps its margin. A little of the inside is cut, too: the edge of the canvas.

    Parameters
    ----------
    picture : (H, W, 3) float32 in [0, 1]

    Returns
    -------
    top, right, bottom, left : int
        Pixels; 0 where there is none.
    """
    height, width = picture.shape[:2]
    longer = min(_SIDE, max(height, width))
    small = images.resize(picture, *images.fit(width, height, longer))
    cut = [0, 0, 0, 0]
    for _ in range(_ROUNDS):
        rows, columns = small.shape[0] - cut[2], small.shape[1] - cut[1]
        inside = small[cut[0] : rows, cut[3] : columns]
        if min(inside.shape[:2]) < images.MIN_SIDE:
            break
        across = inside.transpose(1, 0, 2)
        found = [_depth(one) for one in (inside, across[::-1], inside[::-1], across)]
        if not any(found):
            break
        cut = [before + more for before, more in zip(cut, found, strict=True)]
    scale = max(height, width) / longer
    edge = round(_EDGE * longer)
    top, right, bottom, left = (int(np.ceil(scale * (one + edge * (one > 0)))) for one in cut)
    return top, right, bottom, left


def without_frame(picture: Float32) -> tuple[Float32, tuple[int, int, int, int]]:
    """What is inside of `frame_of`, and that; the picture itself if too little would be left."""
    height, width = picture.shape[:2]
    top, right, bottom, left = frame = frame_of(picture)
    inside = picture[top : height - bottom, left : width - right]
    if min(inside.shape[:2]) < images.MIN_SIDE:
        return picture, (0, 0, 0, 0)
    return inside, frame


def _depth(picture: Float32) -> int:
    """Lines of the frame at the top."""
    lines = round(_WIDEST_SHEET * len(picture))
    band = picture[: lines + _BLUR]
    off = np.abs(band - np.median(band, axis=1, keepdims=True)).mean(2)
    spread = np.median(off, axis=1)
    plain = [0]  # lines of one colour that end with the line before, one after the other
    for one in spread:
        plain.append(plain[-1] + 1 if one <= _UNIFORM else 0)
    best, depth = _STEP, 0
    for line in range(min(lines, len(band) - _BLUR)):
        outside = max(line - _BLUR, 0)  # at its end the step itself is blurred
        frame = plain[outside + 1] > outside and line < _WIDEST * len(picture)
        paper = _PAPER * len(picture) <= plain[outside + 1] <= outside  # with more beyond it
        if not (frame or paper) or spread[line + _BLUR] < _PAINTED:
            continue
        step = np.abs(band[line + _BLUR] - band[outside]).max(1)
        step[off[outside] > 2 * _UNIFORM] = 0.0  # there it is no frame, but something at the edge
        along = float(np.quantile(step, 1 - _ALONG))
        if along > best:
            best, depth = along, line + _BLUR + 2
    return depth
