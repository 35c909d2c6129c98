"""What the tests do with a page again and again."""

from playwright.sync_api import expect

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def done(page):
    expect(page.locator("#status")).to_have_text("Done")


def hung(page, photo):
    """A photograph, before a painting is touched."""
    page.set_input_files("#file", photo)
    expect(page.locator("#hang")).to_be_visible()


def endless(page):
    """What is painted from now on ends only when it is stopped."""
    page.evaluate("document.querySelector('#more').open = true")
    page.get_by_label("iterations", exact=True).fill("1000000")
    page.get_by_label("iterations", exact=True).blur()
    page.evaluate("document.querySelector('#more').open = false")


def saved(page, kind="PNG"):
    """What the button gives."""
    page.click("#save")
    with page.expect_download() as download:
        page.locator("#formats").get_by_role("link", name=kind).click()
    return download.value


def box(page, selector):
    return page.locator(selector).bounding_box()
