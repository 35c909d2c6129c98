"""Memory and time of large pictures, in one piece and within a bound, each in its own process.

    python benchmarks/print.py [0.25 1 3 6 12] [--memory 4G] [--json FILE] [--plot FILE]
    python benchmarks/print.py --from FILE --plot FILE

A point is a few iterations at the last size of a run with the default settings. Seconds are those
of an evaluation, of the clock and of the processor: on a busy machine the second counts. `planned`
is what `--plan` says of the memory. The exponents are slopes of least-squares lines through
log(value) over log(pixels): 1 means that twice the pixels take twice as much.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import common
import numpy as np

from minimalstyle.commands.options import bytes_of

FITTED = ("seconds", "cpu_seconds", "peak_memory")


def child(megapixels: float, bound: int | None, rounds: int) -> None:
    """Measure one point, and print it as JSON."""
    from minimalstyle.network.network import load_network
    from minimalstyle.optimize.lbfgs import MOVING, minimize
    from minimalstyle.painting.inputs import AtSize
    from minimalstyle.painting.memory import memory_needed, room_at
    from minimalstyle.painting.method import objective_at
    from minimalstyle.painting.schedule import scales
    from minimalstyle.pictures.images import Size

    settings = common.Settings()
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5 / 8) * 8
    size = Size(width, width * 3 // 4)
    image = np.random.default_rng(0).random((size.height, width, 3), np.float32)
    style = image[:512, :512].copy()
    network = load_network()
    sizes, pixels = [Size(96, 72), size], image[..., 0].size + style[..., 0].size
    scale = scales(sizes, settings)[-1]
    objective = objective_at(
        network,
        AtSize(image, [style], [None], None, image),
        scale,
        settings,
        room=room_at(network, scale, settings, bound, pixels),
    )
    seconds: list[tuple[float, float]] = []

    def timed(image: "common.Image") -> Any:
        begun = time.perf_counter(), time.process_time()
        found = objective(image)
        seconds.append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
        return found

    minimize(
        timed,
        image,
        rounds,
        threads=network.threads.number,
        magnitude=objective.magnitude,
        moving=MOVING,
        exponent=scale.exponent,
        lean=scale.large,
    )
    wall, cpu = np.array(seconds)[1:].min(axis=0)  # the first loads the kernels
    found = {
        "megapixels": width * size.height / 1e6,
        "bands": getattr(objective.evaluation, "number", 1),
        "seconds": float(wall),
        "cpu_seconds": float(cpu),
        "peak_memory": common.peak_memory(),
        "planned": memory_needed(
            network, sizes, [Size.of(style)], settings, loaded_pixels=pixels, bound=bound
        ),
    }
    print(json.dumps(found))


def measure(a: argparse.Namespace) -> dict[str, Any]:
    """All points."""
    bystanders = common.Bystanders()
    points: dict[str, list[dict[str, Any]]] = {"whole": [], "bounded": []}
    for megapixels in a.megapixels:
        for kind, found in points.items():
            if kind == "whole" and megapixels > a.whole:
                continue
            command = [sys.executable, __file__, str(megapixels), "--child", kind]
            command += ["--rounds", str(a.rounds), "--memory", str(a.memory)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
                raise SystemExit(f"{megapixels} megapixels, {kind}: {lines[-1]}")
            found.append(json.loads(done.stdout))
    print(bystanders)
    return {
        "machine": common.machine(),
        "bound": a.memory,
        "points": points,
        "exponents": {kind: exponents(kind, found) for kind, found in points.items()},
        "bystander_cores": bystanders.cores(),
    }


def exponents(kind: str, found: list[dict[str, Any]]) -> dict[str, float]:
    """Of seconds and memory; within a bound of those points that are computed in bands."""
    some = [one for one in found if kind == "whole" or one["bands"] > 1]
    if len(some) < 2:
        return {}
    pixels = np.log([one["megapixels"] for one in some])
    return {
        name: float(np.polyfit(pixels, np.log([one[name] for one in some]), 1)[0])
        for name in FITTED
    }


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Measure or read, print, write, plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("megapixels", type=float, nargs="*", default=[0.25, 1, 3, 6, 12])
    parser.add_argument("--memory", type=bytes_of, default=4 * 10**9, help="the bound")
    parser.add_argument("--rounds", type=int, default=2, help="iterations")
    parser.add_argument("--whole", type=float, default=6, help="megapixels, at most, in one piece")
    parser.add_argument("--child", choices=("whole", "bounded"), help=argparse.SUPPRESS)
    parser.add_argument("--from", dest="source", metavar="FILE", help="plot an earlier --json")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--plot", metavar="FILE", help="SVG or PNG")
    a = parser.parse_args(argv)
    if a.child:
        child(a.megapixels[0], a.memory if a.child == "bounded" else None, a.rounds)
        return {}

    result = json.loads(Path(a.source).read_text()) if a.source else measure(a)
    common.write_json(a.json, result)
    print(common.describe(result["machine"]))
    rows = [
        [
            kind,
            f"{one['megapixels']:.2f}",
            one["bands"],
            f"{one['seconds']:.2f}",
            f"{one['cpu_seconds']:.2f}",
            common.megabytes(one["peak_memory"]),
            common.megabytes(one["planned"]),
        ]
        for kind, found in result["points"].items()
        for one in found
    ]
    print(common.table(["how", "Mpx", "bands", "s", "CPU s", "MB", "planned"], rows))
    for kind, found in result["exponents"].items():
        if found:
            print(f"{kind}:", ", ".join(f"{name}^{value:.3f}" for name, value in found.items()))
    if a.plot:
        plot(result, a.plot)
    return result


def plot(result: dict[str, Any], file: str) -> None:
    """Memory and CPU seconds over megapixels."""
    pyplot = common.pyplot()
    figure, both = pyplot.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    ways = [("peak_memory", 1e9, "GB, at most"), ("cpu_seconds", 1, "CPU s of an evaluation")]
    labels = {"whole": "in one piece", "bounded": f"within {result['bound'] / 1e9:g} GB"}
    for axes, (name, unit, label) in zip(both, ways, strict=True):
        for kind, found in result["points"].items():
            at = [one["megapixels"] for one in found]
            axes.loglog(at, [one[name] / unit for one in found], "o-", label=labels[kind])
        axes.set(xlabel="megapixels", ylabel=label)
        axes.set_xticks(at, [f"{one:g}" for one in np.round(at, 2)], minor=False)
        axes.xaxis.set_minor_locator(pyplot.NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(pyplot.LogFormatter())
        axes.legend()
    figure.suptitle(result["machine"]["processor"])
    figure.savefig(file, dpi=150)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
