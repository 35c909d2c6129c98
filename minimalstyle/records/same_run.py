"""Whether a checkpoint belongs to a run, and if not, why."""

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import CheckpointError
from ..settings.setting import option
from ..settings.settings import OF_THE_MACHINE
from .checkpoint import plain_json

__all__ = ["check_same_run"]


def check_same_run(
    facts: Mapping[str, Any], expected: Mapping[str, Any], path: str | os.PathLike[str]
) -> None:
    """Raise CheckpointError unless a checkpoint belongs to the run that is to go on.

    Parameters
    ----------
    facts : mapping
        Of the checkpoint, as `checkpoint.read` gives them.
    expected : mapping
        What this run has in their place: "inputs" ("content", "styles" and others, each the
        SHA-256 of a picture or a list of them), "weights", "settings", "sizes" ((width, height)
        of each scale), "version" of the program; whatever else is in it must be equal, too.
        The number of threads may differ.
    path : path-like
        Of the checkpoint, for the message.
    """
    ours = json.loads(plain_json(expected))  # lists for tuples, as in a file
    order = [*_DIFFERENCES, *(name for name in ours if name not in _DIFFERENCES)]
    for name in order:
        if name in ours and facts.get(name) != ours[name]:
            describe = _DIFFERENCES.get(name, lambda *_, name=name: f"made with another {name}")
            difference = describe(facts.get(name), ours[name])
            if difference:
                hint = "name another checkpoint, or delete this one to start anew"
                raise CheckpointError(f"{path}: {difference}; {hint}")


def _other_input(theirs: Any, ours: dict[str, Any]) -> str | None:
    theirs = _mapping(theirs)
    for name in {**ours, **theirs}:
        a, b = theirs.get(name), ours.get(name)
        if a == b:
            continue
        what = f"{name.removesuffix('s')} picture"
        if not isinstance(a, list) or not isinstance(b, list):
            return f"of another {what}"
        if len(a) != len(b):
            return f"of {len(a)} {what}(s), not {len(b)}"
        number = next(i for i in range(len(a)) if a[i] != b[i]) + 1
        return f"of another {what}" + (f" (number {number})" if len(a) > 1 else "")
    return None


def _other_setting(theirs: Any, ours: dict[str, Any]) -> str | None:
    theirs = _mapping(theirs)
    for name in {**ours, **theirs}:
        a, b = theirs.get(name), ours.get(name)
        if a == b or name in OF_THE_MACHINE:  # no effect on the result: they may differ
            continue
        if a is None or a is False:
            return f"made without {option(name)}"
        if a is True:
            return f"made with {option(name)}"
        return f"made with {option(name)} {_text(a)}, not {'without' if b is None else _text(b)}"
    return None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    """A value as one would give it to an option."""
    if isinstance(value, dict):
        return ",".join(f"{key}={_text(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ",".join(_text(item) for item in value)
    return f"{value:.12g}" if isinstance(value, float) else str(value)


# In this order, the most telling first: what to say of a difference.
_DIFFERENCES: dict[str, Callable[[Any, Any], str | None]] = {
    "inputs": _other_input,
    "weights": lambda *_: "made with another weights file",
    "settings": _other_setting,
    "sizes": lambda theirs, ours: f"made at the sizes {theirs}, not {ours}",
    "version": lambda theirs, ours: f"made by minimalstyle {theirs}, not {ours}",
}
