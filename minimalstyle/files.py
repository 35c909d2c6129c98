"""Files that are there before the work and whole after it; knows nothing of pictures."""

import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import ImageError, MinimalstyleError, OutputError

__all__ = [
    "atomic_write",
    "beside",
    "check_file",
    "check_target",
    "free",
    "one_line",
    "reason",
    "silent_stderr",
]


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


def free(path: Path) -> Path:
    """`path`, or the first of `path_2`, `path_3` ... that does not exist."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.stem}_{number}{path.suffix}")
    return candidate


def beside(path: Path, what: str) -> Path:
    """A picture that belongs to another: `path_what.png`."""
    return path.with_name(f"{path.stem}_{what}.png")


def check_target(path: Path) -> None:
    """Raise OutputError unless a file can be written at `path`; tries it with another name."""
    with _temporary(path) as temporary:
        if not path.parent.is_dir():
            what = "is not a folder" if path.parent.exists() else "does not exist"
            raise OutputError(f"{path}: cannot be written: {path.parent} {what}")
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; name a file in it")
        if path.exists() and not (path.is_file() and os.access(path, os.W_OK)):
            raise OutputError(f"{path}: is write-protected or not a regular file")
        temporary.write_bytes(bytes(65536))  # finds a full disk, too


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
        temporary = folder / f".minimalstyle-{secrets.token_hex(8)}.tmp"
        yield temporary
    except OutputError:
        raise
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: cannot be written: {reason(error)}") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


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
