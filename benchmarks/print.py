"""Memory and time of large pictures, in one piece and in bands, each in a process of its own.

    python benchmarks/print.py [0.25 1 3 6 12] [--rounds 2] [--json FILE] [--plot FILE]

A point is an evaluation with the layers that act at large sizes, and its step of the optimiser.
Seconds are of the clock and of the processor: on a busy machine the second counts. The exponents
are slopes of least-squares lines through log(value) over log(pixels): 1 means that twice the pixels
take twice as much.
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

LAYERS = {
    "content_layers": {"relu2_2": 1.0},
    "style_layers": {"relu1_1": 1.0, "relu2_1": 2.0, "relu3_1": 2.0},
}


def child(megapixels: float, room: int | None, rounds: int) -> None:
    """Measure one point, and print it as JSON."""
    from minimalstyle.loss.objective import Objective
    from minimalstyle.network.network import load_network
    from minimalstyle.optimize.lbfgs import MOVING, minimize

    width = round((megapixels * 1e6 * 4 / 3) ** 0.5 / 8) * 8
    height = width * 3 // 4
    image = np.random.default_rng(0).random((height, width, 3), np.float32)
    network = load_network()
    objective = Objective(
        network,
        content=image,
        styles=[image[:512, :512].copy()],
        pooling="max",
        bound=room,
        **LAYERS,
    )
    clock: list[tuple[float, float]] = []

    def told(*_: object) -> None:
        clock.append((time.perf_counter(), time.process_time()))

    minimum = minimize(
        objective,
        image,
        rounds + 1,
        told,
        threads=network.threads.number,
        magnitude=objective.magnitude,
        moving=MOVING,
        lean=room is not None,
    )
    wall, cpu = np.diff(np.array(clock), axis=0).min(axis=0)
    found = {
        "megapixels": width * height / 1e6,
        "bands": getattr(objective.evaluation, "number", 1),
        "seconds": float(wall),
        "cpu_seconds": float(cpu),
        "peak_memory": common.peak_memory(),
        "evaluations": minimum.evaluations,
    }
    print(json.dumps(found))


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("megapixels", type=float, nargs="*", default=[0.25, 1, 3, 6, 12])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--whole", type=float, default=6, help="megapixels, at most, in one piece")
    parser.add_argument("--room", type=int, default=600, help="MB for an evaluation in bands")
    parser.add_argument("--child", choices=("whole", "bands"), help=argparse.SUPPRESS)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--plot", metavar="FILE")
    a = parser.parse_args(argv)
    if a.child:
        room = 10**6 * a.room if a.child == "bands" else None
        child(a.megapixels[0], room, a.rounds)
        return {}

    bystanders = common.Bystanders()
    points: dict[str, list[dict[str, Any]]] = {"whole": [], "bands": []}
    for megapixels in a.megapixels:
        for kind, found in points.items():
            if kind == "whole" and megapixels > a.whole:
                continue
            command = [sys.executable, __file__, str(megapixels), "--child", kind]
            done = subprocess.run(
                [*command, "--rounds", str(a.rounds), "--room", str(a.room)],
                capture_output=True,
                text=True,
                check=True,
            )
            found.append(json.loads(done.stdout))
    result: dict[str, Any] = {"machine": common.machine(), "points": points, "exponents": {}}
    rows = []
    for kind, found in points.items():
        for one in found:
            rows.append(
                [
                    kind,
                    f"{one['megapixels']:.2f}",
                    one["bands"],
                    f"{one['seconds']:.2f}",
                    f"{one['cpu_seconds']:.2f}",
                    common.megabytes(one["peak_memory"]),
                ]
            )
        if len(found) > 1:
            pixels = np.log([one["megapixels"] for one in found])
            result["exponents"][kind] = {
                name: float(np.polyfit(pixels, np.log([one[name] for one in found]), 1)[0])
                for name in ("seconds", "cpu_seconds", "peak_memory")
            }
    print(common.table(["how", "Mpx", "bands", "s", "CPU s", "MB"], rows))
    for kind, exponents in result["exponents"].items():
        print(f"{kind}: ", ", ".join(f"{name}^{value:.3f}" for name, value in exponents.items()))
    print(bystanders)
    result["bystander_cores"] = bystanders.cores()
    common.write_json(a.json, result)
    if a.plot:
        plot(points, a.plot)
    return result


def plot(points: dict[str, list[dict[str, Any]]], file: str) -> None:
    """Memory and CPU seconds over megapixels."""
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    ways = [("peak_memory", 1e9, "GB, at most"), ("cpu_seconds", 1, "CPU s of an iteration")]
    for axis, (name, unit, label) in zip(axes, ways, strict=True):
        for kind, found in points.items():
            at = [one["megapixels"] for one in found]
            axis.loglog(at, [one[name] / unit for one in found], "o-", label=kind)
        axis.set(xlabel="megapixels", ylabel=label)
        axis.legend()
    plt.savefig(Path(file), dpi=120)


if __name__ == "__main__":
    main()
