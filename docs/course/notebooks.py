"""Make a notebook of each lesson's page: python docs/course/notebooks.py --out notebooks

The folder then holds all that a student needs: notebooks, example pictures, exercises, and
course.zip, which is the same without the notebooks, for places that take one file only. A wheel of
the package that lies in the folder is packed as well; the first code of each notebook installs it.
"""

import argparse
import base64
import json
import re
import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COURSE = Path(__file__).resolve().parent
ROOT = COURSE.parents[1]
_BLOCK = re.compile(
    r"^```python\n(.*?)\n```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL
)
_IMAGE = re.compile(r"!\[([^\]]*)\]\(images/([^)]+)\)")
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!attachment:|https?:)([^)#]+)?(#[^)]*)?\)")

SETUP = """\
# Installs minimalstyle where it is missing, from the wheel beside this notebook.
import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

if Path("course.zip").exists() and not Path("examples").exists():
    zipfile.ZipFile("course.zip").extractall()
found = importlib.util.find_spec("minimalstyle")
if found is None or found.origin is None:  # nothing, or a folder that an old version has left
    wheels = sorted(Path().glob("minimalstyle-*.whl"))
    assert wheels, "put minimalstyle-*.whl or course.zip beside this notebook, then run this again"
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    if Path("wheels").exists():  # of all packages: no network is needed
        pip += ["--no-index", "--find-links", "wheels"]
    subprocess.run([*pip, str(wheels[-1]), "pytest"], check=True)
    importlib.invalidate_caches()"""

OWN = """\
## A picture of your own

Put a photograph and a painting beside this notebook and give their names. The picture shows itself
while it is made; Jupyter's stop button ends the run."""

OWN_CODE = """\
from IPython.display import display
from PIL import Image

canvas = display(Image.new("RGB", (1, 1)), display_id=True)


def show(iterate):
    if iterate.iteration % 5 == 0:
        canvas.update(Image.fromarray(iterate.image()))
        print(f"\\r{iterate.fraction:4.0%} after {iterate.seconds:.0f} s", end="")


result = ms.stylize(
    "examples/neuschwanstein.jpg", "examples/starry_night.jpg", size=SIZE, callback=show
)
result"""


def notebook(page: Path) -> dict[str, Any]:
    """The cells of a page, in the format nbformat 4.5: its text, its code with what it prints."""
    text = page.read_text(encoding="utf-8")
    cells: list[dict[str, Any]] = []
    begin = 0
    for block in _BLOCK.finditer(text):
        cells += [_markdown(text[begin : block.start()]), _code(block[1], block[2])]
        begin = block.end()
    cells.append(_markdown(text[begin:]))
    cells.insert(1, _code(SETUP))  # below the title
    if page.name.startswith("01"):
        cells += [_markdown(OWN), _code(OWN_CODE)]
    cells = [cell for cell in cells if cell["source"]]
    for number, cell in enumerate(cells):
        cell["id"] = f"{page.name[:2]}-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _code(source: str, printed: str | None = None) -> dict[str, Any]:
    outputs = [{"output_type": "stream", "name": "stdout", "text": printed}] if printed else []
    cell = {"cell_type": "code", "execution_count": None, "metadata": {}}
    return cell | {"source": source.strip("\n"), "outputs": outputs}


def _markdown(text: str) -> dict[str, Any]:
    """A cell of text that brings its pictures with it; links lead to other notebooks only."""
    attachments = {}
    for _, name in _IMAGE.findall(text):
        kind = "image/jpeg" if name.endswith(".jpg") else "image/png"
        data = base64.b64encode((COURSE / "images" / name).read_bytes()).decode()
        attachments[name] = {kind: data}

    def link(found: re.Match[str]) -> str:
        if re.fullmatch(r"0\d-[\w-]+\.md", found[2] or ""):
            return f"[{found[1]}]({found[2].removesuffix('.md')}.ipynb)"
        return found[1]

    source = _LINK.sub(link, _IMAGE.sub(r"![\1](attachment:\2)", text))
    source = source.replace("docs/course/exercises", "exercises")
    cell: dict[str, Any] = {"cell_type": "markdown", "metadata": {}, "source": source.strip("\n")}
    return cell | ({"attachments": attachments} if attachments else {})


def write(page: Path, folder: Path) -> Path:
    """Write the notebook of a page into a folder."""
    path = folder / f"{page.stem}.ipynb"
    path.write_text(json.dumps(notebook(page), indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Make a notebook of each lesson's page.")
    parser.add_argument("--out", type=Path, default=Path("notebooks"), help="folder")
    folder = parser.parse_args(argv).out
    exercises = folder / "exercises"
    (folder / "examples").mkdir(parents=True, exist_ok=True)
    exercises.mkdir(exist_ok=True)
    for page in sorted(COURSE.glob("0*.md")):
        print(write(page, folder))
    for name in ("neuschwanstein.jpg", "starry_night.jpg"):
        shutil.copy(ROOT / "examples" / name, folder / "examples")
    for path in (COURSE / "exercises").glob("*.py"):
        # What is begun there is a student's work.
        if path.name != "grade.py" and not (exercises / path.name).exists():
            shutil.copy(path, exercises)
    wheels = list(folder.glob("minimalstyle-*.whl"))
    with zipfile.ZipFile(folder / "course.zip", "w") as packed:
        for path in [*wheels, *(folder / "examples").iterdir(), *exercises.glob("*.py")]:
            packed.write(path, path.relative_to(folder))
    print(f"{folder / 'course.zip'}: {'with' if wheels else 'without'} a wheel")
    return 0


if __name__ == "__main__":
    sys.exit(main())
