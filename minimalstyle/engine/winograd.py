"""3x3 convolution by Winograd's F(m x m, 3x3), forward and backward, with what follows it fused in.

A tile of outputs is `A^T [(G g G^T) * (B^T d B)] A` for a filter g and the inputs d (`transforms`).
Summed over the input channels, the product becomes a small matrix product for each of the
(m + 2)^2 "frequencies", with a quarter of the multiplications of the direct sum for m = 4 and a
fifth for m = 6. The backward pass is the same with flipped and transposed filters.

Each kernel does a unit of that work (`tiles`): it multiplies transformed inputs (V) with
transformed filters (U), transforms the products (M) back, and finishes the values while they are
still in the cache.

Long: one algorithm, whose kernels share their steps.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from .._types import Float32
from .jit import helper, inlined, kernel
from .maps import aligned
from .pooling import max_window, mean_window
from .product import COLUMNS, ROWS, multiply, multiply_panel
from .simd import LANES, address, load, prefetch_grid, store, where_greater, zero
from .taps import affine_gradient
from .threads import Threads
from .tiles import UNITS, Source, Tiling, is_wide, transform_tiles
from .transforms import filter_row_transform, filter_transform, output_transform

# ------------------------------------------------------------------------------------- filters


class Filters(NamedTuple):
    """Filters as the products need them, in panels of COLUMNS output channels.

    Narrow ones are in the Winograd domain, U = G g G^T:
    `data[((frequency * panels + panel) * inputs + c) * COLUMNS + j]`. Wide ones are as they are:
    `data[((panel * inputs + c) * 9 + 3 * row + column) * COLUMNS + j]`.
    """

    data: Float32
    inputs: int
    outputs: int


def filters(weight: Float32) -> Filters:
    """Prepare filters, (3, 3, inputs, outputs) with the channels filled up to whole panels."""
    inputs, outputs = weight.shape[2:]
    plain = Filters(aligned(weight.size), inputs, outputs)
    panels = plain.data.reshape(-1, inputs, 9, COLUMNS)
    for tap in range(9):
        of_tap = weight[tap // 3, tap % 3].reshape(inputs, -1, COLUMNS)
        panels[:, :, tap] = of_tap.transpose(1, 0, 2)
    if is_wide(inputs, outputs):
        return plain
    transformed = Filters(aligned(64 * inputs * outputs), inputs, outputs)
    kept = transformed.data.reshape(64, -1, inputs, COLUMNS)
    kept[...] = filter_transform(weight).reshape(64, inputs, -1, COLUMNS).transpose(0, 2, 1, 3)
    return transformed


def size_of_filters(inputs: int, outputs: int) -> int:
    """float32 values that `filters` keeps for so many (padded) channels."""
    return (9 if is_wide(inputs, outputs) else 64) * inputs * outputs


@helper
def _transform_filters(filters, panel, first, inputs, tile, top, rows, u, plane):
    """`rows` rows of frequencies of G g G^T, from `top` on, for some inputs of a panel.

    Of input `first + c`, and of the frequency f after the first, it goes to
    `u[f * plane + c * COLUMNS + j]`.
    """
    for c in range(inputs):
        at = (panel * filters.inputs + first + c) * 9 * COLUMNS
        for j in range(0, COLUMNS, LANES):
            for row in range(rows):
                to = row * (tile + 2) * plane + c * COLUMNS + j
                filter_row_transform(tile, top + row, filters.data, at + j, COLUMNS, u, to, plane)


# -------------------------------------------------------------------------------------- memory


class Scratch(NamedTuple):
    """Memory of one thread for its unit of work, and what all threads share."""

    planes: Float32  # V and M, or U and M of a wide convolution: frequency, tile, channel
    shared: Float32  # V of a group of tiles of a wide convolution
    rows: Float32  # a tile between the two passes of a transform
    tile: Float32  # of one vector of channels: its outputs, or inputs that were pooled
    features: Float32  # of up to `_TAPPED` pixels of whole tiles
    gradient: Float32  # of a tap there


_PADDING = 16  # floats between frequencies, so that they do not compete for the same cache lines
_FEW = 48  # tiles whose products for a panel stay in the second-level cache
_DEPTH = 64  # inputs whose filters for them, transformed, stay there, too
_TAPPED = 96  # pixels whose features and tap gradient stay in the cache


def scratch(convolutions: Iterable[tuple[Tiling, int, int]], threads: int) -> list[Scratch]:
    """Scratch of each thread for convolutions with these tilings, input and output channels."""
    planes = shared = channels = 0
    for tiling, *both in convolutions:
        side, most = tiling.tile + 2, max(both)
        if tiling.wide:
            filters = max(
                side * (most * COLUMNS + _PADDING), side**2 * (_DEPTH * COLUMNS + _PADDING)
            )
            own = filters + side**2 * (tiling.block * COLUMNS + _PADDING)
            shared = max(shared, side**2 * (tiling.group * most + _PADDING))
        else:
            own = (side**2 + 1) * (tiling.block * most + _PADDING)
            channels = max(channels, most)
        planes = max(planes, own)
    for_all = aligned(shared)
    return [
        Scratch(
            aligned(planes),
            for_all,
            aligned(64 * LANES),
            aligned(100 * LANES),
            aligned(_TAPPED * channels),
            aligned(_TAPPED * channels),
        )
        for _ in range(threads)
    ]


# ------------------------------------------------------------------------------------ products


class _Products(NamedTuple):
    """M of `tiles` tiles from `first` on, for the output channels from `begin` to before `end`.

    Frequency f, tile t and channel c are at `data[f * plane + t * row + c - begin]`.
    """

    data: Any
    plane: int
    row: int
    first: int
    tiles: int
    begin: int
    end: int


@helper
def _narrow_products(number, source, filters, tiling, scratch):
    """M = V U for a block of tiles, from the map on.

    M of a frequency takes the place of V of the frequency before: half the memory stays in the
    cache more easily.
    """
    inputs, outputs = filters.inputs, filters.outputs
    first = number * tiling.block
    tiles = min(tiling.block, tiling.tiles - first)
    plane = tiling.block * max(inputs, outputs) + _PADDING
    m, v = address(scratch.planes, 0), address(scratch.planes, plane)
    transform_tiles(source, tiling, first, tiles, scratch, v, plane)
    for f in range((tiling.tile + 2) ** 2):
        for p in range(0, outputs, COLUMNS):
            u = address(filters.data, (f * outputs + p) * inputs)
            to = address(m, f * plane + p)
            multiply_panel(address(v, f * plane), u, to, outputs, tiles, inputs)
    return _Products(m, plane, outputs, first, tiles, 0, outputs)


@kernel
def _transform_group(number, start, tiles, source, tiling, scratch):
    """V of `UNITS` of the `tiles` tiles from `start` on."""
    inputs = source.map.channels
    skipped = number * UNITS
    v = address(scratch.shared, skipped * inputs)
    own = min(UNITS, tiles - skipped)
    plane = tiling.group * inputs + _PADDING
    transform_tiles(source, tiling, start + skipped, own, scratch, v, plane)


@helper
def _wide_products(number, start, filters, tiling, scratch):
    """M = V U for a panel of output channels and a block of the group of tiles from `start` on."""
    inputs, side = filters.inputs, tiling.tile + 2
    panels = filters.outputs // COLUMNS
    panel = number % panels
    skipped = number // panels * tiling.block
    first = start + skipped
    tiles = min(tiling.block, tiling.tiles - first)
    few = tiling.block <= _FEW
    rows, depth = (side, min(_DEPTH, inputs)) if few else (1, inputs)  # of filters at a time
    u, u_plane = address(scratch.planes, 0), depth * COLUMNS + _PADDING
    m, m_plane = address(u, rows * side * u_plane), tiling.block * COLUMNS + _PADDING
    v, v_plane = address(scratch.shared, skipped * inputs), tiling.group * inputs + _PADDING
    for top in range(0, side, rows):
        for c in range(0, inputs, depth):
            own = min(depth, inputs - c)
            _transform_filters(filters, panel, c, own, tiling.tile, top, rows, u, u_plane)
            next_filters = (panel * inputs + c + own) * 9 * COLUMNS
            step = -(-9 * COLUMNS // (side * side * (tiling.block // ROWS)))
            for f in range(rows * side):
                of_u = address(u, f * u_plane)
                for t in range(0, tiles, ROWS):
                    of_v = address(v, (top * side + f) * v_plane + t * inputs + c)
                    of_m = address(m, (top * side + f) * m_plane + t * COLUMNS)
                    soon = address(of_v, ROWS * inputs)  # after the last tile, the next frequency
                    if few:
                        soon = address(filters.data, next_filters)
                        next_filters += own * step
                    ahead = step if few else ROWS
                    multiply(of_v, inputs, 1, of_u, COLUMNS, of_m, COLUMNS, own, c > 0, soon, ahead)
    begin = panel * COLUMNS
    return _Products(m, m_plane, COLUMNS, first, tiles, begin, begin + COLUMNS)


@helper
def _products(number, start, source, filters, tiling, scratch):
    if tiling.wide:
        return _wide_products(number, start, filters, tiling, scratch)
    return _narrow_products(number, source, filters, tiling, scratch)


def convolve(
    threads: Threads,
    kernel: Callable[..., None],
    source: Source,
    filters: Filters,
    tiling: Tiling,
    *arguments: Any,
    scratch: Sequence[Scratch],
) -> None:
    """Run one of the kernels below over the whole of its output.

    Parameters
    ----------
    kernel : callable
    arguments
        What is its own, behind `tiling`.
    scratch : sequence of Scratch
        One for each thread.
    """
    for start in range(0, tiling.tiles, tiling.group):
        tiles = min(tiling.group, tiling.tiles - start)
        units = -(-tiles // tiling.block)
        if tiling.wide:
            parts = -(-tiles // UNITS)
            threads.run(_transform_group, parts, start, tiles, source, tiling, scratch=scratch)
            units *= filters.outputs // COLUMNS
        own = start, source, filters, tiling
        threads.run(kernel, units, *own, *arguments, scratch=scratch)


# ------------------------------------------------------------------------------------- kernels


@inlined
def _prefetch_tile(data, at, pitch, pixel, tile):
    """Ask for a vector of channels of each pixel of a tile, from `data[at]` on."""
    prefetch_grid(data, at, pitch, tile, pixel, tile)


@kernel
def convolve_relu(number, start, source, filters, tiling, bias, y, scratch):
    """y = max(x * g + bias, 0)."""
    tile = tiling.tile
    m = _products(number, start, source, filters, tiling, scratch)
    for t in range(m.tiles):
        top = tile * ((m.first + t) // tiling.columns)
        left = tile * ((m.first + t) % tiling.columns)
        corner = (top + 1) * y.pitch + (left + 1) * y.channels
        for c in range(m.begin, m.end, LANES):
            at = corner + c
            _prefetch_tile(y.data, at + tile * y.channels, y.pitch, y.channels, tile)
            product = t * m.row + c - m.begin
            output_transform(tile, m.data, product, m.plane, scratch.rows, scratch.tile)
            b = load(bias, c)
            for i in range(min(tile, y.height - top)):
                for j in range(min(tile, y.width - left)):
                    value = load(scratch.tile, (tile * i + j) * LANES) + b
                    value = where_greater(value, zero(), value, zero())
                    store(y.data, at + i * y.pitch + j * y.channels, value)


@kernel
def convolve_relu_pool(number, start, source, filters, tiling, bias, average, z, code, scratch):
    """z = pool(max(x * g + bias, 0)); `code` keeps which pixels of a window get its gradient."""
    tile = tiling.tile
    m = _products(number, start, source, filters, tiling, scratch)
    for t in range(m.tiles):
        top = tile // 2 * ((m.first + t) // tiling.columns)
        left = tile // 2 * ((m.first + t) % tiling.columns)
        for c in range(m.begin, m.end, LANES):
            product = t * m.row + c - m.begin
            output_transform(tile, m.data, product, m.plane, scratch.rows, scratch.tile)
            b = load(bias, c)
            for i in range(min(tile // 2, z.height - top)):
                for j in range(min(tile // 2, z.width - left)):
                    at = (2 * tile * i + 2 * j) * LANES
                    window = (
                        load(scratch.tile, at) + b,
                        load(scratch.tile, at + LANES) + b,
                        load(scratch.tile, at + tile * LANES) + b,
                        load(scratch.tile, at + (tile + 1) * LANES) + b,
                    )
                    to = (top + i + 1) * z.pitch + (left + j + 1) * z.channels + c
                    if average:
                        mean_window(window, z.data, code, to)
                    else:
                        max_window(window, z.data, code, to)


@helper
def _tap_tiles(first, number, f, tiling, tap, scratch):
    """F S of `number` tiles, whose features are laid side by side for it."""
    tile, channels = tiling.tile, f.channels
    features = address(scratch.features, 0)
    for t in range(number):
        top = tile * ((first + t) // tiling.columns)
        left = tile * ((first + t) % tiling.columns)
        for i in range(tile):
            source = address(f.data, (top + i + 1) * f.pitch + (left + 1) * channels)
            to = address(features, tile * (tile * t + i) * channels)
            for k in range(0, tile * channels, LANES):
                store(to, k, load(source, k))
    affine_gradient(features, tile * tile * number, channels, tap, address(scratch.gradient, 0))


@kernel
def backward_relu(number, start, source, filters, tiling, f, tap, scratch):
    """df = (dy * g' + gradient of the tap at f) where f > 0, written over the features `f`.

    The tap of a wide convolution has no matrix: that needs all channels of the features, some of
    which are overwritten already.
    """
    tile, channels = tiling.tile, f.channels
    m = _products(number, start, source, filters, tiling, scratch)
    together = _TAPPED // (tile * tile)
    data, shift = address(f.data, 0), address(tap.shift, 0)
    target, added = address(tap.target, 0), address(tap.added, 0)
    has_matrix, has_target = tap.matrix.size > 0, tap.target.size > 0
    has_added = tap.added.size > 0
    tapped = address(scratch.gradient, 0)
    for t in range(m.tiles):
        top = tile * ((m.first + t) // tiling.columns)
        left = tile * ((m.first + t) % tiling.columns)
        corner = (top + 1) * f.pitch + (left + 1) * channels
        if has_matrix and t % together == 0:
            _tap_tiles(m.first + t, min(together, m.tiles - t), f, tiling, tap, scratch)
        pixels = t % together * tile * tile
        for c in range(m.begin, m.end, LANES):
            _prefetch_tile(data, corner + tile * channels + c, f.pitch, channels, tile)
            product = t * m.row + c - m.begin
            output_transform(tile, m.data, product, m.plane, scratch.rows, scratch.tile)
            for i in range(min(tile, f.height - top)):
                counts = tap.first <= top + i < tap.last
                for j in range(min(tile, f.width - left)):
                    at = corner + i * f.pitch + j * channels + c
                    here = load(data, at)
                    value = load(scratch.tile, (tile * i + j) * LANES)
                    if counts and has_matrix:
                        pixel = (pixels + tile * i + j) * channels
                        value = value + load(tapped, pixel + c) + load(shift, c)
                    if counts and has_target:
                        value = value + tap.factor * (here - load(target, at))
                    if counts and has_added:
                        value = value + load(added, at)
                    store(data, at, where_greater(here, zero(), value, zero()))


@kernel
def backward_plain(number, start, source, filters, tiling, dx, scratch):
    """dx = dy * g'."""
    tile = tiling.tile
    m = _products(number, start, source, filters, tiling, scratch)
    for t in range(m.tiles):
        top = tile * ((m.first + t) // tiling.columns)
        left = tile * ((m.first + t) % tiling.columns)
        corner = (top + 1) * dx.pitch + (left + 1) * dx.channels
        for c in range(m.begin, m.end, LANES):
            at = corner + c
            _prefetch_tile(dx.data, at + tile * dx.channels, dx.pitch, dx.channels, tile)
            product = t * m.row + c - m.begin
            output_transform(tile, m.data, product, m.plane, scratch.rows, scratch.tile)
            for i in range(min(tile, dx.height - top)):
                for j in range(min(tile, dx.width - left)):
                    value = load(scratch.tile, (tile * i + j) * LANES)
                    store(dx.data, at + i * dx.pitch + j * dx.channels, value)
