"""A plan says what a run takes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import minimalstyle as ms
from minimalstyle.network.network import Network
from minimalstyle.painting import memory, pace, plan
from minimalstyle.painting.prepare import prepare

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
