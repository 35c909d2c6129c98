"""What the gradient check runs on: each layer and loss, and a tiny network, with random numbers."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from minimalstyle import reference
from minimalstyle.network.layers import Conv, Layer, Pool, Relu
from minimalstyle.settings.settings import Pooling

__all__ = ["Case", "cases", "tiny_vgg"]

Array = npt.NDArray[np.float64]


class Case(NamedTuple):
    """A function of an array, with gradient, and a point where it is differentiable."""

    x: Array
    f: Callable[[Array], tuple[float, Array]]


def tiny_vgg(
    blocks: Sequence[Sequence[int]] = ((5, 7), (6,)),
    *,
    pooling: Pooling = "max",
    seed: int = 0,
) -> tuple[Layer, ...]:
    """Make a chain of layers like a VGG's, named like them, with random weights.

    Parameters
    ----------
    blocks : sequence of sequence of int
        Output channels of each convolution; between two blocks stands a pool.
    pooling : {"max", "average"}
    seed : int

    Returns
    -------
    tuple of Layer
        preprocess, conv1_1, relu1_1, conv1_2, relu1_2, pool1, conv2_1, relu2_1 by default.
    """
    rng = np.random.default_rng(seed)

    def conv(name: str, weight: Array, bias: Array) -> Conv:
        return Conv(name, weight.astype(np.float32), bias.astype(np.float32))

    # Pixels in [0, 1] become values around 0 with deviation 1 or so, and the colours mix a
    # little, so that swapped channels are noticed.
    mix = 4 * np.eye(3) + rng.normal(0, 0.3, (3, 3))
    layers: list[Layer] = [conv("preprocess", mix[None, None], np.full(3, -2.0))]
    c_in = 3
    for b, block in enumerate(blocks, start=1):
        if b > 1:
            layers.append(Pool(f"pool{b - 1}", pooling))
        for i, c_out in enumerate(block, start=1):
            # With a variance of 2 / inputs, values neither grow nor fade from layer to layer.
            weight = rng.normal(0, np.sqrt(2 / (9 * c_in)), (3, 3, c_in, c_out))
            layers.append(conv(f"conv{b}_{i}", weight, rng.normal(0, 0.1, c_out)))
            layers.append(Relu(f"relu{b}_{i}"))
            c_in = c_out
    return tuple(layers)


def _distance_to_kink(layers: Sequence[Layer], image: Array) -> float:
    """Tell how near any ReLU comes to zero and any max pool to a tie."""
    _, tape = reference.forward(layers, image, [layers[-1].name])
    nearest = np.inf
    for layer, step in zip(layers, tape, strict=True):
        if isinstance(layer, Relu):
            nearest = min(nearest, np.abs(step.x).min())
        elif step.winner is not None:
            *_, second, first = np.sort(reference.window_pixels(step.x), axis=0)
            # Where all four are zero, the ReLU before keeps them so on both sides of the step.
            gaps = (first - second)[first > 0]
            nearest = min(nearest, gaps.min(initial=np.inf))
    return nearest


def cases(size: int = 16, seed: int = 0) -> dict[str, Case]:
    """Make one case for each layer and each loss, on arrays of size x (size + 1).

    Finite differences mean nothing across a kink, so the inputs of ReLU and max pooling have
    values well apart from zero and from each other, and the image of the whole objective is
    the one of thirty for which that holds best inside the network.
    """
    rng = np.random.default_rng(seed)
    shape = (size, size + 1)
    half = (size // 2, shape[1] // 2)

    def layer(x: Array, forward: Callable, backward: Callable, out: tuple[int, ...]) -> Case:
        # A layer has many outputs; their sum with random weights R is a single value, and its
        # derivative with respect to the outputs is R.
        R = rng.standard_normal(out)
        return Case(x, lambda x: (np.sum(R * forward(x)), backward(R, x)))

    def convolution(k: int) -> Case:
        weight, bias = rng.standard_normal((k, k, 5, 7)), rng.standard_normal(7)
        return layer(
            rng.standard_normal((*shape, 5)),
            lambda x: reference.convolve(x, weight, bias),
            lambda R, x: reference.convolve_backward(R, weight),
            (*shape, 7),
        )

    signs = rng.choice([-1.0, 1.0], (*shape, 5))
    distinct = rng.permutation(np.linspace(-1, 1, size * (size + 1) * 3)).reshape(*shape, 3)
    features, P = np.abs(rng.standard_normal((2, *shape, 5)))
    others = np.abs(rng.standard_normal((*shape, 5)))
    A = reference.gram(others)
    mean, covariance = others.mean(axis=(0, 1)), np.cov(others.reshape(-1, 5).T)
    return {
        "conv1x1": convolution(1),
        "conv3x3": convolution(3),
        "relu": layer(
            signs * rng.uniform(0.1, 1, (*shape, 5)),
            reference.relu,
            lambda R, x: reference.relu_backward(R, reference.relu(x)),
            (*shape, 5),
        ),
        "maxpool": layer(
            distinct,
            lambda x: reference.max_pool(x)[0],
            lambda R, x: reference.max_pool_backward(R, reference.max_pool(x)[1], x.shape),
            (*half, 3),
        ),
        "avgpool": layer(
            distinct,
            reference.average_pool,
            lambda R, x: reference.average_pool_backward(R, x.shape),
            (*half, 3),
        ),
        "gram": layer(features, reference.gram, reference.gram_backward, (5, 5)),
        "content": Case(features, lambda x: reference.content_loss(x, P)),
        "style": Case(features, lambda x: reference.style_loss(x, A)),
        "wasserstein": Case(features, lambda x: reference.wasserstein_loss(x, mean, covariance)),
        "tv": Case(rng.uniform(size=(*shape, 3)), reference.total_variation),
        "objective": _whole_objective(shape, rng),
    }


def _whole_objective(shape: tuple[int, int], rng: np.random.Generator) -> Case:
    layers = tiny_vgg(seed=int(rng.integers(2**32)))
    content, style = rng.uniform(size=(2, *shape, 3))
    names = ["relu1_1", "relu2_1"]
    P = reference.forward(layers, content, names)[0]
    A = {name: reference.gram(F) for name, F in reference.forward(layers, style, names)[0].items()}
    candidates = rng.uniform(size=(30, *shape, 3))
    image = max(candidates, key=lambda image: _distance_to_kink(layers, image))
    # No weight is 1: a gradient that forgets one must be wrong.
    return Case(
        image,
        lambda x: reference.objective(
            layers,
            x,
            P,
            A,
            content_weights={"relu1_1": 0.3, "relu2_1": 0.7},
            style_weights={"relu1_1": 0.4, "relu2_1": 0.6},
            alpha=2.0,
            beta=10.0,
            gamma=0.1,
        ),
    )
