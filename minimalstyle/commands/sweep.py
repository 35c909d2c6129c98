"""`python -m minimalstyle.sweep`: contact sheets for choosing pictures and settings.

Every content with every style, or one pair over the values of one or two settings.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from .. import gallery
from ..errors import StoppedError, UsageError
from ..files import check_file
from ..settings.settings import OF_THE_MACHINE, SETTINGS, Settings
from .console import Console, Parser, Signals, duration, warnings_as_lines
from .options import add_option

if TYPE_CHECKING:
    from ..painting.events import Iterate

__all__ = ["main"]


def _dashed(name: str) -> str:
    """A setting as `--vary` names it."""
    return name.replace("_", "-")


_CONSOLE = Console("minimalstyle.sweep", _dashed)
_SIZE = 256  # of one picture
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process when None.

    Returns
    -------
    int
        0, the `exit_code` of the error (2 for usage), 1 for anything unforeseen,
        128 + the signal's number after SIGINT (130) or SIGTERM (143).
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    with Signals(_CONSOLE) as signals:
        try:
            args = _parser().parse_args(argv)
            args.styles = [str(gallery.source(one)) for one in args.styles]
            sheet = _sheet(args)
            _check_files(args, sheet)
            with warnings_as_lines(cache(_CONSOLE.tell), args.debug):  # each once
                _run(args, sheet, signals)
        except SystemExit as done:  # argparse, after --help
            return int(done.code or 0)
        except Exception as error:
            return _CONSOLE.failed(error, "--debug" in argv)
        return 128 + signals.received if signals.received else 0


# --- Arguments ----------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=f"python -m {_CONSOLE.program}",
        description="Contact sheet of every content with every style, or of one pair over the "
        "values of one or two settings.",
        epilog=f"Settings to vary: {', '.join(map(_dashed, _kinds()))}.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--contents", nargs="+", required=True, metavar="FILE", help="photographs")
    add("--styles", nargs="+", required=True, metavar="FILE", help="paintings: files, or names")
    add(
        "--vary",
        action="append",
        default=[],
        type=_varied,
        metavar="NAME=A,B,...",
        help="a setting and its values, such as style-weight=10,30,90; a second one makes rows "
        "of the first and columns of the second",
    )
    add("-o", "--output", type=Path, required=True, metavar="FILE", help="the sheet")
    add("--force", action="store_true", help="overwrite an existing file")
    add_option(parser, "size", _SIZE, default=_SIZE)
    add_option(parser, "iterations", Settings.iterations, default=Settings.iterations)
    add("--debug", action="store_true", help="show where in the program an error came from")
    return parser


def _kinds() -> dict[str, tuple[Any, ...]]:
    """The settings that one word can give: name to the types (NoneType, too) or words it takes."""
    return {
        name: setting.kinds
        for name, setting in SETTINGS.items()
        if name not in OF_THE_MACHINE and setting.commands
        if any(kind in (bool, int, float, str) or kind in setting.choices for kind in setting.kinds)
    }


def _varied(text: str) -> tuple[str, list[Any]]:
    """`style-weight=5,20` as ("style_weight", [5.0, 20.0])."""
    name, equals, values = text.partition("=")
    name, kinds = name.strip().replace("-", "_"), _kinds()
    if name not in kinds:
        known = ", ".join(map(_dashed, kinds))
        raise argparse.ArgumentTypeError(f"there is no setting {_dashed(name)!r}; known: {known}")
    if not equals:
        message = f"{text!r}: give values, such as {_dashed(name)}=A,B"
        raise argparse.ArgumentTypeError(message)
    return name, [_value(name, word.strip(), kinds[name]) for word in values.split(",")]


def _value(name: str, word: str, kinds: tuple[Any, ...]) -> Any:
    """A word as the first of `kinds` that it can be."""
    if NoneType in kinds and word.lower() == "none":
        return None
    if bool in kinds and word.lower() in _WORDS:
        return _WORDS[word.lower()]
    for number in (int, float):
        if number in kinds:
            try:
                return number(word)
            except ValueError:
                pass
    if word and (str in kinds or word in kinds):
        return word
    names = {bool: "true, false", int: "a whole number", float: "a number", str: "a word"}
    expected = [names.get(one, "none" if one is NoneType else str(one)) for one in kinds]
    message = f"{_dashed(name)}: expected {' or '.join(expected)}, not {word!r}"
    raise argparse.ArgumentTypeError(message)


# --- What is to be painted ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Cell:
    """One picture of the sheet."""

    row: int
    column: int
    content: str
    style: str
    settings: dict[str, Any]
    name: str


@dataclass(frozen=True)
class _Sheet:
    """The sheet before anything is painted: `inputs` are (row, column, file)."""

    row_labels: list[str]
    column_labels: list[str]
    inputs: list[tuple[int, int, str]]
    cells: list[_Cell]

    @property
    def side(self) -> int:
        """Longer side of a picture on the sheet: that of the largest."""
        return max(cell.settings["size"] for cell in self.cells)


def _sheet(args: argparse.Namespace) -> _Sheet:
    """The whole sheet, with every setting checked."""
    sheet = _settings_sheet(args) if args.vary else _pictures_sheet(args)
    for cell in sheet.cells:
        try:
            Settings(**cell.settings).check()
        except UsageError as error:
            if not args.vary:
                raise
            raise UsageError(f"{cell.name}: {error.text(_dashed)}") from None
    return sheet


def _pictures_sheet(args: argparse.Namespace) -> _Sheet:
    """Styles on top, contents on the left, each with its picture."""
    settings = {"size": args.size, "iterations": args.iterations}
    contents = list(enumerate(args.contents, start=1))
    styles = list(enumerate(args.styles, start=1))
    return _Sheet(
        ["", *(Path(content).stem for content in args.contents)],
        ["", *(Path(style).stem for style in args.styles)],
        [(0, n, style) for n, style in styles] + [(n, 0, content) for n, content in contents],
        [
            _Cell(
                row, column, content, style, settings, f"{Path(content).stem}, {Path(style).stem}"
            )
            for (row, content), (column, style) in product(contents, styles)
        ],
    )


def _settings_sheet(args: argparse.Namespace) -> _Sheet:
    """The two inputs on the left, then a column for each value of the last setting."""
    if len(args.contents) > 1 or len(args.styles) > 1:
        raise UsageError("--vary takes one picture of --contents and one of --styles")
    if len(args.vary) > 2:
        raise UsageError(f"--vary is given {len(args.vary)} times; a sheet has two sides")
    if len({name for name, _ in args.vary}) < len(args.vary):
        raise UsageError(f"--vary {_dashed(args.vary[0][0])}: is given twice")
    axes = [[(name, value) for value in values] for name, values in args.vary]
    left: list[list[tuple[str, Any]]] = [[]] if len(axes) == 1 else [[pair] for pair in axes[0]]
    cells = []
    for (row, first), (column, last) in product(enumerate(left), enumerate(axes[-1], start=2)):
        pairs = [*first, last]
        settings = {"size": args.size, "iterations": args.iterations, **dict(pairs)}
        cells.append(
            _Cell(row, column, args.contents[0], args.styles[0], settings, _labelled(pairs))
        )
    return _Sheet(
        [_labelled(pairs) for pairs in left],
        ["content", "style", *(_labelled([pair]) for pair in axes[-1])],
        [(0, 0, args.contents[0]), (0, 1, args.styles[0])],
        cells,
    )


def _labelled(pairs: Sequence[tuple[str, Any]]) -> str:
    """`style-weight 5, enlarge true`: as one would write it on the command line."""
    return ", ".join(f"{_dashed(name)} {_word(value)}" for name, value in pairs)


def _word(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _check_files(args: argparse.Namespace, sheet: _Sheet) -> None:
    from ..pictures.images import check_writable

    for _, _, file in sheet.inputs:
        check_file(Path(file))
    # At least as long as the sheet will be: every cell as a square, and one more for the labels.
    cells = 1 + max(len(sheet.row_labels), len(sheet.column_labels))
    check_writable(args.output, cells * (sheet.side + 20))
    if args.output.exists():
        if any(args.output.samefile(file) for _, _, file in sheet.inputs):
            raise UsageError(f"{args.output}: is one of the inputs; choose another name")
        if not args.force:
            raise UsageError(f"{args.output}: exists; --force overwrites it")


# --- Painting -----------------------------------------------------------------------------------


def _run(args: argparse.Namespace, sheet: _Sheet, signals: Signals) -> None:
    """Paint all pictures and write the sheet; after an error or Ctrl-C, with what is ready."""
    cells: list[list[Any]] = [[None] * len(sheet.column_labels) for _ in sheet.row_labels]
    done, total = 0, len(sheet.cells)
    started = time.perf_counter()

    def ready(done: int) -> str:
        return f"{args.output} has the {done} of {total} pictures that are ready"

    try:
        for done, left in enumerate(_painted(sheet, cells, signals), start=1):
            signals.has_picture = True
            _CONSOLE.tell(f"{done}/{total} {sheet.cells[done - 1].name}, {duration(left)} left")
    except Exception:
        if done:
            _save(args, sheet, cells)
            _CONSOLE.tell(f"stopped; {ready(done)}")
        raise
    height, width = _save(args, sheet, cells)
    if signals.received is not None:
        _CONSOLE.tell(f"interrupted; {ready(done)}")
        return
    seconds = time.perf_counter() - started
    _CONSOLE.tell(f"{args.output} {width}x{height}, {total} pictures, {seconds:.1f} s")


def _painted(sheet: _Sheet, cells: list[list[Any]], signals: Signals) -> Iterator[float]:
    """Fill the cells; yields after each picture the seconds that the others will take."""

    def stop(_: Iterate) -> str | None:
        return None if signals.received is None else "stop"

    from .. import load_network
    from ..painting import method
    from ..painting.inputs import open_style
    from ..painting.job import Job
    from ..painting.prepare import prepare
    from ..pictures import images

    pictures = {file: images.load(file) for file in {cell.content for cell in sheet.cells}}
    pictures |= {cell.style: open_style(cell.style)[0] for cell in sheet.cells}
    for row, column, file in sheet.inputs:
        picture = pictures[file].rgb
        size = images.fit(*images.Size.of(picture), sheet.side)
        cells[row][column] = images.resize(picture, *size)
    network = load_network()
    note = cache(_CONSOLE.tell)  # the same note may come with every picture
    started = time.perf_counter()
    for done, cell in enumerate(sheet.cells, start=1):
        job = Job(
            content=pictures[cell.content],
            styles=(pictures[cell.style],),
            settings=Settings(**cell.settings),
        )
        result = method.paint(prepare(job, network=network, note=note), stop)
        if signals.received is not None:
            return
        if "error" in result.report:
            raise StoppedError(f"{cell.name}: {result.report['error']}")
        cells[cell.row][cell.column] = result.image
        yield (time.perf_counter() - started) / done * (len(sheet.cells) - done)


def _save(args: argparse.Namespace, sheet: _Sheet, cells: list[list[Any]]) -> tuple[int, ...]:
    """Write the sheet; its height and width."""
    from ..pictures import images
    from ..pictures.sheets import contact_sheet

    picture = contact_sheet(cells, sheet.row_labels, sheet.column_labels, cell=sheet.side)
    images.save(args.output, picture)
    return picture.shape[:2]


if __name__ == "__main__":
    sys.exit(main())
