"""An evaluation in horizontal bands: any picture in little memory, with the same loss and gradient.

Moments, distances and their gradients are sums over positions, so they may be taken band by band.
The first pass adds up moments. The second computes each band again, sends the gradients of its own
rows back, which no longer depend on other bands, and adds up what arrives at the pixels. Around
its own rows a band has those that the network looks at from there: inside the picture no edge of a
band is seen.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .._types import Float32, Floating
from ..engine import maps
from ..engine.maps import Map
from ..engine.product import ROWS
from ..engine.taps import (
    Tap,
    add_weighted_gradient,
    make_tap,
    moments,
    squared_distance,
    tap_gradient,
    weighted_moments,
)
from ..engine.threads import Threads
from ..engine.variation import total_variation
from ..errors import UsageError
from ..settings.settings import Border, Pooling
from .border import fold, margin, pad
from .evaluation import Affine, Gradient, Moments, Slope, Statistics, region_weights
from .network import SMALLEST_SIDE, Network
from .passes import Stage

__all__ = ["Bands"]


class _Band(NamedTuple):
    """Rows of the picture: its own, and where the rows begin that it is computed from."""

    first: int
    last: int
    start: int


class Bands:
    """An `Evaluation` of the picture in bands.

    Parameters
    ----------
    network, size, style_layers, content_layers, pooling, border, regions
        As for `Whole`.
    rows : int
        Of the picture in a band, at most, rounded up to what the poolings need.
    kept : bool
        Keep the features of the content; otherwise its picture is kept, and each evaluation
        computes them again.
    between : callable
        Called after each band with the share of the evaluation that is done; it may raise.

    Attributes
    ----------
    number : int
        Of bands.
    """

    def __init__(
        self,
        network: Network,
        size: tuple[int, int],
        style_layers: Iterable[str],
        content_layers: Iterable[str] = (),
        *,
        rows: int,
        kept: bool = True,
        pooling: Pooling | None = None,
        border: Border,
        regions: Mapping[str, Float32] | None = None,
        between: Callable[[float], object] = lambda _: None,
    ) -> None:
        self._border, self._kept, self._between = border, kept, between
        self._threads = network.threads
        self._size = size
        around = 2 * margin(border, *size)
        self._height, width = size[0] + around, size[1] + around
        self._styles, self._contents = list(style_layers), list(content_layers)
        taps = [*self._contents, *self._styles]
        self._steps, unit, halo = _geometry(network.stages, taps)
        self._bands, window = _divide(self._height, rows, unit, halo)
        self.number = len(self._bands)
        replicate = border == "replicate"
        self._pass = network.at(window, width, taps, pooling, replicate=replicate)
        self._masked = regions is not None
        shapes = {name: (self._height // t, width // t) for name, t in self._steps.items()}
        self._weights = {
            name: region_weights(regions, border, name, shapes[name])
            for name in self._styles
            if regions
        }
        channels = {name: maps.padded_channels(n) for name, n in network.channels.items()}
        # Of the gradients at the taps, of the content, and of the weighted features of regions.
        heights = self._height if kept else window
        self._gradients = {
            name: maps.empty(window // self._steps[name], shapes[name][1], channels[name])
            for name in self._steps
        }
        self._targets = {
            name: maps.empty(heights // self._steps[name], shapes[name][1], channels[name])
            for name in self._contents
        }
        self._scaled = {
            name: maps.empty(*self._gradients[name][1:4]) for name in self._styles if self._masked
        }
        row = max((f.width + ROWS) * f.channels for f in self._gradients.values())
        self._scratch = [maps.aligned(row) for _ in range(self._threads.number)]
        self._content: Float32 | None = None
        self._image: Float32
        self._features: dict[str, Map] = {}
        self._present: int | None = None  # the band whose features these are

    def _rows(self, name: str, band: _Band) -> tuple[int, int]:
        """A band's own rows at a layer of the whole picture."""
        step = self._steps[name]
        return band.first // step, band.last // step

    def _own(self, name: str, feature_map: Map, band: _Band) -> Map:
        """A band's own rows of a map of its window."""
        first, last = self._rows(name, band)
        start = band.start // self._steps[name]
        return maps.rows(feature_map, first - start, last - start)

    def _forward(self, image: Float32, band: _Band) -> dict[str, Map]:
        return self._pass.forward(image[band.start : band.start + self._pass.height])

    def _seen(self, number: int) -> dict[str, Map]:
        """The features of a band of the picture."""
        if self._present != number:
            self._features = self._forward(self._image, self._bands[number])
            self._present = number
        return self._features

    def keep(self, image: Floating) -> dict[str, float]:
        self._present = None
        content = np.ascontiguousarray(pad(image, self._border), np.float32)
        squares = dict.fromkeys(self._contents, 0.0)
        for band in self._bands if self._contents else ():
            features = self._forward(content, band)
            for name in self._contents:
                own = maps.flat(self._own(name, features[name], band))
                squares[name] += float(np.vdot(own, own))
                if self._kept:
                    maps.flat(self._target(name, band))[...] = own
            self._between(0.0)
        self._content = None if self._kept else content
        return squares

    def _target(self, name: str, band: _Band) -> Map:
        """P in a band's own rows."""
        if self._kept:
            return maps.rows(self._targets[name], *self._rows(name, band))
        return self._own(name, self._targets[name], band)

    def shares(self, layer: str) -> list[float]:
        weights = self._weights.get(layer)
        return [1.0] if weights is None else [float(np.vdot(w, w)) / w.size for w in weights]

    def forward(self, image: Floating) -> dict[str, list[Statistics]]:
        if image.shape != (*self._size, 3):
            raise UsageError(f"the image must be {(*self._size, 3)}, not {image.shape}")
        self._image = np.ascontiguousarray(pad(image, self._border), np.float32)
        self._present = None
        order = sorted(self._styles, key=lambda name: -self._gradients[name].channels)
        sums: dict[str, list[_Sum]] = {}
        for name in order:
            weights: list[Float32 | None] = [*self._weights.get(name, [None])]
            channels = self._gradients[name].channels
            sums[name] = [_Sum(channels, weight) for weight in weights]
        for number, band in enumerate(self._bands if order else ()):
            features = self._seen(number)
            for name in order:
                first, last = self._rows(name, band)
                own = self._own(name, features[name], band)
                for one in sums[name]:
                    if last > first:
                        one.add(own, first, last, self._scaled.get(name), self._threads)
            self._between(_FIRST * (number + 1) / self.number)
        return {name: [one.moments() for one in sums[name]] for name in order}

    def backward(
        self,
        styles: Mapping[str, Sequence[Gradient]],
        contents: Mapping[str, float],
        variation: float,
    ) -> Slope:
        total = np.zeros_like(self._image)
        distances = dict.fromkeys(self._contents, 0.0)
        # The last band is there already.
        for number in reversed(range(self.number)):
            band = self._bands[number]
            if self._content is not None and self._contents:
                self._present = None
                again = self._forward(self._content, band)
                for name in self._contents:
                    own = maps.flat(self._own(name, again[name], band))
                    maps.flat(self._target(name, band))[...] = own
            features = self._seen(number)
            taps = {}
            for name, f in features.items():
                if name in self._contents:
                    here, target = (
                        one._replace(data=maps.flat(one))
                        for one in (self._own(name, f, band), self._target(name, band))
                    )
                    distances[name] += squared_distance(here, target, self._threads)
                taps[name] = self._tap(name, f, band, styles.get(name, ()), contents.get(name))
            self._present = None
            total[band.start : band.start + self._pass.height] += self._pass.backward(taps)
            self._between(1.0 - (1.0 - _FIRST) * number / self.number)
        value = total_variation(self._image, variation, total, self._threads)
        if self._image.shape[:2] != self._size:
            total = fold(total, self._border, *self._size)
        return Slope(total, distances, value)

    def _tap(
        self,
        name: str,
        f: Map,
        band: _Band,
        gradients: Sequence[Gradient],
        factor: float | None,
    ) -> Tap:
        """The gradient at a layer, 0 outside of the band's own rows."""
        first, last = self._rows(name, band)
        start = band.start // self._steps[name]
        whole, own = self._gradients[name], self._own(name, f, band)
        maps.inside(whole)[: first - start] = 0
        maps.inside(whole)[last - start :] = 0
        gradient = self._own(name, whole, band)
        target = None if factor is None else self._target(name, band)
        weights = self._weights.get(name, [])
        affines = [one for one in gradients if isinstance(one, Affine)]
        for i, (weight, affine) in enumerate(zip(weights, affines, strict=False)):
            add_weighted_gradient(
                own,
                weight[first:last],
                *affine,
                i > 0,
                self._own(name, self._scaled[name], band),
                gradient,
                self._threads,
            )
        matrix, shift = affines[0] if affines and not weights else (None, None)
        self._threads.run(
            tap_gradient,
            own.height,
            own,
            make_tap(matrix, shift, target, factor or 0.0),
            False,
            bool(affines and weights),  # added to what the regions have given
            gradient,
            scratch=self._scratch,
        )
        return make_tap(added=whole)

    def memory(self) -> int:
        every = [*self._gradients.values(), *self._targets.values(), *self._scaled.values()]
        held = sum(one.data.nbytes for one in every) + sum(one.nbytes for one in self._scratch)
        held += sum(w.nbytes for weights in self._weights.values() for w in weights)
        return self._pass.memory(backward=True) + held

    def memory_to_begin(self) -> int:
        return self.memory()

    @property
    def filter_bytes(self) -> int:
        """Of the network's filters that it needs, forwards and backwards."""
        return self._pass.filter_bytes


_FIRST = 0.3  # of the time of an evaluation: the first pass


class _Sum:
    """The moments of a layer, or of a region of it, band by band."""

    def __init__(self, channels: int, weight: Float32 | None) -> None:
        self.weight, self.positions = weight, 0.0
        self.mean = np.zeros(channels)
        self.second = np.zeros((channels, channels))

    def add(self, own: Map, first: int, last: int, scaled: Map | None, threads: Threads) -> None:
        """Those of some rows."""
        if self.weight is None:
            positions = float(own.height * own.width)
            mean, second = moments(own, threads)
        else:
            weight = self.weight[first:last]
            positions = float(np.vdot(weight, weight))
            if positions == 0.0:
                return
            assert scaled is not None
            mean, second = weighted_moments(own, weight, maps.rows(scaled, 0, own.height), threads)
        self.positions += positions
        self.mean += positions * mean
        self.second += positions * second

    def moments(self) -> Moments:
        """Of all rows so far."""
        mean, second = (
            (part / self.positions).astype(np.float32) for part in (self.mean, self.second)
        )
        return Moments(mean, second, self.positions)


def _geometry(stages: Sequence[Stage], taps: Sequence[str]) -> tuple[dict[str, int], int, int]:
    """Of the taps the pixels between two rows, the most of them, and how far the deepest looks."""
    steps: dict[str, int] = {}
    step, reach, halo = 1, 0, 0
    for stage in stages:
        reach += step
        names = {stage.relu: step}
        if stage.pool is not None:
            step *= 2
            names[stage.pool.name] = step
        found = {name: names[name] for name in names if name in taps}
        if found:
            steps |= found
            halo = reach
    unit = max(steps.values(), default=1)
    return steps, unit, -(-halo // unit) * unit


def _divide(height: int, rows: int, unit: int, halo: int) -> tuple[list[_Band], int]:
    """Bands of about so many rows, and the rows that each is computed from.

    All begin at multiples of `unit`, so that poolings see the windows that they see in one piece.
    """
    least = -(-SMALLEST_SIDE // unit) * unit
    number = -(-height // max(rows, least))
    own = -(-height // number // unit) * unit
    window = own + 2 * halo + height % unit
    if number == 1 or window >= height:
        return [_Band(0, height, 0)], height
    return [
        _Band(first, min(first + own, height), min(max(first - halo, 0), height - window))
        for first in range(0, height, own)
    ], window
