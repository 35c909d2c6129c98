"""The pictures of a run: opened once, prepared as the settings want them, resized for each size."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .. import gallery
from .._types import Float32
from ..errors import UsageError
from ..loss.styles import Region
from ..network.evaluation import Moments
from ..pictures import color, images
from ..pictures.frames import without_frame
from ..pictures.images import Picture, Size
from ..pictures.limits import lifted
from ..pictures.median import median
from ..pictures.noise import noise
from ..records.style import is_style
from ..records.style import read as read_style
from ..settings.settings import Settings
from .job import Job
from .regions import at_size, regions
from .schedule import Scale, paints_content, prints, style_size

__all__ = ["AtSize", "Inputs", "Opened", "arrange", "open_pictures", "open_style"]


_BLUR = 1.5  # a painting that would be enlarged by more than this is told


class Opened(NamedTuple):
    """The pictures of a job as they are in their files.

    Attributes
    ----------
    content : Picture or None
        None for a texture.
    styles, content_masks, style_masks : list of Picture
    init : Picture or None
        That which the run starts from, if it is one of its own.
    moments : mapping
        Of the styles, as far as they were kept: see `KeptMoments.found`.
    """

    content: Picture | None
    styles: list[Picture]
    content_masks: list[Picture]
    style_masks: list[Picture]
    init: Picture | None
    moments: Mapping[str, Mapping[str, Moments]] = {}

    @property
    def digests(self) -> dict[str, Any]:
        """SHA-256 of each file, by the name of the input."""
        masks = (*self.content_masks, *self.style_masks)
        return {
            "content": None if self.content is None else self.content.sha256,
            "styles": [one.sha256 for one in self.styles],
            "masks": [one.sha256 for one in masks],
            "init": None if self.init is None else self.init.sha256,
        }

    @property
    def pixels(self) -> int:
        """Of content and styles together."""
        pictures = [*self.styles] if self.content is None else [self.content, *self.styles]
        return sum(one.rgb[..., 0].size for one in pictures)


class AtSize(NamedTuple):
    """The pictures of a run at one of its sizes: what the objective needs, and the start."""

    content: Float32
    styles: list[Float32]
    style_masks: list[Float32 | None]
    regions: list[Region] | None
    start: Float32


@dataclass(frozen=True, eq=False)
class Inputs:
    """Pictures as the method gets them, at their full sizes.

    Attributes
    ----------
    content : (H, W, 3) float32
    styles : list of (h, w, 3) float32
    regions : list of Region or None
    alphas : list of (h, w) float32 or None
        Of the styles: what is transparent does not count.
    start : (h, w, 3) float32
        What the run begins with.
    settings : Settings
    """

    content: Float32
    styles: list[Float32]
    regions: list[Region] | None
    alphas: list[Float32 | None]
    start: Float32
    settings: Settings

    def at(self, scale: Scale, between: Callable[[], object] = lambda: None) -> AtSize:
        """All of them at one size of the result; `between` is called after each picture."""
        size = scale.size
        styles = []
        factors = self.settings.style_scales * len(self.styles)
        for one, factor in zip(self.styles, factors, strict=False):
            styles.append(images.resize(one, *style_size(Size.of(one), factor, scale)))
            between()
        parts = self.regions
        if parts is not None:
            parts = [at_size(one, size, Size.of(styles[one.style])) for one in parts]
        alphas = [
            None if alpha is None else images.resize(alpha, *Size.of(style))
            for alpha, style in zip(self.alphas, styles, strict=True)
        ]
        content = images.resize(self.content, *size)
        between()
        start = content.copy() if self.start is self.content else images.resize(self.start, *size)
        return AtSize(content, styles, alphas, parts, self._simpler(start))

    def start_at(self, size: Size) -> Float32:
        """The start at one size of the result."""
        return self._simpler(images.resize(self.start, *size))

    def _simpler(self, start: Float32) -> Float32:
        """Where style is to be painted on the content, a start without its finest detail.

        A style loss hardly changes that of a photograph, its speckle and leaves. Without it, by a
        median of 3x3 pixels, there are strokes in its place.
        """
        return median(start) if paints_content(self.settings) else start


def open_pictures(job: Job) -> Opened:
    """Read the pictures of a job."""
    start = job.settings.start_picture
    needs_start = start is not None and job.settings.init_blend > 0
    with lifted(job.settings.max_pixels):
        styles = [open_style(gallery.source(one)) for one in job.styles]
        return Opened(
            None if job.content is None else _load(job.content),
            [picture for picture, _ in styles],
            [images.load_mask(one) for one in job.content_masks],
            [images.load_mask(one) for one in job.style_masks],
            images.load(start) if needs_start and start is not None else None,
            {key: found for _, moments in styles for key, found in moments.items()},
        )


def open_style(
    source: images.Source | Picture,
) -> tuple[Picture, dict[str, dict[str, Moments]]]:
    """A painting, and its moments where it is a style that was kept."""
    if not is_style(source):
        return _load(source), {}
    kept = read_style(source)  # type: ignore[arg-type]
    return images.load(kept.painting), kept.moments


def _load(source: images.Source | Picture) -> Picture:
    return source if isinstance(source, Picture) else images.load(source)


def arrange(opened: Opened, settings: Settings, size: Size, note: Callable[[str], None]) -> Inputs:
    """Frames cut off, colours as the settings want them, the regions of the masks, the start.

    Parameters
    ----------
    opened : Opened
    settings : Settings
    size : Size
        Of the result.
    note : callable
        Told what was done to a picture.
    """
    if settings.beta > 0 and len(settings.style_scales) not in (1, len(opened.styles)):
        count = len(settings.style_scales)
        message = f"has {count} values for {len(opened.styles)} style pictures"
        raise UsageError(message, setting="style_scale")
    content = _blank(settings.size) if opened.content is None else opened.content.rgb
    painted = [one.rgb for one in opened.styles]
    if settings.style_frame == "crop" and not opened.style_masks:
        painted = _without_frames(opened.styles, note)
    if settings.preserve_color == "luminance":
        painted = [color.luminance_style(one, content) for one in painted]
        content = color.grey(content)
    elif settings.preserve_color != "off":
        ways = {"match": color.match_mean_and_covariance, "histogram": color.match_histogram}
        painted = [ways[settings.preserve_color](one, content) for one in painted]
    _note_blur(painted, settings, size, note)
    parts = _regions(opened, settings, content, painted, note)
    start = _start(opened, settings, size, content, painted)
    return Inputs(content, painted, parts, [one.alpha for one in opened.styles], start, settings)


def _blank(side: int) -> Float32:
    """A square that stands where a texture has no content."""
    return np.full((side, side, 3), 0.5, np.float32)


def _without_frames(styles: Sequence[Picture], note: Callable[[str], None]) -> list[Float32]:
    """Paintings without the frame around them; one with transparent parts has none."""
    found = []
    for number, one in enumerate(styles, start=1):
        inside, frame = (one.rgb, ()) if one.alpha is not None else without_frame(one.rgb)
        if any(frame):
            name = f"painting {number}" if len(styles) > 1 else "the painting"
            sides = "{} px at the top, {} right, {} at the bottom, {} left".format(*frame)
            note(f"the frame of {name} is cut off, {sides}; --style-frame keep leaves it")
        found.append(inside)
    return found


def _note_blur(
    styles: Sequence[Float32], settings: Settings, size: Size, note: Callable[[str], None]
) -> None:
    """Say which paintings are too small for a print."""
    if not prints(max(size), settings):
        return
    for one, factor in zip(styles, settings.style_scales * len(styles), strict=False):
        longer = max(Size.of(one))
        if factor * max(size) > _BLUR * longer:
            note(
                f"the painting has {longer} pixels, and the print {max(size)}: it is not "
                "enlarged, since its strokes would be soft"
            )


def _regions(
    opened: Opened,
    settings: Settings,
    content: Float32,
    styles: Sequence[Float32],
    note: Callable[[str], None],
) -> list[Region] | None:
    if not opened.content_masks:
        if opened.style_masks:
            raise UsageError("a style mask needs a content mask")
        return None
    if settings.style_blend is not None:
        raise UsageError("and masks cannot be used together", setting="style_blend")
    if opened.style_masks and len(opened.style_masks) != len(styles):
        many = len(opened.style_masks)
        raise UsageError(f"{many} style masks for {len(styles)} style pictures")
    fitted: dict[str, list[Float32]] = {"content": [], "style": []}
    pairs = [("content", mask, content) for mask in opened.content_masks]
    pairs += [
        ("style", mask, style) for mask, style in zip(opened.style_masks, styles, strict=False)
    ]
    for kind, mask, picture in pairs:
        here, there = Size.of(mask.rgb), Size.of(picture)
        if here != there:
            sizes = "from {}x{} to its picture's {}x{}".format(*here, *there)
            note(f"the {kind} mask is resized {sizes}")
        fitted[kind].append(images.resize(mask.rgb, *there))
    return regions(fitted["content"], fitted["style"], len(styles))


def _start(
    opened: Opened,
    settings: Settings,
    size: Size,
    content: Float32,
    styles: Sequence[Float32],
) -> Float32:
    """The start image: `init`, mixed with the content."""
    if settings.init == "content" or settings.init_blend == 0:
        return content
    if settings.init == "noise":
        init = noise(size.height, size.width, settings.seed)
    elif settings.init == "style":
        if not styles:
            raise UsageError("is style, and there is no style picture", setting="init")
        init = styles[0]
    else:
        assert opened.init is not None
        init = opened.init.rgb
    if settings.init_blend == 1:
        return init
    share = np.float32(settings.init_blend)
    return share * images.resize(init, *Size.of(content)) + (1 - share) * content
