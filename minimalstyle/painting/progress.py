"""How much of a run is done and how long the rest will take: iterations become events."""

import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from statistics import median

import numpy as np
import numpy.typing as npt

from ..loss.objective import Objective
from ..optimize.lbfgs import Interrupted
from ..pictures.images import eight_bits
from .events import Iterate
from .schedule import Scale

__all__ = ["Progress"]


class Progress:
    """Counts over all scales, by the work of an iteration at each.

    Parameters
    ----------
    scales : sequence of Scale
    times : sequence of float
        Work of an evaluation at each, as times that of one in one piece.
    callback : callable
        Gets an `Iterate` after each iteration; returns "stop" to stop the run.
    on_progress : callable
        Gets the share of the run that is done, within long evaluations; returns the same, which
        counts once there was an iterate.
    """

    def __init__(
        self,
        scales: Sequence[Scale],
        times: Sequence[float],
        callback: Callable[[Iterate], object],
        on_progress: Callable[[float], object] = lambda _: None,
    ) -> None:
        self.scales, self.callback, self.on_progress = scales, callback, on_progress
        work = [scale.work * much for scale, much in zip(scales, times, strict=True)]
        self._shares = [one / sum(work) for one in work]
        self._before = [0.0, *accumulate(self._shares)]  # each scale
        self.started = time.perf_counter()
        self.evaluations = 0  # of the scales before
        self._firsts: dict[int, tuple[float, float]] = {}  # CPU seconds, fraction at each's
        self._last = 0.0, 0.0  # seconds and CPU seconds of the latest
        self._steps: list[float] = []  # seconds for each CPU second, of a scale's
        self._clock: float | None = None  # their median
        self._scale, self._iteration, self._fraction = 0, 0, 0.0  # of the latest iterate
        self.calling = False  # while the callback runs: its errors are not ours

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.perf_counter() - self.started

    def _left(self, scale: int, seconds: float, fraction: float) -> float | None:
        """Seconds that the rest will take.

        Measured in seconds of the processor, of which a process that is stopped (Ctrl-Z) takes
        none, and turned into others by what most steps needed. The rest of a scale goes on at the
        pace of its own iterations, and later ones at that of all.
        """
        cpu, last = time.process_time(), self._last
        self._last = seconds, cpu
        if scale not in self._firsts:  # what stands before its first step is none of its pace
            self._firsts[scale], self._steps = (cpu, fraction), []
        elif cpu > last[1]:
            self._steps.append((seconds - last[0]) / (cpu - last[1]))
            self._clock = median(self._steps)
        (first, done), (began, here) = next(iter(self._firsts.values())), self._firsts[scale]
        if self._clock is None or fraction <= done:
            return None
        of_all = (cpu - first) / (fraction - done)
        of_this = (cpu - began) / (fraction - here) if fraction > here else of_all
        end = self._before[scale]
        return self._clock * (of_this * (end - fraction) + of_all * (1 - end))

    def watcher(self, scale: int) -> Callable[[float], None]:
        """What an evaluation in bands calls after each of them, with its share that is done."""
        iterations = self.scales[scale - 1].iterations

        def watch(share: float) -> None:
            done = self._iteration if self._scale == scale else 0
            here = min((done + share) / iterations, 1.0)
            fraction = self._before[scale - 1] + self._shares[scale - 1] * here
            self._fraction = max(fraction, self._fraction)  # a second look at a step adds nothing
            self.calling = True
            stop = self.on_progress(self._fraction)
            self.calling = False
            if self._scale and isinstance(stop, str) and stop == "stop":  # there is a picture
                raise Interrupted

        return watch

    def reporter(
        self, scale: int, objective: Objective
    ) -> Callable[[int, int, float, npt.NDArray[np.float32]], object]:
        """What the optimiser calls after each iteration of a scale, which counts from 1."""
        iterations, size = self.scales[scale - 1].iterations, self.scales[scale - 1].size

        def report(
            iteration: int, evaluations: int, loss: float, image: npt.NDArray[np.float32]
        ) -> object:
            share = self._shares[scale - 1] * iteration / iterations
            fraction = self._before[scale - 1] + share
            seconds = self.seconds
            left = self._left(scale, seconds, fraction)
            self._scale, self._iteration, self._fraction = scale, iteration, fraction
            self.calling = True
            stop = self.callback(
                Iterate(
                    scale=scale,
                    scales=len(self.scales),
                    width=size.width,
                    height=size.height,
                    iteration=iteration,
                    iterations=iterations,
                    evaluations=self.evaluations + evaluations,
                    loss=loss,
                    terms=dict(objective.terms),
                    seconds=seconds,
                    seconds_left=left,
                    fraction=fraction,
                    image=lambda: eight_bits(image),
                )
            )
            self.calling = False
            return stop

        return report
