"""Solutions of lesson 5."""

import numpy as np


def covariance(F: np.ndarray) -> np.ndarray:
    """Gram matrix of what is left without the means."""
    centred = F - F.mean(axis=0)
    return centred.T @ centred / len(F)


def covariance_backward(dG: np.ndarray, F: np.ndarray) -> np.ndarray:
    """The mean adds no term: the columns of this gradient sum to zero already."""
    centred = F - F.mean(axis=0)
    return centred @ (dG + dG.T) / len(F)


def few_positions(F: np.ndarray) -> np.ndarray:
    """G = V diag(values) V', so the rows of √(C values) V' do."""
    values, vectors = np.linalg.eigh(F.T @ F / len(F))
    # Rounding makes a zero slightly negative.
    return np.sqrt(len(values) * np.maximum(values, 0))[:, None] * vectors.T


def style_distance(F: np.ndarray, S: np.ndarray) -> float:
    """‖G‖² = tr(F'F F'F) / N² = Σ (f_n · f_m)² / N², and likewise for the others."""

    def mean_kernel(X: np.ndarray, Y: np.ndarray) -> float:
        return float(np.mean((X @ Y.T) ** 2))

    return mean_kernel(F, F) - 2 * mean_kernel(F, S) + mean_kernel(S, S)
