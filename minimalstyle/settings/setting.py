"""What one setting is: the words of its declaration, and what follows from its type."""

import math
import numbers
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, MISSING, dataclass, fields, replace
from textwrap import wrap
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from ..errors import UsageError

__all__ = ["Command", "Setting", "check_weights", "declared", "documentation", "option"]

Command = Literal["stylize", "texture", "reconstruct"]
Group = Literal["sizes and iterations", "weights", "style", "network and loss", "start", "run"]


@dataclass(frozen=True)
class Setting:
    """One setting: `Annotated[its type, Setting(...)] = its default` in `Settings`.

    Attributes
    ----------
    group : str
        Where it stands in `--help` and in the documentation.
    help : str
        A line for `--help`.
    doc : str
        Sentences for the documentation.
    range : (low, high), optional
        Of a number, or of each of several.
    commands : tuple of str
        Those that have it as an option.
    metavar : str, optional
        Of the option.
    also : tuple of str
        Words that the option takes besides.
    words : tuple of str
        What a text may be, if it is not the path of a picture.
    shown : str
        What a default of None means.
    unit : str
        Of a number that may be written with it: "bytes", as in 2G.
    machine : bool
        Whether it is a matter of the machine and not of the picture.
    name, type, default
        Those of the field, from `declared`.
    """

    group: Group
    help: str
    doc: str
    range: tuple[float, float] | None = None
    _: KW_ONLY
    commands: tuple[Command, ...] = ("stylize", "texture", "reconstruct")
    metavar: str | None = None
    also: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    shown: str = ""
    unit: str = ""
    machine: bool = False
    name: str = ""
    type: Any = None
    default: Any = None

    @property
    def option(self) -> str:
        """Its name on the command line."""
        return option(self.name)

    @property
    def kinds(self) -> tuple[Any, ...]:
        """Types (`NoneType`, too) and words that it takes: `int | None` as (int, NoneType)."""
        return tuple(_alternatives(self.type))

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that it can be, where it can be nothing else."""
        return tuple(one for one in self.kinds if isinstance(one, str))

    @property
    def expected(self) -> str:
        """What it must be, in words."""
        if self.choices:
            return " or ".join(self.choices)
        if Mapping in self.kinds:
            return "layers with their weights"
        if self.words:
            return f"{', '.join(self.words)} or a path"
        if self.range is not None:
            low, high = self.range
            if int in self.kinds:
                return f"a whole number from {low} to {high}"
            return f"between {low} and {high:g}"
        return "True or False" if bool in self.kinds else "numbers from 0 up"

    def check(self, value: object) -> None:
        """Raise UsageError unless `value` is one of this setting."""
        if value is None and NoneType in self.kinds:
            return
        if Mapping in self.kinds:
            if not isinstance(value, Mapping):
                what = f"must map layer names to weights, not {value!r}"
                raise UsageError(what, setting=self.name)
            check_weights(self.name, value.values())
        elif tuple in self.kinds and isinstance(value, tuple):
            if self.range is None:
                check_weights(self.name, value)
                return
            for one in value or (None,):
                self._check_one(one)
        else:
            self._check_one(value)

    def _check_one(self, value: Any) -> None:
        if self.choices:
            valid = value in self.choices
        elif self.range is not None:
            low, high = self.range
            valid = isinstance(value, int) or int not in self.kinds
            valid = valid and _is_number(value) and low <= value <= high
        else:
            valid = isinstance(value, self.kinds[0])
        if not valid:
            raise UsageError(f"must be {self.expected}, not {value!r}", setting=self.name)


def option(name: str) -> str:
    """What a setting is called on the command line: `--style-weight`."""
    return "--" + name.replace("_", "-")


def documentation(settings: Iterable[Setting]) -> str:
    """Parameters of a docstring in the style of numpydoc."""
    lines = []
    for setting in settings:
        lines.append(f"{setting.name} : {setting.expected}")
        lines += wrap(setting.doc, 96, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines) + "\n"


def declared(settings: type) -> dict[str, Setting]:
    """The declarations in a dataclass, by name."""
    return {
        field.name: replace(
            field.type.__metadata__[0],  # type: ignore[union-attr]
            name=field.name,
            type=field.type.__origin__,  # type: ignore[union-attr]
            default=field.default if field.default_factory is MISSING else field.default_factory(),
        )
        for field in fields(settings)
    }


def check_weights(name: str, weights: Iterable[object]) -> None:
    """Raise UsageError unless `weights` are numbers from 0 up and not all 0."""
    values = list(weights)
    if not all(_is_number(one) and 0 <= one < math.inf for one in values):  # type: ignore[operator]
        raise UsageError(f"must be numbers from 0 up, not {values}", setting=name)
    if not any(values):  # also where there are none
        raise UsageError("cannot all be 0", setting=name)


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _alternatives(hint: Any) -> Iterator[Any]:
    if get_origin(hint) in (Union, UnionType):
        for part in get_args(hint):
            yield from _alternatives(part)
    elif get_origin(hint) is Literal:
        yield from get_args(hint)
    else:
        yield get_origin(hint) or hint
