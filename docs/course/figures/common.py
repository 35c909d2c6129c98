"""What the figure scripts share: they run the code of a page, draw what it computed, and keep it.

What a page prints and says of it cannot be known without running it, and machines differ. So each
script writes, beside its pictures, a `lessonN.json` with what was printed and with the sentences
that hold numbers; a test holds the page to that file.
"""

import argparse
import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
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


def constants(page: Path) -> dict[str, int]:
    """SIZE and ITERATIONS as the page has them."""
    lines = re.findall(r"^([A-Z]+) = (\d+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: int(value) for name, value in lines}


def prose(page: Path) -> str:
    """What a page says between its blocks of code and its formulas, in one line."""
    text = re.sub(r"^```.*?^```$", " ", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return " ".join(re.sub(r"\$\$.*?\$\$", " ", text, flags=re.S).split())


def run_page(page: Path, **values: int) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    """Run the code blocks of a page in the current folder.

    Parameters
    ----------
    page : Path
    **values : int
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
        for name, value in values.items():
            source = re.sub(rf"^{name} = .*$", f"{name} = {value}", source, flags=re.MULTILINE)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(source, str(page), "exec"), namespace)
        if promised is not None:
            outputs.append((place, printed.getvalue(), promised))
    return namespace, outputs


class Lesson:
    """A page that has run as a student runs it, from the checkout: what it printed and computed.

    Parameters
    ----------
    number : int
    out : Path
        Folder of the pictures, and of what is kept.
    **values : int
        SIZE and ITERATIONS.
    """

    def __init__(self, number: int, out: Path, **values: int) -> None:
        (self.page,) = COURSE.glob(f"{number:02}-*.md")
        self.number, self.out, self.values = number, out, values
        before = Path.cwd()
        os.chdir(ROOT)
        try:
            self.names, outputs = run_page(self.page, **values)
        finally:
            os.chdir(before)
        self.printed = [printed for _, printed, _ in outputs]
        for place, printed, _ in outputs:
            print(f"--- {place}\n{printed}", end="")

    def __getitem__(self, name: str) -> Any:
        """What the page has computed under a name."""
        return self.names[name]

    def keep(self, *says: str) -> None:
        """Write what was printed, and the sentences that the page has to say, word for word.

        At the page's own size its outputs are put into it; sentences are left to a person.
        """
        kept = {**self.values, "printed": self.printed, "says": says}
        path = self.out / f"lesson{self.number}.json"
        path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        if self.out == COURSE / "images" and self.values == constants(self.page):
            put_outputs(self.page, self.printed)
        said = prose(self.page)
        for sentence in says:
            print(f"{'says:   ' if sentence in said else 'MISSING:'} {sentence}")


def put_outputs(page: Path, printed: Sequence[str]) -> None:
    """Replace the outputs of a page by these."""
    left = iter(printed)

    def replaced(block: re.Match[str]) -> str:
        if block[2] is None:
            return block[0]
        return f"```python\n{block[1]}```\n\n```text\n{next(left)}```\n"

    page.write_text(_BLOCK.sub(replaced, page.read_text(encoding="utf-8")), encoding="utf-8")


def save(figure: Figure, out: Path, name: str) -> None:
    """Write a figure to a folder, and say so."""
    out.mkdir(parents=True, exist_ok=True)
    lossy = {"pil_kwargs": {"quality": 85}} if name.endswith(".jpg") else {}
    figure.savefig(out / name, dpi=110, **lossy)
    print(f"{out / name}: {(out / name).stat().st_size / 1000:.0f} kB")
