"""Exercises of lesson 7, minimising: replace each `raise NotImplementedError`."""

from collections.abc import Callable, Sequence

import numpy as np

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]  # x -> loss and gradient


def largest_curvature(f: Function, x: np.ndarray, iterations: int = 200) -> float:
    """Largest second derivative of f at x along any direction: the steepest eigenvalue.

    Power iteration: multiply a random vector with the matrix of second derivatives, make its
    length 1, and again. You need not know the matrix: its product with a direction d is how the
    gradient changes along d, (∇f(x + h d) - ∇f(x - h d)) / 2h.
    """
    raise NotImplementedError


def lbfgs_direction(
    gradient: np.ndarray, steps: Sequence[np.ndarray], changes: Sequence[np.ndarray]
) -> np.ndarray:
    """Where L-BFGS wants to go: minus its idea of the inverse matrix, times the gradient.

    The two loops of Nocedal (1980), with the identity matrix as the first idea:

        q = gradient
        for each pair (s, y), the latest first:  a = s·q / s·y,  q = q - a y
        for each pair (s, y), the oldest first:  b = y·q / s·y,  q = q + (a - b) s
        direction = -q

    where a is that of the same pair in the first loop.

    Parameters
    ----------
    gradient : (n,)
    steps, changes : sequences of (n,), the oldest first
        s and y: how the variables and the gradient have changed.

    Returns
    -------
    direction : (n,)
    """
    raise NotImplementedError


def in_cosines(f: Function, scale: np.ndarray) -> Function:
    """The same function in other variables: image = D'(scale * variables), D the 2-D DCT-II.

    Parameters
    ----------
    f : callable
        Of an image (H, W), to its loss and gradient (H, W).
    scale : (H, W)

    Returns
    -------
    callable
        Of variables (H, W), to the loss and its gradient with respect to them, (H, W).
        Use scipy.fft's dctn and idctn with norm="ortho": with it D' is the inverse of D.
    """
    raise NotImplementedError
