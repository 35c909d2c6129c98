"""`minimalstyle studio`: the page in a browser, answered by this process."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import UsageError
from .console import Console, Parser

__all__ = ["run"]


def run(argv: Sequence[str], console: Console) -> int:
    """Answer the page until Ctrl-C; the exit code."""
    try:
        args = _parser().parse_args(argv)
        with suppress(ValueError):  # not in the main thread
            signal.signal(signal.SIGINT, signal.default_int_handler)
        _serve(args, console)
    except SystemExit as done:  # argparse, after --help
        return int(done.code or 0)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:
        return console.failed(error, "--debug" in argv)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="minimalstyle studio",
        description="Open a page in the browser: a photograph, a wall of paintings, one slider. "
        "Everything stays on this computer.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--port", type=int, default=0, metavar="N", help="(default: a free one)")
    text = "where to listen (default: %(default)s); for others to reach it, the address has a token"
    add("--host", default="127.0.0.1", metavar="ADDRESS", help=text)
    text = "where your own paintings are kept (default: among your data)"
    add("--paintings", type=Path, metavar="FOLDER", help=text)
    add("--no-browser", action="store_true", help="only print the address")
    add("--debug", action="store_true", help="show where in the program an error came from")
    return parser


def _serve(args: argparse.Namespace, console: Console) -> None:
    try:
        from ..studio.listening import serve
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise UsageError("the studio needs more: pip install 'minimalstyle[studio]'") from None

    def ready(address: str) -> None:
        console.result(address)
        if not args.no_browser and _has_screen():
            webbrowser.open(address)

    folder = args.paintings or _default_folder()
    serve(args.host, args.port, folder, ready=ready, debug=args.debug)


def _has_screen() -> bool:
    """Elsewhere a browser in the terminal would come up, in place of ours."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _default_folder() -> Path:
    """Where programs of this system keep what is the user's."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or home / "AppData/Roaming")
    elif sys.platform == "darwin":
        base = home / "Library/Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    return base / "minimalstyle" / "paintings"
