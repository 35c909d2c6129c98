"""What a run ends with."""

import os
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from .. import __version__
from ..files import atomic_write
from ..pictures import images
from ..records import recipe

__all__ = ["Result"]


@dataclass(frozen=True, eq=False)
class Result:
    """A finished picture.

    Attributes
    ----------
    pixels : (H, W, 3) float32
        RGB in [0, 1].
    alpha : (H, W) float32 in [0, 1] or None
        That of the content picture.
    report : dict
        Settings, weights, inputs; for each scale its size, iterations, evaluations, seconds,
        loss, terms and loss history; total seconds, peak memory, why it stopped.
    """

    pixels: npt.NDArray[np.float32]
    alpha: npt.NDArray[np.float32] | None
    report: dict[str, Any]

    @property
    def image(self) -> npt.NDArray[np.uint8]:
        """The picture as (H, W, 3) uint8."""
        return images.eight_bits(self.pixels)

    def save(self, path: str | os.PathLike[str], *, bits: int = 8, metadata: bool = True) -> None:
        """Write the picture as the command line does: in sRGB, with its alpha and its recipe.

        Parameters
        ----------
        path : path
            `.png`, `.jpg`, `.jpeg`, `.webp`, `.tif` or `.tiff`; an existing file is replaced. A
            JPEG holds no alpha.
        bits : {8, 16}
            Per channel; 16 in a PNG or TIFF only.
        metadata : bool
            Put in the recipe, from which `--like` makes the picture again.

        Raises
        ------
        UsageError
            Unknown suffix, or 16 bits in a format that does not hold them.
        OutputError
            The file cannot be written; what was there is left as it was.
        """
        atomic_write(path, self.encode(path, bits=bits, metadata=metadata))

    def encode(
        self, path: str | os.PathLike[str], *, bits: int = 8, metadata: bool = True
    ) -> bytes:
        """What `save` would write."""
        pixels = self.pixels if bits == 16 else self.image
        made = recipe.make(self.report, __version__) if metadata else None
        return images.encode(path, pixels, self.alpha, made, bits=bits)

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        channels = [self.image]
        if self.alpha is not None:
            channels.append(images.eight_bits(self.alpha[..., None]))
        buffer = BytesIO()
        Image.fromarray(np.concatenate(channels, axis=2)).save(buffer, "PNG")
        return buffer.getvalue()
