"""A picture's recipe gives back the settings that made it; hostile ones are refused in one line."""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt
import pytest
from PIL import ExifTags, Image, PngImagePlugin

import minimalstyle as ms
from minimalstyle.errors import ImageError, UsageError
from minimalstyle.pictures import images
from minimalstyle.records import recipe

SUFFIXES = [".png", ".jpg", ".webp", ".tif"]
OF_THE_COMPUTER = dict.fromkeys(["threads", "memory", "max_pixels"])  # not of a picture
CONTENT, STYLE, WEIGHTS = (digit * 64 for digit in "abc")


def other_values(hint: Any, default: Any) -> Iterator[Any]:
    """Values of a type, besides the default."""
    if get_origin(hint) in (Union, UnionType):
        for one in get_args(hint):
            yield from other_values(one, default)
    elif get_origin(hint) is Literal:
        yield from (value for value in get_args(hint) if value != default)
    elif get_origin(hint) is tuple:
        item = next(other_values(get_args(hint)[0], None))
        yield (item, item)
    elif get_origin(hint) in (Mapping, dict):
        yield {"relu2_1": 0.25, "relu4_1": 3.0}
    elif hint is bool:
        yield not default
    elif hint is int:
        yield from ((default or 0) + 1, 10**9)
    elif hint is float:
        yield from ((default or 0.0) + 0.25, (default or 0.0) - 0.25)
    elif hint is str:
        yield "noise"
    elif hint is NoneType:
        yield None


def all_different() -> ms.Settings:
    """Settings of which none is the default."""
    settings = ms.Settings()
    hints = get_type_hints(ms.Settings)
    for field in fields(ms.Settings):
        default = getattr(settings, field.name)
        for value in other_values(hints[field.name], default):
            candidate = replace(settings, **{field.name: value})
            try:
                candidate.check()
            except UsageError:
                continue
            if value != default:
                settings = candidate
                break
        else:
            pytest.fail(f"no other value of {field.name}")
    return settings


def report(settings: ms.Settings, **inputs: Any) -> dict[str, Any]:
    """A report as `stylize` makes it."""
    terms = {"content": 0.25, "style": 0.125, "tv": 0.5, "style relu1_1": 0.125}
    scale = {"width": 96, "height": 64, "iterations": 3, "evaluations": 4, "seconds": 1.5}
    scale |= {"loss": 2.5, "terms": terms, "history": [9.0, 2.5], "stopped": "iterations"}
    return {
        "settings": asdict(settings),
        "weights": {"sha256": WEIGHTS, "source": "somewhere"},
        "inputs": {"content": CONTENT, "styles": [STYLE, None], **inputs},
        "scales": [scale, {**scale, "width": 192, "height": 128, "loss": 1.5}],
        "seconds": 3.0,
        "peak_memory_bytes": 1,
        "stopped": "iterations",
    }


@pytest.fixture
def pixels() -> npt.NDArray[np.uint8]:
    return np.full((16, 16, 3), 100, np.uint8)


@pytest.fixture
def stored(tmp_path: Path, pixels: npt.NDArray[np.uint8]) -> Callable[..., Path]:
    """`stored(recipe, suffix=".png")` is the path of a picture with it."""

    def write(metadata: Any, suffix: str = ".png") -> Path:
        path = tmp_path / f"picture{suffix}"
        images.save(path, pixels, None, metadata)
        return path

    return write


def refused(path: Path, match: str) -> None:
    with pytest.raises(ImageError, match=match) as caught:
        recipe.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 400


# --------------------------------------------------------------------------------- round trip


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "settings",
    [ms.Settings(), all_different(), ms.Settings(style_scale=(0.5, 2.0))],
    ids=["default", "other", "one each"],
)
def test_settings_come_back(
    stored: Callable[..., Path], suffix: str, settings: ms.Settings
) -> None:
    made = recipe.make(report(settings), "0.1.0")
    read = recipe.read(stored(made, suffix))
    assert read == json.loads(json.dumps(made))
    of_the_picture = replace(settings, **OF_THE_COMPUTER)
    assert ms.Settings(**recipe.settings_of(read)) == of_the_picture
    assert ms.Settings(**recipe.settings_of(made)) == of_the_picture


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_settings_come_back_with_sixteen_bits(
    tmp_path: Path, pixels: npt.NDArray[np.uint8], suffix: str
) -> None:
    path = tmp_path / f"picture{suffix}"
    made = recipe.make(report(all_different()), "0.1.0")
    images.save(path, pixels, None, made, bits=16)
    assert recipe.read(path) == json.loads(json.dumps(made))


def test_a_recipe_has_results_but_no_times_and_no_paths(tmp_path: Path) -> None:
    start = tmp_path / "start.png"
    made = recipe.make(report(ms.Settings(init=str(start))), "0.1.0")
    assert made["settings"]["init"] == "picture"
    assert [(scale["width"], scale["loss"]) for scale in made["scales"]] == [(96, 2.5), (192, 1.5)]
    assert made["scales"][0]["terms"]["style relu1_1"] == 0.125
    assert made["evaluations"] == 8
    assert (made["version"], made["weights"], made["inputs"]["content"]) == (
        "0.1.0",
        WEIGHTS,
        CONTENT,
    )
    text = json.dumps(made)
    for private in (str(tmp_path), "start", "seconds", "history", "peak", "somewhere"):
        assert private not in text


@pytest.mark.parametrize("init", ["start.png", Path("start.png"), "a", "./noise", "Ä", ""])
def test_a_picture_to_start_from_becomes_its_checksum(init: Any) -> None:
    made = recipe.make(report(ms.Settings(init=init), init="d" * 64), "0.1.0")
    assert made["settings"]["init"] == "sha256:" + "d" * 64
    settings = recipe.settings_of(made)
    assert "init" not in settings
    assert len(settings) == len(fields(ms.Settings)) - 1 - len(OF_THE_COMPUTER)


def test_the_report_of_a_real_run(
    tmp_path: Path, network: ms.Network, content_file: Path, style_file: Path
) -> None:
    """What `stylize` reports is what `make` reads."""
    given = {"size": 32, "iterations": 1, "style_blend": [1.0], "threads": 1}
    result = ms.stylize(content_file, style_file, weights=network, **given)
    path = tmp_path / "picture.jpg"
    made = recipe.make(result.report, ms.__version__)
    images.save(path, result.image, None, made)
    read = recipe.read(path)
    inputs = result.report["inputs"]
    assert read["scales"][-1]["loss"] == result.report["scales"][-1]["loss"]
    expected = {**asdict(ms.Settings(**given)), "style_blend": (1.0,)}
    expected = {name: one for name, one in expected.items() if name not in OF_THE_COMPUTER}
    assert recipe.settings_of(read) == expected
    assert recipe.differences(read, inputs, network.vgg.sha256) == []


# ------------------------------------------------------------------------------- other inputs


def said_of(made: dict[str, Any], weights: str, **inputs: Any) -> list[str]:
    """What is said of a recipe and of other inputs."""
    return [difference.text for difference in recipe.differences(made, inputs, weights)]


@pytest.mark.parametrize(
    ("content", "styles", "weights", "said"),
    [
        (CONTENT, [STYLE, STYLE], WEIGHTS, []),  # nothing is known of the second
        (None, [None, None], WEIGHTS, []),
        (STYLE, [STYLE, STYLE], WEIGHTS, ["content picture"]),
        (CONTENT, [CONTENT, STYLE], WEIGHTS, ["style picture"]),
        (CONTENT, [STYLE], WEIGHTS, ["has 2 style picture(s), not 1"]),
        (CONTENT, [STYLE, STYLE], STYLE, ["weights file"]),
        (STYLE, [], STYLE, ["content picture", "2 style picture(s), not 0", "weights file"]),
    ],
)
def test_other_inputs(content: str, styles: list[str], weights: str, said: list[str]) -> None:
    made = recipe.make(report(ms.Settings()), ms.__version__)
    lines = said_of(made, weights, content=content, styles=styles)
    assert len(lines) == len(said)
    assert all(part in line for part, line in zip(said, lines, strict=True))


def test_another_version_and_another_start() -> None:
    made = recipe.make(report(ms.Settings(init="start.png"), init="d" * 64), "0.0.1")
    same = {"content": CONTENT, "styles": [STYLE, STYLE]}
    start, version = said_of(made, WEIGHTS, **same)
    assert "init" in start and "give it again" in start
    assert [one.spoils for one in recipe.differences(made, same, WEIGHTS)] == [True, False]
    assert "0.0.1" in version and ms.__version__ in version
    start, _ = said_of(made, WEIGHTS, **same, init=STYLE)
    assert start == "init: not as in the recipe"
    assert len(said_of(made, WEIGHTS, **same, init="d" * 64)) == 1


def test_other_masks() -> None:
    made = recipe.make(report(ms.Settings(), init=None, masks=["d" * 64]), ms.__version__)
    same = {"content": CONTENT, "styles": [STYLE, STYLE]}
    assert said_of(made, WEIGHTS, **same, init=None, masks=["d" * 64]) == []
    assert said_of(made, WEIGHTS, **same, masks=[STYLE]) == ["mask: not as in the recipe"]
    assert said_of(made, WEIGHTS, **same, masks=[STYLE, STYLE]) == [
        "the recipe has 1 mask(s), not 2"
    ]
    for none in ({}, {"masks": []}, {"masks": None}):
        (line,) = said_of(made, WEIGHTS, **same, **none)
        assert line == "masks: it was made with a picture here; give it again"
    without = recipe.make(report(ms.Settings(), masks=[]), ms.__version__)
    assert said_of(without, WEIGHTS, **same, masks=[STYLE]) == ["the recipe has 0 mask(s), not 1"]


# ------------------------------------------------------------------------------------ hostile


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("metadata", [None, {}, {"comment": "holiday"}, [], "text", 5])
def test_pictures_without_a_recipe(stored: Callable[..., Path], suffix: str, metadata: Any) -> None:
    refused(stored(metadata, suffix), "has no recipe")


def test_files_that_are_no_pictures(tmp_path: Path, content_file: Path) -> None:
    refused(tmp_path / "none.png", "no such file")
    path = tmp_path / "text.png"
    path.write_text("hello")
    refused(path, "is damaged, or not a PNG, JPEG, WebP or TIFF")
    refused(content_file, "has no recipe")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_pictures_are_refused_or_read(
    stored: Callable[..., Path], suffix: str, rng: np.random.Generator
) -> None:
    """Whatever the damage: the recipe as it was in its types, or one line."""
    path = stored(recipe.make(report(all_different()), "0.1.0"), suffix)
    whole = path.read_bytes()
    for at in rng.integers(0, len(whole), 200):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << rng.integers(8)
        path.write_bytes(damaged if at % 2 else whole[:at])
        try:
            ms.Settings(**recipe.settings_of(recipe.read(path))).check()
        except ImageError as error:
            assert "\n" not in str(error)


def png(path: Path, text: str, *, compressed: bool = False) -> Path:
    info = PngImagePlugin.PngInfo()
    info.add_text("minimalstyle", text, zip=compressed)
    Image.new("RGB", (16, 16)).save(path, pnginfo=info)
    return path


@pytest.mark.parametrize("megabytes", [2, 300])
def test_a_zip_bomb(tmp_path: Path, megabytes: int) -> None:
    packed = zlib.compress(b'{"recipe"' + bytes(megabytes << 20), 9)
    info = PngImagePlugin.PngInfo()
    info.add(b"zTXt", b"minimalstyle\0\0" + packed)
    path = tmp_path / "bomb.png"
    Image.new("RGB", (16, 16)).save(path, pnginfo=info)
    refused(path, "is damaged")


def test_other_texts_do_not_matter(tmp_path: Path) -> None:
    made = recipe.make(report(ms.Settings()), "0.1.0")
    info = PngImagePlugin.PngInfo()
    info.add_text("a", "b" * (2 << 20), zip=True)
    info.add_text("minimalstyle", json.dumps(made))
    path = tmp_path / "picture.png"
    Image.new("RGB", (16, 16)).save(path, pnginfo=info)
    assert recipe.read(path) == json.loads(json.dumps(made))


def test_a_compressed_recipe_is_one_too(tmp_path: Path) -> None:
    made = recipe.make(report(ms.Settings()), "0.1.0")
    path = png(tmp_path / "picture.png", json.dumps(made), compressed=True)
    assert recipe.read(path) == json.loads(json.dumps(made))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"recipe": 1, "x": "' + "x" * (2 << 20) + '"}', "too large"),
        ('{"recipe"', "is damaged"),
        ('{"recipe": ', "is damaged"),
        ('{"recipe": ' + "[" * 100_000, "is damaged"),
        ('{"recipe": ' + "9" * 10_000 + "}", "is damaged"),
        ('{"recipe": 1}', "lacks 'version'"),
        ('{"recipe": true}', "is damaged"),
        ('{"recipe": "1"}', "is damaged"),
        ('{"recipe": NaN}', "is damaged"),
        ('{"recipe": null}', "is damaged"),
        ('{"recipe": 1} {"recipe": 1}', "is damaged"),
        ('{"recipe": 3, "settings": 5}', "written by a newer minimalstyle"),
        ('__import__("os").abort()', "has no recipe"),
    ],
)
def test_texts_that_are_no_recipes(tmp_path: Path, text: str, match: str) -> None:
    refused(png(tmp_path / "picture.png", text), match)


@pytest.mark.parametrize("comment", [b"", b"UNICODE\0\xff\xfe", b'ASCII\0\0\0{"recipe"\xff'])
def test_other_comments(tmp_path: Path, comment: bytes) -> None:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    path = tmp_path / "picture.jpg"
    Image.new("RGB", (16, 16)).save(path, exif=exif)
    refused(path, "has no recipe|is damaged")


def test_a_recipe_of_before_says_that_the_picture_will_be_another() -> None:
    """Version 1 had no first size, and a quarter of the iterations before the full one."""
    made = recipe.make(report(ms.Settings(iterations=42)), "0.1.0")
    for name in ("first_size", "deep_size", "coarse_iterations"):
        del made["settings"][name]
    settings = recipe.settings_of({**made, "recipe": 1})
    assert (settings["iterations"], settings["coarse_iterations"]) == (42, 11)
    assert (settings["first_size"], settings["deep_size"]) == (192, 20_000)
    lines = said_of({**made, "recipe": 1}, made["weights"], **made["inputs"])
    assert [line for line in lines if "will be another one" in line] == lines


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", "512"),
        ("size", 512.0),
        ("size", True),
        ("size", 10**9),
        ("size", -1),
        ("size", [512]),
        ("iterations", None),
        ("enlarge", 1),
        ("enlarge", "false"),
        ("style_weight", "20"),
        ("style_weight", True),
        ("style_weight", float("nan")),
        ("style_weight", float("inf")),
        ("style_weight", -(10**400)),
        ("style_blend", [1.0, "1"]),
        ("style_blend", 1.0),
        ("style_blend", [[1.0]]),
        ("style_blend", {"0": 1.0}),
        ("style_layers", {"relu1_1": "4"}),
        ("style_layers", [["relu1_1", 4]]),
        ("style_layers", {}),
        ("pooling", "min"),
        ("pooling", ["max"]),
        ("init", "/etc/passwd"),
        ("init", "../secret.png"),
        ("init", "C:\\secret.png"),
        ("init", "secret.png"),
        ("init", "sha256:" + "x" * 64),
        ("init", "noise\n"),
        ("init", None),
        ("init", ["noise"]),
        ("seed", 2**64),
        ("no_such_setting", 1),
        ("x" * 100_000, 1),
        ("__class__", "object"),
        ("check", 1),
    ],
)
def test_settings_that_are_refused(stored: Callable[..., Path], name: str, value: Any) -> None:
    made = recipe.make(report(ms.Settings()), "0.1.0")
    made["settings"][name] = value
    refused(stored(made), f"its recipe is damaged: .*{name[:8]}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", 1),
        ("settings", []),
        ("settings", "size=512"),
        ("inputs", ["a"]),
        ("inputs", {"content": 5}),
        ("inputs", {"styles": [["a"]]}),
        ("weights", None),
        ("scales", {"loss": 1}),
        ("scales", [1]),
        ("scales", [{"loss": "low"}]),
        ("scales", [{"terms": {"content": [1.0]}}]),
        ("evaluations", "8"),
        ("stopped", 1),
    ],
)
def test_parts_of_another_type(stored: Callable[..., Path], name: str, value: Any) -> None:
    made = recipe.make(report(ms.Settings()), "0.1.0")
    refused(stored({**made, name: value}), "its recipe is damaged")
    del made[name]
    refused(stored(made), f"its recipe is damaged: lacks '{name}'")


def test_inputs_of_a_strange_shape_are_only_different(stored: Callable[..., Path]) -> None:
    made = recipe.make(report(ms.Settings()), ms.__version__)
    read = recipe.read(stored({**made, "inputs": {"content": ["x", "y"], "styles": "z"}}))
    assert len(said_of(read, WEIGHTS, content=CONTENT, styles=[STYLE])) == 2


def test_a_setting_that_is_missing_is_the_default(stored: Callable[..., Path]) -> None:
    made = recipe.make(report(all_different()), "0.1.0")
    del made["settings"]["seed"]
    settings = ms.Settings(**recipe.settings_of(recipe.read(stored(made))))
    assert settings == replace(all_different(), seed=0, **OF_THE_COMPUTER)
