"""Is lesson 7 solved? python -m pytest docs/course/exercises/test_lesson7.py"""

import lesson7
import numpy as np
import pytest
from checks import right_gradient, same
from scipy.optimize import LbfgsInvHessProduct


@pytest.fixture
def bowl(rng):
    """½ x'A x and A, for a symmetric A with the eigenvalues 1 to 12 in random directions."""
    axes, _ = np.linalg.qr(rng.standard_normal((12, 12)))
    A = axes @ np.diag(np.arange(1.0, 13)) @ axes.T
    return lambda x: (x @ A @ x / 2, A @ x), A


def test_1_largest_curvature(bowl):
    """Against numpy's eigenvalues."""
    f, A = bowl
    expected = np.linalg.eigvalsh(A)[-1]
    same(lesson7.largest_curvature(f, np.ones(12)), expected, "the largest eigenvalue", within=1e-3)


@pytest.mark.parametrize(("factor", "arrives"), [(1.9, True), (2.1, False)])
def test_1_largest_curvature_tells_the_longest_step(bowl, factor, arrives):
    """Gradient descent shrinks every direction for steps below 2 / curvature."""
    f, _ = bowl
    x = np.ones(12)
    step = factor / lesson7.largest_curvature(f, x)
    before = f(x)[0]
    for _ in range(200):
        x = x - step * f(x)[1]
    fell = f(x)[0] < before
    assert fell == arrives, f"steps of {factor} / curvature: the loss {'fell' if fell else 'rose'}"


@pytest.mark.parametrize("pairs", [0, 1, 5])
def test_2_lbfgs_direction(bowl, rng, pairs):
    """Against scipy's matrix of the same pairs."""
    _, A = bowl
    gradient, steps = rng.standard_normal(12), list(rng.standard_normal((pairs, 12)))
    changes = [A @ s for s in steps]
    expected = -gradient
    if pairs:
        expected = -LbfgsInvHessProduct(np.array(steps), np.array(changes)) @ gradient
    kept = gradient.copy()
    found = lesson7.lbfgs_direction(gradient, steps, changes)
    same(found, expected, f"the direction for {pairs} pairs (s, y), against scipy's")
    same(gradient, kept, "the gradient, which is to stay as it is", within=0)


def test_3_in_cosines(rng):
    """Against finite differences."""
    target = rng.standard_normal((6, 7))
    scale = rng.uniform(0.5, 2, (6, 7))
    f = lesson7.in_cosines(lambda x: (np.sum((x - target) ** 4), 4 * (x - target) ** 3), scale)
    formula = "the gradient of f(D'(scale · c)) by c, for f(x) = Σ (x - target)⁴"
    right_gradient(f, rng.standard_normal((6, 7)), formula)


def test_3_in_cosines_the_first_variable_is_the_mean():
    """A constant image of value 1 has the coefficient √(H W), and all others are zero."""
    f = lesson7.in_cosines(lambda x: (float(np.sum(x)), np.ones(x.shape)), np.full((4, 9), 0.5))
    variables = np.zeros((4, 9))
    variables[0, 0] = 2 * 6
    loss, gradient = f(variables)
    expected = np.zeros((4, 9))
    expected[0, 0] = 0.5 * 6
    same(loss, 36, "f(x) = Σ x for c[0, 0] = 12, scale 0.5: x is 1 in all 36 pixels")
    same(gradient, expected, "its gradient: 0.5 √36 for c[0, 0], 0 for all others")
