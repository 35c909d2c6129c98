"""Colour preservation: the manner of the painting in the colours of the photograph.

Gatys, Bethge, Hertzmann and Shechtman 2016, "Preserving Color in Neural Artistic Style Transfer",
arXiv:1606.05897. Its two ways are to give the style the content's colours before the run
(`match_mean_and_covariance`, `match_histogram`), and to transfer luminance alone (`grey` and
`luminance_style` before the run, `luminance_of` after it).

Pictures are (H, W, 3) float32, RGB in [0, 1]; no function changes its arguments.
"""

import numpy as np
import numpy.typing as npt

from .._types import Float32

__all__ = [
    "chroma_distance",
    "grey",
    "luminance_of",
    "luminance_style",
    "match_histogram",
    "match_mean_and_covariance",
]

Float64 = npt.NDArray[np.float64]

# YIQ by 47 CFR 73.682(a)(20): Y, I = .74 (R - Y) - .27 (B - Y), Q = .48 (R - Y) + .41 (B - Y).
_Y = np.array([0.30, 0.59, 0.11])
_IQ = np.outer([0.74, 0.48], [1, 0, 0] - _Y) + np.outer([-0.27, 0.41], [0, 0, 1] - _Y)

# Colours that vary by less than a level of 8 bits vary by rounding alone: not to be blown up.
_LEAST_VARIANCE = 1 / 255**2


def grey(picture: Float32) -> Float32:
    """The luminance Y of a picture on all three channels.

    Parameters
    ----------
    picture : (H, W, 3) float32 in [0, 1]

    Returns
    -------
    (H, W, 3) float32 in [0, 1]
    """
    return _picture(np.repeat(_luminance(picture), 3, axis=2))


def luminance_of(result: Float32, content: Float32) -> Float32:
    """The luminance of one picture with the chroma of another: the end of a luminance-only run.

    Parameters
    ----------
    result : (H, W, 3) float32 in [0, 1]
        Its luminance Y is kept.
    content : (H, W, 3) float32 in [0, 1]
        Its chroma (I, Q) is kept as far as RGB allows.

    Returns
    -------
    (H, W, 3) float32 in [0, 1]

    Raises
    ------
    ValueError
        The sizes differ.

    Notes
    -----
    In YIQ, another Y is the same amount more of R, G and B. Where that leaves [0, 1], the paper's
    recipe has to clip, which shifts hue and luminance. Here such a pixel keeps both, and its I and
    Q are multiplied by the largest factor below 1 that fits: a white pixel has no colour.
    """
    _check_same_size(result, content)
    target = _luminance(result)
    chroma = content - _luminance(content)
    # How far each channel may go, over how far it wants to go; the room is never below 0.
    room = np.where(chroma > 0, np.maximum(1 - target, 0), target)
    wanted = np.abs(chroma)
    fits = np.divide(room, wanted, out=np.ones_like(room), where=wanted > room)
    return _picture(target + chroma * fits.min(axis=2, keepdims=True))


def luminance_style(style: Float32, content: Float32) -> Float32:
    """The style as a grey picture with the content's brightness and contrast.

    Parameters
    ----------
    style : (h, w, 3) float32 in [0, 1]
    content : (H, W, 3) float32 in [0, 1]

    Returns
    -------
    (h, w, 3) float32 in [0, 1]
        Three equal channels. Clipping to [0, 1] may take a little off the contrast.

    Notes
    -----
    `Y' = (Y - mean_S) std_C / std_S + mean_C`, with mean and standard deviation of the luminances.
    A flat style becomes the flat mean of the content. The run has `grey(content)` as its content.
    """
    y, goal = _luminance(style), _luminance(content)
    y -= y.mean()
    spread = y.std()
    if spread > 1e-6:  # else a flat picture, and rounding
        y *= goal.std() / spread
    return _picture(np.repeat(y + goal.mean(), 3, axis=2))


def match_mean_and_covariance(style: Float32, content: Float32) -> Float32:
    """The style in colours whose mean and covariance are the content's.

    Parameters
    ----------
    style : (h, w, 3) float32 in [0, 1]
    content : (H, W, 3) float32 in [0, 1]

    Returns
    -------
    (h, w, 3) float32 in [0, 1]
        The moments hold before the clipping to [0, 1].

    Notes
    -----
    `x' = A (x - mean_S) + mean_C` with `A = C^(1/2) S^(-1/2)`, where S and C are the covariances
    of the colours: the paper's Image Analogies variant, with symmetric roots. Its other variant,
    Cholesky factors, depends on the order of the channels.

    Colours of the style that hardly vary (a grey or flat picture, whose S is singular) would be
    divided by nearly 0. The eigenvalues of S are taken as at least one level of 8 bits, squared;
    along such colours the result varies less than the content.
    """
    x, goal = _colours(style), _colours(content)
    values, vectors = np.linalg.eigh(_covariance(goal))
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    values, vectors = np.linalg.eigh(_covariance(x))
    whiten = (vectors / np.sqrt(np.maximum(values, _LEAST_VARIANCE))) @ vectors.T
    matched = (x - x.mean(axis=0)) @ (root @ whiten).T + goal.mean(axis=0)
    return _picture(matched.reshape(style.shape))


def match_histogram(style: Float32, content: Float32) -> Float32:
    """The style in colours whose histograms, channel by channel, are the content's.

    Parameters
    ----------
    style : (h, w, 3) float32 in [0, 1]
    content : (H, W, 3) float32 in [0, 1]

    Returns
    -------
    (h, w, 3) float32 in [0, 1]

    Notes
    -----
    Each value becomes the content's value of the same rank, with linear interpolation between
    ranks where the numbers of pixels differ. Equal values stay equal: they become the mean of
    what they would have become one by one. So the match is exact where no two values of a channel
    are equal, and else as close as a function of the value can be.
    """
    matched = [
        _same_ranks(s, c) for s, c in zip(_colours(style).T, _colours(content).T, strict=True)
    ]
    return _picture(np.stack(matched, axis=1).reshape(style.shape))


def chroma_distance(a: Float32, b: Float32) -> float:
    """Mean distance of the colours of two pictures in the (I, Q) plane; luminance does not count.

    Parameters
    ----------
    a, b : (H, W, 3) float32 in [0, 1]

    Returns
    -------
    float
        0 for equal chroma; pure red and grey are 0.64 apart.

    Raises
    ------
    ValueError
        The sizes differ.
    """
    _check_same_size(a, b)
    difference = (_colours(a) - _colours(b)) @ _IQ.T
    return float(np.hypot(*difference.T).mean())


def _check_same_size(a: Float32, b: Float32) -> None:
    if a.shape != b.shape:
        raise ValueError(f"pictures of different shapes, {a.shape} and {b.shape}")


def _luminance(picture: Float32) -> Float64:
    """(H, W, 1)"""
    return (picture @ _Y)[..., None]


def _colours(picture: Float32) -> Float64:
    """(N, 3)"""
    return picture.reshape(-1, 3).astype(np.float64)


def _covariance(colours: Float64) -> Float64:
    deviation = colours - colours.mean(axis=0)
    return deviation.T @ deviation / len(deviation)


def _same_ranks(values: Float64, goal: Float64) -> Float64:
    """The values of `goal` at the ranks of `values`."""
    _, position, counts = np.unique(values, return_inverse=True, return_counts=True)
    # A single pixel has the middle rank.
    ranks = np.linspace(0, 1, len(values)) if len(values) > 1 else np.array([0.5])
    sought = np.interp(ranks, np.linspace(0, 1, len(goal)), np.sort(goal))
    first = np.cumsum(counts) - counts
    return (np.add.reduceat(sought, first) / counts)[position]


def _picture(values: Float64) -> Float32:
    return np.clip(values, 0, 1).astype(np.float32)
