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
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ..errors import CheckpointError, OutputError
from ..files import atomic_write, check_file, reason

__all__ = ["MAGIC", "append", "plain_json", "read", "sections", "skim", "write"]

Arrays = dict[str, npt.NDArray[Any]]
Section = tuple[dict[str, Any], Arrays, int]  # facts, arrays, where it ends
_Kind = tuple[str, np.dtype[Any], tuple[int, ...]]  # name, type and shape of an array

MAGIC = b"minimalstyle checkpoint\n"  # this and the checksum are the same in every version
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
    data = b"".join([MAGIC, *_section(MAGIC, facts, arrays)])
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
    header = plain_json({"version": _VERSION, "facts": facts, "arrays": kinds})
    parts: list[bytes | memoryview] = [len(header).to_bytes(_LENGTH, "little"), header]
    parts += [array.reshape(-1).data for array in stored.values()]
    checksum = hashlib.sha256(before)
    for part in parts:
        checksum.update(part)
    return [*parts, checksum.digest()]


def plain_json(facts: Mapping[str, Any]) -> bytes:
    """Facts as they stand in the file; paths are texts."""
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
        before = file.read(len(MAGIC))
        if before != MAGIC:
            raise CheckpointError("is not a checkpoint of minimalstyle")
        start = len(before)
        while start == len(MAGIC) or start < size:
            end = _end(file, start, size) or size
            file.seek(start)
            checksum = _checksum(file, end - _DIGEST - start, before)
            before = file.read(_DIGEST)
            if before != checksum:
                if start > len(MAGIC):
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
        start = len(file.read(len(MAGIC)))
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
