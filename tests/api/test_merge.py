"""Two records of one person: made one, and divided again."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from architecture.world import activity, attached
from helpers import AMPENAN, AMPENAN_VILLAGE, PANJANG, SRENGSEM, Caller, add_person, code_of, nik
from sktm_flow import URL as SKTM
from sktm_flow import Offices, add_visit, application, draft, issued, offices, ok
from tksk_api.domain.retention.service import schedule

URL = "/v1/beneficiaries"
REASON = "Orang yang sama, dicatat dua kali"


def body(into: dict[str, Any], **over: Any) -> dict[str, Any]:
    """A valid body for POST /v1/beneficiaries/{id}/merge."""
    return {"into_id": into["id"], "reason": REASON, **over}


async def merged(caller: Caller, goes: dict[str, Any], stays: dict[str, Any], **over: Any) -> dict[str, Any]:
    return ok(await caller.act(f"{URL}/{goes['id']}/merge", body(stays, **over)))


async def unmerged(caller: Caller, goes: dict[str, Any]) -> dict[str, Any]:
    return ok(await caller.act(f"{URL}/{goes['id']}/unmerge", {"reason": "Ternyata dua orang bersaudara"}))


async def twins(caller: Caller, **over: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """One woman, entered twice: the record to go, and the one to stand."""
    goes = await add_person(caller, nik=None, nik_status="belum_rekam", full_name="Sti Rahmawati", **over)
    return goes, await add_person(caller)


async def lived(as_: Any, owner: Any, team: Offices, goes: dict[str, Any], stays: dict[str, Any]) -> dict[str, str]:
    """Everything that can name a person, of the one who goes; both were at one activity. Name -> id."""
    visit = await team.tksk.post("/v1/visits", json={"beneficiary_id": goes["id"], "visited_on": "2026-11-02"})
    photo = await attached(team.tksk, "visit_photo", visit_id=visit.json()["id"])
    paper = await attached(team.clerk, "other", beneficiary_id=goes["id"])
    letter = await issued(owner, team, goes)
    of_another = await draft(team, await add_person(team.clerk), dependants=[goes["id"], stays["id"]])
    agency = await owner.fetchval("SELECT id FROM agencies WHERE kind = 'bpjs_office' AND region_code = '18.71'")
    referral = await team.tksk.post(
        "/v1/referrals",
        json={
            "beneficiary_id": goes["id"],
            "program": "pbi_jk",
            "agency_id": str(agency),
            "reason": "Tidak mampu",
            "consent": "given",
        },
    )
    both = activity(goes["id"]) | {
        "beneficiary_ids": [goes["id"], stays["id"]],
        "headcount": {"male": 0, "female": 2, "children": 0, "disabled": 0},
    }
    shared = await team.tksk.post("/v1/activities", json=both)
    alone = await team.tksk.post("/v1/activities", json=activity(goes["id"]))
    asked = await team.clerk.post(
        "/v1/privacy-requests",
        json={
            "beneficiary_id": goes["id"],
            "kind": "correction",
            "reason": "Nama salah",
            "requested_by": "self",
            "received_on": "2026-11-02",
        },
    )
    for answer in (visit, referral, shared, alone, asked):
        assert answer.status_code == 201, answer.text
    return {
        "visit": visit.json()["id"],
        "photo": photo,
        "paper": paper,
        "letter": letter["id"],
        "of_another": of_another["id"],
        "referral": referral.json()["id"],
        "shared": shared.json()["id"],
        "alone": alone.json()["id"],
        "asked": asked.json()["id"],
    }


async def whose(owner: Any, ids: dict[str, str]) -> dict[str, Any]:
    """Whom each record names now."""
    rows = await owner.fetch(
        "SELECT id, ARRAY[beneficiary_id] AS people FROM visits UNION ALL "
        "SELECT id, ARRAY[beneficiary_id] FROM attachments UNION ALL "
        "SELECT id, ARRAY[beneficiary_id] FROM referrals UNION ALL "
        "SELECT id, ARRAY[beneficiary_id] FROM privacy_requests UNION ALL "
        "SELECT id, beneficiary_id || dependants FROM sktm_applications UNION ALL "
        "SELECT id, beneficiary_ids FROM activities"
    )
    known = {str(row["id"]): [str(person) for person in row["people"]] for row in rows}
    return {name: known[key] for name, key in ids.items()}


# ---- what a merge does -----------------------------------------------------------------------------------------------


async def test_everything_follows_and_comes_back(as_, owner):
    team = await offices(as_)
    goes, stays = await twins(team.clerk)
    ids = await lived(as_, owner, team, goes, stays)
    before = await whose(owner, ids)
    pdf = (await team.clerk.get(f"{SKTM}/{ids['letter']}/letter")).content
    picture = (await team.clerk.get(f"/v1/attachments/{ids['paper']}")).json()["content_url"]
    assert (await team.clerk.get(picture)).status_code == 200

    answer = await team.tksk.act(f"{URL}/{goes['id']}/merge", body(stays))
    assert (answer.status_code, answer.json()["id"], answer.json()["merged_into"]) == (200, stays["id"], stays["id"])
    assert answer.headers["ETag"] == f'"v{answer.json()["version"]}"'
    now = await whose(owner, ids)
    alone = [stays["id"]]
    applicant = before["of_another"][0]
    assert now == {**dict.fromkeys(ids, alone), "of_another": [applicant, stays["id"]]}
    # What was sealed for the one is read as the other's, and the seal is the other's too.
    assert (await team.clerk.get(f"{SKTM}/{ids['letter']}/letter")).content == pdf
    for key in (ids["paper"], ids["photo"]):
        link = (await team.tksk.get(f"/v1/attachments/{key}")).json()["content_url"]
        assert (await team.tksk.get(link)).status_code == 200
    await owner.execute("DELETE FROM subject_keys WHERE subject_id = $1", UUID(goes["id"]))
    assert (await team.clerk.get(f"{SKTM}/{ids['letter']}/letter")).status_code == 200

    back = await unmerged(team.tksk, goes)
    assert (back["id"], back["merged_into"], back["full_name"]) == (goes["id"], None, "Sti Rahmawati")
    assert await whose(owner, ids) == before
    assert (await team.clerk.get(f"{SKTM}/{ids['letter']}/letter")).content == pdf
    for key in (ids["paper"], ids["photo"]):
        link = (await team.tksk.get(f"/v1/attachments/{key}")).json()["content_url"]
        assert (await team.tksk.get(link)).status_code == 200


async def test_the_old_id_leads_to_the_one_that_stands(as_, owner):
    team = await offices(as_)
    goes, stays = await twins(team.clerk)
    await merged(team.tksk, goes, stays)
    url = f"{URL}/{goes['id']}"
    seen = ok(await team.clerk.get(url))
    assert (seen["id"], seen["merged_into"], seen["full_name"]) == (stays["id"], stays["id"], "Siti Rahmawati")
    assert ok(await team.clerk.get(f"{URL}/{stays['id']}"))["merged_into"] is None
    listed = (await team.clerk.get(URL)).json()["items"]
    assert [item["id"] for item in listed] == [stays["id"]]
    for key in (goes["id"], stays["id"]):
        entries = (await team.clerk.get(f"{URL}/{key}/history")).json()["items"]
        assert {entry["action"] for entry in entries} == {"create", "update"}
        assert len([entry for entry in entries if entry["action"] == "create"]) == 2
        merges = (await team.clerk.get(f"{URL}/{key}/merges")).json()["items"]
        assert [(m["merged_id"], m["into_id"], m["reason"]) for m in merges] == [(goes["id"], stays["id"], REASON)]
    assert [entry["reason"] for entry in entries if "merged_into" in entry["fields"]] == [REASON]

    # Nobody writes about a person under an id that no longer stands: told where to, every time alike.
    written = {"If-Match": f'"v{seen["version"]}"'}
    reveal = {"fields": ["nik"], "purpose": "identity_check", "reason": "Pemeriksaan di loket"}
    for attempt in (
        team.clerk.patch(url, json={"notes": "Catatan"}, headers=written),
        team.clerk.post(f"{url}/move", json={"village_code": SRENGSEM, "reason": "Pindah"}, headers=written),
        team.clerk.post(f"{url}/reveal", json=reveal),
        team.dinsos.delete(url, headers=written),
        team.tksk.post(f"{url}/merge", json=body(stays), headers=written),
    ):
        answer = await attempt
        assert (answer.status_code, code_of(answer), answer.json()["merged_into"]) == (409, "merged", stays["id"])
        assert stays["id"] in answer.json()["detail"]
    shared = activity(goes["id"])
    for path, sent in (
        ("/v1/visits", {"beneficiary_id": goes["id"], "visited_on": "2026-11-02"}),
        (SKTM, application(goes["id"])),
        (SKTM, application(stays["id"], dependants=[goes["id"]])),
        ("/v1/activities", shared),
    ):
        answer = await team.tksk.post(path, json=sent)
        error = answer.json()["errors"][0]
        assert (answer.status_code, error["code"], stays["id"] in error["detail"]) == (422, "merged_person", True), path
    upload = {"data": {"kind": "other", "beneficiary_id": goes["id"]}, "files": {"file": ("x.jpg", b"x")}}
    assert (await team.clerk.post("/v1/attachments", **upload)).status_code == 422
    assert await owner.fetchval("SELECT count(*) FROM visits") == 0


async def test_a_redirect_does_not_tell_of_somebody_who_moved_on(as_):
    team = await offices(as_)
    goes, stays = await twins(team.clerk)
    stands = await merged(team.tksk, goes, stays)
    headers = {"If-Match": f'"v{stands["version"]}"'}
    away = {"village_code": AMPENAN_VILLAGE, "reason": "Ikut anak"}
    assert (await team.clerk.post(f"{URL}/{stays['id']}/move", json=away, headers=headers)).status_code == 200
    there = await as_("tksk", AMPENAN)
    for key in (goes["id"], stays["id"]):
        assert (await team.clerk.get(f"{URL}/{key}")).status_code == 404
        assert (await there.get(f"{URL}/{key}")).json()["id"] == stays["id"]
        for path in ("history", "merges", "duplicates"):
            assert (await team.clerk.get(f"{URL}/{key}/{path}")).status_code == 404
    # The record that would come back lies where they lived before: that is for the office above both.
    seen = (await there.get(f"{URL}/{goes['id']}")).json()
    refused = await there.act(f"{URL}/{goes['id']}/unmerge", {"reason": "Ternyata dua orang"}, version=seen["version"])
    assert (refused.status_code, code_of(refused)) == (409, "duplicate_elsewhere")


async def test_nothing_of_the_one_that_stands_changes_unless_asked(as_):
    team = await offices(as_)
    card, number = "1871041203150002", nik()
    goes = await add_person(team.clerk, nik=number, phone="081234567890", family_card_number=card, notes="Janda")
    stays = await add_person(team.clerk, nik=None, nik_status="none", birth_place=None)
    plain = await merged(team.tksk, goes, stays)
    changed = {name for name in plain if plain[name] != stays[name]} - {"version", "updated_at", "merged_into"}
    assert changed <= {"ppks_categories", "warnings"}
    await unmerged(team.tksk, goes)

    everything = ["nik", "family_card_number", "birth_place", "phone", "notes"]
    full = await merged(team.tksk, goes, stays, take=everything)
    assert (full["phone"], full["notes"], full["birth_place"]) == ("+6281234567890", "Janda", "Panjang")
    assert (full["nik_masked"], full["nik_status"]) == (goes["nik_masked"], "unverified")
    reveal = {"fields": ["nik", "family_card_number"], "purpose": "identity_check", "reason": "Pemeriksaan di loket"}
    shown = ok(await team.tksk.post(f"{URL}/{stays['id']}/reveal", json=reveal))
    assert shown == {"nik": number, "family_card_number": card}
    [row] = (await team.tksk.get(f"{URL}/{stays['id']}/merges", params={"limit": 1})).json()["items"]
    assert sorted(row["taken"]) == sorted(everything)
    found = ok(await team.tksk.post(f"{URL}/search", json={"nik": number}))["items"]
    assert [item["id"] for item in found] == [stays["id"]]

    # Taken back, each has their own; what was corrected since stays.
    patched = await team.clerk.patch(
        f"{URL}/{stays['id']}", json={"notes": "Janda, tiga anak"}, headers={"If-Match": f'"v{full["version"]}"'}
    )
    back = await unmerged(team.tksk, goes)
    assert ok(patched)["notes"] == "Janda, tiga anak"
    assert (back["nik_masked"], back["phone"]) == (goes["nik_masked"], "+6281234567890")
    now = ok(await team.tksk.get(f"{URL}/{stays['id']}"))
    assert (now["nik_masked"], now["nik_status"], now["phone"], now["notes"]) == (
        None,
        "none",
        None,
        "Janda, tiga anak",
    )
    shown = ok(await team.tksk.post(f"{URL}/{goes['id']}/reveal", json=reveal))
    assert shown == {"nik": number, "family_card_number": card}


async def test_a_merged_number_stays_the_persons(as_):
    team = await offices(as_)
    number = nik()
    goes = await add_person(team.clerk, nik=number)
    stays = await add_person(team.clerk, nik=None, nik_status="none")
    await merged(team.tksk, goes, stays)
    taken = await team.clerk.post(URL, json={**_plain(goes), "nik": number})
    assert (taken.status_code, code_of(taken)) == (409, "nik_taken")
    asked = ok(await team.tksk.post(f"{URL}/exists", json={"nik": number}))
    assert asked["exists"] is True
    found = ok(await team.tksk.post(f"{URL}/search", json={"nik": number}))["items"]
    assert [item["id"] for item in found] == [stays["id"]]
    # The one that stands may have it attached, and then there is nothing to bring back without taking it off again.
    attach = {"nik": number, "document": "ktp"}
    url = f"{URL}/{stays['id']}/attach-nik"
    attached_to = await team.tksk.act(url, attach)
    assert attached_to.status_code == 200, attached_to.text
    refused = await team.tksk.act(f"{URL}/{goes['id']}/unmerge", {"reason": "Ternyata dua orang"})
    assert (refused.status_code, code_of(refused)) == (409, "unmerge_nik_taken")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    keys = ("full_name", "birth_date", "sex", "address", "village_code")
    return {key: row[key] for key in keys} | {"nik_status": "unverified"}


# ---- what is refused -------------------------------------------------------------------------------------------------


async def test_what_cannot_be_merged_is_refused_with_the_next_step(as_, owner):
    team = await offices(as_)
    goes, stays = await twins(team.clerk)
    elsewhere = await as_("tksk", AMPENAN)
    stranger = await add_person(elsewhere, village_code=AMPENAN_VILLAGE)
    withdrawn = await add_person(team.clerk)
    assert (await team.dinsos.delete(f"{URL}/{withdrawn['id']}", headers={"If-Match": '"v1"'})).status_code == 204
    url = f"{URL}/{goes['id']}/merge"

    for sent, pointer, code in (
        (body(goes), "/into_id", "same_person"),
        (body(stranger), "/into_id", "unknown_reference"),
        (body(withdrawn), "/into_id", "unknown_reference"),
        (body({"id": str(uuid4())}), "/into_id", "unknown_reference"),
        (body(stays, reason="sama"), "/reason", "too_short"),
        (body(stays, reason=f"NIK {nik()} ganda"), "/reason", "identity_number_in_text"),
        (body(stays, take=["full_name"]), "/take/0", "not_allowed"),
        (body(stays, take=["nik"]), "/take/0", "not_lacking"),
        (body(stays, take=["phone"]), "/take/0", "nothing_to_take"),
        (body(stays, take=["phone", "phone"]), "/take/1", "duplicate_entry"),
        ({"into_id": stays["id"]}, "/reason", "missing"),
    ):
        refused = await team.tksk.act(url, sent)
        found = {error["pointer"]: error["code"] for error in refused.json()["errors"]}
        assert (refused.status_code, found[pointer]) == (422, code), refused.text
    assert (await team.tksk.post(url, json=body(stays))).status_code == 428
    assert (await team.tksk.act(url, body(stays), version=7)).status_code == 412
    assert (await elsewhere.post(url, json=body(stays), headers={"If-Match": '"v1"'})).status_code == 404
    assert (await team.clerk.act(url, body(stays))).status_code == 403
    gone = await team.tksk.act(f"{URL}/{withdrawn['id']}/merge", body(stays), version=2)
    assert gone.status_code == 404
    nothing = await team.tksk.act(f"{URL}/{goes['id']}/unmerge", {"reason": "Ternyata dua orang"})
    assert (nothing.status_code, code_of(nothing)) == (409, "not_merged")
    assert await owner.fetchval("SELECT count(*) FROM merges") == 0


async def test_two_verified_numbers_are_two_people(as_):
    team = await offices(as_)
    first = await add_person(team.tksk, nik_status="verified")
    second = await add_person(team.tksk, nik_status="verified")
    refused = await team.dinsos.act(f"{URL}/{first['id']}/merge", body(second))
    assert (refused.status_code, code_of(refused)) == (409, "merge_two_niks")
    # The twin: a number that nobody verified may be a slip of the pen.
    slip = await add_person(team.tksk)
    assert (await merged(team.dinsos, slip, second))["id"] == second["id"]


async def test_the_dead_and_the_living_are_not_merged_unseen(as_, owner):
    team = await offices(as_)
    goes, stays = await twins(team.clerk)
    await owner.execute("UPDATE beneficiaries SET deceased_on = '2026-10-01' WHERE id = $1", UUID(goes["id"]))
    for one, other in ((goes, stays), (stays, goes)):
        refused = await team.tksk.act(f"{URL}/{one['id']}/merge", body(other))
        assert (refused.status_code, code_of(refused)) == (409, "merge_one_deceased")
    await owner.execute("UPDATE beneficiaries SET deceased_on = '2026-10-01' WHERE id = $1", UUID(stays["id"]))
    assert (await merged(team.tksk, goes, stays))["deceased_on"] == "2026-10-01"


async def test_restricted_people_are_neither_merged_nor_divided(as_, owner):
    team = await offices(as_)
    goes, stays = await twins(team.clerk)
    for person_id in (goes["id"], stays["id"]):
        await owner.execute("UPDATE beneficiaries SET restricted_at = now() WHERE id = $1", UUID(person_id))
        refused = await team.tksk.act(f"{URL}/{goes['id']}/merge", body(stays))
        assert (refused.status_code, code_of(refused)) == (409, "processing_restricted")
        await owner.execute("UPDATE beneficiaries SET restricted_at = NULL WHERE id = $1", UUID(person_id))
    await merged(team.tksk, goes, stays)
    await owner.execute("UPDATE beneficiaries SET restricted_at = now() WHERE id = $1", UUID(stays["id"]))
    refused = await team.tksk.act(f"{URL}/{goes['id']}/unmerge", {"reason": "Ternyata dua orang"})
    assert (refused.status_code, code_of(refused)) == (409, "processing_restricted")


async def test_what_one_person_has_once_is_settled_first(as_, owner):
    team = await offices(as_)
    goes, stays = await twins(team.clerk)
    for someone in (goes, stays):
        running = await draft(team, someone)
    refused = await team.tksk.act(f"{URL}/{goes['id']}/merge", body(stays))
    assert (refused.status_code, code_of(refused), refused.json()["records"]) == (
        409,
        "merge_conflict",
        "sktm_applications",
    )
    assert await owner.fetchval("SELECT count(*) FROM merges") == 0
    ok(await team.tksk.act(f"{SKTM}/{running['id']}/cancel", {"note": "Ganda"}))
    # Of a category that both have, one assessment runs on; the other comes back with its person.
    assert await _active(owner) == [goes["id"], stays["id"]]
    await merged(team.tksk, goes, stays)
    assert await _active(owner) == [stays["id"]]
    assert await owner.fetchval("SELECT count(*) FROM ppks_assessments WHERE reason_code = 'merged'") == 1
    await unmerged(team.tksk, goes)
    assert await _active(owner) == [goes["id"], stays["id"]]


async def _active(owner: Any) -> list[str]:
    rows = await owner.fetch("SELECT beneficiary_id FROM ppks_assessments WHERE status = 'active' ORDER BY created_at")
    return [str(row["beneficiary_id"]) for row in rows]


async def test_a_category_comes_along_and_goes_back(as_, owner):
    team = await offices(as_)
    goes = await add_person(team.clerk, nik=None, nik_status="none", ppks_categories=["fakir_miskin", "gelandangan"])
    stays = await add_person(team.clerk)
    full = await merged(team.tksk, goes, stays)
    assert full["ppks_categories"] == ["fakir_miskin", "gelandangan"]
    corrected = await team.clerk.patch(
        f"{URL}/{stays['id']}", json={"notes": "Sakit"}, headers={"If-Match": f'"v{full["version"]}"'}
    )
    assert corrected.status_code == 200
    assert (await unmerged(team.tksk, goes))["ppks_categories"] == ["fakir_miskin", "gelandangan"]
    assert ok(await team.clerk.get(f"{URL}/{stays['id']}"))["ppks_categories"] == ["fakir_miskin"]
    assert len(await _active(owner)) == 3


# ---- chains, days and races ------------------------------------------------------------------------------------------


async def test_a_chain_leads_to_the_last_and_unwinds_in_any_order(as_, owner):
    team = await offices(as_)
    first, second = await twins(team.clerk)
    third = await add_person(team.clerk, nik=None, nik_status="none")
    visits = {}
    for someone in (first, second, third):
        visits[someone["id"]] = await add_visit(owner, someone["id"], team.tksk.user_id)
    await merged(team.tksk, first, second)
    late = await team.tksk.act(f"{URL}/{third['id']}/merge", body(first))
    assert (late.status_code, code_of(late), late.json()["merged_into"]) == (409, "merged", second["id"])
    await merged(team.tksk, second, third)
    for someone in (first, second):
        assert ok(await team.clerk.get(f"{URL}/{someone['id']}"))["id"] == third["id"]
    assert await _visits(owner) == dict.fromkeys(visits.values(), third["id"])

    await unmerged(team.tksk, first)
    assert await _visits(owner) == {
        visits[first["id"]]: first["id"],
        visits[second["id"]]: third["id"],
        visits[third["id"]]: third["id"],
    }
    await unmerged(team.tksk, second)
    assert await _visits(owner) == {visit: person_id for person_id, visit in visits.items()}

    # The other way round: who came along goes along.
    await merged(team.tksk, first, second)
    await merged(team.tksk, second, third)
    await unmerged(team.tksk, second)
    assert ok(await team.clerk.get(f"{URL}/{first['id']}"))["id"] == second["id"]
    assert (await _visits(owner))[visits[first["id"]]] == second["id"]
    await unmerged(team.tksk, first)
    assert await _visits(owner) == {visit: person_id for person_id, visit in visits.items()}
    merges = (await team.tksk.get(f"{URL}/{second['id']}/merges")).json()["items"]
    assert len(merges) == 4
    assert all(merge["undone_at"] is not None for merge in merges)


async def _visits(owner: Any) -> dict[str, str]:
    return {str(row["id"]): str(row["beneficiary_id"]) for row in await owner.fetch("SELECT * FROM visits")}


async def test_what_was_written_since_stays_and_a_photo_follows_its_visit(as_, owner):
    team = await offices(as_)
    goes, stays = await twins(team.clerk)
    planned = {"beneficiary_id": goes["id"], "visited_on": "2026-11-02"}
    before = (await team.tksk.post("/v1/visits", json=planned)).json()["id"]
    running = await draft(team, goes)
    await merged(team.tksk, goes, stays)
    since = (await team.tksk.post("/v1/visits", json=planned | {"beneficiary_id": stays["id"]})).json()["id"]
    photo = await attached(team.tksk, "visit_photo", visit_id=before)
    ok(await team.tksk.act(f"{SKTM}/{running['id']}/cancel", {"note": "Tidak jadi"}))
    letter = await issued(owner, team, stays)
    back = await unmerged(team.tksk, goes)
    at = await whose(owner, {"before": before, "since": since, "photo": photo, "running": running["id"]})
    assert at == {
        "before": [goes["id"]],
        "since": [stays["id"]],
        "photo": [goes["id"]],
        "running": [goes["id"]],
    }
    link = (await team.tksk.get(f"/v1/attachments/{photo}")).json()["content_url"]
    assert (await team.tksk.get(link)).status_code == 200
    assert (await team.clerk.get(f"{SKTM}/{letter['id']}/letter")).status_code == 200
    assert back["id"] == goes["id"]


async def test_a_letter_issued_since_stays_with_whom_it_names(as_, owner):
    team = await offices(as_)
    goes, stays = await twins(team.clerk)
    running = await draft(team, goes)
    await merged(team.tksk, goes, stays)
    ok(await team.clerk.act(f"{SKTM}/{running['id']}/submit"))
    documents = [{"kind": kind, "status": "ok"} for kind in ("cover_letter", "ktp", "family_card", "school_letter")]
    ok(await team.clerk.act(f"{SKTM}/{running['id']}/check", {"documents": documents}))
    visit = await add_visit(owner, stays["id"], team.tksk.user_id)
    ok(await team.tksk.act(f"{SKTM}/{running['id']}/verify", {"visit_id": visit, "recommendation": "Layak"}))
    ok(await team.head.act(f"{SKTM}/{running['id']}/sign"))
    pdf = (await team.clerk.get(f"{SKTM}/{running['id']}/letter")).content
    await unmerged(team.tksk, goes)
    assert (await whose(owner, {"letter": running["id"]}))["letter"] == [stays["id"]]
    assert (await team.clerk.get(f"{SKTM}/{running['id']}/letter")).content == pdf


async def test_after_thirty_days_two_people_are_registered_anew(as_, owner):
    team = await offices(as_)
    goes, stays = await twins(team.clerk)
    await merged(team.tksk, goes, stays)
    await owner.execute("UPDATE merges SET created_at = created_at - $1::interval", timedelta(days=30, seconds=1))
    late = await team.tksk.act(f"{URL}/{goes['id']}/unmerge", {"reason": "Ternyata dua orang"})
    assert (late.status_code, code_of(late), late.json()["days"]) == (409, "unmerge_too_late", 30)
    await owner.execute("UPDATE merges SET created_at = created_at + interval '1 hour'")
    assert (await unmerged(team.tksk, goes))["id"] == goes["id"]


async def test_of_two_merges_at_once_one_wins(as_, owner):
    team = await offices(as_)
    for same_way in (True, False):
        one, other = await twins(team.clerk)
        pairs = [(one, other), (one, other) if same_way else (other, one)]
        answers = await asyncio.gather(*(team.tksk.act(f"{URL}/{a['id']}/merge", body(b), version=1) for a, b in pairs))
        assert sorted(answer.status_code for answer in answers) == [200, 409], [a.text for a in answers]
        [refused] = [answer for answer in answers if answer.status_code == 409]
        assert code_of(refused) == "merged"
    assert await owner.fetchval("SELECT count(*) FROM merges") == 2


async def test_a_visit_that_is_completed_meanwhile_is_moved_or_told(as_, owner):
    """Whoever is second waits: the merge moves what was completed, or the completion learns that its visit moved."""
    team = await offices(as_)
    for _ in range(3):
        goes, stays = await twins(team.clerk)
        planned = {"beneficiary_id": goes["id"], "visited_on": "2026-11-02"}
        visit = (await team.tksk.post("/v1/visits", json=planned)).json()
        done = {"outcome": "met", "finding": "eligible", "evidence": {"floor_type": "earth"}}
        completion, merging, logging = await asyncio.gather(
            team.tksk.act(f"/v1/visits/{visit['id']}/complete", done, version=1),
            team.dinsos.act(f"{URL}/{goes['id']}/merge", body(stays), version=1),
            team.tksk.post("/v1/activities", json=activity(goes["id"])),
        )
        assert merging.status_code == 200, merging.text
        assert completion.status_code in (200, 412), completion.text
        assert logging.status_code in (201, 409, 422), logging.text
        assert (await whose(owner, {"visit": visit["id"]}))["visit"] == [stays["id"]]
        named = await owner.fetchval("SELECT count(*) FROM activities WHERE beneficiary_ids @> $1", [UUID(goes["id"])])
        assert named == 0


# ---- rights of the person --------------------------------------------------------------------------------------------


async def test_statement_and_erasure_are_of_both_records(as_, owner):
    team = await offices(as_)
    number = nik()
    goes = await add_person(team.clerk, nik=number, full_name="Zulaikha Maharani", phone="081399887766")
    stays = await add_person(team.clerk, nik=None, nik_status="none")
    other = await add_person(team.clerk, full_name="Budi Hartono")
    shared = activity(goes["id"]) | {
        "beneficiary_ids": [goes["id"], other["id"]],
        "headcount": {"male": 1, "female": 1, "children": 0, "disabled": 0},
        "description": "Mengantar Zulaikha Maharani ke puskesmas",
    }
    assert (await team.tksk.post("/v1/activities", json=shared)).status_code == 201
    paper = await attached(team.clerk, "other", beneficiary_id=goes["id"])
    await team.clerk.get(f"{URL}/{goes['id']}")
    await merged(team.tksk, goes, stays, reason="Zulaikha adalah orang yang sama")
    assert (await team.tksk.get(f"{URL}/{goes['id']}/statement")).status_code == 409

    held = ok(await team.tksk.get(f"{URL}/{stays['id']}/statement"))
    [record] = held["merged_records"]
    assert (record["full_name"], record["nik"], record["phone"]) == ("Zulaikha Maharani", number, "+6281399887766")
    assert [merge["reason"] for merge in held["merges"]] == ["Zulaikha adalah orang yang sama"]
    assert [attachment["id"] for attachment in held["attachments"]] == [paper]
    assert len(held["activities"]) == 1
    read = [line for line in held["processing"] if line["operation"] == "get_beneficiary" and line["action"] == "read"]
    assert read
    assert {line["record"] for line in held["corrections"]} >= {"beneficiaries"} or held["corrections"] == []
    assert (await team.tksk.get(f"{URL}/{stays['id']}/statement", params={"format": "pdf"})).status_code == 200

    await owner.execute("UPDATE beneficiaries SET legal_hold = 'Perkara' WHERE id = $1", UUID(goes["id"]))
    asked = {
        "beneficiary_id": stays["id"],
        "kind": "erasure",
        "reason": "Permintaan di loket",
        "requested_by": "self",
        "received_on": "2026-11-02",
    }
    wish = (await team.clerk.post("/v1/privacy-requests", json=asked)).json()
    held_back = await team.dinsos.act(f"/v1/privacy-requests/{wish['id']}/fulfil", {})
    assert (held_back.status_code, code_of(held_back)) == (409, "still_in_use")
    await owner.execute("UPDATE beneficiaries SET legal_hold = NULL WHERE id = $1", UUID(goes["id"]))
    ok(await team.dinsos.act(f"/v1/privacy-requests/{wish['id']}/fulfil", {}))
    people = [UUID(goes["id"]), UUID(stays["id"])]
    assert await owner.fetchval("SELECT count(*) FROM subject_keys WHERE subject_id = ANY ($1)", people) == 0
    assert await owner.fetchval("SELECT count(*) FROM erasures WHERE subject_id = ANY ($1)", people) == 2
    names = await owner.fetch("SELECT full_name, merged_into FROM beneficiaries WHERE id = ANY ($1)", people)
    assert {tuple(row) for row in names} == {("(dihapus)", None)}
    for table, column in (
        ("activities", "description"),
        ("merges", "reason"),
        ("changes", "fields::text"),
        ("changes", "reason"),
        ("transitions", "note"),
    ):
        left = await owner.fetchval(f"SELECT count(*) FROM {table} WHERE {column} ILIKE '%zulaikha%'")
        assert left == 0, table
    for key in (goes["id"], stays["id"]):
        assert (await team.tksk.get(f"{URL}/{key}")).status_code == 404
    assert (await team.clerk.get(f"/v1/attachments/{paper}")).status_code == 404


async def test_a_merge_leaves_access_rows_about_both(as_, owner):
    team = await offices(as_)
    goes, stays = await twins(team.clerk)
    await merged(team.tksk, goes, stays)
    rows = await owner.fetch("SELECT subject_ids FROM access_log WHERE operation = 'merge_beneficiary'")
    named = {str(key) for row in rows for key in row["subject_ids"]}
    assert named == {goes["id"], stays["id"]}


async def test_every_column_that_names_people_is_moved(owner):
    """Whatever refers to people is on the list of the mover, or on this one."""
    stays_with = {
        ("beneficiaries", "merged_into"),
        ("merges", "merged_id"),
        ("merges", "into_id"),
        ("merges", "beneficiary_ids"),
        ("duplicate_candidates", "low_id"),
        ("duplicate_candidates", "high_id"),
        ("duplicate_candidates", "beneficiary_ids"),
    }
    found = await owner.fetch(
        "SELECT c.conrelid::regclass::text AS in_table, a.attname::text AS in_column FROM pg_constraint c "
        "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] "
        "WHERE c.contype = 'f' AND c.confrelid = 'beneficiaries'::regclass UNION "
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND column_name IN ('beneficiary_id', 'beneficiary_ids', 'dependants')"
    )
    listed = {tuple(row) for row in await owner.fetch("SELECT in_table, in_column FROM app.person_columns()")}
    assert {tuple(row) for row in found} - stays_with == listed


# ---- taking back, after all that happened since ----------------------------------------------------------------------


async def _named_at(owner: Any, activity_id: str) -> list[str]:
    return [
        str(p) for p in await owner.fetchval("SELECT beneficiary_ids FROM activities WHERE id = $1", UUID(activity_id))
    ]


async def _dependants(owner: Any, key: str) -> list[str]:
    return [str(p) for p in await owner.fetchval("SELECT dependants FROM sktm_applications WHERE id = $1", UUID(key))]


async def _at_one_activity(team: Offices, *people: dict[str, Any]) -> str:
    shared = activity(people[0]["id"]) | {
        "beneficiary_ids": [person["id"] for person in people],
        "headcount": {"male": 0, "female": len(people), "children": 0, "disabled": 0},
    }
    answer = await team.tksk.post("/v1/activities", json=shared)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.mark.parametrize("order", ["first", "second"])
async def test_who_was_at_an_activity_is_right_in_whatever_order_merges_are_taken_back(as_, owner, order):
    team = await offices(as_)
    first, second = await twins(team.clerk)
    third = await add_person(team.clerk, nik=None, nik_status="none")
    both = await _at_one_activity(team, first, third)
    everybody = await _at_one_activity(team, third, first, second)
    await merged(team.tksk, first, second)
    await merged(team.tksk, second, third)
    assert await _named_at(owner, both) == await _named_at(owner, everybody) == [third["id"]]
    one, other = (first, second) if order == "first" else (second, first)
    await unmerged(team.tksk, one)
    if order == "first":
        assert await _named_at(owner, both) == [first["id"], third["id"]]
    await unmerged(team.tksk, other)
    assert await _named_at(owner, both) == [first["id"], third["id"]]
    assert await _named_at(owner, everybody) == [third["id"], first["id"], second["id"]]


async def test_of_two_merged_into_one_each_comes_back_to_what_was_written_since(as_, owner):
    team = await offices(as_)
    first, stays = await twins(team.clerk)
    fourth = await add_person(team.clerk, nik=None, nik_status="none")
    logged = await _at_one_activity(team, first)
    await merged(team.tksk, first, stays)
    await owner.execute(
        "UPDATE activities SET beneficiary_ids = beneficiary_ids || $2::uuid WHERE id = $1",
        UUID(logged),
        UUID(fourth["id"]),
    )
    await merged(team.tksk, fourth, stays)
    assert await _named_at(owner, logged) == [stays["id"]]
    await unmerged(team.tksk, first)
    assert await _named_at(owner, logged) == [first["id"], stays["id"]]
    await unmerged(team.tksk, fourth)
    assert await _named_at(owner, logged) == [first["id"], fourth["id"]]


async def test_a_dependant_comes_back_beside_those_named_since(as_, owner):
    team = await offices(as_)
    goes, stays = await twins(team.clerk)
    other = await add_person(team.clerk, nik=None, nik_status="none", full_name="Budi Hartono")
    running = await draft(team, stays, dependants=[goes["id"]])
    await merged(team.tksk, goes, stays)
    now = ok(await team.clerk.get(f"{SKTM}/{running['id']}"))
    assert now["dependants"] == []
    named = await team.clerk.patch(
        f"{SKTM}/{running['id']}",
        json={"dependants": [other["id"]]},
        headers={"If-Match": f'"v{now["version"]}"'},
    )
    assert named.status_code == 200, named.text
    await unmerged(team.tksk, goes)
    assert await _dependants(owner, running["id"]) == [goes["id"], other["id"]]
    # Who was struck off since does not come back.
    await merged(team.tksk, other, goes)
    now = ok(await team.clerk.get(f"{SKTM}/{running['id']}"))
    struck = await team.clerk.patch(
        f"{SKTM}/{running['id']}", json={"dependants": []}, headers={"If-Match": f'"v{now["version"]}"'}
    )
    assert struck.status_code == 200, struck.text
    await unmerged(team.tksk, other)
    assert await _dependants(owner, running["id"]) == []


async def test_an_applicant_and_their_dependant_divide_through_a_chain(as_, owner):
    team = await offices(as_)
    first, second = await twins(team.clerk)
    third = await add_person(team.clerk, nik=None, nik_status="none")
    running = await draft(team, first, dependants=[second["id"]])
    await merged(team.tksk, first, second)
    assert await _dependants(owner, running["id"]) == []
    await merged(team.tksk, second, third)
    await unmerged(team.tksk, first)
    assert (await whose(owner, {"it": running["id"]}))["it"] == [first["id"], third["id"]]
    await unmerged(team.tksk, second)
    assert (await whose(owner, {"it": running["id"]}))["it"] == [first["id"], second["id"]]


async def test_nobody_becomes_the_dependant_of_their_own_letter(as_, owner):
    team = await offices(as_)
    goes, stays = await twins(team.clerk)
    running = await draft(team, goes, dependants=[stays["id"]])
    await merged(team.tksk, goes, stays)
    assert await _dependants(owner, running["id"]) == []
    ok(await team.clerk.act(f"{SKTM}/{running['id']}/submit"))
    documents = [{"kind": kind, "status": "ok"} for kind in ("cover_letter", "ktp", "family_card", "school_letter")]
    ok(await team.clerk.act(f"{SKTM}/{running['id']}/check", {"documents": documents}))
    visit = await add_visit(owner, stays["id"], team.tksk.user_id)
    ok(await team.tksk.act(f"{SKTM}/{running['id']}/verify", {"visit_id": visit, "recommendation": "Layak"}))
    ok(await team.head.act(f"{SKTM}/{running['id']}/sign"))
    await unmerged(team.tksk, goes)
    assert (await whose(owner, {"letter": running["id"]}))["letter"] == [stays["id"]]
    with pytest.raises(asyncpg.CheckViolationError):
        await owner.execute(
            "UPDATE sktm_applications SET dependants = ARRAY[beneficiary_id] WHERE id = $1", UUID(running["id"])
        )


async def test_what_was_decided_about_pairs_survives_a_merge_taken_back(as_, owner):
    team = await offices(as_)
    goes, stays = await twins(team.tksk)
    third = await add_person(team.tksk, nik=None, nik_status="belum_rekam", full_name="St. Rahmawaty")

    async def pair(*people: dict[str, Any]) -> dict[str, Any]:
        wanted = {person["id"] for person in people}
        listed = (await team.tksk.get("/v1/duplicates")).json()["items"]
        [found] = [item for item in listed if set(item["beneficiary_ids"]) == wanted]
        return dict(found)

    # That of the one that stands and the third comes from the merge alone.
    await owner.execute("DELETE FROM duplicate_candidates WHERE id = $1", UUID((await pair(stays, third))["id"]))
    two = await pair(goes, stays)
    ok(await team.clerk.act(f"/v1/duplicates/{two['id']}/dismiss", {"reason": "Saudara kembar, dua orang"}))
    before = await pair(goes, stays)
    await merged(team.tksk, goes, stays)
    assert (await pair(goes, stays))["status"] == "merged"
    handed_on = await pair(stays, third)
    assert handed_on["status"] == "open"
    ok(await team.clerk.act(f"/v1/duplicates/{handed_on['id']}/dismiss", {"reason": "Tetangga, bukan satu orang"}))
    await unmerged(team.tksk, goes)
    after = await pair(goes, stays)
    for name in ("status", "reason", "decided_by", "decided_at", "merge_id"):
        assert after[name] == before[name], name
    assert (after["status"], after["reason"]) == ("dismissed", "Saudara kembar, dua orang")
    assert (await pair(goes, third))["status"] == "open"
    kept = await pair(stays, third)
    assert (kept["status"], kept["reason"]) == ("dismissed", "Tetangga, bukan satu orang")


async def test_a_merge_taken_back_stays_where_it_happened(as_, owner):
    team = await offices(as_)
    goes, stays = await twins(team.clerk)
    secret = "Dua kali dicatat oleh Ibu Ratna"
    await merged(team.tksk, goes, stays, reason=secret)
    await unmerged(team.tksk, goes)
    stood = ok(await team.clerk.get(f"{URL}/{stays['id']}"))
    away = {"village_code": AMPENAN_VILLAGE, "reason": "Ikut anak"}
    assert (await team.clerk.act(f"{URL}/{stays['id']}/move", away, version=stood["version"])).status_code == 200
    [row] = (await team.clerk.get(f"{URL}/{goes['id']}/merges")).json()["items"]
    assert (row["merged_id"], row["into_id"], row["reason"], row["undo_reason"]) == (goes["id"], None, None, None)
    assert row["beneficiary_ids"] == [goes["id"]]
    told = await team.clerk.get(f"{URL}/{goes['id']}/timeline")
    assert told.status_code == 200
    assert {"merged", "unmerged"} <= {entry["code"] for entry in told.json()["items"]}
    assert stays["id"] not in told.text
    assert secret not in told.text
    there = await as_("tksk", AMPENAN)
    assert (await there.get(f"{URL}/{stays['id']}/merges")).json()["items"] == []
    assert goes["id"] not in (await there.get(f"{URL}/{stays['id']}/timeline")).text
    [row] = (await team.dinsos.get(f"{URL}/{goes['id']}/merges")).json()["items"]
    assert (row["into_id"], row["reason"]) == (None, None)


async def test_a_family_whose_member_goes_has_another_version(as_, owner):
    team = await offices(as_)
    goes, stays = await twins(team.clerk)
    made = await team.clerk.post(
        "/v1/families",
        json={
            "village_code": SRENGSEM,
            "address": {"street": "Jl. Melati 3"},
            "members": [{"beneficiary_id": goes["id"], "relationship": "head_of_family"}],
        },
    )
    assert made.status_code == 201, made.text
    versions = [made.json()["version"]]
    for step in (merged(team.tksk, goes, stays), unmerged(team.tksk, goes)):
        await step
        versions.append(ok(await team.clerk.get(f"/v1/families/{made.json()['id']}"))["version"])
    assert versions == sorted(set(versions))


# ---- what is asked and what ends meanwhile ---------------------------------------------------------------------------


async def test_a_request_that_waits_for_a_merge_is_told_of_it(as_, owner):
    team = await offices(as_)
    goes, stays = await twins(team.clerk)
    asked = {
        "beneficiary_id": goes["id"],
        "kind": "restriction",
        "reason": "Data dipersoalkan",
        "requested_by": "self",
        "received_on": "2026-11-02",
    }
    async with owner.transaction():
        await owner.execute("SELECT 1 FROM beneficiaries WHERE id = $1 FOR UPDATE", UUID(goes["id"]))
        waiting = asyncio.create_task(team.clerk.post("/v1/privacy-requests", json=asked))
        await asyncio.sleep(0.5)
        await owner.execute(
            "UPDATE beneficiaries SET merged_into = $2, deleted_at = now() WHERE id = $1",
            UUID(goes["id"]),
            UUID(stays["id"]),
        )
    answer = await waiting
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "merged_person"), answer.text
    assert await owner.fetchval("SELECT count(*) FROM privacy_requests") == 0
    # Whatever path it takes.
    with pytest.raises(asyncpg.CheckViolationError, match="merged"):
        await owner.execute(
            "INSERT INTO privacy_requests (id, version, region_code, beneficiary_id, kind, reason, requested_by, "
            "received_on, status) VALUES (gen_random_uuid(), 1, $2, $1, 'restriction', 'x', 'self', now(), 'received')",
            UUID(goes["id"]),
            SRENGSEM,
        )


@pytest.mark.parametrize("chained", [False, True])
async def test_an_erasure_reaches_whom_the_person_was_merged_with(as_, owner, chained):
    team = await offices(as_)
    goes = await add_person(team.clerk, full_name="Zulaikha Maharani", phone="081399887766", notes="Sakit menahun")
    stays = await add_person(team.clerk, nik=None, nik_status="none", family_card_number=None)
    last = await add_person(team.clerk, nik=None, nik_status="none", full_name="Siti Rohmah")
    taken = ["phone", "notes"]
    full = await merged(team.tksk, goes, stays, reason="Zulaikha Maharani dicatat dua kali", take=taken)
    changed = await team.clerk.patch(
        f"{URL}/{stays['id']}", json={"notes": "Milik sendiri"}, headers={"If-Match": f'"v{full["version"]}"'}
    )
    assert changed.status_code == 200
    if chained:
        await merged(team.tksk, stays, last, reason="Zulaikha Maharani untuk ketiga kali", take=["phone"])
    await unmerged(team.tksk, goes)
    await owner.execute("UPDATE visits SET status = 'cancelled'")
    asked = {
        "beneficiary_id": goes["id"],
        "kind": "erasure",
        "reason": "Permintaan di loket",
        "requested_by": "self",
        "received_on": "2026-11-02",
    }
    wish = (await team.clerk.post("/v1/privacy-requests", json=asked)).json()
    ok(await team.dinsos.act(f"/v1/privacy-requests/{wish['id']}/fulfil", {}))
    for column in ("fields::text", "reason"):
        for word in ("%zulaikha%", "%81399887766%", "%sakit menahun%"):
            left = await owner.fetch(f"SELECT entity, fields, reason FROM changes WHERE {column} ILIKE $1", word)
            assert left == [], word
    # What is the other's own stays.
    assert await owner.fetchval("SELECT count(*) FROM changes WHERE fields::text LIKE '%Milik sendiri%'") >= 1
    assert await owner.fetchval("SELECT count(*) FROM merges WHERE moved::text ILIKE '%zulaikha%'") == 0


async def test_the_years_do_not_end_what_was_merged(as_, owner):
    """Not by itself: it goes with the record that stands, as the schedule says."""
    team = await offices(as_)
    goes, stays = await twins(team.clerk)
    withdrawn = await add_person(team.clerk)
    await merged(team.tksk, goes, stays)
    await owner.execute(
        "UPDATE beneficiaries SET deleted_at = now() - interval '3 years' WHERE id = ANY ($1)",
        [UUID(goes["id"]), UUID(withdrawn["id"])],
    )
    [ends] = [item for item in schedule() if item.name == "withdrawn_registrations"]
    rows = await owner.fetch(f"SELECT id FROM {ends.table} WHERE {ends.due}")
    assert [str(row["id"]) for row in rows] == [withdrawn["id"]]


async def test_lists_asked_for_by_the_id_that_was_merged_are_those_of_the_one_that_stands(as_):
    tksk = await as_("tksk", PANJANG)
    goes, stays = await twins(tksk)
    name = {"document": "passport", "name": "Sti Rahma"}
    assert (await tksk.post(f"{URL}/{goes['id']}/document-names", json=name)).status_code == 201
    visit = {"beneficiary_id": goes["id"], "visited_on": "2026-11-02"}
    assert (await tksk.post("/v1/visits", json=visit)).status_code == 201
    await merged(tksk, goes, stays)
    for key in (goes["id"], stays["id"]):
        for url in (f"{URL}/{key}/document-names", f"/v1/visits?beneficiary_id={key}"):
            [item] = ok(await tksk.get(url))["items"]
            assert item["beneficiary_id"] == stays["id"]
