"""Masks: which part of the photograph takes its style from which part of which painting.

A mask is a picture: grey, from black (outside) to white (inside) with soft edges, or flat areas in
up to eight colours (black, blue, red, magenta, green, cyan, yellow, white), each a region. It is
used as in Gatys et al. 2017, "Controlling perceptual factors in neural style transfer", section 4:
features of a region are weighted with it before their Gram matrix is taken.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .._types import Float32
from ..errors import UsageError
from ..loss.styles import Region
from ..pictures import images

__all__ = ["at_size", "regions"]


# In the order of their brightness, which is the order of the regions.
_COLOURS = {
    "black": (0, 0, 0),
    "blue": (0, 0, 1),
    "red": (1, 0, 0),
    "magenta": (1, 0, 1),
    "green": (0, 1, 0),
    "cyan": (0, 1, 1),
    "yellow": (1, 1, 0),
    "white": (1, 1, 1),
}
_GREY = 0.03  # largest difference of channels in a grey picture, for JPEG is not exact
_SPECK = 0.001  # share of the picture below which a colour is an artefact of compression


def regions(
    content_masks: Sequence[Float32], style_masks: Sequence[Float32], styles: int
) -> list[Region]:
    """Regions of a photograph.

    Parameters
    ----------
    content_masks : sequence of (H, W, 3) float32 in [0, 1]
        One for each style (white: where it is painted), or one alone. One in grey for one style:
        white is painted, black stays. For two styles black is the first. One in colours: each
        colour is a region, in the order of their brightness, and takes the style of that number;
        with a single style, the part of it that has the same colour in its mask.
    style_masks : sequence of (h, w, 3) float32
        None, or one for each style.
    styles : int
        Number of style pictures.

    Returns
    -------
    list of Region

    Raises
    ------
    UsageError
        If the numbers do not fit together, or a region is empty.
    """
    if style_masks and len(style_masks) != styles:
        raise UsageError(f"{len(style_masks)} style masks for {styles} style pictures")
    if len(content_masks) == styles and (
        styles > 1 or (_grey(content_masks[0]) and not style_masks)
    ):
        found = {f"mask {i + 1}": m.mean(axis=2) for i, m in enumerate(content_masks)}
    elif len(content_masks) == 1:
        found = _labels(content_masks[0])
    else:
        raise UsageError(f"{len(content_masks)} content masks for {styles} style pictures")
    style_parts: list[tuple[int, Float32 | None]]
    if styles == 1 and len(found) > 1:
        if not style_masks:
            colours = ", ".join(found)
            raise UsageError(
                f"the content mask has {len(found)} colours ({colours}) for one style picture; "
                "give as many, or a style mask with the same colours"
            )
        there = _labels(style_masks[0])
        missing = [name for name in found if name not in there]
        if missing:
            raise UsageError(f"the style mask has no {missing[0]}, but the content mask has")
        style_parts = [(0, there[name]) for name in found]
    elif len(found) == styles:
        parts = [m.mean(axis=2) for m in style_masks] or [None] * styles
        style_parts = list(enumerate(parts))
    else:
        colours = ", ".join(found)
        raise UsageError(
            f"the content mask has {len(found)} colours ({colours}) for {styles} style pictures"
        )
    made = []
    for (name, mask), (style, part) in zip(found.items(), style_parts, strict=True):
        for where, weights in (("content", mask), ("style", part)):
            if weights is not None and weights.max() < 0.5:
                raise UsageError(f"region {name} is empty in the {where} mask")
        made.append(Region(f"region {name}", np.ascontiguousarray(mask), style, part))
    return made


def at_size(region: Region, size: tuple[int, int], style_size: tuple[int, int]) -> Region:
    """The region for a photograph and a style of other sizes (width, height)."""
    part = region.style_mask
    return replace(
        region,
        mask=images.resize(region.mask, *size),
        style_mask=None if part is None else images.resize(part, *style_size),
    )


def _grey(mask: Float32) -> bool:
    return float(np.ptp(mask, axis=2).max()) < _GREY


def _labels(mask: Float32) -> dict[str, Float32]:
    """The regions of a mask by colour; grey values belong to black and white in parts."""
    if _grey(mask):
        white = mask.mean(axis=2, dtype=np.float32)
        weights = {"black": 1 - white, "white": white}
    else:
        bits = (mask > 0.5).astype(int)
        weights = {
            name: (bits == colour).all(axis=2).astype(np.float32)
            for name, colour in _COLOURS.items()
        }
    return {name: w for name, w in weights.items() if w.mean() > _SPECK}
