"""Runs as functions: `stylize`, and half of it, `texture` and `reconstruct`; `paint` a job."""

import builtins
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Unpack

from ..errors import UsageError
from ..network.network import Network
from ..pictures import images
from ..settings.choose import choose, reconstruct_settings, texture_settings
from ..settings.keywords import SettingsDict
from ..settings.settings import EVERY, RECONSTRUCTION, SETTINGS, Settings
from ..settings.signature import listing_settings
from . import method
from .events import Iterate
from .job import Job
from .prepare import prepare
from .result import Result

__all__ = ["paint", "reconstruct", "stylize", "texture"]


def paint(
    job: Job,
    callback: Callable[[Iterate], object] = lambda _: None,
    *,
    network: Network | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Result:
    """Paint a job.

    Parameters
    ----------
    job : Job
    callback : callable, optional
        Called with an `Iterate` after every iteration; the run stops early, and keeps its
        picture, when it returns "stop". Whatever else it returns, the run goes on.
    network : Network, optional
        One that is loaded already, in place of the job's weights.
    on_note : callable, optional
        Called with lines such as "compiling kernels ..."; by default they are printed to stderr in
        a notebook or IPython, and nowhere else.

    Returns
    -------
    Result

    Raises
    ------
    UsageError, ImageError, WeightsError, CheckpointError
        As `stylize`.
    """
    run = prepare(job, network=network, note=on_note or _default_note)
    return method.paint(run, callback)


@listing_settings()
def stylize(
    content: images.Source | images.Picture | None,
    style: images.Source | images.Picture | Sequence[images.Source | images.Picture],
    *,
    content_mask: images.Source | Sequence[images.Source] = (),
    style_mask: images.Source | Sequence[images.Source] = (),
    preset: str = "default",
    weights: str | os.PathLike[str] | Network | None = None,
    callback: Callable[[Iterate], object] = lambda _: None,
    on_note: Callable[[str], None] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    checkpoint_every: float = EVERY,
    settings: Settings | None = None,
    **changes: Unpack[SettingsDict],
) -> Result:
    """Paint the content of one picture in the style of another.

    Parameters
    ----------
    content : path, bytes, binary file, PIL image, array, Picture or None
        Arrays are (H, W), (H, W, 3) or (H, W, 4), uint8, uint16 or float in [0, 1]. None for a
        texture.
    style : the same, or a sequence of them
        Several styles are blended, or painted in a region each.
    content_mask, style_mask : the same, optional
        Regions of the content, and parts of the styles: see `regions`.
    preset : str, optional
        A recipe of `PRESETS`; settings override it.
    weights : path-like or Network, optional
        An ONNX file, or a network that is already loaded, with its own number of threads; the
        embedded VGG-19 by default.
    callback : callable, optional
        Called with an `Iterate` after every iteration; the run stops early, and keeps its
        picture, when it returns "stop". Whatever else it returns, the run goes on.
    on_note : callable, optional
        Called with lines such as "compiling kernels ..."; by default they are printed to stderr in
        a notebook or IPython, and nowhere else.
    checkpoint : path, optional
        Where to keep the state of the run.
    resume : path, optional
        A checkpoint of the same run, which goes on from there to the picture that it would have
        become without the stop, bit for bit.
    checkpoint_every : float, optional
        Seconds between two savings of that state; 0 for one after each evaluation. It is saved
        when a scale begins and every `segment` iterations as well.
    settings : Settings, optional
        In place of a preset.
    **changes
        Settings by name, in place of those of the preset or of `settings`.

    Returns
    -------
    Result

    Raises
    ------
    UsageError
        For a setting that makes no sense, or masks that do not fit.
    ImageError
        For a picture that cannot be used.
    WeightsError
        For a weights file that is not a VGG.
    CheckpointError
        For a checkpoint that is damaged, or of another run.

    Warns
    -----
    MinimalstyleWarning
        An error, such as too little memory, ended the run after it had painted something: the
        picture so far is returned, and the report says "failed" in "stopped", and the "error".
    """
    job = Job(
        content=content,
        styles=_as_tuple(style),
        content_masks=_as_tuple(content_mask),
        style_masks=_as_tuple(style_mask),
        settings=choose(preset, changes, settings),
        weights=None if isinstance(weights, Network) else weights,
        checkpoint=checkpoint,
        resume=resume,
        checkpoint_every=checkpoint_every,
    )
    network = weights if isinstance(weights, Network) else None
    return paint(job, callback, network=network, on_note=on_note)


class _Arguments(SettingsDict, total=False):
    """Of `stylize`, but for the pictures."""

    preset: str
    settings: Settings | None
    weights: str | os.PathLike[str] | Network | None
    callback: Callable[[Iterate], object]
    on_note: Callable[[str], None] | None
    checkpoint: str | os.PathLike[str] | None
    resume: str | os.PathLike[str] | None


@listing_settings(Settings(init="noise"), without={"content_weight", "content_layers"})
def texture(
    style: images.Source | Sequence[images.Source],
    *,
    seamless: bool = False,
    **arguments: Unpack[_Arguments],
) -> Result:
    """Only style: a texture like the style, square, from noise.

    Parameters
    ----------
    style : path, bytes, binary file, PIL image or array, or a sequence of them
    seamless : bool
        Make a picture that goes on at its other side, so that copies of it tile.
    **arguments
        As of `stylize`; `size` is the side. A `Settings` object counts where it differs from the
        default.

    Returns
    -------
    Result
    """
    given, others = _split(arguments)
    fixed = {"content_weight": 0, **({"border": "wrap"} if seamless else {})}
    _check_fixed("a seamless texture" if seamless else "a texture", fixed, given)
    given = texture_settings(given, seamless)
    return stylize(None, style, **others, **given)


@listing_settings(Settings(**RECONSTRUCTION), without={"style_weight", "content_layers"})
def reconstruct(content: images.Source, layer: str, **arguments: Unpack[_Arguments]) -> Result:
    """Only content: what the features of one layer know of a photograph, from noise.

    Parameters
    ----------
    content : path, bytes, binary file, PIL image or array
    layer : str
        Such as "relu4_2".
    **arguments
        As of `stylize`. A `Settings` object counts where it differs from the default.

    Returns
    -------
    Result
    """
    given, others = _split(arguments)
    _check_fixed("a reconstruction", {"style_weight": 0, "content_layers": {layer: 1}}, given)
    return stylize(content, [], **others, **reconstruct_settings(given, layer))


def _check_fixed(what: str, fixed: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    for name, value in fixed.items():
        if name in given and given[name] != value:
            message = f"is {value!r} for {what}; {given[name]!r} would have no effect"
            raise UsageError(message, setting=name)


def _split(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings among arguments, by name, and the others."""
    given = {name: arguments[name] for name in SETTINGS if name in arguments}
    others = {name: value for name, value in arguments.items() if name not in SETTINGS}
    settings = others.pop("settings", None)
    if settings is not None:
        whole = asdict(choose(others.get("preset", "default"), {}, settings))
        default = asdict(Settings())
        given = {**{name: whole[name] for name in whole if whole[name] != default[name]}, **given}
    return given, others


def _as_tuple(pictures: Any) -> tuple[Any, ...]:
    return tuple(pictures) if isinstance(pictures, (list, tuple)) else (pictures,)


def _default_note(note: str) -> None:
    if "get_ipython" in vars(builtins):  # IPython puts it there
        print(f"minimalstyle: {note}", file=sys.stderr)
