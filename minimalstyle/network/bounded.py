"""The evaluation that fits into a memory: in one piece where there is room, in bands elsewhere."""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from .._types import Float32, Floating
from ..engine import maps
from ..settings.settings import Border, Pooling
from .bands import Bands
from .evaluation import Moments, Whole, unheard
from .network import Network

__all__ = ["Measure", "measure", "within"]

_FEWER = 0.85  # rows of a band from one try to the next


def within(
    bound: int | None,
    network: Network,
    size: tuple[int, int],
    style_layers: Sequence[str],
    content_layers: Sequence[str] = (),
    *,
    rows: bool = False,
    regions: Mapping[str, Float32] | None = None,
    pooling: Pooling | None = None,
    border: Border,
    between: Callable[[float], object] = unheard,
) -> Whole | Bands:
    """The fastest evaluation that takes at most so many bytes, or the one that takes least.

    Parameters
    ----------
    bound : int or None
        None for an evaluation in one piece.
    network, size, style_layers, content_layers, rows, regions, pooling, border
        As for `Whole`.
    between
        As for `Bands`.
    """

    what = network, size, style_layers, content_layers
    ways: dict[str, Any] = {"pooling": pooling, "border": border, "between": between}
    whole = partial(Whole, *what, rows=rows, regions=regions, **ways)
    bands = partial(Bands, *what, **ways)
    if bound is None:
        return whole()
    with maps.counted():
        nothing: Mapping[str, Float32] | None = None if regions is None else {}
        found = None
        if whole().memory() > bound:
            found = _divide(bound, size[0], partial(bands, regions=nothing))
    return whole() if found is None else bands(rows=found[0], kept=found[1], regions=regions)


def _divide(bound: int, height: int, make: Callable[..., Bands]) -> tuple[int, int]:
    """Rows of the bands that fit and work least, or of the least bands; and how many are kept."""
    best, least = (1, 0), math.inf
    if make(rows=1, kept=0).memory() > bound:
        return best
    tried, number = height / 2, 0
    while tried >= 1:
        rows = int(tried)
        tried *= _FEWER
        if make(rows=rows).number == number:
            continue
        number = make(rows=rows).number
        kept = number
        if make(rows=rows).memory() > bound:
            sizes = range(number)  # the more, the larger
            kept = bisect_right(sizes, bound, key=lambda n: make(rows=rows, kept=n).memory()) - 1
        if kept >= 0:
            work = make(rows=rows, kept=kept).work
            if work < least:
                best, least = (rows, kept), work
    return best


class Measure(Protocol):
    """`measure`, or what gives the same."""

    def __call__(
        self,
        network: Network,
        image: Floating,
        layers: Iterable[str],
        *,
        pooling: Pooling | None = None,
        border: Border,
        mask: Float32 | None = None,
        bound: int | None = None,
        between: Callable[[float], object] = unheard,
    ) -> dict[str, Moments]:
        """See `measure`."""


def measure(
    network: Network,
    image: Floating,
    layers: Iterable[str],
    *,
    pooling: Pooling | None = None,
    border: Border,
    mask: Float32 | None = None,
    bound: int | None = None,
    between: Callable[[float], object] = unheard,
) -> dict[str, Moments]:
    """Moments of a picture's features at some layers.

    Parameters
    ----------
    network : Network
    image : (H, W, 3) float
        RGB in [0, 1].
    layers : iterable of str
    pooling, border
        As for `Whole`.
    mask : (H, W) float32 in [0, 1], optional
        How much each pixel counts.
    bound : int, optional
        Bytes that it may take.
    between
        As for `Bands`.
    """
    regions = None if mask is None else {"a style mask": mask}
    evaluation = within(
        bound,
        network,
        (image.shape[0], image.shape[1]),
        list(layers),
        pooling=pooling,
        border=border,
        regions=regions,
        between=between,
    )
    statistics = evaluation.forward(image)
    found = {}
    for name in layers:
        (one,) = statistics[name]
        assert isinstance(one, Moments)
        found[name] = one
    return found
