"""Time and memory of an evaluation over pixels and threads, each in a process of its own.

    python benchmarks/scaling.py [256 512 1024 2048] [--threads 1 2] [--rounds 5] [--json FILE]

The exponent is the slope of a least-squares line through log(time) over log(pixels): 1 means that
twice the pixels take twice the time.
"""

import argparse
import statistics
from typing import Any

import common
import numpy as np


def exponent(pixels: list[int], values: list[float]) -> float:
    """Slope of log(values) over log(pixels)."""
    return float(np.polyfit(np.log(pixels), np.log(values), 1)[0])


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", type=int, nargs="*", default=[256, 512, 1024, 2048])
    parser.add_argument(
        "--threads", type=int, nargs="+", default=list(range(1, common.cores() + 1))
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE")
    a = parser.parse_args(argv)

    bystanders = common.Bystanders()
    points = []
    for size in a.sizes:
        for threads in a.threads:
            child = common.in_child("ours", size, threads=threads, rounds=a.rounds)
            points.append(
                {
                    "size": size,
                    "threads": threads,
                    "seconds": common.summary(child["seconds"]),
                    "peak_memory": child["peak_memory"],
                }
            )
    fits = []
    for threads in a.threads:
        mine = [point for point in points if point["threads"] == threads]
        pixels = [point["size"] ** 2 for point in mine]
        memory = [point["peak_memory"] for point in mine]
        fit: dict[str, Any] = {"threads": threads}
        if len(set(pixels)) > 1:
            seconds = [point["seconds"]["median"] for point in mine]
            fit["time_exponent"] = exponent(pixels, seconds)
            if None not in memory:
                fit["memory_exponent"] = exponent(pixels, memory)
                slope, base = np.polyfit(pixels, memory, 1)
                fit["bytes_per_pixel"], fit["base_bytes"] = float(slope), float(base)
        fits.append(fit)

    about = common.machine()
    print(common.describe(about))
    rows = []
    for point in points:
        median = statistics.median(point["seconds"]["all"])
        per_pixel = 1e6 * median / point["size"] ** 2
        memory = common.megabytes(point["peak_memory"])
        rows.append([point["size"], point["threads"], f"{median:.3f}", f"{per_pixel:.2f}", memory])
    print(common.table(["px", "threads", "s", "us per pixel", "MB"], rows))
    for fit in fits:
        if "time_exponent" in fit:
            line = f"{fit['threads']} threads: time ~ pixels^{fit['time_exponent']:.3f}"
            if "memory_exponent" in fit:
                line += f", memory ~ pixels^{fit['memory_exponent']:.3f}"
                line += f" or {common.megabytes(fit['base_bytes'])} MB"
                line += f" + {fit['bytes_per_pixel']:.0f} bytes per pixel"
            print(line)
    print(bystanders)
    result = {"machine": about, "points": points, "fits": fits}
    result["bystander_cores"] = bystanders.cores()
    common.write_json(a.json, result)
    return result


if __name__ == "__main__":
    main()
