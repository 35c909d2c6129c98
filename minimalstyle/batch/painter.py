"""Who paints: one process, which pays once for the network, the kernels and each painting."""

import time
import traceback
import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import (
    CheckpointError,
    MinimalstyleError,
    MinimalstyleWarning,
    StoppedError,
    UsageError,
)
from ..files import one_line
from ..loss.kept import KeptMoments
from ..network.network import Network, load_network
from ..painting import method, plan
from ..painting.events import Iterate
from ..painting.inputs import open_style
from ..painting.job import Job
from ..painting.prepare import Prepared, prepare
from ..painting.result import Result
from ..pictures import images
from ..pictures.images import Picture

__all__ = ["Outcome", "Painter"]

_ROOM = 256 << 20  # bytes of paintings that stay open


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What became of a job.

    Attributes
    ----------
    number : int
        Of the job in its batch, from 0.
    job : Job
    result : Result or None
    error : Exception or None
        Why there is no result.
    warnings : tuple of str
    seconds : float
    """

    number: int
    job: Job
    result: Result | None
    error: Exception | None
    warnings: tuple[str, ...]
    seconds: float


class Painter:
    """Paints one job after another; networks and paintings stay.

    Parameters
    ----------
    threads : int, optional
        Of the engine, in place of what the jobs say.
    note : callable
        Told what the user should know.

    Attributes
    ----------
    room : int or None
        Bytes that a run may take where others paint beside it; None for what there is.
    """

    def __init__(
        self, threads: int | None = None, note: Callable[[str], None] = lambda _: None
    ) -> None:
        self.threads, self.note = threads, note
        self.room: int | None = None
        self._networks: dict[Any, Network] = {}
        self._paintings: OrderedDict[Any, Picture] = OrderedDict()
        self._kept = KeptMoments()

    def attempt(
        self, number: int, job: Job, callback: Callable[[Iterate], object] = lambda _: None
    ) -> Outcome:
        """Paint a job; what goes wrong is told in the outcome."""
        started = time.perf_counter()
        result: Result | None = None
        failed: Exception | None = None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", MinimalstyleWarning)
            try:
                result = self.paint(job, callback)
                if "error" in result.report:
                    failed, result = StoppedError(result.report["error"]), None
            except Exception as error:  # one job is no reason to stop the others
                traceback.clear_frames(error.__traceback__)  # they hold memory
                failed = _plain(error)
        said = dict.fromkeys(one_line(str(one.message)) for one in caught)
        return Outcome(
            number=number,
            job=job,
            result=result,
            error=failed,
            warnings=tuple(said),
            seconds=time.perf_counter() - started,
        )

    def paint(self, job: Job, callback: Callable[[Iterate], object]) -> Result:
        """Paint a job; a checkpoint of another run is no reason not to."""
        try:
            return self._paint(job, callback)
        except CheckpointError:
            if job.resume is None:
                raise
            anew = replace(job, resume=None, checkpoint=job.checkpoint or job.resume)
            return self._paint(anew, callback)

    def _paint(self, job: Job, callback: Callable[[Iterate], object]) -> Result:
        run = self.prepare(job)
        plan.check_memory(run)
        if self.room is not None and (needed := plan.memory_of(run)) > self.room:
            raise UsageError(
                f"this run needs about {needed / 1e9:.1f} GB of memory, and each of those that "
                f"paint at once has {self.room / 1e9:.1f}; fewer workers have more"
            )
        return method.paint(run, callback)

    def prepare(self, job: Job) -> Prepared:
        """A job with network and paintings that are there already."""
        threads = self.threads if job.settings.threads is None else job.settings.threads
        key = job.weights, threads
        if key not in self._networks:
            self._networks[key] = load_network(job.weights, threads=threads)
        styles = tuple(self._opened(one) for one in job.styles)
        job = replace(job, styles=styles)
        return prepare(job, network=self._networks[key], note=self.note, kept=self._kept)

    def _opened(self, source: Any) -> Picture:
        """A painting; those of the last jobs stay in memory."""
        key: Any = source
        if isinstance(source, (str, Path)):
            info = Path(source).stat() if Path(source).exists() else None
            key = source, info and (info.st_size, info.st_mtime_ns)
        elif not isinstance(source, bytes):
            return source if isinstance(source, Picture) else images.load(source)
        if key not in self._paintings:
            self._paintings[key], moments = open_style(source)
            self._kept.add(moments)
        self._paintings.move_to_end(key)
        while len(self._paintings) > 1 and self._bytes() > _ROOM:
            self._paintings.popitem(last=False)
        return self._paintings[key]

    def _bytes(self) -> int:
        return sum(one.rgb.nbytes for one in self._paintings.values())


def _plain(error: Exception) -> Exception:
    """What can be told another process, in one line."""
    if isinstance(error, MinimalstyleError):
        return error.with_traceback(None)
    if isinstance(error, MemoryError):
        return StoppedError("not enough memory; choose a smaller size")
    return StoppedError(one_line(f"unexpected {type(error).__name__}: {error}"))
