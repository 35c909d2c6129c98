"""Ctrl-C while the command still loads its modules: imported first, for its effect.

Python itself answers one that comes before that, with a traceback, while it starts.
"""

import os
import signal
import sys

__all__: list[str] = []


def _leave_quietly() -> None:
    """Let Ctrl-C end the process without a traceback, if it is the command and has no other wish.

    `Signals` takes over when there is something to keep.
    """
    name = (getattr(sys, "argv", None) or [""])[0]
    if name == "-m":  # what is run as a module is not known yet
        words = sys.orig_argv
        name = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
    is_command = os.path.splitext(os.path.basename(name))[0] == "minimalstyle"
    if is_command and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        try:
            signal.signal(signal.SIGINT, _leave)
        except ValueError:  # not in the main thread
            return


def _leave(*_: object) -> None:
    os._exit(128 + signal.SIGINT)


_leave_quietly()
