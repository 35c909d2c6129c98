"""Dropped, pasted, from a camera; near and far; on a telephone; with the keyboard; read aloud."""

import base64
import math

import pytest
from PIL import Image
from playwright.sync_api import expect

from .conftest import EXAMPLES
from .pages import PHONE, box, done, endless, hung

CARRIED = """(files) => {
    const carried = new DataTransfer();
    for (const [name, data] of files) {
        const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
        carried.items.add(new File([bytes], name, { type: "image/png" }));
    }
    return carried;
}"""


def carried(page, *paths):
    """Files, as a browser carries them about."""
    files = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in paths]
    return page.evaluate_handle(CARRIED, files)


@pytest.fixture
def large(tmp_path):
    """A photograph that has more pixels than the page."""
    path = tmp_path / "large.png"
    with Image.open(EXAMPLES / "neuschwanstein.jpg") as image:
        image.resize((3000, 2000)).save(path)
    return path


# --- A photograph comes -------------------------------------------------------------------------


def test_dropped(opened, small):
    page = opened()
    what = {"dataTransfer": carried(page, small)}
    page.dispatch_event("#stage", "dragenter", what)
    page.dispatch_event("#stage", "dragover", what)
    expect(page.locator("#over")).to_have_text("Drop it to paint on it")
    page.dispatch_event("#stage", "drop", what)
    expect(page.locator("#over")).to_be_hidden()
    expect(page.locator("#hang")).to_be_visible()
    assert page.locator("#before").evaluate("(one) => one.naturalWidth") == 120
    what = {"dataTransfer": carried(page, EXAMPLES / "starry_night.jpg")}
    page.dispatch_event("#wall", "dragover", what)
    expect(page.locator("#over")).to_have_text("Drop it to hang it among the paintings")
    page.dispatch_event("#wall", "drop", what)
    expect(page.locator("[data-id^=own-]")).to_have_attribute("aria-pressed", "true")
    done(page)
    page.get_by_label("Take this painting down").click()
    expect(page.locator("[data-id^=own-]")).to_have_count(0)


def test_several_at_once(opened, small, tmp_path):
    """The first photograph, which is said; all paintings, but for one that is none."""
    page = opened()
    text = tmp_path / "text.png"
    text.write_text("no picture")
    what = {"dataTransfer": carried(page, small, EXAMPLES / "neuschwanstein.jpg")}
    page.dispatch_event("#stage", "drop", what)
    expect(page.locator("#toast")).to_contain_text("One photograph at a time")
    expect(page.locator("#hang")).to_be_visible()
    assert page.locator("#before").evaluate("(one) => one.naturalWidth") == 120
    paintings = text, EXAMPLES / "starry_night.jpg", EXAMPLES / "neuschwanstein.jpg"
    page.dispatch_event("#wall", "drop", {"dataTransfer": carried(page, *paintings)})
    expect(page.locator("#toast")).to_contain_text("text.png: ")
    for left in (1, 0):
        expect(page.locator("[data-id^=own-]")).to_have_count(left + 1)
        page.get_by_label("Take this painting down").first.click()
        expect(page.locator("[data-id^=own-]")).to_have_count(left)


def test_pasted(opened, small):
    page = opened()
    page.evaluate(
        "(carried) => dispatchEvent(new ClipboardEvent('paste', { clipboardData: carried }))",
        carried(page, small),
    )
    expect(page.locator("#hang")).to_be_visible()


def test_taken_with_a_camera(opened, small):
    page = opened(**PHONE)
    page.on("filechooser", lambda chooser: chooser.set_files(small))
    expect(page.locator("#snap")).to_have_attribute("capture", "environment")
    page.tap("#camera")
    expect(page.locator("#hang")).to_be_visible()


# --- Near and far -------------------------------------------------------------------------------


def both(page):
    """Where the photograph is, which is where the painting is."""
    boxes = page.evaluate(
        "() => ['#before', '#after', '#hang'].map((name) =>"
        " document.querySelector(name).getBoundingClientRect().toJSON())"
    )
    assert boxes[0] == boxes[1] == boxes[2]
    return boxes[0]


def painted(page, photo):
    hung(page, photo)
    page.click("[data-id=sainte-victoire]")
    expect(page.locator("#after")).to_be_visible()


def test_the_wheel_zooms_where_it_points(opened):
    page = opened()
    painted(page, EXAMPLES / "neuschwanstein.jpg")
    whole = both(page)
    point = {"x": whole["x"] + whole["width"] / 4, "y": whole["y"] + whole["height"] / 4}
    page.mouse.move(**point)
    page.mouse.wheel(0, -400)
    expect(page.locator("#hang")).to_have_class("near")
    near = both(page)
    assert near["width"] == pytest.approx(whole["width"] * math.e, rel=0.01)
    for axis, side in (("x", "width"), ("y", "height")):  # what is under the pointer stays there
        assert (point[axis] - near[axis]) / near[side] == pytest.approx(0.25, abs=0.01)
    page.mouse.down()
    page.mouse.move(point["x"] + 60, point["y"] + 30)
    page.mouse.up()
    moved = both(page)
    assert moved["x"] - near["x"] == pytest.approx(60, abs=0.5)
    assert moved["y"] - near["y"] == pytest.approx(30, abs=0.5)
    page.click("#fit")
    assert both(page) == pytest.approx(whole)


def test_pixel_by_pixel(opened, large):
    """One of the photograph on one of the screen; and the photograph has all of its own."""
    page = opened()
    hung(page, large)
    before = page.locator("#before")
    assert before.evaluate("(one) => one.naturalWidth") < 3000
    page.click("#full")
    assert box(page, "#hang")["width"] == pytest.approx(3000, abs=1)
    expect(before).to_have_js_property("naturalWidth", 3000)
    left = box(page, "#hang")["x"]
    page.locator("#hang").press("ArrowRight")
    assert box(page, "#hang")["x"] == pytest.approx(left - 40, abs=0.5)
    page.locator("#hang").press("0")
    assert box(page, "#hang")["width"] < 1000


def test_two_fingers(opened, small):
    page = opened(**PHONE)
    painted(page, small)
    whole = both(page)
    across, down = whole["x"] + whole["width"] / 2, whole["y"] + whole["height"] / 2
    touch = page.context.new_cdp_session(page)

    def fingers(kind, *apart):
        points = [{"x": across + one, "y": down, "id": number} for number, one in enumerate(apart)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", -30)
    fingers("touchStart", -30, 30)
    for apart in (40, 50, 60):
        fingers("touchMove", -apart, apart)
    fingers("touchEnd")
    expect(page.locator("#hang")).to_have_class("near")
    near = both(page)
    assert near["width"] == pytest.approx(2 * whole["width"], rel=0.02)
    fingers("touchStart", 0)  # one finger moves both
    for right in (10, 20, 30):
        fingers("touchMove", right)
    fingers("touchEnd")
    assert both(page)["x"] == pytest.approx(near["x"] + 30, abs=2)


def test_the_handle(opened, small):
    page = opened()
    painted(page, small)
    picture, handle = both(page), box(page, "#split i")
    page.mouse.move(handle["x"] + 22, handle["y"] + 22)
    page.mouse.down()
    page.mouse.move(picture["x"] + picture["width"] / 2, picture["y"] + 20)
    page.mouse.up()
    expect(page.locator("#split")).to_have_attribute("aria-valuenow", "50")
    clip = page.locator("#after").evaluate("(one) => one.style.clipPath")
    assert float(clip.removesuffix("%)").split()[-1]) == pytest.approx(50, abs=1)


def test_the_handle_stays_in_sight(opened):
    """However near the picture is: what is seen is all painted, or all photograph."""
    page = opened()
    painted(page, EXAMPLES / "neuschwanstein.jpg")
    stage = box(page, "#stage")
    for _ in range(3):
        page.click("#in")
    assert both(page)["x"] < stage["x"] - 44
    assert box(page, "#split i")["x"] == pytest.approx(stage["x"] - 22, abs=0.5)
    page.locator("#split").press("End")
    right = box(page, "#split i")["x"] + 22
    assert right == pytest.approx(stage["x"] + stage["width"], abs=0.5)


@pytest.mark.parametrize("selector", ["#hang", "#split"])
def test_keys_of_the_browser(selector, opened, small):
    """Control and + make the whole page larger; Alt and an arrow go back."""
    page = opened()
    painted(page, small)
    pressed = """(one, keys) => one.dispatchEvent(
        new KeyboardEvent("keydown", { ...keys, bubbles: true, cancelable: true }))"""
    for key in ("+", "-", "0", "1", "ArrowLeft", "Home"):
        for other in ("ctrlKey", "metaKey", "altKey"):
            keys = {"key": key, other: True}
            assert page.locator(selector).evaluate(pressed, keys), keys


def test_nothing_moves_while_it_paints(opened, small):
    page = opened(viewport={"width": 1280, "height": 800})
    hung(page, small)
    names = ("#hang", "#strength", "#brush", "#colours", "#save", "#print", "#zoom")
    before = [box(page, name) for name in names]
    endless(page)
    page.click("[data-id=seashore]")
    expect(page.locator("#stop")).to_be_visible()
    assert [box(page, name) for name in names] == before


# --- For everybody ------------------------------------------------------------------------------


def test_a_telephone(opened, small):
    page = opened(**PHONE)
    page.set_input_files("#file", small)
    page.tap("[data-id=harvest]")
    done(page)
    for name in ("#save", "#print", "#hang"):  # without a movement of the page
        found = box(page, name)
        assert (found["y"] >= 0, found["y"] + found["height"] <= 844) == (True, True), name
    page.tap("#print")
    page.locator("#sizes button:enabled").tap()
    found = box(page, "#prints")
    assert (found["x"] >= 0, found["x"] + found["width"] <= 390) == (True, True)
    expect(page.locator("#jobs li")).to_contain_text("Done")
    page.get_by_label("Close").tap()
    page.evaluate("document.querySelector('#more').open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for name in ("#hang", "#save", "#print", "#strength", "#other", "#queue"):
        found = box(page, name)
        assert (found["x"] >= 0, found["x"] + found["width"] <= 390) == (True, True), name
    page.tap("#queue")
    page.locator("#jobs").get_by_role("button", name="Remove").tap()
    expect(page.locator("#jobs li")).to_have_count(0)


@pytest.fixture
def tall(tmp_path):
    """A photograph of 80 x 160 pixels."""
    path = tmp_path / "tall.png"
    with Image.open(EXAMPLES / "neuschwanstein.jpg") as image:
        image.crop((300, 0, 556, 512)).resize((80, 160)).save(path)
    return path


@pytest.mark.parametrize("height", [640, 844])
def test_a_tall_photograph_on_a_telephone(height, opened, tall):
    page = opened(**{**PHONE, "viewport": {"width": 390, "height": height}})
    hung(page, tall)
    text = {"name": "a.txt", "mimeType": "text/plain", "buffer": b"words"}
    page.set_input_files("#file", text)
    expect(page.locator("#toast")).to_contain_text("is not a picture")
    for name in ("#save", "#print", "#toast"):
        found = box(page, name)
        assert (found["y"] >= 0, found["y"] + found["height"] <= height) == (True, True), name
    toast, save = box(page, "#toast"), box(page, "#save")
    assert toast["y"] + toast["height"] <= save["y"]
    assert toast["width"] > 300
    page.evaluate("scrollTo(0, 1e6)")  # and nothing is hidden below it
    more = box(page, "#more")
    assert more["y"] + more["height"] <= save["y"]


def test_an_error_is_seen_above_the_dialog(opened, small):
    page = opened()
    hung(page, small)
    page.click("[data-id=venice]")
    done(page)
    page.click("#print")
    text = {"name": "a.txt", "mimeType": "text/plain", "buffer": b"words"}
    page.set_input_files("#file", text)
    expect(page.locator("#toast")).to_contain_text("is not a picture")
    found = box(page, "#toast")
    middle = [found["x"] + found["width"] / 2, found["y"] + found["height"] / 2]
    seen = "([x, y]) => Boolean(document.elementFromPoint(x, y).closest('#toast'))"
    assert page.evaluate(seen, middle)


def test_with_the_keyboard_alone(opened, small):
    page = opened()
    page.on("filechooser", lambda chooser: chooser.set_files(small))  # before it is asked for

    def tab_to(selector):
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("(name) => document.activeElement.matches(name)", selector):
                return
        raise AssertionError(f"{selector} is not reached")

    tab_to("#choose")
    page.keyboard.press("Enter")
    expect(page.locator("#hang")).to_be_visible()
    tab_to("[data-id=vestibule]")
    page.keyboard.press("Enter")
    expect(page.locator("#title")).to_have_text("Vestibule of the Asylum")
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
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#prints")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#print")).to_be_focused()


def test_everything_has_a_name(opened, small):
    page = opened()
    hung(page, small)
    page.evaluate("document.querySelector('#more').open = true")
    for role in ("button", "slider", "checkbox", "spinbutton", "combobox", "textbox"):
        for one in page.get_by_role(role).all():
            name = one.evaluate(
                "(one) => one.getAttribute('aria-label') || one.textContent.trim()"
                " || [...(one.labels ?? [])].map((label) => label.textContent.trim()).join()"
            )
            assert name, one.evaluate("(one) => one.outerHTML")
    for name in ("#status", "#toast"):  # what they say is read aloud
        expect(page.locator(name)).to_have_attribute("role", "status")


def test_every_setting_is_on_the_page(opened):
    """All that the server takes."""
    page = opened()
    settings = page.evaluate("fetch('/api/start').then((one) => one.json())")["settings"]
    elsewhere = {"strength", "style_scale", "style_blend", "size", "enlarge"}  # or in full quality
    for setting in settings:
        name = setting["name"]
        there = page.locator(f"#knob-{name}").count()
        assert there == (name not in elsewhere), name


CONTRAST = """() => {
    const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (colour) => parts(colour).slice(0, 3).map((one) => one / 255)
        .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
        .reduce((sum, one, number) => sum + one * [0.2126, 0.7152, 0.0722][number], 0);
    const behind = (one) => {
        for (; one; one = one.parentElement) {
            const colour = getComputedStyle(one).backgroundColor;
            if ((parts(colour)[3] ?? 1) === 1) return colour;
        }
    };
    const ratio = (first, second) => {
        const shades = [first, second].map(light).sort((a, b) => a - b);
        return (shades[1] + 0.05) / (shades[0] + 0.05);
    };
    const found = [];
    for (const one of document.querySelectorAll("[placeholder]"))
        if (one.checkVisibility() && one.placeholder)
            found.push([ratio(getComputedStyle(one, "::placeholder").color, behind(one)), one.id]);
    for (const one of document.body.querySelectorAll("*")) {
        const text = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!text || one.disabled || !one.checkVisibility()) continue;
        found.push([ratio(getComputedStyle(one).color, behind(one)), one.outerHTML.slice(0, 90)]);
    }
    return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(scheme, opened, small):
    """At least 4.5, as WCAG 2.2 (1.4.3, level AA) wants it of small text."""
    page = opened(color_scheme=scheme)
    found = page.evaluate(CONTRAST)
    hung(page, small)
    page.click("[data-id=venice]")
    page.evaluate("document.querySelector('#more').open = true")
    page.locator("#toast").evaluate("(one) => { one.hidden = false; }")
    done(page)
    page.click("#save")
    found += page.evaluate(CONTRAST)
    page.keyboard.press("Escape")
    page.click("#print")
    expect(page.locator("#sizes button:enabled")).to_be_visible()
    found += page.evaluate(CONTRAST)
    assert len(found) > 100
    assert [one for one in found if one[0] < 4.5] == []


def test_who_wants_no_movement_sees_none(browser, address):
    for motion, seconds in (("reduce", "0s"), ("no-preference", "0.2s, 0.2s")):
        page = browser.new_context(reduced_motion=motion).new_page()
        page.goto(address)
        page.locator(".frame").first.wait_for()
        moved = "(one) => getComputedStyle(one).transitionDuration"
        assert page.locator(".frame").first.evaluate(moved) == seconds
        page.context.close()
