"""Folders that are watched: what is put there is painted once, when it is whole."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import SHALLOW_WORDS
from PIL import Image

from minimalstyle.batch import watch
from minimalstyle.commands.paint import main

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
QUICK = ["--size", "32", "--iterations", "1", "--coarse-iterations", "1", *SHALLOW_WORDS]


def noise(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    Path("waves.png").write_bytes(noise(0))
    return tmp_path


def test_a_file_is_found_once_when_it_is_whole(here, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(watch.time, "monotonic", lambda: now[0])
    seen = watch.Watch(["photos"], without=Path("out"), whole=2)

    def new(after):
        now[0] += after
        return [path.name for path, _ in seen.new()]

    assert new(0) == []
    photo = Path("photos/a.png")
    photo.touch()  # empty, as at the beginning of a copy
    assert [new(1), new(5)] == [[], []]
    for length in (10, 20, 30):
        photo.write_bytes(bytes(length))
        assert [new(1), new(1)] == [[], []]
    assert [new(1), new(1), new(10)] == [["a.png"], [], []]
    photo.write_bytes(bytes(31))
    assert [new(1), new(2), new(2)] == [[], ["a.png"], []]
    photo.unlink()
    assert new(1) == []


def until(condition, process):
    begun = time.monotonic()
    while not condition():
        assert process.poll() is None and time.monotonic() - begun < 90
        time.sleep(0.05)


def test_watching(here):
    command = [sys.executable, "-m", "minimalstyle", "batch", "photos", "--styles", "waves.png"]
    command += ["-o", "photos/out", "--watch", *QUICK]  # results are no photographs
    with open("told", "w") as told:
        process = subprocess.Popen(command, env=ENVIRONMENT, stderr=told)
    try:
        until(lambda: "watching photos" in Path("told").read_text(), process)
        data = noise(1)
        with open("photos/slow.png", "wb") as file:  # a copy that takes its time
            for part in range(8):
                file.write(data[part * len(data) // 8 : (part + 1) * len(data) // 8])
                file.flush()
                time.sleep(0.5)
                assert not Path("photos/out/slow_waves.png").exists()
        until(Path("photos/out/slow_waves.png").exists, process)
        Path("photos/cut.png").write_bytes(data[:500])  # one that stopped
        Path("photos/slow.jpg").write_bytes(data)  # whose result would be that of slow.png
        until(lambda: "cut.png: damaged" in Path("told").read_text(), process)
        until(lambda: "would be both" in Path("told").read_text(), process)
        Path("photos/cut.png").write_bytes(data)  # and went on
        until(Path("photos/out/cut_waves.png").exists, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
    finally:
        process.kill()
    text = Path("told").read_text()
    assert text.count("failed") == 1 and "slow.png after waves.png: failed" not in text
    with Image.open("photos/out/slow_waves.png") as image:
        assert image.size == (32, 24)
    report = Path("photos/out/report.csv").read_text()
    assert report.count("painted") == 2 and "failed" not in report


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("photos --pairs", "--watch takes folders, and neither"),
        ("photos --dry-run", "--watch takes folders, and neither"),
        ("waves.png", "--watch: waves.png is no folder"),
        ("gone", "--watch: gone is no folder"),
    ],
)
def test_what_cannot_be_watched(here, capsys, words, message):
    words = ["batch", *words.split(), "--styles", "waves.png", "-o", "out", "--watch"]
    assert main(words) == 2
    assert message in capsys.readouterr().err
