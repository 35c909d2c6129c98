"""Each setting is declared once; what follows from the declaration agrees with it."""

import ast
import importlib.util
import inspect
import itertools
import json
import pickle
import pydoc
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from jsonschema import Draft202012Validator
from mypy import api as mypy

import minimalstyle as ms
from minimalstyle.commands import parser
from minimalstyle.commands.console import Console
from minimalstyle.painting import functions
from minimalstyle.settings.choose import choose
from minimalstyle.settings.schema import json_schema
from minimalstyle.settings.settings import SETTINGS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "minimalstyle"
HOME = PACKAGE / "settings"
DECLARED = [HOME / "settings.py", HOME / "keywords.py"]  # the second follows from the first
OTHERS = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path not in DECLARED and path.parent.name != "gradcheck"  # which has its own size and seed
]


def import_tool() -> Any:
    path = ROOT / "tools" / "write_settings.py"
    spec = importlib.util.spec_from_file_location("write_settings", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- Once ---------------------------------------------------------------------------------------


def copies(source: str) -> Iterator[str]:
    """What looks like the declaration of a setting: its option, all its words, its default."""
    options = {setting.option for setting in SETTINGS.values()}
    words = [set(one.choices or one.words) for one in SETTINGS.values() if one.choices or one.words]
    defaults = {name: setting.default for name, setting in SETTINGS.items()}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and node.value in options:
            yield f"line {node.lineno}: {node.value}"
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            texts = {one.value for one in node.elts if isinstance(one, ast.Constant)}
            if texts in words:
                yield f"line {node.lineno}: {texts}"
        if isinstance(node, ast.arguments):
            named = [*node.posonlyargs, *node.args][::-1], node.defaults[::-1]
            pairs = [
                *zip(*named, strict=False),
                *zip(node.kwonlyargs, node.kw_defaults, strict=True),
            ]
            for argument, default in pairs:
                value = default.value if isinstance(default, ast.Constant) else None
                if value and value == defaults.get(argument.arg):
                    yield f"line {argument.lineno}: {argument.arg} = {value}"


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_declared_nowhere_else(path):
    assert list(copies(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "copy",
    [
        'add("--style-weight", type=float)',
        'Border = Literal["zero", "replicate", "reflect", "wrap"]',
        'CHOICES = {"pooling": ("max", "average")}',
        'if init in ("content", "noise", "style"): pass',
        "def stylize(*, size: int = 512): pass",
        'def pool(x, pooling="max"): pass',
    ],
)
def test_copies_are_found(copy):
    assert len(list(copies(copy))) == 1


def test_what_is_written_is_current():
    tool = import_tool()
    again = "; run python tools/write_settings.py"
    assert tool.KEYWORDS.read_text(encoding="utf-8") == tool.keywords(), again
    page = tool.KNOBS.read_text(encoding="utf-8")
    assert page == tool.knobs(page), again
    assert page.count("\n| `--") + page.count("(not an option)") == len(SETTINGS)


# --- The schema ---------------------------------------------------------------------------------

VALUES = [
    None, True, False, "", "content", "max", "off", "a.png", 0, 1, 15, 16, 17, 100, 101,
    20_000, 20_001, 1_000_000, 10**12, 10**12 + 1, 2**63 - 1, 2**63,
    -1, 0.05, 0.1, 0.5, 99.5, 1e300, -0.5,
    [], [0], [0, 0.0], [1], [0.5, 0], [11], [-1], [True], ["1"], [[1]], [None], [0.1, 10, 10.5],
    {}, {"relu1_1": 0}, {"relu1_1": 0, "a": 0.5}, {"a": -1}, {"a": True}, {"a": "1"}, {"a": None},
]  # fmt: skip


def accepted(given: dict[str, Any]) -> bool:
    try:
        ms.Settings(**given).check()
    except ms.UsageError:
        return False
    return True


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(json.dumps(json_schema()))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_schema_accepts_what_check_accepts(validator, name):
    words = [word for setting in SETTINGS.values() for word in setting.choices]
    verdicts = {str(one): validator.is_valid({name: one}) for one in VALUES + words}
    assert verdicts == {str(one): accepted({name: one}) for one in VALUES + words}
    assert len(set(verdicts.values())) == 2


def test_the_schema_knows_what_cannot_be_together(validator):
    names = ("content_weight", "style_weight", "strength")
    for values in itertools.product((None, 0, 0.5), repeat=3):
        given = {name: v for name, v in zip(names, values, strict=True) if v is not None}
        assert validator.is_valid(given) == accepted(given), given
    assert not validator.is_valid({"sise": 64})
    assert validator.is_valid({name: one["default"] for name, one in properties(validator)})


def properties(validator: Draft202012Validator) -> Any:
    return validator.schema["properties"].items()


# --- Keyword arguments --------------------------------------------------------------------------


def test_type_checkers_know_the_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)  # where mypy finds the package
    right = [
        'ms.stylize("a", "b", size=64, loss="relative", style_scale=[1, 2], pooling=None)',
        'ms.stylize("a", "b", init=Path("c"), settings=ms.Settings(size=64))',
        'ms.texture("a", size=64, weights="b.onnx", seamless=True)',
        'ms.reconstruct("a", "relu1_1", iterations=3, on_note=print)',
        'given: ms.SettingsDict = {"style_layers": {"relu1_1": 1}}',
    ]
    wrong = [
        'ms.stylize("a", "b", style_wieght=5)',
        'ms.stylize("a", "b", sise=64)',
        'ms.stylize("a", "b", loss="nope")',
        'ms.stylize("a", "b", size="64")',
        "ms.nope",
        'ms.texture("a", border="none")',
        'ms.reconstruct("a", "relu1_1", sede=1)',
        'ms.Settings(size="64")',
    ]
    path = tmp_path / "program.py"
    path.write_text(
        "\n".join(["from pathlib import Path", "import minimalstyle as ms", *right, *wrong])
    )
    options = ["--cache-dir", str(tmp_path / "cache"), "--follow-imports", "silent"]
    said, _, _ = mypy.run([*options, "--no-error-summary", "--hide-error-context", str(path)])
    lines = {int(line.split(":")[1]) for line in said.splitlines() if ": error: " in line}
    first = 3 + len(right)
    assert lines == set(range(first, first + len(wrong))), said


def test_the_typed_arguments_are_the_fields():
    hints = get_type_hints(ms.SettingsDict)
    assert list(hints) == [field.name for field in fields(ms.Settings)]
    assert ms.SettingsDict.__required_keys__ == frozenset()


@pytest.mark.parametrize(
    ("function", "without"),
    [
        (ms.stylize, set()),
        (ms.texture, {"content_weight", "content_layers"}),
        (ms.reconstruct, {"style_weight", "content_layers"}),
    ],
)
def test_help_lists_the_settings(function, without):
    shown = set(inspect.signature(function).parameters) & set(SETTINGS)
    assert shown == set(SETTINGS) - without
    text = pydoc.render_doc(function, renderer=pydoc.plaintext)
    assert all(f"\n    {name} : {SETTINGS[name].expected}\n" in text for name in shown)
    assert text.index("\n    Returns\n") > text.index("\n    threads : ")


def test_settings_in_their_place(monkeypatch):
    base = ms.Settings(size=64, init="style")
    assert choose("default", {"seed": 1}, base) == replace(base, seed=1)
    calls = []
    monkeypatch.setattr(functions, "stylize", lambda *_, **given: calls.append(given))
    for given in ({"settings": base, "seed": 1}, {"size": 64, "init": "style", "seed": 1}):
        ms.texture("a", seamless=True, **given)
        ms.reconstruct("a", "relu1_1", **given)
    assert calls[:2] == calls[2:]
    assert calls[0] == {
        "size": 64, "init": "style", "seed": 1, "content_weight": 0.0, "border": "wrap"
    }  # fmt: skip
    assert (calls[1]["iterations"], calls[1]["init"]) == (60, "style")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"settings": {"size": 64}}, "settings must be"),
        ({"settings": ms.Settings(), "preset": "fine"}, "preset and settings: give one of them"),
        ({"settings": ms.Settings(), "size": 5}, "^size must be"),
        ({"settings": ms.Settings(size=5)}, "^size must be"),
        ({"sise": 64}, "no setting 'sise'"),
    ],
)
def test_settings_that_are_refused(given, said):
    for function, arguments in ((ms.stylize, "ab"), (ms.texture, "a"), (ms.reconstruct, "ab")):
        with pytest.raises(ms.UsageError, match=said):
            function(*arguments, **given)


# --- Errors and options -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "names", "text"),
    [
        ({"style_weight": -1}, ("style_weight",), "{} must be between 0 and 1e+12, not -1"),
        ({"size": 3}, ("size",), "{} must be a whole number from 16 to 20000, not 3"),
        ({"loss": "{}"}, ("loss",), "{} must be wasserstein or relative or gatys2016, not '{{}}'"),
        ({"style_blend": 1.0}, ("style_blend",), "{} must be numbers from 0 up, not 1.0"),
        ({"style_blend": [0.0]}, ("style_blend",), "{} cannot all be 0"),
        ({"style_layers": 1}, ("style_layers",), "{} must map layer names to weights, not 1"),
        ({"init": 1}, ("init",), "{} must be content, noise, style or a path, not 1"),
        ({"enlarge": 1}, ("enlarge",), "{} must be True or False, not 1"),
        (
            {"content_weight": 0, "style_weight": 0},
            ("content_weight", "style_weight"),
            "{} and {} cannot both be 0",
        ),
    ],
)  # fmt: skip
def test_errors_know_their_settings(given, names, text):
    with pytest.raises(ms.UsageError) as caught:
        ms.Settings(**given).check()
    error = caught.value
    assert (error.settings, error.setting) == (names, names[0])
    assert str(error) == text.format(*names)
    assert error.text(str.upper) == text.format(*(name.upper() for name in names))
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.text(str.upper)) == (str(error), error.text(str.upper))


@pytest.mark.parametrize("command", ["stylize", "texture", "reconstruct"])
def test_every_command_has_its_options(command):
    actions = {
        action.dest: action for action in parser.parser_of(command, Console("test", str))._actions
    }
    for name, setting in SETTINGS.items():
        assert (name in actions) == (command in setting.commands)
        if name in actions:
            assert actions[name].option_strings == [setting.option]
            assert list(actions[name].choices or ()) == list(setting.choices)
