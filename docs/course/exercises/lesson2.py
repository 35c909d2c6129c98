"""Exercises of lesson 2, what layers see: replace each `raise NotImplementedError`."""

from collections.abc import Sequence

import numpy as np

from minimalstyle.network.layers import Layer


def window(layers: Sequence[Layer], name: str, row: int, column: int) -> tuple[int, int, int, int]:
    """Which pixels one value of a layer sees.

    Parameters
    ----------
    layers : sequence of Layer
        A chain such as `network.vgg.layers`: `Conv`, whose `weight.shape[0]` is the side of its
        filters, `Relu`, and `Pool`, which is 2 x 2.
    name : str
        One of the layers.
    row, column : int
        The place in its output.

    Returns
    -------
    top, left, bottom, right : int
        The rows from top to bottom - 1 and the columns from left to right - 1. They may lie
        outside of the image.

    Raises
    ------
    ValueError
        If there is no layer of this name.
    """
    raise NotImplementedError


def strongest(activations: np.ndarray, count: int, apart: int) -> list[tuple[int, int]]:
    """Places of the largest values of a map, the largest first, none too near to another.

    Take the largest, strike out all that is nearer than `apart` in both directions, repeat. Of
    equal values the first in reading order is taken. Where nothing above 0 is left, it ends.

    Parameters
    ----------
    activations : (h, w)
        Stays as it is.
    count : int
    apart : int
        max(|row - row'|, |column - column'|) of any two places is at least this.

    Returns
    -------
    list of (row, column), `count` at most
    """
    raise NotImplementedError
