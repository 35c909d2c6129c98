"""Exercises of lesson 8, making it fast: replace each `raise NotImplementedError`."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Number = TypeVar("Number")


def im2col(x: np.ndarray) -> np.ndarray:
    """Lay the 9 C inputs of each output of a 3 x 3 convolution side by side.

    Parameters
    ----------
    x : (H, W, C)

    Returns
    -------
    columns : (H W, 9 C)
        `columns @ weight.reshape(9 * C, -1)` is the convolution, for weight (3, 3, C, C_out).
    """
    raise NotImplementedError


def col2im(columns: np.ndarray, height: int, width: int) -> np.ndarray:
    """Backward of `im2col`: add the values up where they came from.

    Parameters
    ----------
    columns : (H W, 9 C)

    Returns
    -------
    x : (H, W, C)
    """
    raise NotImplementedError


def two_outputs(d: Sequence[Number], g: Sequence[Number]) -> tuple[Number, Number]:
    """Winograd's F(2, 3): two outputs of a filter of three, with four multiplications.

        y0 = d0 g0 + d1 g1 + d2 g2,    y1 = d1 g0 + d2 g1 + d3 g2

    The numbers can be added, subtracted, negated, and multiplied with each other; halving,
    `0.5 * g[0]`, is not counted.

    Parameters
    ----------
    d : four numbers
    g : three numbers
    """
    raise NotImplementedError


def saved(m: int) -> float:
    """How many times fewer multiplications F(m x m, 3 x 3) takes than the direct sum."""
    raise NotImplementedError
