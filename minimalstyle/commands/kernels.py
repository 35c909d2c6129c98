"""Compile the kernels of a run before the first one, for instance while a container is built."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..engine.cache import kept
from ..errors import OutputError
from ..painting.functions import stylize

__all__ = ["compile_kernels"]


def compile_kernels(on_note: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Compile what a run with the default settings needs; what is on disk already is only read.

    Parameters
    ----------
    on_note : callable, optional
        Called with the line "compiling kernels ...".

    Returns
    -------
    list of Path
        Folders in which the kernels are kept.

    Raises
    ------
    OutputError
        If not all of them can be kept.
    """
    gradient = np.linspace(0, 1, 64 * 64 * 3).reshape(64, 64, 3)
    stylize(gradient, gradient[::-1], size=64, iterations=2, on_note=on_note)
    places = set(kept.values())
    if None in places:
        raise OutputError(
            "the kernels cannot be kept: no folder takes them; NUMBA_CACHE_DIR can name one"
        )
    return sorted(place for place in places if place is not None)
