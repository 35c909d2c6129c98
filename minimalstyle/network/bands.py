"""An evaluation in horizontal bands: any picture in little memory, with the same loss and gradient.

Moments, distances and their gradients are sums over positions, so they may be taken band by band.
The first pass adds up moments. The second computes each band again, sends the gradients of its own
rows back, which no longer depend on other bands, and adds up what arrives at the pixels. Around
its own rows a band has those that the network looks at from there: inside the picture no edge of a
band is seen.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from .._types import Float32, Floating
from ..engine import maps
from ..engine.maps import Map
from ..engine.taps import (
    Tap,
    add_weighted_gradient,
    make_tap,
    moments,
    squared_distance,
    weighted_moments,
)
from ..engine.threads import Threads
from ..engine.variation import total_variation
from ..errors import UsageError
from ..settings.settings import Border, Pooling
from .border import fold, margin, pad
from .division import Band, divide, geometry
from .evaluation import Affine, Gradient, Moments, Slope, Statistics, Told, region_weights, unheard
from .network import Network

__all__ = ["Bands"]


class Bands:
    """An `Evaluation` of the picture in bands.

    Parameters
    ----------
    network, size, style_layers, content_layers, pooling, border, regions
        As for `Whole`.
    rows : int
        Of the picture in a band, at most, rounded up to what the poolings need.
    kept : int, optional
        Bands whose features of the content are kept, all of them by default; those of others are
        computed again in each evaluation.
    between : callable
        Called after each band, and several times a second, with the share of the evaluation that is
        done; it may raise.

    Attributes
    ----------
    number, kept : int
        Of bands, and of those whose features of the content are kept.
    """

    def __init__(
        self,
        network: Network,
        size: tuple[int, int],
        style_layers: Iterable[str],
        content_layers: Iterable[str] = (),
        *,
        rows: int,
        kept: int | None = None,
        pooling: Pooling | None = None,
        border: Border,
        regions: Mapping[str, Float32] | None = None,
        between: Callable[[float], object] = unheard,
    ) -> None:
        self._border = border
        self._threads = network.threads
        self._size = size
        around = 2 * margin(border, *size)
        self._height, width = size[0] + around, size[1] + around
        self._styles, self._contents = list(style_layers), list(content_layers)
        taps = [*self._contents, *self._styles]
        self._steps, unit, halo = geometry(network.stages, taps)
        self._bands, window = divide(self._height, rows, unit, halo)
        self.number = len(self._bands)
        self.kept = self.number if kept is None or not self._contents else min(kept, self.number)
        self._told = Told(between)
        self._pass = network.at(
            window,
            width,
            taps,
            pooling,
            replicate=border == "replicate",
            between=self._told,
        )
        self._masked = regions is not None
        shapes = {name: (self._height // t, width // t) for name, t in self._steps.items()}
        self._weights = {
            name: region_weights(regions, border, name, shapes[name])
            for name in self._styles
            if regions
        }
        channels = {name: maps.padded_channels(n) for name, n in network.channels.items()}

        def some_rows(name: str, height: int) -> Map:
            return maps.empty(height // self._steps[name], shapes[name][1], channels[name])

        # P of the bands that are kept, and of one that is not.
        last = self._bands[self.kept - 1].last if self.kept else 0
        self._targets = {name: some_rows(name, last) for name in self._contents if last}
        self._again = {
            name: some_rows(name, window) for name in self._contents if self.kept < self.number
        }
        # The gradients of regions that add up, and their weighted features.
        self._gradients, self._scaled = (
            {name: some_rows(name, window) for name in self._styles if self._masked}
            for _ in range(2)
        )
        self._channels = channels
        self._content: Float32 | None = None
        self._image: Float32
        self._features: dict[str, Map] = {}
        self._present: int | None = None  # the band whose features these are

    @property
    def work(self) -> float:
        """About how many times that of an evaluation in one piece."""
        return self.number * self._pass.height / self._height * self._work_of_a_row

    @property
    def _work_of_a_row(self) -> float:
        return _TWICE + _AGAIN * (1.0 - self.kept / self.number)

    def _rows(self, name: str, band: Band) -> tuple[int, int]:
        """A band's own rows at a layer of the whole picture."""
        step = self._steps[name]
        return band.first // step, band.last // step

    def _within(self, name: str, band: Band) -> tuple[int, int]:
        """The same of the map of its window."""
        start = band.start // self._steps[name]
        first, last = self._rows(name, band)
        return first - start, last - start

    def _own(self, name: str, feature_map: Map, band: Band) -> Map:
        """A band's own rows of a map of its window."""
        return maps.rows(feature_map, *self._within(name, band))

    def _forward(
        self, image: Float32, band: Band, wanted: Sequence[str] | None = None
    ) -> dict[str, Map]:
        return self._pass.forward(image[band.start : band.start + self._pass.height], wanted)

    def _seen(self, number: int) -> dict[str, Map]:
        """The features of a band of the picture."""
        if self._present != number:
            self._features = self._forward(self._image, self._bands[number])
            self._present = number
        return self._features

    def _done(self, share: float) -> None:
        self._told.share = share
        self._told()

    def keep(self, image: Floating) -> dict[str, float]:
        self._present = None
        self._told.share = 0.0
        content = np.ascontiguousarray(pad(image, self._border), np.float32)
        squares = dict.fromkeys(self._contents, 0.0)
        for number, band in enumerate(self._bands if self._contents else ()):
            features = self._forward(content, band, self._contents)
            for name in self._contents:
                own = maps.flat(self._own(name, features[name], band))
                squares[name] += float(np.vdot(own, own))
                if number < self.kept:
                    maps.flat(maps.rows(self._targets[name], *self._rows(name, band)))[...] = own
            self._done(0.0)
        self._content = content if self.kept < self.number else None
        return squares

    def _target(self, name: str, number: int) -> Map:
        """P in the map of a band's window; there may be memory for its own rows only."""
        if number >= self.kept:
            return self._again[name]
        step = self._steps[name]
        start = self._bands[number].start // step
        return maps.rows(self._targets[name], start, start + self._pass.height // step)

    def _look_again(self, number: int) -> None:
        """P of a band that is not kept."""
        if number < self.kept:
            return
        assert self._content is not None
        self._present = None
        band = self._bands[number]
        features = self._forward(self._content, band, self._contents)
        for name in self._contents:
            own = maps.flat(self._own(name, features[name], band))
            maps.flat(self._own(name, self._again[name], band))[...] = own

    def shares(self, layer: str) -> list[float]:
        weights = self._weights.get(layer)
        return [1.0] if weights is None else [float(np.vdot(w, w)) / w.size for w in weights]

    def forward(self, image: Floating) -> dict[str, list[Statistics]]:
        if image.shape != (*self._size, 3):
            raise UsageError(f"the image must be {(*self._size, 3)}, not {image.shape}")
        self._image = np.ascontiguousarray(pad(image, self._border), np.float32)
        self._present = None
        self._told.share = 0.0
        order = sorted(self._styles, key=lambda name: -self._channels[name])
        sums: dict[str, list[_Sum]] = {}
        for name in order:
            weights: list[Float32 | None] = [*self._weights.get(name, [None])]
            sums[name] = [_Sum(self._channels[name], weight) for weight in weights]
        first_pass = _ONCE / self._work_of_a_row
        for number, band in enumerate(self._bands if order else ()):
            features = self._seen(number)
            for name in order:
                first, last = self._rows(name, band)
                own = self._own(name, features[name], band)
                for one in sums[name]:
                    if last > first:
                        one.add(own, first, last, self._scaled.get(name), self._threads)
            self._done(first_pass * (number + 1) / self.number)
        return {name: [one.moments() for one in sums[name]] for name in order}

    def backward(
        self,
        styles: Mapping[str, Sequence[Gradient]],
        contents: Mapping[str, float],
        variation: float,
    ) -> Slope:
        total = np.zeros_like(self._image)
        distances = dict.fromkeys(self._contents, 0.0)
        second_pass = 1.0 - _ONCE / self._work_of_a_row
        # The last band is there already.
        for number in reversed(range(self.number)):
            band = self._bands[number]
            self._look_again(number)
            features = self._seen(number)
            taps = {}
            for name, f in features.items():
                target = self._target(name, number) if name in self._contents else None
                if target is not None:
                    here, there = (
                        one._replace(data=maps.flat(one))
                        for one in (self._own(name, f, band), self._own(name, target, band))
                    )
                    distances[name] += squared_distance(here, there, self._threads)
                of_styles, of_content = styles.get(name, ()), contents.get(name)
                taps[name] = self._tap(name, f, band, of_styles, target, of_content)
            self._present = None
            total[band.start : band.start + self._pass.height] += self._pass.backward(taps)
            self._done(1.0 - second_pass * number / self.number)
        value = total_variation(self._image, variation, total, self._threads)
        if self._image.shape[:2] != self._size:
            total = fold(total, self._border, *self._size)
        return Slope(total, distances, value)

    def _tap(  # noqa: PLR0917
        self,
        name: str,
        f: Map,
        band: Band,
        gradients: Sequence[Gradient],
        target: Map | None,
        factor: float | None,
    ) -> Tap:
        """The gradient at a layer, in the band's own rows."""
        own = self._within(name, band)
        matrix = shift = added = None
        affines = [one for one in gradients if isinstance(one, Affine)]
        if affines and name in self._weights:
            added = self._gradients[name]
            first, last = self._rows(name, band)
            for i, (weight, affine) in enumerate(zip(self._weights[name], affines, strict=True)):
                add_weighted_gradient(
                    maps.rows(f, *own),
                    weight[first:last],
                    *affine,
                    i > 0,
                    maps.rows(self._scaled[name], *own),
                    maps.rows(added, *own),
                    self._threads,
                )
        elif affines:
            matrix, shift = affines[0]
        where = None if factor is None else target
        return make_tap(matrix, shift, where, factor or 0.0, added, rows=own)

    def memory(self) -> int:
        every = [self._targets, self._again, self._gradients, self._scaled]
        held = sum(one.data.nbytes for some in every for one in some.values())
        held += sum(w.nbytes for weights in self._weights.values() for w in weights)
        return self._pass.memory(backward=True) + held

    def memory_to_begin(self) -> int:
        return self.memory()

    @property
    def filter_bytes(self) -> int:
        """Of the network's filters that it needs, forwards and backwards."""
        return self._pass.filter_bytes


# Times the time of an evaluation in one piece: the first pass, both, and P again.
_ONCE, _TWICE, _AGAIN = 0.42, 1.25, 0.35


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
