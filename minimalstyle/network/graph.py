"""An ONNX graph as a chain of layers; refuses what is not a VGG.

Half of this file says no: a weights file comes from anywhere, and whatever is in it must end as
a network or as one line that names the node and what is supported.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .layers import Conv, Layer, Pool, Relu
from .tensors import FIELDS, float32, values_of

if TYPE_CHECKING:
    import onnx

__all__ = ["GraphReader"]

Array = npt.NDArray[Any]

_SUPPORTED = (
    "supported: Conv 3x3 (padding 1) or 1x1 (no padding) with stride 1, each 3x3 followed by Relu, "
    "MaxPool or AveragePool 2x2 with stride 2, BatchNormalization after Conv"
)
_PASS = {"Cast", "Dropout", "Identity"}
_QUANTISED = {
    "ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "QLinearConv",
    "QLinearMatMul", "QuantizeLinear",
}  # fmt: skip
_HEAD = {
    "Flatten", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "LogSoftmax", "MatMul",
    "ReduceMean", "Reshape", "Shape", "Softmax", "Squeeze", "Transpose",
}  # fmt: skip

# VGG-19 has 20 million parameters in its convolutions.
_MAX_PARAMETERS = 2**26
_MAX_NODES = 2000


class GraphReader:
    """Walks one graph; every problem is a ValueError, to which `load_vgg` adds the file's name."""

    def __init__(self, graph: "onnx.GraphProto", folder: Path) -> None:
        self.folder = folder
        self.parameters = 0
        if len(graph.node) > _MAX_NODES:
            raise ValueError(f"the graph has {len(graph.node)} nodes; a VGG has at most some 100")
        self.nodes = list(graph.node)
        self.attributes_of: dict[int, dict[str, Any]] = {}
        self.initializers = {tensor.name: tensor for tensor in graph.initializer}
        inputs = [value.name for value in graph.input if value.name not in self.initializers]
        if len(inputs) != 1:
            raise ValueError(f"the graph must have one input, the image; it has {len(inputs)}")
        self.input = inputs[0]
        self.producer: dict[str, int] = {}
        self.consumers: dict[str, list[int]] = {}
        for index, node in enumerate(self.nodes):
            for name in dict.fromkeys(node.input):
                self.consumers.setdefault(name, []).append(index)
            for name in filter(None, node.output):
                # ONNX wants nodes in order; then no walk, to and fro, can go in circles.
                if name in self.producer or name in self.consumers or name == self.input:
                    raise ValueError(f"{self.where(index)} computes '{name}' again, or too late")
                self.producer[name] = index

    def where(self, index: int) -> str:
        node = self.nodes[index]
        return f"node {repr(node.name) if node.name else index} ({node.op_type})"

    def attributes(self, index: int) -> dict[str, Any]:
        """Of a node; unpacked once, as thousands of weights may come through the same one."""
        from onnx.helper import get_attribute_value

        if index not in self.attributes_of:
            attributes = self.nodes[index].attribute
            self.attributes_of[index] = {a.name: get_attribute_value(a) for a in attributes}
        return self.attributes_of[index]

    def layers(self) -> list[Layer]:
        """The chain as layers, without `preprocess` where the graph has none."""
        try:
            return self._layers()
        except ValueError:
            for index, node in enumerate(self.nodes):
                if node.op_type in _QUANTISED:
                    raise ValueError(
                        f"is quantised, see {self.where(index)}, which is not supported; take the "
                        "file in float32 or float16 that it was made from"
                    ) from None
            raise

    def _layers(self) -> list[Layer]:
        layers: list[Layer] = []
        origin = {}
        block, count, channels = 1, 0, 3
        for index in self._chain():
            node = self.nodes[index]
            previous = layers[-1] if layers else None
            op = node.op_type if node.domain in ("", "ai.onnx") else "custom"
            if op in _PASS:
                continue
            if op == "Conv":
                weight, bias = self._conv(index, channels)
                channels = weight.shape[3]
                is_first = not layers and weight.shape == (1, 1, 3, 3)
                count += not is_first
                name = "preprocess" if is_first else f"conv{block}_{count}"
                layers.append(Conv(name, weight, bias))
                origin[name] = self.where(index)
            elif op == "BatchNormalization" and isinstance(previous, Conv):
                layers[-1] = self._fold(index, previous)
            elif op == "Relu" and isinstance(previous, Conv) and previous.name != "preprocess":
                layers.append(Relu(f"relu{block}_{count}"))
            elif op in ("MaxPool", "AveragePool"):
                self._check_pool(index)
                layers.append(Pool(f"pool{block}", "max" if op == "MaxPool" else "average"))
                block, count = block + 1, 0
            elif op in ("BatchNormalization", "Relu"):
                raise ValueError(f"{self.where(index)} does not follow a Conv; {_SUPPORTED}")
            else:
                raise ValueError(f"{self.where(index)} is not supported; {_SUPPORTED}")
        for layer, following in pairwise([*layers, None]):
            if (
                isinstance(layer, Conv)
                and len(layer.weight) == 3
                and not isinstance(following, Relu)
            ):
                raise ValueError(f"{origin[layer.name]} is not followed by Relu; {_SUPPORTED}")
        if not any(isinstance(layer, Relu) for layer in layers):
            raise ValueError(f"no convolution with Relu follows the input; {_SUPPORTED}")
        return layers

    def _chain(self) -> Iterator[int]:
        """Numbers of the nodes from the input to the head, whatever they are."""
        name = self.input
        while users := self.consumers.get(name):
            index = users[0]
            if len(users) > 1 or self.nodes[index].op_type in _HEAD or self._is_adaptive(index):
                # A classifier may branch and reshape; a network before its last Conv may not.
                if self._leads_to_conv(name):
                    if len(users) > 1:
                        both = " and ".join(self.where(user) for user in users[:2])
                        raise ValueError(f"the chain branches: '{name}' feeds {both}")
                    raise ValueError(f"{self.where(index)} is not supported; {_SUPPORTED}")
                return
            node = self.nodes[index]
            if node.input[0] != name or not node.output or not node.output[0]:
                raise ValueError(f"{self.where(index)} does not continue the chain; {_SUPPORTED}")
            if node.op_type == "Cast" and self.attributes(index).get("to") not in FIELDS:
                raise ValueError(f"{self.where(index)} is not a cast between float types")
            yield index
            name = node.output[0]

    def _leads_to_conv(self, name: str) -> bool:
        seen, names = {name}, [name]
        while names:
            for index in self.consumers.get(names.pop(), ()):
                if self.nodes[index].op_type == "Conv":
                    return True
                new = set(self.nodes[index].output) - seen - {""}
                seen |= new
                names += new
        return False

    def _is_adaptive(self, index: int) -> bool:
        """What exporters make of adaptive pooling: windows side by side, other than 2x2."""
        node = self.nodes[index]
        a = self.attributes(index) if node.op_type == "AveragePool" else {}
        kernel = a.get("kernel_shape")
        return kernel is not None and kernel != [2, 2] and kernel == a.get("strides", [1, 1])

    def _conv(self, index: int, channels: int) -> tuple[Array, Array]:
        node, where = self.nodes[index], self.where(index)
        if len(node.input) < 2:
            raise ValueError(f"{where} has no weights")
        weight = self._array(node.input[1], where)
        k = weight.shape[2] if weight.ndim == 4 else 0
        if weight.shape[2:] not in ((1, 1), (3, 3)) or not weight.size:
            raise ValueError(f"{where} has weights of shape {weight.shape}; {_SUPPORTED}")
        a = {"kernel_shape": [k, k], "pads": [0] * 4, "group": 1} | self.attributes(index)
        if a.get("auto_pad") in (b"SAME_UPPER", b"SAME_LOWER"):
            a["pads"] = [k // 2] * 4  # the same thing where the stride is 1
        elif a.get("auto_pad") == b"VALID":
            a["pads"] = [0] * 4
        _expect(
            a,
            where,
            kernel_shape=([k, k],),
            pads=([k // 2] * 4,),
            strides=(None, [1, 1]),
            dilations=(None, [1, 1]),
            group=(1,),
        )
        if weight.shape[1] != channels:
            raise ValueError(
                f"{where} takes {weight.shape[1]} channels where {channels} come to it"
            )
        bias = np.zeros(len(weight))
        if len(node.input) > 2 and node.input[2]:
            bias = self._array(node.input[2], where)
        if bias.shape != weight.shape[:1]:
            raise ValueError(f"{where} has a bias of shape {bias.shape} for {len(weight)} channels")
        return float32(weight.transpose(2, 3, 1, 0), where), float32(bias, where)

    def _fold(self, index: int, conv: Conv) -> Conv:
        """`conv` followed by batch normalisation, as one convolution."""
        node, where = self.nodes[index], self.where(index)
        a = self.attributes(index)
        # `spatial = 0` wants a value for each pixel. Files of the model zoo say so and have one for
        # each channel all the same: then the formula is as ever.
        _expect(a, where, training_mode=(None, 0), spatial=(None, 0, 1))
        arrays = [self._array(name, where).astype(np.float64) for name in node.input[1:]]
        if len(arrays) != 4 or any(array.shape != conv.bias.shape for array in arrays):
            raise ValueError(f"{where} needs four arrays of {conv.bias.size} values")
        scale, shift, mean, variance = arrays
        with np.errstate(all="ignore"):  # what is not finite is found below
            factor = scale / np.sqrt(variance + float(a.get("epsilon", 1e-5)))
            weight, bias = conv.weight * factor, (conv.bias - mean) * factor + shift
        return Conv(conv.name, float32(weight, where), float32(bias, where))

    def _check_pool(self, index: int) -> None:
        _expect(
            self.attributes(index),
            self.where(index),
            kernel_shape=([2, 2],),
            strides=([2, 2],),
            pads=(None, [0] * 4),
            dilations=(None, [1, 1]),
            ceil_mode=(None, 0),
            auto_pad=(None, b"NOTSET", b"VALID"),
        )

    def _array(self, name: str, where: str) -> Array:
        """The constant `name`, through Cast and Identity nodes."""
        import onnx

        casts: list[str] = []
        tensor = self.initializers.get(name)
        while tensor is None:
            if name not in self.producer:
                raise ValueError(f"{where}: its initialiser '{name}' is missing")
            index = self.producer[name]
            node, a = self.nodes[index], self.attributes(index)
            if node.op_type == "Constant" and isinstance(a.get("value"), onnx.TensorProto):
                tensor = a["value"]
                break
            is_cast = node.op_type == "Cast" and a.get("to") in FIELDS
            if not (is_cast or node.op_type == "Identity") or not node.input:
                raise ValueError(
                    f"{where}: its weights come from {self.where(index)}; supported: initialisers "
                    "and Constant nodes in float16, float32 or float64, through Cast"
                )
            casts += [FIELDS[a["to"]][1]] if is_cast else []
            name = node.input[0]
            tensor = self.initializers.get(name)
        shape = list(tensor.dims[:5])  # a product of a million numbers takes minutes
        self.parameters += math.prod(shape)
        if len(shape) > 4 or min(shape, default=1) < 0 or self.parameters > _MAX_PARAMETERS:
            raise ValueError(f"{where}: '{name}' of shape {shape} is no VGG's")
        array = values_of(tensor, self.folder, f"{where}: its initialiser '{name}'")
        with np.errstate(over="ignore"):  # what is not finite is found later
            for kind in reversed(casts):
                if np.dtype(kind).itemsize < array.itemsize:  # a wider type changes nothing
                    array = array.astype(kind)
        return array


def _expect(attributes: dict[str, Any], where: str, **allowed: tuple[Any, ...]) -> None:
    for name, values in allowed.items():
        value = attributes.get(name)
        if value not in values:
            value = value.decode(errors="replace") if isinstance(value, bytes) else value
            has = f"{name} {value}" if value is not None else f"no {name}"
            raise ValueError(f"{where} has {has}; {_SUPPORTED}")
