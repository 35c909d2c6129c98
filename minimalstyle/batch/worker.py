"""What runs on a worker of a Dask cluster."""

import platform
import threading
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from .. import __version__
from ..engine.cache import any_kept
from ..network.onnx_io import load_vgg
from ..painting.job import Job
from ..painting.plan import available
from ..settings.settings import Settings
from .painter import Outcome, Painter

__all__ = ["facts", "paint", "paint_small", "stop"]

_EVERY = 0.5  # seconds between two tellings of how far a picture is
_ONE_AT_A_TIME = threading.Lock()  # whatever number of threads a worker has for its tasks

_stopped: set[str] = set()  # topics of batches that end


@cache
def _painter(threads: int) -> Painter:
    return Painter(threads)


def stop(topic: str) -> None:
    """End what is painted for a batch, with its checkpoint; begin nothing else of it."""
    _stopped.add(topic)


def paint(
    number: int, job: Job, threads: int | None, room: int | None, topic: str
) -> Outcome | None:
    """Paint a job, with so many threads or those of the worker, in so much memory.

    Parameters
    ----------
    number : int
    job : Job
    threads : int or None
    room : int or None
        Bytes.
    topic : str
        Under which the worker tells (number, share that is done), and notes.

    Returns
    -------
    Outcome or None
        None when the batch was stopped before.
    """
    from distributed import get_worker

    worker = get_worker()
    key, told = worker.get_current_task(), 0.0

    def callback(event: Any) -> str | None:
        nonlocal told
        if event.seconds - told > _EVERY:
            told = event.seconds
            worker.log_event(topic, (number, float(event.fraction)))
        task = worker.state.tasks.get(key)
        wanted = task is not None and task.state == "executing"  # or nobody waits for it
        return None if wanted and topic not in _stopped else "stop"

    with _ONE_AT_A_TIME:
        if topic in _stopped:
            return None
        painter = _painter(threads or worker.state.nthreads)
        painter.room, painter.note = room, lambda text: worker.log_event(topic, text)
        outcome = painter.attempt(number, job, callback)
    light = replace(job, content=None, styles=(), content_masks=(), style_masks=())
    return replace(outcome, job=light)  # whoever sent the job has it


def paint_small() -> None:
    """Everything that is to be compiled once."""
    gradient = np.linspace(0, 1, 64 * 64 * 3).reshape(64, 64, 3)
    settings = Settings(size=64, iterations=2, coarse_iterations=2)
    job = Job(content=gradient, styles=(gradient[::-1],), settings=settings)
    Painter(1).attempt(0, job)


def facts(weights: Any) -> dict[str, Any]:
    """What must be equal, what should be, and what else is to be known of a worker."""
    import llvmlite.binding

    return {
        "version": __version__,
        "weights": load_vgg(weights).sha256,
        "processor": f"{platform.machine()} {llvmlite.binding.get_host_cpu_name()}",
        "host": platform.node(),
        "memory": available(),
        "kernels": any_kept(),
    }
