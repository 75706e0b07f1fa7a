"""Where official deciles and officers' findings disagree."""

from typing import Any
from uuid import UUID

from family_flow import TODAY, add_snapshot, errors_of, family_of_one, joining, visited
from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of

URL = "/v1/statistics/disagreements"


async def listed(caller: Any, query: str = "") -> list[dict[str, Any]]:
    answer = await caller.get(f"{URL}?limit=200&{query}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_errors_of_exclusion_and_of_inclusion_are_listed(as_):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    expected = {}
    for finding, decile, kind in (
        ("eligible", 6, "exclusion"),
        ("eligible", None, "exclusion"),
        ("eligible", 5, None),
        ("not_eligible", 5, "inclusion"),
        ("not_eligible", 1, "inclusion"),
        ("not_eligible", 6, None),
        ("not_eligible", None, None),
        ("needs_assessment", 10, None),
    ):
        family, head = await family_of_one(tksk, full_name=f"Kepala {finding} {decile}".replace("_", " "))
        await add_snapshot(office, family, decile=decile)
        visit = await visited(tksk, head, finding)
        if kind:
            expected[family["id"]] = {
                "id": family["id"],
                "village_code": SRENGSEM,
                "kind": kind,
                "decile": decile,
                "decile_source": "dtsen",
                "dated_on": "2026-09-30",
                "finding": finding,
                "visited_on": str(TODAY),
                "visit_id": visit,
                "head_name": head["full_name"],
                "beneficiary_ids": [head["id"]],
                "registered_at": family["created_at"],
            }
    _unranked, head = await family_of_one(tksk)
    await visited(tksk, head, "eligible")
    unvisited, _ = await family_of_one(tksk)
    await add_snapshot(office, unvisited, decile=9)
    found = await listed(office)
    assert {row["id"]: row for row in found} == expected
    assert [row["registered_at"] for row in found] == sorted((row["registered_at"] for row in found), reverse=True)
    for kind in ("exclusion", "inclusion"):
        assert {row["id"] for row in await listed(office, f"kind={kind}")} == {
            key for key, row in expected.items() if row["kind"] == kind
        }
    pages, url = [], f"{URL}?limit=3"
    while url:
        answer = await office.get(url)
        pages += [row["id"] for row in answer.json()["items"]]
        url = answer.headers["link"][1:].split(">")[0] if answer.json()["next_cursor"] else ""
    assert pages == [row["id"] for row in found]


async def test_only_the_newest_on_each_side_counts(as_):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    family, head = await family_of_one(tksk)
    await add_snapshot(office, family, decile=8, dated_on="2026-03-31")
    await visited(tksk, head, "eligible", days_ago=3)
    assert [row["kind"] for row in await listed(tksk)] == ["exclusion"]
    await add_snapshot(office, family, decile=2)
    assert await listed(tksk) == []
    await visited(tksk, head, "not_eligible")
    assert [(row["kind"], row["decile"]) for row in await listed(tksk)] == [("inclusion", 2)]


async def test_it_is_asked_for_by_place_and_by_the_day_of_the_finding(as_):
    tksk, office = await as_("tksk", PANJANG), await as_("province_office", "18")
    family, head = await family_of_one(tksk)
    await add_snapshot(office, family)
    await visited(tksk, head, "eligible", days_ago=5)
    day = (await listed(office))[0]["visited_on"]
    for query, count in (
        ("region=18.71", 1),
        (f"region={SRENGSEM}", 1),
        ("region=18.72", 0),
        (f"from={day}&to={day}", 1),
        (f"from={TODAY}", 0),
        ("to=2020-01-01", 0),
    ):
        assert len(await listed(office, query)) == count, query
    for query, wrong in (
        ("region=18.7", ("/region", "bad_format")),
        ("from=yesterday", ("/from", "bad_date")),
        ("kind=fraud", ("/kind", "not_allowed")),
        ("by=month", ("/by", "unknown_field")),
    ):
        assert errors_of(await office.get(f"{URL}?{query}")) == [wrong], query


async def test_who_does_not_see_the_head_is_not_told_the_name(as_, owner):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    family, head = await family_of_one(tksk, village_code="18.71.04.1003", full_name="Kepala Rahasia")
    wife = await add_person(tksk, nik=None, nik_status="none")
    assert (await tksk.act(f"/v1/families/{family['id']}/members", joining(wife, "wife"))).status_code == 200
    await add_snapshot(office, family)
    visit = await visited(tksk, wife, "eligible")
    village = await as_("village_head", SRENGSEM)
    answer = await village.get(URL)
    (row,) = answer.json()["items"]
    assert (row["visit_id"], row["head_name"], row["beneficiary_ids"]) == (visit, None, [wife["id"]])
    assert "Rahasia" not in answer.text and head["id"] not in answer.text
    logged = await owner.fetchval(
        "SELECT subject_ids FROM access_log WHERE request_id = $1", UUID(answer.headers["x-request-id"])
    )
    assert logged == [UUID(wife["id"])]
    # Where only the head was visited, the village knows of no finding.
    await visited(tksk, head, "not_eligible")
    assert [row["head_name"] for row in await listed(office)] == []
    assert len(await listed(village)) == 1
    assert await listed(await as_("tksk", AMPENAN)) == []
    assert code_of(await (await as_("admin")).get(URL)) == "permission_denied"
