"""Settings that a page sends, and values that it is sent."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import UsageError
from ..settings.choose import choose
from ..settings.settings import OF_THE_MACHINE, SETTINGS, Settings

__all__ = ["NOT_FROM_A_PAGE", "as_json", "settings_from"]

NOT_FROM_A_PAGE = {"segment", *OF_THE_MACHINE}
_DRAFT = 640  # longest side of a draft


def settings_from(given: object, *, draft: bool = False) -> Settings:
    """Settings that a page has sent, checked; none of them names a file.

    Raises
    ------
    UsageError
        In words for the page.
    """
    if not isinstance(given, dict):
        raise UsageError("settings are an object")
    for name in given:
        if name in NOT_FROM_A_PAGE:
            raise UsageError("is not for a page to choose", setting=str(name))
    init = given.get("init", "content")
    if init not in SETTINGS["init"].words:
        raise UsageError(f"must be one of {', '.join(SETTINGS['init'].words)}", setting="init")
    try:
        settings = choose("default", given)
        return replace(settings, size=min(settings.size, _DRAFT)) if draft else settings
    except UsageError as error:
        raise UsageError(error.text(lambda name: name.replace("_", " "))) from None
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError("these are no settings") from error


def as_json(value: Any) -> Any:
    """For JSON."""
    if isinstance(value, Mapping):
        return {str(name): as_json(item) for name, item in value.items()}
    return [as_json(item) for item in value] if isinstance(value, (list, tuple)) else value
