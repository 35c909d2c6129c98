"""Is lesson 6 solved? python -m pytest docs/course/exercises/test_lesson6.py"""

import lesson6
import numpy as np
import pytest
from checks import right_gradient, same

from minimalstyle import reference

SHAPE = (2, 3, 4)


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


def test_1_paper_content_loss(rng):
    F, P = rng.standard_normal((2, *SHAPE))
    same(lesson6.paper_content_loss(F, P)[0], content_in_loops(F, P), "½ Σ (F - P)², equation 1")
    right_gradient(
        lambda F: lesson6.paper_content_loss(F, P), F, "the gradient of ½ Σ (F - P)² by F"
    )


def test_1_paper_style_loss(rng):
    F, S = rng.standard_normal((2, *SHAPE))
    A = S.reshape(-1, 4).T @ S.reshape(-1, 4)
    formula = "Σ (G - A)² / 4 C² N², G = F'F, equations 3 and 4"
    same(lesson6.paper_style_loss(F, A)[0], style_in_loops(F, A), formula)
    right_gradient(lambda F: lesson6.paper_style_loss(F, A), F, f"the gradient by F of {formula}")


def test_1_paper_losses_of_the_targets_themselves(rng):
    F = rng.standard_normal(SHAPE)
    A = F.reshape(-1, 4).T @ F.reshape(-1, 4)
    for name, (value, gradient) in {
        "paper_content_loss(F, F)": lesson6.paper_content_loss(F, F),
        "paper_style_loss(F, F'F)": lesson6.paper_style_loss(F, A),
    }.items():
        same(value, 0, f"the value of {name}", within=1e-20)
        same(gradient, np.zeros(SHAPE), f"the gradient of {name}", within=1e-12)


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (0.0, 1.0), (3.0, 700.0)])
def test_2_equivalent_weights(rng, alpha, beta):
    """For every F, so one random F after the other."""
    P, S = rng.standard_normal((2, *SHAPE))
    A = reference.gram(S)
    content_weight, style_weight = lesson6.equivalent_weights(alpha, beta, P, A)
    for F in rng.standard_normal((3, *SHAPE)):
        papers = alpha * content_in_loops(F, P) + beta * style_in_loops(F, 6 * A)
        content, style = reference.content_loss(F, P)[0], reference.style_loss(F, A)[0]
        ours = content_weight * content + style_weight * style
        same(ours, papers, f"our loss with your weights, the paper's with {alpha} and {beta}")


def test_3_absolute_variation(rng):
    """Against finite differences."""
    formula = "the gradient of Σ √(dx² + dy² + ε²) / (H W C) by x[h, w, c]"
    right_gradient(lesson6.absolute_variation, rng.random((7, 6, 3)), formula)


def test_3_absolute_variation_of_a_constant_image():
    value, gradient = lesson6.absolute_variation(np.full((7, 6, 3), 0.3), epsilon=0.01)
    same(value, 0.01 * 6 * 5 / (7 * 6), "Σ √(ε²) / (H W C) of a constant image, C (H-1)(W-1) terms")
    same(gradient, np.zeros((7, 6, 3)), "the gradient at a constant image", within=0)


def test_3_absolute_variation_does_not_mind_an_edge():
    """One step of height 1, and a ramp over ten pixels."""
    step, ramp = np.repeat([0.0, 1.0], 12), np.clip((np.arange(24) - 6) / 10, 0, 1)
    step, ramp = (np.tile(row[None, :, None], (5, 1, 3)) for row in (step, ramp))
    sharp, soft = (lesson6.absolute_variation(image, epsilon=1e-6)[0] for image in (step, ramp))
    same(sharp / soft, 1, "the variation of an edge, relative to that of a ramp", within=0.02)
    squares = [reference.total_variation(image)[0] for image in (step, ramp)]
    same(squares[0], 10 * squares[1], "the same with squares: ten times as much")
