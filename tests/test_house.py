"""The walls of the house: who may know whom, and how long a text may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "minimalstyle"
# From the roof to the cellar: a room, or a file at the top, imports from lower ones only.
ROOMS = [
    "__main__",
    "sweep",
    "commands",
    "studio",
    "batch",
    "painting",
    "records",
    "loss",
    "gradcheck",
    "reference",
    "network",
    "optimize",
    "gallery",
    "pictures",
    "machine",
    "engine",
    "blas",
    "shared",
    "files",
    "settings",
    "errors",
    "_types",
    "early",
    "_types",
]
LONG = 350  # lines; a longer file says in its docstring why
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    """`painting` for `minimalstyle.painting.plan`; empty for the package itself."""
    return module.removeprefix("minimalstyle").strip(".").partition(".")[0]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def imported(tree: ast.AST, module: str) -> Iterator[tuple[str, str]]:
    """Module and name of everything that is imported from the package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            where = ".".join([*above, *(node.module or "").split(".")]).strip(".")
            if where.split(".")[0] == "minimalstyle":
                yield from ((where, alias.name) for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_go_down(path: Path) -> None:
    module = module_of(path)
    here = room_of(module)
    if here in ("", "__init__"):
        return  # the package shows what there is
    for where, name in imported(ast.parse(path.read_text(encoding="utf-8")), module):
        there = room_of(where) or (name if name in ROOMS else "")
        if there:
            assert ROOMS.index(here) <= ROOMS.index(there), f"{module} imports {where}.{name}"
        elif here != "commands":
            assert name == "__version__", f"{module} imports {name} from the package"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_private_names_stay_at_home(path: Path) -> None:
    module, tree = module_of(path), ast.parse(path.read_text(encoding="utf-8"))
    names = list(imported(tree, module))
    assert [name for _, name in names if name.startswith("_") and name != "__version__"] == []
    known = {name for _, name in names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            private = node.attr.startswith("_") and not node.attr.startswith("__")
            if node.value.id in known and private:
                assert node.attr in ("_replace", "_asdict"), f"{node.value.id}.{node.attr}"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_no_text_is_too_long(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if len(text.splitlines()) > LONG:
        assert "Long:" in (ast.get_docstring(ast.parse(text)) or ""), "say why in the docstring"


def test_a_way_up_is_found() -> None:
    tree = ast.parse("from ..painting import plan\nfrom ..files import _temporaries")
    found = list(imported(tree, "minimalstyle.loss.terms"))
    assert found == [("minimalstyle.painting", "plan"), ("minimalstyle.files", "_temporaries")]
    assert ROOMS.index("loss") > ROOMS.index(room_of(found[0][0]))
