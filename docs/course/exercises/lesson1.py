"""Exercises of lesson 1, the pipeline: replace each `raise NotImplementedError`."""

from collections.abc import Callable

import numpy as np

from minimalstyle import Network


def loss_by_hand(  # noqa: PLR0917
    network: Network,
    image: np.ndarray,
    photograph: np.ndarray,
    painting: np.ndarray,
    alpha: float,
    beta: float,
) -> float:
    """The loss of an image, without total variation.

        alpha ‖F - P‖² / ‖P‖²  +  beta (mean of ‖G - A‖² / ‖A‖² over five layers)

    Take the features from `network.features` and the Gram matrices from `reference.gram`. The
    content layer is relu4_2, the style layers are relu1_1, relu2_1, relu3_1, relu4_1, relu5_1.

    Parameters
    ----------
    network : Network
    image, photograph : (H, W, 3) in [0, 1]
    painting : (h, w, 3) in [0, 1]
    alpha, beta : float
    """
    raise NotImplementedError


def steepest_descent(
    function: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray, iterations: int
) -> tuple[np.ndarray, list[float]]:
    """Go against the gradient, in steps of a length t that adapts.

    At the beginning t = 0.1 / (largest absolute entry of the gradient). In each iteration, as
    long as the loss at x - t g is not below that at x, halve t, at most 30 times; if that does
    not help, stop. After a step that was taken, double t. Nothing is clipped.

    Parameters
    ----------
    function : callable
        From an image to its loss and gradient.
    start : (H, W, 3)
        Stays as it is.
    iterations : int

    Returns
    -------
    image : (H, W, 3)
    losses : list of float
        The start's, then one for each step that was taken.
    """
    raise NotImplementedError
