"""Is lesson 1 solved? python -m pytest docs/course/exercises/test_lesson1.py"""

import numpy as np
import pytest
from lesson1 import loss_by_hand, steepest_descent

from minimalstyle import Objective, load_network
from minimalstyle.optimize.lbfgs import minimize

STYLE_LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]


@pytest.fixture(scope="module")
def network():
    return load_network(pooling="average")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(("alpha", "beta"), [(1, 0), (0, 1), (2, 30)])
def test_loss_by_hand(network, rng, alpha, beta):
    """Against the program's own loss."""
    image, photograph = rng.random((2, 32, 48, 3), np.float32)
    painting = rng.random((40, 56, 3), np.float32)
    objective = Objective(
        network,
        content=photograph,
        styles=[painting],
        content_weight=alpha,
        style_weight=beta,
        tv_weight=0,
        content_layers={"relu4_2": 1},
        style_layers=dict.fromkeys(STYLE_LAYERS, 1),
        loss="relative",
    )
    loss = loss_by_hand(network, image, photograph, painting, alpha, beta)
    assert loss == pytest.approx(objective(image)[0], rel=1e-3)


def test_loss_by_hand_of_the_photograph_as_its_own_painting(network, rng):
    photograph = rng.random((32, 48, 3), np.float32)
    loss = loss_by_hand(network, photograph, photograph, photograph, 1, 1)
    assert loss == pytest.approx(0, abs=1e-6)


def test_steepest_descent_arrives(rng):
    w, c = rng.uniform(1, 3, (4, 5, 3)), rng.random((4, 5, 3))
    start = rng.random((4, 5, 3))
    kept = start.copy()

    def bowl(x):
        return float(np.sum(w * (x - c) ** 2)), 2 * w * (x - c)

    image, losses = steepest_descent(bowl, start, 100)
    np.testing.assert_allclose(image, c, atol=1e-3)
    np.testing.assert_array_equal(start, kept)
    assert losses[0] == bowl(start)[0]
    assert losses[-1] == bowl(image)[0]
    assert losses == sorted(set(losses), reverse=True)


def test_first_step():
    start = np.full((4, 5, 3), 0.5)
    image, losses = steepest_descent(lambda x: (float(np.sum(x)), np.ones(x.shape)), start, 1)
    np.testing.assert_allclose(image, 0.4)
    assert losses == pytest.approx([30, 24])


def test_nothing_to_do_where_the_gradient_is_zero():
    start = np.full((4, 5, 3), 0.5)
    image, losses = steepest_descent(lambda x: (1.0, np.zeros(x.shape)), start, 10)
    np.testing.assert_array_equal(image, start)
    assert losses == [1.0]


def test_steepest_descent_against_l_bfgs(network, rng):
    """With the true loss it goes down, but L-BFGS-B gets further."""
    start, photograph, painting = rng.random((3, 32, 48, 3), np.float32)
    objective = Objective(network, content=photograph, styles=[painting])
    image, losses = steepest_descent(objective, start, 15)
    assert 1 < len(losses) <= 16
    assert losses[0] == pytest.approx(objective(start)[0])
    further = minimize(objective, start, 15).image
    assert objective(further)[0] < objective(image)[0] < losses[0]
