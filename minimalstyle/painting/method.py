"""The method: neural style transfer in nine steps, coarse to fine.

Gatys, Ecker and Bethge 2016, "Image style transfer using convolutional neural networks". Where
this differs from the paper: style is a Wasserstein distance in place of a difference of Gram
matrices, the losses are relative (see `loss.terms`), a second content layer keeps faces, the run
goes through several image sizes and leaves deep layers out at large ones, it starts from the
content picture, pixels outside of [0, 1] cost something and are clipped at the end, and the
optimiser works on cosine coefficients (see `optimize`).
"""

import traceback
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .._types import Float32
from ..blas import one_blas_thread
from ..engine.jit import notify_compilation
from ..errors import MinimalstyleWarning
from ..loss.objective import Objective
from ..machine import peak_memory
from ..network.bounded import Measure, measure
from ..network.network import Network
from ..optimize.lbfgs import MOVING, Interrupted, Minimum, minimize
from ..pictures import color, images
from ..pictures.images import Size
from ..records.saved import SavedRun
from ..settings.settings import Settings
from .events import Iterate
from .inputs import AtSize
from .prepare import Prepared
from .progress import Progress
from .result import Result
from .schedule import Scale

__all__ = ["objective_at", "paint"]


@one_blas_thread()  # always the same bits
def paint(
    run: Prepared,
    callback: Callable[[Iterate], object] = lambda _: None,
    on_progress: Callable[[float], object] = lambda _: None,
) -> Result:
    """Paint a run that is prepared: its pre-trained VGG is loaded (step 1), its layers named (2).

    Parameters
    ----------
    run : Prepared
    callback : callable
        See `functions.paint`.
    on_progress : callable
        Called within evaluations that take long, several times a second, with the share of the run
        that is done; when it returns "stop", the run stops as soon as there is a picture.

    Warns
    -----
    MinimalstyleWarning
        An error, such as too little memory, ended the run after it had painted something.
    """
    job, scales = run.job, run.scales
    with notify_compilation(run.note):
        sizes = [scale.size for scale in scales]
        saved = SavedRun(
            run.facts, sizes, job.checkpoint or job.resume, job.resume, job.checkpoint_every
        )
        times = [one.work for one in run.evaluations]
        progress = Progress(scales, times, callback, on_progress)
        canvas = _Canvas()
        done: list[dict[str, Any]] = saved.scales
        error: Exception | None = None
        for number in range(1, len(scales) + 1):
            if number < saved.scale:  # finished before the checkpoint was written
                progress.evaluations += done[number - 1]["evaluations"]
                continue
            try:
                minimum, report = _paint_scale(run, number, canvas, saved, progress)
            except Interrupted:  # before the first evaluation of this size
                done[-1]["stopped"] = "interrupted"
                break
            except Exception as unforeseen:  # memory, above all: keep what is painted already
                if not canvas.painted or progress.calling:
                    raise
                error = unforeseen
                break
            done.append(report)
            error = minimum.error
            if error is not None and progress.calling:  # the caller's own
                raise error
            if minimum.stopped in ("interrupted", "failed"):
                break
        if error is not None:
            traceback.clear_frames(error.__traceback__)  # they hold the memory that was too little
            words = "not enough memory" if isinstance(error, MemoryError) else repr(error)
            where = "{}x{}".format(*scales[number - 1].size)
            message = f"{words}: stopped at {where}, with the picture as it was"
            warnings.warn(message, MinimalstyleWarning, stacklevel=3)
        canvas.finish(run)
    report = {
        **run.facts,
        "scales": done,
        "seconds": progress.seconds,
        "peak_memory_bytes": peak_memory(),
        "stopped": done[-1]["stopped"] if error is None else "failed",
    }
    if error is not None:
        report["error"] = words
    return _result(run, canvas.image, report)


def _paint_scale(
    run: Prepared, number: int, canvas: "_Canvas", saved: SavedRun, progress: Progress
) -> tuple[Minimum, dict[str, Any]]:
    """Steps 3 to 9 at one size, which counts from 1."""
    begun, scale = progress.seconds, run.scales[number - 1]
    watch = progress.watcher(number)
    pictures = run.inputs.at(scale, lambda: watch(0.0))
    # 5. The image that is being painted, begun with the start image.
    image = canvas.enlarged(pictures.start)
    image = saved.begin(number, image, saved.scales, needed=scale.continues)
    watch(0.0)
    if scale.continues:
        pictures = pictures._replace(content=image)
    # 3. Content reference, 4. style reference, at this size.
    objective = objective_at(
        run.network,
        pictures,
        scale,
        run.settings,
        measured=run.measured,
        room=run.room(scale),
        between=watch,
    )
    start = pictures.start if number < len(run.scales) else None
    del pictures  # of a print a tenth of all memory
    # 6. Loss, 7. its gradient, 8. a step of L-BFGS-B, 9. again and again.
    minimum = minimize(
        objective,
        image,
        scale.iterations,
        progress.reporter(number, objective),
        threads=run.network.threads.number,
        magnitude=objective.magnitude,
        periodic=run.settings.border == "wrap",
        moving=MOVING,
        exponent=scale.exponent,
        lean=scale.large,
        segment=run.settings.segment,
        **saved.hooks(number, objective),
    )
    saved.flush()
    canvas.image, canvas.start, canvas.painted = minimum.image, start, True
    progress.evaluations += minimum.evaluations
    return minimum, _report(scale, minimum, objective, progress.seconds - begun)


def objective_at(
    network: Network,
    pictures: AtSize,
    scale: Scale,
    settings: Settings,
    *,
    measured: Measure = measure,
    room: int | None = None,
    between: Callable[[float], object] = lambda _: None,
) -> Objective:
    """The objective of a run at one of its sizes, with the layers that act there."""
    return Objective(
        network,
        content=pictures.content,
        styles=pictures.styles,
        style_blend=settings.style_blend,
        style_masks=pictures.style_masks,
        content_weight=settings.content_weight * sum(scale.content_layers.values()),
        style_weight=settings.beta * sum(scale.style_layers.values()),
        tv_weight=settings.gamma,
        content_layers=scale.content_layers,
        style_layers=scale.style_layers,
        pooling=settings.pooling,
        loss=settings.loss,
        border=settings.border,
        regions=pictures.regions,
        measured=measured,
        bound=room,
        between=between,
    )


class _Canvas:
    """The picture as far as it is painted.

    Attributes
    ----------
    image : (h, w, 3) float32
    start : (h, w, 3) float32 or None
        The start image at the same size.
    painted : bool
    """

    def __init__(self) -> None:
        self.image: Float32
        self.start: Float32 | None = None
        self.painted = False

    def enlarged(self, start: Float32) -> Float32:
        """The image at the size of `start`, with the detail of the start that it had not so far.

        Without it, the next size would begin with a blurred picture, and a loss several times
        higher.
        """
        if not self.painted or self.start is None:
            return start
        size = Size.of(start)
        detail = start - images.resize(self.start, *size)
        return np.clip(images.resize(self.image, *size) + detail, 0.0, 1.0)

    def finish(self, run: Prepared) -> None:
        """Bring what was stopped early to the full size, where there is memory for that."""
        if Size.of(self.image) != run.size:
            try:
                self.image = self.enlarged(run.inputs.start_at(run.size))
            except MemoryError:
                return


def _result(run: Prepared, image: Float32, report: dict[str, Any]) -> Result:
    """The picture with the luminance alone changed, if so wished, and the content's alpha."""
    content, size = run.opened.content, Size.of(image)
    if content is None:
        return Result(image, None, report)
    if run.settings.preserve_color == "luminance":
        image = color.luminance_of(image, images.resize(content.rgb, *size))
    alpha = None if content.alpha is None else images.resize(content.alpha, *size)
    return Result(image, alpha, report)


def _report(scale: Scale, minimum: Minimum, objective: Objective, seconds: float) -> dict[str, Any]:
    return {
        "width": scale.size.width,
        "height": scale.size.height,
        "iterations": minimum.iterations,
        "evaluations": minimum.evaluations,
        "restarts": minimum.restarts,
        "seconds": seconds,
        "loss": minimum.history[-1] if minimum.history else None,
        "terms": dict(objective.terms),
        "history": minimum.history,
        "stopped": minimum.stopped,
    }
