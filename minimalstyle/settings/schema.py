"""The settings as a JSON Schema (draft 2020-12), for forms and files of other programs."""

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any

from .setting import Setting
from .settings import SETTINGS

__all__ = ["json_schema"]


def json_schema() -> dict[str, Any]:
    """What `Settings.check` accepts, with defaults and descriptions."""

    def zero(name: str) -> dict[str, Any]:
        return {"properties": {name: _ZERO}, "required": [name]}

    no_style = {"anyOf": [zero("style_weight"), zero("strength")]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of minimalstyle",
        "type": "object",
        "properties": {name: _schema(setting) for name, setting in SETTINGS.items()},
        "additionalProperties": False,
        "not": {"allOf": [zero("content_weight"), no_style]},
    }


def _schema(setting: Setting) -> dict[str, Any]:
    kinds: list[dict[str, Any]] = [{"enum": list(setting.choices)}] if setting.choices else []
    kinds += [_KINDS[kind](setting) for kind in setting.kinds if kind in _KINDS]
    schema = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    return {"description": setting.doc, **schema, "default": setting.default}


_WEIGHT = {"type": "number", "minimum": 0}
_ZERO = {"const": 0}


def _number(setting: Setting) -> dict[str, Any]:
    assert setting.range is not None
    low, high = setting.range
    return {"type": "number", "minimum": low, "maximum": high}


def _numbers(setting: Setting) -> dict[str, Any]:
    if setting.range is None:
        return {"type": "array", "items": _WEIGHT, "not": {"items": _ZERO}}
    return {"type": "array", "items": _number(setting), "minItems": 1}


def _layers(_: Setting) -> dict[str, Any]:
    layers = {"type": "object", "additionalProperties": _WEIGHT}
    return {**layers, "not": {"additionalProperties": _ZERO}}


_KINDS: dict[Any, Callable[[Setting], dict[str, Any]]] = {
    bool: lambda _: {"type": "boolean"},
    int: lambda setting: {**_number(setting), "type": "integer"},
    float: _number,
    tuple: _numbers,
    Mapping: _layers,
    str: lambda _: {"type": "string"},
    NoneType: lambda _: {"type": "null"},
}
