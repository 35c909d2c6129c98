"""Memory is what the buffers really take, time is arithmetic on a measurement."""

import argparse
import re
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minimalstyle as ms
from minimalstyle import machine
from minimalstyle.commands.options import bytes_of
from minimalstyle.engine import tiles
from minimalstyle.engine.taps import make_tap
from minimalstyle.engine.threads import available_cores
from minimalstyle.network.layers import VGG, Conv
from minimalstyle.network.network import Network, Pass
from minimalstyle.painting import memory, pace, plan, schedule
from minimalstyle.painting.prepare import prepare
from minimalstyle.pictures import images

PACE = pace.Pace(fixed=0.015, each=1e-6, shallow_fixed=0.006, shallow_each=4e-7)

# ------------------------------------------------------------------------------ memory there is


@pytest.fixture
def system(tmp_path: Path) -> Callable[..., Path]:
    """`system({path: text})` is a folder with these files; GiB in texts are written as {n}."""

    def make(files: dict[str, str]) -> Path:
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return make


GIB = 2**30
MEMINFO = {"proc/meminfo": f"MemTotal: {16 * 2**20} kB\nMemAvailable:   {8 * 2**20} kB\n"}


def v2(group: str, limit: str, usage: int, cache: int = 0) -> dict[str, str]:
    folder = f"sys/fs/cgroup/{group}"
    return {
        f"{folder}/memory.max": f"{limit}\n",
        f"{folder}/memory.current": f"{usage}\n",
        f"{folder}/memory.stat": f"anon 5\ninactive_file {cache}\nactive_file 7\n",
    }


def v1(group: str, limit: int, usage: int, cache: int = 0) -> dict[str, str]:
    folder = f"sys/fs/cgroup/memory/{group}"
    return {
        f"{folder}/memory.limit_in_bytes": f"{limit}\n",
        f"{folder}/memory.usage_in_bytes": f"{usage}\n",
        f"{folder}/memory.stat": f"inactive_file 3\ntotal_inactive_file {cache}\n",
    }


def limited(what: str, limit: str) -> dict[str, str]:
    """A process that has 1 GiB already."""
    return {
        "proc/self/limits": f"Limit Soft Limit Hard Limit Units\nMax {what}  {limit}  unlimited\n",
        "proc/self/status": f"VmSize:\t{2**20} kB\nVmData:\t{2**20} kB\n",
    }


CORES = machine.ADDRESSES * available_cores()
IN_V2 = {"proc/self/cgroup": "0::/user/job\n"}
IN_V1 = {"proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/job\n1:name=systemd:/y\n0::/\n"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        (MEMINFO, 8 * GIB),
        ({"proc/meminfo": "MemTotal: 5 kB\n"}, None),
        ({"proc/meminfo": "\0\nMemAvailable: lots\n"}, None),
        # Version 2.
        (MEMINFO | IN_V2 | v2("user/job", "max", GIB), 8 * GIB),
        (MEMINFO | IN_V2 | v2("user/job", str(3 * GIB), GIB), 2 * GIB),
        (MEMINFO | IN_V2 | v2("user/job", str(3 * GIB), 2 * GIB, GIB), 2 * GIB),
        (IN_V2 | v2("user/job", str(3 * GIB), GIB), 2 * GIB),
        (MEMINFO | IN_V2 | v2("user/job", str(30 * GIB), GIB), 8 * GIB),
        (MEMINFO | IN_V2 | v2("user/job", str(GIB), 2 * GIB), 0),
        # A limit of a group around it, and of one beside it.
        (
            MEMINFO | IN_V2 | v2("user/job", str(5 * GIB), 0) | v2("user", str(4 * GIB), GIB),
            3 * GIB,
        ),
        (MEMINFO | IN_V2 | v2("other", str(GIB), 0), 8 * GIB),
        # A container sees its own limit at the root, and the path of the host.
        (MEMINFO | IN_V2 | v2("", str(2 * GIB), GIB), GIB),
        # Version 1, and both.
        (MEMINFO | IN_V1 | v1("job", 2**63 - 4096, GIB), 8 * GIB),
        (MEMINFO | IN_V1 | v1("job", 3 * GIB, 2 * GIB, GIB), 2 * GIB),
        (MEMINFO | IN_V1 | v1("", 3 * GIB, GIB), 2 * GIB),
        (MEMINFO | IN_V1 | v1("x", GIB, 0) | v1("y", GIB, 0), 8 * GIB),
        # Limits of the process itself.
        (MEMINFO | limited("address space", str(3 * GIB + CORES)), 2 * GIB),
        (MEMINFO | limited("data size", str(5 * GIB + CORES)), 4 * GIB),
        (MEMINFO | limited("data size", str(GIB)), 0),
        (MEMINFO | limited("address space", "unlimited"), 8 * GIB),
        # Files that say nothing.
        (MEMINFO | {"proc/self/cgroup": "\n\n4:memory\nmemory::/\n"}, 8 * GIB),
        (MEMINFO | IN_V2 | v2("user/job", "-1", GIB), 8 * GIB),
    ],
)
def test_available_memory(
    system: Callable[..., Path], files: dict[str, str], expected: int | None
) -> None:
    assert machine.available_memory(system(files)) == expected


def test_resident_memory(system: Callable[..., Path]) -> None:
    root = system({})
    assert machine.resident_memory(root) == 0
    system({"proc/self/status": "VmHWM:\t  900 kB\nVmRSS:\t     700 kB\n"})
    assert machine.resident_memory(root) == 700 * 1024


# --------------------------------------------------------------------------- memory that it takes


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
        settings = ms.Settings(border=others.pop("border", "zero"))
        sizes = [(width // 2, height // 2), (width, height)]
        return memory.memory_needed(network, sizes, styles, settings, **others)

    sides = [64, 72, 128, 200, 201, 512]
    by_size = [needed(side, side, (64, 64)) for side in sides]
    assert by_size == sorted(set(by_size))
    by_style = [needed(64, 64, (side, side)) for side in (128, 200, 512)]
    assert by_style == sorted(set(by_style))
    plain = needed(256, 200, (256, 256))
    assert plain < needed(256, 200, (256, 256), border="reflect")
    assert plain < needed(256, 200, (256, 256), masked=True)
    assert plain + 12_000 == needed(256, 200, (256, 256), loaded_pixels=1000)
    assert needed(256, 200, (900, 900)) < needed(256, 200, (900, 900), (900, 900))


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


def test_what_the_system_refuses_does_not_fit(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Network.at

    def at(self: Network, height: int, width: int, *others: Any, **ways: Any) -> Any:
        if max(height, width) > 100:
            raise MemoryError
        return make(self, height, width, *others, **ways)

    monkeypatch.setattr(Network, "at", at)
    assert memory.largest_size(network, (400, 300), [(300, 300)], 10**12) == 96


def test_an_estimate_of_what_has_no_addresses(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, styles = [(112, 80), (500, 360), (1000, 720)], [(1000, 800)]
    needed = memory.memory_needed(network, sizes, styles)
    assert memory.memory_estimate(network, sizes, styles) == needed
    make = Network.at

    def at(self: Network, height: int, width: int, *others: Any, **ways: Any) -> Any:
        if max(height, width) > 600:
            raise MemoryError
        return make(self, height, width, *others, **ways)

    monkeypatch.setattr(Network, "at", at)
    assert memory.memory_estimate(network, sizes, styles) == pytest.approx(needed, rel=0.1)


# ---------------------------------------------------------------------------------------- time

SIZES = [(120, 80), (240, 160)]


def seconds(network: Network, iterations: int, *styles: images.Size, **settings: Any) -> float:
    chosen = ms.Settings(**settings)
    return pace.seconds_needed(network, SIZES, iterations, styles, chosen, pace=PACE)


def test_time_grows_with_the_work(network: Network) -> None:
    at_12, at_44, at_76 = (seconds(network, count, (240, 240)) for count in (12, 44, 76))
    assert at_76 - at_44 == pytest.approx(at_44 - at_12)
    # 32 more evaluations at the last size, and a little for those that take two.
    assert 1.0 <= (at_44 - at_12) / (32 * (0.015 + 240 * 160 * 1e-6)) < 1.2
    shallow = [seconds(network, count, (240, 240), deep_size=200) for count in (12, 44)]
    assert 1.0 <= (shallow[1] - shallow[0]) / (32 * (0.006 + 240 * 160 * 4e-7)) < 1.2
    assert seconds(network, 12, (240, 240), (240, 240)) > at_12
    assert seconds(network, 12, (480, 480)) > at_12
    assert seconds(network, 12, (240, 240), border="wrap") > at_12
    alone = {"style_weight": 0.0}
    assert seconds(network, 12, (240, 240), **alone) == seconds(network, 12, **alone)
    slow = pace.Pace(*(2 * value for value in astuple(PACE)))
    twice = pace.seconds_needed(network, SIZES, 12, [(240, 240)], pace=slow)
    assert twice == pytest.approx(2 * at_12)


@pytest.mark.parametrize("budget", [0.3, 1.0, 10.0, 3600.0])
def test_iterations_for_a_time(network: Network, budget: float) -> None:
    styles = [(240, 240)]
    chosen = ms.Settings(coarse_iterations=1)
    count, fits = pace.iterations_for(budget, network, SIZES, styles, chosen, pace=PACE)
    assert fits
    needed = [
        pace.seconds_needed(network, SIZES, n, styles, chosen, pace=PACE)
        for n in (count, count + 1)
    ]
    assert needed[0] <= budget < needed[1]


def test_times_that_are_too_short_or_long(network: Network) -> None:
    styles = [(240, 240)]
    for budget in (0.0, 0.05):
        assert pace.iterations_for(budget, network, SIZES, styles, pace=PACE) == (1, False)
    assert pace.iterations_for(1e12, network, SIZES, styles, pace=PACE) == (1_000_000, True)


def test_the_pace_is_measured(
    pooled_vgg: Callable[..., VGG], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From evaluations of two sizes, with all layers and without deep ones: by a clock that runs
    by 0.02 s and 1e-6 s for each pixel in an evaluation."""
    network = Network(pooled_vgg(((16, 16), (16, 16), (16,))), threads=1)
    clock = 0.0

    def counting(objective: Any, image: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal clock
        minimum = minimize(objective, image, *arguments, **options)
        clock += minimum.evaluations * (0.02 + image[..., 0].size * 1e-6)
        return minimum

    minimize = pace.minimize
    monkeypatch.setattr(pace, "minimize", counting)
    monkeypatch.setattr(pace, "time", SimpleNamespace(perf_counter=lambda: clock))
    found = pace.measure_pace(network, ms.Settings(**LAYERS))
    assert astuple(found) == pytest.approx((0.02, 1e-6, 0.02, 1e-6))
    for border, side in (("zero", 100), ("reflect", 132)):
        taken = found.seconds((100, 100), border, shallow=False)
        assert taken == pytest.approx(0.02 + side**2 * 1e-6)


# ------------------------------------------------------------------------------------- the whole


def test_a_plan(
    network: Network, random_image: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "available_memory", lambda: 2 * 10**9)
    monkeypatch.setattr(plan, "resident_memory", lambda: 10**9)
    settings = ms.Settings(iterations=30, size=240, first_size=120)
    job = ms.Job(
        content=random_image(160, 240), styles=(random_image(240, 240),), settings=settings
    )
    run = prepare(job, network=network)
    made = plan.make(run, PACE)
    assert made.sizes == tuple(SIZES)
    assert made.iterations == (settings.coarse_iterations, 30)
    loaded = 160 * 240 + 240 * 240
    needed = memory.memory_needed(network, SIZES, [(240, 240)], settings, loaded_pixels=loaded)
    assert made.memory == needed
    assert made.available == 3 * 10**9
    assert made.seconds == seconds(network, 30, (240, 240))
    assert made.fits
    assert not replace(made, available=made.memory - 1).fits
    assert replace(made, available=None).fits
    monkeypatch.setattr(plan, "available_memory", lambda: None)
    assert plan.make(run, PACE).available is None


def test_a_plan_in_words() -> None:
    made = plan.Plan(((96, 64), (192, 128)), (20, 60), 870 * 10**6, 21_900 * 10**6, 75.4)
    assert plan.describe(made).splitlines() == [
        "96x64, 20 iterations",
        "192x128, 60 iterations",
        "memory: about 870 MB, 21.9 GB available",
        "time: about 75 seconds",
    ]
    large = replace(made, memory=25 * 10**9, seconds=9000)
    assert plan.describe(large).splitlines()[2:] == [
        "memory: about 25.0 GB, 21.9 GB available: too much, choose a smaller size",
        "time: about 2.5 hours",
    ]
    unknown = replace(made, available=None, seconds=0.2)
    assert plan.describe(unknown).splitlines()[2:] == [
        "memory: about 870 MB",
        "time: about 1 second",
    ]


# ----------------------------------------------------------------------------------------- bounds


def test_a_bound_is_kept(network: Network) -> None:
    """Down to the least that works, what a run takes is within the bound."""
    sizes, styles = [(300, 225), (600, 450), (1200, 900)], [(1200, 900)]
    whole = memory.memory_needed(network, sizes, styles)
    assert memory.memory_needed(network, sizes, styles, bound=whole) == whole
    least = memory.memory_needed(network, sizes, styles, bound=0)
    assert least < 0.6 * whole
    for bound in (whole - 1, (whole + least) // 2, least):
        assert memory.memory_needed(network, sizes, styles, bound=bound) <= bound


def test_the_memory_of_a_large_run(
    pooled_vgg: Callable[..., VGG],
    random_image: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In bands and with corrections in half precision, by Python's own book-keeping."""
    monkeypatch.setattr(schedule, "_LARGE", 200)
    network = Network(pooled_vgg(((16, 16), (16, 16), (16,))), threads=2)
    width, height = sizes = (640, 480)
    content, style = (random_image(h, w).astype(np.float32) for h, w in ((480, 640), (400, 640)))
    given: dict[str, Any] = {**LAYERS, "size": 640, "scales": 1}
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


def test_a_bound_that_is_too_small_names_the_least(
    network: Network, random_image: Callable[..., Any]
) -> None:
    settings = ms.Settings(size=1200, memory=4 * 10**8, enlarge=True)
    picture = random_image(90, 120)
    run = prepare(ms.Job(content=picture, styles=(picture,), settings=settings), network=network)
    with pytest.raises(ms.UsageError, match=r"memory is too little .* (\d+M|[\d.]+G) works") as no:
        plan.check_memory(run)
    (word,) = re.findall(r"(\d+M|[\d.]+G) works", str(no.value))
    plan.check_memory(run.changed(memory=bytes_of(word)))
    with pytest.raises(ms.UsageError):
        plan.check_memory(run.changed(memory=bytes_of(word) - 10**8))
    made = plan.make(run.changed(memory=bytes_of(word)), PACE)
    assert made.bands[0] == 1 < made.bands[-1]
    assert f"iterations, in {made.bands[-1]} bands" in plan.describe(made)
    unbounded = plan.make(run.changed(memory=10**12), PACE)
    assert set(unbounded.bands) == {1}
    assert unbounded.seconds < made.seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2G", 2 * 10**9), ("1.5G", 15 * 10**8), ("800M", 8 * 10**8), ("3GB", 3 * 10**9), ("5", 5)],
)
def test_bytes_in_words(text: str, expected: int) -> None:
    assert bytes_of(text) == expected


@pytest.mark.parametrize("text", ["", "G", "-2G", "2 G", "2g", "1e9", "nan"])
def test_no_bytes(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a number of bytes"):
        bytes_of(text)


def test_fewer_iterations_where_the_strokes_are_there_already() -> None:
    """Up to 1024 pixels all stays as it is."""
    made = schedule.scales([(512, 384), (1024, 768), (2048, 1536), (4096, 3072)], ms.Settings())
    assert [one.iterations for one in made] == [30, 30, 12, 8]
    assert [one.large for one in made] == [False, False, True, True]
    assert schedule.scales([(1024, 768)], ms.Settings())[0].iterations == 20


@pytest.mark.parametrize(
    ("size", "scale", "side", "told"),
    [(2000, 1.0, 1000, "0.5"), (2000, 0.5, 1000, ""), (2000, 1.0, 1700, ""), (1200, 1.0, 300, "")],
)
def test_a_painting_that_is_too_small_is_told(  # noqa: PLR0917
    network: Network,
    random_image: Callable[..., Any],
    size: int,
    scale: float,
    side: int,
    told: str,
) -> None:
    notes: list[str] = []
    settings = ms.Settings(size=size, style_scale=scale, enlarge=True)
    styles = (random_image(side // 2, side),)
    job = ms.Job(content=random_image(90, 120), styles=styles, settings=settings)
    _ = prepare(job, network=network, note=notes.append).inputs
    soft = [re.findall("--style-scale ([0-9.]+)", note) for note in notes if "soft" in note]
    assert soft == ([[told]] if told else [])
