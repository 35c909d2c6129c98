"""Figures and numbers of lesson 1: from two pictures to one, in nine steps."""

import numpy as np
from common import Lesson, options, save
from matplotlib.figure import Figure
from pictures import tiles


def main() -> None:
    """Run the page and draw what it computed."""
    chosen = options(__doc__, size=256, iterations=100)
    page = Lesson(1, chosen.out, SIZE=chosen.size, ITERATIONS=chosen.iterations)

    films, losses = page["films"], page["losses"]
    shape = page["photograph"].shape
    shown = [round(chosen.iterations * share) for share in (0, 0.05, 0.2, 0.5, 1)]
    figure, axes = tiles(len(films), len(shown), shape)
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

    figure, axes = tiles(1, 3, shape)
    three = {
        f"nine steps, from photograph, {len(films['photograph']) - 1} iterations": films[
            "photograph"
        ][-1],
        'stylize, preset="gram"': page["gram"].pixels,
        "stylize": page["default"].pixels,
    }
    for tile, (name, image) in zip(axes[0], three.items(), strict=True):
        tile.imshow(image)
        tile.set_title(name)
    save(figure, chosen.out, "lesson1_stylize.jpg")

    photograph, noise = (np.array(losses[name]) for name in ("photograph", "noise"))
    _, _, early, half, last = (min(at, len(noise) - 1, len(photograph) - 1) for at in shown)
    # How soon the photograph is where noise is in the end.
    as_low = int(np.argmax(photograph <= noise[-1])) if photograph.min() <= noise[-1] else None
    page.keep(
        f"After {early} iterations the loss is {photograph[early]:.2f} from the photograph and "
        f"{noise[early]:.2f} from noise, after {half} it is {photograph[half]:.2f} and "
        f"{noise[half]:.2f}",
        f"From the photograph, {as_low} iterations are enough for the loss that noise reaches "
        f"after {last}",
        f"are still different pictures ({noise[-1]:.2f} and {photograph[-1]:.2f})",
    )


if __name__ == "__main__":
    main()
