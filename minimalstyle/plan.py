"""What a run needs before it starts: memory and time, and what fits into those that there are.

Memory is counted by the functions that allocate it: they give zeros that nobody has touched, for
which systems take no memory yet. Time is that of a small picture, scaled by pixels.
"""

import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from . import method
from .engine.threads import available_cores
from .images import fit
from .network.border import margin
from .network.evaluation import Whole
from .network.layers import Conv
from .network.network import Network
from .optimize import CORRECTIONS, FREE, minimize
from .settings import LARGEST, Border, Settings

__all__ = [
    "Plan",
    "available_memory",
    "describe",
    "iterations_for",
    "largest_size",
    "make",
    "measure_pace",
    "memory_estimate",
    "memory_needed",
    "resident_memory",
    "seconds_needed",
]

Size = tuple[int, int]  # (width, height) in pixels

# Python, the libraries and the compiled kernels: 270 MB, in the run that compiles them 330.
_BASE = 280 * 10**6
# For each core: stacks and arenas of threads take addresses rather than memory (217 and 466 MB with
# one and two threads).
_ADDRESSES = 250 * 10**6
# Bytes for each variable of the optimiser besides the corrections: vectors of L-BFGS-B and scipy.
_OPTIMIZER = 190
# Bytes for each value of the picture: the cosine transform, the start image, the picture so far.
_PICTURE = 40

_EVALUATIONS = 1.05  # in an iteration: most steps are taken at once
_TARGET = 0.6  # of the time of an evaluation: forwards only, but in new memory
_SIDES = 64, 192  # of the pictures that are measured

_MOST = 1_000_000

# --------------------------------------------------------------------------------- memory here


def available_memory(root: str | Path = "/") -> int | None:
    """Bytes that this process can still take; None where the system does not tell.

    The smallest of what the machine has and what each control group around the process, and its
    own limits (`ulimit -v`, `ulimit -d`), leave. Memory that only caches files counts as free.

    Parameters
    ----------
    root : path
        Where `proc` and `sys` are.
    """
    root = Path(root)
    machine = _fields(root / "proc/meminfo").get("MemAvailable:")
    found = [] if machine is None else [machine * 1024]
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0" and not controllers:
            names = "memory.max", "memory.current", "inactive_file"
            found += _left_in_groups(root / "sys/fs/cgroup", group, names)
        elif "memory" in controllers.split(","):
            names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            found += _left_in_groups(root / "sys/fs/cgroup/memory", group, names)
    held = _fields(root / "proc/self/status")
    for line in _text(root / "proc/self/limits").splitlines():
        for name, taken in (("Max address space", "VmSize:"), ("Max data size", "VmData:")):
            limit = line.removeprefix(name).split()[0] if line.startswith(name) else ""
            if limit.isdecimal():  # or "unlimited"
                left = int(limit) - 1024 * held.get(taken, 0)
                found.append(max(left - _ADDRESSES * available_cores(), 0))
    return min(found, default=None)


def resident_memory(root: str | Path = "/") -> int:
    """Bytes that this process has in memory; 0 where the system does not tell."""
    return 1024 * _fields(Path(root) / "proc/self/status").get("VmRSS:", 0)


def _left_in_groups(mount: Path, group: str, names: tuple[str, str, str]) -> list[int]:
    """What the limits of a group and of those around it leave.

    In a container the path may be that of the host: what is not there has no limit here.
    """
    limit_name, usage_name, cache_name = names
    left = []
    folder = mount / group.strip("/")
    for place in (folder, *folder.parents):
        limit, usage = _text(place / limit_name).strip(), _text(place / usage_name).strip()
        if limit.isdecimal() and usage.isdecimal():  # "max" means none
            cache = _fields(place / "memory.stat").get(cache_name, 0)
            left.append(max(int(limit) - int(usage) + cache, 0))
        if place == mount:
            break
    return left


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""


def _fields(path: Path) -> dict[str, int]:
    """The numbers of a file with a name and a number in each line."""
    words = [line.split() for line in _text(path).splitlines()]
    return {w[0]: int(w[1]) for w in words if len(w) > 1 and w[1].isdecimal()}


# ------------------------------------------------------------------------------ memory of a run


def memory_needed(
    network: Network,
    sizes: Sequence[Size],
    style_sizes: Sequence[Size],
    settings: Settings | None = None,
    *,
    loaded_pixels: int = 0,
    masked: bool = False,
) -> int:
    """Upper estimate of the peak resident memory of a run in bytes.

    Parameters
    ----------
    network : Network
    sizes : sequence of (width, height)
        Of each scale, coarse to fine.
    style_sizes : sequence of (width, height)
        Of each style picture at the last scale; at the others they are smaller as the scales are.
    settings : Settings, optional
        For layers, pooling and border.
    loaded_pixels : int
        Of the pictures as they were loaded, which stay in memory, all together.
    masked : bool
        Whether regions have styles of their own.

    Raises
    ------
    MemoryError
        So much that the system does not even have addresses for it.

    Notes
    -----
    The embedded VGG-19 with two threads at 128, 256, 512 and 1024 pixels, each in a new process,
    from two pictures of 1024 x 1024, took 520, 610, 945 and 2248 MB at most; this says 527, 624,
    978 and 2335.
    """
    settings = settings or Settings()
    at_once = before = 0
    for number, size in enumerate(sizes):
        first = number == 0
        run = _evaluation_at(network, size, settings, first=first, masked=masked)
        # The objective of the scale before stays until that of this one is made. Filters for the
        # backward pass come with the first evaluation.
        made = before + (run.filter_bytes // 2 if first else run.filter_bytes)
        here = _styles_at(number, sizes, style_sizes)
        layers = _layers(settings, size, first=first)[1]
        at_once = max(at_once, made + _style_bytes(network, here, layers, settings, masked))
        at_once = max(at_once, made + run.memory_to_begin())
        before = run.memory()
        free = 1.0 if settings.border == "wrap" else FREE**2
        each = free * (16 * CORRECTIONS + _OPTIMIZER) + _PICTURE
        optimizer = round(3 * size[0] * size[1] * each)
        at_once = max(at_once, run.filter_bytes + before + optimizer)
    weights = [layer.weight.nbytes for layer in network.vgg.layers if isinstance(layer, Conv)]
    return _BASE + sum(weights) + 12 * loaded_pixels + at_once


def memory_estimate(
    network: Network,
    sizes: Sequence[Size],
    style_sizes: Sequence[Size],
    settings: Settings | None = None,
    *,
    loaded_pixels: int = 0,
    masked: bool = False,
) -> int:
    """`memory_needed`, and where that has no addresses, what smaller sizes say: it is linear."""
    settings = settings or Settings()

    def needed(parts: int) -> int:
        """Of pictures with sides of an n-th."""

        def smaller(some: Sequence[Size]) -> list[Size]:
            return [(max(width // parts, 16), max(height // parts, 16)) for width, height in some]

        return memory_needed(
            network,
            smaller(sizes),
            smaller(style_sizes),
            replace(settings, deep_size=settings.deep_size // parts),
            loaded_pixels=loaded_pixels,
            masked=masked,
        )

    parts = 1
    while True:
        try:
            here = needed(parts)
            break
        except MemoryError:
            parts *= 2
            if parts > max(sizes[-1]):
                raise
    if parts == 1:
        return here
    # With c + k / n^2 for an n-th of the sides.
    slope = (here - needed(2 * parts)) / (parts**-2 - (2 * parts) ** -2)
    return round(here + slope * (1 - parts**-2))


def _layers(settings: Settings, size: Size, *, first: bool) -> tuple[list[str], list[str]]:
    """Content and style layers that the objective looks at, at one size."""
    contents, styles = (
        list(method.acting(layers, size, settings, first=first)) if weight > 0 else []
        for layers, weight in (
            (settings.kept, settings.content_weight),
            (settings.style_layers, settings.beta),
        )
    )
    return contents, styles


def _evaluation_at(
    network: Network, size: Size, settings: Settings, *, first: bool, masked: bool
) -> Whole:
    """What a run evaluates at a size; it has its buffers, which nobody has touched yet."""
    contents, styles = _layers(settings, size, first=first)
    return Whole(
        network,
        size[::-1],
        styles,
        contents,
        pooling=settings.pooling,
        border=settings.border,
        regions={} if masked else None,
    )


def _styles_at(number: int, sizes: Sequence[Size], style_sizes: Sequence[Size]) -> list[Size]:
    share = max(sizes[number]) / max(sizes[-1])
    return [fit(*size, round(max(size) * share)) for size in style_sizes]


def _style_bytes(
    network: Network,
    sizes: Sequence[Size],
    layers: Sequence[str],
    settings: Settings,
    masked: bool,
) -> int:
    """Most that the style targets take, one style after the other."""
    border: Border = "reflect" if settings.border == "wrap" else settings.border
    most = 0
    for size in sizes if layers else []:
        run = Whole(
            network,
            size[::-1],
            layers,
            pooling=settings.pooling,
            border=border,
            regions={} if masked else None,
        )
        most = max(most, run.memory_to_begin())
    return most + 24 * sum(width * height for width, height in sizes)  # resized, and with a border


def largest_size(
    network: Network,
    content: Size,
    styles: Sequence[Size],
    available: int,
    settings: Settings | None = None,
    *,
    masked: bool = False,
) -> int:
    """Longer side, a multiple of 8, of the largest picture whose run fits into a memory.

    Parameters
    ----------
    network : Network
    content : (width, height)
        Of the content picture as it was loaded: the result has its shape.
    styles : sequence of (width, height)
        Of the style pictures as they were loaded.
    available : int
        Bytes, with those that the process has already: `available_memory` and `resident_memory`.
    settings : Settings, optional
        For layers, pooling, border and the size of the styles.
    masked : bool
        Whether regions have styles of their own.

    Returns
    -------
    int
        0 when not even the smallest picture fits.
    """
    settings = settings or Settings()
    factors = settings.style_scales * (1 if len(settings.style_scales) > 1 else len(styles))
    pixels = sum(width * height for width, height in [content, *styles])

    def fits(longer: int) -> bool:
        side = longer // 2  # the size before is about that, and others are far smaller
        sizes = [fit(*content, one) for one in (min(side, settings.first_size), side, longer)]
        style_sizes = [
            fit(*style, round(factor * longer))
            for style, factor in zip(styles, factors, strict=True)
        ]
        try:
            needed = memory_needed(
                network, sizes, style_sizes, settings, loaded_pixels=pixels, masked=masked
            )
        except MemoryError:
            return False
        return needed <= available

    steps = range(8, LARGEST + 1, 8)
    return 8 * bisect_left(steps, True, key=lambda longer: not fits(longer))


# -------------------------------------------------------------------------------- time of a run


@dataclass(frozen=True)
class Pace:
    """Seconds of an evaluation with its step, as `fixed + each * pixels`.

    Attributes
    ----------
    fixed, each : float
        Where all layers act.
    shallow_fixed, shallow_each : float
        Where deep ones are left out.
    """

    fixed: float
    each: float
    shallow_fixed: float
    shallow_each: float

    def seconds(self, size: Size, border: Border, *, shallow: bool) -> float:
        """Of one evaluation."""
        width, height = size
        around = 2 * margin(border, height, width)
        pixels = (width + around) * (height + around)
        if shallow:
            return self.shallow_fixed + self.shallow_each * pixels
        return self.fixed + self.each * pixels


def measure_pace(network: Network, settings: Settings | None = None) -> Pace:
    """Measure evaluations of small pictures here: takes two or three seconds."""
    settings = settings or Settings()
    found: list[float] = []
    for first in (True, False):
        small, large = (_evaluation(network, settings, side, first) for side in _SIDES)
        each = max(large - small, 0.0) / (_SIDES[1] ** 2 - _SIDES[0] ** 2)
        found += [max(small - each * _SIDES[0] ** 2, 0.0), each]
    return Pace(*found)


def _evaluation(network: Network, settings: Settings, side: int, first: bool) -> float:
    """Seconds of an evaluation with its step."""
    image = np.random.default_rng(0).random((side, side, 3), np.float32)
    settings = replace(settings, style_blend=None, deep_size=_SIDES[0] // 2)
    objective = method.objective_for(network, image[::-1], [image[:, ::-1]], settings, first=first)
    # The first step transforms the filters, loads or compiles the kernels, and imports scipy.
    minimize(objective, image, 1, threads=network.threads.number, unit=objective.unit)
    started = time.perf_counter()
    minimum = minimize(objective, image, 3, threads=network.threads.number, unit=objective.unit)
    return (time.perf_counter() - started) / minimum.evaluations


def seconds_needed(
    network: Network,
    sizes: Sequence[Size],
    iterations: int,
    style_sizes: Sequence[Size],
    settings: Settings | None = None,
    *,
    pace: Pace | None = None,
) -> float:
    """Estimate of the seconds that a run takes once the network is loaded.

    Parameters
    ----------
    network : Network
    sizes, style_sizes : sequence of (width, height)
        As for `memory_needed`.
    iterations : int
        At the last scale; before it the settings say how many.
    settings : Settings, optional
        For layers, pooling and border.
    pace : Pace, optional
        From `measure_pace`, which is called otherwise.
    """
    settings = settings or Settings()
    pace = pace or measure_pace(network, settings)
    counts = _iterations(iterations, sizes, settings)
    total = 0.0
    for number, (size, count) in enumerate(zip(sizes, counts, strict=True)):
        first = number == 0
        shallow = not first and max(size) > settings.deep_size
        here = pace.seconds(size, settings.border, shallow=shallow)
        targets = [size]
        if _layers(settings, size, first=first)[1]:
            targets += _styles_at(number, sizes, style_sizes)
        for one in targets:
            total += _TARGET * pace.seconds(one, settings.border, shallow=shallow)
        total += here * (1 + _EVALUATIONS * count)  # the start is evaluated, too
    return total


def _iterations(iterations: int, sizes: Sequence[Size], settings: Settings) -> list[int]:
    """Iterations at each scale."""
    chosen = replace(settings, iterations=iterations)
    return [method.iterations(chosen, sizes, number) for number in range(len(sizes))]


def iterations_for(
    seconds: float,
    network: Network,
    sizes: Sequence[Size],
    style_sizes: Sequence[Size],
    settings: Settings | None = None,
    *,
    pace: Pace | None = None,
) -> tuple[int, bool]:
    """Iterations that fit into a time, at least 1, and whether they do fit.

    Parameters
    ----------
    seconds : float
        From 0 up.
    network, sizes, style_sizes, settings, pace
        As for `seconds_needed`.
    """
    pace = pace or measure_pace(network, settings)

    def takes(iterations: int) -> float:
        return seconds_needed(network, sizes, iterations, style_sizes, settings, pace=pace)

    most = bisect_right(range(1, _MOST + 1), seconds, key=takes)
    return max(most, 1), most >= 1


# ----------------------------------------------------------------------------------- the whole


@dataclass(frozen=True)
class Plan:
    """What a run needs.

    Attributes
    ----------
    sizes : tuple of (width, height)
        Of each scale.
    iterations : tuple of int
        At each scale.
    memory : int
        Bytes.
    available : int or None
        Bytes that this process can have, with those that it has already; None when unknown.
    seconds : float
    """

    sizes: tuple[Size, ...]
    iterations: tuple[int, ...]
    memory: int
    available: int | None
    seconds: float

    @property
    def fits(self) -> bool:
        """Whether there is enough memory, as far as one knows."""
        return self.available is None or self.memory <= self.available


def make(
    network: Network,
    sizes: Sequence[Size],
    style_sizes: Sequence[Size],
    settings: Settings,
    *,
    loaded_pixels: int = 0,
    masked: bool = False,
    pace: Pace | None = None,
) -> Plan:
    """Plan a run; the parameters are those of `memory_needed` and `seconds_needed`."""
    memory = memory_estimate(
        network, sizes, style_sizes, settings, loaded_pixels=loaded_pixels, masked=masked
    )
    free = available_memory()
    available = None if free is None else free + resident_memory()
    iterations = settings.iterations
    seconds = seconds_needed(network, sizes, iterations, style_sizes, settings, pace=pace)
    counts = _iterations(iterations, sizes, settings)
    return Plan(tuple(sizes), tuple(counts), memory, available, seconds)


def describe(plan: Plan) -> str:
    """A plan in a few lines."""
    memory = f"about {_bytes(plan.memory)}"
    if plan.available is not None:
        memory += f", {_bytes(plan.available)} available"
    if not plan.fits:
        memory += ": too much, choose a smaller size"
    lines = [
        f"{width}x{height}, {count} iterations"
        for (width, height), count in zip(plan.sizes, plan.iterations, strict=True)
    ]
    return "\n".join([*lines, f"memory: {memory}", f"time: about {_duration(plan.seconds)}"])


def _bytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


def _duration(seconds: float) -> str:
    for length, name in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {name}"
    return f"{seconds:.0f} seconds" if seconds >= 1.5 else "1 second"
