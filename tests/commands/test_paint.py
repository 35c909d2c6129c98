"""The command line with a method that only pretends; the true one is tested end to end."""

import dataclasses
import errno
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minimalstyle
from minimalstyle import __version__
from minimalstyle.commands import paint as cli
from minimalstyle.errors import (
    ImageError,
    MinimalstyleWarning,
    OutputError,
    UsageError,
    WeightsError,
)
from minimalstyle.painting import method
from minimalstyle.painting.events import Iterate
from minimalstyle.painting.result import Result
from minimalstyle.pictures import limits
from minimalstyle.records import checkpoint
from minimalstyle.settings.settings import PRESETS, Settings

WEIGHTS = Path(minimalstyle.__file__).parent / "data" / "vgg19.onnx"
IMAGE = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)


class FakePaint:
    """Stands for `method.paint`: two scales of three iterations."""

    def __init__(self, meanwhile=lambda _: None, busy=False):
        self.meanwhile = meanwhile  # called before the first iterate (0) and after each (1 ... 6)
        self.busy = busy
        self.calls = []

    def __call__(self, run, callback, on_progress):
        self.calls.append(run)
        run.note("compiling kernels")
        self.meanwhile(0)
        stopped = "iterations"
        for n in range(1, 7):
            stop = callback(self.event(n))
            self.meanwhile(n)
            if stop == "stop" and not self.busy:
                stopped = "interrupted"
                break
        report = {
            "settings": dataclasses.asdict(Settings()),
            "inputs": {"content": None, "styles": [None], "masks": [], "init": None},
            "weights": {"sha256": "0" * 64},
            "scales": [],
            "seconds": 1.25,
            "stopped": stopped,
        }
        return Result(np.float32(IMAGE / 255), None, report)

    def event(self, n):
        return Iterate(
            scale=1 + (n > 3),
            scales=2,
            width=15 * (1 + (n > 3)),
            height=10 * (1 + (n > 3)),
            iteration=(n - 1) % 3 + 1,
            iterations=3,
            evaluations=n,
            loss=10 / n,
            terms={"content": 1 / n},
            seconds=n / 10,
            seconds_left=3700.0 if n > 1 else None,
            fraction=n / 6,
            image=lambda: IMAGE,
        )


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with pictures, where the user stands."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(IMAGE).save("castle.jpg")
    Image.fromarray(IMAGE).save("starry-night.png")
    Image.fromarray(IMAGE).save("waves.png")
    for name in ("old_compare.png", "old_2x2.png", "old.gif", "older_0020.png"):
        Image.fromarray(IMAGE).save(name)
    Path("text.jpg").write_text("not a picture")
    Path("folder").mkdir()
    return tmp_path


@pytest.fixture
def fake(here, monkeypatch):
    fake = FakePaint()
    monkeypatch.setattr(method, "paint", fake)
    return fake


def run(command):
    return cli.main(command.split())


def listing():
    return {p.name: p.read_bytes() for p in Path.cwd().rglob("*") if p.is_file()}


# A run


def test_everything_by_default(fake, capsys):
    assert run("castle.jpg starry-night.png") == 0
    assert capsys.readouterr() == (
        "castle_starry-night.png  30x20  1.2 s\n",
        "minimalstyle: the photograph has 30 pixels; --enlarge allows more\n"
        "minimalstyle: compiling kernels\n"
        "minimalstyle: scale 1/2, 15x10\n"
        "minimalstyle: scale 1/2, 15x10, loss 3.333\n"
        "minimalstyle: scale 2/2, 30x20, 1:01:40 left\n"
        "minimalstyle: scale 2/2, 30x20, loss 1.667\n",
    )
    with Image.open("castle_starry-night.png") as image:
        np.testing.assert_array_equal(np.asarray(image), IMAGE)
    (painted,) = fake.calls
    opened = painted.opened
    assert [one.sha256 for one in (opened.content, *opened.styles)] == [
        hashlib.sha256(Path(name).read_bytes()).hexdigest()
        for name in ("castle.jpg", "starry-night.png")
    ]
    assert "relu5_1" in painted.network.layers
    assert painted.settings == Settings()
    job = painted.job
    assert (job.content_masks, job.style_masks) == ((), ())
    assert (job.checkpoint, job.resume, job.checkpoint_every) == (None, None, 20.0)


def test_every_option_arrives(fake, capsys):
    Path("vgg.onnx").symlink_to(WEIGHTS)
    code = run(
        "castle.jpg starry-night.png --size 300 waves.png -o out.jpg --enlarge --iterations 7 "
        "--content-weight 2 --style-weight 1e3 --tv-weight 0.5 --style-scale 2 "
        "--style-blend 0.7,0.3 --init waves.png --seed 9 --weights vgg.onnx --threads 2 "
        "--report report.json --quiet --preset fine --pooling max --border reflect --strength 40 "
        "--content-layers relu4_2:1,relu3_1:0.5 --style-layers relu1_1,relu2_1:3 --scales 1 "
        "--preserve-color match --init-blend 0.5 --checkpoint state "
        "--checkpoint-every 1m"
    )
    assert code == 0
    assert capsys.readouterr() == ("", "")
    (painted,) = fake.calls
    assert len(painted.opened.styles) == 2
    assert painted.network.threads.number == 2
    job = painted.job
    assert (job.checkpoint, job.resume, job.checkpoint_every) == (Path("state"), None, 60.0)
    assert job.settings == Settings(
        coarse_iterations=60,  # of the preset, as is the deep size
        deep_size=20_000,
        pooling="max",
        border="reflect",
        strength=40.0,
        content_layers={"relu4_2": 1.0, "relu3_1": 0.5},
        style_layers={"relu1_1": 1.0, "relu2_1": 3.0},
        scales=1,
        preserve_color="match",
        init_blend=0.5,
        size=300,
        enlarge=True,
        iterations=7,
        content_weight=2.0,
        style_weight=1000.0,
        tv_weight=0.5,
        style_scale=2.0,
        style_blend=(0.7, 0.3),
        init="waves.png",
        seed=9,
        threads=2,
    )
    report = json.loads(Path("report.json").read_text())
    assert report["version"] == __version__
    assert report["output"] == "out.jpg"
    assert report["stopped"] == "iterations"
    with Image.open("out.jpg") as image:
        assert image.format == "JPEG"


def test_names_never_overwrite(fake, capsys):
    for expected in ("castle_starry-night.png", "castle_starry-night_2.png"):
        assert run("castle.jpg starry-night.png") == 0
        assert capsys.readouterr().out.startswith(expected + "  ")
    assert run("castle.jpg starry-night.png waves.png") == 0
    assert capsys.readouterr().out.startswith("castle_starry-night_waves.png  ")


def test_file_that_appears_meanwhile_is_kept(fake, capsys):
    fake.meanwhile = lambda _: Path("out.png").write_bytes(b"another run's")
    assert run("castle.jpg waves.png -o out.png") == 0
    assert capsys.readouterr().out.startswith("out_2.png  ")
    assert Path("out.png").read_bytes() == b"another run's"


def test_what_is_saved_beside_the_picture(fake):
    assert run("castle.jpg waves.png -o new.png --compare --save-every 4 --quiet") == 0
    assert {p.name for p in Path.cwd().glob("new*")} == {
        "new.png",
        "new_compare.png",
        "new_0004.png",
        "new.gif",
    }


def test_files_beside_that_appear_meanwhile_are_kept(fake):
    fake.meanwhile = lambda n: Path("new_compare.png").write_bytes(b"another run's")
    assert run("castle.jpg waves.png -o new.png --compare --quiet") == 0
    assert Path("new_compare.png").read_bytes() == b"another run's"
    assert Path("new_compare_2.png").exists()


def test_force(fake, capsys):
    Path("out.png").write_bytes(b"old")
    Path("out.json").write_bytes(b"old")
    assert run("castle.jpg waves.png -o out.png --report out.json --force") == 0
    assert capsys.readouterr().out.startswith("out.png  ")
    assert Path("out.png").read_bytes()[:4] == b"\x89PNG"
    assert json.loads(Path("out.json").read_text())["output"] == "out.png"


def test_very_long_names(fake):
    names = [letter * 240 + ".png" for letter in "aé"[:1]] + ["é" * 120 + ".png"]
    for name in names:
        Image.fromarray(IMAGE).save(name)
    assert cli.main([*names, "--quiet"]) == 0
    assert Path("a" * 200 + ".png").exists()


def test_strange_names_stay_on_one_line(fake, capsys):
    Image.fromarray(IMAGE).save("a\nb\x1b[31m.png")
    assert cli.main(["a\nb\x1b[31m.png", "waves.png"]) == 0
    assert capsys.readouterr().out.startswith("a?b?[31m_waves.png  ")


def test_warnings_in_one_line(fake, capsys):
    def warn(n):
        if n == 1:
            warnings.warn("castle.jpg: strange", MinimalstyleWarning, stacklevel=1)
            warnings.warn("internal", RuntimeWarning, stacklevel=1)

    fake.meanwhile = warn
    assert run("castle.jpg waves.png --quiet") == 0
    assert capsys.readouterr() == ("", "minimalstyle: warning: castle.jpg: strange\n")


def test_transparency_that_a_jpeg_does_not_hold(fake, capsys):
    transparent = np.dstack([IMAGE, np.full((20, 30), 100, np.uint8)])
    Image.fromarray(transparent).save("cut.png")
    words = "minimalstyle: out.jpg: a JPEG holds no transparency; with .png it is kept\n"
    for command, said in (
        ("cut.png waves.png -o out.jpg", True),
        ("cut.png waves.png -o out.jpg --force --quiet", False),
        ("cut.png waves.png -o out.png", False),
        ("castle.jpg waves.png -o other.jpg", False),
    ):
        assert run(command) == 0
        assert (words in capsys.readouterr().err) == said


# Bad input


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("", 2, "required: CONTENT, STYLE; see --help"),
        ("castle.jpg", 2, "required: STYLE; see --help"),
        ("castle.jpg waves.png --fast", 2, "unrecognized arguments: --fast; see --help"),
        ("castle.jpg waves.png --iter 5", 2, "unrecognized arguments: --iter 5"),
        ("castle.jpg waves.png --size big", 2, "--size: invalid size value: 'big'; see --help"),
        ("castle.jpg waves.png --size", 2, "--size: expected one argument"),
        ("castle.jpg waves.png --size 0", 2, "--size must be a whole number from 16"),
        ("castle.jpg waves.png --size 15", 2, "not 15"),
        ("castle.jpg waves.png --size 99999999", 2, "to 20000, not 99999999"),
        ("castle.jpg waves.png --size -512", 2, "not -512"),
        ("castle.jpg waves.png --iterations 0", 2, "--iterations must be"),
        ("castle.jpg waves.png --threads 0", 2, "--threads must be"),
        ("castle.jpg waves.png --seed -1", 2, "--seed must be"),
        ("castle.jpg waves.png --style-weight -3", 2, "--style-weight must be .* not -3"),
        ("castle.jpg waves.png --style-weight -1e3", 2, "--style-weight must be .* not -1000"),
        ("castle.jpg waves.png --style-weight nan", 2, "--style-weight must be .* not nan"),
        ("castle.jpg waves.png --content-weight inf", 2, "--content-weight must be .* not inf"),
        ("castle.jpg waves.png --tv-weight -inf", 2, "--tv-weight must be .* not -inf"),
        ("castle.jpg waves.png --style-weight 1e300", 2, "between 0 and 1e\\+12, not 1e\\+300"),
        (
            "castle.jpg waves.png --content-weight 0 --style-weight 0",
            2,
            "--content-weight and --style-weight cannot both be 0",
        ),
        ("castle.jpg waves.png --style-blend 1,2", 2, "has 2 weights for 1 STYLE"),
        ("castle.jpg waves.png --style-blend a", 2, "'a': expected numbers separated by commas"),
        ("castle.jpg waves.png waves.png --style-blend 0,0", 2, "cannot all be 0"),
        ("castle.jpg waves.png waves.png --style-blend -1,2", 2, "numbers from 0 up"),
        ("castle.jpg waves.png waves.png --style-blend nan,1", 2, "numbers from 0 up"),
        ("none.jpg waves.png", 3, "none.jpg: no such file"),
        ("castle.jpg folder", 3, "folder: is a folder"),
        (
            "castle.jpg waves.png --init nose",
            2,
            "--init nose: give content, noise, style, or an existing",
        ),
        ("castle.jpg waves.png --init folder", 3, "folder: is a folder"),
        ("castle.jpg waves.png --weights none.onnx", 4, "none.onnx: no such file"),
        ("castle.jpg waves.png --weights folder", 4, "folder: is a folder"),
        ("castle.jpg waves.png -o out.bmp", 2, r"out.bmp: no known picture suffix; use .*\.png"),
        ("castle.jpg waves.png -o waves", 2, "waves: no known picture suffix"),
        ("castle.jpg waves.png -o folder", 2, "folder: no known picture suffix"),
        ("castle.jpg waves.png -o out.webp --size 17000", 2, "at most 16383 pixels"),
        ("castle.jpg waves.png -o none/out.png", 5, "none does not exist"),
        ("castle.jpg waves.png -o text.jpg/out.png", 5, "text.jpg is not a folder"),
        ("castle.jpg waves.png -o starry-night.png", 2, "exists; --force overwrites it"),
        (
            "castle.jpg waves.png -o waves.png --force",
            2,
            "--output waves.png: is one of the inputs",
        ),
        ("castle.jpg waves.png -o folder/../waves.png --force", 2, "is one of the inputs"),
        ("castle.jpg waves.png --report folder", 5, "folder: is a folder"),
        ("castle.jpg waves.png --report none/a.json", 5, "none does not exist"),
        ("castle.jpg waves.png --report text.jpg", 2, "--report text.jpg: exists; --force"),
        ("castle.jpg waves.png --report castle.jpg --force", 2, "is one of the inputs"),
        ("castle.jpg waves.png -o a.png --report ./a.png", 2, "is the output"),
        ("castle.jpg waves.png --report r --checkpoint ./r", 2, "is the report"),
        ("castle.jpg waves.png -o a.png --resume waves.png --report waves.png", 2, "of the inputs"),
        ("castle.jpg waves.png --save-every 0", 2, "--save-every must be .* not 0"),
        ("castle.jpg waves.png -o old.png --compare", 2, "--compare old_compare.png: exists"),
        ("castle.jpg old_compare.png -o old.png --compare --force", 2, "is one of the inputs"),
        ("castle.jpg waves.png -o old.png --save-every 1", 2, "--save-every old.gif: exists"),
        ("castle.jpg waves.png -o older.png --save-every 1", 2, "older_0020.png: exists"),
        ("texture waves.png -o old.png --seamless", 2, "--seamless old_2x2.png: exists"),
    ],
)
def test_bad_input(fake, capsys, command, code, message):
    before = listing()
    assert run(command) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("minimalstyle: error: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert re.search(message, err)
    assert fake.calls == []
    assert listing() == before


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 300 + ".png", "-"])
def test_strange_arguments(fake, capsys, name):
    before = listing()
    for command in (
        [name, "waves.png"],
        ["castle.jpg", name],
        ["castle.jpg", "waves.png", "-o", name],
        ["castle.jpg", "waves.png", "-o", name + ".png"] if name else ["castle.jpg", "none"],
        ["castle.jpg", "waves.png", "--weights", name],
        ["castle.jpg", "waves.png", "--init", name],
    ):
        code = cli.main([*command, "--quiet"])
        err = capsys.readouterr().err
        if code == 0:
            assert command[-1] == "-.png"
            Path("-.png").unlink()
            continue
        assert 2 <= code <= 5, err
        assert err.count("\n") == 1
        assert listing() == before


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UsageError("u"), 2, "error: u\n"),
        (ImageError("text.jpg: is not a picture"), 3, "error: text.jpg: is not a picture\n"),
        (WeightsError("w"), 4, "error: w\n"),
        (OutputError("o"), 5, "error: o\n"),
        (MemoryError(), 1, "error: not enough memory; choose a smaller --size\n"),
        (KeyError("k"), 1, "error: unexpected KeyError: 'k'; please report it with the output of"),
        (ValueError("two\nlines"), 1, "error: unexpected ValueError: two?lines; please report"),
        (KeyboardInterrupt(), 130, "interrupted; nothing written\n"),
    ],
)
def test_errors_of_the_method(fake, capsys, error, code, message):
    before = listing()

    def fail(_):
        raise error

    fake.meanwhile = fail
    assert run("castle.jpg waves.png --quiet --report r.json") == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"minimalstyle: {message}")
    assert err.count("\n") == 1
    assert listing() == before
    if isinstance(error, Exception):
        assert run("castle.jpg waves.png --debug") == code
        assert "Traceback" in capsys.readouterr().err


def test_picture_that_cannot_be_saved(fake, capsys):
    Path("gone").mkdir()
    fake.meanwhile = lambda n: Path("gone").rmdir() if n == 6 else None
    assert run("castle.jpg waves.png --quiet -o gone/out.png") == 5
    assert "gone/out.png: cannot be written: No such file" in capsys.readouterr().err


# Signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_keeps_the_picture(fake, capsys, number, code):
    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    fake.meanwhile = lambda n: signal.raise_signal(number) if n == 2 else None
    assert run("castle.jpg waves.png -o out.png --report r.json") == code
    out, err = capsys.readouterr()
    assert out.startswith("out.png  ")
    assert err.endswith("minimalstyle: interrupted; the best picture so far is saved\n")
    assert json.loads(Path("r.json").read_text())["stopped"] == "interrupted"
    assert Path("out.png").exists()
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_ignored_signal_stays_ignored(fake):
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        fake.meanwhile = lambda n: signal.raise_signal(signal.SIGINT)
        assert run("castle.jpg waves.png --quiet") == 0
    finally:
        signal.signal(signal.SIGINT, previous)


def test_main_in_another_thread(fake):
    codes = []
    thread = threading.Thread(target=lambda: codes.append(run("castle.jpg waves.png --quiet")))
    thread.start()
    thread.join()
    assert codes == [0]


# The real process


ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def python(*args):
    command = [sys.executable, *args]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)


def start(fake, command, **options):
    """`command` in a process of its own, with the fake that the expression `fake` makes."""
    code = f"import sys, time, test_paint as t; t.method.paint = {fake}; sys.exit(t.cli.main())"
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(
        [sys.executable, "-c", code, *command.split()], text=True, env=ENVIRONMENT, **streams
    )


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_nothing_slow_is_imported(here, option):
    result = python("-X", "importtime", "-m", "minimalstyle", option)
    imported = {line.split("|")[-1].strip() for line in result.stderr.splitlines()}
    assert result.returncode == 0
    assert "argparse" in imported
    assert not imported & {"PIL", "numba", "scipy", "onnx", "tqdm"}


def test_help_and_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"minimalstyle {__version__}\n"
    assert run("--help") == 0
    text = " ".join(capsys.readouterr().out.split()).partition("options:")[2]
    for name in ("size", "iterations", "content_weight", "style_weight", "init", "seed"):
        option = name.replace("_", "-")
        value = getattr(Settings(), name)
        shown = f"{value:g}" if isinstance(value, float) else value
        found = re.findall(
            rf"--{option} [^-].*?\(default: (\S+)\)", text.partition("sizes and iterations:")[2]
        )
        assert found[0] == str(shown)
    for name, changes in PRESETS.items():
        assert f"{name}:" in text
        if name not in ("gram", "gatys2016"):
            changed = {key.replace("_", "-"): value for key, value in changes.items()}
            whole = text.replace("- ", "-")  # lines may break behind a hyphen
            assert all(f"--{key} {value}" in whole for key, value in changed.items())


@pytest.mark.parametrize("option", ["--version", "--help", "--fast"])
def test_answers_at_once(here, option):
    """Before the libraries load, which takes longer than the answer."""
    slow = {"numba", "scipy", "onnx", "PIL"}
    code = f"import atexit, sys; atexit.register(lambda: print({slow} & {{*sys.modules}}))\n"
    code += "from minimalstyle.commands.paint import main; main(sys.argv[1:])"
    assert python("-c", code, option).stdout.endswith("set()\n")


@pytest.mark.parametrize(
    ("command", "code"), [("--fast", 2), ("none.jpg waves.png", 3), ("castle.jpg", 2)]
)
def test_mistakes_in_a_real_process(here, command, code):
    run = python("-m", "minimalstyle", *command.split())
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (code, "", 1)
    assert run.stderr.startswith("minimalstyle: error: ")


SLOW = "t.FakePaint(lambda n: time.sleep(0.2 if n else 0))"
STUCK = "t.FakePaint(lambda n: n or time.sleep(30))"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_to_a_process(here, number, code):
    with start(SLOW, "castle.jpg waves.png --size 30 -o out.png") as process:
        assert "compiling" in process.stderr.readline()
        assert "scale 1/2" in process.stderr.readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (
        code,
        "minimalstyle: interrupted; the best picture so far is saved\n",
    )
    assert out.startswith("out.png  ")
    assert Path("out.png").exists()


def test_signal_to_a_process_that_has_no_picture(here):
    before = listing()
    with start(STUCK, "castle.jpg waves.png --size 30") as process:
        assert "compiling" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == "minimalstyle: interrupted before there was a picture; nothing written\n"
    assert listing() == before


def test_second_signal_leaves_at_once(here):
    before = listing()
    twice = "lambda n: t.signal.raise_signal(t.signal.SIGINT) if n in (2, 4) else None"
    busy = f"t.FakePaint({twice}, busy=True)"
    with start(busy, "castle.jpg waves.png --quiet") as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "minimalstyle: interrupted again; left at once\n"
    assert listing() == before


def test_a_run_that_goes_on_is_as_it_was(fake):
    """Its own pictures are replaced, without --force; memory and time do not decide again."""
    checkpoint.write("state", {"settings": {"size": 24, "iterations": 3}}, {})
    for _ in range(2):
        command = "castle.jpg waves.png --resume state --size auto --time 5m --compare --report r"
        assert run(command) == 0
        settings = fake.calls[-1].settings
        assert (settings.size, settings.iterations) == (24, 3)
    assert Path("castle_waves.png").exists()
    assert Path("castle_waves_compare.png").exists()
    assert not list(Path().glob("*_2.png"))
    Path("castle_waves_compare.png").write_bytes(b"of somebody else")
    assert run(command) == 2
    assert run("castle.jpg waves.png --resume state") == 0
    Path("castle_waves.png").write_bytes(b"of somebody else")
    assert run("castle.jpg waves.png --resume state") == 0
    assert Path("castle_waves_2.png").exists()


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (0, r"100% \|#{0,20}.*\| scale 2/2, 30x20, loss 1.667, 1:01:40 left"),
        (80, r"100% \|#{0,20}.*\| scale 2/2, 30x20, loss 1.667, 1:01:40 left"),
        (60, r"100% scale 2/2, 30x20, loss 1.667, 1:01:40 left"),
        (40, r"100% loss 1.667, 1:01:40 left"),
    ],
)
def test_bar_on_a_terminal(here, columns, line):
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    pytest.importorskip("termios").tcsetwinsize(theirs, (24, columns))
    with start(SLOW, "castle.jpg waves.png --size 30", stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                data = os.read(ours, 4096)
            except OSError:  # Linux says EIO at the end
                break
            if not data:
                break
            shown += data
        out = process.stdout.read()
    os.close(ours)
    assert process.returncode == 0
    assert out == "castle_waves.png  30x20  1.2 s\n"
    text = shown.decode()
    last = text.rstrip().split("\r")[-1].replace("\N{FULL BLOCK}", "#")
    assert re.fullmatch(line, last.rstrip())
    assert "minimalstyle: compiling kernels\r\n" in text


def test_nobody_listens(here):
    """stdout a pipe without a reader, stderr closed: the picture is saved all the same."""
    read, write = os.pipe()
    os.close(read)
    with start("t.FakePaint()", "castle.jpg waves.png -o a.png --size 30", stdout=write) as process:
        _, err = process.communicate(timeout=60)
    os.close(write)
    assert (process.returncode, err.count("\n")) == (0, 5)
    assert Path("a.png").exists()
    read, write = os.pipe()
    os.close(read)
    with start("t.FakePaint()", "castle.jpg waves.png -o b.png", stderr=write) as process:
        out, _ = process.communicate(timeout=60)
    os.close(write)
    assert (process.returncode, out) == (0, "b.png  30x20  1.2 s\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is always full")
@pytest.mark.parametrize("arguments", ["castle.jpg waves.png -o a.png", "--version"])
def test_a_full_disk_takes_what_is_printed(here, arguments):
    """Not that the picture is saved, but where it is could not be said."""
    with (
        open("/dev/full", "w") as full,
        start("t.FakePaint()", arguments, stdout=full) as process,
    ):
        _, err = process.communicate(timeout=60)
    assert process.returncode == 5
    assert err.splitlines()[-1].startswith("minimalstyle: error: standard output: ")
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["--time 5s --iterations 3", "--border zero --seamless"])
def test_options_that_contradict_each_other(fake, capsys, command):
    words = "texture waves.png" if "seamless" in command else "castle.jpg waves.png"
    assert run(f"{words} {command} -o a.png") == 2
    assert "give one of them" in capsys.readouterr().err


def test_the_size_of_the_photograph(fake, capsys):
    assert run("castle.jpg starry-night.png --size full --memory 2.5G") == 0
    (call,) = fake.calls
    assert call.size == (30, 20)
    assert call.settings.size == 30
    assert call.settings.memory == call.bound == 25 * 10**8
    assert "--enlarge" not in capsys.readouterr().err


def test_a_texture_has_no_photograph(fake, capsys):
    assert run("texture starry-night.png --size full") == 2
    assert "--size full is the size of CONTENT" in capsys.readouterr().err
    assert not fake.calls


def test_a_memory_that_is_too_small(fake, capsys):
    assert run("castle.jpg starry-night.png --memory 100M") == 2
    assert re.search(r"--memory is too little .* \d+M works", capsys.readouterr().err)
    assert not fake.calls


def test_the_option_that_lifts_the_limit_of_pixels(fake, capsys, monkeypatch):
    monkeypatch.setattr(limits, "MAX_PIXELS", 30 * 20 - 1)
    assert run("castle.jpg starry-night.png") != 0
    said = capsys.readouterr().err
    assert "has more than 599 pixels, the limit" in said
    (option,) = re.findall("--max-[a-z]+", said)
    assert run(f"castle.jpg starry-night.png {option} 1000000") == 0
    assert len(fake.calls) == 1


@pytest.mark.parametrize(
    ("words", "left", "name"),
    [
        ("", 4_000_000, ""),
        ("", 2_000_000, "a.png"),
        ("--bits 16", 4_000_000, "a.png"),
        ("--checkpoint a.npz", 10_000_000, "a.png"),
    ],
)
def test_a_disk_too_small_is_found_before_the_work(words, left, name, fake, capsys, monkeypatch):  # noqa: PLR0917
    """A picture of 1200 x 800 takes 2.9 MB, 5.8 with 16 bits, and a checkpoint far more."""

    def reserve(file, begin, size):
        if size > left:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", reserve, raising=False)
    done = run(f"castle.jpg starry-night.png --size 1200 --enlarge -o a.png {words}")
    said = capsys.readouterr().err
    if name:
        assert done == OutputError.exit_code
        assert f"error: {name}: cannot be written: No space left on device" in said
    else:
        assert done == 0
    assert len(fake.calls) == (0 if name else 1)
