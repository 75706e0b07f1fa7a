"""What people may ask about their own data (UU 27/2022): to see, restrict and erase it."""

import asyncio
import io
import os
import subprocess
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pypdf
import pytest

from architecture.specification import operations
from architecture.story import about_people as of_people
from architecture.world import activity, attached
from files import camera_picture, picture
from helpers import AMPENAN, BANDAR_LAMPUNG, SRENGSEM, Caller, add_person, code_of, nik, person
from sktm_flow import URL as SKTM
from sktm_flow import Offices, add_visit, application, checked, issued, offices, ok
from tksk_api.database import embedded
from tksk_api.domain.references.lists import codes

URL = "/v1/privacy-requests"


def wish(person_id: str, kind: str, **over: Any) -> dict[str, Any]:
    """A valid body for POST /v1/privacy-requests."""
    return {
        "beneficiary_id": person_id,
        "kind": kind,
        "reason": "Permintaan di loket kelurahan",
        "requested_by": "self",
        "received_on": "2026-11-02",
        **over,
    }


async def taken_in(caller: Caller, person_id: str, kind: str, **over: Any) -> dict[str, Any]:
    answer = await caller.post(URL, json=wish(person_id, kind, **over))
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def fulfilled(clerk: Caller, office: Caller, person_id: str, kind: str) -> dict[str, Any]:
    row = await taken_in(clerk, person_id, kind)
    return ok(await office.act(f"{URL}/{row['id']}/fulfil", {}))


# ---- requests --------------------------------------------------------------------------------------------------------


async def test_a_request_is_due_in_three_days_and_overdue_after_them(as_, owner):
    team = await offices(as_)
    someone = await add_person(team.clerk)
    row = await taken_in(team.clerk, someone["id"], "correction")
    assert (row["status"], row["overdue"], row["region_code"]) == ("received", False, SRENGSEM)
    due = await owner.fetchval("SELECT created_at + interval '72 hours' FROM privacy_requests")
    assert row["due_at"].startswith(due.strftime("%Y-%m-%dT%H:%M:%S"))
    assert (await team.dinsos.get(URL, params={"overdue": "true"})).json()["items"] == []
    await owner.execute("UPDATE privacy_requests SET created_at = created_at - interval '73 hours'")
    late = (await team.dinsos.get(URL, params={"overdue": "true"})).json()["items"]
    assert [(item["id"], item["overdue"]) for item in late] == [(row["id"], True)]
    done = ok(await team.dinsos.act(f"{URL}/{row['id']}/fulfil", {"note": "Nama sudah diperbaiki"}))
    assert (done["status"], done["overdue"], done["note"]) == ("fulfilled", False, "Nama sudah diperbaiki")
    assert done["decided_by"] == str(team.dinsos.user_id)
    again = await team.dinsos.act(f"{URL}/{row['id']}/fulfil", {})
    assert (again.status_code, code_of(again)) == (409, "transition_refused")


async def test_a_refusal_names_a_reason_that_fits_the_request(as_):
    team = await offices(as_)
    someone = await add_person(team.clerk)
    row = await taken_in(team.clerk, someone["id"], "access")
    url = f"{URL}/{row['id']}/refuse"
    wrong = await team.dinsos.act(url, {"reason_code": "archive_duty", "note": "Arsip"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/reason_code")
    refused = ok(await team.dinsos.act(url, {"reason_code": "reveals_others", "note": "Memuat data anak tetangga"}))
    assert (refused["status"], refused["reason_code"]) == ("refused", "reveals_others")


async def test_a_request_for_somebody_elsewhere_is_refused_like_one_for_nobody(as_):
    team = await offices(as_)
    someone = await add_person(team.clerk)
    stranger = await as_("tksk", AMPENAN)
    answers = [await stranger.post(URL, json=wish(key, "access")) for key in (someone["id"], str(uuid4()))]
    assert [a.status_code for a in answers] == [422, 422]
    assert answers[0].json()["errors"] == answers[1].json()["errors"]


async def test_whoever_took_in_an_erasure_does_not_decide_it(as_):
    team = await offices(as_)
    someone = await add_person(team.clerk)
    row = await taken_in(team.dinsos, someone["id"], "erasure")
    for action, body in (
        ("fulfil", {}),
        ("refuse", {"reason_code": "archive_duty", "note": "Arsip"}),
    ):
        own = await team.dinsos.act(f"{URL}/{row['id']}/{action}", body)
        assert (own.status_code, code_of(own)) == (403, "separation_of_duties")
    colleague = await as_("regency_office", BANDAR_LAMPUNG)
    assert ok(await colleague.act(f"{URL}/{row['id']}/fulfil", {}))["status"] == "fulfilled"
    # The twin: any other kind may be decided by whoever took it in.
    other = await taken_in(team.dinsos, (await add_person(team.clerk))["id"], "restriction")
    assert ok(await team.dinsos.act(f"{URL}/{other['id']}/fulfil", {}))["status"] == "fulfilled"


# ---- restriction -----------------------------------------------------------------------------------------------------


async def test_a_restricted_person_is_seen_but_not_processed(as_, owner):
    team = await offices(as_)
    someone = await add_person(team.clerk)
    running = await checked(team, someone)
    letter = await issued(owner, team, someone, purpose_detail="Seragam sekolah")
    planned = await team.tksk.post("/v1/visits", json={"beneficiary_id": someone["id"], "visited_on": "2026-11-02"})
    card = await attached(team.clerk, "ktp", beneficiary_id=someone["id"])
    child = await add_person(team.clerk, birth_date="2010-01-05", nik=nik(born="050110"), relationship="child")
    of_family = await issued(owner, team, dependants=[child["id"]], purpose_detail="Buku sekolah")
    assert (await team.clerk.get(f"{SKTM}/{of_family['id']}/letter")).status_code == 200
    for key in (someone["id"], child["id"]):
        await fulfilled(team.clerk, team.dinsos, key, "restriction")
    url = f"/v1/beneficiaries/{someone['id']}"
    seen = (await team.clerk.get(url)).json()
    assert seen["restricted_at"] is not None

    agency = await owner.fetchval("SELECT id FROM agencies WHERE kind = 'bpjs_office' AND region_code = '18.71'")
    version = {"If-Match": f'"v{seen["version"]}"'}
    reveal = {"fields": ["nik"], "purpose": "identity_check", "reason": "Pemeriksaan di loket"}
    attempts = {
        "patch": team.clerk.patch(url, json={"notes": "Catatan"}, headers=version),
        "move": team.clerk.post(f"{url}/move", json={"village_code": SRENGSEM, "reason": "Pindah"}, headers=version),
        "reveal": team.clerk.post(f"{url}/reveal", json=reveal),
        "letter": team.clerk.get(f"{SKTM}/{letter['id']}/letter"),
        "letter that names a dependant": team.head.get(f"{SKTM}/{of_family['id']}/letter"),
        "visit": team.tksk.post("/v1/visits", json={"beneficiary_id": someone["id"], "visited_on": "2026-11-02"}),
        "complete": team.tksk.act(
            f"/v1/visits/{planned.json()['id']}/complete", {"outcome": "met", "finding": "eligible", "evidence": {}}
        ),
        "application": team.clerk.post(SKTM, json=application(someone["id"], purpose="maternity")),
        "dependant": team.clerk.post(
            SKTM, json=application((await add_person(team.clerk))["id"], dependants=[someone["id"]])
        ),
        "verify": team.tksk.act(
            f"{SKTM}/{running['id']}/verify",
            {"visit_id": await add_visit(owner, someone["id"], team.tksk.user_id), "recommendation": "Layak"},
        ),
        "referral": team.tksk.post(
            "/v1/referrals",
            json={
                "beneficiary_id": someone["id"],
                "program": "pbi_jk",
                "agency_id": str(agency),
                "reason": "Tidak mampu",
                "consent": "given",
            },
        ),
        "activity": team.tksk.post("/v1/activities", json=activity(someone["id"])),
        "attachment": team.clerk.post(
            "/v1/attachments",
            data={"kind": "other", "beneficiary_id": someone["id"]},
            files={"file": ("x.jpg", picture(colour="red"))},
        ),
        "identity card": team.clerk.get(f"/v1/attachments/{card}/content"),
        "taking it back": team.clerk.delete(f"/v1/attachments/{card}", headers={"If-Match": '"v1"'}),
    }
    for name, attempt in attempts.items():
        answer = await attempt
        assert (answer.status_code, answer.json().get("code")) == (409, "processing_restricted"), (name, answer.text)
    assert await owner.fetchval("SELECT count(*) FROM visits WHERE status = 'planned'") == 1

    # What ends a processing, and what the law still needs, stays open.
    reason = {"reason_code": "false_statement", "note": "Data palsu"}
    assert ok(await team.dinsos.act(f"{SKTM}/{letter['id']}/revoke", reason))["status"] == "revoked"
    assert ok(await team.tksk.act(f"{SKTM}/{running['id']}/cancel", {"note": "Dibatasi"}))["status"] == "cancelled"

    await fulfilled(team.clerk, team.dinsos, someone["id"], "lift_restriction")
    seen = (await team.clerk.get(url)).json()
    assert seen["restricted_at"] is None
    version = {"If-Match": f'"v{seen["version"]}"'}
    assert (await team.clerk.patch(url, json={"notes": "Catatan"}, headers=version)).status_code == 200


async def test_restricting_twice_and_reviewing_old_work_about_a_restricted_person(as_):
    team = await offices(as_)
    someone = await add_person(team.clerk)
    logged = (await team.tksk.post("/v1/activities", json=activity(someone["id"]))).json()
    first = await fulfilled(team.clerk, team.dinsos, someone["id"], "restriction")
    since = (await team.clerk.get(f"/v1/beneficiaries/{someone['id']}")).json()["restricted_at"]
    assert (await fulfilled(team.clerk, team.dinsos, someone["id"], "restriction"))["id"] != first["id"]
    assert (await team.clerk.get(f"/v1/beneficiaries/{someone['id']}")).json()["restricted_at"] == since
    assert ok(await team.tksk.act(f"/v1/activities/{logged['id']}/submit"))["status"] == "submitted"
    seen = (await team.clerk.get(f"/v1/beneficiaries/{someone['id']}")).json()
    headers = {"If-Match": f'"v{seen["version"]}"'}
    withdrawn = await team.dinsos.request("DELETE", f"/v1/beneficiaries/{someone['id']}", headers=headers)
    assert (withdrawn.status_code, code_of(withdrawn)) == (409, "processing_restricted")


# ---- erasure ---------------------------------------------------------------------------------------------------------

NAME, STREET, PHONE, FORMER = "Zulaikha Maharani", "Gang Cempaka Wangi 77", "+6281399887766", "Zulaika Maharany"


async def lived_with(as_: Any, owner: Any, team: Offices) -> dict[str, Any]:
    """A person whose name stands wherever the system lets somebody write it, and nothing is running any more."""
    keyed = {"Idempotency-Key": "daftar"}
    number = nik()
    body = person(
        nik=number,
        full_name=FORMER,
        address={"street": STREET, "rt": "007", "rw": "009"},
        phone=PHONE,
        family_card_number="1871049988776655",
        notes=f"{FORMER} tinggal sendiri",
        birth_date="1991-03-25",
    )
    someone = (await team.clerk.post("/v1/beneficiaries", json=body, headers=keyed)).json()
    url = f"/v1/beneficiaries/{someone['id']}"
    renamed = await team.clerk.patch(url, json={"full_name": NAME}, headers={"If-Match": '"v1"'})
    someone = ok(renamed) | {"nik": number}
    visit = await team.tksk.post(
        "/v1/visits",
        json={
            "beneficiary_id": someone["id"],
            "visited_on": "2026-11-02",
            "notes": f"Bertemu {NAME}",
            "location": {"lat": -5.471234, "lon": 105.321234},
        },
        headers={"Idempotency-Key": "kunjungan"},
    )
    photo = await team.tksk.post(
        "/v1/attachments",
        data={"kind": "visit_photo", "visit_id": visit.json()["id"]},
        files={"file": (f"{NAME}.jpg", camera_picture())},
    )
    someone["photo"] = photo.json()["id"]
    done = {
        "outcome": "met",
        "finding": "eligible",
        "evidence": {"floor_type": "earth"},
        "attachment_ids": [someone["photo"]],
    }
    await team.tksk.act(f"/v1/visits/{visit.json()['id']}/complete", done)
    letter = await issued(owner, team, someone, purpose_detail=f"Beasiswa a.n. {NAME}", addressed_to=f"Wali {NAME}")
    someone["letter"] = letter["letter"]
    someone["application"] = letter["id"]
    agency = await owner.fetchval("SELECT id FROM agencies WHERE kind = 'bpjs_office' AND region_code = '18.71'")
    referral = await team.tksk.post(
        "/v1/referrals",
        json={
            "beneficiary_id": someone["id"],
            "program": "pbi_jk",
            "agency_id": str(agency),
            "reason": f"{NAME} tidak mampu",
            "consent": "given",
        },
    )
    await team.tksk.act(f"/v1/referrals/{referral.json()['id']}/submit")
    someone["referral"] = referral.json()["id"]
    other = await add_person(team.clerk, full_name="Budi Hartono")
    shared = activity(someone["id"]) | {
        "beneficiary_ids": [someone["id"], other["id"]],
        "headcount": {"male": 1, "female": 1, "children": 0, "disabled": 0},
        "title": f"Kunjungan ke {NAME} dan Budi Hartono",
        "description": f"Mengantar {NAME.upper()} dari {STREET}\nMaharani,\tzulaikha: HP 0813-9988-7766, Ny.MAHARANI",
        "follow_up": {"note": f"Telepon {NAME} lagi", "due_on": "2026-11-30"},
    }
    made = await team.tksk.post("/v1/activities", json=shared, headers={"Idempotency-Key": "kegiatan"})
    assert made.status_code == 201, made.text
    someone["activity"] = made.json()["id"]
    asked = await taken_in(team.clerk, someone["id"], "correction", reason=f"Nama saya {NAME}")
    await team.dinsos.act(
        f"{URL}/{asked['id']}/refuse", {"reason_code": "data_already_correct", "note": f"{NAME} benar"}
    )
    return someone


async def wound_up(team: Offices, someone: dict[str, Any]) -> None:
    """End what forbids an erasure."""
    reason = {"reason_code": "false_statement", "note": f"Dicabut atas permintaan {NAME}"}
    ok(await team.dinsos.act(f"{SKTM}/{someone['application']}/revoke", reason))
    ok(await team.tksk.act(f"/v1/referrals/{someone['referral']}/cancel", {"note": f"Selesai untuk {NAME}"}))


def dumped(owner_url: str) -> str:
    """The whole database, as whoever steals a backup would read it; without the names of villages, which are public."""
    configured = Path(os.environ["TKSK_PG_BIN"]) if "TKSK_PG_BIN" in os.environ else None
    program = embedded.binaries(configured) / "pg_dump"
    command = [program, "--exclude-table-data=regions", owner_url]
    dump = subprocess.run(command, capture_output=True, text=True, check=True)
    return dump.stdout


async def test_after_an_erasure_a_dump_holds_nothing_of_the_person(as_, owner, client, owner_url):
    team = await offices(as_)
    someone = await lived_with(as_, owner, team)
    relative = await mentioned_by_others(team, someone)
    path = someone["letter"]["verification_url"].removeprefix("http://test")
    numbers = ("0813-9988-7766", "(0813) 9988 7766", "9988.77.66", "9988-7766")
    wanted = (*NAME.split(), *FORMER.split(), STREET, PHONE, *numbers, "105.321234", "105.32681", someone["nik"])
    before = (await asyncio.to_thread(dumped, owner_url)).casefold()
    assert all(word.casefold() in before for word in wanted[:-1])  # what the grep below would find
    counts = await sizes(owner)
    await wound_up(team, someone)
    await fulfilled(team.clerk, team.dinsos, someone["id"], "erasure")

    after = (await asyncio.to_thread(dumped, owner_url)).casefold()
    assert [word for word in (*wanted, someone["nik"][:12]) if word.casefold() in after] == []
    assert "budi hartono" in after
    kept = (await team.clerk.get(f"/v1/beneficiaries/{relative['id']}")).json()
    assert (kept["full_name"], kept["notes"]) == (
        "Dewi Anggun",
        "Serumah dengan (dihapus)\n(dihapus) sakit, (dihapus)",
    )
    now = await sizes(owner)
    assert {name: now[name] for name in counts if name not in ("beneficiaries",)} == {
        **{name: size for name, size in counts.items() if name != "beneficiaries"},
        "privacy_requests": counts["privacy_requests"] + 1,
    }
    assert await owner.fetchval("SELECT birth_date FROM beneficiaries WHERE id = $1", UUID(someone["id"])) == date(
        1990, 1, 1
    )
    for url in (f"/v1/beneficiaries/{someone['id']}", f"/v1/beneficiaries/{someone['id']}/statement"):
        assert (await team.tksk.get(url)).status_code == 404
    row = (await team.clerk.get(f"{SKTM}/{someone['application']}")).json()
    assert row["letter"]["number"] == someone["letter"]["number"]
    assert (await team.clerk.get(f"{SKTM}/{someone['application']}/letter")).status_code == 404
    public = (await client.get(path, headers={"Accept": "application/json"})).json()
    assert (public["status"], public["number"], public["masked_name"]) == (
        "revoked",
        someone["letter"]["number"],
        "(dihapus)",
    )
    log = (await team.tksk.get(f"/v1/activities/{someone['activity']}")).json()
    assert log["title"] == "Kunjungan ke (dihapus) dan Budi Hartono"
    assert log["follow_up"] == {"note": "Telepon (dihapus) lagi", "due_on": "2026-11-30"}
    assert await owner.fetchval("SELECT count(*) FROM subject_keys WHERE subject_id = $1", UUID(someone["id"])) == 0
    file = await owner.fetchrow("SELECT * FROM attachments WHERE id = $1", UUID(someone["photo"]))
    assert (file["key_cipher"], file["name"], file["sha256"]) == (None, "(dihapus)", b"")
    for url in (f"/v1/attachments/{someone['photo']}", f"/v1/attachments/{someone['photo']}/content"):
        assert (await team.tksk.get(url)).status_code == 404
    # The NIK is free again.
    assert (await team.clerk.post("/v1/beneficiaries", json=person(nik=someone["nik"]))).status_code == 201


async def test_a_name_that_somebody_else_bears_too_stays_theirs(as_, owner):
    team = await offices(as_)
    erased = await add_person(team.clerk, full_name="Siti Kusumawardhani")
    other = await add_person(team.clerk, full_name="Siti Aminah")
    shared = activity(erased["id"]) | {
        "beneficiary_ids": [erased["id"], other["id"]],
        "headcount": {"male": 0, "female": 2, "children": 0, "disabled": 0},
        "title": "Siti Kusumawardhani dan Siti Aminah, lalu Bu Kusumawardhani",
    }
    made = await team.tksk.post("/v1/activities", json=shared)
    # Blanking is no processing: a restriction of somebody else's does not stop it.
    await fulfilled(team.clerk, team.dinsos, other["id"], "restriction")
    await fulfilled(team.clerk, team.dinsos, erased["id"], "erasure")
    log = (await team.tksk.get(f"/v1/activities/{made.json()['id']}")).json()
    assert log["title"] == "(dihapus) dan Siti Aminah, lalu Bu (dihapus)"
    names = [row["full_name"] for row in await owner.fetch("SELECT full_name FROM beneficiaries ORDER BY full_name")]
    assert names == ["(dihapus)", "Siti Aminah"]


async def mentioned_by_others(team: Offices, someone: dict[str, Any]) -> dict[str, Any]:
    """Somebody of the same family card and the same activity, in whose records the person is written about."""
    log = (await team.tksk.get(f"/v1/activities/{someone['activity']}")).json()
    neighbour = next(key for key in log["beneficiary_ids"] if key != someone["id"])
    relative = await add_person(
        team.clerk,
        full_name="Dewi Anggun",
        family_card_number="1871049988776655",
        notes=f"Serumah dengan {FORMER.upper()}\nZulaikha sakit, +62 813 9988 7766",
    )
    notes = "Bertemu Pak Budi; Ny.Zulaikha(tetangga) HP (0813) 9988 7766, +62-813.9988.77.66"
    visit = {"beneficiary_id": neighbour, "visited_on": "2026-11-02", "notes": notes}
    assert (await team.tksk.post("/v1/visits", json=visit)).status_code == 201
    named = application(
        neighbour, dependants=[someone["id"]], addressed_to=f"Wali  {NAME.replace(' ', '  ')}", purpose="health"
    )
    drafted = await team.clerk.post(SKTM, json=named)
    assert drafted.status_code == 201, drafted.text
    ok(await team.tksk.act(f"{SKTM}/{drafted.json()['id']}/cancel", {"note": f"Batal untuk {NAME.lower()}"}))
    return relative


async def sizes(owner: Any) -> dict[str, int]:
    tables = ("beneficiaries", "visits", "sktm_applications", "sktm_letters", "referrals", "activities")
    found = {name: await owner.fetchval(f"SELECT count(*) FROM {name}") for name in (*tables, "privacy_requests")}
    return {name: int(size) for name, size in found.items()}


async def test_an_answer_about_an_erased_person_is_not_given_again(as_, owner):
    team = await offices(as_)
    someone = await lived_with(as_, owner, team)
    await wound_up(team, someone)
    someone_else = person(full_name="Made Sukerti", birth_date="1975-08-17")  # else it is an answer about both
    unrelated = await team.clerk.post("/v1/beneficiaries", json=someone_else, headers={"Idempotency-Key": "lain"})
    row = await taken_in(team.clerk, someone["id"], "erasure")
    headers = {"If-Match": '"v1"', "Idempotency-Key": "hapus"}
    first = await team.dinsos.post(f"{URL}/{row['id']}/fulfil", json={}, headers=headers)
    again = await team.dinsos.post(f"{URL}/{row['id']}/fulfil", json={}, headers=headers)
    assert ok(first)["reason"] == "(dihapus)"
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    left = [row["key"] for row in await owner.fetch("SELECT key FROM idempotency_keys ORDER BY key")]
    assert left == ["hapus", "lain"]
    assert unrelated.status_code == 201


async def test_the_sealed_log_takes_no_name_that_an_erasure_could_not_take_out_again(as_):
    team = await offices(as_)
    url = f"/v1/beneficiaries/{(await add_person(team.clerk, full_name=NAME))['id']}"
    reveal = {"fields": ["nik"], "purpose": "identity_check", "reason": "Surat untuk zulaikha  MAHARANI"}
    move = {"village_code": SRENGSEM, "reason": f"{NAME} ikut suami"}
    for answer in (await team.clerk.post(f"{url}/reveal", json=reveal), await team.clerk.act(f"{url}/move", move)):
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "name_in_text")


async def test_what_is_running_or_held_forbids_an_erasure(as_, owner):
    team = await offices(as_)
    someone = await lived_with(as_, owner, team)
    row = await taken_in(team.clerk, someone["id"], "erasure")
    url = f"{URL}/{row['id']}/fulfil"

    async def refused() -> bool:
        answer = await team.dinsos.act(url, {})
        assert (answer.status_code, code_of(answer)) == (409, "still_in_use"), answer.text
        return True

    assert await refused()  # a valid letter and a referral
    await owner.execute("UPDATE sktm_letters SET valid_until = current_date - 2")
    assert await refused()  # the referral
    await team.tksk.act(f"/v1/referrals/{someone['referral']}/cancel", {"note": "Selesai"})
    other = await add_person(team.clerk)
    draft = await team.clerk.post(SKTM, json=application(other["id"], dependants=[someone["id"]]))
    assert await refused()  # named as a dependant
    await team.tksk.act(f"{SKTM}/{draft.json()['id']}/cancel", {"note": "Selesai"})
    await owner.execute("UPDATE beneficiaries SET legal_hold = 'Perkara 12/Pdt' WHERE id = $1", UUID(someone["id"]))
    assert await refused()
    await owner.execute("UPDATE beneficiaries SET legal_hold = NULL")
    assert (await team.clerk.get(f"/v1/beneficiaries/{someone['id']}")).json()["full_name"] == NAME
    assert ok(await team.dinsos.act(url, {}))["status"] == "fulfilled"


async def test_a_visit_written_during_an_erasure_does_not_slip_through(as_, owner, owner_url):
    """The erasure holds the person's row; a visit begun before waits for it and is refused."""
    team = await offices(as_)
    someone = await add_person(team.clerk)
    eraser = await asyncpg.connect(owner_url)
    try:
        transaction = eraser.transaction()
        await transaction.start()
        await eraser.execute("SELECT app.enter_system('erase', NULL)")
        await eraser.execute("SELECT app.erase_subject($1, NULL, now())", UUID(someone["id"]))
        body = {"beneficiary_id": someone["id"], "visited_on": "2026-11-02", "notes": "Catatan pribadi"}
        visit = asyncio.create_task(team.tksk.post("/v1/visits", json=body))
        await asyncio.sleep(0.3)
        assert not visit.done()
        await transaction.commit()
        answer = await visit
    finally:
        await eraser.close()
    assert (answer.status_code, code_of(answer)) == (409, "conflict")
    assert await owner.fetchval("SELECT count(*) FROM visits") == 0


async def test_nobody_erases_or_reads_beyond_their_area_through_the_functions(as_, owner, settings):
    """The functions run as the owner; each asks app.regions itself."""
    team = await offices(as_)
    someone = UUID((await add_person(team.clerk))["id"])
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        for regions, sees in (("52.71", False), ("", False), ("18.71.04", True)):
            async with connection.transaction():
                await connection.execute("SELECT set_config('app.regions', $1, true)", regions)
                assert (await connection.fetchval("SELECT app.statement($1)", someone) is not None) is sees
                assert await connection.fetchval("SELECT app.erase_subject($1, NULL, NULL)", someone) is sees
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM subject_keys")
    finally:
        await connection.close()


# ---- statement -------------------------------------------------------------------------------------------------------


async def test_a_statement_holds_everything_and_says_who_processed_it(as_, owner):
    team = await offices(as_)
    someone = await lived_with(as_, owner, team)
    reveal = {"fields": ["nik"], "purpose": "identity_check", "reason": "Pemeriksaan di loket"}
    await team.clerk.post(f"/v1/beneficiaries/{someone['id']}/reveal", json=reveal)
    for _ in range(3):
        await team.dinsos.get(f"/v1/beneficiaries/{someone['id']}")
    # Records of another district too: the person moved here, and this office answers for all of it.
    await owner.execute("UPDATE visits SET region_code = '52.71.01.1004'")

    answer = await team.tksk.get(f"/v1/beneficiaries/{someone['id']}/statement")
    made = ok(answer)
    assert answer.headers["cache-control"] == "no-store"
    assert (made["identity"]["nik"], made["identity"]["family_card_number"]) == (someone["nik"], "1871049988776655")
    assert made["identity"]["place"].startswith("Kelurahan Srengsem, Kecamatan Panjang, Kota Bandar Lampung")
    assert {visit["region_code"] for visit in made["visits"]} == {"52.71.01.1004"}
    assert [a["letter"]["number"] for a in made["applications"]] == [someone["letter"]["number"]]
    assert [r["reason"] for r in made["referrals"]] == [f"{NAME} tidak mampu"]
    assert someone["activity"] in [a["id"] for a in made["activities"]]
    assert len(made["activities"]) == 3  # and what the visit and the letter suggested to the officer
    assert [(a["id"], a["name"]) for a in made["attachments"]] == [(someone["photo"], f"{NAME}.jpg")]
    assert [r["reason_code"] for r in made["requests"]] == ["data_already_correct"]
    change = next(c for c in made["corrections"] if c["field"] == "full_name" and c["record"] == "beneficiaries")
    assert (change["before"], change["after"], change["role"]) == (FORMER, NAME, "village_clerk")

    lines = made["processing"]
    assert {line["operation"] for line in lines} >= {"create_beneficiary", "create_visit", "sign_sktm_application"}
    revealed = next(line for line in lines if line["operation"] == "reveal_beneficiary")
    assert (revealed["fields"], revealed["purpose"]) == (["nik"], "identity_check")
    assert revealed["office"] == "Kelurahan Srengsem, Kecamatan Panjang"
    assert revealed["activity"] == "Membuka nomor identitas lengkap"
    reads = [line for line in lines if line["operation"] == "get_beneficiary" and line["role"] == "regency_office"]
    assert [line["times"] for line in reads] == [3]
    own = lines[-1]
    assert (own["operation"], own["purpose"]) == ("get_beneficiary_statement", "data_subject_request")
    assert own["fields"] == ["family_card_number", "nik"]
    for name in ("Rina Wulandari", "Agus Pratama", "Hendra Saputra"):
        assert name not in answer.text


async def test_a_clients_own_request_id_does_not_draw_reveals_together(as_, owner):
    team = await offices(as_)
    someone = await add_person(team.clerk)
    letter = await issued(owner, team, someone)
    url, same = f"/v1/beneficiaries/{someone['id']}", {"X-Request-ID": str(uuid4())}
    reveal = {"fields": ["nik"], "purpose": "identity_check", "reason": "Pemeriksaan di loket"}
    for _ in range(5):
        await team.clerk.post(f"{url}/reveal", json=reveal, headers=same)
    for _ in range(3):
        await team.clerk.get(f"{SKTM}/{letter['id']}/letter", headers=same)
    for _ in range(2):
        made = ok(await team.tksk.get(f"{url}/statement", headers=same))
    times: dict[str, list[int]] = {}
    for line in made["processing"]:
        if line["fields"]:
            times.setdefault(line["operation"], []).append(line["times"])
    assert times == {
        "sign_sktm_application": [1],
        "reveal_beneficiary": [1] * 5,
        "get_sktm_letter": [1] * 3,
        "get_beneficiary_statement": [1] * 2,
    }


async def test_a_dependant_learns_of_a_letter_but_not_of_the_applicant(as_, owner):
    team = await offices(as_)
    child = await add_person(team.clerk, birth_date="2010-01-05", nik=nik(born="050110"), relationship="child")
    await issued(owner, team, dependants=[child["id"]], purpose_detail="Biaya sekolah anak Siti Rahmawati")
    made = ok(await team.tksk.get(f"/v1/beneficiaries/{child['id']}/statement"))
    (named,) = made["applications"]
    assert named["is_applicant"] is False
    assert named["letter"]["number"]
    assert (named["purpose_detail"], named["recommendation"], named["documents"]) == (None, None, [])


async def test_the_printed_statement_is_a_readable_document(as_, owner):
    team = await offices(as_)
    someone = await lived_with(as_, owner, team)
    # A long trail: one line a day for months, on several pages.
    await owner.execute(
        "INSERT INTO access_log (at, user_id, role, actor_region, operation, subject_ids) "
        "SELECT now() - i * interval '1 day', $2, 'tksk', '18.71.04', 'get_beneficiary', ARRAY[$1::uuid] "
        "FROM generate_series(1, 150) i",
        UUID(someone["id"]),
        team.tksk.user_id,
    )
    answer = await team.tksk.get(f"/v1/beneficiaries/{someone['id']}/statement", params={"format": "pdf"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    assert someone["nik"] not in answer.headers["content-disposition"]
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(answer.content)).pages]
    assert len(pages) > 3
    text = " ".join(" ".join(pages).split())
    for expected in (
        NAME,
        someone["nik"],
        someone["letter"]["number"],
        "Jejak pemrosesan",
        "Membaca data diri",
        f"{NAME}.jpg",
    ):
        assert expected in text
    for number, page in enumerate(pages, start=1):
        assert f"Halaman {number} dari {len(pages)}" in page
    assert "Waktu" in pages[-2]  # the heading of the table is repeated


async def test_a_statement_needs_a_fresh_proof_and_one_of_ones_own_area(as_, owner):
    team = await offices(as_)
    someone = await add_person(team.clerk)
    url = f"/v1/beneficiaries/{someone['id']}/statement"
    stranger = await as_("tksk", AMPENAN)
    assert (await stranger.get(url)).status_code == 404
    assert (await team.clerk.get(url)).status_code == 403
    await owner.execute("UPDATE user_sessions SET strong_at = now() - interval '1 hour'")
    stale = await team.tksk.get(url)
    assert (stale.status_code, code_of(stale)) == (401, "step_up_required")


async def test_every_operation_about_people_has_words_for_the_statement(app):
    about_people = {
        "beneficiaries",
        "document-names",
        "ppks-assessments",
        "visits",
        "sktm-applications",
        "referrals",
        "activities",
        "access-grants",
        "attachments",
        "families",
        "decile_snapshots",
        "privacy-requests",
    }
    named = {operation.name for operation in operations(app) if operation.collection in about_people}
    # Of reports those that tell of work, which may name somebody.
    named |= {operation.name for operation in of_people(app) if operation.collection == "reports"}
    assert named - codes("processing_activities") == set()


async def test_a_client_may_repeat_its_request(as_):
    team = await offices(as_)
    someone = await add_person(team.clerk)
    body = wish(someone["id"], "access", id=str(uuid4()), received_on="2026-11-01")
    assert [(await team.clerk.post(URL, json=body)).status_code for _ in range(2)] == [201, 200]
