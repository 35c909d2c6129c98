"""One slider from photograph to painting: what a strength multiplies."""

from typing import NamedTuple

__all__ = ["StrengthFactors", "strength_factors"]


class StrengthFactors(NamedTuple):
    """What a strength multiplies: weights, the first size, shallow content layers."""

    style: float
    tv: float
    first_size: float
    shallow: float


_STEPS = {  # of --strength, so that even steps look even
    0.0: StrengthFactors(0.0, 0.0, 2.0, 1.0),
    25.0: StrengthFactors(1 / 8, 1 / 4, 2.0, 1.0),
    50.0: StrengthFactors(1.0, 1.0, 1.0, 1.0),
    75.0: StrengthFactors(2.0, 1.0, 0.5, 1.0),
    100.0: StrengthFactors(8.0, 1.0, 0.25, 0.0),
}


def strength_factors(strength: float | None) -> StrengthFactors:
    """Interpolated between photograph (0), default (50) and repainted (100).

    Parameters
    ----------
    strength : float in [0, 100] or None
        None leaves everything as it is.
    """
    if strength is None:
        return _STEPS[50.0]
    low = min(strength // 25 * 25.0, 75.0)
    share = (strength - low) / 25.0
    pairs = zip(_STEPS[low], _STEPS[low + 25.0], strict=True)
    # In equal ratios, as far as there are some: zero has none.
    return StrengthFactors(
        *(a ** (1 - share) * b**share if a * b > 0 else a + share * (b - a) for a, b in pairs)
    )
