"""The register at a date: people as they were, who lived in a village then, and what the history does not keep."""

from datetime import UTC, datetime
from typing import Any

from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of, nik

OTHER_VILLAGE = "18.71.04.1003"
URL = "/v1/beneficiaries"


def now() -> str:
    return datetime.now(UTC).isoformat()


async def patched(caller: Any, person_id: str, **body: Any) -> None:
    version = (await caller.get(f"{URL}/{person_id}")).json()["version"]
    answer = await caller.patch(f"{URL}/{person_id}", json=body, headers={"If-Match": f'"v{version}"'})
    assert answer.status_code == 200, answer.text


async def moved(caller: Any, person_id: str, village: str) -> None:
    answer = await caller.act(f"{URL}/{person_id}/move", {"village_code": village, "reason": "Ikut anak"})
    assert answer.status_code == 200, answer.text


async def aged(owner: Any, person_id: str, days: int) -> None:
    """As if all that is written about a person until now had been written some days ago."""
    await owner.execute("SET session_replication_role = replica")
    for table, column, key in (("beneficiaries", "created_at", "id"), ("changes", "at", "entity_id")):
        await owner.execute(
            f"UPDATE {table} SET {column} = {column} - $2 * interval '1 day' WHERE {key} = $1::uuid", person_id, days
        )
    await owner.execute("SET session_replication_role = origin")


async def test_a_person_is_shown_as_they_were(as_):
    tksk = await as_("tksk", PANJANG)
    person = await add_person(tksk, full_name="Siti Aminah", notes=None)
    registered = now()
    await patched(tksk, person["id"], full_name="Siti Aminah Binti Ahmad", notes="Pindah kontrakan")
    corrected = now()
    await patched(tksk, person["id"], notes=None, address={"street": "Gang Melati 3"})
    await moved(tksk, person["id"], OTHER_VILLAGE)

    answer = await tksk.get(f"{URL}/{person['id']}", params={"as_of": registered})
    assert answer.status_code == 200 and "etag" not in answer.headers
    first = answer.json()
    assert {**first, "as_of": None} == {**person, "as_of": None, "not_kept": []}
    second = (await tksk.get(f"{URL}/{person['id']}", params={"as_of": corrected})).json()
    assert (second["full_name"], second["notes"]) == ("Siti Aminah Binti Ahmad", "Pindah kontrakan")
    assert (second["village_code"], second["address"]["street"]) == (SRENGSEM, "Jl. Yos Sudarso 12")
    assert second["version"] == 2
    last = (await tksk.get(f"{URL}/{person['id']}", params={"as_of": now()})).json()
    present = (await tksk.get(f"{URL}/{person['id']}")).json()
    assert {name: last[name] for name in present if name != "updated_at"} == {
        name: value for name, value in present.items() if name != "updated_at"
    }


async def test_a_day_ends_where_the_person_lives(as_, owner):
    tksk = await as_("tksk", PANJANG)
    person = await add_person(tksk)
    await aged(owner, person["id"], 10)
    await patched(tksk, person["id"], notes="Baru")
    # 16:30 UTC is 23:30 in Lampung: that day's; 17:30 is the next day's.
    for minute, expected in (("2026-10-05 16:30+00", "Lama"), ("2026-10-05 17:30+00", None)):
        await owner.execute("SET session_replication_role = replica")
        await owner.execute(
            "UPDATE changes SET at = $2::text::timestamptz, fields = $3::text::jsonb "
            "WHERE entity_id = $1::uuid AND action = 'update'",
            person["id"],
            minute,
            '{"notes": {"from": null, "to": "Lama"}}',
        )
        await owner.execute(
            "UPDATE beneficiaries SET created_at = '2026-10-01', notes = 'Lama' WHERE id = $1::uuid", person["id"]
        )
        await owner.execute("SET session_replication_role = origin")
        shown = (await tksk.get(f"{URL}/{person['id']}", params={"as_of": "2026-10-05"})).json()
        assert shown["notes"] == expected


async def test_who_was_registered_later_was_not_there(as_):
    tksk = await as_("tksk", PANJANG)
    before = now()
    person = await add_person(tksk)
    url = f"{URL}/{person['id']}"
    assert code_of(await tksk.get(url, params={"as_of": before})) == "not_found"
    assert code_of(await tksk.get(url, params={"as_of": "2020-01-01"})) == "not_found"
    assert (await tksk.get(url, params={"as_of": now()})).status_code == 200
    for wrong in ("2999-01-01", "2100-01-01T00:00:00Z", "kemarin", "2026-13-01", "2026-11-22T10:00:00", ""):
        assert code_of(await tksk.get(url, params={"as_of": wrong})) == "invalid_request", wrong


async def test_numbers_that_changed_since_are_not_made_up(as_):
    tksk = await as_("tksk", PANJANG)
    person = await add_person(tksk, family_card_number=nik())
    before = now()
    await patched(tksk, person["id"], family_card_number=nik())
    shown = (await tksk.get(f"{URL}/{person['id']}", params={"as_of": before})).json()
    assert shown["family_card_masked"] is None
    assert shown["not_kept"] == ["family_card_masked"]
    assert shown["nik_masked"] == person["nik_masked"]


async def test_the_office_of_today_reads_the_past(as_):
    clerk, neighbour = await as_("village_clerk", SRENGSEM), await as_("village_clerk", OTHER_VILLAGE)
    person = await add_person(clerk)
    then = now()
    await moved(clerk, person["id"], OTHER_VILLAGE)
    url = f"{URL}/{person['id']}"
    assert code_of(await clerk.get(url, params={"as_of": then})) == "not_found"
    assert (await neighbour.get(url, params={"as_of": then})).json()["village_code"] == SRENGSEM
    assert code_of(await (await as_("tksk", AMPENAN)).get(url, params={"as_of": then})) == "not_found"


async def test_who_lived_in_the_village_then(as_):
    tksk, regency = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    clerk, neighbour = await as_("village_clerk", SRENGSEM), await as_("village_clerk", OTHER_VILLAGE)
    stayed = await add_person(clerk, full_name="Yang Tinggal")
    left = await add_person(clerk, full_name="Yang Pergi")
    came = await add_person(neighbour, full_name="Yang Datang", village_code=OTHER_VILLAGE)
    there_and_back = await add_person(clerk, full_name="Yang Kembali")
    await moved(clerk, there_and_back["id"], OTHER_VILLAGE)
    then = now()
    await moved(tksk, left["id"], OTHER_VILLAGE)
    await moved(tksk, came["id"], SRENGSEM)
    await moved(tksk, there_and_back["id"], SRENGSEM)
    later = await add_person(clerk, full_name="Yang Lahir Kemudian")

    async def names(caller: Any, **query: Any) -> list[str]:
        answer = await caller.get(URL, params={"village_code": SRENGSEM, **query})
        assert answer.status_code == 200, answer.text
        return [person["full_name"] for person in answer.json()["items"]]

    for superior in (tksk, regency):
        assert await names(superior, as_of=then) == ["Yang Pergi", "Yang Tinggal"]
        assert await names(superior, as_of=then, nik_status="belum_rekam") == []
    assert await names(tksk, as_of=now()) == [p["full_name"] for p in (later, there_and_back, came, stayed)]
    # The village sees today's people only; who left belongs to the neighbour now, who asks in vain for another village.
    assert await names(clerk, as_of=then) == ["Yang Tinggal"]
    assert await names(neighbour, as_of=then) == ["Yang Pergi"]
    assert await names(await as_("tksk", AMPENAN), as_of=then) == []
    pages, query = [], {"limit": 1, "as_of": then, "village_code": SRENGSEM}
    for _ in range(2):
        page = (await tksk.get(URL, params=query)).json()
        pages += [person["full_name"] for person in page["items"]]
        query["cursor"] = page["next_cursor"]
    assert pages == ["Yang Pergi", "Yang Tinggal"]
    assert query["cursor"] is None
    alone = await tksk.get(URL, params={"as_of": then})
    assert code_of(alone) == "invalid_request"
    assert alone.json()["errors"][0]["pointer"] == "/village_code"


async def test_reading_the_past_is_recorded(as_, owner):
    tksk = await as_("tksk", PANJANG)
    person = await add_person(tksk)
    await tksk.get(f"{URL}/{person['id']}", params={"as_of": now()})
    await tksk.get(URL, params={"as_of": now(), "village_code": SRENGSEM})
    rows = await owner.fetch(
        "SELECT operation FROM access_log WHERE action = 'read' AND $1::uuid = ANY (subject_ids) ORDER BY id",
        person["id"],
    )
    assert [row["operation"] for row in rows][-2:] == ["get_beneficiary", "list_beneficiaries"]


async def test_who_was_merged_since_was_a_record_of_their_own_then(as_):
    tksk, clerk = await as_("tksk", PANJANG), await as_("village_clerk", SRENGSEM)
    goes = await add_person(clerk, nik=None, nik_status="belum_rekam", full_name="Sti Rahmawati")
    stays = await add_person(clerk, full_name="Siti Rahmawati")
    then = now()
    body = {"into_id": stays["id"], "reason": "Orang yang sama, dicatat dua kali"}
    done = await tksk.act(f"{URL}/{goes['id']}/merge", body)
    assert done.status_code == 200, done.text

    async def shown(moment: str) -> tuple[str, list[str]]:
        one = await tksk.get(f"{URL}/{goes['id']}", params={"as_of": moment})
        assert one.status_code == 200, one.text
        village = await tksk.get(URL, params={"as_of": moment, "village_code": SRENGSEM})
        return one.json()["id"], [person["id"] for person in village.json()["items"]]

    assert await shown(then) == (goes["id"], [stays["id"], goes["id"]])
    assert await shown(now()) == (stays["id"], [stays["id"]])
    stranger = await as_("tksk", AMPENAN)
    assert code_of(await stranger.get(f"{URL}/{goes['id']}", params={"as_of": then})) == "not_found"


async def test_a_sensitive_category_that_was_closed_was_running_before(as_):
    tksk, clerk = await as_("tksk", PANJANG), await as_("village_clerk", SRENGSEM)
    person = await add_person(tksk, ppks_categories=["odha"])
    then = now()
    (row,) = (await tksk.get("/v1/ppks-assessments?category=odha")).json()["items"]
    closed = await tksk.act(f"/v1/ppks-assessments/{row['id']}/close", {"reason_code": "no_longer_applies"})
    assert closed.status_code == 200, closed.text
    for caller, moment, expected in ((tksk, then, ["odha"]), (tksk, now(), []), (clerk, then, [])):
        shown = (await caller.get(f"{URL}/{person['id']}", params={"as_of": moment})).json()
        assert shown["ppks_categories"] == expected
