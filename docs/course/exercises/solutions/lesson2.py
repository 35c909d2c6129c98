"""Solutions of lesson 2."""

from collections.abc import Sequence

import numpy as np

from minimalstyle.network.layers import Conv, Layer, Pool


def window(layers: Sequence[Layer], name: str, row: int, column: int) -> tuple[int, int, int, int]:
    """Size and stride by the rules of the page."""
    size = stride = 1
    for layer in layers:
        if isinstance(layer, Conv):
            size += (layer.weight.shape[0] - 1) * stride
        elif isinstance(layer, Pool):
            size += stride
            stride *= 2
        if layer.name == name:
            break
    else:
        raise ValueError(f"no layer named {name}")
    top = row * stride - (size - stride) // 2
    left = column * stride - (size - stride) // 2
    return top, left, top + size, left + size


def strongest(activations: np.ndarray, count: int, apart: int) -> list[tuple[int, int]]:
    """Each place that is taken clears a square around it."""
    left = activations.copy()
    places: list[tuple[int, int]] = []
    while len(places) < count and left.max() > 0:
        row, column = (int(i) for i in np.unravel_index(left.argmax(), left.shape))
        places.append((row, column))
        near = apart - 1
        left[max(row - near, 0) : row + apart, max(column - near, 0) : column + apart] = 0
        left[row, column] = 0
    return places
