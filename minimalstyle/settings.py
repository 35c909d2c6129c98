"""All settings of a run with their defaults: the one place where a default stands."""

import math
import numbers
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple

from .errors import UsageError

__all__ = [
    "CHOICES",
    "EVERY",
    "PRESETS",
    "RECONSTRUCTION",
    "Settings",
    "check_weights",
    "strength_factors",
]

EVERY = 20.0  # seconds between two savings of a checkpoint: no setting, for it changes no picture


class _Layers(dict[str, float]):
    """Layers with their weights, which do not change: so settings can be hashed."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise TypeError("settings do not change; make new ones with dataclasses.replace")

    __setitem__ = __delitem__ = __ior__ = _refuse  # type: ignore[assignment]
    clear = pop = popitem = setdefault = update = _refuse  # type: ignore[assignment]


def _content_layers() -> dict[str, float]:
    return {"relu2_2": 1.0, "relu4_2": 1.0}


def _style_layers() -> dict[str, float]:
    return {"relu1_1": 1.0, "relu2_1": 2.0, "relu3_1": 2.0, "relu4_1": 1.0, "relu5_1": 0.3}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that decides the picture, besides the pictures and the weights.

    Attributes
    ----------
    size : int
        Longer side of the result in pixels.
    enlarge : bool
        Allow a result larger than the content picture.
    iterations, coarse_iterations : int
        L-BFGS-B iterations at the full size, and at each coarser one.
    first_size : int
        Longer side, in pixels, of the first and coarsest size, where the large forms are painted.
        The smaller it is, the more of the painting's objects come into the picture.
    scales : int or None
        How many sizes, in equal steps from `first_size` to `size`; None for steps of about 2.
    content_weight, style_weight, tv_weight : float
        alpha, beta and gamma of `L = alpha L_content + beta L_style + gamma L_tv`, up to 1e12.
    strength : float or None
        In [0, 100], how far from photograph to painting: it moves `style_weight`, `tv_weight`,
        `first_size` and the weights of `content_layers`. 50 leaves them as they are (see
        `strength_factors`).
    style_scale : float or tuple of float
        Size of the style's strokes: longer side of the style picture over that of the result; one
        for all styles, or one each.
    style_frame : {"crop", "keep"}
        What becomes of a frame around a style picture (see `frames`); with style masks, it stays.
    style_blend : tuple of float or None
        Weight of each style picture; equal when None.
    content_layers, style_layers : mapping of layer name to weight
        Weights are divided by their sum.
    deep_size : int
        Longer side, in pixels, up to which layers deeper than the third block act, besides at the
        first size: what they ask for is painted by then, and they are most of the work.
    pooling : {"max", "average", None}
        Instead of what the weights file says, unless None. Gatys et al. found averages to give
        better pictures; with the Wasserstein distance maxima do (docs/choices.md).
    loss : {"wasserstein", "relative", "gatys2016"}
        The Wasserstein distance of the features' means and covariances, relative to what the
        target alone would give; the difference of Gram matrices, relative as well; or Gram
        matrices with the paper's constants (see `Objective`).
    border : {"zero", "replicate", "reflect", "wrap"}
        What the network sees beyond the edge: nothing; at the first layer the pixels at the edge
        once more, and nothing deeper; the mirrored picture; or, so that the result tiles, its other
        side.
    preserve_color : {"off", "luminance", "match", "histogram"}
        Keep the photograph's colours: transfer luminance alone, or give the style the mean and
        covariance, or the histogram, of the photograph's colours first (see `color`).
    init : str
        "content", "noise", "style", or the path of a picture to start from.
    init_blend : float
        In [0, 1], share of `init` in the start; the rest is the content.
    seed : int
        Of the noise.
    segment : int or None
        L-BFGS-B begins anew after so many iterations, and a checkpoint is kept there; None for 30
        where there is a checkpoint, and never where there is none.
    threads : int or None
        Threads of the engine; all cores when None. The result does not depend on it.
    """

    size: int = 512
    enlarge: bool = False
    iterations: int = 20
    coarse_iterations: int = 30
    first_size: int = 96
    scales: int | None = None
    content_weight: float = 1.0
    style_weight: float = 7.5
    tv_weight: float = 8.0
    strength: float | None = None
    style_scale: float | tuple[float, ...] = 1.0
    style_frame: Literal["crop", "keep"] = "crop"
    style_blend: tuple[float, ...] | None = None
    content_layers: Mapping[str, float] = field(default_factory=_content_layers)
    style_layers: Mapping[str, float] = field(default_factory=_style_layers)
    deep_size: int = 300
    pooling: Literal["max", "average"] | None = "max"
    loss: Literal["wasserstein", "relative", "gatys2016"] = "wasserstein"
    border: Literal["zero", "replicate", "reflect", "wrap"] = "zero"
    preserve_color: Literal["off", "luminance", "match", "histogram"] = "off"
    init: str = "content"
    init_blend: float = 1.0
    seed: int = 0
    segment: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        for one in fields(self):
            object.__setattr__(self, one.name, _plain(getattr(self, one.name)))

    def check(self) -> None:
        """Raise UsageError for the first setting that makes no sense."""
        for name, (kind, low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None or name not in _OPTIONAL:
                _check_number(name, value, kind, low, high)
        if self.content_weight == 0 and self.beta == 0:
            raise UsageError("content_weight and style_weight cannot both be 0")
        for scale in self.style_scales or (None,):
            _check_number("style_scale", scale, float, 0.1, 10)
        for name, words in CHOICES.items():
            value = getattr(self, name)
            if value not in words and not (name in _OPTIONAL and value is None):
                raise UsageError(f"{name} must be {' or '.join(words)}, not {value!r}")
        if self.style_blend is not None:
            check_weights("style_blend", self.style_blend)
        for name in ("content_layers", "style_layers"):
            layers = getattr(self, name)
            if not isinstance(layers, Mapping):
                raise UsageError(f"{name} must map layer names to weights, not {layers!r}")
            check_weights(name, layers.values())
        if not isinstance(self.enlarge, bool):
            raise UsageError(f"enlarge must be True or False, not {self.enlarge!r}")
        if not isinstance(self.init, str):
            raise UsageError(f"init must be content, noise, style or a path, not {self.init!r}")

    @property
    def style_scales(self) -> tuple[float, ...]:
        """`style_scale` as a tuple."""
        one_for_all = not isinstance(self.style_scale, tuple)
        return (self.style_scale,) if one_for_all else self.style_scale  # type: ignore[return-value]

    @property
    def beta(self) -> float:
        """The style weight, moved by `strength`."""
        return self.style_weight * strength_factors(self.strength).style

    @property
    def gamma(self) -> float:
        """The weight of the total variation, moved by `strength`."""
        return self.tv_weight * strength_factors(self.strength).tv

    @property
    def coarsest(self) -> float:
        """The first size, moved by `strength`."""
        return self.first_size * strength_factors(self.strength).first_size

    @property
    def kept(self) -> dict[str, float]:
        """The content layers, those of the first two blocks moved by `strength`."""
        share = strength_factors(self.strength).shallow
        moved = {
            name: weight * (share if name.startswith(("relu1", "relu2")) else 1.0)
            for name, weight in self.content_layers.items()
        }
        return {name: weight for name, weight in moved.items() if weight} or {**self.content_layers}


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


_OPTIONAL = {"pooling", "scales", "segment", "strength", "threads"}  # may be None
_RANGES: dict[str, tuple[type, float, float]] = {
    "content_weight": (float, 0, 1e12),  # float32 holds a loss that is so much larger
    "style_weight": (float, 0, 1e12),
    "tv_weight": (float, 0, 1e12),
    "strength": (float, 0, 100),
    "init_blend": (float, 0, 1),
    "size": (int, 16, 20_000),
    "iterations": (int, 1, 1_000_000),
    "coarse_iterations": (int, 1, 1_000_000),
    "first_size": (int, 16, 20_000),
    "deep_size": (int, 16, 20_000),
    "scales": (int, 1, 12),
    "seed": (int, 0, 2**63 - 1),
    "segment": (int, 1, 1_000_000),
    "threads": (int, 1, 1024),
}
CHOICES = {
    "pooling": ("max", "average"),
    "loss": ("wasserstein", "relative", "gatys2016"),
    "border": ("zero", "replicate", "reflect", "wrap"),
    "style_frame": ("crop", "keep"),
    "preserve_color": ("off", "luminance", "match", "histogram"),
}

# Recipes for whole runs; `--preset` and `stylize(preset=...)`. Other settings override them.
PRESETS: dict[str, dict[str, Any]] = {
    "draft": {"size": 256, "iterations": 6, "coarse_iterations": 15},
    "default": {},
    "fine": {"iterations": 60, "coarse_iterations": 60, "deep_size": 20_000},
    "gram": {"loss": "relative", "style_weight": 16.0},
    # Gatys, Ecker and Bethge 2016, section 3: equations 1 and 4, w_l = 1/5 (equation 5), alpha/beta
    # = 1e-3 (equation 7, figure 3), average pooling, L-BFGS, from noise, at one size.
    "gatys2016": {
        "loss": "gatys2016",
        "content_weight": 1e-3,
        "style_weight": 1.0,
        "tv_weight": 0.0,
        "style_layers": {f"relu{block}_1": 1.0 for block in range(1, 6)},
        "content_layers": {"relu4_2": 1.0},
        "pooling": "average",
        "style_frame": "keep",
        "init": "noise",
        "scales": 1,
        "iterations": 300,
    },
}

RECONSTRUCTION: dict[str, Any] = {
    "init": "noise",
    "tv_weight": 0.1,
    "scales": 1,
    "iterations": 60,
}


def _plain(value: Any) -> Any:
    """A value in Python's own types, as JSON has them; what makes no sense is left to `check`."""
    if hasattr(value, "tolist"):  # of NumPy
        value = value.tolist()
    if isinstance(value, Mapping):
        return _Layers({_plain(name): _plain(item) for name, item in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(_plain(item) for item in value)
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, (bool, int, float)) or not isinstance(value, numbers.Real):
        return value
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _check_number(name: str, value: object, kind: type, low: float, high: float) -> None:
    if kind is int:
        valid = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        expected = f"a whole number from {low} to {high}"
    else:
        valid = _is_number(value) and low <= value <= high  # type: ignore[operator]
        expected = f"between {low} and {high:g}"
    if not valid:
        raise UsageError(f"{name} must be {expected}, not {value!r}")


def check_weights(name: str, weights: Iterable[float]) -> None:
    """Raise UsageError unless `weights` are numbers from 0 up and not all 0."""
    values = list(weights)
    if not all(_is_number(value) and 0 <= value < math.inf for value in values):
        raise UsageError(f"{name} must be numbers from 0 up, not {values}")
    if sum(values) == 0:  # also where there are none
        raise UsageError(f"{name} cannot all be 0")


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
