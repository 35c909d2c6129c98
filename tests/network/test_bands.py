"""An evaluation in bands is the evaluation in one piece."""

import numpy as np
import pytest
from conftest import off

from minimalstyle.network.bands import Bands
from minimalstyle.network.evaluation import Affine, Whole
from minimalstyle.network.layers import VGG
from minimalstyle.network.network import Network

BLOCKS = ((5, 7), (6, 6), (9,))
STYLE, CONTENT = ["relu1_1", "pool1", "relu3_1"], ["relu2_2"]
BORDERS = ["zero", "replicate", "reflect", "wrap"]


def evaluated(evaluation, content, image, seed=0):
    """All that an evaluation gives, for gradients that are random, but the same each time."""
    squares = evaluation.keep(content)
    statistics = evaluation.forward(image)
    rng = np.random.default_rng(seed)

    def gradient(channels):
        return Affine(
            rng.standard_normal((channels, channels)).astype(np.float32),
            rng.standard_normal(channels).astype(np.float32),
        )

    styles = {
        name: [gradient(len(one.mean)) for one in statistics[name]] for name in sorted(statistics)
    }
    slope = evaluation.backward(styles, dict.fromkeys(squares, 0.7), 30.0)
    return squares, {name: list(statistics[name]) for name in sorted(statistics)}, slope


def same(evaluation, whole, content, image):
    """But for rounding: tiles of the convolutions lie elsewhere in a band.

    Images are far from kinks: there, rounding sends single values to the other side of a ReLU or to
    another maximum, and single gradients with them.
    """
    squares, statistics, slope = evaluated(evaluation, content, image)
    expected_squares, expected_statistics, expected = evaluated(whole, content, image)
    assert squares == pytest.approx(expected_squares, rel=1e-5)
    for name, regions in expected_statistics.items():
        for one, other in zip(statistics[name], regions, strict=True):
            assert off(one.mean, other.mean) < 1e-5
            assert off(one.second, other.second) < 1e-5
            assert one.positions == pytest.approx(other.positions)
    assert slope.distances == pytest.approx(expected.distances, rel=1e-5)
    assert slope.variation == pytest.approx(expected.variation, rel=1e-6)
    assert slope.gradient.shape == expected.gradient.shape
    assert off(slope.gradient, expected.gradient) < 1e-5


@pytest.fixture
def scene(tiny_vgg, clear_image, random_image):
    def make(height, width, pooling="max", threads=2, border="zero"):
        network = Network(VGG(tiny_vgg(BLOCKS, pooling=pooling), sha256="random"), threads=threads)
        image = clear_image(network.vgg, height, width, border).astype(np.float32)
        return network, random_image(height, width, 1).astype(np.float32), image

    return make


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("kept", [None, 0, 1])
@pytest.mark.parametrize(("height", "rows"), [(97, 1), (102, 30), (64, 200), (91, 1000)])
def test_bands_are_the_whole(height, rows, kept, pooling, border, scene):  # noqa: PLR0917
    network, content, image = scene(height, 41, pooling, border=border)
    size = content.shape[:2]
    bands = Bands(network, size, STYLE, CONTENT, rows=rows, kept=kept, border=border)
    assert (bands.number > 1) == (rows < 100)
    whole = Whole(network, size, STYLE, CONTENT, border=border)
    same(bands, whole, content, image)


@pytest.mark.parametrize("kept", [None, 0, 1])
@pytest.mark.parametrize("border", ["replicate", "wrap"])
def test_regions(border, kept, scene):
    """One ends in the middle of a band, and is not there at all in others."""
    network, content, image = scene(98, 41, border=border)
    up = np.zeros((98, 41), np.float32)
    up[:30] = 1.0
    up[30:50] = np.linspace(1, 0, 20)[:, None]
    arguments = {"border": border, "regions": {"up": up, "down": 1 - up}}
    bands = Bands(network, (98, 41), STYLE, CONTENT, rows=16, kept=kept, **arguments)
    whole = Whole(network, (98, 41), STYLE, CONTENT, **arguments)
    same(bands, whole, content, image)
    assert bands.shares("relu3_1") == pytest.approx(whole.shares("relu3_1"))


@pytest.mark.parametrize("styles", [["relu1_1"], ["relu3_1"], []])
@pytest.mark.parametrize("contents", [["relu1_2"], ["pool2"], []])
def test_any_layers(styles, contents, scene):
    if not (styles or contents):
        return
    network, content, image = scene(79, 33)
    bands = Bands(network, (79, 33), styles, contents, rows=20, border="zero")
    same(bands, Whole(network, (79, 33), styles, contents, border="zero"), content, image)


def test_the_same_bits_for_any_number_of_threads(scene):
    found = []
    for threads in (1, 2, 3):
        network, content, image = scene(97, 41, threads=threads)
        bands = Bands(network, (97, 41), STYLE, CONTENT, rows=24, border="zero")
        found.append(evaluated(bands, content, image))
    for squares, statistics, slope in found[1:]:
        assert squares == found[0][0]
        np.testing.assert_array_equal(
            statistics["relu3_1"][0].second, found[0][1]["relu3_1"][0].second
        )
        np.testing.assert_array_equal(slope.gradient, found[0][2].gradient)
        assert slope.distances == found[0][2].distances


def test_the_second_evaluation_is_as_the_first(scene):
    network, content, image = scene(97, 41)
    bands = Bands(network, (97, 41), STYLE, CONTENT, rows=24, border="zero")
    first = evaluated(bands, content, image)[2].gradient
    evaluated(bands, 1 - content, image**2)
    np.testing.assert_array_equal(evaluated(bands, content, image)[2].gradient, first)


def test_what_stands_between_two_bands_is_told(scene):
    network, content, image = scene(97, 41)
    told = []
    bands = Bands(network, (97, 41), STYLE, CONTENT, rows=24, border="zero", between=told.append)
    evaluated(bands, content, image)
    done = told[bands.number :]  # after the content's
    assert len(done) == 2 * bands.number
    assert done == sorted(done)
    assert done[0] > 0 and done[-1] == 1.0

    class Enough(Exception):
        pass

    def stop(share):
        if share > 0.5:
            raise Enough

    broken = Bands(network, (97, 41), STYLE, CONTENT, rows=24, border="zero", between=stop)
    with pytest.raises(Enough):
        evaluated(broken, content, image)


def test_an_image_of_another_size_is_refused(scene):
    network, content, _ = scene(97, 41)
    bands = Bands(network, (97, 41), STYLE, CONTENT, rows=24, border="zero")
    with pytest.raises(ValueError, match="97"):
        bands.forward(content[1:])
