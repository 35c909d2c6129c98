"""Exercises of lesson 6, loss and weights: replace each `raise NotImplementedError`."""

import numpy as np


def paper_content_loss(F: np.ndarray, P: np.ndarray) -> tuple[float, np.ndarray]:
    """Half the sum of (F - P)², and its gradient: Gatys et al. 2016, equations 1 and 2.

    The mask "if F > 0" of equation 2 is left to `reference.relu_backward`.

    Parameters
    ----------
    F, P : (H, W, C)

    Returns
    -------
    value : float
    gradient : (H, W, C)
    """
    raise NotImplementedError


def paper_style_loss(F: np.ndarray, A: np.ndarray) -> tuple[float, np.ndarray]:
    """The sum of (G - A)² by 4 C² N², and its gradient: Gatys et al. 2016, equations 3 to 6.

    G = F'F is not divided by the number of positions N = H W, and neither is A.

    Parameters
    ----------
    F : (H, W, C)
    A : (C, C)

    Returns
    -------
    value : float
    gradient : (H, W, C)
    """
    raise NotImplementedError


def equivalent_weights(
    alpha: float, beta: float, P: np.ndarray, A: np.ndarray
) -> tuple[float, float]:
    """The weights with which the losses of `reference` are the paper's with alpha and beta.

    Parameters
    ----------
    alpha, beta : float
    P : (H, W, C)
        Features of the photograph.
    A : (C, C)
        `reference.gram` of a painting of the same size, at the same layer.

    Returns
    -------
    content_weight, style_weight : float
    """
    raise NotImplementedError


def absolute_variation(image: np.ndarray, epsilon: float = 1e-3) -> tuple[float, np.ndarray]:
    """Total variation that does not mind a sharp edge, and its gradient.

        1 / (H W C) Σ √(dx² + dy² + ε²),
        dx = x[h, w + 1, c] - x[h, w, c],    dy = x[h + 1, w, c] - x[h, w, c]

    The sum leaves out the last row and the last column, which have no such neighbours.

    Parameters
    ----------
    image : (H, W, C)
    epsilon : float
        It rounds off the kink at zero.

    Returns
    -------
    value : float
    gradient : (H, W, C)
    """
    raise NotImplementedError
