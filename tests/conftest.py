"""Small random images and networks, the same at every run."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from minimalstyle.gradcheck import cases
from minimalstyle.layers import Layer


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def random_image() -> Callable[..., npt.NDArray[np.float64]]:
    """`random_image(height, width, seed=0)` -> (height, width, 3) float64 in [0, 1]."""

    def make(height: int, width: int, seed: int = 0) -> npt.NDArray[np.float64]:
        return np.random.default_rng(seed).uniform(size=(height, width, 3))

    return make


@pytest.fixture
def tiny_vgg() -> Callable[..., tuple[Layer, ...]]:
    """`tiny_vgg(blocks=((5, 7), (6,)), *, pooling="max", seed=0)` -> tuple of Layer."""
    return cases.tiny_vgg
