"""Write what follows from the declarations of the settings and has to stand in files.

`minimalstyle/settings/keywords.py`, which type checkers read and do not run, and the table in
`docs/knobs.md`. Run it after any change in `minimalstyle/settings/settings.py`.
"""

import textwrap
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from minimalstyle.settings.setting import Command, Setting
from minimalstyle.settings.settings import SETTINGS

ROOT = Path(__file__).parents[1]
KEYWORDS = ROOT / "minimalstyle" / "settings" / "keywords.py"
KNOBS = ROOT / "docs" / "knobs.md"
BEGIN, END = "<!-- settings: written by tools/write_settings.py -->\n", "<!-- end of settings -->\n"

_HEAD = '''\
"""The settings as typed keyword arguments.

Written by `python tools/write_settings.py` from the declarations in `settings.py`: change those.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Literal, TypedDict

__all__ = ["SettingsDict"]


class SettingsDict(TypedDict, total=False):
    """Settings that are given: keyword arguments of `stylize`, `texture` and `reconstruct`."""
'''

# What callers may give; `Settings` makes tuples of sequences, and texts of paths.
_TYPES: dict[Any, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    tuple: "Sequence[float]",
    Mapping: "Mapping[str, float]",
    str: "str | PathLike[str]",
    NoneType: "None",
}


def keywords() -> str:
    """The text of `keywords.py`."""
    text = _HEAD
    for name, setting in SETTINGS.items():
        doc = f'"""{setting.doc}"""'
        if len(doc) > 96:
            doc = "\n".join(textwrap.wrap(doc[:-3], 96)) + '\n"""'
        text += f"\n    {name}: {_type(setting)}\n{textwrap.indent(doc, '    ')}\n"
    return text


def _type(setting: Setting) -> str:
    words = ", ".join(f'"{word}"' for word in setting.choices)
    parts = [f"Literal[{words}]"] if words else []
    return " | ".join(parts + [_TYPES[kind] for kind in setting.kinds if kind in _TYPES])


def table() -> str:
    """The tables of `knobs.md`, one for each group."""
    text = ""
    for group, settings in groupby(SETTINGS.values(), lambda setting: setting.group):
        text += f"\n### {group.capitalize()}\n\n"
        text += "| setting | values | default | what it is |\n|---|---|---|---|\n"
        for setting in settings:
            name = (
                f"`{setting.option}`" if setting.commands else f"`{setting.name}` (not an option)"
            )
            text += f"| {name} | {_values(setting)} | {_default(setting)} | {_what(setting)} |\n"
    return text + "\n"


def _values(setting: Setting) -> str:
    if setting.choices:
        return ", ".join(f"`{word}`" for word in setting.choices)
    expected = "yes or no" if bool in setting.kinds else setting.expected
    also = "".join(f", or `{word}`" for word in setting.also)
    return expected + also


def _default(setting: Setting) -> str:
    if isinstance(setting.default, bool):
        return "no"
    if isinstance(setting.default, Mapping):
        return ", ".join(f"`{name}:{weight:g}`" for name, weight in setting.default.items())
    if setting.default is None:
        return setting.shown or "none"
    value = setting.default
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _what(setting: Setting) -> str:
    without = [f"`{one}`" for one in get_args(Command) if one not in setting.commands]
    if not without or not setting.commands:
        return setting.doc
    return f"{setting.doc} Not for {' and '.join(without)}."


def knobs(page: str) -> str:
    """The page with the table of today."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


def main() -> None:
    KEYWORDS.write_text(keywords(), encoding="utf-8")
    KNOBS.write_text(knobs(KNOBS.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
