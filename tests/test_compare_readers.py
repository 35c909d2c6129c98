"""The tool that compares readers: with Pillow, and with a program that stands for ImageMagick."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pngs import png

ROOT = Path(__file__).parents[1]
PIXELS = np.random.default_rng(0).integers(0, 256, (16, 20, 3))

# Answers every picture with one that is 10 levels too bright in one pixel.
FAKE = """#!{python}
import io, sys
import numpy as np
from PIL import Image
pixels = np.asarray(Image.open(io.BytesIO(sys.stdin.buffer.read())).convert("RGBA")).astype(">u2")
pixels = pixels * 257
pixels[3, 5, 1] += 10 * 257
height, width = pixels.shape[:2]
head = f"P7\\nWIDTH {{width}}\\nHEIGHT {{height}}\\nDEPTH 4\\nMAXVAL 65535\\nTUPLTYPE x\\nENDHDR\\n"
sys.stdout.buffer.write(head.encode() + pixels.astype(">u2").tobytes())
"""


@pytest.fixture
def folder(tmp_path):
    pixels = PIXELS.copy()
    pixels[3, 5] = 40
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "sub").mkdir()
    (tmp_path / "pictures" / "plain.png").write_bytes(png(pixels))
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "pictures" / "sub" / "-0.webp")
    (tmp_path / "pictures" / "broken.jpg").write_bytes(b"nothing")
    (tmp_path / "pictures" / "notes.txt").write_text("no picture")
    return tmp_path / "pictures"


def compare(folder, *options, path=None):
    command = [sys.executable, "tools/compare_readers.py", str(folder), *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if path is not None:
        environment["PATH"] = str(path)
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_pillow(folder):
    code, out, err = compare(folder, "--with", "pillow")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert re.fullmatch(r"broken\.jpg +neither reads it +0\.0  is not a picture .+", lines[1])
    assert re.fullmatch(r"plain\.png +20x16 +0\.0", lines[2])
    assert re.fullmatch(r"sub/-0\.webp +20x16 +0\.0", lines[3])
    assert lines[4] == "3 pictures against Pillow: 2 agree, 1 neither reads it (to 3 levels)"
    # A PNG of which it is known that Pillow has it wrong.
    (folder / "light.png").write_bytes(png(PIXELS, 8, 2, (b"gAMA", b"\0\1\x86\xa0")))
    code, out, err = compare(folder, "--with", "pillow")
    assert (code, err) == (1, "")
    assert re.search(r"^light\.png +20x16 +7\d\.\d  at \d+,\d+$", out, re.MULTILINE)
    assert "1 differ" in out


def test_another_program(folder, tmp_path):
    program = tmp_path / "magick"
    program.write_text(FAKE.format(python=sys.executable))
    program.chmod(0o755)
    code, out, err = compare(folder, path=tmp_path)
    assert (code, err) == (1, "")
    assert re.search(r"^plain\.png +20x16 +10\.0  at 5,3$", out, re.MULTILINE)
    assert "3 pictures against ImageMagick: 2 differ, 1 neither reads it (to 3 levels)" in out
    code, out, err = compare(folder, "--levels", "11", path=tmp_path)
    assert (code, err) == (0, "")
    assert "2 agree" in out


def test_nothing_to_compare(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for name, options, words in (
        ("none", (), "none: is not a folder"),
        ("empty", (), "empty: has no pictures"),
        ("pictures", ("--with", "imagemagick"), "ImageMagick is not installed"),
    ):
        code, _, err = compare(tmp_path / name, *options, path=tmp_path / "empty")
        assert code == 2
        assert words in err
