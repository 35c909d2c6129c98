"""A job made ready: network loaded, pictures opened and checked; to be planned or painted."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from typing import Any

from ..blas import one_blas_thread
from ..loss.kept import KeptMoments
from ..machine import available_memory, resident_memory
from ..network.bands import Bands
from ..network.bounded import Measure, measure
from ..network.evaluation import Whole
from ..network.network import Network, load_network
from ..optimize.lbfgs import SEGMENT
from ..pictures.images import Size
from ..settings.settings import Settings
from .inputs import Inputs, Opened, arrange, open_pictures
from .job import Job
from .memory import evaluation_at, room_at
from .schedule import Scale, scales, sizes

__all__ = ["Prepared", "prepare"]

_SENSIBLE = 0.9  # of the memory that is free: others take and give meanwhile


@dataclass(frozen=True, eq=False)
class Prepared:
    """A run that has only to be planned or painted.

    Attributes
    ----------
    job : Job
    network : Network
    opened : Opened
    note : callable
        Told what the user should know, a line at a time.
    measured : callable
        Gives the moments of the styles.
    """

    job: Job
    network: Network
    opened: Opened
    note: Callable[[str], None]
    measured: Measure = measure

    @property
    def settings(self) -> Settings:
        """The job's; those that a checkpoint needs are settled."""
        settings = self.job.settings
        keeps = self.job.checkpoint is not None or self.job.resume is not None
        return replace(settings, segment=SEGMENT) if keeps and not settings.segment else settings

    @property
    def content_size(self) -> Size:
        """Of the content picture."""
        if self.opened.content is None:
            return Size(self.settings.size, self.settings.size)
        return Size.of(self.opened.content.rgb)

    @cached_property
    def scales(self) -> list[Scale]:
        """From coarse to fine; says it when the result is smaller than what was asked for."""
        found = scales(sizes(self.content_size, self.settings), self.settings)
        if max(found[-1].size) < self.settings.size:
            self.note(f"the photograph has {max(found[-1].size)} pixels; --enlarge allows more")
        return found

    @property
    def size(self) -> Size:
        """Of the result."""
        return self.scales[-1].size

    @property
    def style_sizes(self) -> list[Size]:
        """Of the style pictures as they are."""
        return [Size.of(one.rgb) for one in self.opened.styles]

    @cached_property
    def bound(self) -> int | None:
        """Bytes that the run may take; None when nobody knows what there is."""
        if self.settings.memory is not None:
            return self.settings.memory
        left = available_memory()
        return None if left is None else int(_SENSIBLE * (left + resident_memory()))

    def room(self, scale: Scale) -> int | None:
        """Bytes that an evaluation at a scale may take."""
        return room_at(self.network, scale, self.settings, self.bound, self.opened.pixels)

    @cached_property
    def evaluations(self) -> list[Whole | Bands]:
        """How each scale is evaluated, to be counted only."""
        return [
            evaluation_at(self.network, scale, self.settings, self.masked, self.room(scale))
            for scale in self.scales
        ]

    @property
    def masked(self) -> bool:
        """Whether regions have styles of their own."""
        return bool(self.opened.content_masks)

    @cached_property
    @one_blas_thread()  # colours, too, have always the same bits
    def inputs(self) -> Inputs:
        """The pictures as the settings want them."""
        return arrange(self.opened, self.settings, self.size, self.note)

    @property
    def facts(self) -> dict[str, Any]:
        """What the run is: settings, weights and inputs, for its report."""
        return {
            "settings": asdict(self.settings),
            "weights": {"sha256": self.network.vgg.sha256, **self.network.vgg.metadata},
            "inputs": self.opened.digests,
        }

    def changed(self, **settings: Any) -> "Prepared":
        """The same with other settings."""
        chosen = replace(self.job.settings, **settings)
        chosen.check()
        return replace(self, job=replace(self.job, settings=chosen))


def prepare(
    job: Job,
    *,
    network: Network | None = None,
    note: Callable[[str], None] = lambda _: None,
    kept: KeptMoments | None = None,
) -> Prepared:
    """Load the network and open the pictures of a job.

    Parameters
    ----------
    job : Job
    network : Network, optional
        One that is loaded already, in place of the job's weights.
    note : callable, optional
        Called with lines that the user should see.
    kept : KeptMoments, optional
        Moments of paintings that were measured before.

    Raises
    ------
    UsageError, ImageError, WeightsError
        For settings, pictures or weights that cannot be used.
    """
    job.settings.check()
    if network is None:
        network = load_network(job.weights, threads=job.settings.threads)
    opened = open_pictures(job)
    if opened.moments:
        kept = kept or KeptMoments()
        kept.add(opened.moments)
    return Prepared(
        job,
        network,
        opened,
        cache(note),  # the same line once
        measure if kept is None else kept,
    )
