"""A batch on a Dask cluster: an existing scheduler, or one of this machine for the time being.

https://distributed.dask.org
"""

import asyncio
import os
import signal
import socket
import threading
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import ImageError, MinimalstyleError, StoppedError, UsageError
from ..files import one_line, reason
from ..painting.job import Job
from ..records.style import is_style
from ..records.style import read as read_style
from .painter import Outcome
from .run import Crew, Shown
from .together import threads_of_each
from .worker import facts, paint, paint_small, stop

__all__ = ["Cluster"]

_PATIENCE = 10  # seconds in which a scheduler must answer
_START = 120  # seconds that processes of this machine may take to begin
_EVERY = 0.5  # seconds between two looks at what is wanted here


class Cluster(Crew):
    """Workers of a Dask scheduler; each paints one picture, with as many threads as it has.

    What a worker that is lost was painting, the scheduler gives to another one; after four of them
    it has failed. A lost process of this machine is replaced. These are started anew (spawn), so
    that a script needs `if __name__ == "__main__":`.

    Parameters
    ----------
    address : str or None
        Such as "tcp://host:8786"; None for processes of this machine, which share its cores.
    workers : int
        How many of them.
    shared_files : bool
        Workers open the pictures by their paths; otherwise these travel with the jobs.
    weights : path or None
        Of the jobs; a file of one's own is opened by its path.
    note : callable
        Told what the user should know.

    Raises
    ------
    UsageError
        There is no Dask, no scheduler, no worker, or one with another version or other weights.
    """

    def __init__(
        self,
        address: str | None,
        *,
        workers: int = 1,
        shared_files: bool = False,
        weights: Any = None,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        try:
            import distributed
        except ImportError:
            what = "several at once need" if address is None else "a cluster needs"
            raise UsageError(f"{what} Dask: pip install 'minimalstyle[cluster]'") from None
        self._distributed, self._note = distributed, cache(note)  # the same line once
        self._shared = shared_files
        if weights is not None and not shared_files and address is not None:
            raise UsageError("--weights on a cluster needs --shared-files")
        if workers < 1:
            raise UsageError(f"workers must be a whole number from 1 up, not {workers}")
        self._own: Any = None
        self._wanted = workers
        # A worker that is lost takes what waits there for it along, as one that was lost as well.
        self._ahead = 1 if address is None else 2
        self._threads = threads_of_each(workers) if address is None else None
        if address is None:
            self._own, address = _processes(workers), "this machine"
        else:
            _check_answer(address)  # a client would try for longer, and be noisy about it
        self._client = distributed.Client(
            self._own or address, timeout=_PATIENCE, set_as_default=False
        )
        try:
            self.workers = self._checked(address, workers, weights)
        except BaseException:
            self.__exit__()
            raise
        self._fractions: dict[int, float] = {}
        self._topic = f"minimalstyle-{uuid.uuid4()}"
        self._client.subscribe_topic(self._topic, self._heard)

    def _heard(self, event: tuple[float, Any]) -> None:
        """What a worker says while it paints."""
        _, message = event
        if isinstance(message, str):
            self._note(message)
        else:
            number, fraction = message
            self._fractions[number] = fraction

    def _checked(self, address: str, least: int, weights: Any) -> int:
        """How many workers there are, all of them fit for the jobs."""
        path = None if weights is None else os.path.abspath(weights)
        try:
            self._client.wait_for_workers(least, timeout=_START if self._own else _PATIENCE)
            there: dict[str, Any] = self._client.run(facts, path)
        except MinimalstyleError:
            raise
        except (TimeoutError, self._distributed.TimeoutError):
            raise UsageError(f"{address}: the scheduler has no worker") from None
        except Exception as error:  # what a worker without this package says
            what = one_line(f"{type(error).__name__}: {error}")
            raise UsageError(f"{address}: a worker cannot paint: {what}") from error
        here = facts(weights)
        for worker, found in there.items():
            for name in ("version", "weights"):
                if found[name] != here[name]:
                    what = f"has {name} {found[name][:16]}, this is {here[name][:16]}"
                    raise UsageError(f"{address}: worker {worker} {what}")
        kinds = {one["processor"] for one in there.values()} | {here["processor"]}
        if len(kinds) > 1:
            several = ", ".join(sorted(kinds))
            self._note(f"several kinds of processor, whose pictures may differ a little: {several}")
        what = "workers" if self._own is None else "pictures at once (--workers)"
        self._note(f"{len(there)} {what}; dashboard: {self._client.dashboard_link}")
        together = Counter(one["host"] for one in there.values())
        rooms = [
            one["memory"] // together[one["host"]]
            for one in there.values()
            if one["memory"] is not None
        ]
        self._room = min(rooms, default=None)
        self._compile({one["host"]: name for name, one in there.items() if not one["kernels"]})
        return len(there)

    def _compile(self, cold: dict[str, str]) -> None:
        """Let one worker of each machine compile the kernels, which the others then load."""
        if cold:
            self._note("compiling kernels, first use on this machine (about 15 seconds)")
            self._client.run(paint_small, workers=list(cold.values()))

    def __exit__(self, *_: object) -> None:
        with suppress(OSError, TimeoutError):  # a scheduler that is lost
            self._client.close(timeout=_PATIENCE)
        if self._own is not None:
            self._own.close(timeout=_PATIENCE)

    def outcomes(self, jobs: Iterable[tuple[int, Job]], show: Shown) -> Iterator[Outcome]:
        """See `Crew`; only those that are soon to be painted are with the scheduler."""
        waiting = iter(jobs)
        at_work: dict[Any, tuple[int, Job]] = {}
        arrived = threading.Event()
        stopped = False
        while True:
            arrived.clear()
            try:
                there = len(self._client.nthreads())
                if self._own is not None:  # Dask gives up those that are slow to begin again
                    self._own.scale(self._wanted)
                elif not there:
                    self._note("the scheduler has no worker left; waiting for one")
            except (OSError, TimeoutError) as error:
                raise StoppedError(f"the scheduler is lost: {one_line(str(error))}") from error
            self.workers = max(there, 1)
            outcomes = []
            for future in [one for one in at_work if one.done()]:
                number, job = at_work.pop(future)
                self._fractions.pop(number, None)
                outcomes.append(self._outcome(future, number, job))
                future.release()
            # First new work, for whoever takes the outcomes writes pictures meanwhile.
            for number, job in islice(waiting, max(self._ahead * self.workers - len(at_work), 0)):
                try:
                    future = self._submitted(number, job)
                except MinimalstyleError as error:
                    outcomes.append(_failed(number, job, error))
                    continue
                at_work[future] = number, job
                future.add_done_callback(lambda _: arrived.set())
            yield from filter(None, outcomes)
            if not at_work and not outcomes:
                return
            said = [show(n, self._fractions.get(n, 0.0)) for n, _ in list(at_work.values())]
            stopped = stopped or "stop" in said
            if stopped:  # they end by themselves, for their checkpoints
                waiting = iter(())
                with suppress(OSError, TimeoutError):  # what is lost is seen above
                    self._client.run(stop, self._topic, on_error="ignore")  # new workers, too
            if not outcomes:
                arrived.wait(_EVERY)

    def _submitted(self, number: int, job: Job) -> Any:
        if self._own is not None:
            sent = job  # its processes stand in the same folder
        else:
            sent = _with_whole_paths(job) if self._shared else _with_pictures(job)
        try:
            with warnings.catch_warnings():  # that a job is large, which is known
                warnings.simplefilter("ignore", UserWarning)
                return self._client.submit(
                    paint, number, sent, self._threads, self._room, self._topic, pure=False
                )
        except Exception as error:  # what cannot be pickled says so in many ways
            what = f"a job for another process is to be pickled: {error}"
            raise UsageError(one_line(what)) from error

    def _outcome(self, future: Any, number: int, job: Job) -> Outcome | None:
        """None of what was not begun when the batch was stopped."""
        try:
            outcome: Outcome | None = future.result(timeout=_PATIENCE)
        except self._distributed.KilledWorker:
            what = "its process ended again and again; is there too little memory?"
            return _failed(number, job, StoppedError(what))
        except Exception as error:
            return _failed(number, job, StoppedError(one_line(f"{type(error).__name__}: {error}")))
        return None if outcome is None else replace(outcome, job=job)


def _processes(workers: int) -> Any:
    """A cluster of this machine."""
    import dask
    import distributed

    # Of small pictures, its profiler would take a seventh of the time.
    quiet = dask.config.set({"distributed.worker.profile.enabled": False})
    with quiet, _no_signals():
        return distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,  # Dask's own: it gives a worker one picture at a time
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=None,  # what a picture takes is planned
            silence_logs=50,
        )


@contextmanager
def _no_signals() -> Iterator[None]:
    """Processes that begin meanwhile, or for a thread of that time, do not get Ctrl-C or SIGTERM.

    Such signals go to a whole group or service, and these end with the picture of their parent.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # which would let the signals in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _check_answer(address: str) -> None:
    """Raise UsageError where no scheduler is."""
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
    with ThreadPoolExecutor(1) as pool:  # a notebook's own thread is in a loop already
        try:
            pool.submit(asyncio.run, _greeting(address)).result()
        except Exception as error:  # what another program's answer is read as is anything
            what = "something else listens there, or it does not answer"
            raise UsageError(f"{address}: no scheduler answers: {what}") from error


async def _greeting(address: str) -> None:
    import distributed

    async with asyncio.timeout(_PATIENCE / 2), distributed.rpc(address) as scheduler:
        await scheduler.identity()


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
