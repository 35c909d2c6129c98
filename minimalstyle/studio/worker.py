"""The process that paints: takes tasks from a pipe, and tells how far it is.

It ends with the server, however that ended, so none is left behind.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from io import BytesIO
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, NoReturn

from .._types import Float32
from ..errors import MinimalstyleError
from ..settings.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ..network.network import Network
    from ..painting.events import Iterate
    from ..painting.pace import Pace
    from ..painting.prepare import Prepared
    from ..painting.result import Result
    from ..pictures.images import Picture, Size

__all__ = ["Source", "Task", "work"]

_SHOWN = 1024  # longer side of a picture that is not finished
_PAUSE = 0.15  # seconds between two of them
_PACE = 60.0  # seconds that a pace holds: then the machine may be less busy, or more
_TELL = 0.1  # seconds between two words on how far it is


@dataclass(frozen=True)
class Source:
    """A picture for a task.

    Attributes
    ----------
    key : str
        Another picture has another one.
    data : bytes or None
        Its file; None where the process has it already.
    """

    key: str
    data: bytes | None


@dataclass(frozen=True)
class Task:
    """What a process is to do.

    Attributes
    ----------
    id : str
    photo : Source
    paintings : tuple of Source
        One, or several to be blended.
    settings : Settings
    sizes : tuple of int
        Those to plan; to paint where there is none.
    """

    id: str
    photo: Source
    paintings: tuple[Source, ...]
    settings: Settings
    sizes: tuple[int, ...] = ()


class _Stopped(Exception):
    """The task is no longer wanted."""


def work(pipe: Connection, nice: int, warm: bool) -> None:
    """Do tasks until the pipe ends.

    Parameters
    ----------
    pipe : Connection
        Gets a `Task`, or its id with "stop" or "keep", which keeps what is painted so far; sends
        (what, value).
    nice : int
        How much others go first.
    warm : bool
        Load and compile everything before the first task.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends us
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    with suppress(OSError, AttributeError):
        os.nice(nice)
    worker = _Worker(pipe)
    with suppress(EOFError, OSError, _Stopped):
        if warm:
            worker.warm_up()
        while True:
            task = pipe.recv()
            if isinstance(task, Task):  # else it was done before the word to stop came
                pipe.send(worker.answer(task))


def _end_with_the_server() -> None:
    """Whatever the process does, while it compiles, too, and however the server ended."""
    server = multiprocessing.parent_process()
    if server is not None:
        wait([server.sentinel])
        os._exit(1)


class _Worker:
    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe
        self._network: Network | None = None
        self._pace: Pace | None = None
        self._measured = 0.0  # when that was
        self._pictures: dict[str, tuple[str, Picture]] = {}  # the latest photo and paintings

    def warm_up(self) -> None:
        """A picture of a few pixels: kernels are compiled, or loaded."""
        import numpy as np

        from ..painting.functions import stylize

        ramp = np.linspace(0, 1, 64 * 64 * 3).reshape(64, 64, 3)
        few = Settings(size=64, first_size=32, deep_size=32, iterations=1, coarse_iterations=1)
        stylize(ramp, ramp[::-1], weights=self.network, settings=few)

    @property
    def network(self) -> Network:
        if self._network is None:
            from ..network.network import load_network

            self._network = load_network()
        return self._network

    def answer(self, task: Task) -> tuple[str, Any]:
        """What came of a task: ("done", ...), ("failed", a line) or ("stopped", None)."""
        try:
            return "done", self._plan(task) if task.sizes else self._paint(task)
        except _Stopped:
            return "stopped", None
        except MemoryError:
            return "failed", "there is not enough memory; a smaller size may fit"
        except MinimalstyleError as error:
            return "failed", str(error)
        except Exception as error:  # the page gets a line, not a traceback
            return "failed", f"an unexpected {type(error).__name__} ended it"

    def _prepared(self, task: Task) -> Prepared:
        from ..painting.job import Job
        from ..painting.prepare import prepare

        def note(text: str) -> None:
            if text.startswith("compiling"):
                self.pipe.send(("note", text))

        photo = self._opened("photo", task.photo)
        paintings = [self._opened(f"painting {n}", one) for n, one in enumerate(task.paintings)]
        job = Job(content=photo, styles=tuple(paintings), settings=task.settings)
        return prepare(job, network=self.network, note=note)

    def _opened(self, kind: str, source: Source) -> Picture:
        from ..pictures import images

        key, picture = self._pictures.get(kind, ("", None))
        if picture is None or key != source.key:
            assert source.data is not None
            picture = images.load(source.data)
            self._pictures[kind] = source.key, picture
        return picture

    def _plan(self, task: Task) -> list[dict[str, Any]]:
        """What each size takes."""
        from ..painting import plan
        from ..painting.pace import measure_pace

        self._prepared(task)  # opens the pictures before it may be stopped
        if self._pace is None or time.monotonic() - self._measured > _PACE:
            self._pace, self._measured = measure_pace(self.network), time.monotonic()
        found = []
        for size in task.sizes:
            self._heed(task)
            run = self._prepared(replace(task, settings=replace(task.settings, size=size)))
            one = plan.make(run, self._pace)
            facts = {"seconds": one.seconds, "memory": one.memory, "fits": one.fits}
            found.append({"size": size, "width": run.size[0], "height": run.size[1], **facts})
        return found

    def _paint(self, task: Task) -> tuple[Result, bytes]:
        """The result, and its picture as a file for the page."""
        from ..painting import method, plan

        run = self._prepared(task)
        there = plan.available()
        needed = plan.memory_of(run)
        if there is not None and needed > there:
            has = f"it takes {needed / 1e9:.1f} GB of memory, and there are {there / 1e9:.1f}"
            return _fail(f"{has}; a smaller size may fit")
        preview, shown, told = _preview(run), 0.0, 0.0

        def watch(event: Iterate) -> str | None:
            nonlocal shown, told
            keep = self._heed(task)
            now, last = time.monotonic(), keep or event.iteration == event.iterations
            if last or now - told > _TELL:
                left, size = event.seconds_left, (event.width, event.height)
                self.pipe.send(("progress", (event.fraction, left, size)))
                told = now
            if last or now - shown > _PAUSE:
                self.pipe.send(("picture", _file(preview(event))))
                shown = time.monotonic()
            return "stop" if keep else None

        with warnings.catch_warnings(record=True):
            result = method.paint(run, watch)
        return result, _file(result.image, result.alpha)

    def _heed(self, task: Task) -> bool:
        """Stop where that is wished, as the pipe's end does; whether to keep what there is."""
        keep = False
        while self.pipe.poll():
            word = self.pipe.recv()
            if word == (task.id, "stop"):
                raise _Stopped
            keep = keep or word == (task.id, "keep")
        return keep


def _fail(text: str) -> NoReturn:
    raise MinimalstyleError(text)


def _preview(run: Prepared) -> Callable[[Iterate], npt.NDArray[np.uint8]]:
    """Iterates at the size of the page, with the photograph's detail that they have not yet.

    So the next size begins as well: what is painted coarsely does not look blurred.
    """
    import numpy as np

    from ..pictures import color, images

    settings, width, height = run.settings, *run.size
    size = images.fit(width, height, min(_SHOWN, max(width, height)))
    assert run.opened.content is not None
    whole, colours = _resized(run.opened.content, size), None
    if settings.preserve_color == "luminance":
        whole, colours = color.grey(whole), whole

    @lru_cache(1)
    def detail_beyond(here: images.Size) -> Float32:
        return whole - images.resize(images.resize(whole, *here), *size)

    def preview(event: Iterate) -> npt.NDArray[np.uint8]:
        picture: Float32 = event.image().astype(np.float32) / np.float32(255)
        here = images.Size.of(picture)
        if here != size:
            picture = images.resize(picture, *size)
            if max(here) < max(size) and settings.init == "content":
                picture = np.clip(picture + detail_beyond(here), 0.0, 1.0)
        if colours is not None:
            picture = color.luminance_of(picture, colours)
        return images.eight_bits(picture)

    return preview


@lru_cache(1)
def _resized(picture: Picture, size: Size) -> Float32:
    """A photograph at the size of the page; kept for the next move of a slider."""
    from ..pictures import images

    return images.resize(picture.rgb, *size)


def _file(pixels: npt.NDArray[np.uint8], alpha: npt.NDArray[Any] | None = None) -> bytes:
    """For the page: a JPEG, or a WebP where something is transparent."""
    import numpy as np
    from PIL import Image

    from ..pictures.images import eight_bits

    buffer = BytesIO()
    if alpha is None:
        Image.fromarray(pixels).save(buffer, "JPEG", quality=90, subsampling=0)
    else:
        both = np.concatenate([pixels, eight_bits(alpha[..., None])], axis=2)
        Image.fromarray(both).save(buffer, "WEBP", quality=90)
    return buffer.getvalue()
