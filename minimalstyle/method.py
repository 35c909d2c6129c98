"""The method: neural style transfer in nine steps, coarse to fine.

Gatys, Ecker and Bethge 2016, "Image style transfer using convolutional neural networks". Where
this differs from the paper: style is a Wasserstein distance in place of a difference of Gram
matrices, the losses are relative (see `losses`), a second content layer keeps faces, the run goes
through several image sizes and leaves deep layers out at large ones, it starts from the content
picture, pixels outside of [0, 1] cost something and are clipped at the end, and the optimiser works
on cosine coefficients (see `optimize`).
"""

import builtins
import math
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt
from PIL import Image

from . import __version__, color, images, recipe
from .blas import one_blas_thread
from .engine.jit import notify_compilation
from .errors import MinimalstyleWarning, UsageError
from .events import Iterate
from .files import atomic_write
from .frames import without_frame
from .keywords import SettingsDict
from .loss.objective import Objective
from .loss.styles import Region
from .network.network import Network, load_network
from .noise import noise
from .optimize import EXPONENT, FREE, SEGMENT, Minimum, minimize
from .progress import Progress
from .regions import at_size, regions
from .saved import SavedRun
from .settings import EVERY, PRESETS, RECONSTRUCTION, SETTINGS, Settings
from .signature import listing_settings

__all__ = ["Result", "reconstruct", "stylize", "texture"]

Float32 = npt.NDArray[np.float32]

# Of the optimiser's variables where a photograph is painted on. At coarse sizes, where it is far
# from the painting, steps are long, and with less smooth variables spots of a flat sky run away
# into branches and speckle (docs/choices.md).
_COARSE_EXPONENT, _PAINTED_EXPONENT = 0.5, 0.2
_SHALLOW = 3  # blocks of the network whose layers act at every size
_SHALLOW_WORK = 0.4  # share of the work that is left without the others
_FIXED_WORK = 10_000  # pixels whose work every evaluation costs besides its own


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

    pixels: Float32
    alpha: Float32 | None
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


@dataclass(frozen=True, eq=False)
class _Inputs:
    """Pictures as the objective gets them, at their full sizes."""

    content: Float32
    styles: list[Float32]
    regions: list[Region] | None
    alphas: list[Float32 | None]  # of the styles: what is transparent does not count


@listing_settings()
@one_blas_thread()  # also for colours and masks: always the same bits
def stylize(  # noqa: PLR0912, PLR0915 - the steps in their order
    content: images.Source | images.Picture,
    style: images.Source | images.Picture | Sequence[images.Source | images.Picture],
    *,
    content_mask: images.Source | Sequence[images.Source] = (),
    style_mask: images.Source | Sequence[images.Source] = (),
    preset: str = "default",
    weights: str | os.PathLike[str] | Network | None = None,
    callback: Callable[[Iterate], object] = lambda _: None,
    on_note: Callable[[str], None] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    checkpoint_every: float = EVERY,
    settings: Settings | None = None,
    **changes: Unpack[SettingsDict],
) -> Result:
    """Paint the content of one picture in the style of another.

    Parameters
    ----------
    content : path, bytes, binary file, PIL image, array or Picture
        Arrays are (H, W), (H, W, 3) or (H, W, 4), uint8, uint16 or float in [0, 1].
    style : the same, or a sequence of them
        Several styles are blended, or painted in a region each.
    content_mask, style_mask : the same, optional
        Regions of the content, and parts of the styles: see `regions`.
    preset : str, optional
        A recipe of `PRESETS`; settings override it.
    weights : path-like or Network, optional
        An ONNX file, or a network that is already loaded, with its own number of threads; the
        embedded VGG-19 by default.
    callback : callable, optional
        Called with an `Iterate` after every iteration; the run stops early, and keeps its
        picture, when it returns "stop". Whatever else it returns, the run goes on.
    on_note : callable, optional
        Called with lines such as "compiling kernels ..."; by default they are printed to stderr in
        a notebook or IPython, and nowhere else.
    checkpoint : path, optional
        Where to keep the state of the run.
    resume : path, optional
        A checkpoint of the same run, which goes on from there to the picture that it would have
        become without the stop, bit for bit.
    checkpoint_every : float, optional
        Seconds between two savings of that state; 0 for one after each evaluation. It is saved
        when a scale begins and every `segment` iterations as well.
    settings : Settings, optional
        In place of a preset.
    **changes
        Settings by name, in place of those of the preset or of `settings`.

    Returns
    -------
    Result

    Raises
    ------
    UsageError
        For a setting that makes no sense, or masks that do not fit.
    ImageError
        For a picture that cannot be used.
    WeightsError
        For a weights file that is not a VGG.
    CheckpointError
        For a checkpoint that is damaged, or of another run.

    Warns
    -----
    MinimalstyleWarning
        An error, such as too little memory, ended the run after it had painted something: the
        picture so far is returned, and the report says "failed" in "stopped", and the "error".
    """
    chosen = choose(preset, changes, settings)
    on_note = on_note or _default_note
    if chosen.segment is None and not (checkpoint is None and resume is None):
        chosen = replace(chosen, segment=SEGMENT)
    with notify_compilation(on_note):
        # 1. Load a pre-trained VGG. 2. The settings name the layers.
        if isinstance(weights, Network):
            network = weights
        else:
            network = load_network(weights, threads=chosen.threads)
        content_picture = _load(content)
        style_pictures = [_load(one) for one in _as_sequence(style)]
        masks = [
            [images.load_mask(one) for one in _as_sequence(mask)]
            for mask in (content_mask, style_mask)
        ]
        inputs = _inputs(content_picture, style_pictures, masks, chosen, on_note)
        sizes = scales(content_picture.rgb, chosen)
        note_size(sizes, chosen, on_note)
        start_picture = _start(inputs, sizes[-1], chosen)
        facts = {
            "settings": asdict(chosen),
            "weights": {"sha256": network.vgg.sha256, **network.vgg.metadata},
            "inputs": {
                "content": content_picture.sha256,
                "styles": [one.sha256 for one in style_pictures],
                "masks": [one.sha256 for one in (*masks[0], *masks[1])],
                "init": start_picture.sha256,
            },
        }
        saved = SavedRun(facts, sizes, checkpoint, resume, checkpoint_every)
        counts = [iterations(chosen, sizes, scale) for scale in range(len(sizes))]
        work = [work_at(size, chosen, first=not scale) for scale, size in enumerate(sizes)]
        progress = Progress(sizes, counts, work, callback)
        done: list[dict[str, Any]] = saved.scales
        image: Float32 | None = None
        start: Float32 | None = None
        error: Exception | None = None
        objective: Objective | None = None
        painted = False
        for number, size in enumerate(sizes, start=1):
            try:
                # 5. The image that is being painted, begun with the start image.
                coarse, start = start, _start_at(size, start_picture, chosen)
                if number < saved.scale:  # finished before the checkpoint was written
                    progress.evaluations += done[number - 1]["evaluations"]
                    continue
                begun = progress.seconds
                image = start if image is None else _enlarge(image, coarse, start)
                image = saved.begin(number, image, done)
                # 3. Content reference, 4. style reference, at this size.
                objective = _objective_at(network, inputs, size, chosen, first=number == 1)
                # 6. Loss, 7. its gradient, 8. a step of L-BFGS-B, 9. again and again.
                minimum = minimize(
                    objective,
                    image,
                    progress.iterations[number - 1],
                    progress.reporter(number, objective),
                    threads=network.threads.number,
                    unit=objective.unit,
                    periodic=chosen.border == "wrap",
                    free=FREE,
                    exponent=_exponent(chosen, last=number == len(sizes)),
                    segment=chosen.segment,
                    **saved.hooks(number, objective),
                )
                saved.flush()
            except Exception as unforeseen:  # memory, above all: keep what is painted already
                if not painted or progress.calling:
                    raise
                error = unforeseen
                break
            image, error, painted = minimum.image, minimum.error, True
            progress.evaluations += minimum.evaluations
            done.append(_scale_report(size, minimum, objective, progress.seconds - begun))
            if minimum.stopped in ("interrupted", "failed"):
                break
        assert image is not None
        full = sizes[-1]
        if error is not None:
            traceback.clear_frames(error.__traceback__)  # they hold the memory that was too little
            objective = None
            words = "not enough memory" if isinstance(error, MemoryError) else repr(error)
            message = f"{words}: stopped at {size[0]}x{size[1]}, with the picture as it was"
            warnings.warn(message, MinimalstyleWarning, stacklevel=2)
        if image.shape[1::-1] != full:  # stopped early: the picture so far, at full size
            try:
                image = _enlarge(image, start, _start_at(full, start_picture, chosen))
            except MemoryError:
                full = image.shape[1::-1]
    if chosen.preserve_color == "luminance":
        image = color.luminance_of(image, images.resize(content_picture.rgb, *full))
    alpha = content_picture.alpha
    report = {
        **facts,
        "scales": done,
        "seconds": progress.seconds,
        "peak_memory_bytes": _peak_memory(),
        "stopped": done[-1]["stopped"] if error is None else "failed",
    }
    if error is not None:
        report["error"] = words
    return Result(image, None if alpha is None else images.resize(alpha, *full), report)


class _Arguments(SettingsDict, total=False):
    """Of `stylize`, but for the pictures."""

    preset: str
    settings: Settings | None
    weights: str | os.PathLike[str] | Network | None
    callback: Callable[[Iterate], object]
    on_note: Callable[[str], None] | None
    checkpoint: str | os.PathLike[str] | None
    resume: str | os.PathLike[str] | None


@listing_settings(Settings(init="noise"), without={"content_weight", "content_layers"})
def texture(
    style: images.Source | Sequence[images.Source],
    *,
    seamless: bool = False,
    **arguments: Unpack[_Arguments],
) -> Result:
    """Only style: a texture like the style, square, from noise.

    Parameters
    ----------
    style : path, bytes, binary file, PIL image or array, or a sequence of them
    seamless : bool
        Make a picture that goes on at its other side, so that copies of it tile.
    **arguments
        As of `stylize`; `size` is the side. A `Settings` object counts where it differs from the
        default.

    Returns
    -------
    Result
    """
    given, others = _split(arguments)
    fixed = {"content_weight": 0, **({"border": "wrap"} if seamless else {})}
    _check_fixed("a seamless texture" if seamless else "a texture", fixed, given)
    given = texture_settings(given, seamless)
    blank = blank_content(choose(others.get("preset", "default"), given).size)
    return stylize(blank, style, **others, **given)


def texture_settings(given: dict[str, Any], seamless: bool) -> dict[str, Any]:
    """The settings of a texture: no content, from noise."""
    border = {"border": "wrap"} if seamless else {}
    return {"init": "noise", **given, "content_weight": 0.0, **border}


def blank_content(side: int) -> Float32:
    """A square that stands where a texture has no content."""
    return np.full((side, side, 3), 0.5, np.float32)


@listing_settings(Settings(**RECONSTRUCTION), without={"style_weight", "content_layers"})
def reconstruct(content: images.Source, layer: str, **arguments: Unpack[_Arguments]) -> Result:
    """Only content: what the features of one layer know of a photograph, from noise.

    Parameters
    ----------
    content : path, bytes, binary file, PIL image or array
    layer : str
        Such as "relu4_2".
    **arguments
        As of `stylize`. A `Settings` object counts where it differs from the default.

    Returns
    -------
    Result
    """
    given, others = _split(arguments)
    _check_fixed("a reconstruction", {"style_weight": 0, "content_layers": {layer: 1}}, given)
    return stylize(content, [], **others, **reconstruct_settings(given, layer))


def reconstruct_settings(given: dict[str, Any], layer: str) -> dict[str, Any]:
    """The settings of a reconstruction: one content layer, no style, from noise."""
    return {
        **RECONSTRUCTION,
        **given,
        "style_weight": 0.0,
        "content_layers": {layer: 1.0},
    }


def _check_fixed(what: str, fixed: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    for name, value in fixed.items():
        if name in given and given[name] != value:
            message = f"is {value!r} for {what}; {given[name]!r} would have no effect"
            raise UsageError(message, setting=name)


def _split(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings among arguments, by name, and the others."""
    given = {name: arguments[name] for name in SETTINGS if name in arguments}
    others = {name: value for name, value in arguments.items() if name not in SETTINGS}
    settings = others.pop("settings", None)
    if settings is not None:
        whole = asdict(choose(others.get("preset", "default"), {}, settings))
        default = asdict(Settings())
        given = {**{name: whole[name] for name in whole if whole[name] != default[name]}, **given}
    return given, others


def choose(preset: str, given: Mapping[str, Any], settings: Settings | None = None) -> Settings:
    """The settings of a preset, or others, with those given in their place, checked."""
    if preset not in PRESETS:
        raise UsageError(f"there is no preset {preset!r}; there are {', '.join(PRESETS)}")
    unknown = given.keys() - SETTINGS
    if unknown:
        raise UsageError(f"there is no setting {min(unknown)!r}")
    if settings is None:
        settings = Settings(**PRESETS[preset])
    elif not isinstance(settings, Settings):
        raise UsageError(f"settings must be an object of Settings, not {settings!r}")
    elif preset != "default":
        raise UsageError("preset and settings: give one of them")
    chosen = replace(settings, **given)
    chosen.check()
    return chosen


def iterations(settings: Settings, sizes: Sequence[tuple[int, int]], scale: int) -> int:
    """Iterations at a scale, which counts from 0."""
    return settings.iterations if scale == len(sizes) - 1 else settings.coarse_iterations


def acting(
    layers: Mapping[str, float], size: tuple[int, int], settings: Settings, *, first: bool
) -> dict[str, float]:
    """The layers that act at a size, with their shares of the weight of all.

    Parameters
    ----------
    layers : mapping of str to float
        Content or style layers of the settings.
    size : (width, height)
    settings : Settings
    first : bool
        Whether it is the first size, where all act.

    Returns
    -------
    dict of str to float
        What deep layers weigh is left out with them: the shares of the others stay.
    """
    total = sum(layers.values())
    shares = {name: weight / total for name, weight in layers.items()}
    if first or max(size) <= settings.deep_size:
        return shares
    return {name: share for name, share in shares.items() if _block(name) <= _SHALLOW} or shares


def work_at(size: tuple[int, int], settings: Settings, *, first: bool) -> float:
    """Work of an iteration at a size, in pixels of one where all layers act."""
    shallow = len(acting(settings.style_layers, size, settings, first=first))
    share = _SHALLOW_WORK if shallow < len(settings.style_layers) else 1.0
    return share * (size[0] * size[1] + _FIXED_WORK)


def _block(layer: str) -> int:
    """Of a layer such as relu3_1 or pool3."""
    number = re.search(r"\d+", layer)
    return int(number[0]) if number else 0


def _exponent(settings: Settings, *, last: bool) -> float:
    """Of the optimiser's variables at the last scale, or at one before."""
    if not _paints_content(settings):
        return EXPONENT
    return _PAINTED_EXPONENT if last else _COARSE_EXPONENT


def _scale_report(
    size: tuple[int, int], minimum: Minimum, objective: Objective, seconds: float
) -> dict[str, Any]:
    return {
        "width": size[0],
        "height": size[1],
        "iterations": minimum.iterations,
        "evaluations": minimum.evaluations,
        "restarts": minimum.restarts,
        "seconds": seconds,
        "loss": minimum.history[-1],
        "terms": dict(objective.terms),
        "history": minimum.history,
        "stopped": minimum.stopped,
    }


def _load(source: images.Source | images.Picture) -> images.Picture:
    return source if isinstance(source, images.Picture) else images.load(source)


def _as_sequence(style: Any) -> Sequence[Any]:
    return style if isinstance(style, (list, tuple)) else [style]


def scales(content: Float32, settings: Settings) -> list[tuple[int, int]]:
    """Sizes (width, height) from coarse to fine, in equal steps of about 2.

    The large forms are painted at the first size: so it is the same for a preview and for a print,
    and only for small pictures less.
    """
    height, width = content.shape[:2]
    longer = settings.size if settings.enlarge else min(settings.size, max(width, height))
    smallest = math.ceil((images.MIN_SIDE - 0.5) * max(width, height) / min(width, height))
    if longer < smallest:
        raise UsageError(
            f"{longer} would leave less than {images.MIN_SIDE} pixels on the shorter side "
            f"of this picture; it takes {smallest}",
            setting="size",
        )
    first = max(min(settings.coarsest, longer / 2), smallest)
    steps = round(math.log2(longer / first)) if settings.scales is None else settings.scales - 1
    if first > 0.8 * longer:  # a beginning of nearly the same size helps nobody
        steps = 0
    elif settings.scales is None:
        steps = max(steps, 1)
    sides = [round(longer * (first / longer) ** (step / steps)) for step in range(steps, 0, -1)]
    return [images.fit(width, height, side) for side in (*dict.fromkeys(sides), longer)]


def note_size(
    sizes: Sequence[tuple[int, int]], settings: Settings, on_note: Callable[[str], None]
) -> None:
    """Say it when the result is smaller than what was asked for."""
    if max(sizes[-1]) < settings.size:
        on_note(f"the photograph has {max(sizes[-1])} pixels; --enlarge allows more")


def _inputs(
    content: images.Picture,
    styles: Sequence[images.Picture],
    masks: Sequence[Sequence[images.Picture]],
    settings: Settings,
    on_note: Callable[[str], None],
) -> _Inputs:
    """Styles without a frame, colours as the settings want them, and the regions of the masks."""
    if settings.beta > 0 and len(settings.style_scales) not in (1, len(styles)):
        count = len(settings.style_scales)
        message = f"has {count} values for {len(styles)} style pictures"
        raise UsageError(message, setting="style_scale")
    rgb, painted = content.rgb, [one.rgb for one in styles]
    if settings.style_frame == "crop" and not masks[1]:
        several = len(painted) > 1
        painted = [
            _without_frame(one.rgb, f"painting {number}" if several else "the painting", on_note)
            if one.alpha is None
            else one.rgb
            for number, one in enumerate(styles, start=1)
        ]
    if settings.preserve_color == "luminance":
        painted = [color.luminance_style(one, rgb) for one in painted]
        rgb = color.grey(rgb)
    elif settings.preserve_color != "off":
        ways = {"match": color.match_mean_and_covariance, "histogram": color.match_histogram}
        painted = [ways[settings.preserve_color](one, rgb) for one in painted]
    alphas = [one.alpha for one in styles]
    if not masks[0]:
        if masks[1]:
            raise UsageError("a style mask needs a content mask")
        return _Inputs(rgb, painted, None, alphas)
    if settings.style_blend is not None:
        raise UsageError("and masks cannot be used together", setting="style_blend")
    fitted = []
    for kind, some in (("content", masks[0]), ("style", masks[1])):
        pictures = [rgb] * len(some) if kind == "content" else painted[: len(some)]
        if kind == "style" and some and len(some) != len(painted):
            raise UsageError(f"{len(some)} style masks for {len(painted)} style pictures")
        for mask, picture in zip(some, pictures, strict=True):
            height, width = picture.shape[:2]
            if mask.rgb.shape[:2] != (height, width):
                here = f"{mask.rgb.shape[1]}x{mask.rgb.shape[0]}"
                on_note(f"the {kind} mask is resized from {here} to its picture's {width}x{height}")
            fitted.append(images.resize(mask.rgb, width, height))
    split = len(masks[0])
    parts = regions(fitted[:split], fitted[split:], len(painted))
    return _Inputs(rgb, painted, parts, alphas)


def _without_frame(style: Float32, name: str, on_note: Callable[[str], None]) -> Float32:
    inside, frame = without_frame(style)
    if any(frame):
        sides = "{} px at the top, {} right, {} at the bottom, {} left".format(*frame)
        on_note(f"the frame of {name} is cut off, {sides}; --style-frame keep leaves it")
    return inside


def _objective_at(
    network: Network, inputs: _Inputs, size: tuple[int, int], settings: Settings, *, first: bool
) -> Objective:
    """The objective at one size, of pictures that are resized to it."""
    width, height = size
    factors = settings.style_scales * (1 if len(settings.style_scales) > 1 else len(inputs.styles))
    styles = [
        _at_longer_side(one, factor * max(size))
        for one, factor in zip(inputs.styles, factors, strict=True)
    ]
    parts = inputs.regions
    if parts is not None:
        parts = [at_size(one, size, styles[one.style].shape[1::-1]) for one in parts]
    alphas = [
        None if alpha is None else images.resize(alpha, *style.shape[1::-1])
        for alpha, style in zip(inputs.alphas, styles, strict=True)
    ]
    content = images.resize(inputs.content, width, height)
    return objective_for(
        network, content, styles, settings, first=first, parts=parts, style_masks=alphas
    )


def objective_for(
    network: Network,
    content: Float32,
    styles: Sequence[Float32],
    settings: Settings,
    *,
    first: bool,
    parts: Sequence[Region] | None = None,
    style_masks: Sequence[Float32 | None] | None = None,
) -> Objective:
    """The objective of a run at the size of `content`, with the layers that act there."""
    height, width = content.shape[:2]
    size = width, height
    content_layers = acting(settings.kept, size, settings, first=first)
    style_layers = acting(settings.style_layers, size, settings, first=first)
    return Objective(
        network,
        content=content,
        styles=styles,
        style_blend=settings.style_blend,
        style_masks=style_masks,
        content_weight=settings.content_weight * sum(content_layers.values()),
        style_weight=settings.beta * sum(style_layers.values()),
        tv_weight=settings.gamma,
        content_layers=content_layers,
        style_layers=style_layers,
        pooling=settings.pooling,
        loss=settings.loss,
        border=settings.border,
        regions=parts,
    )


def _at_longer_side(picture: Float32, longer: float) -> Float32:
    height, width = picture.shape[:2]
    return images.resize(picture, *images.fit(width, height, round(longer)))


def _start(inputs: _Inputs, size: tuple[int, int], settings: Settings) -> images.Picture:
    """The start image: `init`, mixed with the content."""
    if settings.init == "content" or settings.init_blend == 0:
        return images.Picture(inputs.content)
    height, width = inputs.content.shape[:2]
    digest = None
    if settings.init == "noise":
        init = noise(size[1], size[0], settings.seed)
    elif settings.init == "style":
        if not inputs.styles:
            raise UsageError("is style, and there is no style picture", setting="init")
        init = inputs.styles[0]
    else:
        picture = images.load(settings.init)
        init, digest = picture.rgb, picture.sha256
    if settings.init_blend == 1:
        return images.Picture(init, sha256=digest)
    share = np.float32(settings.init_blend)
    blend = share * images.resize(init, width, height) + (1 - share) * inputs.content
    return images.Picture(blend, sha256=digest)


def _paints_content(settings: Settings) -> bool:
    return settings.init == "content" and settings.beta > 0


def _start_at(size: tuple[int, int], start: images.Picture, settings: Settings) -> Float32:
    """The start image at one size; where style is to be painted on the content, a little simpler.

    A style loss hardly changes the finest detail of a photograph, its speckle and leaves. Without
    it, by a median of 3x3 pixels, there are strokes in its place.
    """
    image = images.resize(start.rgb, *size)
    if not _paints_content(settings):
        return image
    from scipy.ndimage import median_filter

    return median_filter(image, (3, 3, 1), mode="nearest")


def _enlarge(image: Float32, coarse: Float32 | None, fine: Float32) -> Float32:
    """The image at the next size, with the detail of the initial image that was missing so far.

    Without it, the next size would begin with a blurred picture, and a loss several times higher.

    Parameters
    ----------
    image : (h, w, 3)
    coarse : (h, w, 3)
        The initial image at the size of `image`.
    fine : (H, W, 3)
        The initial image at the next size.
    """
    assert coarse is not None
    height, width = fine.shape[:2]
    detail = fine - images.resize(coarse, width, height)
    return np.clip(images.resize(image, width, height) + detail, 0.0, 1.0)


def _default_note(note: str) -> None:
    if "get_ipython" in vars(builtins):  # IPython puts it there
        print(f"minimalstyle: {note}", file=sys.stderr)


def _peak_memory() -> int | None:
    """Largest resident memory of this process so far in bytes; None where nobody tells."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
