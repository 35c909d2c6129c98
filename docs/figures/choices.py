"""Pictures of docs/choices.md: `python docs/figures/choices.py PHOTOGRAPH PAINTING [FRAMED ...]`.

For each choice, the default beside what it was chosen from. Some of that is no setting but a
constant of the method, which is changed here for the time of a picture.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from minimalstyle import load_network, method, optimize, stylize
from minimalstyle.images import load, save
from minimalstyle.sheets import contact_sheet


@contextmanager
def constant(module: Any, name: str, value: Any) -> Iterator[None]:
    """A constant of a module with another value."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def no_median(size: tuple[int, int], start: Any, settings: Any) -> np.ndarray:
    """The start image with all of its detail."""
    return method.images.resize(start.rgb, *size)


SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "--style-weight 12": {"style_weight": 12.0},
    "--style-weight 100": {"style_weight": 100.0},
    "--tv-weight 0": {"tv_weight": 0.0},
    "--tv-weight 20": {"tv_weight": 20.0},
    "--pooling average": {"pooling": "average"},
    "--preset gram": {"preset": "gram"},
    "--border replicate": {"border": "replicate"},
    "--border reflect": {"border": "reflect"},
    "--iterations 20": {"iterations": 20},
    "--iterations 80": {"iterations": 80},
}
CONSTANTS: dict[str, tuple[Any, str, Any]] = {
    "no smooth beginning": (method, "_FIRST_EXPONENT", method._PAINTED_EXPONENT),
    "smooth to the end": (method, "_PAINTED_EXPONENT", method._FIRST_EXPONENT),
    "sizes from 80 px": (method, "_SMALLEST_SCALE", 80),
    "no median": (method, "_start_at", no_median),
    "5 corrections": (optimize, "CORRECTIONS", 5),
    "20 corrections": (optimize, "CORRECTIONS", 20),
    "all frequencies": (method, "FREE", 1.0),
}


def dithered(picture: np.ndarray, seed: int) -> np.ndarray:
    """Noise of at most half a level of 8 bits, which nobody sees."""
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, picture.shape) / 255
    return np.clip(picture + noise, 0, 1).astype(np.float32)


def sheet(pictures: dict[str, np.ndarray], columns: int, cell: int) -> np.ndarray:
    """Labelled pictures in rows."""
    texts, images = list(pictures), list(pictures.values())
    rows = [
        contact_sheet([images[i : i + columns]], [""], texts[i : i + columns], cell=cell)
        for i in range(0, len(images), columns)
    ]
    whole = np.full((sum(map(len, rows)), max(row.shape[1] for row in rows), 3), 255, np.uint8)
    top = 0
    for row in rows:
        whole[top : top + len(row), : row.shape[1]] = row
        top += len(row)
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("content", type=Path)
    parser.add_argument("style", type=Path)
    parser.add_argument("framed", type=Path, nargs="*", help="paintings with a frame")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "images")
    a = parser.parse_args()
    network = load_network()

    def paint(content: Any = a.content, style: Any = a.style, size: int = 320, **given: Any) -> Any:
        result = stylize(content, style, size=size, weights=network, **given)
        last = result.report["scales"][-1]
        print(f"{size} px, loss {last['loss']:.4f}, {result.report['seconds']:.1f} s", end="  ")
        return result.pixels

    each = {}
    for text, given in SETTINGS.items():
        each[text] = paint(**given)
        print(text)
    for text, (module, name, value) in CONSTANTS.items():
        with constant(module, name, value):
            each[text] = paint()
        print(text)
    save(a.out / "choice_each.jpg", sheet(each, 6, 320))

    begun = {}
    photograph = load(a.content).rgb
    for text, exponent in (("without", method._PAINTED_EXPONENT), ("with", method._FIRST_EXPONENT)):
        with constant(method, "_FIRST_EXPONENT", exponent):
            for seed in range(4):
                picture = paint(dithered(photograph, seed), size=512)
                begun[f"{text}, dither {seed}"] = picture[: len(picture) // 2]
                print(text, seed)
    save(a.out / "choice_beginning.jpg", sheet(begun, 4, 400))

    frames = {}
    for frame in ("keep", "crop"):
        for painting in a.framed:
            label = f"--style-frame {frame}"
            frames[f"{label}, {painting.stem}"] = paint(style=painting, style_frame=frame)
            print(label)
    if frames:
        save(a.out / "choice_frame.jpg", sheet(frames, len(a.framed), 320))


if __name__ == "__main__":
    main()
