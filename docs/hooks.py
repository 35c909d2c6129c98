"""A hook of the site's build: each lesson as a notebook, and an index that needs no server."""

import contextlib
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority

sys.path.insert(0, str(Path(__file__).parent / "course"))
import notebooks

_LESSON = re.compile(r"course/(0\d-[\w-]+)\.md")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Called by MkDocs with each page: a link below the box at the head of a lesson."""
    if not (lesson := _LESSON.fullmatch(page.file.src_uri)):
        return markdown
    link = f'<p><a href="notebooks/{lesson[1]}.ipynb" download>This page as a notebook</a></p>'
    return re.sub(r"(\A# .*\n\n(?:>.*\n)+)", rf"\1\n{link}\n", markdown)


@event_priority(-100)  # after the search plugin
def on_post_build(config: Any, **_: Any) -> None:
    """Called by MkDocs when all pages are written."""
    search = Path(config.site_dir) / "search"
    index = (search / "search_index.json").read_text(encoding="utf-8")
    # The theme asks for this one where the site is opened from a folder.
    (search / "search_index.js").write_text(f"var __index = {index}", encoding="utf-8")
    with contextlib.redirect_stdout(None):
        notebooks.main(["--out", str(Path(config.site_dir) / "course" / "notebooks")])
