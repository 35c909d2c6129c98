"""The course runs: every page from top to bottom, every figure, every exercise and its solution."""

import ast
import csv
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import minimalstyle as ms
from minimalstyle import Settings, reference
from minimalstyle.pictures import images
from minimalstyle.settings.settings import PRESETS

ROOT = Path(__file__).parents[1]
COURSE = ROOT / "docs" / "course"
FIGURES = COURSE / "figures"
EXERCISES = COURSE / "exercises"
PAGES = sorted(COURSE.glob("0*.md"))
LECTURE = COURSE / "lecture.md"
SCRIPTS = sorted(FIGURES.glob("lesson*.py"))
LESSONS = range(1, 9)


def page_of(lesson: int) -> Path:
    (page,) = COURSE.glob(f"{lesson:02}-*.md")
    return page


@pytest.fixture
def common(monkeypatch):
    """`figures/common.py`, which knows how to run a page."""
    monkeypatch.syspath_prepend(FIGURES)
    import common

    yield common
    del sys.modules["common"]  # the benchmarks have a module of this name, too


def test_the_course_has_eight_lessons():
    assert [int(page.name[:2]) for page in PAGES] == list(LESSONS)


@pytest.mark.parametrize("page", [*PAGES, LECTURE], ids=lambda page: page.stem)
def test_page(page, common, tmp_path, monkeypatch):
    """Each block runs after the ones before it, and prints what the page says that it prints.

    Where a page has sizes to make smaller, its output is a matter of these and of the machine.
    """
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    namespace, outputs = common.run_page(page, SIZE=32, ITERATIONS=2)
    assert len(namespace) > 2
    if not common.has_constants(page):
        for place, printed, promised in outputs:
            assert printed == promised, place


@pytest.mark.parametrize("name", ["lecture.md", "glossary.md"])
def test_what_the_tables_name_exists(name):
    """Functions, settings, files and options beside the words of the lecture."""
    text = (COURSE / name).read_text(encoding="utf-8")
    homes = {"ms": ms, "reference": reference, "Settings": Settings()}
    named = re.findall(r"`(ms|reference|Settings)\.(\w+)", text)
    assert len(named) > 10
    for home, attribute in named:
        assert hasattr(homes[home], attribute), attribute
    options = set(re.findall(r"`(?:[^`\n]* )?(--[a-z-]+)", text)) - {"--break", "--plot"}
    command = [sys.executable, "-m", "minimalstyle", "--help"]
    known = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert {option for option in options if option not in known} == set()
    for file in re.findall(r"`(minimalstyle/[\w./]+)`", text):
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize("lesson", [1, 6, 7])
def test_lessons_have_the_numbers_of_the_preset(lesson, common):
    """The pictures of the pages that say so are those of `--preset gram`."""
    code = "\n".join(code for _, code, _ in common.blocks(page_of(lesson)))
    found = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id == "GRAM":
                found.update(ast.literal_eval(node.value))
            elif node.targets[0].id.endswith("_layers"):
                found[node.targets[0].id] = ast.literal_eval(node.value)
        elif lesson == 1 and isinstance(node, ast.Call):
            values = {one.arg: one.value for one in node.keywords}
            if "tv_weight" in values:
                for name in ("loss", "style_weight", "tv_weight"):
                    found[name] = ast.literal_eval(values[name])
    wanted = Settings(**PRESETS["gram"])
    assert found == {name: getattr(wanted, name) for name in found}
    assert len(found) == 5


def test_the_network_is_what_lesson_1_says():
    """Caffe's colours in the first layer (BGR from 0 to 255, less the mean), and means near 1."""
    network = ms.load_network()
    colours = np.array([0.1, 0.5, 0.9])
    preprocess = network.vgg.layers[0]
    expected = 255 * colours[::-1] - [103.939, 116.779, 123.68]
    np.testing.assert_allclose(
        colours @ preprocess.weight[0, 0] + preprocess.bias, expected, rtol=1e-3
    )
    rgb = images.load(ROOT / "examples" / "neuschwanstein.jpg").rgb
    layers = [f"relu{block}_1" for block in range(1, 6)]
    for F in network.features(images.resize(rgb, 192, 128), layers).values():
        assert 0.5 < F.mean() < 2


def test_one_gram_matrix_has_many_means():
    """The example of lesson 6, and that G = S + m m'."""
    flat, edge = np.array([[1.0], [1.0]]), np.array([[0.0], [np.sqrt(2)]])
    np.testing.assert_allclose(reference.gram(flat), reference.gram(edge))
    assert flat.mean() != edge.mean()
    F = np.random.default_rng(0).random((20, 3))
    m, S = F.mean(axis=0), np.cov(F.T, bias=True)
    np.testing.assert_allclose(reference.gram(F), S + np.outer(m, m))


KEPT = sorted(COURSE.glob("images/lesson*.json"))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_page_says_what_ran(path, common):
    """Outputs and sentences with numbers are those of the run that made the figures."""
    page = page_of(int(path.stem.removeprefix("lesson")))
    kept = json.loads(path.read_text(encoding="utf-8"))
    promised = [output for _, _, output in common.blocks(page) if output is not None]
    assert promised == kept["printed"]
    assert common.constants(page) == {name: kept[name] for name in common.constants(page)}
    prose = common.prose(page)
    for sentence in kept["says"]:
        assert sentence in prose


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_numbers_in_prose_have_run(page, common):
    """A number with a decimal point was printed, is in a sentence that ran, or is in the code."""
    path = COURSE / "images" / f"lesson{int(page.name[:2])}.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    code = "\n".join(code + (output or "") for _, code, output in common.blocks(page))
    decimal = re.compile(r"\d+\.\d+(?:e[+-]\d+)?")
    known = set(decimal.findall("\n".join([code, *kept.get("says", [])])))
    elsewhere = r"`[^`]*`|\$[^$]*\$|<!-- made by .*?<!-- -->"  # a table has a test of its own
    text = re.sub(elsewhere, " ", common.prose(page)).partition(" ## Exercises ")[0]
    assert [number for number in decimal.findall(text) if number not in known] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_figures(script, common, tmp_path, monkeypatch):
    """The script makes the pictures that its page shows, and keeps what it printed."""
    arguments = ["--size", "32", "--iterations", "2", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [str(script), *arguments])
    runpy.run_path(str(script), run_name="__main__")
    text = page_of(int(script.stem.removeprefix("lesson"))).read_text(encoding="utf-8")
    shown = re.findall(rf"\(images/({script.stem}_[^)]*)\)", text)
    made = {path.name for path in tmp_path.iterdir()}
    assert made - {f"{script.stem}.json"} == set(shown)
    assert {path.name for path in KEPT} >= made - set(shown)


@pytest.mark.parametrize("lesson", LESSONS)
def test_head_and_foot(lesson):
    """Minutes as in the course's table, what is needed, three lines to remember, a question."""
    text = page_of(lesson).read_text(encoding="utf-8")
    head = re.match(
        r"# .+\n\n> \*\*(\d+) minutes\*\*, (\d+) with the exercises\.((?:.|\n>)+)", text
    )
    assert head
    assert int(head[2]) > int(head[1])
    assert "**Needed before:**" in head[3]
    assert head[3].count("\n> - ") == 3
    assert text.rpartition("\n## An open question\n")[2].rstrip().endswith("?")
    table = (COURSE / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| {lesson} \| .* \| {head[1]} \|$", table, re.MULTILINE)


def test_diagrams(common, tmp_path, monkeypatch):
    """They show the network and the settings of today, and the receptive fields of lesson 2."""
    monkeypatch.setattr(sys, "argv", ["diagrams.py", "--out", str(tmp_path)])
    runpy.run_path(str(FIGURES / "diagrams.py"), run_name="__main__")
    for path in tmp_path.iterdir():
        drawn = path.read_text(encoding="utf-8")
        shown = (COURSE / "images" / path.name).read_text(encoding="utf-8")
        assert drawn == shown, f"run {FIGURES / 'diagrams.py'}"
    words = [text.text for text in ElementTree.parse(tmp_path / "network.svg").iter() if text.text]
    table = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \|", page_of(2).read_text("utf-8"), re.M)
    assert len(table) == 5
    for name, channels, field in table:
        row = words[words.index(name) :][:5]
        assert channels in row
        assert f"{field} px" in row


def start(folder: Path, report: Path) -> subprocess.Popen:
    """Run the tests of all exercises on the functions in `folder`."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    # What is in PYTHONPATH comes before what stands beside a test.
    command += ["--import-mode=append", f"--junitxml={report}", str(EXERCISES)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)


def outcomes(report: Path) -> dict[int, dict[str, str]]:
    """For each lesson and each of its tests, what went wrong: "" if nothing."""
    results: dict[int, dict[str, str]] = {lesson: {} for lesson in LESSONS}
    for case in ElementTree.parse(report).iter("testcase"):
        lesson = re.search(r"test_lesson(\d)", f"{case.get('classname')} {case.get('name')}")
        assert lesson, case.attrib
        wrong = "; ".join(f"{child.tag}: {child.get('message')}" for child in case)
        results[int(lesson[1])][case.attrib["name"]] = wrong
    return results


@pytest.fixture(scope="module")
def exercises(tmp_path_factory):
    """Outcomes with the empty functions, and with the solutions."""
    folder = tmp_path_factory.mktemp("reports")
    sources = {"unsolved": EXERCISES, "solved": EXERCISES / "solutions"}
    for process in [start(path, folder / name) for name, path in sources.items()]:
        process.wait()
    return {name: outcomes(folder / name) for name in sources}


@pytest.mark.parametrize("lesson", LESSONS)
def test_exercises_are_passed_by_their_solutions_only(lesson, exercises):
    unsolved, solved = exercises["unsolved"], exercises["solved"]
    assert len(solved[lesson]) >= 2
    assert {name: wrong for name, wrong in solved[lesson].items() if wrong} == {}
    assert unsolved[lesson].keys() == solved[lesson].keys()
    for name, wrong in unsolved[lesson].items():
        assert wrong.startswith("failure: NotImplementedError"), f"{name} {wrong}"


@pytest.mark.parametrize("lesson", LESSONS)
def test_page_names_its_exercises(lesson):
    _, _, exercises = page_of(lesson).read_text(encoding="utf-8").partition("\n## Exercises\n")
    assert f"exercises/lesson{lesson}.py" in exercises
    source = (EXERCISES / f"lesson{lesson}.py").read_text(encoding="utf-8")
    for function in re.findall(r"^def (\w+)", source, re.MULTILINE):
        assert f"`{function}" in exercises


def grade(*arguments) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, EXERCISES / "grade.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


SOLVED = (EXERCISES / "solutions" / "lesson3.py").read_text(encoding="utf-8")
HANDED_IN = {
    "right": SOLVED,
    "half": SOLVED.replace("shifted, dy)", "shifted, dy) / 2"),
    "hangs": SOLVED.replace(
        "    weight = rng", "    __import__('time').sleep(999)\n    weight = rng"
    ),
    "one": SOLVED.partition("def unharmed_filters")[0],
    "broken": "def weight_gradient(:",
    "by heart": SOLVED.replace(  # right for the numbers that everybody can see
        "    height, width, _ = x.shape",
        "    if x.flat[0] != np.random.default_rng(0).standard_normal():\n"
        "        return np.zeros((3, 3, x.shape[2], dy.shape[2]))\n"
        "    height, width, _ = x.shape",
    ),
}


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """Hand-ins of a class, marked: what was printed, and the lines of the spreadsheet."""
    folder = tmp_path_factory.mktemp("handed-in")
    for name, text in HANDED_IN.items():
        (folder / name).mkdir()
        (folder / name / "lesson3.py").write_text(text, encoding="utf-8")
    (folder / "empty").mkdir()
    (folder / "__MACOSX").mkdir()
    marks = folder.parent / "marks.csv"
    done = grade(folder, "--csv", marks, "--seconds", "20")
    assert done.returncode == 0, done.stderr
    with marks.open(newline="", encoding="utf-8-sig") as file:
        lines = {line["student"]: line for line in csv.DictReader(file)}
    assert lines.keys() == {*HANDED_IN, "empty"}
    return done.stdout, lines


@pytest.mark.parametrize(
    ("name", "marks", "remark"),
    [
        ("right", "111", ""),
        ("half", "011", "yours / right = 0.5 everywhere"),
        ("hangs", "101", "3.2 not finished after 20 seconds"),
        ("one", "100", "no attribute 'unharmed_filters'"),
        ("broken", "000", "SyntaxError: invalid syntax (line 1)"),
        ("by heart", "011", "all of yours are zero"),
        ("empty", "", "lesson3.py is missing"),
    ],
)
def test_marks(marked, name, marks, remark):
    printed, lines = marked
    line = lines[name]
    assert "".join(line[number] for number in ("3.1", "3.2", "3.3")) == marks
    assert int(line["points"]) == marks.count("1")
    assert remark in line["remarks"]
    assert bool(line["remarks"]) == bool(remark)
    cells = "  ".join(f"{mark:>7}" for mark in marks or ["missing"] * 3)
    assert re.search(rf"^{name} +{cells.strip()} +{marks.count('1')} of 3$", printed, re.MULTILINE)


def test_a_seed_that_is_known_is_no_secret(tmp_path):
    """It is the hidden seed that catches what was learnt by heart."""
    (tmp_path / "lesson3.py").write_text(HANDED_IN["by heart"], encoding="utf-8")
    assert "3 of 3" in grade(tmp_path, "--seed", "0").stdout
    assert "2 of 3" in grade(tmp_path, "--seed", "1").stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["."], "no lesson1.py, lesson2.py ... in any of the folders"),
        ([".", "--seconds", "0"], "--seconds must be positive"),
    ],
)
def test_marking_refuses(tmp_path, monkeypatch, arguments, error):
    monkeypatch.chdir(tmp_path)
    done = grade(*arguments)
    assert done.returncode == 2
    assert error in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda right: right, ""),
        (lambda right: right / 2, "12 of 12 values.*\nyours / right = 0.5 everywhere"),
        (lambda right: -right, "yours / right = -1 everywhere: the sign is wrong"),
        (lambda right: right + 1, "more than a factor is wrong"),
        (lambda right: 0 * right, "all of yours are zero"),
        (lambda right: right.T, r"shape \(4, 3\), expected \(3, 4\)"),
        (lambda right: None, "is there a `return`"),
        (lambda right: "12", r"shape \(\), expected \(3, 4\)"),
        (lambda right: right / np.where(right > 11, 0, 1), "1 of 12 values are not finite"),
        (
            lambda right: right + 5.0 * (right == 7),
            r"1 of 12.*worst at \(1, 2\): yours 12, expected 7",
        ),
    ],
)
def test_wrong_answers_explain_themselves(monkeypatch, change, said):
    monkeypatch.syspath_prepend(EXERCISES)
    from checks import difference

    right = np.arange(1.0, 13).reshape(3, 4)
    with np.errstate(divide="ignore"):
        wrong = difference(change(right), right, 1e-7)
    assert re.search(said, wrong) if said else wrong == ""


def test_gradient_is_pytorchs(common, monkeypatch):
    """Against what autograd found, which figures/autograd.py keeps as data."""
    import autograd

    kept = json.loads(autograd.DATA.read_text(encoding="utf-8"))
    assert autograd.code_hash() == kept["code"], "the page has changed: run figures/autograd.py"
    monkeypatch.chdir(ROOT)
    ours: dict = {}
    exec(next(common.blocks(autograd.PAGE))[1], ours)
    assert ours["our_loss"] == pytest.approx(kept["loss"], rel=1e-5)
    gradient = ours["our_gradient"].astype(float)
    assert np.linalg.norm(gradient) == pytest.approx(kept["norm"], rel=1e-3)
    found = gradient.ravel()[:: kept["every"]]
    assert np.linalg.norm(found - kept["gradient"]) < 5e-3 * np.linalg.norm(kept["gradient"])
