"""A random picture to start from."""

import numpy as np
import numpy.typing as npt

__all__ = ["noise"]

_EXPONENT = 1.5


def noise(height: int, width: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """Random clouds of colour, which go on at the other side of the picture.

    The amplitude of a wave falls with its frequency, as in photographs (Field 1987, "Relations
    between the statistics of natural images and the response properties of cortical cells"), and
    a little faster: the network hardly sees the finest waves, so that the optimiser would leave
    those of white noise as speckle.

    Parameters
    ----------
    height, width : int
    seed : int

    Returns
    -------
    (height, width, 3) float32 in [0, 1]
    """
    white = np.random.default_rng(seed).standard_normal((3, height, width), np.float32)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = np.inf  # the mean of each channel is that of the others
    scale = frequency**-_EXPONENT
    clouds = np.stack([np.fft.irfft2(np.fft.rfft2(c) * scale, c.shape) for c in white], axis=-1)
    return np.clip(0.5 + 0.2 * clouds / clouds.std(), 0.0, 1.0).astype(np.float32)
