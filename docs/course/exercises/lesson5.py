"""Exercises of lesson 5, the Gram matrix: replace each `raise NotImplementedError`."""

import numpy as np


def covariance(F: np.ndarray) -> np.ndarray:
    """Covariance of the channels: the Gram matrix of F (N, C) after its means are subtracted."""
    raise NotImplementedError


def covariance_backward(dG: np.ndarray, F: np.ndarray) -> np.ndarray:
    """Backward of `covariance`.

    Parameters
    ----------
    dG : (C, C)
        Need not be symmetric.
    F : (N, C)

    Returns
    -------
    dF : (N, C)
    """
    raise NotImplementedError


def few_positions(F: np.ndarray) -> np.ndarray:
    """C positions (C, C) that have the same Gram matrix as the N positions of F (N, C)."""
    raise NotImplementedError


def style_distance(F: np.ndarray, S: np.ndarray) -> float:
    """‖G - A‖² for the Gram matrices G of F (N, C) and A of S (M, C), but without any of them.

    Compare positions instead, with the kernel k(f, s) = (f · s)²: the mean of k over all pairs
    within F, minus twice that over the pairs of F and S, plus that within S.
    """
    raise NotImplementedError
