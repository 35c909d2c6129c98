"""Solutions of lesson 4."""

import numpy as np

from minimalstyle.reference import window_pixels


def leaky(x: np.ndarray) -> np.ndarray:
    """The larger of the two lines."""
    return np.maximum(x, x / 10)


def leaky_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The output has the sign of the input."""
    return np.where(y > 0, dy, dy / 10)


def fair_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A mask of the winners of each window, divided by their number."""
    pixels = np.array(window_pixels(x))
    winners = pixels == pixels.max(axis=0)
    dx = np.zeros(x.shape)
    for view, share in zip(window_pixels(dx), winners / winners.sum(axis=0), strict=True):
        view[...] = share * dy
    return dx


def count_tied(x: np.ndarray) -> int:
    """The two largest of each window are equal."""
    *_, second, first = np.sort(window_pixels(x), axis=0)
    return int(np.sum(first == second))
