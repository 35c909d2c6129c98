"""Is lesson 7 solved? python -m pytest docs/course/exercises/test_lesson7.py"""

import numpy as np
import pytest
from lesson7 import in_cosines, largest_curvature, lbfgs_direction
from scipy.optimize import LbfgsInvHessProduct

from minimalstyle.gradcheck import gradcheck


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def bowl(rng):
    """½ x'A x and A, for a random symmetric A with positive eigenvalues."""
    root = rng.standard_normal((12, 12))
    A = root @ root.T
    return lambda x: (x @ A @ x / 2, A @ x), A


def test_largest_curvature(bowl):
    """Against numpy's eigenvalues."""
    f, A = bowl
    expected = np.linalg.eigvalsh(A)[-1]
    assert largest_curvature(f, np.ones(12)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("factor", "arrives"), [(1.9, True), (2.1, False)])
def test_largest_curvature_tells_the_longest_step(bowl, factor, arrives):
    """Gradient descent shrinks every direction for steps below 2 / curvature."""
    f, _ = bowl
    x = np.ones(12)
    step = factor / largest_curvature(f, x)
    before = f(x)[0]
    for _ in range(200):
        x = x - step * f(x)[1]
    assert (f(x)[0] < before) == arrives


@pytest.mark.parametrize("pairs", [0, 1, 5])
def test_lbfgs_direction(bowl, rng, pairs):
    """Against scipy's matrix of the same pairs."""
    _, A = bowl
    gradient, steps = rng.standard_normal(12), list(rng.standard_normal((pairs, 12)))
    changes = [A @ s for s in steps]
    expected = -gradient
    if pairs:
        expected = -LbfgsInvHessProduct(np.array(steps), np.array(changes)) @ gradient
    kept = gradient.copy()
    np.testing.assert_allclose(lbfgs_direction(gradient, steps, changes), expected)
    np.testing.assert_array_equal(gradient, kept)


def test_in_cosines(rng):
    """Against finite differences."""
    target = rng.standard_normal((6, 7))
    scale = rng.uniform(0.5, 2, (6, 7))
    f = in_cosines(lambda x: (np.sum((x - target) ** 4), 4 * (x - target) ** 3), scale)
    assert gradcheck(f, rng.standard_normal((6, 7))).passed()


def test_in_cosines_the_first_variable_is_the_mean():
    """A constant image of value 1 has the coefficient √(H W), and all others are zero."""
    f = in_cosines(lambda x: (float(np.sum(x)), np.ones(x.shape)), np.full((4, 9), 0.5))
    variables = np.zeros((4, 9))
    variables[0, 0] = 2 * 6
    loss, gradient = f(variables)
    assert loss == pytest.approx(36)
    assert gradient[0, 0] == pytest.approx(0.5 * 6)
    assert np.abs(gradient).sum() == pytest.approx(0.5 * 6)
