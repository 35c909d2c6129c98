"""Photograph the studio for docs/studio.md: desktop and telephone, light and dark.

`python docs/figures/studio.py`, with the extras `studio` and `browser`, and Chromium.
"""

import shutil
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
PHOTO = ROOT / "examples" / "neuschwanstein.jpg"
SOON = 300_000  # milliseconds
DESKTOP = {"viewport": {"width": 1440, "height": 900}}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}


def shot(page: Page) -> Image.Image:
    return Image.open(BytesIO(page.screenshot())).convert("RGB")


def paint(page: Page, painting: str, second: str | None = None) -> None:
    """Three gestures, two more to blend, and the handle where both can be seen."""
    page.set_input_files("#file", PHOTO)
    page.locator("#hang").wait_for()
    page.click(f"[data-id={painting}]")
    if second is not None:
        page.locator("#blend").check()
        page.click(f"[data-id={second}]")
        page.locator("#wall").evaluate("(wall) => wall.scrollTo(0, 0)")
        page.locator("#toast").evaluate("(toast) => { toast.hidden = true; }")
    page.locator("#status", has_text="Done").wait_for(timeout=SOON)
    page.locator("#split").focus()
    for _ in range(4):
        page.keyboard.press("PageUp")
    page.evaluate("document.activeElement.blur()")


def desktop(browser: Browser, address: str, scheme: str, *paintings: str) -> None:
    page = browser.new_page(**DESKTOP, color_scheme=scheme)
    page.goto(address)
    paint(page, *paintings)
    shot(page).save(IMAGES / f"studio_desktop_{scheme}.webp", quality=82)
    page.close()


def phone(browser: Browser, address: str) -> None:
    """The empty wall, a picture in the light and in the dark, and full quality."""
    shots = []
    for scheme, painting in (("light", "pere-tanguy"), ("dark", "cafe-terrace")):
        page = browser.new_context(**PHONE, color_scheme=scheme).new_page()
        page.goto(address)
        if scheme == "light":
            page.locator("[data-id=starry-night] img").wait_for()
            page.wait_for_timeout(5000)  # all thumbnails
            shots.append(shot(page))
        paint(page, painting)
        shots.append(shot(page))
    page.click("#print")
    page.locator("#sizes button:enabled").first.wait_for(timeout=SOON)
    shots.append(shot(page))
    wall = Image.new("RGB", (sum(one.width + 40 for one in shots) - 40, shots[0].height), "#888")
    for number, one in enumerate(shots):
        wall.paste(one, (number * (one.width + 40), 0))
    wall.resize((wall.width // 2, wall.height // 2)).save(IMAGES / "studio_phone.webp", quality=84)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        command = [sys.executable, "-m", "minimalstyle", "studio", "--no-browser"]
        with subprocess.Popen(
            [*command, "--paintings", folder], stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as studio:
            assert studio.stdout is not None
            address = studio.stdout.readline().strip()
            browser = play.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            phone(browser, address)
            desktop(browser, address, "light", "starry-night")
            desktop(browser, address, "dark", "jewel-river", "starry-night")
            browser.close()
            studio.terminate()


if __name__ == "__main__":
    main()
