"""Is lesson 3 solved? python -m pytest docs/course/exercises/test_lesson3.py"""

import numpy as np
import pytest
from lesson3 import multiplications, unharmed_filters, weight_gradient

from minimalstyle import reference
from minimalstyle.gradcheck import gradcheck


@pytest.mark.parametrize("shape", [(6, 7), (5, 5), (1, 4)])
def test_weight_gradient(shape):
    """Against finite differences of the convolution."""
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((*shape, 3)), rng.standard_normal((*shape, 5))

    def f(weight):
        return np.sum(dy * reference.convolve(x, weight, 0)), weight_gradient(dy, x)

    assert gradcheck(f, rng.standard_normal((3, 3, 3, 5))).passed()


def test_unharmed_filters():
    rng = np.random.default_rng(1)
    weight = unharmed_filters(rng)
    assert weight.shape == (3, 3, 2, 4)
    for c in range(2):
        for o in range(4):
            assert len(np.unique(weight[:, :, c, o])) == 5
    dy = rng.standard_normal((6, 7, 4))
    unflipped = reference.convolve(dy, weight.transpose(0, 1, 3, 2), 0)
    np.testing.assert_allclose(unflipped, reference.convolve_backward(dy, weight))


def test_multiplications():
    """VGG-19 takes 19.6 billion at 224 px, says the ResNet paper (He et al. 2016, section 3.3)."""
    total, size, c_in = 0, 224, 3
    for channels, convolutions in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
        for _ in range(convolutions):
            total += multiplications(size, size, c_in, channels)
            c_in = channels
        size //= 2
    total += 7 * 7 * 512 * 4096 + 4096 * 4096 + 4096 * 1000  # the layers that we do not need
    assert round(total / 1e9, 1) == 19.6
    assert multiplications(1, 10, 2, 3) == 540
