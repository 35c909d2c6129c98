"""Checkpoints come back as they were written; whatever else a file holds is refused."""

import hashlib
import json
import pickle
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minimalstyle.errors import CheckpointError, OutputError
from minimalstyle.records import checkpoint
from minimalstyle.records.same_run import check_same_run

MAGIC = b"minimalstyle checkpoint\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.checkpoint"


@pytest.fixture
def forge(path: Path) -> Callable[..., None]:
    """`forge(header, data=b"")` writes a file with a right checksum around any header."""

    def write(header: Any, data: bytes = b"", length: int | None = None) -> None:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        size = len(text) if length is None else length
        whole = MAGIC + size.to_bytes(8, "little") + text + data
        path.write_bytes(whole + hashlib.sha256(whole).digest())

    return write


def small(path: Path) -> None:
    checkpoint.write(path, {"loss": 0.5}, {"x": np.arange(3, dtype=np.float32)})


# --------------------------------------------------------------------------------- round trip


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, ">f8", ">i4"])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 0, 2), (4, 3, 2)])
def test_arrays_come_back(path: Path, dtype: Any, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).normal(0, 100, shape)
    array = np.asarray(array).astype(dtype)
    checkpoint.write(path, {}, {"array": array, "another": np.zeros(2)})
    _, arrays = checkpoint.read(path)
    assert list(arrays) == ["array", "another"]
    assert arrays["array"].shape == shape
    assert arrays["array"].dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(arrays["array"], array)
    arrays["array"][...] = 1  # one's own


def test_views_and_special_numbers_come_back(path: Path) -> None:
    values = np.array([[np.nan, np.inf], [-np.inf, -0.0], [5e-324, 1.7e308]])
    checkpoint.write(path, {}, {"turned": values.T, "every other": values[::2]})
    _, arrays = checkpoint.read(path)
    assert arrays["turned"].tobytes() == values.T.tobytes()
    assert arrays["every other"].tobytes() == values[::2].tobytes()


def test_facts_come_back(path: Path) -> None:
    facts = {
        "loss": 0.1 + 0.2,
        "worst": float("inf"),
        "history": [3.0, 2.5],
        "settings": {"init": "Ärmel\n\0", "threads": None, "enlarge": True},
        "seed": 2**63 - 1,
    }
    checkpoint.write(path, facts, {})
    assert checkpoint.read(path) == (facts, {})


def test_a_second_write_replaces_the_first(path: Path) -> None:
    checkpoint.write(path, {"n": 1}, {"x": np.zeros(1000)})
    checkpoint.write(path, {"n": 2}, {"x": np.ones(1)})
    facts, arrays = checkpoint.read(path)
    assert (facts, arrays["x"].tolist()) == ({"n": 2}, [1.0])
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("values", [[None], ["text"], [1j], [True]])
def test_other_arrays_are_not_written(path: Path, values: list[Any]) -> None:
    with pytest.raises(TypeError, match="'x'"):
        checkpoint.write(path, {}, {"x": np.array(values)})
    assert not path.exists()


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="nowhere"):
        small(tmp_path / "nowhere" / "run.checkpoint")


# ------------------------------------------------------------------------------- damaged files


def refused(path: Path, match: str) -> None:
    with pytest.raises(CheckpointError, match=match) as caught:
        checkpoint.read(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert caught.value.exit_code == 6


def test_truncated_at_every_byte(path: Path) -> None:
    small(path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        refused(path, "is empty" if length == 0 else "is not a checkpoint|damaged or incomplete")


def appended(path: Path) -> tuple[list[bytes], list[int]]:
    """A checkpoint after each of three sections, and where these end."""
    ends = [checkpoint.write(path, {"n": 0}, {"x": np.arange(3.0)})]
    states = [path.read_bytes()]
    for n in (1, 2):
        arrays = {"y": np.full((n, 2), n, np.float32), "z": np.arange(n)}
        ends.append(checkpoint.append(path, ends[-1], {"n": n}, arrays))
        states.append(path.read_bytes())
    return states, ends


def test_sections_come_back(path: Path) -> None:
    states, ends = appended(path)
    assert [len(state) for state in states] == ends
    assert [state[:end] == states[-1][:end] for state, end in zip(states, ends, strict=True)]
    found = list(checkpoint.sections(path))
    assert [(facts["n"], end) for facts, _, end in found] == list(enumerate(ends))
    assert [(facts["n"], end) for facts, end in checkpoint.skim(path)] == list(enumerate(ends))
    for n, (_, arrays, _) in enumerate(found[1:], start=1):
        assert arrays["y"].tolist() == [[n, n]] * n
        assert arrays["z"].tolist() == list(range(n))
    assert checkpoint.read(path)[0] == {"n": 0}


def test_a_section_that_is_not_whole_never_began(path: Path) -> None:
    """Cut at every byte, or with one that is wrong; the next one takes its place."""
    states, ends = appended(path)
    whole = states[-1]
    for at in range(ends[0], len(whole)):
        before = sum(end <= at for end in ends)
        damaged = whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :]
        for content in (whole[:at], damaged, whole[:at] + bytes(len(whole) - at)):
            path.write_bytes(content)
            found = [(facts["n"], end) for facts, _, end in checkpoint.sections(path)]
            if content == whole:  # zeros in the place of zeros
                continue
            assert found == list(enumerate(ends[:before]))
            checkpoint.append(path, ends[before - 1], {"n": 5}, {})
            assert [facts["n"] for facts, _, _ in checkpoint.sections(path)] == [*range(before), 5]


def test_a_section_that_cannot_be_appended(path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written: No such file"):
        checkpoint.append(path, 100, {}, {})


def test_every_byte_flipped(path: Path) -> None:
    small(path)
    whole = path.read_bytes()
    for at in range(len(whole)):
        for mask in (0x01, 0x80, 0xFF):
            damaged = bytearray(whole)
            damaged[at] ^= mask
            path.write_bytes(damaged)
            refused(path, "is not a checkpoint" if at < len(MAGIC) else "damaged or incomplete")


def test_missing_folder_and_other_files(path: Path) -> None:
    refused(path, "no such file")
    path.mkdir()
    refused(path, "is a folder")
    path.rmdir()
    np.savez(path.with_suffix(".npz"), x=np.zeros(3))
    refused(path.with_suffix(".npz"), "is not a checkpoint")


class Bomb:
    """Leaves a trace when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("something was unpickled",)


def test_pickles_are_refused(path: Path, forge: Callable[..., None]) -> None:
    data = pickle.dumps(np.array([Bomb()], dtype=object))
    path.write_bytes(data)
    refused(path, "is not a checkpoint")
    for dtype in ("|O", "object", "O", "|V8", [["x", "|O"]]):
        arrays = [["x", dtype, [len(data) // 8]]]
        forge({"version": 1, "facts": {}, "arrays": arrays}, data[: len(data) // 8 * 8])
        refused(path, "is not a checkpoint that minimalstyle wrote")


def test_a_newer_version(forge: Callable[..., None], path: Path) -> None:
    forge({"version": 2, "something": "else"}, b"more")
    refused(path, "written by a newer minimalstyle")


@pytest.mark.parametrize(
    "shape",
    [
        [2**40],
        [2**31, 2**31],
        [2**63, 2],
        [10**30],
        [0, 10**30],
        [1] * 100 + [3],
        [-1, -3],
        [3.0],
        [True, 3],
        ["3"],
        [4],
        [2],
        "3",
        3,
        None,
    ],
)
def test_shapes_that_are_not_in_the_file(
    path: Path, forge: Callable[..., None], shape: Any
) -> None:
    forge({"version": 1, "facts": {}, "arrays": [["x", "<f4", shape]]}, bytes(12))
    refused(path, "is not a checkpoint that minimalstyle wrote|damaged")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"not JSON",
        b"\xff\xfe",
        b"[" * 100_000,
        b"9" * 10_000,
        [],
        None,
        {},
        {"version": 1},
        {"version": "1", "facts": {}, "arrays": []},
        {"version": 1, "facts": 5, "arrays": []},
        {"version": 1, "facts": {}, "arrays": {}, "x": 1, "y": [[]]},
        {"version": 1, "facts": {}, "arrays": [["x", "<f4"]]},
        {"version": 1, "facts": {}, "arrays": [5]},
        {"version": 1, "facts": {}, "arrays": None},
    ],
)
def test_headers_that_nobody_wrote(path: Path, forge: Callable[..., None], header: Any) -> None:
    forge(header, bytes(8))
    refused(path, "is not a checkpoint that minimalstyle wrote|damaged")


@pytest.mark.parametrize("length", [2**63, 2**40, 100, 5])
def test_lengths_that_are_not_in_the_file(
    path: Path, forge: Callable[..., None], length: int
) -> None:
    forge({"version": 1, "facts": {}, "arrays": []}, length=length)
    refused(path, "is not a checkpoint that minimalstyle wrote")


WRITER = """
import sys
import numpy as np
from minimalstyle.records import checkpoint
from minimalstyle.records.same_run import check_same_run

n = 0
while True:
    n += 1
    arrays = {"x": np.full(50_000 + 10_000 * (n % 7), n), "y": np.full((9, 9, 3), n, np.float32)}
    checkpoint.write(sys.argv[1], {"n": n}, arrays)
    if n == 1:
        print(flush=True)
"""


def test_a_killed_writer_leaves_a_whole_file(path: Path) -> None:
    moments = random.Random(0)
    for _ in range(20):
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"\n"
            time.sleep(moments.uniform(0, 0.03))
            writer.send_signal(signal.SIGKILL)
        assert writer.returncode == -signal.SIGKILL
        facts, arrays = checkpoint.read(path)
        assert all(np.all(array == facts["n"]) for array in arrays.values())
        assert len(arrays["x"]) == 50_000 + 10_000 * (facts["n"] % 7)


# ------------------------------------------------------------------------------- the same run

RUN: dict[str, Any] = {
    "version": "0.1.0",
    "settings": {
        "size": 512,
        "style_weight": 40.0,
        "enlarge": False,
        "style_blend": None,
        "style_layers": {"relu1_1": 1.0},
        "init": "content",
        "threads": 2,
    },
    "inputs": {"content": "c0", "styles": ["s0", "s1"]},
    "weights": "w0",
    "sizes": [(256, 171), (512, 341)],
}


def changed(**changes: Any) -> dict[str, Any]:
    """`RUN` with some things changed; those with a name in the settings, there."""
    run = json.loads(json.dumps(RUN))
    for name, value in changes.items():
        (run["settings"] if name in run["settings"] else run)[name] = value
    return run


def test_the_same_run(path: Path) -> None:
    checkpoint.write(path, {**RUN, "iteration": 7}, {})
    facts, _ = checkpoint.read(path)
    check_same_run(facts, RUN, path)
    check_same_run(facts, changed(threads=64), path)


def test_paths_are_texts(path: Path) -> None:
    run = changed(init=path)
    checkpoint.write(path, run, {})
    facts, _ = checkpoint.read(path)
    assert facts["settings"]["init"] == str(path)
    check_same_run(facts, run, path)


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        (changed(style_weight=20), "made with --style-weight 20, not 40;"),
        (changed(style_weight=20.5), "made with --style-weight 20.5, not 40;"),
        (changed(enlarge=True), "made with --enlarge;"),
        (changed(style_blend=[0.7, 0.3]), "made with --style-blend 0.7,0.3, not without;"),
        (changed(init="noise", size=256), "made with --size 256, not 512;"),
        (changed(style_layers={"a": 2.0}), "made with --style-layers a=2, not relu1_1=1;"),
        (changed(inputs={"content": "c1", "styles": ["s0", "s1"]}), "of another content picture;"),
        (
            changed(inputs={"content": "c0", "styles": ["s0", "s2"]}),
            "of another style picture (number 2);",
        ),
        (changed(inputs={"content": "c0", "styles": ["s0"]}), "of 1 style picture(s), not 2;"),
        (
            changed(inputs={"content": "c0", "styles": ["s0", "s1"], "mask": "m"}),
            "of another mask picture;",
        ),
        (changed(weights="w1", size=7), "made with another weights file;"),
        (changed(sizes=[[256, 171]]), "made at the sizes [[256, 171]], not"),
        (changed(version="0.2.0"), "made by minimalstyle 0.2.0, not 0.1.0;"),
        ({}, "of another content picture;"),
        (changed(inputs=5, settings=5), "of another content picture;"),
        (changed(settings=5), "made without --size;"),
    ],
)
def test_another_run(theirs: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        check_same_run(theirs, RUN, Path("run.checkpoint"))
    assert str(caught.value).startswith(f"run.checkpoint: {message}")


def test_settings_that_are_off_now() -> None:
    run = changed(enlarge=True, style_blend=[1.0])
    with pytest.raises(CheckpointError, match=r": made without --enlarge;"):
        check_same_run(changed(style_blend=[1.0]), run, "x")
    with pytest.raises(CheckpointError, match=r": made without --style-blend;"):
        check_same_run(changed(enlarge=True), run, "x")


def test_whatever_else_is_expected() -> None:
    check_same_run({"phase": 1, "loss": 2.0}, {"phase": 1}, "x")
    with pytest.raises(CheckpointError, match="made with another phase;"):
        check_same_run({"phase": 1}, {"phase": 2}, "x")
