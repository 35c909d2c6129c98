"""Compiled kernels on disk: only the first run on a machine compiles them.

Numba's own cache looks for changes in the file of a kernel alone, and ends a run when a file of it
is damaged or cannot be written. Here a file belongs to one version of all sources of the engine
and to one kernel, its types and the processor; whatever cannot be read is compiled again, and
whatever cannot be written is left out.
"""

import os
import pkgutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core import caching
from numba.core.compiler import CompileResult
from numba.misc.appdirs import AppDirs

__all__ = ["KernelCache", "any_kept", "folder", "is_covered", "kept"]

_HERE = Path(__file__).resolve().parent
_ROOM = 1 << 22  # bytes: more than the kernels of a run take

kept: dict[str, Path | None] = {}  # where each kernel of this process is on disk, if anywhere


@cache
def _version() -> str:
    """Of the kernels: a digest of all that they are made from, the package's version included."""
    made_by = (numba.__version__, llvmlite.__version__, np.__version__, sys.version)
    digest = sha256(repr(made_by).encode())
    here = __package__
    names = [f"{here}.{module.name}" for module in pkgutil.iter_modules(sys.modules[here].__path__)]
    for name in (here.rpartition(".")[0], here, *sorted(names)):
        digest.update(name.encode() + _contents(name))
    return digest.hexdigest()[:16]


def _contents(name: str) -> bytes:
    """Of a module's file, in a folder or an archive."""
    found: Any = find_spec(name)
    try:
        contents: bytes = found.loader.get_data(found.origin)
    except OSError:  # a frozen program, such as PyInstaller's, holds all modules itself
        program = os.stat(sys.executable)
        return repr((program.st_size, program.st_mtime_ns)).encode()
    return contents


def _places() -> list[Path]:
    """Where kernels are looked for, and kept if possible: where Numba would, too."""
    name = caching._CacheLocator.get_suitable_cache_subpath(__file__)
    if numba.config.CACHE_DIR:
        return [Path(numba.config.CACHE_DIR, name)]
    of_user = AppDirs(appname="numba", appauthor=False).user_cache_dir
    return [_HERE / "__pycache__", Path(of_user, name)]


def folder() -> Path | None:
    """Where kernels can be kept, with enough room for them."""
    for place in _places():
        with suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=place) as file:
                file.write(bytes(_ROOM))
            return place
    return None


def any_kept() -> bool:
    """Whether any kernel of this version is on disk."""
    return any(next(place.glob(f"{_version()}.*"), None) for place in _places())


def _remove_others(place: Path) -> None:
    """Kernels of other versions, and those of Numba's own cache."""
    for path in place.glob("*.nb[ic]*"):
        if not path.name.startswith(_version()):
            with suppress(OSError):
                path.unlink()


def is_covered(function: Callable[..., Any]) -> bool:
    """Whether a change of `function` changes the version."""
    return function.__module__.rpartition(".")[0] == __package__


class KernelCache(caching.NullCache):
    """The cache of one kernel of the engine, in place of Numba's `FunctionCache`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"

    def _file(
        self, place: Path, types: Any, codegen: Any
    ) -> tuple[caching.IndexDataCacheFile, str]:
        """A file of its own for each key: two processes that write at once write the same."""
        key = repr((types, codegen.magic_tuple()))
        name = f"{_version()}.{self._name}.{sha256(key.encode()).hexdigest()[:16]}"
        return caching.IndexDataCacheFile(os.fspath(place), name, _version()), key

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The kernel for arguments of these types, or None."""
        target_context.refresh()
        for place in _places():
            with suppress(Exception):  # what a damaged file leads to is anything
                file, key = self._file(place, sig, target_context.codegen())
                data = file.load(key)
                if data is not None:
                    result = CompileResult._rebuild(target_context, *data)
                    kept[self._name] = place
                    return result
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a kernel in the first place that takes it."""
        kept[self._name] = None
        for place in _places():
            with suppress(OSError):
                place.mkdir(parents=True, exist_ok=True)
                file, key = self._file(place, sig, data.codegen)
                file.flush()  # it would read a damaged one
                file.save(key, data._reduce())
                kept[self._name] = place
                _remove_others(place)
                return
