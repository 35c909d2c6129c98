"""Masks as regions; guided Gram matrices against the formula, and what they do to a picture."""

import numpy as np
import pytest
from conftest import off

import minimalstyle as ms
from minimalstyle import reference
from minimalstyle.engine import maps
from minimalstyle.errors import UsageError
from minimalstyle.network.bounded import measure
from minimalstyle.network.layers import VGG
from minimalstyle.network.network import Network
from minimalstyle.optimize.lbfgs import minimize
from minimalstyle.painting.regions import Region, regions

STYLE = {"relu1_1": 1.0, "relu2_1": 3.0}
NAMED = {"black": (0, 0, 0), "red": (1, 0, 0), "cyan": (0, 1, 1), "white": (1, 1, 1)}


def flat(*colours, width=40):
    """A mask of vertical stripes."""
    stripes = [np.full((30, width // len(colours), 3), NAMED[colour]) for colour in colours]
    return np.concatenate(stripes, axis=1).astype(np.float32)


def ramp():
    return np.repeat(np.tile(np.linspace(0, 1, 40, dtype=np.float32), (30, 1))[..., None], 3, 2)


# --- Masks --------------------------------------------------------------------------------------


def test_grey_mask_is_soft():
    black, white = regions([ramp()], [], 2)
    assert (black.style, white.style) == (0, 1)
    np.testing.assert_allclose(white.mask, ramp()[..., 0], atol=1e-6)
    np.testing.assert_allclose(black.mask + white.mask, 1, atol=1e-6)


def test_white_alone_for_one_style():
    (only,) = regions([ramp()], [], 1)
    np.testing.assert_allclose(only.mask, ramp()[..., 0], atol=1e-6)


def test_colours_in_order_of_brightness():
    found = regions([flat("white", "red", "cyan", "black")], [], 4)
    assert [one.name for one in found] == [f"region {c}" for c in ("black", "red", "cyan", "white")]
    assert [one.mask[0].argmax() for one in found] == [30, 10, 20, 0]


def test_impure_colours_and_specks(rng):
    mask = flat("red", "cyan") * 0.8 + 0.1 * rng.random((30, 40, 3), np.float32)
    mask[3, 4] = (0, 1, 0)
    assert [one.name for one in regions([mask], [], 2)] == ["region red", "region cyan"]


def test_one_mask_for_each_style():
    found = regions([ramp(), 1 - ramp()], [ramp(), ramp()], 2)
    np.testing.assert_allclose(found[1].mask, 1 - ramp()[..., 0], atol=1e-6)
    np.testing.assert_allclose(found[1].style_mask, ramp()[..., 0], atol=1e-6)


def test_parts_of_one_style_by_colour():
    found = regions([flat("red", "cyan")], [flat("cyan", "red", "black", "white")], 1)
    assert [one.style for one in found] == [0, 0]
    assert [one.style_mask[0].argmax() for one in found] == [10, 0]


@pytest.mark.parametrize(
    ("content", "style", "styles", "message"),
    [
        ([flat("red", "cyan", "black", "white")], [], 2, "4 colours .* for 2 style pictures"),
        ([flat("red", "cyan")], [], 1, "2 colours .* for one style picture"),
        ([ramp(), ramp()], [], 3, "2 content masks for 3 style pictures"),
        ([ramp()], [ramp()], 2, "1 style masks for 2 style pictures"),
        ([flat("red", "cyan")], [flat("red", "black")], 1, "no cyan"),
        ([ramp(), 0 * ramp()], [], 2, "region mask 2 is empty in the content mask"),
        ([ramp(), ramp()], [ramp(), 0 * ramp()], 2, "region mask 2 is empty in the style mask"),
    ],
)
def test_masks_that_do_not_fit(content, style, styles, message):
    with pytest.raises(UsageError, match=message):
        regions(content, style, styles)


# --- Guided Gram matrices -----------------------------------------------------------------------


@pytest.fixture
def scene(tiny_vgg, random_image):
    network = Network(VGG(tiny_vgg(((5, 7), (6,)), pooling="average"), sha256="random"))
    content, image = random_image(32, 40, 1), random_image(32, 40, 2)
    styles = [random_image(32, 40, 3), random_image(32, 40, 4) ** 3]
    left = np.zeros((32, 40), np.float32)
    left[:, :16] = 1.0  # edges on whole pixels of every layer, so that resizing rounds nothing
    parts = [Region("left", left, 0), Region("right", 1 - left, 1, left)]
    arguments = {
        "content": content,
        "styles": styles,
        "regions": parts,
        "style_layers": STYLE,
        "content_layers": {"relu2_1": 1.0},
        "tv_weight": 0.0,
    }
    return network, image, arguments


def guided_gram(F, weight):
    """sum w^2 F F' / sum w^2, position by position (Gatys et al. 2017, equations 4 and 5)."""
    F, w = F.reshape(-1, F.shape[-1]), weight.reshape(-1)
    return np.einsum("n,nc,nd->cd", w**2, F, F) / (w**2).sum()


def test_guided_style_loss_is_the_formula(scene):
    network, image, arguments = scene
    objective = ms.Objective(network, **arguments, loss="relative")
    objective(image)
    layers, parts = network.vgg.layers, arguments["regions"]
    styles = [reference.forward(layers, style, STYLE)[0] for style in arguments["styles"]]
    features, _ = reference.forward(layers, image, STYLE)
    for name in STYLE:
        step = 1 if name == "relu1_1" else 2
        expected = 0.0
        for part, style in zip(parts, styles, strict=True):
            everywhere = np.ones_like(part.mask)
            there = everywhere if part.style_mask is None else part.style_mask
            A = guided_gram(style[name], there[::step, ::step])
            G = guided_gram(features[name], part.mask[::step, ::step])
            expected += part.mask.mean() * ((G - A) ** 2).sum() / (A**2).sum()
        # Lanczos softens the edge of a mask at the coarser layer.
        tolerance = 1e-5 if step == 1 else 0.05
        assert objective.terms[f"style {name}"] == pytest.approx(expected, rel=tolerance)


def test_gradient_by_finite_differences(scene, rng):
    network, image, arguments = scene
    objective = ms.Objective(network, **arguments)
    _, gradient = objective(image)
    for _ in range(3):
        direction = gradient / np.linalg.norm(gradient) + 0.02 * rng.standard_normal(image.shape)
        step = 1e-2
        above, below = (objective(image + s * step * direction)[0] for s in (1, -1))
        numeric = (above - below) / (2 * step)
        assert float(np.vdot(gradient, direction)) == pytest.approx(numeric, rel=1e-2)


def test_a_region_that_covers_all_is_none(scene):
    network, image, arguments = scene
    whole = [Region("all", np.ones((32, 40), np.float32), 0)]
    arguments |= {"styles": arguments["styles"][:1]}
    with_region = ms.Objective(network, **{**arguments, "regions": whole})(image)
    without = ms.Objective(network, **{**arguments, "regions": None})(image)
    assert with_region[0] == pytest.approx(without[0], rel=1e-5)
    assert off(with_region[1], without[1]) < 1e-4


def test_layers_of_one_size_in_memory(network, rng):
    """Of another shape: more channels for less pixels."""
    layers = [f"relu{number}_1" for number in range(1, 6)]
    channels = 64, 128, 256, 512, 512

    def in_memory(height, width):
        return [maps.size(height >> i, width >> i, c) for i, c in enumerate(channels)]

    sizes = ((height, width) for height in range(16, 64) for width in range(16, 128))
    size = next(one for one in sizes if len(set(in_memory(*one))) < len(channels))
    image = rng.random((*size, 3), np.float32)
    mask = np.ones(size, np.float32)
    whole = measure(network, image, layers, border="zero")
    for name, found in measure(network, image, layers, border="zero", mask=mask).items():
        np.testing.assert_allclose(found.mean, whole[name].mean, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found.second, whole[name].second, rtol=1e-4, atol=1e-2)


def test_region_that_is_small_at_a_deep_layer(scene):
    """It counts as its area; what is not there at all is an error."""
    network, image, arguments = scene
    speck = np.zeros((32, 40), np.float32)
    speck[:2, :2] = 1.0
    parts = [Region("speck", speck, 0), arguments["regions"][1]]
    loss, gradient = ms.Objective(network, **{**arguments, "regions": parts})(image)
    assert np.isfinite(loss) and np.isfinite(gradient).all()
    nothing = [Region("speck", 0 * speck, 0), arguments["regions"][1]]
    with pytest.raises(UsageError, match="speck: nothing of it is left"):
        ms.Objective(network, **{**arguments, "regions": nothing})


def test_each_half_takes_its_own_style(network, photograph, picture, style_file):
    """On the embedded VGG-19: the Gram error of each half falls against its own style."""
    content = photograph(96, 64).astype(np.float32)
    night = picture(style_file, 96, 64).astype(np.float32) / 255
    styles = [night, night[:, :, ::-1] ** 2]
    left = np.zeros((64, 96), np.float32)
    left[:, :48] = 1.0
    parts = [Region("left", left, 0), Region("right", 1 - left, 1)]
    objective = ms.Objective(
        network, content=content, styles=styles, regions=parts, style_layers={"relu2_1": 1.0}
    )
    result = minimize(objective, content, 12).image

    def error(image, style, half):
        def gram(x):
            f = network.features(x, ["relu2_1"])["relu2_1"]
            return np.einsum("hwc,hwd->cd", f, f) / (f.shape[0] * f.shape[1])

        A = gram(style)
        return np.linalg.norm(gram(image[:, half]) - A) / np.linalg.norm(A)

    for own, half in ((0, slice(0, 48)), (1, slice(48, 96))):
        after = error(result, styles[own], half)
        assert after < 0.7 * error(content, styles[own], half)
        assert after < 0.7 * error(result, styles[1 - own], half)
