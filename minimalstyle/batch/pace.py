"""How much of a batch is done, and how long the rest will take."""

import time

__all__ = ["Pace"]


class Pace:
    """Seconds for the work of a picture, from the pictures so far.

    Parameters
    ----------
    workers : int
        That paint at once.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self._work: dict[int, float] = {}  # of each picture that is to be painted
        self._total = 0.0
        self._begun: dict[int, tuple[float, float]] = {}  # when, and the share that is done
        self._done: list[tuple[float, float]] = []  # seconds and work of pictures

    def add(self, number: int, work: float) -> None:
        """One more to paint."""
        self._work[number] = work
        self._total += work

    def show(self, number: int, fraction: float) -> None:
        """So much of a picture is done."""
        if number not in self._work:  # finished
            return
        since, _ = self._begun.get(number, (time.perf_counter(), 0.0))
        self._begun[number] = since, fraction

    def finish(self, number: int, seconds: float | None) -> None:
        """A picture is done; it failed without seconds, which says nothing of the others."""
        self._begun.pop(number, None)
        work = self._work.pop(number)
        if seconds is not None:
            self._done.append((seconds, work))

    @property
    def fraction(self) -> float:
        """Of the work, in [0, 1]."""
        return 1 - self._left / self._total if self._total else 1.0

    @property
    def _left(self) -> float:
        return sum(
            work * (1 - self._begun[number][1] if number in self._begun else 1)
            for number, work in self._work.items()
        )

    @property
    def seconds_left(self) -> float | None:
        """Until the last picture; None while there is nothing to estimate from."""
        # The first of each worker loads the network and compiles or loads the kernels.
        known = self._done[self.workers :] or self._done
        if not known:
            now = time.perf_counter()
            known = [
                (now - since, fraction * self._work[number])
                for number, (since, fraction) in self._begun.items()
                if fraction > 0
            ]
        work = sum(work for _, work in known)
        if not work:
            return None
        pace = sum(seconds for seconds, _ in known) / work
        return pace * self._left / min(self.workers, max(len(self._work), 1))
