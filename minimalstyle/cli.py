"""The command line: arguments, progress, exit codes.

Everything slow is imported inside functions, so that `--help` and mistakes are answered at once.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from .errors import MinimalstyleError, MinimalstyleWarning, UsageError, WeightsError
from .files import atomic_write, check_file, check_target
from .settings import Settings

if TYPE_CHECKING:
    from tqdm import tqdm

    from .events import Iterate

__all__ = ["main"]


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
    with _Signals() as signals:
        try:
            _run(_parse(argv), signals)
            return 128 + signals.received if signals.received else 0
        except SystemExit as done:  # argparse, after --help and --version
            _print()  # flushes
            return int(done.code or 0)
        except KeyboardInterrupt:
            if signals.has_picture:
                _tell("interrupted again; left at once")
            else:
                _tell("interrupted before there was a picture; nothing written")
            return 128 + (signals.received or signal.SIGINT)
        except Exception as error:
            if "--debug" in argv:
                traceback.print_exc()
            return _report_error(error)


def _report_error(error: Exception) -> int:
    if isinstance(error, MinimalstyleError):
        _tell(f"error: {error}")
        return error.exit_code
    if isinstance(error, MemoryError):
        _tell("error: not enough memory; choose a smaller --size")
    else:
        what = f"{type(error).__name__}: {error}"
        _tell(f"error: unexpected {what}; please report it with the output of --debug")
    return 1


def _tell(text: str) -> None:
    """One line on stderr; a log that went away is no reason to lose a picture."""
    if sys.stderr is None:
        return
    try:
        print(f"minimalstyle: {_one_line(text)}", file=sys.stderr, flush=True)
    except OSError:
        sys.stderr = None  # type: ignore[assignment]  # or Python tries again when it ends


def _one_line(text: str) -> str:
    # File names may hold line feeds and escape sequences.
    return "".join(c if c.isprintable() else "?" for c in text)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see --help")


def _parse(argv: list[str]) -> argparse.Namespace:
    from . import __version__

    default = Settings()
    parser = _Parser(
        prog="minimalstyle",
        description="Paint the picture CONTENT in the manner of the picture(s) STYLE.",
        allow_abbrev=False,
    )
    # argparse takes -1e3 and -inf for options; with this they reach our own messages.
    parser._negative_number_matcher = re.compile(r"-([\d.]|inf|nan)")
    add = parser.add_argument
    add("content", metavar="CONTENT", help="photograph to paint")
    add("styles", metavar="STYLE", nargs="+", help="painting(s) whose manner to take")
    add("-o", "--output", type=Path, metavar="FILE", help="default: CONTENT_STYLE.png here")
    add("--force", action="store_true", help="overwrite existing files")
    add(
        "--size",
        type=int,
        default=default.size,
        help="longer side in pixels, at most that of CONTENT (default: %(default)s)",
    )
    add("--enlarge", action="store_true", help="allow --size above the size of CONTENT")
    add(
        "--iterations",
        type=int,
        default=default.iterations,
        help="at each size (default: %(default)s)",
    )
    for name, what in (
        ("content", "likeness to CONTENT"),
        ("style", "likeness to STYLE"),
        ("tv", "smoothness"),
    ):
        value = getattr(default, f"{name}_weight")
        text = f"{what} (default: %(default)g)"
        add(f"--{name}-weight", type=float, default=value, metavar="WEIGHT", help=text)
    add(
        "--style-scale",
        type=float,
        default=default.style_scale,
        metavar="FACTOR",
        help="size of the strokes (default: %(default)g)",
    )
    add(
        "--style-blend",
        type=_numbers,
        default=default.style_blend,
        metavar="A,B,...",
        help="weight of each STYLE, such as 0.7,0.3 (default: equal)",
    )
    add(
        "--init",
        default=default.init,
        metavar="INIT",
        help="start from content, noise, or a picture file (default: %(default)s)",
    )
    add("--seed", type=int, default=default.seed, help="of the noise (default: %(default)s)")
    add("--weights", metavar="FILE.onnx", help="another VGG (default: the embedded VGG-19)")
    add("--threads", type=int, default=default.threads, help="(default: all cores)")
    add("--report", type=Path, metavar="FILE.json", help="write settings, losses and times")
    add("--quiet", action="store_true", help="print errors and warnings only")
    add("--debug", action="store_true", help="show where in the program an error came from")
    add("--version", action="version", version=f"%(prog)s {__version__}")
    return parser.parse_intermixed_args(argv)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        message = f"{text!r}: expected numbers separated by commas"
        raise argparse.ArgumentTypeError(message) from None


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """The options that are fields of `Settings`, checked."""
    names = [field.name for field in fields(Settings) if hasattr(args, field.name)]
    settings = {name: getattr(args, name) for name in names}
    try:
        Settings(**settings).check()
    except UsageError as error:
        # It speaks of style_weight; here that is --style-weight.
        options = {name: "--" + name.replace("_", "-") for name in names}
        pattern = rf"\b({'|'.join(names)})\b"
        raise UsageError(re.sub(pattern, lambda m: options[m[0]], str(error))) from None
    if args.style_blend is not None:
        blend, styles = args.style_blend, len(args.styles)
        if len(blend) != styles:
            raise UsageError(f"--style-blend has {len(blend)} weights for {styles} STYLE pictures")
        if not all(0 <= weight < math.inf for weight in blend) or sum(blend) == 0:
            raise UsageError("--style-blend must be numbers from 0 up, and not all 0")
    return settings


def _check_files(args: argparse.Namespace) -> Path:
    """Look at every file before the work starts; the path of the output."""
    from .images import check_writable

    inputs = [Path(args.content), *map(Path, args.styles)]
    if args.init not in ("content", "noise"):
        if not os.path.exists(args.init):
            raise UsageError(f"--init {args.init}: give content, noise, or an existing picture")
        inputs.append(Path(args.init))
    for path in inputs:
        check_file(path)
    if args.weights is not None:
        check_file(Path(args.weights), WeightsError)
        inputs.append(Path(args.weights))

    output: Path = args.output or _free(_default_output(args))
    check_writable(output, args.size)
    if args.report is not None:
        check_target(args.report)
        if _same(args.report, output):
            raise UsageError(f"--report {args.report}: is the output; choose another name")
    for option, path in (("--output", output), ("--report", args.report)):
        if path is not None and any(_same(path, other) for other in inputs):
            raise UsageError(f"{option} {path}: is one of the inputs; choose another name")
        if path is not None and path.exists() and not args.force:
            raise UsageError(f"{option} {path}: exists; --force overwrites it")
    return output


def _same(a: Path, b: Path) -> bool:
    if a.exists() and b.exists():
        return a.samefile(b)  # hard links and other spellings, too
    return os.path.realpath(a) == os.path.realpath(b)


def _default_output(args: argparse.Namespace) -> Path:
    name = "_".join(Path(source).stem for source in (args.content, *args.styles))
    # File systems allow 255 bytes; leave some for the number and the suffix.
    short = name.encode("utf-8", "surrogateescape")[:200].decode("utf-8", "ignore")
    return Path(f"{short}.png")


def _free(path: Path) -> Path:
    """`path`, or the first of `path_2`, `path_3` ... that does not exist."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.stem}_{number}{path.suffix}")
    return candidate


def _run(args: argparse.Namespace, signals: _Signals) -> None:
    settings = _settings(args)
    output = _check_files(args)
    progress = _Progress(args.quiet)
    with progress.closing(), _warnings_to(progress, show_all=args.debug):
        from . import stylize

        def callback(event: Iterate) -> bool:
            signals.has_picture = True
            progress.show(event)
            return signals.received is not None

        result = stylize(
            args.content,
            args.styles,
            weights=args.weights,
            callback=callback,
            on_note=progress.note,
            **settings,
        )
    _finish(args, output, result)


def _finish(args: argparse.Namespace, output: Path, result: Any) -> None:
    """Write the picture and the report, and say so."""
    from . import __version__, images

    if not args.force:
        output = _free(output)  # another run may have written it in the meantime
    images.save(output, result.image)
    if args.report is not None:
        facts = {"version": __version__, "output": str(output), **result.report}
        atomic_write(args.report, (json.dumps(facts, indent=2) + "\n").encode())
    if result.report["stopped"] == "interrupted":
        _tell("interrupted; the best picture so far is saved")
    if not args.quiet:
        height, width = result.image.shape[:2]
        _print(f"{output}  {width}x{height}  {result.report['seconds']:.1f} s")


def _print(text: str = "") -> None:
    """The final line on stdout; a reader that went away is no error, the picture is saved."""
    if sys.stdout is None:
        return
    encoding = sys.stdout.encoding or "utf-8"
    text = _one_line(text).encode(encoding, "backslashreplace").decode(encoding)
    try:
        print(text, end="\n" if text else "", flush=True)
    except OSError:
        sys.stdout = None  # type: ignore[assignment]  # or Python complains when it ends


class _Progress:
    """On a terminal one bar over all scales; elsewhere one line for each scale."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.bar: tqdm[NoReturn] | None = None
        self.scale = 0

    def line(self, text: str) -> None:
        if self.bar is None:
            _tell(text)
        else:
            with suppress(OSError):
                self.bar.write(f"minimalstyle: {_one_line(text)}", file=sys.stderr)

    def note(self, text: str) -> None:
        if not self.quiet:
            self.line(text)

    def show(self, event: Iterate) -> None:
        if self.quiet or sys.stderr is None:
            return
        left = "" if event.seconds_left is None else f", {_duration(event.seconds_left)} left"
        where = f"scale {event.scale}/{event.scales}, {event.width}x{event.height}"
        text = f"{where}, loss {event.loss:.4g}{left}"
        if sys.stderr.isatty():
            with suppress(OSError):
                self._draw(event.fraction, text)
        else:
            if event.scale != self.scale:
                _tell(where + left)
            if event.iteration == event.iterations:
                _tell(f"{where}, loss {event.loss:.4g}")
        self.scale = event.scale

    def _draw(self, fraction: float, text: str) -> None:
        if self.bar is None:
            from tqdm import tqdm

            tqdm.monitor_interval = 0  # no thread of its own
            layout = "{percentage:3.0f}% |{bar:20}| {desc}"
            self.bar = tqdm(total=1.0, bar_format=layout, file=sys.stderr, nrows=20)
        # Some terminals say that they have 0 columns and rows; tqdm would show nothing.
        self.bar.ncols = os.get_terminal_size(sys.stderr.fileno()).columns or 80
        self.bar.n = fraction
        self.bar.set_description_str(text, refresh=True)

    @contextmanager
    def closing(self) -> Iterator[None]:
        try:
            yield
        finally:
            if self.bar is not None:
                with suppress(OSError):
                    self.bar.close()
                self.bar = None


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def _warnings_to(progress: _Progress, show_all: bool) -> Iterator[None]:
    """Our warnings as one line each; those of libraries only with --debug or python -W."""

    def show(message: Warning | str, category: type[Warning], *args: Any) -> None:
        if issubclass(category, MinimalstyleWarning):
            progress.line(f"warning: {message}")
        else:
            original(message, category, *args)

    with warnings.catch_warnings():
        original = warnings.showwarning
        warnings.showwarning = show  # type: ignore[assignment]
        if not (show_all or sys.warnoptions):
            warnings.simplefilter("ignore")
        warnings.simplefilter("always", MinimalstyleWarning)
        yield


class _Signals:
    """SIGINT and SIGTERM: the first asks for an end at the next iterate, the second leaves.

    Until `has_picture` is set there is nothing to keep, and the first one leaves as well.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.has_picture = False
        self._previous: dict[signal.Signals, Any] = {}
        self._previous_hook: Any = None

    def __enter__(self) -> _Signals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                # A shell ignores SIGINT for its background jobs: leave it ignored.
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._previous[number] = signal.signal(number, self._receive)
            self._previous_hook, sys.unraisablehook = sys.unraisablehook, self._swallowed
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self._previous_hook is not None:
            sys.unraisablehook = self._previous_hook

    def _receive(self, number: int, _: FrameType | None) -> None:
        leave = self.received is not None or not self.has_picture
        self.received = number
        if leave:
            raise KeyboardInterrupt

    def _swallowed(self, unraisable: Any) -> None:
        """Python drops exceptions inside `__del__`, and a compiler has many of those: try again."""
        if self.received is not None and isinstance(unraisable.exc_value, KeyboardInterrupt):
            threading.Timer(0.01, os.kill, [os.getpid(), self.received]).start()
        else:
            self._previous_hook(unraisable)
