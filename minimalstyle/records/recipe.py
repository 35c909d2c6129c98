"""The recipe of a picture: what made it, kept in its own file, so that it can be made again.

A picture comes from anywhere, and so does its recipe: nothing in it is believed or evaluated. The
settings are checked against the types of `Settings`, and none of them may name a file.
"""

import json
import math
import os
import re
import reprlib
import types
from collections import abc
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from PIL import ExifTags, Image

from .. import __version__
from ..errors import ImageError
from ..files import check_file, reason
from ..pictures.opening import quiet_pillow
from ..pictures.png import SIGNATURE, text_of
from ..settings.settings import OF_THE_MACHINE, Settings

__all__ = [
    "Difference",
    "command_of",
    "differences",
    "ingredients",
    "make",
    "read",
    "settings_of",
]

_VERSION = 2
_LONGEST = 1 << 20  # characters; a recipe has some thousand
_FORMATS = ("JPEG", "TIFF", "WEBP")
_COMMENT = b"ASCII\0\0\0"  # an EXIF user comment begins with its encoding
_WORD = re.compile(r"[a-z0-9_-]{1,40}")  # "content", "noise" and the like, but no path
_PICTURE = re.compile(r"picture|sha256:[0-9a-f]{64}")  # stands where a path stood

_SETTINGS: dict[str, Any] = get_type_hints(Settings)
_PARTS: dict[str, Any] = {
    "version": str,
    "settings": Mapping[str, Any],
    "inputs": Mapping[str, str | tuple[str | None, ...] | None],
    "weights": str,
    "scales": tuple[Mapping[str, int | float | Mapping[str, float]], ...],
    "evaluations": int,
    "stopped": str,
}


def make(report: Mapping[str, Any], version: str) -> dict[str, Any]:
    """The recipe of a result, without paths and times.

    Parameters
    ----------
    report : mapping
        `Result.report`.
    version : str
        Of this program.

    Returns
    -------
    dict
        For JSON: "recipe" (the version of this form), "version", "settings", "inputs" and
        "weights" (SHA-256), "scales" (size, iterations, evaluations, loss and terms of each),
        "evaluations" of all scales, "stopped". A setting that is a path becomes "sha256:..."
        where `report["inputs"]` has that under the setting's name, else "picture".
    """

    of_scale = ("width", "height", "iterations", "evaluations", "loss", "terms")
    scales = [{name: scale[name] for name in of_scale} for scale in report["scales"]]
    return {
        "recipe": _VERSION,
        "version": version,
        **ingredients(report),
        "scales": scales,
        "evaluations": sum(scale["evaluations"] for scale in scales),
        "stopped": report["stopped"],
    }


def ingredients(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What decides a picture, of a recipe: "settings", "inputs" and "weights".

    Parameters
    ----------
    facts : mapping
        `Result.report`, or `Prepared.facts`.
    """

    def without_path(name: str) -> Callable[[str], str]:
        digest = facts["inputs"].get(name)
        picture = "picture" if digest is None else f"sha256:{digest}"
        return lambda text: text if digest is None and _WORD.fullmatch(text) else picture

    return {
        "settings": {
            name: _convert(_SETTINGS[name], value, without_path(name))
            for name, value in facts["settings"].items()
            if name not in OF_THE_MACHINE
        },
        "inputs": dict(facts["inputs"]),
        "weights": facts["weights"]["sha256"],
    }


def read(source: str | os.PathLike[str] | bytes) -> dict[str, Any]:
    """The recipe in a picture that this program has written.

    Parameters
    ----------
    source : path or bytes
        A file, or what is in one.

    Returns
    -------
    dict
        As from `make`, with lists for tuples; its types and settings are checked.

    Raises
    ------
    ImageError
        The file is not a PNG, JPEG, WebP or TIFF; it has no recipe, or one that is damaged,
        written by a newer version, or with settings that make no sense.
    """
    path = Path("picture" if isinstance(source, bytes) else source)
    if not isinstance(source, bytes):
        check_file(path)
    try:
        with quiet_pillow, _opened(source) as file:
            text = _text(file)
    # Besides OSError, decoders raise SyntaxError, ValueError, struct.error, IndexError ...
    except Exception as error:
        what = "is damaged, or not a PNG, JPEG, WebP or TIFF"
        raise ImageError(f"{path}: {what}: {reason(error)}") from error
    if text is None or not text.startswith('{"recipe"'):
        raise ImageError(f"{path}: has no recipe; minimalstyle did not write it, or it was edited")
    if len(text) > _LONGEST:
        raise ImageError(f"{path}: its recipe is too large to be one")
    try:
        recipe = json.loads(text)
        if type(recipe["recipe"]) is not int:
            raise TypeError("it has no version")
        if recipe["recipe"] <= _VERSION:
            for name, hint in _PARTS.items():
                _convert(hint, recipe[name], str)
            settings_of(recipe)
            return dict(recipe)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else reason(error)
        raise ImageError(f"{path}: its recipe is damaged: {what[:200]}") from error
    raise ImageError(f"{path}: its recipe was written by a newer minimalstyle; update this one")


def _opened(source: str | os.PathLike[str] | bytes) -> BinaryIO:
    return BytesIO(source) if isinstance(source, bytes) else open(source, "rb")


def _text(file: BinaryIO) -> str | None:
    """What `images.save` stored, or whatever stands in its place; pixels are not decoded."""
    if file.read(len(SIGNATURE)) == SIGNATURE:
        file.seek(0)
        return text_of(file.read(), "minimalstyle")
    with Image.open(file, formats=_FORMATS) as image:
        if image.format == "TIFF":
            text = image.getexif().get(ExifTags.Base.ImageDescription)
        else:
            ifd = image.getexif().get_ifd(ExifTags.IFD.Exif)
            text = ifd.get(ExifTags.Base.UserComment)
            if isinstance(text, bytes):
                text = text.removeprefix(_COMMENT).decode("ascii")
    return text if isinstance(text, str) else None


def settings_of(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a recipe, for `stylize(**settings)`.

    Settings that were the path of a picture are left out: see `check_inputs`.

    Raises
    ------
    ValueError
        For a setting that is unknown, of another type, out of range, or the path of a file.
    """

    def no_path(text: str) -> str:
        if not (_WORD.fullmatch(text) or _PICTURE.fullmatch(text)):
            raise ValueError
        return text

    settings: dict[str, Any] = {}
    if recipe["recipe"] == 1:  # of before these were settings: what comes nearest to it
        count = recipe["settings"].get("iterations", 1)
        coarse = math.ceil(count / 4) if type(count) is int and count > 0 else 1
        settings = {"first_size": 192, "deep_size": 20_000, "coarse_iterations": coarse}
    for name, value in recipe["settings"].items():
        if name in OF_THE_MACHINE:  # early recipes have them
            continue
        if name not in _SETTINGS:
            raise ValueError(f"there is no setting {reprlib.repr(name)} in this version")
        try:
            settings[name] = _convert(_SETTINGS[name], value, no_path)
        except (TypeError, ValueError):
            raise ValueError(f"{name} cannot be {reprlib.repr(value)}") from None
    settings = {name: value for name, value in settings.items() if not _is_picture(value)}
    Settings(**settings).check()
    return settings


def command_of(recipe: Mapping[str, Any]) -> str:
    """What made the picture: "stylize", "texture" or "reconstruct"."""
    inputs = recipe["inputs"]
    if not inputs.get("styles"):
        return "reconstruct"
    blank = inputs.get("content") is None and recipe["settings"].get("content_weight") == 0
    return "texture" if blank else "stylize"


class Difference(NamedTuple):
    """What is not as it was when a recipe was made.

    Attributes
    ----------
    text : str
        One line.
    spoils : bool
        A picture is missing: the result will be another one.
    """

    text: str
    spoils: bool = False


def differences(
    recipe: Mapping[str, Any], inputs: Mapping[str, Any], weights_sha256: str
) -> list[Difference]:
    """What is not as it was when the recipe was made.

    Parameters
    ----------
    recipe : mapping
        From `read`.
    inputs : mapping of str to str, list or None
        SHA-256 of the pictures of the run, as in its report: `content`, `styles`, `masks`, `init`;
        None where there is no file, of which nothing can be said.
    weights_sha256 : str
    """
    found = []
    before, settings = recipe["inputs"], recipe["settings"]

    def compare(what: str, ours: Any, theirs: Any) -> None:
        ours, theirs = (one if isinstance(one, (list, tuple)) else [one] for one in (ours, theirs))
        if len(ours) != len(theirs):
            text = f"the recipe has {len(theirs)} {what}(s), not {len(ours)}"
            found.append(Difference(text))
        elif any(a != b for a, b in zip(ours, theirs, strict=True) if a and b):
            found.append(Difference(f"{what}: not as in the recipe"))

    compare("content picture", inputs.get("content"), before.get("content"))
    compare("style picture", inputs.get("styles", []), before.get("styles", []))
    compare("weights file", weights_sha256, recipe["weights"])
    pictures = [name for name, value in settings.items() if _is_picture(value)]
    for name in dict.fromkeys([*pictures, *before]):
        ours, theirs = inputs.get(name), before.get(name)
        if name in ("content", "styles"):
            continue
        if ours:
            compare(name.removesuffix("s"), ours, theirs)
        elif theirs or name in pictures:
            text = f"{name}: it was made with a picture here; give it again"
            found.append(Difference(text, spoils=True))
    if recipe["recipe"] == 1:
        what = f"the recipe is of minimalstyle {recipe['version']}, which chose sizes otherwise and"
        text = f"{what} painted the full size in two parts: the picture will be another one"
        found.append(Difference(text))
    elif recipe["version"] != __version__:
        what = f"the recipe is of minimalstyle {recipe['version']}, this is {__version__}"
        found.append(Difference(f"{what}: the picture may differ a little"))
    return found


def _is_picture(value: Any) -> bool:
    """Whether a setting stands for a picture, or one of its parts does."""
    if isinstance(value, (tuple, list)):
        return any(map(_is_picture, value))
    return isinstance(value, str) and bool(_PICTURE.fullmatch(value))


def _convert(hint: Any, value: Any, text: Callable[[str], str]) -> Any:
    """The value as its type wants it, such as a tuple for a list; every text through `text`.

    Raises
    ------
    TypeError
        For a value of another type.
    ValueError
        From `text`.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        for one in inner:
            with suppress(TypeError, ValueError):
                return _convert(one, value, text)
    elif hint is str and isinstance(value, (str, os.PathLike)):
        return text(os.fsdecode(value))
    elif origin is abc.Mapping and isinstance(value, Mapping):
        return {str(name): _convert(inner[1], item, text) for name, item in value.items()}
    elif origin is tuple and isinstance(value, (list, tuple)):
        hints = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
        if len(hints) == len(value):
            return tuple(_convert(*pair, text) for pair in zip(hints, value, strict=True))
    elif _fits(hint, value):
        return value
    raise TypeError(f"{reprlib.repr(value)} is not {hint}")


def _fits(hint: Any, value: Any) -> bool:
    """Whether a value without parts is of a type."""
    if get_origin(hint) is Literal:
        return any(value == one and type(value) is type(one) for one in get_args(hint))
    if type(value) is bool:  # which is an int to Python
        return hint in (Any, bool)
    if hint is float:
        return isinstance(value, (int, float))
    return hint is Any or (hint in (bool, int, types.NoneType) and isinstance(value, hint))
