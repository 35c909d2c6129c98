"""The other side: the same layers and losses in PyTorch, and the L-BFGS script people write.

PyTorch is imported here and nowhere else in the project, and only when a function is called.
"""

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import common
import numpy as np

from minimalstyle.loss import terms as losses
from minimalstyle.network.layers import VGG, Conv, Relu
from minimalstyle.network.onnx_io import load_vgg
from minimalstyle.pictures import images
from minimalstyle.pictures.frames import without_frame
from minimalstyle.settings.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    Loss = Callable[[torch.Tensor], torch.Tensor]

LAYOUTS = ("nchw", "channels_last")
MISSING = "without PyTorch; to compare with it: pip install torch"


def available() -> bool:
    """Whether PyTorch can be imported."""
    try:
        import torch  # noqa: F401
    except ImportError:
        return False
    return True


def require() -> Any:
    """PyTorch, or one line on how to get it."""
    try:
        import torch
    except ImportError:
        raise SystemExit(
            "PyTorch is not installed; to compare with it: pip install torch"
        ) from None
    return torch


class PytorchObjective:
    """`minimalstyle.Objective` in PyTorch, for one style.

    Parameters
    ----------
    vgg : VGG
    content, style : (H, W, 3) float32
    tv_weight : float
    pooling : {"max", "average"}, optional
        Instead of what the weights say.
    settings : Settings
        For the style loss, the layers and their weights.
    layout : {"nchw", "channels_last"}
    threads : int
    """

    def __init__(
        self,
        vgg: VGG,
        *,
        content: np.ndarray,
        style: np.ndarray,
        tv_weight: float = Settings.tv_weight,
        pooling: str | None = None,
        settings: Settings = common.GRAM,
        layout: str = "nchw",
        threads: int | None = None,
    ) -> None:
        torch = self._torch = require()
        torch.set_num_threads(threads or common.cores())
        self.content_weight, self.style_weight = settings.content_weight, settings.style_weight
        self.tv_weight = tv_weight
        self.pooling = pooling
        self.content_layers, self.style_layers = settings.content_layers, settings.style_layers
        last_format = layout == "channels_last"
        self._format = torch.channels_last if last_format else torch.contiguous_format
        wanted = {*self.content_layers, *self.style_layers}
        deepest = max(i for i, layer in enumerate(vgg.layers) if layer.name in wanted)
        self._layers = vgg.layers[: deepest + 1]
        convolutions = (one for one in vgg.layers if isinstance(one, Conv) and len(one.weight) == 3)
        self._replicated = next(convolutions).name if settings.border == "replicate" else None
        self._parameters = {
            layer.name: (
                torch.from_numpy(np.ascontiguousarray(layer.weight.transpose(3, 2, 0, 1))).to(
                    memory_format=self._format
                ),
                torch.from_numpy(layer.bias.copy()),
            )
            for layer in self._layers
            if isinstance(layer, Conv)
        }
        with torch.no_grad():
            features = self.features(self.tensor(style))
            make = self._gram_loss if settings.loss == "relative" else self._wasserstein_loss
            self._styles = {name: make(features[name]) for name in self.style_layers}
            features = self.features(self.tensor(content))
            self._contents = {name: features[name].clone() for name in self.content_layers}

    def tensor(self, image: np.ndarray) -> "torch.Tensor":
        """(H, W, 3) as (1, 3, H, W) float32 in contiguous memory."""
        torch = self._torch
        return torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None].contiguous()

    def features(self, x: "torch.Tensor") -> dict[str, "torch.Tensor"]:
        """Features at the layers of the losses."""
        functional = self._torch.nn.functional
        x = x.contiguous(memory_format=self._format)
        found = {}
        for layer in self._layers:
            if isinstance(layer, Conv):
                weight, bias = self._parameters[layer.name]
                beyond = len(layer.weight) // 2
                if layer.name == self._replicated:
                    x, beyond = functional.pad(x, (1, 1, 1, 1), mode="replicate"), 0
                x = functional.conv2d(x, weight, bias, padding=beyond)
            elif isinstance(layer, Relu):
                x = functional.relu_(x)  # in place: the least memory that PyTorch can do with
            elif (self.pooling or layer.kind) == "average":
                x = functional.avg_pool2d(x, 2)
            else:
                x = functional.max_pool2d(x, 2)
            if layer.name in self.content_layers or layer.name in self.style_layers:
                found[layer.name] = x
        return found

    def _gram(self, f: "torch.Tensor") -> "torch.Tensor":
        _, channels, height, width = f.shape
        if self._format is self._torch.channels_last:
            pixels = f.permute(0, 2, 3, 1).reshape(-1, channels)  # without a copy
            return pixels.T @ pixels / (height * width)
        planes = f.reshape(channels, -1)
        return planes @ planes.T / (height * width)

    def _gram_loss(self, style: "torch.Tensor") -> "Loss":
        """`losses.gram_loss` of features, for those of a style."""
        target = self._gram(style)
        energy = target.square().sum()
        return lambda f: (self._gram(f) - target).square().sum() / energy

    def _wasserstein_loss(self, style: "torch.Tensor") -> "Loss":
        """`losses.wasserstein_loss` of features, for those of a style."""
        torch = self._torch
        gram, mean = self._gram(style), style.mean(dim=(0, 2, 3))
        target = losses.gaussian(mean.numpy(), gram.numpy())
        root = torch.from_numpy(target.root.copy())
        aim = torch.from_numpy(target.mean)
        small = (losses.SMOOTH * target.trace) ** 2

        def loss(f: "torch.Tensor") -> "torch.Tensor":
            second, mean = self._gram(f), f.mean(dim=(0, 2, 3))
            projected = root.T @ mean
            covariance = root.T @ second @ root - projected[:, None] * projected
            values = torch.linalg.eigvalsh(covariance).clamp(min=0)
            trace = second.diagonal().sum() - mean.square().sum()
            roots = (values + small).sqrt().sum()
            return ((mean - aim).square().sum() + trace + target.trace - 2 * roots) / target.energy

        return loss

    def loss(self, x: "torch.Tensor") -> "torch.Tensor":
        """The weighted sum of all terms for an image (1, 3, H, W)."""
        features = self.features(x)
        style = sum(
            share * self._styles[name](features[name]) for name, share in self.style_layers.items()
        ) / sum(self.style_layers.values())
        content = sum(
            share * (features[name] - target).square().sum() / target.square().sum()
            for (name, share), target in zip(
                self.content_layers.items(), self._contents.values(), strict=True
            )
        ) / sum(self.content_layers.values())
        total = self.content_weight * content + self.style_weight * style
        if self.tv_weight:
            right, down = x.diff(dim=3), x.diff(dim=2)
            variation = (right.square().sum() + down.square().sum()) / x.numel()
            total = total + self.tv_weight * variation
        return total

    def evaluate(self, image: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss and gradient (H, W, 3) of an image (H, W, 3)."""
        x = self.tensor(image).requires_grad_()
        loss = self.loss(x)
        (gradient,) = self._torch.autograd.grad(loss, x)
        return loss.item(), gradient[0].permute(1, 2, 0).numpy()


class _Reached(Exception):
    """Unwinds the loop of PyTorch's optimiser."""


def transfer(
    content: Any,
    style: Any,
    *,
    width: int,
    height: int,
    target: float,
    limit: float,
    layout: str,
    threads: int | None = None,
) -> dict[str, Any]:
    """A style transfer as PyTorch scripts do it, until the loss is `target` or less.

    L-BFGS with strong Wolfe conditions and 20 corrections at the final size alone, from the
    content picture, pixels unbounded; everything but the imports is on the clock.

    Parameters
    ----------
    content, style : path or (H, W, 3) float32
    width, height : int
    target : float
    limit : float
        Seconds after which to give up.
    layout : {"nchw", "channels_last"}
    threads : int, optional

    Returns
    -------
    dict
        `seconds` and `losses` of every evaluation, and `reached`, in seconds, or None.
    """
    torch = require()
    started = time.perf_counter()
    painting, _ = without_frame(images.load(style).rgb)
    size = images.fit(painting.shape[1], painting.shape[0], round(max(width, height)))
    start = images.resize(images.load(content).rgb, width, height)
    objective = PytorchObjective(
        load_vgg(),
        content=start,
        style=images.resize(painting, *size),
        pooling=Settings.pooling,
        settings=Settings(),
        layout=layout,
        threads=threads,
    )
    x = objective.tensor(start).requires_grad_()
    optimiser = torch.optim.LBFGS(
        [x],
        max_iter=1_000_000,
        max_eval=1_000_000,
        history_size=20,
        line_search_fn="strong_wolfe",
        tolerance_grad=0.0,
        tolerance_change=0.0,
    )
    seconds: list[float] = []
    losses: list[float] = []

    def closure() -> "torch.Tensor":
        optimiser.zero_grad()
        loss = objective.loss(x)
        loss.backward()
        seconds.append(time.perf_counter() - started)
        losses.append(loss.item())
        if losses[-1] <= target or seconds[-1] > limit:
            raise _Reached
        return loss

    with suppress(_Reached):
        optimiser.step(closure)
    reached = seconds[-1] if losses[-1] <= target else None
    return {"layout": layout, "seconds": seconds, "losses": losses, "reached": reached}
