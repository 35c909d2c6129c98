"""The whole method with the embedded weights, on small versions of the example pictures."""

import json
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.ndimage
from PIL import Image

import minimalstyle as ms
from minimalstyle.engine import threads as engine_threads
from minimalstyle.network.layers import VGG
from minimalstyle.network.network import Network
from minimalstyle.network.passes import Pass
from minimalstyle.painting import memory, progress, schedule
from minimalstyle.painting.inputs import Inputs
from minimalstyle.painting.method import paint
from minimalstyle.painting.prepare import Prepared, prepare
from minimalstyle.painting.schedule import scales, sizes
from minimalstyle.pictures import images

QUICK = {"size": 48, "iterations": 2}


@pytest.fixture(scope="module")
def castle(picture, content_file):
    return picture(content_file, 84, 56)


@pytest.fixture(scope="module")
def night(picture, style_file):
    return picture(style_file, 84, 66)


@pytest.fixture
def quick(network, castle, night):
    """`quick(**settings)` -> array: the picture after two iterations of 48 x 32 pixels."""

    def paint(content=castle, style=night, **settings):
        return ms.stylize(content, style, weights=network, **(QUICK | settings)).image

    return paint


# --- What comes out -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def painted(network, castle, night):
    """A result and the events of its run."""
    events = []
    result = ms.stylize(
        castle, night, weights=network, size=84, iterations=12, callback=events.append
    )
    return result, events


def test_the_castle_takes_the_style_of_the_night(network, painted, castle, night):
    image = painted[0].image
    assert image.shape == castle.shape
    assert image.dtype == np.uint8
    # Judged by an objective of our own: at the start, and now.
    objective = ms.Objective(network, content=castle / 255, styles=[night / 255])
    before, _ = objective(castle / 255)
    start = objective.terms
    after, _ = objective(image / 255)
    assert after < before / 2
    assert objective.terms["style"] < start["style"] / 2
    assert 0.01 < objective.terms["content"] < 1
    for other in (castle, night[:56]):
        assert np.abs(image.astype(int) - other).mean() > 5


def test_report(painted, castle):
    result, events = painted
    report = result.report
    assert json.loads(json.dumps(report)) is not None
    assert report["settings"]["size"] == 84
    assert report["settings"]["style_weight"] == ms.Settings().style_weight
    assert len(report["weights"]["sha256"]) == 64
    assert report["stopped"] == "iterations"
    assert report["peak_memory_bytes"] > 50e6
    assert report["seconds"] >= sum(scale["seconds"] for scale in report["scales"]) > 0
    last = report["scales"][-1]
    assert (last["width"], last["height"]) == (84, 56)
    counts = [scale["iterations"] for scale in report["scales"]]
    assert counts == [ms.Settings().coarse_iterations, 12]
    for scale in report["scales"]:
        history = scale["history"]
        assert len(history) == scale["iterations"] + 1
        assert scale["evaluations"] >= scale["iterations"]
        assert scale["loss"] == history[-1] < history[0]
        assert {"content", "style", "tv"} <= set(scale["terms"])
    assert events[-1].loss == last["loss"]
    assert events[-1].evaluations == sum(scale["evaluations"] for scale in report["scales"])


def test_style_falls_with_every_weight(network, castle, night):
    """The heavier the style, the nearer the style and the further the content."""
    terms = [
        ms.stylize(castle, night, weights=network, style_weight=weight, **QUICK | {"iterations": 8})
        .report["scales"][-1]["terms"]
        for weight in (1, 100)
    ]  # fmt: skip
    assert terms[1]["style"] < terms[0]["style"]
    assert terms[1]["content"] > terms[0]["content"]


def test_total_variation_makes_it_smoother(quick):
    rough, smooth = quick(), quick(tv_weight=100.0)
    variation = [np.abs(np.diff(image.astype(int), axis=0)).mean() for image in (rough, smooth)]
    assert variation[1] < variation[0]


# --- What goes in -------------------------------------------------------------------------------


def test_all_kinds_of_pictures_give_the_same(quick, castle, night, tmp_path):
    expected = quick()
    for name, array in (("castle", castle), ("night", night)):
        Image.fromarray(array).save(tmp_path / f"{name}.png")
    kinds = [
        (tmp_path / "castle.png", tmp_path / "night.png"),
        (str(tmp_path / "castle.png"), [str(tmp_path / "night.png")]),
        (Image.fromarray(castle), (Image.fromarray(night),)),
        (castle / 255, night / 255),
        ((castle / 255).astype(np.float32), [(night / 255).astype(np.float32)]),
        (np.dstack([castle, np.full(castle.shape[:2], 255, np.uint8)]), night),
    ]
    for content, style in kinds:
        np.testing.assert_array_equal(quick(content, style), expected)


def test_several_styles(quick, castle, night):
    other = 255 - night[::-1, :60]
    both = quick(style=[night, other])
    np.testing.assert_array_equal(quick(style=[night, other], style_blend=(3, 3)), both)
    np.testing.assert_array_equal(quick(style=[night, other], style_blend=(1, 0)), quick())
    alone = [quick(), quick(style=other)]
    assert not any(np.array_equal(both, one) for one in alone)


def test_noise_is_that_of_the_seed(quick):
    one = quick(init="noise", seed=1)
    np.testing.assert_array_equal(quick(init="noise", seed=1), one)
    assert not np.array_equal(quick(init="noise", seed=2), one)
    assert not np.array_equal(quick(), one)


def test_start_from_a_picture(quick, castle, night, tmp_path):
    for name, array in (("castle", castle), ("night", night)):
        Image.fromarray(array).save(tmp_path / f"{name}.png")
    alone = {"style_weight": 0.0}  # with a style, the content would be simplified before
    again = quick(init=str(tmp_path / "castle.png"), **alone)
    np.testing.assert_array_equal(again, quick(**alone))
    assert not np.array_equal(quick(init=str(tmp_path / "night.png")), quick())


def test_style_is_painted_on_the_content_without_its_finest_detail(random_image):
    content = random_image(20, 30).astype(np.float32)

    def start_at(**settings):
        inputs = Inputs(content, [], None, [], content, ms.Settings(**settings))
        return inputs.start_at(images.Size(30, 20))

    windows = np.lib.stride_tricks.sliding_window_view(content, (3, 3), axis=(0, 1))
    np.testing.assert_array_equal(start_at()[1:-1, 1:-1], np.median(windows, axis=(3, 4)))
    for settings in ({"style_weight": 0}, {"init": "noise"}, {"init": "a.png"}):
        np.testing.assert_array_equal(start_at(**settings), content)


def test_pooling(quick, castle, night):
    largest = ms.stylize(castle, night, pooling="max", **QUICK).image
    np.testing.assert_array_equal(quick(pooling="max"), largest)
    assert not np.array_equal(quick(pooling="average"), largest)


@pytest.mark.parametrize(
    ("shape", "settings", "expected"),
    [
        ((40, 60), {"size": 512}, (40, 60)),  # never larger than the content
        ((40, 60), {"size": 48}, (32, 48)),
        ((60, 40), {"size": 48}, (48, 32)),
        ((40, 60), {"size": 96, "enlarge": True}, (64, 96)),
        ((17, 16), {"size": 512}, (17, 16)),
        ((37, 53), {"size": 512}, (37, 53)),
        ((16, 200), {"size": 200}, (16, 200)),
    ],
)
def test_size(quick, shape, settings, expected, random_image):
    image = quick(content=random_image(*shape), iterations=1, **settings)
    assert image.shape == (*expected, 3)


# --- While it runs ------------------------------------------------------------------------------


def test_sizes():
    """From the first size to the last in equal steps of about 2; never more than half at once."""

    def sides(longer, width=3000, height=2000, **settings):
        chosen = ms.Settings(size=longer, **settings)
        return [size.width for size in sizes((width, height), chosen)]

    for longer in (150, 256, 400, 512, 1000):
        found = sides(longer, first_size=100)
        assert found[0] == min(100, longer // 2)
        assert found[-1] == longer
        ratios = np.divide(found[1:], found[:-1])
        assert (ratios > 1.35).all() and (ratios < 2.9).all()
        np.testing.assert_allclose(ratios, ratios.mean(), rtol=0.02)
    assert sides(512, scales=1) == [512]
    assert sides(512, scales=3, first_size=128) == [128, 256, 512]
    assert sides(512, first_size=128, strength=75.0)[0] < 128
    assert sides(40, height=1200) == [40]  # half of it would be too small
    # A print begins with the sizes of its preview.
    assert sides(2048) == [*sides(512), 1024, 2048]
    assert sides(1200) == [*sides(512), 1200]
    assert sides(2048, scales=3, first_size=128) == [128, 512, 2048]
    assert sides(2048, height=60)[0] > 512  # nothing smaller has 16 pixels on the other side


def test_deep_layers_act_at_the_first_size_and_at_small_ones():
    settings = ms.Settings(deep_size=300)
    deep, shallow = settings.style_layers, {"relu1_1", "relu2_1", "relu3_1"}

    def layers(side, first=False, of=settings.style_layers):
        chosen = replace(settings, style_layers=of)
        here = (side, side // 2)
        return scales([here] if first else [(32, 16), here], chosen)[-1].style_layers

    assert layers(300) == layers(2000, first=True)
    assert set(layers(300)) == set(deep)
    assert sum(layers(300).values()) == pytest.approx(1)
    assert layers(301) == {name: layers(300)[name] for name in sorted(shallow)}
    assert layers(301, of={"relu4_2": 3.0}) == {"relu4_2": 1.0}  # there is no other


def test_the_report_says_which_layers_acted(network, large, night):
    settings = {"iterations": 1, "coarse_iterations": 1, "deep_size": 128}
    first, last = ms.stylize(large, night, weights=network, scales=2, **settings).report["scales"]
    assert "style relu5_1" in first["terms"]
    assert {name for name in last["terms"] if " " in name} == {
        "content relu2_2",
        *(f"style relu{block}_1" for block in (1, 2, 3)),
    }


@pytest.fixture(scope="module")
def large(picture, content_file):
    """Large enough for three sizes."""
    return picture(content_file, 384, 192)


def test_events(network, large, night):
    events = []

    def callback(event):
        events.append(event)
        assert event.image().shape == (event.height, event.width, 3)
        assert event.image().dtype == np.uint8

    result = ms.stylize(large, night, weights=network, iterations=2, callback=callback)
    scales = result.report["scales"]
    assert len(scales) == 3
    assert {event.scales for event in events} == {len(scales)}
    assert [event.scale for event in events] == sorted(event.scale for event in events)
    assert {event.scale for event in events} == set(range(1, len(scales) + 1))
    for number, scale in enumerate(scales, start=1):
        own = [event for event in events if event.scale == number]
        assert {(event.width, event.height) for event in own} == {(scale["width"], scale["height"])}
        assert [event.iteration for event in own] == list(range(1, scale["iterations"] + 1))
        assert own[-1].loss == scale["loss"]
    for earlier, later in pairwise(events):
        assert 0 < earlier.fraction < later.fraction
        assert 0 < earlier.seconds <= later.seconds
        assert 0 < earlier.evaluations < later.evaluations
    assert events[-1].fraction == pytest.approx(1)
    assert events[-1].seconds_left == pytest.approx(0)
    np.testing.assert_array_equal(events[-1].image(), result.image)


def test_the_time_left_does_not_count_a_pause(monkeypatch):
    """Ten equal steps of 2 s on 4 CPU seconds, after a first one of 60 s; one of them stops."""
    events, clock = [], [0.0, 0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(progress.time, "process_time", lambda: clock[1])
    run = progress.Progress(scales([(16, 16)], ms.Settings(iterations=11)), [1], events.append)
    report = run.reporter(1, SimpleNamespace(terms={}))
    for step, seconds in enumerate([60, 2, 2, 2, 2, 3602, 2, 2, 2, 2, 2], start=1):
        clock[0] += seconds
        clock[1] += 4
        report(step, step, 1.0, np.zeros((16, 16, 3), np.float32))
    assert [event.seconds_left for event in events] == [
        None, *(pytest.approx(2 * left) for left in range(9, -1, -1)),
    ]  # fmt: skip


def test_the_time_left_is_that_of_the_size_in_work(monkeypatch):
    """At the second size a step takes ten times the work, in bands, and twenty times the time.

    There, threads are busier: half a second of the clock is a CPU second, which was a whole one.
    """
    events, clock = [], [0.0, 0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(progress.time, "process_time", lambda: clock[1])
    size = images.Size(16, 16)
    made = [SimpleNamespace(size=size, iterations=4, work=work) for work in (4, 20)]
    run = progress.Progress(made, [1, 2], events.append)
    for scale, seconds, cpu in ((1, 1, 1), (2, 10, 20)):
        report = run.reporter(scale, SimpleNamespace(terms={}))
        for step in range(1, 5):
            clock[0] += seconds + 100 * (step == 1)
            clock[1] += cpu + 100 * (step == 1)
            report(step, step, 1.0, np.zeros((16, 16, 3), np.float32))
    left = [event.seconds_left for event in events]
    assert left[:4] == [None, *(pytest.approx(40 + n) for n in (2, 1, 0))]
    assert left[5:] == [pytest.approx(20), pytest.approx(10), pytest.approx(0)]


def test_interrupted_at_the_first_scale(network, large, night):
    events = []

    def callback(event):
        events.append(event)
        return "stop"

    result = ms.stylize(large, night, weights=network, callback=callback)
    assert len(events) == 1
    assert events[0].width < large.shape[1]
    assert result.report["stopped"] == "interrupted"
    assert len(result.report["scales"]) == 1
    assert result.image.shape == large.shape
    # It has detail that the coarse scale cannot have: that of the castle.
    simple = scipy.ndimage.median_filter(large, (3, 3, 1))
    now, then = (np.diff(image.astype(float), axis=1).ravel() for image in (result.image, simple))
    assert np.corrcoef(now, then)[0, 1] > 0.8


def test_interrupted_at_the_last_scale(network, castle, night):
    result = ms.stylize(
        castle,
        night,
        weights=network,
        size=48,
        callback=lambda event: "stop" if event.iteration == 2 else None,
    )
    assert result.report["stopped"] == "interrupted"
    assert result.report["scales"][-1]["iterations"] == 2
    assert result.image.shape == (32, 48, 3)


def test_same_bytes_for_any_number_of_threads(castle, night, quick):
    for threads in (1, 2):
        image = ms.stylize(castle, night, threads=threads, **QUICK).image
        assert image.tobytes() == quick().tobytes()


def test_inputs_are_left_alone(quick, castle, night):
    content, style = castle / 255, night / 255
    quick(content, style)
    np.testing.assert_array_equal(content, castle / 255)
    np.testing.assert_array_equal(style, night / 255)


# --- What makes no sense ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"size": 0},
        {"size": 15},
        {"size": 10**9},
        {"size": 64.0},
        {"size": "64"},
        {"iterations": 0},
        {"iterations": -1},
        {"content_weight": -1},
        {"style_weight": float("nan")},
        {"style_weight": float("inf")},
        {"tv_weight": "1"},
        {"content_weight": 0, "style_weight": 0},
        {"style_scale": 0},
        {"seed": -1},
        {"threads": 0},
        {"pooling": "median"},
        {"style_blend": (1, 1)},
        {"style_blend": (0,)},
        {"style_blend": (-1,)},
        {"style_layers": {"relu9_9": 1}},
        {"style_layers": ["relu1_1"]},
        {"content_layers": {"relu4_2": -1}},
        {"init": None},
        {"colour": "red"},
    ],
    ids=str,
)
def test_bad_settings(quick, settings):
    with pytest.raises(ms.UsageError):
        quick(**settings)


def test_no_style(quick):
    with pytest.raises(ms.UsageError):
        quick(style=[])
    with pytest.raises(ms.UsageError, match="init is style, and there is no style picture"):
        quick(style=[], style_weight=0, init="style")


def test_missing_files(quick, castle, night):
    for content, style in (("nowhere.jpg", night), (castle, ["nowhere.jpg"])):
        with pytest.raises(ms.ImageError, match=r"nowhere\.jpg"):
            quick(content, style)
    with pytest.raises(ms.ImageError, match=r"nowhere\.jpg"):
        quick(init="nowhere.jpg")
    with pytest.raises(ms.WeightsError, match=r"nowhere\.onnx"):
        ms.stylize(castle, night, weights="nowhere.onnx", **QUICK)


# --- In bands -----------------------------------------------------------------------------------


@pytest.fixture
def banded(tiny_vgg, random_image, monkeypatch):
    """A run whose last size counts as large, and is computed in bands."""
    monkeypatch.setattr(schedule, "_PRINT", 100)
    monkeypatch.setattr(memory, "BASE", 0)
    network = Network(VGG(tiny_vgg(((5, 7), (6,))), sha256="random"))
    layers = {"content_layers": {"relu2_1": 1.0}, "style_layers": {"relu1_1": 1.0}}
    given = {**layers, "size": 160, "scales": 2, "iterations": 10}
    content, style = random_image(120, 160), random_image(100, 100, 1)

    def run(room):
        settings = ms.Settings(**given, memory=10**9)
        job = ms.Job(content=content, styles=(style,), settings=settings)
        made = prepare(job, network=network)
        monkeypatch.setattr(Prepared, "room", lambda _, scale: room if scale.large else None)
        return made

    return run


def test_bands_paint_the_same_picture(banded):
    told = []
    bands = paint(banded(0), on_progress=told.append)
    whole = paint(banded(None))
    assert len(told) > 20
    assert told == sorted(told)
    assert 0.0 <= told[0] < told[-1] <= 1.0
    assert bands.report["scales"][1]["loss"] == pytest.approx(
        whole.report["scales"][1]["loss"], rel=1e-3
    )
    assert np.abs(bands.pixels - whole.pixels).mean() < 1e-3


@pytest.mark.parametrize("room", [0, None])
@pytest.mark.parametrize("last", [1, 4, 9, 30, 60])
def test_a_run_is_stopped_within_an_evaluation(last, room, banded, monkeypatch):
    """In the content's first look, in the first evaluation, in later ones: at once, each time."""
    monkeypatch.setattr(engine_threads, "_PAUSE", 0.0)
    calls, events, evaluated = [], [], []
    backward = Pass.backward

    def counted(self, taps):
        found = backward(self, taps)
        evaluated.append(len(calls))
        return found

    def on_progress(fraction):
        if events and events[-1].iteration == events[-1].iterations:  # of the first size
            calls.append(fraction)
        return "stop" if len(calls) == last else None

    monkeypatch.setattr(Pass, "backward", counted)
    result = paint(banded(room), events.append, on_progress)
    assert len(calls) == last
    assert evaluated[-1] < last  # nothing was finished after the wish
    assert result.pixels.shape == (120, 160, 3)
    assert result.report["stopped"] == "interrupted"
    assert result.image.std() > 5
    json.dumps(result.report)


def test_no_run_is_stopped_before_there_is_a_picture(banded):
    result = paint(banded(0), on_progress=lambda _: "stop")
    assert result.report["stopped"] == "interrupted"
    assert result.report["scales"][0]["iterations"] >= 1


def test_what_a_band_raises_is_not_kept_as_a_failure(banded):
    """It is the caller's own."""

    def on_progress(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        paint(banded(0), on_progress=on_progress)
