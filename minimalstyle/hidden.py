"""Colours under transparent pixels, which nobody sees, from what is visible around them."""

import numpy as np
from PIL import Image

from .pixels import Float32

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
    return _pull_push(rgb, weight**4)


def _pull_push(rgb: Float32, weight: Float32) -> Float32:
    """The average of blocks of 2x2 pixels stands for what they lack.

    It is weighted, and has the same done to it, so that there is something everywhere.
    """
    if weight.min() == 1:
        return rgb
    height, width = weight.shape
    weight = weight[..., None]
    even = ((0, height % 2), (0, width % 2), (0, 0))
    blocks = (height + 1) // 2, 2, (width + 1) // 2, 2, -1
    sums = np.pad(rgb * weight, even).reshape(blocks).sum((1, 3))
    weights = np.pad(weight, even).reshape(blocks).sum((1, 3))
    coarse = sums / np.maximum(weights, np.float32(1e-30))
    if max(height, width) > 2:
        coarse = _pull_push(coarse, np.minimum(weights[..., 0], 1))
    size = 2 * blocks[2], 2 * blocks[0]
    smooth = [
        Image.fromarray(np.ascontiguousarray(plane)).resize(size, Image.Resampling.BILINEAR)
        for plane in np.moveaxis(coarse, 2, 0)
    ]
    around = np.stack([np.asarray(plane)[:height, :width] for plane in smooth], axis=-1)
    return np.where(weight == 1, rgb, weight * rgb + (1 - weight) * around)
