"""How every kernel of the engine is compiled: the only place with Numba's flags.

Kernels release the GIL, so that plain Python threads run them side by side (`threads`), and are
kept on disk (`cache`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import UsageError

try:
    import numba
except ValueError as error:
    text = str(error).rstrip(".")
    raise UsageError(f"the NUMBA_ variables of the environment: {text}") from None

from numba.core import event

from .cache import KernelCache, folder, is_covered

__all__ = ["helper", "inlined", "kernel", "notify_compilation"]

if numba.config.DISABLE_JIT:
    raise UsageError("NUMBA_DISABLE_JIT is set, and the kernels need the compiler; unset it")

# `fastmath` lets LLVM reorder sums, which vector instructions need. "nnan" and "ninf" are left
# out: an overflow must stay visible as inf or NaN in the loss instead of becoming undefined.
_FLAGS = {
    "nogil": True,
    "boundscheck": False,
    "error_model": "numpy",
    "fastmath": {"nsz", "arcp", "contract", "afn", "reassoc"},
    "no_cfunc_wrapper": True,
}


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` at its first call and keep the result on disk where that is possible."""
    dispatcher = numba.njit(**_FLAGS)(function)
    if is_covered(function):
        dispatcher._cache = KernelCache(function)
    return dispatcher


def helper(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` for the kernels that call it; Python cannot."""
    return numba.njit(no_cpython_wrapper=True, **_FLAGS)(function)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same, always as a part of the caller."""
    return numba.njit(forceinline=True, no_cpython_wrapper=True, **_FLAGS)(function)


class _FirstCompilation(event.Listener):
    def __init__(self, notify: Callable[[str], None]) -> None:
        self.tell: Callable[[str], None] | None = notify

    def on_start(self, event: Any) -> None:
        if self.tell is not None:
            tell, self.tell = self.tell, None
            if folder() is not None:
                tell("compiling kernels, first use on this machine (about 15 seconds)")
            else:
                tell(
                    "compiling kernels (about 15 seconds), in each run: there is no folder to keep "
                    "them; NUMBA_CACHE_DIR can name one"
                )

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
