"""The folder of a batch: what is finished there, by whom, and from what.

`batch.jsonl` in it has a line for each picture, written before the picture itself: the SHA-256 of
its file and of what it was made from. Whenever the process ends, a file is finished, or of another
recipe, or of somebody else.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import IO, Any, Literal

from ..errors import OutputError, UsageError
from ..files import atomic_write, check_target, reason
from ..records.checkpoint import plain_json
from ..records.recipe import ingredients
from ..records.style import digest_of
from .tasks import Task

__all__ = ["NAME", "Folder", "State"]

NAME = "batch.jsonl"
State = Literal["new", "finished", "changed", "foreign"]


class Folder:
    """Where a batch writes; one batch at a time.

    Parameters
    ----------
    path : Path
        Made if it is not there.
    weights : str
        SHA-256 of the network's file.
    how : mapping
        How pictures are written, such as their bits: another way makes them again.

    Raises
    ------
    UsageError
        If another batch is at work there.
    OutputError
        If it cannot be written.
    """

    def __init__(self, path: Path, weights: str, how: Mapping[str, Any]) -> None:
        self.path, self._weights, self._how = path, weights, dict(how)
        self._digest: Callable[[Any], str] = cache(_digest)  # a painting is looked at once
        journal = path / NAME
        try:
            path.mkdir(parents=True, exist_ok=True)
            self.new = not journal.exists()
            self._file = journal.open("a+b")
        except OSError as error:
            raise OutputError(f"{journal}: cannot be written: {reason(error)}") from error
        try:
            _lock(self._file, path)
            self._lines = self._read()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let others in."""
        with suppress(OSError):
            self._file.close()

    def __enter__(self) -> "Folder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> dict[str, list[dict[str, Any]]]:
        """The lines of each picture, but for one that was cut off."""
        found: dict[str, list[dict[str, Any]]] = {}
        self._file.seek(0)
        text = self._file.read()
        self._ends = not text or text.endswith(b"\n")
        for line in text.splitlines():
            with suppress(ValueError, RecursionError):
                one = json.loads(line)
                if isinstance(one, dict) and isinstance(one.get("output"), str):
                    found.setdefault(one["output"], []).append(one)
        return found

    def state(self, task: Task) -> State:
        """What is there in place of a task's picture.

        Returns
        -------
        "new"
            Nothing.
        "finished"
            The picture.
        "changed"
            One of a batch with other inputs, settings or weights.
        "foreign"
            A file of somebody else, or one that was changed since.
        """
        if not os.path.lexists(task.output):
            return "new"
        line = self.line(task)
        if line is None:
            return "foreign"
        return "finished" if line.get("recipe") == self._recipe(task) else "changed"

    def line(self, task: Task) -> dict[str, Any] | None:
        """What is known of the file that is there."""
        try:
            with task.output.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None
        lines = reversed(self._lines.get(task.name, []))
        return next((one for one in lines if one.get("sha256") == digest), None)

    def write(
        self, task: Task, data: bytes, report: Mapping[str, Any], told: dict[str, Any]
    ) -> None:
        """Write a picture, all of it or nothing.

        Parameters
        ----------
        task : Task
        data : bytes
            Of the file.
        report : mapping
            `Result.report`.
        told : mapping
            What else is to be known of it later.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        digest = hashlib.sha256(data).hexdigest()
        recipe = self._of(ingredients(report))
        line = {"output": task.name, "sha256": digest, "recipe": recipe, **told}
        self._append(line)
        try:
            task.output.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{task.output}: cannot be written: {reason(error)}") from error
        atomic_write(task.output, data)

    def _append(self, line: dict[str, Any]) -> None:
        begin = b"" if self._ends else b"\n"  # after one that a process was killed in
        self._ends = False
        try:
            self._file.write(begin + plain_json(line) + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            what = f"{self.path / NAME}: cannot be written: {reason(error)}"
            raise OutputError(what) from error
        self._ends = True
        self._lines.setdefault(line["output"], []).append(line)

    def check_room(self, task: Task) -> None:
        """Raise OutputError where a picture could not be written."""
        if task.output.parent.is_dir():
            check_target(task.output)

    def _recipe(self, task: Task) -> str | None:
        """Of what the task would be made from now; None if that cannot be read."""
        job = task.job
        start = job.settings.start_picture if job.settings.init_blend > 0 else None
        try:
            inputs = {
                "content": self._digest(job.content),
                "styles": [self._digest(one) for one in job.styles],
                "masks": [],
                "init": None if start is None else _digest(start),  # which a film changes
            }
        except (OSError, ValueError):
            return None
        facts = {"settings": asdict(job.settings), "inputs": inputs}
        return self._of(ingredients({**facts, "weights": {"sha256": self._weights}}))

    def _of(self, made_from: Mapping[str, Any]) -> str:
        everything = {**made_from, **self._how}
        return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


def _digest(source: Any) -> str:
    return digest_of(source)


def _lock(file: IO[bytes], path: Path) -> None:
    """Until the file is closed, or the process is killed."""
    try:
        import fcntl
    except ImportError:  # where files are locked by a part: one that nobody reads
        import msvcrt

        file.seek(1 << 40)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        except OSError:
            raise UsageError(f"{path}: another batch is at work in this folder") from None
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"{path}: another batch is at work in this folder") from None
    except OSError:  # not every file system has locks
        return
