"""Mark what students have handed in: a table of points for each exercise, and what is wrong.

    python docs/course/exercises/grade.py FOLDER... [--lesson 3] [--csv marks.csv]

Each FOLDER is that of a student and holds their lesson1.py, lesson2.py and so on; a folder without
any of these is taken for a folder of such folders. An exercise has one point, if all of its tests
pass, on random numbers that nobody has seen before. Every hand-in runs in a process of its own,
with your rights: give it an account, or a machine, where it cannot do harm.
"""

import argparse
import csv
import io
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
LESSONS = range(1, 9)


@dataclass(frozen=True)
class Outcome:
    """What became of an exercise of a student: a point if there is nothing to remark."""

    student: str
    exercise: str  # such as 3.1
    remark: str  # "" if it is right
    cell: str = "0"  # in the table, if it is not


def exercises(lesson: int) -> list[str]:
    """Numbers of a lesson's exercises, which the names of its tests begin with."""
    tests = (HERE / f"test_lesson{lesson}.py").read_text(encoding="utf-8")
    return sorted({f"{lesson}.{n}" for n in re.findall(r"^def test_(\d)_", tests, re.MULTILINE)})


def students(folders: Sequence[Path]) -> dict[str, Path]:
    """Folders of students by name.

    Raises
    ------
    ValueError
        If a folder does not exist or two have the same name.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise ValueError(f"{folder}: no such folder")
        inner = sorted(
            path
            for path in folder.iterdir()
            if path.is_dir() and not path.name.startswith((".", "__"))  # not __pycache__, __MACOSX
        )
        for path in [folder] if any(handed_in(folder)) or not inner else inner:
            name = path.resolve().name
            if name in found:
                raise ValueError(f"{path} and {found[name]}: two folders named {name}")
            found[name] = path
    return found


def handed_in(folder: Path) -> Iterator[int]:
    """Lessons of which there is a file."""
    return (lesson for lesson in LESSONS if (folder / f"lesson{lesson}.py").is_file())


def mark(folder: Path, lesson: int, seed: int, seconds: float) -> list[Outcome]:
    """Run the tests of a lesson on a student's file, in a folder and a process of their own."""
    name = folder.resolve().name
    numbers = exercises(lesson)
    if not (folder / f"lesson{lesson}.py").is_file():
        missing = f"lesson{lesson}.py is missing"
        return [Outcome(name, number, missing, "missing") for number in numbers]
    remarks = _run(folder, lesson, f"test_lesson{lesson}", seed, seconds)
    if isinstance(remarks, str):  # one of them hangs or ends the process: which?
        remarks = {}
        for number in numbers:
            alone = _run(folder, lesson, f"test_{number[2:]}_", seed, seconds)
            remarks |= {number: [alone]} if isinstance(alone, str) else alone
    outcomes = []
    for number in numbers:
        wrong = [one for one in remarks[number] if one]
        more = f"\n(and {len(wrong) - 1} more of its tests)" if len(wrong) > 1 else ""
        outcomes.append(Outcome(name, number, wrong[0] + more if wrong else ""))
    return outcomes


def _run(
    folder: Path, lesson: int, chosen: str, seed: int, seconds: float
) -> dict[str, list[str]] | str:
    """For each exercise what each of its tests says, "" where it passes; or why none says any."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        desk = Path(place)
        for source in [*folder.glob("*.py"), HERE / "conftest.py", HERE / "checks.py"]:
            shutil.copy(source, desk)  # of two of the same name, ours
        shutil.copy(HERE / f"test_lesson{lesson}.py", desk)
        environment = os.environ | {"COURSE_SEED": str(seed), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", chosen]
        command += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", place, "--junitxml=report.xml"]
        try:
            subprocess.run(
                [*command, f"test_lesson{lesson}.py"],
                cwd=desk,
                env=environment,
                timeout=seconds,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"not finished after {seconds:g} seconds"
        try:
            cases = list(ElementTree.parse(desk / "report.xml").iter("testcase"))
        except (OSError, ElementTree.ParseError):
            return "it ended the whole process"
    remarks: dict[str, list[str]] = {}
    for case in cases:
        told = "\n".join(_told(child) for child in case)
        if number := re.match(r"test_(\d)_", case.get("name", "")):
            remarks.setdefault(f"{lesson}.{number[1]}", []).append(told)
    # Where a file cannot be imported there are no tests, only an error.
    errors = [_told(child) for case in cases for child in case] or ["no test was run"]
    return remarks or {number: errors[:1] for number in exercises(lesson)}


def _told(child: ElementTree.Element) -> str:
    """What a failed test says: our own words, or the error and the student's line."""
    message = child.get("message", "").removeprefix("Failed: ").removeprefix("AssertionError: ")
    message = re.sub(r"\nassert .*", "", message, flags=re.DOTALL)
    text = child.text or ""
    if message == "collection failure":
        message = (re.findall(r"^E\s+(\w+: .*)$", text, re.MULTILINE) or [message])[-1]
    lines = re.findall(r"(?<!test_)lesson\d\.py(?::(\d+): |\", line (\d+))", text)
    lines = [one or other for one, other in lines]
    return f"{message} (line {lines[-1]})" if lines and "\n" not in message else message


def table(outcomes: Sequence[Outcome]) -> str:
    """Students down, exercises across, points on the right; below it what is wrong."""
    names = list(dict.fromkeys(one.student for one in outcomes))
    numbers = list(dict.fromkeys(one.exercise for one in outcomes))
    cells = {(o.student, o.exercise): o.cell if o.remark else "1" for o in outcomes}
    width = max(len("student"), *map(len, names))
    wide = max(len(cell) for cell in [*cells.values(), "3.1"])
    rows = [("student", numbers, "points")]
    for name in names:
        marks = [cells[name, number] for number in numbers]
        rows.append((name, marks, f"{marks.count('1')} of {len(marks)}"))
    lines = [
        "  ".join([f"{name:{width}}", *(f"{mark:>{wide}}" for mark in marks), f"{points:>7}"])
        for name, marks, points in rows
    ]
    said = set()
    for one in outcomes:
        if one.remark and (one.student, one.remark) not in said:
            said.add((one.student, one.remark))
            which = [
                o.exercise for o in outcomes if (o.student, o.remark) == (one.student, one.remark)
            ]
            lines += ["", f"{one.student}, {', '.join(which)}"]
            lines += [f"    {line}" for line in one.remark.splitlines()]
    return "\n".join(lines)


def write_csv(path: Path, outcomes: Sequence[Outcome]) -> None:
    """A line for each student: 1 or 0 for each exercise, nothing where the file is missing."""
    numbers = list(dict.fromkeys(one.exercise for one in outcomes))
    marks: dict[str, dict[str, object]] = {}
    for one in outcomes:
        line = marks.setdefault(one.student, {"student": one.student, "points": 0, "remarks": ""})
        line[one.exercise] = 1 if not one.remark else 0 if one.cell == "0" else ""
        line["points"] = int(str(line["points"])) + (not one.remark)
        if one.remark:
            line["remarks"] = f"{line['remarks']}{one.exercise} {one.remark}\n"
    with path.open("w", newline="", encoding="utf-8-sig") as file:  # Excel wants the mark
        writer = csv.DictWriter(file, ["student", *numbers, "points", "remarks"])
        writer.writeheader()
        writer.writerows(marks.values())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when everything was marked, 2 for a wrong argument."""
    parser = argparse.ArgumentParser(description="Mark exercises: a table, and what is wrong.")
    parser.add_argument(
        "folder", nargs="+", type=Path, help="of a student, or of students' folders"
    )
    parser.add_argument(
        "--lesson",
        action="append",
        type=int,
        choices=LESSONS,
        help="only this one; repeatable (default: those of which anyone has handed in a file)",
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write a spreadsheet")
    parser.add_argument(
        "--seconds", type=float, default=120, help="time limit of each lesson (default 120)"
    )
    parser.add_argument("--seed", type=int, help="of the random numbers (default: a secret one)")
    options = parser.parse_args(argv)
    if options.seconds <= 0 or (options.seed is not None and options.seed < 0):
        parser.error("--seconds must be positive and --seed not negative")
    try:
        found = students(options.folder)
    except ValueError as error:
        parser.error(str(error))
    lessons = sorted(options.lesson or {n for folder in found.values() for n in handed_in(folder)})
    if not lessons:
        parser.error("no lesson1.py, lesson2.py ... in any of the folders")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # formulas, into a file on Windows, too
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    outcomes = []
    for name, folder in found.items():
        print(f"{name} ...", file=sys.stderr)
        for lesson in lessons:
            outcomes += mark(folder, lesson, seed, options.seconds)
    print(table(outcomes))
    print(f"\nWith --seed {seed} the random numbers are the same again.")
    if options.csv:
        try:
            write_csv(options.csv, outcomes)
        except OSError as error:
            parser.error(f"{options.csv}: {error.strerror}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
