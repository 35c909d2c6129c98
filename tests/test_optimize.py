"""L-BFGS-B on functions whose minimum is known."""

import numpy as np
import pytest
import scipy.optimize

from minimalstyle.optimize import minimize

SHAPE = (5, 6, 3)


@pytest.fixture
def bowl(rng):
    """A quadratic function, steeper in some directions, and its minimum over [0, 1]."""
    steepness = rng.uniform(0.5, 5, SHAPE)
    bottom = rng.uniform(-0.5, 1.5, SHAPE)

    def function(x):
        assert x.shape == SHAPE
        difference = x - bottom
        return float(np.mean(steepness * difference**2)), 2 * steepness * difference / x.size

    return function, np.clip(bottom, 0, 1)


@pytest.mark.parametrize("start", [0.0, 0.5, 1.0, "random"])
def test_finds_the_projected_minimum(bowl, start, random_image):
    function, solution = bowl
    start = random_image(*SHAPE[:2]) if start == "random" else np.full(SHAPE, start)
    minimum = minimize(function, start, 200)
    np.testing.assert_allclose(minimum.image, solution, atol=1e-3)
    assert minimum.image.min() >= 0
    assert minimum.image.max() <= 1


def test_comes_close_to_a_minimum_with_hard_bounds(rng):
    """Neighbours pull at each other, so the bounds matter for pixels that are not at them."""
    n = int(np.prod(SHAPE))
    root = rng.standard_normal((n, n))
    A = root @ root.T / n + 0.3 * np.eye(n)
    b = rng.standard_normal(n)

    def function(x):
        x = np.asarray(x, np.float64).ravel()
        return float(x @ A @ x / 2 - b @ x) / n, (A @ x - b) / n

    def of_image(x):
        loss, gradient = function(x)
        return loss, gradient.reshape(SHAPE)

    exact = scipy.optimize.minimize(
        function, np.full(n, 0.5), jac=True, method="L-BFGS-B", bounds=[(0, 1)] * n
    )
    at_bound = (exact.x == 0) | (exact.x == 1)
    assert 0 < at_bound.sum() < n
    minimum = minimize(of_image, np.full(SHAPE, 0.5), 500)
    start = function(np.full(n, 0.5))[0]
    assert function(minimum.image)[0] - exact.fun < 0.02 * (start - exact.fun)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_it_tells(bowl, dtype, random_image):
    function, _ = bowl
    start = random_image(*SHAPE[:2]).astype(dtype)
    before = start.copy()
    evaluated, told = [], []

    def counted(x):
        loss, gradient = function(x)
        evaluated.append(loss)
        return loss, gradient

    minimum = minimize(counted, start, 4, lambda *news: told.append(news))
    assert minimum.stopped == "iterations"
    assert minimum.iterations == 4
    assert minimum.evaluations == len(evaluated) >= 5
    assert minimum.history[0] == pytest.approx(function(before.astype(np.float64))[0])
    assert minimum.history == sorted(minimum.history, reverse=True)
    assert len(set(minimum.history)) == len(minimum.history) == 5
    assert [news[0] for news in told] == [1, 2, 3, 4]
    assert [news[1] for news in told][-1] == minimum.evaluations
    assert [news[2] for news in told] == minimum.history[1:]
    for _, _, loss, image in told:  # each image is still what it was then, but kept in [0, 1]
        assert loss == pytest.approx(function(image)[0], rel=0.2)
    np.testing.assert_array_equal(start, before)


@pytest.mark.parametrize("when", [1, 3])
def test_stops_when_asked_and_keeps_the_best(bowl, when, random_image):
    function, _ = bowl
    minimum = minimize(function, random_image(*SHAPE[:2]), 50, lambda number, *_: number == when)
    assert minimum.stopped == "interrupted"
    assert minimum.iterations == when
    assert len(minimum.history) == when + 1
    assert function(minimum.image)[0] == pytest.approx(min(minimum.history), rel=0.2)


def test_start_at_the_minimum(bowl):
    function, solution = bowl
    minimum = minimize(function, solution, 10)
    np.testing.assert_allclose(minimum.image, solution, atol=0.02)
    assert minimum.history[0] == pytest.approx(function(solution)[0])


def test_errors_of_the_function_come_through():
    def function(x):
        raise MemoryError

    with pytest.raises(MemoryError):
        minimize(function, np.full(SHAPE, 0.5), 3)
