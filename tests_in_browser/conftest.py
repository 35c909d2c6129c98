"""A studio, a browser, and small photographs that are soon painted."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

import minimalstyle as ms

EXAMPLES = Path(__file__).parents[1] / "examples"
PATIENCE = 300_000  # milliseconds; nothing here is measured, and others may use the machine
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as play:
        found = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = play.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, address):
    """`opened(**options)` -> a page of its own, empty, that has said nothing wrong.

    `opened(again=True)` shows what was painted last, as a page does that is opened anew.
    """
    contexts, wrong = [], []

    def open_page(*, again=False, **options):
        context = browser.new_context(reduced_motion="reduce", **options)
        context.set_default_timeout(PATIENCE)
        if not again:
            known = json.dumps(json.dumps({"tab": secrets.token_hex(4)}))
            context.add_init_script(f"sessionStorage.studio ??= {known}")
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
    with browser.new_context() as desk:  # what goes on without a page would slow others down
        for work in desk.request.get(f"{address}api/start").json()["works"]:
            origin = {"origin": address.rstrip("/")}
            assert desk.request.delete(f"{address}api/works/{work['id']}", headers=origin).ok
    assert [one for one in wrong if not one.startswith("blob:")] == []


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A photograph of 120 x 80 pixels."""
    path = tmp_path_factory.mktemp("photo") / "castle.png"
    with Image.open(EXAMPLES / "neuschwanstein.jpg") as image:
        image.resize((120, 80)).save(path)
    return path
