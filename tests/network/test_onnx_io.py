"""Weights files: what loads computes what onnx's own evaluator computes, the rest is refused."""

import hashlib
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from minimalstyle.errors import MinimalstyleWarning, WeightsError
from minimalstyle.network import onnx_io
from minimalstyle.network.layers import VGG, Conv, Layer, Pool, Relu
from minimalstyle.network.onnx_io import load_vgg

Array = npt.NDArray[Any]


# ---------------------------------------------------------------------------------------------
# A small network, node by node


def raw(net: "Net", name: str, array: Array) -> str:
    net.initializers.append(numpy_helper.from_array(array, name))
    return name


def typed(net: "Net", name: str, array: Array) -> str:
    """In the field of its type: float_data, double_data or int32_data."""
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    net.initializers.append(helper.make_tensor(name, kind, array.shape, array.ravel()))
    return name


def constant(net: "Net", name: str, array: Array) -> str:
    value = numpy_helper.from_array(array)
    net.nodes.append(helper.make_node("Constant", [], [name], value=value))
    return name


def identity(net: "Net", name: str, array: Array) -> str:
    raw(net, f"{name}.stored", array)
    net.nodes.append(helper.make_node("Identity", [f"{name}.stored"], [name]))
    return name


def half(net: "Net", name: str, array: Array) -> str:
    raw(net, f"{name}.half", array.astype(np.float16))
    net.nodes.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    return name


def half_typed(net: "Net", name: str, array: Array) -> str:
    typed(net, f"{name}.half", array.astype(np.float16))
    net.nodes.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    return name


def half_constant(net: "Net", name: str, array: Array) -> str:
    constant(net, f"{name}.half", array.astype(np.float16))
    net.nodes.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    return name


def through_half(net: "Net", name: str, array: Array) -> str:
    """Two casts, of which the first loses digits."""
    raw(net, f"{name}.stored", array)
    for source, target, kind in (
        (f"{name}.stored", f"{name}.half", TensorProto.FLOAT16),
        (f"{name}.half", name, TensorProto.FLOAT),
    ):
        net.nodes.append(helper.make_node("Cast", [source], [target], to=kind))
    return name


def double(net: "Net", name: str, array: Array) -> str:
    raw(net, f"{name}.double", array.astype(np.float64))
    net.nodes.append(helper.make_node("Cast", [f"{name}.double"], [name], to=TensorProto.FLOAT))
    return name


def double_typed(net: "Net", name: str, array: Array) -> str:
    typed(net, f"{name}.double", array.astype(np.float64))
    net.nodes.append(helper.make_node("Cast", [f"{name}.double"], [name], to=TensorProto.FLOAT))
    return name


STORES = [
    raw, typed, constant, identity, half, half_typed, half_constant, through_half, double,
    double_typed,
]  # fmt: skip


class Net:
    """Nodes one after the other, each fed by the one before."""

    def __init__(self, store: Callable[["Net", str, Array], str] = raw) -> None:
        self.store = store
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.metadata = {"preprocess_mean": "0.5,0.4,0.3", "preprocess_std": "0.2,0.3,0.25"}
        self.tensor = "image"
        self.channels = 3
        self.body = ""
        self.rng = np.random.default_rng(1)

    def add(
        self, op: str, *constants: Array, name: str = "", outputs: int = 1, **attributes: Any
    ) -> "Net":
        number = len(self.nodes)
        names = [self.store(self, f"c{number}_{i}", array) for i, array in enumerate(constants)]
        tensors = [f"t{number}", *(f"t{number}_{i}" for i in range(1, outputs))]
        self.nodes.append(helper.make_node(op, [self.tensor, *names], tensors, name, **attributes))
        self.tensor = tensors[0]
        return self

    def conv(
        self, channels: int = 4, k: int = 3, *, bias: bool = True, name: str = "", **attributes: Any
    ) -> "Net":
        if "auto_pad" not in attributes:
            attributes = {"pads": [k // 2] * 4} | attributes
        group = attributes.get("group", 1)
        shape = (channels, self.channels // group, k, k)
        weight = self.rng.standard_normal(shape).astype(np.float32) / k
        constants = [weight]
        if bias:
            constants.append(self.rng.standard_normal(channels).astype(np.float32))
        self.channels = channels
        return self.add("Conv", *constants, name=name, **attributes)

    def relu(self) -> "Net":
        return self.add("Relu")

    def pool(self, kind: str = "MaxPool", **attributes: Any) -> "Net":
        return self.add(kind, **({"kernel_shape": [2, 2], "strides": [2, 2]} | attributes))

    def norm(self, **attributes: Any) -> "Net":
        draw = self.rng.uniform
        arrays = [draw(low, 2, self.channels).astype(np.float32) for low in (-2, -1, -1, 0.1)]
        return self.add("BatchNormalization", *arrays, **attributes)

    def head(self) -> "Net":
        """What follows is no part of the network: `run` ends here."""
        self.body = self.tensor
        return self

    def model(self, *, initializers_are_inputs: bool = False) -> onnx.ModelProto:
        def value(name: str, shape: list[Any] | None = None) -> Any:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        inputs = [value("image", [1, 3, "h", "w"])]
        if initializers_are_inputs:
            inputs = [value(t.name, list(t.dims)) for t in self.initializers] + inputs
        outputs = [value(name) for name in dict.fromkeys([self.body or self.tensor, self.tensor])]
        graph = helper.make_graph(self.nodes, "net", inputs, outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
        helper.set_model_props(model, self.metadata)
        return model

    def save(self, path: Path, **options: Any) -> Path:
        path.write_bytes(self.model(**options).SerializeToString())
        return path

    def evaluate(self, image: Array) -> Array:
        """(C, H, W) of the last tensor before the head, by onnx's evaluator."""
        model = self.model()
        if self.body:  # the head need not be computable
            last = [node.output[0] for node in self.nodes].index(self.body)
            del model.graph.node[last + 1 :]
            del model.graph.output[1:]
        outputs: Any = ReferenceEvaluator(model).run(None, {"image": image[None]})
        return outputs[0][0]


def small(store: Callable[[Net, str, Array], str] = raw) -> Net:
    return Net(store).conv(4).relu().conv(5).relu().pool().conv(6).relu()


def run(layers: tuple[Layer, ...], image: Array) -> Array:
    """(3, H, W) -> (C, H, W): the layers, written as plainly as can be."""
    x = image.transpose(1, 2, 0).astype(np.float64)
    for layer in layers:
        if isinstance(layer, Conv):
            r = len(layer.weight) // 2
            windows = np.lib.stride_tricks.sliding_window_view(
                np.pad(x, ((r, r), (r, r), (0, 0))), layer.weight.shape[:2], axis=(0, 1)
            )
            x = np.einsum("hwcij,ijco->hwo", windows, layer.weight) + layer.bias
        elif isinstance(layer, Relu):
            x = np.maximum(x, 0)
        else:
            h, w = x.shape[0] // 2, x.shape[1] // 2
            blocks = x[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1)
            x = blocks.max(axis=(1, 3)) if layer.kind == "max" else blocks.mean(axis=(1, 3))
    return x.transpose(2, 0, 1)


def check(net: Net, path: Path) -> VGG:
    """The file is loaded and computes the same; without `preprocess`, which it does not have."""
    vgg = load_vgg(net.save(path))
    image = np.random.default_rng(2).uniform(-1, 1, (3, 7, 10)).astype(np.float32)
    expected = net.evaluate(image)
    found = run(vgg.layers[1:], image)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    return vgg


def names(vgg: VGG) -> list[str]:
    return [layer.name for layer in vgg.layers]


def refuse(path: Path, *words: str) -> None:
    """One line that names the file and holds the words."""
    with pytest.raises(WeightsError) as caught:
        load_vgg(path)
    text = str(caught.value)
    assert text.isprintable()
    for word in (path.name, *words):
        assert word in text


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "net.onnx"


# ---------------------------------------------------------------------------------------------
# What loads


def test_layers(file: Path) -> None:
    vgg = load_vgg(small().save(file))
    assert names(vgg) == [
        "preprocess", "conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1", "conv2_1", "relu2_1",
    ]  # fmt: skip
    convs = [layer for layer in vgg.layers if isinstance(layer, Conv)]
    assert [conv.weight.shape for conv in convs] == [
        (1, 1, 3, 3),
        (3, 3, 3, 4),
        (3, 3, 4, 5),
        (3, 3, 5, 6),
    ]
    for array in (array for conv in convs for array in (conv.weight, conv.bias)):
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
    assert vgg.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert vgg.metadata == Net().metadata


@pytest.mark.parametrize("store", STORES, ids=lambda store: store.__name__)
def test_stored_weights(store: Callable[[Net, str, Array], str], file: Path) -> None:
    check(small(store), file)


VARIANTS = {
    "average pool": lambda: small().pool("AveragePool"),
    "pads of the pool": lambda: small().pool(pads=[0] * 4, ceil_mode=0, dilations=[1, 1]),
    "valid pool": lambda: small().pool(auto_pad="VALID"),
    "all attributes": lambda: (
        Net().conv(kernel_shape=[3, 3], strides=[1, 1], dilations=[1, 1], group=1).relu()
    ),
    "same upper": lambda: Net().conv(auto_pad="SAME_UPPER", kernel_shape=[3, 3]).relu(),
    "same lower": lambda: Net().conv(auto_pad="SAME_LOWER", kernel_shape=[3, 3]).relu(),
    "no bias": lambda: Net().conv(bias=False).relu(),
    "1x1 convolutions": lambda: Net().conv().relu().conv(5, 1).relu().conv(6, 1).conv(7).relu(),
    "1x1 first": lambda: Net().conv(5, 1).relu().conv().relu(),
    "1x1 valid": lambda: Net().conv().relu().conv(5, 1, auto_pad="VALID").relu(),
    "batch norm": lambda: Net().conv().norm().relu().conv(5).norm(epsilon=0.5).relu().pool(),
    "batch norm without bias": lambda: Net().conv(bias=False).norm().relu(),
    "batch norm twice": lambda: Net().conv().norm().norm().relu(),
    "pass": lambda: (
        Net()
        .add("Identity")
        .conv()
        .add("Identity")
        .norm()
        .add("Dropout", outputs=2)
        .relu()
        .add("Dropout")
    ),
    "cast": lambda: (
        Net().add("Cast", to=TensorProto.DOUBLE).add("Cast", to=TensorProto.FLOAT).conv().relu()
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants(variant: str, file: Path) -> None:
    check(VARIANTS[variant](), file)


@pytest.mark.parametrize("spatial", [0, 1])
def test_batch_norm_with_spatial(spatial: int, file: Path, tmp_path: Path) -> None:
    """As the model zoo has it: 0, and a value for each channel. onnx's evaluator has no such thing.

    Without the attribute, it is checked against the evaluator above.
    """
    expected = load_vgg(Net().conv().norm().relu().save(file)).layers
    found = load_vgg(Net().conv().norm(spatial=spatial).relu().save(tmp_path / "0.onnx")).layers
    for one, other in zip(found, expected, strict=True):
        assert one.name == other.name
        if isinstance(one, Conv) and isinstance(other, Conv):
            np.testing.assert_array_equal(one.weight, other.weight)
            np.testing.assert_array_equal(one.bias, other.bias)


def test_a_value_for_each_pixel(file: Path) -> None:
    arrays = [np.ones((4, 6, 6), np.float32)] * 4
    refuse(Net().conv().add("BatchNormalization", *arrays, spatial=0).relu().save(file), "4 values")


QUANTISED = {
    "weights": lambda net: (
        raw(net, "w8", np.ones((4, 3, 3, 3), np.int8)),
        raw(net, "scale", np.float32(0.1)),
        net.nodes.append(helper.make_node("DequantizeLinear", ["w8", "scale"], ["w"])),
        net.nodes.append(helper.make_node("Conv", ["image", "w"], ["y"], pads=[1] * 4)),
    ),
    "activations": lambda net: net.add("QuantizeLinear", np.float32(0.1)).add(
        "DequantizeLinear", np.float32(0.1)
    ),
    "integers": lambda net: net.add("ConvInteger", np.ones((4, 3, 3, 3), np.int8), pads=[1] * 4),
    "both": lambda net: net.add("QLinearConv", *[np.float32(0.1)] * 7),
}


@pytest.mark.parametrize("case", QUANTISED)
def test_quantised(case: str, file: Path) -> None:
    net = Net()
    QUANTISED[case](net)
    net.tensor = net.nodes[-1].output[0]
    refuse(net.relu().save(file), "quantised")


def test_quantised_head(file: Path) -> None:
    """The classifier is not read."""
    net = small().add("Flatten").add("DynamicQuantizeLinear", outputs=3)
    assert names(load_vgg(net.save(file))) == names(load_vgg(small().save(file)))


def test_git_lfs_pointer(file: Path) -> None:
    file.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n")
    refuse(file, "Git LFS pointer, not the file itself: run `git lfs pull`")


def test_float16_is_close_to_float32(file: Path, tmp_path: Path) -> None:
    vgg, rounded = load_vgg(small().save(file)), load_vgg(small(half).save(tmp_path / "half.onnx"))
    image = np.random.default_rng(0).uniform(size=(3, 12, 12))
    exact, found = run(vgg.layers, image), run(rounded.layers, image)
    error = np.sqrt(np.mean((found - exact) ** 2) / np.mean(exact**2))
    assert 0 < error < 1e-3


def test_float16_network(file: Path) -> None:
    """Weights and activations in half precision: a cast at the input, none at the weights."""
    net = small(lambda net, name, array: raw(net, name, array.astype(np.float16)))
    net.nodes.insert(0, helper.make_node("Cast", ["image"], ["image16"], to=TensorProto.FLOAT16))
    net.nodes[1].input[0] = "image16"
    assert names(load_vgg(net.save(file))) == names(load_vgg(small().save(file)))


HEADS: dict[str, Callable[[Net], Any]] = {
    "flatten": lambda net: (
        net.add("Flatten").add("Gemm", np.ones((9, 2), np.float32)).add("Softmax")
    ),
    "dropout": lambda net: net.add("Dropout").add("Flatten").add("Relu").add("Dropout"),
    "reshape": lambda net: net.add("Reshape", np.array([1, -1])).add(
        "MatMul", np.ones((9, 2), np.float32)
    ),
    "global": lambda net: net.add("GlobalAveragePool").add("Squeeze"),
    "adaptive 1x1": lambda net: net.add("AveragePool", kernel_shape=[1, 1]).add("Flatten"),
    "adaptive 7x7": lambda net: net.add("AveragePool", kernel_shape=[7, 7], strides=[7, 7]).add(
        "Flatten"
    ),
    "mean": lambda net: net.add("ReduceMean", axes=[2, 3]),
}


@pytest.mark.parametrize("head", HEADS)
def test_head_is_left_out(head: str, file: Path) -> None:
    net = small().pool().head()
    HEADS[head](net)
    assert names(check(net, file))[-1] == "pool2"


def test_head_that_branches(file: Path) -> None:
    """What `x.view(x.size(0), -1)` becomes."""
    net = small().pool().head()
    features = net.tensor
    shape = net.add("Shape").tensor
    net.nodes.append(helper.make_node("Reshape", [features, shape], ["flat"]))
    net.tensor = "flat"
    assert names(check(net, file))[-1] == "pool2"


def test_like_the_model_zoo(file: Path) -> None:
    """Initialisers are inputs too, numbers in float_data, no node has a name, the head is there."""
    net = Net(typed).conv().relu().conv().relu().pool().conv(5).relu().pool().head()
    net.add("Flatten").add("Gemm", np.ones((5, 2), np.float32)).add("Relu").add("Dropout")
    expected = names(load_vgg(net.save(file)))
    assert names(load_vgg(net.save(file, initializers_are_inputs=True))) == expected
    assert expected[-1] == "pool2"


def test_all_layers_as_outputs(file: Path) -> None:
    net = small()
    model = net.model()
    for node in net.nodes[:-1]:
        model.graph.output.append(onnx.ValueInfoProto(name=node.output[0]))
    file.write_bytes(model.SerializeToString())
    assert names(load_vgg(file)) == names(load_vgg(small().save(file)))


# ---------------------------------------------------------------------------------------------
# Pre-processing


def test_preprocess_in_the_graph(file: Path) -> None:
    net = Net().conv(3, 1).conv().relu()
    net.metadata = {}
    vgg = load_vgg(net.save(file))
    assert names(vgg) == ["preprocess", "conv1_1", "relu1_1"]
    image = np.random.default_rng(2).uniform(size=(3, 5, 6)).astype(np.float32)
    np.testing.assert_allclose(run(vgg.layers, image), net.evaluate(image), atol=1e-5)


def test_preprocess_in_the_metadata(file: Path) -> None:
    image = np.random.default_rng(2).uniform(size=(3, 5, 6))
    mean, std = np.array([0.5, 0.4, 0.3]), np.array([0.2, 0.3, 0.25])
    found = run(load_vgg(small().save(file)).layers[:1], image)
    np.testing.assert_allclose(found, (image - mean[:, None, None]) / std[:, None, None], atol=1e-6)


def test_preprocess_assumed(file: Path) -> None:
    net = small()
    net.metadata = {}
    with pytest.warns(MinimalstyleWarning, match=r"net\.onnx.*ImageNet"):
        vgg = load_vgg(net.save(file))
    image = np.array([[[0.485]], [[0.456]], [[0.406 + 0.225]]])
    np.testing.assert_allclose(run(vgg.layers[:1], image).ravel(), [0, 0, 1], atol=1e-6)


@pytest.mark.parametrize(
    "metadata",
    [
        {"preprocess_mean": "0,0,0"},
        {"preprocess_std": "1,1,1"},
        {"preprocess_mean": "0,0", "preprocess_std": "1,1"},
        {"preprocess_mean": "0,0,0", "preprocess_std": "1,1,0"},
        {"preprocess_mean": "0,0,0", "preprocess_std": "1,1,1e-60"},
        {"preprocess_mean": "0,0,nan", "preprocess_std": "1,1,1"},
        {"preprocess_mean": "0,0,x", "preprocess_std": "1,1,1"},
        {"preprocess_mean": "0,0,0,0,0,0", "preprocess_std": ""},
    ],
)
def test_preprocess_that_makes_no_sense(metadata: dict[str, str], file: Path) -> None:
    net = small()
    net.metadata = metadata
    refuse(net.save(file), "preprocess")


# ---------------------------------------------------------------------------------------------
# What is refused


def branching() -> Net:
    net = Net().conv(3).relu()
    net.nodes.append(helper.make_node("Add", [net.tensor, "image"], ["sum"], "sum"))
    net.tensor = "sum"
    return net.conv().relu()


def inverted() -> Net:
    """The image is convolved *with*, not convolved."""
    net = Net().conv().relu()
    net.nodes[0].input[0], net.nodes[0].input[1] = net.nodes[0].input[1], net.nodes[0].input[0]
    return net


def renamed(index: int, **names: str) -> Net:
    """A small network with another input or output for one node."""
    net = small()
    if "input" in names:
        net.nodes[index].input[1] = names["input"]
    if "output" in names:
        net.nodes[index].output[0] = names["output"]
    return net


def computed_weights() -> Net:
    def store(net: Net, name: str, array: Array) -> str:
        raw(net, f"{name}.a", array)
        net.nodes.append(helper.make_node("Mul", [f"{name}.a", f"{name}.a"], [name]))
        return name

    return Net(store).conv().relu()


def domain() -> Net:
    net = small()
    net.nodes[1].domain = "com.example"
    return net


def poisoned(value: float) -> Net:
    net = small()
    array = numpy_helper.to_array(net.initializers[2]).copy()
    array.flat[3] = value
    net.initializers[2].CopyFrom(numpy_helper.from_array(array, net.initializers[2].name))
    return net


def stored(dtype: Any) -> Net:
    return small(lambda net, name, array: raw(net, name, array.astype(dtype)))


UNSUPPORTED: dict[str, tuple[Callable[[], Net], str]] = {
    "stride": (
        lambda: Net().conv(strides=[2, 2], name="first").relu(),
        "node 'first' (Conv) has strides [2, 2]",
    ),
    "dilation": (lambda: Net().conv(dilations=[2, 2]).relu(), "node 0 (Conv) has dilations [2, 2]"),
    "groups": (lambda: Net().conv(3, group=3).relu(), "group 3"),
    "5x5": (lambda: Net().conv(k=5).relu(), "(4, 3, 5, 5)"),
    "3x1": (lambda: Net().add("Conv", np.ones((4, 3, 3, 1), np.float32)).relu(), "(4, 3, 3, 1)"),
    "1-D": (lambda: Net().add("Conv", np.ones((4, 3, 3), np.float32)).relu(), "(4, 3, 3)"),
    "no channels": (
        lambda: Net().add("Conv", np.ones((0, 3, 3, 3), np.float32)).relu(),
        "(0, 3, 3, 3)",
    ),
    "no padding": (lambda: Net().conv(pads=[0] * 4).relu(), "pads [0, 0, 0, 0]"),
    "uneven padding": (lambda: Net().conv(pads=[1, 1, 0, 0]).relu(), "pads [1, 1, 0, 0]"),
    "valid": (lambda: Net().conv(auto_pad="VALID").relu(), "pads [0, 0, 0, 0]"),
    "padded 1x1": (
        lambda: Net().conv().relu().conv(4, 1, pads=[1] * 4).relu(),
        "pads [1, 1, 1, 1]",
    ),
    "kernel_shape": (lambda: Net().conv(kernel_shape=[5, 5]).relu(), "kernel_shape [5, 5]"),
    "wrong kind of attribute": (lambda: Net().conv(pads=1).relu(), "pads 1"),
    "no Relu": (
        lambda: Net().conv().conv(name="second").relu(),
        "node 0 (Conv) is not followed by Relu",
    ),
    "no Relu before pool": (lambda: Net().conv().pool(), "is not followed by Relu"),
    "no Relu at the end": (lambda: small().conv(), "is not followed by Relu"),
    "no convolution": (lambda: Net().pool(), "no convolution"),
    "only preprocess": (lambda: Net().conv(3, 1), "no convolution"),
    "only a head": (lambda: Net().add("Flatten"), "no convolution"),
    "Relu of the image": (lambda: Net().relu().conv().relu(), "does not follow a Conv"),
    "Relu of preprocess": (lambda: Net().conv(3, 1).relu().conv().relu(), "does not follow a Conv"),
    "Relu twice": (lambda: Net().conv().relu().relu(), "does not follow a Conv"),
    "batch norm after Relu": (lambda: Net().conv().relu().norm(), "does not follow a Conv"),
    "batch norm first": (lambda: Net().norm().conv().relu(), "does not follow a Conv"),
    "batch norm in training": (
        lambda: Net().conv().norm(training_mode=1).relu(),
        "training_mode 1",
    ),
    "batch norm of 3 arrays": (
        lambda: Net().conv().add("BatchNormalization", *[np.ones(4, np.float32)] * 3).relu(),
        "four arrays",
    ),
    "batch norm of other size": (
        lambda: Net().conv().add("BatchNormalization", *[np.ones(5, np.float32)] * 4).relu(),
        "four arrays of 4",
    ),
    "batch norm, negative variance": (
        lambda: Net().conv().add("BatchNormalization", *[-np.ones(4, np.float32)] * 4).relu(),
        "finite",
    ),
    "batch norm, strange epsilon": (lambda: Net().conv().norm(epsilon="x").relu(), ""),
    "batch norm, an epsilon for each channel": (
        lambda: Net().conv(1).norm(epsilon=[0.1, 0.2, 0.3]).relu(),
        "",
    ),
    "LeakyRelu": (lambda: Net().conv().add("LeakyRelu", name="leak"), "node 'leak' (LeakyRelu)"),
    "Sub": (
        lambda: Net().add("Sub", np.ones((1, 3, 1, 1), np.float32)).conv().relu(),
        "node 0 (Sub)",
    ),
    "Sigmoid": (lambda: small().add("Sigmoid"), "(Sigmoid) is not supported; supported: Conv 3x3"),
    "other domain": (domain, "(Relu) is not supported"),
    "pool 3x3": (lambda: small().pool(kernel_shape=[3, 3]), "kernel_shape [3, 3]"),
    "average pool 3x3": (
        lambda: small().pool("AveragePool", kernel_shape=[3, 3]),
        "kernel_shape [3, 3]",
    ),
    "average pool 4x4, then Conv": (
        lambda: small().pool("AveragePool", kernel_shape=[4, 4], strides=[4, 4]).conv().relu(),
        "(AveragePool) is not supported",
    ),
    "pool stride 1": (lambda: small().pool(strides=[1, 1]), "strides [1, 1]"),
    "pool without strides": (lambda: small().add("MaxPool", kernel_shape=[2, 2]), "no strides"),
    "pool with padding": (lambda: small().pool(pads=[0, 0, 1, 1]), "pads [0, 0, 1, 1]"),
    "pool rounding up": (lambda: small().pool(ceil_mode=1), "ceil_mode 1"),
    "pool same": (lambda: small().pool(auto_pad="SAME_UPPER"), "auto_pad SAME_UPPER"),
    "cast to integers": (lambda: Net().add("Cast", to=TensorProto.UINT8).conv().relu(), "(Cast)"),
    "Reshape in the middle": (
        lambda: small().add("Reshape", np.array([1, 6, -1, 1])).conv().relu(),
        "(Reshape) is not supported",
    ),
    "branch": (branching, "the chain branches: 'image' feeds node 0 (Conv) and node 'sum' (Add)"),
    "inverted": (inverted, "does not continue the chain"),
    "missing initialiser": (
        lambda: renamed(2, input="elsewhere"),
        "initialiser 'elsewhere' is missing",
    ),
    "loop": (lambda: renamed(6, output="t0"), "again, or too late"),
    "loop to the image": (lambda: renamed(6, output="image"), "again, or too late"),
    "weights from the image": (lambda: renamed(2, input="image"), "branches"),
    "computed weights": (computed_weights, "come from node 0 (Mul)"),
    "int8": (lambda: stored(np.int8), "float16"),
    "int64": (lambda: stored(np.int64), "float16"),
    "NaN": (lambda: poisoned(np.nan), "finite"),
    "infinity": (lambda: poisoned(-np.inf), "finite"),
}


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_unsupported(case: str, file: Path) -> None:
    build, words = UNSUPPORTED[case]
    refuse(build().save(file), words)


def test_float64_too_large_for_float32(file: Path) -> None:
    refuse(
        small(lambda net, name, a: raw(net, name, a.astype(np.float64) * 1e200)).save(file),
        "finite",
    )


def test_channels_must_fit(file: Path) -> None:
    net = Net().conv(4).relu()
    net.channels = 7
    refuse(
        net.conv(5, name="wide").relu().save(file), "node 'wide' (Conv) takes 7 channels where 4"
    )
    net = Net()
    net.channels = 1
    refuse(net.conv().relu().save(file), "takes 1 channels where 3")
    bias = np.ones(5, np.float32)
    refuse(
        Net().add("Conv", np.ones((4, 3, 3, 3), np.float32), bias, pads=[1] * 4).save(file),
        "bias of shape (5,)",
    )


def test_inputs_must_be_one_image(file: Path) -> None:
    model = small().model()
    model.graph.input.append(onnx.ValueInfoProto(name="second"))
    file.write_bytes(model.SerializeToString())
    refuse(file, "one input")
    del model.graph.input[:]
    file.write_bytes(model.SerializeToString())
    refuse(file, "one input")


def test_weights_in_a_circle(file: Path) -> None:
    net = renamed(2, input="a")
    net.nodes.append(helper.make_node("Identity", ["b"], ["a"]))
    net.nodes.append(helper.make_node("Identity", ["a"], ["b"]))
    refuse(net.save(file), "node 7 (Identity) computes 'a' again, or too late")
    net = renamed(2, input="a")
    net.nodes.insert(0, helper.make_node("Identity", ["a"], ["a"]))
    refuse(net.save(file), "node 0 (Identity)")


def test_names_with_anything_in_them(file: Path) -> None:
    net = Net().conv(strides=[3, 3], name="two\nlines \x1b[31m" + "x" * 5000)
    refuse(net.save(file), "strides [3, 3]", "supported: ")
    odd = file.with_name("two\nlines.onnx")
    with pytest.raises(WeightsError) as caught:
        load_vgg(odd)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------------------------------------
# Damaged and hostile files


def test_no_file(tmp_path: Path, file: Path) -> None:
    refuse(file, "no such file")
    refuse(tmp_path, "not a file")
    with pytest.raises(WeightsError):
        load_vgg(str(file) + "\0")
    if hasattr(os, "mkfifo"):  # must not wait for a writer
        os.mkfifo(file)
        refuse(file, "not a file")


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"hello, world\n", b"PK\x03\x04" + bytes(100), bytes(1000), b"\x89PNG\r\n\x1a\n"],
)
def test_other_files(content: bytes, file: Path) -> None:
    file.write_bytes(content)
    refuse(file, "not an ONNX file")


def test_truncated(file: Path) -> None:
    content = small().save(file).read_bytes()
    for end in range(0, len(content) - 140, 7):  # the last bytes are metadata and opset
        file.write_bytes(content[:end])
        refuse(file)


def test_bit_flips(file: Path) -> None:
    """Whatever happens to the bytes, there is a network or one line."""
    content = small(half).save(file).read_bytes()
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(1000):
        damaged = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        file.write_bytes(damaged)
        try:
            vgg = load_vgg(file)
        except WeightsError as error:
            assert str(error).isprintable()
            refused += 1
        except MinimalstyleWarning:
            pass
        else:
            assert isinstance(vgg.layers[0], Conv)
    assert 100 < refused < 1000


@pytest.mark.parametrize(
    "dims", [(2**31, 3, 3, 3), (2**62, 2**62, 3, 3), (-1, 3, 3, 3), (0, 2**62, 3, 3), (5, 3, 3, 3)]
)
@pytest.mark.parametrize("store", [raw, typed, half, half_typed])
def test_shape_that_lies(
    dims: tuple[int, ...], store: Callable[[Net, str, Array], str], file: Path
) -> None:
    net = small(store)
    net.initializers[0].dims[:] = dims
    refuse(net.save(file), "node ")


@pytest.mark.parametrize("store", [raw, constant])
def test_million_dimensions(store: Callable[[Net, str, Array], str], file: Path) -> None:
    """Their product alone would take minutes."""
    net = small(store)
    tensor = net.initializers[0] if store is raw else net.nodes[0].attribute[0].t
    tensor.dims.extend([2**62] * 1_000_000)
    refuse(net.save(file), "is no VGG's")


def test_million_nodes(file: Path) -> None:
    net = small()
    for _ in range(5000):
        net.add("Identity")
    refuse(net.save(file), "the graph has 5007 nodes")


def test_weights_through_one_large_node(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte of attributes is unpacked once, not for each of the weights behind it."""
    net = Net().conv(3).relu()
    stored = net.nodes[0].input[1]
    cast = helper.make_node("Cast", [stored], ["cast"], to=TensorProto.FLOAT, junk=[2] * 200_000)
    net.nodes[0].input[1] = "cast"
    net.nodes.insert(0, cast)
    bias = net.nodes[1].input[2]
    for _ in range(900):
        net.add("Conv", pads=[1] * 4).relu()
        net.nodes[-2].input.extend(["cast", bias])
    unpacked = []
    get = helper.get_attribute_value

    def note(attribute: Any) -> Any:
        unpacked.append(attribute.name)
        return get(attribute)

    monkeypatch.setattr(helper, "get_attribute_value", note)
    vgg = load_vgg(net.save(file))
    assert names(vgg)[-1] == "relu1_901"
    assert unpacked.count("junk") == 1


def test_no_memory(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small().save(file)

    def fail(*_: Any) -> None:
        raise MemoryError

    for function in ("_read", "_values"):
        with monkeypatch.context() as patch:
            patch.setattr(onnx_io, function, fail)
            refuse(file, "not enough memory")


def test_same_weights_many_times(file: Path) -> None:
    """A megabyte of nodes must not become a terabyte of layers."""
    net = Net().conv(512).relu().conv(512).relu()
    last = net.nodes[-2]
    for _ in range(200):
        net.add("Conv", pads=[1] * 4).relu()
        net.nodes[-2].input.extend(last.input[1:])
    refuse(net.save(file), "no VGG's")


def external(net: Net, **entries: str) -> Net:
    """The first convolution's weights move out of the file."""
    tensor = net.initializers[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return net


def test_external_data(tmp_path: Path, file: Path) -> None:
    expected = load_vgg(small().save(file))
    content = small().initializers[0].raw_data
    (tmp_path / "sub").mkdir()
    for name in ("weights.bin", "sub/weights.bin"):
        (tmp_path / name).write_bytes(b"12345678" + content + b"more")
        place = {"location": name, "offset": "8", "length": str(len(content))}
        vgg = load_vgg(external(small(), **place).save(file))
        assert np.array_equal(vgg.layers[1].weight, expected.layers[1].weight)  # type: ignore[union-attr]
    (tmp_path / "exact.bin").write_bytes(content)
    load_vgg(external(small(), location="exact.bin").save(file))


def test_external_data_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("weights.bin").write_bytes(small().initializers[0].raw_data)
    external(small(), location="weights.bin").save(Path("net.onnx"))
    assert names(load_vgg("net.onnx"))[-1] == "relu2_1"


def test_external_data_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    file = folder / "net.onnx"
    secret = tmp_path / "secret.bin"
    secret.write_bytes(small().initializers[0].raw_data)
    (folder / "link.bin").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    for location in (
        str(secret),
        "../secret.bin",
        "sub/../../secret.bin",
        "link.bin",
        "up/secret.bin",
        "",
        ".",
    ):
        refuse(
            external(small(), location=location).save(file), "stored outside the file's own folder"
        )
    refuse(external(small()).save(file), "stored outside")
    refuse(external(small(), location="a\0b").save(file))


def test_external_data_that_is_not_there(tmp_path: Path, file: Path) -> None:
    size = len(small().initializers[0].raw_data)
    (tmp_path / "short.bin").write_bytes(bytes(size - 1))
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    refuse(external(small(), location="loop").save(file), "not there")
    refuse(external(small(), location="missing.bin").save(file), "not there")
    refuse(external(small(), location="folder").save(file), "not there")
    refuse(external(small(), location="short.bin").save(file), f"needs {size} bytes")
    for entries in (
        {"offset": "-4"},
        {"offset": "x"},
        {"length": "99999999999999"},
        {"length": "-1"},
    ):
        refuse(external(small(), location="short.bin", **entries).save(file))
    net = external(small(), location="short.bin")
    net.initializers[0].dims[:] = (2**40, 3, 3, 3)
    refuse(net.save(file), "no VGG's")


# ---------------------------------------------------------------------------------------------
# The embedded file


def test_embedded() -> None:
    vgg = load_vgg()
    blocks = (2, 2, 4, 4, 1)
    expected = ["preprocess"]
    for block, length in enumerate(blocks, 1):
        for number in range(1, length + 1):
            expected += [f"conv{block}_{number}", f"relu{block}_{number}"]
        expected.append(f"pool{block}")
    assert names(vgg) == expected[:-1]
    assert {layer.kind for layer in vgg.layers if isinstance(layer, Pool)} == {"max"}
    assert "Simonyan" in vgg.metadata["source"]
    assert vgg.metadata["licence"].startswith("CC BY 4.0")
    assert "relu4_2" in vgg.metadata["layers"].split(",")
    # black is minus the mean of the training pictures, as BGR of 0 to 255
    black = run(vgg.layers[:1], np.zeros((3, 1, 1))).ravel()
    np.testing.assert_allclose(black, [-103.939, -116.779, -123.68], atol=1e-4)


def test_onnx_is_imported_late() -> None:
    code = "import sys, minimalstyle.network.onnx_io; sys.exit('onnx' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_wire_format_is_what_the_tests_think(file: Path) -> None:
    """float_data and raw_data are different bytes of the same numbers."""
    number = struct.pack("<f", 1.2345678)
    array = np.full((4, 3, 3, 3), 1.2345678, np.float32)
    for store in (raw, typed):
        net = Net(store).add("Conv", array, pads=[1] * 4).relu()
        assert net.save(file).read_bytes().count(number) == array.size
        assert np.all(load_vgg(file).layers[1].weight == np.float32(1.2345678))  # type: ignore[union-attr]
