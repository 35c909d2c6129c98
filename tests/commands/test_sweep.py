"""Sweeps with a method that only pretends, and one with the true one."""

import hashlib
import os
import signal
import subprocess
import sys
import types
import warnings
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minimalstyle
from minimalstyle.commands import sweep
from minimalstyle.errors import ImageError, MinimalstyleWarning
from minimalstyle.painting import method
from minimalstyle.settings.settings import Settings

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
CASTLE, PARK, WAVES, NIGHT = (180, 20, 20), (20, 150, 20), (20, 20, 200), (150, 20, 150)
PAIR = "--contents castle.png --styles waves.png"


class FakePaint:
    """Stands for `method.paint`: the n-th picture is grey, of level 10 n."""

    def __init__(self):
        self.calls = []
        self.meanwhile = lambda n: None  # called with n, from 1

    def __call__(self, run, callback):
        assert run.network == "network"
        names = {
            hashlib.sha256(path.read_bytes()).hexdigest(): path.name
            for path in Path().glob("*.png")
        }
        pictures = run.opened.content, *run.opened.styles
        self.calls.append((*(names[one.sha256] for one in pictures), run.settings))
        run.note("compiling kernels")
        self.meanwhile(len(self.calls))
        image = np.full((20, 30, 3), 10 * len(self.calls), np.uint8)
        return types.SimpleNamespace(image=image, report={})


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with pictures, where the user stands."""
    monkeypatch.chdir(tmp_path)
    for name, colour in (
        ("castle.png", CASTLE),
        ("park.png", PARK),
        ("waves.png", WAVES),
        ("night.png", NIGHT),
    ):
        Image.new("RGB", (45, 30), colour).save(name)
    Path("text.jpg").write_text("not a picture")
    Path("folder").mkdir()
    return tmp_path


@pytest.fixture
def fake(here, monkeypatch):
    fake = FakePaint()
    fake.loaded = []
    monkeypatch.setattr(method, "paint", fake)
    monkeypatch.setitem(
        vars(minimalstyle), "load_network", lambda: fake.loaded.append(1) or "network"
    )
    return fake


def run(command):
    return sweep.main(command.split())


def listing():
    return {p.name: p.read_bytes() for p in Path.cwd().rglob("*") if p.is_file()}


def grid(name, columns, rows, cell=(48, 32)):
    """Colour in the middle of each cell, by the cells' distances from the bottom right."""
    with Image.open(name) as image:
        sheet = np.asarray(image)
    height, width = sheet.shape[:2]
    return [
        [
            tuple(
                sheet[
                    height - (rows - row) * (cell[1] + 8) + cell[1] // 2,
                    width - (columns - column) * (cell[0] + 8) + cell[0] // 2,
                ].tolist()
            )
            for column in range(columns)
        ]
        for row in range(rows)
    ]


def grey(level):
    return (level, level, level)


WHITE = grey(255)


# --- The two forms ------------------------------------------------------------------------------


def test_contents_and_styles(fake, capsys):
    command = "--contents castle.png park.png --styles waves.png night.png castle.png -o a.png"
    assert run(f"{command} --size 48 --iterations 7") == 0
    settings = Settings(size=48, iterations=7)
    assert fake.calls == [
        (content, style, settings)
        for content in ("castle.png", "park.png")
        for style in ("waves.png", "night.png", "castle.png")
    ]
    assert fake.loaded == [1]
    assert grid("a.png", 4, 3) == [
        [WHITE, WAVES, NIGHT, CASTLE],
        [CASTLE, grey(10), grey(20), grey(30)],
        [PARK, grey(40), grey(50), grey(60)],
    ]
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[:3] == [
        "minimalstyle.sweep: compiling kernels",  # once
        "minimalstyle.sweep: 1/6 castle, waves, 0:01 left",
        "minimalstyle.sweep: 2/6 castle, night, 0:01 left",
    ]
    assert lines[6] == "minimalstyle.sweep: 6/6 park, castle, 0:00 left"
    assert lines[7].startswith("minimalstyle.sweep: a.png ")
    assert "6 pictures" in lines[7]
    assert len(lines) == 8


def test_one_setting(fake, capsys):
    assert run(f"{PAIR} --vary style-weight=5,20,8e1 --size 48 -o a.png") == 0
    assert [call[2] for call in fake.calls] == [
        Settings(size=48, style_weight=value) for value in (5, 20, 80)
    ]
    assert {call[:2] for call in fake.calls} == {("castle.png", "waves.png")}
    assert grid("a.png", 5, 1) == [[CASTLE, WAVES, grey(10), grey(20), grey(30)]]
    assert "3/3 style-weight 80, 0:00 left\n" in capsys.readouterr().err


def test_two_settings(fake, capsys):
    assert run(f"{PAIR} --vary pooling=max,none --vary tv_weight=0,2.5 --size 48 -o a.png") == 0
    assert [(call[2].pooling, call[2].tv_weight) for call in fake.calls] == [
        ("max", 0),
        ("max", 2.5),
        (None, 0),
        (None, 2.5),
    ]
    assert grid("a.png", 4, 2) == [
        [CASTLE, WAVES, grey(10), grey(20)],
        [WHITE, WHITE, grey(30), grey(40)],
    ]
    assert "4/4 pooling none, tv-weight 2.5, 0:00 left\n" in capsys.readouterr().err


def test_sizes_side_by_side(fake):
    """A varied setting wins over its option; cells have room for the largest."""
    assert run(f"{PAIR} --vary size=24,96 --vary iterations=3 --iterations 9 -o a.png") == 0
    assert [call[2] for call in fake.calls] == [
        Settings(size=24, iterations=3),
        Settings(size=96, iterations=3),
    ]
    cells = grid("a.png", 3, 2, cell=(96, 64))[0]
    assert cells[0] == CASTLE
    assert grey(10) == grid("a.png", 1, 2, cell=(96, 64))[0][0]


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ("enlarge=true,NO,on", [True, False, True]),
        ("seed=1,2", [1, 2]),
        ("scales=1,none", [1, None]),
        ("style-scale=0.5, 2", [0.5, 2.0]),
        ("init=noise,content", ["noise", "content"]),
        ("init=5", ["5"]),
        ("pooling=average,none", ["average", None]),
    ],
)
def test_values_have_the_type_of_the_setting(fake, given, values):
    Path("5").write_bytes(Path("park.png").read_bytes())
    assert sweep.main([*PAIR.split(), "--vary", given, "--size", "32", "-o", "a.png"]) == 0
    name = given.partition("=")[0].replace("-", "_")
    found = [getattr(call[2], name) for call in fake.calls]
    assert found == values
    assert [type(one) for one in found] == [type(one) for one in values]


def test_every_number_word_and_switch_can_be_varied(fake):
    defaults = Settings()
    for field in fields(Settings):
        value = getattr(defaults, field.name)
        if isinstance(value, (bool, int, float, str)):
            name = field.name.replace("_", "-")
            assert run(f"{PAIR} --size 32 --vary {name}={value} -o a.png --force") == 0
            assert getattr(fake.calls[-1][2], field.name) == value


# --- What can go wrong --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("", 2, "the following arguments are required: --contents, --styles, -o/--output; see"),
        ("--contents castle.png --styles waves.png", 2, "required: -o/--output"),
        (f"{PAIR} -o a.png --fast", 2, "unrecognized arguments: --fast"),
        (f"{PAIR} -o a.png --size 8", 2, "size must be a whole number from 16 to 20000, not 8"),
        (f"{PAIR} -o a.png --iterations 0", 2, "iterations must be a whole number"),
        (f"{PAIR} -o a.png --vary speed=1", 2, "there is no setting 'speed'; known: size, enlarge"),
        (f"{PAIR} -o a.png --vary style-layers=1", 2, "there is no setting 'style-layers'; known"),
        (f"{PAIR} -o a.png --vary style-weight", 2, "give values, such as style-weight=A,B"),
        (f"{PAIR} -o a.png --vary style-weight=", 2, "style-weight: expected a number, not ''"),
        (f"{PAIR} -o a.png --vary seed=1.5", 2, "seed: expected a whole number, not '1.5'"),
        (f"{PAIR} -o a.png --vary scales=x", 2, "expected a whole number or none, not 'x'"),
        (f"{PAIR} -o a.png --vary enlarge=2", 2, "enlarge: expected true, false, not '2'"),
        (f"{PAIR} -o a.png --vary pooling=min", 2, "expected max or average or none, not 'min'"),
        (
            f"{PAIR} -o a.png --vary tv-weight=1,-2",
            2,
            "tv-weight -2: tv-weight must be between 0 and 1e+12",
        ),
        (
            f"{PAIR} -o a.png --vary tv-weight=nan",
            2,
            "tv-weight nan: tv-weight must be between 0 and 1e+12",
        ),
        (f"{PAIR} -o a.png --vary seed=1 --vary seed=2", 2, "--vary seed: is given twice"),
        (f"{PAIR} -o a.png{' --vary seed=1' * 3}", 2, "--vary is given 3 times; a sheet has two"),
        (f"{PAIR} park.png -o a.png --vary seed=1", 2, "--vary takes one picture of --contents"),
        ("--contents none.jpg --styles waves.png -o a.png", 3, "none.jpg: no such file"),
        ("--contents castle.png --styles folder -o a.png", 3, "folder: is a folder"),
        ("--contents castle.png --styles text.jpg -o a.png", 3, "text.jpg: is not a picture"),
        (f"{PAIR} -o a.bmp", 2, "a.bmp: no known picture suffix"),
        (f"{PAIR} -o none/a.png", 5, "none/a.png: cannot be written: none does not exist"),
        (f"{PAIR} -o a.webp --size 9000", 2, "a.webp: WEBP holds at most 16383 pixels"),
        (f"{PAIR} -o night.png", 2, "night.png: exists; --force overwrites it"),
        (f"{PAIR} -o folder/../waves.png --force", 2, "is one of the inputs; choose another name"),
    ],
)
def test_bad_input(fake, capsys, command, code, message):
    before = listing()
    assert run(command) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("minimalstyle.sweep: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert fake.calls == []
    assert listing() == before


def test_force_overwrites(fake):
    assert run(f"{PAIR} -o night.png --force --size 48") == 0
    assert grid("night.png", 2, 2) == [[WHITE, WAVES], [CASTLE, grey(10)]]


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ImageError("waves.png: is strange"), 3, "error: waves.png: is strange\n"),
        (KeyError("k"), 1, "error: unexpected KeyError: 'k'; please report it with the output of"),
    ],
)
def test_error_in_the_method_keeps_what_is_ready(fake, capsys, error, code, message):
    def fail(n):
        if n == 3:
            raise error

    fake.meanwhile = fail
    assert run(f"{PAIR} --vary seed=1,2,3 --size 48 -o a.png") == code
    assert grid("a.png", 5, 1) == [[CASTLE, WAVES, grey(10), grey(20), WHITE]]
    *_, kept, last = capsys.readouterr().err.splitlines(keepends=True)
    assert kept == "minimalstyle.sweep: stopped; a.png has the 2 of 3 pictures that are ready\n"
    assert last.startswith(f"minimalstyle.sweep: {message}")


def test_debug_shows_where(fake, capsys):
    def fail(n):
        raise KeyError("k")

    fake.meanwhile = fail
    assert run(f"{PAIR} -o a.png --debug") == 1
    assert "Traceback" in capsys.readouterr().err
    assert not Path("a.png").exists()


def test_sheet_that_cannot_be_saved(fake, capsys):
    Path("gone").mkdir()
    fake.meanwhile = lambda n: Path("gone").rmdir()
    assert run(f"{PAIR} -o gone/a.png") == 5
    assert "error: gone/a.png: cannot be written" in capsys.readouterr().err


def test_warnings_in_one_line_and_once(fake, capsys):
    def warn(n):
        warnings.warn("castle.png: strange", MinimalstyleWarning, stacklevel=1)
        warnings.warn("internal", RuntimeWarning, stacklevel=1)

    fake.meanwhile = warn
    assert run(f"{PAIR} --vary seed=1,2 -o a.png --size 48") == 0
    err = capsys.readouterr().err
    assert err.count("minimalstyle.sweep: warning: castle.png: strange\n") == 1
    assert "internal" not in err


def test_interrupted(fake, capsys):
    fake.meanwhile = lambda n: signal.raise_signal(signal.SIGINT) if n == 2 else None
    assert run(f"{PAIR} --vary seed=1,2,3 --size 48 -o a.png") == 130
    assert grid("a.png", 5, 1) == [[CASTLE, WAVES, grey(10), WHITE, WHITE]]
    assert capsys.readouterr().err.endswith(
        "minimalstyle.sweep: interrupted; a.png has the 1 of 3 pictures that are ready\n"
    )


def test_interrupted_before_the_first(here):
    before = listing()
    code = (
        "import sys, test_sweep as t; fake = t.method.paint = t.FakePaint(); "
        "t.minimalstyle.load_network = lambda: 'network'; "
        "fake.meanwhile = lambda n: t.signal.raise_signal(t.signal.SIGTERM); "
        "sys.exit(t.sweep.main())"
    )
    words = [*PAIR.split(), "-o", "a.png"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 143
    assert done.stderr.endswith(
        "minimalstyle.sweep: interrupted before there was a picture; nothing written\n"
    )
    assert listing() == before


# --- The real thing -----------------------------------------------------------------------------


def test_pictures_are_those_of_stylize(network, random_image, here, monkeypatch):
    pictures = [(random_image(32, 48, seed) * 255).astype(np.uint8) for seed in (0, 1)]
    for name, picture in zip(("castle.png", "night.png"), pictures, strict=True):
        Image.fromarray(picture).save(name)
    monkeypatch.setitem(vars(minimalstyle), "load_network", lambda: network)
    command = "--contents castle.png --styles night.png --vary style-weight=1,100 -o a.png"
    assert run(f"{command} --size 48 --iterations 1") == 0
    with Image.open("a.png") as image:
        sheet = np.asarray(image)
    for weight in (1, 100):
        result = minimalstyle.stylize(
            "castle.png", "night.png", weights=network, size=48, iterations=1, style_weight=weight
        )
        pictures.append(result.image)
    assert (pictures[2] != pictures[3]).any()
    for column, expected in enumerate(pictures):
        right = sheet.shape[1] - (3 - column) * 56 - 8
        found = sheet[-40:-8, right - 48 : right]
        np.testing.assert_array_equal(found, expected)


def test_help_imports_nothing_slow():
    command = [sys.executable, "-X", "importtime", "-m", "minimalstyle.sweep", "--help"]
    result = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    imported = {line.split("|")[-1].strip() for line in result.stderr.splitlines()}
    assert result.returncode == 0
    assert "--vary NAME=A,B,..." in result.stdout
    assert "argparse" in imported
    assert not imported & {"PIL", "numba", "scipy", "onnx", "tqdm"}


def test_mistake_in_a_real_process(here):
    command = [sys.executable, "-m", "minimalstyle.sweep", *PAIR.split(), "-o", "a.bmp"]
    result = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith("minimalstyle.sweep: error: a.bmp: ")
