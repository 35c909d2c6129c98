"""A batch on a Dask cluster of true processes on this machine."""

import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import distributed
import numpy as np
import pytest
from conftest import SHALLOW, SHALLOW_WORDS
from PIL import Image

import minimalstyle as ms
from minimalstyle.batch import worker
from minimalstyle.commands.paint import main

pytestmark = pytest.mark.filterwarnings("ignore")  # of the cluster's own libraries
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
QUICK = ["--size", "32", "--iterations", "1", "--coarse-iterations", "1", *SHALLOW_WORDS]


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    """Address of a scheduler, and what starts a worker of it."""
    folder = tmp_path_factory.mktemp("dask")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    started = []

    def start(*words):
        command = [sys.executable, "-m", "dask", *words, "--dashboard-address", "127.0.0.1:0"]
        with open(folder / f"{len(started)}.log", "w") as log:
            process = subprocess.Popen(
                command, cwd=folder, env=ENVIRONMENT, stdout=log, stderr=subprocess.STDOUT
            )
        started.append(process)
        return process

    def worker():
        return start("worker", address, "--no-nanny", "--nthreads", "1", "--host", "127.0.0.1")

    start("scheduler", "--host", "127.0.0.1", "--port", str(port))
    yield address, worker
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def workers(dask):
    address, worker = dask
    found = [worker(), worker()]
    with distributed.Client(address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=120)
    return found


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for seed, name in enumerate(["photos/a", "photos/b", "photos/c", "waves"]):
        pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
        Image.fromarray(pixels).resize((40, 30)).save(f"{name}.png")
    return tmp_path


def batch(*words):
    return main(["batch", "photos", "--styles", "waves.png", *QUICK, *words])


def pictures(folder):
    return {path.name: path.read_bytes() for path in Path(folder).glob("*.png")}


def test_a_cluster_paints_the_same_pictures(here, dask, workers, capsys):
    Path("photos/bad.png").write_text("no picture")
    assert batch("-o", "here") == 101
    assert batch("-o", "there", "--scheduler", dask[0]) == 101
    assert pictures("here") == pictures("there") and len(pictures("here")) == 3
    err = capsys.readouterr().err
    assert "2 workers; dashboard: http://127.0.0.1:" in err
    assert err.count("photos/bad.png after waves.png: failed: ") == 2
    assert batch("-o", "shared", "--scheduler", dask[0], "--shared-files") == 101
    assert pictures("shared") == pictures("here")


def test_as_a_library(here, dask, workers):
    settings = ms.Settings(size=32, iterations=1, coarse_iterations=1, **SHALLOW)
    jobs = [
        ms.Job(content=f"photos/{name}.png", styles=("waves.png",), settings=settings)
        for name in ("a", "gone", "b")
    ]
    found = sorted(ms.batch(jobs, scheduler=dask[0]), key=lambda one: one.number)
    assert [one.error is None for one in found] == [True, False, True]
    assert found[2].job is jobs[2]
    assert np.array_equal(found[2].result.pixels, ms.paint(jobs[2]).pixels)
    data = [Path(name).read_bytes() for name in ("photos/b.png", "waves.png")]
    job = ms.Job(content=data[0], styles=(data[1],), settings=settings)
    with distributed.Client(dask[0], set_as_default=False) as client:  # a Job is data
        (result,) = client.gather(client.map(ms.paint, [job]))
    assert np.array_equal(result.pixels, found[2].result.pixels)


def unfinished(dask_scheduler):
    """How many tasks a scheduler has that are to be done."""
    return sum(task.state not in ("memory", "released") for task in dask_scheduler.tasks.values())


def test_few_jobs_are_with_the_scheduler(here, dask, workers):
    settings = ms.Settings(size=32, iterations=1, coarse_iterations=1, **SHALLOW)
    job = ms.Job(content="photos/a.png", styles=("waves.png",), settings=settings)
    counts = []
    with distributed.Client(dask[0], set_as_default=False) as client:
        for _ in ms.batch([job] * 12, scheduler=dask[0]):
            counts.append(client.run_on_scheduler(unfinished))
    assert len(counts) == 12
    assert 1 < max(counts) <= 4  # two for each worker


def test_another_version_is_refused(here, dask, workers, monkeypatch, capsys):
    monkeypatch.setattr(worker, "__version__", "9.9")
    assert batch("-o", "out", "--scheduler", dask[0]) == 2
    err = capsys.readouterr().err
    assert f"has version {ms.__version__}, this is 9.9" in err


def test_a_scheduler_that_is_not_there(here, capsys):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{one.getsockname()[1]}"
    assert batch("-o", "out", "--scheduler", address) == 2
    err = capsys.readouterr().err
    expected = f"error: {address}: no scheduler answers: Connection refused\n"
    assert err == f"minimalstyle batch: {expected}"
    for address in ("nonsense://x:1", "host", "tcp://host", "tcp://host:many", "tcp://[x:1"):
        assert batch("-o", "out", "--scheduler", address) == 2
        expected = f"error: {address}: is no address of a scheduler, such as tcp://host:8786\n"
        assert capsys.readouterr().err == f"minimalstyle batch: {expected}"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.0 400 Bad Request\r\n\r\n", bytes(8)])
def test_what_is_no_scheduler(here, capsys, answer):
    """Whatever else listens there; one line, and nothing of Dask's own."""

    class Other(socketserver.BaseRequestHandler):
        def handle(self):
            with suppress(OSError):
                self.request.sendall(answer)
                self.request.recv(1000)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever).start()
        address = f"tcp://127.0.0.1:{server.server_address[1]}"
        assert batch("-o", "out", "--scheduler", address) == 2
        server.shutdown()
    err = capsys.readouterr().err
    assert err.startswith(f"minimalstyle batch: error: {address}: no scheduler answers: something")
    assert err.count("\n") == 1


@pytest.mark.parametrize("words", ["--init waves.png", "--checkpoint"])
def test_files_that_do_not_travel(here, dask, workers, capsys, words):
    words = words.split()
    assert batch("-o", "out", "--scheduler", dask[0], *words) == 103
    assert "on a cluster needs --shared-files" in capsys.readouterr().err
    assert batch("-o", "out", "--scheduler", dask[0], "--shared-files", *words) == 0
    assert batch("-o", "here", *words) == 0
    assert pictures("out") == pictures("here")


def test_a_worker_that_is_killed(here, dask, workers):
    """Nothing is lost, and nothing is done twice; the last test, for it takes a worker."""
    settings = ms.Settings(size=48, iterations=20, coarse_iterations=20)
    jobs = [
        ms.Job(content=f"photos/{name}.png", styles=("waves.png",), settings=settings)
        for name in "abcabc"
    ]
    shown = []

    def show(number, fraction):
        shown.append(fraction)
        if workers[0].poll() is None and 0 < fraction < 1:
            workers[0].send_signal(signal.SIGKILL)

    found = sorted(ms.batch(jobs, scheduler=dask[0], on_progress=show), key=lambda one: one.number)
    assert workers[0].poll() == -signal.SIGKILL
    assert any(0 < fraction < 1 for fraction in shown)
    assert [one.number for one in found] == list(range(6))
    expected = ms.paint(jobs[2]).pixels
    assert np.array_equal(found[2].result.pixels, expected)
    assert np.array_equal(found[5].result.pixels, expected)
