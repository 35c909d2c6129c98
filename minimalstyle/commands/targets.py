"""The files of a request, looked at before the work starts."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from .. import gallery
from ..errors import UsageError, WeightsError
from ..files import beside, check_file, check_target, shortened, unused
from ..pictures.images import check_writable
from ..records.outputs import Outputs

if TYPE_CHECKING:
    from ..painting.prepare import Prepared
    from .request import Request

__all__ = ["check_files", "check_space"]


def check_files(request: Request, outputs: Outputs) -> Path:
    """The path of the result.

    Raises
    ------
    UsageError
        For a file that would be overwritten, or has two purposes.
    ImageError, WeightsError, OutputError
        For a file that is not there, or a place that takes none.
    """
    start = request.settings.start_picture
    if start is not None and not os.path.exists(start):
        raise UsageError(f"--init {start}: give content, noise, style, or an existing picture")
    styles = [gallery.source(one) for one in request.styles]
    inputs = [Path(one) for one in (*request.others, *styles)]
    for path in inputs:
        check_file(path)
    if request.weights is not None:
        check_file(request.weights, WeightsError)
        inputs.append(request.weights)
    output = request.output or unused(_default_output(request), outputs.owns)
    check_writable(output, request.settings.size, request.bits)
    targets = [("--report", request.report), ("--checkpoint", request.checkpoint)]
    named = [(name, path) for name, path in targets if path is not None]
    for name, path in named:
        check_target(path)
        if _same(path, output):
            raise UsageError(f"{name} {path}: is the output; choose another name")
    if len(named) == 2 and _same(named[0][1], named[1][1]):
        raise UsageError(f"--checkpoint {named[1][1]}: is the report; choose another name")
    for name, path in (("--output", output), *named, *_companions(request, output)):
        going_on = name == "--checkpoint" and request.resume is not None
        sources = inputs if going_on or request.resume is None else [*inputs, request.resume]
        if any(_same(path, other) for other in sources):
            raise UsageError(f"{name} {path}: is one of the inputs; choose another name")
        if os.path.lexists(path) and not (request.force or going_on or outputs.owns(path)):
            raise UsageError(f"{name} {path}: exists; --force overwrites it")
    return output


def check_space(run: Prepared, request: Request, output: Path) -> None:
    """Raise OutputError where the picture, or two checkpoints, would find the disk full."""
    content = run.opened.content
    channels = 3 if content is None or content.alpha is None else 4
    pixels = run.size.width * run.size.height
    # Deflate may add a little; a recipe and a profile have some kilobytes.
    picture = pixels * channels * request.bits // 8 * 101 // 100 + 65536
    checkpoint = request.checkpoint or request.resume
    if checkpoint is not None:
        # The old one and the new one. In single precision where the picture is large, and then
        # the gradients since count as well.
        last = run.scales[-1]
        each = 2 * 24 + 12 * last.iterations if last.large else 2 * 24
        state = each * pixels + 65536
        if os.stat(output.parent).st_dev == os.stat(checkpoint.parent).st_dev:
            picture += state
        else:
            check_target(checkpoint, state)
    check_target(output, picture)


def _companions(request: Request, output: Path) -> list[tuple[str, Path]]:
    """What is saved beside the output, with the option that asks for it."""
    found = []
    if request.compare:
        found.append(("--compare", beside(output, "compare")))
    if request.seamless:
        found.append(("--seamless", beside(output, "2x2")))
    if request.save_every is not None:
        found.append(("--save-every", output.with_suffix(".gif")))
        stem = beside(output, "0000").stem[:-4]
        frame = re.compile(re.escape(stem) + r"\d{4,}\.png")
        found += [
            ("--save-every", path)
            for path in sorted(output.parent.iterdir())
            # Those of an earlier process of this run stay: new ones get other names.
            if frame.fullmatch(path.name) and request.resume is None
        ]
    return found


def _same(a: Path, b: Path) -> bool:
    if a.exists() and b.exists():
        return a.samefile(b)  # hard links and other spellings, too
    return os.path.realpath(a) == os.path.realpath(b)


def _default_output(request: Request) -> Path:
    sources = (request.content, *request.styles)
    name = "_".join(Path(source).stem for source in sources if source is not None)
    if request.command != "stylize":
        name += f"_{request.command}"
    return Path(f"{shortened(name, 200)}.png")
