"""What the benchmarks share: pictures, interleaved timing, memory, machine, arithmetic, output."""

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this checkout is measured, whatever is installed

from minimalstyle.settings.settings import PRESETS, Settings  # noqa: E402 -- from that checkout

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from minimalstyle.network.layers import VGG

    Image = npt.NDArray[np.floating]

CONTENT = ROOT / "examples" / "neuschwanstein.jpg"
STYLE = ROOT / "examples" / "starry_night.jpg"
TV_WEIGHT = 1.0
GRAM = Settings(**PRESETS["gram"])  # of one evaluation, here and there


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine() -> dict[str, Any]:
    """Processor, cores, system and the versions that matter."""
    processor = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        fields = [line.partition(":") for line in info.read_text().splitlines()]
        names = [value.strip() for key, _, value in fields if key.strip() == "model name"]
        processor = names[0] if names else processor
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for package in ("numpy", "scipy", "numba", "torch"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    system = f"{platform.system()} {platform.machine()}"
    return {
        "processor": processor or "unknown",
        "cores": cores(),
        "system": system,
        "versions": versions,
        "date": time.strftime("%Y-%m-%d"),
    }


# ---------------------------------------------------------------------------------- pictures


def pictures(size: int) -> tuple["Image", "Image", "Image"]:
    """Image, content and style, each (size, size, 3) float32 in [0, 1].

    The image is the example photograph; the content is its mirror image, so that the content
    loss is not zero.
    """
    import numpy as np

    from minimalstyle.pictures import images

    squares = []
    for path in (CONTENT, STYLE):
        rgb = images.load(path).rgb
        side = min(rgb.shape[:2])
        top, left = ((length - side) // 2 for length in rgb.shape[:2])
        squares.append(images.resize(rgb[top : top + side, left : left + side], size, size))
    image, style = squares
    return image, np.ascontiguousarray(image[:, ::-1]), style


# ------------------------------------------------------------------------------------ timing


def interleave(
    sides: Mapping[str, Callable[[], Any]], rounds: int, *, pause: float = 0.02
) -> dict[str, list[float]]:
    """Seconds of each side in each round, all sides one after the other in every round.

    What disturbs the machine for a while thus disturbs all sides. Each side is called once
    before, untimed; every second round runs in the reverse order; the pause lets the threads of
    the side before go to sleep.
    """
    for call in sides.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: -1 if number % 2 else 1]:
            time.sleep(pause)
            start = time.perf_counter()
            sides[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def summary(seconds: Sequence[float]) -> dict[str, Any]:
    """Median and minimum, and all values."""
    return {"median": statistics.median(seconds), "min": min(seconds), "all": list(seconds)}


class Bystanders:
    """How many cores other processes kept busy since this was made, on Linux."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._before = self._others()

    def _others(self) -> float | None:
        stat = Path("/proc/stat")
        if not stat.exists():
            return None
        user, nice, system, _idle, _wait, *more = map(
            int, stat.read_text().split("\n")[0].split()[1:]
        )
        busy = (user + nice + system + sum(more[:3])) / os.sysconf("SC_CLK_TCK")
        return busy - sum(os.times()[:4])

    def cores(self) -> float | None:
        """Their mean number; None where nobody tells."""
        now = self._others()
        if now is None or self._before is None:
            return None
        return max(0.0, (now - self._before) / (time.perf_counter() - self._start))

    def __str__(self) -> str:
        busy = self.cores()
        told = "unknown" if busy is None else f"{busy:.2f} cores"
        advice = "; measure again on a quieter machine" if busy and busy > 0.1 else ""
        return f"busy with other processes meanwhile: {told}{advice}"


# ----------------------------------------------------------------------- memory and processes


def peak_memory() -> int | None:
    """Largest resident memory of this process so far, in bytes; None where nobody tells."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: on Linux a new process inherits the peak of the one that started it.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def in_child(
    side: str, size: int, *, threads: int, rounds: int, pooling: str = "max"
) -> dict[str, Any]:
    """Run `one_side.py` in a fresh process; what it prints, and `seconds_from_start`."""
    command = [sys.executable, str(ROOT / "benchmarks" / "one_side.py"), side, str(size)]
    command += ["--threads", str(threads), "--rounds", str(rounds), "--pooling", pooling]
    start = time.time()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise SystemExit(f"{side} at {size} px in a process of its own: {lines[-1]}")
    result = json.loads(done.stdout)
    result["seconds_from_start"] = result.pop("first_done") - start
    return result


# -------------------------------------------------------------------------------- arithmetic


class ConvWork(NamedTuple):
    """A convolution at the size where it runs."""

    name: str
    relu: str
    pixels: int
    inputs: int
    outputs: int


def convolutions(vgg: "VGG", height: int, width: int) -> list[ConvWork]:
    """3x3 convolutions up to the deepest layer of the default losses."""
    from minimalstyle.network.layers import Conv, Pool
    from minimalstyle.settings.settings import Settings

    wanted = {*Settings().content_layers, *Settings().style_layers}
    found: list[ConvWork] = []
    last = 0
    for layer, after in zip(vgg.layers, [*vgg.layers[1:], None], strict=True):
        if isinstance(layer, Pool):
            height, width = height // 2, width // 2
        elif isinstance(layer, Conv) and len(layer.weight) == 3 and after is not None:
            found.append(ConvWork(layer.name, after.name, height * width, *layer.weight.shape[2:]))
            last = len(found) if after.name in wanted else last
    return found[:last]


def evaluation_flops(vgg: "VGG", size: int) -> float:
    """Additions and multiplications of Winograd's algorithm and of the losses.

    The convolutions both ways, each with the tiles that the engine takes for it, half of each
    symmetric Gram matrix, and its gradient; transforms and elementwise work are not counted.
    """
    from minimalstyle.engine.maps import padded_channels
    from minimalstyle.engine.tiles import tiling
    from minimalstyle.settings.settings import Settings

    total = 0.0
    for i, conv in enumerate(convolutions(vgg, size, size)):
        side = round(conv.pixels**0.5)
        tiles = tiling(side, side, *map(padded_channels, (conv.inputs, conv.outputs)), 1)
        per_weight = 9 if i == 0 else tiles.frequencies / tiles.tile**2
        total += 2 * 2 * per_weight * conv.pixels * conv.inputs * conv.outputs
        if conv.relu in Settings().style_layers:
            total += conv.pixels * conv.outputs * (conv.outputs + 1)
            total += 2 * conv.pixels * conv.outputs**2
    return total


# ------------------------------------------------------------------------------------ output


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table with aligned columns, numbers to the right."""
    cells = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = [
        "| " + " | ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|")
    return "\n".join(lines)


def megabytes(size: int | None) -> str:
    """Bytes as MB, for a table."""
    return "-" if size is None else f"{size / 1e6:.0f}"


def describe(about: Mapping[str, Any]) -> str:
    """The machine in one line."""
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items() if number)
    return f"{about['processor']}, {about['cores']} cores, {about['system']}; {versions}"


def write_json(file: str | None, result: Any) -> None:
    """Write `result` to `file`, if one is given."""
    if file is not None:
        Path(file).write_text(json.dumps(result, indent=2) + "\n")


def pyplot() -> Any:
    """Matplotlib's, without a window; one line where it is not installed."""
    try:
        import matplotlib
    except ImportError:
        raise SystemExit(
            "matplotlib is not installed; for the plot: pip install matplotlib"
        ) from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def place_for_result(processor: str) -> str:
    """`results/<date>-<processor>.json`."""
    name = "-".join(re.findall(r"[a-z0-9]+", processor.lower()))
    return str(ROOT / "benchmarks" / "results" / f"{date.today()}-{name}.json")
