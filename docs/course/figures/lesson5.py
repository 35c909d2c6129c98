"""The figure of lesson 5: what Gram matrices remember of places, from three random starts."""

import numpy as np
from common import options, save
from pictures import PAINTING, STYLE_LAYERS, picture, tiles

from minimalstyle import Objective, load_network
from minimalstyle.optimize.lbfgs import minimize
from minimalstyle.pictures import images

STARTS = 3


def main() -> None:
    """Make the textures of lesson 2 again, with four layers and with five, from other noise."""
    chosen = options(__doc__, size=192, iterations=100)
    painting = picture(PAINTING, chosen.size)
    height, width, _ = painting.shape
    network = load_network(pooling="average")
    figure, axes = tiles(2, 1 + STARTS, painting.shape)
    for row, layers in zip(axes, (STYLE_LAYERS[:4], STYLE_LAYERS), strict=True):
        row[0].imshow(painting)
        row[0].set_title("the painting")
        for seed, tile in enumerate(row[1:]):
            objective = Objective(
                network,
                content=painting,
                styles=[painting],
                content_weight=0,
                style_layers=dict.fromkeys(layers, 1.0),
                style_weight=20.0,
                tv_weight=0.1,
                loss="relative",
            )
            grains = np.random.default_rng(seed).random((height // 8, width // 8, 3), np.float32)
            start = images.resize(grains, width, height)
            threads = network.threads.number
            tile.imshow(minimize(objective, start, chosen.iterations, threads=threads).image)
            tile.set_title(f"up to {layers[-1]}, noise {seed}")
    save(figure, chosen.out, "lesson5_places.jpg")


if __name__ == "__main__":
    main()
