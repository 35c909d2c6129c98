"""The BLAS of NumPy and SciPy on one thread.

So its sums have the same bits each time, and its idle threads do not wait on the engine's cores.
"""

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
