"""Options of a command line from the declarations of the settings."""

import argparse
import re
from collections.abc import Callable, Mapping
from typing import Any

from ..settings.setting import Command, Setting
from ..settings.settings import PRESETS, SETTINGS, Settings

__all__ = ["add_option", "add_settings", "bytes_of", "preset_help"]


def add_settings(parser: argparse.ArgumentParser, command: Command, default: Settings) -> None:
    """Add the options of a command; those not given stay out of the namespace."""
    groups: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        if command in setting.commands:
            if setting.group not in groups:
                groups[setting.group] = parser.add_argument_group(setting.group)
            shown = getattr(default, name)
            add_option(groups[setting.group], name, shown, default=argparse.SUPPRESS)


def add_option(
    group: argparse.ArgumentParser | argparse._ArgumentGroup, name: str, shown: Any, **others: Any
) -> None:
    """Add the option of one setting, with `shown` as its default in the help."""
    setting = SETTINGS[name]
    default = setting.shown if shown is None else _shown(shown)
    text = f"{setting.help} (default: {default})" if default else setting.help
    group.add_argument(setting.option, help=text, **_kind(setting), **others)


def preset_help() -> str:
    """What each preset is."""
    words = {"gram": "Gram matrices, as in the paper", "gatys2016": "the paper's constants"}

    def changed(name: str) -> str:
        options = (f"{SETTINGS[key].option} {value}" for key, value in PRESETS[name].items())
        return " ".join(options) or "as below"

    return "; ".join(f"{name}: {words.get(name) or changed(name)}" for name in PRESETS)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return ""
    if isinstance(value, Mapping):
        return ",".join(f"{name}:{weight:g}" for name, weight in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def _kind(setting: Setting) -> dict[str, Any]:
    """What argparse is to know of the type."""
    kinds = setting.kinds
    if setting.choices:
        return {"choices": setting.choices}
    if bool in kinds:
        return {"action": "store_true"}
    reader: Callable[[str], Any] = str
    if Mapping in kinds:
        reader = _layers
    elif tuple in kinds:
        reader = _one_or_more if float in kinds else _numbers
    elif int in kinds or float in kinds:
        reader = _number(setting)
    return {"type": reader, "metavar": setting.metavar}


def _number(setting: Setting) -> Callable[[str], Any]:
    kind: Callable[[str], Any] = int if int in setting.kinds else float
    if setting.unit == "bytes":
        return bytes_of
    if not setting.also:
        return kind

    def number_or_word(text: str) -> Any:
        return text if text in setting.also else kind(text)

    number_or_word.__name__ = setting.name  # argparse names it where it does not fit
    return number_or_word


def bytes_of(text: str) -> int:
    """Such as 2G; ArgumentTypeError for what is no number of bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kMGT]?)B?", text)
    if match is None:
        message = f"{text!r}: expected a number of bytes such as 800M or 2G"
        raise argparse.ArgumentTypeError(message)
    return round(float(match[1]) * 1000 ** " kMGT".index(match[2] or " "))


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        message = f"{text!r}: expected numbers separated by commas"
        raise argparse.ArgumentTypeError(message) from None


def _one_or_more(text: str) -> float | tuple[float, ...]:
    numbers = _numbers(text)
    return numbers[0] if len(numbers) == 1 else numbers


def _layers(text: str) -> dict[str, float]:
    layers = {}
    for part in text.split(","):
        name, _, weight = part.partition(":")
        name = name.strip()
        if not name:
            message = f"{text!r}: expected layers separated by commas, such as relu4_2:1"
            raise argparse.ArgumentTypeError(message)
        if name in layers:
            raise argparse.ArgumentTypeError(f"{text!r}: {name} is given twice")
        try:
            layers[name] = float(weight or 1)
        except ValueError:
            message = f"{part!r}: expected a layer and its weight, such as relu4_2:1"
            raise argparse.ArgumentTypeError(message) from None
    return layers
