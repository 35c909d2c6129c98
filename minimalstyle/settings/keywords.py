"""The settings as typed keyword arguments.

Written by `python tools/write_settings.py` from the declarations in `settings.py`: change those.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Literal, TypedDict

__all__ = ["SettingsDict"]


class SettingsDict(TypedDict, total=False):
    """Settings that are given: keyword arguments of `stylize`, `texture` and `reconstruct`."""

    size: int
    """Longer side of the result in pixels."""

    enlarge: bool
    """Allow a result larger than the content picture."""

    iterations: int
    """L-BFGS iterations at the full size; in a print, twice as many at 512 pixels."""

    coarse_iterations: int
    """L-BFGS iterations at each coarser size; in a print, twice as many."""

    print_iterations: int
    """A result of more than 1024 pixels is a print: the picture at 512 pixels, continued at larger
    sizes. So many L-BFGS iterations at each of them.
    """

    first_size: int
    """Longer side, in pixels, of the first and coarsest size, where the large forms are painted.
    The smaller it is, the more of the painting's objects come into the picture.
    """

    scales: int | None
    """How many sizes, in equal steps from `first_size` to `size`; None for steps of about 2."""

    deep_size: int
    """Longer side, in pixels, up to which layers deeper than the third block act, besides at the
    first size: what they ask for is painted by then, and they are most of the work.
    """

    strength: float | None
    """How far from photograph to painting: it moves `style_weight`, `tv_weight`, `first_size` and
    the weights of `content_layers`. 50, or None, leaves them as they are.
    """

    content_weight: float
    """alpha of `L = alpha L_content + beta L_style + gamma L_tv`."""

    style_weight: float
    """beta: how much the style counts. Not both this and `content_weight` can be 0."""

    tv_weight: float
    """gamma: how smooth the picture is to be, by its total variation."""

    style_scale: float | Sequence[float]
    """Size of the style's strokes: longer side of the style picture over that of the result; one
    for all styles, or one each.
    """

    style_blend: Sequence[float] | None
    """Weight of each style picture; equal when None."""

    style_frame: Literal["crop", "keep"]
    """What becomes of a frame around a style picture; with style masks, it stays."""

    preserve_color: Literal["off", "luminance", "match", "histogram"]
    """Keep the photograph's colours: transfer luminance alone, or give the style the mean and
    covariance, or the histogram, of the photograph's colours first.
    """

    content_layers: Mapping[str, float]
    """Layers whose features are kept, with weights, which are divided by their sum."""

    style_layers: Mapping[str, float]
    """Layers whose statistics are those of the style, with weights, which are divided by their sum.
    """

    loss: Literal["wasserstein", "relative", "gatys2016"]
    """The Wasserstein distance of the features' means and covariances, relative to what the target
    alone would give; the difference of Gram matrices, relative as well; or Gram matrices with the
    paper's constants.
    """

    pooling: Literal["max", "average"] | None
    """Instead of what the weights file says, unless None. Gatys et al. found averages to give
    better pictures; with the Wasserstein distance maxima do.
    """

    border: Literal["zero", "replicate", "reflect", "wrap"]
    """What the network sees beyond the edge: nothing; at the first layer the pixels at the edge
    once more, and nothing deeper; the mirrored picture; or, so that the result tiles, its other
    side.
    """

    init: str | PathLike[str]
    """Where the run starts: the content, noise, the style, or the path of a picture."""

    init_blend: float
    """Share of `init` in the start; the rest is the content."""

    seed: int
    """Of the noise."""

    segment: int | None
    """L-BFGS-B begins anew after so many iterations, and a checkpoint is kept there; None for 30
    where there is a checkpoint, and never where there is none.
    """

    threads: int | None
    """Threads of the engine; all cores when None. The result does not depend on it."""

    memory: int | None
    """Memory to use at most, in bytes. A picture that would need more is computed in bands, with
    the same result but for rounding. None for nine tenths of what is free.
    """

    max_pixels: int | None
    """Pixels, at most, of a picture that is read: more are refused before they are decoded. Each
    takes 12 bytes of memory. None for 178 million.
    """
