"""The studio's server: who may ask, what it takes, and that nothing is left of it."""

import asyncio
import json
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import minimalstyle as ms
from minimalstyle.commands.paint import main
from minimalstyle.painting import pace
from minimalstyle.records import recipe
from minimalstyle.settings.settings import Settings
from minimalstyle.studio import desk as desks
from minimalstyle.studio import painter as painters
from minimalstyle.studio import server, uploads, worker
from minimalstyle.studio.desk import Busy, Desk
from minimalstyle.studio.wishes import settings_from

HERE = "http://127.0.0.1:8000"
OURS = {"origin": HERE}
SMALL = {"size": 48, "first_size": 24, "iterations": 2, "coarse_iterations": 2, "threads": None}
DRAFT = {name: value for name, value in SMALL.items() if name != "threads"}
LONG = {**DRAFT, "iterations": 1_000_000}
REGRESSIONS = Path(__file__).parents[1] / "regressions"


def file_of(array, kind="PNG", **options):
    buffer = BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def data():
    """A photograph of 64 x 48 pixels, as a PNG."""
    return file_of(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    app = server.application(tmp_path_factory.mktemp("paintings"), 8000)
    with TestClient(app, HERE, headers=OURS) as client:
        yield client


@pytest.fixture
def studio(client):
    return client.app.app.state.studio


def wait(client, key, states=("done", "failed", "stopped"), seconds=120):
    """The work once it is in one of these states."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for one in client.get("/api/start").json()["works"]:
            if one["id"] == key and one["state"] in states:
                return one
        time.sleep(0.05)
    raise AssertionError("it takes too long")


def begin(client, photo, kind="draft", settings=DRAFT, *, painting="venice", tab="a"):
    asked = {"kind": kind, "photo": photo, "paintings": [painting], "tab": tab}
    asked["settings"] = settings
    return client.post("/api/works", json=asked)


@pytest.fixture
def photo(client, data):
    return client.post("/api/photos", content=data).json()["id"]


# --- A picture ----------------------------------------------------------------------------------


def test_a_picture_is_what_the_library_paints(client, photo, data):
    work = begin(client, photo)
    assert work.status_code == 201
    done = wait(client, work.json()["id"])
    assert (done["state"], done["fraction"]) == ("done", 1.0)
    where = f"/api/works/{done['id']}/file"
    expected = ms.stylize(data, "venice", settings=Settings(**SMALL))
    png = client.get(f"{where}.png").content
    np.testing.assert_array_equal(Image.open(BytesIO(png)), expected.image)
    made = recipe.read(png)
    assert made["inputs"] == json.loads(json.dumps(expected.report["inputs"]))
    assert recipe.settings_of(made) == recipe.settings_of(recipe.make(expected.report, "1"))
    tif = client.get(f"{where}.tif").content
    assert recipe.read(tif) == made
    assert tif == expected.encode("picture.tif", bits=16)
    jpeg = client.get(f"{where}.jpg").content
    assert Image.open(BytesIO(jpeg)).format == "JPEG"
    assert recipe.read(jpeg) == made
    shown = client.get(f"/api/works/{done['id']}/picture").content
    assert Image.open(BytesIO(shown)).size == (48, 36)


def test_its_settings_come_back(client, photo):
    done = wait(client, begin(client, photo, settings={**DRAFT, "strength": 70}).json()["id"])
    png = client.get(f"/api/works/{done['id']}/file.png").content
    back = client.post("/api/photos", content=png).json()["recipe"]
    assert (back["paintings"], back["photo"]) == (["venice"], photo)
    assert back["settings"]["strength"] == 70
    again = settings_from(back["settings"])
    assert again == Settings(**{**SMALL, "strength": 70.0})


def test_a_plan(client, photo):
    asked = {"photo": photo, "paintings": ["venice"], "settings": DRAFT, "sizes": [32, 64]}
    plans = client.post("/api/plans", json=asked).json()
    assert [(one["size"], one["width"], one["height"]) for one in plans] == [
        (32, 32, 24),
        (64, 64, 48),
    ]
    assert plans[0]["memory"] < plans[1]["memory"]
    assert all(one["fits"] and one["seconds"] > 0 for one in plans)


def test_a_plan_is_for_the_machine_as_it_is_now(data, monkeypatch):
    """What was measured while others computed is not believed for ever."""
    paces = iter([pace.Pace(9.0, 0.0, 9.0, 0.0), pace.Pace(1.0, 0.0, 1.0, 0.0)])
    monkeypatch.setattr(pace, "measure_pace", lambda _: next(paces))
    ours, _ = multiprocessing.Pipe()
    painter = worker._Worker(ours)
    pictures = worker.Source("photo", data), (worker.Source("painting", data),)
    task = worker.Task("plan", *pictures, Settings(**SMALL), (64,))

    def seconds():
        what, plans = painter.answer(task)
        assert what == "done"
        return plans[0]["seconds"]

    busy = seconds()
    assert seconds() == busy  # a moment later it is
    monkeypatch.setattr(worker, "_PACE", 0.0)
    assert seconds() == pytest.approx(busy / 9)


def test_a_print_goes_on_beside_a_draft(client, photo, studio):
    printed = begin(client, photo, "print", LONG).json()["id"]
    wait(client, printed, states=("painting",))
    assert wait(client, begin(client, photo).json()["id"])["state"] == "done"
    assert wait(client, printed, states=("painting",))["kind"] == "print"
    assert client.delete(f"/api/works/{printed}").status_code == 204
    assert printed not in [one["id"] for one in client.get("/api/start").json()["works"]]
    assert wait(client, begin(client, photo, "print").json()["id"])["state"] == "done"


def test_what_is_painted_so_far_is_kept(client, photo, data):
    """As Ctrl-C does: the picture, and a recipe that says that it ended early."""
    for kind in ("draft", "print"):
        work = begin(client, photo, kind, LONG).json()["id"]
        wait(client, work, states=("painting",))
        assert client.post(f"/api/works/{work}/keep").status_code == 204
        done = wait(client, work)
        assert (done["state"], done["early"]) == ("done", True)
        png = client.get(f"/api/works/{work}/file.png").content
        assert Image.open(BytesIO(png)).size == (48, 36)
        made = recipe.read(png)
        assert made["stopped"] == "interrupted"
        assert 1 <= made["scales"][-1]["iterations"] < LONG["iterations"]
        assert client.post(f"/api/works/{work}/keep").status_code == 204
        assert wait(client, work)["state"] == "done"
    assert not wait(client, begin(client, photo).json()["id"])["early"]
    assert client.post("/api/works/none/keep").status_code == 404


def test_what_waits_has_nothing_to_keep(client, photo):
    first = begin(client, photo, "print", LONG).json()["id"]
    wait(client, first, states=("painting",))
    second = begin(client, photo, "print").json()["id"]
    assert client.post(f"/api/works/{second}/keep").status_code == 204
    assert wait(client, second)["state"] == "stopped"
    client.delete(f"/api/works/{first}")


def test_two_paintings_blended(client, photo, data):
    settings = {**DRAFT, "style_blend": [0.25, 0.75]}
    asked = {"kind": "draft", "photo": photo, "paintings": ["venice", "harvest"]}
    work = client.post("/api/works", json={**asked, "settings": settings}).json()
    done = wait(client, work["id"])
    assert (done["state"], done["paintings"]) == ("done", ["venice", "harvest"])
    png = client.get(f"/api/works/{work['id']}/file.png").content
    blend = Settings(**{**SMALL, "style_blend": (0.25, 0.75)})
    expected = ms.stylize(data, ["venice", "harvest"], settings=blend)
    np.testing.assert_array_equal(Image.open(BytesIO(png)), expected.image)
    back = client.post("/api/photos", content=png).json()["recipe"]
    assert (back["paintings"], back["photo"]) == (["venice", "harvest"], photo)
    assert settings_from(back["settings"]).style_blend == (0.25, 0.75)
    wrong = client.post("/api/works", json={**asked, "settings": {"style_blend": [1, 1, 1]}})
    assert wait(client, wrong.json()["id"])["state"] == "failed"


def test_pages_are_told(client, photo, studio):
    """The stream itself is read in a browser; here what it says."""

    async def first():
        class Request:
            query_params = {"tab": "a"}  # noqa: RUF012

            @staticmethod
            async def is_disconnected():
                return False

        answer = await studio.events(Request)
        stream = aiter(answer.body_iterator)
        word = await anext(stream)
        assert studio.desk._tabs["a"] == 1
        await stream.aclose()
        return answer.media_type, word

    work = begin(client, photo).json()["id"]
    media, word = asyncio.run(first())
    assert media == "text/event-stream"
    assert work in [one["id"] for one in json.loads(word.removeprefix("data: "))]
    assert (studio.desk._tabs["a"], len(studio._listeners)) == (0, 0)
    wait(client, work)


# --- Paintings of one's own ---------------------------------------------------------------------


def test_an_own_painting_is_kept(client, photo, data, tmp_path):
    painting = file_of(np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8), "BMP")
    key = client.post("/api/paintings", content=painting).json()["id"]
    assert client.post("/api/paintings", content=painting).json()["id"] == key
    wall = client.get("/api/start").json()["wall"]
    assert [one["id"] for one in wall if one["own"]] == [key]
    assert Image.open(BytesIO(client.get(f"/api/paintings/{key}").content)).format == "WEBP"
    done = wait(client, begin(client, photo, painting=key).json()["id"])
    made = recipe.read(client.get(f"/api/works/{done['id']}/file.png").content)
    assert made["inputs"]["styles"] == [key.removeprefix("own-")]
    folder = client.app.app.state.studio.desk.folder
    with TestClient(server.application(folder, 8000), HERE, headers=OURS) as another:
        assert key in [one["id"] for one in another.get("/api/start").json()["wall"]]
    assert client.delete(f"/api/paintings/{key}").status_code == 204
    assert list(folder.iterdir()) == []
    assert client.get(f"/api/paintings/{key}").status_code == 404


def test_a_folder_that_takes_nothing(data, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Busy, match="the painting cannot be kept: ") as caught:
        Desk(tmp_path / "file" / "paintings").add_painting(data)
    assert str(tmp_path) not in str(caught.value)


def test_a_full_disk(data, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    desk = Desk(tmp_path)
    with pytest.raises(Busy, match=r"^the painting cannot be kept: No space left on device$"):
        desk.add_painting(data)
    assert list(tmp_path.iterdir()) == []
    assert desk._thumbs == {}


def test_the_wall_has_an_end(tmp_path, monkeypatch, data):
    monkeypatch.setattr(desks, "_OWN", 1)
    desk = Desk(tmp_path)
    key = desk.add_painting(data)
    with pytest.raises(Busy, match="take one down first"):
        desk.add_painting(file_of(np.zeros((20, 20, 3), np.uint8)))
    assert desk.add_painting(data) == key


# --- Who may ask --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:8000"},
        {"host": "127.0.0.1:1"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=str,
)
def test_elsewhere(headers, client, photo):
    """DNS rebinding has another host, a page from elsewhere another origin."""
    known = client.get("/api/start").json()
    assert client.get("/api/start", headers=headers).status_code == 403
    assert client.get(f"/api/photos/{photo}", headers=headers).status_code == 403
    assert client.post("/api/photos", content=b"x", headers=headers).status_code == 403
    asked = {"kind": "draft", "photo": photo, "paintings": ["venice"], "settings": DRAFT}
    assert client.post("/api/works", json=asked, headers=headers).status_code == 403
    assert client.get("/api/start").json() == known


def test_who_does_not_say_where_it_is_from(client):
    """May read, as a program of the user; but not change anything."""
    stranger = TestClient(client.app, HERE)
    assert stranger.get("/").status_code == 200
    assert stranger.post("/api/photos", content=b"x").status_code == 403
    site = {"sec-fetch-site": "same-origin"}
    assert stranger.post("/api/photos", content=b"x", headers=site).status_code == 422


def test_a_link_may_lead_here(client):
    link = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }
    stranger = TestClient(client.app, HERE)
    assert stranger.get("/", headers=link).status_code == 200
    framed = {**link, "sec-fetch-dest": "iframe"}
    assert stranger.get("/", headers=framed).status_code == 403


def test_a_token(tmp_path):
    there = "http://192.168.0.9:8000"
    with TestClient(server.application(tmp_path, 8000, "secret"), there) as client:
        assert client.get("/").status_code == 403
        assert client.get("/?token=guess").status_code == 403
        assert client.get("/api/start?token=secret").status_code == 403
        answer = client.get("/?token=secret", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert {"HttpOnly", "SameSite=Lax"} <= set(answer.headers["set-cookie"].split("; "))
        assert client.get("/api/start").status_code == 200
        client.cookies.clear()
        assert client.get("/api/start").status_code == 403


def test_what_a_page_may_do(client):
    headers = client.get("/").headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_the_page_needs_nothing_from_elsewhere():
    for file in (Path(server.__file__).parent / "page").iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|//[a-z]+\.|@import|eval\(|innerHTML", text), file.name


def test_every_word_of_the_page_is_in_one_place():
    page = Path(server.__file__).parent / "page"
    known = set(re.findall(r"^  (\w+):", (page / "words.js").read_text(encoding="utf-8"), re.M))
    used = re.findall(
        r'data-(?:word|label)="(\w+)"', (page / "index.html").read_text(encoding="utf-8")
    )
    for file in page.glob("*.js"):
        used += re.findall(r"\bwords\.(?!js\b)(\w+)", file.read_text(encoding="utf-8"))
    assert set(used) - known == set()


@pytest.mark.parametrize(
    "path", ["/../desk.py", "/%2e%2e/desk.py", "/..%2fdesk.py", "/api/photos/..%2f..%2fdesk.py"]
)
def test_files_of_the_computer_are_not_answered(path, client):
    assert client.get(path).status_code == 404


# --- What is taken ------------------------------------------------------------------------------


def hostile():
    files = {one.name: one.read_bytes() for one in REGRESSIONS.iterdir() if one.suffix != ".md"}
    for name in list(files):
        files[f"{name}, cut"] = files[name][: len(files[name]) // 2]
    files["empty"] = b""
    files["text"] = b"../../etc/passwd" * 99
    files["many pixels"] = file_of(np.zeros((9000, 9000), np.uint8))
    files["tiny"] = file_of(np.zeros((3, 3, 3), np.uint8))
    return files


@pytest.mark.parametrize("kind", ["photos", "paintings"])
def test_hostile_files_get_a_line(kind, client, tmp_path):
    for name, content in hostile().items():
        answer = client.post(f"/api/{kind}", content=content)
        assert answer.status_code == 422, name
        (line,) = answer.json().values()
        assert line
        assert "\n" not in line
        assert "Traceback" not in line
        assert str(tmp_path.parent) not in line


@pytest.mark.parametrize("size", [9000, 30_000])
def test_a_picture_of_too_many_pixels(size, client):
    """More than the studio takes, and more than Pillow opens: nobody here has --max-pixels."""
    data = bytearray(file_of(np.zeros((9, 9), np.uint8)))
    data[16:24] = 2 * size.to_bytes(4, "big")  # IHDR, of the PNG specification
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    said = {"error": "this file: has more than 60 million pixels, the most that are taken"}
    answer = client.post("/api/photos", content=bytes(data))
    assert (answer.status_code, answer.json()) == (422, said)


def test_a_file_that_is_too_large(client, monkeypatch):
    monkeypatch.setattr(server, "MOST_BYTES", 1000)
    said = {"error": "the file is larger than 0 MB, the most that is taken"}
    whole = client.post("/api/photos", content=bytes(1001))
    parts = client.post("/api/photos", content=iter([bytes(600), bytes(600)]))
    assert (whole.status_code, whole.json()) == (413, said)
    assert (parts.status_code, parts.json()) == (413, said)


def test_an_upload_that_stalls(monkeypatch):
    """A telephone out of reach does not say that it is gone, and others wait for their turn."""

    class Request:
        headers = {}  # noqa: RUF012

        @staticmethod
        async def stream():
            yield b"part"
            await asyncio.sleep(60)

    monkeypatch.setattr(uploads, "_STALLED", 0.05)
    with pytest.raises(uploads.Refused, match=r"^the upload took too long$") as caught:
        asyncio.run(uploads.body(Request, 1000))
    assert caught.value.status == 408


def test_photographs_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(desks, "_PHOTOS", 2)
    desk = Desk(tmp_path)
    grey = [file_of(np.full((20, 20, 3), value, np.uint8)) for value in (1, 2, 3)]
    ids = [desk.add_photo(one).id for one in grey]
    assert list(desk.photos) == ids[1:]
    monkeypatch.setattr(desks, "_PHOTO_BYTES", 1)
    last = desk.add_photo(grey[0])
    assert list(desk.photos) == [last.id]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"kind": "batch"}, 400),
        ({"photo": "../x"}, 404),
        ({"paintings": ["../../etc/passwd"]}, 404),
        ({"paintings": ["own-../../../etc/passwd"]}, 404),
        ({"paintings": []}, 400),
        ({"paintings": ["venice"] * 3}, 400),
        ({"paintings": "venice"}, 400),
        ({"settings": {"init": "/etc/passwd"}}, 400),
        ({"settings": {"init": ["noise"]}}, 400),
        ({"settings": {"checkpoint": "/tmp/x"}}, 400),
        ({"settings": {"threads": 1000}}, 400),
        ({"settings": {"size": 10**9}}, 400),
        ({"settings": {"size": "large"}}, 400),
        ({"settings": {"style_scale": []}}, 400),
        ({"settings": {"style_layers": {"relu9_9": 1e300}}}, 201),
        ({"settings": 5}, 400),
    ],
    ids=str,
)
def test_works_that_make_no_sense(changes, status, client, photo):
    asked = {"kind": "draft", "photo": photo, "paintings": ["venice"], "settings": DRAFT}
    answer = client.post("/api/works", json={**asked, **changes})
    assert answer.status_code == status, answer.text
    if status == 201:  # only the network knows its layers
        failed = wait(client, answer.json()["id"])
        assert failed["state"] == "failed"
        assert "\n" not in failed["text"]


@pytest.mark.parametrize(
    "changes",
    [{"tab": "\ud800"}, {"settings": {**DRAFT, "style_layers": {"\ud800": 1}}}],
    ids=["tab", "layers"],
)
def test_half_a_character(changes, client, photo):
    """JSON takes it, UTF-8 does not: no page would be answered while such a work is there."""
    asked = {"kind": "draft", "photo": photo, "paintings": ["venice"], "settings": DRAFT}
    answer = client.post("/api/works", content=json.dumps({**asked, **changes}))
    assert (answer.status_code, answer.json()) == (400, {"error": "this is not JSON"})
    assert client.get("/api/start").status_code == 200


def test_a_page_is_told_of_settings_that_it_may_choose(client, photo):
    for one in client.get("/api/start").json()["settings"]:
        settings_from({one["name"]: one["default"]})


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}", b"[" * 90_000, bytes(200_000)], ids=len)
def test_bodies_that_are_no_wish(body, client):
    assert client.post("/api/works", content=body).status_code in (400, 413)
    assert client.post("/api/plans", content=body).status_code in (400, 413)


def test_an_error_of_ours_has_no_traceback(client, monkeypatch, capsys, data):
    def wrong(*_):
        raise RuntimeError("in a line\nand another")

    monkeypatch.setattr(desks, "read", wrong)
    answer = client.post("/api/photos", content=data + b"other")
    assert answer.status_code == 500
    assert answer.json() == {"error": "something unexpected went wrong; the terminal says more"}
    assert capsys.readouterr().err == "minimalstyle: RuntimeError: in a line and another\n"


# --- Works that end badly, and many of them -----------------------------------------------------


def test_a_dead_process(client, photo, studio):
    work = begin(client, photo, settings=LONG).json()["id"]
    wait(client, work, states=("painting",))
    os.kill(studio.desk.drafts.process, signal.SIGKILL)
    failed = wait(client, work)
    assert failed["state"] == "failed"
    assert "ended unexpectedly" in failed["text"]
    assert wait(client, begin(client, photo).json()["id"])["state"] == "done"


def test_a_process_that_hangs(client, photo, studio, monkeypatch):
    monkeypatch.setattr(painters, "_GRACE", 0.2)
    work = begin(client, photo, settings=LONG).json()["id"]
    wait(client, work, states=("painting",))
    hung = studio.desk.drafts.process
    os.kill(hung, signal.SIGSTOP)
    assert wait(client, begin(client, photo).json()["id"])["state"] == "done"
    assert studio.desk.drafts.process != hung


def test_many_moves_of_a_slider(client, photo, studio):
    def move(strength):
        return begin(client, photo, settings={**LONG, "strength": strength % 100 + 1}).status_code

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(move, range(200))) == {201}
    assert len(studio.desk.works) <= desks._KEPT + 2
    last = begin(client, photo, settings={**DRAFT, "strength": 33}).json()["id"]
    assert wait(client, last)["state"] == "done"
    busy = [one for one in studio.desk.works.values() if not one.ended.is_set()]
    assert busy == []


def test_a_queue_has_an_end(client, photo):
    wishes = [begin(client, photo, "print", LONG) for _ in range(desks._WAITING + 1)]
    assert [one.status_code for one in wishes] == [201] * desks._WAITING + [429]
    for one in wishes[:-1]:
        client.delete(f"/api/works/{one.json()['id']}")


def test_drafts_of_two_pages(client, photo, studio):
    """One waits for the other; that of a page that is closed goes on while no other waits."""
    studio.desk.opened("a")
    studio.desk.opened("b")
    first = begin(client, photo, settings=LONG, tab="a").json()["id"]
    wait(client, first, states=("painting",))
    second = begin(client, photo, tab="b").json()["id"]
    assert wait(client, second, states=("waiting",))
    studio.desk.left("a")
    assert wait(client, second)["state"] == "done"
    first = begin(client, photo, settings=LONG, tab="b").json()["id"]
    wait(client, first, states=("painting",))
    studio.desk.left("b")
    assert wait(client, first, states=("painting",))
    assert wait(client, begin(client, photo, tab="c").json()["id"])["state"] == "done"
    assert first not in studio.desk.works
    assert not studio.desk._tabs


def test_a_photograph_with_all_its_pixels(client):
    """For a look at it from near; shown at first with fewer."""
    large = np.random.default_rng(2).integers(0, 256, (20, 2000), np.uint8)
    key = client.post("/api/photos", content=file_of(large)).json()["id"]
    shown = Image.open(BytesIO(client.get(f"/api/photos/{key}").content))
    whole = Image.open(BytesIO(client.get(f"/api/photos/{key}/whole").content))
    assert (shown.width, whole.size) == (1600, (2000, 20))
    assert np.abs(np.asarray(whole.convert("L"), float) - large).mean() < 5
    assert client.get("/api/photos/none/whole").status_code == 404


def test_results_are_forgotten(client, photo, studio, monkeypatch):
    done = wait(client, begin(client, photo).json()["id"])["id"]
    monkeypatch.setattr(desks, "_KEPT_BYTES", 1)
    again = wait(client, begin(client, photo, settings={**DRAFT, "seed": 1}).json()["id"])["id"]
    begin(client, photo, settings={**DRAFT, "seed": 2})
    assert client.get(f"/api/works/{done}/picture").status_code == 404
    assert client.get(f"/api/works/{again}/file.png").status_code in (200, 404)


def test_too_little_memory(client, photo):
    settings = {**DRAFT, "size": 20_000, "enlarge": True}
    failed = wait(client, begin(client, photo, "print", settings).json()["id"])
    assert failed["state"] == "failed"
    assert "GB of memory, and there are" in failed["text"]


# --- The command --------------------------------------------------------------------------------


def children_of(process):
    """Those of all its threads."""
    files = Path(f"/proc/{process}/task").glob("*/children")
    return [int(one) for file in files for one in file.read_text().split()]


def is_there(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


@contextmanager
def command(tmp_path, *words):
    """The command in a process of its own: that, and its address."""
    (tmp_path / "temporary").mkdir()
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "minimalstyle", "studio", "--no-browser"),
            *("--paintings", str(tmp_path / "paintings"), *words),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(ms.__file__).parents[1]),
            "TMPDIR": str(tmp_path / "temporary"),
        },
    ) as process:
        try:
            yield process, process.stdout.readline().strip().rstrip("/")
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGKILL, -9)]
)
def test_nothing_is_left(number, code, tmp_path, data):
    """In the middle of a painting: no process and no file stays behind."""
    with command(tmp_path) as (process, address):
        with httpx2.Client(base_url=address, headers={"origin": address}, timeout=60) as asking:
            photo = asking.post("/api/photos", content=data).json()["id"]
            wait(asking, begin(asking, photo, settings=LONG).json()["id"], states=("painting",))
            with asking.stream("GET", "/api/events") as told:
                next(told.iter_lines())
                children = children_of(process.pid)
                assert children
                process.send_signal(number)
                assert process.wait(20) == code
        end = time.monotonic() + 120
        while any(map(is_there, children)) and time.monotonic() < end:
            time.sleep(0.1)
        assert not any(map(is_there, children))
        assert process.stderr.read() == ""
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_client_that_goes_away(tmp_path, data):
    """In the middle of an upload: the others are answered."""
    with command(tmp_path) as (process, address):
        host, port = address.removeprefix("http://").split(":")
        head = f"POST /api/photos HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {address}\r\n"
        for _ in range(5):
            with socket.create_connection((host, int(port))) as half:
                half.sendall(f"{head}Content-Length: 5000000\r\n\r\n".encode() + bytes(1000))
        there = {"origin": address}
        answer = httpx2.post(f"{address}/api/photos", content=data, headers=there, timeout=60)
        assert answer.status_code == 201
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr.read() == ""


def has_ipv6():
    """Containers often have none."""
    try:
        socket.create_server(("::", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_for_others(tmp_path, data, host):
    """The printed address has the token, and can be opened elsewhere."""
    if host == "::" and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with command(tmp_path, "--host", host) as (process, address):
        page, token = address.split("/?token=")
        assert len(token) >= 32
        with httpx2.Client(base_url=page, headers={"origin": page}, timeout=60) as asking:
            assert asking.get("/").status_code == 403
            assert asking.post("/api/photos", content=data).status_code == 403
            assert asking.get(address, follow_redirects=True).status_code == 200
            assert asking.post("/api/photos", content=data).status_code == 201
            evil = {"origin": "http://evil.example"}
            assert asking.post("/api/photos", content=data, headers=evil).status_code == 403
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


def test_another_address_of_this_computer(tmp_path):
    """All of 127.0.0.0/8 is (RFC 1122)."""
    with command(tmp_path, "--host", "127.0.0.2") as (process, address):
        assert address.startswith("http://127.0.0.2:")
        assert httpx2.get(address, timeout=60).status_code == 200
        other = {"host": address.removeprefix("http://").replace(".2:", ".3:")}
        assert httpx2.get(address, headers=other, timeout=60).status_code == 403
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


def test_a_port_that_is_taken(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["studio", "--no-browser", "--port", str(port)]) == ms.UsageError.exit_code
    said = capsys.readouterr().err
    assert said.startswith(f"minimalstyle: error: 127.0.0.1, port {port}: cannot be listened at: ")
    assert said.count("\n") == 1


def test_without_what_it_needs(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "minimalstyle.studio.listening", raising=False)
    assert main(["studio", "--no-browser"]) == ms.UsageError.exit_code
    assert "pip install 'minimalstyle[studio]'" in capsys.readouterr().err
