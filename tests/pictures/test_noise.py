"""Random starts: values, spectrum, seeds."""

import numpy as np
import pytest

from minimalstyle.pictures.noise import noise


@pytest.mark.parametrize("shape", [(16, 16), (17, 40), (101, 32)])
def test_values(shape):
    picture = noise(*shape)
    assert picture.shape == (*shape, 3)
    assert picture.dtype == np.float32
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert picture.mean() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_array_equal(noise(*shape), picture)
    assert not np.array_equal(noise(*shape, seed=1), picture)


def test_amplitude_falls_with_frequency():
    """The slope of the spectrum in logarithms, fitted over a wide band."""
    power = np.mean(
        [np.abs(np.fft.fft2(noise(256, 256, s), axes=(0, 1))) ** 2 for s in range(4)], 0
    )
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256))
    band = (frequency > 0.02) & (frequency < 0.2)
    slope, _ = np.polyfit(np.log(frequency[band]), np.log(power.mean(-1)[band]), 1)
    assert slope / 2 == pytest.approx(-1.5, abs=0.15)


def test_goes_on_at_the_other_side():
    picture = noise(64, 48)
    for axis in (0, 1):
        inside = np.abs(np.diff(picture, axis=axis)).mean()
        across = np.abs(np.take(picture, 0, axis) - np.take(picture, -1, axis)).mean()
        assert across < 1.5 * inside
