"""Batches of several processes: the same pictures, and one that is killed costs nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minimalstyle as ms
from minimalstyle.batch.pool import Pool
from minimalstyle.commands.paint import main
from minimalstyle.errors import ImageError, StoppedError, UsageError

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
QUICK = ["--size", "32", "--iterations", "1", "--coarse-iterations", "1"]
SETTINGS = ms.Settings(size=32, iterations=1, coarse_iterations=1)
LONG = ms.Settings(size=32, iterations=1000, coarse_iterations=1000)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for seed, name in enumerate(["photos/a", "photos/b", "photos/c", "photos/d", "waves"]):
        pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
        Image.fromarray(pixels).resize((40, 30)).save(f"{name}.png")
    return tmp_path


def job(name, settings=SETTINGS):
    return ms.Job(content=f"photos/{name}.png", styles=("waves.png",), settings=settings)


def test_processes_paint_the_same_pictures(here, capsys):
    Path("photos/bad.png").write_text("no picture")
    words = ["batch", "photos", "--styles", "waves.png", *QUICK, "-o"]
    assert main([*words, "one"]) == 101
    assert main([*words, "two", "--workers", "2"]) == 101
    one = {path.name: path.read_bytes() for path in Path("one").glob("*.png")}
    assert one == {path.name: path.read_bytes() for path in Path("two").glob("*.png")}
    assert len(one) == 4
    assert capsys.readouterr().err.count("failed: photos/bad.png: is not a picture") == 2


def test_as_a_library(here):
    shown = []
    jobs = [job("a"), job("gone"), job("b"), job("c")]
    found = {
        one.number: one
        for one in ms.batch(jobs, workers=2, on_progress=lambda *one: shown.append(one))
    }
    assert sorted(found) == [0, 1, 2, 3]
    assert isinstance(found[1].error, ImageError)
    assert np.array_equal(found[3].result.pixels, ms.paint(jobs[3]).pixels)
    assert {number for number, _ in shown} <= set(found)


def test_a_worker_that_is_killed_is_replaced(here):
    killed = []

    def show(number, fraction):
        if not killed:
            (worker,) = (one for one in pool._busy if one.number == number)
            os.kill(worker.process.pid, signal.SIGKILL)
            killed.append(number)

    jobs = [job(name) for name in "abcd"]
    with Pool(2) as pool:
        found = sorted(pool.outcomes(enumerate(jobs), show), key=lambda one: one.number)
    assert killed
    assert [one.number for one in found] == [0, 1, 2, 3]
    for one in found:
        assert np.array_equal(one.result.pixels, ms.paint(one.job).pixels)


def test_a_job_that_kills_twice_has_failed(here):
    def show(number, fraction):
        for worker in pool._busy:
            if worker.number == 0:
                os.kill(worker.process.pid, signal.SIGKILL)

    with Pool(1) as pool:
        found = list(pool.outcomes(enumerate([job("a", LONG), job("b")]), show))
    assert isinstance(found[0].error, StoppedError)
    assert "its process ended by signal 9, 2 times" in str(found[0].error)
    assert found[1].result is not None


def test_stop_ends_those_in_work(here):
    seen = []

    def show(number, fraction):
        seen.append(fraction)
        return "stop" if fraction else None

    with Pool(2) as pool:
        jobs = [job(name, LONG) for name in "abcd"]
        found = list(pool.outcomes(enumerate(jobs), show))
        processes = [one.process for one in (*pool._idle, *pool._busy)]
    assert all(one.result.report["stopped"] == "interrupted" for one in found)
    assert len(found) <= 2 and seen[-1] < 1
    assert not any(one.is_alive() for one in processes)


def test_what_cannot_be_pickled_is_told(here):
    with open("photos/a.png", "rb") as file:
        jobs = [ms.Job(content=file, styles=("waves.png",), settings=SETTINGS), job("b")]
        found = list(ms.batch(jobs, workers=2))
    assert isinstance(found[0].error, UsageError)
    assert found[1].result is not None


@pytest.mark.parametrize("count", ["0", "-1", "two", "1.5"])
def test_no_number_of_workers(here, capsys, count):
    assert main(["batch", "photos", "--styles", "waves.png", "-o", "o", "--workers", count]) == 2
    assert "expected a whole number" in capsys.readouterr().err
    with pytest.raises(UsageError):
        Pool(0)


def children(process):
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(one) for one in found]


def runs(process):
    """Whether it is there, and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="processes are looked up there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent(here, number):
    """Ctrl-C goes to all processes of a terminal at once, SIGKILL to one."""
    command = [sys.executable, "-m", "minimalstyle", "batch", "photos", "--styles", "waves.png"]
    command += ["-o", "out", "--workers", "2", "--size", "32", "--iterations", "5000"]
    process = subprocess.Popen(
        command, env=ENVIRONMENT, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        begun = time.monotonic()
        while len(children(process)) < 3 and time.monotonic() - begun < 60:  # and a tracker
            time.sleep(0.05)
        time.sleep(2)
        workers = children(process)
        assert len(workers) >= 2
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.kill()
        _, err = process.communicate(timeout=60)
        assert process.returncode == (130 if number == signal.SIGINT else -9)
        begun = time.monotonic()
        while any(map(runs, workers)) and time.monotonic() - begun < 60:
            time.sleep(0.05)
        assert not any(map(runs, workers))
        assert b"Traceback" not in err
    finally:
        process.kill()
