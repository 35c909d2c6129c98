"""Runs that stop in the middle: killed, interrupted, or with values that are not finite."""

import pickle
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import SHALLOW
from PIL import Image

import minimalstyle as ms
from minimalstyle.errors import CheckpointError, WeightsError
from minimalstyle.loss.objective import Objective
from minimalstyle.optimize.lbfgs import Evaluated, State, minimize
from minimalstyle.painting import method, schedule


@pytest.fixture
def bowl(rng):
    """A smooth function whose minimum is far enough away for several segments."""
    target = rng.random((20, 24, 3), np.float32)
    weight = np.linspace(1, 300, target.size, dtype=np.float32).reshape(target.shape)

    def function(image):
        d = image - target
        return float((weight * d**2).sum()), 2 * weight * d

    return function, np.full_like(target, 0.5)


@pytest.mark.parametrize("lean", [False, True])
def test_from_any_state_to_the_same_image(lean, bowl):
    function, start = bowl
    states: list[State] = []
    whole = minimize(function, start, 70, segment=30, on_state=states.append, lean=lean)
    assert [len(state.history) - 1 for state in states] == [30, 60, 70]
    for state in states:
        rest = minimize(function, start, 70, segment=30, state=state, lean=lean)
        assert rest.image.tobytes() == whole.image.tobytes()
        assert (rest.evaluations, rest.history) == (whole.evaluations, whole.history)


@pytest.mark.parametrize("lean", [False, True])
@pytest.mark.parametrize("bad", [(), (12, 28, 47), (9, 10)])
def test_evaluations_replayed_from_any_of_them(bad, lean, bowl):
    """A run that goes on after each evaluation: nothing before it is computed again."""
    function, start = bowl
    course: list[State | Evaluated] = []
    calls, told = [], []

    def counted(image):
        calls.append(image)
        loss, gradient = function(image)
        return (np.nan if len(calls) in bad else loss), gradient

    def run(**where):
        return minimize(
            counted, start, 45, segment=20, on_state=course.append, on_evaluation=course.append,
            lean=lean, **where,
        )  # fmt: skip

    whole = run()
    assert whole.restarts == len(bad)  # the last case ends at two in a row
    all_calls, all_course = list(calls), list(course)
    for stop in range(1, len(all_course)):
        before = all_course[:stop]
        known = sum(isinstance(one, Evaluated) for one in before)
        states = [n for n, one in enumerate(before) if isinstance(one, State)]
        replay = before[states[-1] + 1 :] if states else before
        told.append([])
        calls[:], course[:] = all_calls[:known], []
        rest = run(
            state=before[states[-1]] if states else None, replay=replay,
            on_iterate=lambda *news: told[-1].append(news[0]),
        )  # fmt: skip
        assert rest.image.tobytes() == whole.image.tobytes()
        assert (rest.evaluations, rest.history) == (whole.evaluations, whole.history)
        assert (rest.restarts, rest.stopped) == (whole.restarts, whole.stopped)
        assert len(calls) == len(all_calls)
        for new, old in zip(course, all_course[stop:], strict=True):
            assert pickle.dumps(new) == pickle.dumps(old)
    # What went before the last evaluation was told then.
    assert told[0] == list(range(1, whole.iterations + 1))
    for one, next_one in pairwise(told):
        assert next_one in (one, one[1:])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_back_to_the_last_good_image(where, bad, bowl):
    function, start = bowl
    calls = 0

    def sometimes_bad(image):
        nonlocal calls
        calls += 1
        loss, gradient = function(image)
        if calls == 9:
            if where == "loss":
                return bad, gradient
            gradient = gradient.copy()
            gradient[3, 4, 1] = bad
        return loss, gradient

    minimum = minimize(sometimes_bad, start, 40)
    assert minimum.restarts == 1
    assert minimum.iterations == 40
    assert np.isfinite(minimum.image).all()
    assert minimum.history[-1] < 0.1 * minimum.history[0]


def test_no_finite_way_on(bowl):
    function, start = bowl
    values = iter([1.0] * 5)
    minimum = minimize(lambda x: (function(x)[0] * next(values, np.nan), function(x)[1]), start, 40)
    assert minimum.stopped == "not finite"
    assert np.isfinite(minimum.image).all()


def test_not_finite_at_the_start(bowl):
    _, start = bowl
    with pytest.raises(WeightsError, match="not finite"):
        minimize(lambda x: (np.nan, x), start, 5)


SETTINGS = {"size": 32, "iterations": 70, **SHALLOW}


def test_resume_after_an_exception_anywhere(network, content_file, style_file, tmp_path):
    kept = tmp_path / "whole.checkpoint"
    whole = ms.stylize(content_file, style_file, weights=network, checkpoint=kept, **SETTINGS)
    for stop in (31, 45, 61):  # of the 70 at the last scale, with a state after each 30
        path = tmp_path / f"{stop}.checkpoint"

        def callback(event, stop=stop):
            if event.iteration == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            ms.stylize(
                content_file, style_file, weights=network, callback=callback, checkpoint=path,
                **SETTINGS,
            )  # fmt: skip
        rest = ms.stylize(content_file, style_file, weights=network, resume=path, **SETTINGS)
        assert rest.pixels.tobytes() == whole.pixels.tobytes()


def test_recipe_of_a_run_with_a_checkpoint(network, content_file, style_file, tmp_path):
    given = {"weights": network, **SETTINGS}
    path = tmp_path / "run.checkpoint"
    kept = ms.stylize(content_file, style_file, checkpoint=path, **given)
    segment = kept.report["settings"]["segment"]
    again = ms.stylize(content_file, style_file, segment=segment, **given)
    assert again.pixels.tobytes() == kept.pixels.tobytes()
    other = ms.stylize(content_file, style_file, **given)
    assert other.pixels.tobytes() != kept.pixels.tobytes()


def test_resume_of_another_run(network, content_file, style_file, tmp_path):
    path = tmp_path / "run.checkpoint"
    ms.stylize(content_file, style_file, weights=network, checkpoint=path, **SETTINGS)
    for content, style, changes, message in (
        (content_file, style_file, {"style_weight": 20.0}, "--style-weight 7.5"),
        (style_file, style_file, {}, "another content picture"),
        (content_file, content_file, {}, "another style picture"),
    ):
        with pytest.raises(CheckpointError, match=message):
            ms.stylize(content, style, weights=network, resume=path, **{**SETTINGS, **changes})


def test_killed_and_continued(content_file, style_file, tmp_path):
    """Real SIGKILLs: two moments after the first state is on disk."""
    common = [sys.executable, "-m", "minimalstyle", str(content_file), str(style_file), "--quiet"]
    common += ["--size", "40", "--iterations", "90", "--force"]
    whole = tmp_path / "whole.png"
    kept = tmp_path / "whole.checkpoint"
    subprocess.run([*common, "-o", str(whole), "--checkpoint", str(kept)], check=True)
    state = tmp_path / "state.checkpoint"
    for wait in (0.0, 0.3):
        state.unlink(missing_ok=True)
        output = tmp_path / f"after_{wait}.png"
        command = [*common, "-o", str(output), "--checkpoint", str(state)]
        with subprocess.Popen(command) as process:
            while not state.exists() and process.poll() is None:
                time.sleep(0.005)
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
        subprocess.run([*common, "-o", str(output), "--resume", str(state)], check=True)
        assert pixels(output) == pixels(whole)


def pixels(path: Path) -> bytes:
    with Image.open(path) as image:
        return image.tobytes()


SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def kill_until_done(command: list[str], kills: int, moments: random.Random, longest: float) -> dict:
    """Start one command again and again, and end it at random moments, so many times at most.

    How often it ended how: minus the signal, 128 and the signal, or 0 when it was faster.
    """
    ends = Counter()
    while kills > 0:
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            try:
                _, err = process.communicate(timeout=moments.uniform(0, longest))
            except subprocess.TimeoutExpired:
                process.send_signal(moments.choice(SIGNALS))
                kills -= 1
                _, err = process.communicate(timeout=60)
        ends[process.returncode] += 1
        if b"KeyboardInterrupt" in err and b"minimalstyle/" not in err:
            continue  # Python itself, while it started
        assert process.returncode in (0, -9, -15, 130, 143), err
        assert err.count(b"\n") <= 2, err  # "interrupted", and that it is saved
        if process.returncode == 0:
            break
    return ends


def test_one_command_until_it_is_done(content_file, style_file, tmp_path):
    """Killed, told to end, interrupted at any moment: the file is that of the run alone."""
    common = [sys.executable, "-m", "minimalstyle", str(content_file), str(style_file), "--quiet"]
    common += ["--size", "48", "--iterations", "60", "--report", str(tmp_path / "report.json")]
    whole, output = tmp_path / "whole.png", tmp_path / "out.png"
    begun = time.monotonic()
    subprocess.run([*common, "-o", whole, "--checkpoint", tmp_path / "kept"], check=True)
    longest = time.monotonic() - begun
    (tmp_path / "report.json").unlink()
    command = [*common, "-o", output, "--resume", tmp_path / "state", "--checkpoint-every", "0.01"]
    kill_until_done(command, 4, random.Random(0), longest)
    for _ in range(2):  # to the end, and once more
        subprocess.run(command, check=True)
        assert output.read_bytes() == whole.read_bytes()  # the recipe as well
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"whole.png", "kept", "out.png", "state", "report.json"}
    output.write_bytes(b"of somebody else")
    refused = subprocess.run(command, capture_output=True, check=False)
    assert refused.returncode == 2
    assert b"out.png: exists; --force overwrites it" in refused.stderr


def test_killed_before_the_first_state(content_file, style_file, tmp_path):
    state = tmp_path / "state.checkpoint"
    command = [sys.executable, "-m", "minimalstyle", str(content_file), str(style_file)]
    command += ["-o", str(tmp_path / "a.png"), "--checkpoint", str(state), "--size", "512"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        time.sleep(0.5)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    "failure",
    [(MemoryError(), 2, (24, 16)), (RuntimeError("odd"), 6, (48, 32))],
)
def test_an_error_in_the_middle(network, content_file, style_file, monkeypatch, failure):
    """Four or five evaluations at each of two sizes: what was before the error is kept."""
    error, evaluation, size = failure
    calls = 0
    evaluate = Objective.__call__

    def failing(self, image):
        nonlocal calls
        calls += 1
        if calls > evaluation:
            raise error
        return evaluate(self, image)

    monkeypatch.setattr(Objective, "__call__", failing)
    given = {"weights": network, "size": 48, "first_size": 24, "coarse_iterations": 3}
    with pytest.warns(ms.MinimalstyleWarning, match="stopped at .* with the picture as it was"):
        result = ms.stylize(content_file, style_file, iterations=3, **given)
    assert result.report["stopped"] == "failed"
    assert result.pixels.shape == (32, 48, 3)
    last = result.report["scales"][-1]
    assert (last["width"], last["height"]) == size
    calls = evaluation  # before there is a picture
    with pytest.raises(type(error)):
        ms.stylize(content_file, style_file, **given)


def test_errors_of_the_callback_are_the_callers(network, content_file, style_file):
    def callback(event):
        if event.scale == 2:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        ms.stylize(
            content_file, style_file, weights=network, callback=callback, size=32, iterations=2
        )


def test_resume_in_a_print(network, content_file, style_file, tmp_path, monkeypatch):
    """What is painted so far is the content there: a checkpoint has it as well."""
    monkeypatch.setattr(schedule, "_PRINT", 50)
    monkeypatch.setattr(schedule, "_PICTURE", 32)
    given = {"weights": network, "size": 64, "enlarge": True, "segment": 4, **SHALLOW}
    given |= {"iterations": 2, "coarse_iterations": 2, "print_iterations": 10}
    whole = ms.stylize(content_file, style_file, **given)
    path = tmp_path / "run.checkpoint"

    def callback(event):
        if event.scale == event.scales and event.iteration == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ms.stylize(content_file, style_file, callback=callback, checkpoint=path, **given)
    rest = ms.stylize(content_file, style_file, resume=path, **given)
    assert rest.pixels.tobytes() == whole.pixels.tobytes()


def test_a_print_keeps_its_picture(network, content_file, style_file, monkeypatch):
    """Without a style loss at the large size, it is the picture before, enlarged."""
    monkeypatch.setattr(schedule, "_PRINT", 50)
    monkeypatch.setattr(schedule, "_PICTURE", 32)
    contents = {}
    kept = method.objective_at

    def objective_at(network, pictures, scale, settings, **others):
        contents[scale.size.width] = pictures
        return kept(network, pictures, scale, settings, **others)

    monkeypatch.setattr(method, "objective_at", objective_at)
    given = {"size": 64, "enlarge": True, "iterations": 3, "coarse_iterations": 3}
    ends = {}

    def callback(event):
        ends[event.width] = event.image()

    ms.stylize(content_file, style_file, weights=network, callback=callback, **given)
    assert list(contents)[-2:] == [32, 64]
    small, large = ends[32], contents[64]
    photograph = contents[32]
    enlarged = [
        np.asarray(Image.fromarray(one).resize((64, large.content.shape[0]), Image.Resampling.BOX))
        for one in (small, np.uint8(255 * np.clip(photograph.content, 0, 1)))
    ]
    far = [np.abs(255 * large.content - one).mean() for one in enlarged]
    assert far[0] < far[1] / 2
