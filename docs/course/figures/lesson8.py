"""The figures of lesson 8: time and error of each way to convolve, and how fast memory is."""

from common import Lesson, options, save
from matplotlib.figure import Figure

chosen = options(__doc__, size=256, iterations=10)
page = Lesson(8, chosen.out, SIZE=chosen.size, ITERATIONS=chosen.iterations)

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

fast, slow = page["results"]["engine F(6, 3)"][0], page["results"]["NumPy F(6, 3)"][0]
near, far = page["bandwidth"][2**13], page["bandwidth"][2**17]
multiplications = page["results"]["engine F(6, 3)"][2] * page["x"].size * len(page["layer"].bias)
page.keep(
    f"and {slow / fast:.1f} times as fast. At the speed of a large matrix product these "
    f"multiplications alone would take {1e3 * multiplications / page['fastest']:.0f} ms",
    f"Beyond 64 MB they come from memory, {near / far:.1f} times as slowly as at 8 MB",
)
