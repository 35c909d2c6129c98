"""The figures of lesson 7: losses of the optimisers, their pictures, and what scaling does."""

import numpy as np
from common import Lesson, options, save
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

chosen = options(__doc__, size=128, iterations=60)
page = Lesson(7, chosen.out, SIZE=chosen.size, ITERATIONS=chosen.iterations)

figure = Figure(figsize=(7, 3.4), layout="constrained")
axes = figure.subplots()
for name, curve in page["curves"].items():
    axes.semilogy(np.arange(1, len(curve) + 1), np.minimum.accumulate(curve), label=name)
axes.set(xlabel="evaluations", ylabel="lowest loss so far", ylim=(0.8, 8))
axes.set_yticks([1, 2, 4, 8], ["1", "2", "4", "8"])
axes.yaxis.set_minor_formatter(NullFormatter())
axes.legend(fontsize=8)
save(figure, chosen.out, "lesson7_losses.png")

names = ["gradient descent", "Adam", "L-BFGS-B on pixels", "L-BFGS-B on cosines"]
figure = Figure(figsize=(8.5, 6.1), layout="constrained")
for axes, name in zip(figure.subplots(2, 2).flat, names, strict=True):
    axes.imshow(page["pictures"][name], interpolation="nearest")
    axes.set_title(f"{name}: {page['objective'](page['pictures'][name])[0]:.2f}", fontsize=10)
    axes.axis("off")
save(figure, chosen.out, "lesson7_pictures.jpg")

figure = Figure(figsize=(9, 3.2), layout="constrained")
paths, spectra = figure.subplots(1, 2)
x, y = np.meshgrid(np.linspace(-10, 10, 200), np.linspace(-1.4, 1.4, 200))
paths.contour(x, y, (x**2 + 100 * y**2) / 2, levels=[1, 4, 9, 16, 25, 36, 49], colors="0.8")
for across in (1.0, 0.3):
    path = page["steps_to_bottom"](page["bowl"], np.array([1.0, across]))
    paths.plot(*path[:40].T, marker=".", label=f"scale (1, {across:g}): {len(path)} steps")
paths.legend(fontsize=8)
paths.set_title("the first 40 steps down a narrow bowl", fontsize=10)
for name, values in page["energies"].items():
    spectra.semilogy(range(len(values)), values, marker="o", label=name)
spectra.set_xticks(range(len(values)), [f"{2 << octave}" for octave in range(len(values))])
spectra.set_xlabel("half waves across the picture")
spectra.set_ylabel("energy")
spectra.set_title("how energy falls with frequency", fontsize=10)
spectra.legend(fontsize=8)
save(figure, chosen.out, "lesson7_scaling.png")

film, losses = page["film"], page["losses"]
figure = Figure(figsize=(9, 6.8), layout="constrained")
rows = figure.subfigures(2, 1, height_ratios=(1, 2.1))
axes = rows[0].subplots()
axes.loglog(np.arange(1, len(losses)), losses[1:] / losses[-1] - 1)
for at in list(film)[1:-1]:
    axes.axvline(at, color="0.7", linewidth=0.8, linestyle=":")
axes.set(xlabel="iterations", ylabel="loss above the last", ylim=(1e-4, None))
axes.grid(alpha=0.3)
for tile, (at, image) in zip(rows[1].subplots(2, 3).flat, film.items(), strict=False):
    tile.imshow(image)
    tile.set_title(f"{at} iterations: {losses[at]:.2f}", fontsize=9)
    tile.axis("off")
save(figure, chosen.out, "lesson7_converged.jpg")

above = {at: losses[at] / losses[-1] - 1 for at in film}
off = {at: np.sqrt(np.mean((image - page["last"]) ** 2)) for at, image in film.items()}
early, late = list(film)[-3:-1]
on_pixels, on_cosines = (page["curves"][f"L-BFGS-B on {what}"] for what in ("pixels", "cosines"))
third = max(chosen.iterations // 3, 1)
finished = [
    page["objective"](page["pictures"][f"L-BFGS-B{how}"])[0]
    for how in (" on cosines", " on pixels", ", no bounds")
]
page.keep(
    f"after {third} evaluations the losses are {min(on_cosines[:third]):.2f} and "
    f"{min(on_pixels[:third]):.2f}, in the end {finished[0]:.2f} and {finished[1]:.2f}",
    f"the clipped picture has a loss of {finished[2]:.2f} in place of {finished[1]:.2f}",
    f"After {early} iterations the loss is {100 * above[early]:.1f} % above the last",
    f"After {late} it is {100 * above[late]:.1f} %, and the pixels differ by {off[late]:.3f} on "
    "average",
)
