"""What a run needs before it starts, and what can be settled by it: size and iterations."""

import math
from dataclasses import dataclass

from ..errors import UsageError
from ..machine import available_memory, resident_memory
from ..network.bands import Bands
from ..pictures.images import Size
from .memory import largest_size, memory_needed
from .pace import Pace, iterations_for, limited, measure_pace, seconds_needed
from .prepare import Prepared

__all__ = [
    "Plan",
    "available",
    "check_memory",
    "describe",
    "in_time",
    "largest",
    "make",
    "memory_of",
]


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
        Bytes that this process can have, with those that it has already, and not more than the
        setting `memory`; None when unknown.
    seconds : float
    bands : tuple of int
        In which the picture is computed at each scale; 1 for in one piece.
    """

    sizes: tuple[Size, ...]
    iterations: tuple[int, ...]
    memory: int
    available: int | None
    seconds: float
    bands: tuple[int, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether there is enough memory, as far as one knows."""
        return self.available is None or self.memory <= self.available


def make(run: Prepared, pace: Pace | None = None) -> Plan:
    """Plan a run; its pictures are looked at as if it were to begin.

    Parameters
    ----------
    run : Prepared
    pace : Pace, optional
        From `measure_pace`, which is called otherwise.
    """
    _ = run.inputs  # masks that do not fit are found now
    sizes = [scale.size for scale in run.scales]
    counts = tuple(scale.iterations for scale in run.scales)
    made = run.evaluations
    seconds = seconds_needed(
        run.network,
        sizes,
        run.settings.iterations,
        run.style_sizes,
        run.settings,
        pace=pace,
        work=[one.work for one in made],
    )
    bands = tuple(one.number if isinstance(one, Bands) else 1 for one in made)
    bounds = [one for one in (available(), run.settings.memory) if one is not None]
    return Plan(tuple(sizes), counts, memory_of(run), min(bounds, default=None), seconds, bands)


def memory_of(run: Prepared) -> int:
    """Bytes that a run takes."""
    return memory_needed(
        run.network,
        [scale.size for scale in run.scales],
        run.style_sizes,
        run.settings,
        loaded_pixels=run.opened.pixels,
        masked=run.masked,
        bound=run.bound,
    )


def available() -> int | None:
    """Bytes that this process can have, with those that it has already; None when unknown."""
    left = available_memory()
    return None if left is None else left + resident_memory()


def describe(plan: Plan) -> str:
    """A plan in a few lines."""
    memory = f"about {_bytes(plan.memory)}"
    if plan.available is not None:
        memory += f", {_bytes(plan.available)} available"
    if not plan.fits:
        memory += ": too much, choose a smaller size"
    bands = plan.bands or (1,) * len(plan.sizes)
    lines = [
        f"{width}x{height}, {count} iterations" + (f", in {number} bands" if number > 1 else "")
        for (width, height), count, number in zip(plan.sizes, plan.iterations, bands, strict=True)
    ]
    return "\n".join([*lines, f"memory: {memory}", f"time: about {_duration(plan.seconds)}"])


def _bytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


def _duration(seconds: float) -> str:
    for length, name in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {name}"
    return f"{seconds:.0f} seconds" if seconds >= 1.5 else "1 second"


def largest(run: Prepared) -> Prepared:
    """The run at the largest size that memory has room for.

    Raises
    ------
    UsageError
        Where nobody knows how much there is.
    """
    there = available()
    if there is None:
        raise UsageError(
            "auto: the memory of this system is not known; give pixels", setting="size"
        )
    bound = int(0.95 * there)  # others take and give meanwhile
    if run.settings.memory is not None:
        bound = min(bound, run.settings.memory)
    size = _largest_that_fits(run, bound)
    if size == 0:
        message = f"auto: not even the smallest picture fits into {_bytes(bound)} of memory"
        raise UsageError(message, setting="size")
    if not run.settings.enlarge:
        size = min(size, max(run.content_size))
    run.note(f"size {size}")
    return run.changed(size=size)


def check_memory(run: Prepared) -> None:
    """Raise UsageError where there is not enough memory for a run, with what fits."""
    there, given = available(), run.settings.memory
    if there is None and given is None:
        return
    needed = memory_of(run)
    if given is not None and needed > given:
        least = math.ceil(needed / 1e8)
        text = f"{least / 10:.1f}G" if least > 9 else f"{least}00M"
        raise UsageError(f"is too little for this picture; {text} works", setting="memory")
    if there is None:
        return
    if needed > there:
        fits = _largest_that_fits(run, there)
        hint = f"--size {fits} fits" if fits else "no size fits"
        raise UsageError(
            f"this run needs about {needed / 1e9:.1f} GB of memory, and there are "
            f"{there / 1e9:.1f}; {hint}"
        )


def in_time(run: Prepared, seconds: float) -> tuple[Prepared, Pace]:
    """The run with as many iterations as a time allows, at least one."""
    pace = measure_pace(run.network, run.settings)
    sizes = [scale.size for scale in run.scales]
    count, fits = iterations_for(
        seconds,
        run.network,
        sizes,
        run.style_sizes,
        run.settings,
        pace=pace,
        work=[one.work for one in run.evaluations],
    )
    text = f"{count} iterations fit into the time"
    run.note(text if fits else "not even one iteration fits into the time; one it is")
    return run.changed(**vars(limited(run.job.settings, count))), pace


def _largest_that_fits(run: Prepared, memory: int) -> int:
    return largest_size(
        run.network,
        run.content_size,
        run.style_sizes,
        memory,
        run.settings,
        masked=run.masked,
        in_bands=True,
    )
