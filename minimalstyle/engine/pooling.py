"""2x2 pooling after a ReLU. A byte per window keeps which of its pixels receive the gradient."""

from .jit import inlined, kernel
from .simd import (
    LANES,
    load,
    load_bytes,
    store,
    store_bytes,
    vector,
    where_bit,
    where_greater,
    zero,
)

__all__ = ["max_window", "mean_window", "pool", "scatter_window", "unpool"]


# Flat saturated areas give exact ties, which the Winograd transforms round apart at random. An
# earlier pixel therefore wins unless a later one is larger by more than the rounding.
TIE = 5e-5


@inlined
def max_window(window, z, code, at):
    """Largest of four values, if positive, and the bit of the pixel that it came from."""
    v0, v1, v2, v3 = window
    one, two, four, eight = vector(1.0), vector(2.0), vector(4.0), vector(8.0)
    margin = 1.0 + TIE
    right = margin * v0
    top = where_greater(v1, right, v1, v0)
    top_bit = where_greater(v1, right, two, one)
    right = margin * v2
    bottom = where_greater(v3, right, v3, v2)
    bottom_bit = where_greater(v3, right, eight, four)
    bit = where_greater(bottom, margin * top, bottom_bit, top_bit)
    top = where_greater(v1, v0, v1, v0)
    bottom = where_greater(v3, v2, v3, v2)
    largest = where_greater(bottom, top, bottom, top)
    store(z, at, where_greater(largest, zero(), largest, zero()))
    store_bytes(code, at, where_greater(largest, zero(), bit, zero()))


@inlined
def mean_window(window, z, code, at):
    """Mean of the positive parts of four values, and the bits of the positive ones."""
    v0, v1, v2, v3 = window
    none = zero()
    total = where_greater(v0, none, v0, none) + where_greater(v1, none, v1, none)
    total = total + where_greater(v2, none, v2, none) + where_greater(v3, none, v3, none)
    bits = where_greater(v0, none, vector(1.0), none) + where_greater(v1, none, vector(2.0), none)
    bits = bits + where_greater(v2, none, vector(4.0), none)
    bits = bits + where_greater(v3, none, vector(8.0), none)
    store(z, at, 0.25 * total)
    store_bytes(code, at, bits)


@inlined
def scatter_window(value, code, at_code, df, at, pitch, channels):
    """Give `value` to the pixels of a window that `code` names, 0 to the others."""
    bits = load_bytes(code, at_code)
    store(df, at, where_bit(bits, 1, value))
    store(df, at + channels, where_bit(bits, 2, value))
    store(df, at + pitch, where_bit(bits, 4, value))
    store(df, at + pitch + channels, where_bit(bits, 8, value))


@kernel
def pool(row, y, average, z, code):
    """One row of z = pool(y), for features that are kept before their pooling."""
    for column in range(z.width):
        at = (2 * row + 1) * y.pitch + (2 * column + 1) * y.channels
        to = (row + 1) * z.pitch + (column + 1) * z.channels
        for c in range(0, z.channels, LANES):
            window = (
                load(y.data, at + c),
                load(y.data, at + y.channels + c),
                load(y.data, at + y.pitch + c),
                load(y.data, at + y.pitch + y.channels + c),
            )
            if average:
                mean_window(window, z.data, code, to + c)
            else:
                max_window(window, z.data, code, to + c)


@kernel
def unpool(row, source, df):
    """One row of windows of df, from the gradient of the pooled map."""
    dz = source.map
    for column in range(dz.width):
        at = (row + 1) * dz.pitch + (column + 1) * dz.channels
        to = (2 * row + 1) * df.pitch + (2 * column + 1) * df.channels
        for c in range(0, dz.channels, LANES):
            value = source.share * load(dz.data, at + c)
            scatter_window(value, source.code, at + c, df.data, to + c, df.pitch, df.channels)
