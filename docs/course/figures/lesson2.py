"""Figures and numbers of lesson 2: what the layers of the network see, and what they forget."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from common import Lesson, options, save
from matplotlib.figure import Figure
from pictures import PAINTING, PHOTOGRAPH, STYLE_LAYERS, Float32, picture, tiles

import minimalstyle as ms
from minimalstyle.network.layers import Conv, Layer, Pool


def main() -> None:
    """Run the page, draw what it computed, and what excites the filters."""
    chosen = options(__doc__, size=192, iterations=100)
    page = Lesson(2, chosen.out, SIZE=chosen.size, ITERATIONS=chosen.iterations)
    network = page["network"]
    rows = []
    for name, F in page["features"].items():
        size, stride = receptive_field(network.vgg.layers, name)
        rows.append(f"| `{name}` | {F.shape[-1]} | {size} | {stride} |")
    save(feature_maps(page["features"], page["large"].shape), chosen.out, "lesson2_maps.jpg")
    pictures = [
        picture(path, round(factor * chosen.size))
        for path in (PHOTOGRAPH, PAINTING)
        for factor in (4, 8 / 3, 4 / 3)
    ]
    save(patches(network, pictures), chosen.out, "lesson2_patches.jpg")
    for kind, original in {"content": "photograph", "style": "painting"}.items():
        figure, axes = tiles(1, 1 + len(STYLE_LAYERS), page[original].shape)
        rebuilt = {original: page[original], **page[f"{kind}s"]}
        for tile, (name, image) in zip(axes[0], rebuilt.items(), strict=True):
            tile.imshow(image)
            tile.set_title(f"up to {name}" if kind == "style" and name != original else name)
        save(figure, chosen.out, f"lesson2_{kind}.jpg")

    figure, axes = tiles(2, len(page["blots"]), page["painting"].shape)
    for column, (grain, (start, image, _)) in zip(axes.T, page["blots"].items(), strict=True):
        for tile, shown, title in zip(
            column, (start, image), (f"grains of {grain} pixels", "relu1_1 of them"), strict=True
        ):
            tile.imshow(shown)
            tile.set_title(title)
    save(figure, chosen.out, "lesson2_grains.jpg")

    height, width, _ = page["painting"].shape
    page.keep(*rows, f"The map of `relu5_1` has only {(height // 16) * (width // 16)} places here")


def receptive_field(layers: Sequence[Layer], name: str) -> tuple[int, int]:
    """Side of the window of pixels that one value of a layer sees, and the window's stride."""
    size = stride = 1
    for layer in layers:
        if isinstance(layer, Conv):
            size += (len(layer.weight) - 1) * stride
        elif isinstance(layer, Pool):
            size += stride
            stride *= 2
        if layer.name == name:
            return size, stride
    raise ValueError(f"no layer named {name}")


def feature_maps(features: Mapping[str, Float32], shape: tuple[int, ...], rows: int = 4) -> Figure:
    """A column for each layer: its liveliest maps that are not too similar to each other."""
    figure, axes = tiles(rows, len(features), shape)
    for column, (name, F) in enumerate(features.items()):
        flat = F.reshape(-1, F.shape[-1])
        lively = np.argsort(-flat.std(axis=0))[:32]
        likeness = np.abs(np.corrcoef(flat[:, lively].T))
        chosen: list[int] = []
        for one in range(len(lively)):
            if likeness[one, chosen].max(initial=0) < 0.4:
                chosen.append(one)
        for row, channel in enumerate(lively[chosen[:rows]]):
            tile = axes[row, column]
            tile.imshow(F[:, :, channel], cmap="magma", interpolation="nearest", aspect="auto")
            tile.set_title(f"{name}, channel {channel}")
    return figure


class Place(NamedTuple):
    """A strong answer of a filter, and where."""

    value: float
    picture: int
    row: int
    column: int


def strongest(maps: Sequence[Float32], size: int, stride: int, count: int) -> list[Place]:
    """The strongest places whose windows overlap by half at most and end at the border."""
    margin = -(-((size - stride) // 2) // stride)
    apart = max(size // (2 * stride), 1)
    places: list[Place] = []
    for number, values in enumerate(maps):
        left = np.zeros_like(values)
        inside = (slice(margin, -margin or None),) * 2
        left[inside] = values[inside]
        for _ in range(count):
            row, column = (int(at) for at in np.unravel_index(left.argmax(), left.shape))
            if left[row, column] <= 0:
                break
            places.append(Place(float(left[row, column]), number, row, column))
            left[max(row - apart, 0) : row + apart, max(column - apart, 0) : column + apart] = 0
    return sorted(places, reverse=True)[:count]


def seen(pictures: Sequence[Float32], place: Place, size: int, stride: int) -> Float32:
    """The pixels that a filter sees at this place, (size, size, 3)."""
    top, left = (at * stride - (size - stride) // 2 for at in (place.row, place.column))
    return pictures[place.picture][top : top + size, left : left + size]


def various(windows: Mapping[int, Float32], ranking: Sequence[int], count: int) -> list[int]:
    """The first filters of a ranking whose windows (n, h, w, 3) do not all look alike."""
    chosen: list[int] = []
    looks: list[Float32] = []
    for channel in ranking:
        look = windows[channel].mean(axis=0).ravel() - 0.5
        look /= max(np.linalg.norm(look), 1e-6)
        if all(look @ other < 0.4 for other in looks):
            chosen.append(channel)
            looks.append(look)
    return chosen[:count]


def patches(
    network: ms.Network, pictures: Sequence[Float32], filters: int = 3, count: int = 5
) -> Figure:
    """A row for each layer: for some of its filters, what excites them most."""
    figure, axes = tiles(len(STYLE_LAYERS), filters * (count + 1) - 1, (1, 1))
    features = [network.features(image, STYLE_LAYERS) for image in pictures]
    for row, name in enumerate(STYLE_LAYERS):
        size, stride = receptive_field(network.vgg.layers, name)
        maps = [F[name] for F in features]
        scale = np.sqrt(np.mean([np.mean(F**2, axis=(0, 1)) for F in maps], axis=0))
        windows, peaks = {}, {}
        for channel in range(maps[0].shape[-1]):
            places = strongest([F[:, :, channel] for F in maps], size, stride, count)
            if len(places) < count:
                continue
            peaks[channel] = sum(place.value for place in places) / scale[channel]
            windows[channel] = np.array([seen(pictures, place, size, stride) for place in places])
        ranking = sorted(peaks, key=lambda channel: -peaks[channel])  # the most selective first
        for group, channel in enumerate(various(windows, ranking, filters)):
            first = group * (count + 1)
            for tile, window in zip(axes[row, first:], windows[channel], strict=False):
                tile.imshow(window)
            axes[row, first + count // 2].set_title(f"{name}, filter {channel}")
    return figure


if __name__ == "__main__":
    main()
