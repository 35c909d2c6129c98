"""The files that a run writes: it may replace its own, and nobody else's."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from ..errors import CheckpointError, OutputError
from ..files import atomic_write
from . import checkpoint

__all__ = ["Outputs", "digests_in"]


class Outputs:
    """What a run has written, over all the processes that it went on in.

    The checkpoint knows the SHA-256 of each file from before it was written: whenever the process
    ends, what stands there is either known, or of somebody else.

    Parameters
    ----------
    keep : path or None
        The checkpoint of the run, if it has one.
    resume : path or None
        The checkpoint that it goes on from.

    Raises
    ------
    CheckpointError
        If that cannot be read.
    """

    def __init__(self, keep: Path | None, resume: Path | None) -> None:
        self.keep = keep
        self.digests = {} if resume is None else digests_in(resume)

    def owns(self, path: Path) -> bool:
        """Whether this run wrote what is there, and nobody has changed it since."""
        if str(path) not in self.digests:
            return False
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return False
        return digest in self.digests[str(path)]

    def write(self, path: Path, data: bytes) -> None:
        """Write a file, all of it or nothing; OutputError if it cannot be written."""
        digest = hashlib.sha256(data).hexdigest()
        self.digests.setdefault(str(path), []).append(digest)
        if self.keep is not None:
            facts = {"outputs": {str(path): [digest]}}
            with suppress(CheckpointError, OutputError, ValueError):  # --force can do without
                *_, (_, end) = checkpoint.skim(self.keep)
                checkpoint.append(self.keep, end, facts, {})
        atomic_write(path, data)


def digests_in(path: str | os.PathLike[str]) -> dict[str, list[str]]:
    """By the name of each file that a run has written: the SHA-256 of each of its versions."""
    found: dict[str, list[str]] = {}
    for facts, _ in checkpoint.skim(path):
        outputs = facts.get("outputs")
        for name, digests in outputs.items() if isinstance(outputs, dict) else ():
            if isinstance(digests, list):
                found.setdefault(name, []).extend(one for one in digests if isinstance(one, str))
    return {name: list(dict.fromkeys(digests)) for name, digests in found.items()}
