"""A painting with its moments at each size, in one file: a style that need not be measured again.

The form is that of a checkpoint, with its checksum; nothing in it is ever executed. The painting is
in it, so that it can be used wherever a painting can; moments for other sizes are measured.
"""

import os
from collections.abc import Mapping
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import CheckpointError, ImageError
from ..network.evaluation import Moments
from . import checkpoint

__all__ = ["Style", "digest_of", "is_style", "read", "write"]


class Style(NamedTuple):
    """A style as it is kept.

    Attributes
    ----------
    painting : bytes
        Of the picture's file.
    moments : dict
        As in `KeptMoments.found`.
    facts : dict
        "weights" (SHA-256), "settings", "sizes" of the painting, "version".
    """

    painting: bytes
    moments: dict[str, dict[str, Moments]]
    facts: dict[str, Any]


def write(path: str | os.PathLike[str], style: Style) -> None:
    """Write a style, all of it or nothing; OutputError if it cannot be written."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "painting": np.frombuffer(style.painting + bytes(-len(style.painting) % 4), "<i4")
    }
    positions = {}
    for key, layers in style.moments.items():
        if not all(np.array_equal(one.second, one.second.T) for one in layers.values()):
            continue  # half of it would not be all of it
        positions[key] = {name: one.positions for name, one in layers.items()}
        for name, one in layers.items():
            arrays[f"{key} {name} mean"] = one.mean
            arrays[f"{key} {name} second"] = one.second[np.triu_indices(len(one.mean))]
    facts = {
        **style.facts,
        "kind": "style",
        "bytes": len(style.painting),
        "sha256": sha256(style.painting).hexdigest(),
        "moments": positions,
    }
    checkpoint.write(path, facts, arrays)


def is_style(source: object) -> bool:
    """Whether a source of a picture is the path of a kept style."""
    if not isinstance(source, (str, os.PathLike)):
        return False
    try:
        with open(source, "rb") as file:
            return file.read(len(checkpoint.MAGIC)) == checkpoint.MAGIC
    except (OSError, ValueError):
        return False


def read(path: str | os.PathLike[str]) -> Style:
    """Read a style.

    Raises
    ------
    ImageError
        For a file that is damaged, or a checkpoint of something else.
    """
    try:
        facts, arrays = checkpoint.read(path)
    except CheckpointError as error:
        hint = "; delete it to start anew"
        raise ImageError(str(error).removesuffix(hint)) from error
    if facts.get("kind") != "style":
        raise ImageError(f"{path}: is a checkpoint, and no style")
    try:
        painting = arrays["painting"].tobytes()[: facts["bytes"]]
        if sha256(painting).hexdigest() != facts["sha256"]:
            raise ValueError
        moments = {
            key: {name: _moments(arrays, f"{key} {name}", count) for name, count in layers.items()}
            for key, layers in facts["moments"].items()
        }
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ImageError(f"{path}: is not a style that minimalstyle wrote") from error
    return Style(painting, moments, facts)


def _moments(arrays: Mapping[str, npt.NDArray[Any]], name: str, positions: Any) -> Moments:
    """With the whole matrix from its upper half; ValueError for what no painting has."""
    mean, upper = arrays[f"{name} mean"], arrays[f"{name} second"]
    channels = len(mean)
    second = np.zeros((channels, channels), np.float32)
    second[np.triu_indices(channels)] = upper
    second = np.maximum(second, second.T)  # of a matrix without negative values
    right = mean.shape == (channels,) and upper.ndim == 1 and mean.dtype == upper.dtype == "<f4"
    if not right or not float(positions) > 0 or upper.min() < 0 or mean.min() < 0:
        raise ValueError
    if not (np.isfinite(mean).all() and np.isfinite(upper).all()):
        raise ValueError
    return Moments(mean, second, float(positions))


def digest_of(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a picture's file; of a style, that of its painting."""
    if is_style(path):
        for facts, _ in checkpoint.skim(path):
            return str(facts.get("sha256"))
    with Path(path).open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
