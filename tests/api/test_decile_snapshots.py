"""Deciles of families: recorded once, corrected by later ones, read beside what officers found."""

import asyncio
from uuid import UUID, uuid4

from family_flow import DECILES as URL
from family_flow import add_snapshot, errors_of, family_of_one, joining, snapshot, visited
from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of, machine


async def test_an_office_records_what_the_national_data_say(as_):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    family, head = await family_of_one(tksk)
    row = await add_snapshot(office, family, decile=None)
    assert row == {
        "id": row["id"],
        "family_id": family["id"],
        "region_code": SRENGSEM,
        "decile": None,
        "source": "dtsen",
        "batch": "DTSEN 2026 triwulan III",
        "dated_on": "2026-09-30",
        "beneficiary_ids": [head["id"]],
        "version": 1,
        "created_at": row["created_at"],
    }
    for query, expected in (
        ("", [row]),
        (f"?family_id={family['id']}", [row]),
        (f"?family_id={uuid4()}", []),
        (f"?village_code={SRENGSEM}&batch=DTSEN 2026 triwulan III", [row]),
        ("?batch=DTSEN", []),
        ("?village_code=18.71.04.1003", []),
    ):
        assert (await tksk.get(URL + query)).json()["items"] == expected, query
    assert (await (await as_("tksk", AMPENAN)).get(URL)).json()["items"] == []


async def test_the_same_day_says_one_thing(as_, owner):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    family, _ = await family_of_one(tksk)
    row = await add_snapshot(office, family)
    again = await office.post(URL, json=snapshot(family))
    assert (again.status_code, again.json()) == (200, row)
    for over in ({"decile": 6}, {"decile": None}, {"batch": "lain"}):
        other = await office.post(URL, json=snapshot(family, **over))
        assert (other.status_code, code_of(other)) == (409, "snapshot_exists")
    for over in ({"source": "p3ke"}, {"dated_on": "2026-10-01", "decile": 6}):
        await add_snapshot(office, family, **over)
    at_once = await asyncio.gather(*(office.post(URL, json=snapshot(family, dated_on="2026-06-30")) for _ in range(4)))
    assert sorted(answer.status_code for answer in at_once) == [200, 200, 200, 201]
    assert await owner.fetchval("SELECT count(*) FROM decile_snapshots") == 4


async def test_what_is_wrong_is_said_at_its_member(as_):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", "52.71")
    family, _ = await family_of_one(tksk)
    own = await as_("regency_office", BANDAR_LAMPUNG)
    for over, wrong in (
        ({"decile": 0}, ("/decile", "out_of_range")),
        ({"decile": 11}, ("/decile", "out_of_range")),
        ({"decile": "3"}, ("/decile", "wrong_type")),
        ({"source": "gossip"}, ("/source", "unknown_code")),
        ({"dated_on": "2099-01-01"}, ("/dated_on", "in_future")),
        ({"family_id": str(uuid4())}, ("/family_id", "unknown_reference")),
    ):
        assert errors_of(await own.post(URL, json=snapshot(family, **over))) == [wrong]
    unsaid = snapshot(family)
    del unsaid["decile"]
    assert errors_of(await own.post(URL, json=unsaid)) == [("/decile", "missing")]
    assert errors_of(await office.post(URL, json=snapshot(family))) == [("/family_id", "unknown_reference")]


async def test_offices_and_machines_record_and_officers_read(app, as_, owner):
    tksk = await as_("tksk", PANJANG)
    family, _ = await family_of_one(tksk)
    for number, (role, region) in enumerate((("ministry", None), ("province_office", "18"))):
        await add_snapshot(await as_(role, region), family, dated_on=f"2026-0{number + 1}-01")
    feed = await machine(app, owner, ["decile:write", "family:read"], [BANDAR_LAMPUNG])
    await add_snapshot(feed, family, dated_on="2026-03-01")
    await feed.aclose()
    for role, region in (("tksk", PANJANG), ("village_clerk", SRENGSEM), ("auditor", None)):
        refused = await (await as_(role, region)).post(URL, json=snapshot(family))
        assert code_of(refused) == "permission_denied"


async def test_official_rank_and_findings_stand_side_by_side(as_):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    family, head = await family_of_one(tksk)
    child = await add_person(tksk, nik=None, nik_status="none")
    assert (await tksk.act(f"/v1/families/{family['id']}/members", joining(child, "child"))).status_code == 200
    url = f"/v1/families/{family['id']}/decile"
    nothing = (await tksk.get(url)).json()
    assert (nothing["official"], nothing["findings"]) == (None, [])
    first = await add_snapshot(office, family, decile=3, dated_on="2026-01-31")
    second = await add_snapshot(office, family, decile=8)
    await visited(tksk, head, "not_eligible", days_ago=40)
    newest = await visited(tksk, head, "eligible", days_ago=2)
    of_child = await visited(tksk, child, "needs_assessment", days_ago=1)
    both = (await tksk.get(url)).json()
    assert both["official"] == {
        "snapshot_id": second["id"],
        **{name: second[name] for name in ("decile", "source", "batch", "dated_on")},
    }
    assert [(found["visit_id"], found["finding"]) for found in both["findings"]] == [
        (of_child, "needs_assessment"),
        (newest, "eligible"),
    ]
    assert set(both["beneficiary_ids"]) == {head["id"], child["id"]}
    then = (await tksk.get(f"{url}?on=2026-02-01")).json()
    assert (then["official"]["snapshot_id"], then["findings"], then["on"]) == (first["id"], [], "2026-02-01")
    assert (await tksk.get(f"{url}?on=2020-01-01")).json()["official"] is None
    assert (await (await as_("tksk", AMPENAN)).get(url)).status_code == 404
    assert errors_of(await tksk.get(f"{url}?on=yesterday")) == [("/on", "bad_date")]


async def test_recording_and_reading_name_the_members_in_the_access_log(as_, owner):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    family, head = await family_of_one(tksk)
    answers = [
        await office.post(URL, json=snapshot(family)),
        await tksk.get(URL),
        await tksk.get(f"/v1/families/{family['id']}/decile"),
    ]
    for answer in answers:
        logged = await owner.fetch(
            "SELECT subject_ids FROM access_log WHERE request_id = $1", UUID(answer.headers["x-request-id"])
        )
        assert [row["subject_ids"] for row in logged] == [[UUID(head["id"])]]


async def test_nothing_changes_what_was_said_and_it_follows_the_family(as_, owner):
    tksk, office = await as_("tksk", PANJANG), await as_("province_office", "18")
    family, _ = await family_of_one(tksk)
    await add_snapshot(office, family)
    moved = {"village_code": "18.71.05.1002", "address": {"street": "Jl. Baru"}, "reason": "moved"}
    assert (await tksk.act(f"/v1/families/{family['id']}/move", moved)).status_code == 200
    assert (await tksk.get(URL)).json()["items"] == []
    there = await as_("tksk", "18.71.05")
    (row,) = (await there.get(URL)).json()["items"]
    assert (row["decile"], row["region_code"], row["beneficiary_ids"]) == (7, "18.71.05.1002", [])
    assert await owner.fetchval("SELECT has_table_privilege('tksk_app', 'decile_snapshots', 'UPDATE')") is False
