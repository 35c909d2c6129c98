"""Colour preservation against `colorsys`, NumPy's covariance and quantiles, and SciPy."""

import colorsys

import numpy as np
import pytest
import scipy.linalg
from scipy.stats import wasserstein_distance

from minimalstyle.pictures.color import (
    chroma_distance,
    grey,
    luminance_of,
    luminance_style,
    match_histogram,
    match_mean_and_covariance,
)

LUMA = np.array([0.30, 0.59, 0.11])


def yiq(picture):
    """(3, N): Y, I and Q of every pixel, by Python's own library."""
    return np.array([colorsys.rgb_to_yiq(*rgb) for rgb in picture.reshape(-1, 3).tolist()]).T


@pytest.fixture
def bright():
    """(13, 9, 3): distinct values everywhere, colours in correlation."""
    return coloured(1, 13, 9, [0.45, 0.35, 0.55])


@pytest.fixture
def dark():
    """(8, 21, 3)"""
    return coloured(2, 8, 21, [0.5, 0.55, 0.4])


def coloured(seed, height, width, mean):
    random = np.random.default_rng(seed)
    mixing = 0.12 * np.eye(3) + random.uniform(-0.05, 0.05, (3, 3))
    mixed = random.uniform(-1, 1, (height, width, 3)) @ mixing
    return (mixed + mean).astype(np.float32)


def flat(height, width, colour):
    return np.full((height, width, 3), colour, np.float32)


def noise(seed, height, width):
    return np.random.default_rng(seed).random((height, width, 3), np.float32)


TWO = {
    "luminance_style": luminance_style,
    "mean_and_covariance": match_mean_and_covariance,
    "histogram": match_histogram,
}


# --- All of them --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TWO)
@pytest.mark.parametrize(
    "style",
    [noise(0, 7, 5), noise(0, 1, 1), noise(0, 1, 30), flat(3, 4, [0.2, 0.9, 0]), flat(2, 2, 0)],
    ids=["noise", "pixel", "line", "flat", "black"],
)
@pytest.mark.parametrize(
    "content",
    [noise(1, 6, 11), noise(1, 1, 1), flat(5, 4, [1, 0, 0.5]), np.round(noise(1, 9, 9))],
    ids=["noise", "pixel", "flat", "corners"],
)
def test_a_picture_of_the_style_s_shape(name, style, content):
    before = style.copy(), content.copy()
    result = TWO[name](style, content)
    assert result.shape == style.shape
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    assert 0 <= result.min() <= result.max() <= 1
    np.testing.assert_array_equal(style, before[0])
    np.testing.assert_array_equal(content, before[1])


@pytest.mark.parametrize("match", [match_mean_and_covariance, match_histogram])
def test_a_flat_style_becomes_the_mean_of_the_content(match, bright):
    result = match(flat(9, 13, [0.1, 0.5, 0.7]), bright)
    expected = np.broadcast_to(bright.mean(axis=(0, 1)), (9, 13, 3))
    np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("match", [match_mean_and_covariance, match_histogram])
def test_a_picture_in_its_own_colours_stays(match, bright):
    np.testing.assert_allclose(match(bright, bright), bright, atol=1e-6)


# --- Luminance ----------------------------------------------------------------------------------


def test_grey_is_the_luminance(bright):
    result = grey(bright)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.reshape(-1, 3).T, [yiq(bright)[0]] * 3, atol=1e-6)


def test_luminance_of_one_and_chroma_of_the_other(bright):
    other = coloured(3, 13, 9, [0.5, 0.5, 0.45])
    before = bright.copy(), other.copy()
    result = luminance_of(bright, other)
    assert result.dtype == np.float32
    assert 0 < result.min() < result.max() < 1  # nothing to clip
    np.testing.assert_allclose(yiq(result)[0], yiq(bright)[0], atol=1e-6)
    np.testing.assert_allclose(yiq(result)[1:], yiq(other)[1:], atol=1e-6)
    np.testing.assert_array_equal(bright, before[0])
    np.testing.assert_array_equal(other, before[1])


def test_luminance_and_hue_stay_where_the_gamut_ends():
    result, content = noise(0, 40, 40), np.round(noise(1, 40, 40), 1)
    mixed = luminance_of(result, content)
    assert mixed.dtype == np.float32
    assert 0 <= mixed.min() <= mixed.max() <= 1
    y, *chroma = yiq(mixed)
    np.testing.assert_allclose(y, yiq(result)[0], atol=1e-6)
    (i, q), (i0, q0) = chroma, yiq(content)[1:]
    np.testing.assert_allclose(i * q0, q * i0, atol=1e-6)  # on one line through grey,
    assert (i * i0 + q * q0 >= -1e-6).all()  # and on the same side of it
    kept = np.hypot(i, q)
    wanted = np.hypot(i0, q0)
    assert (kept <= wanted + 1e-6).all()
    # Colour is lost only where a channel has come to the end of its range.
    lost = kept < wanted - 1e-4
    assert 0.1 < lost.mean() < 0.9
    pixels = mixed.reshape(-1, 3)[lost]
    np.testing.assert_allclose(np.minimum(pixels, 1 - pixels).min(axis=1), 0, atol=1e-6)


@pytest.mark.parametrize("level", [0, 1])
def test_black_and_white_have_no_colour(level):
    mixed = luminance_of(flat(3, 3, level), noise(0, 3, 3))
    np.testing.assert_allclose(mixed, level, atol=1e-6)


def test_content_without_colour(bright):
    np.testing.assert_allclose(luminance_of(bright, flat(13, 9, 0.3)), grey(bright), atol=1e-6)


def test_luminance_of_other_sizes(bright, dark):
    with pytest.raises(ValueError, match=r"different shapes, \(13, 9, 3\) and \(8, 21, 3\)"):
        luminance_of(bright, dark)


def test_style_takes_brightness_and_contrast(bright, dark):
    result = luminance_style(bright, dark)
    y = yiq(dark)[0]
    assert result.mean() == pytest.approx(y.mean(), abs=1e-6)
    assert result[..., 0].std() == pytest.approx(y.std(), rel=1e-5)
    np.testing.assert_array_equal(result[..., 0], result[..., 1])
    np.testing.assert_array_equal(result[..., 0], result[..., 2])
    assert np.corrcoef(result[..., 0].ravel(), yiq(bright)[0])[0, 1] == pytest.approx(1)


def test_flat_style_has_the_mean_luminance(dark):
    result = luminance_style(flat(5, 5, [0.7, 0.2, 0.1]), dark)
    np.testing.assert_allclose(result, yiq(dark)[0].mean(), atol=1e-6)


# --- Mean and covariance ------------------------------------------------------------------------


def moments(picture):
    colours = picture.reshape(-1, 3).astype(np.float64)
    return colours.mean(axis=0), np.cov(colours, rowvar=False, bias=True)


def test_moments_of_the_content(bright, dark):
    assert np.linalg.eigvalsh(moments(bright)[1]).min() > 1 / 255**2  # else it would be noise
    result = match_mean_and_covariance(bright, dark)
    assert 0 < result.min() < result.max() < 1
    for have, want in zip(moments(result), moments(dark), strict=True):
        np.testing.assert_allclose(have, want, atol=1e-7)


def test_the_map_is_the_product_of_symmetric_roots(bright, dark):
    mean, covariance = moments(bright)
    mean_of_content, goal = moments(dark)
    matrix = scipy.linalg.sqrtm(goal) @ np.linalg.inv(scipy.linalg.sqrtm(covariance))
    expected = (bright - mean) @ matrix.T + mean_of_content
    np.testing.assert_allclose(match_mean_and_covariance(bright, dark), expected, atol=1e-6)


def test_order_of_the_channels_does_not_matter(bright, dark):
    turned = match_mean_and_covariance(bright[..., ::-1], dark[..., ::-1])[..., ::-1]
    np.testing.assert_allclose(turned, match_mean_and_covariance(bright, dark), atol=1e-6)


def test_grey_style_gets_no_noise(dark):
    """Colours that vary by a tenth of an 8-bit level are not blown up to those of the content."""
    ramp = np.linspace(0.2, 0.8, 600).reshape(20, 30, 1)
    noise = np.random.default_rng(0).normal(0, 0.1 / 255, (20, 30, 3))
    exact = match_mean_and_covariance((ramp + 0 * noise).astype(np.float32), dark)
    noisy = match_mean_and_covariance((ramp + noise).astype(np.float32), dark)
    np.testing.assert_allclose(moments(exact)[0], moments(dark)[0], atol=1e-6)
    assert chroma_distance(noisy, exact) < chroma_distance(dark, grey(dark)) / 5


def test_grey_content_makes_a_grey_style(bright, dark):
    result = match_mean_and_covariance(bright, grey(dark))
    np.testing.assert_allclose(result - result[..., :1], 0, atol=1e-6)
    np.testing.assert_allclose(moments(result)[1], moments(grey(dark))[1], atol=1e-7)


# --- Histograms ---------------------------------------------------------------------------------


def test_same_size_is_a_permutation(bright):
    other = noise(5, 9, 13)
    result = match_histogram(bright, other)
    for channel in range(3):
        have, want = result[..., channel].ravel(), other[..., channel].ravel()
        np.testing.assert_array_equal(np.sort(have), np.sort(want))
        np.testing.assert_array_equal(np.argsort(have), np.argsort(bright[..., channel].ravel()))


@pytest.mark.parametrize("shape", [(30, 40), (4, 5)])
def test_quantiles_of_another_size(dark, shape):
    style = noise(0, *shape)
    result = match_histogram(style, dark)
    q = np.linspace(0, 1, shape[0] * shape[1])
    for channel in range(3):
        have, want = result[..., channel].ravel(), dark[..., channel].ravel()
        np.testing.assert_allclose(np.sort(have), np.quantile(want, q), atol=1e-6)
        distance = wasserstein_distance(have, want)
        assert distance < wasserstein_distance(style[..., channel].ravel(), want) / 10


def test_equal_values_stay_equal_and_in_order(dark):
    style = np.round(noise(0, 30, 30) * 7) / 7  # eight levels
    result = match_histogram(style, dark)
    for channel in range(3):
        have, levels = result[..., channel], style[..., channel]
        found = [np.unique(have[levels == level]) for level in np.unique(levels)]
        assert [len(one) for one in found] == [1] * 8
        assert (np.diff(np.concatenate(found)) > 0).all()
        assert have.mean() == pytest.approx(dark[..., channel].mean(), abs=1e-3)


def test_single_pixel_takes_the_median(dark):
    result = match_histogram(noise(0, 1, 1), dark)
    np.testing.assert_allclose(result[0, 0], np.median(dark.reshape(-1, 3), axis=0), atol=1e-6)


# --- Distance -----------------------------------------------------------------------------------


def test_distance_is_that_of_i_and_q(bright):
    other = noise(4, 13, 9)
    expected = np.hypot(*(yiq(bright) - yiq(other))[1:]).mean()
    assert chroma_distance(bright, other) == pytest.approx(expected, rel=1e-6)
    assert chroma_distance(other, bright) == chroma_distance(bright, other)


def test_luminance_does_not_count(bright):
    assert chroma_distance(bright, bright + np.float32(0.1)) < 1e-6
    assert chroma_distance(flat(2, 3, 0), flat(2, 3, 1)) < 1e-6
    assert chroma_distance(bright, grey(bright)) > 0.01


def test_red_and_grey():
    _, i, q = colorsys.rgb_to_yiq(1, 0, 0)
    assert chroma_distance(flat(2, 2, [1, 0, 0]), flat(2, 2, 0.5)) == pytest.approx(np.hypot(i, q))
    assert np.hypot(i, q) == pytest.approx(0.64, abs=0.005)  # as the documentation says


def test_each_way_brings_the_colours_nearer(photograph, picture, style_file):
    """On the example pictures: what the module is for."""
    castle = photograph(84, 56).astype(np.float32)
    night = (picture(style_file, 84, 56) / 255).astype(np.float32)
    before = chroma_distance(night, castle)
    assert chroma_distance(luminance_of(night, castle), castle) < before / 3

    def shift(style):
        return np.abs(moments(style)[0] - moments(castle)[0]).max()

    for match in (match_mean_and_covariance, match_histogram):
        assert shift(match(night, castle)) < shift(night) / 5


def test_distance_of_other_sizes(bright, dark):
    with pytest.raises(ValueError, match="different shapes"):
        chroma_distance(bright, dark)
