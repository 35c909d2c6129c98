"""What this machine paints at once: how many pictures, with how many threads, and how fast."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

from ..errors import MinimalstyleError, UsageError
from ..machine import available_cores
from ..painting import pace, plan
from ..painting.job import Job
from ..painting.prepare import Prepared
from .painter import Painter
from .tasks import Task

__all__ = ["check", "dask_is_there", "measure_pace", "painters", "threads_of_each", "usual"]

_EACH = 2  # pictures that a process must have to be worth its start


def usual(todo: Sequence[Task]) -> int:
    """How many at once make the most pictures per hour (docs/batch.md).

    Processes of two threads each, on two cores of one, in half of the memory that there is. One
    process where the settings say how many threads there are to be.
    """
    cores = available_cores()
    wanted = min(max(cores // 2, 2), cores, len(todo) // _EACH)
    if wanted < 2 or any(task.job.settings.threads is not None for task in todo):
        return 1
    if (run := _largest(todo, threads_of_each(wanted))) is None:
        return 1
    there, needed = plan.available(), plan.memory_of(run)
    rooms = [run.settings.memory, None if there is None else there // 2]
    return max(min([wanted, *(room // needed for room in rooms if room is not None)]), 1)


def dask_is_there() -> bool:
    """Whether several can be painted at once."""
    return find_spec("distributed") is not None


def check(todo: Sequence[Task], workers: int) -> None:
    """Raise UsageError where so many pictures at once take more memory than there is."""
    there, run = plan.available(), _largest(todo, threads_of_each(workers))
    if run is None or there is None:
        return
    needed = plan.memory_of(run)
    if needed <= there < workers * needed:
        raise UsageError(
            f"{workers} pictures at once need about {workers * needed / 1e9:.1f} GB of memory, "
            f"and there are {there / 1e9:.1f}; --workers {there // needed} fits"
        )


def painters(workers: int) -> list[Painter]:
    """Those that work at once, each with its part of the cores."""
    at_once = min(workers, available_cores())
    return [Painter(threads_of_each(workers)) for _ in range(at_once)]


def measure_pace(some: Sequence[Painter], job: Job) -> pace.Pace:
    """Of one of them while all work: they share the memory's bandwidth, too."""

    def measure(painter: Painter) -> pace.Pace:
        run = painter.prepare(job)
        return pace.measure_pace(run.network, run.settings)

    with ThreadPoolExecutor(len(some)) as pool:
        return next(iter(pool.map(measure, some)))


def threads_of_each(workers: int) -> int:
    """How the cores are divided."""
    return max(available_cores() // workers, 1)


def _largest(todo: Sequence[Task], threads: int) -> Prepared | None:
    """The largest picture of those that can be opened."""
    painter = Painter(threads)
    for task in sorted(todo, key=lambda task: -task.work):
        try:
            return painter.prepare(task.job)
        except MinimalstyleError:
            continue  # it is told when its turn comes
    return None
