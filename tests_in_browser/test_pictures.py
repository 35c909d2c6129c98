"""From a photograph to a file: first use, knobs, blends, stop, full quality, own paintings."""

import json
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

import minimalstyle as ms
from minimalstyle.records import recipe

from .conftest import EXAMPLES
from .pages import done, endless, hung, saved


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
    hung(page, small)
    page.click("[data-id=venice]")
    page.locator("#strength").focus()
    expect(page.locator("#strength")).to_be_focused()  # it is not, before it is shown
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


def test_two_paintings_blended(opened, small):
    page = opened()
    hung(page, small)
    page.click("[data-id=pere-tanguy]")
    page.get_by_label("Blend two paintings").check()
    page.click("[data-id=harvest]")
    expect(page.locator("#title")).to_have_text("Portrait of Père Tanguy and The Harvest")
    page.locator("#mix").focus()
    page.keyboard.press("End")
    page.keyboard.press("PageDown")
    expect(page.locator("#mix")).to_have_value("90")
    done(page)
    file = saved(page)
    assert file.suggested_filename == "castle_pere-tanguy_harvest.png"
    made = recipe.read(Path(file.path()).read_bytes())
    assert len(made["inputs"]["styles"]) == 2
    assert recipe.settings_of(made)["style_blend"] == (0.1, 0.9)
    page.reload()
    expect(page.get_by_label("Blend two paintings")).to_be_checked()
    expect(page.locator("#mix")).to_have_value("90")
    page.click("[data-id=pere-tanguy]")  # it goes
    expect(page.locator("#title")).to_have_text("The Harvest")
    expect(page.locator("#mixing")).to_be_hidden()
    done(page)


def test_more_knobs(opened, small):
    """Of all kinds: a number, a word, layers with their weights; and back again."""
    page = opened()
    hung(page, small)
    page.click("#more summary")
    page.get_by_label("tv weight").fill("3")
    page.get_by_label("loss", exact=True).select_option("relative")
    page.get_by_label("style layers").fill("relu1_1:2, relu3_1:1")
    page.get_by_label("style layers").blur()
    page.click("[data-id=seashore]")
    done(page)
    settings = recipe.settings_of(recipe.read(Path(saved(page).path()).read_bytes()))
    assert (settings["tv_weight"], settings["loss"]) == (3, "relative")
    assert settings["style_layers"] == {"relu1_1": 2, "relu3_1": 1}
    page.get_by_label("tv weight").fill("-3")
    page.get_by_label("tv weight").blur()
    expect(page.get_by_label("tv weight")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#toast")).to_contain_text("tv weight: ")  # and why
    page.get_by_role("button", name="All as it was").click()
    expect(page.get_by_label("tv weight")).to_have_value("8")
    done(page)


def test_stop_and_reload(opened, small):
    page = opened()
    hung(page, small)
    endless(page)
    page.click("[data-id=night-cafe]")
    expect(page.locator("#after")).to_be_visible()
    page.reload()  # in the middle
    expect(page.locator("#after")).to_be_visible()
    expect(page.locator("#title")).to_have_text("The Night Café")
    expect(page.locator("#status")).to_contain_text("Painting")
    expect(page.locator("#save")).to_be_disabled()
    page.click("#stop")
    expect(page.locator("#status")).to_have_text("Stopped, and kept as it is")
    made = recipe.read(Path(saved(page).path()).read_bytes())
    assert made["stopped"] == "interrupted"


def test_full_quality_goes_on_without_a_page(opened, small):
    page = opened()
    hung(page, small)
    page.click("[data-id=seashore]")
    done(page)
    page.click("#print")
    size = page.locator("#sizes button:enabled")
    expect(size).to_contain_text("of memory")
    size.click()
    expect(page.locator("#jobs li")).to_have_count(1)
    page.context.close()
    again = opened(again=True)
    expect(again.locator("#title")).to_have_text("By the Seashore")
    again.click("#queue")
    expect(again.locator("#jobs li")).to_contain_text("Done")
    with again.expect_download() as download:
        again.locator("#jobs").get_by_role("link", name="TIFF, 16 bits").click()
    made = Path(download.value.path()).read_bytes()
    assert recipe.read(made)["settings"]["size"] == 120
    with Image.open(download.value.path()) as image:
        assert image.tag_v2[258] == (16, 16, 16)  # BitsPerSample, of TIFF 6.0
    again.locator("#jobs").get_by_role("button", name="Remove").click()
    expect(again.locator("#jobs li")).to_have_count(0)


def test_full_quality_is_cancelled_or_kept(opened, small):
    page = opened()
    hung(page, small)
    page.click("[data-id=seashore]")
    done(page)
    endless(page)
    page.click("#stop")
    page.click("#print")
    for _ in range(2):
        page.locator("#sizes button:enabled").click()
    jobs = page.locator("#jobs li")
    expect(jobs).to_have_count(2)
    expect(jobs.locator("progress:visible")).to_have_count(1)
    waiting = jobs.filter(has_text="Waiting for its turn")
    waiting.get_by_role("button", name="Cancel").click()
    expect(jobs).to_have_count(1)
    expect(jobs.locator("progress")).to_be_visible()
    jobs.get_by_role("button", name="Stop and keep").click()
    expect(jobs).to_contain_text("Stopped, and kept as it is")
    with page.expect_download() as download:
        jobs.get_by_role("link", name="PNG").click()
    assert recipe.read(Path(download.value.path()).read_bytes())["stopped"] == "interrupted"
    jobs.get_by_role("button", name="Look at it").click()
    expect(page.locator("#status")).to_have_text("Stopped, and kept as it is")
    expect(page.locator("#save")).to_be_enabled()
    page.click("#queue")
    jobs.get_by_role("button", name="Remove").click()
    expect(jobs).to_have_count(0)
    expect(page.locator("#save")).to_be_disabled()  # it is gone


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


def test_two_tabs(opened, small):
    """Each has its own picture; one that is closed makes room."""
    first, second = opened(), opened()
    hung(first, small)
    endless(first)
    first.click("[data-id=venice]")
    expect(first.locator("#after")).to_be_visible()
    hung(second, small)
    second.click("[data-id=harvest]")
    expect(second.locator("#status")).to_have_text("Mixing colours …")
    first.context.close()
    done(second)
    expect(second.locator("#title")).to_have_text("The Harvest")


HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_draft_that_another_page_stopped_begins_again(opened, small):
    first, second = opened(), opened()
    hung(first, small)
    endless(first)
    first.click("[data-id=venice]")
    expect(first.locator("#after")).to_be_visible()
    first.evaluate(HIDE, True)
    hung(second, small)
    second.click("[data-id=harvest]")
    done(second)
    first.evaluate(HIDE, False)
    known = "() => fetch('/api/start').then((one) => one.json())"
    expect(first.locator("#status")).to_contain_text("Painting")
    first.wait_for_function(
        f"({known})().then((one) => one.works.at(-1).paintings[0] === 'venice')"
    )
    first.click("#stop")
    expect(first.locator("#status")).to_have_text("Stopped, and kept as it is")


def test_an_answer_that_is_slower_than_the_painter(opened, small):
    page = opened()
    hung(page, small)

    def slow(route):
        answer = route.fetch()
        key, state = answer.json()["id"], ""
        while state != "done":
            works = page.request.get(f"{page.url}api/start").json()["works"]
            state = next(one["state"] for one in works if one["id"] == key)
        page.wait_for_timeout(1000)  # until the page is told
        route.fulfill(response=answer)

    page.route("**/api/works", slow)
    page.click("[data-id=venice]")
    done(page)


def test_a_tab_that_is_duplicated(opened, small):
    """A browser copies its storage: then there are two pages, and two drafts."""
    first = opened()
    hung(first, small)
    endless(first)
    first.click("[data-id=venice]")
    expect(first.locator("#after")).to_be_visible()
    second = first.context.new_page()
    copied = json.dumps(first.evaluate("sessionStorage.studio"))
    second.add_init_script(f"sessionStorage.studio = {copied}")
    second.goto(first.url)
    expect(second.locator("#status")).to_contain_text("Painting")
    second.click("[data-id=harvest]")
    expect(second.locator("#status")).to_have_text("Mixing colours …")
    works = second.evaluate("fetch('/api/start').then((one) => one.json())")["works"]
    assert [one["state"] for one in works[-2:]] == ["painting", "waiting"]


def test_many_pages(opened):
    """More than the six connections that a browser has to a server (RFC 9112, 9.4)."""
    first = opened()
    for _ in range(7):
        page = first.context.new_page()
        page.goto(first.url)
        expect(page.locator("#paintings img")).to_have_count(len(ms.gallery.paintings()))
        page.evaluate(HIDE, True)


def test_what_is_no_picture(opened):
    page = opened()
    text = {"name": "a.txt", "mimeType": "text/plain", "buffer": b"words"}
    page.set_input_files("#file", text)
    expect(page.locator("#toast")).to_contain_text("is not a picture")
