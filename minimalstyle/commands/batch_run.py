"""A batch as a terminal sees it: one bar, a line for what fails, reports and a sheet in the end."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OutputError, UsageError
from ..files import atomic_write
from .console import Display, Signals, duration

if TYPE_CHECKING:
    from ..batch.folder import Folder
    from ..batch.painter import Outcome
    from ..batch.run import Crew
    from ..batch.tasks import Task
    from ..painting.job import Job

__all__ = ["FAILED", "MOST_FAILED", "REPORTS", "Batch"]

FAILED, MOST_FAILED = 100, 125  # exit codes: 101 for one that failed, 125 for 25 and more
_PAUSE = 0.5  # seconds between two looks into a folder
REPORTS = ("report.csv", "report.json")


class Batch:
    """One call of the command, when all is looked at.

    Parameters
    ----------
    args : Namespace
    folder : Folder
    display : Display
    signals : Signals
    """

    def __init__(
        self, args: argparse.Namespace, folder: Folder, display: Display, signals: Signals
    ) -> None:
        from ..batch.pace import Pace

        self.args, self.folder, self.display, self.signals = args, folder, display, signals
        self.console = display.console
        self.listed: dict[str, Task] = {}
        self.todo: list[Task] = []
        self.rows: dict[str, dict[str, Any]] = {}
        self.pace = Pace()
        self.started = time.perf_counter()

    def add(self, task: Task) -> bool:
        """Take a task; whether it is to be painted."""
        from ..batch import report

        state = self.folder.state(task.begun())
        if state == "foreign" and not self.args.force:
            what = "exists, and is not of this batch; --force overwrites it"
            raise UsageError(f"{task.output}: {what}")
        self.listed[task.name] = task
        again = task.before in [one.output for one in self.todo[-1:]]  # its beginning will change
        if state == "finished" and not again:
            self._there(task)
            return False
        self.rows[task.name] = report.of_task(task, "not begun")
        self.pace.add(len(self.todo), task.work)
        self.todo.append(task)
        return True

    def _there(self, task: Task) -> None:
        from ..batch import report

        self.rows[task.name] = report.of_task(task, "there already", self.folder.line(task))

    def paint(self, workers: int, found: Callable[[], list[Task]] | None = None) -> int:
        """The exit code, as long as there is no signal.

        Parameters
        ----------
        workers : int
            Processes of this machine, where there is no scheduler.
        found : callable, optional
            Gives what has come since its last call; then the batch goes on until a signal.
        """
        self.signals.has_picture = True  # whatever is finished stays
        if there := self._count("there already"):
            self.display.note(f"{there} of {len(self.listed)} pictures are there already")
        stopped: OutputError | None = None
        try:
            with self.display.closing():
                self._paint_all(workers, found)
        except OutputError as error:
            stopped = error
        finally:
            errors = self._leave()
        for problem in (*([stopped] if stopped else []), *errors):
            self.console.tell(f"error: {problem}")
        self._summary(stopped is not None)
        if stopped or errors:
            return OutputError.exit_code
        failed = self._count("failed")
        return min(FAILED + failed, MOST_FAILED) if failed else 0

    def _paint_all(self, workers: int, found: Callable[[], list[Task]] | None) -> None:
        from ..batch.run import crew

        with crew(
            workers,
            cache(self.display.note),
            scheduler=self.args.scheduler,
            shared_files=self.args.shared_files,
            weights=self.args.weights,
        ) as painters:
            self.pace.workers = painters.workers
            self._paint(painters, self.todo)
            if found is not None:
                self.display.note(f"watching {', '.join(self.args.photos)}; Ctrl-C ends it")
            while found is not None and self.signals.received is None:
                time.sleep(_PAUSE)
                self._paint(painters, self._added(found()))

    def _added(self, found: list[Task]) -> list[Task]:
        """Those that are to be painted; a reason not to is a line."""
        from ..batch.tasks import check_apart

        added = []
        for task in found:
            try:
                check_apart([*self._others(task), task])
                if self.add(task):
                    added.append(task)
            except UsageError as error:
                self.display.line(f"{task.title}: {error}")
        return added

    def _others(self, task: Task) -> list[Task]:
        return [one for one in self.listed.values() if one.title != task.title]

    def _count(self, state: str) -> int:
        return sum(row["state"] == state for row in self.rows.values())

    def _paint(self, painters: Crew, some: list[Task]) -> None:
        """The last tasks of all."""
        before = len(self.todo) - len(some)
        for outcome in painters.outcomes(self._jobs(before), self._show):
            task, result = self.todo[outcome.number], outcome.result
            if result is not None and result.report["stopped"] == "interrupted":
                self.rows[task.name]["state"] = "interrupted"
            else:
                self._keep(task, outcome)
        if some and self.args.watch:
            self._leave()

    def _jobs(self, before: int) -> Iterator[tuple[int, Job]]:
        """Those from a number on, as they are wanted."""
        for number in range(before, len(self.todo)):
            task = self.todo[number] = self.todo[number].begun()
            if task.before is not None and self.folder.state(task) == "finished":
                self.pace.finish(number, None)  # the frame before has become what it was
                self._there(task)
            else:
                yield number, self._job(task)

    def _job(self, task: Task) -> Job:
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
            self.pace.finish(outcome.number, None)
            self.display.line(f"{task.title}: failed: {outcome.error}")
        else:
            made = outcome.result
            bits, metadata = self.args.bits, not self.args.no_metadata
            data = made.encode(task.output, bits=bits, metadata=metadata)
            self.folder.write(task, data, made.report, report.told(row))
            self.pace.finish(outcome.number, outcome.seconds)
            if self.args.checkpoint:
                _checkpoint(task).unlink(missing_ok=True)
        self.rows[task.name] = row
        if outcome.result is not None:
            self._tell(task, outcome)

    @property
    def _done(self) -> int:
        return len(self.todo) - self._left

    @property
    def _left(self) -> int:
        return self._count("not begun") + self._count("interrupted")

    def _tell(self, task: Task, outcome: Outcome) -> None:
        """A line for each picture where there is no bar."""
        if not self.args.quiet and not (sys.stderr and sys.stderr.isatty()):
            left = self.pace.seconds_left
            rest = "" if left is None else f", {duration(left)} left"
            place = f"{self._done}/{len(self.todo)}"
            self.display.note(f"{place} {task.name} {outcome.seconds:.1f} s{rest}")

    def _show(self, number: int, fraction: float) -> object:
        """The bar; "stop" after a signal."""
        self.pace.show(number, fraction)
        if not self.args.quiet and sys.stderr and sys.stderr.isatty():
            left = self.pace.seconds_left
            where = f"{self.todo[number].name} {fraction:.0%}, "
            rest = "" if left is None else f", {duration(left)} left"
            state = f"{self._done}/{len(self.todo)}{rest}"
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
        sheet = self.args.contact_sheet
        if sheet is not None and self.rows and self.signals.received is None:
            steps.append(lambda: _save_sheet(sheet, list(self.listed.values())))
        errors = []
        for step in steps:
            try:
                step()
            except OutputError as error:
                errors.append(error)
        return errors

    def _summary(self, stopped: bool) -> None:
        left, failed, there = self._left, self._count("failed"), self._count("there already")
        if stopped or self.signals.received is not None:
            what = "stopped" if stopped else "interrupted"
            many = "1 picture is" if left == 1 else f"{left} pictures are"
            self.console.tell(f"{what}; {many} left, and the same command goes on")
        if not self.args.quiet:
            parts = [f"{self._count('painted')} painted"]
            parts += [f"{there} there already"] if there else []
            parts += [f"{failed} failed (see report.csv)"] if failed else []
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
