"""The preset `gatys2016` against the paper's equations, written out; and the other presets."""

import numpy as np
import pytest
from conftest import off

import minimalstyle as ms
from minimalstyle import reference
from minimalstyle.errors import UsageError
from minimalstyle.network.layers import VGG
from minimalstyle.network.network import Network
from minimalstyle.painting.functions import reconstruct
from minimalstyle.pictures.color import chroma_distance
from minimalstyle.settings.choose import choose
from minimalstyle.settings.settings import PRESETS, strength_factors

CONTENT = {"relu2_1": 1.0}
STYLE = {"relu1_1": 1.0, "relu1_2": 1.0, "relu2_1": 1.0}


def paper_loss(layers, image, content, style, weights):
    """Equations 1, 3, 4, 5 and 7 of Gatys, Ecker and Bethge 2016, sums over all positions."""
    F, _ = reference.forward(layers, image, STYLE)
    P, _ = reference.forward(layers, content, CONTENT)
    S, _ = reference.forward(layers, style, STYLE)
    alpha, beta = weights
    loss = alpha * 0.5 * ((F["relu2_1"] - P["relu2_1"]) ** 2).sum()
    for name in STYLE:
        f, s = (x[name].reshape(-1, x[name].shape[-1]) for x in (F, S))
        M, N = f.shape
        G, A = f.T @ f, s.T @ s
        loss += beta / len(STYLE) * ((G - A) ** 2).sum() / (4 * N**2 * M**2)
    return loss


def test_gatys2016_is_the_papers_loss(tiny_vgg, clear_image, random_image):
    # 16 channels: the engine pads others with zeros, and so does not see their number.
    vgg = VGG(tiny_vgg(((5, 7), (6,)), pooling="average"), sha256="random")
    content, style = random_image(24, 32, 1), random_image(24, 32, 2)
    image = clear_image(vgg, 24, 32)
    preset = choose("gatys2016", {})
    objective = ms.Objective(
        Network(vgg),
        content=content,
        styles=[style],
        content_layers=CONTENT,
        style_layers=STYLE,
        loss=preset.loss,
        content_weight=preset.content_weight,
        style_weight=preset.style_weight,
        tv_weight=preset.tv_weight,
    )
    loss, gradient = objective(image)
    weights = preset.content_weight, preset.style_weight

    def expected(x):
        return paper_loss(vgg.layers, x, content, style, weights)

    assert loss == pytest.approx(expected(image), rel=1e-4)
    numeric = np.empty_like(image[:2, :2])
    for where in np.ndindex(numeric.shape):
        step = np.zeros_like(image)
        step[where] = 1e-5
        numeric[where] = (expected(image + step) - expected(image - step)) / 2e-5
    assert off(gradient[:2, :2], numeric) < 1e-3


def test_papers_constants():
    preset = choose("gatys2016", {})
    assert preset.content_weight / preset.style_weight == 1e-3
    assert set(preset.style_layers.values()) == {1.0}
    assert (preset.init, preset.pooling, preset.tv_weight) == ("noise", "average", 0)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_run(name, network, content_file, style_file):
    toy = {"size": 32, "iterations": 2, "weights": network}
    result = ms.stylize(content_file, style_file, preset=name, **toy)
    assert result.report["settings"]["loss"] == PRESETS[name].get("loss", "wasserstein")


def test_settings_override_the_preset():
    assert choose("draft", {"iterations": 7}).iterations == 7
    with pytest.raises(UsageError, match="no preset 'quick'; there are draft, default"):
        choose("quick", {})


def test_strength():
    """More style and coarser beginnings all the way; 50 leaves everything as it is."""
    factors = [strength_factors(float(s)) for s in range(0, 101, 5)]
    styles, _, first_sizes, shallow = (
        np.round(one, 9).tolist() for one in zip(*factors, strict=True)
    )
    assert list(styles) == sorted(set(styles))
    assert list(first_sizes) == sorted(first_sizes, reverse=True)
    assert list(shallow) == sorted(shallow, reverse=True)
    assert styles[0] == 0
    assert strength_factors(50) == strength_factors(None) == (1, 1, 1, 1)
    for preset in PRESETS:
        plain, at_50 = choose(preset, {}), choose(preset, {"strength": 50.0})
        assert (plain.beta, plain.gamma, plain.coarsest) == (
            at_50.beta,
            at_50.gamma,
            at_50.coarsest,
        )
        assert plain.kept == at_50.kept == plain.content_layers


def test_strength_0_is_the_photograph(network, content_file, style_file, picture):
    result = ms.stylize(content_file, style_file, strength=0.0, size=96, weights=network)
    photograph = picture(content_file, 96, 64).astype(float)
    assert (
        off(result.image.astype(float), photograph) < 0.02
    )  # Pillow resizes it a little otherwise


def test_strength_100_keeps_deep_content_only():
    assert choose("default", {"strength": 100.0}).kept == {"relu4_2": 1.0}
    alone = {"relu1_2": 2.0}  # there is nothing else to keep
    assert choose("default", {"strength": 100.0, "content_layers": alone}).kept == alone


@pytest.mark.parametrize("way", ["luminance", "match", "histogram"])
def test_preserved_colours(way, network, content_file, style_file, photograph):
    toy = {"size": 64, "iterations": 15, "weights": network}
    plain = ms.stylize(content_file, style_file, **toy)
    kept = ms.stylize(content_file, style_file, preserve_color=way, **toy)
    content = photograph(64, plain.pixels.shape[0]).astype(np.float32)
    bound = 0.02 if way == "luminance" else 0.08
    assert chroma_distance(kept.pixels, content) < bound < chroma_distance(plain.pixels, content)


def test_reconstruction_comes_near_the_photograph(network, content_file, photograph):
    result = reconstruct(content_file, "relu1_1", size=48, iterations=40, weights=network)
    assert off(result.pixels, photograph(48, 32)) < 0.1


@pytest.mark.parametrize("term", ["style", "content"])
def test_loss_terms_do_not_depend_on_the_size(term, network, photograph, picture, style_file):
    """A preview foretells the print: the terms of one picture at 96 and 192 px.

    The larger one has detail that the smaller lacks; sums over positions would differ 4 times.
    """
    values = []
    for width in (96, 192):
        content = photograph(width, width * 2 // 3).astype(np.float32)
        style = picture(style_file, width, width * 3 // 4).astype(np.float32) / 255
        objective = ms.Objective(network, content=content, styles=[style], pooling="average")
        objective(style[: content.shape[0]] * 0.5 + content * 0.5)
        values.append(objective.terms[term])
    assert values[1] == pytest.approx(values[0], rel=0.5)
