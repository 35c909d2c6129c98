"""What became of each picture of a batch, as a table."""

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

from .painter import Outcome
from .tasks import Task

__all__ = ["COLUMNS", "as_csv", "as_json", "of_outcome", "of_task"]

TOLD = ("seconds", "loss", "content_loss", "style_loss", "tv_loss", "warnings")
COLUMNS = ("output", "content", "style", "state", *TOLD, "error")


def of_task(task: Task, state: str, line: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The row of a picture that is not painted now; what `line` knows of it."""
    job = task.job
    known = {name: (line or {}).get(name) for name in TOLD}
    return {
        "output": task.name,
        "content": str(job.content),
        "style": task.style,
        "state": state,
        **known,
        "warnings": list(known["warnings"] or ()),
        "error": None,
    }


def of_outcome(task: Task, outcome: Outcome) -> dict[str, Any]:
    """The row of a picture that was painted, or failed."""
    state = "painted" if outcome.error is None else "failed"
    row = of_task(task, state)
    row["seconds"] = round(outcome.seconds, 3)
    row["warnings"] = list(outcome.warnings)
    if outcome.error is not None:
        row["error"] = str(outcome.error)
    if outcome.result is not None:
        last = outcome.result.report["scales"][-1]
        row["loss"] = last["loss"]
        row |= {f"{name}_loss": last["terms"][name] for name in ("content", "style", "tv")}
    return row


def told(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a row for the tables of later."""
    return {name: row[name] for name in TOLD}


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    """A line for each picture, in UTF-8."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "warnings": "; ".join(row["warnings"])} for row in rows)
    return text.getvalue().encode("utf-8", "surrogateescape")


def as_json(rows: list[dict[str, Any]]) -> bytes:
    """A list of objects."""
    return (json.dumps(rows, indent=2) + "\n").encode()
