"""The embedded VGG-19 against ONNX's own evaluator and the float64 reference, on a photograph."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from conftest import off, pooled_by
from onnx.reference import ReferenceEvaluator

import minimalstyle as ms
from minimalstyle import reference
from minimalstyle.engine.taps import make_tap
from minimalstyle.network import onnx_io
from minimalstyle.network.layers import VGG, Pool, Relu
from minimalstyle.network.network import Network

NAMES = [
    "relu1_1", "relu1_2", "pool1",
    "relu2_1", "relu2_2", "pool2",
    "relu3_1", "relu3_2", "relu3_3", "relu3_4", "pool3",
    "relu4_1", "relu4_2", "relu4_3", "relu4_4", "pool4",
    "relu5_1",
]  # fmt: skip
STYLE = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
CHANNELS = (64, 128, 256, 512, 512)


def test_names(network):
    assert network.layers == NAMES


def test_features_are_onnxs(network, photograph):
    image = photograph(48, 40)
    model = onnx.load(onnx_io._EMBEDDED)
    outputs = [output.name for output in model.graph.output]
    assert set(NAMES) <= set(outputs)
    channels_first = image.astype(np.float32).transpose(2, 0, 1)[None]
    expected = ReferenceEvaluator(model).run(NAMES, {"image": channels_first})
    seen = network.features(image, NAMES)
    for name, y in zip(NAMES, expected, strict=True):
        assert off(seen[name], y[0].transpose(1, 2, 0)) < 1e-5, name


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("size", [(64, 48), (35, 53)])
def test_accuracy_on_a_photograph(network, pooling, size, photograph, rng):
    image = photograph(*size)
    network = Network(network.vgg, pooling=pooling)
    names = [*STYLE, "relu4_2"]
    layers = pooled_by(pooling, network.vgg.layers)
    expected, tape = reference.forward(layers, image, names)
    relus = [layer.name for layer in layers[: len(tape)] if isinstance(layer, Relu)]
    seen = network.features(image, relus)
    for name in names:
        assert off(seen[name], expected[name]) < 1e-5, name
    # Whether a value is positive, and which one of a window is the largest, is a matter of the last
    # digit here and there, and at the deepest layer each such place is a hundredth of the gradient.
    # So the way back is compared along the way that the engine went.
    for i, layer in enumerate(layers[: len(tape)]):
        if isinstance(layer, Relu):
            y = seen[layer.name].astype(np.float64)
            tape[i] = tape[i]._replace(y=y)
        elif isinstance(layer, Pool) and pooling == "max":
            tape[i] = tape[i]._replace(winner=reference.max_pool(y)[1])

    # A gradient like that of a style loss: from the features, through a symmetric matrix.
    pass_ = network.at(*image.shape[:2], names)
    taps, by_taps = {}, {}
    for name, f in pass_.forward(image).items():
        root = rng.standard_normal((f.channels, f.channels))
        S = ((root + root.T) / np.vdot(expected[name], expected[name])).astype(np.float32)
        taps[name] = make_tap(S)
        by_taps[name] = expected[name] @ S.astype(np.float64)
    gradient = pass_.backward(taps)
    assert off(gradient, reference.backward(layers, tape, by_taps)) < 1e-5


@pytest.mark.parametrize("size", [(16, 16), (37, 50)])
def test_shapes(network, size, random_image):
    seen = network.features(random_image(*size), NAMES)
    assert list(seen) == NAMES
    for name, F in seen.items():
        block = int(name[-1] if name.startswith("pool") else name[4])
        halvings = block if name.startswith("pool") else block - 1
        assert F.shape == (size[0] >> halvings, size[1] >> halvings, CHANNELS[block - 1])
        assert F.dtype == np.float32
        assert F.min() >= 0
    assert np.shares_memory(seen["relu1_1"], seen["relu1_2"]) is False


def test_features_are_kept(network, random_image):
    """They are the caller's own, not the engine's memory."""
    first = network.features(random_image(20, 21, 1), ["relu2_1"])["relu2_1"]
    copy = first.copy()
    network.features(random_image(20, 21, 2), ["relu2_1"])
    np.testing.assert_array_equal(first, copy)


def test_a_layer_alone(network, random_image):
    image = random_image(20, 21)
    expected = network.features(image, ["relu2_1"])["relu2_1"]
    np.testing.assert_array_equal(network.features(image, "relu2_1")["relu2_1"], expected)


@pytest.mark.parametrize("convert", [np.float32, np.asfortranarray, lambda x: x[:, ::-1][:, ::-1]])
def test_kinds_of_arrays(network, convert, random_image):
    image = random_image(20, 21).astype(np.float32).astype(np.float64)
    expected = network.features(image, ["relu2_1"])["relu2_1"]
    seen = network.features(convert(image), ["relu2_1"])["relu2_1"]
    np.testing.assert_array_equal(seen, expected)


def test_pooling_can_be_overridden(network, random_image):
    image = random_image(20, 21)
    seen = ms.load_network(pooling="average").features(image, ["relu1_2", "pool1"])
    expected = reference.average_pool(seen["relu1_2"].astype(np.float64))
    assert off(seen["pool1"], expected) < 1e-5
    assert off(network.features(image, ["pool1"])["pool1"], expected) > 0.1


def test_unknown_layer_names_the_known_ones(network, random_image):
    with pytest.raises(ms.UsageError, match=r"relu9_9.* has relu1_1, .*relu5_1"):
        network.features(random_image(16, 16), ["relu1_1", "relu9_9"])
    with pytest.raises(ms.UsageError, match="layer"):
        network.features(random_image(16, 16), [])
    with pytest.raises(ms.UsageError, match="conv1_1"):  # only what comes after a ReLU or pool
        network.at(16, 16, ["conv1_1"])


@pytest.mark.parametrize("shape", [(20, 21), (20, 21, 1), (20, 21, 4), (8, 8, 3), (0, 20, 3)])
def test_what_is_no_image_is_refused(network, shape):
    with pytest.raises(ValueError, match=r"\d"):
        network.features(np.zeros(shape), ["relu5_1"])


def test_missing_file():
    with pytest.raises(ms.WeightsError, match=r"nowhere\.onnx"):
        ms.load_network("nowhere.onnx")


@pytest.mark.parametrize("edit", ["pool first", "two pools", "no relu", "ends early", "1x1 first"])
def test_chain_that_is_no_vgg(tiny_vgg, edit):
    layers = list(tiny_vgg())
    pool = next(i for i, layer in enumerate(layers) if isinstance(layer, Pool))
    if edit == "pool first":
        layers.insert(1, Pool("pool0"))
    elif edit == "two pools":
        layers.insert(pool, Pool("pool0"))
    elif edit == "no relu":
        del layers[2]
    elif edit == "ends early":
        del layers[2:]
    else:
        layers[1] = replace(layers[1], weight=layers[1].weight[1:2, 1:2])
    with pytest.raises(ms.WeightsError):
        Network(VGG(tuple(layers), "0"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite(network, value, random_image):
    image = random_image(20, 21)
    image[3, 4, 1] = value
    with pytest.raises(ms.UsageError, match="finite"):
        network.features(image, ["relu1_1"])
    with pytest.raises(ms.UsageError, match="uint8"):
        network.features((255 * random_image(20, 21)).astype(np.uint8), ["relu1_1"])
