"""Put the evaluation times of `results/` into every page that shows them.

There the newest file of each processor counts; `engine.py --keep` writes one.
"""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "benchmarks" / "README.md",
    ROOT / "docs" / "course" / "08-making-it-fast.md",
]
_PLACE = re.compile(r"(?<=<!-- made by benchmarks/table.py -->\n\n).*?(?=\n\n<!-- -->)", re.DOTALL)


def newest() -> list[dict[str, Any]]:
    """The newest result for each processor, by its name."""
    found = {}
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.json")):  # the date comes first
        result = json.loads(path.read_text(encoding="utf-8"))
        found[result["machine"]["processor"]] = result
    return [found[name] for name in sorted(found)]


def table() -> str:
    """Seconds of one evaluation, and PyTorch's in multiples of them, in Markdown."""
    results = newest()
    sizes = sorted({one["size"] for result in results for one in result["evaluations"]})
    lines = [["processor", *(f"{size} px" for size in sizes)], ["---"] * (1 + len(sizes))]
    for result in results:
        cells = {one["size"]: _cell(one) for one in result["evaluations"]}
        lines.append([result["machine"]["processor"], *(cells.get(size, "") for size in sizes)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(one: dict[str, Any]) -> str:
    seconds = f"{one['ours']['seconds']['median']:.2f} s"
    return f"{seconds}, {one['speedup']:.1f} times" if "speedup" in one else seconds


def filled(page: Path) -> str:
    """The text of a page with the table in its place."""
    text, places = _PLACE.subn(table(), page.read_text(encoding="utf-8"))
    if places != 1:
        raise ValueError(f"{page}: {places} places for the table")
    return text


def main() -> None:
    """Write the pages."""
    for page in PAGES:
        page.write_text(filled(page), encoding="utf-8")


if __name__ == "__main__":
    main()
