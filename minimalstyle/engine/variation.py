"""Total variation of an image, and its gradient."""

import numpy as np

from .._types import Float32
from .jit import kernel
from .threads import Threads

__all__ = ["total_variation"]


_ROWS = 16  # of a block


@kernel
def _add_variation(block, image, factor, sums, gradient):
    """Squared differences to the right and downwards; adds `factor` times their gradient."""
    height, width, channels = image.shape
    total = 0.0
    for y in range(block * _ROWS, min((block + 1) * _ROWS, height)):
        for x in range(width):
            for c in range(channels):
                here = image[y, x, c]
                slope = 0.0
                if x + 1 < width:
                    right = image[y, x + 1, c] - here
                    total += right * right
                    slope -= right
                if y + 1 < height:
                    down = image[y + 1, x, c] - here
                    total += down * down
                    slope -= down
                if x > 0:
                    slope += here - image[y, x - 1, c]
                if y > 0:
                    slope += here - image[y - 1, x, c]
                gradient[y, x, c] += np.float32(2.0 * factor * slope)
    sums[block] = total


def total_variation(image: Float32, weight: float, gradient: Float32, threads: Threads) -> float:
    """Mean squared difference of neighbouring values; adds `weight` times its gradient.

    Parameters
    ----------
    image, gradient : (H, W, 3)
    """
    blocks = -(-len(image) // _ROWS)
    sums = np.empty(blocks)
    threads.run(_add_variation, blocks, image, weight / image.size, sums, gradient)
    return float(sums.sum()) / image.size
