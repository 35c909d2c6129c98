"""The loss of an image and its gradient at one image size."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from .engine.maps import Map
from .engine.taps import Tap, moments, tap
from .errors import UsageError
from .losses import content_loss, gram_loss, total_variation
from .network import Network
from .settings import Settings, check_weights

__all__ = ["Objective"]

Image = npt.NDArray[np.floating]


class Objective:
    """`L = alpha L_content + beta L_style + gamma L_tv`, as a function of the image.

    Call it with an image (H, W, 3), RGB in [0, 1], to get the loss and its gradient (H, W, 3)
    float32. `terms` then holds the parts of that loss, without their weights: "content", "style",
    "tv", and each layer's own, such as "style relu3_1".

    Parameters
    ----------
    network : Network
    content : (H, W, 3) float
        The picture whose features are kept; images of the same size can be evaluated.
    styles : sequence of (h, w, 3) float
        Pictures whose Gram matrices are matched, each of any size.
    style_blend : sequence of float, optional
        Weight of each style; equal by default.
    content_weight, style_weight, tv_weight : float, optional
        alpha, beta and gamma.
    content_layers, style_layers : mapping of str to float, optional
        Layers with their weights, which are divided by their sum.
    pooling : {"max", "average"}, optional
        Instead of the network's own.

    Raises
    ------
    UsageError
        For weights that make no sense, an unknown layer, or a picture that is too small.
    """

    def __init__(
        self,
        network: Network,
        *,
        content: Image,
        styles: Sequence[Image],
        style_blend: Sequence[float] | None = None,
        content_weight: float = Settings.content_weight,
        style_weight: float = Settings.style_weight,
        tv_weight: float = Settings.tv_weight,
        content_layers: Mapping[str, float] | None = None,
        style_layers: Mapping[str, float] | None = None,
        pooling: Literal["max", "average"] | None = None,
    ) -> None:
        defaults = Settings(
            content_weight=content_weight, style_weight=style_weight, tv_weight=tv_weight
        )
        defaults.check()
        self.network = network
        self.content_weight = content_weight
        self.style_weight = style_weight
        self.tv_weight = tv_weight
        self.content_layers = _shares(
            defaults.content_layers if content_layers is None else content_layers
        )
        self.style_layers = _shares(defaults.style_layers if style_layers is None else style_layers)
        self.terms: dict[str, float] = {}
        self._targets = self._style_targets(styles, style_blend, pooling)
        height, width, _ = content.shape
        self._pass = network.at(height, width, [*self.content_layers, *self.style_layers], pooling)
        self._contents: dict[str, Map] = {}
        self._energies: dict[str, float] = {}
        features = self._pass.forward(content)
        for name in self.content_layers:
            target = features[name]
            self._contents[name] = target._replace(data=target.data.copy())
            self._energies[name] = max(float(np.vdot(target.data, target.data)), 1e-30)

    def _style_targets(
        self,
        styles: Sequence[Image],
        blend: Sequence[float] | None,
        pooling: Literal["max", "average"] | None,
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Blended Gram matrices. The loss against their mean is the mean loss, but a constant."""
        weights = [1.0] * len(styles) if blend is None else list(blend)
        if len(weights) != len(styles) or not styles:
            raise UsageError(f"{len(weights)} style weights for {len(styles)} style pictures")
        check_weights("style_blend", weights)
        targets: dict[str, npt.NDArray[np.float32]] = {}
        for style, weight in zip(styles, weights, strict=True):
            evaluation = self.network.at(
                style.shape[0], style.shape[1], list(self.style_layers), pooling
            )
            features = evaluation.forward(style)
            for name in self.style_layers:
                _, gram = moments(features[name], self.network.threads)
                targets[name] = targets.get(name, 0) + np.float32(weight / sum(weights)) * gram
        return targets

    def __call__(self, image: Image) -> tuple[float, npt.NDArray[np.float32]]:
        """Loss and gradient of `image`, (H, W, 3) in [0, 1]."""
        image = np.ascontiguousarray(image, np.float32)
        threads = self.network.threads
        features = self._pass.forward(image)
        self.terms = {"content": 0.0, "style": 0.0, "tv": 0.0}
        taps: dict[str, Tap] = {}
        for name, f in features.items():
            matrix = target = None
            factor = 0.0
            if name in self.style_layers:
                share = self.style_layers[name]
                _, gram = moments(f, threads)
                value, matrix = gram_loss(gram, self._targets[name], f.height * f.width)
                matrix *= np.float32(self.style_weight * share)
                self.terms["style"] += share * value
                self.terms[f"style {name}"] = value
            if name in self.content_layers:
                share = self.content_layers[name]
                target = self._contents[name]
                value, factor = content_loss(f, target, self._energies[name], threads)
                factor *= self.content_weight * share
                self.terms["content"] += share * value
                self.terms[f"content {name}"] = value
            taps[name] = tap(matrix, None, target, factor)
        gradient = self._pass.backward(taps)
        self.terms["tv"] = total_variation(image, self.tv_weight, gradient, threads)
        loss = (
            self.content_weight * self.terms["content"]
            + self.style_weight * self.terms["style"]
            + self.tv_weight * self.terms["tv"]
        )
        return loss, gradient


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    check_weights("layer weights", weights.values())
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}
