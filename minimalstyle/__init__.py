"""Neural style transfer by hand: a NumPy and Numba engine with ONNX weights.

`stylize` paints a picture, `texture` and `reconstruct` do half of it, `load_network` gives a
network's features, `Objective` is the loss with its gradient, `gradcheck` compares a gradient with
finite differences.
"""

from . import early as early  # first: what Ctrl-C meets from here on is ours

# isort: split
from typing import TYPE_CHECKING

from . import gallery
from .batch import batch
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

if TYPE_CHECKING:
    from .batch.painter import Outcome
    from .loss.objective import Objective
    from .network.network import Network, load_network
    from .painting.events import Iterate
    from .painting.functions import paint, reconstruct, stylize, texture
    from .painting.job import Job
    from .painting.result import Result
    from .settings.keywords import SettingsDict
    from .settings.settings import Settings

__version__ = "0.2.0"

__all__ = [
    "CheckpointError",
    "ImageError",
    "Iterate",
    "Job",
    "MinimalstyleError",
    "MinimalstyleWarning",
    "Network",
    "Objective",
    "Outcome",
    "OutputError",
    "Result",
    "Settings",
    "SettingsDict",
    "StoppedError",
    "UsageError",
    "WeightsError",
    "batch",
    "gallery",
    "gradcheck",
    "load_network",
    "paint",
    "reconstruct",
    "stylize",
    "texture",
]

# Imported at their first use: Numba, ONNX and SciPy take longer than `--help` may.
_HOMES = {
    "Iterate": "painting.events",
    "Network": "network.network",
    "Objective": "loss.objective",
    "Job": "painting.job",
    "Outcome": "batch.painter",
    "Result": "painting.result",
    "Settings": "settings.settings",
    "SettingsDict": "settings.keywords",
    "load_network": "network.network",
    "paint": "painting.functions",
    "reconstruct": "painting.functions",
    "stylize": "painting.functions",
    "texture": "painting.functions",
}


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # which would take any name for one that there is

    def __getattr__(name):
        from importlib import import_module

        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = import_module(f".{_HOMES[name]}", __name__)
        return getattr(module, name)
