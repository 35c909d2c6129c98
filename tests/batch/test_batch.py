"""Batches: what is painted, what is not painted again, and what is refused."""

import csv
import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from conftest import SHALLOW, SHALLOW_WORDS
from PIL import Image

import minimalstyle as ms
from minimalstyle.batch import pace
from minimalstyle.batch.folder import NAME, Folder
from minimalstyle.batch.tasks import walk
from minimalstyle.commands.paint import main
from minimalstyle.errors import ImageError, UsageError

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
FEW = ["--size", "32", "--iterations", "1", "--coarse-iterations", "1"]
QUICK = [*FEW, *SHALLOW_WORDS]
SETTINGS = {"size": 32, "iterations": 1, "coarse_iterations": 1, **SHALLOW}
PICTURES = [f"{photo}_{style}.png" for photo in "abc" for style in ("waves", "night")]


def noise(path, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    Image.fromarray(pixels).resize((40, 30)).save(path)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder where the user stands, with three photographs and two paintings."""
    monkeypatch.chdir(tmp_path)
    Path("photos/sub").mkdir(parents=True)
    for seed, name in enumerate(["photos/a", "photos/b", "photos/sub/c", "waves", "night"]):
        noise(f"{name}.png", seed)
    Path("photos/notes.txt").write_text("no picture")
    Path("photos/.hidden.png").write_text("no picture")
    return tmp_path


def batch(*words):
    return main(["batch", "--workers", "1", *words, *QUICK])


def both(*words):
    return batch("photos", "--styles", "waves.png", "night.png", "-o", "out", *words)


def times():
    return {path.name: path.stat().st_mtime_ns for path in Path("out").glob("*.png")}


def rows():
    found = json.loads(Path("out/report.json").read_text())
    with open("out/report.csv", newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["state"] for row in table] == [row["state"] for row in found]
    return {row["output"]: row for row in found}


def test_every_photograph_after_every_painting(here, capsys):
    assert both() == 0
    assert sorted(times()) == sorted(PICTURES)
    assert capsys.readouterr().out.startswith("out  6 painted  ")
    for photo in ("photos/a.png", "photos/sub/c.png"):  # the same bits as one by one
        ms.stylize(photo, "night.png", **SETTINGS).save("one.png")
        assert (
            Path("one.png").read_bytes() == Path(f"out/{Path(photo).stem}_night.png").read_bytes()
        )
    row = rows()["a_night.png"]
    assert (row["state"], row["content"], row["error"]) == ("painted", "photos/a.png", None)
    assert row["seconds"] > 0 and row["loss"] > 0


def test_what_is_finished_is_not_painted_again(here, capsys):
    both()
    before = times()
    assert both() == 0
    assert times() == before
    assert "6 there already" in capsys.readouterr().out
    assert rows()["a_night.png"]["loss"] > 0  # of the first time
    noise("photos/d.png", 9)
    Path("out/b_night.png").unlink()
    assert both() == 0
    new = {"d_night.png", "d_waves.png", "b_night.png"}
    assert {name for name, when in times().items() if before.get(name) != when} == new


def test_what_was_changed_is_painted_again(here):
    both()
    before = times()
    noise("photos/a.png", 9)
    assert both() == 0
    changed = {name for name, when in times().items() if before[name] != when}
    assert changed == {"a_night.png", "a_waves.png"}
    assert both("--style-weight", "3") == 0
    assert all(times()[name] != when for name, when in before.items())
    assert main(["batch", "photos", "--styles", "waves.png", "-o", "out", *QUICK]) == 0
    before = times()
    assert both("--style-weight", "7.5", "--threads", "1", "--seed", "0") == 0
    assert times()["a_waves.png"] == before["a_waves.png"]  # threads make no other picture


def test_files_of_others_stay(here, capsys):
    Path("out").mkdir()
    Path("out/a_night.png").write_text("mine")
    assert both() == 2
    assert "out/a_night.png: exists, and is not of this batch; --force" in capsys.readouterr().err
    assert [path.name for path in Path("out").glob("*.png")] == ["a_night.png"]
    assert both("--force") == 0
    Path("out/b_night.png").write_bytes(Path("out/b_night.png").read_bytes() + b"edited")
    assert both() == 2


def test_a_bad_photograph_is_one_line(here, capsys):
    Path("photos/a.png").write_bytes(Path("photos/a.png").read_bytes()[:200])
    assert both() == 102
    out, err = capsys.readouterr()
    assert err.count("photos/a.png after waves.png: failed: photos/a.png: damaged") == 1
    assert "4 painted, 2 failed (see report.csv)" in out
    assert rows()["a_waves.png"]["state"] == "failed"
    assert rows()["a_waves.png"]["error"].startswith("photos/a.png: damaged")
    noise("photos/a.png", 0)
    assert both() == 0


def test_paintings_of_the_gallery(here, capsys):
    assert batch("photos/a.png", "--styles", "starry-night", "-o", "out") == 0
    assert sorted(times()) == ["a_starry-night.png"]
    assert rows()["a_starry-night.png"]["style"] == "starry-night"
    assert batch("photos/a.png", "--styles", "stary-night", "-o", "out") == 3
    assert "starry-night is one" in capsys.readouterr().err


def test_pairs(here, capsys):
    assert batch("photos/a.png", "photos/b.png", "--styles", "waves.png", "--pairs", "-o", "o") == 2
    assert "--pairs: 2 photographs and 1 paintings" in capsys.readouterr().err
    words = "photos/a.png photos/b.png --styles waves.png night.png --pairs -o out"
    assert batch(*words.split()) == 0
    assert sorted(times()) == ["a_waves.png", "b_night.png"]


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_list_has_settings_of_its_own(here, kind):
    jobs = [
        {"content": "photos/a.png", "style": "waves.png", "style-weight": "3", "enlarge": "true"},
        {"content": "photos/b.png", "style": "night.png", "size": "24", "output": "x/b.jpg"},
    ]
    if kind == "csv":
        with open("jobs.csv", "w", newline="") as file:
            names = ["content", "style", "output", "style-weight", "size", "enlarge"]
            table = csv.DictWriter(file, names)
            table.writeheader()
            table.writerows(jobs)
    else:
        jobs[0] |= {"style-weight": 3, "enlarge": True}
        jobs[1] |= {"size": 24}
        Path("jobs.json").write_text(json.dumps(jobs))
    assert batch("--list", f"jobs.{kind}", "-o", "out") == 0
    ms.stylize(
        "photos/a.png", "waves.png", **SETTINGS | {"style_weight": 3.0, "enlarge": True}
    ).save("one.png")
    assert Path("one.png").read_bytes() == Path("out/a_waves.png").read_bytes()
    with Image.open("out/x/b.jpg") as image:
        assert max(image.size) == 24


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("j.csv", "content,style,strokes\na,b,c", "j.csv, line 1: there is no column 'strokes'"),
        ("j.csv", "content,style\na.png,\n", "j.csv, line 2: a job needs a style"),
        ("j.csv", "content,style,size\na,b.png,big", "j.csv, line 2: argument --size: invalid"),
        ("j.csv", "content,style,size\na,b.png,3", "line 2: size must be a whole number from"),
        ("j.csv", "content,style\na,b,c", "j.csv, line 2: 3 cells under 2 columns"),
        ("j.csv", 'content,style\na,"b', "j.csv, line 2: unexpected end of data"),
        ("j.csv", "content,style,style\na,b,c", "j.csv, line 1: the column 'style' is there twice"),
        ("j.csv", "content,style\n", "there is no job in this list"),
        ("j.csv", "content,style,output\na,b.png,../c.png", "line 2: '../c.png' is no file in out"),
        ("j.csv", "content,style\na,stary-night", "j.csv, line 2: stary-night: no such file, and"),
        ("j.csv", "content,style\na,stary-night", "; starry-night is one; minimalstyle styles"),
        ("j.json", "{}", "j.json: a list of jobs begins with ["),
        ("j.json", '[{"content": 1}]', "j.json, job 1: a job needs a content"),
        ("j.json", '[{"content": "a", "style": "b.png", "size": "x"}]', "job 1: argument --size"),
        ("j.json", '[{"content": "a", "style": "b.png", "size": [1]}]', "1: size must be a whole"),
        ("j.json", "[1", "j.json: is no JSON"),
        ("j.txt", "a", "j.txt: is no .csv or .json"),
    ],
)
def test_a_wrong_list_is_refused_with_its_line(here, capsys, name, text, message):
    Path(name).write_text(text)
    assert batch("--list", name, "-o", "out") == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("empty --styles waves.png", "empty: there is no picture in this folder"),
        ("photos --styles waves.png --name {style}.png", "would be both photos/a.png after waves"),
        ("photos --styles waves.png --name {contents}.png", "there is no {contents}"),
        ("photos --styles waves.png --name {content", "--name {content: "),
        ("photos --styles waves.png --name {content}.xyz", "no known picture suffix"),
        ("photos --styles waves.png --bits 16 --ext jpg", "JPEG holds 8 bits per channel"),
        ("photos --styles waves.png --size auto", "auto is for one picture"),
        ("photos", "give photographs and --styles, or a --list"),
        ("--styles waves.png", "give photographs and --styles, or a --list"),
    ],
)
def test_what_makes_no_sense_is_refused(here, capsys, words, message):
    Path("empty").mkdir()
    assert main(["batch", *words.split(), "-o", "out"]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert times() == {}


def test_an_input_is_not_overwritten(here, capsys):
    words = ["photos", "--styles", "waves.png", "-o", "photos", "--name", "{folder}/{content}.png"]
    assert batch(*words) == 2
    assert "would be overwritten" in capsys.readouterr().err


def test_a_file_that_is_not_there(here, capsys):
    assert batch("photos", "gone.jpg", "--styles", "waves.png", "-o", "out") == 3
    assert capsys.readouterr().err == "minimalstyle batch: error: gone.jpg: no such file\n"


def test_folders_are_walked(here):
    found = walk(["photos"], without=Path("photos/sub"))
    assert [(path.name, folder) for path, folder in found] == [("a.png", ""), ("b.png", "")]
    found = walk(["photos", "photos/notes.txt"], without=Path("out"))
    names = [("a.png", ""), ("b.png", ""), ("c.png", "sub"), ("notes.txt", "")]
    assert [(path.name, folder) for path, folder in found] == names
    with pytest.raises(ImageError, match="no such file"):
        walk(["gone"], without=Path("out"))


def test_folders_in_names(here):
    noise("photos/sub/a.png", 9)
    words = ["photos", "--styles", "waves.png", "-o", "out", "--name", "{folder}/{content}.{ext}"]
    assert batch(*words, "--ext", "jpg") == 0
    found = [path.relative_to("out").as_posix() for path in Path("out").rglob("*.jpg")]
    assert sorted(found) == ["a.jpg", "b.jpg", "sub/a.jpg", "sub/c.jpg"]


def test_two_batches_in_one_folder(here, capsys):
    with Folder(Path("out"), "weights", {}):
        assert both() == 2
        assert "out: another batch is at work in this folder" in capsys.readouterr().err
    assert both() == 0


def test_a_full_disk_stops_the_batch(here, capsys, monkeypatch):
    written = []

    def fsync(file, original=os.fsync):
        if len(written) >= 6:  # a line and a picture, three times
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(file)
        original(file)

    monkeypatch.setattr(os, "fsync", fsync)
    assert both() == 5
    out, err = capsys.readouterr()
    assert "No space left on device" in err
    assert "stopped; 3 pictures are left, and the same command goes on" in err
    assert "3 painted, 3 left" in out
    monkeypatch.undo()
    os.chdir(here)
    before = times()
    assert both() == 0
    assert {name: times()[name] for name in before} == before
    assert len(times()) == 6


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_batch(here, capsys, monkeypatch, number, code):
    seen = []

    def show(self, job, fraction, original=pace.Pace.show):
        seen.append(job)
        if job == 2 and seen.count(2) == 1:
            signal.raise_signal(number)
        original(self, job, fraction)

    monkeypatch.setattr(pace.Pace, "show", show)
    assert both() == code
    out, err = capsys.readouterr()
    assert "interrupted; 4 pictures are left, and the same command goes on" in err
    assert "2 painted, 4 left" in out
    assert len(times()) == 2
    states = [row["state"] for row in rows().values()]
    assert states == ["painted", "painted", "interrupted", *["not begun"] * 3]
    assert both() == 0
    assert "4 painted, 2 there already" in capsys.readouterr().out


def test_the_picture_in_work_goes_on_from_its_checkpoint(here, monkeypatch):
    go = ["photos", "--styles", "waves.png", "--checkpoint", "-o"]
    assert batch(*go, "plain") == 0
    seen = []

    def show(self, job, fraction, original=pace.Pace.show):
        seen.append((job, fraction))
        if len(seen) == 1:
            signal.raise_signal(signal.SIGTERM)
        original(self, job, fraction)

    monkeypatch.setattr(pace.Pace, "show", show)
    assert batch(*go, "out") == 143
    assert Path("out/.a_waves.png.checkpoint").exists()
    assert batch(*go, "out") == 0
    assert not list(Path("out").glob(".*checkpoint"))
    for name in ("a_waves.png", "b_waves.png"):
        assert Path("out", name).read_bytes() == Path("plain", name).read_bytes()


def test_a_checkpoint_of_another_run_is_begun_anew(here):
    Path("out").mkdir()
    Path("out/.a_waves.png.checkpoint").write_bytes(b"minimalstyle checkpoint\nnonsense")
    words = ["photos/a.png", "--styles", "waves.png", "-o", "out", "--checkpoint"]
    assert batch(*words) == 0
    assert sorted(times()) == ["a_waves.png"]


def test_a_line_that_was_cut_off(here):
    both()
    before = times()
    with open(f"out/{NAME}", "ab") as file:
        file.write(b'{"output": "a_waves.png", "sha')
    noise("photos/d.png", 9)
    assert both() == 0
    assert both() == 0
    assert {name: times()[name] for name in before} == before
    lines = Path("out", NAME).read_bytes().splitlines()
    assert len(lines) == 9  # six, one that is broken, two


def test_a_dry_run_writes_nothing(here, capsys):
    assert both("--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7 and "32x24" in lines[0] and "6 pictures" in lines[-1]
    assert not Path("out").exists()


def test_a_contact_sheet(here):
    assert both("--contact-sheet", "sheet.png") == 0
    with Image.open("sheet.png") as sheet:
        assert sheet.width > 2 * 256 and sheet.height > 3 * 150


def test_as_a_library(here):
    settings = ms.Settings(**SETTINGS)
    jobs = [
        ms.Job(content=content, styles=("waves.png",), settings=settings)
        for content in ("photos/a.png", "photos/notes.txt", "photos/b.png")
    ]
    shown = []
    found = list(ms.batch(jobs, on_progress=lambda *one: shown.append(one)))
    assert [one.number for one in found] == [0, 1, 2]
    assert isinstance(found[1].error, ImageError)
    assert found[1].result is None
    alone = ms.paint(jobs[2])
    assert np.array_equal(found[2].result.pixels, alone.pixels)
    assert shown[-1] == (2, 1.0)
    assert len(list(ms.batch(jobs, on_progress=lambda *_: "stop"))) == 1


def test_a_job_that_makes_no_sense_does_not_end_the_batch(here):
    jobs = [ms.Job(content="photos/a.png", styles=("waves.png",), settings=ms.Settings(size=1))]
    (found,) = ms.batch(jobs)
    assert isinstance(found.error, UsageError)


def test_the_time_that_is_left(monkeypatch):
    """Right within 20 % after the third picture, though the first takes longer."""
    now = [0.0]
    monkeypatch.setattr(pace.time, "perf_counter", lambda: now[0])
    works = {number: 1.0 + number % 3 for number in range(20)}
    took = {number: 2.0 * work * (1 + 0.1 * (-1) ** number) for number, work in works.items()}
    took[0] += 15
    clock = pace.Pace()
    for number, work in works.items():
        clock.add(number, work)
    assert clock.seconds_left is None
    assert clock.fraction == 0
    for number in works:
        clock.show(number, 0.0)
        for step in range(1, 11):
            now[0] += took[number] / 10
            clock.show(number, step / 10)
            if number > 2:
                rest = sum(list(took.values())[number + 1 :]) + took[number] * (1 - step / 10)
                assert abs(clock.seconds_left - rest) <= 0.2 * rest + 1e-6
        clock.finish(number, took[number])
    assert clock.fraction == 1
    assert clock.seconds_left == 0


def test_the_time_that_is_left_when_the_first_fails():
    clock = pace.Pace()
    clock.add(0, 1.0)
    clock.add(1, 3.0)
    clock.show(0, 0.5)
    clock.finish(0, None)
    clock.show(0, 1.0)
    assert clock.seconds_left is None
    assert clock.fraction == 0.25


def test_on_a_terminal(here):
    """One bar over all, and above it a line for what fails."""
    Path("photos/a.png").write_text("no picture")
    command = [sys.executable, "-m", "minimalstyle", "batch", "photos", "--styles", "waves.png"]
    ours, theirs = os.openpty()
    process = subprocess.Popen([*command, *QUICK, "-o", "out"], env=ENVIRONMENT, stderr=theirs)
    os.close(theirs)
    told = b""
    with suppress(OSError):  # at its end
        while part := os.read(ours, 4096):
            told += part
    os.close(ours)
    assert process.wait() == 101
    lines = told.decode().replace("\r", "\n")
    assert "photos/a.png after waves.png: failed: photos/a.png: is not a picture" in lines
    assert "b_waves.png 100%, 1/3" in lines and "c_waves.png 100%, 2/3" in lines
    assert "Traceback" not in lines


def test_killed_at_any_moment(here):
    """What a batch that was killed again and again ends with is what it would have been."""
    for seed in range(6):
        noise(f"photos/n{seed}.png", 100 + seed)
    command = [sys.executable, "-m", "minimalstyle", "batch", "photos", "--styles", "waves.png"]
    command += [*FEW, "--quiet", "-o"]  # with all layers, so that there is time to kill it
    begun = time.monotonic()
    assert main([*command[3:], "whole"]) == 0
    one_picture = (time.monotonic() - begun) / 9
    chance = random.Random(0)
    killed = 0
    for _ in range(4):
        before = times()
        process = subprocess.Popen([*command, "out"], env=ENVIRONMENT)
        begun = time.monotonic()
        while process.poll() is None and times() == before and time.monotonic() - begun < 60:
            time.sleep(0.01)
        try:
            process.wait(timeout=chance.uniform(0, one_picture))
        except subprocess.TimeoutExpired:
            process.kill()
            killed += process.wait() != 0
    assert killed
    assert main([*command[3:], "out"]) == 0
    whole = {path.name: path.read_bytes() for path in Path("whole").glob("*.png")}
    found = {path.name: path.read_bytes() for path in Path("out").glob("*.png")}
    assert found == whole and len(whole) == 9
    left = {path.name for path in Path("out").iterdir()} - set(whole)
    assert left == {NAME, "report.csv", "report.json"}
