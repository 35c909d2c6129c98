"""Solutions of lesson 6."""

import numpy as np


def paper_content_loss(F: np.ndarray, P: np.ndarray) -> tuple[float, np.ndarray]:
    """The half cancels the 2 of the square."""
    return float(np.sum((F - P) ** 2)) / 2, F - P


def paper_style_loss(F: np.ndarray, A: np.ndarray) -> tuple[float, np.ndarray]:
    """4 F (G - A) as in lesson 5, over the paper's constant."""
    rows = F.reshape(-1, F.shape[-1])
    positions, channels = rows.shape
    difference = rows.T @ rows - A
    # G - A is symmetric only if A is.
    gradient = 2 * rows @ (difference + difference.T)
    constant = 4 * channels**2 * positions**2
    return float(np.sum(difference**2)) / constant, gradient.reshape(F.shape) / constant


def equivalent_weights(
    alpha: float, beta: float, P: np.ndarray, A: np.ndarray
) -> tuple[float, float]:
    """N G takes the place of G, so N² cancels."""
    content_weight = alpha * np.sum(P**2) / 2
    style_weight = beta * np.sum(A**2) / (4 * A.shape[0] ** 2)
    return float(content_weight), float(style_weight)


def absolute_variation(image: np.ndarray, epsilon: float = 1e-3) -> tuple[float, np.ndarray]:
    """Each root pulls at the three pixels that it depends on."""
    here = image[:-1, :-1]
    dx, dy = image[:-1, 1:] - here, image[1:, :-1] - here
    root = np.sqrt(dx**2 + dy**2 + epsilon**2)
    gradient = np.zeros(image.shape)
    gradient[:-1, 1:] += dx / root
    gradient[1:, :-1] += dy / root
    gradient[:-1, :-1] -= (dx + dy) / root
    return float(np.sum(root)) / image.size, gradient / image.size
