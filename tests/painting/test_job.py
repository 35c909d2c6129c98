"""A job is data: it can be pickled, goes to JSON and back, and is painted like any run."""

import json
import pickle
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minimalstyle as ms

SETTINGS = ms.Settings(size=32, iterations=1, coarse_iterations=1, style_blend=(2, 1), threads=1)


@pytest.fixture
def pictures(random_image):
    return [(random_image(32, 40, seed) * 255).astype(np.uint8) for seed in range(3)]


@pytest.fixture
def job(pictures, tmp_path):
    """One picture as a path, one as bytes, one as an array."""
    content, night, waves = pictures
    Image.fromarray(content).save(tmp_path / "content.png")
    data = BytesIO()
    Image.fromarray(night).save(data, "PNG")
    return ms.Job(
        content=tmp_path / "content.png", styles=(data.getvalue(), waves), settings=SETTINGS
    )


def same(a, b):
    """Whether two jobs have the same settings and pictures."""
    pairs = zip((a.content, *a.styles), (b.content, *b.styles), strict=True)
    return a.settings == b.settings and all(
        np.array_equal(*map(np.asarray, pair))
        if isinstance(pair[0], np.ndarray)
        else str(pair[0]) == str(pair[1])
        for pair in pairs
    )


@pytest.mark.parametrize(
    "copy",
    [
        lambda job: pickle.loads(pickle.dumps(job)),
        lambda job: ms.Job.from_json(json.loads(json.dumps(job.to_json()))),
    ],
    ids=["pickle", "JSON"],
)
def test_copies_are_painted_alike(copy, job, pictures, network):
    again = copy(job)
    assert same(job, again)
    expected = ms.stylize(pictures[0], pictures[1:], weights=network, settings=SETTINGS).pixels
    np.testing.assert_array_equal(ms.paint(again, network=network).pixels, expected)


def test_a_texture_has_no_content():
    job = ms.Job(content=None, styles=("a.png",), checkpoint=Path("state"))
    again = ms.Job.from_json(json.loads(json.dumps(job.to_json())))
    assert (again.content, again.styles, again.checkpoint) == (None, ("a.png",), "state")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {"size": 1}}, "size must be"),
        ({"settings": {"speed": 1}}, "not a job"),
        ({"content": {"npy": "no"}}, "not a job"),
        ({"content": {"pickle": ""}}, "not a job"),
        ({"content": 5}, "not a job"),
        ({"styles": None}, "not a job"),
        ({"checkpoint_every": "often"}, "not a job"),
    ],
    ids=str,
)
def test_what_is_no_job(changes, message):
    written = ms.Job(content="a.png").to_json()
    with pytest.raises(ms.UsageError, match=message):
        ms.Job.from_json({**written, **changes})
    with pytest.raises(ms.UsageError, match="not a job"):
        ms.Job.from_json({name: written[name] for name in written if name not in changes})


def test_what_json_does_not_hold(pictures):
    with pytest.raises(ms.UsageError, match="path, bytes or an array"):
        ms.Job(content=Image.fromarray(pictures[0])).to_json()
