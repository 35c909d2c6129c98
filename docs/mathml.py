"""A hook of the site's build: formulas become MathML, which browsers show without any script."""

import html
import re
from typing import Any

from latex2mathml.converter import convert

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def _mathml(formula: re.Match[str]) -> str:
    display = "block" if formula[1] == "div" else "inline"
    converted = convert(html.unescape(formula[2]).strip(), display=display)
    if unknown := re.search(r"\\[a-zA-Z]+", converted):
        raise ValueError(f"no MathML for {unknown[0]} in {formula[2]}")
    return converted


def on_page_content(content: str, **_: Any) -> str:
    """Called by MkDocs with the HTML of each page."""
    return _FORMULA.sub(_mathml, content)
