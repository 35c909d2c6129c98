"""Batches of several processes: the same pictures, and one that is killed costs nothing."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import dask
import distributed  # noqa: F401  # has settings of its own
import numpy as np
import pytest
from conftest import SHALLOW, SHALLOW_WORDS
from numba.core import event
from PIL import Image

import minimalstyle as ms
from minimalstyle.batch import together, worker
from minimalstyle.batch.cluster import Cluster
from minimalstyle.batch.painter import Painter
from minimalstyle.batch.tasks import Task
from minimalstyle.commands.paint import main
from minimalstyle.errors import ImageError, StoppedError, UsageError
from minimalstyle.painting import pace, plan
from minimalstyle.records import checkpoint

pytestmark = pytest.mark.filterwarnings("ignore")  # of the cluster's own libraries
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
QUICK = ["--size", "32", "--iterations", "1", "--coarse-iterations", "1", *SHALLOW_WORDS]
SETTINGS = ms.Settings(size=32, iterations=1, coarse_iterations=1, **SHALLOW)
LONG = ms.Settings(size=32, iterations=30, coarse_iterations=30)
ENDLESS = ms.Settings(size=32, iterations=5000, coarse_iterations=5000)


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
    assert main([*words, "one", "--workers", "1"]) == 101
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


def kill_a_worker(crew):
    """One of those that there are; perhaps none, just after another was killed."""
    for one in list(crew._client.run(os.getpid, on_error="ignore").values())[:1]:
        os.kill(one, signal.SIGKILL)


def test_a_worker_that_is_killed_is_replaced(here):
    killed = []

    def show(number, fraction):
        if not killed and fraction:
            kill_a_worker(crew)
            killed.append(number)

    jobs = [job("a", LONG), *(job(name) for name in "bcd")]
    with Cluster(None, workers=2) as crew:
        found = sorted(crew.outcomes(enumerate(jobs), show), key=lambda one: one.number)
        assert len(crew._client.run(os.getpid)) == 2
    assert killed
    assert [one.number for one in found] == [0, 1, 2, 3]
    for one in found:
        assert np.array_equal(one.result.pixels, ms.paint(one.job).pixels)


def test_a_worker_that_is_given_up_is_replaced(here):
    """As on a busy machine, where one that was killed takes too long to begin again."""
    closed = []

    def show(number, fraction):
        if not closed and fraction:
            closed.append(number)
            crew._own.sync(crew._own.workers[0].close)

    soon = dask.config.set({"distributed.deploy.lost-worker-timeout": "100 ms"})
    with soon, Cluster(None, workers=1) as crew:
        found = list(crew.outcomes(enumerate([job("a", LONG), job("b")]), show))
    assert closed
    assert [one.error for one in found] == [None, None]


def test_a_job_that_always_kills_has_failed(here):
    def show(number, fraction):
        if number == 0 and fraction:
            kill_a_worker(crew)

    with Cluster(None, workers=1) as crew:
        found = list(crew.outcomes(enumerate([job("a", ENDLESS), job("b")]), show))
    assert isinstance(found[0].error, StoppedError)
    assert "its process ended again and again" in str(found[0].error)
    assert found[1].result is not None


def test_stop_ends_those_in_work(here):
    seen = []

    def show(number, fraction):
        seen.append(fraction)
        return "stop" if fraction else None

    with Cluster(None, workers=2) as crew:
        processes = list(crew._client.run(os.getpid).values())
        jobs = [job(name, ENDLESS) for name in "abcd"]
        found = list(crew.outcomes(enumerate(jobs), show))
    assert 0 < max(seen) < 1
    assert {one.number for one in found} <= {0, 1}
    assert {one.result.report["stopped"] for one in found} == {"interrupted"}
    assert not any(map(runs, processes))


def test_memory_is_counted_together(here, monkeypatch, capsys):
    """What each of them would have alone is too little for all."""
    with Cluster(None, workers=2) as crew:
        crew._room = 2**20
        (found,) = crew.outcomes(enumerate([job("a")]), lambda *_: None)
    assert "each of those that paint at once has 0.0; fewer workers" in str(found.error)
    needed = plan.memory_of(Painter().prepare(job("a")))
    monkeypatch.setattr(plan, "available", lambda: 3 * needed // 2)
    words = ["batch", "photos", "--styles", "waves.png", *QUICK, "-o"]
    assert main([*words, "one", "--workers", "1"]) == 0
    assert main([*words, "two", "--workers", "2"]) == 2
    gigabytes = [f"{share * needed / 1e9:.1f}" for share in (2, 1.5)]
    expected = "error: 2 pictures at once need about {} GB of memory, and there are {}; --workers 1"
    assert expected.format(*gigabytes) in capsys.readouterr().err
    assert main([*words, "two", "--workers", "2", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert out.count(" MB, too much") == 4
    each, both = (int(line.split(" MB")[0].split()[-1]) for line in out.splitlines()[3:])
    assert abs(both - 2 * each) <= 1


@pytest.mark.parametrize(("workers", "at_once"), [(1, 1), (2, 2), (4, 3)])
def test_the_time_is_that_of_all_at_once(here, capsys, monkeypatch, workers, at_once):
    """No more paces than cores."""
    all_at_once = threading.Barrier(at_once, timeout=60)

    def measured(network, settings):
        all_at_once.wait()
        return pace.Pace(600.0, 0.0, 600.0, 0.0)

    monkeypatch.setattr(pace, "measure_pace", measured)
    monkeypatch.setattr(together, "available_cores", lambda: 3)
    words = ["batch", "photos", "--styles", "waves.png", *QUICK, "-o", "out", "--dry-run"]
    assert main([*words, "--workers", str(workers)]) == 0
    *each, in_all = re.findall(r"(\d+):(\d\d):(\d\d)", capsys.readouterr().out)
    seconds = [3600 * int(h) + 60 * int(m) + int(s) for h, m, s in (*each, in_all)]
    assert len(each) == 4
    assert abs(sum(seconds[:-1]) / at_once - seconds[-1]) <= 4


@pytest.mark.parametrize(
    ("machine", "pictures", "expected"),  # its cores, and how many pictures its memory holds
    [
        ((1, 100), 400, 1),
        ((2, 100), 3, 1),  # a process is to be worth its start
        ((2, 100), 4, 2),
        ((4, 100), 400, 2),
        ((16, 100), 400, 8),
        ((16, 100), 12, 6),
        ((16, 6), 400, 3),  # half of the memory
        ((16, 0.5), 400, 1),
        ((16, None), 400, 8),
    ],
)
def test_as_many_as_paint_the_most(here, monkeypatch, machine, pictures, expected):
    cores, room = machine
    needed = plan.memory_of(Painter(2).prepare(job("a")))
    monkeypatch.setattr(plan, "available", lambda: room and int(room * needed))
    monkeypatch.setattr(together, "available_cores", lambda: cores)
    listed = [Task(job("a"), Path(f"{one}.png"), f"{one}.png") for one in range(pictures)]
    assert together.usual(listed) == expected


@pytest.mark.parametrize("name", ["threads", "memory"])
def test_settings_that_ask_for_one_at_a_time(here, monkeypatch, name):
    monkeypatch.setattr(together, "available_cores", lambda: 16)
    value = {"threads": 2, "memory": plan.memory_of(Painter(2).prepare(job("a"))) * 3 // 2}[name]
    asked = replace(SETTINGS, **{name: value})
    gone = Task(job("gone", asked), Path("gone.png"), "gone.png")
    listed = [Task(job("a", asked), Path(f"{one}.png"), f"{one}.png") for one in range(40)]
    assert together.usual([gone, *listed]) == 1


def test_several_at_once_without_being_told(here, monkeypatch, capsys):
    monkeypatch.setattr(together, "available_cores", lambda: 2)
    words = ["batch", "photos", "--styles", "waves.png", *QUICK, "-o"]
    assert main([*words, "many"]) == 0
    assert "2 pictures at once (--workers); dashboard: http://1" in capsys.readouterr().err
    assert main([*words, "many", "--dry-run"]) == 0  # nothing is left to do
    assert main([*words, "few", "--threads", "1"]) == 0
    assert "at once" not in capsys.readouterr().err
    many = {path.name: path.read_bytes() for path in Path("many").glob("*.png")}
    assert many == {path.name: path.read_bytes() for path in Path("few").glob("*.png")}
    assert len(many) == 4


def compilations():
    """How many kernels a worker compiles that paints now."""
    with event.install_recorder("numba:compile") as recorder:
        worker.paint_small()
    return len(recorder.buffer)


def test_kernels_are_compiled_once(here, monkeypatch):
    """The others wait for the first worker, and load what it has compiled."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(here / "kernels"))
    notes = []
    with Cluster(None, workers=2, note=notes.append) as crew:
        assert list(crew._client.run(compilations).values()) == [0, 0]
    assert any(note.startswith("compiling kernels") for note in notes)
    notes.clear()
    with Cluster(None, workers=1, note=notes.append) as crew:
        assert list(crew._client.run(compilations).values()) == [0]
    assert not any(note.startswith("compiling kernels") for note in notes)


def test_without_dask(here, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setattr(together, "available_cores", lambda: 2)
    words = ["batch", "photos", "--styles", "waves.png", *QUICK, "-o", "out"]
    assert main([*words, "--workers", "2"]) == 2
    assert "several at once need Dask: pip install 'minimalstyle[clus" in capsys.readouterr().err
    assert main(words) == 0
    assert "install 'minimalstyle[cluster]' paints 2 pictures at once" in capsys.readouterr().err


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
        Cluster(None, workers=0)


def children(process):
    """Of all its threads."""
    tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
    return [int(one) for path in tasks for one in path.read_text().split()]


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_pictures_in_work_go_on_from_their_checkpoints(here, number):
    """Either signal goes to all processes at once, from a terminal or a service."""
    words = ["batch", "photos/a.png", "photos/b.png", "--styles", "waves.png", "--checkpoint"]
    words += ["--size", "32", "--iterations", "100", "--scales", "1", "-o"]
    assert main([*words, "whole"]) == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "minimalstyle", *words, "out", "--workers", "2"],
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    kept = [Path(f"out/.{name}_waves.png.checkpoint") for name in "ab"]
    try:
        begun = time.monotonic()
        while not all(one.exists() for one in kept) and time.monotonic() - begun < 60:
            time.sleep(0.05)
        time.sleep(0.5)
        os.killpg(process.pid, number)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert b"interrupted; 2 pictures are left, and the same command goes on" in err
    for one in kept:  # evaluations, though it was too early to save them by the clock
        assert sum("values" in arrays for _, arrays, _ in checkpoint.sections(one)) == 1
    assert main([*words, "out", "--workers", "2"]) == 0
    for name in ("a_waves.png", "b_waves.png"):
        assert Path("out", name).read_bytes() == Path("whole", name).read_bytes()
    assert not list(Path("out").glob(".*"))
