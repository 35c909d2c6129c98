"""All settings of a run with their defaults: the one place where a default stands."""

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .errors import UsageError

__all__ = ["Settings", "check_weights"]


def _content_layers() -> dict[str, float]:
    return {"relu4_2": 1.0}


def _style_layers() -> dict[str, float]:
    return {"relu1_1": 4.0, "relu2_1": 4.0, "relu3_1": 3.0, "relu4_1": 2.0, "relu5_1": 1.0}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that decides the picture, besides the pictures and the weights.

    Attributes
    ----------
    size : int
        Longer side of the result in pixels.
    enlarge : bool
        Allow a result larger than the content picture.
    iterations : int
        L-BFGS-B iterations at each scale.
    content_weight, style_weight, tv_weight : float
        alpha, beta and gamma of `L = alpha L_content + beta L_style + gamma L_tv`.
    style_scale : float
        Size of the style's strokes: longer side of the style picture over that of the result.
    style_blend : tuple of float or None
        Weight of each style picture; equal when None.
    content_layers, style_layers : mapping of layer name to weight
        Weights are divided by their sum.
    pooling : {"max", "average", None}
        Instead of what the weights file says, unless None. Gatys et al. found averages to give
        better pictures.
    init : str
        "content", "noise", or the path of a picture to start from.
    seed : int
        Of the noise.
    threads : int or None
        Threads of the engine; all cores when None. The result does not depend on it.
    """

    size: int = 512
    enlarge: bool = False
    iterations: int = 60
    content_weight: float = 1.0
    style_weight: float = 20.0
    tv_weight: float = 2.0
    style_scale: float = 1.0
    style_blend: tuple[float, ...] | None = None
    content_layers: Mapping[str, float] = field(default_factory=_content_layers)
    style_layers: Mapping[str, float] = field(default_factory=_style_layers)
    pooling: Literal["max", "average"] | None = "average"
    init: str = "content"
    seed: int = 0
    threads: int | None = None

    def check(self) -> None:
        """Raise UsageError for the first setting that makes no sense."""
        for name in ("content_weight", "style_weight", "tv_weight"):
            value = getattr(self, name)
            if not _is_number(value) or not 0 <= value < math.inf:
                raise UsageError(f"{name} must be a number from 0 up, not {value!r}")
        if self.content_weight == 0 and self.style_weight == 0:
            raise UsageError("content_weight and style_weight cannot both be 0")
        for name, smallest, largest in (
            ("size", 16, 20_000),
            ("iterations", 1, 1_000_000),
            ("seed", 0, 2**63 - 1),
            ("threads", 1, 1024),
        ):
            value = getattr(self, name)
            if name == "threads" and value is None:
                continue
            if not isinstance(value, int) or not smallest <= value <= largest:
                raise UsageError(
                    f"{name} must be a whole number from {smallest} to {largest}, not {value!r}"
                )
        if not _is_number(self.style_scale) or not 0.1 <= self.style_scale <= 10:
            raise UsageError(f"style_scale must be between 0.1 and 10, not {self.style_scale!r}")
        if self.pooling not in (None, "max", "average"):
            raise UsageError(f"pooling must be max or average, not {self.pooling!r}")
        if self.style_blend is not None:
            check_weights("style_blend", self.style_blend)
        for name in ("content_layers", "style_layers"):
            layers = getattr(self, name)
            if not isinstance(layers, Mapping):
                raise UsageError(f"{name} must map layer names to weights, not {layers!r}")
            check_weights(name, layers.values())
        if not isinstance(self.init, (str, os.PathLike)):
            raise UsageError(f"init must be content, noise or a path, not {self.init!r}")


def check_weights(name: str, weights: Iterable[float]) -> None:
    """Raise UsageError unless `weights` are numbers from 0 up and not all 0."""
    values = list(weights)
    if not all(_is_number(value) and 0 <= value < math.inf for value in values):
        raise UsageError(f"{name} must be numbers from 0 up, not {values}")
    if sum(values) == 0:  # also where there are none
        raise UsageError(f"{name} cannot all be 0")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
