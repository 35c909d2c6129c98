"""Style transfer in plain NumPy: what to read first, and what the fast engine is tested against.

Each function stands directly before the one that takes its gradient backward. The notation is
the same throughout: `x` goes into a layer, `y` comes out, and `dx`, `dy` are the derivatives of
the loss with respect to them, of the same shapes. Arrays are float64 and channels-last: (H, W, C).
The weights of the network never change, so every gradient here is one with respect to the input.

The layers come first, then the losses, then the chain that leads from an image to the loss and
back to its pixels.

Long: to be read from the beginning to the end.

References
----------
.. [1] Gatys, Ecker, Bethge: Image Style Transfer Using Convolutional Neural Networks. CVPR 2016.
.. [2] Mahendran, Vedaldi: Understanding Deep Image Representations by Inverting Them. CVPR 2015.
.. [3] Olkin, Pukelsheim: The Distance between Two Random Vectors with Given Dispersion Matrices.
   Linear Algebra and its Applications 48, 1982.
.. [4] Mroueh: Wasserstein Style Transfer. arXiv 1905.12828, 2019.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from minimalstyle.network.layers import Conv, Layer, Relu

__all__ = [
    "TIE",
    "average_pool",
    "average_pool_backward",
    "backward",
    "content_loss",
    "convolve",
    "convolve_backward",
    "forward",
    "gram",
    "gram_backward",
    "max_pool",
    "max_pool_backward",
    "objective",
    "relu",
    "relu_backward",
    "style_loss",
    "total_variation",
    "wasserstein_loss",
    "window_pixels",
]

Array = npt.NDArray[np.float64]

# In a flat, saturated area all four pixels of a pooling window are equal. A fast convolution
# rounds them apart in the seventh digit, and the plain maximum would then pick its winner at
# random. So a later pixel wins only if it is larger by this share.
TIE = 5e-5


# --- Layers -------------------------------------------------------------------------------------


def convolve(x: Array, weight: npt.NDArray, bias: npt.NDArray | float) -> Array:
    """Slide k x k filters over the image; outside of it everything is zero.

        y[h, w, o] = bias[o] + Σ_{i, j, c} x[h + i - r, w + j - r, c] weight[i, j, c, o]

    where r = k // 2. For one (i, j) that is a product of matrices, (H W, C_in) by (C_in, C_out),
    so the whole layer is the sum of k k such products with shifted images. (Strictly it is a
    correlation: a textbook convolution would flip the filter. Networks say convolution.)

    Parameters
    ----------
    x : (H, W, C_in)
    weight : (k, k, C_in, C_out), k odd
    bias : (C_out,)

    Returns
    -------
    y : (H, W, C_out)
    """
    height, width, _ = x.shape
    k, _, _, c_out = weight.shape
    padded = np.pad(x, ((k // 2, k // 2), (k // 2, k // 2), (0, 0)))
    y = np.zeros((height, width, c_out)) + bias
    for i in range(k):
        for j in range(k):
            y += padded[i : i + height, j : j + width] @ weight[i, j]
    return y


def convolve_backward(dy: Array, weight: npt.NDArray) -> Array:
    """Backward of `convolve`: a convolution with the filters flipped and the channels swapped.

    The pixel x[h, w] reached the output y[h - i + r, w - j + r] through weight[i, j], so

        dx[h, w, c] = Σ_{i, j, o} dy[h - i + r, w - j + r, o] weight[i, j, c, o]

    Counting i and j from the other end (i -> k - 1 - i) turns this into the forward formula.

    Parameters
    ----------
    dy : (H, W, C_out)
    weight : (k, k, C_in, C_out)

    Returns
    -------
    dx : (H, W, C_in)
    """
    flipped = weight[::-1, ::-1].transpose(0, 1, 3, 2)
    return convolve(dy, flipped, 0)


def relu(x: Array) -> Array:
    """y = max(x, 0).

    Parameters
    ----------
    x : (H, W, C)

    Returns
    -------
    y : (H, W, C)
    """
    return np.maximum(x, 0)


def relu_backward(dy: Array, y: Array) -> Array:
    """Backward of `relu`: dx = dy where y > 0, else 0.

    It needs the output only: y > 0 exactly where x > 0. This mask is the "if F > 0" in
    equations 2 and 6 of [1]_.

    Parameters
    ----------
    dy, y : (H, W, C)

    Returns
    -------
    dx : (H, W, C)
    """
    return dy * (y > 0)


def window_pixels(x: Array) -> tuple[Array, Array, Array, Array]:
    """Pixels 0 1 / 2 3 of all 2 x 2 windows: four views into x, each (H // 2, W // 2, C)."""
    h, w = x.shape[0] // 2 * 2, x.shape[1] // 2 * 2
    return x[0:h:2, 0:w:2], x[0:h:2, 1:w:2], x[1:h:2, 0:w:2], x[1:h:2, 1:w:2]


def _beats(later: Array, earlier: Array) -> npt.NDArray[np.bool_]:
    return later > earlier + TIE * np.abs(earlier)


def max_pool(x: Array) -> tuple[Array, npt.NDArray[np.uint8]]:
    """Largest value of each 2 x 2 window; an odd last row or column is dropped.

        y[h, w, c] = max_{i, j in {0, 1}} x[2h + i, 2w + j, c]

    The winner, the one pixel that will receive the gradient, is found by a knock-out among the
    pixels 0 1 / 2 3 of the window: in the top row 1 beats 0, in the bottom row 3 beats 2, then
    the bottom winner beats the top winner, each only if it is larger by `TIE`. Where one pixel
    is clearly the largest, it wins; in a tie the first does.

    Parameters
    ----------
    x : (H, W, C)

    Returns
    -------
    y : (H // 2, W // 2, C)
    winner : (H // 2, W // 2, C) uint8
        0, 1, 2 or 3.
    """
    x0, x1, x2, x3 = window_pixels(x)
    right = _beats(x1, x0)
    top, top_winner = np.where(right, x1, x0), np.where(right, 1, 0)
    right = _beats(x3, x2)
    bottom, bottom_winner = np.where(right, x3, x2), np.where(right, 3, 2)
    winner = np.where(_beats(bottom, top), bottom_winner, top_winner)
    return np.maximum.reduce([x0, x1, x2, x3]), winner.astype(np.uint8)


def max_pool_backward(dy: Array, winner: npt.NDArray[np.uint8], shape: tuple[int, ...]) -> Array:
    """Backward of `max_pool`: the winner of each window gets all of dy, the others nothing.

    Parameters
    ----------
    dy, winner : (H // 2, W // 2, C)
    shape : (H, W, C)
        Of the input; a dropped last row or column gets zero.

    Returns
    -------
    dx : (H, W, C)
    """
    dx = np.zeros(shape)
    for pixel, view in enumerate(window_pixels(dx)):
        view[...] = np.where(winner == pixel, dy, 0)
    return dx


def average_pool(x: Array) -> Array:
    """Mean of each 2 x 2 window; an odd last row or column is dropped.

        y[h, w, c] = ¼ Σ_{i, j in {0, 1}} x[2h + i, 2w + j, c]

    Parameters
    ----------
    x : (H, W, C)

    Returns
    -------
    y : (H // 2, W // 2, C)
    """
    x0, x1, x2, x3 = window_pixels(x)
    return (x0 + x1 + x2 + x3) / 4


def average_pool_backward(dy: Array, shape: tuple[int, ...]) -> Array:
    """Backward of `average_pool`: each pixel of a window gets a quarter of dy.

    Parameters
    ----------
    dy : (H // 2, W // 2, C)
    shape : (H, W, C)
        Of the input; a dropped last row or column gets zero.

    Returns
    -------
    dx : (H, W, C)
    """
    dx = np.zeros(shape)
    for view in window_pixels(dx):
        view[...] = dy / 4
    return dx


# --- Losses -------------------------------------------------------------------------------------


def gram(F: Array) -> Array:
    """Gram matrix: how often each pair of channels is active in the same place.

        G = FᵀF / N,    G[a, b] = (1 / N) Σ_n F[n, a] F[n, b]

    F is read as a matrix with one row for each of the N = H W positions. The sum forgets where
    things are and keeps what occurs together: that is what we call style. Equation 3 of [1]_,
    divided by N so that pictures of different sizes compare.

    Parameters
    ----------
    F : (H, W, C) or (N, C)

    Returns
    -------
    G : (C, C)
    """
    rows = F.reshape(-1, F.shape[-1])
    return rows.T @ rows / len(rows)


def gram_backward(dG: Array, F: Array) -> Array:
    """Backward of `gram`: dF = F (dG + dGᵀ) / N.

    F[n, a] occurs in row a and in column a of G, hence the two terms:

        dF[n, a] = (1 / N) Σ_b (dG[a, b] + dG[b, a]) F[n, b]

    Parameters
    ----------
    dG : (C, C)
        Need not be symmetric.
    F : (H, W, C) or (N, C)

    Returns
    -------
    dF : same shape as F
    """
    rows = F.reshape(-1, F.shape[-1])
    return (rows @ (dG + dG.T) / len(rows)).reshape(F.shape)


def content_loss(F: Array, P: Array) -> tuple[float, Array]:
    """How far the features F are from the content's features P, relative to P.

        L = ‖F - P‖² / ‖P‖²,    dL/dF = 2 (F - P) / ‖P‖²

    Equations 1 and 2 of [1]_, with 1 / ‖P‖² in place of ½: 0.5 then means "half of the energy is
    off" in every network and at every size. The mask "if F > 0" is left to `relu_backward`.

    Parameters
    ----------
    F, P : (H, W, C)
        P not all zero.

    Returns
    -------
    value : float
    gradient : (H, W, C)
    """
    difference = F - P
    energy = np.sum(P**2)
    return float(np.sum(difference**2) / energy), 2 * difference / energy


def style_loss(F: Array, A: Array) -> tuple[float, Array]:
    """How far the Gram matrix of F is from the style's Gram matrix A, relative to A.

        L = ‖G - A‖² / ‖A‖²,    dL/dF = 4 F (G - A) / (N ‖A‖²),    G = gram(F)

    First dL/dG = 2 (G - A) / ‖A‖², then `gram_backward`, whose two terms are equal because G
    and A are symmetric. Equations 4 and 6 of [1]_, whose constant becomes 1 / ‖A‖².

    Parameters
    ----------
    F : (H, W, C)
    A : (C, C)
        Not all zero.

    Returns
    -------
    value : float
    gradient : (H, W, C)
    """
    difference = gram(F) - A
    energy = np.sum(A**2)
    return float(np.sum(difference**2) / energy), gram_backward(2 * difference / energy, F)


def _root(matrix: Array, power: float) -> Array:
    """A power of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, 0.0) ** power) @ vectors.T


def wasserstein_loss(F: Array, mean: Array, covariance: Array) -> tuple[float, Array]:
    """Another style loss: how far the features are, as a cloud of points, from those of the style.

        L = W² / (|m_t|² + tr S_t),   W² = |m - m_t|² + tr S + tr S_t - 2 tr (R S R)^½

    with m and S mean and covariance of the rows of F, m_t and S_t those of the style, R = S_t^½.
    W is the Wasserstein-2 distance of two normal distributions: the mean squared way by which
    points of one would have to be moved to become the other ([3]_; for styles [4]_). The gradient
    moves each row towards where it belongs:

        dF = 2 / N / (|m_t|² + tr S_t) [(m - m_t) + (F - m) (I - R (R S R)^-½ R)]

    which follows from d tr (R S R)^½ = ½ tr (R S R)^-½ R dS R, and from the rule of the Gram matrix
    for S.

    Parameters
    ----------
    F : (H, W, C)
    mean : (C,)
        m_t.
    covariance : (C, C)
        S_t, symmetric; of full rank, as must be S (more positions than channels).

    Returns
    -------
    value : float
    gradient : (H, W, C)
    """
    rows = F.reshape(-1, F.shape[-1])
    m = rows.mean(axis=0)
    S = (rows - m).T @ (rows - m) / len(rows)
    R = _root(covariance, 0.5)
    middle = R @ S @ R
    energy = np.sum(mean**2) + np.trace(covariance)
    squared = np.sum((m - mean) ** 2) + np.trace(S + covariance - 2 * _root(middle, 0.5))
    move = (rows - m) @ (np.eye(len(m)) - R @ _root(middle, -0.5) @ R) + (m - mean)
    return float(squared / energy), (2 / len(rows) / energy * move).reshape(F.shape)


def total_variation(image: Array) -> tuple[float, Array]:
    """Mean squared difference of neighbouring pixels: small in a smooth image.

        L = (Σ (x[h, w+1, c] - x[h, w, c])² + Σ (x[h+1, w, c] - x[h, w, c])²) / (H W 3)

    Each difference pulls its two pixels toward each other with the same force. This is the
    regulariser of [2]_ with exponent β = 2, as a mean.

    Parameters
    ----------
    image : (H, W, 3)

    Returns
    -------
    value : float
    gradient : (H, W, 3)
    """
    across = np.diff(image, axis=1)
    down = np.diff(image, axis=0)
    gradient = np.zeros(image.shape)
    gradient[:, 1:] += across
    gradient[:, :-1] -= across
    gradient[1:] += down
    gradient[:-1] -= down
    value = (np.sum(across**2) + np.sum(down**2)) / image.size
    return float(value), 2 * gradient / image.size


# --- From the pixels to the loss and back -------------------------------------------------------


class Step(NamedTuple):
    """What one layer did on the way forward."""

    x: Array
    y: Array
    winner: npt.NDArray[np.uint8] | None = None  # of a max pool


def forward(
    layers: Sequence[Layer], image: npt.ArrayLike, taps: Iterable[str]
) -> tuple[dict[str, Array], list[Step]]:
    """Run the image through the layers, as far as the deepest tap.

    Parameters
    ----------
    layers : sequence of Layer
        A chain: the output of each is the input of the next.
    image : (H, W, 3)
    taps : names of the layers whose output is wanted

    Returns
    -------
    features : dict of name to (H_l, W_l, C_l)
    tape : list of Step
        One for each layer that ran: what `backward` needs.
    """
    missing = set(taps)
    if unknown := missing - {layer.name for layer in layers}:
        raise ValueError(f"no layer named {', '.join(sorted(unknown))}")
    x = np.asarray(image, dtype=np.float64)
    features: dict[str, Array] = {}
    tape: list[Step] = []
    for layer in layers:
        winner = None
        if isinstance(layer, Conv):
            y = convolve(x, layer.weight, layer.bias)
        elif isinstance(layer, Relu):
            y = relu(x)
        elif layer.kind == "average":
            y = average_pool(x)
        else:
            y, winner = max_pool(x)
        tape.append(Step(x, y, winner))
        if layer.name in missing:
            features[layer.name] = y
            missing.remove(layer.name)
        if not missing:
            break
        x = y
    return features, tape


def backward(
    layers: Sequence[Layer], tape: Sequence[Step], tap_gradients: Mapping[str, Array]
) -> Array:
    """Carry the gradients at the taps back to the image: the chain rule, last layer first.

    A tap's output goes into its loss and into the next layer, so the two gradients add up.

    Parameters
    ----------
    layers : sequence of Layer
    tape : list of Step
        From `forward`.
    tap_gradients : dict of name to (H_l, W_l, C_l)
        dL/dF at each tap.

    Returns
    -------
    gradient : (H, W, 3)
    """
    gradient = np.zeros(tape[-1].y.shape)
    for layer, (x, y, winner) in reversed(list(zip(layers, tape, strict=False))):
        gradient = gradient + tap_gradients.get(layer.name, 0.0)
        if isinstance(layer, Conv):
            gradient = convolve_backward(gradient, layer.weight)
        elif isinstance(layer, Relu):
            gradient = relu_backward(gradient, y)
        elif winner is None:
            gradient = average_pool_backward(gradient, x.shape)
        else:
            gradient = max_pool_backward(gradient, winner, x.shape)
    return gradient


def objective(
    layers: Sequence[Layer],
    image: npt.ArrayLike,
    content_targets: Mapping[str, Array],
    style_targets: Mapping[str, Array | tuple[Array, Array]],
    *,
    content_weights: Mapping[str, float],
    style_weights: Mapping[str, float],
    alpha: float,
    beta: float,
    gamma: float,
) -> tuple[float, Array]:
    """Total loss of an image and its gradient: all that the optimiser wants to know.

        L = α Σ_l v_l L_content,l + β Σ_l w_l L_style,l + γ L_tv

    Equations 5 and 7 of [1]_, with the total variation of [2]_ added.

    Parameters
    ----------
    layers : sequence of Layer
    image : (H, W, 3)
    content_targets : dict of name to (H_l, W_l, C_l)
        P: the features of the content picture, `forward(layers, content, names)[0]`.
    style_targets : dict of name to (C_l, C_l), or to ((C_l,), (C_l, C_l))
        A: the Gram matrices of the style picture, `gram` of its features, for `style_loss`; or
        their mean and covariance, for `wasserstein_loss`.
    content_weights, style_weights : dict of name to float
        v and w, taken as they are; usually each sums to 1.
    alpha, beta, gamma : float

    Returns
    -------
    value : float
    gradient : (H, W, 3)
    """
    image = np.asarray(image, dtype=np.float64)
    features, tape = forward(layers, image, {*content_targets, *style_targets})
    tap_gradients = {name: np.zeros(F.shape) for name, F in features.items()}
    total = 0.0
    for name, P in content_targets.items():
        value, gradient = content_loss(features[name], P)
        total += alpha * content_weights[name] * value
        tap_gradients[name] += alpha * content_weights[name] * gradient
    for name, target in style_targets.items():
        if isinstance(target, tuple):
            value, gradient = wasserstein_loss(features[name], *target)
        else:
            value, gradient = style_loss(features[name], target)
        total += beta * style_weights[name] * value
        tap_gradients[name] += beta * style_weights[name] * gradient
    value, gradient = total_variation(image)
    total += gamma * value
    return total, backward(layers, tape, tap_gradients) + gamma * gradient
