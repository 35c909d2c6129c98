"""`minimalstyle styles`: the paintings of the gallery, as a table or as a picture of the wall."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import UsageError
from .console import Console, Parser

__all__ = ["run"]

_COLUMNS = 5
_CELL = 240  # longer side of a painting on the wall


def run(argv: Sequence[str], console: Console) -> int:
    """Print the table, or write the wall; the exit code."""
    parser = Parser(
        prog="minimalstyle styles",
        description="The paintings that come with minimalstyle. Each name stands for a STYLE.",
        allow_abbrev=False,
    )
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="write a picture of the wall")
    parser.add_argument("--force", action="store_true", help="overwrite an existing file")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    args = parser.parse_args(argv)
    if args.sheet is not None:
        _write_wall(args.sheet, args.force)
        console.result(str(args.sheet))
        return 0
    from ..gallery import paintings

    hung = paintings().values()
    names = max(len(one.name) for one in hung)
    painters = max(len(one.painter) for one in hung)
    for one in hung:
        console.result(f"{one.name:{names}}  {one.painter:{painters}}  {one.title}, {one.year}")
    return 0


def _write_wall(path: Path, force: bool) -> None:
    from ..gallery import paintings
    from ..pictures import images
    from ..pictures.sheets import wall

    images.check_writable(path, _COLUMNS * (_CELL + 20))
    if path.exists() and not force:
        raise UsageError(f"{path}: exists; --force overwrites it")
    hung = paintings().values()
    pictures = [images.load(one.path).rgb for one in hung]
    names = [one.name for one in hung]
    images.save(path, wall(pictures, names, columns=_COLUMNS, cell=_CELL))
