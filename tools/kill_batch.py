"""Kill a batch at random moments and start it again, until it is done; compare with one left alone.

    python tools/kill_batch.py [--kills 20] [--pictures 20] [--seed 0] [--workers 1 2]

By SIGKILL, in turn of all its processes and of the first alone. Each time none of them may be
left, and none may keep the folder locked. Linux only: processes are looked up in /proc.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

_ROOT = Path(__file__).parents[1]
_PATIENCE = 20  # seconds in which the others must end
_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(_ROOT)}
_QUICK = ["--size", "48", "--iterations", "6", "--coarse-iterations", "6", "--checkpoint"]


def main() -> int:
    """0 when every batch ends with the pictures of the one left alone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    a = parser.parse_args()

    failed = False
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        (here / "photos").mkdir()
        _noise(here / "waves.png", 1000)
        for number in range(a.pictures):
            _noise(here / "photos" / f"{number:02}.png", number)
        begun = time.monotonic()
        expected = _finished(here, "whole", 1)
        assert len(expected) == a.pictures
        whole = time.monotonic() - begun
        for workers in a.workers:
            out, chance = f"killed{workers}", random.Random(a.seed)
            told = []
            for turn in range(a.kills):
                at_start = turn % 5 == 4
                moment = chance.uniform(0, 2 if at_start else 2 * whole / a.pictures)
                everyone = turn % 2 == 0
                told.append(_kill(here, out, workers, moment, everyone=everyone, at_start=at_start))
                if (here / out).is_dir():
                    left = len(expected) - len(_pictures(here / out))
                    told[-1] += f", {left} left"
            same = _finished(here, out, workers) == expected
            others = {one.name for one in (here / out).iterdir()} - set(expected)
            clean = others == {"batch.jsonl", "report.csv", "report.json"}
            kills = sum("killed" in one for one in told)
            ended = all("alive" not in one for one in told)
            failed = failed or not (same and clean and ended)
            print(*told, sep="\n")
            print(
                f"{workers} at once: {a.pictures} pictures, {kills} kills, "
                f"{'the same' if same else 'OTHER'} pictures, "
                f"{'nothing else left' if clean else f'LEFT: {others}'}",
                flush=True,
            )
    return int(failed)


def _noise(path: Path, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    Image.fromarray(pixels).resize((64, 48)).save(path)


def _command(out: str, workers: int) -> list[str]:
    words = ["batch", "photos", "--styles", "waves.png", "-o", out, "--workers", str(workers)]
    return [sys.executable, "-m", "minimalstyle", *words, *_QUICK, "--quiet"]


def _pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


def _finished(here: Path, out: str, workers: int) -> dict[str, bytes]:
    """The pictures of a batch that nobody stops; it raises for a folder that is locked."""
    subprocess.run(_command(out, workers), cwd=here, env=_ENVIRONMENT, check=True)
    return _pictures(here / out)


def _kill(
    here: Path, out: str, workers: int, moment: float, *, everyone: bool, at_start: bool
) -> str:
    """Start a batch, kill it so long after its first sign of life; what happened."""
    before = _state(here / out)
    process = subprocess.Popen(
        _command(out, workers),
        cwd=here,
        env=_ENVIRONMENT,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not at_start and process.poll() is None and _state(here / out) == before:
        time.sleep(0.01)
    try:
        code = process.wait(timeout=moment)
    except subprocess.TimeoutExpired:
        if everyone:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        code = process.wait()
    else:
        if code:
            raise SystemExit(f"{out}: nobody killed it, and its exit code is {code}")
        return "finished before"
    begun = time.monotonic()
    while (alive := _session(process.pid)) and time.monotonic() - begun < _PATIENCE:
        time.sleep(0.05)
    who = f"{'all' if everyone else 'the first'}{' at the start' if at_start else ''}"
    end = f"alive: {alive}" if alive else f"gone {time.monotonic() - begun:.1f} s later"
    return f"{who} killed after {moment:.2f} s, the others {end}"


def _state(folder: Path) -> set[tuple[str, int]]:
    """Pictures and checkpoints, and when each was written."""
    found = set()
    for path in [*folder.glob("*.png"), *folder.glob(".*.checkpoint")]:
        with suppress(OSError):
            found.add((path.name, path.stat().st_mtime_ns))
    return found


def _session(number: int) -> list[int]:
    """Processes of a session that are no zombies."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has ended
            continue
        if int(session) == number and state != "Z":
            found.append(int(path.parent.name))
    return found


if __name__ == "__main__":
    sys.exit(main())
