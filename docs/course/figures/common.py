"""What the figure scripts share: they run the code of a page and draw what it computed."""

import argparse
import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

COURSE = Path(__file__).resolve().parents[1]
ROOT = COURSE.parents[1]
sys.path.insert(0, str(ROOT))  # the pages of this checkout run with its package
_BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


def options(description: str, *, size: int, iterations: int = 1) -> argparse.Namespace:
    """`--size`, `--iterations` and `--out` of a figure script, with its defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--size", type=int, default=size, help="longer side in pixels")
    parser.add_argument("--iterations", type=int, default=iterations)
    parser.add_argument("--out", type=Path, default=COURSE / "images", help="folder")
    return parser.parse_args()


def blocks(page: Path) -> Iterator[tuple[str, str, str | None]]:
    """Code blocks of a page: where each begins, the code, and the output that follows it."""
    text = page.read_text(encoding="utf-8")
    for block in _BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 2
        # Empty lines in front, so that an error names the line of the page.
        yield f"{page.name}:{line}", "\n" * (line - 1) + block[1], block[2]


def has_constants(page: Path) -> bool:
    """Whether the page begins with a SIZE, which makes its output a matter of the machine."""
    return any(re.search(r"^SIZE = ", code, re.MULTILINE) for _, code, _ in blocks(page))


def run_page(page: Path, **constants: int) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    """Run the code blocks of a page in the current folder.

    Parameters
    ----------
    page : Path
    **constants : int
        New values for the page's lines such as `SIZE = 256`.

    Returns
    -------
    namespace : dict
        All names that the page has defined.
    outputs : list of (place, printed, promised)
        For each block with an output after it.
    """
    namespace: dict[str, Any] = {"__name__": page.stem}
    outputs = []
    for place, code, promised in blocks(page):
        source = code
        for name, value in constants.items():
            source = re.sub(rf"^{name} = .*$", f"{name} = {value}", source, flags=re.MULTILINE)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(source, str(page), "exec"), namespace)
        if promised is not None:
            outputs.append((place, printed.getvalue(), promised))
    return namespace, outputs


def page_results(name: str, **constants: int) -> dict[str, Any]:
    """Run a page as a student does, from the checkout; print what it prints, give its names."""
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        namespace, outputs = run_page(COURSE / name, **constants)
    finally:
        os.chdir(before)
    for place, printed, _ in outputs:
        print(f"--- {place}\n{printed}", end="")
    return namespace


def save(figure: Figure, out: Path, name: str) -> None:
    """Write a figure to a folder, and say so."""
    out.mkdir(parents=True, exist_ok=True)
    lossy = {"pil_kwargs": {"quality": 85}} if name.endswith(".jpg") else {}
    figure.savefig(out / name, dpi=110, **lossy)
    print(f"{out / name}: {(out / name).stat().st_size / 1000:.0f} kB")
