"""ONNX file -> plain list of layers; refuses what is not a VGG-like chain.

Half of this file says no: a weights file comes from anywhere, and whatever is in it must end as
a network or as one line that names the file, the node and what is supported.
"""

import hashlib
import math
import os
import warnings
from collections.abc import Iterator
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from minimalstyle.errors import MinimalstyleWarning, WeightsError
from minimalstyle.files import one_line
from minimalstyle.network.layers import VGG, Conv, Layer, Pool, Relu

if TYPE_CHECKING:  # onnx takes 0.15 s to import: only when a file is read
    import onnx

__all__ = ["load_vgg"]

_EMBEDDED = resources.files("minimalstyle") / "data" / "vgg19.onnx"
_SUPPORTED = (
    "supported: Conv 3x3 (padding 1) or 1x1 (no padding) with stride 1, each 3x3 followed by Relu, "
    "MaxPool or AveragePool 2x2 with stride 2, BatchNormalization after Conv"
)
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

_PASS = {"Cast", "Dropout", "Identity"}
_QUANTISED = {
    "ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "QLinearConv",
    "QLinearMatMul", "QuantizeLinear",
}  # fmt: skip
_HEAD = {
    "Flatten", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "LogSoftmax", "MatMul",
    "ReduceMean", "Reshape", "Shape", "Softmax", "Squeeze", "Transpose",
}  # fmt: skip

# A protobuf message is at most 2 GiB; VGG-19 has 20 million parameters in its convolutions.
_MAX_BYTES = 2**31
_MAX_PARAMETERS = 2**26
_MAX_NODES = 2000

# Element types of weights, by their number in ONNX: the field that holds the numbers when
# `raw_data` does not, and what they are in raw_data.
_FIELDS = {1: ("float_data", "<f4"), 10: ("int32_data", "<f2"), 11: ("double_data", "<f8")}

Array = npt.NDArray[Any]


def load_vgg(path: str | os.PathLike[str] | None = None) -> VGG:
    """Read a VGG-like network from an ONNX file.

    The single chain of nodes from the graph input is followed up to the classifier head.
    Batch normalisation is folded into the convolution before it; layers are named by counting
    convolutions between pools: `conv1_1`, `relu1_1`, ..., `pool1`, `conv2_1`.

    The first layer is always the convolution `preprocess`, (1, 1, 3, 3), that takes RGB in
    [0, 1]. It is the graph's own first convolution where that is 1x1 with 3 channels in and
    out; else `(x - mean) / std` with the entries `preprocess_mean` and `preprocess_std` of the
    file's `metadata_props`, each three numbers separated by commas, in the order R, G, B; else
    the same with ImageNet's mean and std.

    Parameters
    ----------
    path : path-like, optional
        The file; by default the VGG-19 that comes with the package.

    Returns
    -------
    VGG

    Raises
    ------
    WeightsError
        The file is missing, damaged or not ONNX, or its graph is not a VGG-like chain.

    Warns
    -----
    MinimalstyleWarning
        ImageNet's mean and std are assumed because the file says nothing.
    """
    if path is None:
        with resources.as_file(_EMBEDDED) as file:  # also from inside an archive
            return load_vgg(file)
    file = Path(path)
    try:
        data = _read(file)
        model = _parse(data)
        # str: protobuf gives bytes where a text is not UTF-8
        metadata = {str(entry.key): str(entry.value) for entry in model.metadata_props}
        layers = _Reader(model.graph, file.parent).layers()
        assumed = _add_preprocess(layers, metadata)
    except OSError as error:
        raise WeightsError(one_line(f"{file}: {error.strerror or error}")) from error
    except MemoryError as error:
        raise WeightsError(one_line(f"{file}: not enough memory to read it")) from error
    except (TypeError, ValueError) as error:  # TypeError: attributes of the wrong kind
        raise WeightsError(one_line(f"{file}: {error}")) from error
    if assumed:
        warnings.warn(
            one_line(
                f"{file}: no preprocess_mean and preprocess_std in its metadata; "
                "ImageNet's mean and std for RGB in [0, 1] are assumed"
            ),
            MinimalstyleWarning,
            stacklevel=2,
        )
    return VGG(tuple(layers), hashlib.sha256(data).hexdigest(), metadata)


def _read(file: Path) -> bytes:
    if not file.exists():
        raise ValueError("no such file")
    if not file.is_file():
        raise ValueError("not a file")
    if file.stat().st_size > _MAX_BYTES:
        raise ValueError("larger than 2 GiB, which no ONNX file is")
    return file.read_bytes()


def _parse(data: bytes) -> "onnx.ModelProto":
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    if data.startswith(b"version https://git-lfs.github.com/spec/"):
        raise ValueError("is a Git LFS pointer, not the file itself: run `git lfs pull`")
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise ValueError("not an ONNX file, or a damaged one") from error
    if not model.graph.node:
        raise ValueError("not an ONNX file, or an empty one")
    return model


class _Reader:
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
            if node.op_type == "Cast" and self.attributes(index).get("to") not in _FIELDS:
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
        return _float32(weight.transpose(2, 3, 1, 0), where), _float32(bias, where)

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
        return Conv(conv.name, _float32(weight, where), _float32(bias, where))

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
            is_cast = node.op_type == "Cast" and a.get("to") in _FIELDS
            if not (is_cast or node.op_type == "Identity") or not node.input:
                raise ValueError(
                    f"{where}: its weights come from {self.where(index)}; supported: initialisers "
                    "and Constant nodes in float16, float32 or float64, through Cast"
                )
            casts += [_FIELDS[a["to"]][1]] if is_cast else []
            name = node.input[0]
            tensor = self.initializers.get(name)
        shape = list(tensor.dims[:5])  # a product of a million numbers takes minutes
        self.parameters += math.prod(shape)
        if len(shape) > 4 or min(shape, default=1) < 0 or self.parameters > _MAX_PARAMETERS:
            raise ValueError(f"{where}: '{name}' of shape {shape} is no VGG's")
        array = _values(tensor, self.folder, f"{where}: its initialiser '{name}'")
        with np.errstate(over="ignore"):  # what is not finite is found later
            for kind in reversed(casts):
                if np.dtype(kind).itemsize < array.itemsize:  # a wider type changes nothing
                    array = array.astype(kind)
        return array


def _values(tensor: "onnx.TensorProto", folder: Path, what: str) -> Array:
    """The numbers of a tensor; never more than the file has, whatever the shape says."""
    field, dtype = _FIELDS.get(tensor.data_type, ("", ""))
    if not field:
        raise ValueError(f"{what} is neither float16, float32 nor float64")
    count, size = math.prod(tensor.dims), np.dtype(dtype).itemsize
    if tensor.data_location == tensor.EXTERNAL:
        _load_external(tensor, folder, count * size, what)
    if tensor.HasField("raw_data"):
        raw = tensor.raw_data  # a copy
        array = np.frombuffer(raw[: len(raw) // size * size], dtype)
    elif field == "int32_data":  # the bits of float16
        array = np.array(tensor.int32_data, np.int32).astype(np.uint16).view(np.float16)
    else:
        array = np.array(getattr(tensor, field), dtype)
    if array.size != count:
        raise ValueError(f"{what} has {array.size} values for the shape {list(tensor.dims)}")
    return array.reshape(tensor.dims)


def _load_external(tensor: "onnx.TensorProto", folder: Path, size: int, what: str) -> None:
    """Read a tensor's external data, from a regular file in `folder` and nowhere else."""
    from onnx.checker import ValidationError
    from onnx.external_data_helper import load_external_data_for_tensor

    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    file = os.path.join(os.path.realpath(folder), os.path.normpath(location))
    leaves = os.path.isabs(location) or ".." in Path(location).parts
    if not location or leaves or os.path.realpath(file) != file:  # they differ by a symbolic link
        raise ValueError(f"{what} is stored outside the file's own folder, in '{location}'")
    if not os.path.isfile(file):
        raise ValueError(f"{what} is stored in '{location}', which is not there")
    available = os.path.getsize(file)
    offset = int(entries.get("offset", 0))
    length = int(entries.get("length", available - offset))
    if offset < 0 or length != size or offset + length > available:
        raise ValueError(f"{what} needs {size} bytes of '{location}', which has others")
    try:
        load_external_data_for_tensor(tensor, os.fspath(folder))
    except ValidationError as error:
        raise ValueError(f"{what}: {error}") from error


def _expect(attributes: dict[str, Any], where: str, **allowed: tuple[Any, ...]) -> None:
    for name, values in allowed.items():
        value = attributes.get(name)
        if value not in values:
            value = value.decode(errors="replace") if isinstance(value, bytes) else value
            has = f"{name} {value}" if value is not None else f"no {name}"
            raise ValueError(f"{where} has {has}; {_SUPPORTED}")


def _float32(array: Array, where: str) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, dtype=np.float32)
    if not (np.isfinite(array.min()) and np.isfinite(array.max())):
        raise ValueError(f"{where} has weights that are not finite numbers (NaN or infinity)")
    return array


def _add_preprocess(layers: list[Layer], metadata: dict[str, str]) -> bool:
    """Put `preprocess` first where it is missing; True if ImageNet's numbers had to be assumed."""
    if layers[0].name == "preprocess":
        return False
    texts = [metadata.get(f"preprocess_{key}") for key in ("mean", "std")]
    assumed = texts == [None, None]
    try:
        given = [[float(n) for n in (text or "nan").split(",")] for text in texts]
        mean, std = np.array(_IMAGENET if assumed else given).reshape(2, 3)
        if not np.isfinite((mean, std)).all() or std.min() <= 0:
            raise ValueError
    except ValueError:
        raise ValueError(
            "preprocess_mean and preprocess_std in its metadata must both be "
            "three numbers separated by commas, std positive"
        ) from None
    weight = np.diag(1 / std)[None, None]
    bias = -mean / std
    layers.insert(
        0, Conv("preprocess", _float32(weight, "preprocess"), _float32(bias, "preprocess"))
    )
    return assumed
