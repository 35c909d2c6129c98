"""The other side: the same layers and losses in PyTorch, and the L-BFGS script people write.

PyTorch is imported here and nowhere else in the project, and only when a function is called.
"""

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import common
import numpy as np

from minimalstyle import images
from minimalstyle.layers import VGG, Conv, Relu
from minimalstyle.onnx_io import load_vgg
from minimalstyle.settings import Settings

if TYPE_CHECKING:
    import torch

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
    """`minimalstyle.Objective` with its default layers, in PyTorch.

    Parameters
    ----------
    vgg : VGG
    content, style : (H, W, 3) float32
    tv_weight : float
    pooling : {"max", "average"}, optional
        Instead of what the weights say.
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
        layout: str = "nchw",
        threads: int | None = None,
    ) -> None:
        torch = self._torch = require()
        torch.set_num_threads(threads or common.cores())
        settings = Settings()
        self.content_weight, self.style_weight = settings.content_weight, settings.style_weight
        self.tv_weight = tv_weight
        self.pooling = pooling
        self.content_layers, self.style_layers = settings.content_layers, settings.style_layers
        last_format = layout == "channels_last"
        self._format = torch.channels_last if last_format else torch.contiguous_format
        wanted = {*self.content_layers, *self.style_layers}
        deepest = max(i for i, layer in enumerate(vgg.layers) if layer.name in wanted)
        self._layers = vgg.layers[: deepest + 1]
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
            self._grams = {name: self._gram(features[name]) for name in self.style_layers}
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
                x = functional.conv2d(x, weight, bias, padding=len(layer.weight) // 2)
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

    def loss(self, x: "torch.Tensor") -> "torch.Tensor":
        """The weighted sum of all terms for an image (1, 3, H, W)."""
        features = self.features(x)
        style = sum(
            share * (self._gram(features[name]) - gram).square().sum() / gram.square().sum()
            for (name, share), gram in zip(
                self.style_layers.items(), self._grams.values(), strict=True
            )
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
    content, style : path
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
    painting = images.load(style).rgb
    size = images.fit(painting.shape[1], painting.shape[0], round(max(width, height)))
    start = images.resize(images.load(content).rgb, width, height)
    objective = PytorchObjective(
        load_vgg(),
        content=start,
        style=images.resize(painting, *size),
        pooling=Settings.pooling,
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
