"""Where the time of one evaluation goes: every kernel call of the engine, with its arithmetic.

    python benchmarks/layers.py [512] [--rounds 7] [--threads N] [--json FILE]

GFLOP/s are "effective": multiplications that the Winograd algorithm does for the layer, those of
its Gram gradient where that is part of the same call, over the whole time of the call, transforms
and memory included.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import common
import numpy as np
import peak

from minimalstyle import Network, Objective, load_network
from minimalstyle.engine.threads import Threads


@dataclass
class Row:
    """A kernel at one layer: its calls are added up, round by round."""

    phase: str
    kernel: str
    filters: tuple[int, float] | None  # which ones, and their multiplications per weight and pixel
    shape: tuple[int, int, int] | None
    gram_flops: float
    layer: str = ""
    flops: float = 0.0
    seconds: list[float] = field(default_factory=list)


class Recorder:
    """Stands between a network and its threads, and times each call of a kernel."""

    def __init__(self, network: Network) -> None:
        self.rows: dict[tuple[Any, ...], Row] = {}
        self.phase = "losses"
        self.round = 0
        self._before = 0.0  # seconds of what prepares the next call
        self._run = run = Threads.run

        def recorded(threads: Threads, *arguments: Any, **more: Any) -> None:
            self._timed(partial(run, threads), *arguments, **more)

        Threads.run = recorded  # type: ignore[method-assign]
        at = network.at

        def recorded_at(*arguments: Any, **more: Any) -> Any:
            evaluation = at(*arguments, **more)
            for phase in ("forward", "backward"):
                method = self._during(phase, getattr(evaluation, phase))
                setattr(evaluation, phase, method)
            return evaluation

        network.at = recorded_at  # type: ignore[method-assign]

    def _during(self, phase: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            self.phase = phase
            try:
                return method(*arguments, **more)
            finally:
                self.phase = "losses"

        return call

    def clear(self) -> None:
        """Forget what was recorded so far."""
        self.rows = {}
        self.round = 0

    def close(self) -> None:
        """Let threads work as they did."""
        Threads.run = self._run  # type: ignore[method-assign]

    def _timed(
        self,
        run: Callable[..., None],
        kernel: Callable[..., None],
        blocks: int,
        *arguments: Any,
        **more: Any,
    ) -> None:
        start = time.perf_counter()
        run(kernel, blocks, *arguments, **more)
        seconds = time.perf_counter() - start
        name = getattr(kernel, "__name__", str(kernel)).strip("_")
        if name == "transform_group":  # the first half of a convolution
            self._before += seconds
            return
        seconds, self._before = seconds + self._before, 0.0
        filters = shape = None
        gram_flops = 0.0
        for argument in arguments:
            if hasattr(argument, "inputs") and hasattr(argument, "outputs"):
                which = argument.data.ctypes.data
            elif hasattr(argument, "frequencies"):
                filters = (which, argument.frequencies / argument.tile**2)
            elif hasattr(argument, "pitch") and shape is None:
                shape = (argument.height, argument.width, argument.channels)
            elif getattr(argument, "matrix", np.empty(0)).size and shape is not None:
                gram_flops = 2.0 * argument.matrix.size  # for each pixel
        key = (self.phase, name, filters, shape if filters is None else None)
        row = self.rows.setdefault(key, Row(self.phase, name, filters, shape, gram_flops))
        row.seconds += [0.0] * (self.round + 1 - len(row.seconds))
        row.seconds[self.round] += seconds


def name_layers(rows: list[Row], convolutions: list[common.ConvWork]) -> None:
    """Say which layer each row belongs to, from the order of the calls, and count its work."""
    order = {"forward": iter(convolutions[1:]), "backward": iter(convolutions[:0:-1])}
    first = convolutions[0]
    known: dict[tuple[int, float], common.ConvWork] = {}
    relus = {(conv.pixels, conv.outputs): conv.relu for conv in reversed(convolutions)}
    pixels = {conv.relu: conv.pixels for conv in convolutions}
    before = dict(zip(convolutions[1:], convolutions, strict=False))
    for row in rows:
        if row.filters is not None and row.phase in order:
            conv = known.get(row.filters) or next(order[row.phase])
            known[row.filters] = conv
            row.layer = conv.name
            row.flops = 2 * row.filters[1] * conv.pixels * conv.inputs * conv.outputs
            if row.phase == "backward":
                row.flops += row.gram_flops * pixels[before[conv].relu]
        elif row.shape is not None:
            height, width, channels = row.shape
            row.layer = relus.get((height * width, channels), f"{height}x{width}x{channels}")
            row.flops = row.gram_flops * height * width
            if "moments" in row.kernel:  # half of a symmetric product
                row.flops = height * width * channels * (channels + 1)
            elif row.phase == "backward" or channels == 3:
                is_first = row.kernel in ("convolve_relu", "backward")
                row.layer = first.name if is_first or channels == 3 else row.layer
                if is_first:
                    row.flops = 2 * 9 * first.pixels * first.inputs * first.outputs


def measure(size: int, rounds: int, threads: int) -> tuple[list[Row], list[float]]:
    """Rows in the order of their first call, and seconds of the whole evaluations."""
    image, content, style = common.pictures(size)
    network = load_network(threads=threads)
    recorder = Recorder(network)
    objective = Objective(
        network,
        content=content,
        styles=[style],
        tv_weight=common.TV_WEIGHT,
        style_weight=common.GRAM.style_weight,
        loss=common.GRAM.loss,
    )
    objective(image)
    recorder.clear()
    whole = []
    for recorder.round in range(rounds):
        start = time.perf_counter()
        objective(image)
        whole.append(time.perf_counter() - start)
    recorder.close()
    rows = list(recorder.rows.values())
    name_layers(rows, common.convolutions(network.vgg, size, size))
    return rows, whole


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("size", type=int, nargs="?", default=512)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=common.cores())
    parser.add_argument("--json", metavar="FILE")
    a = parser.parse_args(argv)

    bystanders = common.Bystanders()
    highest = peak.peak_flops(a.threads)
    rows, whole = measure(a.size, a.rounds, a.threads)
    about = common.machine()
    total = statistics.median(whole)
    layers = []
    for row in rows:
        seconds = statistics.median(row.seconds)
        speed = row.flops / seconds if row.flops else None
        layers.append(
            {
                "phase": row.phase,
                "layer": row.layer,
                "kernel": row.kernel,
                "seconds": seconds,
                "flops": row.flops,
                "flops_per_second": speed,
                "share_of_peak": speed / highest if speed else None,
            }
        )
    print(common.describe(about))
    print(f"{a.size} px, {a.threads} threads, peak {highest / 1e9:.0f} GFLOP/s (multiply-add)")
    cells = [
        [
            *(one[k] for k in ("phase", "layer", "kernel")),
            f"{1e3 * one['seconds']:.2f}",
            f"{one['seconds'] / total:.1%}",
            f"{one['flops_per_second'] / 1e9:.0f}" if one["flops"] else "-",
            f"{one['share_of_peak']:.0%}" if one["flops"] else "-",
        ]
        for one in layers
    ]
    print(common.table(["phase", "layer", "kernel", "ms", "of all", "GFLOP/s", "of peak"], cells))
    parts = {
        phase: sum(one["seconds"] for one in layers if one["phase"] == phase)
        for phase in ("forward", "losses", "backward")
    }
    parts["outside kernels"] = total - sum(parts.values())
    for part, seconds in parts.items():
        print(f"{part}: {1e3 * seconds:.1f} ms ({seconds / total:.1%})")
    print(f"evaluation: {1e3 * total:.1f} ms")
    print(bystanders)
    result = {
        "machine": about,
        "size": a.size,
        "threads": a.threads,
        "peak_flops": highest,
        "bystander_cores": bystanders.cores(),
        "seconds": common.summary(whole),
        "parts": parts,
        "layers": layers,
    }
    common.write_json(a.json, result)
    return result


if __name__ == "__main__":
    main()
