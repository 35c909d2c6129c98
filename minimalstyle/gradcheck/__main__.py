"""`python -m minimalstyle.gradcheck`: every layer and loss of `reference` against differences."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from minimalstyle import reference
from minimalstyle.errors import OutputError
from minimalstyle.gradcheck import gradcheck
from minimalstyle.gradcheck.cases import Case, cases

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOLERANCE = 1e-6
LARGEST = 64  # beyond it the values of the max-pool case come too close to each other

Array = npt.NDArray[np.float64]


LIMIT = (
    "A function was compared with its own gradient. Whether it is the right function only a value\n"
    "from elsewhere can say: the tests take those from onnx.reference and the paper's equations."
)

# --- Wrong gradients, on purpose ----------------------------------------------------------------


def _unflipped(dy: Array, weight: npt.NDArray) -> Array:
    return reference.convolve(dy, weight.transpose(0, 1, 3, 2), 0)


def _first_wins(dy: Array, winner: npt.NDArray, shape: tuple[int, ...]) -> Array:
    dx = np.zeros(shape)
    dx[: 2 * dy.shape[0] : 2, : 2 * dy.shape[1] : 2] = dy
    return dx


def _one_sided(dG: Array, F: Array) -> Array:
    rows = F.reshape(-1, F.shape[-1])
    return (rows @ dG / len(rows)).reshape(F.shape)


def _sum(F: Array) -> Array:
    rows = F.reshape(-1, F.shape[-1])
    return rows.T @ rows


def _sum_backward(dG: Array, F: Array) -> Array:
    rows = F.reshape(-1, F.shape[-1])
    return (rows @ (dG + dG.T)).reshape(F.shape)


class Fault(NamedTuple):
    """What is wrong, and the functions of `reference` that it takes the place of."""

    what: str
    wrong: dict[str, Callable]


FAULTS = {
    "conv": Fault("filters not flipped on the way back", {"convolve_backward": _unflipped}),
    "pool": Fault("first pixel gets the gradient, whoever won", {"max_pool_backward": _first_wins}),
    "gram": Fault("F dG / N: one of the two terms forgotten", {"gram_backward": _one_sided}),
    # This one passes: value and gradient are wrong in the same way.
    "mean": Fault(
        "1 / N forgotten in the Gram matrix, and in its gradient as well",
        {"gram": _sum, "gram_backward": _sum_backward},
    ),
}


@contextmanager
def broken(fault: str | None) -> Iterator[None]:
    """Replace functions of `reference` by wrong ones for a while."""
    wrong = {} if fault is None else FAULTS[fault].wrong
    right = {name: getattr(reference, name) for name in wrong}
    try:
        for name, function in wrong.items():
            setattr(reference, name, function)
        yield
    finally:
        for name, function in right.items():
            setattr(reference, name, function)


# --- The command --------------------------------------------------------------------------------


def _table(chosen: dict[str, Case], step: float, seed: int) -> int:
    """Print the table; return the number of wrong gradients."""
    print(f"{'':<11} {'shape':<12} {'by formula':>16} {'by difference':>16} {'rel. error':>10}")
    wrong = 0
    for name, (x, f) in chosen.items():
        check = gradcheck(f, x, step=step, seed=seed)
        shape = " x ".join(map(str, x.shape))
        analytic, numeric = check.analytic[check.worst], check.numeric[check.worst]
        verdict = "ok" if check.passed(TOLERANCE) else "WRONG"
        print(
            f"{name:<11} {shape:<12} {analytic:>16.9e} {numeric:>16.9e} "
            f"{check.relative_error:>10.1e}  {verdict}"
        )
        wrong += verdict == "WRONG"
    print(f"\n{len(chosen) - wrong} of {len(chosen)} agree")
    print("each row shows the derivative that is worst, and the error over all that were compared")
    print(f"\n{LIMIT}")
    return wrong


def _compare_with_elsewhere() -> None:
    """Print an entry of a Gram matrix beside its definition: what a gradient check cannot see."""
    F = np.random.default_rng(0).uniform(size=(6, 2))
    defined, found = np.mean(F[:, 0] * F[:, 1]), reference.gram(F)[0, 1]
    print(
        f"\nSuch a value: the mean of F[:, 0] F[:, 1] over {len(F)} positions is {defined:.4f}, "
        f"gram(F)[0, 1] is {found:.4f}, {found / defined:.3g} times as much."
    )


def curves(chosen: dict[str, Case], seed: int = 0) -> "Figure":
    """Draw the error of each case over the step, each in a colour and with a marker of its own."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    steps = np.logspace(-12, 0, 25)
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    colours = ["black", *colormaps["tab10"].colors]  # type: ignore[attr-defined]
    markers = "o^sDvP*X<>d"
    for number, (name, (x, f)) in enumerate(chosen.items()):
        errors = [
            gradcheck(f, x, samples=8, directions=2, step=step, seed=seed).relative_error
            for step in steps
        ]
        # A logarithmic axis has no zero.
        axes.loglog(
            steps,
            np.maximum(errors, 1e-16),
            color=colours[number % len(colours)],
            marker=markers[number % len(markers)],
            markersize=5,
            linewidth=1,
            label=name,
        )
    axes.axhline(TOLERANCE, color="grey", linestyle=":")
    axes.set_xlabel("step h")
    axes.set_ylabel("relative error")
    axes.set_title("left: rounding, 1 / h    right: curvature, h², and kinks", fontsize=10)
    axes.legend(fontsize=8, ncols=2)
    return figure


def _plot(chosen: dict[str, Case], path: str, seed: int) -> None:
    try:
        curves(chosen, seed).savefig(path)
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: cannot write the plot: {error}") from error
    print(f"error over the step: {path}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m minimalstyle.gradcheck",
        description="Compare every gradient with central finite differences of its function.",
    )
    parser.add_argument("--size", type=int, default=16, help="height of the arrays (default 16)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default 0)")
    parser.add_argument("--step", type=float, default=1e-5, help="relative h (default 1e-5)")
    parser.add_argument(
        "--layer", action="append", metavar="NAME", help="only this one; repeatable"
    )
    parser.add_argument("--plot", metavar="FILE", help="also draw the error over the step")
    parser.add_argument(
        "--break",
        dest="fault",
        choices=FAULTS,
        help="make something wrong: conv, pool and gram are caught, mean is not, and the output "
        "says why",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0 if every gradient is right, 1 if one is not."""
    parser = _parser()
    options = parser.parse_args(argv)
    if not 4 <= options.size <= LARGEST:
        parser.error(f"--size {options.size}: must be from 4 to {LARGEST}")
    if options.seed < 0:
        parser.error(f"--seed {options.seed}: must not be negative")
    if not 0 < options.step <= 1:
        parser.error(f"--step {options.step}: must be above 0 and at most 1")
    if options.plot and find_spec("matplotlib") is None:
        parser.error('--plot needs Matplotlib: pip install "minimalstyle[plot]"')

    # Built while broken, because the cases hold on to the functions of `reference`.
    with broken(options.fault):
        chosen = cases(options.size, options.seed)
        if options.layer:
            if unknown := [name for name in options.layer if name not in chosen]:
                parser.error(f"--layer {unknown[0]}: must be one of {', '.join(chosen)}")
            chosen = {name: chosen[name] for name in options.layer}
        if options.fault:
            print(f"broken on purpose: {FAULTS[options.fault].what}\n")
        wrong = _table(chosen, options.step, options.seed)
        if options.fault == "mean":
            _compare_with_elsewhere()
        if options.plot:
            try:
                _plot(chosen, options.plot, options.seed)
            except OutputError as error:
                print(f"{parser.prog}: {error}", file=sys.stderr)
                return error.exit_code
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
