"""What a request leaves: the picture, and all that was asked for beside it."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from .. import __version__
from ..errors import MinimalstyleWarning, OutputError
from ..files import beside, unused
from ..pictures import images, sheets
from ..records.outputs import Outputs

if TYPE_CHECKING:
    from ..painting.events import Iterate
    from ..painting.prepare import Prepared
    from ..painting.result import Result
    from .request import Request

__all__ = ["Files", "Film", "save"]


class Files(NamedTuple):
    """Where a run writes.

    Attributes
    ----------
    output : Path
        The picture.
    outputs : Outputs
        What the run has written before.
    film : Film or None
    """

    output: Path
    outputs: Outputs
    film: Film | None


_FRAME = 320  # longer side of a frame of a film


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
            images.save(frame if self.force else unused(frame), picture)
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
        path = path if self.force else unused(path, self.outputs.owns)
        self.outputs.write(path, buffer.getvalue())


def save(
    run: Prepared, request: Request, files: Files, result: Result
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
    output, outputs, film = files

    def place(path: Path) -> Path:  # another run may have written it in the meantime
        return path if request.force else unused(path, outputs.owns)

    def write(path: Path) -> Path:
        data = result.encode(path, bits=request.bits, metadata=request.metadata)
        outputs.write(path, data)
        return path

    def write_beside(what: str, picture: npt.NDArray[np.uint8]) -> None:
        path = place(beside(output, what))
        outputs.write(path, images.encode(path, picture))

    errors = []
    try:
        output = write(place(output))
    except OutputError as error:
        output, errors = _elsewhere(output, write, error), [error]
    steps: list[Callable[[], None]] = []
    if request.report is not None:
        report = request.report
        facts = {"version": __version__, "output": str(output), **result.report}
        text = (json.dumps(facts, indent=2) + "\n").encode()
        steps.append(lambda: outputs.write(report, text))
    if request.compare:
        steps.append(lambda: write_beside("compare", _compared(run, result)))
    if request.seamless:
        steps.append(lambda: write_beside("2x2", np.tile(result.image, (2, 2, 1))))
    if film is not None:
        steps.append(film.save)
    for step in steps:
        try:
            step()
        except OutputError as error:
            errors.append(error)
    return output, errors


def _compared(run: Prepared, result: Result) -> npt.NDArray[np.uint8]:
    """Inputs and result side by side."""
    content, styles = run.opened.content, run.opened.styles
    named: list[tuple[str, npt.NDArray[Any]]]
    named = [] if content is None else [("content", content.rgb)]
    named += [*(("style", one.rgb) for one in styles), ("result", result.image)]
    labels, pictures = zip(*named, strict=True)
    return sheets.side_by_side(pictures, labels)


def _elsewhere(output: Path, write: Callable[[Path], Path], error: OutputError) -> Path:
    """Write a finished picture here, at home, or among temporary files."""
    for folder in (Path.cwd, Path.home, lambda: Path(tempfile.gettempdir())):
        for suffix in dict.fromkeys((output.suffix, ".png")):
            with suppress(OSError, RuntimeError):
                return write(unused(folder() / output.with_suffix(suffix).name))
    raise error
