"""The export tool: state dicts written byte by byte, hostile ones, and what becomes of them."""

import hashlib
import importlib.util
import io
import os
import pickle
import struct
import subprocess
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator

from minimalstyle.network.layers import Conv
from minimalstyle.network.onnx_io import load_vgg

Array = npt.NDArray[Any]
State = dict[str, Any]


def f32(values: Any) -> Array:
    return np.array(values, np.float32)


SCRIPT = Path(__file__).parents[1] / "tools" / "export_vgg_onnx.py"


def import_tool() -> Any:
    spec = importlib.util.spec_from_file_location("export_vgg_onnx", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = import_tool()


# ---------------------------------------------------------------------------------------------
# PyTorch's formats, opcode by opcode (see the comments of pickletools)


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def integer(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    return b"\x8a\x10" + value.to_bytes(16, "little", signed=True)


def sequence(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + sequence(*arguments) + b"R"


ORDERED_DICT = name("collections", "OrderedDict")
FALSE, NONE = b"\x89", b"N"


def pickled(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


class Raw(NamedTuple):
    """A tensor as it is written."""

    storage: str
    data: bytes
    size: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    view: bytes = NONE
    key: str = ""


STORAGE = {"float32": "Float", "float64": "Double", "float16": "Half", "int64": "Long"}


def as_raw(value: Any) -> Raw:
    if isinstance(value, Raw):
        return value
    array = np.asarray(value)
    strides = [1]
    for n in array.shape[:0:-1]:
        strides.insert(0, strides[0] * n)
    return Raw(
        f"{STORAGE[array.dtype.name]}Storage", array.tobytes(), array.size, 0,
        array.shape, tuple(strides[: array.ndim]),
    )  # fmt: skip


def keyed(state: State) -> dict[str, Raw]:
    raws = {key: as_raw(value) for key, value in state.items()}
    return {
        key: raw._replace(key=raw.key or str(1000 + i)) for i, (key, raw) in enumerate(raws.items())
    }


def tensor(raw: Raw, legacy: bool) -> bytes:
    identity = [
        text("storage"), name("torch", raw.storage), text(raw.key), text("cpu"), integer(raw.size),
    ]  # fmt: skip
    return call(
        name("torch._utils", "_rebuild_tensor_v2"),
        sequence(*identity, *([raw.view] if legacy else [])) + b"Q",
        integer(raw.offset),
        sequence(*map(integer, raw.shape)),
        sequence(*map(integer, raw.strides)),
        FALSE,
        ORDERED_DICT + b")R",
    )


def ordered_dict(items: dict[str, bytes]) -> bytes:
    """With the attribute `_metadata`, as `Module.state_dict` makes it."""
    body = ORDERED_DICT + b")R("
    for key, value in items.items():
        body += text(key) + value
    return body + b"u}" + text("_metadata") + ORDERED_DICT + b")Rsb"


def state_pickle(state: State, legacy: bool) -> bytes:
    return pickled(ordered_dict({k: tensor(raw, legacy) for k, raw in keyed(state).items()}))


def as_zip(state: State, *, data_pkl: bytes = b"", **options: Any) -> bytes:
    """The format since PyTorch 1.6."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as archive:

        def write(name: str, content: bytes) -> None:
            # Not by its name alone: that would write the time as well, and so other bytes.
            archive.writestr(zipfile.ZipInfo(name), content, archive.compression)

        write("model/data.pkl", data_pkl or state_pickle(state, legacy=False))
        write("model/byteorder", b"little")
        for raw in keyed(state).values():
            if f"model/data/{raw.key}" not in archive.namelist():
                write(f"model/data/{raw.key}", raw.data)
        write("model/version", b"3\n")
    return stream.getvalue()


MAGIC = 0x1950A86A20F9469CFC6C


def legacy_pickles(state: State, *, little: bool = True) -> list[bytes]:
    system = {"protocol_version": 1001, "little_endian": little, "type_sizes": {"int": 4}}
    keys = sorted({raw.key for raw in keyed(state).values()})
    return [
        pickle.dumps(MAGIC, 2), pickle.dumps(1001, 2), pickle.dumps(system, 2),
        state_pickle(state, legacy=True), pickle.dumps(keys, 2),
    ]  # fmt: skip


def as_legacy(state: State, *, pickles: list[bytes] | None = None, **options: Any) -> bytes:
    """The format before PyTorch 1.6."""
    storages = {raw.key: raw for raw in keyed(state).values()}
    content = b"".join(pickles or legacy_pickles(state, **options))
    for key in sorted(storages):
        content += struct.pack("<q", storages[key].size) + storages[key].data
    return content


FORMATS: list[Callable[..., bytes]] = [as_zip, as_legacy]
both_formats = pytest.mark.parametrize("write", FORMATS, ids=["zip", "legacy"])


# ---------------------------------------------------------------------------------------------
# Thin networks, and what they compute

CONFIGURATIONS = {
    "vgg11": "C M C M C C M C C M C C M",
    "vgg13": "C C M C C M C C M C C M C C M",
    "vgg16": "C C M C C M C C C M C C C M C C C M",
    "vgg19": "C C M C C M C C C C M C C C C M C C C C M",
}


def modules(architecture: str) -> list[str]:
    """The layers of torchvision's `features`, or of the normalised network."""
    base, _, variant = architecture.partition("_")
    conv = {"bn": "C N R", "normalised": "P C R", "": "C R"}[variant]
    layers = CONFIGURATIONS[base].replace("C", conv).split()
    return ["1", *layers] if variant == "normalised" else layers


def thin(architecture: str, prefix: str = "features.", seed: int = 0) -> State:
    """A state dict with 2 to 4 channels a layer."""
    rng = np.random.default_rng(seed)
    state: State = {}
    channels, draw = 3, rng.standard_normal
    for i, kind in enumerate(modules(architecture)):
        if kind in "1C":
            size, k = (3, 1) if kind == "1" else (2 + i % 3, 3)
            weight = draw((size, channels, k, k)) + 0.2
            state[f"{prefix}{i}.weight"] = np.float32(weight / np.sqrt(channels * k * k))
            state[f"{prefix}{i}.bias"] = np.float32(np.abs(draw(size)) * 0.3)
            channels = size
        elif kind == "N":
            for key in ("weight", "running_mean"):
                state[f"{prefix}{i}.{key}"] = np.float32(draw(channels))
            state[f"{prefix}{i}.bias"] = np.float32(rng.uniform(0.1, 2, channels))  # stays alive
            state[f"{prefix}{i}.running_var"] = np.float32(rng.uniform(0.2, 2, channels))
            state[f"{prefix}{i}.num_batches_tracked"] = np.array(7, np.int64)
    if prefix:
        state["classifier.0.weight"] = np.float32(draw((5, 7)))
        state["classifier.0.bias"] = np.float32(draw(5))
    return state


def forward(
    architecture: str, state: State, image: Array, pooling: str = "max"
) -> dict[str, Array]:
    """(3, H, W) -> all ReLUs and pools, module by module in float64."""
    values = {key.removeprefix("features."): value for key, value in state.items()}
    x = image.astype(np.float64)
    if not architecture.endswith("_normalised"):
        mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
        x = (x - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    results, block, number = {}, 1, 0
    for i, kind in enumerate(modules(architecture)):
        p = {key.split(".")[1]: v for key, v in values.items() if key.split(".")[0] == str(i)}
        if kind in "1C":
            r = p["weight"].shape[-1] // 2
            windows = np.lib.stride_tricks.sliding_window_view(
                np.pad(x, ((0, 0), (r, r), (r, r))), (2 * r + 1, 2 * r + 1), axis=(1, 2)
            )
            x = np.einsum("chwij,ocij->ohw", windows, p["weight"].astype(np.float64))
            x += p["bias"][:, None, None]
        elif kind == "N":
            scale, shift, mean, variance = (
                p[key].astype(np.float64)[:, None, None]
                for key in ("weight", "bias", "running_mean", "running_var")
            )
            x = (x - mean) / np.sqrt(variance + 1e-5) * scale + shift
        elif kind == "R":
            number += 1
            x = results[f"relu{block}_{number}"] = np.maximum(x, 0)
        elif kind == "M":
            c, h, w = x.shape
            blocks = x.reshape(c, h // 2, 2, w // 2, 2)
            x = blocks.max(axis=(2, 4)) if pooling == "max" else blocks.mean(axis=(2, 4))
            results[f"pool{block}"] = x
            block, number = block + 1, 0
    return results


IMAGE = np.random.default_rng(5).uniform(size=(3, 32, 64)).astype(np.float32)


def evaluate(path: Path) -> dict[str, Array]:
    """All outputs, by onnx's evaluator."""
    model = onnx.load(path)
    names = [output.name for output in model.graph.output]
    arrays: Any = ReferenceEvaluator(model).run(None, {"image": IMAGE[None]})
    return {name: array[0] for name, array in zip(names, arrays, strict=True)}


def compare(found: dict[str, Array], expected: dict[str, Array], tolerance: float = 1e-5) -> None:
    assert list(found) == list(expected)
    for key, array in expected.items():
        assert found[key].shape == array.shape
        scale = np.abs(array).max()
        assert scale > 0
        np.testing.assert_allclose(found[key], array, rtol=0, atol=tolerance * scale)


def export(folder: Path, state: State, *options: str, write: Callable[..., bytes] = as_zip) -> Path:
    (folder / "state.pth").write_bytes(write(state))
    output = folder / "vgg.onnx"
    assert tool.main(["--state-dict", str(folder / "state.pth"), "-o", str(output), *options]) == 0
    return output


def refuse(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Exit code 1 and one line on stderr."""
    assert tool.main(list(arguments)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("export_vgg_onnx: ")
    assert err.endswith("\n")
    assert err[:-1].isprintable()
    return err


def refuse_content(content: bytes, match: str = ".") -> None:
    with pytest.raises(tool.ExportError, match=match):
        tool.parse_state_dict(content)


# ---------------------------------------------------------------------------------------------
# State dicts


@both_formats
def test_state_dict(write: Callable[..., bytes], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    state: State = {
        "a.weight": rng.standard_normal((4, 3, 2)).astype(np.float32),
        "half": rng.standard_normal(5).astype(np.float16),
        "double": rng.standard_normal((1, 2)),
        "count": np.array(2**40, np.int64),
        "empty": np.empty((0, 3), np.float32),
    }
    path = tmp_path / "state.pth"
    path.write_bytes(write(state))
    found = tool.read_state_dict(path)
    assert list(found) == list(state)
    for key, array in state.items():
        assert found[key].dtype == array.dtype
        np.testing.assert_array_equal(found[key], array)


@both_formats
def test_views(write: Callable[..., bytes]) -> None:
    """Offsets, strides, and one storage for two tensors."""
    numbers = np.arange(24, dtype=np.float32)
    data = numbers.tobytes()
    state = {
        "transposed": Raw("FloatStorage", data, 24, 0, (4, 6), (1, 4), key="7"),
        "part": Raw("FloatStorage", data, 24, 5, (2, 3), (8, 2), key="7"),
        "last": Raw("FloatStorage", data, 24, 23, (1, 1), (999, 999), key="7"),
        "bfloat16": Raw("BFloat16Storage", f32([1, -2.5, 3]).tobytes(), 6, 1, (3,), (2,)),
    }  # fmt: skip
    found = tool.parse_state_dict(write(state))
    np.testing.assert_array_equal(found["transposed"], numbers.reshape(6, 4).T)
    np.testing.assert_array_equal(found["part"], [[5, 7, 9], [13, 15, 17]])
    np.testing.assert_array_equal(found["last"], [[23]])
    np.testing.assert_array_equal(found["bfloat16"], f32([1, -2.5, 3]))
    assert found["bfloat16"].dtype == np.float32


def test_view_of_a_legacy_storage() -> None:
    data = np.arange(10, dtype=np.float32).tobytes()
    view = sequence(text("view"), integer(4), integer(5))
    raw = Raw("FloatStorage", data, 10, 1, (2,), (1,), view=view)
    np.testing.assert_array_equal(tool.parse_state_dict(as_legacy({"x": raw}))["x"], [5, 6])


def test_parameters_and_the_oldest_files() -> None:
    """What torchvision's first files hold: Python 2's pickles, `_rebuild_tensor`, parameters."""
    raws = keyed({"x": f32([1, 2]), "y": f32([[3]])})
    old = tensor(raws["x"], legacy=True).replace(b"_rebuild_tensor_v2", b"_rebuild_tensor")
    old = old.replace(FALSE + ORDERED_DICT + b")R", b"")
    parameter = call(
        name("torch._utils", "_rebuild_parameter"),
        tensor(raws["y"], legacy=True), FALSE, ORDERED_DICT + b")R",
    )  # fmt: skip
    pairs = b"](](U\x01x" + old + b"e](U\x01y" + parameter + b"ee"
    pickles = legacy_pickles(raws)
    pickles[3] = pickled(call(ORDERED_DICT, pairs))
    found = tool.parse_state_dict(as_legacy(raws, pickles=pickles))
    np.testing.assert_array_equal(found["x"], [1, 2])
    np.testing.assert_array_equal(found["y"], [[3]])


FOUR = np.arange(4, dtype=np.float32).tobytes()
OUTSIDE = {
    "offset": Raw("FloatStorage", FOUR, 4, 4, (1,), (1,)),
    "shape": Raw("FloatStorage", FOUR, 4, 0, (5,), (1,)),
    "stride": Raw("FloatStorage", FOUR, 4, 0, (2, 2), (3, 2)),
    "negative offset": Raw("FloatStorage", FOUR, 4, -1, (1,), (1,)),
    "negative stride": Raw("FloatStorage", FOUR, 4, 3, (2,), (-1,)),
    "negative shape": Raw("FloatStorage", FOUR, 4, 0, (-1, -1), (1, 1)),
    "broadcast": Raw("FloatStorage", FOUR, 4, 0, (2**40,), (0,)),
    "overflow": Raw("FloatStorage", FOUR, 4, 0, (2**47, 2**47), (2**47, 2**47)),
    "large": Raw("FloatStorage", FOUR, 4, 2**62, (1,), (1,)),
    "larger": Raw("FloatStorage", FOUR, 4, 2**100, (1,), (1,)),
    "strides missing": Raw("FloatStorage", FOUR, 4, 0, (2, 2), (1,)),
    "wider type": Raw("DoubleStorage", FOUR, 2, 0, (4,), (1,)),
}


@both_formats
@pytest.mark.parametrize("case", OUTSIDE)
def test_views_outside_of_their_storage(case: str, write: Callable[..., bytes]) -> None:
    refuse_content(write({"x": OUTSIDE[case]}))


@pytest.mark.parametrize("count", [-1, 5, 2**31, 2**62])
def test_legacy_storage_of_another_size(count: int) -> None:
    refuse_content(as_legacy({"x": Raw("FloatStorage", FOUR, count, 0, (4,), (1,))}))


@both_formats
def test_other_contents(write: Callable[..., bytes]) -> None:
    """A model instead of its state dict, a checkpoint, a list."""
    model = call(name("torchvision.models.vgg", "VGG"))
    contents = {
        model: "holds a 'torchvision.models.vgg.VGG', which is not loaded",
        ordered_dict({"epoch": integer(3)}): "'epoch' in it is not a tensor",
        ordered_dict({"state_dict": ordered_dict({})}): "'state_dict' in it is not a tensor",
        b"}" + integer(3) + integer(4) + b"s": "3 in it is not a tensor",
        b"]": "no state dict",
        NONE: "no state dict",
    }
    for body, match in contents.items():
        refuse_content(with_state_pickle(pickled(body), write), match)


def with_state_pickle(state: bytes, write: Callable[..., bytes]) -> bytes:
    if write is as_zip:
        return as_zip({}, data_pkl=state)
    return as_legacy({}, pickles=[*legacy_pickles({})[:3], state, legacy_pickles({})[4]])


def test_other_files() -> None:
    for content in (
        b"",
        b"\x80",
        b"hello\n",
        b"PK\x03\x04",
        b"PK\x03\x04" + bytes(500),
        bytes(500),
    ):
        refuse_content(content)
    refuse_content(pickle.dumps({"a": 1}), "not a PyTorch state dict")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("readme.txt", "hello")
    refuse_content(stream.getvalue(), "not one of PyTorch")


def test_other_machines_and_compression() -> None:
    state = {"x": np.ones(500, np.float32)}
    refuse_content(as_legacy(state, little=False), "big-endian")
    refuse_content(as_zip(state).replace(b"little", b"bigbig"))
    refuse_content(as_zip(state, compression=zipfile.ZIP_DEFLATED), "compressed")


@both_formats
def test_truncated(write: Callable[..., bytes]) -> None:
    content = write(thin("vgg11"))
    assert len(tool.parse_state_dict(content)) == 18
    for end in [*range(0, len(content), 41), len(content) - 1]:
        refuse_content(content[:end])


@both_formats
def test_bit_flips(write: Callable[..., bytes]) -> None:
    """Whatever happens to the bytes, there is a state dict or an ExportError."""
    content = write({"x": np.ones((2, 2), np.float32), "y": np.ones(3, np.float16)})
    rng = np.random.default_rng(4)
    refused = 0
    for _ in range(1500):
        damaged = bytearray(content)
        damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        try:
            tool.parse_state_dict(bytes(damaged))
        except tool.ExportError:
            refused += 1
    assert 500 < refused < 1500


# ---------------------------------------------------------------------------------------------
# Hostile pickles


def attacks(command: str) -> dict[str, bytes]:
    """Pickles that run a shell command when they are loaded in the usual way."""
    argument = text(command)
    python = text(f"__import__('os').system({command!r})")
    short = b"\x8c\x02os\x8c\x06system\x93"
    return {
        "reduce": pickled(call(name("os", "system"), argument)),
        "posix": pickled(call(name("posix", "system"), argument)),
        "builtins": pickled(call(name("builtins", "exec"), python)),
        "python 2": pickled(call(name("__builtin__", "eval"), python)),
        "stack global": b"\x80\x04" + short + argument + b"\x85R.",
        "inst": pickled(b"(" + argument + b"ios\nsystem\n"),
        "obj": pickled(b"(" + name("os", "system") + argument + b"o"),
        "newobj": pickled(name("subprocess", "Popen") + sequence(argument, NONE) + b"\x81"),
        "inside": pickled(ordered_dict({"x": call(name("os", "system"), argument)})),
        "argument": pickled(call(ORDERED_DICT, call(name("os", "system"), argument))),
        "storage": pickled(call(name("os", "system"), argument) + b"Q"),
        "torch": pickled(call(name("torch._utils", "os.system"), argument)),
        "dotted": b"\x80\x04"
        + text("collections") + text("OrderedDict.__init__.__globals__") + b"\x93.",
        "this tool": pickled(call(name("export_vgg_onnx", "os.system"), argument)),
        "import": pickled(call(name("torch.storage", "_load_from_bytes"), argument)),
        "code": pickled(call(name("torch", "load"), argument)),
    }  # fmt: skip


CASES = list(attacks(""))


def test_the_attacks_would_work(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    for case in ("reduce", "builtins", "stack global", "inst", "obj"):
        pickle.loads(attacks(f"touch {marker}")[case])
        assert marker.exists()
        marker.unlink()


@pytest.mark.parametrize("case", CASES)
def test_hostile_pickles(case: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    attack = attacks(f"touch {marker}")[case]
    refuse_content(as_zip({"x": np.ones(1, np.float32)}, data_pkl=attack))
    pickles = legacy_pickles({"x": np.ones(1, np.float32)})
    for i in range(len(pickles)):
        refuse_content(b"".join([*pickles[:i], attack, *pickles[i + 1 :]]))
        refuse_content(b"".join([*pickles[:i], attack, *pickles[i:]]))
    assert not marker.exists()


def test_tampering(tmp_path: Path) -> None:
    """BUILD sets attributes: on nothing that outlives the pickle."""
    state = {"x": f32([1, 2])}
    rebuild = name("torch._utils", "_rebuild_tensor_v2")
    values = {
        "__code__": NONE, "__call__": ORDERED_DICT, "__defaults__": sequence(NONE),
        "__class__": ORDERED_DICT, "find_class": ORDERED_DICT, "shape": sequence(integer(2**40)),
    }  # fmt: skip
    for target in (
        rebuild,
        ORDERED_DICT,
        name("torch", "FloatStorage"),
        tensor(keyed(state)["x"], False),
    ):
        for key, value in values.items():
            attributes = b"}" + text(key) + value + b"s"
            for change in (attributes, sequence(NONE, attributes)):
                for write in FORMATS:
                    body = target + change + b"b"
                    try:
                        found = tool.parse_state_dict(with_state_pickle(pickled(body), write))
                    except tool.ExportError:
                        continue
                    raise AssertionError(f"{key} was set: {found}")
    for write in FORMATS:
        np.testing.assert_array_equal(tool.parse_state_dict(write(state))["x"], [1, 2])


@both_formats
def test_attributes_of_the_dict_are_not_called(write: Callable[..., bytes]) -> None:
    body = ORDERED_DICT + b")R}" + text("items") + name("torch", "FloatStorage") + b"sb"
    assert tool.parse_state_dict(with_state_pickle(pickled(body), write)) == {}


@both_formats
def test_pickles_that_want_memory(write: Callable[..., bytes]) -> None:
    deep = b")" + b"\x85" * 10**6
    bombs = {
        "memo": b"Nr\xff\xff\xff\x7f",
        "put": b"Np999999999999\n",
        "deep": b"}" + deep + b"Ns",
        "bytes": b"B\xff\xff\xff\x7fabc",
        "long": b"\x8b\xff\xff\xff\x7fabc",
        "text": b"\x8d" + b"\xff" * 7 + b"\x7fabc",
        "frame": b"\x95" + b"\xff" * 7 + b"\x7fabc",
        "many": b"N0" * 50_000 + b"N",
    }
    for body in bombs.values():
        refuse_content(with_state_pickle(b"\x80\x04" + body + b".", write))


# ---------------------------------------------------------------------------------------------
# Networks


ARCHITECTURES = [*CONFIGURATIONS, *(f"{name}_bn" for name in CONFIGURATIONS)]


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "vgg19_normalised"])
def test_export(architecture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prefix = "" if architecture.endswith("_normalised") else "features."
    state = thin(architecture, prefix)
    path = export(tmp_path, state, write=FORMATS[len(architecture) % 2])
    assert architecture in capsys.readouterr().out
    compare(evaluate(path), forward(architecture, state, IMAGE))
    vgg = load_vgg(path)
    layers = vgg.metadata["layers"].split(",")
    assert [layer.name for layer in vgg.layers if not isinstance(layer, Conv)] == layers
    assert layers == list(forward(architecture, state, IMAGE))


@pytest.mark.parametrize("prefix", ["", "module.features.", "features.module.", "module."])
def test_other_prefixes(prefix: str, tmp_path: Path) -> None:
    renamed = {f"{prefix}{key}": value for key, value in thin("vgg11", "").items()}
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    expected = export(first, thin("vgg11"))
    assert evaluate(export(second, renamed)).keys() == evaluate(expected).keys()
    found, wanted = onnx.load(second / "vgg.onnx"), onnx.load(expected)
    draw = thin("vgg11", "")
    assert found.graph.node == wanted.graph.node
    compare(evaluate(second / "vgg.onnx"), forward("vgg11", draw, IMAGE))


def test_graph(tmp_path: Path) -> None:
    path = export(tmp_path, thin("vgg16"), "--source", "somewhere", "--licence", "some licence")
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version <= 8
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 13)]
    (image,) = model.graph.input
    dims = image.type.tensor_type.shape.dim
    assert image.name == "image"
    assert image.type.tensor_type.elem_type == TensorProto.FLOAT
    assert [dim.dim_value for dim in dims] == [1, 3, 0, 0]
    assert [dim.dim_param for dim in dims] == ["", "", "height", "width"]
    first = model.graph.node[0]
    assert (first.name, first.op_type, first.input[0]) == ("preprocess", "Conv", "image")
    steps = [node for node in model.graph.node if node.op_type in ("Relu", "MaxPool")]
    assert [node.name for node in steps] == [output.name for output in model.graph.output]
    assert all(node.name == node.output[0] for node in model.graph.node)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    source = (tmp_path / "state.pth").read_bytes()
    assert metadata["source"] == "somewhere"
    assert metadata["licence"] == "some licence"
    assert metadata["layers"].startswith("relu1_1,relu1_2,pool1,relu2_1")
    assert metadata["source_sha256"] == hashlib.sha256(source).hexdigest()
    assert str(tmp_path).encode() not in path.read_bytes()


def test_defaults_of_the_metadata(tmp_path: Path) -> None:
    metadata = load_vgg(export(tmp_path, thin("vgg19_normalised", ""))).metadata
    assert "arXiv:1409.1556" in metadata["source"]
    assert metadata["licence"].startswith("CC BY 4.0")
    metadata = load_vgg(export(tmp_path, thin("vgg13_bn"))).metadata
    assert metadata["source"] == "vgg13_bn, state.pth"
    assert metadata["licence"] == "not stated"


def test_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = thin("vgg16_bn")
    everything = forward("vgg16_bn", state, IMAGE)
    for last in ("relu3_2", "pool2", "relu1_1"):
        names = list(everything)[: list(everything).index(last) + 1]
        path = export(tmp_path, state, "--through", last)
        compare(evaluate(path), {key: everything[key] for key in names})
        assert load_vgg(path).layers[-1].name == last
    capsys.readouterr()
    for unknown in ("relu3_4", "conv1_1", "preprocess", "x"):
        error = refuse(
            capsys,
            "--state-dict",
            str(tmp_path / "state.pth"),
            "-o",
            "x.onnx",
            "--through",
            unknown,
        )
        assert f"no layer '{unknown}'; there are relu1_1, relu1_2, pool1, relu2_1" in error


def test_float16(tmp_path: Path) -> None:
    state = thin("vgg16")
    expected = forward("vgg16", state, IMAGE)
    path = export(tmp_path, state, "--float16")
    found = evaluate(path)
    for key, array in expected.items():
        error = np.sqrt(np.mean((found[key] - array) ** 2) / np.mean(array**2))
        assert 0 < error < 2e-3
    model = onnx.load(path)
    kinds = {t.name: t.data_type for t in model.graph.initializer}
    casts = [node for node in model.graph.node if node.op_type == "Cast"]
    assert len(casts) == 13
    assert {kinds[node.input[0]] for node in casts} == {TensorProto.FLOAT16}
    assert kinds["preprocess.weight"] == kinds["conv3_1.bias"] == TensorProto.FLOAT
    conv = load_vgg(path).layers[3]
    assert isinstance(conv, Conv)
    stored = state["features.2.weight"].astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(conv.weight, stored.transpose(2, 3, 1, 0))


def test_average_pooling(tmp_path: Path) -> None:
    state = thin("vgg11")
    path = export(tmp_path, state, "--pooling", "average")
    compare(evaluate(path), forward("vgg11", state, IMAGE, "average"))


def test_float64_and_bfloat16_weights(tmp_path: Path) -> None:
    state = thin("vgg11")
    state["features.0.weight"] = state["features.0.weight"].astype(np.float64)
    bits = state["features.3.weight"].view(np.uint32) >> 16
    truncated = (bits << 16).astype(np.uint32).view(np.float32)
    raw = as_raw(state["features.3.weight"])
    stored = raw._replace(storage="BFloat16Storage", data=bits.astype(np.uint16).tobytes())
    path = export(tmp_path, state | {"features.3.weight": stored})
    compare(evaluate(path), forward("vgg11", state | {"features.3.weight": truncated}, IMAGE))


def test_same_bytes_every_time(tmp_path: Path) -> None:
    state = thin("vgg11")
    first = export(tmp_path, state, "--float16").read_bytes()
    assert export(tmp_path, state, "--float16").read_bytes() == first


def damaged(**changes: Any) -> State:
    return thin("vgg11") | {key.replace("_", ".", 2): value for key, value in changes.items()}


NETWORKS: dict[str, tuple[State, str]] = {
    "nothing": ({}, "its convolutions are the layers []"),
    "a layer too few": (
        {k: v for k, v in thin("vgg11").items() if not k.startswith("features.18.")},
        "which is none of vgg11, vgg13, vgg16, vgg19, vgg11_bn",
    ),
    "a layer too many": (damaged(features_21_weight=np.ones((2, 2, 3, 3), np.float32)), "none of"),
    "channels": (
        damaged(features_3_weight=np.ones((2, 9, 3, 3), np.float32)),
        "conv2_1 needs (n, 2, 3, 3)",
    ),
    "kernel": (
        damaged(features_0_weight=np.ones((2, 3, 5, 5), np.float32)),
        "conv1_1 needs (n, 3, 3, 3)",
    ),
    "bias": (damaged(features_0_bias=np.ones(7, np.float32)), "bias (7,)"),
    "no bias": ({k: v for k, v in thin("vgg11").items() if k != "features.0.bias"}, "bias (0,)"),
    "NaN": (damaged(features_0_bias=f32([1, np.nan])), "conv1_1 are not all finite"),
    "too large for float32": (
        damaged(features_0_bias=np.array([1, 1e200])),
        "conv1_1 are not all finite",
    ),
    "no variance": (
        {k: v for k, v in thin("vgg11_bn").items() if k != "features.1.running_var"},
        "layer 1 is not the batch normalisation of conv1_1",
    ),
    "negative variance": (
        thin("vgg11_bn") | {"features.1.running_var": f32([1, -1])},
        "layer 1 has a negative variance",
    ),
    "infinite batch norm": (
        thin("vgg11_bn") | {"features.1.weight": f32([1, np.inf])},
        "conv1_1 are not all finite",
    ),
    "pre-processing": (
        thin("vgg19_normalised", "")
        | {"0.weight": np.ones((4, 3, 1, 1), np.float32), "0.bias": np.ones(4, np.float32)},
        "not a pre-processing of RGB",
    ),
}


@pytest.mark.parametrize("case", NETWORKS)
def test_other_networks(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state, words = NETWORKS[case]
    path = tmp_path / "state.pth"
    path.write_bytes(as_zip(state))
    error = refuse(capsys, "--state-dict", str(path), "-o", str(tmp_path / "x.onnx"))
    assert str(path) in error
    assert words in error
    assert os.listdir(tmp_path) == ["state.pth"]


def test_too_large_for_float16(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = damaged(features_0_weight=np.full((2, 3, 3, 3), 1e5, np.float32))
    path = tmp_path / "state.pth"
    path.write_bytes(as_zip(state))
    error = refuse(capsys, "--state-dict", str(path), "-o", str(tmp_path / "x.onnx"), "--float16")
    assert "conv1_1 are too large for --float16" in error


# ---------------------------------------------------------------------------------------------
# Command line


def test_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing, output = tmp_path / "missing.pth", tmp_path / "vgg.onnx"
    assert f"{missing}: no such file" in refuse(
        capsys, "--state-dict", str(missing), "-o", str(output)
    )
    assert "not a file" in refuse(capsys, "--state-dict", str(tmp_path), "-o", str(output))
    odd = tmp_path / "two\nlines \x1b[31m.pth"
    odd.write_bytes(b"x\ny")
    refuse(capsys, "--state-dict", str(odd), "-o", str(output))
    assert not output.exists()

    path = tmp_path / "state.pth"
    path.write_bytes(as_zip(thin("vgg11")))
    for target in (tmp_path / "no folder" / "vgg.onnx", tmp_path, path / "vgg.onnx", Path()):
        assert "cannot be written" in refuse(capsys, "--state-dict", str(path), "-o", str(target))

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    output.write_bytes(b"old")
    monkeypatch.setattr(os, "replace", fail)
    assert "No space" in refuse(capsys, "--state-dict", str(path), "-o", str(output))
    assert output.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([odd.name, "state.pth", "vgg.onnx"])


def test_torchvision_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    error = refuse(capsys, "--torchvision", "vgg19", "-o", str(tmp_path / "x.onnx"))
    assert "pip install torchvision" in error


def test_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in with the three methods that are used."""
    state = thin("vgg13")

    class Tensor(NamedTuple):
        array: Array

        def numpy(self) -> Array:
            return self.array

    class Model(NamedTuple):
        def state_dict(self) -> dict[str, Tensor]:
            return {key: Tensor(array) for key, array in state.items()}

    def get_model(name: str, weights: str) -> Model:
        assert (name, weights) == ("vgg13", "IMAGENET1K_V1")
        return Model()

    models = types.ModuleType("torchvision.models")
    models.get_model = get_model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    path = tmp_path / "vgg.onnx"
    assert tool.main(["--torchvision", "vgg13", "-o", str(path)]) == 0
    compare(evaluate(path), forward("vgg13", state, IMAGE))
    assert load_vgg(path).metadata["source"] == "torchvision, vgg13, IMAGENET1K_V1"


def test_as_a_script(tmp_path: Path) -> None:
    """From another folder, where the package cannot be imported."""
    (tmp_path / "state.pth").write_bytes(as_legacy(thin("vgg11")))
    (tmp_path / "bad.pth").write_bytes(attacks("touch marker")["reduce"])

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-P", str(SCRIPT), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    good = run("--state-dict", "state.pth", "-o", "vgg.onnx")
    assert (good.returncode, good.stderr) == (0, "")
    assert load_vgg(tmp_path / "vgg.onnx").layers[-1].name == "pool5"
    bad = run("--state-dict", "bad.pth", "-o", "x.onnx")
    assert (bad.returncode, bad.stdout, bad.stderr.count("\n")) == (1, "", 1)
    assert "bad.pth" in bad.stderr
    assert not (tmp_path / "marker").exists()
    assert run("--state-dict", "state.pth").returncode == 2
    assert run("--torchvision", "resnet18", "-o", "x.onnx").returncode == 2
