"""Is lesson 5 solved? python -m pytest docs/course/exercises/test_lesson5.py"""

import numpy as np
import pytest
from lesson5 import covariance, covariance_backward, few_positions, style_distance

from minimalstyle import reference
from minimalstyle.gradcheck import gradcheck


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def F(rng):
    return np.maximum(rng.standard_normal((42, 3)) @ rng.standard_normal((3, 5)), 0)


def test_covariance(F):
    np.testing.assert_allclose(covariance(F), np.cov(F.T, bias=True), atol=1e-12)


def test_covariance_backward(F, rng):
    """Against finite differences, with a dG that is not symmetric."""
    dG = rng.standard_normal((5, 5))
    assert gradcheck(lambda F: (np.sum(dG * covariance(F)), covariance_backward(dG, F)), F).passed()


@pytest.mark.parametrize("positions", [42, 3])
def test_few_positions(F, positions):
    """With 3 positions the Gram matrix of 5 channels is singular."""
    few = few_positions(F[:positions])
    assert few.shape == (5, 5)
    np.testing.assert_allclose(
        reference.gram(few), reference.gram(F[:positions]), rtol=1e-7, atol=1e-9
    )


def test_style_distance(F, rng, monkeypatch):
    """Li et al. 2017, "Demystifying neural style transfer", equation 10."""
    S = rng.standard_normal((30, 5))
    expected = np.sum((reference.gram(F) - reference.gram(S)) ** 2)
    monkeypatch.delattr(reference, "gram")
    assert style_distance(F, S) == pytest.approx(expected)
    assert style_distance(F, np.concatenate([F, F])) == pytest.approx(0, abs=1e-12)
