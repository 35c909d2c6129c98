"""Figures and numbers of lesson 1: from two pictures to one, in nine steps."""

from common import options, page_results, save
from matplotlib.figure import Figure
from pictures import tiles


def main() -> None:
    """Run the page and draw what it computed."""
    chosen = options(__doc__, size=256, iterations=100)
    page = page_results("01-pipeline.md", SIZE=chosen.size, ITERATIONS=chosen.iterations)

    films, losses = page["films"], page["losses"]
    shown = [round(chosen.iterations * share) for share in (0, 0.05, 0.2, 0.5, 1)]
    figure, axes = tiles(len(films), len(shown), page["photograph"].shape)
    for row, (name, film) in zip(axes, films.items(), strict=True):
        row[0].set_ylabel(f"from {name}")
        for tile, iteration in zip(row, shown, strict=True):
            at = min(iteration, len(film) - 1)
            tile.imshow(film[at])
            tile.set_title(f"{at} iterations: {losses[name][at]:.2f}")
    save(figure, chosen.out, "lesson1_pictures.jpg")

    figure = Figure((6, 2.8), layout="constrained")
    axis = figure.subplots()
    for name, history in losses.items():
        axis.semilogy(history, label=f"from {name}")
    axis.set(xlabel="iterations", ylabel="loss")
    axis.grid(alpha=0.3, which="both")
    axis.legend(frameon=False)
    save(figure, chosen.out, "lesson1_loss.png")


if __name__ == "__main__":
    main()
