"""A run from files to files, as the command line asks for it: plan, run, save."""

import argparse
import json
import os
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from . import __version__, checkpoint, images, method, plan, recipe, sheets
from .errors import MinimalstyleWarning, OutputError, UsageError
from .events import Iterate
from .files import beside, check_target, free
from .method import Result
from .network.network import Network, load_network
from .outputs import Outputs

__all__ = ["Film", "Job", "save"]

_FRAME = 320  # longer side of a frame of a film


class Job:
    """Pictures and network loaded, settings settled.

    Call it with a callback for `stylize` to get the `Result`.
    """

    def __init__(
        self, args: argparse.Namespace, settings: dict[str, Any], note: Callable[[str], None]
    ) -> None:
        self.args, self.given, self.note = args, dict(settings), note
        self.masked = bool(getattr(args, "content_mask", ()))
        self.pace: plan.Pace | None = None
        self.network: Network = load_network(args.weights, threads=settings.get("threads"))
        self.styles = [images.load(one) for one in args.styles]
        if args.command == "texture":
            self.given = method.texture_settings(self.given, args.seamless)
            self.content = images.Picture(method.blank_content(self._chosen().size))
        else:
            self.content = images.load(args.content)
        if args.command == "reconstruct":
            self.given = method.reconstruct_settings(self.given, args.layer)
        if args.resume is not None:
            self._settle_as_before()
        self._fit()

    def _chosen(self) -> method.Settings:
        return method.choose(self.args.preset, self.given)

    def _settle_as_before(self) -> None:
        """Size and iterations that memory and time settled when the run began."""
        facts, _ = checkpoint.read(self.args.resume)
        made = facts.get("settings")
        for option, name in (("auto", "size"), ("time", "iterations")):
            if getattr(self.args, option) and isinstance(made, dict) and name in made:
                self.given[name] = made[name]
                setattr(self.args, option, None)

    def _fit(self) -> None:
        """Settle size and iterations by memory and time."""
        args = self.args
        free = plan.available_memory()
        available = None if free is None else free + (plan.resident_memory() or 0)
        if args.auto:
            if available is None:
                raise UsageError("--size auto: the memory of this system is not known; give pixels")
            largest = self._largest(int(0.95 * available))  # others take and give meanwhile
            if not self._chosen().enlarge:
                largest = min(largest, max(self.content.rgb.shape[:2]))
            self.given["size"] = largest
            self.note(f"size {largest}")
        if available is not None and not args.plan:
            needed = self._memory()
            if needed > available:
                fits = self._largest(available)
                hint = f"--size {fits} fits" if fits else "no size fits"
                raise UsageError(
                    f"this run needs about {needed / 1e9:.1f} GB of memory, and there are "
                    f"{available / 1e9:.1f}; {hint}"
                )
        if args.time is not None:
            sizes, styles = self._sizes()
            self.pace = plan.measure_pace(self.network, self._chosen())
            count, fits_time = plan.iterations_for(
                args.time, self.network, sizes, styles, self._chosen(), pace=self.pace
            )
            self.given["iterations"] = count
            text = f"{count} iterations fit into the time"
            self.note(text if fits_time else "not even one iteration fits into the time; one it is")

    def _memory(self) -> int:
        return plan.memory_estimate(
            self.network,
            *self._sizes(),
            self._chosen(),
            loaded_pixels=self._loaded(),
            masked=self.masked,
        )

    def _largest(self, available: int) -> int:
        shapes = [(one.rgb.shape[1], one.rgb.shape[0]) for one in (self.content, *self.styles)]
        chosen = self._chosen()
        return plan.largest_size(
            self.network, shapes[0], shapes[1:], available, chosen, masked=self.masked
        )

    def _loaded(self) -> int:
        return sum(one.rgb[..., 0].size for one in (self.content, *self.styles))

    def _sizes(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Sizes of the scales, and of the styles at the last."""
        chosen = self._chosen()
        sizes = method.scales(self.content.rgb, chosen)
        factors = chosen.style_scales * len(self.styles)
        styles = [
            images.fit(one.rgb.shape[1], one.rgb.shape[0], round(factor * max(sizes[-1])))
            for one, factor in zip(self.styles, factors, strict=False)
        ]
        return sizes, styles

    def check_space(self, output: Path, checkpoint: Path | None) -> None:
        """Raise OutputError where the picture, or two checkpoints, would find the disk full."""
        width, height = self._sizes()[0][-1]
        channels = 3 if self.content.alpha is None else 4
        # Deflate may add a little; a recipe and a profile have some kilobytes.
        picture = width * height * channels * self.args.bits // 8 * 101 // 100 + 65536
        if checkpoint is not None:
            state = 2 * 24 * width * height + 65536  # the old one and the new one
            if os.stat(output.parent).st_dev == os.stat(checkpoint.parent).st_dev:
                picture += state
            else:
                check_target(checkpoint, state)
        check_target(output, picture)

    def plan(self) -> str:
        """What the run needs, in a few lines."""
        sizes, styles = self._sizes()
        method.note_size(sizes, self._chosen(), self.note)
        made = plan.make(
            self.network,
            sizes,
            styles,
            self._chosen(),
            loaded_pixels=self._loaded(),
            masked=self.masked,
            pace=self.pace,
        )
        return plan.describe(made)

    def __call__(self, callback: Callable[[Iterate], object]) -> Result:
        from . import stylize

        args = self.args
        self._compare_with_recipe()
        return stylize(
            self.content,
            self.styles,
            content_mask=getattr(args, "content_mask", ()),
            style_mask=getattr(args, "style_mask", ()),
            preset=args.preset,
            weights=self.network,
            callback=callback,
            on_note=self.note,
            checkpoint=args.checkpoint or args.resume,
            resume=args.resume,
            checkpoint_every=args.checkpoint_every,
            **self.given,
        )

    def _compare_with_recipe(self) -> None:
        """Say what is not as it was for the picture of `--like`, before time is spent on it."""
        args = self.args
        if args.like is None:
            return
        masks = [*getattr(args, "content_mask", ()), *getattr(args, "style_mask", ())]
        init = self._chosen().start_picture
        lines = recipe.check_inputs(
            recipe.read(args.like),
            self.content.sha256,
            [one.sha256 for one in self.styles],
            self.network.vgg.sha256,
            masks=[images.load_mask(one).sha256 for one in masks],
            init=None if init is None else images.load(init).sha256,
        )
        for line in lines:
            if line.startswith(("masks:", "init:")):  # missing: the picture will be another one
                warnings.warn(f"--like: {line}", MinimalstyleWarning, stacklevel=2)
            else:
                self.note(f"--like: {line}")


class Film:
    """Every so many iterations a picture, and in the end a GIF of them.

    Parameters
    ----------
    output : path
        Frames are saved beside it, with a number.
    every : int
        Iterations between two of them.
    force : bool
        Overwrite existing files.
    outputs : Outputs
        What the run has written before.
    """

    def __init__(self, output: Path, every: int, force: bool, outputs: Outputs) -> None:
        self.output, self.every, self.force, self.outputs = output, every, force, outputs
        self.count = 0
        self._warned = False
        self.frames: list[Image.Image] = []  # small, for there may be many

    def add(self, event: Iterate) -> None:
        """Keep the picture of an iterate whose turn it is."""
        self.count += 1
        if self.count % self.every:
            return
        picture = event.image()
        try:
            frame = beside(self.output, f"{self.count:04}")
            images.save(frame if self.force else free(frame), picture)
        except OutputError as error:
            if not self._warned:
                message = f"the run goes on without pictures of it: {error}"
                warnings.warn(message, MinimalstyleWarning, stacklevel=2)
            self._warned = True
        height, width = picture.shape[:2]
        size = images.fit(width, height, min(_FRAME, max(height, width)))
        self.frames.append(Image.fromarray(picture).resize(size))

    def save(self) -> None:
        """The GIF, in the size of the last frame."""
        if not self.frames:
            return
        first, *others = [one.resize(self.frames[-1].size) for one in self.frames]
        buffer = BytesIO()
        first.save(buffer, "GIF", save_all=True, append_images=others, duration=120, loop=0)
        path = self.output.with_suffix(".gif")
        path = path if self.force else free(path, self.outputs.owns)
        self.outputs.write(path, buffer.getvalue())


def save(
    run: Job, output: Path, result: Result, film: Film | None
) -> tuple[Path, list[OutputError]]:
    """Write the picture and all that was asked for beside it.

    Returns
    -------
    path
        Where the picture is: elsewhere if it cannot be where it should.
    list of OutputError
        What could not be written.

    Raises
    ------
    OutputError
        If the picture cannot be written anywhere.
    """
    args, outputs = run.args, run.args.outputs
    output, errors = _save_picture(run, output, result)

    def write(path: Path, picture: np.ndarray) -> None:
        path = _at(path, args)
        outputs.write(path, images.encode(path, picture))

    steps: list[Callable[[], None]] = []
    if args.report is not None:
        facts = {"version": __version__, "output": str(output), **result.report}
        text = (json.dumps(facts, indent=2) + "\n").encode()
        steps.append(lambda: outputs.write(args.report, text))
    if args.compare:
        content = [] if args.content is None else [("content", run.content.rgb)]
        named = [*content, *(("style", one.rgb) for one in run.styles), ("result", result.image)]
        labels, pictures = zip(*named, strict=True)
        sheet = sheets.side_by_side(pictures, labels)
        steps.append(lambda: write(beside(output, "compare"), sheet))
    if getattr(args, "seamless", False):
        steps.append(lambda: write(beside(output, "2x2"), np.tile(result.image, (2, 2, 1))))
    if film is not None:
        steps.append(film.save)
    for step in steps:
        try:
            step()
        except OutputError as error:
            errors.append(error)
    return output, errors


def _save_picture(run: Job, output: Path, result: Result) -> tuple[Path, list[OutputError]]:
    """Where it should be; else here, at home, or among temporary files."""
    args = run.args

    def write(path: Path) -> Path:
        data = result.encode(path, bits=args.bits, metadata=not args.no_metadata)
        args.outputs.write(path, data)
        return path

    try:
        # Another run may have written it in the meantime.
        return write(_at(output, args)), []
    except OutputError as error:
        for folder in (Path.cwd, Path.home, lambda: Path(tempfile.gettempdir())):
            for suffix in dict.fromkeys((output.suffix, ".png")):
                with suppress(OSError, RuntimeError):
                    return write(free(folder() / output.with_suffix(suffix).name)), [error]
        raise


def _at(path: Path, args: argparse.Namespace) -> Path:
    return path if args.force else free(path, args.outputs.owns)
