"""The figures of lesson 3: what filters see, and the error over the step of finite differences."""

import numpy as np
from common import ROOT, Lesson, options, save
from matplotlib.figure import Figure

from minimalstyle import reference
from minimalstyle.gradcheck import gradcheck
from minimalstyle.pictures import images

chosen = options(__doc__, size=256)
page = Lesson(3, chosen.out)

photograph = images.load(ROOT / "examples" / "neuschwanstein.jpg").rgb
height, width, _ = photograph.shape
grey = images.resize(photograph, *images.fit(width, height, chosen.size)).mean(axis=2)[:, :, None]
across = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])  # Sobel's
edges = reference.convolve(grey, np.stack([across, across.T], axis=-1)[:, :, None], 0)

figure = Figure(figsize=(9, 2.4), layout="constrained")
titles = ("photograph", "left to right", "top to bottom")
for axes, values, title in zip(
    figure.subplots(1, 3), (grey[..., 0], edges[..., 0], edges[..., 1]), titles, strict=True
):
    limits = (0, 1) if title == "photograph" else (-2, 2)
    axes.imshow(values, cmap="gray", vmin=limits[0], vmax=limits[1])
    axes.set_title(title, fontsize=10)
    axes.axis("off")
save(figure, chosen.out, "lesson3_filters.jpg")


def curved(x):
    """The convolution again, with a loss that bends: the sum of the fourth powers."""
    y = reference.convolve(x, page["weight"], page["bias"])
    return np.sum(y**4), reference.convolve_backward(4 * y**3, page["weight"])


steps = np.logspace(-12, 0, 37)
figure = Figure(figsize=(6, 3.4), layout="constrained")
axes = figure.subplots()
for name, function in (
    ("convolution", page["f"]),
    ("convolution, fourth power", curved),
    ("convolution, flip forgotten", page["wrong"]),
):
    checks = [gradcheck(function, page["x"], samples=8, step=step) for step in steps]
    errors = [check.relative_error for check in checks]
    axes.loglog(steps, errors, marker=".", label=name)
axes.set_xlabel("step")
axes.set_ylabel("relative error")
axes.legend(fontsize=8)
save(figure, chosen.out, "lesson3_steps.png")
