"""What the figures made of pictures share: the two examples, and rows of tiles."""

import sys
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))  # the checkout that the page belongs to, whatever is installed

from minimalstyle.pictures import images  # noqa: E402

PHOTOGRAPH = ROOT / "examples" / "neuschwanstein.jpg"
PAINTING = ROOT / "examples" / "starry_night.jpg"
STYLE_LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]

Float32 = npt.NDArray[np.float32]

matplotlib.rcParams.update({"font.size": 9, "axes.titlesize": 9, "axes.titlepad": 4})


def picture(path: Path, size: int) -> Float32:
    """A picture (H, W, 3) in [0, 1] whose longer side is `size`."""
    rgb = images.load(path).rgb
    height, width, _ = rgb.shape
    return images.resize(rgb, *images.fit(width, height, size))


def tiles(rows: int, columns: int, shape: tuple[int, ...]) -> tuple[Figure, npt.NDArray]:
    """A figure for pictures of one shape (H, W, ...), and the array of its axes."""
    width, title = 10.5, 0.28  # inches
    figure = Figure((width, rows * (width / columns * shape[0] / shape[1] + title)))
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.03, wspace=0.01, hspace=0.01)
    axes = figure.subplots(rows, columns, squeeze=False)
    for one in axes.flat:
        one.set(xticks=[], yticks=[])
        one.spines[:].set_visible(False)
    return figure, axes
