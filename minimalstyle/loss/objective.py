"""The loss of an image and its gradient at one image size: a weighted sum of terms."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from .._types import Float32, Floating
from ..blas import one_blas_thread
from ..network.bounded import Measure, measure, within
from ..network.evaluation import Affine, Gradient, Statistics, unheard
from ..network.network import Network
from ..settings.setting import check_weights
from ..settings.settings import SETTINGS, Border, Loss, Pooling, Settings
from .kept import KeptMoments
from .styles import Region, StyleTarget, style_targets
from .terms import content_loss, gaussian

__all__ = ["Objective"]


class Objective:
    """`L = alpha L_content + beta L_style + gamma L_tv`, as a function of the image.

    Its defaults are those of `stylize`.

    Call it with an image (H, W, 3), RGB in [0, 1], to get the loss and its gradient (H, W, 3)
    float32. `terms` then holds the parts of that loss, without their weights: "content", "style",
    "tv", and each layer's own, such as "style relu3_1".

    Parameters
    ----------
    network : Network
    content : (H, W, 3) float
        The picture whose features are kept; images of the same size can be evaluated.
    styles : sequence of (h, w, 3) float, or one of them
        Pictures whose means and covariances (or Gram matrices) are matched, each of any size. None
        are needed without a style weight.
    style_blend : sequence of float, optional
        Weight of each style; equal by default.
    style_masks : sequence of (h, w) float32 in [0, 1] or None, optional
        How much each pixel of a style counts, such as its alpha.
    content_weight, style_weight, tv_weight : float, optional
        alpha, beta and gamma.
    content_layers, style_layers : mapping of str to float, optional
        Layers with their weights, which are divided by their sum.
    pooling : {"max", "average"}, optional
        Instead of the network's own.
    loss : {"wasserstein", "relative", "gatys2016"}, optional
        Style as a Wasserstein-2 distance of means and covariances, or as a difference of Gram
        matrices; both divide each term by what its target alone would give. The third uses the
        paper's constants: 1/2 of the sum of the content, `1 / (4 C^2 N^2)` of the style
        (equations 1 and 4).
    border : {"zero", "replicate", "reflect", "wrap"}, optional
        What the network sees beyond the edge of a picture: see `Settings`.
    regions : sequence of Region, optional
        Parts of the image with a style each, in place of one blend for all: guided Gram matrices
        (Gatys et al. 2017, "Controlling perceptual factors", equations 4 and 5).
    measured : callable, optional
        Gives the moments of the styles, in place of `network.bounded.measure`.
    bound : int, optional
        Bytes that an evaluation may take, filters aside: a larger one is made in bands, to the
        same result but for rounding.
    between : callable, optional
        Called after each band with the share of the evaluation that is done; it may raise.

    Attributes
    ----------
    magnitude : float
        How large a loss is large: 1 where terms are relative.

    Raises
    ------
    UsageError
        For weights that make no sense, an unknown layer or word, an empty region, or a picture that
        is too small.
    """

    @one_blas_thread()  # always the same bits
    def __init__(
        self,
        network: Network,
        *,
        content: Floating,
        styles: Sequence[Floating],
        style_blend: Sequence[float] | None = None,
        style_masks: Sequence[Float32 | None] | None = None,
        content_weight: float = Settings.content_weight,
        style_weight: float = Settings.style_weight,
        tv_weight: float = Settings.tv_weight,
        content_layers: Mapping[str, float] | None = None,
        style_layers: Mapping[str, float] | None = None,
        pooling: Pooling | None = None,
        loss: Loss = Settings.loss,
        border: Border = Settings.border,
        regions: Sequence[Region] | None = None,
        measured: Measure = measure,
        bound: int | None = None,
        between: Callable[[float], object] = unheard,
    ) -> None:
        given = {"pooling": pooling, "loss": loss, "border": border, "tv_weight": tv_weight}
        given |= {"content_weight": content_weight, "style_weight": style_weight}
        for name, value in given.items():
            SETTINGS[name].check(value)
        check_weights("content_weight and style_weight", (content_weight, style_weight))
        self.alpha, self.beta, self.gamma = content_weight, style_weight, tv_weight
        default = Settings()
        contents = default.content_layers if content_layers is None else content_layers
        self.content_layers = _shares("content_layers", contents, content_weight)
        layers = default.style_layers if style_layers is None else style_layers
        self.style_layers = _shares("style_layers", layers, style_weight)
        self.terms: dict[str, float] = {}
        self._threads = network.threads
        self._targets: dict[str, list[StyleTarget]] = {}
        if style_weight > 0:
            self._targets = style_targets(
                network,
                [styles] if isinstance(styles, np.ndarray) and styles.ndim == 3 else styles,
                list(self.style_layers),
                kind=loss,
                blend=style_blend,
                masks=style_masks,
                regions=regions,
                pooling=pooling,
                border=border,
                measured=partial(measured, bound=bound, between=lambda _: between(0.0)),
                normal=measured.gaussian if isinstance(measured, KeptMoments) else gaussian,
            )
        self.evaluation = within(
            bound,
            network,
            (content.shape[0], content.shape[1]),
            list(self.style_layers),
            list(self.content_layers),
            between=between,
            pooling=pooling,
            border=border,
            regions=None if regions is None else {one.name: one.mask for one in regions},
            rows=loss == "wasserstein" and regions is None,
        )
        squares = self.evaluation.keep(content)
        relative = loss != "gatys2016"
        self._energies = {
            name: max(square, 1e-30) if relative else 2.0 for name, square in squares.items()
        }
        self.magnitude = sum(
            style_weight * share * target.scale / len(self._targets[name])
            for name, share in self.style_layers.items()
            for target in self._targets[name]
        )
        for name, share in self.content_layers.items():
            largest = max(squares[name], 1e-30) / self._energies[name]
            self.magnitude += content_weight * share * largest

    @one_blas_thread()
    def __call__(self, image: Floating) -> tuple[float, Float32]:
        """Loss and gradient of `image`, (H, W, 3) in [0, 1]."""
        styles = self._styles(self.evaluation.forward(image))
        # The gradient of a distance needs the features, not the distance.
        factors = {
            name: self.alpha * share * content_loss(0.0, self._energies[name])[1]
            for name, share in self.content_layers.items()
        }
        slopes = {name: gradients for name, (_, gradients) in styles.items()}
        gradient, distances, variation = self.evaluation.backward(slopes, factors, self.gamma)
        self.terms = {"content": 0.0, "style": 0.0, "tv": variation}
        for name, share in self.content_layers.items():
            value, _ = content_loss(distances[name], self._energies[name])
            self.terms["content"] += share * value
            self.terms[f"content {name}"] = value
        for name, share in self.style_layers.items():
            value, _ = styles[name]
            self.terms["style"] += share * value
            self.terms[f"style {name}"] = value
        loss = (
            self.alpha * self.terms["content"]
            + self.beta * self.terms["style"]
            + self.gamma * self.terms["tv"]
        )
        return loss, gradient

    def _styles(
        self, statistics: Mapping[str, Sequence[Statistics]]
    ) -> dict[str, tuple[float, list[Gradient]]]:
        """Loss of each style layer, over its regions, and the weighted gradient of each region."""
        jobs = [(name, i) for name, regions in statistics.items() for i in range(len(regions))]
        found: dict[tuple[str, int], tuple[float, Gradient]] = {}

        @one_blas_thread()  # a thread of the pool may have a limit of its own
        def work(number: int) -> None:
            name, i = jobs[number]
            value, gradient = self._targets[name][i](statistics[name][i])
            share = self.evaluation.shares(name)[i]
            weight = np.float32(share) * np.float32(self.beta * self.style_layers[name])
            found[name, i] = share * value, _scaled(gradient, weight)

        # Side by side, those with most channels first: LAPACK takes one core for one.
        self._threads.run(work, len(jobs))
        return {
            name: (
                sum(found[name, i][0] for i in range(len(regions))),
                [found[name, i][1] for i in range(len(regions))],
            )
            for name, regions in statistics.items()
        }


def _scaled(gradient: Gradient, weight: np.float32) -> Gradient:
    if isinstance(gradient, Affine):
        matrix, shift = gradient
        return Affine(weight * matrix, None if shift is None else weight * shift)
    return weight * gradient


def _shares(name: str, weights: Mapping[str, float], weight_of_all: float) -> dict[str, float]:
    """Of each layer in the loss; of none where they all count for nothing."""
    check_weights(name, weights.values())
    if weight_of_all == 0:
        return {}
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}
