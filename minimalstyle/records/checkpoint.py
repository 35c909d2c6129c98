"""The state of a run on disk: facts and arrays in one file, complete or as it was before.

A file is the magic and one section after another: the length of the header, the header as JSON
(format version, facts, and the name, type and shape of each array), the arrays as they are in
memory, and the SHA-256 of all that and of the checksum before (of the magic before the first). The
first section is written with the file; others are appended, and one that a process was killed in is
as if it had never begun.
Not NumPy's npz: a damaged or hostile one makes its reader allocate whatever it declares, and its
checksum, a CRC, does not cover the headers. Nothing in a checkpoint is ever executed.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ..errors import CheckpointError, OutputError
from ..files import atomic_write, check_file, reason
from ..settings.setting import option
from ..settings.settings import OF_THE_MACHINE

__all__ = ["append", "check_same_run", "read", "sections", "skim", "write"]

Arrays = dict[str, npt.NDArray[Any]]
Section = tuple[dict[str, Any], Arrays, int]  # facts, arrays, where it ends
_Kind = tuple[str, np.dtype[Any], tuple[int, ...]]  # name, type and shape of an array

_MAGIC = b"minimalstyle checkpoint\n"  # this and the checksum are the same in every version
_VERSION = 1
_LENGTH = 8  # bytes of the header's length
_DIGEST = hashlib.sha256().digest_size
_CHUNK = 1 << 20
_DTYPES = ("<f4", "<f8", "<i4", "<i8")


def write(
    path: str | os.PathLike[str], facts: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
) -> int:
    """Write a checkpoint; a process that is killed meanwhile leaves the previous file.

    Parameters
    ----------
    path : path-like
        An existing file is replaced.
    facts : mapping
        What JSON can hold, and paths, which become texts.
    arrays : mapping of str to array
        float32, float64, int32 or int64, of any shape.

    Returns
    -------
    int
        Where it ends, for `append`.

    Raises
    ------
    TypeError
        For an array of another type.
    OutputError
        The file cannot be written; nothing is left behind.
    """
    data = b"".join([_MAGIC, *_section(_MAGIC, facts, arrays)])
    atomic_write(path, data)
    return len(data)


def append(
    path: str | os.PathLike[str],
    end: int,
    facts: Mapping[str, Any],
    arrays: Mapping[str, npt.NDArray[Any]],
) -> int:
    """Add a section to a checkpoint; the parameters are those of `write`.

    Parameters
    ----------
    end : int
        Of the last whole section; what is behind it is cut off.

    Returns
    -------
    int
        Where this section ends.

    Raises
    ------
    OutputError
        It cannot be written; the checkpoint is then worth what it was before.
    """
    try:
        with open(path, "r+b") as file:
            file.seek(end - _DIGEST)
            before = file.read(_DIGEST)
            file.truncate(end)
            for part in _section(before, facts, arrays):
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
            return file.tell()
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {reason(error)}") from error


def _section(
    before: bytes, facts: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
) -> list[bytes | memoryview]:
    """In parts; `before` is the checksum of the section before, or the magic."""
    stored = {name: _stored(name, array) for name, array in arrays.items()}
    kinds = [(name, array.dtype.str, array.shape) for name, array in stored.items()]
    header = _json({"version": _VERSION, "facts": facts, "arrays": kinds})
    parts: list[bytes | memoryview] = [len(header).to_bytes(_LENGTH, "little"), header]
    parts += [array.reshape(-1).data for array in stored.values()]
    checksum = hashlib.sha256(before)
    for part in parts:
        checksum.update(part)
    return [*parts, checksum.digest()]


def _json(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, default=os.fspath).encode()


def _stored(name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array as the file holds it: contiguous and little-endian."""
    dtype = array.dtype.newbyteorder("<")
    if dtype.str not in _DTYPES:
        raise TypeError(f"array {name!r} is {array.dtype}; a checkpoint holds floats and integers")
    return np.asarray(array, dtype, order="C")


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Arrays]:
    """Read the first section of a checkpoint.

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
    facts, arrays, _ = next(sections(path))
    return facts, arrays


def sections(path: str | os.PathLike[str]) -> Generator[Section, None, None]:
    """The sections of a checkpoint, one after another, up to the first that is not whole.

    Yields
    ------
    facts : dict
    arrays : dict of str to array
    end : int
        Of the section in the file.

    Raises
    ------
    CheckpointError
        As from `read`, when there is no first section.
    """
    path = Path(path)
    check_file(path, CheckpointError)
    with _refusing(path), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        before = file.read(len(_MAGIC))
        if before != _MAGIC:
            raise CheckpointError("is not a checkpoint of minimalstyle")
        start = len(before)
        while start == len(_MAGIC) or start < size:
            end = _end(file, start, size) or size
            file.seek(start)
            checksum = _checksum(file, end - _DIGEST - start, before)
            before = file.read(_DIGEST)
            if before != checksum:
                if start > len(_MAGIC):
                    return
                raise CheckpointError("damaged or incomplete; delete it to start anew")
            file.seek(start)
            yield *_read(file, end - start), end
            start = end


def skim(path: str | os.PathLike[str]) -> Iterator[tuple[dict[str, Any], int]]:
    """As `sections`, but quick: no array is read, and no checksum looked at."""
    path = Path(path)
    check_file(path, CheckpointError)
    with _refusing(path), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = len(file.read(len(_MAGIC)))
        while (end := _end(file, start, size)) is not None:
            file.seek(start)
            yield dict(_header(file, end - start)["facts"]), end
            start = end


# What a header that `write` would not make raises.
_NONSENSE = (ArithmeticError, KeyError, TypeError, ValueError, RecursionError)


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Say in a CheckpointError what is wrong with a file."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {reason(error)}") from error
    except MemoryError as error:
        raise CheckpointError(f"{path}: not enough memory to read it") from error
    except _NONSENSE as error:  # with a right checksum
        raise CheckpointError(f"{path}: is not a checkpoint that minimalstyle wrote") from error


def _end(file: BinaryIO, start: int, size: int) -> int | None:
    """Of the section at `start`, as its header says; None if that is not in the file."""
    file.seek(start)
    try:
        header = _header(file, size - start)
        end = file.tell() + sum(map(_bytes, _kinds(header))) + _DIGEST
    except _NONSENSE:
        return None
    return end if end <= size else None


def _checksum(file: BinaryIO, left: int, before: bytes) -> bytes:
    """Of so many bytes; takes little memory whatever the file says."""
    checksum = hashlib.sha256(before)
    while left > 0 and (chunk := file.read(min(left, _CHUNK))):
        checksum.update(chunk)
        left -= len(chunk)
    return checksum.digest()


def _header(file: BinaryIO, size: int) -> dict[str, Any]:
    """Of the section here, which has at most so many bytes."""
    length = int.from_bytes(file.read(_LENGTH), "little")
    if length > size - _LENGTH - _DIGEST:
        raise ValueError("a header longer than the file")
    header: dict[str, Any] = json.loads(file.read(length))
    return header


def _read(file: BinaryIO, size: int) -> tuple[dict[str, Any], Arrays]:
    """The section here, of so many bytes."""
    start = file.tell()
    header = _header(file, size)
    if header["version"] > _VERSION:
        raise CheckpointError("written by a newer minimalstyle; update this one")
    kinds = _kinds(header)
    if sum(map(_bytes, kinds)) != start + size - _DIGEST - file.tell():
        raise ValueError("arrays of another size")  # before any of them is allocated
    arrays: Arrays = {}
    for name, dtype, shape in kinds:
        flat = np.fromfile(file, dtype, math.prod(shape))
        arrays[name] = flat.reshape(shape)
    return dict(header["facts"]), arrays


def _kinds(header: dict[str, Any]) -> list[_Kind]:
    return [(str(name), *_kind(dtype, shape)) for name, dtype, shape in header["arrays"]]


def _bytes(kind: _Kind) -> int:
    _, dtype, shape = kind
    return dtype.itemsize * math.prod(shape)


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
