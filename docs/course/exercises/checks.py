"""What the tests of the exercises say when an answer is wrong: where, by how much, by what factor.

`same` compares with a value that is known to be right, `right_gradient` with finite differences.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from minimalstyle.gradcheck import gradcheck

Function = Callable[[np.ndarray], tuple[Any, Any]]


def same(yours: Any, expected: Any, formula: str, *, within: float = 1e-7) -> None:
    """Fail, and say why, unless two arrays or numbers agree.

    Parameters
    ----------
    yours : array_like
        What the student's function has returned.
    expected : array_like
    formula : str
        What was compared with what, in words or symbols.
    within : float
        Largest difference, relative to the largest expected value (or to 1 if that is smaller);
        0 for exactly equal.
    """
    __tracebackhide__ = True
    if wrong := difference(yours, expected, within):
        pytest.fail(f"{formula}\n{wrong}", pytrace=False)


def right_gradient(f: Function, x: np.ndarray, formula: str, *, within: float = 1e-6) -> None:
    """Fail, and say why, unless the gradient that f returns is that of its value."""
    __tracebackhide__ = True
    value, gradient = f(x)
    for name, array, shape in (("value", value, ()), ("gradient", gradient, x.shape)):
        if (wrong := _not_numbers(array)) or np.shape(array) != shape:
            wrong = wrong or f"it has shape {np.shape(array)}, not {shape}"
            pytest.fail(f"{formula}: the {name}\n{wrong}", pytrace=False)
    check = gradcheck(f, x)
    if not check.passed(within):
        places = [*map(str, check.entries), "a random direction"]
        wrong = _compared(check.analytic, check.numeric, places, "by finite differences")
        pytest.fail(f"{formula}\n{wrong}", pytrace=False)


def difference(yours: Any, expected: Any, within: float) -> str:
    """Say how two arrays differ; "" if they agree."""
    expected = np.asarray(expected, float)
    if wrong := _not_numbers(yours):
        return wrong
    yours = np.asarray(yours, float)
    if yours.shape != expected.shape:
        return f"yours has shape {yours.shape}, expected {expected.shape}"
    tolerance = within * max(1.0, np.abs(expected).max(initial=0))
    if not (np.abs(yours - expected) > tolerance).any():
        return ""
    places = [str(tuple(map(int, at))) if at else "" for at in np.ndindex(expected.shape)]
    return _compared(yours.ravel(), expected.ravel(), places, "expected", tolerance)


def _not_numbers(yours: Any) -> str:
    if yours is None:
        return "it returned nothing: is there a `return`?"
    try:
        finite = np.isfinite(np.asarray(yours, float))
    except (TypeError, ValueError):
        return f"it returned {yours!r:.60}, not an array of numbers"
    if not finite.all():
        return f"{int(np.sum(~finite))} of {finite.size} values are not finite"
    return ""


def _compared(
    yours: np.ndarray,
    expected: np.ndarray,
    places: Sequence[str],
    source: str,
    tolerance: float | None = None,
) -> str:
    """Number of wrong values, the worst of them, and what its ratio to the right one tells."""
    off = np.abs(yours - expected)
    if tolerance is None:
        tolerance = 1e-6 * np.abs(expected).max()
    worst = int(off.argmax())
    place = places[min(worst, len(places) - 1)]
    count = f"{int(np.sum(off > tolerance))} of {off.size} values are wrong, the worst at {place}: "
    values = f"yours {yours[worst]:.6g}, {source} {expected[worst]:.6g}"
    lines = [count + values if place else values]
    clear = np.abs(expected) > 1e-3 * np.abs(expected).max()
    if not clear.any():
        return lines[0]
    ratios = yours[clear] / expected[clear]
    middle = float(np.median(ratios))
    if not yours.any():
        lines.append("all of yours are zero")
    elif np.allclose(ratios, middle, rtol=1e-4, atol=0) and _zero_together(yours, expected):
        sign = abs(middle + 1) < 1e-4
        what = "the sign is wrong" if sign else "a factor is missing, or one too many"
        where = " everywhere" if len(ratios) > 1 else ""
        lines.append(f"yours / right = {middle:.5g}{where}: {what}")
    elif len(ratios) > 1:
        low, high = ratios.min(), ratios.max()
        lines.append(f"yours / right is from {low:.3g} to {high:.3g}: more than a factor is wrong")
    return "\n".join(lines)


def _zero_together(yours: np.ndarray, expected: np.ndarray) -> bool:
    """Where the right value is nearly zero, no ratio says anything, but yours must be small too."""
    faint = np.abs(expected) <= 1e-3 * np.abs(expected).max()
    return bool((np.abs(yours[faint]) <= 2e-3 * np.abs(yours).max()).all())
