"""The gallery: paintings that come with the package, each by a name.

Small, in the public domain or CC0; `paintings.toml` says of each what it is and where it is from.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import ImageError

__all__ = ["Painting", "called", "paintings", "source"]

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Painting:
    """A painting of the gallery.

    Attributes
    ----------
    name : str
        What a STYLE may be called by: "starry-night".
    title, painter, year : str
    source : str
        Where the photograph of it is from.
    licence : str
    """

    name: str
    title: str
    painter: str
    year: str
    source: str
    licence: str

    @property
    def path(self) -> Path:
        """The file, a WebP of at most 700 pixels on its longer side."""
        return _FOLDER / f"{self.name}.webp"


@cache
def paintings() -> dict[str, Painting]:
    """All paintings, by name, in the order in which they hang."""
    found = tomllib.loads((_FOLDER / "paintings.toml").read_text(encoding="utf-8"))
    return {name: Painting(name=name, **facts) for name, facts in found.items()}


def source(style: Any) -> Any:
    """What a style is read from: the file of a painting, if it is the name of one.

    Parameters
    ----------
    style : path, or a picture of another kind, which is given back
        A file of that name wins.

    Raises
    ------
    ImageError
        For a name, without folder and suffix, that is neither a file nor a painting.
    """
    if not isinstance(style, (str, os.PathLike)) or os.path.lexists(style):
        return style
    name = os.fsdecode(style)
    if name in paintings():
        return paintings()[name].path
    if not name or os.path.dirname(name) or os.path.splitext(name)[1]:
        return style
    near = difflib.get_close_matches(name.lower().replace("_", "-"), paintings(), 1)
    hint = f"{near[0]} is one; " if near else ""
    what = "no such file, and no painting of the gallery"
    raise ImageError(f"{name}: {what}; {hint}minimalstyle styles lists all")


def called(style: str) -> str:
    """What a user calls a style: a painting of the gallery by its name, another by its file."""
    painting = paintings().get(Path(style).stem)
    return painting.name if painting is not None and style == str(painting.path) else style
