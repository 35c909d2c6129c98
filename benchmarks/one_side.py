"""One side at one size: as a function, and in a process of its own for memory and start-up.

    python benchmarks/one_side.py ours 256 --threads 2 --rounds 1

Prints JSON: seconds of each evaluation, when the first one was done, and peak memory.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import common

SIDES = ("ours", "nchw", "channels_last")


@cache
def network(threads: int | None) -> Any:
    """Ours, loaded once for each number of threads."""
    from minimalstyle import load_network

    return load_network(threads=threads)


def evaluation(
    side: str, content: Any, style: Any, threads: int | None, pooling: str = "max"
) -> Callable[[Any], tuple[float, Any]]:
    """A function from an image to its loss and gradient, for one of `SIDES`."""
    if side == "ours":
        from minimalstyle import Objective

        return Objective(
            network(threads),
            content=content,
            styles=[style],
            tv_weight=common.TV_WEIGHT,
            style_weight=common.GRAM.style_weight,
            loss=common.GRAM.loss,
            pooling=pooling,
        )
    from pytorch_side import PytorchObjective

    from minimalstyle.network.onnx_io import load_vgg

    objective = PytorchObjective(
        load_vgg(),
        content=content,
        style=style,
        tv_weight=common.TV_WEIGHT,
        pooling=pooling,
        layout=side,
        threads=threads,
    )
    return objective.evaluate


def main() -> None:
    """Evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("size", type=int)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--pooling", choices=("max", "average"), default="max")
    arguments = parser.parse_args()

    image, content, style = common.pictures(arguments.size)
    evaluate = evaluation(arguments.side, content, style, arguments.threads, arguments.pooling)
    evaluate(image)
    first_done = time.time()
    seconds = []
    for _ in range(arguments.rounds):
        start = time.perf_counter()
        evaluate(image)
        seconds.append(time.perf_counter() - start)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "first_done": first_done,
                "peak_memory": common.peak_memory(),
            }
        )
    )


if __name__ == "__main__":
    main()
