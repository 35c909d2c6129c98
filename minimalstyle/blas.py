"""One thread for the BLAS of NumPy and SciPy, for the same bits each time and for idle cores."""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

__all__ = ["one_blas_thread"]


@cache
def _libraries() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401 -- its BLAS is not NumPy's, and is found once it is loaded

    return ThreadpoolController()  # looking for them takes 2 ms


def one_blas_thread() -> AbstractContextManager[Any]:
    """A context in which products of matrices run on one thread."""
    return _libraries().limit(limits=1, user_api="blas")
