"""Is this gradient right? Compare it with finite differences. `python -m minimalstyle.gradcheck`

The command, a table of every layer and loss, is in `__main__`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["GradCheck", "gradcheck"]


@dataclass(frozen=True, eq=False)
class GradCheck:
    """Derivatives by formula beside the same derivatives by finite differences.

    Attributes
    ----------
    analytic, numeric : (samples + directions,) float64
        First the derivatives with respect to single entries of x, then those along directions.
    entries : tuple of tuple of int
        Indices of the sampled entries of x.
    """

    analytic: npt.NDArray[np.float64]
    numeric: npt.NDArray[np.float64]
    entries: tuple[tuple[int, ...], ...]

    @property
    def relative_error(self) -> float:
        """‖analytic - numeric‖ / max(‖analytic‖, ‖numeric‖); 0 if both are zero, 2 at most."""
        larger = max(np.linalg.norm(self.analytic), np.linalg.norm(self.numeric))
        if larger == 0:
            return 0.0
        return float(np.linalg.norm(self.analytic - self.numeric) / larger)

    @property
    def worst(self) -> int:
        """Index of the derivative where the two are furthest apart."""
        return int(np.argmax(np.abs(self.analytic - self.numeric)))

    def passed(self, tolerance: float = 1e-6) -> bool:
        """Tell whether the relative error is below the tolerance."""
        return self.relative_error < tolerance


def gradcheck(
    f: Callable[[npt.NDArray[np.float64]], tuple[float, npt.NDArray]],
    x: npt.ArrayLike,
    *,
    samples: int = 32,
    directions: int = 8,
    step: float = 1e-5,
    seed: int = 0,
) -> GradCheck:
    """Compare the gradient that f returns with central finite differences of its value.

    A derivative is taken along d, a single entry of x or a random direction of length 1:

        ∇f(x) · d   against   (f(x + h d) - f(x - h d)) / (2 h)

    Single entries say where a gradient is wrong; a direction touches all entries at once, so no
    error can hide between the samples.

    Parameters
    ----------
    f : callable
        f(x) -> (value, gradient), the gradient of the shape of x.
    x : array_like
        Where to compare; taken as float64.
    samples : int
        Number of entries, all of them if x has no more.
    directions : int
        Number of random directions.
    step : float
        h relative to the root mean square of x.
    seed : int
        Of the choice of entries and directions.

    Returns
    -------
    GradCheck

    Notes
    -----
    The difference quotient has an error of its own: about h² f''' / 6 because the curve bends,
    and about 1e-16 f / h because subtraction rounds. In float64 a step of 1e-5 balances the two
    and leaves 1e-8 or less; where f calculates in float32, take 1e-3 and expect 1e-3. At a
    minimum all derivatives vanish and only rounding is left to compare. At a kink (a ReLU at
    zero, a tie in a max pool) there is no derivative to compare: move x away.

    A function that is wrong together with its gradient passes, such as a Gram matrix without 1 / N
    in both. Whether f is the right function is for a value from elsewhere to say.

    Examples
    --------
    >>> import numpy as np
    >>> gradcheck(lambda x: (np.sum(x**3), 3 * x**2), np.arange(5.0)).passed()
    True
    >>> gradcheck(lambda x: (np.sum(x**3), 2 * x**2), np.arange(5.0)).passed()
    False
    """
    x = np.array(x, dtype=np.float64)
    if x.size == 0:
        raise ValueError(f"x has shape {x.shape}: there is nothing to differentiate by")
    if not np.isfinite(x).all():
        raise ValueError("x contains NaN or infinity")
    if samples < 0 or directions < 0 or samples + directions == 0:
        raise ValueError(f"samples={samples}, directions={directions}: nothing to compare")
    if not 0 < step < np.inf:
        raise ValueError(f"step={step}: must be positive and finite")
    gradient = _gradient(f, x)

    rng = np.random.default_rng(seed)
    chosen = rng.choice(x.size, size=min(samples, x.size), replace=False)
    entries = [tuple(int(i) for i in np.unravel_index(flat, x.shape)) for flat in chosen]
    h = step * (np.sqrt(np.mean(x**2)) or 1.0)
    analytic, numeric = [], []
    for number in range(len(entries) + directions):
        if number < len(entries):
            d = np.zeros(x.shape)
            d[entries[number]] = 1
        else:
            d = rng.standard_normal(x.shape)
            d /= np.linalg.norm(d)
        analytic.append(np.sum(gradient * d))
        numeric.append((_value(f, x + h * d) - _value(f, x - h * d)) / (2 * h))
    return GradCheck(np.array(analytic), np.array(numeric), tuple(entries))


def _value(f: Callable, x: npt.NDArray[np.float64]) -> float:
    value = np.asarray(f(x)[0], dtype=np.float64)
    if value.size != 1:
        raise ValueError(f"f returned a value of shape {value.shape}: must be a single number")
    if not np.isfinite(value).all():
        raise ValueError(f"f returned the value {value}: the difference quotient needs finite ones")
    return value.item()


def _gradient(f: Callable, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    returned = f(x.copy())
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise ValueError("f must return a pair (value, gradient)")
    # A copy, because f may return the same buffer, overwritten, at its next call.
    gradient = np.array(returned[1], dtype=np.float64)
    if gradient.shape != x.shape:
        raise ValueError(
            f"f returned a gradient of shape {gradient.shape} for x of shape {x.shape}"
        )
    if bad := int(np.sum(~np.isfinite(gradient))):
        raise ValueError(f"f returned a gradient with {bad} of {gradient.size} values not finite")
    return gradient
