"""Is lesson 6 solved? python -m pytest docs/course/exercises/test_lesson6.py"""

import numpy as np
import pytest
from lesson6 import absolute_variation, equivalent_weights, paper_content_loss, paper_style_loss

from minimalstyle import reference
from minimalstyle.gradcheck import gradcheck

SHAPE = (2, 3, 4)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def content_in_loops(F, P):
    """Equation 1, word for word."""
    return sum((F[at] - P[at]) ** 2 for at in np.ndindex(F.shape)) / 2


def style_in_loops(F, A):
    """Equations 3 and 4, word for word."""
    height, width, channels = F.shape
    total = 0.0
    for a in range(channels):
        for b in range(channels):
            G = sum(F[h, w, a] * F[h, w, b] for h in range(height) for w in range(width))
            total += (G - A[a, b]) ** 2
    return total / (4 * channels**2 * (height * width) ** 2)


def test_paper_content_loss(rng):
    F, P = rng.standard_normal((2, *SHAPE))
    assert paper_content_loss(F, P)[0] == pytest.approx(content_in_loops(F, P))
    assert gradcheck(lambda F: paper_content_loss(F, P), F).passed()


def test_paper_style_loss(rng):
    F, S = rng.standard_normal((2, *SHAPE))
    A = S.reshape(-1, 4).T @ S.reshape(-1, 4)
    assert paper_style_loss(F, A)[0] == pytest.approx(style_in_loops(F, A))
    assert gradcheck(lambda F: paper_style_loss(F, A), F).passed()


def test_paper_losses_of_the_targets_themselves(rng):
    F = rng.standard_normal(SHAPE)
    A = F.reshape(-1, 4).T @ F.reshape(-1, 4)
    for value, gradient in (paper_content_loss(F, F), paper_style_loss(F, A)):
        assert value == pytest.approx(0, abs=1e-20)
        np.testing.assert_allclose(gradient, np.zeros(SHAPE), atol=1e-12)


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (0.0, 1.0), (3.0, 700.0)])
def test_equivalent_weights(rng, alpha, beta):
    """For every F, so one random F after the other."""
    P, S = rng.standard_normal((2, *SHAPE))
    A = reference.gram(S)
    content_weight, style_weight = equivalent_weights(alpha, beta, P, A)
    for F in rng.standard_normal((3, *SHAPE)):
        papers = alpha * content_in_loops(F, P) + beta * style_in_loops(F, 6 * A)
        content, style = reference.content_loss(F, P)[0], reference.style_loss(F, A)[0]
        assert content_weight * content + style_weight * style == pytest.approx(papers)


def test_absolute_variation(rng):
    """Against finite differences."""
    assert gradcheck(absolute_variation, rng.random((7, 6, 3))).passed()


def test_absolute_variation_of_a_constant_image():
    value, gradient = absolute_variation(np.full((7, 6, 3), 0.3), epsilon=0.01)
    assert value == pytest.approx(0.01 * 6 * 5 / (7 * 6))
    np.testing.assert_array_equal(gradient, np.zeros((7, 6, 3)))


def test_absolute_variation_does_not_mind_an_edge():
    """One step of height 1, and a ramp over ten pixels."""
    step, ramp = np.repeat([0.0, 1.0], 12), np.clip((np.arange(24) - 6) / 10, 0, 1)
    step, ramp = (np.tile(row[None, :, None], (5, 1, 3)) for row in (step, ramp))
    sharp, soft = (absolute_variation(image, epsilon=1e-6)[0] for image in (step, ramp))
    assert sharp == pytest.approx(soft, rel=0.02)
    squares = [reference.total_variation(image)[0] for image in (step, ramp)]
    assert squares[0] == pytest.approx(10 * squares[1])
