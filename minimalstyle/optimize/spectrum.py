"""The optimiser's variables: scaled coefficients of the image's cosine transform.

They are those of the DCT-II, orthonormal, each divided by a scale that falls with its frequency:
`image = D'(s c)`. A step that is equally long in all variables then changes large shapes more than
single pixels, as the spectrum of natural images falls, too. Against the pixels themselves as
variables the loss falls faster, early and from noise above all, and the fine wavy pattern that
those steps leave otherwise does not appear (docs/choices.md). The idea is the Fourier
parametrisation of Olah, Mordvintsev and Schubert 2017, "Feature visualization"; cosines instead of
waves, because most pictures do not repeat at their border.
"""

import math

import numpy as np
import numpy.typing as npt

from .._types import Float32, Float64

__all__ = ["Spectrum"]


class Spectrum:
    """The change of variables `image = D'(s c)` and its transpose.

    For a picture that repeats, D is the Hartley transform `Re FFT - Im FFT` (its own inverse and
    transpose): a cosine transform would change opposite sides of it independently.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        threads: int,
        periodic: bool,
        moving: float,
        exponent: float,
    ) -> None:
        self.shape, self.threads, self.periodic = shape, threads, periodic
        vertical, horizontal = (self._half_waves(length) for length in shape[:2])
        half_waves = np.hypot(
            vertical[:, None] * (max(shape[:2]) / shape[0]),
            horizontal[None, :] * (max(shape[:2]) / shape[1]),
        )
        scale = np.maximum(half_waves, 2.0) ** -exponent  # nothing coarser than one wave
        scale = (scale / np.sqrt(np.mean(scale**2))).astype(np.float32)[:, :, None]
        share = 1.0 if periodic else moving
        rows, columns = (math.ceil(share * length) for length in shape[:2])
        self.moving = (slice(rows), slice(columns))
        self._scale, self._free_scale = scale, scale[self.moving]
        self._fixed: list[Float64 | Float32]
        self._coefficients: Float32

    def _half_waves(self, length: int) -> npt.NDArray[np.float64]:
        """Of each variable along one side."""
        if self.periodic:
            return 2.0 * length * np.abs(np.fft.fftfreq(length))
        return np.arange(length, dtype=float)

    def begin(self, every: Float64 | Float32) -> Float64 | Float32:
        """Keep the fixed ones of all variables; return the free ones."""
        every = every.reshape(self.shape)
        self._coefficients = self._scale * every.astype(np.float32, copy=False)
        self._fixed = [every[where].copy() for where in self._still()]
        return every[self.moving].flatten()

    def _still(self) -> list[tuple[slice, ...]]:
        """Where the fixed ones are."""
        rows, columns = (part.stop for part in self.moving)
        return [(slice(rows, None),), (slice(rows), slice(columns, None))]

    def with_fixed(self, variables: Float64 | Float32) -> Float64 | Float32:
        """All variables, given the free ones."""
        every = np.empty(self.shape, variables.dtype)
        every[self.moving] = variables.reshape(every[self.moving].shape)
        for where, fixed in zip(self._still(), self._fixed, strict=True):
            every[where] = fixed
        return every.ravel()

    def image(self, variables: Float64 | Float32) -> Float32:
        """`D'(s c)`, (H, W, 3)."""
        place = self._coefficients[self.moving]
        place[...] = self._free_scale * variables.reshape(place.shape).astype(
            np.float32, copy=False
        )
        return self._transform(self._coefficients, back=True)

    def gradient(self, image_gradient: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Gradient of the variables, `s D g`, flat; `image_gradient` is overwritten."""
        waves = self._transform(image_gradient, overwrite=True)[self.moving]
        return (self._free_scale * waves).ravel()

    def all_variables(self, image: Float32) -> Float32:
        """`D x / s`, flat: the variables of an image, fixed ones among them."""
        return (self._transform(image) / self._scale).ravel()

    def _transform(
        self, values: npt.NDArray[np.floating], *, back: bool = False, overwrite: bool = False
    ) -> Float32:
        from scipy import fft

        single = values.astype(np.float32, copy=False)
        if self.periodic:
            waves = fft.fftn(single, axes=(0, 1), norm="ortho", workers=self.threads)
            return waves.real - waves.imag
        transform = fft.idctn if back else fft.dctn
        return transform(
            single, axes=(0, 1), norm="ortho", overwrite_x=overwrite, workers=self.threads
        )
