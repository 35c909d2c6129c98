"""L-BFGS on functions whose minimum is known."""

import numpy as np
import pytest
import scipy.fft
import scipy.optimize

from minimalstyle.gradcheck import gradcheck
from minimalstyle.optimize.lbfgs import minimize
from minimalstyle.optimize.lean import lean_lbfgs

SHAPE = (9, 12, 3)


def bowl(steepness, bottom):
    """A quadratic function of an image, and its gradient."""

    def function(image):
        assert image.shape == SHAPE
        difference = np.asarray(image, np.float64) - bottom
        return float(np.sum(steepness * difference**2)), 2 * steepness * difference

    return function


@pytest.fixture
def steepness(rng):
    return rng.uniform(0.5, 5, SHAPE)


@pytest.fixture
def start(random_image):
    return random_image(*SHAPE[:2]).astype(np.float32)


@pytest.mark.parametrize("begin", [0.0, 0.5, 1.0, "random"])
@pytest.mark.parametrize("bottoms", [(0, 1), (-1, 2), (1.5, 2), (-2, 0)])
def test_finds_the_minimum_over_legal_pixels(bottoms, begin, steepness, start, rng):
    """Each pixel has a parabola of its own, so that it is the bottom, moved into [0, 1]."""
    bottom = rng.uniform(*bottoms, SHAPE)
    if begin != "random":
        start = np.full(SHAPE, begin, np.float32)
    image = minimize(bowl(steepness, bottom), start, 300).image
    assert image.shape == SHAPE
    assert image.min() >= 0
    assert image.max() <= 1
    np.testing.assert_allclose(image, np.clip(bottom, 0, 1), atol=1e-3)


def test_the_finest_waves_stay(start, rng):
    """The others come to the bottom, as if there were no finest ones."""
    start, bottom = (0.4 + 0.2 * each for each in (start, rng.random(SHAPE)))
    image = minimize(bowl(1.0, bottom), start.astype(np.float32), 300, moving=0.5).image
    waves, at_start, at_bottom = (
        scipy.fft.dctn(each, axes=(0, 1), norm="ortho") for each in (image, start, bottom)
    )
    free = np.zeros(SHAPE, bool)
    free[:5, :6] = True
    np.testing.assert_allclose(waves[free], at_bottom[free], atol=1e-3)
    np.testing.assert_allclose(waves[~free], at_start[~free], atol=1e-5)


def test_finds_a_minimum_whose_pixels_depend_on_each_other(start, rng):
    n = start.size
    root = rng.standard_normal((n, n))
    A = root @ root.T / n + 0.3 * np.eye(n)
    solution = rng.uniform(0.1, 0.9, n)

    def function(image):
        difference = image.ravel().astype(np.float64) - solution
        return float(difference @ A @ difference), (2 * A @ difference).reshape(SHAPE)

    image = minimize(function, start, 300).image
    np.testing.assert_allclose(image.ravel(), solution, atol=1e-3)


def test_near_the_minimum_over_legal_pixels_where_they_depend_on_each_other(rng):
    """Pixels that would leave [0, 1] change what the others should be."""
    n = int(np.prod(SHAPE))
    root = rng.standard_normal((n, n))
    A = (root @ root.T / n + 0.05 * np.eye(n)) / n
    bottom = rng.uniform(-0.5, 1.5, n)

    def function(image):
        difference = image.ravel().astype(np.float64) - bottom
        return float(difference @ A @ difference), (2 * A @ difference).reshape(image.shape)

    start = np.full(SHAPE, 0.5, np.float32)
    bounds = [(0, 1)] * n
    best = scipy.optimize.minimize(function, start.ravel(), jac=True, bounds=bounds).fun
    clipped = function(np.clip(bottom, 0, 1))[0]  # what one gets without heeding the bounds
    found = function(minimize(function, start, 300).image)[0]
    assert found - best < 0.05 * (clipped - best)


def test_scipy_gets_a_function_with_its_gradient(monkeypatch, steepness, start, rng):
    """In whatever variables, and also where pixels are outside of [0, 1]."""
    given = []
    monkeypatch.setattr(scipy.optimize, "minimize", lambda f, x, **_: given.extend((f, x)))
    minimize(bowl(steepness, rng.uniform(-1, 2, SHAPE)), start, 5)
    function, variables = given
    for x in (variables, 3 * variables):
        assert gradcheck(function, x, step=1e-2).relative_error < 1e-3


@pytest.mark.parametrize("iterations", [1, 4])
def test_what_it_tells(iterations, steepness, start, rng):
    before = start.copy()
    evaluated, told = [], []

    function = bowl(steepness, rng.uniform(0.3, 0.7, SHAPE))

    def counted(image):
        evaluated.append(function(image)[0])
        return function(image)

    minimum = minimize(counted, start, iterations, lambda *news: told.append(news))
    assert minimum.stopped == "iterations"
    assert minimum.iterations == iterations
    assert minimum.evaluations == len(evaluated) > iterations
    assert minimum.history[0] == pytest.approx(function(before)[0], rel=1e-4)
    assert minimum.history == sorted(set(minimum.history), reverse=True)
    assert len(minimum.history) == iterations + 1
    assert [news[0] for news in told] == list(range(1, iterations + 1))
    assert [news[1] for news in told] == sorted({news[1] for news in told})
    assert told[-1][1] == minimum.evaluations
    assert [news[2] for news in told] == minimum.history[1:]
    for _, _, loss, image in told:  # each image is still what it was then
        assert (image.min() >= 0) & (image.max() <= 1)
        # What was outside of [0, 1] is moved back, which takes a little off.
        assert function(image)[0] == pytest.approx(loss, rel=0.1)
    np.testing.assert_array_equal(told[-1][3], minimum.image)
    np.testing.assert_array_equal(start, before)


def test_progress_goes_on(steepness, start, rng):
    """More iterations, a lower loss; and the same run as far as the shorter one goes."""
    function = bowl(steepness, rng.uniform(-1, 2, SHAPE))
    short, long = (minimize(function, start, iterations) for iterations in (4, 20))
    assert long.history[:5] == short.history
    assert long.history[-1] < short.history[-1] < short.history[0]
    assert function(long.image)[0] < function(short.image)[0] < function(start)[0]


@pytest.mark.parametrize("when", [1, 3])
def test_stops_when_asked_and_keeps_the_best(when, steepness, start, rng):
    function = bowl(steepness, rng.uniform(0.3, 0.7, SHAPE))

    def on_iterate(number, *_):
        return "stop" if number == when else None

    minimum = minimize(function, start, 50, on_iterate)
    assert minimum.stopped == "interrupted"
    assert minimum.iterations == when
    assert len(minimum.history) == when + 1
    assert minimum.history[-1] == min(minimum.history)
    np.testing.assert_array_equal(minimum.image, minimize(function, start, when).image)


@pytest.mark.parametrize(
    "answer", [True, 1, "go on", "STOP", b"stop", object(), np.array([1, 2]), [1]]
)
def test_anything_else_goes_on(answer, steepness, start, rng):
    """Also what tqdm's `update` returns: True."""
    function = bowl(steepness, rng.uniform(0.3, 0.7, SHAPE))
    minimum = minimize(function, start, 4, lambda *_: answer)
    assert (minimum.stopped, minimum.iterations) == ("iterations", 4)


def test_start_at_the_minimum(steepness, start):
    function = bowl(steepness, start.astype(np.float64))
    minimum = minimize(function, start, 10)
    np.testing.assert_allclose(minimum.image, start, atol=1e-3)
    assert minimum.history[0] < 1e-6


def test_errors_of_the_function_come_through(start):
    def function(image):
        raise MemoryError

    with pytest.raises(MemoryError):
        minimize(function, start, 3)


# --- In little memory ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 10, 300])
def test_lean_finds_the_bottom_of_a_valley(size):
    """Rosenbrock's function and its gradient as scipy has them, from the usual start."""
    x, course = np.tile(np.float32([-1.2, 1.0]), size // 2), []

    def function(x):
        value, slope = scipy.optimize.rosen(x), scipy.optimize.rosen_der(x)
        return float(value), slope.astype(np.float32)

    lean_lbfgs(function, x, 2000, course.append)
    np.testing.assert_allclose(course[-1], 1.0, atol=2e-2)
    values = [scipy.optimize.rosen(one) for one in course]
    assert values == sorted(values, reverse=True)


def test_lean_needs_hardly_more_steps_than_scipy(start, rng):
    """On a bowl a hundred times steeper along some variables than along others."""
    bottom, steep = 0.3 + 0.4 * rng.random(SHAPE), np.geomspace(0.1, 10, 324).reshape(SHAPE)
    function = bowl(steep, bottom)
    ours, scipys = (minimize(function, start, 25, lean=lean) for lean in (True, False))
    lowest = scipys.history[-1]
    assert min(n for n, loss in enumerate(ours.history) if loss < 2 * lowest) <= 25
    assert ours.evaluations <= scipys.evaluations + 3


def test_the_point_that_lean_takes_is_the_last_it_looked_at(start, rng):
    """Also where a search has gone too far: the image is that of the variables."""
    seen, told = [], []
    bottom = rng.random(SHAPE)

    def function(image):
        seen.append(image)
        difference = np.asarray(image, np.float64) - bottom
        value = np.sum(np.sqrt(1e-4 + difference**2))  # bends sharply
        return float(value), difference / np.sqrt(1e-4 + difference**2)

    found = minimize(function, start, 30, lambda *news: told.append(news[2:]), lean=True)
    assert found.evaluations > found.iterations + 1
    for loss, image in told:
        at = [np.array_equal(image, np.clip(one, 0, 1)) for one in seen]
        assert any(at)
        assert loss == pytest.approx(function(seen[at.index(True)])[0])
    assert [loss for loss, _ in told] == sorted((loss for loss, _ in told), reverse=True)
