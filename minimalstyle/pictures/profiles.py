"""Colours of a file as sRGB: by its ICC profile, or by its gamma and primaries."""

from collections.abc import Sequence
from functools import cache
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from .._types import Float32
from ..files import reason

__all__ = [
    "Numbers",
    "find_profile",
    "grey_to_rgb",
    "is_grey",
    "numbers_of_codes",
    "numbers_to_srgb",
    "srgb_bytes",
    "to_srgb",
]

# Gamma (light to sample; None: the curve of sRGB), and x and y of white, red, green and blue.
Numbers = tuple[float | None, Sequence[float] | None]

_SRGB = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
# By their code points in ITU-T H.273; None: those of sRGB.
_D65 = (0.3127, 0.3290)
_PRIMARIES: dict[int, tuple[float, ...] | None] = {
    1: None,
    2: None,  # unknown
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    7: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (*_D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
# Those of television are shown as sRGB by everyone, though they are meant for cameras.
_GAMMAS = {1: None, 2: None, 4: 1 / 2.2, 5: 1 / 2.8, 6: None, 8: 1.0, 13: None, 14: None, 15: None}


def is_grey(mode: str) -> bool:
    return mode in ("1", "L", "LA", "La", "I", "F") or mode.startswith("I;16")


def find_profile(image: Image.Image, remarks: list[str]) -> ImageCms.ImageCmsProfile | None:
    """ICC profile to convert from; None when there is none that is of use."""
    if image.mode == "LAB":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    data = image.info.get("icc_profile")
    if not data:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(data))
        space = profile.profile.xcolor_space.strip()
        cmyk, grey = image.mode == "CMYK", is_grey(image.mode)
        fits = {"CMYK": cmyk, "GRAY": grey, "RGB": not cmyk}
        if not fits.get(space, False):
            raise ImageCms.PyCMSError(f"it is for {space or 'no known'} colours")
        to_srgb(Image.new({"GRAY": "L"}.get(space, space), (1, 1)), profile)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError) as error:
        remarks.append(f"colour profile ignored: {reason(error)}")
        return None
    return profile


def to_srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile, flags: int = 0) -> Image.Image:
    """Convert 8 bits per channel."""
    srgb = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(
        image, profile, srgb, outputMode="RGB", flags=ImageCms.Flags(flags)
    )
    assert converted is not None  # it is None only for in-place conversion
    return converted


def grey_to_rgb(values: Float32, profile: ImageCms.ImageCmsProfile | None) -> Float32:
    """(H, W) to (H, W, 3), through the profile's curve, without losing 16-bit or float depth."""
    if profile is None:
        return np.repeat(values[..., None], 3, axis=2)
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    if profile.profile.xcolor_space.strip() == "RGB":
        ramp = ramp.convert("RGB")
    curve = np.asarray(to_srgb(ramp, profile, ImageCms.Flags.NOOPTIMIZE))[0] / 255
    levels = np.linspace(0, 1, 256)
    return np.stack([np.interp(values, levels, c).astype(np.float32) for c in curve.T], axis=-1)


def numbers_of_codes(primaries: int, transfer: int, remarks: list[str]) -> Numbers:
    """What code points of ITU-T H.273 stand for; adds a remark where that is not known here."""
    if primaries in _PRIMARIES and transfer in _GAMMAS:
        return _GAMMAS[transfer], _PRIMARIES[primaries]
    kind = "HDR, " if transfer in (16, 18) else ""
    remarks.append(f"its colours ({kind}H.273 {primaries}, {transfer}) are not converted to sRGB")
    return None, None


def numbers_to_srgb(rgb: Float32, numbers: Numbers) -> Float32:
    """sRGB from colours of another gamma or other primaries.

    Parameters
    ----------
    rgb : (H, W, 3) float32 in [0, 1]
    numbers : Numbers
        A sample is light to the power of gamma, as in the chunk gAMA of a PNG.

    Returns
    -------
    (H, W, 3) float32 in [0, 1]
        `rgb` itself where the numbers are those of sRGB; colours outside of it are clipped.

    Raises
    ------
    ValueError
        For numbers that no colours have.

    References
    ----------
    .. [1] IEC 61966-2-1, sRGB. Portable Network Graphics (PNG) Specification, W3C, 11.3.2.
    .. [2] Bruce Lindbloom, "Chromatic Adaptation" (Bradford).
    """
    gamma, chromaticities = numbers
    if gamma is not None and not 0.1 <= gamma <= 10:
        raise ValueError(f"gamma {gamma:g}")
    matrix = None
    if chromaticities is not None and np.abs(np.subtract(chromaticities, _SRGB)).max() > 0.002:
        matrix = _matrix(chromaticities)
    # 1/2.2 stands for the curve of sRGB: so programs write it and so browsers read it.
    if matrix is None and (gamma is None or abs(gamma * 2.2 - 1) < 0.05):
        return rgb
    if gamma is None:
        light = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    else:
        light = rgb ** np.float32(1 / gamma)
    if matrix is not None:
        light = np.clip(light @ matrix.T.astype(np.float32), 0, 1)
    curve = np.float32(1.055) * light ** np.float32(1 / 2.4) - np.float32(0.055)
    result = np.where(light <= 0.0031308, np.float32(12.92) * light, curve)
    return np.clip(result, 0, 1).astype(np.float32)


def _matrix(chromaticities: Sequence[float]) -> npt.NDArray[np.float64]:
    """From linear colours of these primaries to those of sRGB, white to white."""
    there, here = _to_xyz(chromaticities), _to_xyz(_SRGB)
    cones = _BRADFORD @ here.sum(axis=1) / (_BRADFORD @ there.sum(axis=1))
    adapted = np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD @ there
    matrix: npt.NDArray[np.float64] = np.linalg.inv(here) @ adapted
    if not (np.isfinite(matrix).all() and np.abs(matrix).max() < 100):
        raise ValueError("primaries that span no colours")
    return matrix


def _to_xyz(chromaticities: Sequence[float]) -> npt.NDArray[np.float64]:
    """Columns: XYZ of red, green and blue; their sum is white, with Y = 1."""
    x, y = np.reshape(np.asarray(chromaticities, np.float64), (4, 2)).T
    if min(y) <= 0 or min(x) < 0 or max(x + y) > 1.5:
        raise ValueError("primaries that are no colours")
    white, *primaries = np.stack([x / y, np.ones(4), (1 - x - y) / y], axis=1)
    columns = np.stack(primaries, axis=1)
    try:
        return columns * np.linalg.solve(columns, white)
    except np.linalg.LinAlgError:
        raise ValueError("primaries that span no colours") from None


@cache
def srgb_bytes() -> bytes:
    """The sRGB profile that every saved picture has."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # The time of creation, six 16-bit numbers: fixed, so that equal pictures are equal files.
    data[24:36] = b"".join(n.to_bytes(2, "big") for n in (2000, 1, 1, 0, 0, 0))
    return bytes(data)
