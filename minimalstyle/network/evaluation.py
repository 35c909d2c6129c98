"""One evaluation of a network, as the losses see it: moments out, gradients for them in.

A loss that depends on features through their moments and their squared distances has a gradient
that is affine in them, so neither side needs to know how, or in how many pieces, the other works.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from .._types import Float32, Floating
from ..engine import maps
from ..engine.maps import Map
from ..engine.taps import (
    add_weighted_gradient,
    make_tap,
    moments,
    squared_distance,
    weighted_moments,
)
from ..engine.variation import total_variation
from ..errors import UsageError
from ..pictures.images import resize
from ..settings.settings import Border, Pooling
from .border import fold, margin, pad
from .network import Network

__all__ = [
    "Affine",
    "Evaluation",
    "Moments",
    "Slope",
    "Statistics",
    "Told",
    "Whole",
    "region_weights",
    "unheard",
]


# Positions that a mask must leave. Deep layers of a small picture have few positions, so a small
# region has less than one there; its loss then counts as little as its area.
_LEAST = 1e-3

_FORWARD = 0.45  # of the time of an evaluation: the way to the statistics


class Moments(NamedTuple):
    """Of the features F (N, C) of a layer, or of a region of it.

    Attributes
    ----------
    mean : (C,) float32
    second : (C, C) float32
        `F'F / N`, the Gram matrix.
    positions : float
        N; of a region, the sum of its squared weights.
    """

    mean: Float32
    second: Float32
    positions: float


class Affine(NamedTuple):
    """A gradient `F S + b` of the features F.

    Attributes
    ----------
    matrix : (C, C) float32
        S.
    shift : (C,) float32 or None
        b; None for 0.
    """

    matrix: Float32
    shift: Float32 | None


# What a style loss gets, and what it gives back: of a layer with fewer positions than channels, the
# features (N, C) themselves may be asked for, which are less than a matrix of channels.
Statistics = Moments | Float32
Gradient = Affine | Float32


class Slope(NamedTuple):
    """What comes back: the gradient, and what no gradient depends on.

    Attributes
    ----------
    gradient : (H, W, 3) float32
    distances : dict of str to float
        For each content layer, `||F - P||^2` to the picture that is kept.
    variation : float
        The total variation.
    """

    gradient: Float32
    distances: dict[str, float]
    variation: float


class Evaluation(Protocol):
    """A picture's statistics, and the way back from their gradients to its pixels."""

    def keep(self, image: Floating) -> dict[str, float]:
        """Take the content of a picture (H, W, 3) as P; `||P||^2` of each content layer."""

    def shares(self, layer: str) -> list[float]:
        """Of each region in a style layer, by its area."""

    def forward(self, image: Floating) -> dict[str, list[Statistics]]:
        """Of each style layer and region, for a picture (H, W, 3), RGB in [0, 1].

        The layers with most channels come first: see `Objective`.
        """

    def backward(
        self,
        styles: Mapping[str, Sequence[Gradient]],
        contents: Mapping[str, float],
        variation: float,
    ) -> Slope:
        """The gradient of the picture of the last `forward`.

        Parameters
        ----------
        styles : mapping of str to sequence
            For each style layer, the gradient of each region.
        contents : mapping of str to float
            For each content layer, w of the gradient `w (F - P)`.
        variation : float
            Weight of the total variation, whose gradient is added.
        """

    def memory(self) -> int:
        """Bytes that it takes, filters aside, when it has been forwards and backwards."""

    def memory_to_begin(self) -> int:
        """Bytes that it takes to keep a content, and to give the first statistics."""


def unheard(share: float) -> None:
    """In place of one who is told: a function with a name, which can be pickled."""


class Told:
    """Tells `between` the `share` of an evaluation that is done, whenever it is called."""

    def __init__(self, between: Callable[[float], object]) -> None:
        self.share = 0.0
        self._between = between

    def __call__(self) -> None:
        self._between(self.share)


class Whole:
    """An `Evaluation` of the picture in one piece.

    Parameters
    ----------
    network : Network
    size : (height, width)
        Of the picture.
    style_layers, content_layers : iterable of str
    pooling : {"max", "average"}, optional
        Instead of the network's own.
    border : {"zero", "replicate", "reflect", "wrap"}
        What the network sees beyond the edge of the picture.
    regions : mapping of str to (H, W) float32 in [0, 1], optional
        How much each pixel belongs to each region, by the region's name.
    rows : bool
        Give the features themselves where they are fewer than a matrix of channels.
    between : callable
        Called several times a second with the share of the evaluation that is done; it may raise.

    Attributes
    ----------
    work : float
        1.

    Raises
    ------
    UsageError
        For an unknown layer or word, or a picture that is too small.
    """

    def __init__(
        self,
        network: Network,
        size: tuple[int, int],
        style_layers: Iterable[str],
        content_layers: Iterable[str] = (),
        *,
        pooling: Pooling | None = None,
        border: Border,
        regions: Mapping[str, Float32] | None = None,
        rows: bool = False,
        between: Callable[[float], object] = unheard,
    ) -> None:
        self._network, self._border, self._rows = network, border, rows
        self._told = Told(between)
        self._size = height, width = size
        around = 2 * margin(border, height, width)
        self._styles, self._contents = list(style_layers), list(content_layers)
        taps = [*self._contents, *self._styles]
        self._pass = network.at(
            height + around,
            width + around,
            taps,
            pooling,
            replicate=border == "replicate",
            between=self._told,
        )
        self._targets: dict[str, Map] = {}
        self._regions = regions
        self._weights: dict[str, list[Float32]] = {}  # of the positions of a layer, in each region
        self._gradients: dict[str, Map] = {}  # where regions add up
        self._scaled: dict[tuple[int, ...], Map] = {}  # for a region's weighted features, by shape
        self._features: dict[str, Map] = {}
        self._image: Float32

    work = 1.0

    def keep(self, image: Floating) -> dict[str, float]:
        self._told.share = 0.0
        features = self._pass.forward(pad(image, self._border))
        for name in self._contents:
            self._targets[name] = features[name]._replace(data=features[name].data.copy())
        if self._regions is not None:
            self._place(features)
        return {name: float(np.vdot(f.data, f.data)) for name, f in self._targets.items()}

    def _place(self, features: Mapping[str, Map]) -> None:
        """The regions at each layer."""
        assert self._regions is not None
        for layer in self._styles:
            f = features[layer]
            self._weights[layer] = region_weights(
                self._regions, self._border, layer, (f.height, f.width)
            )
            self._gradients[layer] = maps.empty(*f[1:4])

    def shares(self, layer: str) -> list[float]:
        weights = self._weights.get(layer)
        return [1.0] if weights is None else [float(np.vdot(w, w)) / w.size for w in weights]

    def forward(self, image: Floating) -> dict[str, list[Statistics]]:
        self._told.share = 0.0
        self._image = np.ascontiguousarray(pad(image, self._border), np.float32)
        self._features = self._pass.forward(self._image)
        if self._regions is not None and not self._weights:
            self._place(self._features)
        order = sorted(self._styles, key=lambda name: -self._features[name].channels)
        return {name: self._statistics(name, self._features[name]) for name in order}

    def _statistics(self, layer: str, f: Map) -> list[Statistics]:
        threads = self._network.threads
        if layer in self._weights:
            return [
                Moments(
                    *weighted_moments(f, weight, self._memory_like(f), threads),
                    float(np.vdot(weight, weight)),
                )
                for weight in self._weights[layer]
            ]
        if self._rows and f.height * f.width < f.channels:
            return [maps.inside(f).reshape(-1, f.channels)]
        return [Moments(*moments(f, threads), f.height * f.width)]

    def _memory_like(self, f: Map) -> Map:
        if (shape := f[1:4]) not in self._scaled:
            self._scaled[shape] = maps.empty(*shape)
        return self._scaled[shape]

    def backward(
        self,
        styles: Mapping[str, Sequence[Gradient]],
        contents: Mapping[str, float],
        variation: float,
    ) -> Slope:
        self._told.share = _FORWARD
        threads = self._network.threads
        distances = {
            name: squared_distance(self._features[name], self._targets[name], threads)
            for name in self._contents
        }
        taps = {}
        for name, f in self._features.items():
            matrix = shift = added = None
            if name in self._weights:
                added = self._add_up(name, f, styles[name])
            elif name in styles:
                (gradient,) = styles[name]
                if isinstance(gradient, Affine):
                    matrix, shift = gradient
                else:
                    added = maps.empty(*f[1:4])
                    maps.inside(added)[...] = gradient.reshape(f.height, f.width, f.channels)
            target = self._targets[name] if name in contents else None
            taps[name] = make_tap(matrix, shift, target, contents.get(name, 0.0), added)
        gradient_image = self._pass.backward(taps)
        value = total_variation(self._image, variation, gradient_image, threads)
        if self._image.shape[:2] != self._size:
            gradient_image = fold(gradient_image, self._border, *self._size)
        return Slope(gradient_image, distances, value)

    def _add_up(self, layer: str, f: Map, gradients: Sequence[Gradient]) -> Map:
        """The gradients of all regions as one map."""
        total, scaled = self._gradients[layer], self._memory_like(f)
        for i, (weight, gradient) in enumerate(zip(self._weights[layer], gradients, strict=True)):
            assert isinstance(gradient, Affine)
            add_weighted_gradient(f, weight, *gradient, i > 0, scaled, total, self._network.threads)
        return total

    def memory(self) -> int:
        held = self._pass.memory(backward=True)
        held += sum(self._pass.map_bytes(name) for name in self._contents)
        if self._regions is not None:  # weighted features, and gradients that add up
            held += 2 * sum(self._pass.map_bytes(name) for name in self._styles)
        return held

    def memory_to_begin(self) -> int:
        """Bytes that it takes to keep a content, and to give the first statistics."""
        held = self._pass.memory(backward=False)
        held += sum(self._pass.map_bytes(name) for name in self._contents)
        if self._regions is not None and self._styles:
            held += self._pass.map_bytes(self._styles[0])
        return held

    @property
    def filter_bytes(self) -> int:
        """Of the network's filters that it needs, forwards and backwards."""
        return self._pass.filter_bytes


def region_weights(
    regions: Mapping[str, Float32], border: Border, layer: str, size: tuple[int, int]
) -> list[Float32]:
    """How much each position of a layer of some (height, width) belongs to each region."""
    height, width = size
    weights = []
    for name, mask in regions.items():
        weight = resize(pad(mask, border), width, height)
        if float(np.vdot(weight, weight)) < _LEAST:
            raise UsageError(f"{name}: nothing of it is left at layer {layer}")
        weights.append(weight)
    return weights
