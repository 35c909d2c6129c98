"""Files that are there before the work and whole after it; knows nothing of pictures."""

import errno
import os
import platform
import secrets
import shutil
import stat
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import ImageError, MinimalstyleError, OutputError

__all__ = [
    "atomic_write",
    "beside",
    "check_file",
    "check_target",
    "one_line",
    "reason",
    "remove_temporaries",
    "shortened",
    "silent_stderr",
    "unused",
]

_LONGEST_NAME = 255  # bytes, in most file systems
_PREFIX = ".minimalstyle-"
_MACHINE = zlib.crc32(platform.node().encode())  # processes of another one look gone from here
_OLD = 3600  # seconds

_temporaries: set[Path] = set()  # that this process writes now


def check_file(path: Path, error: type[MinimalstyleError] = ImageError) -> None:
    """Raise `error` unless `path` is a regular file with something in it."""
    try:
        info = path.stat()
    except FileNotFoundError:
        raise error(f"{path}: no such file") from None
    except (OSError, ValueError) as cause:
        raise error(f"{path}: cannot be read: {reason(cause)}") from cause
    if stat.S_ISDIR(info.st_mode):
        raise error(f"{path}: is a folder; name a file in it")
    if not stat.S_ISREG(info.st_mode):
        raise error(f"{path}: is not a regular file")
    if info.st_size == 0:
        raise error(f"{path}: is empty (0 bytes)")


def reason(error: BaseException) -> str:
    """What an exception of the system or of a library says, in one line."""
    return one_line(str(getattr(error, "strerror", None) or error or "")) or type(error).__name__


def one_line(text: str) -> str:
    """For a message: names in a file may hold anything: newlines, terminal codes, a megabyte."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= 600 else f"{text[:400]} ... {text[-190:]}"


def unused(path: Path, ours: Callable[[Path], bool] = lambda _: False) -> Path:
    """`path`, or the first of `path_2`, `path_3` ... that does not exist, or is `ours`."""
    candidate, number = path, 1
    # Path.exists() raises for a name that is too long.
    while os.path.lexists(candidate) and not ours(candidate):
        number += 1
        candidate = _with_end(path, f"_{number}{path.suffix}")
    return candidate


def beside(path: Path, what: str) -> Path:
    """A picture that belongs to another: `path_what.png`."""
    return _with_end(path, f"_{what}.png")


def _with_end(path: Path, end: str) -> Path:
    return path.with_name(shortened(path.stem, _LONGEST_NAME - len(os.fsencode(end))) + end)


def shortened(name: str, most: int) -> str:
    """The beginning of a file's name, in whole characters of at most so many bytes."""
    encoded = os.fsencode(name)
    if len(encoded) <= most:
        return name
    # The end of UTF-8 is cut off in whole characters, whatever the locale calls them.
    return os.fsdecode(encoded[:most].decode("utf-8", "ignore").encode())


def check_target(path: Path, size: int = 65536) -> None:
    """Raise OutputError unless `size` bytes can be written at `path`; tries another name there."""
    with _temporary(path) as temporary:
        if not path.parent.is_dir():
            what = "is not a folder" if path.parent.exists() else "does not exist"
            raise OutputError(f"{path}: cannot be written: {path.parent} {what}")
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; name a file in it")
        if path.exists() and not (path.is_file() and os.access(path, os.W_OK)):
            raise OutputError(f"{path}: is write-protected or not a regular file")
        with temporary.open("xb") as file:
            file.write(bytes(65536))  # finds a full disk, too
            file.flush()
            if hasattr(os, "posix_fallocate") and size > 65536:
                try:
                    os.posix_fallocate(file.fileno(), 0, size)
                except OSError as error:
                    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                        raise  # others: the file system cannot do it


def atomic_write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` so that the file is either complete or as it was before.

    Raises
    ------
    OutputError
        The file cannot be written; nothing is left behind.
    """
    path = Path(path)
    with _temporary(path) as temporary:
        target = Path(os.path.realpath(path))  # a symbolic link stays one
        if target.exists() and not target.is_file():
            raise OutputError(f"{path}: is not a regular file")
        _remove_stale(temporary.parent)
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            with suppress(OSError):  # not every file system has modes
                shutil.copymode(target, temporary)
        temporary.replace(target)


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """Name for a file beside `path`'s target, removed at the end if it is still there."""
    temporary = None
    try:
        folder = Path(os.path.realpath(path)).parent
        name = f"{_PREFIX}{_MACHINE:08x}-{os.getpid()}-{secrets.token_hex(8)}.tmp"
        temporary = folder / name
        _temporaries.add(temporary)
        yield temporary
    except OutputError:
        raise
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: cannot be written: {reason(error)}") from error
    finally:
        if temporary is not None:
            _temporaries.discard(temporary)
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def remove_temporaries() -> None:
    """What is being written now, in all threads: for a process that is about to end."""
    for temporary in tuple(_temporaries):
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _remove_stale(folder: Path) -> None:
    """What writers that were killed have left: those of this machine that are gone, or old ones."""
    for left in folder.glob(f"{_PREFIX}*.tmp"):
        machine, _, rest = left.name.removeprefix(_PREFIX).partition("-")
        writer = rest.partition("-")[0]
        with suppress(OSError):
            gone = machine == f"{_MACHINE:08x}" and writer.isdecimal() and not _runs(int(writer))
            if gone or time.time() - left.stat().st_mtime > _OLD:
                left.unlink()


def _runs(process: int) -> bool:
    if os.name != "posix":  # there, asking would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Drop what C code, such as libtiff, writes to the process's stderr; that of all threads."""
    if sys.__stderr__ is None:  # closed: descriptor 2 may be any file by now
        yield
        return
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as null:
            os.dup2(null.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
