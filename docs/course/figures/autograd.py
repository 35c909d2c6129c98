"""Run the page on PyTorch, where that is installed; keep what it prints and PyTorch's gradient.

    python docs/course/figures/autograd.py

The page gets its outputs, and data/autograd.json the numbers that the tests compare ours with.
"""

import hashlib
import json
import os

from common import COURSE, ROOT, blocks, put_outputs, run_page

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
    put_outputs(PAGE, [printed for _, printed, _ in outputs])
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
