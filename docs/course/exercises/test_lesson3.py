"""Is lesson 3 solved? python -m pytest docs/course/exercises/test_lesson3.py"""

import lesson3
import numpy as np
import pytest
from checks import right_gradient, same

from minimalstyle import reference


@pytest.mark.parametrize("shape", [(6, 7), (5, 5), (1, 4)])
def test_1_weight_gradient(rng, shape):
    """Against finite differences of the convolution."""
    x, dy = rng.standard_normal((*shape, 3)), rng.standard_normal((*shape, 5))

    def f(weight):
        return np.sum(dy * reference.convolve(x, weight, 0)), lesson3.weight_gradient(dy, x)

    formula = "weight_gradient(dy, x), the gradient of Σ dy · convolve(x, K) by K[i, j, c, o]"
    right_gradient(f, rng.standard_normal((3, 3, 3, 5)), formula)


def test_2_unharmed_filters(rng):
    weight = lesson3.unharmed_filters(rng)
    assert weight.shape == (3, 3, 2, 4), f"the filters have shape {weight.shape}, not (3, 3, 2, 4)"
    for c, o in np.ndindex(2, 4):
        different = len(np.unique(weight[:, :, c, o]))
        assert different == 5, f"[:, :, {c}, {o}] has {different} different values, not 5"
    dy = rng.standard_normal((6, 7, 4))
    unflipped = reference.convolve(dy, weight.transpose(0, 1, 3, 2), 0)
    right = reference.convolve_backward(dy, weight)
    same(unflipped, right, "dx without the flip, against dx with it, for your filters")


def test_3_multiplications():
    """VGG-19 takes 19.6 billion at 224 px, says the ResNet paper (He et al. 2016, section 3.3)."""
    total, size, c_in = 0, 224, 3
    for channels, convolutions in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
        for _ in range(convolutions):
            total += lesson3.multiplications(size, size, c_in, channels)
            c_in = channels
        size //= 2
    total += 7 * 7 * 512 * 4096 + 4096 * 4096 + 4096 * 1000  # the layers that we do not need
    same(round(total / 1e9, 1), 19.6, "billions of multiplications of VGG-19 at 224 px")
    same(lesson3.multiplications(1, 10, 2, 3), 540, "multiplications(1, 10, 2, 3)", within=0)
