"""The figure of lesson 4: where the winners of max pooling move, directly and by Winograd."""

import numpy as np
from common import ROOT, Lesson, options, save
from matplotlib.figure import Figure

from minimalstyle import load_network, reference
from minimalstyle.network.layers import Relu
from minimalstyle.pictures import images

chosen = options(__doc__, size=256)

photograph = images.load(ROOT / "examples" / "neuschwanstein.jpg").rgb
height, width, _ = photograph.shape
small = images.resize(photograph, *images.fit(width, height, chosen.size))
bright = np.clip(2.2 * small, 0, 1)

network = load_network()
last = next(i for i, layer in enumerate(network.vgg.layers) if layer.name == "relu1_2")
assert isinstance(network.vgg.layers[last], Relu)
direct = reference.forward(network.vgg.layers[: last + 1], bright, ["relu1_2"])[0]["relu1_2"]
fast = network.features(bright, ["relu1_2"])["relu1_2"].astype(np.float64)
print(f"features differ by {np.linalg.norm(fast - direct) / np.linalg.norm(direct):.0e}")


def plain_winner(x):
    """The first pixel that holds the maximum."""
    return np.argmax(reference.window_pixels(x), axis=0)


# Where all four are zero no gradient comes back through the ReLU, whoever wins.
alive = reference.max_pool(direct)[0] > 0
white = np.min(reference.window_pixels(np.floor(bright)), axis=(0, 3))[:, :, None] > 0
moved = {
    "plain maximum": plain_winner(fast) != plain_winner(direct),
    "larger by 5 in 100 000": reference.max_pool(fast)[1] != reference.max_pool(direct)[1],
}
figure = Figure(figsize=(9, 2.3), layout="constrained")
first, *others = figure.subplots(1, 3)
shares: list[float] = []
first.imshow(bright)
first.set_title("overexposed", fontsize=10)
first.axis("off")
for axes, (rule, where) in zip(others, moved.items(), strict=True):
    all_over = np.sum(where & alive) / np.sum(alive)
    in_white = np.sum(where & alive & white) / max(1, np.sum(alive & white))
    shares += [in_white, all_over]
    shown = axes.imshow(np.mean(where & alive, axis=2), vmin=0, vmax=0.5, cmap="magma")
    axes.set_title(f"{rule}: {all_over:.2%} moved", fontsize=10)
    axes.axis("off")
figure.colorbar(shown, ax=others, label="share of channels", shrink=0.8)
save(figure, chosen.out, "lesson4_ties.jpg")

white_plain, all_plain, white_rule, all_rule = (100 * share for share in shares)
Lesson(4, chosen.out).keep(
    f"With the plain maximum {white_plain:.0f} % of the winners in white areas move, with the rule "
    f"{white_rule:.2f} % ({all_plain:.2f} % and {all_rule:.2f} % of all, as in the titles)",
)
