"""The time that a run takes, from that of small pictures here, and what fits into one."""

import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..network.border import margin
from ..network.network import Network
from ..optimize.lbfgs import minimize
from ..pictures.images import Size
from ..settings.settings import Border, Settings
from .inputs import AtSize
from .memory import acting_styles, styles_at
from .method import objective_at
from .schedule import scales

__all__ = ["Pace", "iterations_for", "measure_pace", "seconds_needed"]

_EVALUATIONS = 1.05  # in an iteration: most steps are taken at once
_TARGET = 0.6  # of the time of an evaluation: forwards only, but in new memory
_SIDES = 64, 192  # of the pictures that are measured
_MOST = 1_000_000


@dataclass(frozen=True)
class Pace:
    """Seconds of an evaluation with its step, as `fixed + each * pixels`.

    Attributes
    ----------
    fixed, each : float
        Where all layers act.
    shallow_fixed, shallow_each : float
        Where deep ones are left out.
    """

    fixed: float
    each: float
    shallow_fixed: float
    shallow_each: float

    def seconds(self, size: Size, border: Border, *, shallow: bool) -> float:
        """Of one evaluation."""
        width, height = size
        around = 2 * margin(border, height, width)
        pixels = (width + around) * (height + around)
        if shallow:
            return self.shallow_fixed + self.shallow_each * pixels
        return self.fixed + self.each * pixels


def measure_pace(network: Network, settings: Settings | None = None) -> Pace:
    """Measure evaluations of small pictures here: takes two or three seconds."""
    settings = settings or Settings()
    found: list[float] = []
    for first in (True, False):
        small, large = (_evaluation(network, settings, side, first) for side in _SIDES)
        each = max(large - small, 0.0) / (_SIDES[1] ** 2 - _SIDES[0] ** 2)
        found += [max(small - each * _SIDES[0] ** 2, 0.0), each]
    return Pace(*found)


def _evaluation(network: Network, settings: Settings, side: int, first: bool) -> float:
    """Seconds of an evaluation with its step."""
    image = np.random.default_rng(0).random((side, side, 3), np.float32)
    settings = replace(settings, style_blend=None, deep_size=_SIDES[0] // 2)
    size = Size(side, side)
    scale = scales([size] if first else [size, size], settings)[-1]
    pictures = AtSize(image[::-1], [image[:, ::-1]], [None], None, image)
    objective = objective_at(network, pictures, scale, settings)
    # The first step transforms the filters, loads or compiles the kernels, and imports scipy.
    minimize(objective, image, 1, threads=network.threads.number, magnitude=objective.magnitude)
    started = time.perf_counter()
    minimum = minimize(
        objective, image, 3, threads=network.threads.number, magnitude=objective.magnitude
    )
    return (time.perf_counter() - started) / minimum.evaluations


def seconds_needed(
    network: Network,
    sizes: Sequence[Size],
    iterations: int,
    styles: Sequence[Size],
    settings: Settings | None = None,
    *,
    pace: Pace | None = None,
    work: Sequence[float] = (),
) -> float:
    """Estimate of the seconds that a run takes once the network is loaded.

    Parameters
    ----------
    network : Network
    sizes, styles : sequence of (width, height)
        As for `memory_needed`.
    iterations : int
        At the last scale; before it the settings say how many.
    settings : Settings, optional
        For layers, pooling and border.
    pace : Pace, optional
        From `measure_pace`, which is called otherwise.
    work : sequence of float
        Of an evaluation at each scale, as times that of one in one piece; 1 if not given.
    """
    settings = settings or Settings()
    pace = pace or measure_pace(network, settings)
    total = 0.0
    made = scales(sizes, replace(settings, iterations=iterations))
    for scale, times in zip(made, work or [1.0] * len(made), strict=True):
        targets = [scale.size]
        if acting_styles(scale, settings):
            targets += styles_at(scale, styles, settings)
        for one in targets:
            total += _TARGET * pace.seconds(one, settings.border, shallow=not scale.deep)
        here = times * pace.seconds(scale.size, settings.border, shallow=not scale.deep)
        total += here * (1 + _EVALUATIONS * scale.iterations)  # the start is evaluated, too
    return total


def limited(settings: Settings, iterations: int) -> Settings:
    """With at most so many iterations at each of the large sizes."""
    few = min(iterations, settings.print_iterations)
    return replace(settings, iterations=iterations, print_iterations=few)


def iterations_for(
    seconds: float,
    network: Network,
    sizes: Sequence[Size],
    styles: Sequence[Size],
    settings: Settings | None = None,
    *,
    pace: Pace | None = None,
    work: Sequence[float] = (),
) -> tuple[int, bool]:
    """Iterations that fit into a time, at least 1, and whether they do fit.

    Parameters
    ----------
    seconds : float
        From 0 up.
    network, sizes, styles, settings, pace, work
        As for `seconds_needed`.
    """
    pace = pace or measure_pace(network, settings)

    chosen = settings or Settings()

    def takes(iterations: int) -> float:
        few = limited(chosen, iterations)
        return seconds_needed(network, sizes, iterations, styles, few, pace=pace, work=work)

    most = bisect_right(range(1, _MOST + 1), seconds, key=takes)
    return max(most, 1), most >= 1
