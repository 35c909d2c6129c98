"""Frames of a film: each begins with the picture before, and flickers less."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import SHALLOW_WORDS
from PIL import Image

from minimalstyle.commands.paint import main

FRAMES = [f"{number:02}.png" for number in range(4)]
QUICK = ["--size", "48", "--iterations", "8", "--coarse-iterations", "8", *SHALLOW_WORDS]


def film(scene):
    """A scene that stands still, but for a square that moves and a camera's noise."""
    rng = np.random.default_rng(0)
    Path("frames").mkdir()
    for number, name in enumerate(FRAMES):
        frame = scene + rng.normal(0, 0.5, scene.shape)
        frame[4:12, 4 + 4 * number : 12 + 4 * number] = (250, 60, 40)
        Image.fromarray(np.clip(frame, 0, 255).astype(np.uint8)).save(f"frames/{name}")


@pytest.fixture
def here(tmp_path, monkeypatch, picture, content_file, style_file):
    monkeypatch.chdir(tmp_path)
    film(picture(content_file, 48, 36).astype(np.float64))
    Image.fromarray(picture(style_file, 48, 36)).save("waves.png")


def batch(*words, quick=QUICK):
    given = ["batch", "frames", "--styles", "waves.png", "--name", "{content}.png", *quick]
    return main([*given, *words])


def flicker(folder):
    """Levels by which neighbours differ where the film stands still."""
    seen = [np.asarray(Image.open(f"{folder}/{name}"), np.float64)[20:] for name in FRAMES]
    return np.mean([np.abs(b - a).mean() for a, b in pairwise(seen)])


def pictures(folder):
    return {name: Path(folder, name).read_bytes() for name in FRAMES}


def times():
    return {name: os.stat(f"film/{name}").st_mtime_ns for name in FRAMES}


def test_a_film_flickers_less(here):
    # With all layers and as many iterations as they need, or all go on where one stopped.
    many = ["--size", "48", "--iterations", "20", "--coarse-iterations", "20"]
    assert batch("-o", "alone", quick=many) == 0
    assert batch("-o", "film", "--film", quick=many) == 0
    alone, film = pictures("alone"), pictures("film")
    assert [alone[name] == film[name] for name in FRAMES] == [True, False, False, False]
    assert flicker("film") < 0.5 * flicker("alone")
    before = times()
    assert batch("-o", "film", "--film", quick=many) == 0
    assert times() == before


def test_a_film_goes_on(here, capsys):
    assert batch("-o", "film", "--film") == 0
    whole, before = pictures("film"), times()
    Path("film/01.png").unlink()
    assert batch("-o", "film", "--film") == 0
    assert pictures("film") == whole
    assert [times()[name] == before[name] for name in FRAMES] == [True, False, True, True]
    assert "1 painted, 3 there already" in capsys.readouterr().out
    Path("frames/01.png").write_bytes(Path("frames/00.png").read_bytes())
    assert batch("-o", "film", "--film") == 0
    found = pictures("film")
    assert [found[name] == whole[name] for name in FRAMES] == [True, False, False, False]
    assert batch("-o", "film", "--film", "--quiet") == 0
    assert pictures("film") == found


def test_each_style_has_a_film_of_its_own(here):
    Image.open("waves.png").rotate(180).save("night.png")
    words = ["batch", "frames", "--styles", "waves.png", "night.png", *QUICK, "-o", "both"]
    assert main([*words, "--film"]) == 0
    assert batch("-o", "film", "--film") == 0
    both = {name: Path(f"both/{name[:2]}_waves.png").read_bytes() for name in FRAMES}
    assert both == pictures("film")


def test_a_bad_frame_is_one_line(here, capsys):
    Path("frames/01.png").write_text("no picture")
    assert batch("-o", "film", "--film") == 101
    assert "3 painted, 1 failed" in capsys.readouterr().out
    assert batch("-o", "film", "--film") == 101
    assert "0 painted, 3 there already, 1 failed" in capsys.readouterr().out


@pytest.mark.parametrize("words", ["--pairs", "--watch", "--list x.csv", "--workers 2", "--init a"])
def test_what_is_no_film(here, capsys, words):
    assert batch("-o", "film", "--film", *words.split()) == 2
    assert "--film" in capsys.readouterr().err
