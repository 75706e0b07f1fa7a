"""A region's page in a real Chromium: small phone, keyboard, contrast, printer, and nothing but the page itself.

Needs Chromium (Debian package `chromium`); `.ci/run` installs it, elsewhere these tests are skipped without it.
TKSK_SCREENSHOTS=docs/images makes the pictures of docs/reports.md anew.
"""

import io
import os
from pathlib import Path

import PIL.Image
import pypdf
import pytest
from test_verification_page import CHROMIUM, CONTRASTS, IS_REQUIRED, PHONE, browser, phone, served  # noqa: F401

from helpers import BANDAR_LAMPUNG, PANJANG, Caller, add_user
from tksk_api.domain.regions.service import local_today
from tksk_api.domain.statistics.periods import months_later

pytestmark = pytest.mark.skipif(CHROMIUM is None and not IS_REQUIRED, reason="no Chromium here: apt install chromium")
PILLARS = ("rehabilitation", "social_security", "empowerment", "protection")
TODAY = local_today("Asia/Jakarta")
_WORK = (
    "INSERT INTO activities (id, version, region_code, officer_id, occurred_on, pillar, function, kind, title, status) "
    "SELECT gen_random_uuid(), 1, $1, $2, $3, $4, 'facilitation', 'home_visit', 'Kerja', 'submitted' "
    "FROM generate_series(1, $5)"
)


@pytest.fixture(scope="module")
async def link(app, module_owner, served):  # noqa: F811
    """Gives the address of a region's page, of a city with two months of work."""
    user_id, session_id = await add_user(module_owner, "regency_office", BANDAR_LAMPUNG)
    token = app.state.house.tokens.issue(user_id, session_id)
    villages = await module_owner.fetch("SELECT code FROM regions WHERE level = 'village' AND code LIKE '18.71.%'")
    for index, row in enumerate(villages[:60]):
        for months in (0, -1):
            day = months_later(TODAY, months)
            count = index * 7 % 9 + (2 if months else 0)
            await module_owner.execute(_WORK, row["code"], user_id, day, PILLARS[index % 4], count)
    caller = Caller(app, token, user_id=user_id, session_id=session_id, role="regency_office", region=BANDAR_LAMPUNG)

    async def made(region=BANDAR_LAMPUNG):
        answer = await caller.post("/v1/statistics/dashboard-links", json={"region_code": region})
        return served + answer.json()["url"].removeprefix("http://test")

    yield made
    await caller.aclose()


async def test_it_fits_a_small_phone_and_can_be_read(link, phone):  # noqa: F811
    requested = []
    phone.on("request", lambda request: requested.append(request.url))
    for region in (BANDAR_LAMPUNG, PANJANG):
        address = await link(region)
        requested.clear()
        answer = await phone.goto(address)
        assert answer.status == 200
        assert requested == [address]
        assert (await answer.request.sizes())["responseBodySize"] < 150_000
        assert await phone.evaluate("document.documentElement.scrollWidth") == PHONE["width"], region
        contrasts = [seen for seen in await phone.evaluate(CONTRASTS) if seen[0]]
        text = [seen for seen in contrasts if seen[1] < 4.5]
        assert len(contrasts) > 30
        assert not text, text
        narrow = await phone.evaluate("[...document.querySelectorAll('header a, table a')].map(a => a.offsetHeight)")
        assert min(narrow) >= 44


async def test_numbers_are_in_tables_for_who_listens(link, phone):  # noqa: F811
    await phone.goto(await link())
    outline = await phone.locator("body").aria_snapshot()
    for landmark in ("banner:", "main:", "contentinfo:", 'heading "Kota Bandar Lampung" [level=1]', "table", "img"):
        assert landmark in outline, outline
    assert await phone.evaluate("document.querySelectorAll('table:not(:has(caption))').length") == 0
    assert await phone.evaluate("document.querySelectorAll('svg:not([role=img])').length") == 0
    ids = await phone.evaluate("[...document.querySelectorAll('[id]')].map(node => node.id)")
    assert len(ids) == len(set(ids))


async def test_the_keyboard_goes_down_to_a_district_and_up_again(link, phone):  # noqa: F811
    await phone.goto(await link())
    await phone.keyboard.press("Tab")
    focused = "getComputedStyle(document.activeElement).outlineStyle"
    assert await phone.evaluate(focused) == "solid"
    await phone.locator("table.below a", has_text="Panjang").focus()
    await phone.keyboard.press("Enter")
    await phone.wait_for_url(f"**/dashboard/{PANJANG}?**")
    assert await phone.locator("h1").inner_text() == "Kecamatan Panjang"
    await phone.locator("a[rel=up]").focus()
    await phone.keyboard.press("Enter")
    await phone.wait_for_url(f"**/dashboard/{BANDAR_LAMPUNG}?**")
    await phone.get_by_role("link", name="English").click()
    await phone.wait_for_url("**lang=en**")
    assert await phone.evaluate("document.documentElement.lang") == "en"


async def test_it_needs_no_script_and_runs_none(link, browser, phone):  # noqa: F811
    silent = await browser.new_context(java_script_enabled=False, viewport=PHONE, locale="en-GB")
    page = await silent.new_page()
    await page.goto(await link())
    assert "Activities by pillar" in await page.locator("main").inner_text()
    await silent.close()
    await phone.goto(await link())
    await phone.evaluate(
        "() => { const s = document.createElement('script'); s.text = 'window.ran = 1'; document.body.append(s); }"
    )
    assert await phone.evaluate("window.ran") is None


async def test_it_prints_without_the_links(link, phone):  # noqa: F811
    await phone.goto(await link())
    paper = pypdf.PdfReader(io.BytesIO(await phone.pdf(format="A4"))).pages
    text = " ".join(page.extract_text() for page in paper)
    assert "Kota Bandar Lampung" in text
    assert "English" not in text
    assert len(paper) <= 4


@pytest.mark.skipif("TKSK_SCREENSHOTS" not in os.environ, reason="makes the pictures of the guide: TKSK_SCREENSHOTS")
async def test_pictures_for_the_guide(link, browser, phone):  # noqa: F811
    wide = await browser.new_context(viewport={"width": 1000, "height": 700}, locale="id-ID")
    page = await wide.new_page()
    for name, taken in (("dashboard", page), ("dashboard-phone", phone)):
        await taken.goto(await link())
        image = PIL.Image.open(io.BytesIO(await taken.screenshot(full_page=True)))
        image.quantize(64).save(Path(os.environ["TKSK_SCREENSHOTS"], f"{name}.png"), optimize=True)
    await wide.close()
