"""Colours under transparent pixels, which nobody sees, from what is visible around them."""

import numpy as np
from PIL import Image

from .._types import Float32

__all__ = ["fill_hidden"]

_SEEN = 0.25  # of the most visible pixel: the colour of what is so visible is taken as it is


def fill_hidden(rgb: Float32, alpha: Float32) -> Float32:
    """Colours that do not depend on what is hidden.

    Parameters
    ----------
    rgb : (H, W, 3) float32
    alpha : (H, W) float32 in [0, 1]
        Somewhere above 0.

    Returns
    -------
    (H, W, 3) float32
        That of `rgb` where `alpha` is at least a quarter of its maximum; below, less and less of
        it, and more of what is visible around.

    References
    ----------
    .. [1] Gortler, Grzeszczuk, Szeliski and Cohen 1996, "The Lumigraph", section 3.4.
    """
    weight = np.minimum(alpha / np.float32(_SEEN * alpha.max()), 1)
    # To the fourth: a large area of what is nearly hidden does not count, either.
    weight **= 4
    return np.stack([_pull_push(rgb[..., c], weight) for c in range(3)], axis=-1)


def _pull_push(plane: Float32, weight: Float32) -> Float32:
    """The average of blocks of 2x2 pixels stands for what they lack.

    It is weighted, and has the same done to it, so that there is something everywhere.
    """
    if weight.min() == 1:
        return plane
    height, width = weight.shape
    even = ((0, height % 2), (0, width % 2))
    blocks = (height + 1) // 2, 2, (width + 1) // 2, 2
    sums = np.pad(plane * weight, even).reshape(blocks).sum((1, 3))
    weights = np.pad(weight, even).reshape(blocks).sum((1, 3))
    coarse = sums / np.maximum(weights, np.float32(1e-30))
    if max(height, width) > 2:
        coarse = _pull_push(coarse, np.minimum(weights, 1))
    size = 2 * blocks[2], 2 * blocks[0]
    smooth = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BILINEAR))
    blend = weight * plane + (1 - weight) * smooth[:height, :width]
    return np.where(weight == 1, plane, blend)
