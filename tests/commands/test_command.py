"""The real command in a process of its own, on the example pictures."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minimalstyle

PACKAGE = Path(minimalstyle.__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
FRAMEWORKS = {"jax", "keras", "mxnet", "onnxruntime", "tensorflow", "torch", "torchvision"}


def python(*arguments, folder, **environment):
    """Run Python from `folder`; warnings are errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", *map(str, arguments)],
        cwd=folder,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory, content_file, style_file):
    """A run from a folder of its own, and that folder."""
    folder = tmp_path_factory.mktemp("command")
    options = ["-o", "out.png", "--report", "report.json", "--size", "96"]
    options += ["--iterations", "6", "--coarse-iterations", "4", "--tv-weight", "0"]
    done = python("-m", "minimalstyle", content_file, style_file, *options, folder=folder)
    return done, folder


def test_what_is_printed(run):
    done, folder = run
    assert done.returncode == 0, done.stderr
    line, end, rest = done.stdout.partition("\n")
    assert (end, rest) == ("\n", "")
    assert "out.png" in line
    assert "96x64" in line
    assert "Traceback" not in done.stderr
    assert sorted(os.listdir(folder)) == ["out.png", "report.json"]


def test_picture(run, picture, content_file, style_file):
    _, folder = run
    with Image.open(folder / "out.png") as file:
        assert (file.format, file.mode, file.size) == ("PNG", "RGB", (96, 64))
        image = np.array(file).astype(int)
    for other in (content_file, style_file):
        assert np.abs(image - picture(other, 96, 64)).mean() > 5


def test_report(run):
    _, folder = run
    report = json.loads((folder / "report.json").read_text())
    assert report["version"] == minimalstyle.__version__
    assert report["output"] == "out.png"
    assert report["settings"]["size"] == 96
    assert report["settings"]["iterations"] == 6
    assert len(report["weights"]["sha256"]) == 64
    assert report["stopped"] == "iterations"
    assert report["seconds"] > 0
    assert report["peak_memory_bytes"] > 50e6
    first, last = report["scales"]
    assert [(one["width"], one["height"]) for one in (first, last)] == [(48, 32), (96, 64)]
    assert (first["iterations"], last["iterations"]) == (4, 6)
    assert last["loss"] == last["history"][-1] < 0.7 * first["history"][0]
    # The content picture is where it starts, so that all of the first loss is the style's.
    weight = report["settings"]["style_weight"]
    assert last["terms"]["style"] < 0.7 * first["history"][0] / weight
    assert 0 < last["terms"]["content"] < 1


def test_output_is_named_after_the_pictures(tmp_path, content_file, style_file):
    """And never written over an existing file; the same bits come from run to run."""
    for source, name in ((content_file, "a.jpg"), (style_file, "b.jpg")):
        (tmp_path / name).write_bytes(source.read_bytes())
    options = ["a.jpg", "b.jpg", "--size", "32", "--iterations", "3", "--quiet", "--report"]
    histories = []
    for seed, expected in (("1", "a_b.png"), ("2", "a_b_2.png")):
        report = tmp_path / f"{seed}.json"
        done = python("-m", "minimalstyle", *options, report, folder=tmp_path, PYTHONHASHSEED=seed)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert (tmp_path / expected).exists()
        histories += [[scale["history"] for scale in json.loads(report.read_text())["scales"]]]
    assert histories[0] == histories[1]
    assert (tmp_path / "a_b.png").read_bytes() == (tmp_path / "a_b_2.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.jpg", "PICTURE"], 3, "nowhere.jpg"),
        (["PICTURE", "."], 3, "."),
        (["PICTURE", "PICTURE", "--size", "0"], 2, "--size"),
        (["PICTURE", "PICTURE", "--weights", "PICTURE"], 4, "ONNX"),
        (["PICTURE", "PICTURE", "-o", "nowhere/out.png"], 5, "nowhere"),
    ],
)
def test_mistakes(arguments, code, message, tmp_path, content_file):
    arguments = [content_file if word == "PICTURE" else word for word in arguments]
    done = python("-m", "minimalstyle", *arguments, folder=tmp_path)
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert os.listdir(tmp_path) == []


# --- No framework, no pickle, no network --------------------------------------------------------

AUDIT = """
import sys

seen = set()

def hook(event, arguments):
    if event == "import":
        seen.add(arguments[0])
    elif event.startswith("socket."):
        seen.add(event)

sys.addaudithook(hook)
import numpy as np
import minimalstyle as ms

random = np.random.default_rng(0).random
ms.stylize(random((20, 24, 3)), random((20, 24, 3)), iterations=1)
seen |= set(sys.modules)
print(*seen)
"""


def test_no_framework_and_no_network_at_run_time(tmp_path):
    done = python("-c", AUDIT, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    seen = set(done.stdout.split())
    assert {"numba", "onnx", "scipy.optimize"} <= seen  # it listens
    assert not {name.partition(".")[0] for name in seen} & FRAMEWORKS
    assert not {event for event in seen if event.startswith("socket.")}


def imports(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]


def test_no_pickle_and_no_framework_in_the_sources():
    """Numba unpickles its own cache, and processes of a batch what they say to each other; nothing
    else at run time may.
    """
    files = list(PACKAGE.rglob("*.py"))
    assert len(files) > 10
    forbidden = FRAMEWORKS | {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve"}
    for file in files:
        assert not set(imports(file)) & forbidden, file
        assert "allow_pickle" not in file.read_text()
