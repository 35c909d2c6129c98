"""The method: neural style transfer in nine steps, coarse to fine.

Gatys, Ecker and Bethge 2016, "Image style transfer using convolutional neural networks". Where
this differs from the paper: the losses are relative (see `losses`), the run goes through several
image sizes, it starts from the content picture, the pixels stay in [0, 1], and the optimiser works
on cosine coefficients (see `optimize`).
"""

import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from . import images
from .engine.jit import notify_compilation
from .errors import UsageError
from .events import Iterate
from .network import Network, load_network
from .objective import Objective
from .optimize import minimize
from .progress import Progress
from .settings import Settings

__all__ = ["Result", "stylize"]

Float32 = npt.NDArray[np.float32]

# Longer side in pixels. A coarser beginning gives larger strokes, but copies objects of the style.
_SMALLEST_SCALE = 192
_GRAIN = 8  # pixels of the coarsest scale


@dataclass(frozen=True)
class Result:
    """A finished picture.

    Attributes
    ----------
    image : (H, W, 3) uint8
        RGB.
    report : dict
        Settings, weights, inputs; for each scale its size, iterations, evaluations, seconds,
        loss, terms and loss history; total seconds, peak memory, why it stopped.
    """

    image: npt.NDArray[np.uint8]
    report: dict[str, Any]


def stylize(
    content: images.Source,
    style: images.Source | Sequence[images.Source],
    *,
    weights: str | os.PathLike[str] | Network | None = None,
    callback: Callable[[Iterate], bool | None] = lambda _: None,
    on_note: Callable[[str], None] = lambda _: None,
    **settings: Any,
) -> Result:
    """Paint the content of one picture in the style of another.

    Parameters
    ----------
    content : path, PIL image or array
        Arrays are (H, W), (H, W, 3) or (H, W, 4), uint8, uint16 or float in [0, 1].
    style : the same, or a sequence of them
        Several styles are blended.
    weights : path-like or Network, optional
        An ONNX file, or a network that is already loaded, with its own number of threads; the
        embedded VGG-19 by default.
    callback : callable, optional
        Called with an `Iterate` after every iteration; the run stops early, and keeps its
        picture, when it returns True.
    on_note : callable, optional
        Called with lines such as "compiling kernels ...".
    **settings
        Fields of `Settings`.

    Returns
    -------
    Result

    Raises
    ------
    UsageError
        For a setting that makes no sense.
    ImageError
        For a picture that cannot be used.
    WeightsError
        For a weights file that is not a VGG.
    """
    chosen = _settings(settings)
    with notify_compilation(on_note):
        # 1. Load a pre-trained VGG. 2. The settings name the layers.
        if isinstance(weights, Network):
            network = weights
        else:
            network = load_network(weights, threads=chosen.threads)
        content_picture = images.load(content)
        style_pictures = [images.load(one) for one in _as_sequence(style)]
        sizes = _scales(content_picture.rgb, chosen)
        if max(sizes[-1]) < chosen.size:
            on_note(f"the photograph has {max(sizes[-1])} pixels; --enlarge allows more")
        init_picture = _init_picture(content_picture, sizes[0], chosen)
        progress = Progress(sizes, chosen.iterations, callback)
        scales: list[dict[str, Any]] = []
        image: Float32 | None = None
        init: Float32 | None = None
        for number, size in enumerate(sizes, start=1):
            begun = progress.seconds
            # 3. Content reference, 4. style reference, at this size.
            objective = _objective(network, content_picture, style_pictures, size, chosen)
            # 5. The image that is being painted.
            coarse, init = init, images.resize(init_picture.rgb, *size)
            image = init if image is None else _enlarge(image, coarse, init)
            # 6. Loss, 7. its gradient, 8. a step of L-BFGS-B, 9. again and again.
            minimum = minimize(
                objective,
                image,
                chosen.iterations,
                progress.reporter(number, objective),
                threads=network.threads.number,
            )
            image = minimum.image
            progress.evaluations += minimum.evaluations
            scales.append(
                {
                    "width": size[0],
                    "height": size[1],
                    "iterations": minimum.iterations,
                    "evaluations": minimum.evaluations,
                    "seconds": progress.seconds - begun,
                    "loss": minimum.history[-1],
                    "terms": dict(objective.terms),
                    "history": minimum.history,
                    "stopped": minimum.stopped,
                }
            )
            if minimum.stopped == "interrupted":
                break
        assert image is not None
        if number < len(sizes):  # interrupted: the picture so far, at full size
            image = _enlarge(image, init, images.resize(init_picture.rgb, *sizes[-1]))
    return Result(
        images.eight_bits(image),
        {
            "settings": asdict(chosen),
            "weights": {"sha256": network.vgg.sha256, **network.vgg.metadata},
            "inputs": {
                "content": content_picture.sha256,
                "styles": [one.sha256 for one in style_pictures],
            },
            "scales": scales,
            "seconds": progress.seconds,
            "peak_memory_bytes": _peak_memory(),
            "stopped": scales[-1]["stopped"],
        },
    )


def _settings(given: dict[str, Any]) -> Settings:
    unknown = given.keys() - {field.name for field in fields(Settings)}
    if unknown:
        raise UsageError(f"there is no setting {min(unknown)!r}")
    chosen = Settings(**given)
    chosen.check()
    return chosen


def _as_sequence(style: images.Source | Sequence[images.Source]) -> Sequence[images.Source]:
    return style if isinstance(style, (list, tuple)) else [style]  # type: ignore[list-item]


def _scales(content: Float32, settings: Settings) -> list[tuple[int, int]]:
    """Sizes (width, height) from coarse to fine, each about twice the one before."""
    height, width = content.shape[:2]
    longer = settings.size if settings.enlarge else min(settings.size, max(width, height))
    smallest = math.ceil((images.MIN_SIDE - 0.5) * max(width, height) / min(width, height))
    if longer < smallest:
        raise UsageError(
            f"size {longer} would leave less than {images.MIN_SIDE} pixels on the shorter side "
            f"of this picture; it takes {smallest}"
        )
    sizes = [images.fit(width, height, longer)]
    while longer // 2 >= max(_SMALLEST_SCALE, smallest):
        longer //= 2
        sizes.insert(0, images.fit(width, height, longer))
    return sizes


def _objective(
    network: Network,
    content: images.Picture,
    styles: Sequence[images.Picture],
    size: tuple[int, int],
    settings: Settings,
) -> Objective:
    width, height = size
    longer = settings.style_scale * max(width, height)
    return Objective(
        network,
        content=images.resize(content.rgb, width, height),
        styles=[_at_longer_side(one.rgb, longer) for one in styles],
        style_blend=settings.style_blend,
        content_weight=settings.content_weight,
        style_weight=settings.style_weight,
        tv_weight=settings.tv_weight,
        content_layers=settings.content_layers,
        style_layers=settings.style_layers,
        pooling=settings.pooling,
    )


def _at_longer_side(picture: Float32, longer: float) -> Float32:
    height, width = picture.shape[:2]
    return images.resize(picture, *images.fit(width, height, round(longer)))


def _init_picture(
    content: images.Picture, coarsest: tuple[int, int], settings: Settings
) -> images.Picture:
    if settings.init == "content":
        return content
    if settings.init == "noise":  # coarse grains: the optimiser would leave fine ones as they are
        width, height = (max(side // _GRAIN, 2) for side in coarsest)
        random = np.random.default_rng(settings.seed)
        return images.Picture(random.random((height, width, 3), np.float32))
    return images.load(settings.init)


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
