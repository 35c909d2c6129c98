"""Is lesson 2 solved? python -m pytest docs/course/exercises/test_lesson2.py"""

import lesson2
import numpy as np
import pytest
from checks import same

from minimalstyle import load_network, reference
from minimalstyle.network.layers import Conv, Pool, Relu


def positive_chain():
    """Filters without a zero or a sign, so that nothing of what a value sees is lost."""

    def conv(name, k):
        return Conv(name, np.full((k, k, 3, 3), 0.1, np.float32), np.zeros(3, np.float32))

    return (
        conv("conv1_1", 3),
        Relu("relu1_1"),
        Pool("pool1", "average"),
        conv("conv2_1", 1),
        Relu("relu2_1"),
        conv("conv2_2", 3),
        Relu("relu2_2"),
        Pool("pool2", "average"),
        conv("conv3_1", 3),
    )


@pytest.mark.parametrize(
    ("name", "side"),
    [("relu1_1", 3), ("relu2_1", 10), ("relu3_1", 24), ("relu4_1", 68), ("relu5_1", 156)],
)
def test_1_window(name, side):
    """The table of the page."""
    top, left, bottom, right = lesson2.window(load_network().vgg.layers, name, 0, 0)
    same((bottom - top, right - left), (side, side), f"height and width of what {name} sees")
    if name == "relu1_1":
        same((top, left), (-1, -1), "top and left of what relu1_1 sees from (0, 0)", within=0)


@pytest.mark.parametrize(
    ("name", "row", "column"),
    [("conv1_1", 10, 12), ("pool1", 5, 7), ("conv2_2", 5, 7), ("pool2", 3, 2), ("conv3_1", 2, 3)],
)
def test_1_window_is_what_the_value_sees(name, row, column):
    """Against the gradient of one value: it is zero for what the value does not see."""
    layers = positive_chain()
    image = np.ones((24, 28, 3))
    features, tape = reference.forward(layers, image, [name])
    one = np.zeros(features[name].shape)
    one[row, column, 0] = 1
    seen = reference.backward(layers, tape, {name: one}).any(axis=2)
    rows, columns = (np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0))
    expected = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    found = lesson2.window(layers, name, row, column)
    same(found, expected, f"(top, left, bottom, right) of {name} at ({row}, {column})", within=0)


def test_1_window_of_an_unknown_layer():
    with pytest.raises(ValueError, match="relu9_9"):
        lesson2.window(positive_chain(), "relu9_9", 0, 0)


@pytest.mark.parametrize("apart", [1, 2, 5])
@pytest.mark.parametrize("levels", [1000, 5])
def test_2_strongest(rng, apart, levels):
    """Against all places in order, of which those are dropped that are too near."""
    activations = rng.integers(-levels, levels, (9, 11)).astype(float)
    kept = activations.copy()
    expected = []
    for row, column in sorted(np.ndindex(9, 11), key=lambda at: -activations[at]):
        distances = [max(abs(row - r), abs(column - c)) for r, c in expected]
        if activations[row, column] > 0 and min(distances, default=apart) >= apart:
            expected.append((row, column))
    what = f"places at least {apart} apart, the strongest first"
    same(lesson2.strongest(activations, 4, apart), expected[:4], f"four {what}", within=0)
    same(lesson2.strongest(activations, 99, apart), expected, f"all {what}", within=0)
    same(activations, kept, "the map, which is to stay as it is", within=0)


def test_2_strongest_ends_where_nothing_is_left():
    activations = np.zeros((5, 6))
    found = lesson2.strongest(activations, 3, 2)
    assert found == [], f"nothing is above 0, and yet: {found}"
    activations[4, 1] = 0.5
    same(lesson2.strongest(activations, 3, 2), [(4, 1)], "the only place above 0", within=0)
