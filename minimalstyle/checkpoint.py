"""The state of a run on disk: facts and arrays in one file, complete or as it was before.

A file is the magic, the length of the header, the header as JSON (format version, facts, and the
name, type and shape of each array), the arrays as they are in memory, and the SHA-256 of all that.
Not NumPy's npz: a damaged or hostile one makes its reader allocate whatever it declares, and its
checksum, a CRC, does not cover the headers. Nothing in a checkpoint is ever executed.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from .errors import CheckpointError
from .files import atomic_write, check_file, reason
from .setting import option
from .settings import OF_THE_MACHINE

__all__ = ["check_same_run", "read", "write"]

Arrays = dict[str, npt.NDArray[Any]]

_MAGIC = b"minimalstyle checkpoint\n"  # this and the checksum are the same in every version
_VERSION = 1
_LENGTH = 8  # bytes of the header's length
_DIGEST = hashlib.sha256().digest_size
_CHUNK = 1 << 20
_DTYPES = ("<f4", "<f8", "<i4", "<i8")


def write(
    path: str | os.PathLike[str], facts: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Write a checkpoint; a process that is killed meanwhile leaves the previous file.

    Parameters
    ----------
    path : path-like
        An existing file is replaced.
    facts : mapping
        What JSON can hold, and paths, which become texts.
    arrays : mapping of str to array
        float32, float64, int32 or int64, of any shape.

    Raises
    ------
    TypeError
        For an array of another type.
    OutputError
        The file cannot be written; nothing is left behind.
    """
    stored = {name: _stored(name, array) for name, array in arrays.items()}
    kinds = [(name, array.dtype.str, array.shape) for name, array in stored.items()]
    header = _json({"version": _VERSION, "facts": facts, "arrays": kinds})
    parts: list[bytes | memoryview] = [_MAGIC, len(header).to_bytes(_LENGTH, "little"), header]
    parts += [array.reshape(-1).data for array in stored.values()]
    checksum = hashlib.sha256()
    for part in parts:
        checksum.update(part)
    atomic_write(path, b"".join([*parts, checksum.digest()]))


def _json(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, default=os.fspath).encode()


def _stored(name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array as the file holds it: contiguous and little-endian."""
    dtype = array.dtype.newbyteorder("<")
    if dtype.str not in _DTYPES:
        raise TypeError(f"array {name!r} is {array.dtype}; a checkpoint holds floats and integers")
    return np.asarray(array, dtype, order="C")


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Arrays]:
    """Read a checkpoint.

    Returns
    -------
    facts : dict
        As JSON gives it back: tuples have become lists.
    arrays : dict of str to array
        As they were written.

    Raises
    ------
    CheckpointError
        The file is missing, no checkpoint, damaged, or written by a newer minimalstyle.
    """
    path = Path(path)
    check_file(path, CheckpointError)
    try:
        with path.open("rb") as file:
            return _read(file, os.fstat(file.fileno()).st_size)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {reason(error)}") from error
    except MemoryError as error:
        raise CheckpointError(f"{path}: not enough memory to read it") from error
    # A right checksum over a header that `write` would not make.
    except (ArithmeticError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: is not a checkpoint that minimalstyle wrote") from error


def _read(file: BinaryIO, size: int) -> tuple[dict[str, Any], Arrays]:
    if file.read(len(_MAGIC)) != _MAGIC:
        raise CheckpointError("is not a checkpoint of minimalstyle")
    if not _is_whole(file, size):
        raise CheckpointError("damaged or incomplete; delete it to start anew")
    file.seek(len(_MAGIC))
    length = int.from_bytes(file.read(_LENGTH), "little")
    left = size - len(_MAGIC) - _LENGTH - length - _DIGEST
    if left < 0:
        raise ValueError("a header longer than the file")
    header = json.loads(file.read(length))
    if header["version"] > _VERSION:
        raise CheckpointError("written by a newer minimalstyle; update this one")
    kinds = [(name, *_kind(dtype, shape)) for name, dtype, shape in header["arrays"]]
    if sum(dtype.itemsize * math.prod(shape) for _, dtype, shape in kinds) != left:
        raise ValueError("arrays of another size")  # before any of them is allocated
    arrays: Arrays = {}
    for name, dtype, shape in kinds:
        flat = np.fromfile(file, dtype, math.prod(shape))
        arrays[str(name)] = flat.reshape(shape)
    return dict(header["facts"]), arrays


def _is_whole(file: BinaryIO, size: int) -> bool:
    """Whether the checksum at the end is right; takes little memory whatever the file says."""
    file.seek(0)
    checksum = hashlib.sha256()
    left = size - _DIGEST
    while left > 0 and (chunk := file.read(min(left, _CHUNK))):
        checksum.update(chunk)
        left -= len(chunk)
    return left == 0 and file.read() == checksum.digest()


def _kind(dtype: Any, shape: Any) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Type and shape of an array; ValueError for what `write` does not write, such as objects."""
    if dtype not in _DTYPES or not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError(f"no array of a checkpoint: {dtype}, {shape}")
    return np.dtype(dtype), tuple(shape)


def check_same_run(
    facts: Mapping[str, Any], expected: Mapping[str, Any], path: str | os.PathLike[str]
) -> None:
    """Raise CheckpointError unless a checkpoint belongs to the run that is to go on.

    Parameters
    ----------
    facts : mapping
        Of the checkpoint, as `read` gives them.
    expected : mapping
        What this run has in their place: "inputs" ("content", "styles" and others, each the
        SHA-256 of a picture or a list of them), "weights", "settings", "sizes" ((width, height)
        of each scale), "version" of the program; whatever else is in it must be equal, too.
        The number of threads may differ.
    path : path-like
        Of the checkpoint, for the message.
    """
    ours = json.loads(_json(expected))  # lists for tuples, as in a file
    order = [*_DIFFERENCES, *(name for name in ours if name not in _DIFFERENCES)]
    for name in order:
        if name in ours and facts.get(name) != ours[name]:
            describe = _DIFFERENCES.get(name, lambda *_, name=name: f"made with another {name}")
            difference = describe(facts.get(name), ours[name])
            if difference:
                hint = "name another checkpoint, or delete this one to start anew"
                raise CheckpointError(f"{path}: {difference}; {hint}")


def _other_input(theirs: Any, ours: dict[str, Any]) -> str | None:
    theirs = _mapping(theirs)
    for name in {**ours, **theirs}:
        a, b = theirs.get(name), ours.get(name)
        if a == b:
            continue
        what = f"{name.removesuffix('s')} picture"
        if not isinstance(a, list) or not isinstance(b, list):
            return f"of another {what}"
        if len(a) != len(b):
            return f"of {len(a)} {what}(s), not {len(b)}"
        number = next(i for i in range(len(a)) if a[i] != b[i]) + 1
        return f"of another {what}" + (f" (number {number})" if len(a) > 1 else "")
    return None


def _other_setting(theirs: Any, ours: dict[str, Any]) -> str | None:
    theirs = _mapping(theirs)
    for name in {**ours, **theirs}:
        a, b = theirs.get(name), ours.get(name)
        if a == b or name in OF_THE_MACHINE:  # no effect on the result: they may differ
            continue
        if a is None or a is False:
            return f"made without {option(name)}"
        if a is True:
            return f"made with {option(name)}"
        return f"made with {option(name)} {_text(a)}, not {'without' if b is None else _text(b)}"
    return None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    """A value as one would give it to an option."""
    if isinstance(value, dict):
        return ",".join(f"{key}={_text(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ",".join(_text(item) for item in value)
    return f"{value:.12g}" if isinstance(value, float) else str(value)


# In this order, the most telling first: what to say of a difference.
_DIFFERENCES: dict[str, Callable[[Any, Any], str | None]] = {
    "inputs": _other_input,
    "weights": lambda *_: "made with another weights file",
    "settings": _other_setting,
    "sizes": lambda theirs, ours: f"made at the sizes {theirs}, not {ours}",
    "version": lambda theirs, ours: f"made by minimalstyle {theirs}, not {ours}",
}
