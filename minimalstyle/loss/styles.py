"""What a style is, as a target: one method, from statistics to the value and its gradient."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .._types import Float32, Floating
from ..errors import UsageError
from ..network.bounded import Measure, measure
from ..network.evaluation import Affine, Gradient, Moments, Statistics
from ..network.network import Network
from ..settings.setting import check_weights
from ..settings.settings import Border, Loss, Pooling
from .terms import Gaussian, gaussian, gram_loss, wasserstein_loss, wasserstein_loss_of_few

__all__ = ["GaussianTarget", "GramTarget", "Region", "StyleTarget", "style_targets"]


class StyleTarget(Protocol):
    """The style of one layer, or of a region of it."""

    @property
    def scale(self) -> float:
        """How large a loss is large: about that of features that are all 0."""

    def __call__(self, seen: Statistics) -> tuple[float, Gradient]:
        """The loss of features with these statistics, and its gradient."""


@dataclass(frozen=True, eq=False)
class GramTarget:
    """A Gram matrix, as in the paper.

    Attributes
    ----------
    gram : (C, C) float32
    energy : float
        What the squared distance is divided by.
    scale : float
    """

    gram: Float32
    energy: float
    scale: float

    @classmethod
    def of(cls, moments: Moments, energy: float | None = None) -> "GramTarget":
        """Relative to the matrix itself, unless an energy is given."""
        squares = max(float(np.vdot(moments.second, moments.second)), 1e-30)
        energy = squares if energy is None else energy
        return cls(moments.second, energy, squares / energy)

    def __call__(self, seen: Statistics) -> tuple[float, Gradient]:
        """`gram_loss`."""
        assert isinstance(seen, Moments)
        value, matrix = gram_loss(seen.second, self.gram, seen.positions, self.energy)
        return value, Affine(matrix, None)


@dataclass(frozen=True, eq=False)
class GaussianTarget:
    """Mean and covariance, at a Wasserstein-2 distance."""

    normal: Gaussian
    scale: float = 1.0

    @classmethod
    def of(
        cls, moments: Moments, normal: Callable[[Float32, Float32], Gaussian] = gaussian
    ) -> "GaussianTarget":
        """The normal distribution with these moments."""
        return cls(normal(moments.mean, moments.second))

    def __call__(self, seen: Statistics) -> tuple[float, Gradient]:
        """`wasserstein_loss`, from moments or from the features themselves."""
        if isinstance(seen, Moments):
            value, matrix, shift = wasserstein_loss(*seen[:2], self.normal, seen.positions)
            return value, Affine(matrix, shift)
        return wasserstein_loss_of_few(seen, self.normal)


@dataclass(frozen=True, eq=False)
class Region:
    """A part of the picture with a style of its own.

    Attributes
    ----------
    name : str
    mask : (H, W) float32 in [0, 1]
        Over the picture.
    style : int
        Which style picture.
    style_mask : (h, w) float32 in [0, 1] or None
        Over the style picture; all of it when None.
    """

    name: str
    mask: Float32
    style: int
    style_mask: Float32 | None = None


def style_targets(
    network: Network,
    styles: Sequence[Floating],
    layers: Sequence[str],
    *,
    kind: Loss,
    blend: Sequence[float] | None = None,
    masks: Sequence[Float32 | None] | None = None,
    regions: Sequence[Region] | None = None,
    pooling: Pooling | None = None,
    border: Border,
    measured: Measure = measure,
    normal: Callable[[Float32, Float32], Gaussian] = gaussian,
) -> dict[str, list[StyleTarget]]:
    """For each layer, the target of each region; one for all where there are no regions.

    Parameters
    ----------
    network : Network
    styles : sequence of (h, w, 3) float
        RGB in [0, 1].
    layers : sequence of str
    kind : {"wasserstein", "relative", "gatys2016"}
        See `Objective`.
    blend : sequence of float, optional
        Weight of each style; equal by default. The loss against the mean of several is the mean
        loss against each, but for a constant.
    masks : sequence of (h, w) float32 in [0, 1] or None, optional
        How much each pixel of a style counts.
    regions : sequence of Region, optional
        In place of one blend.
    pooling, border
        As for `Whole`; a painting does not repeat, so that "wrap" mirrors it.
    measured : callable, optional
        In place of `measure`, such as `KeptMoments`.
    normal : callable, optional
        In place of `gaussian`, such as `KeptMoments.gaussian`.
    """
    if not styles:
        raise UsageError("a style weight needs a style picture")
    weights = [1.0] * len(styles) if blend is None else list(blend)
    if len(weights) != len(styles):
        raise UsageError(f"{len(weights)} style weights for {len(styles)} style pictures")
    check_weights("style_blend", weights)
    alphas = masks or [None] * len(styles)
    around: Border = "reflect" if border == "wrap" else border

    def moments(style: Floating, mask: Float32 | None) -> dict[str, Moments]:
        return measured(network, style, layers, pooling=pooling, border=around, mask=mask)

    if regions is None:
        each = (moments(style, mask) for style, mask in zip(styles, alphas, strict=True))
        found = [_mean(each, [weight / sum(weights) for weight in weights])]
    else:
        found = [moments(styles[r.style], _both(r.style_mask, alphas[r.style])) for r in regions]
    return {
        name: [_target(one[name], kind, network.channels[name], normal) for one in found]
        for name in layers
    }


def _mean(each: Iterable[Mapping[str, Moments]], shares: Sequence[float]) -> dict[str, Moments]:
    """Mean moments of several pictures, by layer."""
    total: dict[str, Moments] = {}
    for moments, share in zip(each, shares, strict=True):
        for name, one in moments.items():
            mean, second = (np.float32(share) * part for part in one[:2])
            if name in total:
                mean, second = mean + total[name].mean, second + total[name].second
            total[name] = Moments(mean, second, one.positions)
    return total


def _target(
    moments: Moments,
    kind: Loss,
    channels: int,
    normal: Callable[[Float32, Float32], Gaussian],
) -> StyleTarget:
    if kind == "wasserstein":
        return GaussianTarget.of(moments, normal)
    return GramTarget.of(moments, 4.0 * channels**2 if kind == "gatys2016" else None)


def _both(a: Float32 | None, b: Float32 | None) -> Float32 | None:
    return b if a is None else a if b is None else a * b
