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
    """`||F - P||^2 / ||P||^2` and the factor w of its gradient `w (F - P)`.

    Parameters
    ----------
    f, target : Map
        F and P, of the same shape.
    energy : float
        `||P||^2`.

    Returns
    -------
    value : float
    factor : float
        `2 / ||P||^2`.

    References
    ----------
    Gatys, Ecker and Bethge 2016, equations 1 and 2, with `1 / ||P||^2` in place of 1/2.
    """
    return squared_distance(f, target, threads) / energy, 2.0 / energy


def gram_loss(gram: Floats, target: Floats, positions: int) -> tuple[float, Floats]:
    """`||G - A||^2 / ||A||^2` and the matrix S of its gradient `F S`.

    Parameters
    ----------
    gram, target : (C, C) float32
        `G = F'F / N` of the picture, and A of the style.
    positions : int
        N, height times width of the feature map.

    Returns
    -------
    value : float
    matrix : (C, C) float32
        `4 (G - A) / (N ||A||^2)`.

    References
    ----------
    Gatys, Ecker and Bethge 2016, equations 4 to 6, with `1 / ||A||^2` in place of `1 / (4 C^2)`.
    """
    difference = gram - target
    energy = float(np.vdot(target, target))
    value = float(np.vdot(difference, difference)) / energy
    return value, difference * np.float32(4.0 / (positions * energy))
