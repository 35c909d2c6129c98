"""Neural style transfer by hand: a NumPy and Numba engine with ONNX weights.

`stylize` paints a picture, `texture` and `reconstruct` do half of it, `load_network` gives a
network's features, `Objective` is the loss with its gradient, `gradcheck` compares a gradient with
finite differences.
"""

from . import early as early  # first: what Ctrl-C meets from here on is ours

# isort: split
from typing import TYPE_CHECKING, Any

from .errors import (
    CheckpointError,
    ImageError,
    MinimalstyleError,
    MinimalstyleWarning,
    OutputError,
    StoppedError,
    UsageError,
    WeightsError,
)
from .gradcheck import gradcheck
from .settings import Settings

if TYPE_CHECKING:
    from .events import Iterate
    from .method import Result, reconstruct, stylize, texture
    from .network import Network, load_network
    from .objective import Objective

__version__ = "0.2.0"

__all__ = [
    "CheckpointError",
    "ImageError",
    "Iterate",
    "MinimalstyleError",
    "MinimalstyleWarning",
    "Network",
    "Objective",
    "OutputError",
    "Result",
    "Settings",
    "StoppedError",
    "UsageError",
    "WeightsError",
    "gradcheck",
    "load_network",
    "reconstruct",
    "stylize",
    "texture",
]

# Imported at their first use: Numba, ONNX and SciPy take longer than `--help` may.
_HOMES = {
    "Iterate": "events",
    "Network": "network",
    "Objective": "objective",
    "Result": "method",
    "load_network": "network",
    "reconstruct": "method",
    "stylize": "method",
    "texture": "method",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{_HOMES[name]}", __name__)
    return getattr(module, name)
