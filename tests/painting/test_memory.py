"""Memory is what the buffers really take."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import minimalstyle as ms
from minimalstyle.engine import tiles
from minimalstyle.engine.taps import make_tap
from minimalstyle.network.layers import VGG, Conv
from minimalstyle.network.network import Network, Pass
from minimalstyle.painting import memory, schedule
from minimalstyle.pictures import images


@contextmanager
def traced() -> Iterator[Callable[[], tuple[int, int]]]:
    """Bytes that are allocated now, and at most, since the beginning."""
    tracemalloc.start()
    try:
        yield tracemalloc.get_traced_memory
    finally:
        tracemalloc.stop()


@pytest.fixture(params=["narrow", "wide"])
def convolutions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "WIDE", 0 if request.param == "wide" else 1 << 40)


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize(
    ("blocks", "taps"),
    [
        (((16, 32), (32, 32), (32,)), ["relu1_1", "relu2_2"]),
        (((16, 32), (32, 32), (32,)), ["relu2_1", "relu3_1"]),
        (((16, 32), (32, 32), (32,)), ["relu1_1", "pool1", "relu3_1"]),
        (((16,), (32,), (32,)), ["relu3_1"]),
        (((16, 16),), ["relu1_2"]),
        (((16,), (32,)), ["pool2"]),
    ],
)
@pytest.mark.usefixtures("convolutions")
def test_the_memory_of_a_pass(
    pooled_vgg: Callable[..., VGG],
    random_image: Callable[..., Any],
    blocks: tuple[tuple[int, ...], ...],
    taps: list[str],
    pooling: str,
) -> None:
    network = Network(pooled_vgg(blocks, pooling), threads=2)
    image = random_image(150, 201)

    def evaluate(run: Pass, image: Any) -> None:
        features = run.forward(image)
        run.backward({name: make_tap(np.eye(f.channels)) for name, f in features.items()})

    evaluate(network.at(16, 16, taps), image[:16, :16])  # the filters are there now
    with traced() as allocated:
        run = network.at(150, 201, taps)
        evaluate(run, image)
        used, _ = allocated()
    assert run.memory(backward=True) == pytest.approx(used, rel=0.02)


@pytest.mark.parametrize("taps", [["relu1_1", "relu2_1"], ["relu3_2"]])
def test_the_memory_of_the_filters(pooled_vgg: Callable[..., VGG], taps: list[str]) -> None:
    network = Network(pooled_vgg(((16, 40), (40, 24), (24, 64))), threads=1)
    run = network.at(16, 16, taps)
    run.forward(np.zeros((16, 16, 3)))
    run.backward({name: make_tap() for name in taps})
    stages = range(1, len(network.stages))
    made = {(i, way): network.filters(i, backward=way) for i in stages for way in (False, True)}
    deepest = 2 if "relu3_2" not in taps else len(network.stages) - 1
    expected = sum(one.data.nbytes for (i, _), one in made.items() if i <= deepest)
    assert run.filter_bytes == expected


LAYERS = {"content_layers": {"relu2_2": 1.0}, "style_layers": {"relu1_1": 1.0, "relu3_1": 1.0}}


@pytest.mark.parametrize(
    ("sizes", "styles", "settings"),
    [
        ([(160, 120)], [(160, 160)], {}),
        ([(320, 200)], [(320, 320)], {"border": "reflect"}),
        ([(193, 121), (386, 242)], [(386, 300)], {"pooling": "max"}),
        ([(100, 140)], [(420, 300)], {}),
        ([(100, 140)], [(420, 300), (300, 420)], {}),
        ([(160, 120)], [], {"style_weight": 0.0, "init": "noise"}),
        ([(160, 120)], [(320, 200)], {"content_weight": 0.0, "border": "wrap"}),
        ([(320, 200)], [(320, 320)], {"masked": True}),
    ],
)
def test_the_memory_of_a_run(
    pooled_vgg: Callable[..., VGG],
    random_image: Callable[..., Any],
    sizes: list[images.Size],
    styles: list[images.Size],
    settings: dict[str, Any],
) -> None:
    """What Python's own book-keeping has seen at most, of a network that is nearly nothing."""
    network = Network(pooled_vgg(((16, 16), (16, 16), (16,))), threads=2)
    width, height = sizes[-1]
    pictures = [random_image(h, w).astype(np.float32) for w, h in styles]
    content = random_image(height, width).astype(np.float32)
    factors = tuple(max(style) / max(width, height) for style in styles)
    masked = "masked" in settings
    settings = {name: value for name, value in settings.items() if name != "masked"}
    given = {**LAYERS, "size": max(width, height), "scales": len(sizes), **settings}
    given |= {"style_scale": factors or 1.0}
    masks = [np.round(content)[..., :1].repeat(3, axis=2)] if masked else []
    arguments: dict[str, Any] = {"content_mask": masks, "weights": network, **given}
    ms.stylize(content, pictures, **arguments, iterations=1)  # compiled and imported
    network._filters.clear()
    with traced() as allocated:
        ms.stylize(content, pictures, **arguments, iterations=8)
        _, used = allocated()
    loaded = sum(picture[..., 0].size for picture in (content, *pictures, *masks))
    chosen = ms.Settings(**given)
    needed = memory.memory_needed(
        network, sizes, styles, chosen, loaded_pixels=loaded, masked=masked
    )
    weights = sum(layer.weight.nbytes for layer in network.vgg.layers if isinstance(layer, Conv))
    assert 0.95 * used < needed - memory.BASE - weights < 1.2 * used


def test_more_of_anything_takes_more_memory(network: Network) -> None:
    def needed(width: int, height: int, *styles: images.Size, **others: Any) -> int:
        given = {name: others.pop(name) for name in ("border", "style_scale") if name in others}
        settings = ms.Settings(**given)
        sizes = [(width // 2, height // 2), (width, height)]
        return memory.memory_needed(network, sizes, styles, settings, **others)

    sides = [64, 72, 128, 200, 201, 512]
    by_size = [needed(side, side, (64, 64)) for side in sides]
    assert by_size == sorted(set(by_size))
    by_style = [needed(64, 64, (64, 64), style_scale=factor) for factor in (2.0, 3.0, 8.0)]
    assert by_style == sorted(set(by_style))
    plain = needed(256, 200, (256, 256))
    assert plain < needed(256, 200, (256, 256), border="reflect")
    assert plain < needed(256, 200, (256, 256), masked=True)
    assert plain + 12_000 == needed(256, 200, (256, 256), loaded_pixels=1000)
    one = needed(256, 200, (90, 90), style_scale=3.5)
    assert one < needed(256, 200, (90, 90), (90, 90), style_scale=3.5)


def test_the_largest_size_that_fits(pooled_vgg: Callable[..., VGG]) -> None:
    network = Network(pooled_vgg(((16, 16), (16, 16), (16,))), threads=1)
    content, styles = (600, 400), [(300, 400)]
    settings = ms.Settings(style_scale=2.0, **LAYERS)

    def needed(longer: int) -> int:
        sizes = [images.fit(*content, side) for side in (longer // 2, longer)]
        style_sizes = [images.fit(*styles[0], 2 * longer)]
        pixels = 600 * 400 + 300 * 400
        return memory.memory_needed(network, sizes, style_sizes, settings, loaded_pixels=pixels)

    def largest(available: int) -> int:
        return memory.largest_size(network, content, styles, available, settings)

    for available in (300 * 10**6, 700 * 10**6):
        size = largest(available)
        assert size % 8 == 0
        assert needed(size) <= available < needed(size + 8)
    assert largest(needed(64)) == 64
    assert largest(needed(64) - 1) == 56
    assert largest(10**6) == 0


@pytest.mark.parametrize("bound", [None, 10**10])
def test_a_picture_that_fits_nowhere_is_counted(network: Network, bound: int | None) -> None:
    """Without taking the memory, nor even addresses for it."""
    small, large = ([(n, n), (2 * n, 2 * n)] for n in (5000, 10_000))
    with traced() as allocated:
        needed = [
            memory.memory_needed(network, sizes, sizes, bound=bound) for sizes in (small, large)
        ]
        assert allocated()[1] < 2 * 10**7
    assert memory.memory_needed(network, large, large) > 10**11
    assert needed[1] - memory.BASE == pytest.approx(4 * (needed[0] - memory.BASE), rel=0.03)


def test_a_bound_may_be_anything(network: Network) -> None:
    """Above 1024 pixels the optimiser takes less: a larger size fits where some smaller do not."""
    content, styles = (400, 300), [(300, 300)]
    for available in (8 * 10**8, 12 * 10**8):
        size = memory.largest_size(network, content, styles, available, in_bands=True)
        assert size > memory.largest_size(network, content, styles, available)
        assert size > 1024
        sizes = [images.fit(*content, side) for side in (96, size // 2, size)]
        loaded = 400 * 300 + 300 * 300
        needed = memory.memory_needed(
            network, sizes, [(size, size)], loaded_pixels=loaded, bound=available
        )
        assert 0.9 * available < needed <= available


def test_a_bound_is_kept(network: Network) -> None:
    """Down to the least that works, what a run takes is within the bound."""
    sizes, styles = [(300, 225), (600, 450), (1200, 900)], [(1200, 900)]
    whole = memory.memory_needed(network, sizes, styles)
    assert memory.memory_needed(network, sizes, styles, bound=whole) == whole
    least = memory.memory_needed(network, sizes, styles, bound=0)
    assert least < 0.6 * whole
    for bound in (whole - 1, (whole + least) // 2, least):
        assert memory.memory_needed(network, sizes, styles, bound=bound) <= bound


@pytest.mark.parametrize("border", ["zero", "reflect", "wrap"])
def test_the_memory_of_a_large_run(
    pooled_vgg: Callable[..., VGG],
    random_image: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    border: str,
) -> None:
    """In bands and with corrections in half precision, by Python's own book-keeping."""
    monkeypatch.setattr(schedule, "_PRINT", 200)
    network = Network(pooled_vgg(((16, 16), (16, 16), (16,))), threads=2)
    width, height = sizes = (640, 480)
    content, style = (random_image(h, w).astype(np.float32) for h, w in ((480, 640), (400, 640)))
    given: dict[str, Any] = {**LAYERS, "size": 640, "scales": 1, "border": border}
    loaded = width * height + 640 * 400
    styles = [images.Size(640, 400)]
    least = memory.memory_needed(
        network, [sizes], styles, ms.Settings(**given), loaded_pixels=loaded, bound=0
    )
    given["memory"] = least + 10**7
    ms.stylize(content, style, weights=network, **given, iterations=1)
    network._filters.clear()
    with traced() as allocated:
        ms.stylize(content, style, weights=network, **given, iterations=20)
        _, used = allocated()
    weights = sum(layer.weight.nbytes for layer in network.vgg.layers if isinstance(layer, Conv))
    counted = given["memory"] - memory.BASE - weights
    assert 0.7 * counted < used < counted
