"""The engine against `reference`, SciPy and NumPy, at every kind of size, depth and tap."""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
import scipy.signal
from conftest import off

from minimalstyle import reference
from minimalstyle.engine import maps, simd, tiles, winograd
from minimalstyle.engine import threads as threads_module
from minimalstyle.engine.jit import kernel
from minimalstyle.engine.product import COLUMNS, ROWS
from minimalstyle.engine.simd import LANES, load, store
from minimalstyle.engine.taps import make_tap, moments, squared_distance
from minimalstyle.engine.threads import Threads
from minimalstyle.engine.variation import total_variation
from minimalstyle.network.layers import VGG, Conv, Pool, Relu
from minimalstyle.network.network import Network

FEATURES, GRADIENT = 1e-5, 1e-4  # largest errors, rms relative to the reference

SIZES = [
    (16, 16), (17, 16), (16, 19), (23, 31), (33, 18), (34, 35), (41, 37), (64, 50), (67, 61),
    (16, 301), (257, 16),
]  # fmt: skip
CHAINS = {
    "vgg": {"blocks": ((4, 6), (5,), (7, 3))},
    "vgg11": {"blocks": ((5,), (7,), (6, 9), (8,))},
    "narrow": {"blocks": ((5, 7), (1, 2))},
    "ones": {"blocks": ((5, 7, 6), (8, 4)), "ones": ("conv1_2", "conv2_1", "conv2_2")},
}
WIDE = {
    "64": {"blocks": ((64, 64), (72,), (130, 33))},
    "256": {"blocks": ((16,), (256, 200))},
    "deep": {"blocks": ((8,), (16, 16), (32,), (48, 48), (64,))},
    "ones": {"blocks": ((64, 96), (80,)), "ones": ("conv1_2", "conv2_1")},
}


def random_taps(names, network, features, targets, rng):
    """A random affine gradient F S + b + w (F - P) at each tap, P being its target.

    At every other tap in some rows only. For the engine, and as a function of F and P for the
    reference.
    """
    taps, formulas = {}, {}
    for number, name in enumerate(names):
        f, channels = features[name], network.channels[name]
        S = np.zeros((f.channels, f.channels), np.float32)
        b = np.zeros(f.channels, np.float32)
        w = 0.0
        what = rng.integers(1, 4) if number else 3  # first the S and b, then w, then all of them
        if what & 1:
            S[:channels, :channels] = rng.standard_normal((channels, channels)) / channels
            b[:channels] = rng.standard_normal(channels)
        if what & 2:
            w = 0.7
        matrix = (S, b) if what & 1 else (None, None)
        rows = (f.height // 3, -(-2 * f.height // 3)) if number % 2 else (0, f.height)
        taps[name] = make_tap(*matrix, targets[name], w, rows=rows)
        S, b = S[:channels, :channels].astype(np.float64), b[:channels].astype(np.float64)
        counts = np.zeros((f.height, 1, 1))
        counts[slice(*rows)] = 1
        formulas[name] = lambda F, P, S=S, b=b, w=w, counts=counts: (
            counts * (F @ S + b + w * (F - P))
        )
    return taps, formulas


def errors(vgg, image, other, names, rng, **options):
    """Error of the worst features, and of the image's gradient from random ones at the taps."""
    network = Network(vgg, **options)
    expected, tape = reference.forward(vgg.layers, image, names)
    P, _ = reference.forward(vgg.layers, other, names)
    seen = network.features(image, names)
    pass_ = network.at(*image.shape[:2], names)
    features = pass_.forward(image)
    assert set(features) == set(seen) == set(names)
    targets = network.at(*image.shape[:2], names).forward(other)
    taps, formulas = random_taps(names, network, features, targets, rng)
    gradient = pass_.backward(taps)
    assert gradient.shape == image.shape
    by_taps = {name: formula(expected[name], P[name]) for name, formula in formulas.items()}
    expected_gradient = reference.backward(vgg.layers, tape, by_taps)
    return (
        max(off(seen[name], expected[name]) for name in names),
        off(gradient, expected_gradient),
    )


def check(vgg, image, other, names, rng, **options):
    of_features, of_gradient = errors(vgg, image, other, names, rng, **options)
    assert of_features < FEATURES, names
    assert of_gradient < GRADIENT, names


@pytest.fixture(params=["narrow", "wide F(4x4)", "wide F(6x6)"])
def way(request, monkeypatch):
    """Each way of a convolution, whatever the number of filters, and in small groups of tiles."""
    wide, tile = request.param != "narrow", 4 if "4" in request.param else 6
    monkeypatch.setattr(tiles, "WIDE", 0 if wide else 1 << 40)
    monkeypatch.setattr(tiles, "wide_tile", lambda height, width: tile)
    monkeypatch.setattr(tiles, "_WIDE_GROUP", {4: 24, 6: 16})
    return wide, tile


@pytest.fixture
def draw(pooled_vgg, clear_image, random_image):
    """`draw(size, pooling, blocks, ones=())` -> network, an image, another image for targets."""

    def make(size, pooling, blocks, ones=()):
        vgg = pooled_vgg(blocks, pooling, ones)
        return vgg, clear_image(vgg, *size), random_image(*size)

    return make


def tappable(vgg):
    return [layer.name for layer in vgg.layers if not isinstance(layer, Conv)]


# --- Features and gradient against the reference -------------------------------------------------


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
@pytest.mark.usefixtures("way")
def test_sizes(size, chain, pooling, draw, rng):
    vgg, image, other = draw(size, pooling, **CHAINS[chain])
    names = tappable(vgg)
    for chosen in (names[:-1:2], names[1::2]):  # relu1_1 among the first, the last pool in one
        check(vgg, image, other, chosen, rng)


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("chain", WIDE)
@pytest.mark.parametrize("size", [(16, 16), (18, 21), (33, 17)])
@pytest.mark.usefixtures("way")
def test_many_channels(size, chain, pooling, draw, rng):
    vgg, image, other = draw(size, pooling, **WIDE[chain])
    names = [name for name in tappable(vgg) if name != "pool5"]  # nothing is left of 16 pixels
    check(vgg, image, other, names[::-2], rng)


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("blocks", [((4, 6), (5,), (7,)), ((3,), (4, 5, 6))])
@pytest.mark.usefixtures("way")
def test_every_combination_of_taps(blocks, pooling, draw, rng):
    """Also a pool as the deepest, taps on both sides of a pool, and the first layer alone."""
    vgg, image, other = draw((19, 22), pooling, blocks)
    names = tappable(vgg)
    for count in range(1, len(names) + 1):
        for chosen in itertools.combinations(names, count):
            check(vgg, image, other, chosen, rng)


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_pooling_of_the_network_overrides_that_of_the_file(pooling, pooled_vgg, random_image):
    blocks = ((4, 6), (5,))
    vgg = pooled_vgg(blocks, pooling)
    other = "average" if pooling == "max" else "max"
    image, names = random_image(21, 18), tappable(vgg)
    seen = Network(pooled_vgg(blocks, other), pooling=pooling).features(image, names)
    expected = Network(vgg).features(image, names)
    for name in names:
        np.testing.assert_array_equal(seen[name], expected[name])


def test_features_up_to_some_depth(pooled_vgg, random_image):
    """Those above are the same, and nothing deeper is computed."""
    network = Network(pooled_vgg(((4, 6), (5,), (7,))))
    names = ["relu1_1", "pool1", "relu3_1"]
    pass_ = network.at(19, 22, names)
    images = [random_image(19, 22, seed) for seed in (1, 2)]
    deep = maps.inside(pass_.forward(images[0])["relu3_1"]).copy()
    found = pass_.forward(images[1], ["pool1"])
    assert list(found) == ["pool1"]
    shallow = maps.inside(found["pool1"])[..., :6]
    np.testing.assert_array_equal(shallow, network.features(images[1], "pool1")["pool1"])
    np.testing.assert_array_equal(maps.inside(pass_._features["relu3_1"]), deep)


def test_a_pass_can_be_used_again(pooled_vgg, random_image):
    """Nothing of one evaluation may leak into the next; a backward pass destroys features."""
    vgg = pooled_vgg(((4, 6), (5,), (7,)))
    names = ["relu1_1", "pool1", "relu3_1"]
    pass_ = Network(vgg).at(19, 22, names)

    def gradient(seed):
        features = pass_.forward(random_image(19, 22, seed))
        identity = {
            name: make_tap(np.eye(f.channels, dtype=np.float32)) for name, f in features.items()
        }
        return pass_.backward(identity)

    first, second, again = gradient(1), gradient(2), gradient(1)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, again)


# --- Convolution against SciPy ------------------------------------------------------------------


def convolve_relu(x, layer):
    edge = layer.weight.shape[0] // 2
    padded = np.pad(x, ((edge, edge), (edge, edge), (0, 0)))
    y = [
        scipy.signal.correlate(padded, layer.weight[..., o].astype(np.float64), "valid")[..., 0]
        for o in range(layer.weight.shape[3])
    ]
    return np.maximum(np.stack(y, axis=-1) + layer.bias, 0)


def first_features(layers, image):
    """relu1_1 with the pixels at the edge once more beyond it."""
    preprocess, convolution = layers[:2]
    x = image @ preprocess.weight[0, 0].astype(np.float64) + preprocess.bias
    x = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode="edge")
    return convolve_relu(x, convolution)[1:-1, 1:-1]


@pytest.mark.parametrize("size", [(16, 16), (17, 40), (35, 19)])
def test_replicated_edge(size, pooled_vgg, random_image, rng):
    """Forward as SciPy has it; backward its transpose, by differences along random directions."""
    vgg = pooled_vgg(((5, 4),))
    pass_ = Network(vgg).at(*size, ["relu1_1"], replicate=True)
    image = random_image(*size)
    f = pass_.forward(image)["relu1_1"]
    expected = first_features(vgg.layers, image)
    assert off(maps.inside(f)[..., :5], expected) < 1e-5

    weight = np.zeros((f.channels, f.channels), np.float32)
    weight[:5, :5] = rng.standard_normal((5, 5))
    gradient = pass_.backward({"relu1_1": make_tap(weight)})
    loss_gradient = expected @ weight[:5, :5]
    for _ in range(3):
        step = 1e-6 * rng.standard_normal(image.shape)
        ahead, behind = (first_features(vgg.layers, image + sign * step) for sign in (1, -1))
        difference = np.vdot(loss_gradient, ahead - behind) / 2
        assert np.vdot(gradient, step) == pytest.approx(difference, rel=1e-4)


@pytest.mark.parametrize("size", [(16, 16), (17, 22), (35, 19)])
@pytest.mark.parametrize("ones", [(), ("conv1_2",)])
@pytest.mark.parametrize("widths", [(1, 1, 1), (5, 7, 3), (64, 65, 8)])
@pytest.mark.usefixtures("way")
def test_convolution_is_scipys_correlation(widths, ones, size, pooled_vgg, random_image):
    vgg = pooled_vgg((widths,), ones=ones)
    preprocess, *convolutions = (layer for layer in vgg.layers if isinstance(layer, Conv))
    image = random_image(*size)
    x = image @ preprocess.weight[0, 0].astype(np.float64) + preprocess.bias
    names = ["relu1_1", "relu1_2", "relu1_3"]
    seen = Network(vgg).features(image, names)
    for name, layer in zip(names, convolutions, strict=True):
        x = convolve_relu(x, layer)
        assert seen[name].dtype == np.float32
        assert off(seen[name], x) < FEATURES


def published(tile):
    """A^T, G and B^T of Lavin and Gray 2016, "Fast algorithms for convolutional neural networks".

    Those of F(6x6, 3x3) are from the program that they published with it, wincnn.
    """
    if tile == 4:
        A_T = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
        G = [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]
        B_T = [
            [4, 0, -5, 0, 1, 0],
            [0, -4, -4, 1, 1, 0],
            [0, 4, -4, -1, 1, 0],
            [0, -2, -1, 2, 1, 0],
            [0, 2, -1, -2, 1, 0],
            [0, 4, 0, -5, 0, 1],
        ]
        return np.array(A_T), np.array(G) / 24, np.array(B_T)
    points = [0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5]
    A_T = [[*(x**i for x in points), float(i == 5)] for i in range(6)]
    G = [
        [90, 0, 0],
        [-20, -20, -20],
        [-20, 20, -20],
        [1, 2, 4],
        [1, -2, 4],
        [64, 32, 16],
        [64, -32, 16],
        [0, 0, 90],
    ]
    B_T = [
        [4, 0, -21, 0, 21, 0, -4, 0],
        [0, 4, 4, -17, -17, 4, 4, 0],
        [0, -4, 4, 17, -17, -4, 4, 0],
        [0, 2, 1, -10, -5, 8, 4, 0],
        [0, -2, 1, 10, -5, -8, 4, 0],
        [0, 8, 16, -10, -20, 2, 4, 0],
        [0, -8, 16, 10, -20, -2, 4, 0],
        [0, -4, 0, 21, 0, -21, 0, 4],
    ]
    return np.array(A_T), np.array(G) / 90, np.array(B_T) / 4


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("ones", [(), ("conv1_2",)])
def test_winograd_filters_are_the_published_ones(ones, backward, way, pooled_vgg, rng):
    wide, tile = way
    A_T, G, B_T = published(tile)
    side = tile + 2
    vgg = pooled_vgg(((40, 50),), ones=ones)
    filters = Network(vgg).filters(1, backward=backward)
    weight = next(layer.weight for layer in vgg.layers if layer.name == "conv1_2")
    if ones:
        weight = np.pad(weight, ((1, 1), (1, 1), (0, 0), (0, 0)))
    if backward:
        weight = weight[::-1, ::-1].swapaxes(2, 3)
    inputs, outputs = weight.shape[2:]
    data = transformed(filters, tile) if wide else filters.data
    panels = data.reshape(side, side, -1, filters.inputs, COLUMNS)
    seen = panels.swapaxes(2, 3).reshape(side, side, filters.inputs, -1)
    expected = np.einsum("ai,bj,ijco->abco", G, G, weight)
    assert off(seen[:, :, :inputs, :outputs], expected) < 1e-6
    assert not seen[:, :, inputs:].any()
    assert not seen[:, :, :, outputs:].any()
    # With these filters, A^T [U * (B^T d B)] A is the direct correlation of a tile.
    d = rng.standard_normal((side, side, inputs))
    V = np.einsum("ai,bj,ijc->abc", B_T, B_T, d)
    M = np.einsum("abco,abc->abo", seen[:, :, :inputs, :outputs], V)
    outcome = np.einsum("ai,bj,ijo->abo", A_T, A_T, M)
    direct = reference.convolve(d, weight, 0.0)[1:-1, 1:-1]
    assert off(outcome, direct) < FEATURES


@kernel
def transform_panel(panel, filters, tile, u):
    plane = filters.inputs * filters.outputs
    for row in range(tile + 2):
        at = (row * (tile + 2) * filters.outputs + panel * COLUMNS) * filters.inputs
        to = simd.address(u, at)
        winograd._transform_filters(filters, panel, 0, filters.inputs, tile, row, 1, to, plane)


def transformed(filters, tile):
    u = maps.aligned((tile + 2) ** 2 * filters.inputs * filters.outputs)
    for panel in range(filters.outputs // COLUMNS):
        transform_panel(panel, filters, tile, u)
    return u


def test_wide_tiles_are_those_that_multiply_less():
    """36 multiplications for a tile of 16 pixels, or 64 for one of 36; and few filters to make."""
    sides = [16, 32, 64, 66, 128]
    chosen = [tiles.tiling(side, side, 512, 512, 2).tile for side in sides]
    assert chosen == [4, 4, 6, 6, 6]
    assert [tiles.is_wide(*c) for c in ((64, 64), (128, 256), (256, 256))] == [False, False, True]


@pytest.mark.parametrize("threads", [1, 2, 3, 17, 40])
@pytest.mark.parametrize("size", [(1, 1), (9, 11), (64, 64), (61, 200)])
@pytest.mark.parametrize("channels", [(32, 32), (64, 128), (256, 256), (512, 256)])
def test_every_tile_is_in_one_block_of_one_group(channels, size, threads):
    tiling = tiles.tiling(*size, *channels, threads)
    assert tiling.block % ROWS == 0
    assert tiling.group % tiling.block == 0
    assert tiling.tiles == -(-size[0] // tiling.tile) * tiling.columns
    assert tiling.columns == -(-size[1] // tiling.tile)
    if tiling.wide:
        assert min(channels) // COLUMNS * (tiling.group // tiling.block) >= threads


# --- Pooling: which pixel gets the gradient ------------------------------------------------------


def identity_vgg(convolutions, pooling):
    """Layers that change nothing, and a pool: what comes out depends on the pooling alone."""
    layers = [Conv("preprocess", np.eye(3, dtype=np.float32)[None, None], np.zeros(3, np.float32))]
    weight = np.zeros((3, 3, 3, 3), np.float32)
    weight[1, 1] = np.eye(3)
    for number in range(1, convolutions + 1):
        layers += [Conv(f"conv1_{number}", weight, np.zeros(3, np.float32))]
        layers += [Relu(f"relu1_{number}")]
    return VGG((*layers, Pool("pool1", pooling)), sha256="identity")


def share_of_each_pixel(windows, convolutions, pooling, names=("pool1",)):
    """Gradient of the sum over all pooled values, for an image of 8 x 9 equal windows a channel."""
    image = np.tile(np.reshape(windows, (3, 2, 2)).transpose(1, 2, 0), (8, 9, 1))
    pass_ = Network(identity_vgg(convolutions, pooling)).at(*image.shape[:2], names)
    channels = pass_.forward(image)["pool1"].channels
    ones = make_tap(np.zeros((channels, channels), np.float32), np.ones(channels, np.float32))
    gradient = pass_.backward({"pool1": ones})
    # Each window got the same.
    np.testing.assert_allclose(gradient, np.tile(gradient[:2, :2], (8, 9, 1)), atol=1e-5)
    return gradient[:2, :2].transpose(2, 0, 1).reshape(3, 4)


ROUTES = [
    pytest.param(1, ("pool1",), id="first-layer"),
    pytest.param(2, ("pool1",), id="fused"),
    pytest.param(2, ("pool1", "relu1_2"), id="kept"),
]


@pytest.mark.parametrize(("convolutions", "names"), ROUTES)
@pytest.mark.parametrize(
    ("margins", "winner"),
    [
        ((0, 0, 0, 0), 0),  # in a tie the first pixel wins
        ((0, 0.5, 0, 0), 0),  # and what is larger by less than the margin is a tie
        ((0, 2, 0, 0), 1),
        ((0, 0, 0.5, 0), 0),
        ((0, 0, 2, 0), 2),
        ((0, 0, 2, 2), 2),
        ((0, 2, 2, 2), 1),
        ((0, 0, 0, 2), 3),
        ((0, 0, 2, 2.5), 2),  # 3 is the largest, but does not beat 2
        ((0, 0.5, 0, 2), 3),
        ((0, 2, 2.5, 0), 1),
    ],
)
def test_ties_go_to_the_earlier_pixel(margins, winner, convolutions, names):
    bases = np.array([[0.25], [0.5], [0.9]])
    windows = bases * (1 + reference.TIE * np.array(margins))
    shares = share_of_each_pixel(windows, convolutions, "max", names)
    np.testing.assert_allclose(shares, np.eye(4)[[winner] * 3], atol=1e-5)


@pytest.mark.parametrize(("convolutions", "names"), ROUTES)
def test_nothing_goes_through_windows_of_zeros(convolutions, names):
    windows = [[0, 0, 0, 0], [0, 0, 0, 0.01], [0.5, 0, 0.2, 0]]
    shares = share_of_each_pixel(windows, convolutions, "max", names)
    np.testing.assert_allclose(shares, [[0] * 4, [0, 0, 0, 1], [1, 0, 0, 0]], atol=1e-5)


@pytest.mark.parametrize(("convolutions", "names"), ROUTES)
def test_mean_goes_to_all_that_are_positive(convolutions, names):
    windows = [[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.5, 0.5], [1, 0.9, 0.8, 0.7]]
    shares = share_of_each_pixel(windows, convolutions, "average", names)
    np.testing.assert_allclose(shares, np.full((3, 4), 0.25), atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_saturated_areas(seed, pooled_vgg, random_image):
    """Squares of black and white, so ties everywhere: the Winograd transforms round them apart.

    Without the margin the gradient would be off by a quarter. What is left comes from values so
    near zero that the rounding of their larger neighbours exceeds the margin.
    """
    vgg = pooled_vgg(((8, 8), (12, 12), (16,)))
    rng = np.random.default_rng(seed)
    image = np.kron(rng.integers(0, 2, (5, 6, 3)), np.ones((11, 9, 1)))
    names = ["relu1_2", "pool2", "relu3_1"]
    of_features, of_gradient = errors(vgg, image, random_image(*image.shape[:2]), names, rng)
    assert of_features < FEATURES
    assert of_gradient < 0.03


# --- What losses need ---------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 5, 33, 64, 130, 512])
@pytest.mark.parametrize("size", [(16, 16), (17, 23), (16, 101)])
def test_moments(size, channels, pooled_vgg, random_image):
    network = Network(pooled_vgg(((channels,),)))
    image = random_image(*size)
    for name, F in network.features(image, ["relu1_1", "pool1"]).items():
        f = network.at(*size, [name]).forward(image)[name]
        mean, second = moments(f, network.threads)
        rows = F.reshape(-1, channels).astype(np.float64)
        assert off(mean[:channels], rows.mean(axis=0)) < 1e-6
        assert off(second[:channels, :channels], rows.T @ rows / len(rows)) < 1e-6
        np.testing.assert_array_equal(second, second.T)
        assert not mean[channels:].any()
        assert not second[channels:].any()


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (67, 101)])
def test_squared_distance(size, pooled_vgg, random_image):
    network = Network(pooled_vgg(((40,),)))
    f, p = (network.at(*size, ["relu1_1"]).forward(random_image(*size, seed)) for seed in (1, 2))
    f, p = f["relu1_1"], p["relu1_1"]
    difference = maps.inside(f).astype(np.float64) - maps.inside(p)
    distance = squared_distance(f, p, network.threads)
    assert distance == pytest.approx(np.sum(difference**2), rel=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (16, 17), (33, 50), (67, 16)])
def test_total_variation(size, random_image, rng):
    image = random_image(*size).astype(np.float32)
    before = rng.standard_normal(image.shape).astype(np.float32)
    gradient = before.copy()
    value = total_variation(image, 2.5, gradient, Threads(2))
    expected, expected_gradient = reference.total_variation(image.astype(np.float64))
    assert value == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(gradient - before, 2.5 * expected_gradient, atol=1e-6)


# --- The same bits, whoever computes ------------------------------------------------------------


def all_bits(network, image):
    """Everything that the engine computes for an image, as bytes."""
    names = ["relu1_1", "pool1", "relu2_2", "relu3_1"]
    pass_ = network.at(*image.shape[:2], names)
    features = pass_.forward(image)
    found = [maps.inside(f).tobytes() for f in features.values()]
    found += [array.tobytes() for f in features.values() for array in moments(f, network.threads)]
    taps = {name: make_tap(moments(f, network.threads)[1]) for name, f in features.items()}
    gradient = pass_.backward(taps)
    found.append(gradient.tobytes())
    value = total_variation(image, 2.5, gradient, network.threads)
    return b"".join(found), value, gradient.tobytes()


@pytest.fixture
def wide_vgg(pooled_vgg):
    return pooled_vgg(((64,), (72, 40), (65,)))


@pytest.mark.parametrize("size", [(16, 301), (67, 61), (96, 96)])
@pytest.mark.usefixtures("way")
def test_same_bits_for_any_number_of_threads(size, wide_vgg, random_image):
    image = random_image(*size)
    expected = all_bits(Network(wide_vgg, threads=1), image)
    for threads in (1, 2, 3):
        network = Network(wide_vgg, threads=threads)
        for _ in range(3):
            assert all_bits(network, image) == expected


def test_two_python_threads_at_once(wide_vgg, random_image):
    network = Network(wide_vgg, threads=2)
    images = [random_image(67, 61, seed) for seed in (1, 2)]
    expected = [all_bits(network, image) for image in images]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            assert list(pool.map(lambda image: all_bits(network, image), images)) == expected


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("blocks", [0, 1, 2, 7, 100])
def test_each_block_is_run_once(number, blocks):
    seen, scratches = [], [object() for _ in range(number)]

    def kernel(block, argument, scratch):
        assert argument == "argument"
        assert scratch in scratches
        seen.append(block)

    Threads(number).run(kernel, blocks, "argument", scratch=scratches)
    assert sorted(seen) == list(range(blocks))


@pytest.mark.parametrize("number", [1, 2])
def test_an_error_in_a_block_is_raised(number):
    def kernel(block):
        if block == 5:
            raise MemoryError

    with pytest.raises(MemoryError):
        Threads(number).run(kernel, 9)


@pytest.mark.parametrize("number", [1, 2])
def test_work_that_is_watched(number, monkeypatch):
    """The one who watches is asked after each block, may end the work, and others know nothing."""
    monkeypatch.setattr(threads_module, "_PAUSE", 0.0)
    seen = []

    def kernel(block):
        seen.append(block)
        time.sleep(1e-3)  # so that no thread takes all of them

    def stop():
        if len(seen) >= 3:
            raise InterruptedError

    threads = Threads(number)
    with pytest.raises(InterruptedError):
        threads.watched(stop).run(kernel, 300)
    assert len(seen) < 300
    del seen[:]
    threads.run(kernel, 300)
    assert sorted(seen) == list(range(300))


def test_who_watches_is_not_asked_all_the_time(monkeypatch):
    seconds, asked = itertools.count(step=0.04), []
    monkeypatch.setattr(threads_module, "perf_counter", lambda: next(seconds))
    Threads(1).watched(lambda: asked.append(None)).run(lambda block: None, 30)
    assert len(asked) == 10  # each tenth of a second


# --- The vector register ------------------------------------------------------------------------


def accumulate(x, y):
    x += y
    return x


OPERATIONS = {
    "add": (lambda x, y: x + y, np.add),
    "iadd": (accumulate, np.add),
    "subtract": (lambda x, y: x - y, np.subtract),
    "multiply": (lambda x, y: x * y, np.multiply),
    "number plus": (lambda x, y: 1.5 + x, lambda x, y: x + np.float32(1.5)),
    "number times": (lambda x, y: 2.5 * x, lambda x, y: x * np.float32(2.5)),
    "number minus": (lambda x, y: 2.5 - x, lambda x, y: np.float32(2.5) - x),
    "where_greater": (
        lambda x, y: simd.where_greater(x, y, 2.0 * x, y),
        lambda x, y: np.where(x > y, 2 * x, y),
    ),
    "zero": (lambda x, y: simd.zero(), lambda x, y: np.zeros_like(x)),
    "vector": (lambda x, y: simd.vector(0.1), lambda x, y: np.full_like(x, 0.1)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_vector_arithmetic(name, rng):
    operation, expected = OPERATIONS[name]
    operation = numba.njit(operation)

    @numba.njit
    def run(x, y, out):
        for i in range(1, x.size, LANES):  # not aligned
            store(out, i, operation(load(x, i), load(y, i)))

    x, y = rng.standard_normal((2, 3 * LANES + 1)).astype(np.float32)
    y[5:9] = x[5:9]  # equal is not greater
    x[2], y[3], x[4] = np.nan, np.inf, -np.inf
    out = np.full_like(x, -9)
    run(x, y, out)
    assert out[0] == -9
    np.testing.assert_array_equal(out[1:], expected(x, y)[1:].astype(np.float32))


def test_block_of_sums(rng):
    """An outer product added to a block, against numpy, with a gap between rows."""

    @numba.njit
    def run(a, b, c, out, step):
        simd.store_block(out[0], step, simd.zero_block())
        block = simd.load_block(c, step)
        simd.store_block(out[1], step, simd.add_outer_product(block, a, 2, 3, b, 1))

    columns = simd.BLOCK_VECTORS * LANES
    step = columns + 5
    shape = (simd.BLOCK_ROWS, step)
    a, b = (rng.standard_normal(100).astype(np.float32) for _ in range(2))
    c = rng.standard_normal(shape).astype(np.float32)
    out = np.full((2, *shape), -9, np.float32)
    run(a, b, c.ravel(), out.reshape(2, -1), step)
    rows = a[2 : 2 + 3 * simd.BLOCK_ROWS : 3]
    np.testing.assert_array_equal(out[0, :, :columns], 0)
    expected = c[:, :columns] + rows[:, None] * b[None, 1 : 1 + columns]
    np.testing.assert_allclose(out[1, :, :columns], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(out[:, :, columns:], -9)


def test_vector_bytes_and_bits(rng):
    @numba.njit
    def run(codes, values, copy, out):
        for i in range(0, codes.size, LANES):
            bits = simd.load_bytes(codes, i)
            simd.store_bytes(copy, i, bits)
            value = load(values, i)
            store(out[0], i, simd.where_bit(bits, 1, value))
            store(out[1], i, simd.where_bit(bits, 2, value))
            store(out[2], i, simd.where_bit(bits, 4, value))
            store(out[3], i, simd.where_bit(bits, 8, value))

    codes = np.arange(256, dtype=np.uint8)
    values = rng.standard_normal(256).astype(np.float32)
    copy, out = np.zeros_like(codes), np.zeros((4, 256), np.float32)
    run(codes, values, copy, out)
    np.testing.assert_array_equal(copy, codes)
    for bit, row in zip((1, 2, 4, 8), out, strict=True):
        np.testing.assert_array_equal(row, np.where(codes & bit, values, 0))
