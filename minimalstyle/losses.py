"""The losses, each value beside its hand-derived gradient. They know moments and maps, no layers.

The value is taken with the weight of the term, and the gradient comes as a `Tap`: what the engine
adds to the gradient at the layer, `F S + b + w (F - P)`. The derivations stand in `reference`.
"""

import numpy as np
import numpy.typing as npt

from .engine.maps import Map
from .engine.taps import squared_distance
from .engine.threads import Threads
from .engine.variation import total_variation

__all__ = ["content_loss", "gram_loss", "total_variation"]

Floats = npt.NDArray[np.float32]


def content_loss(f: Map, target: Map, energy: float, threads: Threads) -> tuple[float, float]:
    """`||F - P||^2 / energy` and the factor w of its gradient `w (F - P)`.

    Parameters
    ----------
    f, target : Map
        F and P, of the same shape.
    energy : float
        `||P||^2`; 2 for the paper's loss.

    Returns
    -------
    value : float
    factor : float
        `2 / energy`.

    References
    ----------
    Gatys, Ecker and Bethge 2016, equations 1 and 2.
    """
    return squared_distance(f, target, threads) / energy, 2.0 / energy


def gram_loss(
    gram: Floats, target: Floats, positions: float, energy: float
) -> tuple[float, Floats]:
    """`||G - A||^2 / energy` and the matrix S of its gradient `F S`.

    Parameters
    ----------
    gram, target : (C, C) float32
        `G = F'F / N` of the picture, and A of the style.
    positions : float
        N, height times width of the feature map; of a region, the sum of its squared weights.
    energy : float
        `||A||^2`; `4 C^2` for the paper's loss.

    Returns
    -------
    value : float
    matrix : (C, C) float32
        `4 (G - A) / (N energy)`.

    References
    ----------
    Gatys, Ecker and Bethge 2016, equations 3 to 6; its Gram matrices are sums over positions, and
    its loss has `1 / N^2`, so that theirs and means, as here, come to the same.
    """
    difference = gram - target
    value = float(np.vdot(difference, difference)) / energy
    return value, difference * np.float32(4.0 / (positions * energy))
