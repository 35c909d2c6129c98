"""Blocks of work for plain Python threads: the kernels release the GIL.

Each thread takes the next free block, so a slow core delays nobody. What a block is depends on the
problem alone, so results do not depend on the number of threads.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from threading import Lock, Thread
from time import perf_counter
from typing import Any
from weakref import finalize

__all__ = ["Threads"]

_PAUSE = 0.1  # seconds between two calls of one who watches


class Threads:
    """A pool of `number` threads, the calling one among them.

    Parameters
    ----------
    number : int or None
        All cores that this process may use when None.
    """

    def __init__(self, number: int | None = None) -> None:
        self.wanted = number
        self.number = number or available_cores()
        self._pool: tuple[int, _Helpers] | None = None  # with the process that it is of
        self._between: Callable[[], object] | None = None

    def __reduce__(self) -> tuple[Any, ...]:  # a copy has threads of its own
        return type(self), (self.wanted,)

    def watched(self, between: Callable[[], object] | None) -> "Threads":
        """The same threads; while they work, the calling one calls this now and then.

        What it raises ends the work.
        """
        same = Threads(self.number)
        if self.number > 1:
            self._helpers()  # made now, so that all have the same
        same._pool = self._pool
        same._between = None if between is None else _now_and_then(between)
        return same

    def run(
        self,
        kernel: Callable[..., None],
        blocks: int,
        *arguments: Any,
        scratch: Sequence[Any] | None = None,
    ) -> None:
        """Call `kernel(block, *arguments)` for every block in `range(blocks)`.

        With `scratch`, an item for each thread, a thread appends its own to the arguments.
        """
        each = [arguments if scratch is None else (*arguments, own) for own in scratch or [None]]
        tickets = iter(range(blocks))
        helpers = min(self.number, blocks) - 1
        done: SimpleQueue[BaseException | None] = SimpleQueue()
        for worker in range(1, helpers + 1):
            self._helpers().give((done, kernel, tickets, each[worker % len(each)]))
        try:
            _work(kernel, tickets, each[0], self._between)
        finally:  # nobody may still write when the buffers are used again
            for _ in tickets:  # of an error: those that are left are not worked on
                pass
            errors = [done.get() for _ in range(helpers)]
        for error in filter(None, errors):
            raise error

    def _helpers(self) -> "_Helpers":
        """The other threads, made anew in a forked process, which has none of its parent's."""
        if self._pool is None or self._pool[0] != os.getpid():
            self._pool = os.getpid(), _Helpers(self.number - 1)
        return self._pool[1]


class _Helpers:
    """Threads that wait for work, from the first that there is: each takes address space.

    `ThreadPoolExecutor` takes so long to hand it over that sixteen threads waited for a tenth of
    an evaluation.
    """

    def __init__(self, number: int) -> None:
        self._work: SimpleQueue[Any] = SimpleQueue()
        self._idle = number  # that have not begun
        self._begin = Lock()

    def give(self, task: Any) -> None:
        """Let one of them do it."""
        with self._begin:
            if self._idle:
                finalize(self, self._work.put, None)
                Thread(target=_help, args=(self._work,), daemon=True).start()
                self._idle -= 1
        self._work.put(task)


def _help(work: SimpleQueue[Any]) -> None:
    while (task := work.get()) is not None:
        done, *what = task
        error = None
        try:
            _work(*what)
        except BaseException as raised:  # is raised again by the one who waits
            error = raised
        del task, what  # no buffer is kept while there is nothing to do
        done.put(error)
        del done, error


def available_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _work(
    kernel: Callable[..., None],
    tickets: Iterator[int],
    arguments: tuple[Any, ...],
    between: Callable[[], object] | None = None,
) -> None:
    for block in tickets:
        kernel(block, *arguments)
        if between is not None:
            between()


def _now_and_then(call: Callable[[], object]) -> Callable[[], None]:
    """`call`, but not more often than every `_PAUSE`."""
    last = perf_counter()

    def perhaps() -> None:
        nonlocal last
        now = perf_counter()
        if now - last >= _PAUSE:
            last = now
            call()

    return perhaps
