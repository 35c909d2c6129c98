"""Pictures per hour: a shell loop, and a batch of one process or several that share the cores.

    python benchmarks/batch.py [96 512] [--pictures 12] [--workers 1 2] [--rounds 1] [--json FILE]

The pictures of all ways are compared, byte for byte. Several processes need the extra `cluster`.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import common
from PIL import Image

_EVERY = 0.1  # seconds between two looks at the memory


def photographs(folder: Path, count: int) -> list[Path]:
    """Parts of the example photograph, each another one, of a megapixel less or more."""
    found = []
    with Image.open(common.CONTENT) as image:
        width, height = image.width * 2 // 3, image.height * 2 // 3
        for number in range(count):
            share = number / max(count - 1, 1)
            left, top = round(share * (image.width - width)), number % 4 * (image.height - height)
            part = image.crop((left, top // 3, left + width, top // 3 + height))
            path = folder / f"{number:03}.jpg"
            part.resize((1200, 800)).save(path, quality=92)
            found.append(path)
    return found


def timed(command: list[str]) -> dict[str, float]:
    """Run a command: seconds, those of the processors, and the peaks of its processes together."""
    environment = {**os.environ, "PYTHONPATH": str(common.ROOT)}
    before, started = os.times(), time.perf_counter()
    running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    peaks: dict[int, int] = {}
    while running.poll() is None:
        for pid in _family(running.pid):
            peaks[pid] = max(peaks.get(pid, 0), _peak(pid))
        time.sleep(_EVERY)
    seconds, after = time.perf_counter() - started, os.times()
    if running.returncode:
        raise SystemExit(f"exit code {running.returncode}")
    cpu = after[2] + after[3] - before[2] - before[3]
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_memory": sum(peaks.values())}


def _family(pid: int) -> list[int]:
    """A process and those that it has begun, which may have ended meanwhile."""
    found = [pid]
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [one for child in path.read_text().split() for one in _family(int(child))]
    return found


def _peak(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(one.split()[1]) * 1024 for one in lines if one.startswith("VmHWM:")), 0)


def loop(photos: list[Path], settings: list[str], out: Path) -> dict[str, float]:
    """One command for each photograph, one after another."""
    program = [sys.executable, "-m", "minimalstyle"]
    given = [str(common.STYLE), *settings, "--quiet", "--force"]
    each = [
        timed([*program, str(photo), *given, "-o", str(out / f"{photo.stem}.png")])
        for photo in photos
    ]
    return {
        "seconds": sum(one["seconds"] for one in each),
        "cpu_seconds": sum(one["cpu_seconds"] for one in each),
        "peak_memory": max(one["peak_memory"] for one in each),
    }


def batch(photos: list[Path], settings: list[str], out: Path, workers: int) -> dict[str, float]:
    """One command for all."""
    program = [sys.executable, "-m", "minimalstyle", "batch", *map(str, photos)]
    given = ["--styles", str(common.STYLE), *settings, "--name", "{content}.png", "--quiet"]
    return timed([*program, *given, "--workers", str(workers), "-o", str(out)])


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", type=int, nargs="*", default=[96, 256, 512])
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--iterations", type=int, help="at each size; for a quick try")
    parser.add_argument("--no-loop", action="store_true", help="leave the shell loop out")
    parser.add_argument("--json", metavar="FILE")
    a = parser.parse_args(argv)

    bystanders = common.Bystanders()
    points = []
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        photos = photographs(here, a.pictures)
        timed([sys.executable, "-m", "minimalstyle", "--compile"])
        for size in a.sizes:
            settings = ["--size", str(size)]
            if a.iterations:
                few = str(a.iterations)
                settings += ["--iterations", few, "--coarse-iterations", few]
            ways: list[int] = [*([] if a.no_loop else [0]), *a.workers]
            found: dict[int, list[dict[str, float]]] = {way: [] for way in ways}
            made: set[tuple[bytes, ...]] = set()
            for turn in range(a.rounds):
                for way in ways[:: -1 if turn % 2 else 1]:
                    out = here / f"{size}_{turn}_{way}"
                    out.mkdir()
                    one = batch(photos, settings, out, way) if way else loop(photos, settings, out)
                    found[way].append(one)
                    files = sorted(out.rglob("*.png"), key=lambda path: path.name)
                    made.add(tuple(path.read_bytes() for path in files))
            if len(made) > 1:
                raise SystemExit(f"at {size} px the pictures differ")
            for way in ways:
                middle = {
                    key: statistics.median(one[key] for one in found[way])
                    for key in ("seconds", "cpu_seconds", "peak_memory")
                }
                points.append({"size": size, "workers": way, **middle})

    about = common.machine()
    print(common.describe(about))
    rows = []
    for point in points:
        seconds, cpu = point["seconds"], point["cpu_seconds"]
        way = f"{point['workers']} x {max(common.cores() // (point['workers'] or 1), 1)}"
        first = next(one for one in points if one["size"] == point["size"])
        rows.append(
            [
                point["size"],
                way if point["workers"] else "loop",
                f"{3600 * a.pictures / seconds:.0f}",
                f"{seconds:.1f}",
                f"{cpu:.1f}",
                f"{seconds / first['seconds']:.0%}",
                f"{cpu / first['cpu_seconds']:.0%}",
                common.megabytes(int(point["peak_memory"])),
            ]
        )
    header = ["px", "processes x threads", "pictures/h", "s", "CPU s", "of the first", "CPU", "MB"]
    print(common.table(header, rows))
    print(bystanders)
    result = {"machine": about, "pictures": a.pictures, "points": points}
    result["bystander_cores"] = bystanders.cores()
    common.write_json(a.json, result)
    return result


if __name__ == "__main__":
    main()
