"""The command line: from a request to a picture, with progress and exit codes.

Everything slow is imported inside functions, so that `--help` and mistakes are answered at once.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MinimalstyleWarning, OutputError, StoppedError
from ..settings.setting import option
from . import studio, styles
from .console import Console, Display, Signals, warnings_as_lines
from .parser import parse
from .request import Request, request

if TYPE_CHECKING:
    from ..painting.events import Iterate
    from ..painting.pace import Pace
    from ..painting.prepare import Prepared

__all__ = ["main"]

_CONSOLE = Console("minimalstyle", option)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process when None.

    Returns
    -------
    int
        0, the `exit_code` of the error (2 for usage), 1 for anything unforeseen,
        128 + the signal's number after SIGINT (130) or SIGTERM (143).
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    if argv[:1] in (["batch"], ["style"], ["studio"]):  # which answer signals in their own ways
        return _other(*argv)
    with Signals(_CONSOLE) as signals:
        try:
            listed = argv[:1] == ["styles"]
            code = (
                styles.run(argv[1:], _CONSOLE) if listed else _run(parse(argv, _CONSOLE), signals)
            )
            return 128 + signals.received if signals.received else code
        except SystemExit as done:  # argparse, after --help and --version
            try:
                _CONSOLE.result()  # flushes
            except OutputError as error:
                return _CONSOLE.failed(error, "--debug" in argv)
            return int(done.code or 0)
        except KeyboardInterrupt:  # of a program that calls this in a thread, or handles signals
            _CONSOLE.tell("interrupted; nothing written")
            return 128 + signal.SIGINT
        except Exception as error:
            return _CONSOLE.failed(error, "--debug" in argv)


def _other(command: str, *argv: str) -> int:
    if command == "studio":
        return studio.run(list(argv), _CONSOLE)
    if command == "batch":
        from . import batch

        return batch.main(argv)
    from . import style

    return style.main(argv)


def _run(args: argparse.Namespace, signals: Signals) -> int:
    """The exit code, as long as there is no signal."""
    asked = _begin_or_go_on(request(args))
    display = Display(_CONSOLE, asked.quiet)
    from ..records.outputs import Outputs
    from .targets import check_files

    outputs = Outputs(asked.checkpoint or asked.resume, asked.resume)
    output = check_files(asked, outputs)
    with display.closing(), warnings_as_lines(display.line, asked.debug):
        from ..engine.jit import notify_compilation
        from ..painting import method
        from .saving import Files, Film, save

        with notify_compilation(display.note):
            run, pace = _settled(asked, output, display.note)
        if asked.plan:
            _print_plan(run, pace)
            return 0
        _check(run, asked, output, display.note)
        every = asked.save_every
        film = None if every is None else Film(output, every, asked.force, outputs)

        def callback(event: Iterate) -> str | None:
            signals.has_picture = True
            display.show(event)
            if film is not None:
                film.add(event)
            return None if signals.received is None else "stop"

        def on_progress(fraction: float) -> str | None:
            display.advance(fraction)
            if not (signals.received and signals.has_picture):
                return None
            display.line("interrupted; saving the picture, which takes a moment")
            return "stop"

        result = method.paint(run, callback, on_progress)
    saved, errors = save(run, asked, Files(output, outputs, film), result)
    for error in errors:
        _CONSOLE.tell(f"error: {error}")
    if errors and saved.parent != output.parent:
        _CONSOLE.tell(f"the picture is saved as {saved.absolute()}")
    if result.report["stopped"] == "interrupted":
        _CONSOLE.tell("interrupted; the best picture so far is saved")
    if not asked.quiet:
        height, width = result.pixels.shape[:2]
        _CONSOLE.result(f"{saved}  {width}x{height}  {result.report['seconds']:.1f} s")
    if errors:
        return OutputError.exit_code
    return StoppedError.exit_code if "error" in result.report else 0


def _begin_or_go_on(asked: Request) -> Request:
    """One command begins a run, and goes on with it."""
    if asked.resume is None or os.path.lexists(asked.resume):
        return asked.going_on()
    if not asked.quiet:
        what = "no such file; a new run begins, and keeps its state there"
        _CONSOLE.tell(f"{asked.resume}: {what}")
    return replace(asked, checkpoint=asked.checkpoint or asked.resume, resume=None)


def _settled(
    asked: Request, output: Path, note: Callable[[str], None]
) -> tuple[Prepared, Pace | None]:
    """The run, with the size and iterations that memory and time allow."""
    from ..painting import plan
    from ..painting.prepare import prepare
    from ..pictures.images import keeps_alpha

    run, pace = prepare(asked.job(), note=note), None
    content = run.opened.content
    if content is not None and content.alpha is not None and not keeps_alpha(output):
        note(f"{output}: a JPEG holds no transparency; with .png it is kept")
    if asked.full:
        run = run.changed(size=max(run.content_size))
    if asked.auto:
        run = plan.largest(run)
    if not asked.plan:
        plan.check_memory(run)
    if asked.time is not None:
        run, pace = plan.in_time(run, asked.time)
    return run, pace


def _print_plan(run: Prepared, pace: Pace | None) -> None:
    from ..painting import plan

    for line in plan.describe(plan.make(run, pace)).splitlines():
        _CONSOLE.result(line)


def _check(run: Prepared, asked: Request, output: Path, note: Callable[[str], None]) -> None:
    """What would spoil the result is found before time is spent on it."""
    from ..records import recipe
    from .targets import check_space

    check_space(run, asked, output)
    if asked.like is None:
        return
    facts = run.facts
    for difference in recipe.differences(asked.like, facts["inputs"], facts["weights"]["sha256"]):
        if difference.spoils:
            warnings.warn(f"--like: {difference.text}", MinimalstyleWarning, stacklevel=2)
        else:
            note(f"--like: {difference.text}")
