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
        self.number = number or available_cores()
        self._pool = ThreadPoolExecutor(self.number - 1) if self.number > 1 else None

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
            self._pool.submit(_work, kernel, blocks, ticket, each[worker % len(each)])
            for worker in range(1, min(self.number, blocks))
            if self._pool is not None
        ]
        try:
            _work(kernel, blocks, ticket, each[0])
        finally:  # nobody may still write when the buffers are used again
            for future in futures:
                future.result()


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
