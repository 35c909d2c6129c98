"""Time is arithmetic on a measurement."""

from collections.abc import Callable
from dataclasses import astuple
from types import SimpleNamespace
from typing import Any

import pytest

import minimalstyle as ms
from minimalstyle.network.layers import VGG
from minimalstyle.network.network import Network
from minimalstyle.painting import pace
from minimalstyle.pictures import images

PACE = pace.Pace(fixed=0.015, each=1e-6, shallow_fixed=0.006, shallow_each=4e-7)
LAYERS = {"content_layers": {"relu2_2": 1.0}, "style_layers": {"relu1_1": 1.0, "relu3_1": 1.0}}
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
    assert seconds(network, 12, (240, 120)) < at_12
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
