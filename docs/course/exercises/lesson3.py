"""Exercises of lesson 3, convolution: replace each `raise NotImplementedError`."""

import numpy as np


def weight_gradient(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Gradient with respect to the filters, which somebody needs who trains a network.

    Parameters
    ----------
    dy : (H, W, C_out)
    x : (H, W, C_in)

    Returns
    -------
    dweight : (3, 3, C_in, C_out)
    """
    raise NotImplementedError


def unharmed_filters(rng: np.random.Generator) -> np.ndarray:
    """Random filters (3, 3, 2, 4) that the backward pass may forget to flip.

    No two entries of a 3 x 3 filter are equal, except where they have to be.
    """
    raise NotImplementedError


def multiplications(height: int, width: int, c_in: int, c_out: int) -> int:
    """Multiplications of a 3 x 3 convolution, those with the zeros outside included."""
    raise NotImplementedError
