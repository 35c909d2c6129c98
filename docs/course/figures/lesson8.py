"""The figures of lesson 8: time and error of each way to convolve, and how fast memory is."""

from common import options, page_results, save
from matplotlib.figure import Figure

chosen = options(__doc__, size=256, iterations=10)
page = page_results("08-making-it-fast.md", SIZE=chosen.size, ITERATIONS=chosen.iterations)

figure = Figure(figsize=(9, 3), layout="constrained")
times, errors = figure.subplots(1, 2)
results = page["results"]
times.barh(list(results), [1e3 * taken for taken, _, _ in results.values()])
times.invert_yaxis()
times.set_xlabel("milliseconds")
for name, (_, error, per_output) in results.items():
    marker = "x" if name.startswith("engine") else "o"
    errors.semilogy(per_output, error, marker, markersize=8, label=name)
errors.set_xlabel("multiplications for each output and channel")
errors.set_ylabel("relative error")
errors.legend(fontsize=8, loc="upper center")
save(figure, chosen.out, "lesson8_ways.png")

figure = Figure(figsize=(6, 2.8), layout="constrained")
axes = figure.subplots()
axes.semilogx(
    list(page["bandwidth"]), [speed / 1e9 for speed in page["bandwidth"].values()], "o-", base=2
)
axes.set_ylim(bottom=0)
axes.set_xlabel("both arrays together, kB")
axes.set_ylabel("GB/s, read and written")
save(figure, chosen.out, "lesson8_memory.png")
