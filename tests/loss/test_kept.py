"""Roots of the covariances of paintings, and that they are made once: against NumPy and scipy."""

import numpy as np
import pytest
import scipy.linalg

import minimalstyle as ms
from minimalstyle.loss import kept, objective, terms
from minimalstyle.loss.kept import KeptMoments
from minimalstyle.network.layers import VGG
from minimalstyle.network.network import Network


@pytest.fixture
def moments(rng):
    """Mean, second moment, and covariance of features whose channels depend on each other."""
    rows = np.maximum(rng.standard_normal((400, 24)) @ rng.random((24, 24)) + 0.5, 0)
    mean, second = rows.mean(axis=0), rows.T @ rows / len(rows)
    return mean.astype(np.float32), second.astype(np.float32), np.cov(rows.T, bias=True)


def test_a_root_is_that_of_the_covariance(moments, monkeypatch):
    mean, second, covariance = moments
    monkeypatch.setattr(terms, "_KEPT", 1.0)
    made = KeptMoments().gaussian(mean, second)
    assert np.array_equal(made.mean, mean)
    assert made.trace == pytest.approx(np.trace(covariance), rel=1e-5)
    assert made.energy == pytest.approx(np.trace(second), rel=1e-5)
    # All roots of a matrix are one, turned: by their polar decomposition, the symmetric one.
    _, symmetric = scipy.linalg.polar(made.root, side="left")
    expected = scipy.linalg.sqrtm(covariance)
    assert np.allclose(symmetric, expected, rtol=0, atol=2e-4 * np.abs(expected).max())


def test_what_a_root_leaves_out(moments):
    """The fewest eigenvectors that have 99 percent of the variance."""
    mean, second, covariance = moments
    made = KeptMoments().gaussian(mean, second)
    values, vectors = np.linalg.eigh(covariance)
    rank = made.root.shape[1]
    assert values[-rank:].sum() >= 0.99 * values.sum() > values[1 - rank :].sum()
    best = (vectors[:, -rank:] * values[-rank:]) @ vectors[:, -rank:].T  # Eckart and Young 1936
    assert np.allclose(made.root @ made.root.T, best, rtol=0, atol=1e-5 * values[-1])


def test_kept_and_made_anew_are_the_same_bits(moments, monkeypatch):
    mean, second, _ = moments
    made = []
    monkeypatch.setattr(kept, "gaussian", lambda *given: made.append(1) or terms.gaussian(*given))
    keeper = KeptMoments()
    found = [keeper.gaussian(mean, second), keeper.gaussian(mean.copy(), second.copy())]
    assert len(made) == 1
    for one in found:
        for ours, anew in zip(one, terms.gaussian(mean, second), strict=True):
            assert np.array_equal(ours, anew)
    assert not np.array_equal(keeper.gaussian(mean, 2 * second).root, found[0].root)
    assert not np.array_equal(keeper.gaussian(mean / 2, second).root, found[0].root)
    assert len(made) == 3


def test_objectives_of_one_painting_share_its_roots(
    tiny_vgg, clear_image, random_image, monkeypatch
):
    network = Network(VGG(tiny_vgg(pooling="average"), sha256="random"))
    image = clear_image(network.vgg, 17, 22)
    keeper, made = KeptMoments(), []

    def counted(*given):
        made.append(given)
        return terms.gaussian(*given)

    for module in (kept, objective):
        monkeypatch.setattr(module, "gaussian", counted)
    found = []
    for seed, measured in ((1, {"measured": keeper}), (2, {"measured": keeper}), (2, {})):
        one = ms.Objective(
            network,
            content=random_image(17, 22, seed),
            styles=[random_image(24, 20, 3)],
            content_layers={"relu2_1": 1.0},
            style_layers={"relu1_1": 1.0, "relu2_1": 5.0},
            **measured,
        )
        found.append(one(image))
    assert len(made) == 4  # two layers, once for both and once without what is kept
    assert found[1][0] == found[2][0]
    assert np.array_equal(found[1][1], found[2][1])
