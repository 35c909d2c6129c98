"""Solutions of lesson 1."""

from collections.abc import Callable

import numpy as np

from minimalstyle import Network, reference

STYLE_LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]


def loss_by_hand(  # noqa: PLR0917
    network: Network,
    image: np.ndarray,
    photograph: np.ndarray,
    painting: np.ndarray,
    alpha: float,
    beta: float,
) -> float:
    """Steps 2 to 6 of the page."""

    def off(x: np.ndarray, target: np.ndarray) -> float:
        return float(np.sum((x - target) ** 2) / np.sum(target**2))

    F = network.features(image, ["relu4_2", *STYLE_LAYERS])
    P = network.features(photograph, ["relu4_2"])
    S = network.features(painting, STYLE_LAYERS)
    style = [off(reference.gram(F[name]), reference.gram(S[name])) for name in STYLE_LAYERS]
    return alpha * off(F["relu4_2"], P["relu4_2"]) + beta * float(np.mean(style))


def steepest_descent(
    function: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray, iterations: int
) -> tuple[np.ndarray, list[float]]:
    """A backtracking line search that remembers the last length."""
    x = start
    loss, gradient = function(x)
    losses = [loss]
    if not gradient.any():
        return x.copy(), losses
    t = 0.1 / np.abs(gradient).max()
    for _ in range(iterations):
        for _ in range(31):
            candidate = x - t * gradient
            loss, its_gradient = function(candidate)
            if loss < losses[-1]:
                break
            t /= 2
        else:
            break
        x, gradient = candidate, its_gradient
        losses.append(loss)
        t *= 2
    return x.copy(), losses
