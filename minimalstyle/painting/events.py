"""What the method tells its front ends: one iterate event and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Iterate"]


@dataclass(frozen=True, kw_only=True)
class Iterate:
    """The state of a run after one iteration of the optimiser.

    Attributes
    ----------
    scale, scales : int
        Number of this scale, from 1, and how many there are.
    width, height : int
        Size of the picture at this scale.
    iteration, iterations : int
        Iterations done at this scale, and the most it may use.
    evaluations : int
        Evaluations of the objective since the run began, over all scales.
    loss : float
        The weighted sum that is being minimised.
    terms : dict of str to float
        The parts of the loss by name, as `Objective` names them.
    seconds : float
        Since the run began.
    seconds_left : float or None
        An estimate; None while there is nothing to estimate from.
    fraction : float
        Share of the whole run's work that is done, in [0, 1].
    image : callable () -> (H, W, 3) uint8
        The picture as it is now; a call, because most events are not looked at.
    """

    scale: int
    scales: int
    width: int
    height: int
    iteration: int
    iterations: int
    evaluations: int
    loss: float
    terms: dict[str, float]
    seconds: float
    seconds_left: float | None
    fraction: float
    image: Callable[[], npt.NDArray[np.uint8]]
