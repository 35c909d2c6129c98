"""A batch on a Dask cluster: an existing scheduler, whose workers have this package.

https://distributed.dask.org
"""

import os
import platform
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .. import __version__
from ..errors import ImageError, MinimalstyleError, StoppedError, UsageError
from ..files import one_line, reason
from ..network.onnx_io import load_vgg
from ..painting.job import Job
from ..records.style import is_style
from ..records.style import read as read_style
from .painter import Outcome, Painter
from .run import Crew, Shown

__all__ = ["Cluster"]

_PATIENCE = 10  # seconds in which a scheduler must answer
_AHEAD = 2  # jobs that are with the scheduler, for each worker: it paints one, and has the next
_EVERY = 0.5  # seconds between two looks at what is wanted here
_ONE_AT_A_TIME = threading.Lock()  # whatever number of threads a worker has for its tasks


class Cluster(Crew):
    """Workers of a Dask scheduler; each paints one picture, with as many threads as it has.

    What a worker that is lost was painting, the scheduler gives to another one.

    Parameters
    ----------
    address : str
        Such as "tcp://host:8786".
    shared_files : bool
        Workers open the pictures by their paths; otherwise these travel with the jobs.
    weights : path or None
        Of the jobs; a file of one's own is opened by its path.
    note : callable
        Told what the user should know.

    Raises
    ------
    UsageError
        There is no scheduler, no worker, or one with another version or other weights.
    """

    def __init__(
        self,
        address: str,
        *,
        shared_files: bool = False,
        weights: Any = None,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        try:
            import distributed
        except ImportError:
            hint = "a cluster needs Dask: pip install 'minimalstyle[cluster]'"
            raise UsageError(hint) from None
        if weights is not None and not shared_files:
            raise UsageError("--weights on a cluster needs --shared-files")
        _check_answer(address)  # a client would try for longer, and be noisy about it
        self._distributed, self._shared = distributed, shared_files
        try:
            self._client = distributed.Client(address, timeout=_PATIENCE, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            what = one_line(str(error)) or type(error).__name__
            raise UsageError(f"{address}: no scheduler answers: {what}") from error
        try:
            self.workers = self._checked(address, weights, note)
        except BaseException:
            self._client.close()
            raise

    def _checked(self, address: str, weights: Any, note: Callable[[str], None]) -> int:
        """How many workers there are, all of them fit for the jobs."""
        try:
            self._client.wait_for_workers(1, timeout=_PATIENCE)
            there: dict[str, Any] = self._client.run(
                _facts, None if weights is None else os.path.abspath(weights)
            )
        except MinimalstyleError:
            raise
        except (TimeoutError, self._distributed.TimeoutError):
            raise UsageError(f"{address}: the scheduler has no worker") from None
        except Exception as error:  # what a worker without this package says
            what = one_line(f"{type(error).__name__}: {error}")
            raise UsageError(f"{address}: a worker cannot paint: {what}") from error
        here = _facts(weights)
        for worker, facts in there.items():
            for name in ("version", "weights"):
                if facts[name] != here[name]:
                    what = f"has {name} {facts[name][:16]}, this is {here[name][:16]}"
                    raise UsageError(f"{address}: worker {worker} {what}")
        kinds = {facts["processor"] for facts in there.values()} | {here["processor"]}
        if len(kinds) > 1:
            several = ", ".join(sorted(kinds))
            note(f"several kinds of processor, whose pictures may differ a little: {several}")
        note(f"{len(there)} workers; dashboard: {self._client.dashboard_link}")
        return len(there)

    def __exit__(self, *_: object) -> None:
        self._client.close(timeout=_PATIENCE)

    def outcomes(self, jobs: Iterable[tuple[int, Job]], show: Shown) -> Iterator[Outcome]:
        """See `Crew`; only those that are soon to be painted are with the scheduler."""
        waiting = iter(jobs)
        at_work: dict[Any, tuple[int, Job]] = {}
        while True:
            try:
                self.workers = max(len(self._client.nthreads()), 1)
            except (OSError, TimeoutError) as error:
                raise StoppedError(f"the scheduler is lost: {one_line(str(error))}") from error
            while len(at_work) < _AHEAD * self.workers:
                given = next(waiting, None)
                if given is None:
                    break
                number, job = given
                try:
                    sent = _with_whole_paths(job) if self._shared else _with_pictures(job)
                except MinimalstyleError as error:
                    yield _failed(number, job, error)
                    continue
                with warnings.catch_warnings():  # that a job is large, which is known
                    warnings.simplefilter("ignore", UserWarning)
                    future = self._client.submit(_paint, number, sent, pure=False)
                at_work[future] = number, job
            if not at_work:
                return
            for future in [future for future in at_work if future.done()]:
                number, job = at_work.pop(future)
                yield self._outcome(future, number, job)
                future.release()
            said = [show(number, 0.0) for number, _ in list(at_work.values())]
            if "stop" in said:
                self._client.cancel(list(at_work), force=True)
                return
            time.sleep(0 if any(future.done() for future in at_work) else _EVERY)

    def _outcome(self, future: Any, number: int, job: Job) -> Outcome:
        try:
            outcome: Outcome = future.result(timeout=_PATIENCE)
        except Exception as error:  # such as a job whose workers are lost again and again
            return _failed(number, job, StoppedError(one_line(f"{type(error).__name__}: {error}")))
        return replace(outcome, job=job)


def _check_answer(address: str) -> None:
    """Raise UsageError where nobody listens."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not (host and port) or parts.scheme not in ("tcp", "tls", "ws", "wss"):
        raise UsageError(f"{address}: is no address of a scheduler, such as tcp://host:8786")
    try:
        socket.create_connection((host, port), timeout=_PATIENCE / 2).close()
    except OSError as error:
        raise UsageError(f"{address}: no scheduler answers: {reason(error)}") from error


def _failed(number: int, job: Job, error: MinimalstyleError) -> Outcome:
    return Outcome(number=number, job=job, result=None, error=error, warnings=(), seconds=0.0)


def _with_whole_paths(job: Job) -> Job:
    """A job for a process in another folder."""

    def whole(source: Any) -> Any:
        return os.path.abspath(source) if isinstance(source, (str, os.PathLike)) else source

    settings, start = job.settings, job.settings.start_picture
    return replace(
        job,
        content=whole(job.content),
        styles=tuple(map(whole, job.styles)),
        content_masks=tuple(map(whole, job.content_masks)),
        style_masks=tuple(map(whole, job.style_masks)),
        settings=settings if start is None else replace(settings, init=whole(start)),
        weights=whole(job.weights),
        checkpoint=whole(job.checkpoint),
        resume=whole(job.resume),
    )


def _with_pictures(job: Job) -> Job:
    """A job that needs no file of this machine."""
    if job.settings.start_picture is not None:
        raise UsageError("--init with a picture on a cluster needs --shared-files")
    if job.checkpoint is not None or job.resume is not None:
        raise UsageError("--checkpoint on a cluster needs --shared-files")

    def sent(source: Any) -> Any:
        if not isinstance(source, (str, Path)):
            return source
        if is_style(source):
            return read_style(source).painting
        try:
            return Path(source).read_bytes()
        except OSError as error:
            raise ImageError(f"{source}: cannot be read: {reason(error)}") from error

    return replace(
        job,
        content=sent(job.content),
        styles=tuple(map(sent, job.styles)),
        content_masks=tuple(map(sent, job.content_masks)),
        style_masks=tuple(map(sent, job.style_masks)),
    )


# --- On a worker --------------------------------------------------------------------------------


@cache
def _painter(threads: int | None) -> Painter:
    return Painter(threads)


def _paint(number: int, job: Job) -> Outcome:
    from distributed import get_worker

    with _ONE_AT_A_TIME:
        outcome = _painter(get_worker().state.nthreads).attempt(number, job)
    light = replace(job, content=None, styles=(), content_masks=(), style_masks=())
    return replace(outcome, job=light)  # whoever sent the job has it


def _facts(weights: Any) -> dict[str, str]:
    """What must be equal, and what should be."""
    import llvmlite.binding

    return {
        "version": __version__,
        "weights": load_vgg(weights).sha256,
        "processor": f"{platform.machine()} {llvmlite.binding.get_host_cpu_name()}",
    }
