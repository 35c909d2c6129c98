"""Run the page on PyTorch, where that is installed; keep what it prints and PyTorch's gradient.

    python docs/course/figures/autograd.py

The page gets its outputs, and data/autograd.json the numbers that the tests compare ours with.
"""

import hashlib
import json
import os
import re

from common import COURSE, ROOT, blocks, run_page

PAGE = COURSE / "why-not-pytorch.md"
DATA = COURSE / "data" / "autograd.json"
EVERY = 501  # gradient entries that are kept: one of so many


def code_hash() -> str:
    """Of all code of the page: other code has other numbers."""
    code = "\n".join(code.strip() for _, code, _ in blocks(PAGE))
    return hashlib.sha256(code.encode()).hexdigest()


if __name__ == "__main__":
    os.chdir(ROOT)
    names, outputs = run_page(PAGE)
    printed = iter(each for _, each, _ in outputs)
    text = PAGE.read_text(encoding="utf-8")
    text = re.sub(
        r"^```text\n.*?^```$",
        lambda _: f"```text\n{next(printed)}```",
        text,
        flags=re.MULTILINE | re.DOTALL,
    )
    PAGE.write_text(text, encoding="utf-8")
    kept = {
        "code": code_hash(),
        "torch": names["torch"].__version__,
        "loss": names["loss"].item(),
        "norm": float((names["theirs"].astype(float) ** 2).sum() ** 0.5),
        "every": EVERY,
        "gradient": [round(float(g), 9) for g in names["theirs"].ravel()[::EVERY]],
    }
    DATA.parent.mkdir(exist_ok=True)
    DATA.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(*(each for _, each, _ in outputs), sep="")
