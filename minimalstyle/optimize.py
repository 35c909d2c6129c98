"""L-BFGS-B over an image, in variables in which it converges fast and leaves no grain.

The variables are the coefficients of the image's cosine transform (DCT-II, orthonormal), each
divided by a scale that falls with its frequency: `image = D'(s c)`. A step that is equally long in
all variables then changes large shapes more than single pixels, as the spectrum of natural images
falls, too. Against the pixels themselves as variables this saves a third of the evaluations, and
the fine wavy pattern that the early steps leave otherwise does not appear (docs/choices.md). The
idea is the Fourier parametrisation of Olah, Mordvintsev and Schubert 2017, "Feature
visualization"; cosines instead of waves, because a picture does not repeat at its border.

A box for the pixels is no box for these variables, so a penalty on what leaves [0, 1] takes the
place of L-BFGS-B's bounds, which would also cost three times the time beside the evaluations.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Minimum", "minimize"]

Image = npt.NDArray[np.float32]
Variables = npt.NDArray[np.float64]
Function = Callable[[Image], tuple[float, npt.NDArray[np.floating]]]

# More corrections hardly lower the loss faster here, but each takes 16 bytes a value of the image.
_CORRECTIONS = 5
_EXPONENT = 0.35  # of the fall with frequency: 0 is the pixels as they are, 1 smooths strokes away
_PENALTY = 30.0  # times the mean squared distance from [0, 1]


@dataclass(frozen=True)
class Minimum:
    """Where the optimiser stopped, and why.

    Attributes
    ----------
    image : (H, W, 3) float32 in [0, 1]
    iterations, evaluations : int
    history : list of float
        The loss after each iteration, the start first.
    stopped : {"iterations", "converged", "interrupted"}
        "converged" when no step lowers the loss any more.
    """

    image: Image
    iterations: int
    evaluations: int
    history: list[float]
    stopped: Literal["iterations", "converged", "interrupted"]


class _Interrupted(Exception):
    """Unwinds scipy's loop when the caller wants to stop."""


def minimize(
    function: Function,
    start: Image,
    iterations: int,
    on_iterate: Callable[[int, int, float, Image], bool | None] = lambda *_: None,
    *,
    threads: int = 1,
) -> Minimum:
    """Minimise a function of an image by L-BFGS-B (Byrd, Lu, Nocedal and Zhu 1995).

    Parameters
    ----------
    function : callable
        From an image (H, W, 3) float32 to its loss and gradient. Values may be a little outside
        of [0, 1] on the way.
    start : (H, W, 3) float32 in [0, 1]
    iterations : int
    on_iterate : callable
        Called after each iteration with iterations, evaluations, loss and image; the run stops
        when it returns True.
    threads : int
        Of the cosine transforms.

    Returns
    -------
    Minimum
    """
    from scipy.optimize import minimize as scipy_minimize

    spectrum = _Spectrum(start.shape, threads)
    best = np.asarray(start, np.float32)
    history: list[float] = []
    evaluations = 0
    latest = best, 0.0

    def evaluate(variables: Variables) -> tuple[float, Variables]:
        nonlocal evaluations, latest
        image = spectrum.image(variables)
        loss, gradient = function(image)
        evaluations += 1
        latest = image, loss
        if not history:
            history.append(loss)
        outside = image - np.clip(image, 0.0, 1.0)
        factor = _PENALTY / image.size
        penalty = factor * float(np.vdot(outside, outside))
        return loss + penalty, spectrum.gradient(gradient + 2.0 * factor * outside)

    def after_iteration(intermediate_result) -> None:  # type: ignore[no-untyped-def]
        nonlocal best
        image, loss = latest  # scipy's line search ends with the point that it takes
        best = np.clip(image, 0.0, 1.0)
        history.append(loss)
        if on_iterate(len(history) - 1, evaluations, loss, best):
            raise _Interrupted

    stopped: Literal["iterations", "converged", "interrupted"]
    try:
        scipy_minimize(
            evaluate,
            spectrum.variables(best),
            jac=True,
            method="L-BFGS-B",
            callback=after_iteration,
            options={
                "maxcor": _CORRECTIONS,
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


class _Spectrum:
    """The change of variables `image = D'(s c)` and its transpose."""

    def __init__(self, shape: tuple[int, ...], threads: int) -> None:
        self.shape, self.threads = shape, threads
        height, width, _ = shape
        half_waves = np.hypot(
            np.arange(height)[:, None] * (max(height, width) / height),
            np.arange(width)[None, :] * (max(height, width) / width),
        )
        scale = np.maximum(half_waves, 2.0) ** -_EXPONENT  # nothing coarser than one wave
        self.scale = (scale / np.sqrt(np.mean(scale**2))).astype(np.float32)[:, :, None]

    def image(self, variables: Variables) -> Image:
        """`D'(s c)`, (H, W, 3)."""
        from scipy.fft import idctn

        coefficients = self.scale * variables.reshape(self.shape).astype(np.float32)
        return idctn(coefficients, axes=(0, 1), norm="ortho", workers=self.threads)

    def gradient(self, image_gradient: npt.NDArray[np.floating]) -> Variables:
        """Gradient of the variables, `s D g`, flat."""
        return (self.scale * self._transform(image_gradient)).ravel().astype(np.float64)

    def variables(self, image: Image) -> Variables:
        """`D x / s`, flat: the variables of an image."""
        return (self._transform(image) / self.scale).ravel().astype(np.float64)

    def _transform(self, values: npt.NDArray[np.floating]) -> Image:
        from scipy.fft import dctn

        single = values.astype(np.float32)
        return dctn(single, axes=(0, 1), norm="ortho", workers=self.threads)
