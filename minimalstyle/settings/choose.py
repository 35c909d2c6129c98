"""The settings of a run from what was asked for: a preset, a recipe, single ones."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import UsageError
from .settings import PRESETS, RECONSTRUCTION, SETTINGS, Settings

__all__ = ["choose", "reconstruct_settings", "texture_settings"]


def choose(preset: str, given: Mapping[str, Any], settings: Settings | None = None) -> Settings:
    """The settings of a preset, or others, with those given in their place, checked."""
    if preset not in PRESETS:
        raise UsageError(f"there is no preset {preset!r}; there are {', '.join(PRESETS)}")
    unknown = given.keys() - SETTINGS
    if unknown:
        raise UsageError(f"there is no setting {min(unknown)!r}")
    if settings is None:
        settings = Settings(**PRESETS[preset])
    elif not isinstance(settings, Settings):
        raise UsageError(f"settings must be an object of Settings, not {settings!r}")
    elif preset != "default":
        raise UsageError("preset and settings: give one of them")
    chosen = replace(settings, **given)
    chosen.check()
    return chosen


def texture_settings(given: dict[str, Any], seamless: bool) -> dict[str, Any]:
    """The settings of a texture: no content, from noise."""
    border = {"border": "wrap"} if seamless else {}
    return {"init": "noise", **given, "content_weight": 0.0, **border}


def reconstruct_settings(given: dict[str, Any], layer: str) -> dict[str, Any]:
    """The settings of a reconstruction: one content layer, no style, from noise."""
    return {
        **RECONSTRUCTION,
        **given,
        "style_weight": 0.0,
        "content_layers": {layer: 1.0},
    }
