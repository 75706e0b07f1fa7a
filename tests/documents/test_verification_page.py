"""The verification page in a real Chromium: small phone, keyboard, contrast, printer, and nothing but the page itself.

Needs Chromium (Debian package `chromium`); `.ci/run` installs it, elsewhere these tests are skipped without it.
TKSK_SCREENSHOTS=docs/images makes the pictures of docs/guide-verifier.md anew.
"""

import asyncio
import io
import os
import shutil
import socket
from pathlib import Path

import PIL.Image
import pypdf
import pytest
import uvicorn
from playwright.async_api import async_playwright

from helpers import Caller, add_person, add_user
from sktm_flow import issued, offices
from tksk_api.domain.sktm_letters.content import Status

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
IS_REQUIRED = "CI" in os.environ
pytestmark = pytest.mark.skipif(CHROMIUM is None and not IS_REQUIRED, reason="no Chromium here: apt install chromium")

OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PHONE = {"width": 320, "height": 640}  # the narrowest that WCAG 2.2 (1.4.10) asks for
LONGEST = "Raden Ajeng Siti Nurhalimah-Kusumaningratwulandaridewi binti Abdurrahman"
IN_FORCE = "revoked_at = NULL, superseded_at = NULL, issued_on = current_date - 1, valid_until = current_date + 89"
CHANGES: dict[Status, str] = {
    "valid": "number = number",
    "expired": "issued_on = current_date - 99, valid_until = current_date - 9",
    "revoked": "revoked_at = now()",
    "superseded": "superseded_at = now()",
    "not_yet_valid": "issued_on = current_date + 9, valid_until = current_date + 99",
}
# Of every text: its colour against the nearest background behind it (WCAG 2.2, 1.4.3).
CONTRASTS = """() => {
  const channel = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const behind = node => { for (; node; node = node.parentElement) {
    const found = parts(getComputedStyle(node).backgroundColor);
    if (found.length < 4 || found[3] > 0) return found;
  } return [255, 255, 255]; };
  const seen = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), node = walker.currentNode.parentElement;
    if (!text) continue;
    const both = [parts(getComputedStyle(node).color), behind(node)];
    const [light, dark] = both.map(luminance).sort((a, b) => b - a);
    seen.push([text.slice(0, 30), (light + 0.05) / (dark + 0.05)]);
  }
  return seen;
}"""


@pytest.fixture(scope="module")
async def served(app):
    """The application on a port of this machine, as a browser needs it."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await task


@pytest.fixture(scope="module")
async def browser():
    assert CHROMIUM is not None, "Chromium is missing: apt install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
async def letter(app, module_owner, served):
    """The address of one letter's page, and a way to change what has become of the letter."""
    callers = []

    async def as_(role, region=None, **over):
        user_id, session_id = await add_user(module_owner, role, region, **over)
        token = app.state.house.tokens.issue(user_id, session_id)
        callers.append(Caller(app, token, user_id=user_id, session_id=session_id, role=role, region=region))
        return callers[-1]

    team = await offices(as_)
    row = await issued(module_owner, team, await add_person(team.clerk, full_name=LONGEST))
    for caller in callers:
        await caller.aclose()

    async def become(status):
        await module_owner.execute(f"UPDATE sktm_letters SET {IN_FORCE}")
        await module_owner.execute(f"UPDATE sktm_letters SET {CHANGES[status]}")

    return served + row["letter"]["verification_url"].removeprefix("http://test"), become


@pytest.fixture
async def phone(browser):
    context = await browser.new_context(viewport=PHONE, locale="id-ID")
    yield await context.new_page()
    await context.close()


async def test_every_state_fits_a_small_phone_and_can_be_read(letter, phone, served):
    """No sideways scrolling, every text with contrast, one request, under 30 kB, in both languages."""
    url, become = letter
    requested = []
    phone.on("request", lambda request: requested.append(request.url))
    for status in (*CHANGES, "unknown"):
        address = f"{served}/verify/{'x' * 32}" if status == "unknown" else url.partition("#")[0]
        if status != "unknown":
            await become(status)
        for language in ("id", "en"):
            requested.clear()
            answer = await phone.goto(f"{address}?lang={language}")
            sizes = await answer.request.sizes()
            assert requested == [f"{address}?lang={language}"]
            assert sizes["responseBodySize"] + sizes["responseHeadersSize"] < 30_000
            assert await phone.evaluate("document.documentElement.scrollWidth") == PHONE["width"], (status, language)
            assert await phone.evaluate("document.documentElement.lang") == language
            # What the status is stands in the first view, before any scrolling.
            box = await phone.locator(".word").bounding_box()
            assert box["y"] + box["height"] < PHONE["height"] / 2
        contrasts = await phone.evaluate(CONTRASTS)
        assert len(contrasts) > 6
        assert min(contrasts, key=lambda seen: seen[1])[1] >= 4.5, contrasts
    await become("valid")


@pytest.mark.skipif("TKSK_SCREENSHOTS" not in os.environ, reason="makes the pictures of the guide: TKSK_SCREENSHOTS")
async def test_pictures_for_the_guide(letter, phone, module_owner):
    url, become = letter
    for status in ("valid", "revoked"):
        await become(status)
        await module_owner.execute("UPDATE sktm_letters SET masked_name = 'S*** R********'")
        await phone.goto(url)
        taken = PIL.Image.open(io.BytesIO(await phone.screenshot(full_page=True)))
        taken.quantize(48).save(Path(os.environ["TKSK_SCREENSHOTS"], f"verify-{status}.png"), optimize=True)
    await become("valid")


async def test_the_keyboard_reaches_the_other_language_and_shows_where_it_is(letter, phone):
    url, _ = letter
    await phone.goto(url)
    assert await phone.evaluate("document.documentElement.lang") == "id"  # by Accept-Language
    await phone.keyboard.press("Tab")
    focused = "getComputedStyle(document.activeElement)"
    assert await phone.evaluate("document.activeElement.lang") == "en"
    assert await phone.evaluate(f"[{focused}.outlineStyle, {focused}.outlineWidth]") == ["solid", "3px"]
    assert (await phone.locator("nav a").bounding_box())["height"] >= 44
    await phone.keyboard.press("Enter")
    await phone.wait_for_url("**?lang=en")
    assert await phone.evaluate("document.documentElement.lang") == "en"
    outline = await phone.locator("body").aria_snapshot()
    for landmark in ("banner:", "navigation", "main:", "contentinfo:", "heading", "list:"):
        assert landmark in outline, outline


async def test_it_needs_no_script_and_runs_none(letter, browser, phone):
    url, _ = letter
    silent = await browser.new_context(java_script_enabled=False, viewport=PHONE, locale="en-GB")
    page = await silent.new_page()
    await page.goto(url)
    assert await page.locator(".word").inner_text() == "VALID"
    await silent.close()
    await phone.goto(url)
    await phone.evaluate(
        "() => { const s = document.createElement('script'); s.text = 'window.ran = 1'; document.body.append(s); }"
    )
    assert await phone.evaluate("window.ran") is None  # by the content policy


async def test_it_prints_on_one_page_without_the_links(letter, phone):
    url, _ = letter
    await phone.goto(url)
    (paper,) = pypdf.PdfReader(io.BytesIO(await phone.pdf(format="A4"))).pages
    text = paper.extract_text()
    assert "BERLAKU" in text
    assert "English" not in text
