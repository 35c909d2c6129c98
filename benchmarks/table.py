"""Put the evaluation times of `results.json` into every page that shows them.

The numbers are those that `engine.py --json` printed on quiet machines, copied by hand.
"""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "benchmarks" / "README.md",
    ROOT / "docs" / "course" / "08-making-it-fast.md",
]
_PLACE = re.compile(r"(?<=<!-- made by benchmarks/table.py -->\n\n).*?(?=\n\n<!-- -->)", re.DOTALL)


def table() -> str:
    """Seconds of one evaluation, and PyTorch's in multiples of them, in Markdown."""
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    head = [f"{pixels} px" for pixels in results["pixels"]]
    lines = [["processor", *head], ["---"] * (1 + len(head))]
    for row in results["rows"]:
        pairs = zip(row["ours"], row["torch_over_ours"], strict=True)
        lines.append(
            [row["processor"], *(f"{ours:.2f} s, {ratio:.1f} times" for ours, ratio in pairs)]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


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
