"""The margin around a picture: its gradient, and textures that tile."""

import numpy as np
import pytest

import minimalstyle as ms
from minimalstyle.network.border import fold, margin, pad
from minimalstyle.painting.functions import texture


@pytest.mark.parametrize("border", ["zero", "replicate", "reflect", "wrap"])
@pytest.mark.parametrize("size", [(16, 16), (17, 40), (64, 33)])
def test_fold_is_the_transpose_of_pad(size, border, rng):
    """<pad x, g> = <x, fold g> for all x and g."""
    x = rng.standard_normal((*size, 3))
    g = rng.standard_normal(pad(x, border).shape)
    assert np.vdot(pad(x, border), g) == pytest.approx(np.vdot(x, fold(g, border, *size)))


def test_what_stands_in_the_margin(rng):
    x = rng.random((20, 40, 3))
    m = margin("reflect", 20, 40)
    np.testing.assert_array_equal(pad(x, "reflect")[m - 2, m:-m], x[2])
    m = margin("wrap", 20, 40)
    np.testing.assert_array_equal(pad(x, "wrap")[m:-m, m - 1], x[:, -1])


@pytest.mark.parametrize("border", ["replicate", "reflect", "wrap"])
def test_gradient_through_the_margin(border, network, photograph, rng):
    content = photograph(40, 32).astype(np.float32)
    objective = ms.Objective(
        network,
        content=content,
        styles=[content[::-1]],
        style_layers={"relu2_1": 1.0},
        content_layers={"relu2_2": 1.0},
        pooling="average",
        border=border,
    )
    image = np.clip(content + rng.normal(0, 0.1, content.shape), 0, 1).astype(np.float32)
    _, gradient = objective(image)
    direction = gradient / np.linalg.norm(gradient)
    step = 1e-2
    above, below = (objective(image + s * step * direction)[0] for s in (1, -1))
    numeric = (above - below) / (2 * step)
    assert float(np.vdot(gradient, direction)) == pytest.approx(numeric, rel=1e-2)


def seam(image):
    """Mean jump from the last row and column to the first, over that between neighbours."""
    image = image.astype(float)
    across = (abs(image[-1] - image[0]).mean() + abs(image[:, -1] - image[:, 0]).mean()) / 2
    inside = (abs(np.diff(image, axis=0)).mean() + abs(np.diff(image, axis=1)).mean()) / 2
    return across / inside


def test_seamless_texture(network, style_file):
    settings = {"size": 64, "iterations": 25, "weights": network, "style_layers": {"relu2_1": 1.0}}
    assert seam(texture(style_file, seamless=True, **settings).image) < 1.3
    assert seam(texture(style_file, seamless=False, **settings).image) > 1.6
