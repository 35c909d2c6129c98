"""`minimalstyle style`: a painting and its moments in a file, accepted wherever a STYLE is."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..errors import UsageError
from ..files import check_file, check_target
from ..settings.choose import choose
from ..settings.setting import option
from ..settings.settings import PRESETS, SETTINGS, Settings
from .console import Console, Parser, Signals, warnings_as_lines
from .options import add_settings, preset_help

__all__ = ["main"]

_CONSOLE = Console("minimalstyle style", option)


def main(argv: Sequence[str]) -> int:
    """Run the command; `argv` is what comes after "style". The exit code as of `paint.main`."""
    with Signals(_CONSOLE):
        try:
            args = _parser().parse_args(argv)
            with warnings_as_lines(_CONSOLE.tell, args.debug):
                _run(args)
        except SystemExit as done:  # argparse, after --help
            return int(done.code or 0)
        except Exception as error:
            return _CONSOLE.failed(error, "--debug" in argv)
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=_CONSOLE.program,
        description="Measure a painting once, for all runs with these settings. The file has the "
        "painting, too, and can be given wherever a painting can.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("painting", type=Path, metavar="PAINTING")
    text = "default: PAINTING.style here"
    add("-o", "--output", type=Path, metavar="FILE.style", help=text)
    add("--force", action="store_true", help="overwrite an existing file")
    add("--preset", choices=PRESETS, help=preset_help())
    add_settings(parser, "stylize", Settings())
    add("--weights", type=Path, metavar="FILE.onnx", help="another VGG")
    add("--debug", action="store_true", help="show where in the program an error came from")
    return parser


def _run(args: argparse.Namespace) -> None:
    given = {name: getattr(args, name) for name in SETTINGS if hasattr(args, name)}
    if given.get("size") == "auto":
        raise UsageError("auto is for one picture; give pixels", setting="size")
    settings = choose(args.preset or "default", given)
    output = args.output or Path(f"{args.painting.stem}.style")
    check_file(args.painting)
    check_target(output)
    if output.exists():
        if output.samefile(args.painting):
            raise UsageError(f"{output}: is the painting; choose another name")
        if not args.force:
            raise UsageError(f"{output}: exists; --force overwrites it")
    from ..engine.jit import notify_compilation
    from ..network.network import load_network
    from ..painting.keep import measure_style
    from ..records import style

    with notify_compilation(_CONSOLE.tell):
        network = load_network(args.weights, threads=settings.threads)
        kept, sizes = measure_style(args.painting, settings, network)
    style.write(output, kept)
    at = ", ".join(f"{width}x{height}" for width, height in sizes)
    _CONSOLE.result(f"{output}  {at}  {output.stat().st_size / 1e6:.1f} MB")
