"""The gallery: paintings by a name, whole, small, and of known origin."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import SHALLOW, SHALLOW_WORDS
from PIL import Image

import minimalstyle as ms
from minimalstyle.commands.paint import main
from minimalstyle.commands.sweep import main as sweep
from minimalstyle.gallery import paintings, source
from minimalstyle.pictures.frames import frame_of
from minimalstyle.pictures.images import load
from minimalstyle.records import recipe

FOLDER = Path(ms.gallery.__file__).parent
SMALL = ["--size", "32", "--iterations", "1", "--coarse-iterations", "1", "--quiet", *SHALLOW_WORDS]


def test_every_file_is_declared_and_they_are_small():
    files = sorted(FOLDER.glob("*.webp"))
    assert {file.stem for file in files} == set(paintings())
    assert 12 <= len(files) <= 20
    assert sum(file.stat().st_size for file in files) <= 2_500_000


@pytest.mark.parametrize("painting", paintings().values(), ids=lambda one: one.name)
def test_a_painting(painting):
    with Image.open(painting.path) as image:
        assert image.format == "WEBP"
        assert 480 <= max(image.size) <= 700
    assert frame_of(load(painting.path).rgb) == (0, 0, 0, 0)
    assert painting.licence in ("public domain", "CC0 1.0")
    assert all((painting.title, painting.painter, painting.year, painting.source))


def test_a_name_is_the_file(content_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([str(content_file), "starry-night", *SMALL]) == 0
    made = tmp_path / "neuschwanstein_starry-night.png"
    digest = hashlib.sha256((FOLDER / "starry-night.webp").read_bytes()).hexdigest()
    assert recipe.read(made)["inputs"]["styles"] == [digest]
    again = ["--like", str(made), "-o", "again.png"]
    style = FOLDER / "starry-night.webp"
    assert main([str(content_file), str(style), *again, "--quiet"]) == 0
    np.testing.assert_array_equal(Image.open(made), Image.open("again.png"))


def test_in_the_library(content_file, network):
    settings = ms.Settings(size=32, iterations=1, coarse_iterations=1, **SHALLOW)
    pixels = [
        ms.stylize(content_file, style, weights=network, settings=settings).pixels
        for style in ("venice", FOLDER / "venice.webp")
    ]
    np.testing.assert_array_equal(*pixels)


def test_a_file_of_that_name_wins(style_file, content_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(style_file, "venice")
    assert source("venice") == "venice"
    assert main([str(content_file), "venice", *SMALL]) == 0
    digest = hashlib.sha256(style_file.read_bytes()).hexdigest()
    assert recipe.read(tmp_path / "neuschwanstein_venice.png")["inputs"]["styles"] == [digest]


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("starry-nigth", "starry-night is one; "),
        ("Night_Cafe", "night-cafe is one; "),
        ("q", ""),
    ],
)
def test_a_mistyped_name(word, hint, content_file, capsys):
    assert main([str(content_file), word]) == ms.ImageError.exit_code
    what = "no such file, and no painting of the gallery"
    said = f"minimalstyle: error: {word}: {what}; {hint}minimalstyle styles lists all\n"
    assert capsys.readouterr().err == said
    with pytest.raises(ms.ImageError, match="minimalstyle styles lists all"):
        ms.stylize(content_file, word)


@pytest.mark.parametrize("path", ["starry-night.jpg", "folder/starry-night"])
def test_a_path_is_no_name(path, content_file, capsys):
    assert main([str(content_file), path]) == ms.ImageError.exit_code
    assert capsys.readouterr().err.endswith(f"{path}: no such file\n")


def test_the_table(capsys):
    assert main(["styles"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(paintings())
    assert "Vincent van Gogh" in lines[0]
    assert lines[0].endswith("The Starry Night, 1889")


def test_the_wall(tmp_path, capsys):
    sheet = tmp_path / "wall.png"
    assert main(["styles", "--sheet", str(sheet)]) == 0
    with Image.open(sheet) as image:
        rows = -(-len(paintings()) // 5)
        assert image.width > 5 * 150
        assert image.height > rows * 150
    assert main(["styles", "--sheet", str(sheet)]) == ms.UsageError.exit_code
    assert capsys.readouterr().err.endswith("exists; --force overwrites it\n")
    assert main(["styles", "--sheet", str(sheet), "--force"]) == 0


@pytest.mark.parametrize("listed", [False, True])
def test_in_a_batch(listed, content_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = ["--list", "jobs.csv"] if listed else [str(content_file), "--styles", "venice"]
    Path("jobs.csv").write_text(f"content,style\n{content_file},venice\n")
    assert main(["batch", *jobs, "-o", "out", *SMALL]) == 0
    (made,) = Path("out").glob("*_venice.png")
    digest = hashlib.sha256((FOLDER / "venice.webp").read_bytes()).hexdigest()
    assert recipe.read(made)["inputs"]["styles"] == [digest]


def test_a_mistyped_name_in_a_batch(content_file, tmp_path, capsys):
    assert main(["batch", str(content_file), "--styles", "venise", "-o", str(tmp_path)]) == 3
    assert "venice is one; minimalstyle styles lists all" in capsys.readouterr().err


def test_on_a_contact_sheet(content_file, tmp_path):
    sheet = tmp_path / "sheet.png"
    files = ["--contents", str(content_file), "--styles", "venice", "-o", str(sheet)]
    assert sweep([*files, "--size", "32", "--iterations", "1"]) == 0
    assert sheet.exists()
