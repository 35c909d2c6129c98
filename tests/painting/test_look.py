"""The default look, held to layers that no loss sees and to the same look at every size."""

import numpy as np
import pytest
from conftest import run_objective

import minimalstyle as ms
from minimalstyle import reference
from minimalstyle.pictures import images

HELD_OUT = ["relu1_2", "relu2_2", "relu3_3", "relu4_3"]
SIZES = (128, 192, 288)


def relative_gram_error(network, image, painting):
    """`||G - A||^2 / ||A||^2`, the geometric mean over the layers."""
    features = network.features(image, HELD_OUT)
    targets = network.features(painting, HELD_OUT)
    errors = []
    for name in HELD_OUT:
        G, A = reference.gram(features[name]), reference.gram(targets[name])
        errors.append(((G - A) ** 2).sum() / (A**2).sum())
    return float(np.exp(np.mean(np.log(errors))))


@pytest.fixture(scope="module")
def look(network, content_file, style_file):
    """For each size: the photograph, the painting and the default picture of them."""

    def at(size):
        rgb, painting = (images.load(file).rgb for file in (content_file, style_file))
        height, width = painting.shape[:2]
        painting = images.resize(painting, *images.fit(width, height, size))
        result = ms.stylize(content_file, style_file, size=size, weights=network)
        return images.resize(rgb, *result.pixels.shape[1::-1]), painting, result.pixels

    return {size: at(size) for size in SIZES}


@pytest.mark.parametrize("size", SIZES)
def test_style_at_layers_that_no_loss_sees(size, look, network):
    """A sixth of the photograph's own distance to the painting is left, or less."""
    photograph, painting, picture = look[size]
    before, after = (relative_gram_error(network, one, painting) for one in (photograph, picture))
    assert after < before / 6


def test_terms_do_not_depend_on_the_size(look, network):
    """A preview foretells the print: what is left of each term, with all layers."""
    terms = []
    for photograph, painting, picture in look.values():
        objective = run_objective(network, photograph, painting)
        objective(picture)
        terms.append([objective.terms["content"], objective.terms["style"]])
    content, style = np.transpose(terms)
    assert content.max() < 1.3 * content.min()
    assert style.max() < 1.5 * style.min()
    assert content.max() < 0.5  # the castle is still there
