"""A VGG ready to run: its layers as stages, and their filters as the engine needs them."""

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from .._types import Float32
from ..engine import first_layer, maps, winograd
from ..engine.threads import Threads
from ..errors import UsageError, WeightsError
from ..settings.settings import Pooling
from .layers import VGG, Conv, Pool, Relu
from .onnx_io import load_vgg
from .passes import Pass, Stage, deepest

__all__ = ["Network", "load_network"]


SMALLEST_SIDE = 16  # one pixel is left of it at the deepest layers


def load_network(
    path: str | os.PathLike[str] | None = None,
    *,
    pooling: Pooling | None = None,
    threads: int | None = None,
) -> "Network":
    """Load a VGG for the engine.

    Parameters
    ----------
    path : path-like, optional
        An ONNX file; the embedded VGG-19 by default.
    pooling : {"max", "average"}, optional
        Instead of what the file says.
    threads : int, optional
        All cores by default. The results do not depend on it.

    Returns
    -------
    Network

    Raises
    ------
    WeightsError
        If the file is missing, not ONNX or not a VGG-like chain of layers.
    """
    return Network(load_vgg(path), pooling=pooling, threads=threads)


class Network:
    """A VGG ready to run: `features` for a look, `at` for repeated evaluations at one size.

    Parameters
    ----------
    vgg : VGG
    pooling : {"max", "average"}, optional
        Instead of what the file says.
    threads : int, optional
        All cores by default.
    """

    def __init__(
        self,
        vgg: VGG,
        *,
        pooling: Pooling | None = None,
        threads: int | None = None,
    ) -> None:
        self.vgg = vgg
        self.pooling = pooling
        self.threads = Threads(threads)
        self.stages = _stages(vgg)
        self._filters: dict[tuple[int, bool], winograd.Filters] = {}
        colour = vgg.layers[0]
        first = self.stages[0].convolution
        assert isinstance(colour, Conv)
        self.first = first_layer.first_layer(
            colour.weight[0, 0], colour.bias, first.weight, first.bias
        )

    def __reduce__(self) -> tuple[Any, ...]:  # a copy prepares its filters itself
        make = partial(type(self), pooling=self.pooling, threads=self.threads.wanted)
        return make, (self.vgg,)

    @property
    def layers(self) -> list[str]:
        """Names of the layers that can be tapped: every ReLU and pooling, in order."""
        return [layer.name for layer in self.vgg.layers if not isinstance(layer, Conv)]

    @property
    def channels(self) -> dict[str, int]:
        """Of each layer that can be tapped."""
        count = {}
        for stage in self.stages:
            count[stage.relu] = stage.convolution.weight.shape[3]
            if stage.pool is not None:
                count[stage.pool.name] = count[stage.relu]
        return count

    def features(self, image: npt.ArrayLike, layers: Iterable[str]) -> dict[str, Float32]:
        """Feature maps of an image.

        Parameters
        ----------
        image : (H, W, 3) float
            RGB in [0, 1].
        layers : iterable of str, or str
            Names such as "relu4_2" or "pool1".

        Returns
        -------
        dict of str to (h, w, C) float32
        """
        image = np.asarray(image)
        if image.ndim != 3:
            raise UsageError(f"an image is (height, width, 3), not {image.shape}")
        names = [layers] if isinstance(layers, str) else list(layers)
        evaluation = self.at(image.shape[0], image.shape[1], names)
        maps_, channels = evaluation.forward(image), self.channels
        return {name: maps.inside(maps_[name])[..., : channels[name]].copy() for name in names}

    def at(
        self,
        height: int,
        width: int,
        taps: Sequence[str],
        pooling: Pooling | None = None,
        *,
        replicate: bool = False,
        between: Callable[[], object] | None = None,
    ) -> "Pass":
        """Buffers for evaluations at one image size, as deep as the deepest of `taps`.

        With `replicate`, the first convolution sees the pixels at the edge once more beyond it, not
        zeros. `between` is called several times a second while it works; it may raise.

        Raises
        ------
        UsageError
            For an unknown layer, or an image that is too small.
        """
        unknown = [name for name in taps if name not in self.layers]
        if unknown or not taps:
            raise UsageError(
                f"unknown layer {unknown[0]!r}; this network has {', '.join(self.layers)}"
                if unknown
                else "name at least one layer"
            )
        if min(height, width) < SMALLEST_SIDE:
            raise UsageError(
                f"an image has at least {SMALLEST_SIDE} pixels on each side, not {height}x{width}"
            )
        kind = pooling or self.pooling
        last = deepest(self.stages, frozenset(taps))
        return Pass(
            self.stages[: last + 1],
            self.first,
            self.filters,
            self.threads.watched(between),
            (height, width),
            frozenset(taps),
            kind,
            replicate=replicate,
        )

    def filters(self, stage: int, *, backward: bool) -> winograd.Filters:
        """Filters of a stage as its convolution needs them, prepared at their first use."""
        key = stage, backward
        if key not in self._filters:
            # Two threads may do it twice. A lock would stay held in a process that is forked then.
            weight = self.stages[stage].convolution.weight
            self._filters.setdefault(key, self._prepare(weight, backward))
        return self._filters[key]

    def filter_bytes(self, taps: Iterable[str]) -> int:
        """Of the filters up to the deepest tap, forwards and backwards, but for the first ones."""
        total = 0
        for stage in self.stages[1 : deepest(self.stages, frozenset(taps)) + 1]:
            inputs, outputs = (maps.padded_channels(c) for c in stage.convolution.weight.shape[2:])
            total += 2 * 4 * winograd.size_of_filters(inputs, outputs)
        return total

    def _prepare(self, weight: Float32, backward: bool) -> winograd.Filters:
        if backward:  # the gradient flows through flipped filters, from outputs to inputs
            weight = weight[::-1, ::-1].transpose(0, 1, 3, 2)
        inputs, outputs = (maps.padded_channels(count) for count in weight.shape[2:])
        if weight.shape != (3, 3, inputs, outputs):
            # Channels up to whole panels, and a 1x1 filter as the centre of a 3x3 one.
            filled = np.zeros((3, 3, inputs, outputs), np.float32)
            where = slice(None) if len(weight) == 3 else slice(1, 2)
            filled[where, where, : weight.shape[2], : weight.shape[3]] = weight
            weight = filled
        return winograd.filters(weight)


def _stages(vgg: VGG) -> list[Stage]:
    """The chain as stages, `preprocess` aside.

    Raises
    ------
    WeightsError
        If it is not `preprocess`, then convolutions, each with a ReLU and perhaps one pooling.
    """
    stages: list[Stage] = []
    chain = list(vgg.layers[1:])
    while len(chain) >= 2:
        convolution, relu = chain[:2]
        if not isinstance(convolution, Conv) or not isinstance(relu, Relu):
            break
        pool = chain[2] if len(chain) > 2 and isinstance(chain[2], Pool) else None
        bias = maps.aligned(maps.padded_channels(len(convolution.bias)))
        bias[: len(convolution.bias)] = convolution.bias
        stages.append(Stage(convolution, bias, relu.name, pool))
        del chain[: 2 if pool is None else 3]
    if chain:
        raise WeightsError(
            f"layer {chain[0].name}: a network is a chain of convolutions, each followed by a "
            "ReLU and perhaps by one pooling"
        )
    shapes = [stage.convolution.weight.shape for stage in stages]
    preprocess = vgg.layers[0] if vgg.layers else None
    if not isinstance(preprocess, Conv) or preprocess.weight.shape != (1, 1, 3, 3) or not stages:
        raise WeightsError("a network begins with a 1x1 convolution of RGB, then has a layer")
    if shapes[0][:3] != (3, 3, 3):
        raise WeightsError(
            f"the first layer must be a 3x3 convolution of 3 channels, not {shapes[0]}"
        )
    return stages
