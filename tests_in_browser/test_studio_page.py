"""The studio's page in a real browser: first use, slider, stop, reload, telephone, keyboard."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

import minimalstyle as ms
from minimalstyle.records import recipe

EXAMPLES = Path(__file__).parents[1] / "examples"
SOON = 120_000  # milliseconds
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
expect.set_options(timeout=SOON)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    command = [sys.executable, "-m", "minimalstyle", "studio", "--no-browser", "--paintings"]
    with subprocess.Popen(
        [*command, str(tmp_path_factory.mktemp("paintings"))],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(ms.__file__).parents[1])},
    ) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as play:
        found = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = play.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, address):
    """`opened(**options)` -> a page of its own that has said nothing wrong."""
    contexts, wrong = [], []

    def open_page(**options):
        context = browser.new_context(reduced_motion="reduce", **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda one: one.url.startswith(address) or wrong.append(one.url))
        page.goto(address)
        expect(page.locator("#paintings img")).to_have_count(len(ms.gallery.paintings()))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [one for one in wrong if not one.startswith("blob:")] == []


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A photograph that is soon painted."""
    path = tmp_path_factory.mktemp("photo") / "castle.png"
    with Image.open(EXAMPLES / "neuschwanstein.jpg") as image:
        image.resize((120, 80)).save(path)
    return path


def done(page):
    expect(page.locator("#status")).to_have_text("Done")


def saved(page, kind="PNG"):
    """What the button gives."""
    page.click("#save")
    with page.expect_download() as download:
        page.get_by_role("link", name=kind).first.click()
    return download.value


def test_three_gestures(opened, small):
    page = opened()
    page.set_input_files("#file", small)  # one
    page.click("[data-id=starry-night]")  # two
    expect(page.locator("#after")).to_be_visible()  # and watch
    done(page)
    file = saved(page)
    assert file.suggested_filename == "castle_starry-night.png"
    made = recipe.read(Path(file.path()).read_bytes())
    expected = ms.stylize(small, "starry-night", size=512)
    assert made["inputs"] == {**expected.report["inputs"]}
    assert recipe.settings_of(made) == recipe.settings_of(recipe.make(expected.report, "1"))
    with Image.open(file.path()) as image:
        assert image.tobytes() == expected.image.tobytes()


def test_the_slider_and_its_recipe(opened, small):
    page = opened()
    page.set_input_files("#file", small)
    page.click("[data-id=venice]")
    page.locator("#strength").focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    page.get_by_label("Keep my colours").check()
    done(page)
    file = Path(saved(page, "TIFF").path()).read_bytes()
    settings = recipe.settings_of(recipe.read(file))
    assert (settings["strength"], settings["preserve_color"]) == (70, "luminance")
    other = opened()  # where that picture is dropped, its settings come back
    made = {"name": "made.tif", "mimeType": "image/tiff", "buffer": file}
    other.set_input_files("#file", made)
    expect(other.locator("#toast")).to_contain_text("settings of that picture are back")
    expect(other.locator("#strength")).to_have_value("70")
    expect(other.get_by_label("Keep my colours")).to_be_checked()
    expect(other.locator("[data-id=venice]")).to_have_attribute("aria-pressed", "true")


def test_stop_and_reload(opened):
    page = opened()
    page.set_input_files("#file", EXAMPLES / "neuschwanstein.jpg")
    page.click("[data-id=night-cafe]")
    expect(page.locator("#after")).to_be_visible()
    page.reload()  # in the middle
    expect(page.locator("#after")).to_be_visible()
    expect(page.locator("#title")).to_have_text("The Night Café")
    expect(page.locator("#status")).to_contain_text("Painting")
    page.click("#stop")
    expect(page.locator("#status")).to_have_text("Stopped")
    expect(page.locator("#save")).to_be_disabled()


def test_full_quality_goes_on_without_a_page(opened, small):
    page = opened()
    page.set_input_files("#file", small)
    page.click("[data-id=seashore]")
    done(page)
    page.click("#print")
    size = page.locator("#sizes button:enabled")
    expect(size).to_contain_text("of memory")
    size.click()
    expect(page.locator("#jobs li")).to_have_count(1)
    page.context.close()
    again = opened()
    again.click("#queue")
    expect(again.locator("#jobs li")).to_contain_text("Done")
    with again.expect_download() as download:
        again.locator("#jobs").get_by_role("link", name="PNG").click()
    assert recipe.read(Path(download.value.path()).read_bytes())["settings"]["size"] == 120
    again.locator("#jobs").get_by_role("button", name="Remove").click()
    expect(again.locator("#jobs li")).to_have_count(0)


def test_an_own_painting(opened, small):
    page = opened()
    page.set_input_files("#own", EXAMPLES / "starry_night.jpg")
    own = page.locator("[data-id^=own-]")
    expect(own).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(own).to_have_count(1)
    page.set_input_files("#file", small)
    done(page)
    page.get_by_label("Take this painting down").click()
    expect(own).to_have_count(0)


def test_what_is_no_picture(opened):
    page = opened()
    text = {"name": "a.txt", "mimeType": "text/plain", "buffer": b"words"}
    page.set_input_files("#file", text)
    expect(page.locator("#toast")).to_contain_text("is not a picture")


def test_a_telephone(opened, small):
    page = opened(**PHONE)
    page.set_input_files("#file", small)
    page.tap("[data-id=harvest]")
    done(page)
    page.evaluate("() => { document.querySelector('#more').open = true; }")
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390
    for name in ("#hang", "#save", "#print", "#strength"):
        box = page.locator(name).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    page.tap("#print")
    box = page.locator("#prints").bounding_box()
    assert (box["x"] >= 0, box["x"] + box["width"] <= 390) == (True, True)


def test_with_the_keyboard_alone(opened, small):
    page = opened()

    def tab_to(selector):
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("(name) => document.activeElement.matches(name)", selector):
                return
        raise AssertionError(f"{selector} is not reached")

    tab_to("#choose, #other")  # the other where a picture hangs already
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(small)
    expect(page.locator("#hang")).to_be_visible()
    tab_to("[data-id=vestibule]")
    page.keyboard.press("Enter")
    done(page)
    tab_to("#split")
    page.keyboard.press("End")
    expect(page.locator("#split")).to_have_attribute("aria-valuenow", "100")
    page.keyboard.press("Home")
    page.keyboard.press("PageUp")
    expect(page.locator("#split")).to_have_attribute("aria-valuenow", "10")
    tab_to("#save")
    page.keyboard.press("Enter")
    expect(page.locator("#formats a").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#save")).to_be_focused()


def test_everything_has_a_name(opened, small):
    page = opened()
    page.set_input_files("#file", small)
    page.evaluate("() => { document.querySelector('#more').open = true; }")
    for role in ("button", "slider", "checkbox", "spinbutton", "combobox"):
        for one in page.get_by_role(role).all():
            name = one.evaluate(
                "(one) => one.getAttribute('aria-label') || one.textContent.trim()"
                " || [...(one.labels ?? [])].map((label) => label.textContent.trim()).join()"
            )
            assert name, one.evaluate("(one) => one.outerHTML")
