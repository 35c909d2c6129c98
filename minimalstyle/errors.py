"""Every error that a user can meet, with the exit code of the command line.

A message says in one line what happened, to which file or option, and what to do.
"""

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
    """An option or argument that makes no sense, found before any work starts."""

    exit_code = 2


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
