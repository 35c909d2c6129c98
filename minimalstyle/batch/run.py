"""Who paints a batch: numbered jobs in, outcomes as they are ready."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

from ..painting.job import Job
from .painter import Outcome, Painter

__all__ = ["Alone", "Crew", "Shown", "crew"]

Shown = Callable[[int, float], object]  # number of a job, and the share of it that is done


class Crew(AbstractContextManager["Crew"], Protocol):
    """Those who paint.

    Attributes
    ----------
    workers : int
        How many paint at once.
    """

    workers: int

    def outcomes(self, jobs: Iterable[tuple[int, Job]], show: Shown) -> Iterator[Outcome]:
        """What becomes of numbered jobs, as they are ready.

        When `show` returns "stop", what is being painted ends early, as "interrupted", and nothing
        else is begun.
        """


class Alone(Crew):
    """This process, with all threads on one picture."""

    workers = 1

    def __init__(self, note: Callable[[str], None] = lambda _: None) -> None:
        self.painter = Painter(note=note)

    def __exit__(self, *_: object) -> None:
        pass

    def outcomes(self, jobs: Iterable[tuple[int, Job]], show: Shown) -> Iterator[Outcome]:
        """See `Crew`."""
        for number, job in jobs:
            stopped = False

            def shown(fraction: float, number: int = number) -> object:
                nonlocal stopped
                stopped = show(number, fraction) == "stop" or stopped
                return "stop" if stopped else None

            yield self.painter.attempt(number, job, lambda event: shown(event.fraction))
            if stopped or shown(1.0) == "stop":
                return


def crew(
    workers: int = 1,
    note: Callable[[str], None] = lambda _: None,
    *,
    scheduler: str | None = None,
    shared_files: bool = False,
    weights: Any = None,
) -> Crew:
    """Those who paint a batch: a cluster, so many processes, or this one."""
    if scheduler is None and workers == 1:
        return Alone(note)
    from .cluster import Cluster

    return Cluster(
        scheduler, workers=workers, shared_files=shared_files, weights=weights, note=note
    )
