"""The Wasserstein distance of features: against its formula, finite differences, the reference."""

import numpy as np
import pytest
import scipy.linalg
from conftest import off
from threadpoolctl import threadpool_limits

import minimalstyle as ms
from minimalstyle import reference
from minimalstyle.loss import terms as losses
from minimalstyle.network.layers import VGG
from minimalstyle.network.network import Network
from minimalstyle.painting.regions import Region


@pytest.fixture
def clouds(rng):
    """Features of a picture, of a style, both with channels that depend on each other."""

    def features(shift):
        return np.maximum(rng.standard_normal((13, 17, 6)) @ rng.random((6, 6)) + shift, 0)

    return features(0.5), features(1.0)


def statistics(F):
    rows = F.reshape(-1, F.shape[-1])
    return rows.mean(axis=0), np.cov(rows.T, bias=True)


def distance(F, T):
    """Olkin and Pukelsheim 1982, with scipy's root of a matrix."""
    (m, S), (mt, St) = statistics(F), statistics(T)
    root = scipy.linalg.sqrtm(St)
    cross = np.trace(scipy.linalg.sqrtm(root @ S @ root)).real
    squared = np.sum((m - mt) ** 2) + np.trace(S) + np.trace(St) - 2 * cross
    return squared / (mt @ mt + np.trace(St))


def of_the_engine(F, T):
    """Value and gradient by `losses`, from the moments that the engine would hand it."""
    rows = F.reshape(-1, F.shape[-1])
    mean, second = (each.astype(np.float32) for each in (rows.mean(0), rows.T @ rows / len(rows)))
    mt, St = statistics(T)
    target = losses.gaussian(mt, (St + np.outer(mt, mt)))
    value, matrix, shift = losses.wasserstein_loss(mean, second, target, len(rows))
    return value, F @ matrix + shift


def test_reference_is_the_formula(clouds):
    value, _ = reference.wasserstein_loss(clouds[0], *statistics(clouds[1]))
    assert value == pytest.approx(distance(*clouds), rel=1e-6)


def test_engine_is_the_reference_but_for_what_is_cut(clouds, monkeypatch):
    expected, expected_gradient = reference.wasserstein_loss(clouds[0], *statistics(clouds[1]))
    value, gradient = of_the_engine(*clouds)
    assert value == pytest.approx(expected, abs=0.02)  # of what the style itself would give
    monkeypatch.setattr(losses, "_KEPT", 1.0)
    monkeypatch.setattr(losses, "SMOOTH", 1e-6)
    value, gradient = of_the_engine(*clouds)
    assert value == pytest.approx(expected, rel=1e-3)
    assert off(gradient, expected_gradient) < 1e-2


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 5), (9, 10)])
def test_from_the_features_themselves(size, rng, monkeypatch):
    """With 24 channels: fewer positions than that, or more; from their moments it is the same."""
    monkeypatch.setattr(losses, "_KEPT", 1.0)
    F, T = (rng.random((*each, 24)) ** 2 for each in (size, (7, 8)))
    rows = F.reshape(-1, 24)
    mt, St = statistics(T)
    target = losses.gaussian(mt, St + np.outer(mt, mt))
    value, gradient = losses.wasserstein_loss_of_few(rows.astype(np.float32), target)
    by_moments, gradient_by_moments = of_the_engine(F, T)
    assert value == pytest.approx(by_moments, rel=1e-3)
    assert off(gradient, gradient_by_moments.reshape(-1, 24)) < 5e-3
    root = scipy.linalg.sqrtm(St)

    def expected(rows):
        m = rows.mean(axis=0)
        values = scipy.linalg.svdvals((rows - m) @ root) / np.sqrt(len(rows))
        squared = np.sum((m - mt) ** 2) + rows.var(axis=0).sum() + np.trace(St) - 2 * values.sum()
        return squared / (mt @ mt + np.trace(St))

    assert value == pytest.approx(expected(rows), rel=1e-3)
    step = 1e-4 * gradient / np.linalg.norm(gradient)
    difference = expected(rows + step) - expected(rows - step)
    assert difference / 2e-4 == pytest.approx(np.linalg.norm(gradient), rel=1e-3)


def test_nothing_is_left_where_features_are_the_styles(clouds):
    value, _ = of_the_engine(clouds[1], clouds[1])
    assert value < 0.01 < of_the_engine(*clouds)[0]


@pytest.fixture
def scene(tiny_vgg, clear_image, random_image):
    network = Network(VGG(tiny_vgg(pooling="average"), sha256="random"))
    arguments = {
        "content": random_image(17, 22, 1),
        "styles": [random_image(24, 20, 2) ** 2, random_image(20, 31, 3)],
        "content_layers": {"relu2_1": 1.0},
        "style_layers": {"relu1_1": 1.0, "pool1": 2.0, "relu2_1": 5.0},
        "loss": "wasserstein",
    }
    return network, clear_image(network.vgg, 17, 22), arguments


@pytest.mark.parametrize("masked", [False, True])
def test_gradient_by_finite_differences(masked, scene):
    """Along the gradient, where the difference is far above the rounding of float32."""
    network, image, arguments = scene
    if masked:
        ramp = np.tile(np.linspace(0.1, 1, 22, dtype=np.float32), (17, 1))
        parts = [Region("left", 1 - 0.9 * ramp, 0, None), Region("right", ramp, 1, None)]
        arguments["regions"] = parts
    objective = ms.Objective(network, **arguments, tv_weight=0.1)
    _, gradient = objective(image)
    direction = gradient / np.linalg.norm(gradient)
    step = 1e-2
    ahead, behind = (objective(image + sign * step * direction)[0] for sign in (1, -1))
    assert (ahead - behind) / (2 * step) == pytest.approx(np.linalg.norm(gradient), rel=1e-2)


def test_the_same_bits_whatever_the_blas_does(scene):
    network, image, arguments = scene
    results = []
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            results.append(ms.Objective(network, **arguments)(image))
    assert results[0][0] == results[1][0]
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_defaults_paint(network, content_file, style_file):
    result = ms.stylize(content_file, style_file, size=64, iterations=12, weights=network)
    first, last = result.report["scales"]
    assert last["loss"] < first["history"][0] / 2
    assert last["terms"]["content"] < 1


def test_values_that_are_not_finite():
    """They are an error where a run begins, and a loss that is not finite on its way."""
    mean, second = np.ones(4, np.float32), 2 * np.eye(4, dtype=np.float32)
    target = losses.gaussian(mean, second + 1)
    for bad in (np.inf, np.nan):
        broken = second.copy()
        broken[1, 1] = bad
        assert np.isnan(losses.wasserstein_loss(mean, broken, target, 9)[0])
        assert np.isnan(losses.wasserstein_loss_of_few(broken, target)[0])
        with pytest.raises(ms.WeightsError, match="too large"):
            losses.gaussian(mean, broken)


def test_objective_is_the_references(scene, monkeypatch):
    """The default loss of a run, with all of the covariance."""
    monkeypatch.setattr(losses, "_KEPT", 1.0)
    monkeypatch.setattr(losses, "SMOOTH", 1e-6)
    network, image, arguments = scene
    arguments |= {"styles": arguments["styles"][:1], "style_layers": {"relu1_1": 1.0, "pool1": 3.0}}
    weights = {"content_weight": 1.0, "style_weight": 7.5, "tv_weight": 8.0}
    loss, gradient = ms.Objective(network, **arguments, **weights)(image)
    layers = network.vgg.layers
    style, _ = reference.forward(layers, arguments["styles"][0], arguments["style_layers"])
    expected, expected_gradient = reference.objective(
        layers,
        image,
        reference.forward(layers, arguments["content"], ["relu2_1"])[0],
        {name: statistics(F) for name, F in style.items()},
        content_weights={"relu2_1": 1.0},
        style_weights={"relu1_1": 0.25, "pool1": 0.75},
        alpha=1.0,
        beta=7.5,
        gamma=8.0,
    )
    assert loss == pytest.approx(expected, rel=1e-3)
    assert off(gradient, expected_gradient) < 1e-2
