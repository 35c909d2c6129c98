"""A whole default run against a PyTorch script: who has the same loss first, and by how much.

    python benchmarks/time_to_loss.py [content style] [--size 512] [--json FILE] [--plot FILE]
    python benchmarks/time_to_loss.py --from FILE --plot FILE

Ours is `stylize` with its defaults, from the pictures to the finished one. PyTorch's is L-BFGS at
the final size, from the content picture, with the same weights and all layers of the objective,
until it has the loss of our finished picture. Ours leaves deep layers out at the final size, but
its picture is measured with them. Both clocks start when imports and compiled kernels are in
memory.

The way of an optimiser over maxima and ReLUs is chaotic: noise that nobody can see changes the
final loss by several percent, and how many evaluations that loss takes by a quarter. So each round
but the first has the photograph with another dither, the same for both sides, and the result is the
median of the rounds.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import common
import numpy as np
import pytorch_side

from minimalstyle import Iterate, Network, Objective, Settings, load_network, stylize
from minimalstyle.network.onnx_io import load_vgg
from minimalstyle.pictures import images
from minimalstyle.pictures.frames import without_frame


def ours(content: Any, style: Any, network: Network, **settings: Any) -> dict[str, Any]:
    """One run: what the report says, and the whole objective along the last size."""
    curve: list[tuple[float, Any]] = []

    def remember(iterate: Iterate) -> None:
        if iterate.scale == iterate.scales:
            curve.append((iterate.seconds, iterate.image()))

    result = stylize(content, style, callback=remember, weights=network, **settings)
    last = result.report["scales"][-1]
    width, height = last["width"], last["height"]
    painting = without_frame(images.load(style).rgb)[0]
    size = images.fit(painting.shape[1], painting.shape[0], max(width, height))
    whole = Objective(
        network,
        content=images.resize(images.load(content).rgb, width, height),
        styles=[images.resize(painting, *size)],
    )
    return {
        "total": result.report["seconds"],
        "loss": whole(result.pixels)[0],
        "width": width,
        "height": height,
        "evaluations": [one["evaluations"] for one in result.report["scales"]],
        "seconds": [seconds for seconds, _ in curve],
        "losses": [whole(picture.astype(np.float32) / 255)[0] for _, picture in curve],
    }


def dithered(content: Any, number: int) -> Any:
    """The photograph, after the first round with noise of at most half a level of 8 bits."""
    rgb = images.load(content).rgb
    if number == 0:
        return rgb
    noise = np.random.default_rng(number).uniform(-0.5, 0.5, rgb.shape) / 255
    return np.clip(rgb + noise, 0, 1).astype(np.float32)


def faster_layout(width: int, height: int, threads: int) -> str:
    """Which of PyTorch's layouts evaluates faster here; it also wakes PyTorch up."""
    vgg = load_vgg()
    content, style = (
        images.resize(images.load(path).rgb, width, height)
        for path in (common.CONTENT, common.STYLE)
    )
    sides = {}
    for layout in pytorch_side.LAYOUTS:
        objective = pytorch_side.PytorchObjective(
            vgg,
            content=content,
            style=style,
            pooling=Settings.pooling,
            settings=Settings(),
            layout=layout,
            threads=threads,
        )
        sides[layout] = lambda objective=objective: objective.evaluate(content)
    seconds = common.interleave(sides, 2)
    return min(seconds, key=lambda layout: min(seconds[layout]))


def plot(result: dict[str, Any], file: str) -> None:
    """Loss over seconds, of all layers at the final size."""
    pyplot = common.pyplot()
    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    run = result["ours"][0]
    axes.plot(run["seconds"], run["losses"], color="C0", label="minimalstyle")
    for one in result["torch"][:1]:
        label = f"PyTorch, L-BFGS, {one['layout']}"
        axes.plot(one["seconds"], one["losses"], color="C1", label=label)
    axes.axhline(run["loss"], color="0.5", linewidth=0.7, linestyle="--")
    axes.set(xlabel="seconds", ylabel="loss", yscale="log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_title(f"{run['width']} x {run['height']} pixels, {result['machine']['processor']}")
    axes.legend()
    figure.savefig(file, dpi=150)
    pyplot.close(figure)


def compare(a: argparse.Namespace) -> dict[str, Any]:
    """Our runs and PyTorch's in turns."""
    bystanders = common.Bystanders()
    settings = {"size": a.size, "iterations": a.iterations}
    network = load_network(threads=a.threads)
    stylize(a.content, a.style, size=32, iterations=1, threads=a.threads)  # imports, kernels
    result: dict[str, Any] = {"machine": common.machine(), "threads": a.threads}
    result |= {"ours": [], "torch": []}
    layout = None
    for number in range(a.rounds):
        content = dithered(a.content, number)
        run = ours(content, a.style, network, **settings)
        result["ours"].append(run)
        if a.ours_only or not pytorch_side.available():
            continue
        layout = layout or faster_layout(run["width"], run["height"], a.threads)
        result["torch"].append(
            pytorch_side.transfer(
                content,
                a.style,
                width=run["width"],
                height=run["height"],
                target=run["loss"],
                limit=a.limit,
                layout=layout,
                threads=a.threads,
            )
        )
    pairs = list(zip(result["ours"], result["torch"], strict=False))
    reached = [torch["reached"] for _, torch in pairs]
    everyone = bool(reached) and None not in reached
    ratios = [torch["reached"] / run["total"] for run, torch in pairs] if everyone else []
    result["our_seconds"] = statistics.median(run["total"] for run in result["ours"])
    result["torch_seconds"] = statistics.median(reached) if everyone else None
    result["ratios"] = ratios
    result["speedup"] = statistics.median(ratios) if everyone else None
    result["bystander_cores"] = bystanders.cores()
    print(bystanders)
    return result


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Measure or read, print, write, plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("content", nargs="?", default=common.CONTENT)
    parser.add_argument("style", nargs="?", default=common.STYLE)
    parser.add_argument("--size", type=int, default=Settings.size)
    parser.add_argument("--iterations", type=int, default=Settings.iterations)
    parser.add_argument("--threads", type=int, default=common.cores())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=1800, help="seconds that PyTorch may take")
    parser.add_argument("--ours-only", action="store_true", help="even if PyTorch is there")
    parser.add_argument("--from", dest="source", metavar="FILE", help="plot an earlier --json")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--plot", metavar="FILE")
    a = parser.parse_args(argv)

    result = json.loads(Path(a.source).read_text()) if a.source else compare(a)
    common.write_json(a.json, result)
    print(common.describe(result["machine"]))
    for run in result["ours"]:
        print(
            f"ours: {run['total']:.1f} s to loss {run['loss']:.4g} at "
            f"{run['width']} x {run['height']} px, evaluations by scale {run['evaluations']}"
        )
    if result["speedup"] is not None:
        for one in result["torch"]:
            print(
                f"torch: {one['reached']:.1f} s to the same loss, "
                f"{len(one['seconds'])} evaluations, {one['layout']}"
            )
        each = ", ".join(f"{ratio:.2f}" for ratio in result["ratios"])
        print(f"torch / ours, median: {result['speedup']:.2f} ({each})")
    elif result["torch"]:
        last = min(result["torch"][0]["losses"])
        print(f"torch: not there after {a.limit:.0f} s, at loss {last:.4g}")
        print(f"torch / ours: more than {a.limit / result['our_seconds']:.1f}")
    else:
        print(pytorch_side.MISSING)
    if a.plot:
        plot(result, a.plot)
    return result


if __name__ == "__main__":
    main()
