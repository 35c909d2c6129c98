"""Solutions of lesson 7."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.fft import dctn, idctn

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]


def largest_curvature(f: Function, x: np.ndarray, iterations: int = 200) -> float:
    """Along a direction of length 1 the product has the length of the curvature, in the end."""
    d = np.random.default_rng(0).standard_normal(x.shape)
    curvature = 0.0
    for _ in range(iterations):
        d /= np.linalg.norm(d)
        h = 1e-4
        d = (f(x + h * d)[1] - f(x - h * d)[1]) / (2 * h)
        curvature = float(np.linalg.norm(d))
    return curvature


def lbfgs_direction(
    gradient: np.ndarray, steps: Sequence[np.ndarray], changes: Sequence[np.ndarray]
) -> np.ndarray:
    """The two loops."""
    q = gradient.copy()
    shares = []
    for s, y in zip(reversed(steps), reversed(changes), strict=True):
        shares.append(s @ q / (s @ y))
        q -= shares[-1] * y
    for s, y, a in zip(steps, changes, reversed(shares), strict=True):
        q += (a - y @ q / (s @ y)) * s
    return -q


def in_cosines(f: Function, scale: np.ndarray) -> Function:
    """Backward is the transpose, factor by factor in reverse order: (D' s)' = s D."""

    def g(variables: np.ndarray) -> tuple[float, np.ndarray]:
        loss, gradient = f(idctn(scale * variables, norm="ortho"))
        return loss, scale * dctn(gradient, norm="ortho")

    return g
