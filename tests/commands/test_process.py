"""What happens to a process: full disks, killed writers, early signals, strange names."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from minimalstyle import files
from minimalstyle.commands.console import Console
from minimalstyle.commands.parser import parse
from minimalstyle.errors import MinimalstyleWarning, OutputError
from minimalstyle.optimize.lbfgs import Evaluated, State
from minimalstyle.records import checkpoint
from minimalstyle.records.saved import SavedRun

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(map(str, (ROOT, HERE))),
}
FAKE = """
import sys
import test_paint as t
t.method.paint = t.FakePaint({meanwhile})
sys.exit(t.cli.main())
"""


def start(folder, *words, meanwhile="", **environment):
    """The command with a method that only pretends, in a process of its own."""
    command = [sys.executable, "-c", FAKE.format(meanwhile=meanwhile), *words]
    return subprocess.run(
        command, cwd=folder, env=ENVIRONMENT | environment, capture_output=True, check=False
    )


@pytest.fixture
def pictures(tmp_path):
    image = Image.fromarray(np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3))
    for name in ("a.png", "-photo.png", "-style.png", "é.png"):
        image.save(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "content", "styles"),
    [
        (["--", "-photo.png", "-style.png"], "./-photo.png", ["./-style.png"]),
        (["a.png", "--", "-style.png"], "a.png", ["./-style.png"]),
        (["a.png", "--size", "32", "--", "-style.png", "b"], "a.png", ["./-style.png", "b"]),
        (["texture", "--", "-style.png"], None, ["./-style.png"]),
        (["reconstruct", "--quiet", "--", "-photo.png"], "./-photo.png", []),
        (["--", "texture", "a.png"], "texture", ["a.png"]),
    ],
)
def test_two_dashes(words, content, styles):
    args = parse(words, Console("test", str))
    assert (args.content, args.styles) == (content, styles)


def test_unicode_in_an_ascii_locale(pictures):
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = start(pictures, "é.png", "a.png", **ascii_only)
    assert done.returncode == 0, done.stderr
    assert (pictures / "é_a.png").exists()


@pytest.mark.parametrize("stem", ["a" * 251, "é" * 125, "a" + "é" * 125])
def test_names_made_of_long_ones_fit(tmp_path, stem):
    path = tmp_path / f"{stem}.png"
    path.touch()
    for made in (files.unused(path), files.beside(path, "compare"), files.beside(path, "0001")):
        assert 250 <= len(made.name.encode()) <= 255
        made.touch()
    assert len(list(tmp_path.iterdir())) == 4


def test_killed_writers_are_cleared_away(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    here = f"{files._MACHINE:08x}"
    names = {
        f".minimalstyle-{here}-{gone.pid}-0.tmp": False,
        f".minimalstyle-{here}-{os.getpid()}-0.tmp": True,
        f".minimalstyle-{files._MACHINE ^ 1:08x}-{gone.pid}-0.tmp": True,  # of another machine
        ".minimalstyle-0123456789abcdef.tmp": True,
        ".minimalstyle-old.tmp": False,
        "other.tmp": True,
    }
    for name in names:
        (tmp_path / name).touch()
    for name in (".minimalstyle-old.tmp", "other.tmp"):
        os.utime(tmp_path / name, (0, time.time() - 4000))
    files.atomic_write(tmp_path / "a", b"a")
    assert {name: (tmp_path / name).exists() for name in names} == names


def test_space_for_the_whole_file(tmp_path):
    resource = pytest.importorskip("resource")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, limit[1]))
    try:
        files.check_target(tmp_path / "a.png", 900_000)
        with pytest.raises(OutputError, match="File too large"):
            files.check_target(tmp_path / "a.png", 2_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, previous)
    assert not list(tmp_path.iterdir())


def test_a_finished_picture_is_saved_elsewhere(pictures):
    (pictures / "gone").mkdir()
    remove = "lambda n: n == 6 and t.Path('gone').rmdir()"
    done = start(pictures, "a.png", "a.png", "-o", "gone/out.png", meanwhile=remove)
    assert done.returncode == 5
    assert b"error: gone/out.png: cannot be written: No such file" in done.stderr
    assert f"the picture is saved as {pictures / 'out.png'}".encode() in done.stderr
    with Image.open(pictures / "out.png") as image:
        assert image.size == (30, 20)


def test_frames_that_cannot_be_written(pictures):
    (pictures / "out_0001.png").symlink_to(pictures)  # a folder
    words = ["a.png", "a.png", "-o", "out.png", "--save-every", "1", "--force", "--quiet"]
    done = start(pictures, *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(b"warning: the run goes on without pictures of it: out_0001.png") == 1
    assert (pictures / "out.png").exists()
    assert (pictures / "out_0002.png").exists()


def test_a_checkpoint_that_cannot_be_written(tmp_path, monkeypatch):
    facts = {"settings": {}, "inputs": {}, "weights": {"sha256": ""}}

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    objective = SimpleNamespace(terms={})
    state = State(np.zeros(3))
    evaluation = Evaluated(1.0, 1.0, np.zeros(3, np.float32))
    run = SavedRun(facts, [(1, 1)], tmp_path / "state", None, every=0)
    run.begin(1, np.zeros((1, 1, 3), np.float32), [])
    hooks = run.hooks(1, objective)
    with monkeypatch.context() as broken, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        broken.setattr(files.os, "fsync", full)
        for _ in range(2):
            hooks["on_evaluation"](evaluation)
            hooks["on_state"](state)
    assert len(caught) == 1
    assert caught[0].category is MinimalstyleWarning
    assert "without a new checkpoint: " in str(caught[0].message)
    assert "No space left on device" in str(caught[0].message)
    hooks["on_state"](state)  # there is space again
    hooks["on_evaluation"](evaluation)
    assert len(list(checkpoint.sections(tmp_path / "state"))) == 2


def test_a_run_to_resume_that_has_not_begun(pictures):
    done = start(pictures, "a.png", "a.png", "-o", "out.png", "--resume", "state")
    assert done.returncode == 0, done.stderr
    assert b"state: no such file; a new run begins, and keeps its state there" in done.stderr


MARK = """
import sys
said = []
def hook(event, arguments):
    if event == "import" and arguments[0] == "{module}" and not said:
        said.append(print(flush=True))
sys.addaudithook(hook)
"""
COMMAND = "import sys; from minimalstyle.commands.paint import main; sys.exit(main())"


@pytest.mark.parametrize(
    ("way", "module", "wait"),
    [
        *(("command", "numpy", wait) for wait in (0.0, 0.1, 0.15, 0.3, 0.5, 0.8, 1.2, 1.8)),
        ("command", "minimalstyle.errors", 0.0),
        *(("module", "minimalstyle.errors", wait) for wait in (0.0, 0.03, 0.1, 0.2, 0.3)),
    ],
)
def test_ctrl_c_at_any_moment(pictures, way, module, wait):
    """From the first module of ours: while NumPy and others load, the weights and the kernels."""
    (pictures / "sitecustomize.py").write_text(MARK.format(module=module))  # Python imports it
    environment = {
        **ENVIRONMENT,
        "PYTHONPATH": os.pathsep.join([str(pictures), ENVIRONMENT["PYTHONPATH"]]),
    }
    script = pictures / "minimalstyle"  # as an installed command
    script.write_text(COMMAND)
    command = [sys.executable, *([str(script)] if way == "command" else ["-m", "minimalstyle"])]
    words = ["a.png", "a.png", "--size", "512", "--enlarge", "--iterations", "10000", "--quiet"]
    with subprocess.Popen(
        [*command, *words],
        cwd=pictures, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        process.stdout.readline()
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    *before, last = err.splitlines() or [b""]
    if (pictures / "a_a.png").exists():  # how soon there is one depends on the machine
        assert last == b"minimalstyle: interrupted; the best picture so far is saved"
        saving = b"minimalstyle: interrupted; saving the picture, which takes a moment"
        assert before in ([], [saving])
    else:
        assert not before
        assert last == b"" or last.endswith(b"nothing written")


LIMITED = """
import resource, sys
from minimalstyle import machine
from minimalstyle.commands.paint import main
limit = int(sys.argv.pop()) + machine.ADDRESSES * machine.available_cores()
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.exit(main())
"""


def test_all_that_fits_under_a_limit(content_file, style_file, tmp_path):
    """As after `ulimit -v`: the size that was taken is also finished."""
    pytest.importorskip("resource")
    words = [
        "--size",
        "auto",
        "--enlarge",
        "--iterations",
        "1",
        "--coarse-iterations",
        "1",
        "-o",
        "out.png",
    ]
    command = [sys.executable, "-c", LIMITED, str(content_file), str(style_file), *words]
    few, enough = (
        subprocess.run(
            [*command, limit], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, check=False
        )
        for limit in ("550000000", "850000000")
    )
    assert few.returncode == 2
    assert b"error: --size auto: not even the smallest picture fits into" in few.stderr
    done = enough
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out.png") as image:
        assert f"size {max(image.size)}\n".encode() in done.stderr
        assert 100 < max(image.size) < 2000  # the limit did count


LEAST = """
import sys
from minimalstyle import machine
from minimalstyle.commands.paint import main
code = main()
print(machine.peak_memory())
sys.exit(code)
"""


def test_the_least_memory_that_works(content_file, style_file, tmp_path):
    """It is named, it is enough, and it is kept."""

    def paint(memory):
        few = ["--iterations", "1", "--coarse-iterations", "1", "--size", "400", "-o", "out.png"]
        command = [sys.executable, "-c", LEAST, str(content_file), str(style_file), *few]
        return subprocess.run(
            [*command, "--memory", memory],
            cwd=tmp_path, env=ENVIRONMENT, capture_output=True, check=False, text=True,
        )  # fmt: skip

    refused = paint("100M")
    assert refused.returncode == 2
    (least,) = re.findall(r"--memory is too little for this picture; (\d+)M works", refused.stderr)
    done = paint(f"{least}M")
    assert done.returncode == 0, done.stderr
    peak = int(done.stdout.splitlines()[-1])
    assert 0.7e6 * int(least) < peak <= 1e6 * int(least)
    with Image.open(tmp_path / "out.png") as image:
        assert max(image.size) == 400
