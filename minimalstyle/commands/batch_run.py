"""A batch as a terminal sees it: one bar, a line for what fails, reports and a sheet in the end."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OutputError
from ..files import atomic_write
from .console import Display, Signals, duration

if TYPE_CHECKING:
    from ..batch.folder import Folder
    from ..batch.painter import Outcome
    from ..batch.run import Crew
    from ..batch.tasks import Task

__all__ = ["FAILED", "MOST_FAILED", "REPORTS", "Batch"]

FAILED, MOST_FAILED = 100, 125  # exit codes: 101 for one that failed, 125 for 25 and more
REPORTS = ("report.csv", "report.json")


class Batch:
    """One call of the command, when all is looked at.

    Parameters
    ----------
    args : Namespace
    display : Display
    signals : Signals
    folder : Folder
    listed, todo : list of Task
        All, and those that are to be painted.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        display: Display,
        signals: Signals,
        *,
        folder: Folder,
        listed: list[Task],
        todo: list[Task],
    ) -> None:
        from ..batch import report
        from ..batch.pace import Pace

        self.args, self.folder, self.display, self.signals = args, folder, display, signals
        self.console = display.console
        self.listed, self.todo = listed, todo
        waiting = {task.name for task in todo}
        self.rows = {
            task.name: report.of_task(task, "not begun")
            if task.name in waiting
            else report.of_task(task, "there already", folder.line(task))
            for task in listed
        }
        self.pace = Pace({number: task.work for number, task in enumerate(todo)})
        self.done = self.failed = 0
        self.started = time.perf_counter()

    def paint(self) -> int:
        """The exit code, as long as there is no signal."""
        from ..batch.run import crew

        self.signals.has_picture = True  # whatever is finished stays
        there = len(self.listed) - len(self.todo)
        if there:
            self.display.note(f"{there} of {len(self.listed)} pictures are there already")
        stopped: OutputError | None = None
        try:
            with crew(self.args.workers, cache(self.display.note)) as painters:
                self.pace.workers = painters.workers
                self._paint(painters)
        except OutputError as error:
            stopped = error
        finally:
            errors = self._leave()
        for problem in (*([stopped] if stopped else []), *errors):
            self.console.tell(f"error: {problem}")
        self._summary(stopped is not None)
        if stopped or errors:
            return OutputError.exit_code
        return min(FAILED + self.failed, MOST_FAILED) if self.failed else 0

    def _paint(self, painters: Crew) -> None:
        jobs = ((number, self._job(task)) for number, task in enumerate(self.todo))
        for outcome in painters.outcomes(jobs, self._show):
            task = self.todo[outcome.number]
            result = outcome.result
            if result is not None and result.report["stopped"] == "interrupted":
                self.rows[task.name]["state"] = "interrupted"
                continue
            self._keep(task, outcome)
            if self.signals.received is not None:
                return

    def _job(self, task: Task) -> Any:
        """With a checkpoint, if one is wanted."""
        if not self.args.checkpoint:
            return task.job
        path = _checkpoint(task)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            return replace(task.job, resume=str(path))
        return replace(task.job, checkpoint=str(path))

    def _keep(self, task: Task, outcome: Outcome) -> None:
        """Write a picture, or say why there is none."""
        from ..batch import report

        row = report.of_outcome(task, outcome)
        for text in outcome.warnings:
            self.display.line(f"{task.name}: warning: {text}")
        if outcome.result is None:
            self.failed += 1
            self.pace.finish(outcome.number, None)
            self.display.line(f"{task.title}: failed: {outcome.error}")
        else:
            made = outcome.result
            bits, metadata = self.args.bits, not self.args.no_metadata
            data = made.encode(task.output, bits=bits, metadata=metadata)
            self.folder.write(task, data, made.report, report.told(row))
            self.done += 1
            self.pace.finish(outcome.number, outcome.seconds)
            if self.args.checkpoint:
                _checkpoint(task).unlink(missing_ok=True)
            self._tell(task, outcome)
        self.rows[task.name] = row

    def _tell(self, task: Task, outcome: Outcome) -> None:
        """A line for each picture where there is no bar."""
        if not self.args.quiet and not (sys.stderr and sys.stderr.isatty()):
            left = self.pace.seconds_left
            rest = "" if left is None else f", {duration(left)} left"
            place = f"{self.done + self.failed}/{len(self.todo)}"
            self.display.note(f"{place} {task.name} {outcome.seconds:.1f} s{rest}")

    def _show(self, number: int, fraction: float) -> object:
        """The bar; "stop" after a signal."""
        self.pace.show(number, fraction)
        if not self.args.quiet and sys.stderr and sys.stderr.isatty():
            left = self.pace.seconds_left
            done, name = self.done + self.failed, self.todo[number].name
            where = f"{name} {fraction:.0%}, "
            rest = "" if left is None else f", {duration(left)} left"
            state = f"{done}/{len(self.todo)}{rest}"
            self.display.draw(self.pace.fraction, where, state)
        return None if self.signals.received is None else "stop"

    def _leave(self) -> list[OutputError]:
        """Reports and the sheet; what could not be written of them."""
        from ..batch import report

        rows = list(self.rows.values())
        steps: list[Callable[[], None]] = [
            lambda: atomic_write(self.args.output / "report.csv", report.as_csv(rows)),
            lambda: atomic_write(self.args.output / "report.json", report.as_json(rows)),
        ]
        if self.args.contact_sheet is not None and self.signals.received is None:
            steps.append(lambda: _save_sheet(self.args.contact_sheet, self.listed))
        errors = []
        for step in steps:
            try:
                step()
            except OutputError as error:
                errors.append(error)
        return errors

    def _summary(self, stopped: bool) -> None:
        left = len(self.todo) - self.done - self.failed
        if stopped or self.signals.received is not None:
            what = "stopped" if stopped else "interrupted"
            self.console.tell(f"{what}; {left} pictures are left, and the same command goes on")
        if not self.args.quiet:
            there = len(self.listed) - len(self.todo)
            parts = [f"{self.done} painted"]
            parts += [f"{there} there already"] if there else []
            parts += [f"{self.failed} failed (see report.csv)"] if self.failed else []
            parts += [f"{left} left"] if left else []
            seconds = time.perf_counter() - self.started
            self.console.result(f"{self.args.output}  {', '.join(parts)}  {seconds:.1f} s")


def _checkpoint(task: Task) -> Path:
    return task.output.with_name(f".{task.output.name}.checkpoint")


def _save_sheet(path: Path, listed: list[Task]) -> None:
    """Photographs from top to bottom, paintings from left to right."""
    import numpy as np

    from ..pictures import images
    from ..pictures.sheets import contact_sheet

    contents = list(dict.fromkeys(task.job.content for task in listed))
    styles = list(dict.fromkeys(task.job.styles for task in listed))
    # As large as the eye wants them, but no more than 50 megapixels in all.
    cell = round(min(256, max(32, (50e6 / (len(contents) * len(styles))) ** 0.5)))
    cells: list[list[Any]] = [[None] * len(styles) for _ in contents]
    for task in listed:
        if task.output.exists():
            picture = images.load(task.output).rgb
            size = images.fit(*images.Size.of(picture), min(cell, max(picture.shape[:2])))
            small = np.clip(images.resize(picture, *size), 0, 1)
            cells[contents.index(task.job.content)][styles.index(task.job.styles)] = small
    rows = [Path(str(one)).stem for one in contents]
    columns = ["_".join(Path(str(style)).stem for style in some) for some in styles]
    images.save(path, contact_sheet(cells, rows, columns, cell=cell))
