"""The losses, each value beside its hand-derived gradient. They know moments, no maps, no layers.

A gradient comes as what it takes to make it from the features F: S and b of `F S + b`, or w of
`w (F - P)`. The derivations stand in `reference`.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .._types import Float32
from ..errors import WeightsError

__all__ = [
    "Gaussian",
    "content_loss",
    "gaussian",
    "gram_loss",
    "wasserstein_loss",
    "wasserstein_loss_of_few",
]


_KEPT = 0.99  # of the variance: what is left out is below the noise of float32 sums
SMOOTH = 3e-5  # of the variance: smaller deviations are noise, and their roots have no slope


def content_loss(distance: float, energy: float) -> tuple[float, float]:
    """`||F - P||^2 / energy` and the factor w of its gradient `w (F - P)`.

    Parameters
    ----------
    distance : float
        `||F - P||^2`.
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
    return distance / energy, 2.0 / energy


def gram_loss(
    gram: Float32, target: Float32, positions: float, energy: float
) -> tuple[float, Float32]:
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


class Gaussian(NamedTuple):
    """A normal distribution of features to be reached.

    Attributes
    ----------
    mean : (C,) float32
    root : (C, r) float32
        B, with the covariance B B' but for its smallest eigenvalues.
    trace : float
        Of B B'.
    energy : float
        `|mean|^2 + trace`, the squared distance from features that are all 0.
    """

    mean: Float32
    root: Float32
    trace: float
    energy: float


def gaussian(mean: Float32, second: Float32) -> Gaussian:
    """The normal distribution with a mean (C,) and a second moment (C, C).

    Raises
    ------
    WeightsError
        If they are not finite.
    """
    if not np.isfinite(second).all():
        raise WeightsError("the features of the style are not finite: these weights are too large")
    m = mean.astype(np.float64)
    values, vectors = np.linalg.eigh(second - np.outer(m, m))
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    rank = 1 + int(np.searchsorted(np.cumsum(values), _KEPT * values.sum()))
    root = (vectors[:, :rank] * np.sqrt(values[:rank])).astype(np.float32)
    trace = max(float(values[:rank].sum()), 1e-30)
    return Gaussian(mean.astype(np.float32), root, trace, float(m @ m) + trace)


def wasserstein_loss(
    mean: Float32, second: Float32, target: Gaussian, positions: float
) -> tuple[float, Float32, Float32]:
    """`W^2 / energy`, W the Wasserstein-2 distance of two normal distributions of features.

    `W^2 = |m - m_t|^2 + tr S + tr S_t - 2 tr (B' S B)^(1/2)`, with `S_t = B B'`.

    Parameters
    ----------
    mean, second : (C,), (C, C) float32
        m and `F'F / N = S + m m'` of the picture.
    target : Gaussian
    positions : float
        N, as for `gram_loss`.

    Returns
    -------
    value : float
    matrix : (C, C) float32
    shift : (C,) float32
        The gradient is `F matrix + shift`: with `D = I - B (B' S B)^(-1/2) B'`, it is
        `2 (F - m) D / N + 2 (m - m_t) / N`, over the energy.

    References
    ----------
    Olkin and Pukelsheim 1982, "The distance between two random vectors with given dispersion
    matrices".
    """
    if not np.isfinite(second).all():  # LAPACK would raise an error of its own, or never end
        return np.nan, np.full_like(second, np.nan), np.full_like(mean, np.nan)
    root, offset = target.root, mean - target.mean
    projected = root.T @ mean
    covariance = root.T @ second @ root - np.outer(projected, projected)
    roots, vectors = _square_roots(covariance, target)
    trace = float(np.trace(second, dtype=np.float64) - np.vdot(mean, mean.astype(np.float64)))
    value = float(offset @ offset) + trace + target.trace - 2.0 * float(roots.sum())
    factor = np.float32(2.0 / (positions * target.energy))
    half = (root @ vectors) * np.sqrt(factor / roots).astype(np.float32)
    matrix: Float32 = half @ half.T
    np.negative(matrix, out=matrix)
    matrix[np.diag_indices_from(matrix)] += factor
    return value / target.energy, matrix, factor * offset - matrix @ mean


def wasserstein_loss_of_few(features: Float32, target: Gaussian) -> tuple[float, Float32]:
    """`wasserstein_loss` and its gradient from the features themselves.

    With fewer positions than channels that is less work than with a matrix of channels: for
    `X = (F - m) B`, `B' S B = X'X / N`, and `(F - m) D = F - m - X (B' S B)^(-1/2) B'`.

    Parameters
    ----------
    features : (N, C) float32
    target : Gaussian

    Returns
    -------
    value : float
    gradient : (N, C) float32
    """
    if not np.isfinite(features).all():
        return np.nan, np.full_like(features, np.nan)
    positions = len(features)
    mean = features.mean(axis=0, dtype=np.float64)
    offset = (mean - target.mean).astype(np.float32)
    centred = features - mean.astype(np.float32)
    projected = centred @ target.root
    roots, vectors = _square_roots(projected.T @ projected / np.float32(positions), target)
    trace = float(np.square(centred).sum(dtype=np.float64)) / positions
    value = float(offset @ offset) + trace + target.trace - 2.0 * float(roots.sum())
    transported = (projected @ vectors / roots.astype(np.float32)) @ vectors.T @ target.root.T
    factor = np.float32(2.0 / (positions * target.energy))
    return value / target.energy, factor * (centred - transported + offset)


def _square_roots(
    covariance: npt.NDArray[np.floating], target: Gaussian
) -> tuple[npt.NDArray[np.float64], Float32]:
    """Square roots of the eigenvalues of a matrix (r, r), and its eigenvectors."""
    from scipy.linalg import eigh  # it takes a while to import, which `--help` need not wait for

    # twice as fast as NumPy's
    values, vectors = eigh(covariance, driver="evd", check_finite=False)
    small = SMOOTH * target.trace  # no infinite slope at 0
    return np.sqrt(np.maximum(values, 0).astype(np.float64) + small**2), vectors
