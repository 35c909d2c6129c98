"""The layers a VGG is made of, as plain data; what they compute is in `reference` and `engine`."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..settings.settings import Pooling

__all__ = ["VGG", "Conv", "Layer", "Pool", "Relu"]


@dataclass(frozen=True, eq=False)
class Conv:
    """Convolution with stride 1 that keeps height and width (zero padding of half a filter).

    Attributes
    ----------
    name : str
        `conv1_1`, or `preprocess` for the 1x1 convolution from RGB in [0, 1] to the values
        the network was trained on.
    weight : (k, k, C_in, C_out) float32, k in {1, 3}
    bias : (C_out,) float32
    """

    name: str
    weight: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Relu:
    """`max(x, 0)`."""

    name: str


@dataclass(frozen=True)
class Pool:
    """2x2 pooling with stride 2; an odd last row or column is dropped."""

    name: str
    kind: Pooling = "max"


Layer = Conv | Relu | Pool


@dataclass(frozen=True, eq=False)
class VGG:
    """A chain of layers, `preprocess` first, and where its numbers come from.

    Attributes
    ----------
    layers : tuple of Layer
    sha256 : str
        Of the file that it was read from.
    metadata : dict of str to str
        What the file says of itself: source, licence, layers.
    """

    layers: tuple[Layer, ...]
    sha256: str
    metadata: dict[str, str] = field(default_factory=dict)
