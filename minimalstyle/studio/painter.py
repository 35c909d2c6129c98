"""A painter: a thread that gives works to a process of its own, one after the other.

Whatever becomes of that process, a work ends: done, stopped, or failed with a line that says why.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Literal

from ..settings.settings import Settings
from .worker import Source, Task, work

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess


__all__ = ["Painter", "Work"]

_GRACE = 3.0  # seconds that a process has to stop a work, before it is ended
_IDLE = 60.0  # seconds until a process that is not kept ends
_DIED = "the painting process ended unexpectedly; perhaps there was too little memory"


@dataclass(eq=False)
class Work:
    """A picture that is to be painted, or a plan of one; a painter's thread changes it.

    Attributes
    ----------
    id : str
    kind : {"draft", "print", "plan"}
    tab : str
        Of the browser; a new draft takes the place of that of the same.
    photo : Source
    paintings : tuple of Source
        With their data, until it has ended.
    settings : Settings
    sizes : tuple of int
        Those of a plan.
    state : {"waiting", "painting", "done", "failed", "stopped"}
    fraction, left, size
        How far it is, seconds left, size that is being painted.
    picture : bytes or None
        A file for the page, with its `version`.
    result : Result or list or None
        The picture, or the plans.
    text : str
        What there is to say.
    unwanted : bool
        It is to stop.
    early : bool
        It is to end, or has ended, before it is finished, with what is painted so far.
    ended : Event
    """

    id: str
    kind: Literal["draft", "print", "plan"]
    tab: str
    photo: Source
    paintings: tuple[Source, ...]
    settings: Settings
    sizes: tuple[int, ...] = ()
    state: Literal["waiting", "painting", "done", "failed", "stopped"] = "waiting"
    fraction: float = 0.0
    left: float | None = None
    size: tuple[int, int] = (0, 0)
    picture: bytes | None = None
    version: int = 0
    result: Any = None
    text: str = ""
    unwanted: bool = False
    early: bool = False
    ended: threading.Event = field(default_factory=threading.Event)


class Painter(threading.Thread):
    """Paints works in the order in which they come.

    Parameters
    ----------
    changed : callable
        Called, in this thread, whenever a work has changed.
    keep : bool
        Have the process ready at once, and always.
    nice : int
        How much other processes go first.
    """

    def __init__(self, changed: Callable[[], None], *, keep: bool = False, nice: int = 0) -> None:
        super().__init__(daemon=True)
        self._changed, self._keep, self._nice = changed, keep, nice
        self._queue: deque[Work] = deque()
        self._ready = threading.Condition()
        self._closing = False
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._has: dict[str, str] = {}  # the keys of the pictures that the process has

    def add(self, one: Work) -> None:
        """Let a work wait for its turn."""
        with self._ready:
            self._queue.append(one)
            self._ready.notify()

    def stop(self, one: Work) -> None:
        """A work is no longer wanted."""
        with self._ready:
            one.unwanted = True
            waited = one in self._queue
            if waited:
                self._queue.remove(one)
        if waited:
            self._end(one, "stopped")

    def keep(self, one: Work) -> None:
        """A work is to end with what is painted so far; one that waits is stopped."""
        with self._ready:
            waits = one in self._queue
            one.early = one.early or not (waits or one.ended.is_set())
        if waits:
            self.stop(one)

    def close(self) -> None:
        """End the process, whatever it does, and this thread."""
        with self._ready:
            self._closing = True
            self._ready.notify()
        self.join()

    @property
    def process(self) -> int | None:
        """Its number, while there is one."""
        process = self._process
        return None if process is None else process.pid

    def run(self) -> None:
        """The thread."""
        if hasattr(signal, "pthread_sigmask"):  # Ctrl-C is not for a process that only begins
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            if self._keep:
                self._begun()
            while (one := self._next()) is not None:
                self._paint(one)
        finally:
            self._end_process()

    def _next(self) -> Work | None:
        """The next work, when there is one; None at the end."""
        with self._ready:
            while not (self._queue or self._closing):
                wait = None if self._keep or self._process is None else _IDLE
                if not self._ready.wait(wait) and not self._queue:
                    self._end_process()
            return None if self._closing else self._queue.popleft()

    def _paint(self, one: Work) -> None:
        one.state = "painting"
        self._changed()
        try:
            pipe = self._begun()
            pipe.send(self._task(one))
            asked: float | None = None
            told = False
            while one.state == "painting":
                if pipe.poll(0.05):
                    self._heard(one, *pipe.recv())
                elif asked is not None and time.monotonic() - asked > _GRACE:
                    self._end_process()
                    self._end(one, "stopped")
                if asked is None and (one.unwanted or self._closing):
                    asked = time.monotonic()
                    if self._closing:
                        self._end_process()
                        self._end(one, "stopped")
                    else:
                        pipe.send((one.id, "stop"))
                if one.early and not told:
                    told = True
                    pipe.send((one.id, "keep"))
        except (EOFError, OSError):
            self._end_process()
            one.text = "" if one.unwanted else _DIED
            self._end(one, "stopped" if one.unwanted else "failed")

    def _heard(self, one: Work, what: str, value: Any) -> None:
        if what == "progress":
            one.fraction, one.left, one.size = value
            one.text = ""
        elif what == "picture":
            one.picture, one.version = value, one.version + 1
        elif what == "note":
            one.text = value
        elif what == "failed":
            self._has = {}  # perhaps it could not open them
            one.text = value
            self._end(one, "failed")
        elif what == "stopped" or one.unwanted:
            self._end(one, "stopped")
        elif one.kind == "plan":
            one.result = value
            self._end(one, "done")
        else:
            one.result, one.picture = value
            one.version, one.fraction, one.left = one.version + 1, 1.0, 0.0
            one.early = one.result.report["stopped"] == "interrupted"
            one.text = one.result.report.get("error", "")
            self._end(one, "done")
        self._changed()

    def _end(self, one: Work, state: Literal["done", "failed", "stopped"]) -> None:
        one.state = state
        one.photo = Source(one.photo.key, None)
        one.paintings = tuple(Source(old.key, None) for old in one.paintings)
        one.ended.set()
        self._changed()

    def _task(self, one: Work) -> Task:
        """The task, without pictures that the process has."""

        def sent(kind: str, source: Source) -> Source:
            has = self._has.get(kind) == source.key
            self._has[kind] = source.key
            return Source(source.key, None if has else source.data)

        paintings = tuple(sent(f"painting {n}", old) for n, old in enumerate(one.paintings))
        return Task(one.id, sent("photo", one.photo), paintings, one.settings, one.sizes)

    def _begun(self) -> Connection:
        """The pipe to the process, which is begun where there is none."""
        if self._process is None or self._pipe is None or not self._process.is_alive():
            self._end_process()
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(
                target=work, args=(theirs, self._nice, self._keep), daemon=True
            )
            self._process.start()
            theirs.close()
        return self._pipe

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None
        self._has = {}
