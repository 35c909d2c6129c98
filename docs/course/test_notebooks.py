"""The notebooks run from top to bottom, in Jupyter's own kernel, at a small size.

Needs the extra `notebook`: python -m pytest docs/course/test_notebooks.py
"""

import re
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

COURSE = Path(__file__).resolve().parent
ROOT = COURSE.parents[1]
PAGES = sorted(COURSE.glob("0*.md"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What `notebooks.py` writes."""
    sys.path.insert(0, str(COURSE))
    import notebooks

    folder = tmp_path_factory.mktemp("notebooks")
    assert notebooks.main(["--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_notebook(page, folder, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    book = nbformat.read(folder / f"{page.stem}.ipynb", as_version=4)
    nbformat.validate(book)
    for cell in book.cells:
        cell.source = re.sub(r"^SIZE = .*$", "SIZE = 32", cell.source, flags=re.MULTILINE)
        cell.source = re.sub(
            r"^ITERATIONS = .*$", "ITERATIONS = 2", cell.source, flags=re.MULTILINE
        )
    promised = ["".join(out.text for out in cell.get("outputs", [])) for cell in book.cells]
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(book, timeout=300, resources=resources).execute()
    shown = [out for cell in book.cells for out in cell.get("outputs", [])]
    assert not [out for out in shown if out.output_type == "error"]
    if page.name.startswith("01"):  # the picture, in the end
        assert "image/png" in shown[-1].data
        assert "100% after" in "".join(out.get("text", "") for out in shown)
    elif not any("SIZE = 32" in cell.source for cell in book.cells):
        printed = ["".join(out.text for out in cell.get("outputs", [])) for cell in book.cells]
        assert printed == promised
