"""A hook of the site's build: formulas become MathML, which browsers show without any script."""

import html
import re
from typing import Any

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
_SIZE = r"(?:\\[bB]igg?[lr]?\s*)?"
_FENCE = re.compile(rf"(?P<open>\\lVert|{_SIZE}[(\[]|{{)|(?P<close>\\rVert|{_SIZE}[)\]]|}})")
_LETTER = re.compile(r"\\mathrm\{(\w)\}")  # the converter sets a single one in italics
_TIDIED = [
    # A prime is raised already; as an exponent it is raised twice and too small to be seen.
    (
        re.compile(r"<msup>(<mi>\w</mi>)<mi>(&#x0203[234];)</mi></msup>"),
        r'<mrow>\1<mo lspace="0" rspace="0">\2</mo></mrow>',
    ),
    # The space of an operator is for `tr S`, not for `clip(x)`; a transpose is none.
    (re.compile(r"<mo>(\w{2,})</mo>(?=<mo|<mrow><mo)"), r"<mi>\1</mi>"),
    (re.compile(r"<mo>(\w{2,})</mo>"), r'<mo lspace="0.17em" rspace="0.17em">\1</mo>'),
    (re.compile(r"<mo>(&#x022A4;)</mo>"), r"<mi>\1</mi>"),
]


def grouped(formula: str) -> str:
    """Put braces around what a fence encloses, where an exponent or an index follows, and norms.

    Otherwise the exponent is one of the closing fence alone, and browsers draw that fence short and
    low. A bar, which looks the same on both sides, closes only at the end of a group, too.
    """
    opened: list[int] = []
    groups = []
    for fence in _FENCE.finditer(formula):
        if fence["open"]:
            opened.append(fence.start())
        elif opened:
            start = opened.pop()
            follows = formula[fence.end() :].lstrip()[:1]
            if fence[0] == r"\rVert" or (fence[0] != "}" and follows and follows in "^_"):
                groups.append((start, fence.end()))
    braces = [(start, "{") for start, _ in groups] + [(end, "}") for _, end in groups]
    for at, brace in sorted(braces, reverse=True):
        formula = formula[:at] + brace + formula[at:]
    return formula


def mathml(formula: str, display: str) -> str:
    """Convert LaTeX to MathML.

    Raises
    ------
    ValueError
        For a command that the converter does not know, or a prime on anything but a letter.
    """
    from latex2mathml.converter import convert  # the tests of `grouped` do without it

    converted = convert(grouped(_LETTER.sub(r"\\text{\1}", formula)), display=display)
    for found, tidied in _TIDIED:
        converted = found.sub(tidied, converted)
    if unknown := re.search(r"\\[a-zA-Z]+|<mi>&#x0203[234];", converted):
        raise ValueError(f"no MathML for {unknown[0]} in {formula}")
    return converted


def _replacement(formula: re.Match[str]) -> str:
    display = "block" if formula[1] == "div" else "inline"
    return mathml(html.unescape(formula[2]).strip(), display)


def on_page_content(content: str, **_: Any) -> str:
    """Called by MkDocs with the HTML of each page."""
    return _FORMULA.sub(_replacement, content)
