"""Many pictures: lists of jobs, what is done of them, and who paints them.

Knows jobs and files, no pixels and no terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..painting.job import Job
    from .painter import Outcome

__all__ = ["batch"]  # which stands here because the package would hide it


def batch(
    jobs: Iterable[Job],
    *,
    workers: int = 1,
    scheduler: str | None = None,
    shared_files: bool = False,
    on_progress: Callable[[int, float], object] = lambda *_: None,
    on_note: Callable[[str], None] = lambda _: None,
) -> Iterator[Outcome]:
    """Paint many jobs; network, kernels and paintings are made ready once.

    Parameters
    ----------
    jobs : iterable of Job
        Taken one after another, as they are painted.
    workers : int
        How many pictures are painted at once, by processes that share the cores; 1 for this
        process. More need Dask (extra `cluster`) and are started anew (spawn): a script needs
        `if __name__ == "__main__":`.
    scheduler : str, optional
        Address of a Dask scheduler, such as "tcp://host:8786", whose workers paint.
    shared_files : bool
        The workers of a cluster open pictures by their paths; otherwise these travel with the jobs.
    on_progress : callable, optional
        Called with the number of a job, from 0, and the share of it that is done; the batch ends
        when it returns "stop".
    on_note : callable, optional
        Called with lines such as "compiling kernels ...".

    Yields
    ------
    Outcome
        As they are ready. What goes wrong with one is its `error`, and the others go on.
    """
    from .run import crew

    with crew(workers, on_note, scheduler=scheduler, shared_files=shared_files) as painters:
        yield from painters.outcomes(enumerate(jobs), on_progress)
