"""What `help` and notebooks show of functions that take settings as keyword arguments."""

import inspect
from collections.abc import Callable, Collection
from typing import TypeVar

from .setting import documentation
from .settings import SETTINGS, Settings

__all__ = ["listing_settings"]

F = TypeVar("F", bound=Callable[..., object])


def listing_settings(
    default: Settings | None = None, without: Collection[str] = ()
) -> Callable[[F], F]:
    """List the settings in the signature and the docstring of a function, in place of `**`.

    Type checkers and editors read `Unpack[SettingsDict]` instead.

    Parameters
    ----------
    default : Settings, optional
        What the function does where a setting is not given.
    without : collection of str
        Settings that the function has not.
    """
    shown = default or Settings()
    names = [name for name in SETTINGS if name not in without]

    def listed(function: F) -> F:
        signature = inspect.signature(function)
        *parameters, _ = signature.parameters.values()
        parameters += [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=getattr(shown, name),
                annotation=SETTINGS[name].type,
            )
            for name in names
        ]
        signature = signature.replace(parameters=parameters)
        function.__signature__ = signature  # type: ignore[attr-defined]
        if function.__doc__ is not None:  # as with python -OO
            lines = documentation(SETTINGS[name] for name in names)
            before, returns, after = inspect.cleandoc(function.__doc__).partition("\nReturns\n")
            function.__doc__ = before + lines + returns + after
        return function

    return listed
