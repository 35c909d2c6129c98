"""A job: everything that a run needs to be told, as data."""

import base64
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from io import BytesIO
from typing import Any

import numpy as np

from ..errors import UsageError
from ..pictures.images import Picture, Source
from ..settings.settings import EVERY, Settings

__all__ = ["Job"]

_PICTURES = ("styles", "content_masks", "style_masks")


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """Pictures, final settings, and what is to be kept; to be painted by `paint`.

    It does not change, can be pickled, and goes to JSON and back.

    Attributes
    ----------
    content : path, bytes, binary file, PIL image, array, Picture or None
        None for a texture. Arrays are (H, W), (H, W, 3) or (H, W, 4), uint8, uint16 or float in
        [0, 1].
    styles : tuple of the same
    content_masks, style_masks : tuple of the same
        Regions of the content, and parts of the styles: see `regions`.
    settings : Settings
    weights : path or None
        An ONNX file; None for the embedded VGG-19.
    checkpoint : path or None
        Where to keep the state of the run.
    resume : path or None
        A checkpoint to go on from.
    checkpoint_every : float
        Seconds between two savings of that state.
    """

    content: Source | Picture | None
    styles: tuple[Source | Picture, ...] = ()
    content_masks: tuple[Source, ...] = ()
    style_masks: tuple[Source, ...] = ()
    settings: Settings = field(default_factory=Settings)
    weights: str | os.PathLike[str] | None = None
    checkpoint: str | os.PathLike[str] | None = None
    resume: str | os.PathLike[str] | None = None
    checkpoint_every: float = EVERY

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold; pictures that are not paths are written out.

        Raises
        ------
        UsageError
            For an open file, or a PIL image.
        """
        found: dict[str, Any] = {"content": _written(self.content)}
        for name in _PICTURES:
            found[name] = [_written(one) for one in getattr(self, name)]
        for name in ("weights", "checkpoint", "resume"):
            path = getattr(self, name)
            found[name] = None if path is None else os.fsdecode(path)
        settings = {
            name: dict(value) if isinstance(value, Mapping) else value
            for name, value in asdict(self.settings).items()
        }
        return {**found, "settings": settings, "checkpoint_every": self.checkpoint_every}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Job":
        """The job that `to_json` wrote.

        Raises
        ------
        UsageError
            For what is no job, or a setting that makes no sense.
        """
        try:
            settings = Settings(**found["settings"])
            pictures = {name: tuple(map(_read, found[name])) for name in _PICTURES}
            job = cls(
                content=_read(found["content"]),
                **pictures,
                settings=settings,
                weights=found["weights"],
                checkpoint=found["checkpoint"],
                resume=found["resume"],
                checkpoint_every=float(found["checkpoint_every"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"this is not a job: {error}") from error
        settings.check()
        return job


def _written(source: Source | Picture | None) -> Any:
    if source is None or isinstance(source, str):
        return source
    if isinstance(source, os.PathLike):
        return os.fsdecode(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return {"file": base64.b64encode(source).decode()}
    if isinstance(source, np.ndarray) and not source.dtype.hasobject:
        buffer = BytesIO()
        np.save(buffer, source)
        return {"npy": base64.b64encode(buffer.getvalue()).decode()}
    raise UsageError(f"a picture in a job for JSON is a path, bytes or an array, not {source!r}")


def _read(written: Any) -> Any:
    if written is None or isinstance(written, str):
        return written
    if not isinstance(written, dict) or len(written) != 1:
        raise TypeError("a picture is a path, or what a job wrote")
    ((kind, text),) = written.items()
    data = base64.b64decode(text, validate=True)
    if kind == "file":
        return data
    if kind == "npy":
        return np.load(BytesIO(data))
    raise TypeError(f"there are no pictures of the kind {kind!r}")
