"""A painting measured at every size of a run, to be kept."""

import os
from dataclasses import asdict
from pathlib import Path

import numpy as np

from .. import __version__
from ..blas import one_blas_thread
from ..errors import ImageError
from ..files import reason
from ..loss.kept import KeptMoments
from ..loss.styles import style_targets
from ..network.network import Network
from ..pictures.images import Size
from ..records.style import Style
from ..settings.settings import Settings
from .job import Job
from .prepare import prepare

__all__ = ["measure_style"]


@one_blas_thread()
def measure_style(
    path: str | os.PathLike[str], settings: Settings, network: Network
) -> tuple[Style, list[Size]]:
    """A painting with its moments, and the sizes that it was measured at.

    Parameters
    ----------
    path : path
        Of the painting.
    settings : Settings
        Of the runs that it is kept for: the size of the result, its layers, its border.
    network : Network

    Raises
    ------
    ImageError
        For a picture that cannot be used.
    """
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be read: {reason(error)}") from error
    kept = KeptMoments(room=1 << 40)
    blank = np.full((settings.size, settings.size, 3), 0.5, np.float32)  # sizes are those of most
    run = prepare(Job(content=blank, styles=(path,), settings=settings), network=network)
    sizes: list[Size] = []
    for scale in run.scales:
        pictures = run.inputs.at(scale)
        style_targets(
            network,
            pictures.styles,
            list(scale.style_layers),
            kind=settings.loss,
            masks=pictures.style_masks,
            pooling=settings.pooling,
            border=settings.border,
            measured=kept,
        )
        sizes += map(Size.of, pictures.styles)
    facts = {
        "version": __version__,
        "weights": network.vgg.sha256,
        "settings": asdict(settings),
        "sizes": sizes,
    }
    return Style(data, kept.found, facts), sizes
