"""Figures and numbers of lesson 6: the terms of the loss, their sizes and their weights."""

import numpy as np
from common import Lesson, options, save
from matplotlib.figure import Figure
from pictures import PAINTING, PHOTOGRAPH, STYLE_LAYERS, Float32, picture, tiles

import minimalstyle as ms
from minimalstyle import reference
from minimalstyle.pictures import images


def main() -> None:
    """Run the page, draw what it computed, and print the sizes of the sums."""
    chosen = options(__doc__, size=192, iterations=60)
    page = Lesson(6, chosen.out, SIZE=chosen.size, ITERATIONS=chosen.iterations)
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

    save(moments(page["painting"], page["textures"]), chosen.out, "lesson6_moments.jpg")
    page.keep(*sums(page["network"], chosen.size), *sizes(page["network"], chosen.size))


def moments(painting: Float32, textures: dict[str, Float32]) -> Figure:
    """Two clouds of features with one Gram matrix; the painting; textures with each distance."""
    rng = np.random.default_rng(0)
    even = rng.normal((1.0, 0.7), 0.12, (100, 2))
    # Silent at half of the positions, and sqrt(2) times as strong at the others.
    uneven = np.concatenate([np.sqrt(2) * even, np.zeros_like(even)])
    np.testing.assert_allclose(reference.gram(even), reference.gram(uneven))
    figure = Figure((10.5, 2.7))
    figure.set_layout_engine("constrained", h_pad=0.12)
    first, *others = figure.subplots(1, 4, width_ratios=(1, 1.2, 1.2, 1.2))
    first.scatter(*even.T, s=6, label="everywhere")
    first.scatter(*uneven.T, s=6, marker="^", label="half of them 0")
    for cloud, colour in ((even, "midnightblue"), (uneven, "saddlebrown")):
        first.plot(*cloud.mean(axis=0), "+", color=colour, markersize=14, markeredgewidth=2)
    first.set(aspect="equal", xlabel="filter 1", ylabel="filter 2", xlim=(-0.2, 2), ylim=(-0.2, 2))
    first.set_title("one Gram matrix; + the means")
    first.legend(fontsize=7, frameon=False, loc="upper left")
    shown = {
        "the painting": painting,
        "Gram matrices": textures["relative"],
        "means and covariances": textures["wasserstein"],
    }
    for tile, (name, image) in zip(others, shown.items(), strict=True):
        tile.imshow(image)
        tile.set_title(name)
        tile.set(xticks=[], yticks=[])
        tile.spines[:].set_visible(False)
    return figure


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


def sums(network: ms.Network, size: int) -> list[str]:
    """Both forms of the loss of a double exposure, layer by layer: what the page says of it."""
    photograph, painting, image = double_exposure(size)
    F, S = (network.features(x, STYLE_LAYERS) for x in (image, painting))
    rows, papers, relatives = [], [], []
    for name in STYLE_LAYERS:
        M, N = F[name][..., 0].size, F[name].shape[-1]
        raw = paper_style_loss(F[name], S[name])
        ours = reference.style_loss(F[name].astype(float), reference.gram(S[name]))[0]
        total = raw * 4 * N**2 * M**2
        rows.append(f"| `{name}` | {N} | {M} | {total:.1e} | {raw:.1e} | {ours:.2f} |")
        papers.append(raw)
        relatives.append(ours)
    F, P = (network.features(x, ["relu4_2"])["relu4_2"] for x in (image, photograph))
    ours = reference.content_loss(F.astype(float), P.astype(float))[0]
    return [
        *rows,
        f"at `relu4_2` is {paper_content_loss(F, P):.1e} as a sum, and {ours:.2f} relative",
        f"`relu5_1` weighs {papers[-1] / papers[0]:.1f} times as much as `relu1_1`, and relative "
        f"{relatives[-1] / relatives[0]:.1f} times as much",
        f"`relu1_1` weighs {averaged(size):.0f} times as much as `relu5_1`",
    ]


def averaged(size: int) -> float:
    """The paper's style loss of the first layer over that of the last, with average pooling."""
    _, painting, image = double_exposure(size)
    network = ms.load_network(pooling="average")
    F, S = (network.features(x, STYLE_LAYERS) for x in (image, painting))
    first, *_, last = (paper_style_loss(F[name], S[name]) for name in STYLE_LAYERS)
    return first / last


def sizes(network: ms.Network, size: int) -> list[str]:
    """The same double exposure at several sizes: what changes, and what stays."""
    rows, contents, relatives = [], [], []
    for factor, stretch in ((2 / 3, 1.0), (4 / 3, 1.0), (8 / 3, 1.0), (8 / 3, 0.5)):
        side = round(factor * size)
        photograph, painting, image = double_exposure(side, stretch)
        F, P, S = (network.features(x, ["relu4_2"]) for x in (image, photograph, painting))
        F, P, S = (x["relu4_2"] for x in (F, P, S))
        content = reference.content_loss(F.astype(float), P.astype(float))[0]
        style = reference.style_loss(F.astype(float), reference.gram(S))[0]
        as_large = "as large" if stretch == 1 else "half as large"
        rows.append(
            f"| {side} | {as_large} | {paper_content_loss(F, P):.2e} | {content:.2f} "
            f"| {paper_style_loss(F, S):.2e} | {style:.2f} |"
        )
        contents.append(paper_content_loss(F, P))
        relatives.append(content)
    return [
        *rows,
        f"the sum of the content grows {contents[2] / contents[0]:.0f} times",
        f"relative, the content changes from {relatives[0]:.2f} to {relatives[2]:.2f}",
    ]


if __name__ == "__main__":
    main()
