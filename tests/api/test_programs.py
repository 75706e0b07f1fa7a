"""Reading the programmes."""

import pytest

from helpers import PANJANG, code_of
from tksk_api.domain.references.lists import LISTS
from tksk_api.domain.seeds import agency_id

URL = "/v1/programs"


async def test_every_role_reads_the_whole_packaged_list(as_):
    for caller in (
        await as_("tksk", PANJANG),
        await as_("ministry"),
        await as_("agency", agency_id=agency_id("18.71:bpjs_office")),
    ):
        codes = [item["code"] for item in (await caller.get(URL)).json()["items"]]
        assert codes == sorted(item.code for item in LISTS["programs"].items)


async def test_one_programme_says_where_it_leads_and_what_it_rests_on(as_):
    answer = await (await as_("tksk", PANJANG)).get(f"{URL}/pbi_jk")
    assert answer.headers["ETag"] == '"v1"'
    body = answer.json()
    assert body["agency_kinds"] == ["social_service_office", "bpjs_office"]
    assert body["required_documents"] == ["ktp", "family_card"]
    assert body["legal_base"].startswith("Permensos 3/2026")


@pytest.mark.parametrize(
    ("day", "runs"), [("2022-07-11", False), ("2022-07-12", True), ("2022-12-31", True), ("2023-01-01", False)]
)
async def test_the_list_of_a_day_holds_what_ran_on_it(as_, day, runs):
    items = (await (await as_("tksk", PANJANG)).get(f"{URL}?on={day}")).json()["items"]
    codes = {item["code"] for item in items}
    assert ("jampersal" in codes) is runs
    assert "pbi_jk" in codes


async def test_pages_of_programmes_are_complete(as_):
    tksk, seen, url = await as_("tksk", PANJANG), [], f"{URL}?limit=5"
    while url:
        page = (await tksk.get(url)).json()
        seen += [item["code"] for item in page["items"]]
        url = page["next_cursor"] and f"{URL}?limit=5&cursor={page['next_cursor']}"
    assert seen == sorted(item.code for item in LISTS["programs"].items)


async def test_a_stranger_and_an_unknown_code_get_nothing(as_, client):
    assert code_of(await client.get(URL)) == "unauthenticated"
    assert code_of(await (await as_("tksk", PANJANG)).get(f"{URL}/no_such_programme")) == "not_found"
    assert code_of(await (await as_("tksk", PANJANG)).get(f"{URL}?on=2026-02-30")) == "invalid_request"
