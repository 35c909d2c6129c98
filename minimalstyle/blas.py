"""The BLAS of NumPy and SciPy on one thread.

So its sums have the same bits each time, and its idle threads do not wait on the engine's cores.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

from .shared import Shared

__all__ = ["one_blas_thread"]


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """A context, or a decorator, in which products of matrices run on one thread.

    Most BLAS libraries have one number of threads for the whole process. Then it is 1 until the
    last of several threads has left this context, and after that as it was before the first.
    """
    with _SHARED, _limited(_libraries()[1]):
        yield


@cache
def _libraries() -> tuple[list[Any], list[Any]]:
    """Those that have one number of threads for the process, and those with one for each thread."""
    import scipy.linalg  # noqa: F401 -- its BLAS is not NumPy's, and is found once it is loaded

    found = ThreadpoolController().select(user_api="blas").lib_controllers  # takes 2 ms
    own = [one for one in found if getattr(one, "threading_layer", None) == "openmp"]
    return [one for one in found if one not in own], own


@contextmanager
def _limited(libraries: Sequence[Any]) -> Iterator[None]:
    before = [one.num_threads for one in libraries]
    try:
        for one in libraries:
            _set(one, 1)
        yield
    finally:
        for one, number in zip(libraries, before, strict=True):
            _set(one, number)


def _set(library: Any, number: int) -> None:
    # threadpoolctl 3.8 lets only the first thread set it, and does nothing for others: also when
    # they are the last that must set it back.
    release = getattr(library, "clear_controlling_thread", lambda force: None)
    release(force=True)
    library.set_num_threads(number)
    release(force=True)


_SHARED = Shared(lambda: _limited(_libraries()[0]))
