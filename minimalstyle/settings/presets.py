"""Settings that go together."""

from typing import Any

__all__ = ["PRESETS", "RECONSTRUCTION"]

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

# What `reconstruct` has in place of the defaults.
RECONSTRUCTION: dict[str, Any] = {
    "init": "noise",
    "tv_weight": 0.1,
    "scales": 1,
    "iterations": 60,
}
