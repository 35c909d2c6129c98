"""A run that can be continued: what its checkpoint holds, and going on from one."""

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from . import __version__, checkpoint
from .errors import CheckpointError, MinimalstyleWarning, OutputError
from .files import reason
from .loss.objective import Objective
from .optimize import State

__all__ = ["SavedRun"]


class SavedRun:
    """Where a run stands on disk.

    Parameters
    ----------
    facts : dict
        Settings, weights and inputs of the run.
    sizes : sequence of (width, height)
        Of its scales.
    path : path or None
        Where to keep the state; None for nowhere.
    resume : path or None
        The checkpoint to go on from.

    Attributes
    ----------
    scale : int
        Number of the scale to go on with, from 1; 0 at the beginning.
    state : State or None
        Of the optimiser there.
    scales : list of dict
        Reports of the scales before.
    terms : dict
        Of the loss there.

    Raises
    ------
    CheckpointError
        If the checkpoint cannot be read, or is of another run.
    """

    def __init__(
        self,
        facts: dict[str, Any],
        sizes: Sequence[tuple[int, int]],
        path: str | os.PathLike[str] | None,
        resume: str | os.PathLike[str] | None,
    ) -> None:
        self.path = path
        self._warned = False
        self.scale = 0
        self.state: State | None = None
        self.scales: list[dict[str, Any]] = []
        self.terms: dict[str, float] = {}
        self._run = {
            "version": __version__,
            "settings": facts["settings"],
            "inputs": facts["inputs"],
            "weights": facts["weights"]["sha256"],
            "sizes": list(sizes),
        }
        if resume is not None:
            self._load(resume, sizes)

    def _load(self, path: str | os.PathLike[str], sizes: Sequence[tuple[int, int]]) -> None:
        facts, arrays = checkpoint.read(path)
        checkpoint.check_same_run(facts, self._run, path)
        try:
            width, height = sizes[facts["scale"] - 1]
            self.scale, self.scales = facts["scale"], facts["scales"]
            self.state = State(
                arrays["variables"].reshape(height * width * 3),
                facts["evaluations"],
                facts["restarts"],
                tuple(facts["history"]),
            )
            self.terms = dict(facts["terms"])
        except (KeyError, IndexError, TypeError, ValueError):
            raise CheckpointError(f"{path}: not a checkpoint of a run; delete it") from None

    def keep(
        self, scale: int, objective: Objective, scales: Sequence[dict[str, Any]]
    ) -> Callable[[State], None]:
        """What the optimiser calls with its state."""

        def write(state: State) -> None:
            if self.path is None:
                return
            facts = {
                **self._run,
                "scale": scale,
                "scales": list(scales),
                "evaluations": state.evaluations,
                "restarts": state.restarts,
                "history": state.history,
                "terms": objective.terms,
            }
            try:
                checkpoint.write(self.path, facts, {"variables": state.variables})
            except (OutputError, MemoryError) as error:  # no reason to lose the picture
                if not self._warned:
                    message = f"the run goes on without a new checkpoint: {reason(error)}"
                    warnings.warn(message, MinimalstyleWarning, stacklevel=2)
                self._warned = True

        return write
