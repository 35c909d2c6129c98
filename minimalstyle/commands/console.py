"""What commands have in common in a terminal: one-line errors, notes, progress, signals."""

from __future__ import annotations

import argparse
import errno
import math
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import MinimalstyleError, MinimalstyleWarning, OutputError, UsageError
from ..files import reason, remove_temporaries

if TYPE_CHECKING:
    from tqdm import tqdm

    from ..painting.events import Iterate

__all__ = ["Console", "Display", "Parser", "Signals", "duration", "warnings_as_lines"]


class Parser(argparse.ArgumentParser):
    """Mistakes are errors of ours, without the usage before them."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see --help")


class Console:
    """Lines that begin with the name of the program, on stderr, and results, on stdout.

    A reader that went away is no reason to lose a picture.

    Parameters
    ----------
    program : str
    name : callable
        What a setting is called here, of its name in `Settings`.
    """

    def __init__(self, program: str, name: Callable[[str], str]) -> None:
        self.program, self.name = program, name

    def tell(self, text: str) -> None:
        """One line on stderr."""
        if sys.stderr is None:
            return
        try:
            print(f"{self.program}: {_printable(text)}", file=sys.stderr, flush=True)
        except OSError:
            sys.stderr = None  # type: ignore[assignment]  # or Python tries again when it ends

    @staticmethod
    def result(text: str = "") -> None:
        """One line on stdout; without a text it only flushes. That nobody reads it is no error."""
        if sys.stdout is None:
            return
        encoding = sys.stdout.encoding or "utf-8"
        text = _printable(text).encode(encoding, "backslashreplace").decode(encoding)
        try:
            print(text, end="\n" if text else "", flush=True)
        except OSError as error:
            sys.stdout = None  # type: ignore[assignment]  # or Python complains when it ends
            if error.errno != errno.EPIPE:
                raise OutputError(f"standard output: {reason(error)}") from error

    def failed(self, error: Exception, debug: bool) -> int:
        """Say what went wrong; the exit code."""
        if debug:
            traceback.print_exception(error)
        if isinstance(error, MinimalstyleError):
            text = error.text(self.name) if isinstance(error, UsageError) else error
            self.tell(f"error: {text}")
            return error.exit_code
        if isinstance(error, MemoryError):
            self.tell("error: not enough memory; choose a smaller --size")
        else:
            what = f"{type(error).__name__}: {error}"
            self.tell(f"error: unexpected {what}; please report it with the output of --debug")
        return 1


def _printable(text: str) -> str:
    # File names may hold line feeds and escape sequences.
    return "".join(c if c.isprintable() else "?" for c in text)


def duration(seconds: float) -> str:
    """Such as 1:05, or 2:00:00."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def warnings_as_lines(line: Callable[[str], None], show_all: bool) -> Iterator[None]:
    """Our warnings as one line each; those of libraries only with `show_all` or python -W."""

    def show(message: Warning | str, category: type[Warning], *args: Any) -> None:
        if issubclass(category, MinimalstyleWarning):
            line(f"warning: {message}")
        else:
            original(message, category, *args)

    with warnings.catch_warnings():
        original = warnings.showwarning
        warnings.showwarning = show  # type: ignore[assignment]
        if not (show_all or sys.warnoptions):
            warnings.simplefilter("ignore")
        warnings.simplefilter("always", MinimalstyleWarning)
        yield


class Display:
    """On a terminal one bar over all scales; elsewhere one line for each scale."""

    def __init__(self, console: Console, quiet: bool) -> None:
        self.console, self.quiet = console, quiet
        self.bar: tqdm[NoReturn] | None = None
        self.scale = 0

    def line(self, text: str) -> None:
        """One line, above the bar."""
        if self.bar is None:
            self.console.tell(text)
        else:
            with suppress(OSError):
                self.bar.write(f"{self.console.program}: {_printable(text)}", file=sys.stderr)

    def note(self, text: str) -> None:
        """One line, unless the user wants quiet."""
        if not self.quiet:
            self.line(text)

    def show(self, event: Iterate) -> None:
        """Where the run is."""
        if self.quiet or sys.stderr is None:
            return
        left = "" if event.seconds_left is None else f", {duration(event.seconds_left)} left"
        where = f"scale {event.scale}/{event.scales}, {event.width}x{event.height}"
        if sys.stderr.isatty():
            with suppress(OSError):
                self.draw(event.fraction, f"{where}, ", f"loss {event.loss:.4g}{left}")
        else:
            if event.scale != self.scale:
                self.line(where + left)
            if event.iteration == event.iterations:
                self.line(f"{where}, loss {event.loss:.4g}")
        self.scale = event.scale

    def advance(self, fraction: float) -> None:
        """The bar alone, within an evaluation."""
        if self.bar is not None and fraction > self.bar.n:
            with suppress(OSError):
                self.bar.n = fraction
                self.bar.refresh()

    def draw(self, fraction: float, where: str, state: str) -> None:
        """The bar of a terminal; on a narrow one without `where`."""
        if self.bar is None:
            from tqdm import tqdm

            tqdm.monitor_interval = 0  # no thread of its own
            self.bar = tqdm(total=1.0, file=sys.stderr, nrows=20)
        # Some terminals say that they have 0 columns and rows; tqdm would show nothing.
        columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
        spare = columns - len("100% ") - len(state)
        if spare <= len(where):  # the last column stays free
            where = ""
        bar = "|{bar:20}| " if spare - len(where) > len("|| ") + 20 else ""
        self.bar.bar_format = f"{{percentage:3.0f}}% {bar}{{desc}}"
        self.bar.ncols, self.bar.n = columns, fraction
        self.bar.set_description_str(where + state, refresh=True)

    @contextmanager
    def closing(self) -> Iterator[None]:
        """The bar is closed at the end, whatever happens."""
        try:
            yield
        finally:
            if self.bar is not None:
                with suppress(OSError):
                    self.bar.close()
                self.bar = None


class Signals:
    """SIGINT and SIGTERM: the first asks for an end at the next iterate, the second leaves.

    Until `has_picture` is set there is nothing to keep, and the first one leaves as well. Leaving
    ends the process there and then: an exception may surface anywhere, and destructors of the
    compiler and imports of C modules crash or swallow it.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.received: int | None = None
        self.has_picture = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                # A shell ignores SIGINT for its background jobs: leave it ignored.
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self.received is None and self.has_picture:
            self.received = number
            return
        what = "interrupted before there was a picture; nothing written"
        if self.has_picture:
            what = "interrupted again; left at once"
        with suppress(RuntimeError):  # it came while a line was written
            self.console.tell(what)
        remove_temporaries()
        os._exit(128 + number)
