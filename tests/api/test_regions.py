"""Regions: the whole country, public, by parent, level or name."""

import pytest

from helpers import BANDAR_LAMPUNG, PANJANG, SRENGSEM, code_of

URL = "/v1/regions"
# Kepmendagri 300.2.2-2430/2025 as packaged; 91,599 in all.
COUNTS = {"province": 38, "regency": 514, "district": 7285, "village": 83762}


async def test_every_region_of_the_country_is_there(owner):
    rows = await owner.fetch("SELECT level, count(*) AS rows FROM regions GROUP BY level")
    assert {row["level"]: row["rows"] for row in rows} == COUNTS
    assert sum(COUNTS.values()) == 91_599


async def test_every_region_but_a_province_has_its_parent(owner):
    orphans = (
        "SELECT count(*) FROM regions r WHERE (r.level = 'province') <> (r.parent_code IS NULL) "
        "OR (r.parent_code IS NOT NULL AND NOT EXISTS (SELECT 1 FROM regions p WHERE p.code = r.parent_code))"
    )
    assert await owner.fetchval(orphans) == 0


async def test_one_region_by_its_code(client):
    answer = await client.get(f"{URL}/{SRENGSEM}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=3600"
    region = answer.json()
    assert region["name"] == "Srengsem"
    assert (region["level"], region["kind"], region["parent_code"]) == ("village", "kelurahan", PANJANG)
    assert region["timezone"] == "Asia/Jakarta"
    assert region["valid_until"] is None


@pytest.mark.parametrize(
    ("code", "level", "kind", "parent"),
    [
        ("18", "province", "province", None),
        (BANDAR_LAMPUNG, "regency", "kota", "18"),
        ("18.01", "regency", "kabupaten", "18"),
        (PANJANG, "district", "kecamatan", BANDAR_LAMPUNG),
    ],
)
async def test_levels_and_kinds(client, code, level, kind, parent):
    region = (await client.get(f"{URL}/{code}")).json()
    assert (region["level"], region["kind"], region["parent_code"]) == (level, kind, parent)


@pytest.mark.parametrize(
    ("code", "zone"),
    [
        ("11", "Asia/Jakarta"),
        ("61", "Asia/Pontianak"),
        ("52.71.01", "Asia/Makassar"),
        ("63", "Asia/Makassar"),
        ("81", "Asia/Jayapura"),
        ("91", "Asia/Jayapura"),
    ],
)
async def test_each_region_keeps_its_own_time(client, code, zone):
    assert (await client.get(f"{URL}/{code}")).json()["timezone"] == zone


@pytest.mark.parametrize("code", ["99", "18.99", "18.71.99", "18.71.04.1999"])
async def test_a_code_that_is_not_given_is_404(client, code):
    answer = await client.get(f"{URL}/{code}")
    assert (answer.status_code, code_of(answer)) == (404, "not_found")


@pytest.mark.parametrize("code", ["1", "1871", "18.71.04.9001", "18.71.04.1002x", "xx", "18.71.04.1002.1"])
async def test_a_code_of_another_form_is_422(client, code):
    assert code_of(await client.get(f"{URL}/{code}")) == "invalid_request"


async def test_the_villages_of_a_district_in_order_of_their_codes(client):
    answer = await client.get(f"{URL}?parent={PANJANG}")
    codes = [region["code"] for region in answer.json()["items"]]
    assert SRENGSEM in codes
    assert codes == sorted(codes)
    assert all(code.startswith(PANJANG + ".") for code in codes)
    assert answer.json()["next_cursor"] is None


async def test_all_provinces_over_several_pages(client):
    seen, url = [], f"{URL}?level=province&limit=10"
    while url:
        page = (await client.get(url)).json()
        seen += [region["code"] for region in page["items"]]
        url = f"{URL}?level=province&limit=10&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert len(seen) == len(set(seen)) == 38
    assert seen == sorted(seen)


@pytest.mark.parametrize("typed", ["srengsem", "SRENGSEM", "sreng", "engse", "Śrengsèm"])
async def test_a_name_is_found_by_any_part_of_it_without_case_or_accent(client, typed):
    items = (await client.get(URL, params={"q": typed, "parent": PANJANG})).json()["items"]
    assert [region["code"] for region in items] == [SRENGSEM]


async def test_search_within_a_level(client):
    items = (await client.get(f"{URL}?q=panjang&level=district&limit=200")).json()["items"]
    assert PANJANG in [region["code"] for region in items]
    assert {region["level"] for region in items} == {"district"}
    assert all("panjang" in region["name"].lower() for region in items)


@pytest.mark.parametrize("typed", ["%%", "__", "%a%", "\\\\", "a_b", "' OR '1'='1"])
async def test_wildcards_are_text(client, typed):
    answer = await client.get(URL, params={"q": typed})
    assert answer.status_code == 200
    assert answer.json()["items"] == []


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("q=a", "/q", "too_short"),
        ("q=" + "a" * 61, "/q", "too_long"),
        ("level=kampung", "/level", "not_allowed"),
        ("parent=panjang", "/parent", "bad_format"),
        ("limit=0", "/limit", "out_of_range"),
        ("limit=201", "/limit", "out_of_range"),
        ("limit=banyak", "/limit", "wrong_type"),
        ("sort=-name", "/sort", "not_allowed"),
        ("name=panjang", "/name", "unknown_field"),
    ],
)
async def test_an_odd_query_is_refused_by_name(client, query, pointer, code):
    answer = await client.get(f"{URL}?{query}")
    assert answer.status_code == 422
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]


async def test_a_cursor_belongs_to_its_query(client):
    cursor = (await client.get(f"{URL}?level=province&limit=1")).json()["next_cursor"]
    assert code_of(await client.get(f"{URL}?level=regency&limit=1&cursor={cursor}")) == "cursor_invalid"
    assert code_of(await client.get(f"{URL}?level=province&cursor={cursor[:-3]}abc")) == "cursor_invalid"
    assert (await client.get(f"{URL}?level=province&limit=5&cursor={cursor}")).status_code == 200


async def test_a_cursor_expires_after_a_day(client, monkeypatch):
    cursor = (await client.get(f"{URL}?level=province&limit=1")).json()["next_cursor"]
    monkeypatch.setattr("tksk_api.http.pagination.CURSOR_LIFETIME_SECONDS", -1)
    answer = await client.get(f"{URL}?level=province&limit=1&cursor={cursor}")
    assert (answer.status_code, code_of(answer)) == (410, "cursor_expired")
