"""How every kernel of the engine is compiled: the only place with Numba's flags.

Kernels release the GIL, so that plain Python threads run them side by side (`threads`), and are
cached on disk, so that only the first run on a machine compiles them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numba
from numba.core import event

__all__ = ["inlined", "kernel", "notify_compilation"]

# `fastmath` lets LLVM reorder sums, which vector instructions need. "nnan" and "ninf" are left
# out: an overflow must stay visible as inf or NaN in the loss instead of becoming undefined.
_FLAGS = {
    "nogil": True,
    "no_cfunc_wrapper": True,
    "boundscheck": False,
    "error_model": "numpy",
    "fastmath": {"nsz", "arcp", "contract", "afn", "reassoc"},
}


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` at its first call and keep the result on disk where that is possible."""
    try:
        return numba.njit(cache=True, **_FLAGS)(function)
    except RuntimeError:  # Numba found no folder to write its cache to
        return numba.njit(**_FLAGS)(function)


def helper(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` for the kernels that call it; Python cannot."""
    return numba.njit(no_cpython_wrapper=True, **_FLAGS)(function)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same, always as a part of the caller."""
    return numba.njit(
        forceinline=True, no_cpython_wrapper=True, **_FLAGS
    )(function)


class _FirstCompilation(event.Listener):
    def __init__(self, notify: Callable[[str], None]) -> None:
        self.tell: Callable[[str], None] | None = notify

    def on_start(self, event: Any) -> None:
        if self.tell is not None:
            tell, self.tell = self.tell, None
            tell("compiling kernels for their first use on this machine (up to half a minute)")

    def on_end(self, event: Any) -> None:
        pass


@contextmanager
def notify_compilation(notify: Callable[[str], None]) -> Iterator[None]:
    """Call `notify` with one line when a kernel must be compiled, and is not in the cache."""
    listener = _FirstCompilation(notify)
    event.register("numba:compile", listener)
    try:
        yield
    finally:
        event.unregister("numba:compile", listener)
