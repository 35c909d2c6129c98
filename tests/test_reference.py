"""`reference` against SciPy, ONNX's own evaluator, plain loops and finite differences."""

import numpy as np
import onnx
import pytest
import scipy.ndimage
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from minimalstyle import reference
from minimalstyle.gradcheck import gradcheck
from minimalstyle.network.layers import Conv, Relu

SIZES = [(5, 7), (16, 17), (33, 18)]
TOLERANCE = 1e-6


def check_layer(x, forward, backward, rng):
    """Compare a layer's backward pass with differences of <R, forward(x)>, R random."""
    R = rng.standard_normal(forward(x).shape)
    return gradcheck(lambda x: (np.sum(R * forward(x)), backward(R, x)), x).relative_error


# --- Convolution ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [*SIZES, (1, 1), (1, 6), (2, 1)])
@pytest.mark.parametrize(("k", "c_in", "c_out"), [(1, 3, 3), (3, 3, 5), (3, 5, 7), (3, 1, 1)])
def test_convolve_is_scipys_correlation(size, k, c_in, c_out, rng):
    x = rng.standard_normal((*size, c_in))
    weight, bias = rng.standard_normal((k, k, c_in, c_out)), rng.standard_normal(c_out)
    expected = np.stack(
        [
            bias[o]
            + sum(
                scipy.ndimage.correlate(x[:, :, c], weight[:, :, c, o], mode="constant")
                for c in range(c_in)
            )
            for o in range(c_out)
        ],
        axis=-1,
    )
    np.testing.assert_allclose(reference.convolve(x, weight, bias), expected, atol=1e-12)


@pytest.mark.parametrize("size", [*SIZES, (1, 1), (1, 6)])
@pytest.mark.parametrize(("k", "c_in", "c_out"), [(1, 3, 3), (3, 3, 5), (3, 5, 7)])
def test_convolve_backward_is_the_adjoint(size, k, c_in, c_out, rng):
    x, dy = rng.standard_normal((*size, c_in)), rng.standard_normal((*size, c_out))
    weight = rng.standard_normal((k, k, c_in, c_out))
    there = np.vdot(reference.convolve(x, weight, np.zeros(c_out)), dy)
    back = np.vdot(x, reference.convolve_backward(dy, weight))
    assert there == pytest.approx(back, rel=1e-12)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("k", "c_in", "c_out"), [(1, 3, 3), (3, 3, 5), (3, 5, 7)])
def test_convolve_gradient(size, k, c_in, c_out, rng):
    weight, bias = rng.standard_normal((k, k, c_in, c_out)), rng.standard_normal(c_out)
    error = check_layer(
        rng.standard_normal((*size, c_in)),
        lambda x: reference.convolve(x, weight, bias),
        lambda dy, x: reference.convolve_backward(dy, weight),
        rng,
    )
    assert error < TOLERANCE


# --- ReLU and pooling ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 5])
def test_relu_gradient(size, channels, rng):
    shape = (*size, channels)
    x = rng.choice([-1.0, 1.0], shape) * rng.uniform(0.1, 1, shape)  # well away from the kink
    error = check_layer(
        x, reference.relu, lambda dy, x: reference.relu_backward(dy, reference.relu(x)), rng
    )
    assert error < TOLERANCE


def test_relu_by_hand():
    x = np.array([[[-1.0], [0.0], [2.0]]])
    y = reference.relu(x)
    assert y.ravel().tolist() == [0, 0, 2]
    assert reference.relu_backward(np.full(x.shape, 5.0), y).ravel().tolist() == [0, 0, 5]


def distinct(shape, rng):
    """Values all different by far more than a finite-difference step or the tie margin."""
    return rng.permutation(np.linspace(-1, 1, int(np.prod(shape)))).reshape(shape)


@pytest.mark.parametrize("size", [*SIZES, (2, 2), (3, 2), (2, 5)])
@pytest.mark.parametrize("channels", [1, 3])
def test_pooling_is_the_plain_loop(size, channels, rng):
    x = distinct((*size, channels), rng)
    largest, winner = reference.max_pool(x)
    mean = reference.average_pool(x)
    assert largest.shape == winner.shape == mean.shape == (size[0] // 2, size[1] // 2, channels)
    for h, w, c in np.ndindex(largest.shape):
        window = x[2 * h : 2 * h + 2, 2 * w : 2 * w + 2, c]
        assert largest[h, w, c] == window.max()
        assert winner[h, w, c] == window.argmax()
        assert mean[h, w, c] == pytest.approx(window.mean())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_pooling_gradients(size, channels, rng):
    x = distinct((*size, channels), rng)
    error = check_layer(
        x,
        lambda x: reference.max_pool(x)[0],
        lambda dy, x: reference.max_pool_backward(dy, reference.max_pool(x)[1], x.shape),
        rng,
    )
    assert error < TOLERANCE
    error = check_layer(
        x,
        reference.average_pool,
        lambda dy, x: reference.average_pool_backward(dy, x.shape),
        rng,
    )
    assert error < TOLERANCE


@pytest.mark.parametrize(
    ("margins", "winner"),
    [
        ((0, 0, 0, 0), 0),
        ((0, 0.9, 0, 0), 0),
        ((0, 1.1, 0, 0), 1),
        ((0, 0, 0.9, 0), 0),
        ((0, 0, 1.1, 0), 2),
        ((0, 0, 0, 1.1), 3),
        ((0, 0, 1.1, 2.0), 2),  # 3 is the largest, but does not beat 2
        ((0, 1.1, 1.5, 0), 1),  # nor does 2 beat 1
        ((0, 0.9, 0, 1.1), 3),  # 1 would have stood in the way of 3, but did not beat 0
    ],
)
@pytest.mark.parametrize("base", [1.0, 1e3, 1e-20, -1.0])
def test_ties_go_to_the_earlier_pixel(margins, winner, base):
    window = base + abs(base) * reference.TIE * np.array(margins)
    y, found = reference.max_pool(window.reshape(2, 2, 1))
    assert found.item() == winner
    assert y.item() == window.max()


def test_anything_positive_beats_zero():
    _, winner = reference.max_pool(np.array([0, 0, 0, 1e-30]).reshape(2, 2, 1))
    assert winner.item() == 3


# --- Losses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 5, 8])
def test_gram(size, channels, rng):
    F = rng.standard_normal((*size, channels))
    expected = np.einsum("hwa,hwb->ab", F, F) / (size[0] * size[1])
    np.testing.assert_allclose(reference.gram(F), expected, atol=1e-13)
    np.testing.assert_allclose(reference.gram(F.reshape(-1, channels)), expected, atol=1e-13)
    # The random dG is not symmetric.
    assert check_layer(F, reference.gram, reference.gram_backward, rng) < TOLERANCE


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 5])
def test_loss_gradients(size, channels, rng):
    F, P, S = rng.standard_normal((3, *size, channels))
    A = reference.gram(S)
    assert gradcheck(lambda F: reference.content_loss(F, P), F).passed(TOLERANCE)
    assert gradcheck(lambda F: reference.style_loss(F, A), F).passed(TOLERANCE)
    _, gradient = reference.style_loss(F, A)
    written_out = 4 * F @ (reference.gram(F) - A) / (size[0] * size[1] * np.sum(A**2))
    np.testing.assert_allclose(gradient, written_out, atol=1e-15)


@pytest.mark.parametrize("size", [*SIZES, (1, 1), (1, 4), (4, 1)])
def test_total_variation(size, random_image):
    image = random_image(*size)
    value, gradient = reference.total_variation(image)
    by_loop = sum(
        (image[h, w, c] - image[h2, w2, c]) ** 2
        for h, w, c in np.ndindex(image.shape)
        for h2, w2 in [(h + 1, w), (h, w + 1)]
        if h2 < size[0] and w2 < size[1]
    )
    assert value == pytest.approx(by_loop / image.size)
    assert gradient.shape == image.shape
    assert gradcheck(reference.total_variation, image).passed(TOLERANCE)


def test_losses_of_the_target_itself(rng):
    F = rng.standard_normal((6, 5, 4))
    value, gradient = reference.content_loss(F, F)
    assert (value, np.abs(gradient).max()) == (0, 0)
    value, gradient = reference.style_loss(F, reference.gram(F))
    assert (value, np.abs(gradient).max()) == (0, 0)
    assert reference.content_loss(0 * F, F)[0] == pytest.approx(1)  # everything is off
    assert reference.total_variation(np.full((4, 5, 3), 0.3))[0] == 0


def test_style_forgets_positions(rng):
    rows = rng.standard_normal((30, 4))
    shuffled = rng.permutation(rows)
    assert reference.style_loss(shuffled, reference.gram(rows))[0] < 1e-28


# --- From the pixels to the loss and back --------------------------------------------------------


def features_by_onnx(layers, image):
    """Evaluate the same chain with ONNX's reference evaluator, in float64, all outputs."""
    nodes, initialisers, x = [], [], "image"
    for layer in layers:
        inputs, attributes = [x], {}
        if isinstance(layer, Conv):
            kind, pad = "Conv", layer.weight.shape[0] // 2
            attributes = {"pads": [pad] * 4}
            inputs += [layer.name + ".weight", layer.name + ".bias"]
            # ONNX wants (C_out, C_in, k, k).
            values = layer.weight.transpose(3, 2, 0, 1), layer.bias
            initialisers += [
                numpy_helper.from_array(value.astype(np.float64), name)
                for value, name in zip(values, inputs[1:], strict=True)
            ]
        elif isinstance(layer, Relu):
            kind = "Relu"
        else:
            kind = {"max": "MaxPool", "average": "AveragePool"}[layer.kind]
            attributes = {"kernel_shape": [2, 2], "strides": [2, 2]}
        nodes.append(helper.make_node(kind, inputs, [layer.name], **attributes))
        x = layer.name

    def value_info(name, shape):
        return helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, shape)

    graph = helper.make_graph(
        nodes,
        "chain",
        [value_info("image", [1, 3, "H", "W"])],
        [value_info(layer.name, None) for layer in layers],
        initialisers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    outputs = ReferenceEvaluator(model).run(None, {"image": image.transpose(2, 0, 1)[None]})
    names = [layer.name for layer in layers]
    return {name: y[0].transpose(1, 2, 0) for name, y in zip(names, outputs, strict=True)}


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("size", SIZES)
def test_forward_is_onnxs(size, pooling, tiny_vgg, random_image):
    layers = tiny_vgg(((5, 7), (4,), (6,)), pooling=pooling)
    image = random_image(*size)
    features, tape = reference.forward(layers, image, [layer.name for layer in layers])
    expected = features_by_onnx(layers, image)
    assert features.keys() == expected.keys()
    assert len(tape) == len(layers)
    for name, F in features.items():
        assert F.dtype == np.float64
        np.testing.assert_allclose(F, expected[name], atol=1e-12, err_msg=name)


def test_forward_stops_at_the_deepest_tap(tiny_vgg, random_image):
    layers = tiny_vgg()
    features, tape = reference.forward(layers, random_image(8, 9), ["conv1_2", "relu1_1"])
    assert set(features) == {"conv1_2", "relu1_1"}
    assert layers[len(tape) - 1].name == "conv1_2"
    with pytest.raises(ValueError, match="no layer named relu9_9"):
        reference.forward(layers, random_image(8, 9), ["relu1_1", "relu9_9"])


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("blocks", [((5, 7), (6,)), ((4,), (3, 5), (7,))])
def test_objective_gradient(size, blocks, pooling, tiny_vgg, random_image):
    layers = tiny_vgg(blocks, pooling=pooling)
    content, style, image = (random_image(*size, seed) for seed in (1, 2, 3))
    deepest = layers[-1].name
    P = reference.forward(layers, content, ["relu1_1", deepest])[0]
    A = {
        name: reference.gram(F)
        for name, F in reference.forward(layers, style, ["relu1_1", "pool1", deepest])[0].items()
    }

    def f(image):
        return reference.objective(
            layers,
            image,
            P,
            A,
            content_weights={"relu1_1": 0.3, deepest: 0.7},
            style_weights={"relu1_1": 0.2, "pool1": 0.3, deepest: 0.5},
            alpha=2.0,
            beta=10.0,
            gamma=0.5,
        )

    assert gradcheck(f, image).relative_error < TOLERANCE


def test_objective_is_the_weighted_sum(tiny_vgg, random_image):
    layers = tiny_vgg()
    content, style, image = (random_image(9, 8, seed) for seed in (1, 2, 3))
    F, P, S = (features_by_onnx(layers, picture) for picture in (image, content, style))

    def gram(F):
        return np.einsum("hwa,hwb->ab", F, F) / (F.shape[0] * F.shape[1])

    def off(x, target):
        return (np.linalg.norm(x - target) / np.linalg.norm(target)) ** 2

    style_names = {"relu1_1": 0.4, "relu2_1": 0.6}
    value, _ = reference.objective(
        layers,
        image.astype(np.float32),
        {"relu2_1": P["relu2_1"]},
        {name: gram(S[name]) for name in style_names},
        content_weights={"relu2_1": 1.0},
        style_weights=style_names,
        alpha=2.0,
        beta=30.0,
        gamma=0.5,
    )
    expected = (
        2.0 * off(F["relu2_1"], P["relu2_1"])
        + 30.0 * sum(w * off(gram(F[name]), gram(S[name])) for name, w in style_names.items())
        + 0.5
        * (np.sum(np.diff(image, axis=0) ** 2) + np.sum(np.diff(image, axis=1) ** 2))
        / image.size
    )
    assert value == pytest.approx(expected, rel=1e-6)  # the image was rounded to float32


def test_objective_of_nothing_but_total_variation(tiny_vgg, random_image):
    image = random_image(4, 5)
    nothing = {"content_weights": {}, "style_weights": {}, "alpha": 1.0, "beta": 1.0}
    value, gradient = reference.objective(tiny_vgg(), image, {}, {}, **nothing, gamma=2.0)
    expected, expected_gradient = reference.total_variation(image)
    assert value == pytest.approx(2 * expected)
    np.testing.assert_allclose(gradient, 2 * expected_gradient)
