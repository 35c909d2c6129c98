"""How much of a run is done and how long the rest will take: iterations become events."""

import time
from collections.abc import Callable, Sequence
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
    callback : callable
        Gets an `Iterate` after each iteration; returns "stop" to stop the run.
    on_progress : callable
        Gets the share of the run that is done, within long evaluations; returns the same, which
        counts once there was an iterate.
    """

    def __init__(
        self,
        scales: Sequence[Scale],
        callback: Callable[[Iterate], object],
        on_progress: Callable[[float], object] = lambda _: None,
    ) -> None:
        self.scales, self.callback, self.on_progress = scales, callback, on_progress
        self.started = time.perf_counter()
        self.evaluations = 0  # of the scales before
        self._first: tuple[float, float] | None = None  # CPU seconds, fraction of the first event
        self._last = 0.0, 0.0  # seconds and CPU seconds of the latest
        self._shares: list[float] = []  # seconds for each CPU second, of the steps since the first
        self._scale, self._iteration, self._fraction = 0, 0, 0.0  # of the latest iterate
        self.calling = False  # while the callback runs: its errors are not ours

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.perf_counter() - self.started

    def _left(self, seconds: float, fraction: float) -> float | None:
        """Seconds that the rest will take.

        Measured in seconds of the processor, of which a process that is stopped (Ctrl-Z) takes
        none, and turned into others by what most steps needed.
        """
        cpu = time.process_time()
        before, self._last = self._last, (seconds, cpu)
        if self._first is None:  # loading and compiling come once: the pace is that from here on
            self._first = cpu, fraction
            return None
        if cpu > before[1]:
            self._shares.append((seconds - before[0]) / (cpu - before[1]))
        done = fraction - self._first[1]
        if not (done and self._shares):
            return None
        return median(self._shares) * (cpu - self._first[0]) * (1 - fraction) / done

    def watcher(self, scale: int) -> Callable[[float], None]:
        """What an evaluation in bands calls after each of them, with its share that is done."""
        work = [one.work for one in self.scales]
        iterations = self.scales[scale - 1].iterations

        def watch(share: float) -> None:
            done = self._iteration if self._scale == scale else 0
            here = min((done + share) / iterations, 1.0)
            fraction = (sum(work[: scale - 1]) + work[scale - 1] * here) / sum(work)
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
        work = [one.work for one in self.scales]
        iterations, size = self.scales[scale - 1].iterations, self.scales[scale - 1].size
        before, this = sum(work[: scale - 1]), work[scale - 1]

        def report(
            iteration: int, evaluations: int, loss: float, image: npt.NDArray[np.float32]
        ) -> object:
            fraction = (before + this * iteration / iterations) / sum(work)
            seconds = self.seconds
            left = self._left(seconds, fraction)
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
