"""The evaluation that fits into a memory: in one piece where there is room, in bands elsewhere."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from .._types import Float32, Floating
from ..settings.settings import Border, Pooling
from .bands import Bands
from .evaluation import Moments, Whole
from .network import Network

__all__ = ["Measure", "measure", "within"]

_ENOUGH = 64  # rows of a band beside which its halo is small, so that features may be kept
_FEWER = 0.8  # rows of a band from one try to the next


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
    between: Callable[[float], object] = lambda _: None,
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
    try:
        whole = Whole(
            network,
            size,
            style_layers,
            content_layers,
            rows=rows,
            regions=regions,
            pooling=pooling,
            border=border,
        )
        if bound is None or whole.memory() <= bound:
            return whole
        del whole
    except MemoryError:  # not even addresses
        if bound is None:
            raise

    def bands(rows: int, kept: bool, regions: Mapping[str, Float32] | None) -> Bands:
        return Bands(
            network,
            size,
            style_layers,
            content_layers,
            rows=rows,
            kept=kept,
            regions=regions,
            pooling=pooling,
            border=border,
            between=between,
        )

    nothing: Mapping[str, Float32] | None = None if regions is None else {}
    for kept, least in ((True, _ENOUGH), (False, 1)):
        number = size[0] / 2
        while number >= least:
            with suppress(MemoryError):  # not even addresses
                if bands(int(number), kept, nothing).memory() <= bound:
                    return bands(int(number), kept, regions)
            number *= _FEWER
    return bands(1, False, regions)


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
        between: Callable[[float], object] = lambda _: None,
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
    between: Callable[[float], object] = lambda _: None,
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
