"""Reports over HTTP: compiled, checked, submitted, returned, accepted, corrected, and summed up."""

import asyncio
import hashlib
import json
import re
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, SRENGSEM, Caller, add_person, add_user, code_of, machine
from sktm_flow import Offices, issued, offices, ok
from tksk_api.database.session import enter_system
from tksk_api.domain.jobs.worker import take_step
from tksk_api.domain.regions.service import local_today
from tksk_api.domain.reports.content import ReportContent
from tksk_api.domain.reports.rules import first_day
from tksk_api.services import SERVICES

URL = "/v1/reports"
TODAY = local_today("Asia/Jakarta")
THIS_MONTH = first_day("month", TODAY)
LAST_MONTH = first_day("month", THIS_MONTH - timedelta(days=1))


def work(day: date = LAST_MONTH + timedelta(days=10), **over: Any) -> dict[str, Any]:
    """A valid body for POST /v1/activities."""
    return {
        "occurred_on": day.isoformat(),
        "pillar": "social_security",
        "function": "facilitation",
        "kind": "sktm_verification",
        "title": "Verifikasi lapangan",
        "region_code": SRENGSEM,
        "result": "Selesai",
        "headcount": {"male": 2, "female": 3, "children": 1, "disabled": 0},
        **over,
    }


async def log(caller: Caller, *, submit: bool = True, **over: Any) -> dict[str, Any]:
    answer = await caller.post("/v1/activities", json=work(**over))
    assert answer.status_code == 201, answer.text
    return ok(await caller.act(f"/v1/activities/{answer.json()['id']}/submit")) if submit else answer.json()


def wanted(region: str | None = PANJANG, start: date = LAST_MONTH, kind: str = "month") -> dict[str, Any]:
    return {"region_code": region, "period_type": kind, "period_start": start.isoformat()}


async def compiled(caller: Caller, **over: Any) -> dict[str, Any]:
    answer = await caller.post(URL, json=wanted(**over))
    assert answer.status_code in (200, 201), answer.text
    result: dict[str, Any] = answer.json()
    return result


async def written(caller: Caller, report: dict[str, Any]) -> dict[str, Any]:
    version = {"If-Match": f'"v{report["version"]}"'}
    body = {"summary": "Bulan ini enam keluarga didampingi.", "plan": "Melanjutkan pendampingan."}
    return ok(await caller.patch(f"{URL}/{report['id']}", json=body, headers=version))


async def submitted(caller: Caller, **over: Any) -> dict[str, Any]:
    report = await written(caller, await compiled(caller, **over))
    return ok(await caller.act(f"{URL}/{report['id']}/submit"))


async def accepted(caller: Caller, office: Caller, **over: Any) -> dict[str, Any]:
    report = await submitted(caller, **over)
    return ok(await office.act(f"{URL}/{report['id']}/accept"))


async def hold(owner: Any, user: UUID, kind: str = "holder", region: str = PANJANG, **over: Any) -> None:
    await owner.execute(
        "INSERT INTO assignments (id, version, user_id, region_code, kind, decree_number, decree_date, decree_issuer, "
        "starts_on, ends_on) VALUES (gen_random_uuid(), 1, $1, $2, $3, $4, $5, 'kemensos', $6, $7)",
        user,
        region,
        kind,
        over.get("decree", "460/12/SK/2024"),
        date(2024, 1, 2),
        over.get("starts_on", date(2024, 1, 2)),
        over.get("ends_on"),
    )


def numbers(content: Any) -> list[dict[str, Any]]:
    """Every number with a list behind it, wherever it stands in the content."""
    if isinstance(content, list):
        return [number for item in content for number in numbers(item)]
    if not isinstance(content, dict):
        return []
    if content.keys() == {"count", "filter"}:
        return [content] if content["filter"] else []
    return [number for item in content.values() for number in numbers(item)]


async def rows_of(caller: Caller, listed: str) -> int:
    """How many rows a number's list shows, over all its pages."""
    count, cursor = 0, ""
    while True:
        answer = await caller.get(f"{listed}&limit=200{cursor}")
        assert answer.status_code == 200, (listed, answer.text)
        count += len(answer.json()["items"])
        if answer.json()["next_cursor"] is None:
            return count
        cursor = f"&cursor={answer.json()['next_cursor']}"


async def assert_every_number_counts_its_rows(caller: Caller, content: Any) -> int:
    found = numbers(content)
    for number in found:
        assert await rows_of(caller, number["filter"]) == number["count"], number
    return len(found)


@pytest.fixture
async def team(as_: Any) -> Offices:
    return await offices(as_)


async def full_month(owner: Any, team: Offices) -> dict[str, Any]:
    """A month in which something of everything happened, this one, and the draft compiled of it."""
    start = THIS_MONTH
    letter = await issued(owner, team)
    person = letter["beneficiary_id"]
    partner = await team.tksk.post(
        "/v1/partners", json={"type": "lks", "unit": "institution", "name": "LKS Kasih Ibu", "region_code": PANJANG}
    )
    today = TODAY
    partners = [partner.json()["id"]] if partner.status_code == 201 else []
    assert partners, partner.text
    follow_up = {"note": "Kunjungan ulang", "due_on": (today + timedelta(days=9)).isoformat()}
    first = await log(team.tksk, day=today, beneficiary_ids=[person], partner_ids=partners, follow_up=follow_up)
    await log(team.tksk, day=today, obstacle="Jalan terputus banjir", kind="home_visit", follow_up=follow_up)
    await log(team.tksk, day=today, follows_up_id=first["id"], pillar="protection", kind="coordination_meeting")
    await log(team.tksk, day=today, submit=False)
    await add_person(team.clerk, sex="male", ppks_categories=["lansia_terlantar"], birth_date="1950-01-01")
    return await compiled(team.tksk, start=start)


# ---- compiling -------------------------------------------------------------------------------------------------------


async def test_every_number_of_a_draft_counts_its_rows(owner, team):
    report = await full_month(owner, team)
    content = report["content"]
    ReportContent.from_json(content)
    assert content["work"]["activities"]["count"] == 3
    assert content["work"]["headcount"] == {"male": 6, "female": 9, "children": 3, "disabled": 0}
    assert content["follow_ups"]["done"]["count"] == 1
    assert content["follow_ups"]["open"]["count"] == 1
    assert [row["state"] for row in content["sktm"]].count("issued") == 1
    assert content["ppks"], content
    assert len(content["obstacles"]) == 1
    assert content["partners"][0]["partners"]["count"] == 1
    assert await assert_every_number_counts_its_rows(team.tksk, content) > 25


async def test_two_who_compile_at_once_get_the_same_report(owner, team, as_):
    second = await as_("tksk", PANJANG)
    answers = await asyncio.gather(*(caller.post(URL, json=wanted()) for caller in (team.tksk, second, team.dinsos)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await owner.fetchval("SELECT count(*) FROM reports") == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (wanted(start=LAST_MONTH + timedelta(days=1)), "not_period_start"),
        (wanted(start=first_day("month", THIS_MONTH + timedelta(days=40))), "in_future"),
        (wanted(region=SRENGSEM), "report_level"),
        (wanted(region=AMPENAN), "outside_scope"),
        (wanted(kind="quarter", start=date(2024, 2, 1)), "not_period_start"),
    ],
    ids=["not the first day", "future", "village", "elsewhere", "no quarter"],
)
async def test_what_is_no_report(team, body, code):
    answer = await team.tksk.post(URL, json=body)
    assert answer.status_code == 422, answer.text
    error = answer.json()["errors"][0]
    assert error["code"] == code
    if body["period_type"] == "quarter":
        assert "2024-01-01" in error["detail"]


async def test_a_level_is_written_by_its_own_office(team):
    assert code_of(await team.tksk.post(URL, json=wanted(region=None))) == "invalid_request"
    assert code_of(await team.camat.post(URL, json=wanted())) == "permission_denied"
    assert (await team.dinsos.post(URL, json=wanted(region=BANDAR_LAMPUNG))).status_code == 201


async def test_a_leap_february_has_its_last_day(owner, team):
    report = await compiled(team.tksk, start=date(2024, 2, 1))
    assert (report["period_end"], report["due_on"]) == ("2024-02-29", "2024-03-05")
    year = await compiled(team.tksk, start=date(2024, 1, 1), kind="year")
    assert (year["period_end"], year["due_on"]) == ("2024-12-31", "2025-01-15")
    assert year["content"]["identity"]["days_vacant"] == 366


async def test_the_day_of_a_step_is_that_of_the_region(owner, as_):
    """The last hour of a month in UTC is the next month in Jayapura already, and in Jakarta still the old one."""
    tksk = await as_("tksk", "91.71.01")
    person = (await owner.fetchrow("SELECT code FROM regions WHERE code LIKE '91.71.01.%' LIMIT 1"))["code"]
    body = await add_person(await as_("village_clerk", person), village_code=person, nik=None)
    midnight = f"{THIS_MONTH}T00:00:00+09:00"
    key = await owner.fetchval(
        "INSERT INTO sktm_applications (id, version, region_code, beneficiary_id, purpose, purpose_detail, "
        "addressed_to, status) VALUES (gen_random_uuid(), 1, $1, $2, 'health', 'x', 'y', 'submitted') RETURNING id",
        person,
        UUID(body["id"]),
    )
    await owner.execute(
        "INSERT INTO transitions (id, entity, entity_id, action, from_state, to_state, at) VALUES "
        "(gen_random_uuid(), 'sktm_applications', $1, 'submit', 'draft', 'submitted', $2::text::timestamptz), "
        "(gen_random_uuid(), 'sktm_applications', $1, 'check', 'submitted', 'checked', "
        "$2::text::timestamptz - interval '1 second')",
        key,
        midnight,
    )
    found = {}
    for start in (LAST_MONTH, THIS_MONTH):
        content = (await compiled(tksk, region="91.71.01", start=start))["content"]
        found[start] = [row["state"] for row in content["sktm"]]
        await assert_every_number_counts_its_rows(tksk, content["sktm"])
    assert found == {LAST_MONTH: ["checked"], THIS_MONTH: ["submitted"]}


# ---- who worked here -------------------------------------------------------------------------------------------------


async def test_a_district_that_changed_hands_names_everybody_with_their_days(owner, team, as_):
    until, after = LAST_MONTH + timedelta(days=9), LAST_MONTH + timedelta(days=12)
    other = await as_("tksk", PANJANG, full_name="Budi Santoso")
    await hold(owner, team.tksk.user_id, ends_on=until)
    await hold(owner, other.user_id, "acting", starts_on=after, ends_on=after + timedelta(days=60), decree=None)
    content = (await compiled(team.dinsos))["content"]
    identity = content["identity"]
    days = (THIS_MONTH - LAST_MONTH).days
    assert (identity["days_held"], identity["days_vacant"], identity["days_acting"]) == (10, 2, days - 12)
    assert identity["is_shared"]
    assert not identity["is_vacant"]
    assert [officer["kind"] for officer in identity["officers"]] == ["holder", "acting"]
    assert identity["officers"][0]["last"] == until.isoformat()
    assert identity["officers"][0]["decree_number"] == "460/12/SK/2024"


async def test_a_vacant_district_has_a_report_that_says_so(owner, as_):
    office = await as_("regency_office", BANDAR_LAMPUNG)
    colleague = await as_("regency_office", BANDAR_LAMPUNG)
    report = await submitted(office)
    assert report["content"]["identity"]["is_vacant"]
    assert report["content"]["identity"]["officers"] == []
    assert code_of(await office.act(f"{URL}/{report['id']}/accept")) == "permission_denied"
    ok(await colleague.act(f"{URL}/{report['id']}/accept"))


# ---- the way ---------------------------------------------------------------------------------------------------------


async def test_the_check_says_what_is_missing(owner, team):
    await log(team.tksk, submit=False)
    await log(team.tksk, result=None)
    report = await compiled(team.tksk)
    found = ok(await team.tksk.get(f"{URL}/{report['id']}/check"))
    items = {item["code"]: item for item in found["items"]}
    assert not found["ready"]
    assert [code for code, item in items.items() if item["severity"] == "blocking"] == ["summary_missing"]
    assert items.keys() >= {"drafts_unconfirmed", "results_missing", "idle_days", "decree_missing", "plan_missing"}
    for item in found["items"]:
        if item["filter"]:
            assert await rows_of(team.tksk, item["filter"]) == item["count"], item
    refused = await team.tksk.act(f"{URL}/{report['id']}/submit")
    assert (code_of(refused), refused.json()["missing"]) == ("report_incomplete", ["summary_missing"])
    running = await compiled(team.tksk, start=THIS_MONTH, kind="month")
    codes = [item["code"] for item in ok(await team.tksk.get(f"{URL}/{running['id']}/check"))["items"]]
    last = first_day("month", THIS_MONTH + timedelta(days=40)) - timedelta(days=1)
    assert ("period_running" in codes) == (last >= TODAY)


async def test_from_the_draft_to_the_acceptance_and_a_correction(owner, team):
    entry = await log(team.tksk)
    late_one = await log(team.tksk, submit=False)
    report = await submitted(team.tksk)
    address = f"{URL}/{report['id']}"
    assert (report["status"], report["revision"]) == ("submitted", 1)
    held = ok(await team.tksk.get(f"/v1/activities/{entry['id']}"))
    assert held["frozen_by"] == report["id"]
    assert code_of(await team.dinsos.act(f"/v1/activities/{entry['id']}/return", {"note": "Lengkapi"})) == "frozen"
    assert code_of(await team.tksk.act(f"{address}/submit")) == "transition_refused"
    assert code_of(await team.tksk.act(f"{address}/compile")) == "transition_refused"
    assert code_of(await team.tksk.act(f"{address}/accept")) == "permission_denied"

    # Work that comes in later is not in it, and its numbers keep to what was counted.
    ok(await team.tksk.act(f"/v1/activities/{late_one['id']}/submit"))
    await assert_every_number_counts_its_rows(team.tksk, report["content"]["work"])

    remarks = {"remarks": [{"section": "work", "note": "Satu kegiatan belum masuk"}]}
    wrong = {"remarks": [{"section": "weather", "note": "Hujan"}]}
    assert code_of(await team.dinsos.act(f"{address}/return", wrong)) == "invalid_request"
    returned = ok(await team.dinsos.act(f"{address}/return", remarks))
    assert (returned["status"], returned["revision"], returned["remarks"]) == ("returned", 2, remarks["remarks"])
    assert ok(await team.tksk.get(f"/v1/activities/{entry['id']}"))["frozen_by"] is None
    again = ok(await team.tksk.act(f"{address}/submit"))
    assert again["content"]["work"]["activities"]["count"] == 2
    ok(await team.camat.act(f"{address}/acknowledge"))
    assert code_of(await team.camat.act(f"{address}/acknowledge")) == "transition_refused"
    done = ok(await team.dinsos.act(f"{address}/accept"))
    assert (done["status"], done["accepted_revision"]) == ("accepted", 2)
    assert code_of(await team.dinsos.act(f"{address}/accept")) == "transition_refused"

    revisions = ok(await team.camat.get(f"{address}/revisions"))["items"]
    assert [(row["number"], row["status"]) for row in revisions] == [(1, "returned"), (2, "accepted")]
    assert revisions[1]["acknowledged"]["full_name"] == "Yuni Astuti, M.Si."
    first = ok(await team.camat.get(f"{address}/revisions/1"))
    assert first["content"]["work"]["activities"]["count"] == 1
    await assert_every_number_counts_its_rows(team.tksk, first["content"])
    assert (await team.camat.get(f"{address}/revisions/9")).status_code == 404

    document = await team.camat.get(f"{address}/document?format=json")
    assert hashlib.sha256(document.content).hexdigest() == revisions[1]["sha256"]
    assert document.headers["x-content-sha256"] == revisions[1]["sha256"]
    assert ReportContent.from_json(document.text).to_json() == document.text

    fixed = (await team.tksk.act(f"/v1/activities/{entry['id']}/revise", {"reason": "Salah hitung"})).json()
    corrected = ok(await team.tksk.act(f"{address}/revise", {"reason": "Salah hitung satu kegiatan"}))
    assert (corrected["status"], corrected["revision"], corrected["accepted_revision"]) == ("draft", 3, 2)
    ok(await team.tksk.act(f"/v1/activities/{fixed['id']}/submit"))
    third = ok(await team.tksk.act(f"{address}/submit"))
    assert third["content"]["work"]["activities"]["count"] == 2
    assert ok(await team.camat.get(f"{address}/revisions/2"))["content"]["work"]["activities"]["count"] == 2
    # A returned correction lets go of what it added, not of what was accepted.
    ok(await team.dinsos.act(f"{address}/return", remarks))
    assert ok(await team.tksk.get(f"/v1/activities/{late_one['id']}"))["frozen_by"] == report["id"]
    assert ok(await team.tksk.get(f"/v1/activities/{fixed['id']}"))["frozen_by"] is None
    ok(await team.tksk.act(f"{address}/submit"))
    newest = ok(await team.dinsos.act(f"{address}/accept"))
    assert newest["accepted_revision"] == 4
    steps = [row["action"] for row in ok(await team.tksk.get(f"{address}/history"))["items"]]
    assert steps[:4] == ["submit", "return", "submit", "acknowledge"]


async def test_a_submitted_report_cannot_be_changed_by_anybody(owner, team, app):
    await submitted(team.tksk)
    house = app.state.house
    for statement in (
        "UPDATE report_revisions SET content = '{}', sha256 = sha256('{}')",
        "UPDATE report_revisions SET is_late = NOT is_late",
    ):
        with pytest.raises(DBAPIError, match="does not change"):
            async with enter_system(house.sessions, "test") as session:
                await session.execute(text(statement))
    assert await owner.fetchval("SELECT count(*) FROM report_revisions WHERE redacted_at IS NULL") == 1


async def test_editing_while_it_is_submitted_loses_nothing(owner, team):
    """Whatever comes first, what the snapshot counts is frozen, and what it does not count is not."""
    entries = [await log(team.tksk) for _ in range(3)]
    report = await written(team.tksk, await compiled(team.tksk))
    headers = {"If-Match": f'"v{report["version"]}"'}
    answers = await asyncio.gather(
        team.tksk.post(f"{URL}/{report['id']}/submit", headers=headers),
        *(team.dinsos.act(f"/v1/activities/{entry['id']}/return", {"note": "Lengkapi hasilnya"}) for entry in entries),
        team.tksk.post(f"{URL}/{report['id']}/submit", headers=headers),
    )
    assert sorted(answer.status_code for answer in (answers[0], answers[-1])) in ([200, 409], [200, 412])
    row = await owner.fetchrow("SELECT content, activity_ids FROM report_revisions")
    frozen = await owner.fetch("SELECT id, status FROM activities WHERE frozen_by IS NOT NULL")
    assert {entry["id"] for entry in frozen} == set(row["activity_ids"])
    assert json.loads(row["content"])["work"]["activities"]["count"] == len(frozen)
    assert {entry["status"] for entry in frozen} <= {"submitted"}


async def test_lateness_is_decided_once_by_the_calendar_of_the_region(owner, team):
    calendar = "/v1/report-calendars"
    assert ok(await team.tksk.get(f"{calendar}/{PANJANG}"))["values"]["month_due_day"] == 5
    body = {"month_due_day": 20, "acknowledgement": "before_acceptance"}
    made = await team.dinsos.put(f"{calendar}/{BANDAR_LAMPUNG}", json=body)
    assert made.status_code == 200, made.text
    again = await team.dinsos.put(f"{calendar}/{BANDAR_LAMPUNG}", json=body)
    assert code_of(again) == "precondition_required"
    found = ok(await team.tksk.get(f"{calendar}/{PANJANG}"))
    assert (found["values"]["month_due_day"], found["origins"]["month_due_day"]) == (20, BANDAR_LAMPUNG)
    assert (await team.tksk.put(f"{calendar}/{PANJANG}", json=body)).status_code == 403

    long_ago = first_day("month", LAST_MONTH - timedelta(days=100))
    report = await submitted(team.tksk, start=long_ago)
    assert (report["is_late"], report["due_on"][-2:]) == (True, "05")  # the calendar of that time had no such day
    assert code_of(await team.dinsos.act(f"{URL}/{report['id']}/accept")) == "acknowledgement_order"
    ok(await team.camat.act(f"{URL}/{report['id']}/acknowledge"))
    ok(await team.dinsos.act(f"{URL}/{report['id']}/accept"))

    # The order is that of today, so that nothing waits for good for a rule that no longer holds.
    waiting = await submitted(team.tksk)
    eased = body | {"acknowledgement": "optional"}
    known = {"If-Match": made.headers["etag"]}
    assert (await team.dinsos.put(f"{calendar}/{BANDAR_LAMPUNG}", json=eased, headers=known)).status_code == 200
    ok(await team.dinsos.act(f"{URL}/{waiting['id']}/accept"))
    kept = await owner.fetch("SELECT fields FROM changes WHERE entity = 'report_calendars' ORDER BY id")
    assert len(kept) == 2
    assert "acknowledgement" in json.loads(kept[1]["fields"])


# ---- recaps ----------------------------------------------------------------------------------------------------------


async def test_recaps_sum_up_what_was_accepted_and_name_the_rest(owner, team, as_):
    await add_user(owner, "tksk", "18.71.05")
    await log(team.tksk, headcount=None)
    await log(team.tksk, obstacle="Banjir")
    mine = await accepted(team.tksk, team.dinsos)
    recap = await compiled(team.dinsos, region=BANDAR_LAMPUNG)
    children = recap["content"]["children"]
    states = {row["region_code"]: row["state"] for row in children["rows"]}
    assert (states[PANJANG], states["18.71.05"]) == ("accepted", "missing")
    assert set(states.values()) == {"accepted", "missing", "vacant"}
    assert children["districts"] == len(states)
    assert (children["reported"], children["vacant"]) == (1, len(states) - 2)
    assert recap["content"]["work"]["activities"]["count"] == 2
    assert recap["content"]["work"]["headcount"] == mine["content"]["work"]["headcount"]
    await assert_every_number_counts_its_rows(team.dinsos, recap["content"])

    missing = ok(await team.dinsos.get(f"{URL}/missing?region={BANDAR_LAMPUNG}"))
    listed = {row["region_code"]: row["state"] for row in missing["items"]}
    assert listed == {code: state for code, state in states.items() if state != "accepted"}

    province = await as_("province_office", "18")
    await accepted(team.dinsos, province, region=BANDAR_LAMPUNG)
    above = await compiled(province, region="18")
    assert above["content"]["work"]["activities"]["count"] == 2
    assert above["content"]["children"]["reported"] == 1
    await assert_every_number_counts_its_rows(province, above["content"])
    ministry = await as_("ministry", None)
    ok(await ministry.act(f"{URL}/{(await submitted(province, region='18'))['id']}/accept"))
    nation = await compiled(ministry, region=None)
    assert nation["content"]["work"]["activities"]["count"] == 2
    assert nation["content"]["region"]["code"] is None
    await assert_every_number_counts_its_rows(ministry, nation["content"])
    # The nation's report is nobody's below it.
    assert (await province.get(f"{URL}/{nation['id']}")).status_code == 404


async def test_drafts_of_a_whole_regency_are_made_by_a_job(owner, team, app):
    await compiled(team.tksk)
    await add_user(owner, "tksk", "18.71.05")
    body = {"region_code": BANDAR_LAMPUNG, "period_type": "month", "period_start": LAST_MONTH.isoformat()}
    answer = await team.dinsos.post(f"{URL}/compile-many", json=body)
    assert answer.status_code == 202, answer.text
    while await take_step(app.state.house.sessions, SERVICES["reports"].jobs):
        pass
    job = ok(await team.dinsos.get(answer.headers["location"]))
    assert job["state"] == "done", job
    assert job["progress"]["done"] == job["progress"]["total"] == len(job["result"]["vacant"]) + 2
    assert (job["result"]["compiled"], job["result"]["existing"]) == (["18.71.05"], [PANJANG])
    assert len(ok(await team.dinsos.get(URL))["items"]) == 2


# ---- whoever holds the paper -----------------------------------------------------------------------------------------


async def test_an_accepted_report_is_verified_by_its_code_alone(team, client):
    report = await accepted(team.tksk, team.dinsos)
    address = f"{URL}/{report['id']}"
    url = ok(await team.tksk.get(f"{address}/revisions/1"))["verification_url"]
    found = ok(await client.get(url, headers={"Accept": "application/json"}))
    assert (found["status"], found["region"], found["revision"]) == ("accepted", "Kecamatan Panjang", 1)
    assert found["sha256"] == ok(await team.tksk.get(f"{address}/revisions/1"))["sha256"]
    page = (await client.get(url, headers={"Accept": "text/html", "Accept-Language": "id"})).text
    assert "DITERIMA" in page
    assert "Rina" not in page
    ok(await team.tksk.act(f"{address}/revise", {"reason": "Salah ketik"}))
    ok(await team.tksk.act(f"{address}/submit"))
    assert ok(await client.get(url, headers={"Accept": "application/json"}))["status"] == "accepted"
    ok(await team.dinsos.act(f"{address}/accept"))
    assert ok(await client.get(url, headers={"Accept": "application/json"}))["status"] == "superseded"
    unknown = ok(await client.get("/verify-report/none", headers={"Accept": "application/json"}))
    assert unknown["status"] == "unknown"
    assert set(unknown.values()) == {"unknown", None}


async def test_an_erased_person_is_taken_out_of_what_was_submitted(owner, team):
    person = await add_person(team.clerk, full_name="Kartini Wahyuningsih")
    about = {"beneficiary_ids": [person["id"]], "headcount": None}
    await log(team.tksk, obstacle="Ibu Kartini Wahyuningsih tidak di rumah", **about)
    await log(team.tksk, obstacle="Jalan rusak")
    report = await submitted(team.tksk)
    async with owner.transaction():
        await owner.execute("SELECT set_config('app.regions', 'ID', true)")
        assert await owner.fetchval("SELECT app.erase_subject($1, NULL, now())", UUID(person["id"]))
    left = ok(await team.tksk.get(f"{URL}/{report['id']}/revisions/1"))
    assert left["redacted_at"] is not None
    assert "Wahyuningsih" not in json.dumps(left)
    assert "Wahyuningsih" not in (await team.tksk.get(f"{URL}/{report['id']}")).text
    assert {row["note"] for row in left["content"]["obstacles"]} >= {"Jalan rusak"}


async def test_the_reason_of_a_correction_forgets_an_erased_person_too(owner, team):
    person = await add_person(team.clerk, full_name="Kartini Wahyuningsih")
    await log(team.tksk, beneficiary_ids=[person["id"]], headcount=None)
    address = f"{URL}/{(await accepted(team.tksk, team.dinsos))['id']}"
    ok(await team.tksk.act(f"{address}/revise", {"reason": "Kartini Wahyuningsih salah catat"}))
    ok(await team.tksk.act(f"{address}/submit"))
    async with owner.transaction():
        await owner.execute("SELECT set_config('app.regions', 'ID', true)")
        assert await owner.fetchval("SELECT app.erase_subject($1, NULL, now())", UUID(person["id"]))
    for part in ("", "/revisions/2", "/history"):
        assert "Wahyuningsih" not in (await team.tksk.get(f"{address}{part}")).text


# ---- what is not in it, and who is told what -------------------------------------------------------------------------


async def test_work_that_comes_in_afterwards_is_said_and_taken_in_by_a_correction(team):
    await log(team.tksk)
    late = [await log(team.tksk, submit=False) for _ in range(2)]
    report = await accepted(team.tksk, team.dinsos)
    address = f"{URL}/{report['id']}"
    assert not report["outdated"]
    for entry in late:
        ok(await team.tksk.act(f"/v1/activities/{entry['id']}/submit"))
    found = ok(await team.dinsos.get(f"{address}/check"))["items"]
    (left_out,) = [item for item in found if item["code"] == "work_left_out"]
    assert left_out["count"] == await rows_of(team.dinsos, left_out["filter"]) == 2
    assert ok(await team.dinsos.get(address))["outdated"]
    ok(await team.tksk.act(f"{address}/revise", {"reason": "Dua kegiatan belum masuk"}))
    again = ok(await team.tksk.act(f"{address}/submit"))
    assert (again["content"]["work"]["activities"]["count"], again["outdated"]) == (3, False)
    assert "work_left_out" not in [item["code"] for item in ok(await team.tksk.get(f"{address}/check"))["items"]]


async def test_a_correction_can_be_given_up(team):
    entry = await log(team.tksk)
    report = await accepted(team.tksk, team.dinsos)
    address = f"{URL}/{report['id']}"
    draft = await compiled(team.tksk, start=THIS_MONTH)
    assert code_of(await team.tksk.act(f"{URL}/{draft['id']}/discard")) == "transition_refused"
    refused = await team.tksk.act(f"{URL}/{draft['id']}/revise", {"reason": "Salah jumlah"})
    assert code_of(refused) == "transition_refused"
    assert code_of(await team.tksk.act(f"{address}/discard")) == "transition_refused"
    revised = ok(await team.tksk.act(f"{address}/revise", {"reason": "Mungkin salah"}))
    await log(team.tksk)
    version = {"If-Match": f'"v{revised["version"]}"'}
    ok(await team.tksk.patch(address, json={"summary": "Lain"}, headers=version))
    back = ok(await team.tksk.act(f"{address}/discard"))
    changed = ("version", "updated_at", "outdated")
    assert {k: v for k, v in back.items() if k not in changed} == {k: v for k, v in report.items() if k not in changed}
    assert back["outdated"]  # the work that came in meanwhile
    assert ok(await team.tksk.get(f"/v1/activities/{entry['id']}"))["frozen_by"] == report["id"]
    # One that was returned is given up too, and the next one has a number of its own.
    ok(await team.tksk.act(f"{address}/revise", {"reason": "Satu kegiatan belum masuk"}))
    ok(await team.tksk.act(f"{address}/submit"))
    ok(await team.dinsos.act(f"{address}/return", {"remarks": [{"section": "work", "note": "Lengkapi"}]}))
    back = ok(await team.tksk.act(f"{address}/discard"))
    assert (back["status"], back["revision"], back["accepted_revision"]) == ("accepted", 1, 1)
    again = ok(await team.tksk.act(f"{address}/revise", {"reason": "Satu kegiatan belum masuk"}))
    assert again["revision"] == 3
    assert ok(await team.tksk.act(f"{address}/submit"))["content"]["work"]["activities"]["count"] == 2


async def test_numbers_keep_to_the_rows_they_counted(owner, team):
    """Whatever is done about them afterwards: a visit more, an assessment in error, another purpose or programme."""
    report = await full_month(owner, team)
    before = {number["filter"]: number["count"] for number in numbers(report["content"])}
    assert any("counted_as=" in listed for listed in before)
    await add_person(team.clerk, ppks_categories=["lansia_terlantar"], birth_date="1951-01-01", nik=None)
    for (key,) in await owner.fetch("SELECT id FROM ppks_assessments WHERE status = 'active'"):
        body = {"until": str(TODAY), "reason_code": "recorded_in_error"}
        ok(await team.tksk.act(f"/v1/ppks-assessments/{key}/close", body))
    await owner.execute("UPDATE sktm_applications SET purpose = 'other'")
    await owner.execute("UPDATE visits SET visited_on = visited_on - 60")
    for listed, count in before.items():
        if listed.startswith(("/v1/visits", "/v1/ppks", "/v1/sktm", "/v1/referrals")):
            assert await rows_of(team.tksk, listed) == count, listed
    odd = f"/v1/visits?report={report['id']}&counted_as="
    assert await rows_of(team.tksk, odd + "no%22such%5B") == 0
    assert code_of(await team.tksk.get("/v1/visits?counted_as=met")) == "invalid_request"


async def test_what_follows_or_a_partner_becomes_changes_no_number(owner, team, as_):
    """Neither of the report nor of the recaps above it, whose numbers are those of the reports below."""
    left = [{"note": "Kunjungan ulang", "due_on": (TODAY + timedelta(days=days)).isoformat()} for days in (9, 0)]
    body = {"type": "lks", "unit": "institution", "name": "LKS Kasih Ibu", "region_code": PANJANG}
    partner = (await team.tksk.post("/v1/partners", json=body)).json()
    first, _ = [await log(team.tksk, partner_ids=[partner["id"]], follow_up=follow_up) for follow_up in left]
    report = await accepted(team.tksk, team.dinsos)
    recap = await submitted(team.dinsos, region=BANDAR_LAMPUNG)
    province = await as_("province_office", "18")
    ok(await province.act(f"{URL}/{recap['id']}/accept"))
    above = await compiled(province, region="18")
    for said in (report, recap, above):
        assert {name: said["content"]["follow_ups"][name]["count"] for name in ("open", "done", "overdue")} == {
            "open": 2,
            "done": 0,
            "overdue": 0,
        }
        (row,) = said["content"]["partners"]
        assert (row["type"], row["partners"]["count"], row["activities"]["count"]) == ("lks", 1, 2)
    await log(team.tksk, day=TODAY, follows_up_id=first["id"])
    version = {"If-Match": f'"v{partner["version"]}"'}
    ok(await team.tksk.patch(f"/v1/partners/{partner['id']}", json={"type": "karang_taruna"}, headers=version))
    for caller, said in ((team.tksk, report), (team.dinsos, recap), (province, above)):
        await assert_every_number_counts_its_rows(caller, said["content"])
    # What is begun now says how it stands now.
    revised = ok(await team.tksk.act(f"{URL}/{report['id']}/revise", {"reason": "Tindak lanjut selesai"}))["content"]
    assert (revised["follow_ups"]["done"]["count"], revised["partners"][0]["type"]) == (1, "karang_taruna")
    await assert_every_number_counts_its_rows(team.tksk, revised)


async def test_a_report_tells_nobody_what_lists_and_figures_refuse_them(owner, app, team, as_):
    person = await add_person(team.clerk)
    await owner.execute("UPDATE ppks_assessments SET assessed_on = $1, since = $1", LAST_MONTH + timedelta(days=3))
    about = {"beneficiary_ids": [person["id"]], "headcount": None}
    follow_up = {"note": "Kunjungan ulang", "due_on": TODAY.isoformat()}
    await log(team.tksk, obstacle="Ibu Siti Rahmawati menolak ditemui", follow_up=follow_up, **about)
    report = await submitted(team.tksk)
    address = f"{URL}/{report['id']}"
    assert (report["withheld"], len(report["content"]["ppks"])) == ([], 1)
    rows = {"ppks", "sktm", "referrals", "visits"}
    words = {"work", "partners", "obstacles", "follow_ups", "narrative", "attachments"}
    coordinator = await as_("coordinator", BANDAR_LAMPUNG)
    narrow = await machine(app, owner, ["report:read"], ["18.71"])
    for caller, hidden in ((coordinator, rows), (narrow, rows | words)):
        for one in (await caller.get(address), await caller.get(f"{address}/revisions/1")):
            said = ok(one)
            assert set(said["withheld"]) == hidden
            content = said["content"]
            assert all(content[name] == [] for name in hidden - {"work", "follow_ups", "narrative"})
            told = (content["work"]["activities"]["count"], content["identity"]["officers"][0]["activities"])
            followed = content["follow_ups"]["open"]["count"]
            assert (told, followed) == (((1, 1), 1) if caller is coordinator else ((0, 0), 0))
            listed = {number["filter"] for number in numbers(said["content"])}
            assert bool(listed) == (caller is coordinator)
            assert ("Rahmawati" in one.text) == (caller is coordinator)
            assert ("didampingi" in one.text) == (caller is coordinator)
            named = await owner.fetchval("SELECT count(*) FROM access_log WHERE user_id = $1", caller.user_id)
            assert (named > 0) == (caller is coordinator)  # nobody is named to whom no words are shown
            ReportContent.from_json(said["content"])
        for kind in ("json", "pdf", "xlsx"):
            assert code_of(await caller.get(f"{address}/document?format={kind}")) == "permission_denied"
    for part in (URL, f"{address}/revisions", f"{address}/history"):
        assert "didampingi" not in (await narrow.get(part)).text
    checked = ok(await narrow.get(f"{address}/check"))["items"]
    assert [item["code"] for item in checked] == ["decree_missing", "district_vacant"]
    ministry = await as_("ministry", None)
    assert code_of(await ministry.get(f"{address}/document?format=pdf&photos=true")) == "permission_denied"
    ok(await team.dinsos.act(f"{address}/accept"))
    recap = await compiled(team.dinsos, region=BANDAR_LAMPUNG)
    for caller, count in ((coordinator, 1), (narrow, None)):
        below = ok(await caller.get(f"{URL}/{recap['id']}"))["content"]["children"]["rows"]
        assert [child["activities"] for child in below if child["state"] == "accepted"] == [count]


async def test_reading_one_report_names_whom_its_words_are_about(owner, team, as_):
    met, named, planned = [(await add_person(team.clerk))["id"] for _ in range(3)]
    await log(team.tksk, beneficiary_ids=[met])
    await log(team.tksk, beneficiary_ids=[met, named], obstacle="Menolak ditemui")
    follow_up = {"note": "Kunjungan ulang", "due_on": TODAY.isoformat()}
    await log(team.tksk, beneficiary_ids=[planned], follow_up=follow_up)
    report = await accepted(team.tksk, team.dinsos)
    recap = await compiled(team.dinsos, region=BANDAR_LAMPUNG)
    coordinator, address = await as_("coordinator", BANDAR_LAMPUNG), f"{URL}/{report['id']}"

    async def recorded(caller: Caller, path: str) -> list[set[str]]:
        await owner.execute("DELETE FROM access_log")
        answer = await caller.get(path)
        assert answer.status_code == 200, answer.text
        rows = await owner.fetch("SELECT * FROM access_log WHERE outcome = 'ok' AND user_id = $1", caller.user_id)
        assert {row["object_id"] for row in rows} <= {UUID(report["id"]), UUID(recap["id"]), None}
        return [{str(key) for key in row["subject_ids"]} for row in rows]

    whole = {met, named, planned}
    documents = [f"{address}/document{query}" for query in ("", "?revision=1", "?format=xlsx")]
    for path in (address, f"{address}/revisions/1", *documents):
        assert await recorded(team.dinsos, path) == [whole], path
    assert await recorded(coordinator, address) == [whole]
    # Lists have no words about people, and a recap counts alone.
    for path in (URL, f"{address}/revisions", f"{address}/history", f"{address}/check"):
        assert await recorded(team.dinsos, path) == [], path
    for path in (f"{URL}/{recap['id']}", f"{URL}/{recap['id']}/document"):
        assert await recorded(team.dinsos, path) == [], path
    # What a step shows is recorded with it.
    await owner.execute("DELETE FROM access_log")
    await team.tksk.act(f"{address}/revise", {"reason": "Salah hitung"})
    (shown,) = await owner.fetch("SELECT subject_ids FROM access_log WHERE operation = 'revise_report'")
    assert {str(key) for key in shown["subject_ids"]} == whole


async def test_nobody_decides_about_what_they_ever_wrote_in(owner, team, as_):
    second = await as_("regency_office", BANDAR_LAMPUNG)
    held = await compiled(team.dinsos)
    refused = await team.dinsos.patch(
        f"{URL}/{held['id']}", json={"summary": "x"}, headers={"If-Match": f'"v{held["version"]}"'}
    )
    assert code_of(refused) == "permission_denied"  # the district has an officer
    await owner.execute("UPDATE users SET disabled_at = now() WHERE id = $1", team.tksk.user_id)
    address = f"{URL}/{(await submitted(team.dinsos))['id']}"
    assert code_of(await team.dinsos.act(f"{address}/accept")) == "permission_denied"
    ok(await second.act(f"{address}/return", {"remarks": [{"section": "work", "note": "Lengkapi"}]}))
    successor = await as_("tksk", PANJANG)
    ok(await successor.act(f"{address}/submit"))
    assert code_of(await team.dinsos.act(f"{address}/accept")) == "permission_denied"
    ok(await second.act(f"{address}/accept"))


async def test_a_recap_says_that_a_report_in_it_was_corrected(team, as_):
    await log(team.tksk)
    mine = await accepted(team.tksk, team.dinsos)
    province = await as_("province_office", "18")
    recap = await accepted(team.dinsos, province, region=BANDAR_LAMPUNG)
    assert not recap["outdated"]
    ok(await team.tksk.act(f"{URL}/{mine['id']}/revise", {"reason": "Salah hitung"}))
    ok(await team.tksk.act(f"{URL}/{mine['id']}/submit"))
    assert not ok(await team.dinsos.get(f"{URL}/{recap['id']}"))["outdated"]
    ok(await team.dinsos.act(f"{URL}/{mine['id']}/accept"))
    assert ok(await team.dinsos.get(f"{URL}/{recap['id']}"))["outdated"]
    items = {item["code"]: item for item in ok(await team.dinsos.get(f"{URL}/{recap['id']}/check"))["items"]}
    assert items["recap_outdated"]["count"] == 1
    ok(await team.dinsos.act(f"{URL}/{recap['id']}/revise", {"reason": "Panjang diperbaiki"}))
    renewed = ok(await team.dinsos.act(f"{URL}/{recap['id']}/submit"))
    assert not renewed["outdated"]


async def test_a_district_that_ended_is_in_the_reports_of_its_time(owner, team):
    await log(team.tksk)
    month = await compiled(team.dinsos, region=BANDAR_LAMPUNG)
    whole = month["content"]["children"]["districts"]
    await owner.execute("UPDATE regions SET valid_until = $1 WHERE code = $2", THIS_MONTH, PANJANG)
    try:
        again = ok(await team.dinsos.act(f"{URL}/{month['id']}/compile"))
        missing = ok(await team.dinsos.get(f"{URL}/missing?region={BANDAR_LAMPUNG}&limit=200"))["items"]
        now = await compiled(team.dinsos, region=BANDAR_LAMPUNG, start=THIS_MONTH)
        page = (await team.dinsos.get(f"/dashboard/{BANDAR_LAMPUNG}?lang=id&month={THIS_MONTH:%Y-%m}")).text
    finally:  # regions are what no test makes, and stay
        await owner.execute("UPDATE regions SET valid_until = NULL WHERE code = $1", PANJANG)
    assert again["content"]["children"]["districts"] == whole
    assert PANJANG in {row["region_code"] for row in missing}
    (handed_in,) = re.findall("<dt>Sudah diajukan[^<]*</dt><dd>(.*?)</dd>", page)
    assert handed_in == f"0 dari {whole}"
    assert now["content"]["children"]["districts"] == whole - 1


async def test_what_was_begun_keeps_its_day_in_the_list_of_what_is_missing(owner, team):
    report = await compiled(team.tksk)
    await owner.execute("UPDATE reports SET due_on = due_on + 3")
    missing = ok(await team.dinsos.get(f"{URL}/missing?region={PANJANG}"))["items"]
    due = date.fromisoformat(report["due_on"]) + timedelta(days=3)
    assert [row["due_on"] for row in missing] == [due.isoformat()]
