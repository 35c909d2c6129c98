"""`minimalstyle batch`: many photographs after many paintings, and never twice.

Everything slow is imported inside functions, so that `--help` and mistakes are answered at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..settings.choose import choose
from ..settings.setting import option
from ..settings.settings import PRESETS, SETTINGS, Settings
from .batch_run import FAILED, MOST_FAILED, REPORTS, Batch
from .console import Console, Display, Parser, Signals, duration, warnings_as_lines
from .options import add_settings, preset_help

if TYPE_CHECKING:
    from ..batch.folder import Folder
    from ..batch.tasks import Order, Task

__all__ = ["main"]

_CONSOLE = Console("minimalstyle batch", option)
_TEMPLATE = "{content}_{style}.{ext}"
_EXTENSIONS = ("png", "jpg", "webp", "tif")


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str
        Arguments after "batch".

    Returns
    -------
    int
        0; 100 and the number of pictures that failed, at most 125; the `exit_code` of an error
        that ended the batch (2 for usage), 1 for anything unforeseen, 128 + the signal's number
        after SIGINT (130) or SIGTERM (143).
    """
    with Signals(_CONSOLE) as signals:
        try:
            code = _run(_parser().parse_args(argv), signals)
            return 128 + signals.received if signals.received else code
        except SystemExit as done:  # argparse, after --help
            return int(done.code or 0)
        except Exception as error:
            return _CONSOLE.failed(error, "--debug" in argv)


# --- Arguments ----------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=_CONSOLE.program,
        description="Paint every photograph after every painting. What is finished is not painted "
        "again: the same command goes on after a crash, and paints what was added.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("photos", nargs="*", metavar="PHOTO", help="photographs, or folders of them")
    add("--styles", nargs="+", default=[], metavar="PAINTING", help="paintings, or folders of them")
    add("-o", "--output", type=Path, required=True, metavar="FOLDER", help="for the pictures")
    add("--pairs", action="store_true", help="the first photograph after the first painting, ...")
    text = "jobs.csv or jobs.json: content, style, output and settings of each picture"
    add("--list", type=Path, metavar="FILE", help=text)
    text = "names of the pictures, with {folder}, too (default: %(default)s)"
    add("--name", default=_TEMPLATE, metavar="TEMPLATE", help=text)
    add("--ext", choices=_EXTENSIONS, default="png", help="the {ext} of names (default: png)")
    add("--bits", type=int, choices=(8, 16), default=8, help="16 for PNG and TIFF (default: 8)")
    add("--no-metadata", action="store_true", help="leave the recipes out of the pictures")
    add("--force", action="store_true", help="overwrite files that no batch has written")
    text = "paint what is put into the folders, until Ctrl-C"
    add("--watch", action="store_true", help=text)
    text = "the photographs are frames in their order: each begins with the picture before"
    add("--film", action="store_true", help=text)
    text = "pictures at once, by Dask processes that share the cores (default: by cores and memory)"
    add("--workers", type=_count, metavar="N", help=text)
    text = "a Dask scheduler, whose workers paint, such as tcp://host:8786"
    add("--scheduler", metavar="ADDRESS", help=text)
    add("--shared-files", action="store_true", help="its workers open the files by their paths")
    add("--checkpoint", action="store_true", help="keep the state of a picture, to go on with it")
    add("--contact-sheet", type=Path, metavar="FILE", help="all pictures on one sheet, in the end")
    add("--dry-run", action="store_true", help="list jobs, memory and time, and stop")
    add("--preset", choices=PRESETS, help=preset_help())
    add_settings(parser, "stylize", Settings())
    add("--weights", type=Path, metavar="FILE.onnx", help="another VGG")
    add("--quiet", action="store_true", help="print errors and warnings only")
    add("--debug", action="store_true", help="show where in the program an error came from")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 1 to 1024")
    return int(text)


def _settings(args: argparse.Namespace, given: dict[str, Any]) -> Settings:
    """Those of the command line, with others in their place."""
    of_all = {name: getattr(args, name) for name in SETTINGS if hasattr(args, name)}
    chosen = {**of_all, **given}
    if chosen.get("size") == "auto":
        raise UsageError("auto is for one picture; give pixels", setting="size")
    settings = choose(args.preset or "default", chosen)
    return _going_on(settings) if args.checkpoint else settings


def _going_on(settings: Settings) -> Settings:
    """As they are in a run with a checkpoint, so that its picture is recognised."""
    from ..optimize.lbfgs import SEGMENT

    return replace(settings, segment=settings.segment or SEGMENT)


def _orders(args: argparse.Namespace) -> list[Order]:
    from ..batch.tasks import orders, walk

    if args.scheduler is None and args.shared_files:
        raise UsageError("--shared-files is for a --scheduler")
    several = args.workers not in (None, 1)
    if args.scheduler is not None and several:
        raise UsageError("--workers and --scheduler: give one of them")
    if args.film and (args.list or args.pairs or args.watch):
        raise UsageError(
            "--film takes frames and paintings, and neither --list, --pairs nor --watch"
        )
    if args.film and (args.scheduler is not None or several):
        raise UsageError("--film paints one after another, without --workers or --scheduler")
    if args.film and getattr(args, "init", "content") != "content":
        raise UsageError("--film begins with the frame before, and takes no --init")
    if args.watch and (args.list or args.pairs or args.dry_run):
        raise UsageError("--watch takes folders, and neither --list, --pairs nor --dry-run")
    if args.list is not None:
        if args.photos or args.styles or args.pairs:
            raise UsageError("--list has the photographs and paintings; give no others")
        return _listed(args)
    if not args.photos or not args.styles:
        raise UsageError("give photographs and --styles, or a --list; see --help")
    settings = _settings(args, {})
    if args.watch:
        for one in args.photos:
            if not Path(one).is_dir():
                raise UsageError(f"--watch: {one} is no folder")
        return []  # they come when they are whole
    contents = walk(args.photos, without=args.output)
    return orders(contents, _styles(args), settings, pairs=args.pairs)


def _styles(args: argparse.Namespace) -> list[Path]:
    """Files, those in folders, and paintings of the gallery by their names."""
    from .. import gallery
    from ..batch.tasks import walk

    given = map(gallery.source, args.styles)
    return [path for path, _ in walk(given, without=args.output, also=[".style"])]


def _listed(args: argparse.Namespace) -> list[Order]:
    from ..batch import lists
    from ..batch.tasks import Order

    found = []
    for row in lists.read(args.list, SETTINGS):
        try:
            settings = _settings(args, _typed(row.settings))
        except UsageError as error:
            raise UsageError(f"{row.where}: {error}") from None
        order = Order(
            content=row.content,
            styles=row.styles,
            output=row.output,
            settings=settings,
            where=row.where,
        )
        found.append(order)
    return found


def _typed(settings: dict[str, Any]) -> dict[str, Any]:
    """Texts of a list as the options of their names would have them."""
    words = []
    typed = {
        name: float(value) if type(value) is int and _is_float(name) else value
        for name, value in settings.items()
        if not isinstance(value, str)
    }
    for name, value in settings.items():
        if not isinstance(value, str):
            continue
        if bool not in SETTINGS[name].kinds:
            words.append(f"{option(name)}={value}")
        elif value.lower() in ("true", "false"):
            typed[name] = value.lower() == "true"
        else:
            raise UsageError(f"must be true or false, not {value!r}", setting=name)
    parser = Parser(allow_abbrev=False, add_help=False)
    add_settings(parser, "stylize", Settings())
    return {**typed, **vars(parser.parse_args(words))}


def _is_float(name: str) -> bool:
    return float in SETTINGS[name].kinds and int not in SETTINGS[name].kinds


# --- What is to be done -------------------------------------------------------------------------


def _run(args: argparse.Namespace, signals: Signals) -> int:
    from ..batch import together
    from ..batch.tasks import check_apart, check_template, film

    check_template(args.name)
    asked = _orders(args)
    listed = film(_tasks(args, asked)) if args.film else _tasks(args, asked)
    check_apart(listed)
    display = Display(_CONSOLE, args.quiet)
    from ..batch.folder import Folder
    from ..network.onnx_io import load_vgg

    how = {"bits": args.bits, "metadata": not args.no_metadata}
    digest = load_vgg(args.weights).sha256
    if args.dry_run and not args.output.exists():
        return _dry_run(listed, _at_once(args, listed, display), display)
    with Folder(args.output, digest, how) as folder:
        _check(args, folder, listed)
        run = Batch(args, folder, display, signals)
        for task in listed:
            run.add(task)
        workers = _at_once(args, run.todo, display)
        if args.dry_run:
            return _dry_run(run.todo, workers, display)
        if workers > 1 and not args.watch:
            together.check(run.todo, workers)
        with warnings_as_lines(cache(display.line), args.debug):
            return run.paint(workers, _watch(args) if args.watch else None)


def _at_once(args: argparse.Namespace, todo: list[Task], display: Display) -> int:
    """Pictures that are painted at once on this machine."""
    from ..batch import together

    if args.workers is not None:
        return int(args.workers if args.watch else max(min(args.workers, len(todo)), 1))
    if args.watch or args.film or args.scheduler is not None:
        return 1
    workers = together.usual(todo)
    if workers > 1 and not together.dask_is_there():
        display.note(f"pip install 'minimalstyle[cluster]' paints {workers} pictures at once")
        return 1
    return workers


def _watch(args: argparse.Namespace) -> Callable[[], list[Task]]:
    """What gives the tasks that have come since the last call."""
    from ..batch.tasks import orders
    from ..batch.watch import Watch

    watch = Watch(args.photos, without=args.output)
    settings = _settings(args, {})
    styles = _styles(args)

    def found() -> list[Task]:
        return _tasks(args, orders(watch.new(), styles, settings))

    return found


def _tasks(args: argparse.Namespace, asked: list[Order]) -> list[Task]:
    from ..batch.tasks import tasks

    return tasks(asked, args.output, template=args.name, ext=args.ext, weights=args.weights)


def _check(args: argparse.Namespace, folder: Folder, listed: list[Task]) -> None:
    """What would stop the batch at its first picture, or its last."""
    from ..pictures.images import check_writable

    largest = {f".{args.ext}": _settings(args, {}).size} if args.watch else {}
    for task in listed:
        suffix = task.output.suffix
        largest[suffix] = max(largest.get(suffix, 0), task.job.settings.size)
    for suffix, size in largest.items():
        check_writable(args.output / f"picture{suffix}", size, args.bits)
    others = [args.output / name for name in REPORTS]
    if folder.new and not args.force:
        for path in others:
            if path.exists():
                raise UsageError(f"{path}: exists, and is not of a batch; --force overwrites it")
    if args.contact_sheet is not None:
        check_writable(args.contact_sheet, 20_000)


def _dry_run(todo: list[Task], workers: int, display: Display) -> int:
    """Every job with what it takes."""
    from ..batch import together
    from ..painting import plan

    painters, paces = together.painters(workers), {}
    total, most, failed = 0.0, 0, 0
    for task in todo:
        try:
            run = painters[0].prepare(task.job)
            speed = repr(task.job.settings)
            if speed not in paces:
                paces[speed] = together.measure_pace(painters, task.job)
            needs = plan.make(run, paces[speed])
        except Exception as error:
            failed += 1
            _CONSOLE.tell(f"{task.name}: {error}")
            continue
        width, height = needs.sizes[-1]
        fits = needs.available is None or workers * needs.memory <= needs.available
        memory = f"{needs.memory / 1e6:.0f} MB" + ("" if fits else ", too much")
        _CONSOLE.result(f"{task.name}  {width}x{height}  {memory}  {duration(needs.seconds)}")
        total, most = total + needs.seconds, max(most, needs.memory)
    count = f"{len(todo) - failed} pictures"
    memory = f"at most {workers * most / 1e6:.0f} MB" + (f" for {workers}" if workers > 1 else "")
    _CONSOLE.result(f"{count}, {memory}, {duration(total / len(painters))} in all")
    return min(FAILED + failed, MOST_FAILED) if failed else 0
