"""What is put into folders: found once, when all of it is there."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from .tasks import walk

__all__ = ["Watch"]

_WHOLE = 2.0  # seconds without a change


class Watch:
    """Pictures that are new or changed, and no longer being written.

    A copy that pauses for longer looks whole; it fails as a damaged picture, and is found once more
    when it has changed.

    Parameters
    ----------
    given : sequence of path
        Files and folders.
    without : Path
        A folder that is not looked into.
    whole : float
        Seconds without a change after which a file is whole.
    """

    def __init__(
        self, given: Sequence[str | os.PathLike[str]], *, without: Path, whole: float = _WHOLE
    ) -> None:
        self._given, self._without, self._whole = given, without, whole
        self._seen: dict[Path, tuple[tuple[int, int], float]] = {}  # as it was, and since when
        self._found: dict[Path, tuple[int, int]] = {}

    def new(self) -> list[tuple[Path, str]]:
        """As `walk`, what has become whole since the last call."""
        now = time.monotonic()
        whole = []
        for path, folder in walk(self._given, without=self._without, empty=True):
            try:
                info = path.stat()
            except OSError:  # gone again
                continue
            state = info.st_size, info.st_mtime_ns
            before, since = self._seen.get(path, (None, now))
            self._seen[path] = state, since if before == state else now
            settled = before == state and now - since >= self._whole
            if info.st_size and settled and self._found.get(path) != state:
                self._found[path] = state
                whole.append((path, folder))
        return whole
