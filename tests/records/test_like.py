"""`--like`: a picture from the recipe in another one."""

from pathlib import Path

import numpy as np
import pytest
from conftest import SHALLOW

import minimalstyle as ms
from minimalstyle.commands import paint as cli
from minimalstyle.pictures import images
from minimalstyle.records import recipe

VERSION = ms.__version__


@pytest.fixture
def made(tmp_path, network, content_file, style_file, monkeypatch):
    """`made(name)` is the file of a small picture that the command of that name has made."""
    monkeypatch.chdir(tmp_path)
    mask = np.zeros((32, 48, 3), np.float32)
    mask[:, :36] = 1
    images.save(tmp_path / "mask.png", mask)
    arguments = {"weights": network, "size": 32, "iterations": 2}
    few = arguments | SHALLOW
    commands = {
        "stylize": lambda: ms.stylize(content_file, style_file, **few),
        "masked": lambda: ms.stylize(content_file, style_file, content_mask="mask.png", **few),
        "texture": lambda: ms.texture(style_file, **arguments),
        "reconstruct": lambda: ms.reconstruct(content_file, "relu4_2", **arguments),
    }

    def make(name):
        result = commands[name]()
        images.save(Path("made.png"), result.image, None, recipe.make(result.report, VERSION))
        return "made.png"

    return make


def run(*words):
    return cli.main([*map(str, words), "-o", "again.png"])


def test_the_same_file_whatever_the_threads(made, content_file, style_file):
    first = made("stylize")
    assert run(content_file, style_file, "--like", first, "--threads", 1) == 0
    assert Path(first).read_bytes() == Path("again.png").read_bytes()


def test_what_is_given_besides_comes_first(made, content_file, style_file):
    assert run(content_file, style_file, "--like", made("stylize"), "--iterations", 1) == 0
    settings = recipe.read("again.png")["settings"]
    assert (settings["iterations"], settings["size"]) == (1, 32)


@pytest.mark.parametrize("other", ["stylize", "texture", "reconstruct"])
def test_a_recipe_is_for_the_command_that_made_it(made, content_file, style_file, capsys, other):
    commands = {
        "stylize": (content_file, style_file),
        "texture": ("texture", style_file),
        "reconstruct": ("reconstruct", content_file),
    }
    recipe_file = made(other)
    assert run(*commands.pop(other), "--like", recipe_file) == 0
    Path("again.png").unlink()
    capsys.readouterr()
    for words in commands.values():
        assert run(*words, "--like", recipe_file) == 2
        message = "--like made.png: is the result of another command, minimalstyle "
        assert message in capsys.readouterr().err
        assert not Path("again.png").exists()


def test_what_is_missing_is_said_before_the_work(made, content_file, style_file, capsys):
    assert run(content_file, style_file, "--like", made("masked")) == 0
    lines = capsys.readouterr().err.splitlines()
    said = [
        line for line in lines if "warning: --like: masks: it was made with a picture here" in line
    ]
    assert len(said) == 1
    assert lines.index(said[0]) < next(i for i, line in enumerate(lines) if "scale 1/" in line)


def test_a_recipe_and_a_preset_are_one_too_many(content_file, style_file, capsys):
    assert run(content_file, style_file, "--like", style_file, "--preset", "gram") == 2
    assert "--preset and --like" in capsys.readouterr().err
