"""What can be asked for on the command line."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..settings.settings import EVERY, PRESETS, RECONSTRUCTION, Settings
from .console import Console, Parser
from .options import add_settings, preset_help

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..settings.setting import Command

__all__ = ["parse", "parser_of"]

_COMMANDS = {
    "texture": "Make a texture like the picture(s) STYLE, without any content.",
    "reconstruct": "Show what one layer knows of the picture CONTENT.",
}


def parse(argv: Sequence[str], console: Console) -> argparse.Namespace:
    """Read arguments; UsageError for those that make no sense."""
    command: Command = argv[0] if argv and argv[0] in _COMMANDS else "stylize"  # type: ignore[assignment]
    parser = parser_of(command, console)
    words = list(argv if command == "stylize" else argv[1:])
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


def parser_of(command: Command, console: Console) -> argparse.ArgumentParser:
    """The parser of a command; what `--compile` tells goes to `console`."""
    from .. import __version__

    parser = Parser(
        prog="minimalstyle" if command == "stylize" else f"minimalstyle {command}",
        description=_COMMANDS.get(
            command, "Paint the picture CONTENT in the manner of the picture(s) STYLE."
        ),
        epilog="minimalstyle studio: a page in the browser; minimalstyle styles: paintings that "
        "come with it; minimalstyle batch --help: many photographs and paintings; minimalstyle "
        "style --help: a painting that is measured once; minimalstyle texture --help, minimalstyle "
        "reconstruct --help: only style, only content; python -m minimalstyle.sweep --help: many "
        "pictures on one sheet"
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
        add(
            "styles",
            metavar="STYLE",
            nargs="+",
            help="painting(s) whose manner to take, or their names",
        )
    _add_files(parser, command)
    _add_settings(parser, command)
    add("--weights", metavar="FILE.onnx", help="another VGG (default: the embedded VGG-19)")
    add("--plan", action="store_true", help="print the memory and time that it takes, and stop")
    add("--time", type=_seconds, metavar="5m", help="as many iterations as this time allows")
    add("--quiet", action="store_true", help="print errors and warnings only")
    add("--debug", action="store_true", help="show where in the program an error came from")
    text = "compile the kernels of a default run, and stop"
    add("--compile", action=_Compile, nargs=0, const=console, help=text)
    add("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


class _Compile(argparse.Action):
    """Like --version: nothing else is needed beside it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from .kernels import compile_kernels

        for folder in compile_kernels(self.const.tell):
            self.const.result(f"kernels are kept in {folder}")
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
