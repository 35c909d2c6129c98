"""Blocks of work for plain Python threads: the kernels release the GIL.

Each thread takes the next free block, so a slow core delays nobody. What a block is depends on the
problem alone, so results do not depend on the number of threads.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

__all__ = ["Threads"]


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
        self._pool: tuple[int, ThreadPoolExecutor] | None = None  # with the process that it is of

    def __reduce__(self) -> tuple[Any, ...]:  # a copy has threads of its own
        return type(self), (self.wanted,)

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
        ticket = count()
        futures = [
            self._threads().submit(_work, kernel, blocks, ticket, each[worker % len(each)])
            for worker in range(1, min(self.number, blocks))
        ]
        try:
            _work(kernel, blocks, ticket, each[0])
        finally:  # nobody may still write when the buffers are used again
            for future in futures:
                future.result()

    def _threads(self) -> ThreadPoolExecutor:
        """The pool, made anew in a forked process, which has none of its parent's threads."""
        if self._pool is None or self._pool[0] != os.getpid():
            self._pool = os.getpid(), ThreadPoolExecutor(self.number - 1)
        return self._pool[1]


def available_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _work(
    kernel: Callable[..., None],
    blocks: int,
    ticket: Iterator[int],
    arguments: tuple[Any, ...],
) -> None:
    while (block := next(ticket)) < blocks:
        kernel(block, *arguments)
