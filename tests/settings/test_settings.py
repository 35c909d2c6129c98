"""Settings as values: from NumPy and JSON, in sets, copied; and what a function would ignore."""

import copy
import json
import pickle
from dataclasses import asdict, replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minimalstyle as ms
from minimalstyle.painting.result import Result


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ({"size": np.int64(64)}, {"size": 64}),
        ({"strength": np.float32(40)}, {"strength": 40.0}),
        ({"strength": Fraction(81, 2)}, {"strength": 40.5}),
        ({"enlarge": np.bool_(True)}, {"enlarge": True}),
        ({"style_scale": [1.0, 0.5]}, {"style_scale": (1.0, 0.5)}),
        ({"style_blend": np.array([1.0, 0.5])}, {"style_blend": (1.0, 0.5)}),
        ({"style_layers": {"relu1_1": np.float64(2)}}, {"style_layers": {"relu1_1": 2.0}}),
        ({"init": Path("a.png")}, {"init": "a.png"}),
    ],
    ids=str,
)
def test_plain_values(given, plain):
    settings = ms.Settings(**given)
    settings.check()
    assert settings == ms.Settings(**plain)
    assert hash(settings) == hash(ms.Settings(**plain))
    text = json.dumps(asdict(settings))
    assert text == json.dumps(asdict(ms.Settings(**plain)))
    assert ms.Settings(**json.loads(text)) == settings
    for other in (copy.deepcopy(settings), replace(settings), pickle.loads(pickle.dumps(settings))):
        assert other == settings and hash(other) == hash(settings)
    assert len({settings, ms.Settings(), ms.Settings()}) == 2


@pytest.mark.parametrize(
    "given",
    [{"size": True}, {"size": np.bool_(True)}, {"size": np.float64(64)}, {"strength": "40"},
     {"strength": 1j}, {"enlarge": "no"}, {"style_scale": [1.0, "a"]}, {"style_scale": [[1.0]]},
     {"init": b"a.png"}],
    ids=str,
)  # fmt: skip
def test_still_refused(given):
    with pytest.raises(ms.UsageError, match=next(iter(given))):
        ms.Settings(**given).check()


def test_layers_do_not_change():
    layers = ms.Settings().style_layers
    for change in (
        lambda: layers.update(relu1_1=1.0),
        lambda: layers.pop("relu1_1"),
        lambda: layers.__setitem__("relu1_1", 1.0),
        lambda: layers.__ior__({}),
    ):
        with pytest.raises(TypeError):
            change()
    assert layers == ms.Settings().style_layers


def test_what_would_be_ignored():
    for call, name in (
        (lambda: ms.reconstruct("a.png", "relu4_2", style_weight=5), "style_weight"),
        (lambda: ms.reconstruct("a.png", "relu4_2", content_layers={"relu1_1": 1}), "content_l"),
        (lambda: ms.texture("a.png", content_weight=5), "content_weight"),
        (lambda: ms.texture("a.png", seamless=True, border="zero"), "border"),
    ):
        with pytest.raises(ms.UsageError, match=name):
            call()


def test_public_names_are_listed():
    assert set(dir(ms)) == set(ms.__all__)


@pytest.mark.parametrize("alpha", [None, np.linspace(0, 1, 30, dtype=np.float32).reshape(5, 6)])
def test_a_notebook_shows_the_result(alpha):
    result = Result(np.random.default_rng(0).random((5, 6, 3), np.float32), alpha, {})
    shown = np.asarray(Image.open(BytesIO(result._repr_png_())))
    np.testing.assert_array_equal(shown[..., :3], result.image)
    assert shown.shape[2] == (3 if alpha is None else 4)
