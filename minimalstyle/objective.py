"""The loss of an image and its gradient at one image size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .blas import one_blas_thread
from .border import fold, pad
from .engine import maps
from .engine.maps import Map
from .engine.taps import Tap, add_weighted_gradient, moments, tap, weighted_moments
from .errors import UsageError
from .images import resize
from .losses import (
    Gaussian,
    content_loss,
    gaussian,
    gram_loss,
    total_variation,
    wasserstein_loss,
    wasserstein_loss_of_few,
)
from .network import Network
from .regions import Region
from .setting import check_weights
from .settings import Border, Loss, Pooling, Settings

__all__ = ["Objective"]

Image = npt.NDArray[np.floating]
Floats = npt.NDArray[np.float32]

# Positions that a mask must leave. Deep layers of a small picture have few positions, so a small
# region has less than one there; its loss then counts as little as its area.
_LEAST = 1e-3


@dataclass(frozen=True)
class _Style:
    """A distribution of features to be reached, by the whole layer or by a region of it.

    Attributes
    ----------
    target : Gaussian, or (C, C)
        Of the Wasserstein distance, or the Gram matrix.
    energy : float
        What the squared distance is divided by.
    weight : (h, w) float32 or None
        Of each position in the region.
    positions : float
        Sum of the squared weights.
    share : float
        Of this region in the layer's loss, by its area.
    """

    target: Gaussian | Floats
    energy: float
    weight: Floats | None
    positions: float
    share: float


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

    Attributes
    ----------
    unit : float
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
        content: Image,
        styles: Sequence[Image],
        style_blend: Sequence[float] | None = None,
        style_masks: Sequence[Floats | None] | None = None,
        content_weight: float = Settings.content_weight,
        style_weight: float = Settings.style_weight,
        tv_weight: float = Settings.tv_weight,
        content_layers: Mapping[str, float] | None = None,
        style_layers: Mapping[str, float] | None = None,
        pooling: Pooling | None = None,
        loss: Loss = Settings.loss,
        border: Border = Settings.border,
        regions: Sequence[Region] | None = None,
    ) -> None:
        defaults = Settings(
            content_weight=content_weight,
            style_weight=style_weight,
            tv_weight=tv_weight,
            pooling=pooling,
            loss=loss,
            border=border,
        )
        defaults.check()
        self.network = network
        self.content_weight = content_weight = defaults.content_weight
        self.style_weight = style_weight = defaults.style_weight
        self.tv_weight = defaults.tv_weight
        kept = defaults.content_layers if content_layers is None else content_layers
        self.content_layers = _shares("content_layers", kept)
        styled = defaults.style_layers if style_layers is None else style_layers
        self.style_layers = _shares("style_layers", styled)
        if content_weight == 0:
            self.content_layers = {}
        if style_weight == 0:
            self.style_layers = {}
        self.relative = loss != "gatys2016"
        self.wasserstein = loss == "wasserstein"
        self.border = border
        self.terms: dict[str, float] = {}
        self.unit = 0.0 if content_weight + style_weight else 1.0
        self._styles: dict[str, list[_Style]] = {}
        self._scaled: dict[int, Map] = {}  # memory for the weighted features of a region
        self._gradients: dict[str, Map] = {}  # where regions add up
        if style_weight > 0:
            self._aim_at_styles(styles, style_blend, style_masks, pooling, regions)
        padded = pad(content, border)
        height, width = padded.shape[:2]
        taps = [*self.content_layers, *self.style_layers]
        self._pass = network.at(height, width, taps, pooling, replicate=border == "replicate")
        self._contents: dict[str, Map] = {}
        self._energies: dict[str, float] = {}
        features = self._pass.forward(padded)
        for name, share in self.content_layers.items():
            target = features[name]
            self._contents[name] = target._replace(data=target.data.copy())
            energy = max(float(np.vdot(target.data, target.data)), 1e-30)
            self._energies[name] = energy if self.relative else 2.0
            self.unit += content_weight * share * energy / self._energies[name]
        if regions is not None:
            for name, aims in self._styles.items():
                self._styles[name] = _in_place(aims, features[name], regions, border)
                self._gradients[name] = maps.empty(*features[name][1:4])

    def _aim_at_styles(
        self,
        styles: Sequence[Image],
        blend: Sequence[float] | None,
        style_masks: Sequence[Floats | None] | None,
        pooling: Pooling | None,
        regions: Sequence[Region] | None,
    ) -> None:
        """Gram matrices of the styles: blended, or one for each region.

        The loss against the mean of several is the mean loss against each, but for a constant.
        """
        styles = [styles] if isinstance(styles, np.ndarray) and styles.ndim == 3 else list(styles)
        weights = [1.0] * len(styles) if blend is None else list(blend)
        if not styles:
            raise UsageError("a style weight needs a style picture")
        if len(weights) != len(styles):
            raise UsageError(f"{len(weights)} style weights for {len(styles)} style pictures")
        check_weights("style_blend", weights)
        masks = style_masks or [None] * len(styles)
        parts: list[tuple[int, Image, Floats | None, float]]
        if regions is None:
            parts = [
                (0, style, mask, w / sum(weights))
                for style, mask, w in zip(styles, masks, weights, strict=True)
            ]
        else:
            parts = [
                (i, styles[r.style], _both(r.style_mask, masks[r.style]), 1.0)
                for i, r in enumerate(regions)
            ]
        sums: dict[str, dict[int, tuple[Floats, Floats]]] = {n: {} for n in self.style_layers}
        for region, style, mask, weight in parts:
            border: Border = "reflect" if self.border == "wrap" else self.border
            padded = pad(style, border)
            height, width = padded.shape[:2]
            layers, replicate = list(self.style_layers), border == "replicate"
            evaluation = self.network.at(height, width, layers, pooling, replicate=replicate)
            features = evaluation.forward(padded)
            for name in self.style_layers:
                here = self._moments(features[name], None if mask is None else pad(mask, border))
                mean, second = (np.float32(weight) * one for one in here)
                if region in sums[name]:
                    mean, second = mean + sums[name][region][0], second + sums[name][region][1]
                sums[name][region] = mean, second
        for name, share in self.style_layers.items():
            self._styles[name] = []
            for mean, target in sums[name].values():
                if self.wasserstein:
                    normal = gaussian(mean, target)
                    self._styles[name].append(_Style(normal, normal.energy, None, 0.0, 1.0))
                    self.unit += self.style_weight * share / len(sums[name])
                    continue
                squares = max(float(np.vdot(target, target)), 1e-30)
                channels = evaluation.channels[name]
                energy = squares if self.relative else 4.0 * channels**2
                self._styles[name].append(_Style(target, energy, None, 0.0, 1.0))
                self.unit += self.style_weight * share * squares / energy / len(sums[name])

    def _moments(self, f: Map, mask: Floats | None) -> tuple[Floats, Floats]:
        if mask is None:
            return moments(f, self.network.threads)
        weight = _at_layer(mask, f)
        if float(np.vdot(weight, weight)) < _LEAST:
            raise UsageError("a style mask leaves nothing of a layer")
        return weighted_moments(f, weight, maps.empty(*f[1:4]), self.network.threads)

    @one_blas_thread()
    def __call__(self, image: Image) -> tuple[float, Floats]:
        """Loss and gradient of `image`, (H, W, 3) in [0, 1]."""
        height, width = image.shape[:2]
        padded = np.ascontiguousarray(pad(image, self.border), np.float32)
        threads = self.network.threads
        features = self._pass.forward(padded)
        self.terms = {"content": 0.0, "style": 0.0, "tv": 0.0}
        taps: dict[str, Tap] = {}
        styles = self._styles_side_by_side(features) if not self._gradients else {}
        for name, f in features.items():
            matrix = shift = target = added = None
            factor = 0.0
            if name in self.style_layers:
                value, matrix, shift, added = (
                    self._style_by_regions(name, f) if self._gradients else styles[name]
                )
                self.terms["style"] += self.style_layers[name] * value
                self.terms[f"style {name}"] = value
            if name in self.content_layers:
                share = self.content_layers[name]
                target = self._contents[name]
                value, factor = content_loss(f, target, self._energies[name], threads)
                factor *= self.content_weight * share
                self.terms["content"] += share * value
                self.terms[f"content {name}"] = value
            taps[name] = tap(matrix, shift, target, factor, added)
        gradient = self._pass.backward(taps)
        self.terms["tv"] = total_variation(padded, self.tv_weight, gradient, threads)
        loss = (
            self.content_weight * self.terms["content"]
            + self.style_weight * self.terms["style"]
            + self.tv_weight * self.terms["tv"]
        )
        if padded.shape != image.shape:
            gradient = fold(gradient, self.border, height, width)
        return loss, gradient

    def _styles_side_by_side(
        self, features: Mapping[str, Map]
    ) -> dict[str, tuple[float, Floats | None, Floats | None, Map | None]]:
        """Loss of each style layer, and its gradient: a matrix and a shift, or as a map.

        The layers with most channels come first, each on a thread: LAPACK takes one core for one.
        """
        threads = self.network.threads
        names = sorted(self.style_layers, key=lambda name: -features[name].channels)
        sums = {}
        for name in names:
            f = features[name]
            if not (self.wasserstein and f.height * f.width < f.channels):
                sums[name] = moments(f, threads)
        found: dict[str, tuple[float, Floats | None, Floats | None, Map | None]] = {}

        @one_blas_thread()  # a thread of the pool may have a limit of its own
        def work(i: int) -> None:
            name = names[i]
            f, (style,) = features[name], self._styles[name]
            weight = np.float32(self.style_weight * self.style_layers[name])
            if name in sums:
                value, matrix, shift = _style_loss(*sums[name], style, f.height * f.width)
                found[name] = (
                    value,
                    weight * matrix,
                    None if shift is None else weight * shift,
                    None,
                )
                return
            assert isinstance(style.target, Gaussian)
            pixels, added = maps.inside(f), maps.empty(*f[1:4])
            value, rows = wasserstein_loss_of_few(pixels.reshape(-1, f.channels), style.target)
            maps.inside(added)[...] = weight * rows.reshape(pixels.shape)
            found[name] = value, None, None, added

        threads.run(work, len(names))
        return found

    def _style_by_regions(self, name: str, f: Map) -> tuple[float, None, None, Map]:
        """Loss of a layer whose regions have a style each, and its gradient as a map."""
        threads = self.network.threads
        weight = np.float32(self.style_weight * self.style_layers[name])
        total = 0.0
        gradient = self._gradients[name]
        scaled = self._scaled.setdefault(f.data.size, maps.empty(*f[1:4]))
        for i, style in enumerate(self._styles[name]):
            assert style.weight is not None
            sums = weighted_moments(f, style.weight, scaled, threads)
            value, matrix, shift = _style_loss(*sums, style, style.positions)
            total += style.share * value
            factor = np.float32(style.share) * weight
            if shift is not None:
                shift *= factor
            add_weighted_gradient(
                scaled, style.weight, factor * matrix, shift, i > 0, gradient, threads
            )
        return total, None, None, gradient


def _style_loss(
    mean: Floats, second: Floats, style: _Style, positions: float
) -> tuple[float, Floats, Floats | None]:
    if isinstance(style.target, Gaussian):
        return wasserstein_loss(mean, second, style.target, positions)
    return *gram_loss(second, style.target, positions, style.energy), None


def _in_place(
    styles: Sequence[_Style], f: Map, regions: Sequence[Region], border: Border
) -> list[_Style]:
    """What the regions aim at, with the weights of their positions at a layer."""
    placed = []
    for one, region in zip(styles, regions, strict=True):
        weight = _at_layer(pad(region.mask, border), f)
        positions = float(np.vdot(weight, weight))
        if positions < _LEAST:
            raise UsageError(f"{region.name}: nothing of it is left at a layer")
        share = positions / weight.size
        placed.append(_Style(one.target, one.energy, weight, positions, share))
    return placed


def _at_layer(mask: Floats, f: Map) -> Floats:
    return resize(mask, f.width, f.height)


def _shares(name: str, weights: Mapping[str, float]) -> dict[str, float]:
    check_weights(name, weights.values())
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def _both(a: Floats | None, b: Floats | None) -> Floats | None:
    return b if a is None else a if b is None else a * b
