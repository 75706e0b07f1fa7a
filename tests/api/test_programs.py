"""Reading the programmes, and writing down what they ask for from a day on."""

import asyncio
from datetime import date, timedelta

import asyncpg
import pytest

from helpers import BANDAR_LAMPUNG, PANJANG, SRENGSEM, code_of
from tksk_api.domain.eligibility.rules import REASONS, TESTS
from tksk_api.domain.programs.packaged import packaged_versions
from tksk_api.domain.programs.rules import unknown_codes
from tksk_api.domain.programs.schemas import AnyOf, SingleTest
from tksk_api.domain.programs.service import _unknown
from tksk_api.domain.references.lists import LISTS
from tksk_api.domain.regions.service import local_today
from tksk_api.domain.seeds import agency_id

URL = "/v1/programs"
TODAY = local_today("Asia/Jakarta")


def version(**over):
    """A valid body for PUT /v1/programs/{code}."""
    return {
        "effective_from": str(TODAY),
        "rules": [{"test": "age_between", "min": 17, "max": 23, "source": "Perwali 12/2026"}],
        "documents": [{"kinds": ["family_card"]}],
        "agency_kinds": ["education_office"],
        "source": "Perwali 12/2026",
        **over,
    }


async def put(caller, code, body, number=1):
    return await caller.put(f"{URL}/{code}", json=body, headers={"If-Match": f'"v{number}"'})


def places(answer):
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


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
    assert answer.headers["ETag"] == '"v2"'
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


def test_the_packaged_versions_name_only_what_the_lists_have_and_follow_each_other():
    codes = {item.code for item in LISTS["programs"].items}
    assert {version.program for version in packaged_versions()} == codes
    for code in codes:
        numbers = [version.number for version in packaged_versions() if version.program == code]
        assert numbers == list(range(1, len(numbers) + 1)), code
    for packaged in packaged_versions():
        stored = packaged.stored_rules()
        wrong = unknown_codes(stored["rules"], "/rules") + _unknown(packaged.agency_kinds, "", "agency_kinds")
        for document in stored["documents"]:
            wrong += _unknown(document["kinds"], "", "document_kinds")
        assert wrong == [], packaged.program
        assert packaged.source


def test_every_test_of_the_language_has_its_shape_and_the_other_way_round():
    shapes = {shape.model_fields["test"].annotation.__args__[0] for shape in SingleTest.__origin__.__args__}
    assert shapes == TESTS.keys()
    assert AnyOf.model_fields["test"].annotation.__args__ == ("any_of",)
    assert all(len(words) == 2 and all(words) for words in REASONS.values())


@pytest.mark.parametrize(
    ("day", "number"),
    [("2020-12-31", None), ("2022-12-31", 1), ("2023-06-01", None), ("2024-01-01", 2), ("2026-11-22", 2)],
)
async def test_a_programme_of_a_day_is_the_version_of_that_day(as_, day, number):
    body = (await (await as_("tksk", PANJANG)).get(f"{URL}/kip_kuliah?on={day}")).json()
    assert (body["current"] and body["current"]["number"], body["on"]) == (number, day)
    assert [listed["number"] for listed in body["versions"]] == [1, 2]


async def test_the_nearest_region_with_rules_of_its_own_decides(as_):
    tksk = await as_("tksk", PANJANG)
    for place, number in (
        ("", 1),
        (f"&region_code={SRENGSEM}", 2),
        ("&region_code=18.72", 1),
        ("&region_code=18", 1),
    ):
        body = (await tksk.get(f"{URL}/maternity_local?on=2026-11-22{place}")).json()
        assert body["current"]["number"] == number, place


async def test_a_new_version_leaves_the_past_as_it_was(as_, owner):
    ministry = await as_("ministry")
    tomorrow = TODAY + timedelta(days=1)
    answer = await put(ministry, "pip", version(effective_from=str(tomorrow), activation_days=60))
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"v2"')
    body = answer.json()
    assert (body["current"]["number"], body["current"]["rules"][0]["max"]) == (2, 23)
    assert body["current"]["created_by"] == str(ministry.user_id)
    for day, number in ((TODAY, 1), (tomorrow, 2)):
        assert (await ministry.get(f"{URL}/pip?on={day}")).json()["current"]["number"] == number
    assert (await ministry.get(f"{URL}/pip")).json()["current"]["needs_activation"] is True
    assert code_of(await put(ministry, "pip", version())) == "stale_version"
    assert code_of(await ministry.put(f"{URL}/pip", json=version())) == "precondition_required"


async def test_the_database_changes_no_version(settings):
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        for statement in ("UPDATE program_versions SET source = 'x'", "DELETE FROM program_versions"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_of_two_writers_at_once_one_writes(as_, owner):
    ministry = await as_("ministry")
    answers = await asyncio.gather(*(put(ministry, "ppse", version(source=f"SK {n}")) for n in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    assert await owner.fetchval("SELECT count(*) FROM program_versions WHERE program_code = 'ppse'") == 2


async def test_an_office_writes_local_rules_of_its_own_area_alone(as_):
    office = await as_("regency_office", BANDAR_LAMPUNG)
    written = await put(office, "local_scholarship", version(region_code=BANDAR_LAMPUNG))
    assert written.json()["current"]["region_code"] == BANDAR_LAMPUNG
    assert (await office.get(f"{URL}/local_scholarship")).json()["current"]["number"] == 1
    elsewhere = await put(office, "local_scholarship", version(region_code="18.72"), 2)
    assert places(elsewhere) == [("/region_code", "outside_scope")]
    for code, body in (("pip", version(region_code=BANDAR_LAMPUNG)), ("local_scholarship", version())):
        assert code_of(await put(office, code, body, 2 if code != "pip" else 1)) == "permission_denied"
    assert code_of(await put(office, "no_such_programme", version(region_code=BANDAR_LAMPUNG))) == "not_found"
    tksk = await as_("tksk", PANJANG)
    assert code_of(await put(tksk, "local_scholarship", version(region_code=PANJANG))) == "permission_denied"


@pytest.mark.parametrize(
    ("over", "pointer", "code"),
    [
        ({"effective_from": str(date(2020, 1, 1))}, "/effective_from", "in_past"),
        ({"effective_until": str(TODAY - timedelta(days=1))}, "/effective_until", "before_start"),
        ({"region_code": PANJANG}, "/region_code", "region_level"),
        ({"agency_kinds": ["no_such_kind"]}, "/agency_kinds/0", "unknown_code"),
        ({"documents": [{"kinds": ["no_such_kind"]}]}, "/documents/0/kinds/0", "unknown_code"),
        (
            {"documents": [{"kinds": ["ktp"], "when": {"test": "ppks_any_of", "categories": ["x"], "source": "y"}}]},
            "/documents/0/when/categories/0",
            "unknown_code",
        ),
        (
            {"rules": [{"test": "any_of", "of": [{"test": "receives_any_of", "programs": ["x"], "source": "y"}]}]},
            "/rules/0/of/0/programs/0",
            "unknown_code",
        ),
    ],
)
async def test_what_is_wrong_with_a_version_is_said_at_its_member(as_, over, pointer, code):
    assert places(await put(await as_("ministry"), "pip", version(**over))) == [(pointer, code)]


@pytest.mark.parametrize(
    "rule",
    [
        {"test": "python", "code": "1", "source": "x"},
        {"test": "has_nik"},
        {"test": "age_between", "min": "17", "source": "x"},
        {"test": "any_of", "of": []},
        {"test": "any_of", "of": [{"test": "any_of", "of": []}]},
    ],
)
async def test_the_language_of_rules_is_closed(as_, rule):
    assert code_of(await put(await as_("ministry"), "pip", version(rules=[rule]))) == "invalid_request"
