"""Jobs from a file: one in each row, with its own settings."""

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ImageError, UsageError
from ..files import check_file, reason
from ..gallery import source

__all__ = ["COLUMNS", "Row", "read"]

COLUMNS = ("content", "style", "output")  # besides settings


class Row(NamedTuple):
    """One job of a list.

    Attributes
    ----------
    where : str
        "jobs.csv, line 3".
    content : Path
    styles : tuple of Path
        Paths are relative to the folder of the list.
    output : str or None
    settings : dict
        By name; texts where the list is a CSV.
    """

    where: str
    content: Path
    styles: tuple[Path, ...]
    output: str | None
    settings: dict[str, Any]


def read(path: Path, known: Mapping[str, object]) -> list[Row]:
    """The rows of a list.

    Parameters
    ----------
    path : Path
        A `.csv` whose first line has the names of the columns, or a `.json` with a list of
        objects, in which "style" may be a list.
    known : mapping
        Names of the settings.

    Raises
    ------
    UsageError
        For what is no such file, or a column or a job that makes no sense, with its line.
    """
    check_file(path, ImageError)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read: {reason(error)}") from error
    readers = {".csv": _csv, ".json": _json}
    if path.suffix.lower() not in readers:
        raise UsageError(f"--list {path}: is no .csv or .json")
    rows = []
    for where, found in readers[path.suffix.lower()](path, text):
        for name in found:
            if name not in COLUMNS and name not in known:
                columns = f"{', '.join(COLUMNS)}, and settings such as style_weight"
                raise UsageError(f"{where}: there is no column {name!r}; there are {columns}")
        if any(value not in (None, "") for value in found.values()):
            rows.append(_row(path, where, found))
    if not rows:
        raise UsageError(f"{path}: there is no job in this list")
    return rows


def _csv(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    lines = csv.reader(io.StringIO(text), strict=True)
    names: list[str] = []
    try:
        for cells in lines:
            where = f"{path}, line {lines.line_num}"
            if not names:
                names = [_plain(cell) for cell in cells]
                if twice := [name for name in names if names.count(name) > 1]:
                    raise UsageError(f"{where}: the column {twice[0]!r} is there twice")
                yield where, dict.fromkeys(names)  # no job, but its names are looked at
                continue
            if len(cells) > len(names):
                raise UsageError(f"{where}: {len(cells)} cells under {len(names)} columns")
            filled = zip(names, cells, strict=False)
            yield where, {name: cell.strip() for name, cell in filled if cell.strip()}
    except csv.Error as error:
        raise UsageError(f"{path}, line {lines.line_num}: {error}") from None


def _json(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: is no JSON: {reason(error)}") from None
    if not isinstance(found, list):
        raise UsageError(f"{path}: a list of jobs begins with [")
    for number, one in enumerate(found, start=1):
        where = f"{path}, job {number}"
        if not isinstance(one, dict):
            raise UsageError(f'{where}: a job is an object such as {{"content": "photo.jpg"}}')
        yield where, {_plain(name): value for name, value in one.items()}


def _plain(name: str) -> str:
    """Settings are called as in Python or as options."""
    return name.strip().removeprefix("--").replace("-", "_")


def _row(path: Path, where: str, found: dict[str, Any]) -> Row:
    styles = found.get("style")
    styles = styles if isinstance(styles, list) else [styles]
    output = found.get("output")
    for what, value in (("content", found.get("content")), *(("style", one) for one in styles)):
        if not isinstance(value, str) or not value:
            raise UsageError(f"{where}: a job needs a {what}, the path of a picture")
    if output is not None and not isinstance(output, str):
        raise UsageError(f"{where}: output is the name of a file, not {output!r}")
    settings = {name: value for name, value in found.items() if name not in COLUMNS}
    here = path.parent
    return Row(
        where,
        Path(os.path.join(here, found["content"])),
        tuple(_painting(where, here, one) for one in styles),
        output,
        settings,
    )


def _painting(where: str, here: Path, name: str) -> Path:
    """A file beside the list, or a painting of the gallery."""
    path = Path(os.path.join(here, name))
    if os.path.lexists(path):
        return path
    try:
        found = source(name)
    except ImageError as error:
        raise UsageError(f"{where}: {error}") from None
    return path if found == name else Path(found)
