"""The pictures of docs/knobs.md: `python docs/figures/knobs.py [--size 224]`."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minimalstyle import load_network, stylize
from minimalstyle.painting.functions import reconstruct, texture
from minimalstyle.pictures.images import load, save
from minimalstyle.pictures.sheets import contact_sheet

EXAMPLES = Path(__file__).parents[2] / "examples"
CASTLE = EXAMPLES / "neuschwanstein.jpg"
NIGHT = EXAMPLES / "starry_night.jpg"
INK = EXAMPLES / "ink_landscape.webp"


def castle_mask() -> np.ndarray:
    """White sky, black land, a soft edge between."""
    height, width = load(CASTLE).rgb.shape[:2]
    rows = np.linspace(0, 1, height)[:, None] * np.ones((1, width))
    return np.clip((0.62 - rows) / 0.08 + 0.5, 0, 1).astype(np.float32)


def strengths(make: Callable[..., np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """One slider."""
    return [(f"--strength {s}", make(strength=float(s))) for s in (0, 25, 50, 75, 100)]


def colours(make: Callable[..., np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """Ways to keep the photograph's colours."""
    ways = ("off", "luminance", "match", "histogram")
    return [(f"--preserve-color {way}", make(preserve_color=way)) for way in ways]


def strokes(make: Callable[..., np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """Size of the strokes, and two styles."""
    pictures = [(f"--style-scale {f}", make(style_scale=f)) for f in (0.5, 1.0, 2.0)]
    for share in (0.7, 0.3):
        blend = (share, round(1 - share, 1))
        text = f"--style-blend {blend[0]},{blend[1]}"
        pictures.append((text, make([NIGHT, INK], style_blend=blend)))
    return pictures


def masks(make: Callable[..., np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """A style for the land, another for the sky."""
    mask = castle_mask()
    return [
        ("mask", np.repeat(mask[..., None], 3, axis=2)),
        ("first STYLE: black", load(INK).rgb),
        ("second STYLE: white", load(NIGHT).rgb),
        ("result", make([INK, NIGHT], content_mask=mask)),
    ]


def halves(make: Callable[..., np.ndarray], toy: dict[str, Any]) -> list[tuple[str, np.ndarray]]:
    """Only style, only content."""
    seamless = texture(NIGHT, seamless=True, **toy).pixels
    return [
        ("texture", texture(NIGHT, **toy).pixels),
        ("texture --seamless, 2x2", np.tile(seamless, (2, 2, 1))),
        ("reconstruct --layer relu2_1", reconstruct(CASTLE, "relu2_1", **toy).pixels),
        ("reconstruct --layer relu4_2", reconstruct(CASTLE, "relu4_2", **toy).pixels),
    ]


def layers(make: Callable[..., np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """What counts as content and as style."""
    high, low = {"relu4_1": 1.0, "relu5_1": 1.0}, {"relu1_1": 1.0, "relu2_1": 1.0}
    return [
        ("--content-layers relu2_2", make(content_layers={"relu2_2": 1.0})),
        ("--style-layers relu1_1,relu2_1", make(style_layers=low)),
        ("--style-layers relu4_1,relu5_1", make(style_layers=high)),
        ("--pooling average", make(pooling="average")),
        ("--preset gram", make(preset="gram")),
    ]


def starts(make: Callable[..., np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """Where the run starts, and how smooth it ends."""
    return [
        ("--init noise", make(init="noise")),
        ("--init style", make(init="style")),
        ("--init noise --init-blend 0.3", make(init="noise", init_blend=0.3)),
        ("--tv-weight 50", make(tv_weight=50.0)),
        ("--preset gatys2016", make(preset="gatys2016", iterations=150)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "images")
    args = parser.parse_args()
    toy = {"size": args.size, "weights": load_network()}

    def make(style: Any = NIGHT, **settings: Any) -> np.ndarray:
        return stylize(CASTLE, style, **{**toy, **settings}).pixels

    for figure in (strengths, colours, strokes, masks, halves, layers, starts):
        found = figure(make, toy) if figure is halves else figure(make)  # type: ignore[operator]
        labels, pictures = [text for text, _ in found], [picture for _, picture in found]
        sheet = contact_sheet([pictures], [""], labels, cell=args.size)
        save(args.out / f"knobs_{figure.__name__}.jpg", sheet)


if __name__ == "__main__":
    main()
