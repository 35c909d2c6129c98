"""L-BFGS in single precision, for images whose corrections would fill the memory.

The two-loop recursion of Nocedal 1980, "Updating quasi-Newton matrices with limited storage", and
a line search for Wolfe's conditions by secants. Where scipy's holds (2 m + 5) x 8 bytes for each
variable, this holds 4 m + 16: corrections are in half precision, each relative to its largest
value, and the curvature along them is that of what is held.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .._types import Float32

__all__ = ["CORRECTIONS", "lean_lbfgs"]

Function = Callable[[Float32], tuple[float, Float32]]

CORRECTIONS = 5
_CHUNK = 1 << 18  # values that are worked on at a time
_DECREASE, _CURVATURE = 1e-4, 0.9  # of Wolfe's conditions
_FIRST = 0.1  # of the value: what the first step would take away, were the function linear
_TRIES = 12  # of a line search


class _Half(NamedTuple):
    """A vector in half precision: `scale * values`."""

    values: npt.NDArray[np.float16]
    scale: np.float32


class _Pair(NamedTuple):
    """A step, and by how much the gradient changed over it."""

    step: _Half
    change: _Half
    product: float
    square: float  # of the change


def lean_lbfgs(
    function: Function,
    x: Float32,
    iterations: int,
    on_iterate: Callable[[Float32], object],
    corrections: int = CORRECTIONS,
) -> None:
    """Minimise a function of float32 variables.

    Parameters
    ----------
    function : callable
        From variables (n,) to value and gradient, which stay as they are.
    x : (n,) float32
        Where to start; it stays as it is.
    iterations : int
        At most; fewer where no step lowers the value any more.
    on_iterate : callable
        Gets the variables after each iteration.
    corrections : int
        How many pairs of steps and changes are held.
    """
    pairs: deque[_Pair] = deque(maxlen=corrections)
    value, gradient = function(x)
    for _ in range(iterations):
        direction = _direction(gradient, pairs)
        slope = _dot(direction, gradient)
        if not slope < 0.0:
            return
        first = 1.0 if pairs else _FIRST * abs(value) / -slope
        found = _search(partial(_at, function, x, direction), direction, value, slope, first)
        if found is None:
            return
        value, new_gradient, new_x = found
        del direction, found
        pair = _pair(new_x, x, new_gradient, gradient, pairs)
        if pair is not None:
            pairs.append(pair)
        x, gradient = new_x, new_gradient
        on_iterate(x)


def _at(
    function: Function, x: Float32, direction: Float32, length: float
) -> tuple[float, Float32, Float32]:
    """Value, gradient and variables after a step."""
    there = x + np.float32(length) * direction
    return *function(there), there


def _search(
    at: Callable[[float], tuple[float, Float32, Float32]],
    direction: Float32,
    value: float,
    slope: float,
    length: float,
) -> tuple[float, Float32, Float32] | None:
    """A point along a direction that meets Wolfe's conditions, or is lower at least; or None.

    The point is the last that was looked at.
    """
    low, high = 0.0, np.inf  # lengths that are too short and too long
    for _ in range(_TRIES):
        found = at(length)
        new_slope = _dot(direction, found[1])
        if found[0] > value + _DECREASE * length * slope:
            high = length
            # The minimum of the parabola through both values and the slope at 0.
            parabola = -slope * length**2 / (2.0 * (found[0] - value - slope * length))
            length = float(np.clip(parabola, low + 0.1 * (high - low), low + 0.5 * (high - low)))
        elif new_slope < _CURVATURE * slope:
            low = length
            secant = length * slope / (slope - new_slope) if new_slope > slope else np.inf
            length = float(np.clip(secant, 2.0 * low, 8.0 * low))
            if length >= high:
                return found
        else:
            return found
    return at(low) if low > 0.0 else None


def _direction(gradient: Float32, pairs: deque[_Pair]) -> Float32:
    """`-H gradient` by the two-loop recursion."""
    direction = -gradient
    factors = []
    for pair in reversed(pairs):
        factor = _dot(direction, pair.step) / pair.product
        _add(direction, -factor, pair.change)
        factors.append(factor)
    if pairs:
        direction *= np.float32(pairs[-1].product / pairs[-1].square)
    for pair, factor in zip(pairs, reversed(factors), strict=True):
        _add(direction, factor - _dot(direction, pair.change) / pair.product, pair.step)
    return direction


def _pair(
    x: Float32, old_x: Float32, gradient: Float32, old_gradient: Float32, pairs: deque[_Pair]
) -> _Pair | None:
    """The pair of a step, in the memory of the one that goes; None without curvature."""
    gone = pairs.popleft() if len(pairs) == pairs.maxlen else None
    step = _half(x, old_x, None if gone is None else gone.step.values)
    change = _half(gradient, old_gradient, None if gone is None else gone.change.values)
    product, square = _dot(step, change), _dot(change, change)
    return _Pair(step, change, product, square) if product > 1e-7 * square else None


def _half(a: Float32, b: Float32, memory: npt.NDArray[np.float16] | None) -> _Half:
    """`a - b`."""
    values = np.empty(a.size, np.float16) if memory is None else memory
    parts = [slice(i, i + _CHUNK) for i in range(0, a.size, _CHUNK)]
    scale = np.float32(max(float(np.abs(a[one] - b[one]).max()) for one in parts) or 1.0)
    for one in parts:
        values[one] = (a[one] - b[one]) / scale
    return _Half(values, scale)


def _dot(a: Float32 | _Half, b: Float32 | _Half) -> float:
    x, of_x = (a.values, float(a.scale)) if isinstance(a, _Half) else (a, 1.0)
    y, of_y = (b.values, float(b.scale)) if isinstance(b, _Half) else (b, 1.0)
    total = 0.0
    for i in range(0, x.size, _CHUNK):
        parts = (one[i : i + _CHUNK].astype(np.float32, copy=False) for one in (x, y))
        total += float(np.dot(*parts))
    return total * of_x * of_y


def _add(x: Float32, factor: float, half: _Half) -> None:
    """`x += factor * half`."""
    scaled = np.float32(factor) * half.scale
    for i in range(0, x.size, _CHUNK):
        x[i : i + _CHUNK] += scaled * half.values[i : i + _CHUNK].astype(np.float32)
