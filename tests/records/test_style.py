"""Styles that are measured once: the same pictures, and nothing of a damaged file is believed."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import SHALLOW, SHALLOW_WORDS
from PIL import Image

import minimalstyle as ms
from minimalstyle.commands.paint import main
from minimalstyle.errors import ImageError
from minimalstyle.loss import kept, styles
from minimalstyle.loss.kept import KeptMoments
from minimalstyle.network.bounded import measure
from minimalstyle.painting import prepare
from minimalstyle.records import checkpoint, style

SETTINGS = {"size": 64, "iterations": 1, "coarse_iterations": 1, "first_size": 24, **SHALLOW}
WORDS = ["--size", "64", "--iterations", "1", "--coarse-iterations", "1", "--first-size", "24"]
WORDS += SHALLOW_WORDS


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(["photo", "waves"]):
        pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
        Image.fromarray(pixels).resize((80, 60)).save(f"{name}.png")
    return tmp_path


@pytest.fixture
def measured(monkeypatch):
    """The sizes of the paintings that are measured."""
    found = []

    def counted(network, image, layers, **others):
        found.append(image.shape[:2])
        return measure(network, image, layers, **others)

    monkeypatch.setattr(kept, "measure", counted)
    monkeypatch.setattr(prepare, "measure", counted)
    monkeypatch.setattr(styles, "measure", counted)
    return found


def test_moments_are_measured_once(here, network, random_image, monkeypatch, measured):
    moments = KeptMoments()
    image = random_image(20, 24)
    layers = ["relu1_1", "relu2_1"]
    first = moments(network, image, layers, border="zero")
    again = moments(network, image.copy(), layers[::-1], border="zero")
    assert measured == [(20, 24)]
    for name, one in measure(network, image, layers, border="zero").items():
        for other in (first, again):
            assert np.array_equal(one.mean, other[name].mean)
            assert np.array_equal(one.second, other[name].second)
            assert one.positions == other[name].positions
    mask = np.full((20, 24), 0.5, np.float32)
    for others in (
        {"border": "reflect"},
        {"border": "zero", "pooling": "average"},
        {"border": "zero", "mask": mask},
    ):
        moments(network, image, layers, **others)
    moments(network, image + 1e-3, layers, border="zero")
    moments(network, image, layers[:1], border="zero")
    assert len(measured) == 6


def test_what_is_kept_is_bounded(network, random_image):
    moments = KeptMoments(room=4 * 64 * 64 * 3)
    for seed in range(5):
        moments(network, random_image(16, 16, seed), ["relu1_1"], border="zero")
    assert len(moments.found) == 3


def test_a_style_makes_the_same_picture(here, measured, capsys):
    main(["photo.png", "waves.png", *WORDS, "-o", "one.png"])
    assert measured == [(18, 24), (48, 64)]
    assert main(["style", "waves.png", *WORDS]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("waves.style  24x18, ")
    measured.clear()
    assert main(["photo.png", "waves.style", *WORDS, "-o", "two.png"]) == 0
    assert measured == []
    assert Path("one.png").read_bytes() == Path("two.png").read_bytes()
    # At other sizes and with other colours it is a painting like others.
    for words in (["--size", "48"], ["--preserve-color", "histogram"], ["--init", "style"]):
        for painting in ("png", "style"):
            output = ["-o", f"{painting}.png", "--force"]
            assert main(["photo.png", f"waves.{painting}", *WORDS, *words, *output]) == 0
        assert Path("png.png").read_bytes() == Path("style.png").read_bytes()


def test_other_weights_are_not_those_of_the_style(here, network, measured):
    main(["style", "waves.png", *WORDS])
    found = style.read("waves.style")
    moments = KeptMoments()
    moments.add(found.moments)
    measured.clear()
    ms.stylize("photo.png", "waves.style", **SETTINGS | {"border": "reflect"})
    assert len(measured) == 2


def test_in_a_batch(here, capsys):
    main(["style", "waves.png", *WORDS])
    assert main(["batch", "photo.png", "--styles", "waves.png", "-o", "out", *WORDS]) == 0
    before = Path("out/photo_waves.png").stat().st_mtime_ns
    assert main(["batch", "photo.png", "--styles", "waves.style", "-o", "out", *WORDS]) == 0
    assert Path("out/photo_waves.png").stat().st_mtime_ns == before  # the same painting


def test_a_style_comes_back_as_it_was(here, network):
    main(["style", "waves.png", *WORDS])
    found = style.read("waves.style")
    assert found.painting == Path("waves.png").read_bytes()
    assert found.facts["weights"] == network.vgg.sha256
    assert found.facts["settings"]["size"] == 64
    style.write("again.style", found)
    again = style.read("again.style")
    for key, layers in found.moments.items():
        for name, one in layers.items():
            assert np.array_equal(one.second, again.moments[key][name].second)
    assert style.digest_of("waves.style") == style.digest_of("waves.png")


@pytest.mark.parametrize("part", [0.01, 0.3, 0.99])
@pytest.mark.parametrize("how", ["cut", "changed"])
def test_a_damaged_style_is_one_line(here, capsys, part, how):
    main(["style", "waves.png", *WORDS])
    data = Path("waves.style").read_bytes()
    place = max(int(len(data) * part), 30)
    broken = data[:place] if how == "cut" else data[:place] + b"?!" + data[place + 2 :]
    Path("waves.style").write_bytes(broken)
    capsys.readouterr()
    assert main(["photo.png", "waves.style", *WORDS]) == 3
    err = capsys.readouterr().err
    assert err == "minimalstyle: error: waves.style: damaged or incomplete\n"


def forged(facts=None, arrays=None):
    """A style whose checksum is right, with other facts and arrays."""
    old, all_arrays = checkpoint.read("waves.style")
    checkpoint.write("waves.style", old | (facts or {}), all_arrays | (arrays or {}))


def test_a_hostile_style_is_refused(here):
    main(["style", "waves.png", *WORDS])
    whole = Path("waves.style").read_bytes()
    _, arrays = checkpoint.read("waves.style")
    mean = next(name for name in arrays if name.endswith("mean"))
    second = next(name for name in arrays if name.endswith("second"))
    for facts, changed in [
        ({"moments": []}, {}),
        ({"moments": {"x": {"relu1_1": 1}}}, {}),
        ({"bytes": "many"}, {}),
        ({"bytes": 3}, {}),
        ({"kind": "run"}, {}),
        ({"sha256": None}, {}),
        ({}, {mean: arrays[mean] * np.float32("nan")}),
        ({}, {mean: arrays[mean][:-1]}),
        ({}, {second: -arrays[second] - 1}),
        ({}, {second: arrays[second].astype(np.float64)}),
        ({}, {second: arrays[second][:, None]}),
    ]:
        Path("waves.style").write_bytes(whole)
        forged(facts, changed)
        with pytest.raises(ImageError, match=r"waves\.style: is "):
            style.read("waves.style")


def test_moments_of_another_shape_are_measured_again(here, measured):
    main(["style", "waves.png", *WORDS])
    facts, arrays = checkpoint.read("waves.style")
    alone = ms.stylize("photo.png", "waves.png", **SETTINGS)
    for name in [name for name in arrays if "relu1_1" in name]:
        arrays[name] = arrays[name][: 3 if name.endswith("mean") else 6]
    checkpoint.write("waves.style", facts, arrays)
    measured.clear()
    found = ms.stylize("photo.png", "waves.style", **SETTINGS)
    assert len(measured) == 2
    assert np.array_equal(found.pixels, alone.pixels)


def test_bad_input(here, capsys):
    Path("text.jpg").write_text("no picture")
    Path("there.style").write_text("mine")
    for words, code in [
        ("gone.png", 3),
        ("text.jpg", 3),
        ("waves.png -o there.style", 2),
        ("waves.png -o waves.png --force", 2),
        ("waves.png --size 3", 2),
        ("waves.png --size auto", 2),
        ("waves.png -o gone/x.style", 5),
    ]:
        assert main(["style", *words.split()]) == code
        assert capsys.readouterr().err.count("\n") == 1
    assert json.dumps(sorted(path.name for path in here.iterdir())) == json.dumps(
        ["photo.png", "text.jpg", "there.style", "waves.png"]
    )
