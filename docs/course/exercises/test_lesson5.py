"""Is lesson 5 solved? python -m pytest docs/course/exercises/test_lesson5.py"""

import lesson5
import numpy as np
import pytest
from checks import right_gradient, same

from minimalstyle import reference


@pytest.fixture
def F(rng):
    return np.maximum(rng.standard_normal((42, 3)) @ rng.standard_normal((3, 5)), 0)


def test_1_covariance(F):
    same(lesson5.covariance(F), np.cov(F.T, bias=True), "covariance(F) = (F - μ)'(F - μ) / N")


def test_1_covariance_backward(F, rng):
    """Against finite differences, with a dG that is not symmetric."""
    dG = rng.standard_normal((5, 5))
    right_gradient(
        lambda F: (np.sum(dG * lesson5.covariance(F)), lesson5.covariance_backward(dG, F)),
        F,
        "covariance_backward(dG, F), the gradient of Σ dG · covariance(F) by F",
    )


@pytest.mark.parametrize("positions", [42, 3])
def test_2_few_positions(F, positions):
    """With 3 positions the Gram matrix of 5 channels is singular."""
    few = lesson5.few_positions(F[:positions])
    assert few.shape == (5, 5), f"few_positions gave the shape {few.shape}, not (5, 5)"
    same(reference.gram(few), reference.gram(F[:positions]), f"G of 5 positions, for {positions}")


def test_3_style_distance(F, rng, monkeypatch):
    """Li et al. 2017, "Demystifying neural style transfer", equation 10."""
    S = rng.standard_normal((30, 5))
    expected = np.sum((reference.gram(F) - reference.gram(S)) ** 2)
    monkeypatch.delattr(reference, "gram")
    same(
        lesson5.style_distance(F, S),
        expected,
        "‖G - A‖² = mean k(F, F) - 2 mean k(F, S) + mean k(S, S)",
    )
    twice = np.concatenate([F, F])
    same(lesson5.style_distance(F, twice), 0, "the distance of F from F taken twice", within=1e-10)
