"""Several pictures at once: processes of this machine, which share its cores."""

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any

from ..errors import MinimalstyleError, StoppedError, UsageError
from ..files import one_line
from ..machine import available_cores
from ..painting.job import Job
from .painter import Outcome, Painter
from .run import Crew, Shown

__all__ = ["Pool"]

_EVERY = 0.2  # seconds between two tellings of how far a picture is
_PATIENCE = 10.0  # seconds that a process has to stop
_TRIES = 2  # of a job whose process is killed


@dataclass(eq=False)
class _Worker:
    """A process, and what it paints."""

    process: Any
    pipe: Any
    number: int = -1
    job: Job | None = None
    fraction: float = 0.0
    begun: float = 0.0


class Pool(Crew):
    """Processes that paint, each with its part of the cores.

    They are started anew (spawn), so that a script that uses them needs
    `if __name__ == "__main__":`. A process that is killed, as by a system without memory, is
    replaced, and its job tried once more.

    Parameters
    ----------
    workers : int
    note : callable
        Told what the user should know.
    """

    def __init__(self, workers: int, note: Callable[[str], None] = lambda _: None) -> None:
        if workers < 1:
            raise UsageError(f"workers must be a whole number from 1 up, not {workers}")
        self.workers, self._note = workers, note
        self._threads = max(available_cores() // workers, 1)
        self._context = multiprocessing.get_context("spawn")
        self._stop = self._context.Event()
        self._idle: list[_Worker] = []
        self._busy: list[_Worker] = []

    def __exit__(self, *_: object) -> None:
        for worker in self._busy:
            worker.process.terminate()
        for worker in (*self._idle, *self._busy):
            worker.pipe.close()  # an idle one ends by that
            worker.process.join(_PATIENCE)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    def outcomes(self, jobs: Iterable[tuple[int, Job]], show: Shown) -> Iterator[Outcome]:
        """See `Crew`."""
        waiting, again = iter(jobs), deque[tuple[int, Job]]()
        tries: dict[int, int] = {}
        stopped: float | None = None
        while True:
            while stopped is None and len(self._busy) < self.workers:
                given = again.popleft() if again else next(waiting, None)
                if given is None:
                    break
                failed = self._give(*given)
                if failed is not None:
                    yield failed
            if not self._busy or (stopped and time.monotonic() - stopped > _PATIENCE):
                return
            ready = connection.wait([worker.pipe for worker in self._busy], timeout=_EVERY)
            for worker in [worker for worker in self._busy if worker.pipe in ready]:
                message = self._message(worker)
                if isinstance(message, Outcome):
                    self._busy.remove(worker)
                    self._idle.append(worker)
                    yield message
                elif message is None and stopped is None:  # killed
                    tries[worker.number] = tries.get(worker.number, 1) + 1
                    if tries[worker.number] <= _TRIES:
                        assert worker.job is not None
                        again.append((worker.number, worker.job))
                    else:
                        yield self._killed(worker)
            if stopped is None:
                said = [show(worker.number, worker.fraction) for worker in self._busy]
                if "stop" in said:
                    stopped = time.monotonic()
                    self._stop.set()

    def _give(self, number: int, job: Job) -> Outcome | None:
        """Let somebody paint a job; an outcome if it cannot be told."""
        worker = self._idle.pop() if self._idle else self._started()
        try:
            worker.pipe.send((number, job))
        except OSError:  # killed while it had nothing to do
            worker.process.join()
            worker = self._started()
            worker.pipe.send((number, job))
        except Exception as error:  # what cannot be pickled says so in many ways
            self._idle.append(worker)
            failed = UsageError(one_line(f"a job for another process is to be pickled: {error}"))
            return _failed(number, job, failed, 0.0)
        worker.number, worker.job, worker.fraction = number, job, 0.0
        worker.begun = time.perf_counter()
        self._busy.append(worker)
        return None

    def _started(self) -> _Worker:
        here, there = self._context.Pipe()
        arguments = there, self._stop, self._threads
        process = self._context.Process(target=_work, args=arguments, daemon=True)
        with _no_interrupt():
            process.start()
        there.close()
        return _Worker(process, here)

    def _message(self, worker: _Worker) -> Outcome | str | None:
        """What a worker says; None if it is no more."""
        try:
            message = worker.pipe.recv()
        except Exception:  # it ended, perhaps while it said something
            worker.process.kill()
            self._busy.remove(worker)
            worker.pipe.close()
            worker.process.join()
            return None
        if isinstance(message, float):
            worker.fraction = message
            return ""
        if isinstance(message, str):
            self._note(message)
            return message
        outcome: Outcome = message
        return outcome

    @staticmethod
    def _killed(worker: _Worker) -> Outcome:
        code = worker.process.exitcode
        how = f"by signal {-code}" if code and code < 0 else f"with exit code {code}"
        error = StoppedError(
            f"its process ended {how}, {_TRIES} times; is there too little memory?"
        )
        assert worker.job is not None
        seconds = time.perf_counter() - worker.begun
        return _failed(worker.number, worker.job, error, seconds)


def _failed(number: int, job: Job, error: MinimalstyleError, seconds: float) -> Outcome:
    return Outcome(number=number, job=job, result=None, error=error, warnings=(), seconds=seconds)


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """A process that begins meanwhile does not get Ctrl-C: its parent tells it when to stop."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(pipe: Any, stop: Any, threads: int) -> None:
    """A worker: paints what it is given until there is nobody to give it."""
    with suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def tell(message: object) -> None:
        try:
            pipe.send(message)
        except OSError:  # whoever wanted the picture is gone
            os._exit(1)

    painter = Painter(threads, tell)
    told = 0.0

    def callback(event: Any) -> str | None:
        nonlocal told
        if time.monotonic() - told > _EVERY:
            told = time.monotonic()
            tell(float(event.fraction))
        return "stop" if stop.is_set() else None

    while True:
        try:
            number, job = pipe.recv()
        except (EOFError, OSError):
            return
        outcome = painter.attempt(number, job, callback)
        tell(outcome)
