"""Broken and hostile files by the hundred: our own errors, little memory, little time."""

import ast
import importlib.util
import io
import json
import os
import random
import re
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from minimalstyle import errors
from minimalstyle.errors import ImageError, MinimalstyleError
from minimalstyle.pictures import images, limits

ROOT = Path(__file__).parents[1]
REGRESSIONS = Path(__file__).parent / "regressions"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def import_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz", ROOT / "tools" / "fuzz.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fuzz = import_tool()
PICTURES: list[bytes] = fuzz.picture_seeds()
NETWORKS: list[bytes] = fuzz.onnx_seeds()


def kind(data: bytes) -> str:
    with Image.open(io.BytesIO(data)) as image:
        return str(image.format)


def read(path: Path, data: bytes) -> images.Picture | None:
    """The picture; None if it is refused in one line."""
    path.write_bytes(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return images.load(path)
    except ImageError as error:
        assert str(error).startswith(f"{path}: ")
        assert str(error).isprintable()
        return None


# Reads the files in a process with at most 512 MB more than an idle one, 20 s for each; prints
# each outcome, and at the end by how many MB the process has grown.
READ = """
import json, resource, signal, sys, warnings
from pathlib import Path
from minimalstyle.pictures import images
from minimalstyle.errors import MinimalstyleError
from minimalstyle.network.onnx_io import load_vgg

warnings.simplefilter("ignore")
load_vgg()
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**29,) * 2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
outcomes = {}
for name in sys.argv[1:]:
    signal.alarm(20)
    try:
        load_vgg(name) if name.endswith(".onnx") else images.load(name)
        outcomes[name] = "loaded"
    except MinimalstyleError as error:
        outcomes[name] = str(error)
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
print(json.dumps([outcomes, grown]))
"""


def read_apart(*paths: Path) -> tuple[dict[str, str], int]:
    """Outcome by the file's name, and growth in MB."""
    command = [sys.executable, "-c", READ, *map(str, paths)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr  # -14: an alarm
    assert done.stderr == ""
    outcomes, grown = json.loads(done.stdout)
    return {Path(name).name: text for name, text in outcomes.items()}, grown


# --- Cut at every boundary ----------------------------------------------------------------------


def png_boundaries(data: bytes) -> Iterator[int]:
    place = 8
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        yield from (place, place + 4, place + 8, place + 8 + length)
        place += 12 + length


def jpeg_boundaries(data: bytes) -> Iterator[int]:
    for match in re.finditer(rb"\xff[^\x00\xff]", data):
        yield from (match.start(), match.end(), match.end() + 2)


def riff_boundaries(data: bytes) -> Iterator[int]:
    yield from (4, 8)
    place = 12
    while place < len(data):
        (length,) = struct.unpack_from("<I", data, place + 4)
        yield from (place, place + 4, place + 8, place + 8 + length)
        place += 8 + length + length % 2


def tiff_boundaries(data: bytes) -> Iterator[int]:
    """The header, each entry of the first directory, and where each entry points to."""
    big = data[2] == 43
    (directory,) = struct.unpack_from("<Q" if big else "<I", data, 8 if big else 4)
    (count,) = struct.unpack_from("<Q" if big else "<H", data, directory)
    entries, length = directory + (8 if big else 2), 20 if big else 12
    yield from (4, 8, directory, entries)
    for number in range(count):
        place = entries + length * number
        yield from (place, place + 4, place + length)
        (value,) = struct.unpack_from("<Q" if big else "<I", data, place + length // 2 + 2)
        yield value


def gif_boundaries(data: bytes) -> Iterator[int]:
    place = 13 + (3 * 2 ** (1 + data[10] % 8) if data[10] & 128 else 0)
    yield from (6, 13, place)
    while data[place] != 0x3B:
        if data[place] == 0x2C:
            packed = data[place + 9]
            place += 10 + (3 * 2 ** (1 + packed % 8) if packed & 128 else 0) + 1
        else:
            place += 2
        yield place
        while data[place]:
            place += 1 + data[place]
            yield place
        place += 1
        yield place


def header_boundaries(data: bytes) -> Iterator[int]:
    yield from range(64)
    if data.startswith(b"BM"):
        yield int.from_bytes(data[10:14], "little")


def box_boundaries(data: bytes) -> Iterator[int]:
    """Of an AVIF: wherever the name of a box stands."""
    for match in re.finditer(rb"ftyp|meta|mdat|hdlr|pitm|iloc|iinf|infe|iprp|ipco|ispe|ipma", data):
        yield from (match.start() - 4, match.start(), match.end())


BOUNDARIES: dict[str, Callable[[bytes], Iterator[int]]] = {
    "PNG": png_boundaries,
    "JPEG": jpeg_boundaries,
    "MPO": jpeg_boundaries,
    "WEBP": riff_boundaries,
    "TIFF": tiff_boundaries,
    "GIF": gif_boundaries,
    "BMP": header_boundaries,
    "PPM": header_boundaries,
    "AVIF": box_boundaries,
}


@pytest.mark.parametrize("number", range(len(PICTURES)))
def test_cut_at_every_boundary(number: int, tmp_path: Path) -> None:
    """Refused, or what is missing is not needed for the pixels."""
    data = PICTURES[number]
    path = tmp_path / "a.png"
    whole = read(path, data)
    assert whole is not None
    places = {p + d for p in BOUNDARIES[kind(data)](data) for d in (-1, 0, 1)}
    lengths = sorted(n for n in places if 0 < n < len(data))
    assert len(lengths) >= 15
    pictures = [(n, picture) for n in lengths if (picture := read(path, data[:n]))]
    assert len(pictures) < len(lengths) / 2
    for length, picture in pictures:
        assert same_pixels(picture, whole), length


def same_pixels(picture: images.Picture, whole: images.Picture) -> bool:
    """Perhaps not turned upright: an orientation may stand after the pixels."""
    turned = np.rot90(whole.rgb)
    return any(
        picture.rgb.shape == rgb.shape and np.abs(picture.rgb - rgb).max() <= 0.02
        for rgb in (whole.rgb, turned)
    )


# --- Lies in PNG chunks -------------------------------------------------------------------------


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(*chunks: bytes, width: int = 16, height: int = 16) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes((3 * 16 + 1) * 16))
    return b"".join((
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", header),
        *chunks,
        chunk(b"IDAT", pixels),
        chunk(b"IEND", b""),
    ))  # fmt: skip


@pytest.mark.parametrize("number", [n for n, data in enumerate(PICTURES) if kind(data) == "PNG"])
def test_wrong_checksums(number: int, tmp_path: Path) -> None:
    data = PICTURES[number]
    place, refused, names = 8, set(), set()
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        name = data[place + 4 : place + 8]
        broken = bytearray(data)
        broken[place + 8 + length] ^= 1
        names.add(name)
        if read(tmp_path / "a.png", bytes(broken)) is None:
            refused.add(name)
        place += 12 + length
    assert {b"IHDR", b"IDAT", b"IEND"} <= names
    assert names - refused <= {b"IEND"}  # that nobody looks at


ZEROS = zlib.compress(bytes(200_000_000), 9)  # 200 MB in 200 kB


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that are small and want much."""
    folder = tmp_path_factory.mktemp("bombs")
    files = {
        "ztxt.png": png(chunk(b"zTXt", b"a\0\0" + ZEROS)),
        "itxt.png": png(chunk(b"iTXt", b"a\0\1\0\0\0" + ZEROS)),
        "iccp.png": png(chunk(b"iCCP", b"a\0\0" + ZEROS)),
        "texts.png": png(*[chunk(b"zTXt", b"a%d\0\0" % n + ZEROS[:1000]) for n in range(2000)]),
        "last.png": png()[:-12] + chunk(b"zTXt", b"a\0\0" + ZEROS) + chunk(b"IEND", b""),
        "pixels.png": png(chunk(b"IDAT", ZEROS)),
        "rows.bmp": rows(1_000_000),
        "scans.jpg": scans(4000, 4000, 100_000),
        "exif.jpg": exif(),
        "solid.webp": solid_webp(16383, 10000),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
        assert len(data) < 3_000_000
    return folder


def segment(marker: int, data: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def scans(width: int, height: int, count: int) -> bytes:
    """A progressive JPEG of empty scans: each takes the decoder through all pixels."""
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0"
    table = bytes([1, *[0] * 15, 0])
    return b"".join((
        b"\xff\xd8",
        segment(0xDB, b"\0" + b"\1" * 64),
        segment(0xC2, frame),
        segment(0xC4, b"\x00" + table),
        segment(0xC4, b"\x10" + table),
        segment(0xDA, b"\1\1\0\0\0\0"),
        segment(0xDA, b"\1\1\0\1\x3f\0") * count,
        b"\xff\xd9",
    ))  # fmt: skip


def rows(width: int) -> bytes:
    """A run-length BMP: in each row one pixel and the end of the row, which Python fills up."""
    data = b"\1\7\0\0" * 16 + b"\0\1"
    info = struct.pack("<IiiHHIIiiII", 40, width, 16, 1, 8, 1, 0, 0, 0, 256, 0) + bytes(1024)
    start = 14 + len(info)
    return struct.pack("<2sIHHI", b"BM", start + len(data), 0, 0, start) + info + data


def exif() -> bytes:
    """A directory whose 8000 entries are all the same megabyte."""
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "JPEG")
    jpeg = buffer.getvalue()
    entries = [struct.pack("<HHII", tag, 7, 900_000, 8) for tag in range(1000, 9000)]
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(entries)
    block += bytes(1_000_000 - len(block))
    parts = [block[n : n + 60_000] for n in range(0, len(block), 60_000)]
    return jpeg[:2] + b"".join(segment(0xE1, b"Exif\0\0" + part) for part in parts) + jpeg[2:]


def solid_webp(width: int, height: int) -> bytes:
    """Lossless, of one colour: its 30 bytes are right for any size."""
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 100, 50)).save(buffer, "WEBP", lossless=True)
    data = bytearray(buffer.getvalue())
    size = data.index(b"VP8L") + 9  # 14 bits of width - 1, then 14 of height - 1
    rest = int.from_bytes(data[size : size + 4], "little") >> 28 << 28
    data[size : size + 4] = (rest | height - 1 << 14 | width - 1).to_bytes(4, "little")
    return bytes(data)


def test_solid_webp_is_right(tmp_path: Path) -> None:
    picture = read(tmp_path / "a.webp", solid_webp(900, 700))
    assert picture is not None
    assert picture.rgb.shape == (700, 900, 3)
    np.testing.assert_allclose(picture.rgb[::50, ::50] * 255, [[[200, 100, 50]] * 18] * 14)
    (tmp_path / "b.webp").write_bytes(solid_webp(16383, 10000))
    with pytest.raises(ImageError, match="16383x10000 pixels in 38 bytes"):
        images.load(tmp_path / "b.webp")


def test_bombs(bombs: Path) -> None:
    outcomes, grown = read_apart(*bombs.iterdir())
    # No more is unpacked than there are pixels, no text, and no more of a profile than 16 MB.
    for name in ("pixels.png", "ztxt.png", "itxt.png", "last.png", "texts.png", "iccp.png"):
        assert outcomes.pop(name) == "loaded"
    assert outcomes.pop("exif.jpg") == "loaded"
    expected = {
        "rows.bmp": "1000000x16 pixels in ",
        "scans.jpg": "100001 scans of one picture",
        "solid.webp": "",
    }
    for name, words in expected.items():
        assert words in outcomes.pop(name)
    assert not outcomes
    assert grown < 200


# --- Huge declared sizes ------------------------------------------------------------------------


def size_fields(data: bytes, width: int, height: int) -> list[tuple[int, str, list[int]]]:
    """Where the header has the size: place, layout, numbers; empty for what is not known."""
    form = kind(data)
    fields: list[tuple[int, str, list[int]]] = []
    if form == "PNG":
        fields = [(16, ">II", [width, height])]
    elif form in ("JPEG", "MPO"):
        frame = re.search(rb"\xff[\xc0\xc2]", data)
        assert frame is not None
        fields = [(frame.start() + 5, ">HH", [height, width])]
    elif form == "GIF":
        image = data.index(b"\x2c", 13 + 3 * 2 ** (1 + data[10] % 8))
        fields = [(6, "<HH", [width, height]), (image + 5, "<HH", [width, height])]
    elif form == "BMP":
        fields = [(18, "<ii", [width, height])]
    elif form == "AVIF":
        fields = [(data.index(b"ispe") + 8, ">II", [width, height])]
    elif form == "TIFF" and data[:4] == b"II*\0":
        for tag, number in ((256, width), (257, height), (278, height)):
            for code in (3, 4):
                place = data.find(struct.pack("<HHI", tag, code, 1))
                fields += [(place, "<HHII", [tag, 4, 1, number])] if place >= 0 else []
    elif form == "WEBP" and b"VP8X" in data:
        sides = [width - 1 & 0xFFFF, width - 1 >> 16, height - 1 & 0xFFFF, height - 1 >> 16]
        fields = [(24, "<HBHB", sides)]
    elif form == "WEBP" and b"VP8 " in data:
        fields = [(data.index(b"VP8 ") + 14, "<HH", [width, height])]
    return fields


def declare(data: bytes, width: int, height: int) -> bytes | None:
    """The same file with another size in its header; None where it does not fit."""
    if data[:2] in (b"P5", b"P6"):
        return re.sub(rb"\d+ \d+", b"%d %d" % (width, height), data, count=1)
    content = bytearray(data)
    try:
        for place, layout, numbers in size_fields(data, width, height):
            struct.pack_into(layout, content, place, *numbers)
    except struct.error:
        return None
    return bytes(fuzz.repaired(bytes(content))) if content != data else None


SIZES = ((2**31 - 1, 2**31 - 1), (65535, 65535), (16383, 16383), (12000, 12000), (2**31 - 1, 16))


def test_declared_sizes(tmp_path: Path) -> None:
    """In every format: nothing is allocated for pixels that are not there."""
    formats = set()
    for number, data in enumerate(PICTURES):
        for width, height in SIZES:
            changed = declare(data, width, height)
            if changed is not None:
                (tmp_path / f"{number}-{width}-{height}").write_bytes(changed)
                formats.add(kind(data))
    assert formats == set(BOUNDARIES)
    outcomes, grown = read_apart(*tmp_path.iterdir())
    assert len(outcomes) > 100
    loaded = {name for name, text in outcomes.items() if text == "loaded"}
    assert loaded == set()
    limits = [name for name, text in outcomes.items() if "more than 178,000,000 pixels" in text]
    assert len(limits) > 50
    assert grown < 100


# --- What was found once ------------------------------------------------------------------------


def test_regressions() -> None:
    """Each file says in its name what must come of it; tests/regressions/README.md says why."""
    files = sorted(file for file in REGRESSIONS.iterdir() if file.suffix != ".md")
    outcomes, grown = read_apart(*files)
    assert len(outcomes) == len(files) >= 8
    for file in files:
        assert file.stat().st_size < 20_000, file
        expected = file.name.partition("-")[0]
        assert expected in ("loaded", "refused")
        assert (outcomes[file.name] == "loaded") == (expected == "loaded"), outcomes[file.name]
        assert "memory" not in outcomes[file.name]
    listed = re.findall(r"^\| `(.+?)`", (REGRESSIONS / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == [file.name for file in files]
    assert grown < 100


# --- Properties ---------------------------------------------------------------------------------


@st.composite
def pictures(draw: st.DrawFn) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    """(H, W, 3) and (H, W) or None, of any kind of number that `save` takes."""
    height, width = draw(st.integers(16, 40)), draw(st.integers(16, 40))
    if draw(st.booleans()):
        height, width = draw(st.sampled_from([(16, 2000), (2000, 16), (16, 16)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = rng.random((height, width, 4))
    if draw(st.booleans()):
        values = np.rint(values)  # black, white, and the six colours between
    dtype = draw(st.sampled_from(["u1", "u2", "f4", "f8"]))
    if dtype[0] == "u":
        values = values * np.iinfo(dtype).max
    values = values.astype(dtype)
    return values[..., :3], values[..., 3] if draw(st.booleans()) else None


@settings(max_examples=150, deadline=None, derandomize=True)
@given(pictures(), st.sampled_from([(s, b) for s in (".png", ".tif") for b in (8, 16)]))
def test_lossless_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: tuple[npt.NDArray[Any], npt.NDArray[Any] | None],
    kind: tuple[str, int],
) -> None:
    """Half a level off at most, whatever the shape, the numbers and the format."""
    rgb, alpha = drawn
    suffix, bits = kind
    path = tmp_path_factory.getbasetemp() / f"round_trip{suffix}"
    images.save(path, rgb, alpha, bits=bits)
    picture = images.load(path)
    half = 0.51 / (2**bits - 1)
    most = np.iinfo(rgb.dtype).max if rgb.dtype.kind == "u" else 1
    opaque = np.ones(rgb.shape[:2])
    expected = opaque if alpha is None else alpha / most
    seen = expected > 0.26
    np.testing.assert_allclose(picture.rgb[seen], (rgb / most)[seen], atol=half, rtol=0)
    found = opaque if picture.alpha is None else picture.alpha
    np.testing.assert_allclose(found, expected, atol=half, rtol=0)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(pictures(), st.sampled_from([".jpg", ".webp"]))
def test_lossy_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: tuple[npt.NDArray[Any], npt.NDArray[Any] | None],
    suffix: str,
) -> None:
    """The shape stays, and the mean of each channel."""
    rgb, alpha = drawn
    path = tmp_path_factory.getbasetemp() / f"round_trip{suffix}"
    images.save(path, rgb, alpha if suffix == ".webp" else None)
    picture = images.load(path)
    most = np.iinfo(rgb.dtype).max if rgb.dtype.kind == "u" else 1
    assert picture.rgb.shape == rgb.shape
    if alpha is None:  # nobody sees what WebP makes of transparent pixels
        expected = rgb.mean((0, 1)) / most
        np.testing.assert_allclose(picture.rgb.mean((0, 1)), expected, atol=0.06)
    elif suffix == ".webp" and picture.alpha is not None:
        np.testing.assert_allclose(picture.alpha, alpha / most, atol=0.003)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.integers(0, 2**64 - 1))
def test_graph_edits(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    check(tmp_path_factory, "onnx", fuzz.mutate_onnx(random.Random(seed), NETWORKS))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    st.sampled_from(NETWORKS),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_bytes_of_a_network(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, flips: list[tuple[int, int]]
) -> None:
    content = bytearray(data)
    for place, value in flips:
        content[place % len(content)] = value
    check(tmp_path_factory, "onnx", bytes(content))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    st.sampled_from(PICTURES),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_bytes_of_a_picture(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, flips: list[tuple[int, int]]
) -> None:
    content = bytearray(data)
    for place, value in flips:
        content[place % len(content)] = value
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "MAX_PIXELS", 10**6)
        check(tmp_path_factory, "images", fuzz.repaired(bytes(content)))


def check(factory: pytest.TempPathFactory, name: str, data: bytes) -> None:
    """Loaded and whole, or refused; by the judgement of tools/fuzz.py."""
    target = fuzz.TARGETS[name]
    path = factory.getbasetemp() / f"case{target.suffix}"
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert fuzz.outcome(target, path) in ("loaded", "refused")


# --- What is promised ---------------------------------------------------------------------------


def test_nothing_is_evaluated() -> None:
    """No text becomes code, no other program is started; two rooms alone know the network."""
    calls = {"eval", "exec", "compile", "__import__", "system", "popen", "Popen", "spawnv"}
    modules = {"subprocess", "marshal", "socket", "urllib", "http", "ftplib", "requests"}
    speaking = {("batch", "cluster.py"), ("studio", "listening.py"), ("studio", "guard.py")}
    sources = list((ROOT / "minimalstyle").rglob("*.py"))
    assert len(sources) > 20
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", None) or getattr(node.func, "attr", "")
                is_method = name == "compile" and isinstance(node.func, ast.Attribute)  # of `re`
                assert name not in calls or is_method, f"{source}:{node.lineno}"
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None) or "", *(n.name for n in node.names)]
                found = {name.partition(".")[0] for name in names} & modules
                speaks = (source.parent.name, source.name) in speaking
                assert found <= ({"http", "socket", "urllib"} if speaks else set()), source


def test_errors_are_listed_with_their_exit_codes() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text()
    rows = re.findall(r"^\| `(\w+Error)` \| (\d+) \| (.+) \|$", text, re.MULTILINE)
    classes = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    expected = [(one.__name__, one.exit_code, one.__doc__.splitlines()[0]) for one in classes]
    assert [(name, int(code), words) for name, code, words in rows] == sorted(
        expected, key=lambda row: row[1]
    )


def test_tests_that_are_named_exist() -> None:
    """`tests/x.py::test_y`, and `::test_z` for another one in the last file."""
    text = (ROOT / "docs" / "reliability.md").read_text()
    named = re.findall(r"`((?:tests/[\w/]+\.py)?)::(test_\w+)`", text)
    assert len(named) > 40
    file = ""
    for path, name in named:
        file = path or file
        where = f"{file}::{name}"
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE), where


# --- The fuzzer itself --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["onnx", "images", "checkpoint"])
def test_fuzzer_runs(name: str) -> None:
    command = [sys.executable, "tools/fuzz.py", name, "--cases", "150", "--seed", "99"]
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counts = dict(re.findall(r"^ *(\d+) (loaded|refused)$", done.stdout, re.MULTILINE))
    assert len(counts) == 2, done.stdout
    assert "150 cases in" in done.stdout
    assert "0 unexpected" in done.stdout


def test_fuzzer_sees_what_it_looks_for(tmp_path: Path) -> None:
    """A foreign error, a message of two lines, want of memory."""
    path = tmp_path / "a"

    def outcome(read: Callable[[Path], None]) -> str:
        target = fuzz.Target("", MinimalstyleError, list, None, read)
        return str(fuzz.outcome(target, path))

    def refuse(text: str) -> None:
        raise MinimalstyleError(text)

    def starve(path: Path) -> None:
        raise MinimalstyleError("no memory") from MemoryError()

    assert outcome(lambda path: None) == "loaded"
    assert outcome(lambda path: refuse("one line")) == "refused"
    assert outcome(starve) == "refused for want of memory"
    assert outcome(lambda path: refuse("two\nlines")).startswith("A MESSAGE")
    assert outcome(lambda path: {}["key"]).startswith("KEYERROR")


ACTS = """
import os, sys, time
sys.path.insert(0, "tools")
import fuzz
acts = [lambda: None, os.abort, lambda: open("/etc/hostname"), lambda: time.sleep(60)]
def read(path):
    if path.stat().st_size == 1:
        acts[int(path.read_bytes())]()
fuzz.case = lambda options, seeds, number: b"%d" % number
fuzz.TARGETS["checkpoint"] = fuzz.TARGETS["checkpoint"]._replace(read=read)
sys.argv = ["fuzz.py", "checkpoint", "--cases", "4", "--seconds", "1"]
sys.exit(fuzz.main())
"""


def test_fuzzer_survives_what_it_looks_for() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ACTS],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[:3] == [
        "case 1: ENDED BY SIGABRT",
        "case 2: FILE OPENED /etc/hostname",
        "case 3: ENDED BY SIGALRM",
    ]
    assert "3 unexpected" in done.stdout
