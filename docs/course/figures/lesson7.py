"""The figures of lesson 7: losses of the optimisers, their pictures, and what scaling does."""

import numpy as np
from common import options, page_results, save
from matplotlib.figure import Figure

chosen = options(__doc__, size=128, iterations=60)
page = page_results("07-minimising.md", SIZE=chosen.size, ITERATIONS=chosen.iterations)

figure = Figure(figsize=(9, 3.6), layout="constrained")
by_count, by_time = figure.subplots(1, 2, sharey=True)
for name, curve in page["curves"].items():
    seconds, losses = np.array(curve).T
    lowest = np.minimum.accumulate(losses)
    by_count.semilogy(np.arange(1, len(curve) + 1), lowest, label=name)
    by_time.semilogy(seconds, lowest, label=name)
by_count.set_xlabel("evaluations")
by_count.set_ylabel("lowest loss so far")
by_time.set_xlabel("seconds")
by_count.legend(fontsize=8)
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
