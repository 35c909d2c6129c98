"""L-BFGS-B over the pixels, kept in [0, 1]."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Minimum", "minimize"]

Image = npt.NDArray[np.float64]
Function = Callable[[Image], tuple[float, Image]]

# More corrections do not lower the loss faster here (docs/choices.md), but each costs 16 bytes
# for every value of the image.
CORRECTIONS = 5


@dataclass(frozen=True)
class Minimum:
    """Where the optimiser stopped, and why."""

    image: Image
    iterations: int
    evaluations: int
    history: list[float]
    stopped: Literal["iterations", "converged", "interrupted"]


class _Interrupted(Exception):
    """Unwinds scipy's loop when the caller wants to stop."""


def minimize(
    function: Function,
    start: npt.NDArray[np.floating],
    iterations: int,
    on_iterate: Callable[[int, int, float, Image], bool | None] = lambda *_: None,
) -> Minimum:
    """Minimise a function of an image by L-BFGS-B (Byrd, Lu, Nocedal and Zhu 1995).

    Parameters
    ----------
    function : callable
        From an image (H, W, 3) float64 in [0, 1] to its loss and gradient.
    start : (H, W, 3) float in [0, 1]
    iterations : int
    on_iterate : callable
        Called after each iteration with iterations, evaluations, loss and image; the run stops
        when it returns True.

    Returns
    -------
    Minimum
        Its `history` holds the loss after each iteration, the start first.
    """
    from scipy.optimize import Bounds
    from scipy.optimize import minimize as scipy_minimize

    shape = start.shape
    best = np.asarray(start, np.float64)
    history: list[float] = []
    evaluations = 0

    def evaluate(x: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        nonlocal evaluations
        evaluations += 1
        loss, gradient = function(x.reshape(shape))
        if not history:
            history.append(loss)
        return loss, gradient.ravel()

    def after_iteration(intermediate_result) -> None:  # type: ignore[no-untyped-def]
        nonlocal best
        best = intermediate_result.x.reshape(shape).copy()
        history.append(float(intermediate_result.fun))
        if on_iterate(len(history) - 1, evaluations, history[-1], best):
            raise _Interrupted

    stopped: Literal["iterations", "converged", "interrupted"]
    try:
        scipy_minimize(
            evaluate,
            best.ravel(),
            jac=True,
            method="L-BFGS-B",
            bounds=Bounds(0.0, 1.0),
            callback=after_iteration,
            options={
                "maxcor": CORRECTIONS,
                "maxiter": iterations,
                "maxfun": 20 * iterations,
                "ftol": 0.0,
                "gtol": 0.0,
            },
        )
        stopped = "iterations" if len(history) > iterations else "converged"
    except _Interrupted:
        stopped = "interrupted"
    return Minimum(best, len(history) - 1, evaluations, history, stopped)
