"""Is lesson 1 solved? python -m pytest docs/course/exercises/test_lesson1.py"""

import lesson1
import numpy as np
import pytest
from checks import same

from minimalstyle import Objective, load_network
from minimalstyle.optimize.lbfgs import minimize

STYLE_LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]


@pytest.fixture(scope="module")
def network():
    return load_network(pooling="average")


@pytest.mark.parametrize(("alpha", "beta"), [(1, 0), (0, 1), (2, 30)])
def test_1_loss_by_hand(network, rng, alpha, beta):
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
    loss = lesson1.loss_by_hand(network, image, photograph, painting, alpha, beta)
    formula = f"{alpha} ‖F - P‖² / ‖P‖² + {beta} (mean of ‖G - A‖² / ‖A‖²)"
    same(loss, objective(image)[0], formula, within=1e-3)


def test_1_loss_by_hand_of_the_photograph_as_its_own_painting(network, rng):
    photograph = rng.random((32, 48, 3), np.float32)
    loss = lesson1.loss_by_hand(network, photograph, photograph, photograph, 1, 1)
    same(loss, 0, "F = P and G = A, so the loss is 0", within=1e-6)


def test_2_steepest_descent_arrives(rng):
    w, c = rng.uniform(1, 3, (4, 5, 3)), rng.random((4, 5, 3))
    start = rng.random((4, 5, 3))
    kept = start.copy()

    def bowl(x):
        return float(np.sum(w * (x - c) ** 2)), 2 * w * (x - c)

    image, losses = lesson1.steepest_descent(bowl, start, 100)
    same(image, c, "the image at the bottom of Σ w (x - c)², which is c", within=1e-3)
    same(start, kept, "start, which is to stay as it is", within=0)
    same(losses[0], bowl(start)[0], "the first loss, that of the start", within=1e-12)
    same(losses[-1], bowl(image)[0], "the last loss, that of the image", within=1e-12)
    assert losses == sorted(set(losses), reverse=True), "each loss must be below the one before"


def test_2_first_step():
    start = np.full((4, 5, 3), 0.5)
    image, losses = lesson1.steepest_descent(
        lambda x: (float(np.sum(x)), np.ones(x.shape)), start, 1
    )
    same(image, np.full(start.shape, 0.4), "the first step moves the fastest pixel by 0.1")
    same(losses, [30, 24], "the losses Σ x before and after the first step")


def test_2_nothing_to_do_where_the_gradient_is_zero():
    start = np.full((4, 5, 3), 0.5)
    image, losses = lesson1.steepest_descent(lambda x: (1.0, np.zeros(x.shape)), start, 10)
    same(image, start, "the image, where the gradient is zero", within=0)
    same(losses, [1.0], "the losses, where the gradient is zero: the start's only", within=0)


def test_2_steepest_descent_against_l_bfgs(network, rng):
    """With the true loss it goes down, but L-BFGS-B gets further."""
    start, photograph, painting = rng.random((3, 32, 48, 3), np.float32)
    objective = Objective(network, content=photograph, styles=[painting])
    image, losses = lesson1.steepest_descent(objective, start, 15)
    assert 1 < len(losses) <= 16, f"15 iterations gave {len(losses)} losses, with the start's"
    same(losses[0], objective(start)[0], "the first loss, that of the start", within=1e-6)
    further = minimize(objective, start, 15).image
    found = objective(image)[0]
    assert found < losses[0], f"the loss rose from {losses[0]} to {found}"
    assert objective(further)[0] < found, "L-BFGS-B cannot be behind: are 15 iterations 15 steps?"
