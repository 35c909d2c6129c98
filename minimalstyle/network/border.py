"""What the network sees beyond the edge of the picture.

The convolutions fill up with zeros, which no painting has at its edge. That the first one, which
reads the pixels, repeats those at the edge instead is done by the engine ("replicate"). A margin in
which the picture is mirrored (or, for a texture that tiles, begins again) keeps all zeros away.
"""

from typing import Literal

import numpy as np

from .._types import Floating
from ..settings.settings import Border

__all__ = ["fold", "margin", "pad"]


_MARGIN = {"zero": 0, "replicate": 0, "reflect": 16, "wrap": 32}


def _mode(border: Border) -> Literal["reflect", "wrap"]:
    return "wrap" if border == "wrap" else "reflect"


def margin(border: Border, height: int, width: int) -> int:
    """Pixels of the margin: fewer around a picture that is not larger itself."""
    return min(_MARGIN[border], height - 1, width - 1)


def pad(image: Floating, border: Border) -> Floating:
    """The picture with its margin; itself where it has none.

    Parameters
    ----------
    image : (H, W, C) or (H, W)

    Returns
    -------
    (H + 2 m, W + 2 m, C) or (H + 2 m, W + 2 m)
    """
    m = margin(border, *image.shape[:2])
    if m == 0:
        return image
    return np.pad(image, [(m, m), (m, m), (0, 0)][: image.ndim], mode=_mode(border))


def fold(gradient: Floating, border: Border, height: int, width: int) -> Floating:
    """The gradient of `pad`: what belongs to the margin is added where the margin came from.

    Parameters
    ----------
    gradient : (height + 2 m, width + 2 m, C)

    Returns
    -------
    (height, width, C)
    """
    m = margin(border, height, width)
    for length in (height, width):  # rows, then, transposed, columns
        inside = gradient[m : m + length].copy()
        sources = np.pad(np.arange(length), m, mode=_mode(border))
        for position in (*range(m), *range(m + length, length + 2 * m)):
            inside[sources[position]] += gradient[position]
        gradient = inside.swapaxes(0, 1)
    return np.ascontiguousarray(gradient)
