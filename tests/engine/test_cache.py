"""Kernels on disk, in processes of their own: never old ones, and never a reason to fail."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import minimalstyle
from minimalstyle.commands import kernels
from minimalstyle.engine import cache, jit
from minimalstyle.engine.threads import Threads
from minimalstyle.engine.variation import total_variation
from minimalstyle.errors import OutputError

PACKAGE = Path(minimalstyle.__file__).parent
BEGIN = """
import sys, numpy as np
from numba.core import event
from minimalstyle.engine.threads import Threads
from minimalstyle.engine.variation import total_variation
"""
END = """
with event.install_recorder("numba:compile") as recorder:
    image = np.arange(48, dtype=np.float32).reshape(4, 4, 3) ** 2
    value = total_variation(image, 0.0, np.zeros_like(image), Threads(1))
print(value, len(recorder.buffer) > 0)
"""
IMAGE = np.arange(48.0).reshape(4, 4, 3) ** 2
VALUE = (np.square(np.diff(IMAGE, axis=0)).sum() + np.square(np.diff(IMAGE, axis=1)).sum()) / 48


def start(script, folder, package=PACKAGE, cwd=None, **environment):
    own = {"PYTHONPATH": str(package.parent), "NUMBA_CACHE_DIR": str(folder), **environment}
    return subprocess.Popen(
        [sys.executable, "-W", "error", *script],
        cwd=cwd or package.parent,
        env=os.environ | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output(process):
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    return out.split()


def compiles(folder, before="", package=PACKAGE, **environment):
    """Whether a process compiles a kernel, whose result is right in any case."""
    script = ["-c", BEGIN + before + END]
    value, compiled = output(start(script, folder, package, **environment))
    assert float(value) == pytest.approx(VALUE, rel=1e-6)
    return compiled == "True"


def files(folder):
    return {path.name: path for path in folder.rglob("*.*") if path.is_file()}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filled")
    assert compiles(folder)
    assert len(files(folder)) == 2
    return folder


@pytest.fixture
def copy(filled, tmp_path):
    return Path(shutil.copytree(filled, tmp_path / "copy"))


def test_kernels_are_kept(filled):
    assert not compiles(filled)


def test_a_change_anywhere_in_the_engine_counts(tmp_path):
    """The kernels stand in `winograd`, the coefficient in `transforms`."""
    package = tmp_path / "minimalstyle"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("data", "__pycache__"))
    script = """if True:
        import numpy as np
        from minimalstyle.gradcheck.cases import tiny_vgg
        from minimalstyle.network.layers import VGG
        from minimalstyle.network.network import Network
        network = Network(VGG(tiny_vgg(((3, 4),)), sha256="random"), threads=1)
        image = np.linspace(0, 1, 16 * 18 * 3).reshape(16, 18, 3)
        print(float(network.features(image, ["relu1_2"])["relu1_2"].sum()))
    """
    folder = tmp_path / "kept"

    def features(folder):
        return output(start(["-c", script], folder, package))

    before, old = features(folder), files(folder)
    next(iter(old.values())).with_name("of_numba.py311.nbi").touch()
    source = package / "engine" / "transforms.py"
    text = source.read_text()
    changed = "m0 + a + c + e,"
    assert text.count(changed) == 1
    source.write_text(text.replace(changed, "2.0 * m0 + a + c + e,"))
    after = features(folder)
    assert after != before
    assert after == features(tmp_path / "empty")  # what the changed engine itself gives
    assert len(files(folder)) == len(old)
    assert not files(folder).keys() & old.keys()


def test_the_version_of_the_package_counts(tmp_path):
    package = tmp_path / "minimalstyle"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("data", "__pycache__"))
    folder = tmp_path / "kept"
    assert compiles(folder, package=package)
    assert not compiles(folder, package=package)
    source = package / "__init__.py"
    version = f'__version__ = "{minimalstyle.__version__}"'
    source.write_text(source.read_text().replace(version, '__version__ = "99"'))
    assert compiles(folder, package=package)


def test_in_an_archive(tmp_path):
    """As in a zipapp, with sources or without."""
    package = tmp_path / "all.zip" / "minimalstyle"
    folders = []
    for name in ("sources", "compiled"):
        with zipfile.PyZipFile(tmp_path / "all.zip", "w") as archive:
            for path in sorted(PACKAGE.rglob("*.py")) if name == "sources" else ():
                archive.write(path, path.relative_to(PACKAGE.parent))
            if name == "compiled":
                archive.writepy(PACKAGE)
        folders.append(tmp_path / name)
        where = {"cwd": tmp_path, "package": package}
        assert compiles(folders[-1], **where)
        assert not compiles(folders[-1], **where)
        assert len(files(folders[-1])) == 2
    assert files(folders[0]).keys() != files(folders[1]).keys()


@pytest.mark.parametrize("kind", [".nbi", ".nbc"])
@pytest.mark.parametrize("share", [0, 0.1, 0.9])
def test_a_damaged_file_is_replaced(copy, kind, share):
    (damaged,) = copy.rglob(f"*{kind}")
    data = damaged.read_bytes()
    damaged.write_bytes(data[: int(share * len(data))])
    assert compiles(copy)
    assert not compiles(copy)


def test_a_file_that_cannot_be_read_or_written(copy):
    (index,) = copy.rglob("*.nbi")
    index.unlink()
    index.mkdir()
    assert compiles(copy)


def test_a_place_that_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    assert compiles(tmp_path / "file")


FULL = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
READ_ONLY = """
def refuse(event, arguments):
    writes = event == "open" and arguments[2] & 3 or event in ("os.mkdir", "os.rename")
    if writes and str(arguments[0]).startswith({!r}):
        raise PermissionError(13, "read-only")
sys.addaudithook(refuse)
"""


def test_a_disk_that_fills_up(tmp_path):
    assert compiles(tmp_path, FULL)
    assert all(len(path.read_bytes()) < 1000 for path in files(tmp_path).values())
    assert compiles(tmp_path)
    assert not compiles(tmp_path)


def test_a_filled_folder_is_read_where_nothing_can_be_written(filled, tmp_path):
    assert not compiles(filled, READ_ONLY.format(str(filled)))
    assert compiles(tmp_path, READ_ONLY.format(str(tmp_path)))
    assert not files(tmp_path)


def test_two_processes_at_once(tmp_path):
    both = [start(["-c", BEGIN + END], tmp_path) for _ in range(2)]
    for process in both:
        value, _ = output(process)
        assert float(value) == pytest.approx(VALUE, rel=1e-6)
    assert not compiles(tmp_path)
    assert {path.suffix for path in files(tmp_path).values()} == {".nbi", ".nbc"}


@pytest.fixture
def notes(monkeypatch):
    """The notes of a compilation in this process, and a way to choose where kernels are kept."""
    lines = []

    def compile_in(folder):
        monkeypatch.setattr(cache.numba.config, "CACHE_DIR", str(folder))
        again = jit.numba.njit(**jit._FLAGS)(lambda x: x + 1)
        with jit.notify_compilation(lines.append):
            assert again(1) == 2
            assert again(1.0) == 2.0
        return lines

    return compile_in


def test_the_note_comes_once(notes, tmp_path):
    (line,) = notes(tmp_path)
    assert line.startswith("compiling kernels")
    assert "first use on this machine" in line


def test_the_note_names_the_variable_where_nothing_can_be_kept(notes, tmp_path):
    (tmp_path / "file").touch()
    (line,) = notes(tmp_path / "file")
    assert "in each run" in line
    assert "NUMBA_CACHE_DIR" in line


def test_without_a_variable_the_folder_is_beside_the_sources_or_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setattr(cache.numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(cache, "_HERE", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert cache.folder() == tmp_path / "__pycache__"
    (tmp_path / "__pycache__").rmdir()
    (tmp_path / "__pycache__").touch()
    found = cache.folder()
    assert found is not None
    assert found.is_relative_to(tmp_path / "home")


@pytest.mark.parametrize(
    ("variable", "value"), [("NUMBA_DISABLE_JIT", "1"), ("NUMBA_NUM_THREADS", "0")]
)
def test_numba_that_cannot_compile(tmp_path, variable, value, content_file, style_file):
    command = ["-m", "minimalstyle", content_file, style_file, "-o", tmp_path / "a.png"]
    process = start(map(str, command), tmp_path, **{variable: value})
    out, err = process.communicate(timeout=300)
    assert (process.returncode, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("minimalstyle: error: ")
    assert variable.split("_")[0] in err
    assert "unexpected" not in err


COMPILE = """
from minimalstyle.commands.paint import main
assert main(["--compile"]) == 0
"""
BITS = """
import hashlib
import numpy as np
import minimalstyle as ms
from numba.core import event
with event.install_recorder("numba:compile") as recorder:
    image = np.random.default_rng(0).random((48, 64, 3), np.float32)
    objective = ms.Objective(ms.load_network(), content=image, styles=[image[::-1]])
    loss, gradient = objective(1 - image)
print(len(recorder.buffer), loss, hashlib.sha256(gradient.tobytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Where `--compile` keeps kernels, and what its process says, with a gradient by them."""
    folder = tmp_path_factory.mktemp("compiled")
    process = start(["-c", COMPILE + BITS], folder)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return folder, out.splitlines(), err


def test_compile_is_all_that_a_run_needs(compiled, tmp_path, content_file, style_file):
    folder, (kept, after), err = compiled
    assert err.startswith("minimalstyle: compiling kernels")
    assert kept == f"kernels are kept in {next(iter(files(folder).values())).parent}"
    assert after.startswith("0 ")  # nothing more was compiled
    command = ["-m", "minimalstyle", content_file, style_file, "--size", "200", "--iterations", "2"]
    process = start([*map(str, command), "-o", str(tmp_path / "a.png")], folder)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "compiling" not in err


def test_the_same_bits_compiled_and_kept(compiled):
    """Where a helper is compiled into several kernels, each must have the same of it."""
    folder, (_, bits), _ = compiled
    out, err = start(["-c", BITS], folder).communicate(timeout=300)
    assert out == f"{bits}\n", err


def test_compile_says_where_nothing_can_be_kept(monkeypatch):
    monkeypatch.setattr(kernels, "stylize", lambda *_, **__: cache.kept.update(a=None))
    monkeypatch.setattr(kernels, "kept", cache.kept)
    with pytest.raises(OutputError, match="NUMBA_CACHE_DIR"):
        kernels.compile_kernels()
    del cache.kept["a"]


def test_what_is_not_of_the_engine_is_not_kept():
    """The version would not change with it."""
    image = np.zeros((4, 4, 3), np.float32)
    total_variation(image, 0.0, image.copy(), Threads(1))
    assert "variation._add_variation" in cache.kept
    assert not cache.is_covered(files)
