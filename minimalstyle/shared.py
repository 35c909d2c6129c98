"""A change of the whole process for a while, which several threads may want at once."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import RLock, get_ident
from typing import Any

__all__ = ["Shared"]


class Shared:
    """A context that is entered once for all threads: the first in makes the change.

    The last out undoes it. If each thread made and undid its own, one would save what another has
    changed, and bring that back in the end.

    Parameters
    ----------
    change : callable () -> context manager
        What is entered by the first, and left by the last.
    """

    def __init__(self, change: Callable[[], AbstractContextManager[Any]]) -> None:
        self._change = change
        self._made: AbstractContextManager[Any] | None = None
        self._inside: list[int] = []  # threads, one as often as it has entered
        self._lock = RLock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._lock.acquire,  # nobody is half in or out
                after_in_parent=self._lock.release,
                after_in_child=self._after_fork,
            )

    def __enter__(self) -> "Shared":
        with self._lock:
            if self._made is None:
                made = self._change()
                made.__enter__()
                self._made = made
            self._inside.append(get_ident())
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside.remove(get_ident())
            self._undo_if_last()

    def _undo_if_last(self) -> None:
        if self._made is not None and not self._inside:
            made, self._made = self._made, None
            made.__exit__(None, None, None)

    def _after_fork(self) -> None:
        """Of all threads, only the one that forked is in the child."""
        self._lock.release()
        self._inside = [one for one in self._inside if one == get_ident()]
        self._undo_if_last()
