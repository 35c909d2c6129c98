"""Damaged and hostile files against the three readers: only our own errors may come out.

    python tools/fuzz.py onnx --cases 10000 --seed 0
    python tools/fuzz.py images --cases 1 --first 4711 --save found

A case is a small valid file, made here, with some random damage that depends on nothing but the
target, the seed and the number of the case. It is read in a process with a limit on its memory
and its time. What is loaded must make sense, what is refused must be refused by our own error in
one line, and no other file may be opened on the way.
"""

import argparse
import hashlib
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, PngImagePlugin, TiffImagePlugin

from minimalstyle.errors import CheckpointError, ImageError, WeightsError
from minimalstyle.network.layers import Conv
from minimalstyle.network.onnx_io import load_vgg
from minimalstyle.pictures import images, profiles
from minimalstyle.pictures.sixteen_bits import encode_png, encode_tiff
from minimalstyle.records import checkpoint
from minimalstyle.records.outputs import digests_in

NUMBERS = (0, 1, 2, 3, 15, 16, 127, 128, 255, 256, 4096, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1)
SECRET = "secret.bin"  # beside the folder of the case: nobody may open it


class Target(NamedTuple):
    suffix: str
    error: type[Exception]
    seeds: Callable[[], list[bytes]]
    mutate: Callable[[random.Random, list[bytes]], bytes]
    read: Callable[[Path], None]


# --- Damage to bytes ----------------------------------------------------------------------------


def damage(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """Some flips, cuts, splices, and edits of what may be a length."""
    content = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        place = rng.randrange(len(content) + 1)
        length = min(len(content) - place, rng.choice((1, 2, 4, 8, 64, 1024)))
        match rng.choice(
            ("flip", "flip", "byte", "number", "number", "cut", "drop", "copy", "mix")
        ):
            case "flip" if length:
                content[place] ^= 1 << rng.randrange(8)
            case "byte" if length:
                content[place] = rng.randrange(256)
            case "number":
                size = rng.choice((1, 2, 4, 8))
                number = rng.choice(NUMBERS) % 256**size
                content[place : place + size] = number.to_bytes(size, rng.choice(("big", "little")))
            case "cut":
                del content[place:]
            case "drop":
                del content[place : place + length]
            case "copy":
                target = rng.randrange(len(content) + 1)
                content[target:target] = content[place : place + length]
            case "mix":
                other = rng.choice(others)
                start = rng.randrange(len(other))
                content[place : place + length] = other[start : start + length]
    return bytes(content)


# --- Pictures -----------------------------------------------------------------------------------


def picture_seeds() -> list[bytes]:
    """A small picture in every format and many of its kinds."""
    y, x = np.mgrid[0:18, 0:23]
    rgb = Image.fromarray(np.stack([x * 11, y * 14, 120 + x - y], axis=-1).astype(np.uint8))
    grey, rgba = rgb.convert("L"), rgb.convert("RGBA")
    rgba.putalpha(grey)
    frames = {"save_all": True}
    exif = Image.Exif()
    exif[274] = 6
    text = PngImagePlugin.PngInfo()
    text.add_text("a", "b" * 300, zip=True)
    text.add_itxt("c", "d" * 300, zip=True)
    profile = profiles.srgb_bytes()
    colours = PngImagePlugin.PngInfo()
    colours.add(b"gAMA", struct.pack(">I", 100_000))
    colours.add(
        b"cHRM", struct.pack(">8I", *(31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
    )
    codes = PngImagePlugin.PngInfo()
    codes.add(b"cICP", b"\x0c\x0d\0\1")
    thumbnail = TiffImagePlugin.ImageFileDirectory_v2()
    thumbnail[254] = 1
    cases: list[tuple[str, Image.Image, dict[str, Any]]] = [
        ("PNG", rgb, {"pnginfo": text, "exif": exif}),
        ("PNG", rgba, {"icc_profile": profile}),
        ("PNG", grey.convert("1"), {}),
        ("PNG", grey.convert("LA"), {}),
        ("PNG", rgb.convert("P"), {"transparency": 3}),
        ("PNG", Image.fromarray(np.asarray(grey, np.uint16) * 257), {}),
        ("PNG", rgb, frames),
        ("PNG", grey, {"transparency": 60, "pnginfo": colours}),
        ("PNG", rgb, {"transparency": (11, 14, 120), "pnginfo": codes}),
        ("JPEG", rgb, {"exif": exif, "icc_profile": profile}),
        ("JPEG", rgb, {"progressive": True, "subsampling": 0}),
        ("JPEG", rgb.convert("CMYK"), {}),
        ("JPEG", grey, {"restart_marker_blocks": 1}),
        ("MPO", rgb, frames),
        ("WEBP", rgb, {"exif": exif}),
        ("WEBP", rgba, {"lossless": True, "icc_profile": profile}),
        ("WEBP", rgb, frames),
        ("TIFF", rgb, {"exif": exif}),
        ("TIFF", rgba, {"compression": "tiff_lzw"}),
        ("TIFF", rgb, {"compression": "tiff_deflate", "icc_profile": profile}),
        ("TIFF", rgb, {"compression": "jpeg"}),
        ("TIFF", rgb, {"compression": "packbits", "big_tiff": True}),
        ("TIFF", grey.convert("1"), {"compression": "group4"}),
        ("TIFF", grey.convert("F").point(lambda v: v / 255), {}),
        ("TIFF", Image.merge("LAB", rgb.split()), {}),
        ("TIFF", rgb, frames),
        ("TIFF", grey, {"tiffinfo": thumbnail}),
        ("TIFF", rgba.convert("LA"), {"compression": "tiff_deflate"}),
        ("TIFF", rgb.convert("P"), {"compression": "tiff_lzw"}),
        ("GIF", rgb, {}),
        ("GIF", rgb, frames),
        ("BMP", rgb, {}),
        ("BMP", rgb.convert("P"), {}),
        ("BMP", rgba, {}),
        ("PPM", rgb, {}),
        ("PPM", grey, {}),
        ("AVIF", rgb, {"speed": 10}),
        ("AVIF", rgba, {"speed": 10, "exif": exif}),
    ]
    seeds = []
    Image.init()
    for kind, image, options in cases:
        if kind in Image.SAVE:
            # Copies: Pillow notes options of the encoder in the picture.
            more = {"append_images": [rgb.rotate(180)]} if options is frames else {}
            image.copy().save(buffer := BytesIO(), kind, **options, **more)
            seeds.append(buffer.getvalue())
    deep = np.random.default_rng(0).integers(0, 65536, (17, 16, 4)).astype(np.uint16)
    for encode in (encode_png, encode_tiff):
        seeds += [encode(deep, profile, "text"), encode(deep[..., :3], profile)]
    rle = struct.pack("<IiiHHIIiiII", 40, 16, 16, 1, 8, 1, 0, 0, 0, 256, 0) + bytes(range(256)) * 4
    rows = b"\x10\x07\0\0" * 14 + b"\0\x04abcd\0\2\x03\0\0\0" + b"\x10\x08\0\0\0\1"
    head = struct.pack("<2sIHHI", b"BM", 14 + len(rle + rows), 0, 0, 14 + len(rle))
    return [*seeds, head + rle + rows]


def mutate_picture(rng: random.Random, seeds: list[bytes]) -> bytes:
    data = damage(rng, rng.choice(seeds), seeds)
    return repaired(data) if rng.random() < 0.7 else data


def repaired(data: bytes) -> bytes:
    """A PNG with right checksums, without which none of its damage would be met."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    content, place = bytearray(data), 8
    while place + 12 <= len(content):
        end = place + 8 + int.from_bytes(content[place : place + 4], "big")
        if end + 4 > len(content):
            break
        content[end : end + 4] = zlib.crc32(content[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(content)


def read_picture(path: Path) -> None:
    picture = images.load(path)
    height, width, channels = picture.rgb.shape
    assert min(height, width) >= images.MIN_SIDE, picture.rgb.shape
    assert channels == 3, picture.rgb.shape
    for array in (picture.rgb, picture.alpha):
        if array is not None:
            assert array.shape[:2] == (height, width), array.shape
            assert array.dtype == np.float32, array.dtype
            assert 0 <= array.min() <= array.max() <= 1, (array.min(), array.max())


# --- ONNX ---------------------------------------------------------------------------------------


def onnx_seeds() -> list[bytes]:
    """Small networks of every part that a VGG may have, with weights in every kind of store."""
    rng = np.random.default_rng(0)

    def make(store: str, *layers: str) -> bytes:
        nodes: list[onnx.NodeProto] = []
        tensors: list[onnx.TensorProto] = []
        name, channels = "image", 3

        def constants(index: int, *arrays: np.ndarray) -> Iterator[str]:
            for number, array in enumerate(arrays):
                key = f"w{index}_{number}"
                kind = {"half": np.float16, "double": np.float64}.get(store, np.float32)
                tensor = numpy_helper.from_array(array.astype(kind), key)
                if store == "typed":
                    tensor = helper.make_tensor(key, 1, array.shape, array.ravel())
                if store == "external":
                    entries = {"location": "weights.bin", "length": str(len(tensor.raw_data))}
                    for entry in entries.items():
                        tensor.external_data.add(key=entry[0], value=entry[1])
                    tensor.data_location = TensorProto.EXTERNAL
                    tensor.ClearField("raw_data")
                if store == "constant":
                    nodes.append(helper.make_node("Constant", [], [key], value=tensor))
                else:
                    tensors.append(tensor)
                if store == "half":
                    tensor.name += "h"
                    nodes.append(helper.make_node("Cast", [tensor.name], [key], to=1))
                yield key

        for index, layer in enumerate(layers):
            inputs: list[str] = []
            options: dict[str, Any] = {}
            op = {"pre": "Conv", "single": "Conv", "norm": "BatchNormalization"}.get(layer, layer)
            if op == "Conv":
                k, out = (3, channels + 1) if layer == "Conv" else (1, channels)
                out = 1 if layer == "single" else out
                weight, bias = rng.normal(size=(out, channels, k, k)), rng.normal(size=out)
                inputs, channels = list(constants(index, weight, bias)), out
                options = {"pads": [k // 2] * 4, "kernel_shape": [k, k], "strides": [1, 1]}
            elif layer == "norm":
                inputs = list(constants(index, *rng.random((4, channels))))
                options = {"epsilon": 1e-5}
            elif layer.endswith("Pool") and not layer.startswith("Global"):
                options = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0] * 4}
            nodes.append(helper.make_node(op, [name, *inputs], [f"t{index}"], **options))
            name = f"t{index}"
        value = helper.make_tensor_value_info
        ends = [value("image", 1, [1, 3, "h", "w"])], [value(name, 1, None)]
        model = helper.make_model(helper.make_graph(nodes, "net", *ends, tensors), ir_version=8)
        helper.set_model_props(model, {"preprocess_mean": "0,0,0", "preprocess_std": "1,1,1"})
        return bytes(model.SerializeToString())

    vgg = ("Conv", "Relu", "Conv", "Relu", "MaxPool", "Conv", "Relu")
    stores = ("raw", "typed", "half", "double", "constant", "external")
    return [make(store, *vgg) for store in stores] + [
        make("raw", "pre", "Conv", "norm", "Relu", "AveragePool", "single", "norm", "Relu"),
        make(
            "half",
            "Identity",
            "Conv",
            "norm",
            "norm",
            "Relu",
            "Dropout",
            "MaxPool",
            "Flatten",
            "Softmax",
        ),
        make("raw", *vgg, "GlobalAveragePool", "Squeeze"),
    ]


OPS = (
    "Conv", "Relu", "MaxPool", "AveragePool", "BatchNormalization", "Cast", "Identity", "Dropout",
    "Constant", "Flatten", "Reshape", "Add", "If", "Loop", "",
)  # fmt: skip
PLACES = (
    f"../{SECRET}", f"sub/../../{SECRET}", "link.bin", "up/secret.bin", "/etc/passwd", "/dev/zero",
    "weights.bin", "case.onnx", ".", "", "a\0b", "\x1b[31m", "weights.bin/x", "\\\\host\\x",
)  # fmt: skip


def edit_node(rng: random.Random, graph: onnx.GraphProto) -> None:
    node = rng.choice(graph.node)
    names = ["image", "", "t0", *(name for other in graph.node for name in other.output)]
    match rng.randrange(8):
        case 0:
            graph.node.remove(node)
        case 1:
            graph.node.insert(rng.randrange(len(graph.node) + 1), node)
        case 2:
            graph.node.add().CopyFrom(node)
            graph.node[-1].output[:] = [f"new{rng.randrange(9)}" for _ in node.output]
        case 3 if node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice(names)
        case 4 if node.output:
            node.output[rng.randrange(len(node.output))] = rng.choice(names)
        case 5:
            node.input.append(rng.choice(names))
        case 6:
            del node.input[rng.randrange(len(node.input) + 1) :]
        case 7:
            node.op_type = rng.choice(OPS)
            node.domain = rng.choice(("", "", "ai.onnx", "x\ny"))


def edit_attribute(rng: random.Random, graph: onnx.GraphProto) -> None:
    node = rng.choice(graph.node)
    if not node.attribute or rng.random() < 0.2:
        name = rng.choice(("pads", "group", "epsilon", "auto_pad", "to", "ceil_mode", "value", "a"))
        node.attribute.add(name=name, type=rng.randrange(15), i=rng.choice(NUMBERS))
        return
    attribute = rng.choice(node.attribute)
    match rng.randrange(6):
        case 0:
            attribute.type = rng.randrange(15)
        case 1:
            attribute.ints.append(rng.choice(NUMBERS) - 2)
        case 2 if attribute.ints:
            attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(NUMBERS) - 2
        case 3:
            attribute.i, attribute.f = rng.choice(NUMBERS) - 2, rng.choice((-1, 0, 1e30, np.nan))
        case 4:
            attribute.floats.extend([1e-5] * rng.randrange(5))
            attribute.type = onnx.AttributeProto.FLOATS
        case 5:
            node.attribute.remove(attribute)


def edit_tensor(rng: random.Random, graph: onnx.GraphProto) -> None:
    values = [a.t for node in graph.node for a in node.attribute if a.HasField("t")]
    tensors = [*graph.initializer, *values]
    if not tensors:
        return
    tensor = rng.choice(tensors)
    match rng.randrange(9):
        case 0 if tensor.dims:
            tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice((*NUMBERS, -1, 2**62))
        case 1:
            tensor.dims.extend([rng.choice(NUMBERS)] * rng.choice((1, 1, 5, 60, 50_000)))
        case 2:
            del tensor.dims[rng.randrange(len(tensor.dims) + 1) :]
        case 3:
            tensor.data_type = rng.choice((0, 1, 2, 7, 8, 9, 10, 11, 14, 16, 17, 23, 99))
        case 4:
            tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
        case 5:
            tensor.raw_data += bytes(rng.choice((1, 2, 4, 8)))
        case 6:
            raw = bytearray(tensor.raw_data or bytes(4))
            place = rng.randrange(len(raw))
            raw[place : place + 4] = struct.pack("<f", rng.choice((np.nan, np.inf, -1e38, 1e-45)))
            tensor.raw_data = bytes(raw)
        case 7:
            tensor.name = rng.choice(("image", "", "t0", "w0_0", "w0_1"))
        case 8:
            tensor.data_location = TensorProto.EXTERNAL
            key = rng.choice(("location", "location", "location", "offset", "length", "checksum"))
            number = str(rng.choice((*NUMBERS, -4, "x", "9" * 5000)))
            tensor.external_data.add(
                key=key, value=rng.choice(PLACES) if key == "location" else number
            )


def edit_model(rng: random.Random, model: onnx.ModelProto) -> None:
    graph = model.graph
    match rng.randrange(7):
        case 0:
            graph.input.add(name=rng.choice(("image", "x", "w0_0")))
        case 1:
            del graph.input[:]
        case 2:
            entry = rng.choice(model.metadata_props) if model.metadata_props else None
            model.metadata_props.add(key="preprocess_mean", value="1e400,0,0")
            if entry is not None:
                entry.value = rng.choice(("", "nan,0,0", "1,1", "0,0,0", "9" * 5000, "1,1,1,1"))
        case 3:
            graph.initializer.add().CopyFrom(rng.choice(graph.initializer or [TensorProto()]))
        case 4 if graph.initializer:
            del graph.initializer[rng.randrange(len(graph.initializer))]
        case 5:  # graphs in graphs
            inner = model.graph.node[-1].attribute.add(name="body", type=onnx.AttributeProto.GRAPH)
            for _ in range(rng.choice((1, 10, 30))):
                inner = inner.g.node.add(op_type="If").attribute.add(name="body", type=5)
        case 6:  # many nodes that do nothing
            name = graph.node[-1].output[0] if graph.node[-1].output else "image"
            for number in range(rng.choice((3, 300, 3000))):
                op = rng.choice(("Identity", "Relu", "MaxPool", "Cast"))
                graph.node.add(op_type=op, input=[name], output=[f"many{number}"])
                name = f"many{number}"


def mutate_onnx(rng: random.Random, seeds: list[bytes]) -> bytes:
    data = rng.choice(seeds)
    if rng.random() < 0.75:
        model = onnx.ModelProto.FromString(data)
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            if model.graph.node:
                edit = rng.choice((edit_node, edit_attribute, edit_tensor, edit_model))
                edit(rng, model if edit is edit_model else model.graph)  # type: ignore[operator]
        data = model.SerializeToString()
    return damage(rng, data, seeds) if rng.random() < 0.4 else data


def read_onnx(path: Path) -> None:
    vgg = load_vgg(path)
    names = [layer.name for layer in vgg.layers]
    assert len(set(names)) == len(names), names
    channels = 3
    for layer in vgg.layers:
        if isinstance(layer, Conv):
            k = 1 if layer.name == "preprocess" else layer.weight.shape[0]
            assert layer.weight.shape == (k, k, channels, layer.bias.size), layer.weight.shape
            assert k in (1, 3), k
            for array in (layer.weight, layer.bias):
                assert array.dtype == np.float32, array.dtype
                assert np.isfinite(array).all(), layer.name
            channels = layer.bias.size


# --- Checkpoints --------------------------------------------------------------------------------


def checkpoint_seeds() -> list[bytes]:
    arrays = {"x": np.arange(60.0).reshape(4, 5, 3), "k": np.arange(3, dtype=np.int64)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        checkpoint.write(path, {"settings": {"size": 512}, "sizes": [[3, 4]], "loss": 0.5}, arrays)
        first = path.read_bytes()
        end = checkpoint.write(path, {"deep": [[[[]]]], "text": "Zoë"}, {"a": np.zeros(0, "f")})
        second = path.read_bytes()
        end = checkpoint.append(path, end, {"terms": {"tv": 0.5}}, {"values": np.ones((1, 2))})
        checkpoint.append(path, end, {"outputs": {"a.png": ["0" * 64]}}, {})
        return [first, second, path.read_bytes()]


def mutate_checkpoint(rng: random.Random, seeds: list[bytes]) -> bytes:
    if rng.random() < 0.3:
        return damage(rng, rng.choice(seeds), seeds)
    body = damage(rng, rng.choice(seeds)[:-32], seeds)
    return body + hashlib.sha256(body).digest()


def read_checkpoint(path: Path) -> None:
    size = 0
    for facts, arrays, end in checkpoint.sections(path):
        assert isinstance(facts, dict), type(facts)
        size += sum(array.nbytes for array in arrays.values())
        assert size <= end <= path.stat().st_size
    digests_in(path)


# --- The loop -----------------------------------------------------------------------------------

TARGETS = {
    "onnx": Target(".onnx", WeightsError, onnx_seeds, mutate_onnx, read_onnx),
    "images": Target(".png", ImageError, picture_seeds, mutate_picture, read_picture),
    "checkpoint": Target(
        ".ckpt", CheckpointError, checkpoint_seeds, mutate_checkpoint, read_checkpoint
    ),
}

opened: list[str] = []


def note_opened(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str):
        opened.append(arguments[0])


def outcome(target: Target, path: Path) -> str:
    """What comes of reading the file; unexpected outcomes are in capitals."""
    opened.clear()
    try:
        target.read(path)
        result = "loaded"
    except target.error as error:
        result = "refused"
        if isinstance(error.__cause__, MemoryError):
            result = "refused for want of memory"
        if not str(error).isprintable() or len(str(error)) > 2000:
            result = f"A MESSAGE {str(error)[:200]!r}"
    except BaseException as error:
        result = f"{type(error).__name__.upper()} {error}"
    libraries = tuple(
        map(os.path.realpath, (sys.prefix, sys.base_prefix, Path(__file__).parents[1]))
    )
    for name in map(os.path.realpath, opened):
        if not name.startswith((str(path.parent), *libraries)) and name != os.devnull:
            result = f"FILE OPENED {name}"
    return result


def work(options: argparse.Namespace, numbers: range, pipe: int) -> None:
    """In a process of its own: one line per case into the pipe, `number outcome`."""
    target = TARGETS[options.target]
    seeds = target.seeds()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place).resolve() / "files"
        folder.mkdir()
        for file in (folder / "weights.bin", folder.parent / SECRET):
            file.write_bytes(bytes(4 * 4 * 3 * 3 * 3))
        (folder / "link.bin").symlink_to(folder.parent / SECRET)
        (folder / "up").symlink_to(folder.parent)
        path = folder / f"case{target.suffix}"
        path.write_bytes(seeds[0])
        target.read(path)  # imports what it needs, before memory is limited
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + options.megabytes * 2**20,) * 2)
        sys.addaudithook(note_opened)
        for number in numbers:
            path.write_bytes(case(options, seeds, number))
            signal.alarm(options.seconds)  # nobody handles it: it ends the process
            line = outcome(target, path)
            signal.alarm(0)
            os.write(pipe, f"{number} {' '.join(line.split())[:300]}\n".encode(errors="replace"))


def case(options: argparse.Namespace, seeds: list[bytes], number: int) -> bytes:
    """The bytes of one case."""
    rng = random.Random(f"{options.target} {options.seed} {number}")
    return TARGETS[options.target].mutate(rng, seeds)


def run(options: argparse.Namespace) -> Iterator[tuple[int, str]]:
    """Number and outcome of each case; what kills the process is an outcome, too."""
    number, last = options.first, options.first + options.cases
    while number < last:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            warnings.simplefilter("ignore")
            os.close(reader)
            code = 1
            try:
                work(options, range(number, last), writer)
                code = 0
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(writer)
        with os.fdopen(reader) as lines:
            for line in lines:
                text, _, result = line.rstrip("\n").partition(" ")
                yield int(text), result
                number = int(text) + 1
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status > 0:
            sys.exit(status)  # an error of this program
        if number < last:
            yield number, f"ENDED BY {signal.Signals(-status).name}"
            number += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seconds", type=int, default=10, help="for a case")
    parser.add_argument("--megabytes", type=int, default=1024, help="for a case")
    parser.add_argument("--save", type=Path, help="folder for the files of unexpected outcomes")
    parser.add_argument("--memory", action="store_true", help="count want of memory as unexpected")
    options = parser.parse_args()
    start = time.monotonic()
    counts: Counter[str] = Counter()
    unexpected = 0
    for number, result in run(options):
        kind = result.partition(" ")[0]
        counts[result if kind.islower() else kind] += 1
        if not kind.islower() or (options.memory and "memory" in result):
            unexpected += 1
            print(f"case {number}: {result}")
            if options.save:
                options.save.mkdir(parents=True, exist_ok=True)
                target = TARGETS[options.target]
                name = f"{options.target}-{options.seed}-{number}{target.suffix}"
                (options.save / name).write_bytes(case(options, target.seeds(), number))
    for kind, count in counts.most_common():
        print(f"{count:8} {kind}")
    print(f"{options.cases} cases in {time.monotonic() - start:.0f} s, {unexpected} unexpected")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
