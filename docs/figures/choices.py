"""Pictures of docs/choices.md: `python docs/figures/choices.py PHOTOGRAPHS --styles PAINTINGS`.

For each choice, the default beside what it was chosen from. Some of that is no setting but a
constant of the method, which is changed here for the time of a picture.
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from minimalstyle import load_network, stylize
from minimalstyle.painting import method, schedule
from minimalstyle.painting.inputs import Inputs
from minimalstyle.pictures.images import Size, resize, save
from minimalstyle.pictures.sheets import contact_sheet
from minimalstyle.settings.settings import SETTINGS

EXAMPLES = Path(__file__).parents[2] / "examples"
CASTLE, NIGHT = EXAMPLES / "neuschwanstein.jpg", EXAMPLES / "starry_night.jpg"
# What the defaults were in version 0.1: three quarters of the style on relu1_1, from 192 px.
BEFORE: dict[str, Any] = {
    "style_layers": {f"relu{block}_1": 4.0 ** (5 - block) for block in range(1, 6)},
    "content_layers": {"relu4_2": 1.0},
    "style_weight": 30.0,
    "tv_weight": 2.0,
    "first_size": 192,
    "deep_size": 20_000,
    "iterations": 40,
    "coarse_iterations": 10,
}
FIRST = {name: 1.0 if name == "relu1_1" else 0.1 for name in BEFORE["style_layers"]}
LAST = {name: 1.0 if name >= "relu4" else 0.1 for name in BEFORE["style_layers"]}


@contextmanager
def constant(name: str, value: Any) -> Iterator[None]:
    """A constant of the method with another value."""
    (home,) = (place for place in (schedule, method, Inputs) if hasattr(place, name))
    before = getattr(home, name)
    setattr(home, name, value)
    try:
        yield
    finally:
        setattr(home, name, before)


def no_median(inputs: Inputs, size: Size) -> np.ndarray:
    """The start image with all of its detail."""
    return resize(inputs.start, *size)


Pair = tuple[Any, Any]
Ways = dict[str, dict[str, Any]]


class Studio:
    """Paints pairs in several ways, and puts them on a sheet: a row for each pair."""

    def __init__(self, out: Path) -> None:
        self.out, self.network = out, load_network()

    def paint(self, pair: Pair, size: int, **given: Any) -> np.ndarray:
        """One picture; what is no setting is a constant of the method."""
        for name, value in given.items():
            if name not in SETTINGS:
                others = {other: one for other, one in given.items() if other != name}
                with constant(name, value):
                    return self.paint(pair, size, **others)
        return stylize(*pair, size=size, weights=self.network, **given).pixels

    def sheet(
        self,
        name: str,
        pairs: list[Pair],
        ways: Ways,
        size: int = 256,
        crop: tuple[float, float, float] | None = None,
    ) -> None:
        """A file `choice_<name>.jpg`; `crop` is top, left and side, as shares of the width."""
        rows = [[self.paint(pair, size, **given) for given in ways.values()] for pair in pairs]
        cell = size
        if crop is not None:
            top, left, side = (round(share * size) for share in crop)
            rows = [[one[top : top + side, left : left + side] for one in row] for row in rows]
            cell = 2 * side
        picture = contact_sheet(rows, [""] * len(rows), list(ways), cell=cell)
        save(self.out / f"choice_{name}.jpg", picture)
        print(name, flush=True)


def settings_of(name: str, values: list[Any]) -> Ways:
    """`--name value` for each value."""
    return {f"--{name.replace('_', '-')} {value}": {name: value} for value in values}


def figures(studio: Studio, photographs: list[Path], paintings: list[Path]) -> dict[str, Callable]:
    """Each figure by its name; photographs and paintings go in pairs."""
    pairs: list[Pair] = [*zip(photographs, paintings, strict=False)]
    castle: list[Pair] = [(CASTLE, NIGHT)]
    sky, two = (0.02, 0.55, 0.35), [*castle, *pairs[:1]]
    layers = {
        "mostly relu1_1": {"style_layers": FIRST},
        "the default": {},
        "mostly relu4_1, relu5_1": {"style_layers": LAST},
    }
    at_full = {"iterations 5": 5, "10": 10, "20, the default": 20, "80": 80}
    sizes = {f"{size} px": size for size in (256, 512, 1024)}

    def three_sizes() -> None:
        row = [studio.paint(castle[0], size, enlarge=True) for size in sizes.values()]
        save(studio.out / "choice_sizes.jpg", contact_sheet([row], [""], list(sizes), cell=384))

    return {
        "before": lambda: studio.sheet("before", [*castle, *pairs], {"0.1": BEFORE, "now": {}}),
        "strength": lambda: studio.sheet(
            "strength",
            [*castle, *pairs[:2]],
            settings_of("strength", [0.0, 25.0, 50.0, 75.0, 100.0]),
        ),
        "gram": lambda: studio.sheet(
            "gram", [*castle, *pairs[:3]], {"Wasserstein": {}, "--preset gram": {"preset": "gram"}}
        ),
        "layers": lambda: studio.sheet("layers", two, layers),
        "first_size": lambda: studio.sheet(
            "first_size", two, settings_of("first_size", [48, 96, 192]), 384
        ),
        "content": lambda: studio.sheet(
            "content",
            pairs[:2],
            {
                "relu4_2 alone": {"content_layers": {"relu4_2": 1.0}},
                "relu2_2 and relu4_2": {},
                "relu2_2 alone": {"content_layers": {"relu2_2": 1.0}},
            },
        ),
        "pooling": lambda: studio.sheet("pooling", two, settings_of("pooling", ["max", "average"])),
        "deep": lambda: studio.sheet(
            "deep",
            castle,
            {"three blocks at 512 px": {}, "all layers": {"deep_size": 512}},
            512,
            sky,
        ),
        "iterations": lambda: studio.sheet(
            "iterations", castle, {text: {"iterations": n} for text, n in at_full.items()}, 512, sky
        ),
        "tv": lambda: studio.sheet(
            "tv", castle, settings_of("tv_weight", [0.0, 8.0, 40.0]), 512, sky
        ),
        "start": lambda: studio.sheet(
            "start",
            castle,
            {"median of 3x3": {}, "the photograph itself": {"start_at": no_median}},
            512,
            (0.35, 0.55, 0.3),
        ),
        "variables": lambda: studio.sheet(
            "variables",
            castle,
            {
                "cosine coefficients": {},
                "pixels": {"_COARSE_EXPONENT": 0.0, "_PAINTED_EXPONENT": 0.0, "MOVING": 1.0},
            },
            512,
            sky,
        ),
        "border": lambda: studio.sheet(
            "border", castle, settings_of("border", ["zero", "replicate", "reflect"]), 384
        ),
        "frame": lambda: studio.sheet(
            "frame", pairs[:3], settings_of("style_frame", ["keep", "crop"])
        ),
        "sizes": three_sizes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path, nargs="+")
    parser.add_argument("--styles", type=Path, nargs="+", required=True, help="one for each")
    parser.add_argument("--only", nargs="+", help="names of figures")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "images")
    a = parser.parse_args()
    found = figures(Studio(a.out), a.photographs, a.styles)
    for name in a.only or found:
        found[name]()


if __name__ == "__main__":
    main()
