"""A VGG at work: features of an image, and the gradient at the features back to the pixels."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from .engine import first_layer, maps, winograd
from .engine.maps import Map
from .engine.pooling import pool, unpool
from .engine.product import ROWS
from .engine.taps import Tap, tap, tap_gradient
from .engine.threads import Threads
from .engine.tiles import Source, Tiling, tiling
from .errors import UsageError, WeightsError
from .layers import VGG, Conv, Pool, Relu
from .onnx_io import load_vgg
from .settings import Pooling

__all__ = ["Network", "Pass", "load_network"]

Floats = npt.NDArray[np.float32]

SMALLEST_SIDE = 16  # one pixel is left of it at the deepest layers
_NO_CODE = np.empty(0, np.uint8)  # of a map that is not pooled


@dataclass(frozen=True)
class _Stage:
    """A convolution with its ReLU, and the pooling after it if there is one."""

    convolution: Conv
    relu: str
    pool: Pool | None


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

    def features(self, image: npt.ArrayLike, layers: Iterable[str]) -> dict[str, Floats]:
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
        maps_ = evaluation.forward(image)
        channels = evaluation.channels
        return {name: maps.inside(maps_[name])[..., : channels[name]].copy() for name in names}

    def at(
        self,
        height: int,
        width: int,
        taps: Sequence[str],
        pooling: Pooling | None = None,
        *,
        replicate: bool = False,
    ) -> "Pass":
        """Buffers for evaluations at one image size, as deep as the deepest of `taps`.

        With `replicate`, the first convolution sees the pixels at the edge once more beyond it, not
        zeros.

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
        return Pass(self, height, width, frozenset(taps), kind, replicate=replicate)

    def filters(self, stage: int, *, backward: bool) -> winograd.Filters:
        """Filters of a stage as its convolution needs them, prepared at their first use."""
        key = stage, backward
        if key not in self._filters:
            # Two threads may do it twice. A lock would stay held in a process that is forked then.
            weight = self.stages[stage].convolution.weight
            self._filters.setdefault(key, self._prepare(weight, backward))
        return self._filters[key]

    def _prepare(self, weight: Floats, backward: bool) -> winograd.Filters:
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


def _stages(vgg: VGG) -> list[_Stage]:
    """The chain as stages, `preprocess` aside.

    Raises
    ------
    WeightsError
        If it is not `preprocess`, then convolutions, each with a ReLU and perhaps one pooling.
    """
    stages: list[_Stage] = []
    chain = list(vgg.layers[1:])
    while len(chain) >= 2:
        convolution, relu = chain[:2]
        if not isinstance(convolution, Conv) or not isinstance(relu, Relu):
            break
        pool = chain[2] if len(chain) > 2 and isinstance(chain[2], Pool) else None
        stages.append(_Stage(convolution, relu.name, pool))
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


class Pass:
    """Forward and backward evaluations of a network at one image size, in memory used again.

    The backward pass writes each gradient over the features that it belongs to. Where features
    are pooled, only the pooled map and a byte for each of its values are kept.
    """

    def __init__(
        self,
        network: Network,
        height: int,
        width: int,
        taps: frozenset[str],
        pooling: Pooling | None,
        *,
        replicate: bool,
    ) -> None:
        self.network, self.pooling, self.replicate = network, pooling, replicate
        self.height, self.width, self.taps = height, width, taps
        self._stages = network.stages[: _depth(network.stages, taps)]
        self.channels: dict[str, int] = {}
        self._features: dict[str, Map] = {}  # what is kept: not every layer
        self._codes: list[npt.NDArray[np.uint8]] = []
        self._biases: list[Floats] = []
        self._sizes: list[tuple[int, int, int]] = []  # of each stage before its pooling
        self._tilings: list[Tiling] = []  # of its convolution, forward and backward
        convolutions: list[tuple[Tiling, int, int]] = []  # but for the first
        threads = network.threads.number
        inputs, spare = maps.padded_channels(3), 0
        shape = (height, width)
        for i, stage in enumerate(self._stages):
            channels = maps.padded_channels(stage.convolution.weight.shape[3])
            self.channels[stage.relu] = stage.convolution.weight.shape[3]
            bias = maps.aligned(channels)
            bias[: len(stage.convolution.bias)] = stage.convolution.bias
            self._biases.append(bias)
            size = (*shape, channels)
            self._sizes.append(size)
            self._tilings.append(tiling(*shape, inputs, channels, threads))
            if i > 0:
                convolutions.append((self._tilings[i], inputs, channels))
                if self._tilings[i].wide and self._stages[i - 1].relu in taps:  # `_tap_as_map`
                    spare = max(spare, maps.size(*self._sizes[i - 1]))
            inputs = channels
            pooled = self._pool(i)
            if pooled is None or stage.relu in taps or i == 0:
                self._features[stage.relu] = maps.empty(*size)
            if pooled is None:
                self._codes.append(_NO_CODE)
                continue
            if stage.relu in self._features:  # its gradient is needed as a map
                spare = max(spare, maps.size(*size))
            shape = (shape[0] // 2, shape[1] // 2)
            if min(shape) < 1:
                raise UsageError(
                    f"{height}x{width} pixels are too few: nothing is left of them after "
                    f"{pooled.name}"
                )
            spare = max(spare, maps.size(*shape, channels))
            self.channels[pooled.name] = self.channels[stage.relu]
            self._codes.append(maps.aligned(maps.size(*shape, channels), np.uint8))
            if pooled.name in taps:
                self._features[pooled.name] = maps.empty(*shape, channels)
        self._spares = [np.empty(0, np.float32), np.empty(0, np.float32)]
        self._spare_size = spare
        rows = first_layer.scratch(width, self._sizes[0][2]).size
        rows = max(rows, *((size[1] + ROWS) * size[2] for size in self._sizes))
        self._scratch = winograd.scratch(convolutions, threads)
        self._rows = [maps.aligned(rows) for _ in range(threads)]
        self._image = maps.empty(height, width, 3)

    def _pool(self, stage: int) -> Pool | None:
        """The pooling after a stage, unless nothing deeper is wanted."""
        pool = self._stages[stage].pool
        last = stage == len(self._stages) - 1
        return None if pool is None or (last and pool.name not in self.taps) else pool

    def _averages(self, pool: Pool | None) -> bool:
        return pool is not None and (self.pooling or pool.kind) == "average"

    def _spare(self, size: tuple[int, int, int], busy: Map) -> Map:
        """A map in memory that is used again and again, but not in that of `busy`."""
        which = int(np.shares_memory(self._spares[0], busy.data))
        if self._spares[which].size == 0:
            self._spares[which] = maps.aligned(self._spare_size)
        return maps.empty(*size, memory=self._spares[which])

    def forward(self, image: npt.NDArray) -> dict[str, Map]:
        """Features at the taps. They are valid until the next call of a method.

        Parameters
        ----------
        image : (height, width, 3) float
            RGB in [0, 1].
        """
        if image.shape != (self.height, self.width, 3):
            raise UsageError(f"the image must be {(self.height, self.width, 3)}, not {image.shape}")
        if not np.issubdtype(image.dtype, np.floating):
            raise UsageError(f"the image must be floats in [0, 1], not {image.dtype}")
        image = np.ascontiguousarray(image, np.float32)
        if not np.isfinite(image.sum()):  # ReLU would turn NaN into 0
            raise UsageError("the image has values that are not finite")
        run = self.network.threads.run
        blocks = -(-self.height // first_layer.ROW_BLOCK)
        run(first_layer.preprocess, blocks, image, self.network.first, self._image)
        if self.replicate:
            maps.replicate_edge(self._image)
        y = self._features[self._stages[0].relu]
        maps.clear_border(y)
        run(
            first_layer.convolve_relu,
            blocks,
            self._image,
            self.network.first,
            y,
            scratch=self._rows,
        )
        for i, stage in enumerate(self._stages):
            pooled = self._pool(i)
            average = self._averages(pooled)
            x, y = y, self._features.get(stage.relu, y)
            z = y
            if pooled is not None:
                height, width, channels = self._sizes[i]
                kept = self._features.get(pooled.name)
                z = kept or self._spare((height // 2, width // 2, channels), x)
            if i > 0:
                source, bias = Source(x, _NO_CODE, 1.0), self._biases[i]
                if stage.relu in self._features:
                    self._convolve(i, False, winograd.convolve_relu, source, bias, y)
                else:
                    kernel = winograd.convolve_relu_pool
                    self._convolve(i, False, kernel, source, bias, average, z, self._codes[i])
            if pooled is not None and stage.relu in self._features:
                run(pool, z.height, y, average, z, self._codes[i])
            y = z
        return {name: f for name, f in self._features.items() if name in self.taps}

    def backward(self, taps: Mapping[str, Tap]) -> Floats:
        """Gradient of the image from the gradients at the taps; it destroys the features.

        Returns
        -------
        (height, width, 3) float32
        """
        run = self.network.threads.run
        nothing = tap()
        gradient: Source | None = None  # with respect to what the stage's convolution gives
        for i in reversed(range(len(self._stages))):
            stage, pooled = self._stages[i], self._pool(i)
            here = taps.get(stage.relu, nothing)
            features = self._features.get(stage.relu)
            if pooled is not None:
                gradient = self._through_pool(i, pooled, gradient, taps.get(pooled.name, nothing))
                if features is None:
                    continue
                below = self._spare(self._sizes[i], gradient.map)
                run(unpool, gradient.map.height, gradient, below)
                gradient = Source(below, _NO_CODE, 1.0)
                if stage.relu in taps:
                    run(
                        tap_gradient,
                        features.height,
                        features,
                        here,
                        True,
                        True,
                        below,
                        scratch=self._rows,
                    )
                continue
            assert features is not None
            if gradient is None:
                run(
                    tap_gradient,
                    features.height,
                    features,
                    here,
                    True,
                    False,
                    features,
                    scratch=self._rows,
                )
            else:
                if self._tilings[i + 1].wide and here.matrix.size > 0:
                    here = self._tap_as_map(i, features, here, gradient.map)
                self._convolve(i + 1, True, winograd.backward_relu, gradient, features, here)
            gradient = Source(features, _NO_CODE, 1.0)
        assert gradient is not None
        image = np.empty((self.height, self.width, 3), np.float32)
        run(
            first_layer.backward,
            -(-self.height // first_layer.ROW_BLOCK),
            gradient.map,
            self.network.first,
            self.replicate,
            image,
            scratch=self._rows,
        )
        return image

    def _convolve(
        self, i: int, backward: bool, kernel: Callable[..., None], source: Source, *arguments: Any
    ) -> None:
        """Run `kernel` with the convolution of stage `i`, or with the way back through it."""
        filters = self.network.filters(i, backward=backward)
        winograd.convolve(
            self.network.threads,
            kernel,
            source,
            filters,
            self._tilings[i],
            *arguments,
            scratch=self._scratch,
        )

    def _tap_as_map(self, i: int, features: Map, here: Tap, busy: Map) -> Tap:
        """The gradient of a tap, made while all of its features are there."""
        added = self._spare(self._sizes[i], busy)
        self.network.threads.run(
            tap_gradient,
            features.height,
            features,
            here,
            False,
            False,
            added,
            scratch=self._rows,
        )
        return tap(added=added)

    def _through_pool(self, i: int, pooled: Pool, gradient: Source | None, here: Tap) -> Source:
        """The gradient of a pooled map, that of its tap included."""
        features = self._features.get(pooled.name)
        height, width, channels = self._sizes[i]
        busy = features if gradient is None else gradient.map
        assert busy is not None
        above = self._spare((height // 2, width // 2, channels), busy)
        if gradient is not None:
            self._convolve(i + 1, True, winograd.backward_plain, gradient, above)
        if features is not None:
            self.network.threads.run(
                tap_gradient,
                above.height,
                features,
                here,
                False,
                gradient is not None,
                above,
                scratch=self._rows,
            )
        return Source(above, self._codes[i], 0.25 if self._averages(pooled) else 1.0)


def _depth(stages: Sequence[_Stage], taps: frozenset[str]) -> int:
    """Stages up to the deepest tap."""
    return 1 + max(
        i
        for i, stage in enumerate(stages)
        if stage.relu in taps or (stage.pool is not None and stage.pool.name in taps)
    )
