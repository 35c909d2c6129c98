"""One evaluation of the objective, ours beside PyTorch: time, agreement, memory.

    python benchmarks/engine.py [256 512 1024] [--pooling average] [--rounds 5] [--threads N]

An evaluation is VGG-19 through relu5_1, five Gram losses, a content loss, total variation, and
the gradient of their sum to the pixels. Without PyTorch ours is measured alone.
"""

import argparse
import statistics
import time
from typing import Any

import common
import numpy as np
import one_side
import peak
import pytorch_side

from minimalstyle.network.onnx_io import load_vgg
from minimalstyle.optimize.lbfgs import minimize


def agreement(ours: tuple[float, np.ndarray], other: tuple[float, np.ndarray]) -> dict[str, float]:
    """How far the losses and gradients of the two sides are apart, relative to the other's."""
    difference = ours[1] - other[1]
    return {
        "loss": abs(ours[0] - other[0]) / abs(other[0]),
        "gradient_mean": float(np.abs(difference).mean() / np.abs(other[1]).mean()),
        "gradient_rms": float(np.linalg.norm(difference) / np.linalg.norm(other[1])),
    }


def compare(size: int, sides: list[str], rounds: int, threads: int, pooling: str) -> dict[str, Any]:
    """All sides at one size: seconds interleaved, agreement, memory in separate processes."""
    image, content, style = common.pictures(size)
    evaluate = {side: one_side.evaluation(side, content, style, threads, pooling) for side in sides}
    values = {side: call(image) for side, call in evaluate.items()}
    seconds = common.interleave(
        {side: lambda call=call: call(image) for side, call in evaluate.items()}, rounds
    )
    result: dict[str, Any] = {"size": size}
    for side in sides:
        child = common.in_child(side, size, threads=threads, rounds=1, pooling=pooling)
        result[side] = {
            "seconds": common.summary(seconds[side]),
            "loss": values[side][0],
            "peak_memory": child["peak_memory"],
        }
        if side != "ours":
            result[side]["agreement"] = agreement(values["ours"], values[side])
    return result


def thread_scaling(size: int, rounds: int, threads: int) -> dict[str, Any]:
    """One thread against `threads`, interleaved; and whether their results are the same bits."""
    image, content, style = common.pictures(size)
    both = {n: one_side.evaluation("ours", content, style, n) for n in (1, threads)}
    gradients = [call(image)[1] for call in both.values()]
    seconds = common.interleave(
        {str(n): lambda call=call: call(image) for n, call in both.items()}, rounds
    )
    medians = {n: statistics.median(values) for n, values in seconds.items()}
    return {
        "size": size,
        "threads": threads,
        "seconds": medians,
        "speedup": medians["1"] / medians[str(threads)],
        "same_bits": all(np.array_equal(gradients[0], other) for other in gradients),
    }


def start_up(size: int, rounds: int, threads: int) -> dict[str, Any]:
    """From the start of a process to its first finished evaluation, compile cache warm."""
    runs = [common.in_child("ours", size, threads=threads, rounds=0) for _ in range(rounds)]
    return {"size": size, "seconds": common.summary([run["seconds_from_start"] for run in runs])}


def optimiser_share(size: int, iterations: int, threads: int) -> dict[str, Any]:
    """Share of the time of `minimize` that is not spent in evaluations."""
    image, content, style = common.pictures(size)
    objective = one_side.evaluation("ours", content, style, threads)
    objective(image)
    inside = 0.0

    def evaluate(x: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal inside
        start = time.perf_counter()
        value = objective(x)
        inside += time.perf_counter() - start
        return value

    minimize(evaluate, image, 1)
    inside = 0.0
    start = time.perf_counter()
    minimum = minimize(evaluate, image, iterations)
    total = time.perf_counter() - start
    return {
        "size": size,
        "iterations": minimum.iterations,
        "evaluations": minimum.evaluations,
        "seconds": total,
        "share": 1.0 - inside / total,
    }


def _ratio(one: dict[str, Any], key: str) -> str:
    return f"{one[key]:.2f}" if key in one else "-"


def report(result: dict[str, Any]) -> str:
    """The tables."""
    sides = [side for side in one_side.SIDES if side in result["evaluations"][0]]
    names = ["ours", *(f"torch {side}" for side in sides[1:])]
    times, memory, apart = [], [], []
    for one in result["evaluations"]:
        seconds = [one[side]["seconds"] for side in sides]
        row = [one["size"], *(f"{s['median']:.3f} ({s['min']:.3f})" for s in seconds)]
        times.append([*row, _ratio(one, "speedup"), f"{one['share_of_peak']:.0%}"])
        row = [one["size"], *(common.megabytes(one[side]["peak_memory"]) for side in sides)]
        memory.append([*row, _ratio(one, "memory_ratio")])
        for side in sides[1:]:
            differences = one[side]["agreement"].values()
            apart.append([one["size"], side, *(f"{value:.1e}" for value in differences)])
    scaling, start, optimiser = (result[k] for k in ("threads_against_one", "start", "optimiser"))
    lines = [
        common.describe(result["machine"]),
        f"{result['threads']} threads, peak {result['peak_flops'] / 1e9:.0f} GFLOP/s",
        f"\nSeconds of an evaluation with {result['pooling']} pooling, median (minimum)",
        common.table(["px", *names, "torch / ours", "ours of peak"], times),
        "\nPeak resident memory of a process, MB",
        common.table(["px", *names, "ours / torch"], memory),
    ]
    if apart:
        header = ["px", "torch", "loss", "gradient, mean", "gradient, rms"]
        lines += ["\nRelative differences", common.table(header, apart)]
    lines += [
        f"\n{scaling['threads']} threads against 1 at {scaling['size']} px: "
        f"{scaling['speedup']:.2f} times as fast, "
        + ("the same bits" if scaling["same_bits"] else "DIFFERENT RESULTS"),
        f"process start to first evaluation at {start['size']} px: "
        f"{start['seconds']['median']:.2f} s",
        f"optimiser beside the evaluations at {optimiser['size']} px: {optimiser['share']:.1%} "
        f"of {optimiser['seconds']:.1f} s, {optimiser['evaluations']} evaluations",
    ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", type=int, nargs="*", default=[256, 512, 1024])
    parser.add_argument("--pooling", choices=("max", "average"), default="max")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=20, help="of the optimiser's share")
    parser.add_argument("--threads", type=int, default=common.cores())
    parser.add_argument("--ours-only", action="store_true", help="even if PyTorch is there")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--keep", action="store_true", help="write it to results/, for table.py")
    a = parser.parse_args(argv)

    with_torch = not a.ours_only and pytorch_side.available()
    sides = list(one_side.SIDES) if with_torch else ["ours"]
    bystanders = common.Bystanders()
    before = peak.peak_flops(a.threads)
    evaluations = [compare(size, sides, a.rounds, a.threads, a.pooling) for size in a.sizes]
    largest = max(a.sizes)
    result: dict[str, Any] = {
        "machine": common.machine(),
        "threads": a.threads,
        "pooling": a.pooling,
        "evaluations": evaluations,
        "threads_against_one": thread_scaling(min(512, largest), a.rounds, a.threads),
        "start": start_up(min(256, largest), a.rounds, a.threads),
        "optimiser": optimiser_share(min(512, largest), a.iterations, a.threads),
        "peak_flops": max(before, peak.peak_flops(a.threads)),
        "bystander_cores": bystanders.cores(),
    }
    vgg = load_vgg()
    for one in evaluations:
        ours = one["ours"]["seconds"]["median"]
        work = common.evaluation_flops(vgg, one["size"])
        one["share_of_peak"] = work / (ours * result["peak_flops"])
        if with_torch:
            best = min(sides[1:], key=lambda side: one[side]["seconds"]["median"])
            one["speedup"] = one[best]["seconds"]["median"] / ours
            if one["ours"]["peak_memory"]:
                one["memory_ratio"] = one["ours"]["peak_memory"] / one[best]["peak_memory"]
    print(report(result))
    print(bystanders)
    if not with_torch:
        print(pytorch_side.MISSING)
    common.write_json(a.json, result)
    if a.keep:
        common.write_json(common.place_for_result(result["machine"]["processor"]), result)
    return result


if __name__ == "__main__":
    main()
