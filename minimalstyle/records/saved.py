"""A run that can be continued: what its checkpoint holds, and going on from one."""

import os
import time
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import __version__
from ..errors import CheckpointError, MinimalstyleWarning, OutputError
from ..files import atomic_write, reason
from ..loss.objective import Objective
from ..optimize.lbfgs import Evaluated, State
from ..settings.settings import EVERY
from . import checkpoint
from .outputs import digests_in
from .same_run import check_same_run

__all__ = ["SavedRun"]

_MOST = 64 << 20  # bytes of evaluations that wait for that in memory


class SavedRun:
    """Where a run stands on disk.

    The checkpoint holds the image with which a scale begins, or the state of the optimiser between
    two of its segments; to that, the evaluations since then are appended. They are all that
    L-BFGS-B knows: given once more, they lead to the same point with the same corrections.

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
    every : float
        Seconds after which evaluations are appended; 0 for each of them at once.

    Attributes
    ----------
    scale : int
        Number of the scale to go on with, from 1; 0 at the beginning.
    scales : list of dict
        Reports of the scales before.

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
        every: float = EVERY,
    ) -> None:
        self.path, self.every = path, every
        self.scale = 0
        self.scales: list[dict[str, Any]] = []
        self._image: npt.NDArray[np.float32] | None = None
        self._state: State | None = None
        self._terms: dict[str, float] = {}
        self._outputs: dict[str, list[str]] = {}
        self._sections: Generator[checkpoint.Section, None, None] | None = None
        self._place: dict[str, Any] = {}
        self._needed: dict[str, npt.NDArray[np.float32]] = {}  # beside the state of the optimiser
        self._new: list[Evaluated] = []
        self._end: int | None = None  # of what is right in the file; None when it is not of now
        self._kept = time.monotonic()
        self._warned = False
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
        self._sections = checkpoint.sections(path)
        facts, arrays, end = next(self._sections)
        check_same_run(facts, self._run, path)
        try:
            width, height = sizes[facts["scale"] - 1]
            self.scale, self.scales = facts["scale"], facts["scales"]
            self._place = {"scale": self.scale, "scales": self.scales}
            self._terms = dict(facts["terms"])
            if "image" in arrays:
                self._image = arrays["image"].reshape(height, width, 3)
            if "variables" in arrays or self._image is None:
                known = facts["known"]
                self._state = State(
                    arrays["variables"].reshape(height * width * 3),
                    facts["evaluations"],
                    facts["restarts"],
                    tuple(facts["history"]),
                    None if known is None else Evaluated(known[0], known[1], arrays["gradient"]),
                )
        except (KeyError, IndexError, TypeError, ValueError):
            raise CheckpointError(f"{path}: not a checkpoint of a run; delete it") from None
        self._outputs = digests_in(path)
        if self.path is not None:
            self._end = end
            try:
                if os.path.realpath(path) != os.path.realpath(self.path):
                    atomic_write(self.path, Path(path).read_bytes())
            except (OutputError, MemoryError, OSError) as error:
                self._failed(error)

    def begin(
        self,
        scale: int,
        image: npt.NDArray[np.float32],
        scales: Sequence[dict[str, Any]],
        *,
        needed: bool = False,
    ) -> npt.NDArray[np.float32]:
        """The image with which a scale begins: the one given, which is kept, or the one read.

        It is kept until the scale ends if it is `needed`: as its content.
        """
        if scale == self.scale:
            image = image if self._image is None else self._image
        else:
            self._place, self._terms = {"scale": scale, "scales": list(scales)}, {}
            self._write({}, {"image": image})
        self._needed = {"image": image} if needed else {}
        return image

    def hooks(self, scale: int, objective: Objective) -> dict[str, Any]:
        """Arguments of `minimize`: where to go on, and whom to tell."""
        going_on = scale == self.scale
        objective.terms = dict(self._terms)
        return {
            "state": self._state if going_on else None,
            "replay": self._replay(objective) if going_on else (),
            "on_state": lambda state: self._write_state(state, objective),
            "on_evaluation": lambda evaluation: self._add(evaluation, objective),
        }

    def _replay(self, objective: Objective) -> Iterator[Evaluated]:
        for facts, arrays, end in self._sections or ():
            if self._end is not None:
                self._end = end
            if "values" not in arrays:
                continue
            objective.terms = self._terms = dict(facts["terms"])
            for number, (loss, value) in enumerate(arrays["values"]):
                yield Evaluated(float(loss), float(value), arrays[str(number)])

    def _add(self, evaluation: Evaluated, objective: Objective) -> None:
        if self._end is None:
            return
        self._new.append(evaluation)
        self._terms = dict(objective.terms)
        held = sum(one.gradient.nbytes for one in self._new)
        if time.monotonic() - self._kept >= self.every or held >= _MOST:
            self.flush()

    def flush(self) -> None:
        """Append the evaluations that are not in the file yet."""
        if self.path is None or self._end is None or not self._new:
            return
        values = np.array([(one.loss, one.value) for one in self._new])
        gradients = {str(number): one.gradient for number, one in enumerate(self._new)}
        facts = {"terms": self._terms}
        try:
            arrays = {"values": values, **gradients}
            self._end = checkpoint.append(self.path, self._end, facts, arrays)
        except (OutputError, MemoryError) as error:
            self._failed(error)
        self._new, self._kept = [], time.monotonic()

    def _write_state(self, state: State, objective: Objective) -> None:
        self._terms = dict(objective.terms)
        facts: dict[str, Any] = {
            "evaluations": state.evaluations,
            "restarts": state.restarts,
            "history": state.history,
            "known": None,
        }
        arrays: dict[str, npt.NDArray[Any]] = {"variables": state.variables, **self._needed}
        if state.known is not None:
            facts["known"] = state.known.loss, state.known.value
            arrays["gradient"] = state.known.gradient
        self._write(facts, arrays)

    def _write(self, facts: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Begin the file anew."""
        if self.path is None:
            return
        if self._sections is not None:
            self._sections.close()  # some systems do not replace a file that is open
        whole = {**self._run, **self._place, "terms": self._terms, "outputs": self._outputs}
        try:
            self._end = checkpoint.write(self.path, {**whole, **facts}, arrays)
        except (OutputError, MemoryError) as error:
            self._failed(error)
        self._new, self._kept = [], time.monotonic()

    def _failed(self, error: Exception) -> None:
        """It is no reason to lose the picture."""
        self._end = None
        if not self._warned:
            message = f"the run goes on without a new checkpoint: {reason(error)}"
            warnings.warn(message, MinimalstyleWarning, stacklevel=2)
        self._warned = True
