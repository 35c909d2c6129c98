"""Figures and numbers of lesson 6: the terms of the loss, their sizes and their weights."""

import numpy as np
from common import options, page_results, save
from pictures import PAINTING, PHOTOGRAPH, STYLE_LAYERS, Float32, picture, tiles

import minimalstyle as ms
from minimalstyle import reference
from minimalstyle.pictures import images


def main() -> None:
    """Run the page, draw what it computed, and print the sizes of the sums."""
    chosen = options(__doc__, size=192, iterations=60)
    page = page_results("06-loss-and-weights.md", SIZE=chosen.size, ITERATIONS=chosen.iterations)
    shape = page["photograph"].shape

    starts, weights = (list(dict.fromkeys(keys)) for keys in zip(*page["painted"], strict=True))
    figure, axes = tiles(len(starts), len(weights), shape)
    for (start, beta), tile in zip(page["painted"], axes.flat, strict=True):
        tile.imshow(page["painted"][start, beta])
        tile.set_title(rf"from {start}, $\beta$ = {beta:g}")
    save(figure, chosen.out, "lesson6_weights.jpg")

    figure, axes = tiles(1, len(page["smoothed"]), shape)
    for tile, (gamma, image) in zip(axes[0], page["smoothed"].items(), strict=True):
        tile.imshow(image)
        tile.set_title(rf"$\gamma$ = {gamma:g}")
    save(figure, chosen.out, "lesson6_variation.jpg")

    sums(page["network"], chosen.size)
    sizes(page["network"], chosen.size)


def paper_content_loss(F: Float32, P: Float32) -> float:
    """`1/2 sum (F - P)^2`: equation 1 of Gatys et al."""
    return float(np.sum((F.astype(float) - P) ** 2) / 2)


def paper_style_loss(F: Float32, S: Float32) -> float:
    """`1 / (4 N^2 M^2) sum (F'F - S'S)^2`: equation 4, N channels and M positions (of F)."""
    F, S = (x.reshape(-1, x.shape[-1]).astype(float) for x in (F, S))
    M, N = F.shape
    return float(np.sum((F.T @ F - S.T @ S) ** 2) / (4 * N**2 * M**2))


def double_exposure(size: int, stretch: float = 1.0) -> tuple[Float32, Float32, Float32]:
    """Photograph, painting in the same shape times `stretch`, and the mean of the two."""
    photograph = picture(PHOTOGRAPH, size)
    height, width, _ = photograph.shape
    original = images.load(PAINTING).rgb
    painting = images.resize(original, width, height)
    other = images.resize(original, round(stretch * width), round(stretch * height))
    return photograph, other, (photograph + painting) / 2


def sums(network: ms.Network, size: int) -> None:
    """Both forms of the loss of a double exposure, layer by layer."""
    photograph, painting, image = double_exposure(size)
    print("layer        N      M  sum (G - A)^2  / (4 N^2 M^2)  relative")
    F, S = (network.features(x, STYLE_LAYERS) for x in (image, painting))
    for name in STYLE_LAYERS:
        M, N = F[name][..., 0].size, F[name].shape[-1]
        raw = paper_style_loss(F[name], S[name])
        ours = reference.style_loss(F[name].astype(float), reference.gram(S[name]))[0]
        print(f"{name}  {N:5} {M:6}  {raw * 4 * N**2 * M**2:13.1e}  {raw:13.1e}  {ours:8.3f}")
    print("layer    1/2 sum (F - P)^2  relative")
    layers = [*STYLE_LAYERS, "relu4_2"]
    F, P = (network.features(x, layers) for x in (image, photograph))
    for name in layers:
        raw = paper_content_loss(F[name], P[name])
        ours = reference.content_loss(F[name].astype(float), P[name].astype(float))[0]
        print(f"{name}  {raw:17.1e}  {ours:8.3f}")


def sizes(network: ms.Network, size: int) -> None:
    """The same double exposure at several sizes: what changes, and what stays."""
    print("size  painting  1/2 sum (F - P)^2  relative  1/(4 N^2 M^2) sum (G - A)^2  relative")
    for factor, stretch in ((2 / 3, 1.0), (4 / 3, 1.0), (8 / 3, 1.0), (8 / 3, 0.5)):
        side = round(factor * size)
        photograph, painting, image = double_exposure(side, stretch)
        F, P, S = (network.features(x, ["relu4_2"]) for x in (image, photograph, painting))
        F, P, S = (x["relu4_2"] for x in (F, P, S))
        ours = (
            reference.content_loss(F.astype(float), P.astype(float))[0],
            reference.style_loss(F.astype(float), reference.gram(S))[0],
        )
        raw = paper_content_loss(F, P), paper_style_loss(F, S)
        print(f"{side:4}  x {stretch:<6g}  {raw[0]:17.2e}  {ours[0]:8.3f}", end="")
        print(f"  {raw[1]:27.2e}  {ours[1]:8.3f}")
    for factor in (1, 2):
        F, P, S = (factor * x for x in (F, P, S))
        print(f"features x {factor}: {paper_content_loss(F, P):.2e}, {paper_style_loss(F, S):.2e}")


if __name__ == "__main__":
    main()
