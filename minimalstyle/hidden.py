"""Colours under transparent pixels, which nobody sees, from what is visible around them."""

import numpy as np
from PIL import Image

from .pixels import Float32

__all__ = ["fill_hidden"]

_SEEN = 0.25  # the colour of a pixel that is so opaque is taken as it is


def fill_hidden(rgb: Float32, alpha: Float32) -> Float32:
    """Colours that do not depend on what is hidden.

    Pull and push: pixels are averaged, weighted with their visibility, over blocks of 2x2, those
    over blocks of 2x2 again, until there is something everywhere; then back, where the coarser
    average stands for what a finer one lacks.

    Parameters
    ----------
    rgb : (H, W, 3) float32
    alpha : (H, W) float32 in [0, 1]
        Somewhere above 0.

    Returns
    -------
    (H, W, 3) float32
        That of `rgb` where `alpha` is 0.25 or more; below, less and less of it.

    References
    ----------
    .. [1] Gortler, Grzeszczuk, Szeliski and Cohen 1996, "The Lumigraph", section 3.4.
    """
    weight = np.minimum(alpha / np.float32(_SEEN), 1)[..., None]
    if weight.min() == 1:
        return rgb
    height, width = weight.shape[:2]
    even = ((0, height % 2), (0, width % 2), (0, 0))
    shape = (height + height % 2) // 2, 2, (width + width % 2) // 2, 2, -1
    sums = np.pad(rgb * weight, even).reshape(shape).sum((1, 3))
    weights = np.pad(weight, even).reshape(shape).sum((1, 3))
    coarse = sums / np.maximum(weights, np.float32(1e-30))
    if max(height, width) > 2:
        coarse = fill_hidden(coarse, weights[..., 0] * np.float32(_SEEN))
    smooth = [
        Image.fromarray(np.ascontiguousarray(coarse[..., c])).resize(
            (shape[2] * 2, shape[0] * 2), Image.Resampling.BILINEAR
        )
        for c in range(3)
    ]
    around = np.stack([np.asarray(plane)[:height, :width] for plane in smooth], axis=-1)
    return np.where(weight == 1, rgb, weight * rgb + (1 - weight) * around)
