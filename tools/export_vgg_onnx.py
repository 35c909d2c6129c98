"""Write the convolutional part of a VGG as ONNX, for `minimalstyle --weights`.

    python tools/export_vgg_onnx.py --state-dict vgg16-397923af.pth -o vgg16.onnx
    python tools/export_vgg_onnx.py --torchvision vgg19_bn --through relu5_1 -o vgg19_bn.onnx

A PyTorch state dict is read without PyTorch, in the zip format and in the older one. Both are
pickles, which can run any code when they are loaded in the usual way; here nothing but the
names that a state dict needs is known to the unpickler.

The graph takes `image`, 1x3xHxW float32 RGB in [0, 1]. Its first node is the 1x1 convolution
`preprocess`; every ReLU and pool is an output. All in one file, which needs numpy and onnx but
not minimalstyle: the state dict, then the VGG in it, then ONNX, then the command line.
"""

import argparse
import hashlib
import importlib
import io
import math
import os
import pickle
import pickletools
import re
import struct
import sys
import zipfile
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

BLOCKS = {  # convolutions between pools
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
ARCHITECTURES = [*BLOCKS, *(f"{name}_bn" for name in BLOCKS)]
NORMALISED = "vgg19_normalised"

NORMALISED_SOURCE = (
    "VGG-19, Simonyan and Zisserman 2014 (arXiv:1409.1556), "
    "filters normalised as in Gatys, Ecker and Bethge (arXiv:1508.06576)"
)
NORMALISED_LICENCE = "CC BY 4.0, Visual Geometry Group, University of Oxford"

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
IMAGENET_STD = np.array([0.229, 0.224, 0.225])

BATCH_NORM_EPSILON = 1e-5  # PyTorch's default; a state dict does not hold it


class ExportError(Exception):
    """Something that the user can put right; one line."""


class Conv(NamedTuple):
    """A convolution: `weight` (C_out, C_in, k, k) and `bias` (C_out,), float32 in the end."""

    name: str
    weight: Array
    bias: Array


class Step(NamedTuple):
    """A layer without weights: `op` is the ONNX operator, and `channels` come out of it."""

    name: str
    op: str
    channels: int


# ---------------------------------------------------------------------------------------------
# PyTorch files

MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of the older format
STORAGES = {
    "BFloat16Storage": "bfloat16",
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
}
# A VGG with batch normalisation takes 3000 opcodes. More is not a state dict of ours, and could
# be nested deep enough to overflow the interpreter's stack.
MAX_OPCODES = 20_000


class Storage(NamedTuple):
    """Where the numbers of a tensor are: immutable, so that a pickle cannot tamper with it."""

    kind: str
    key: str
    start: int


class Tensor(NamedTuple):
    """A view of a storage, in units of elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Read a PyTorch state dict without PyTorch.

    Parameters
    ----------
    path : path-like
        A file of `torch.save(model.state_dict(), path)`, of any version since 0.2.

    Returns
    -------
    dict of str to ndarray
        The tensors in their own element type; bfloat16 as float32.

    Raises
    ------
    ExportError
        The file is missing, damaged, or holds anything else than tensors.
    """
    return parse_state_dict(read_bytes(Path(path)))


def read_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise ExportError("not a file" if path.exists() else "no such file")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ExportError(f"cannot be read: {error.strerror}") from error


def parse_state_dict(data: bytes) -> dict[str, Array]:
    """`read_state_dict` of a file's content."""
    try:
        if data[:4] == b"PK\x03\x04":
            tensors, storages = _parse_zip(data)
        else:
            tensors, storages = _parse_legacy(data)
        return {name: _view(name, tensor, storages) for name, tensor in tensors.items()}
    except ExportError:
        raise
    except Exception as error:  # a damaged pickle or zip file can raise nearly everything
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise ExportError(f"not a PyTorch state dict, or a damaged one ({what})") from error


class _Unpickler(pickle.Unpickler):
    """Knows nothing but what a state dict consists of.

    What `find_class` returns must be immutable: the BUILD opcode sets attributes. Hence methods
    and strings rather than functions and classes of this module.
    """

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, encoding="utf-8")  # as PyTorch does for files of Python 2
        self.kinds: dict[str, str] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return self.parameter
        # _rebuild_tensor: torchvision's oldest files, among them those of VGG
        if module == "torch._utils" and name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
            return self.tensor
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise ExportError(
            f"it holds a '{module}.{name}', which is not loaded; only state dicts are read, "
            "as torch.save(model.state_dict(), ...) writes them"
        )

    def persistent_load(self, pid: Any) -> Storage:
        tag, kind, key, _device, size, *view = pid
        if tag != "storage" or kind not in STORAGES.values():
            raise ExportError("it refers to something that is not a storage")
        start = view[0][1] if view and view[0] else 0  # older files: a part of another storage
        _check_counts(start, size)
        self.kinds[str(key)] = kind
        return Storage(kind, str(key), start)

    def tensor(self, storage: Any, offset: Any, shape: Any, strides: Any, *_rest: Any) -> Tensor:
        _check_counts(offset, *shape, *strides)
        if not isinstance(storage, Storage) or len(shape) != len(strides):
            raise ExportError("a tensor in it is damaged")
        return Tensor(storage, storage.start + offset, tuple(shape), tuple(strides))

    def parameter(self, tensor: Any, *_rest: Any) -> Any:
        return tensor


def _check_counts(*values: Any) -> None:
    if not all(type(value) is int and 0 <= value < 2**48 for value in values):
        raise ExportError("a tensor in it has an impossible size")


def _load(stream: io.BytesIO) -> tuple[Any, dict[str, str]]:
    """Next pickle of the stream, and the element type of each storage it refers to."""
    start = stream.tell()
    for number, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        # The unpickler would allocate a table for the largest number.
        if number > MAX_OPCODES or (
            opcode.name.endswith("PUT") and int(argument or 0) > MAX_OPCODES
        ):
            raise ExportError("its pickle is larger than that of any VGG")
    stream.seek(start)
    unpickler = _Unpickler(stream)
    return unpickler.load(), unpickler.kinds


def _tensors(state: Any) -> dict[str, Tensor]:
    if not isinstance(state, dict):
        raise ExportError("it holds no state dict")
    for name, tensor in dict.items(state):
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ExportError(f"{name!r} in it is not a tensor, so it is no state dict")
    return dict(dict.items(state))


def _parse_zip(data: bytes) -> tuple[dict[str, Tensor], dict[str, bytes]]:
    """`NAME/data.pkl`, and the storages as `NAME/data/KEY`."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:

        def read(name: str) -> bytes:
            if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
                raise ExportError("it is compressed, which PyTorch's files are not")
            return archive.read(name)

        names = archive.namelist()
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ExportError("a zip file, but not one of PyTorch")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in names and read(f"{folder}byteorder") != b"little":
            raise ExportError("it was written by a big-endian machine")
        state, kinds = _load(io.BytesIO(read(pickles[0])))
        return _tensors(state), {key: read(f"{folder}data/{key}") for key in kinds}


def _parse_legacy(data: bytes) -> tuple[dict[str, Tensor], dict[str, bytes]]:
    """Five pickles (magic, version, system, state dict, keys), then a count and numbers per key."""
    stream = io.BytesIO(data)
    if _load(stream)[0] != MAGIC:
        raise ExportError("not a PyTorch state dict")
    _load(stream)
    if _load(stream)[0].get("little_endian") is not True:
        raise ExportError("it was written by a big-endian machine")
    state, kinds = _load(stream)
    keys, _ = _load(stream)
    storages, position = {}, stream.tell()
    for key in keys:
        (size,) = struct.unpack_from("<q", data, position)
        position += 8
        end = position + size * _dtype(kinds[key]).itemsize
        if not position <= end <= len(data):
            raise ExportError("it is truncated")
        storages[key] = data[position:end]
        position = end
    return _tensors(state), storages


def _dtype(kind: str) -> np.dtype[Any]:
    return np.dtype("<u2" if kind == "bfloat16" else kind)


def _view(name: str, tensor: Tensor, storages: dict[str, bytes]) -> Array:
    """The numbers of a tensor, not copied: a small file can refer to the same ones many times."""
    numbers = np.frombuffer(storages[tensor.storage.key], _dtype(tensor.storage.kind))
    size = math.prod(tensor.shape)
    last = tensor.offset + sum(
        (n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True)
    )
    # More values than the storage has: a stride of 0, or rows that overlap.
    if size > len(numbers) or (size and last >= len(numbers)):
        raise ExportError(f"'{name}' reaches beyond the end of its storage")
    if not size:
        return np.empty(tensor.shape, numbers.dtype)
    strides = [s * numbers.itemsize for s in tensor.strides]
    array = np.lib.stride_tricks.as_strided(
        numbers[tensor.offset :], tensor.shape, strides, writeable=False
    )
    if tensor.storage.kind == "bfloat16":  # the upper half of a float32
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array


# ---------------------------------------------------------------------------------------------
# VGG


def recognise(state: dict[str, Array]) -> tuple[str, list[Conv | Step]]:
    """Turn a state dict into the layers of a VGG.

    Parameters
    ----------
    state : dict of str to ndarray
        Names as in torchvision (`features.0.weight`, with or without `module.`, or without
        `features.`) or as in the normalised VGG-19, whose layer 0 is the pre-processing.

    Returns
    -------
    architecture : str
        One of `ARCHITECTURES`, or `NORMALISED`.
    layers : list of Conv or Step
        `preprocess` first; batch normalisation is folded into the convolutions.

    Raises
    ------
    ExportError
        The layers are not those of a VGG.
    """
    parts: dict[int, dict[str, Array]] = {}
    for key, array in state.items():
        match = re.fullmatch(r"(?:module\.)?(?:features\.)?(?:module\.)?(\d+)\.(\w+)", key)
        if match:
            parts.setdefault(int(match[1]), {})[match[2]] = array
    found = [i for i in sorted(parts) if parts[i].get("weight", np.empty(0)).ndim == 4]
    architecture = _architecture(found)
    blocks = BLOCKS[architecture.split("_")[0]]
    if architecture == NORMALISED:
        preprocess = _conv("preprocess", 0, 3, 1, parts)
        indices = iter(found[1:])
    else:
        preprocess = Conv(
            "preprocess", np.diag(1 / IMAGENET_STD)[:, :, None, None], -IMAGENET_MEAN / IMAGENET_STD
        )
        indices = iter(found)
    if len(preprocess.bias) != 3:
        raise ExportError("its layer 0 is not a pre-processing of RGB")
    layers: list[Conv | Step] = [_float32(preprocess)]
    channels = 3
    for block, length in enumerate(blocks, 1):
        for number in range(1, length + 1):
            index = next(indices)
            conv = _conv(f"conv{block}_{number}", index, channels, 3, parts)
            if architecture.endswith("_bn"):
                conv = _fold(conv, index + 1, parts)
            channels = len(conv.bias)
            layers += [_float32(conv), Step(f"relu{block}_{number}", "Relu", channels)]
        layers.append(Step(f"pool{block}", "MaxPool", channels))
    return architecture, layers


def _architecture(found: list[int]) -> str:
    """Name of the architecture whose convolutions have these numbers."""
    for name, blocks in BLOCKS.items():
        if found == _numbers(blocks, 0, 2):  # conv, relu
            return name
        if found == _numbers(blocks, 0, 3):  # conv, norm, relu
            return f"{name}_bn"
    if found == [0, *_numbers(BLOCKS["vgg19"], 2, 3)]:  # pad, conv, relu
        return NORMALISED
    raise ExportError(
        f"its convolutions are the layers {found}, which is none of "
        f"{', '.join([*ARCHITECTURES, NORMALISED])}"
    )


def _numbers(blocks: tuple[int, ...], first: int, step: int) -> list[int]:
    """Numbers of the convolutions in a sequence with one layer for each pool."""
    numbers = []
    for length in blocks:
        numbers += [first + step * i for i in range(length)]
        first += step * length + 1
    return numbers


def _conv(name: str, index: int, channels: int, k: int, parts: dict[int, dict[str, Array]]) -> Conv:
    weight = parts[index]["weight"].astype(np.float64)
    bias = parts[index].get("bias", np.empty(0)).astype(np.float64)
    if weight.shape[1:] != (channels, k, k) or bias.shape != weight.shape[:1] or not bias.size:
        raise ExportError(
            f"layer {index} has weights {weight.shape} and bias {bias.shape}; "
            f"{name} needs (n, {channels}, {k}, {k}) and (n,)"
        )
    return Conv(name, weight, bias)


def _fold(conv: Conv, index: int, parts: dict[int, dict[str, Array]]) -> Conv:
    """The convolution and the batch normalisation after it, as one convolution."""
    names = ("weight", "bias", "running_mean", "running_var")
    arrays = [parts.get(index, {}).get(name, np.empty(0)).astype(np.float64) for name in names]
    if any(array.shape != conv.bias.shape for array in arrays):
        raise ExportError(f"layer {index} is not the batch normalisation of {conv.name}")
    scale, shift, mean, variance = arrays
    if variance.min() < 0:
        raise ExportError(f"layer {index} has a negative variance")
    with np.errstate(all="ignore"):  # what is not finite is found by _float32
        factor = scale / np.sqrt(variance + BATCH_NORM_EPSILON)
        weight, bias = conv.weight * factor[:, None, None, None], (conv.bias - mean) * factor
    return Conv(conv.name, weight, bias + shift)


def _float32(conv: Conv) -> Conv:
    with np.errstate(over="ignore"):
        weight, bias = conv.weight.astype(np.float32), conv.bias.astype(np.float32)
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise ExportError(f"the weights of {conv.name} are not all finite numbers")
    return Conv(conv.name, weight, bias)


# ---------------------------------------------------------------------------------------------
# ONNX


def cut(layers: list[Conv | Step], through: str) -> list[Conv | Step]:
    """The layers up to and including the ReLU or pool `through`."""
    names = [layer.name for layer in layers]
    known = [layer.name for layer in layers if isinstance(layer, Step)]
    if through not in known:
        raise ExportError(f"--through: no layer '{through}'; there are {', '.join(known)}")
    return layers[: names.index(through) + 1]


def build_model(
    layers: list[Conv | Step],
    *,
    metadata: dict[str, str],
    float16: bool = False,
    pooling: str = "max",
) -> Any:
    """Make an ONNX model of the layers.

    Parameters
    ----------
    layers : list of Conv or Step
    metadata : dict of str to str
        For `metadata_props`; `layers`, the names of the outputs, is added.
    float16 : bool
        Store the 3x3 filters in half precision, each behind a Cast node. Biases and the
        pre-processing are a few kilobytes and stay float32.
    pooling : {"max", "average"}

    Returns
    -------
    onnx.ModelProto
        It has passed onnx's checker.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, initializers, outputs = [], [], []
    tensor, level = "image", 1
    for layer in layers:
        if isinstance(layer, Conv):
            weight, bias = f"{layer.name}.weight", f"{layer.name}.bias"
            filters, stored, k = layer.weight, weight, layer.weight.shape[-1]
            if float16 and k == 3:
                filters, stored = _half(filters, layer.name), f"{weight}.float16"
                nodes.append(helper.make_node("Cast", [stored], [weight], to=TensorProto.FLOAT))
            initializers.append(numpy_helper.from_array(filters, stored))
            initializers.append(numpy_helper.from_array(layer.bias, bias))
            node = helper.make_node(
                "Conv",
                [tensor, weight, bias],
                [layer.name],
                kernel_shape=[k, k],
                pads=[k // 2] * 4,
            )
        elif layer.op == "MaxPool":
            level *= 2
            op = "MaxPool" if pooling == "max" else "AveragePool"
            node = helper.make_node(op, [tensor], [layer.name], kernel_shape=[2, 2], strides=[2, 2])
        else:
            node = helper.make_node(layer.op, [tensor], [layer.name])
        nodes.append(node)
        if isinstance(layer, Step):
            outputs.append(_image(layer.name, layer.channels, level))
        tensor = layer.name
    for node in nodes:
        node.name = node.output[0]
    graph = helper.make_graph(nodes, "vgg", [_image("image", 3, 1)], outputs, initializers)
    # Old enough for every runtime that is still in use.
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=7,
        producer_name="minimalstyle",
    )
    helper.set_model_props(model, metadata | {"layers": ",".join(o.name for o in outputs)})
    onnx.checker.check_model(model, full_check=True)
    return model


def _image(name: str, channels: int, level: int) -> Any:
    from onnx import TensorProto, helper

    suffix = f"_{level}" if level > 1 else ""
    return helper.make_tensor_value_info(
        name, TensorProto.FLOAT, [1, channels, f"height{suffix}", f"width{suffix}"]
    )


def _half(filters: Array, name: str) -> Array:
    if np.abs(filters).max() > np.finfo(np.float16).max:
        raise ExportError(f"the weights of {name} are too large for --float16")
    return filters.astype(np.float16)


def write(path: Path, data: bytes) -> None:
    """Write a file that is complete or not there."""
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        raise ExportError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


# ---------------------------------------------------------------------------------------------
# Command line


def torchvision_state_dict(name: str) -> dict[str, Array]:
    """Weights of torchvision's model `name`, from its cache or the network."""
    try:
        models = importlib.import_module("torchvision.models")
    except ImportError as error:
        raise ExportError(
            "--torchvision: torchvision is not installed; pip install torchvision, "
            "or give a file with --state-dict"
        ) from error
    model = models.get_model(name, weights="IMAGENET1K_V1")
    return {key: tensor.numpy() for key, tensor in model.state_dict().items()}


def export(arguments: argparse.Namespace) -> str:
    """Do what the command line says; what was done, in one line."""
    metadata = {}
    if arguments.torchvision:
        state = torchvision_state_dict(arguments.torchvision)
        architecture, layers = recognise(state)
        source = f"torchvision, {architecture}, IMAGENET1K_V1"
    else:
        path = Path(arguments.state_dict)
        try:
            data = read_bytes(path)
            architecture, layers = recognise(parse_state_dict(data))
        except ExportError as error:
            raise ExportError(f"{path}: {error}") from error
        metadata["source_sha256"] = hashlib.sha256(data).hexdigest()
        source = NORMALISED_SOURCE if architecture == NORMALISED else f"{architecture}, {path.name}"
    if arguments.through:
        layers = cut(layers, arguments.through)
    licence = NORMALISED_LICENCE if architecture == NORMALISED else "not stated"
    metadata["source"] = arguments.source or source
    metadata["licence"] = arguments.licence or licence
    model = build_model(
        layers, metadata=metadata, float16=arguments.float16, pooling=arguments.pooling
    )
    content = model.SerializeToString(deterministic=True)
    output = Path(arguments.output)
    write(output, content)
    return f"{output}: {architecture} through {layers[-1].name}, {len(content) / 1e6:.1f} MB"


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit code."""
    parser = argparse.ArgumentParser(description="Write a VGG's convolutions as ONNX.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--state-dict", metavar="FILE", help="PyTorch state dict (.pth)")
    source.add_argument("--torchvision", choices=ARCHITECTURES, help="weights of torchvision")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="ONNX file to write")
    parser.add_argument(
        "--through", metavar="LAYER", help="last layer, such as relu5_1; default all"
    )
    parser.add_argument(
        "--float16", action="store_true", help="store the filters in half precision"
    )
    parser.add_argument("--pooling", choices=["max", "average"], default="max", help="default: max")
    parser.add_argument("--source", metavar="TEXT", help="where the weights come from (metadata)")
    parser.add_argument("--licence", metavar="TEXT", help="their licence (metadata)")
    arguments = parser.parse_args(argv)
    try:
        print(export(arguments))
    except ExportError as error:
        text = "".join(c if c.isprintable() else " " for c in str(error))
        print("export_vgg_onnx: " + " ".join(text.split()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
