"""Random images and networks, the same at every run; the example pictures, the true weights."""

import signal
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from minimalstyle.gradcheck import cases
from minimalstyle.network.border import pad
from minimalstyle.network.layers import VGG, Conv, Layer, Pool
from minimalstyle.network.network import Network, load_network
from minimalstyle.painting.inputs import AtSize
from minimalstyle.painting.method import objective_at
from minimalstyle.painting.schedule import scales
from minimalstyle.pictures.images import Size
from minimalstyle.settings.settings import Border, Settings

EXAMPLES = Path(__file__).parents[1] / "examples"

# Layers near the pixels: a tenth of the work, where it matters what becomes of a picture and not
# how it looks.
SHALLOW = {
    "content_layers": {"relu2_1": 1.0},
    "style_layers": {"relu1_1": 1.0, "relu2_1": 1.0},
}
SHALLOW_WORDS = ["--content-layers", "relu2_1:1", "--style-layers", "relu1_1:1,relu2_1:1"]


def off(x: npt.NDArray, expected: npt.NDArray) -> float:
    """Root mean square of the error, relative to that of what is expected."""
    return float(np.linalg.norm(x - expected) / np.linalg.norm(expected))


def pooled_by(kind: Literal["max", "average"], layers: Iterable[Layer]) -> list[Layer]:
    """The same layers, with this kind of pooling."""
    return [replace(layer, kind=kind) if isinstance(layer, Pool) else layer for layer in layers]


# A shell that starts the tests in the background ignores SIGINT, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


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


@pytest.fixture
def pooled_vgg() -> Callable[..., VGG]:
    """`pooled_vgg(blocks, pooling="max", ones=())` -> VGG: `tiny_vgg` with a pool at its end.

    The convolutions named in `ones` are 1x1.
    """

    def make(
        blocks: tuple[tuple[int, ...], ...], pooling: str = "max", ones: tuple[str, ...] = ()
    ) -> VGG:
        layers = [
            Conv(layer.name, 3 * layer.weight[1:2, 1:2], layer.bias)
            if layer.name in ones and isinstance(layer, Conv)
            else layer
            for layer in cases.tiny_vgg(blocks, pooling=pooling)
        ]
        return VGG((*layers, Pool(f"pool{len(blocks)}", pooling)), sha256="random")

    return make


@pytest.fixture
def clear_image() -> Callable[..., npt.NDArray[np.float64]]:
    """`clear_image(vgg, height, width, border="zero")` -> (height, width, 3) float64 in [0, 1].

    The one of eight random images that, with its margin, is furthest from the kinks of the
    network's ReLUs and pools, where the gradient jumps and rounding decides to which side.
    """

    def make(vgg: VGG, height: int, width: int, border: Border = "zero") -> npt.NDArray[np.float64]:
        images = np.random.default_rng(height * width).random((8, height, width, 3), np.float32)

        def distance(image: npt.NDArray[np.float64]) -> float:
            return cases._distance_to_kink(vgg.layers, pad(image, border))

        return max(images.astype(np.float64), key=distance)

    return make


@pytest.fixture(scope="session")
def network() -> Network:
    """The embedded VGG-19. It has no state that a test could spoil."""
    return load_network()


@pytest.fixture(scope="session")
def content_file() -> Path:
    return EXAMPLES / "neuschwanstein.jpg"


@pytest.fixture(scope="session")
def style_file() -> Path:
    return EXAMPLES / "starry_night.jpg"


@pytest.fixture(scope="session")
def picture() -> Callable[..., npt.NDArray[np.uint8]]:
    """`picture(file, width, height)` -> (height, width, 3) uint8."""

    def make(file: Path, width: int, height: int) -> npt.NDArray[np.uint8]:
        with Image.open(file) as image:
            return np.array(image.convert("RGB").resize((width, height)))

    return make


@pytest.fixture(scope="session")
def photograph(
    picture: Callable[..., npt.NDArray[np.uint8]], content_file: Path
) -> Callable[..., npt.NDArray[np.float64]]:
    """`photograph(width, height)` -> (height, width, 3) float64 in [0, 1], a real one, dithered.

    Without dither its sky would be full of equal pixels, and so of ties for the max pools.
    """

    def make(width: int, height: int) -> npt.NDArray[np.float64]:
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, (height, width, 3))
        image = np.clip((picture(content_file, width, height) + noise) / 255, 0, 1)
        return image.astype(np.float32).astype(np.float64)

    return make


def run_objective(
    network: Network, content: npt.NDArray, style: npt.NDArray, settings: Settings | None = None
) -> Callable:
    """The objective of a run at its first size."""
    settings = settings or Settings()
    (scale,) = scales([Size.of(content)], settings)
    return objective_at(network, AtSize(content, [style], [None], None, content), scale, settings)
