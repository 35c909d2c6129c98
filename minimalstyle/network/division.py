"""A picture divided into horizontal bands: which rows, and from which others each is computed."""

from collections.abc import Sequence
from typing import NamedTuple

from .network import SMALLEST_SIDE
from .passes import Stage

__all__ = ["Band", "divide", "geometry"]


class Band(NamedTuple):
    """Rows of the picture: its own, and where the rows begin that it is computed from."""

    first: int
    last: int
    start: int


def geometry(stages: Sequence[Stage], taps: Sequence[str]) -> tuple[dict[str, int], int, int]:
    """Of the taps the pixels between two rows, the most of them, and how far the deepest looks."""
    steps: dict[str, int] = {}
    step, reach, halo = 1, 0, 0
    for stage in stages:
        reach += step
        names = {stage.relu: step}
        if stage.pool is not None:
            step *= 2
            names[stage.pool.name] = step
        found = {name: names[name] for name in names if name in taps}
        if found:
            steps |= found
            halo = reach
    unit = max(steps.values(), default=1)
    return steps, unit, -(-halo // unit) * unit


def divide(height: int, rows: int, unit: int, halo: int) -> tuple[list[Band], int]:
    """Bands of about so many rows, and the rows that each is computed from.

    All begin at multiples of `unit`, so that poolings see the windows that they see in one piece.
    """
    least = -(-SMALLEST_SIDE // unit) * unit
    number = -(-height // max(rows, least))
    own = -(-height // number // unit) * unit
    window = own + 2 * halo + height % unit
    if number == 1 or window >= height:
        return [Band(0, height, 0)], height
    return [
        Band(first, min(first + own, height), min(max(first - halo, 0), height - window))
        for first in range(0, height, own)
    ], window
