"""Forwards and backwards through a network at one image size, in memory that is used again."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from .._types import Float32
from ..engine import first_layer, maps, winograd
from ..engine.maps import Map
from ..engine.pooling import pool, unpool
from ..engine.product import ROWS
from ..engine.taps import Tap, make_tap, tap_gradient
from ..engine.threads import Threads
from ..engine.tiles import Source, Tiling, tiling
from ..errors import UsageError
from ..settings.settings import Pooling
from .layers import Conv, Pool

__all__ = ["Pass", "Stage", "deepest"]


_NO_CODE = np.empty(0, np.uint8)  # of a map that is not pooled


@dataclass(frozen=True)
class Stage:
    """A convolution with its ReLU, and the pooling after it if there is one.

    The bias is aligned, for as many channels as a map has.
    """

    convolution: Conv
    bias: Float32
    relu: str
    pool: Pool | None


def deepest(stages: Sequence[Stage], taps: Collection[str]) -> int:
    """Number of the last stage with a tap."""
    return max(
        i
        for i, stage in enumerate(stages)
        if stage.relu in taps or (stage.pool is not None and stage.pool.name in taps)
    )


class Pass:
    """Forward and backward evaluations of a network at one image size, in memory used again.

    The backward pass writes each gradient over the features that it belongs to. Where features
    are pooled, only the pooled map and a byte for each of its values are kept.
    """

    def __init__(  # noqa: PLR0917 - what a network has, and what is asked of it
        self,
        stages: Sequence[Stage],
        first: first_layer.FirstLayer,
        filters: Callable[..., winograd.Filters],
        threads: Threads,
        size: tuple[int, int],
        taps: frozenset[str],
        pooling: Pooling | None,
        *,
        replicate: bool,
    ) -> None:
        self.pooling, self.replicate, self.threads = pooling, replicate, threads
        self.height, self.width = height, width = shape = size
        self.taps = taps
        self._stages, self._first, self._filters = stages, first, filters
        self._features: dict[str, Map] = {}  # what is kept: not every layer
        self._codes: list[npt.NDArray[np.uint8]] = []
        self._sizes: list[tuple[int, int, int]] = []  # of each stage before its pooling
        self._tilings: list[Tiling] = []  # of its convolution, forward and backward
        convolutions: list[tuple[Tiling, int, int]] = []  # but for the first
        inputs, spare = maps.padded_channels(3), 0
        for i, stage in enumerate(self._stages):
            channels = maps.padded_channels(stage.convolution.weight.shape[3])
            here = (*shape, channels)
            self._sizes.append(here)
            self._tilings.append(tiling(*shape, inputs, channels, threads.number))
            if i > 0:
                convolutions.append((self._tilings[i], inputs, channels))
                if self._tilings[i].wide and self._stages[i - 1].relu in taps:  # `_tap_as_map`
                    spare = max(spare, maps.size(*self._sizes[i - 1]))
            inputs = channels
            pooled = self._pool(i)
            if pooled is None or stage.relu in taps or i == 0:
                self._features[stage.relu] = maps.empty(*here)
            if pooled is None:
                self._codes.append(_NO_CODE)
                continue
            if stage.relu in self._features:  # its gradient is needed as a map
                spare = max(spare, maps.size(*here))
            shape = (shape[0] // 2, shape[1] // 2)
            if min(shape) < 1:
                raise UsageError(
                    f"{height}x{width} pixels are too few: nothing is left of them after "
                    f"{pooled.name}"
                )
            spare = max(spare, maps.size(*shape, channels))
            self._codes.append(maps.aligned(maps.size(*shape, channels), np.uint8))
            if pooled.name in taps:
                self._features[pooled.name] = maps.empty(*shape, channels)
        self._spares = [np.empty(0, np.float32), np.empty(0, np.float32)]
        self._spare_size = spare
        rows = first_layer.scratch(width, self._sizes[0][2]).size
        rows = max(rows, *((size[1] + ROWS) * size[2] for size in self._sizes))
        self._scratch = winograd.scratch(convolutions, threads.number)
        self._rows = [maps.aligned(rows) for _ in range(threads.number)]
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

    def memory(self, *, backward: bool) -> int:
        """Bytes of all buffers, those that come at their first use among them.

        Only forwards there is one spare map. Backwards there are two where a pooled gradient in one
        of them goes on into another map, or past one.
        """
        held = sum({id(array): array.nbytes for array in _arrays(vars(self))}.values())
        held -= sum(spare.nbytes for spare in self._spares)
        pooled = [self._pool(number) is not None for number in range(len(self._stages))]
        kept = [stage.relu in self._features for stage in self._stages]
        beside = [
            stage.relu in self.taps and tiling.wide and above
            for stage, tiling, above in zip(
                self._stages, self._tilings[1:], pooled[1:], strict=False
            )
        ]
        two = any(beside)
        two |= any(a and b for a, b in [*zip(pooled, kept, strict=True), *pairwise(pooled)])
        return held + 4 * self._spare_size * (2 if two and backward else 1)

    def map_bytes(self, name: str) -> int:
        """Of the features at a tap."""
        return self._features[name].data.nbytes

    @property
    def filter_bytes(self) -> int:
        """Of the filters, forwards and backwards, but for the first layer's."""
        total = 0
        for stage in self._stages[1:]:
            inputs, outputs = (maps.padded_channels(c) for c in stage.convolution.weight.shape[2:])
            total += 2 * 4 * winograd.size_of_filters(inputs, outputs)
        return total

    def forward(self, image: npt.NDArray, wanted: Collection[str] | None = None) -> dict[str, Map]:
        """Features at the taps. They are valid until the next call of a method.

        Parameters
        ----------
        image : (height, width, 3) float
            RGB in [0, 1].
        wanted : collection of str, optional
            Go no deeper than the deepest of these taps.
        """
        if image.shape != (self.height, self.width, 3):
            raise UsageError(f"the image must be {(self.height, self.width, 3)}, not {image.shape}")
        if not np.issubdtype(image.dtype, np.floating):
            raise UsageError(f"the image must be floats in [0, 1], not {image.dtype}")
        image = np.ascontiguousarray(image, np.float32)
        if not np.isfinite(image.sum()):  # ReLU would turn NaN into 0
            raise UsageError("the image has values that are not finite")
        run = self.threads.run
        blocks = -(-self.height // first_layer.ROW_BLOCK)
        run(first_layer.preprocess, blocks, image, self._first, self._image)
        if self.replicate:
            maps.replicate_edge(self._image)
        y = self._features[self._stages[0].relu]
        maps.clear_border(y)
        run(
            first_layer.convolve_relu,
            blocks,
            self._image,
            self._first,
            y,
            scratch=self._rows,
        )
        names = self.taps if wanted is None else wanted
        for i, stage in enumerate(self._stages[: deepest(self._stages, names) + 1]):
            pooled = self._pool(i)
            average = self._averages(pooled)
            x, y = y, self._features.get(stage.relu, y)
            z = y
            if pooled is not None:
                height, width, channels = self._sizes[i]
                kept = self._features.get(pooled.name)
                z = kept or self._spare((height // 2, width // 2, channels), x)
            if i > 0:
                source, bias = Source(x, _NO_CODE, 1.0), stage.bias
                if stage.relu in self._features:
                    self._convolve(i, False, winograd.convolve_relu, source, bias, y)
                else:
                    kernel = winograd.convolve_relu_pool
                    self._convolve(i, False, kernel, source, bias, average, z, self._codes[i])
            if pooled is not None and stage.relu in self._features:
                run(pool, z.height, y, average, z, self._codes[i])
            y = z
        return {name: f for name, f in self._features.items() if name in names}

    def backward(self, taps: Mapping[str, Tap]) -> Float32:
        """Gradient of the image from the gradients at the taps; it destroys the features.

        Returns
        -------
        (height, width, 3) float32
        """
        run = self.threads.run
        nothing = make_tap()
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
            self._first,
            self.replicate,
            image,
            scratch=self._rows,
        )
        return image

    def _convolve(
        self, i: int, backward: bool, kernel: Callable[..., None], source: Source, *arguments: Any
    ) -> None:
        """Run `kernel` with the convolution of stage `i`, or with the way back through it."""
        filters = self._filters(i, backward=backward)
        winograd.convolve(
            self.threads,
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
        self.threads.run(
            tap_gradient,
            features.height,
            features,
            here,
            False,
            False,
            added,
            scratch=self._rows,
        )
        return make_tap(added=added)

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
            self.threads.run(
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


def _arrays(held: Any) -> Iterator[npt.NDArray[Any]]:
    """All arrays in containers of any depth."""
    if isinstance(held, np.ndarray):
        yield held
    elif isinstance(held, dict):
        yield from _arrays(list(held.values()))
    elif isinstance(held, (list, tuple)):
        for item in held:
            yield from _arrays(item)
