"""A plan says what a run takes."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import minimalstyle as ms
from minimalstyle.commands.options import bytes_of
from minimalstyle.network.network import Network
from minimalstyle.painting import memory, pace, plan, schedule
from minimalstyle.painting.prepare import prepare
from minimalstyle.pictures import images

PACE = pace.Pace(fixed=0.015, each=1e-6, shallow_fixed=0.006, shallow_each=4e-7)
SIZES = [(120, 80), (240, 160)]


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
    assert made.seconds == pace.seconds_needed(
        network, SIZES, 30, [(240, 240)], settings, pace=PACE
    )
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


def test_a_bound_that_is_too_small_names_the_least(
    network: Network, random_image: Callable[..., Any]
) -> None:
    settings = ms.Settings(size=1200, memory=4 * 10**8, enlarge=True)
    picture = random_image(90, 120)
    run = prepare(ms.Job(content=picture, styles=(picture,), settings=settings), network=network)
    with pytest.raises(ms.UsageError, match=r"memory is too little .* (\d+M|[\d.]+G) works") as no:
        plan.check_memory(run)
    assert not plan.make(run, PACE).fits
    (word,) = re.findall(r"(\d+M|[\d.]+G) works", str(no.value))
    plan.check_memory(run.changed(memory=bytes_of(word)))
    with pytest.raises(ms.UsageError):
        plan.check_memory(run.changed(memory=bytes_of(word) - 10**8))
    made = plan.make(run.changed(memory=bytes_of(word)), PACE)
    assert made.fits
    assert made.bands[0] == 1 < made.bands[-1]
    assert f"iterations, in {made.bands[-1]} bands" in plan.describe(made)
    unbounded = plan.make(run.changed(memory=10**12), PACE)
    assert set(unbounded.bands) == {1}
    assert unbounded.seconds < made.seconds


def test_a_print_continues_a_picture() -> None:
    def made(*sides: int, **settings: Any) -> list[schedule.Scale]:
        return schedule.scales([(n, n // 2) for n in sides], ms.Settings(**settings))

    large = made(96, 512, 1024, 2048)
    assert [one.iterations for one in large] == [60, 40, 8, 8]
    assert [one.continues for one in large] == [False, False, True, True]
    assert [one.large for one in large] == [False, False, False, True]
    exponents = [one.exponent for one in large]
    assert exponents == [one.exponent for one in made(96, 512)] + exponents[-1:] * 2
    # Other runs, and all up to 1024 pixels, are as they were.
    others = [made(96, 512, 1024)]
    for given in ({"init": "noise"}, {"init_blend": 0.5}, {"scales": 4}):
        others.append(made(96, 512, 1024, 2048, **given))
    for one in others:
        assert not any(scale.continues for scale in one)
        assert [scale.iterations for scale in one] == [30] * (len(one) - 1) + [20]


@pytest.mark.parametrize(("factor", "expected"), [(1.0, (706, 555)), (0.25, (512, 402))])
def test_no_painting_is_enlarged_for_a_print(factor: float, expected: images.Size) -> None:
    here = schedule.scales([(512, 384), (2048, 1536)], ms.Settings())
    assert schedule.style_size(images.Size(706, 555), factor, here[1]) == expected
    assert schedule.style_size(images.Size(300, 150), 1.0, here[0]) == (512, 256)


@pytest.mark.parametrize(
    ("size", "scale", "side", "told"),
    [
        (2000, 1.0, 1000, True),
        (2000, 0.5, 1000, False),
        (2000, 1.0, 1700, False),
        (1000, 1.0, 90, False),
    ],
)
def test_a_painting_that_is_too_small_is_told(  # noqa: PLR0917
    network: Network,
    random_image: Callable[..., Any],
    size: int,
    scale: float,
    side: int,
    told: bool,
) -> None:
    notes: list[str] = []
    settings = ms.Settings(size=size, style_scale=scale, enlarge=True)
    styles = (random_image(side // 2, side),)
    job = ms.Job(content=random_image(90, 120), styles=styles, settings=settings)
    _ = prepare(job, network=network, note=notes.append).inputs
    assert [f"has {side} pixels, and the print {size}" in note for note in notes] == [True] * told
