"""The objective against `reference.objective` and finite differences."""

import numpy as np
import pytest
from conftest import off, pooled_by, run_objective

import minimalstyle as ms
from minimalstyle import reference
from minimalstyle.network.layers import VGG
from minimalstyle.network.network import Network
from minimalstyle.settings.settings import PRESETS

CONTENT = {"relu2_1": 1.0, "relu1_2": 3.0}
STYLE = {"relu1_1": 1.0, "pool1": 2.0, "relu2_1": 5.0}


def shares(weights):
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def by_reference(
    layers, image, *, content, styles, blend=(1,), content_layers, style_layers, **weights
):
    """Against P of the content, and the weighted mean of the styles' Gram matrices."""
    P, _ = reference.forward(layers, content, content_layers)
    A = dict.fromkeys(style_layers, 0.0)
    for style, weight in zip(styles, blend, strict=True):
        for name, F in reference.forward(layers, style, style_layers)[0].items():
            A[name] += weight / sum(blend) * reference.gram(F)
    weights["content_weights"] = shares(content_layers)
    weights["style_weights"] = shares(style_layers)
    return reference.objective(layers, image, P, A, **weights)


@pytest.fixture
def scene(tiny_vgg, clear_image, random_image):
    """`scene(size=(17, 22), pooling="average", styles=1)` -> network, image, other arguments.

    The image is neither the content nor a style.
    """

    def make(size=(17, 22), pooling="average", styles=1):
        network = Network(VGG(tiny_vgg(pooling=pooling), sha256="random"))
        arguments = {
            "content": random_image(*size, seed=1),
            "styles": [
                random_image(20 + 9 * i, 31 - 3 * i, 2 + i) ** (1 + i) for i in range(styles)
            ],
            "content_layers": CONTENT,
            "style_layers": STYLE,
        }
        return network, clear_image(network.vgg, *size), arguments

    return make


# --- Value and gradient -------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("size", [(16, 16), (17, 22), (35, 18)])
@pytest.mark.parametrize("weights", [(1, 10, 0), (2, 30, 0.5), (1, 0, 0), (0, 3, 0), (0, 0.1, 7)])
def test_objective_is_the_references(weights, size, pooling, scene):
    network, image, arguments = scene(size, pooling)
    alpha, beta, gamma = weights
    objective = ms.Objective(
        network,
        **arguments,
        content_weight=alpha,
        style_weight=beta,
        tv_weight=gamma,
        loss="relative",
    )
    expected, expected_gradient = by_reference(
        network.vgg.layers, image, **arguments, alpha=alpha, beta=beta, gamma=gamma
    )
    for _ in range(2):  # the second evaluation uses the memory of the first again
        loss, gradient = objective(image)
        assert isinstance(loss, float)
        assert gradient.shape == image.shape
        assert gradient.dtype == np.float32
        assert loss == pytest.approx(expected, rel=1e-5)
        assert off(gradient, expected_gradient) < 1e-4


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_gram_preset_of_the_true_network(pooling, network, photograph, picture, style_file):
    content = photograph(40, 32)
    image = np.clip(content + np.random.default_rng(1).normal(0, 0.1, content.shape), 0, 1)
    pictures = {"content": content, "styles": [picture(style_file, 48, 40) / 255]}
    defaults = ms.Settings(**PRESETS["gram"])
    objective = ms.Objective(
        network,
        **pictures,
        style_weight=defaults.style_weight,
        style_layers=defaults.style_layers,
        tv_weight=0.5,
        pooling=pooling,
        loss=defaults.loss,
    )
    expected, expected_gradient = by_reference(
        pooled_by(pooling, network.vgg.layers),
        image,
        **pictures,
        content_layers=defaults.content_layers,
        style_layers=defaults.style_layers,
        alpha=defaults.content_weight,
        beta=defaults.style_weight,
        gamma=0.5,
    )
    loss, gradient = objective(image)
    assert loss == pytest.approx(expected, rel=1e-4)
    assert off(gradient, expected_gradient) < 5e-3


def test_defaults_are_those_of_a_run(network, photograph, picture, style_file):
    """`Objective` and `stylize` minimise the same loss."""
    content, style = photograph(40, 32), picture(style_file, 40, 32) / 255
    image = 0.5 * (content + style)
    plain = ms.Objective(network, content=content, styles=[style])
    run = run_objective(network, content, style)
    loss, gradient = plain(image)
    expected, expected_gradient = run(image)
    assert loss == pytest.approx(expected, rel=1e-6)
    assert off(gradient, expected_gradient) < 1e-6


@pytest.mark.parametrize("size", [(16, 16), (17, 22)])
def test_gradient_by_finite_differences(size, scene):
    """The engine calculates in float32, so the step must be larger than the reference's."""
    network, image, arguments = scene(size)
    objective = ms.Objective(network, **arguments, tv_weight=0.5, loss="relative")
    assert ms.gradcheck(objective, image, step=3e-3).relative_error < 1e-2


# --- Terms and weights --------------------------------------------------------------------------


def test_terms_add_up_to_the_loss(scene):
    network, image, arguments = scene()
    weights = {"content_weight": 2.0, "style_weight": 30.0, "tv_weight": 0.5}
    objective = ms.Objective(network, **arguments, **weights)
    loss, _ = objective(image)
    terms = objective.terms
    layers = [f"content {name}" for name in CONTENT] + [f"style {name}" for name in STYLE]
    assert set(terms) == {"content", "style", "tv", *layers}
    assert min(terms.values()) > 0
    total = 2 * terms["content"] + 30 * terms["style"] + 0.5 * terms["tv"]
    assert loss == pytest.approx(total)
    for kind, layer_weights in (("content", CONTENT), ("style", STYLE)):
        mean = sum(share * terms[f"{kind} {name}"] for name, share in shares(layer_weights).items())
        assert terms[kind] == pytest.approx(mean)


@pytest.mark.parametrize(("kind", "rounding"), [("relative", 1e-10), ("wasserstein", 1e-7)])
def test_nothing_is_off_in_the_pictures_themselves(kind, rounding, scene):
    network, image, arguments = scene()
    arguments |= {"content": image, "styles": [image], "tv_weight": 0.0, "loss": kind}
    objective = ms.Objective(network, **arguments)
    loss, gradient = objective(image)
    assert loss < rounding
    assert np.abs(gradient).max() < 1e-5
    objective(1 - image)
    assert min(objective.terms["style"], objective.terms["content"]) > 1e-3


@pytest.mark.parametrize("blend", [None, (1, 1), (0.7, 0.3), (6, 2), (1, 0)])
def test_blend_is_the_mean_of_the_gram_matrices(blend, scene):
    network, image, arguments = scene(styles=2)
    given = {"content_weight": 1.0, "style_weight": 10.0, "tv_weight": 0.0, "loss": "relative"}
    loss, gradient = ms.Objective(network, **arguments, **given, style_blend=blend)(image)
    expected, expected_gradient = by_reference(
        network.vgg.layers, image, **arguments, blend=blend or (1, 1), alpha=1, beta=10, gamma=0
    )
    assert loss == pytest.approx(expected, rel=1e-5)
    assert off(gradient, expected_gradient) < 1e-4


def test_only_shares_of_the_layer_weights_count(scene):
    network, image, arguments = scene()
    loss, gradient = ms.Objective(network, **arguments)(image)
    for name in ("content_layers", "style_layers"):
        arguments[name] = {layer: 8 * weight for layer, weight in arguments[name].items()}
    same_loss, same_gradient = ms.Objective(network, **arguments)(image)
    assert same_loss == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(same_gradient, gradient)


def test_two_objectives_of_one_network(scene):
    """Each has memory of its own."""
    network, image, arguments = scene()
    first = ms.Objective(network, **arguments)
    loss, gradient = first(image)
    second = ms.Objective(network, **arguments | {"content": 1 - image})
    second(image**2)
    same_loss, same_gradient = first(image)
    assert same_loss == loss
    np.testing.assert_array_equal(same_gradient, gradient)


# --- What makes no sense ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"styles": []},
        {"style_blend": [1]},
        {"style_blend": [1, 1, 1]},
        {"style_blend": [0, 0]},
        {"style_blend": [-1, 2]},
        {"style_blend": [float("nan"), 1]},
        {"style_layers": {"relu9_9": 1.0}},
        {"content_layers": {"relu9_9": 1.0}},
        {"style_layers": {"relu1_1": -1.0, "relu2_1": 2.0}},
        {"style_layers": {"relu1_1": 0.0}},
        {"content_layers": {"relu1_1": float("inf")}},
        {"content_layers": {"relu1_1": float("nan"), "relu2_1": 1.0}},
    ],
    ids=str,
)
def test_nonsense_is_refused(options, scene):
    network, _, arguments = scene(styles=2)
    with pytest.raises(ms.UsageError):
        ms.Objective(network, **arguments | options)


def test_a_style_alone(scene):
    network, image, arguments = scene()
    (style,) = arguments["styles"]
    loss, _ = ms.Objective(network, **arguments)(image)
    assert ms.Objective(network, **arguments | {"styles": np.asarray(style)})(image)[0] == loss


@pytest.mark.parametrize("shape", [(16, 22, 3), (17, 21, 3), (17, 22, 1), (17, 22)])
def test_an_image_of_another_size_is_refused(shape, scene):
    network, _, arguments = scene()
    with pytest.raises(ValueError, match="17"):
        ms.Objective(network, **arguments)(np.zeros(shape))


@pytest.mark.parametrize("name", ["border", "loss", "pooling"])
def test_words_that_are_unknown(network, photograph, name):
    content = photograph(32, 32)
    with pytest.raises(ms.UsageError, match=f"{name} must be .* not 'nonsense'"):
        ms.Objective(network, content=content, styles=[content], **{name: "nonsense"})
