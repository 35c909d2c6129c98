"""Every error that a user can meet, with the exit code of the command line.

A message says in one line what happened, to which file or option, and what to do.
"""

from collections.abc import Callable

__all__ = [
    "CheckpointError",
    "ImageError",
    "MinimalstyleError",
    "MinimalstyleWarning",
    "OutputError",
    "StoppedError",
    "UsageError",
    "WeightsError",
]


class MinimalstyleError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(MinimalstyleError, ValueError):
    """An option or argument that makes no sense, found before any work starts.

    Parameters
    ----------
    message : str
        With `setting`, what comes after its name: "must be ...".
    setting : str or tuple of str, optional
        The setting or settings that the message is about.

    Attributes
    ----------
    setting : str or None
        The first of them.
    settings : tuple of str
        All of them.
    """

    exit_code = 2

    def __init__(self, message: str, *, setting: str | tuple[str, ...] = ()) -> None:
        self.settings = (setting,) if isinstance(setting, str) else setting
        self.setting = self.settings[0] if self.settings else None
        self._message = message
        super().__init__(self.text(str))

    def text(self, name: Callable[[str], str]) -> str:
        """The message, with each setting called as `name` calls it: `--style-weight`, say."""
        names = " and ".join(map(name, self.settings))
        return f"{names} {self._message}" if names else self._message


class ImageError(MinimalstyleError, ValueError):
    """A picture that is missing, unreadable, damaged, too small or too large."""

    exit_code = 3


class WeightsError(MinimalstyleError, ValueError):
    """A weights file that is missing, not ONNX, or not a VGG-like chain of layers."""

    exit_code = 4


class OutputError(MinimalstyleError, OSError):
    """The picture or the report cannot be written."""

    exit_code = 5


class CheckpointError(MinimalstyleError, ValueError):
    """A checkpoint that is missing, damaged, or of another run."""

    exit_code = 6


class StoppedError(MinimalstyleError):
    """An error, such as too little memory, ended the run; the picture so far is kept."""

    exit_code = 7


class MinimalstyleWarning(UserWarning):
    """Something that changes the result and that the user should know."""
