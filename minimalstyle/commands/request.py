"""What was asked for, settled: from arguments to final settings, files and a job."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..settings.choose import choose, reconstruct_settings, texture_settings
from ..settings.settings import SETTINGS, Settings

if TYPE_CHECKING:
    from ..painting.job import Job
    from ..settings.setting import Command

__all__ = ["Request", "request"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call of the command line.

    Attributes
    ----------
    command : {"stylize", "texture", "reconstruct"}
    content : str or None
    styles, content_masks, style_masks : tuple of str
    settings : Settings
    auto : bool
        Take the largest size that memory has room for.
    full : bool
        Take the size of the content.
    time : float or None
        Take as many iterations as so many seconds allow.
    weights, checkpoint, resume : Path or None
    checkpoint_every : float
    output : Path or None
        None for a name made from those of the pictures.
    force, metadata, compare, seamless, plan, quiet, debug : bool
    bits : int
    save_every : int or None
    report : Path or None
    like : dict or None
        The recipe of a picture made before.
    """

    command: Command
    content: str | None
    styles: tuple[str, ...]
    content_masks: tuple[str, ...]
    style_masks: tuple[str, ...]
    settings: Settings
    auto: bool
    full: bool
    time: float | None
    weights: Path | None
    checkpoint: Path | None
    resume: Path | None
    checkpoint_every: float
    output: Path | None
    force: bool
    bits: int
    metadata: bool
    compare: bool
    seamless: bool
    save_every: int | None
    report: Path | None
    like: dict[str, Any] | None
    plan: bool
    quiet: bool
    debug: bool

    @property
    def others(self) -> list[str]:
        """Pictures that are read besides the styles."""
        content = [] if self.content is None else [self.content]
        start = self.settings.start_picture
        init = [] if start is None else [start]
        return [*content, *self.content_masks, *self.style_masks, *init]

    def job(self) -> Job:
        """What is to be painted."""
        from ..painting.job import Job

        return Job(
            content=self.content,
            styles=self.styles,
            content_masks=self.content_masks,
            style_masks=self.style_masks,
            settings=self.settings,
            weights=self.weights,
            checkpoint=self.checkpoint,
            resume=self.resume,
            checkpoint_every=self.checkpoint_every,
        )

    def going_on(self) -> Request:
        """The same with the size and iterations that were settled when the run began."""
        if self.resume is None or not (self.auto or self.time):
            return self
        from ..records import checkpoint

        facts, _ = checkpoint.read(self.resume)
        made = facts.get("settings")
        changes: dict[str, Any] = {}
        if isinstance(made, dict) and self.auto and "size" in made:
            changes["size"] = made["size"]
        if isinstance(made, dict) and self.time and "iterations" in made:
            changes["iterations"] = made["iterations"]
        settings = replace(self.settings, **changes)
        settings.check()
        return replace(
            self,
            settings=settings,
            auto=self.auto and "size" not in changes,
            time=None if "iterations" in changes else self.time,
        )


def request(args: argparse.Namespace) -> Request:
    """Settle the arguments.

    Raises
    ------
    UsageError
        For options that make no sense, or contradict each other.
    ImageError
        For a picture of `--like` without a recipe.
    """
    made = None if args.like is None else _recipe(args)
    given = _given(args, made)
    auto, full = (given.get("size") == word for word in ("auto", "full"))
    if auto or full:
        del given["size"]
    if full and args.command == "texture":
        raise UsageError("full is the size of CONTENT, which a texture has not", setting="size")
    seamless = getattr(args, "seamless", False)
    preset = args.preset or "default"
    if args.command == "texture":
        given = texture_settings(given, seamless)
    elif args.command == "reconstruct":
        given = reconstruct_settings(given, args.layer)
    chosen = choose(preset, given)
    blend, styles = chosen.style_blend, len(args.styles)
    if blend is not None and len(blend) != styles:
        message = f"has {len(blend)} weights for {styles} STYLE pictures"
        raise UsageError(message, setting="style_blend")
    if args.save_every is not None and args.save_every < 1:
        raise UsageError(f"--save-every must be a whole number from 1 up, not {args.save_every}")
    return Request(
        command=args.command,
        content=args.content,
        styles=tuple(args.styles),
        content_masks=tuple(getattr(args, "content_mask", ())),
        style_masks=tuple(getattr(args, "style_mask", ())),
        settings=chosen,
        auto=auto,
        full=full,
        weights=None if args.weights is None else Path(args.weights),
        like=made,
        metadata=not args.no_metadata,
        seamless=seamless,
        **{name: getattr(args, name) for name in _AS_THEY_ARE},
    )


_AS_THEY_ARE = (
    "bits",
    "checkpoint",
    "checkpoint_every",
    "compare",
    "debug",
    "force",
    "output",
    "plan",
    "quiet",
    "report",
    "resume",
    "save_every",
    "time",
)


def _given(args: argparse.Namespace, made: dict[str, Any] | None) -> dict[str, Any]:
    """The settings among the options, and those of a recipe."""
    given = {name: getattr(args, name) for name in SETTINGS if hasattr(args, name)}
    if made is not None:
        given = {**_settings_of(made, args.like), **given}
    if getattr(args, "seamless", False) and getattr(args, "border", "wrap") != "wrap":
        raise UsageError("--seamless and --border: what tiles has --border wrap; give one of them")
    if args.time is not None and hasattr(args, "iterations"):
        raise UsageError("--iterations and --time: give one of them")
    return given


def _recipe(args: argparse.Namespace) -> dict[str, Any]:
    """That of `--like`, if it is one of the same command."""
    from ..records import recipe

    if args.preset is not None:
        raise UsageError("--preset and --like: a recipe has all settings; give one of them")
    made = recipe.read(args.like)
    command = recipe.command_of(made)
    if command != args.command:
        names = {"stylize": "minimalstyle CONTENT STYLE"}
        right = names.get(command, f"minimalstyle {command}")
        raise UsageError(f"--like {args.like}: is the result of another command, {right}")
    return made


def _settings_of(made: dict[str, Any], path: Path) -> dict[str, Any]:
    from ..records import recipe

    try:
        return recipe.settings_of(made)
    except ValueError as error:
        raise UsageError(f"--like {path}: {error}") from None
