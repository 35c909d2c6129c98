"""The method: neural style transfer in nine steps, coarse to fine.

Gatys, Ecker and Bethge 2016, "Image style transfer using convolutional neural networks". Where
this differs from the paper: the losses are relative (see `losses`), the run goes through several
image sizes, it starts from the content picture, the pixels stay in [0, 1], and the optimiser works
on cosine coefficients (see `optimize`).
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
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
from .settings import Settings

__all__ = ["Result", "stylize"]

Float32 = npt.NDArray[np.float32]

_SMALLEST_SCALE = 128  # pixels of the longer side


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
        An ONNX file, or a network that is already loaded; the embedded VGG-19 by default.
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
    started = time.perf_counter()
    try:
        chosen = Settings(**settings)
    except TypeError as error:
        raise UsageError(
            str(error).replace("Settings.__init__() got an", "stylize got an")
        ) from None
    chosen.check()
    with notify_compilation(on_note):
        # 1. Load a pre-trained VGG.
        if isinstance(weights, Network):
            network = weights
        else:
            network = load_network(weights, pooling=chosen.pooling, threads=chosen.threads)
        # 2. The layers are in the settings. The pictures:
        content_picture = images.load(content)
        style_pictures = [images.load(one) for one in _as_sequence(style)]
        start_picture = content_picture
        if chosen.init not in ("content", "noise"):
            start_picture = images.load(chosen.init)

        sizes = _scales(content_picture.rgb, chosen)
        plan = _Plan(
            sizes, [_iterations(chosen, i, len(sizes)) for i in range(len(sizes))], started
        )
        scales: list[dict[str, Any]] = []
        image = coarse_start = None
        for number, (width, height) in enumerate(sizes):
            scale_started = time.perf_counter()
            # 3. and 4. Content and style references, at this size.
            objective = Objective(
                network,
                content=images.resize(content_picture.rgb, width, height),
                styles=[
                    _at_longer_side(one.rgb, chosen.style_scale * max(width, height))
                    for one in style_pictures
                ],
                style_blend=chosen.style_blend,
                content_weight=chosen.content_weight,
                style_weight=chosen.style_weight,
                tv_weight=chosen.tv_weight,
                content_layers=chosen.content_layers,
                style_layers=chosen.style_layers,
            )
            # 5. The image that is being painted.
            fine_start = images.resize(start_picture.rgb, width, height)
            if chosen.init == "noise":
                fine_start = np.random.default_rng(chosen.seed).random(
                    (height, width, 3), np.float32
                )
            image = (
                fine_start if image is None else _enlarge(image, coarse_start, fine_start, chosen)
            )
            coarse_start = fine_start
            # 6. Loss, 7. gradient, 8. L-BFGS-B on the pixels, 9. again until the budget is used.
            minimum = minimize(
                objective,
                image,
                plan.iterations[number],
                plan.reporter(number, objective, callback),
                threads=network.threads.number,
            )
            plan.evaluations += minimum.evaluations
            image = minimum.image
            scales.append(
                {
                    "width": width,
                    "height": height,
                    "iterations": minimum.iterations,
                    "evaluations": minimum.evaluations,
                    "seconds": time.perf_counter() - scale_started,
                    "loss": minimum.history[-1],
                    "terms": objective.terms,
                    "history": minimum.history,
                    "stopped": minimum.stopped,
                }
            )
            if minimum.stopped == "interrupted":
                break
    assert image is not None
    report = {
        "settings": asdict(chosen),
        "weights": {"sha256": network.vgg.sha256, **network.vgg.metadata},
        "inputs": {
            "content": content_picture.sha256,
            "styles": [one.sha256 for one in style_pictures],
        },
        "scales": scales,
        "seconds": time.perf_counter() - started,
        "peak_memory_bytes": _peak_memory(),
        "stopped": scales[-1]["stopped"],
    }
    full = sizes[-1]
    if image.shape[:2] != (full[1], full[0]):  # interrupted before the last scale
        image = _enlarge(image, coarse_start, images.resize(start_picture.rgb, *full), chosen)
    return Result(_eight_bits(image), report)


def _as_sequence(style: images.Source | Sequence[images.Source]) -> Sequence[images.Source]:
    return style if isinstance(style, (list, tuple)) else [style]  # type: ignore[list-item]


def _scales(content: Float32, settings: Settings) -> list[tuple[int, int]]:
    """Sizes (width, height) from coarse to fine, each about twice the one before."""
    height, width = content.shape[:2]
    longer = settings.size if settings.enlarge else min(settings.size, max(width, height))
    sizes = [images.fit(width, height, longer)]
    while longer // 2 >= _SMALLEST_SCALE:
        longer //= 2
        sizes.insert(0, images.fit(width, height, longer))
    return sizes


def _iterations(settings: Settings, scale: int, scales: int) -> int:
    """Iterations of a scale: all of `settings.iterations` at each; the coarse ones cost little."""
    return settings.iterations


def _at_longer_side(picture: Float32, longer: float) -> Float32:
    height, width = picture.shape[:2]
    return images.resize(picture, *images.fit(width, height, round(longer)))


def _enlarge(
    image: npt.NDArray[np.floating],
    coarse_start: Float32 | None,
    fine_start: Float32,
    settings: Settings,
) -> Float32:
    """The image at the next size, with the detail of the start that the coarse size lacked."""
    height, width = fine_start.shape[:2]
    larger = images.resize(image.astype(np.float32), width, height)
    if settings.init == "noise" or coarse_start is None:
        return larger
    detail = fine_start - images.resize(coarse_start, width, height)
    return np.clip(larger + detail, 0.0, 1.0)


def _eight_bits(image: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    return np.rint(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)


def _peak_memory() -> int | None:
    """Largest resident memory of this process so far in bytes; None where nobody tells."""
    try:
        import resource
        import sys
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class _Plan:
    """Budget of all scales, and how much of it is done: for the progress and the time left."""

    def __init__(self, sizes: list[tuple[int, int]], iterations: list[int], started: float) -> None:
        self.sizes, self.iterations, self.started = sizes, iterations, started
        self.evaluations = 0  # of the finished scales
        self.first: tuple[float, float] | None = None  # seconds and fraction of the first event

    def _work(self, scale: int, iteration: int) -> float:
        width, height = self.sizes[scale]
        return float(width * height * iteration)

    def reporter(
        self, scale: int, objective: Objective, callback: Callable[[Iterate], bool | None]
    ) -> Callable[[int, int, float, Float32], bool | None]:
        """Turn what the optimiser tells into an `Iterate` for the front end."""
        total = sum(self._work(i, n) for i, n in enumerate(self.iterations))
        before = sum(self._work(i, n) for i, n in enumerate(self.iterations[:scale]))
        width, height = self.sizes[scale]

        def report(iteration: int, evaluations: int, loss: float, image: Float32) -> bool | None:
            fraction = (before + self._work(scale, iteration)) / total
            seconds = time.perf_counter() - self.started
            # Loading and compiling come once: the pace is that since the first event.
            first_seconds, first_fraction = self.first = self.first or (seconds, fraction)
            done = fraction - first_fraction
            return callback(
                Iterate(
                    scale=scale + 1,
                    scales=len(self.sizes),
                    width=width,
                    height=height,
                    iteration=iteration,
                    iterations=self.iterations[scale],
                    evaluations=self.evaluations + evaluations,
                    loss=loss,
                    terms=dict(objective.terms),
                    seconds=seconds,
                    seconds_left=(seconds - first_seconds) * (1.0 - fraction) / done
                    if done
                    else None,
                    fraction=fraction,
                    image=lambda: _eight_bits(image),
                )
            )

        return report
