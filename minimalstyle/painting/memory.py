"""The memory that a run needs, and the largest picture that fits into what there is.

Memory is counted by what allocates it, without allocating it: see `maps.counted`.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence

from ..engine import maps
from ..network.bands import Bands
from ..network.border import margin
from ..network.bounded import within
from ..network.evaluation import Whole
from ..network.layers import Conv
from ..network.network import Network
from ..optimize import lean
from ..optimize.lbfgs import CORRECTIONS, MOVING
from ..pictures.images import Size, fit
from ..settings.settings import LARGEST, Border, Settings
from .schedule import Scale, scales, style_size

__all__ = [
    "BASE",
    "acting_styles",
    "evaluation_at",
    "largest_size",
    "memory_needed",
    "room_at",
    "styles_at",
]

# Python, the libraries and the compiled kernels: 270 MB, in the run that compiles them 330.
BASE = 280 * 10**6
# Bytes for each variable of the optimiser besides the corrections: vectors of L-BFGS-B and scipy.
_OPTIMIZER = 190
# Bytes for each value of the picture: the cosine transform, the start image, the picture so far.
_PICTURE = 40
_APART = 1.1  # times larger, from one size to the next that is tried
# The same of `lean_lbfgs`, whose corrections take 4 bytes each.
_LEAN_OPTIMIZER, _LEAN_PICTURE = 28, 35
_PADDED = 10  # of pictures with a margin, besides


def memory_needed(
    network: Network,
    sizes: Sequence[Size],
    styles: Sequence[Size],
    settings: Settings | None = None,
    *,
    loaded_pixels: int = 0,
    masked: bool = False,
    bound: int | None = None,
) -> int:
    """Upper estimate of the peak resident memory of a run in bytes.

    Parameters
    ----------
    network : Network
    sizes : sequence of (width, height)
        Of each scale, coarse to fine.
    styles : sequence of (width, height)
        Of each style picture as it is.
    settings : Settings, optional
        For layers, pooling and border.
    loaded_pixels : int
        Of the pictures as they were loaded, which stay in memory, all together.
    masked : bool
        Whether regions have styles of their own.
    bound : int, optional
        Bytes that it may take: evaluations that would take more are made in bands.

    Notes
    -----
    The embedded VGG-19 with two threads at 128, 256, 512 and 1024 pixels, each in a new process,
    from two pictures of 1024 x 1024, took 520, 610, 945 and 2248 MB at most; this says 527, 624,
    978 and 2335.
    """
    settings = settings or Settings()
    at_once = 0
    for number, scale in enumerate(scales(sizes, settings)):
        room = room_at(network, scale, settings, bound, loaded_pixels)
        run = evaluation_at(network, scale, settings, masked, room)
        # Filters for the backward pass come with the first evaluation.
        filters = run.filter_bytes if number else run.filter_bytes // 2
        here = styles_at(scale, styles, settings)
        layers = acting_styles(scale, settings)
        targets = _style_bytes(network, here, layers, settings, masked=masked, room=room)
        at_once = max(at_once, filters + targets)
        at_once = max(at_once, filters + run.memory_to_begin())
        at_once = max(at_once, run.filter_bytes + run.memory() + _optimizer(scale, settings))
    return _always(network, loaded_pixels) + at_once


def room_at(
    network: Network, scale: Scale, settings: Settings, bound: int | None, loaded_pixels: int
) -> int | None:
    """Bytes that `bound` leaves for an evaluation at a scale; None without a bound."""
    if bound is None:
        return None
    layers = {**scale.content_layers, **scale.style_layers}
    others = network.filter_bytes(layers) + _optimizer(scale, settings)
    return bound - _always(network, loaded_pixels) - others


def _always(network: Network, loaded_pixels: int) -> int:
    """Bytes that are there all the time."""
    weights = [layer.weight.nbytes for layer in network.vgg.layers if isinstance(layer, Conv)]
    return BASE + sum(weights) + 12 * loaded_pixels


def _optimizer(scale: Scale, settings: Settings) -> int:
    """Bytes of the optimiser and of the pictures beside it."""
    moving = 1.0 if settings.border == "wrap" else MOVING**2
    each = moving * (16 * CORRECTIONS + _OPTIMIZER) + _PICTURE
    if scale.large:
        each = moving * (4 * lean.CORRECTIONS + _LEAN_OPTIMIZER) + _LEAN_PICTURE
        each += _PADDED if margin(settings.border, *scale.size) else 0
    return round(3 * scale.size.width * scale.size.height * each)


def largest_size(
    network: Network,
    content: Size,
    styles: Sequence[Size],
    available: int,
    settings: Settings | None = None,
    *,
    masked: bool = False,
    in_bands: bool = False,
) -> int:
    """Longer side, a multiple of 8, of the largest picture whose run fits into a memory.

    Parameters
    ----------
    network : Network
    content : (width, height)
        Of the content picture as it was loaded: the result has its shape.
    styles : sequence of (width, height)
        Of the style pictures as they were loaded.
    available : int
        Bytes, with those that the process has already: `available_memory` and `resident_memory`.
    settings : Settings, optional
        For layers, pooling, border and the size of the styles.
    masked : bool
        Whether regions have styles of their own.
    in_bands : bool
        Whether evaluations may be made in bands.

    Returns
    -------
    int
        0 when not even the smallest picture fits.
    """
    settings = settings or Settings()
    pixels = sum(width * height for width, height in [content, *styles])

    def fits(longer: int) -> bool:
        side = longer // 2  # the size before is about that, and others are far smaller
        sizes = [fit(*content, one) for one in (min(side, settings.first_size), side, longer)]
        needed = memory_needed(
            network,
            sizes,
            styles,
            settings,
            loaded_pixels=pixels,
            masked=masked,
            bound=0 if in_bands else None,
        )
        return needed <= available

    # Some sizes take less than smaller ones, for which the optimiser is another.
    high = LARGEST // 8 + 1
    while (low := math.floor(high / _APART)) and not fits(8 * low):
        high = low
    between = range(low + 1, high)
    return 8 * (low + bisect_left(between, True, key=lambda n: not fits(8 * n)))


def evaluation_at(
    network: Network, scale: Scale, settings: Settings, masked: bool, room: int | None
) -> Whole | Bands:
    """What a run evaluates at a scale, to be counted only."""
    contents = scale.content_layers if settings.content_weight > 0 else {}
    with maps.counted():
        return within(
            room,
            network,
            scale.size[::-1],
            acting_styles(scale, settings),
            list(contents),
            pooling=settings.pooling,
            border=settings.border,
            regions={} if masked else None,
        )


def acting_styles(scale: Scale, settings: Settings) -> list[str]:
    """Style layers that the objective looks at."""
    return list(scale.style_layers) if settings.beta > 0 else []


def styles_at(scale: Scale, styles: Sequence[Size], settings: Settings) -> list[Size]:
    """Sizes of the style pictures at a scale."""
    factors = settings.style_scales * len(styles)
    return [style_size(one, factor, scale) for one, factor in zip(styles, factors, strict=False)]


def _style_bytes(
    network: Network,
    sizes: Sequence[Size],
    layers: Sequence[str],
    settings: Settings,
    *,
    masked: bool,
    room: int | None,
) -> int:
    """Most that the style targets take, one style after the other."""
    border: Border = "reflect" if settings.border == "wrap" else settings.border
    most = 0
    for size in sizes if layers else []:
        with maps.counted():
            run = within(
                room,
                network,
                size[::-1],
                layers,
                pooling=settings.pooling,
                border=border,
                regions={} if masked else None,
            )
        most = max(most, run.memory_to_begin())
    return most + 24 * sum(width * height for width, height in sizes)  # resized, and with a border
