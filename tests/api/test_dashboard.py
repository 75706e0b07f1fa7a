"""Charts and a region's page over HTTP: their numbers are those of the statistics, for whoever may see them."""

import re
import time
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from test_statistics_figures import LAST_MONTH, THIS_MONTH, TODAY, log_work

from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, SRENGSEM, Caller, code_of, machine

STATISTICS = "/v1/statistics"
CHARTS = f"{STATISTICS}/charts"
MONTH = {"from": str(LAST_MONTH), "to": str(THIS_MONTH - timedelta(days=1))}


@pytest.fixture
async def office(as_: Any) -> Caller:
    caller: Caller = await as_("regency_office", BANDAR_LAMPUNG)
    return caller


async def page(client: Any, address: str, **headers: str) -> Any:
    answer = await client.get(address, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


async def link_to(caller: Caller, region: str | None = None) -> str:
    answer = await caller.post(f"{STATISTICS}/dashboard-links", json={"region_code": region})
    assert answer.status_code == 201, answer.text
    url: str = answer.json()["url"]
    return url.removeprefix("http://test")


def links(text: str) -> list[str]:
    return [unescape(address) for address in re.findall(r'href="(/dashboard[^"]+)"', text)]


async def test_a_chart_shows_what_the_statistics_say(owner, office):
    for pillar, count in (("protection", 3), ("empowerment", 7)):
        for _ in range(count):
            await log_work(owner, office.user_id, SRENGSEM, LAST_MONTH, pillar=pillar)
    query = {**MONTH, "by": "pillar", "region": BANDAR_LAMPUNG}
    cells = (await office.get(STATISTICS, params=query)).json()["cells"]
    for kind, by in (("bars", "pillar"), ("lines", "month,pillar"), ("map", "region")):
        answer = await office.get(f"{CHARTS}/{kind}.svg", params={**query, "by": by})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "image/svg+xml"
        assert "sandbox" in answer.headers["content-security-policy"]
        known = {"If-None-Match": answer.headers["etag"]}
        again = await office.get(f"{CHARTS}/{kind}.svg", params={**query, "by": by}, headers=known)
        assert (again.status_code, again.content) == (304, b"")
        if kind == "bars":
            for cell in cells:
                words = {"protection": "Perlindungan sosial", "empowerment": "Pemberdayaan sosial"}[
                    cell["keys"]["pillar"]
                ]
                assert f"{words}: {cell['count']}" in answer.text
        if kind == "map":
            assert "Panjang: 10" in answer.text
    english = await office.get(f"{CHARTS}/bars.svg", params=query, headers={"Accept-Language": "en"})
    assert "Social protection: 3" in english.text


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        ("map", {"by": "pillar"}),
        ("lines", {"by": "pillar"}),
        ("bars", {"by": "month,pillar,function"}),
        ("bars", {"by": "month,pillar", "compare": "previous"}),
        ("pie", {}),
    ],
    ids=["map", "lines", "three keys", "compared", "unknown"],
)
async def test_what_cannot_be_drawn_is_said(office, kind, query):
    answer = await office.get(f"{CHARTS}/{kind}.svg", params=query)
    assert answer.status_code == 422, answer.text


async def test_who_may_not_see_rows_sees_hatching(app, owner, office):
    for _ in range(3):
        await log_work(owner, office.user_id, SRENGSEM, LAST_MONTH)
    auditor = await machine(app, owner, ["statistics:figures"], [BANDAR_LAMPUNG])
    answer = await auditor.get(f"{CHARTS}/bars.svg", params={**MONTH, "by": "pillar", "region": BANDAR_LAMPUNG})
    assert answer.status_code == 200, answer.text
    assert ": 3" not in answer.text
    assert "url(#h" in answer.text
    refused = await auditor.post(f"{STATISTICS}/dashboard-links", json={})
    assert (refused.status_code, code_of(refused)) == (403, "permission_denied")


async def test_a_page_shows_the_months_and_leads_down_and_up(owner, office, client):
    for day, count in ((TODAY, 2), (LAST_MONTH, 5)):
        for _ in range(count):
            await log_work(owner, office.user_id, SRENGSEM, day)
    first = await page(client, await link_to(office), **{"Accept-Language": "id"})
    assert first.headers["content-type"].startswith("text/html")
    assert "frame-ancestors 'none'" in first.headers["content-security-policy"]
    assert first.headers["cache-control"] == "no-store"
    assert "<h1>Kota Bandar Lampung</h1>" in first.text
    assert '<th scope="row">Jaminan sosial</th><td>2</td><td>5</td><td>-3</td>' in first.text
    assert "Belum diajukan:" in first.text
    districts = await owner.fetchval("SELECT count(*) FROM regions WHERE parent_code = $1", BANDAR_LAMPUNG)
    below = [address for address in links(first.text) if address.startswith(f"/dashboard/{BANDAR_LAMPUNG}.")]
    assert len(below) == districts
    (down,) = [address for address in below if address.startswith(f"/dashboard/{PANJANG}?")]
    second = await page(client, down)
    assert "<h1>Kecamatan Panjang</h1>" in second.text
    (up,) = [address for address in links(second.text) if address.startswith(f"/dashboard/{BANDAR_LAMPUNG}?")]
    assert "<h1>Kota Bandar Lampung</h1>" in (await page(client, up)).text
    english = next(address for address in links(first.text) if "lang=en" in address)
    assert 'lang="en"' in (await page(client, english)).text[:60]


async def test_a_page_of_a_month_that_is_over(owner, office):
    await log_work(owner, office.user_id, SRENGSEM, LAST_MONTH)
    answer = await office.get(f"/dashboard/{PANJANG}?month={LAST_MONTH:%Y-%m}")
    assert '<th scope="row">Jaminan sosial</th><td>1</td><td>0</td><td>+1</td>' in answer.text


async def test_a_link_is_good_for_its_page_alone_and_for_a_while(office, monkeypatch, client):
    address = await link_to(office)
    for changed in (address.replace(BANDAR_LAMPUNG, PANJANG), f"{address}&lang=en", address[:-2]):
        refused = await client.get(changed)
        assert (refused.status_code, code_of(refused)) == (401, "link_refused")
    assert (await client.get(f"/dashboard/{PANJANG}")).status_code == 401
    monkeypatch.setattr("tksk_api.http.links.time", type("Later", (), {"time": lambda: time.time() + 901}))
    assert (await client.get(address)).status_code == 401


async def test_a_browser_is_told_in_a_page_what_to_do_when_its_link_is_too_old(office, monkeypatch, client):
    address, browser = await link_to(office), {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    assert (await client.get(address, headers=browser)).status_code == 200
    monkeypatch.setattr("tksk_api.http.links.time", type("Later", (), {"time": lambda: time.time() + 901}))
    for more, words in (({}, "TAUTAN TIDAK BERLAKU LAGI"), ({"Accept-Language": "en"}, "LINK NO LONGER VALID")):
        refused = await client.get(address, headers={**browser, **more})
        assert (refused.status_code, refused.headers["content-type"]) == (401, "text/html; charset=utf-8")
        assert words in refused.text
        assert "Bearer" in refused.headers["www-authenticate"]
        assert "frame-ancestors 'none'" in refused.headers["content-security-policy"]
        assert refused.headers["cache-control"] == "no-store"
    other = await client.get(f"/dashboard/{BANDAR_LAMPUNG}?lang=en", headers=browser)
    assert "LINK NO LONGER VALID" in other.text
    assert code_of(await client.get(address, headers={"Accept": "application/json"})) == "link_refused"
    elsewhere = await office.get(f"/dashboard/{AMPENAN}", headers=browser)
    assert (elsewhere.status_code, "<html" in elsewhere.text) == (404, True)


async def test_no_page_of_elsewhere(office, as_, client):
    for region in (AMPENAN, "52", "ID", "18"):
        answer = await office.get(f"/dashboard/{region}")
        assert answer.status_code == 404, region
    assert (await office.post(f"{STATISTICS}/dashboard-links", json={"region_code": AMPENAN})).status_code == 404
    # A village has no page, and so no link to one.
    assert (await office.get(f"/dashboard/{SRENGSEM}")).status_code in (404, 422)
    for caller, asked in ((office, SRENGSEM), (await as_("village_head", SRENGSEM), None)):
        refused = await caller.post(f"{STATISTICS}/dashboard-links", json={"region_code": asked})
        assert [error["code"] for error in refused.json()["errors"]] == ["region_level"]
    ministry = await as_("ministry")
    assert "<h1>Indonesia</h1>" in (await page(client, await link_to(ministry))).text


async def test_a_link_ends_with_its_session(owner, office, client):
    address = await link_to(office)
    await owner.execute("UPDATE user_sessions SET revoked_at = now() WHERE id = $1", UUID(str(office.session_id)))
    assert (await client.get(address)).status_code == 401
