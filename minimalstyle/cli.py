"""The command line: arguments, progress, exit codes.

Everything slow is imported inside functions, so that `--help` and mistakes are answered at once.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import Console, Parser, Progress, Signals, warnings_as_lines
from .errors import OutputError, StoppedError, UsageError, WeightsError
from .files import beside, check_file, check_target, free, shortened
from .options import add_settings, preset_help
from .setting import option
from .settings import EVERY, PRESETS, RECONSTRUCTION, SETTINGS, Settings

if TYPE_CHECKING:
    from .events import Iterate
    from .setting import Command

__all__ = ["main"]

_CONSOLE = Console("minimalstyle", option)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

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
            code = _run(_parse(argv), signals)
            return 128 + signals.received if signals.received else code
        except SystemExit as done:  # argparse, after --help and --version
            try:
                _CONSOLE.result()  # flushes
            except OutputError as error:
                return _CONSOLE.failed(error, "--debug" in argv)
            return int(done.code or 0)
        except KeyboardInterrupt:  # of a program that calls this in a thread, or handles signals
            _CONSOLE.tell("interrupted; nothing written")
            return 128 + signal.SIGINT
        except Exception as error:
            return _CONSOLE.failed(error, "--debug" in argv)


_COMMANDS = {
    "texture": "Make a texture like the picture(s) STYLE, without any content.",
    "reconstruct": "Show what one layer knows of the picture CONTENT.",
}


def _parse(argv: list[str]) -> argparse.Namespace:
    command: Command = argv[0] if argv and argv[0] in _COMMANDS else "stylize"  # type: ignore[assignment]
    parser = _parser(command)
    words = argv if command == "stylize" else argv[1:]
    if "--" in words:  # which parse_intermixed_args does not know: pictures follow
        cut = words.index("--")
        pictures = [
            os.path.join(os.curdir, one) if one.startswith("-") else one for one in words[cut + 1 :]
        ]
        words = [*words[:cut], *pictures]
    args = parser.parse_intermixed_args(words)
    args.command = command
    args.content = getattr(args, "content", None)
    args.styles = getattr(args, "styles", [])
    return args


def _parser(command: Command) -> argparse.ArgumentParser:
    from . import __version__

    parser = Parser(
        prog="minimalstyle" if command == "stylize" else f"minimalstyle {command}",
        description=_COMMANDS.get(
            command, "Paint the picture CONTENT in the manner of the picture(s) STYLE."
        ),
        epilog="minimalstyle texture --help, minimalstyle reconstruct --help: only style, only "
        "content; python -m minimalstyle.sweep --help: many pictures on one sheet"
        if command == "stylize"
        else None,
        allow_abbrev=False,
    )
    # argparse takes -1e3 and -inf for options; with this they reach our own messages.
    parser._negative_number_matcher = re.compile(r"-([\d.]|inf|nan)")
    add = parser.add_argument
    if command != "texture":
        add("content", metavar="CONTENT", help="photograph to paint")
    if command != "reconstruct":
        add("styles", metavar="STYLE", nargs="+", help="painting(s) whose manner to take")
    _add_files(parser, command)
    _add_settings(parser, command)
    add("--weights", metavar="FILE.onnx", help="another VGG (default: the embedded VGG-19)")
    add("--plan", action="store_true", help="print the memory and time that it takes, and stop")
    add("--time", type=_seconds, metavar="5m", help="as many iterations as this time allows")
    add("--quiet", action="store_true", help="print errors and warnings only")
    add("--debug", action="store_true", help="show where in the program an error came from")
    add(
        "--compile", action=_Compile, nargs=0, help="compile the kernels of a default run, and stop"
    )
    add("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


class _Compile(argparse.Action):
    """Like --version: nothing else is needed beside it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from .kernels import compile_kernels

        for folder in compile_kernels(_CONSOLE.tell):
            _CONSOLE.result(f"kernels are kept in {folder}")
        parser.exit()


def _add_files(parser: argparse.ArgumentParser, command: str) -> None:
    names = {"texture": "STYLE_texture.png", "reconstruct": "CONTENT_reconstruct.png"}
    default = names.get(command, "CONTENT_STYLE.png")
    group = parser.add_argument_group("files")
    add = group.add_argument
    add("-o", "--output", type=Path, metavar="FILE", help=f"default: {default} here")
    add("--force", action="store_true", help="overwrite existing files")
    add("--bits", type=int, choices=(8, 16), default=8, help="16 for PNG and TIFF (default: 8)")
    add("--no-metadata", action="store_true", help="leave the recipe out of the picture")
    add("--like", type=Path, metavar="RESULT", help="take the settings from the recipe in RESULT")
    add("--compare", action="store_true", help="also save inputs and result side by side")
    add(
        "--save-every", type=int, metavar="N", help="also save every Nth iterate, and a GIF of them"
    )
    add("--report", type=Path, metavar="FILE.json", help="write settings, losses and times")
    add("--checkpoint", type=Path, metavar="FILE", help="keep the state of the run there")
    add("--resume", type=Path, metavar="FILE", help="go on from a checkpoint, or begin one")
    add(
        "--checkpoint-every",
        type=_seconds,
        metavar="20s",
        default=EVERY,
        help=f"keep the state after so much time as well (default: {EVERY:g}s)",
    )


def _add_settings(parser: argparse.ArgumentParser, command: Command) -> None:
    """Options that are fields of `Settings`, and those that go with them."""
    add = parser.add_argument
    add("--preset", choices=PRESETS, help=preset_help())
    if command == "reconstruct":
        add("--layer", default="relu4_2", help="(default: relu4_2)")
    if command == "texture":
        add(
            "--seamless", action="store_true", help="make it tile; also saves a proof of 2x2 copies"
        )
    add_settings(parser, command, Settings(**(RECONSTRUCTION if command == "reconstruct" else {})))
    if command == "stylize":
        add = parser.add_argument_group("regions", argument_default=argparse.SUPPRESS).add_argument
        text = "regions, white or in colours; once, or once for each STYLE"
        add("--content-mask", help=text, action="append", metavar="FILE")
        add("--style-mask", help="parts of STYLE; once for each", action="append", metavar="FILE")


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|)", text)
    if match is None or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a time such as 90s, 5m or 1h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """The options that are fields of `Settings`, and those of `--like`, checked."""
    given = {name: getattr(args, name) for name in SETTINGS if hasattr(args, name)}
    if args.like is not None:
        if args.preset is not None:
            raise UsageError("--preset and --like: a recipe has all settings; give one of them")
        given = {**_settings_like(args), **given}
    if getattr(args, "seamless", False) and getattr(args, "border", "wrap") != "wrap":
        raise UsageError("--seamless and --border: what tiles has --border wrap; give one of them")
    if args.time is not None and hasattr(args, "iterations"):
        raise UsageError("--iterations and --time: give one of them")
    args.preset = args.preset or "default"
    auto = given.get("size") == "auto"
    if auto:
        del given["size"]
    chosen = Settings(**{**PRESETS[args.preset], **given})
    chosen.check()
    blend, styles = chosen.style_blend, len(args.styles)
    if blend is not None and len(blend) != styles:
        message = f"has {len(blend)} weights for {styles} STYLE pictures"
        raise UsageError(message, setting="style_blend")
    args.auto, args.size = auto, chosen.size
    return given


def _settings_like(args: argparse.Namespace) -> dict[str, Any]:
    from . import recipe

    made = recipe.read(args.like)
    command = recipe.command_of(made)
    if command != args.command:
        names = {"stylize": "minimalstyle CONTENT STYLE"}
        right = names.get(command, f"minimalstyle {command}")
        raise UsageError(f"--like {args.like}: is the result of another command, {right}")
    try:
        return recipe.settings_of(made)
    except ValueError as error:
        raise UsageError(f"--like {args.like}: {error}") from None


def _begin_or_go_on(args: argparse.Namespace) -> None:
    """One command begins a run, and goes on with it."""
    if args.resume is not None and not os.path.lexists(args.resume):
        if not args.quiet:
            what = "no such file; a new run begins, and keeps its state there"
            _CONSOLE.tell(f"{args.resume}: {what}")
        args.checkpoint, args.resume = args.checkpoint or args.resume, None


def _check_files(args: argparse.Namespace) -> Path:
    """Look at every file before the work starts; the path of the output."""
    from .images import check_writable
    from .outputs import Outputs

    args.outputs = Outputs(args.checkpoint or args.resume, args.resume)
    pictures = [args.content, *args.styles]
    pictures += [*getattr(args, "content_mask", ()), *getattr(args, "style_mask", ())]
    inputs = [Path(one) for one in pictures if one is not None]
    start = Settings(init=getattr(args, "init", Settings.init)).start_picture
    if start is not None:
        if not os.path.exists(start):
            raise UsageError(f"--init {start}: give content, noise, style, or an existing picture")
        inputs.append(Path(start))
    for path in inputs:
        check_file(path)
    if args.weights is not None:
        check_file(Path(args.weights), WeightsError)
        inputs.append(Path(args.weights))
    if args.save_every is not None and args.save_every < 1:
        raise UsageError(f"--save-every must be a whole number from 1 up, not {args.save_every}")

    output: Path = args.output or free(_default_output(args), args.outputs.owns)
    check_writable(output, args.size, args.bits)
    targets = [("--report", args.report), ("--checkpoint", args.checkpoint)]
    targets = [(name, path) for name, path in targets if path is not None]
    for name, path in targets:
        check_target(path)
        if _same(path, output):
            raise UsageError(f"{name} {path}: is the output; choose another name")
    if len(targets) == 2 and _same(args.report, args.checkpoint):
        raise UsageError(f"--checkpoint {args.checkpoint}: is the report; choose another name")
    for name, path in (("--output", output), *targets, *_companions(args, output)):
        going_on = name == "--checkpoint" and args.resume is not None
        sources = inputs if going_on or args.resume is None else [*inputs, args.resume]
        if any(_same(path, other) for other in sources):
            raise UsageError(f"{name} {path}: is one of the inputs; choose another name")
        if os.path.lexists(path) and not (args.force or going_on or args.outputs.owns(path)):
            raise UsageError(f"{name} {path}: exists; --force overwrites it")
    return output


def _companions(args: argparse.Namespace, output: Path) -> list[tuple[str, Path]]:
    """What is saved beside the output, with the option that asks for it."""
    found = []
    if args.compare:
        found.append(("--compare", beside(output, "compare")))
    if getattr(args, "seamless", False):
        found.append(("--seamless", beside(output, "2x2")))
    if args.save_every is not None:
        found.append(("--save-every", output.with_suffix(".gif")))
        stem = beside(output, "0000").stem[:-4]
        frame = re.compile(re.escape(stem) + r"\d{4,}\.png")
        found += [
            ("--save-every", path)
            for path in sorted(output.parent.iterdir())
            # Those of an earlier process of this run stay: new ones get other names.
            if frame.fullmatch(path.name) and args.resume is None
        ]
    return found


def _same(a: Path, b: Path) -> bool:
    if a.exists() and b.exists():
        return a.samefile(b)  # hard links and other spellings, too
    return os.path.realpath(a) == os.path.realpath(b)


def _default_output(args: argparse.Namespace) -> Path:
    sources = (args.content, *args.styles)
    name = "_".join(Path(source).stem for source in sources if source is not None)
    if args.command != "stylize":
        name += f"_{args.command}"
    return Path(f"{shortened(name, 200)}.png")


def _run(args: argparse.Namespace, signals: Signals) -> int:
    """The exit code, as long as there is no signal."""
    settings = _settings(args)
    _begin_or_go_on(args)
    output = _check_files(args)
    progress = Progress(_CONSOLE, args.quiet)
    with progress.closing(), warnings_as_lines(progress.line, args.debug):
        from . import job
        from .images import keeps_alpha

        run = job.Job(args, settings, progress.note)
        if run.content.alpha is not None and not keeps_alpha(output):
            progress.note(f"{output}: a JPEG holds no transparency; with .png it is kept")
        if args.plan:
            for line in run.plan().splitlines():
                _CONSOLE.result(line)
            return 0
        run.check_space(output, args.checkpoint or args.resume)
        film = (
            None
            if args.save_every is None
            else job.Film(output, args.save_every, args.force, args.outputs)
        )

        def callback(event: Iterate) -> str | None:
            signals.has_picture = True
            progress.show(event)
            if film is not None:
                film.add(event)
            return None if signals.received is None else "stop"

        result = run(callback)
    saved, errors = job.save(run, output, result, film)
    for error in errors:
        _CONSOLE.tell(f"error: {error}")
    if errors and saved.parent != output.parent:
        _CONSOLE.tell(f"the picture is saved as {saved.absolute()}")
    if result.report["stopped"] == "interrupted":
        _CONSOLE.tell("interrupted; the best picture so far is saved")
    if not args.quiet:
        height, width = result.pixels.shape[:2]
        _CONSOLE.result(f"{saved}  {width}x{height}  {result.report['seconds']:.1f} s")
    if errors:
        return OutputError.exit_code
    return StoppedError.exit_code if "error" in result.report else 0
