"""Every link and picture of the documentation leads somewhere."""

import re
import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from PIL import Image

import minimalstyle

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
_CODE = re.compile(r"^( *)(```+).*?^\1\2 *$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(
    r"\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|<(?:img|a)\s[^>]*(?:src|href)=\"([^\"]+)\""
)


def links(page: Path) -> list[str]:
    """Targets of links and pictures that are not elsewhere in the web."""
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    found = [one or other for one, other in _LINK.findall(text)]
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(page: Path) -> set[str]:
    """What `page#...` can name: its headings, in small letters with dashes."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", one.lower()).strip()) for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        # The site has the pages below docs only, so a link out of there would be dead.
        assert page.parent == ROOT or target.is_relative_to(DOCS), link
        assert not anchor or anchor in anchors(target), link


def test_links_are_found(tmp_path):
    """The check above would pass if it saw no links."""
    page = tmp_path / "page.md"
    page.write_text(
        "# A *b*, c!\n\n[a](b.md#c-d) ![e](f/g.png)\n`[h](i.md)`\n[j](https://k)\n"
        '```md\n[l](m.md)\n# n\n```\n<img src="o.png">\n'
    )
    assert links(page) == ["b.md#c-d", "f/g.png", "o.png"]
    assert anchors(page) == {"a-b-c"}
    assert all(links(ROOT / name) for name in ("README.md", "docs/index.md"))


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_front_page_pictures(tmp_path, monkeypatch):
    """The script makes the two pictures that lie under the handle, of the same size."""
    arguments = ["front.py", "--size", "48", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)
    runpy.run_path(str(DOCS / "figures" / "front.py"), run_name="__main__")
    names = sorted(path.name for path in tmp_path.iterdir())
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    assert names == sorted(re.findall(r'src="images/(front_\w+\.jpg)"', text))
    assert {size(tmp_path / name) for name in names} == {(48, 32)}
    sizes = {size(DOCS / "images" / name) for name in names}
    shown = re.findall(r'width="(\d+)" height="(\d+)"', text)
    assert {(int(width), int(height)) for width, height in shown} == sizes


SHELLS = [page for page in PAGES if page.name != "reliability.md"]  # which is for developers


@pytest.mark.parametrize("page", SHELLS, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_are_the_same_in_every_shell(page):
    """Windows' cmd knows no single quotes, comments, and variables in front; its shells no `\\`."""
    text = page.read_text(encoding="utf-8")
    commands = [
        line
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
        for line in block.replace(" && ", "\n" if page.parent == ROOT else " && ").split("\n")
    ]
    commands += re.findall(r"`((?:[A-Z_]+=\S+ +)?(?:python|pip|minimalstyle) [^`]+)`", text)
    for command in commands:
        assert "-py3-none" not in command or f"-{minimalstyle.__version__}-py3" in command
        assert not re.search(r"['\\#$*;]|&&|^[A-Z_]+=", command), command


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (r"\lVert P_l \rVert^2", r"{\lVert P_l \rVert}^2"),
        (r"\frac{\lVert F \rVert}{2}", r"\frac{{\lVert F \rVert}}{2}"),
        (r"\bigl(S^{1/2} (a)\bigr)^{1/2}", r"{\bigl(S^{1/2} (a)\bigr)}^{1/2}"),
        (r"(M^\top x)^\top y", r"{(M^\top x)}^\top y"),
        (r"f(x) + [0, 1]", r"f(x) + [0, 1]"),
    ],
)
def test_an_exponent_belongs_to_all_that_a_fence_encloses(formula, expected, monkeypatch):
    """To the closing fence alone, browsers would draw that fence short and low."""
    monkeypatch.syspath_prepend(DOCS)
    from mathml import grouped

    assert grouped(formula) == expected


def test_the_long_description_leads_nowhere_else(tmp_path, monkeypatch):
    """On a package index there is no repository around it."""
    made = {}
    monkeypatch.setitem(sys.modules, "setuptools", SimpleNamespace(setup=made.update))
    runpy.run_path(str(ROOT / "setup.py"))
    text = made["long_description"]
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    assert links(tmp_path / "page.md") == []
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# minimalstyle\n\nNeural style transfer by hand")
    plain = [part for part in readme.split("\n\n") if "](" not in part]
    assert len(plain) > 20
    assert all(part in text for part in plain)


@pytest.mark.parametrize("name", minimalstyle.__all__)
def test_the_api_reference_has_every_public_name(name):
    thing = getattr(minimalstyle, name)
    home = thing.__name__ if isinstance(thing, ModuleType) else thing.__module__
    entries = re.findall(r"^::: (\S+)", (DOCS / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {home, f"{home}.{name}"} & set(entries)
