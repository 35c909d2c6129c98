"""L-BFGS over an image, in variables in which it converges fast and leaves no grain: `spectrum`.

A box for the pixels is no box for these variables, so a penalty on what leaves [0, 1] takes the
place of L-BFGS-B's bounds, which would also cost three times the time beside the evaluations.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from .._types import Float32
from ..blas import one_blas_thread
from ..errors import WeightsError
from .lean import lean_lbfgs
from .spectrum import Spectrum

__all__ = [
    "CORRECTIONS",
    "EXPONENT",
    "MOVING",
    "SEGMENT",
    "Evaluated",
    "Interrupted",
    "Minimum",
    "State",
    "minimize",
]

Stop = Literal["iterations", "converged", "interrupted", "not finite", "failed"]
Function = Callable[[Float32], tuple[float, npt.NDArray[np.floating]]]
Variables = npt.NDArray[Any]  # float64, or float32 of a run that is lean

CORRECTIONS = 10  # more hardly lower the loss faster, but each takes 16 bytes a value of the image
SEGMENT = 30  # iterations between two states of a run with a checkpoint
# Of the frequencies along each side, for a style transfer. The network hardly sees the finest:
# along them the loss is more than thirty times flatter than where it is steepest (docs/choices.md).
MOVING = 0.85
EXPONENT = 0.35  # of the fall of scales with frequency: 0 is the pixels, 1 smooths strokes away
_PENALTY = 30.0  # times the mean squared distance from [0, 1]


class Evaluated(NamedTuple):
    """What one evaluation has told L-BFGS-B.

    Attributes
    ----------
    loss, value : float
        Without and with the penalty; NaN where they, or the gradient, were not finite.
    gradient : (n,) float32
        Of the value, along the variables that are free; nothing in it where it was not finite.
    """

    loss: float
    value: float
    gradient: npt.NDArray[np.float32]


@dataclass(frozen=True)
class State:
    """Where a run stands between two segments: all that it needs to go on, bit for bit.

    Attributes
    ----------
    variables : (H * W * 3,) float64, or float32 of a run that is `lean`
    evaluations, restarts : int
    history : tuple of float
    known : Evaluated or None
        At these variables, if the last one was there.
    """

    variables: Variables
    evaluations: int = 0
    restarts: int = 0
    history: tuple[float, ...] = ()
    known: Evaluated | None = None


@dataclass(frozen=True)
class Minimum:
    """Where the optimiser stopped, and why.

    Attributes
    ----------
    image : (H, W, 3) float32 in [0, 1]
    iterations, evaluations : int
    restarts : int
        How often values that were not finite made it go back to the last good image.
    history : list of float
        The loss after each iteration, the start first; empty where that was not reached.
    stopped : {"iterations", "converged", "interrupted", "not finite", "failed"}
        "converged" when no step lowers the loss any more; "not finite" when every way on leads to
        infinities or NaN; "failed" when `error` came after an iteration.
    error : Exception or None
    """

    image: Float32
    iterations: int
    evaluations: int
    restarts: int
    history: list[float]
    stopped: Stop
    error: Exception | None = None


class Interrupted(Exception):
    """Unwinds the optimiser's loop when the caller wants to stop; a function may raise it, too."""


class _NotFinite(Exception):
    """Unwinds scipy's loop when an evaluation gives infinities or NaN."""


# Always the same bits. And idle threads of the BLAS that scipy uses wait in a loop, on the engine's
# cores: with them an evaluation at 512 px takes a fifth longer.
@one_blas_thread()
def minimize(  # noqa: PLR0912, PLR0915 - one loop, with every way out of it
    function: Function,
    start: Float32,
    iterations: int,
    on_iterate: Callable[[int, int, float, Float32], object] = lambda *_: None,
    *,
    threads: int = 1,
    magnitude: float = 1.0,
    periodic: bool = False,
    moving: float = 1.0,
    exponent: float = EXPONENT,
    lean: bool = False,
    segment: int | None = None,
    state: State | None = None,
    on_state: Callable[[State], None] = lambda _: None,
    replay: Iterable[Evaluated] = (),
    on_evaluation: Callable[[Evaluated], None] = lambda _: None,
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
        when it returns "stop", and goes on after anything else.
    threads : int
        Of the cosine transforms.
    magnitude : float
        How large a loss is large; scales the penalty for values outside of [0, 1].
    periodic : bool
        The image goes on at its other side.
    moving : float
        Share of the frequencies along each side that are variables, from the lowest up; finer waves
        stay as they are at the start. All of them where the image is periodic.
    exponent : float
        The scale of a variable falls with its frequency to this power.
    lean : bool
        Take `lean_lbfgs` in place of scipy's L-BFGS-B: a sixth of the memory, for large images.
    segment : int, optional
        The optimiser begins anew, without its corrections, after every so many iterations. That
        costs one or two hundredths of the loss (docs/choices.md), and there a run can be continued
        as if it had never stopped.
    state : State, optional
        Go on from there; `start` then gives the shape only.
    on_state : callable
        Called with the state after each segment, and at the end.
    replay : iterable of Evaluated
        The first ones since `state`, or since the start, as `on_evaluation` got them. They stand
        for calls of `function`, so that all arrives where it was when the last of them came; what
        these iterations were is not told again.
    on_evaluation : callable
        Called with each new evaluation.

    Returns
    -------
    Minimum
        The best image so far, also where memory ends or `function` raises after an iteration.

    Raises
    ------
    WeightsError
        If the loss or its gradient is not finite at the start.
    """
    spectrum = Spectrum(start.shape, threads, periodic, moving, exponent)
    kind = np.float32 if lean else np.float64
    at = State(spectrum.all_variables(start).astype(kind)) if state is None else state
    variables: Variables = spectrum.begin(at.variables)
    restarts, history = at.restarts, list(at.history)
    evaluate = _Evaluate(function, spectrum, magnitude, replay, on_evaluation)
    evaluate.count = at.evaluations
    evaluate.know(variables, at.known)
    best = start if state is None else np.clip(spectrum.image(variables), 0.0, 1.0)
    del at  # of a large image a twentieth of all memory

    error: Exception | None = None
    calling = False

    def after_iteration(x: Variables) -> None:
        nonlocal best, variables, calling
        # A line search ends with the point that it takes.
        best, variables = np.clip(evaluate.image, 0.0, 1.0), x
        history.append(evaluate.loss)
        if evaluate.replays:
            return
        news = len(history) - 1, evaluate.count, evaluate.loss, best
        calling = True
        # Many a function returns something true that means nothing, such as tqdm's `update`.
        answer = on_iterate(*news)
        calling = False
        if isinstance(answer, str) and answer == "stop":
            raise Interrupted

    stopped: Stop | None = "iterations" if len(history) > iterations else None
    while stopped is None:
        done = max(len(history) - 1, 0)
        left = iterations - done
        count = left if segment is None else min(segment - done % segment, left)
        try:
            if not history:
                evaluate(variables)
                history.append(evaluate.loss)
            if lean:
                lean_lbfgs(evaluate, variables, count, after_iteration)
            else:
                _scipy_lbfgs(evaluate, variables, count, 20 * iterations, after_iteration)
            if len(history) - 1 > done:
                whole = spectrum.with_fixed(variables)
                known = evaluate.known_at(variables)
                calling = True
                on_state(State(whole, evaluate.count, restarts, tuple(history), known))
                calling = False
        except Interrupted:
            stopped = "interrupted"
        except _NotFinite:
            if not history:
                message = "the loss of the start image is not finite: these weights are too large"
                raise WeightsError(message) from None
            restarts += 1
            if len(history) - 1 <= done:  # the first step from the last good image, too
                stopped = "not finite"
        except Exception as unforeseen:
            if calling or len(history) < 2:  # the caller's own, or nothing is painted yet
                raise
            stopped, error = "failed", unforeseen
        if stopped is None and len(history) > iterations:
            stopped = "iterations"
        elif stopped is None and len(history) - 1 <= done:
            stopped = "converged"
    return Minimum(
        best, max(len(history) - 1, 0), evaluate.count, restarts, history, stopped, error
    )


def _scipy_lbfgs(
    function: Callable[[Variables], tuple[float, Variables]],
    variables: Variables,
    iterations: int,
    evaluations: int,
    on_iterate: Callable[[Variables], None],
) -> None:
    """At most so many iterations and evaluations of L-BFGS-B."""
    from scipy.optimize import minimize as scipy_minimize

    def callback(intermediate_result) -> None:  # type: ignore[no-untyped-def]
        on_iterate(intermediate_result.x.copy())

    options = {"maxcor": CORRECTIONS, "maxiter": iterations, "maxfun": evaluations}
    options |= {"ftol": 0, "gtol": 0}
    scipy_minimize(
        function, variables, jac=True, method="L-BFGS-B", callback=callback, options=options
    )


class _Evaluate:
    """The function of the variables; the latest point is known when a segment begins with it."""

    def __init__(
        self,
        function: Function,
        spectrum: Spectrum,
        magnitude: float,
        replay: Iterable[Evaluated],
        on_evaluation: Callable[[Evaluated], None],
    ) -> None:
        self.function, self.spectrum = function, spectrum
        self.factor = magnitude * _PENALTY / math.prod(spectrum.shape)
        self._replay, self.replays = iter(replay), True
        self._on_evaluation = on_evaluation
        self.count = 0
        self.loss = 0.0
        self.image = np.zeros((0, 0, 3), np.float32)
        self._known: tuple[Variables, Evaluated] | None = None

    def know(self, variables: Variables, evaluation: Evaluated | None) -> None:
        """The evaluation at a point is known, or there is none."""
        if variables.dtype == np.float64:  # scipy's change under its hands
            variables = variables.copy()
        self._known = None if evaluation is None else (variables, evaluation)

    def known_at(self, variables: Variables) -> Evaluated | None:
        """The latest evaluation, if it was at this point."""
        if self._known is None or not np.array_equal(variables, self._known[0]):
            return None
        return self._known[1]

    def __call__(self, variables: Variables) -> tuple[float, Variables]:
        found = self.known_at(variables)
        if found is None:
            del self.image  # before there is another
            self.image = self.spectrum.image(variables)
            found = self._next(self.image)
            if not np.isfinite(found.value):
                raise _NotFinite
            self.count += 1
            self.loss = found.loss
            self.know(variables, found)
        return found.value, found.gradient.astype(variables.dtype, copy=False)

    def _next(self, image: Float32) -> Evaluated:
        """From what is replayed, and after that, of the function."""
        again = next(self._replay, None) if self.replays else None
        if again is not None:
            return again
        self.replays = False
        new = self._evaluate(image)
        self._on_evaluation(new)
        return new

    def _evaluate(self, image: Float32) -> Evaluated:
        loss, gradient = self.function(image)
        if not (np.isfinite(loss) and np.isfinite(gradient.sum())):
            return Evaluated(math.nan, math.nan, np.zeros(0, np.float32))
        # Each array of a large image is a tenth of all memory: so they are used again.
        outside = np.clip(image, 0.0, 1.0)
        np.subtract(image, outside, out=outside)
        penalty = self.factor * float(np.vdot(outside, outside))
        outside *= 2.0 * self.factor
        single = gradient.dtype == np.float32
        slope = np.add(gradient, outside, out=outside if single else None)
        del gradient, outside
        along = self.spectrum.gradient(slope)
        return Evaluated(float(loss), float(loss + penalty), along)
