"""The pre-processing and the first convolution: 3 input channels are too few for Winograd.

Forward, the 27 inputs of each pixel are laid side by side (im2col) and multiplied with the
filters. Backward, the gradient of each pixel is multiplied with the transposed filters, and the
27 results are gathered where they came from.
"""

from typing import NamedTuple

import numpy as np

from .._types import Float32
from .jit import kernel
from .maps import aligned, padded_channels
from .product import COLUMNS, ROWS, multiply_panel
from .simd import LANES, address, load, store, where_greater, zero

__all__ = ["ROW_BLOCK", "FirstLayer", "backward", "convolve_relu", "first_layer", "preprocess"]

TAPS = 27
ROW_BLOCK = 16  # rows of a block; the backward pass repeats two rows of products for each
_STRIP = 8 * ROWS  # pixels whose products stay in the first-level cache


class FirstLayer(NamedTuple):
    """`x = A rgb + a`, then a 3x3 convolution of x with 3 input channels."""

    colour: Float32  # A', (3, 3): from RGB to the values the network was trained on
    offset: Float32  # a, (3,)
    filters: Float32  # (27, C) in panels of COLUMNS output channels
    transposed: Float32  # (C, 27) in panels of COLUMNS inputs, the last ones filled up with zeros
    bias: Float32  # (C,)


def first_layer(colour: Float32, offset: Float32, weight: Float32, bias: Float32) -> FirstLayer:
    """Pack the weights: `colour` (3, 3), `offset` (3,), `weight` (3, 3, 3, C), `bias` (C,)."""
    channels = padded_channels(weight.shape[3])
    flat = np.zeros((TAPS, channels), np.float32)
    flat[:, : weight.shape[3]] = weight.reshape(TAPS, -1)
    wide = np.zeros((channels, padded_channels(TAPS)), np.float32)
    wide[:, :TAPS] = flat.T
    filled = aligned(channels)
    filled[: len(bias)] = bias
    return FirstLayer(
        np.ascontiguousarray(colour, np.float32),
        np.ascontiguousarray(offset, np.float32),
        _panels(flat),
        _panels(wide),
        filled,
    )


def _panels(matrix: Float32) -> Float32:
    rows = len(matrix)
    packed = aligned(matrix.size)
    packed.reshape(-1, rows, COLUMNS)[...] = matrix.reshape(rows, -1, COLUMNS).transpose(1, 0, 2)
    return packed


def scratch(width: int, channels: int) -> Float32:
    """Memory of one thread."""
    backward = (ROW_BLOCK + 2) * (width + ROWS) * padded_channels(TAPS)
    forward = _STRIP * (TAPS + channels)
    return aligned(max(backward, forward))


@kernel
def preprocess(block, image, layer, x):
    """`ROW_BLOCK` rows of x = A image + a, from (H, W, 3) into a map of 3 channels."""
    for row in range(block * ROW_BLOCK, min((block + 1) * ROW_BLOCK, x.height)):
        at = (row + 1) * x.pitch + 3
        for column in range(x.width):
            for c in range(3):
                value = layer.offset[c]
                for k in range(3):
                    value += layer.colour[k, c] * np.float32(image[row, column, k])
                x.data[at + 3 * column + c] = value


@kernel
def convolve_relu(block, x, layer, y, scratch):
    """`ROW_BLOCK` rows of y = max(x * g + bias, 0)."""
    inputs = scratch[: _STRIP * TAPS]
    products = scratch[_STRIP * TAPS :]
    channels = y.channels
    for row in range(block * ROW_BLOCK, min((block + 1) * ROW_BLOCK, y.height)):
        for left in range(0, y.width, _STRIP):
            pixels = min(_STRIP, y.width - left)
            for pixel in range(pixels):
                for k in range(3):
                    at = (row + k) * x.pitch + 3 * (left + pixel)
                    nine = x.data[at : at + 9]
                    to = inputs[pixel * TAPS + 9 * k : pixel * TAPS + 9 * k + 9]
                    for i in range(9):
                        to[i] = nine[i]
            for p in range(0, channels, COLUMNS):
                panel = address(layer.filters, p * TAPS)
                multiply_panel(
                    address(inputs, 0), panel, address(products, p), channels, pixels, TAPS
                )
            at = (row + 1) * y.pitch + (left + 1) * channels
            for pixel in range(pixels):
                for c in range(0, channels, LANES):
                    value = load(products, pixel * channels + c) + load(layer.bias, c)
                    value = where_greater(value, zero(), value, zero())
                    store(y.data, at + pixel * channels + c, value)


@kernel
def backward(block, dy, layer, replicated, gradient, scratch):
    """`ROW_BLOCK` rows of the gradient of the image, (H, W, 3) float32.

    If the pixels beside the edge are `replicated` ones (else they are zeros), an output there has
    read the same pixel once more, through the tap opposite to the one that would have reached it
    from beyond.
    """
    channels = dy.channels
    taps = layer.transposed.size // channels
    row_size = (dy.width + ROWS) * taps
    first = block * ROW_BLOCK
    last = min(first + ROW_BLOCK, dy.height)
    for row in range(max(first - 1, 0), min(last + 1, dy.height)):
        source = address(dy.data, (row + 1) * dy.pitch + channels)
        target = address(scratch, (row - first + 1) * row_size)
        for p in range(0, taps, COLUMNS):
            panel = address(layer.transposed, p * channels)
            multiply_panel(source, panel, address(target, p), taps, dy.width, channels)
    for row in range(first, last):
        for column in range(dy.width):
            d0 = d1 = d2 = np.float32(0)
            # Output pixel (row + 1 - i, column + 1 - j) has read this pixel through tap (i, j).
            for i in range(3):
                y, tap_y = row + 1 - i, i
                if y < 0 or y >= dy.height:
                    if not replicated:
                        continue
                    y, tap_y = row, 2 - i
                for j in range(3):
                    x, tap_x = column + 1 - j, j
                    if x < 0 or x >= dy.width:
                        if not replicated:
                            continue
                        x, tap_x = column, 2 - j
                    at = (y - first + 1) * row_size + x * taps + 9 * tap_y + 3 * tap_x
                    three = scratch[at : at + 3]
                    d0 += three[0]
                    d1 += three[1]
                    d2 += three[2]
            for k in range(3):
                gradient[row, column, k] = (
                    layer.colour[k, 0] * d0 + layer.colour[k, 1] * d1 + layer.colour[k, 2] * d2
                )
