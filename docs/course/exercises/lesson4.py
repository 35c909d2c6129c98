"""Exercises of lesson 4, ReLU and pooling: replace each `raise NotImplementedError`."""

import numpy as np


def leaky(x: np.ndarray) -> np.ndarray:
    """A ReLU that lets a tenth of the negative values through: x if x > 0, else x / 10."""
    raise NotImplementedError


def leaky_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Backward of `leaky`, which sees its output only."""
    raise NotImplementedError


def fair_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Backward of max pooling that shares: all pixels that hold the maximum get an equal part.

    Parameters
    ----------
    dy : (H / 2, W / 2, C)
    x : (H, W, C)
        H and W even.

    Returns
    -------
    dx : (H, W, C)
    """
    raise NotImplementedError


def count_tied(x: np.ndarray) -> int:
    """Count the 2 x 2 windows of x (H, W, C) whose maximum is held by more than one pixel.

    Those are the windows where the choice of a winner matters. H and W are even.
    """
    raise NotImplementedError
