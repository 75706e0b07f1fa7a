"""Planning, changing, cancelling and completing home visits; which one holds; what is taken along on paper."""

import asyncio
import io
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pypdf
import pytest

from helpers import AMPENAN, AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of
from sktm_flow import BASE_DOCUMENTS, application
from tksk_api.domain.regions import service as regions
from tksk_api.domain.visit_forms.forms import FORMS
from tksk_api.domain.visits.schemas import PovertyEvidenceRead

URL = "/v1/visits"
KAIRATU, KAIRATU_VILLAGE = "81.01.01", "81.01.01.1009"  # Asia/Jayapura
NOTHING_SEEN = dict.fromkeys(PovertyEvidenceRead.model_fields)


def day(offset: int = 0) -> str:
    return (regions.local_today("Asia/Jakarta") + timedelta(days=offset)).isoformat()


def visit(person: dict[str, Any], **over: Any) -> dict[str, Any]:
    """A valid body for POST /v1/visits: today."""
    return {"beneficiary_id": person["id"], "visited_on": day(), **over}


def outcome(**over: Any) -> dict[str, Any]:
    """A valid body for POST /v1/visits/{id}/complete."""
    return {
        "outcome": "met",
        "finding": "eligible",
        "evidence": {"house_ownership": "rented", "floor_type": "earth", "income_per_month": 850000, "assets": []},
        "reasons": ["no_fixed_income"],
        **over,
    }


async def add_visit(caller: Any, person: dict[str, Any] | None = None, **over: Any) -> dict[str, Any]:
    answer = await caller.post(URL, json=visit(person or await add_person(caller), **over))
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


def first_error(answer: Any) -> tuple[str, str]:
    assert answer.status_code == 422, answer.text
    return answer.json()["errors"][0]["pointer"], answer.json()["errors"][0]["code"]


@pytest.fixture
def at(monkeypatch):
    """`at("2026-11-22T16:30Z")`: the regions' clocks show this instant."""

    def stop(moment: str) -> None:
        instant = datetime.fromisoformat(moment)
        monkeypatch.setattr(regions, "local_now", lambda zone: instant.astimezone(ZoneInfo(zone)))

    return stop


async def test_officer_plans_a_visit_and_reads_it(as_):
    tksk = await as_("tksk", PANJANG, full_name="Rina Wulandari")
    person = await add_person(tksk)
    location = {"lat": -5.473214, "lon": 105.326812, "accuracy": 8.5}
    created = await tksk.post(URL, json=visit(person, location=location, notes="Rumah biru di belakang masjid"))
    assert created.status_code == 201, created.text
    assert created.headers["ETag"] == '"v1"'
    body = created.json()
    times = {name: body[name] for name in ("created_at", "updated_at")}
    assert body == {
        "id": body["id"],
        "beneficiary_id": person["id"],
        "officer_id": str(tksk.user_id),
        "officer_name": "Rina Wulandari",
        "region_code": SRENGSEM,
        "status": "planned",
        "visited_on": day(),
        "location": location,
        "notes": "Rumah biru di belakang masjid",
        "outcome": None,
        "finding": None,
        "form_version": max(FORMS),
        "evidence": NOTHING_SEEN,
        "reasons": [],
        "attachment_ids": [],
        "completed_at": None,
        "completed_by": None,
        "cancel_reason": None,
        "superseded_by": None,
        "warnings": [],
        "version": 1,
        **times,
    }
    read = await tksk.get(created.headers["Location"])
    assert read.json() == body
    assert read.headers["Cache-Control"] == "no-store"


async def test_officer_completes_a_visit_with_what_was_seen(as_, owner):
    tksk = await as_("tksk", PANJANG, full_name="Rina Wulandari")
    planned = await add_visit(tksk)
    evidence = {
        "house_ownership": "rented",
        "floor_area_m2": 21.5,
        "floor_type": "earth",
        "wall_type": "woven_bamboo",
        "roof_type": "zinc",
        "water_source": "unprotected_well",
        "lighting": "pln_metered",
        "electricity_power": "va_450",
        "toilet": "shared",
        "cooking_fuel": "firewood",
        "assets": ["motorcycle", "cattle"],
        "income_per_month": 850000,
        "savings": 0,
        "dependants": 4,
        "head_at_most_primary_school": True,
        "aid_in_last_year": False,
    }
    done = await tksk.act(f"{URL}/{planned['id']}/complete", outcome(evidence=evidence))
    assert done.status_code == 200, done.text
    assert done.headers["ETag"] == '"v2"'
    body = done.json()
    assert body["evidence"] == {**NOTHING_SEEN, **evidence}
    assert (body["status"], body["outcome"], body["finding"]) == ("completed", "met", "eligible")
    assert body["reasons"] == ["no_fixed_income"]
    assert body["completed_at"] is not None
    assert body["completed_by"] == str(tksk.user_id)
    step = await owner.fetchrow("SELECT * FROM transitions WHERE entity_id = $1", UUID(planned["id"]))
    assert (step["entity"], step["action"], step["from_state"], step["to_state"], step["actor_name"]) == (
        "visits",
        "complete",
        "planned",
        "completed",
        "Rina Wulandari",
    )


async def test_what_was_not_looked_at_stays_null_and_no_assets_is_an_answer(as_):
    tksk = await as_("tksk", PANJANG)
    planned = await add_visit(tksk)
    done = await tksk.act(f"{URL}/{planned['id']}/complete", outcome(evidence={"assets": [], "toilet": None}))
    assert done.json()["evidence"] == {**NOTHING_SEEN, "assets": []}


async def test_village_reads_who_visited_although_that_officer_is_of_the_district(as_):
    tksk = await as_("tksk", PANJANG, full_name="Rina Wulandari")
    planned = await add_visit(tksk)
    for reader in (await as_("village_head", SRENGSEM), await as_("regency_office", BANDAR_LAMPUNG)):
        assert (await reader.get(f"{URL}/{planned['id']}")).json()["officer_name"] == "Rina Wulandari"
        assert (await reader.get(URL)).json()["items"][0]["officer_name"] == "Rina Wulandari"


async def test_visit_keeps_the_village_when_the_person_moves(as_):
    tksk = await as_("tksk", PANJANG)
    person = await add_person(tksk)
    planned = await add_visit(tksk, person)
    await tksk.act(
        f"/v1/beneficiaries/{person['id']}/move", {"village_code": AMPENAN_VILLAGE, "reason": "Ikut suami bekerja"}
    )
    assert (await tksk.get(f"{URL}/{planned['id']}")).json()["region_code"] == SRENGSEM
    done = await tksk.act(f"{URL}/{planned['id']}/complete", {"outcome": "nobody_home"})
    assert done.json()["status"] == "completed"
    there = await as_("tksk", AMPENAN)
    assert (await there.get(f"{URL}?beneficiary_id={person['id']}")).json()["items"] == []


async def test_another_district_gets_404_and_an_empty_list(as_):
    planned = await add_visit(await as_("tksk", PANJANG))
    other = await as_("tksk", AMPENAN)
    url = f"{URL}/{planned['id']}"
    seen = {"If-Match": '"v1"'}
    answers = [
        await other.get(url),
        await other.get(f"{URL}/{uuid4()}"),
        await other.patch(url, json={"notes": "x"}, headers=seen),
        await other.post(f"{url}/complete", json=outcome(), headers=seen),
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({json.dumps({k: v for k, v in a.json().items() if k != "instance"}) for a in answers}) == 1
    assert (await other.get(URL)).json()["items"] == []
    assert (await other.get(f"{URL}?beneficiary_id={planned['beneficiary_id']}")).json()["items"] == []


async def test_person_elsewhere_missing_or_withdrawn_is_an_unknown_reference(as_):
    tksk, other = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    office = await as_("regency_office", BANDAR_LAMPUNG)
    elsewhere = await add_person(other, village_code=AMPENAN_VILLAGE)
    gone = await add_person(tksk)
    await office.delete(f"/v1/beneficiaries/{gone['id']}", headers={"If-Match": '"v1"'})
    for person in (elsewhere, gone, {"id": str(uuid4())}):
        assert first_error(await tksk.post(URL, json=visit(person))) == ("/beneficiary_id", "unknown_reference")


@pytest.mark.parametrize("role", ["village_clerk", "village_head", "district_head", "regency_office", "auditor"])
async def test_only_the_officer_writes_visits(as_, role):
    region = {"village_clerk": SRENGSEM, "village_head": SRENGSEM, "district_head": PANJANG}.get(role, BANDAR_LAMPUNG)
    planned = await add_visit(await as_("tksk", PANJANG))
    reader = await as_(role, None if role == "auditor" else region)
    seen = {"If-Match": '"v1"'}
    url = f"{URL}/{planned['id']}"
    assert (await reader.get(url)).status_code == 200
    for answer in (
        await reader.post(URL, json=visit({"id": planned["beneficiary_id"]})),
        await reader.patch(url, json={"notes": "x"}, headers=seen),
        await reader.post(f"{url}/complete", json=outcome(), headers=seen),
    ):
        assert (answer.status_code, code_of(answer)) == (403, "permission_denied")


@pytest.mark.parametrize(
    ("offset", "code"),
    [(61, "too_far_ahead"), (60, None), (-366, None), (-367, "too_old"), (2_000_000, "out_of_range")],
)
async def test_day_of_a_visit_lies_within_a_year_back_and_sixty_days_ahead(as_, offset, code):
    tksk = await as_("tksk", PANJANG)
    person = await add_person(tksk)
    answer = await tksk.post(URL, json=visit(person, visited_on=day(offset)))
    if code is None:
        assert answer.status_code == 201, answer.text
    else:
        assert first_error(answer) == ("/visited_on", code)
        planned = await add_visit(tksk, person)
        moved = await tksk.patch(
            f"{URL}/{planned['id']}", json={"visited_on": day(offset)}, headers={"If-Match": '"v1"'}
        )
        assert first_error(moved) == ("/visited_on", code)


async def test_visit_is_not_completed_before_its_day(as_):
    tksk = await as_("tksk", PANJANG)
    planned = await add_visit(tksk, visited_on=day(2))
    url = f"{URL}/{planned['id']}"
    assert first_error(await tksk.act(f"{url}/complete", outcome())) == ("", "visit_not_yet")
    assert (await tksk.get(url)).json()["version"] == 1
    assert (await tksk.patch(url, json={"visited_on": day()}, headers={"If-Match": '"v1"'})).status_code == 200
    assert (await tksk.act(f"{url}/complete", outcome())).status_code == 200


async def test_the_day_begins_two_hours_earlier_in_the_east(as_, at):
    west, east = await as_("tksk", PANJANG), await as_("tksk", KAIRATU)
    here, there = await add_person(west), await add_person(east, village_code=KAIRATU_VILLAGE)
    at("2026-11-22T16:30:00+00:00")  # 23:30 WIB on the 22nd, 01:30 WIT on the 23rd
    in_west = await add_visit(west, here, visited_on="2026-11-23")
    in_east = await add_visit(east, there, visited_on="2026-11-23")
    assert first_error(await west.act(f"{URL}/{in_west['id']}/complete", outcome())) == ("", "visit_not_yet")
    assert (await east.act(f"{URL}/{in_east['id']}/complete", outcome())).status_code == 200
    sixty = {"visited_on": "2027-01-22"}  # sixty days after the 23rd
    assert first_error(await west.post(URL, json=visit(here, **sixty))) == ("/visited_on", "too_far_ahead")
    assert (await east.post(URL, json=visit(there, **sixty))).status_code == 201
    year = {"visited_on": "2025-11-21"}  # 366 days before the 22nd
    assert (await west.post(URL, json=visit(here, **year))).status_code == 201
    assert first_error(await east.post(URL, json=visit(there, **year))) == ("/visited_on", "too_old")


@pytest.mark.parametrize(
    ("over", "pointer", "code"),
    [
        ({"finding": None}, "/finding", "missing"),
        ({"outcome": "refused"}, "/finding", "finding_without_meeting"),
        ({"outcome": "nobody_home"}, "/finding", "finding_without_meeting"),
        ({"outcome": "asleep"}, "/outcome", "not_allowed"),
        ({"finding": "perhaps"}, "/finding", "not_allowed"),
        ({"outcome": None}, "/outcome", "not_allowed"),
        ({"evidence": {"floor_type": "gold"}}, "/evidence/floor_type", "unknown_code"),
        ({"evidence": {"electricity_power": "450"}}, "/evidence/electricity_power", "unknown_code"),
        ({"evidence": {"toilet": "Shared"}}, "/evidence/toilet", "bad_format"),
        ({"evidence": {"assets": ["car", "spaceship"]}}, "/evidence/assets/1", "unknown_code"),
        ({"evidence": {"assets": ["car", "land", "car"]}}, "/evidence/assets/2", "duplicate_entry"),
        ({"evidence": {"assets": "car"}}, "/evidence/assets", "wrong_type"),
        ({"evidence": {"income_per_month": -1}}, "/evidence/income_per_month", "out_of_range"),
        ({"evidence": {"income_per_month": 1.5}}, "/evidence/income_per_month", "wrong_type"),
        ({"evidence": {"income_per_month": "850000"}}, "/evidence/income_per_month", "wrong_type"),
        ({"evidence": {"dependants": 51}}, "/evidence/dependants", "out_of_range"),
        ({"evidence": {"dependants": True}}, "/evidence/dependants", "wrong_type"),
        ({"evidence": {"floor_area_m2": -0.5}}, "/evidence/floor_area_m2", "out_of_range"),
        ({"evidence": {"aid_in_last_year": "ya"}}, "/evidence/aid_in_last_year", "wrong_type"),
        ({"evidence": {"swimming_pool": True}}, "/evidence/swimming_pool", "unknown_field"),
        ({"reasons": ["because"]}, "/reasons/0", "unknown_code"),
        ({"reasons": ["low_income", "low_income"]}, "/reasons/1", "duplicate_entry"),
        ({"attachment_ids": ["0190f7a2-5a3b-7c1d-8e2f-000000000001"]}, "/attachment_ids/0", "unknown_reference"),
    ],
)
async def test_completion_that_does_not_fit_is_refused(as_, over, pointer, code):
    tksk = await as_("tksk", PANJANG)
    planned = await add_visit(tksk)
    assert first_error(await tksk.act(f"{URL}/{planned['id']}/complete", outcome(**over))) == (pointer, code)
    assert (await tksk.get(f"{URL}/{planned['id']}")).json() == planned


async def test_every_wrong_code_is_named_at_once(as_):
    tksk = await as_("tksk", PANJANG)
    planned = await add_visit(tksk)
    wrong = outcome(evidence={"wall_type": "x", "roof_type": "y"}, reasons=["z"])
    answer = await tksk.act(f"{URL}/{planned['id']}/complete", wrong)
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert pointers == ["/evidence/wall_type", "/evidence/roof_type", "/reasons/0"]
    assert "wall_type" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("over", "pointer", "code"),
    [
        ({"visited_on": "2026-02-30"}, "/visited_on", "bad_date"),
        ({"visited_on": None}, "/visited_on", "bad_date"),
        ({"location": {"lat": 91, "lon": 0}}, "/location/lat", "out_of_range"),
        ({"location": {"lat": 0, "lon": -180.5}}, "/location/lon", "out_of_range"),
        ({"location": {"lat": 0}}, "/location/lon", "missing"),
        ({"location": {"lat": 0, "lon": 0, "accuracy": -1}}, "/location/accuracy", "out_of_range"),
        ({"notes": ""}, "/notes", "too_short"),
        ({"status": "completed"}, "/status", "unknown_field"),
        ({"officer_id": str(uuid4())}, "/officer_id", "unknown_field"),
        ({"beneficiary_id": "abc"}, "/beneficiary_id", "bad_uuid"),
    ],
)
async def test_plan_that_does_not_fit_is_refused(as_, over, pointer, code):
    tksk = await as_("tksk", PANJANG)
    answer = await tksk.post(URL, json=visit(await add_person(tksk), **over))
    assert first_error(answer) == (pointer, code)


async def test_raw_receiver_values_are_rounded_to_what_they_know(as_):
    tksk = await as_("tksk", PANJANG)
    raw = {"lat": -5.473214123456789, "lon": 105.32681298765432, "accuracy": 12.345678}
    planned = await add_visit(tksk, location=raw)
    assert planned["location"] == {"lat": -5.473214, "lon": 105.326813, "accuracy": 12.3}


async def test_planned_visit_changes_by_merge_patch_and_the_version_seen(as_):
    tksk = await as_("tksk", PANJANG)
    planned = await add_visit(tksk, notes="pagi", location={"lat": -5.4, "lon": 105.3})
    assert planned["location"] == {"lat": -5.4, "lon": 105.3, "accuracy": None}
    url = f"{URL}/{planned['id']}"
    assert code_of(await tksk.patch(url, json={"notes": "sore"})) == "precondition_required"
    cleared = await tksk.patch(
        url,
        content=b'{"location": null}',
        headers={"If-Match": '"v1"', "Content-Type": "application/merge-patch+json"},
    )
    assert (cleared.status_code, cleared.headers["ETag"]) == (200, '"v2"')
    assert (cleared.json()["location"], cleared.json()["notes"]) == (None, "pagi")
    stale = await tksk.patch(url, json={"notes": "sore"}, headers={"If-Match": '"v1"'})
    assert (stale.status_code, code_of(stale)) == (412, "stale_version")
    emptied = await tksk.patch(url, json={"visited_on": None}, headers={"If-Match": '"v2"'})
    assert first_error(emptied) == ("/visited_on", "null_not_allowed")
    another = await tksk.patch(url, json={"beneficiary_id": str(uuid4())}, headers={"If-Match": '"v2"'})
    assert first_error(another) == ("/beneficiary_id", "unknown_field")


async def test_completed_visit_stays_as_it_is(as_):
    tksk = await as_("tksk", PANJANG)
    url = f"{URL}/{(await add_visit(tksk))['id']}"
    assert code_of(await tksk.post(f"{url}/complete", json=outcome())) == "precondition_required"
    assert code_of(await tksk.act(f"{url}/complete", outcome(), version=7)) == "stale_version"
    assert (await tksk.act(f"{url}/complete", outcome())).status_code == 200
    again = await tksk.act(f"{url}/complete", outcome(finding="not_eligible"))
    assert (again.status_code, code_of(again)) == (409, "transition_refused")
    assert (again.json()["state"], again.json()["allowed_actions"]) == ("completed", [])
    edited = await tksk.patch(url, json={"notes": "lain"}, headers={"If-Match": '"v2"'})
    assert (edited.status_code, code_of(edited)) == (409, "transition_refused")
    assert (await tksk.get(url)).json()["finding"] == "eligible"


async def test_two_completions_at_once_are_one(as_, owner):
    tksk, cover = await as_("tksk", PANJANG), await as_("tksk", PANJANG)
    planned = await add_visit(tksk)
    url = f"{URL}/{planned['id']}/complete"
    answers = await asyncio.gather(
        tksk.act(url, outcome(), version=1), cover.act(url, outcome(finding="not_eligible"), version=1)
    )
    first, second = sorted(answers, key=lambda answer: answer.status_code)
    assert first.status_code == 200
    assert second.status_code in (409, 412)
    assert await owner.fetchval("SELECT count(*) FROM transitions WHERE entity_id = $1", UUID(planned["id"])) == 1


async def test_same_client_id_twice_is_one_visit(as_):
    tksk = await as_("tksk", PANJANG)
    body = visit(await add_person(tksk), id=str(uuid4()), location={"lat": -5.4, "lon": 105.3})
    first, again = await asyncio.gather(tksk.post(URL, json=body), tksk.post(URL, json=body))
    assert sorted([first.status_code, again.status_code]) == [200, 201]
    assert first.json() == again.json()
    changed = await tksk.post(URL, json={**body, "notes": "lain"})
    assert (changed.status_code, code_of(changed)) == (409, "id_in_use")
    other = await as_("tksk", AMPENAN)
    theirs = visit(await add_person(other, village_code=AMPENAN_VILLAGE), id=body["id"])
    stranger = await other.post(URL, json=theirs)
    assert (stranger.status_code, code_of(stranger)) == (409, "id_in_use")


async def test_keyed_completion_is_replayed_not_refused(as_):
    tksk = await as_("tksk", PANJANG)
    planned = await add_visit(tksk)
    headers = {"If-Match": '"v1"', "Idempotency-Key": "selesai-1"}
    url = f"{URL}/{planned['id']}/complete"
    first = await tksk.post(url, json=outcome(), headers=headers)
    again = await tksk.post(url, json=outcome(), headers=headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()


async def test_filters_choose_visits(as_):
    tksk, cover = await as_("tksk", PANJANG), await as_("tksk", PANJANG)
    person = await add_person(tksk)
    done, open_ = await add_visit(tksk, person), await add_visit(cover)
    await tksk.act(f"{URL}/{done['id']}/complete", outcome())
    for query, wanted in {
        f"beneficiary_id={person['id']}": [done["id"]],
        "status=planned": [open_["id"]],
        "status=completed": [done["id"]],
        f"officer_id={cover.user_id}": [open_["id"]],
        "finding=eligible": [done["id"]],
        "finding=not_eligible": [],
        f"finding=eligible&officer_id={cover.user_id}": [],
        "": [open_["id"], done["id"]],
    }.items():
        page = (await tksk.get(f"{URL}?{query}")).json()
        assert [item["id"] for item in page["items"]] == wanted, query
    assert first_error(await tksk.get(f"{URL}?status=lost"))[1] == "not_allowed"
    assert first_error(await tksk.get(f"{URL}?village=x"))[1] in ("unknown_field", "unknown_parameter")


async def test_pages_of_visits_are_complete(as_):
    tksk = await as_("tksk", PANJANG)
    person = await add_person(tksk)
    ids = [(await add_visit(tksk, person))["id"] for _ in range(5)]
    seen: list[str] = []
    url: str | None = f"{URL}?limit=2"
    while url:
        page = (await tksk.get(url)).json()
        seen += [item["id"] for item in page["items"]]
        url = f"{URL}?limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert seen == ids[::-1]


async def test_every_read_of_a_visit_leaves_an_access_row_about_the_person(as_, owner):
    tksk, head = await as_("tksk", PANJANG), await as_("village_head", SRENGSEM)
    planned = await add_visit(tksk)
    await head.get(f"{URL}/{planned['id']}")
    await head.get(URL)
    rows = await owner.fetch(
        "SELECT operation, subject_ids FROM access_log WHERE user_id = $1 ORDER BY id", head.user_id
    )
    assert [row["operation"] for row in rows] == ["get_visit", "list_visits"]
    assert all([str(i) for i in row["subject_ids"]] == [planned["beneficiary_id"]] for row in rows)


# ---- forms -----------------------------------------------------------------------------------------------------------


async def test_a_phone_draws_the_form_without_signing_in(client):
    versions = (await client.get("/v1/visit-forms")).json()["items"]
    assert [form["version"] for form in versions] == sorted(FORMS, reverse=True)
    read = await client.get("/v1/visit-forms/2")
    form = read.json()
    fields = {field["name"]: field for field in form["fields"]}
    assert {section["code"] for section in form["sections"]} == {field["section"] for field in fields.values()}
    assert fields["toilet"]["choices"][0] == {
        "code": "private",
        "label_id": "Ada, digunakan keluarga sendiri",
        "label_en": fields["toilet"]["choices"][0]["label_en"],
    }
    assert (fields["dependants"]["maximum"], fields["dependants"]["choices"]) == (50, [])
    kept = await client.get("/v1/visit-forms/2", headers={"If-None-Match": read.headers["ETag"]})
    assert (kept.status_code, kept.content) == (304, b"")
    assert (await client.get("/v1/visit-forms/77")).status_code == 404
    assert first_error(await client.get("/v1/visit-forms/0"))[1] == "bad_format"


async def test_a_visit_answers_the_form_of_its_day_or_an_older_one_that_a_phone_still_had(as_):
    tksk = await as_("tksk", PANJANG)
    person = await add_person(tksk)
    before = FORMS[2].valid_from - timedelta(days=1)
    old = await add_visit(tksk, person, visited_on=before.isoformat())
    named = await add_visit(tksk, person, form_version=1)
    assert (old["form_version"], named["form_version"]) == (1, 1)
    for wrong in (99, 2):
        body = visit(person, visited_on=before.isoformat(), form_version=wrong)
        assert first_error(await tksk.post(URL, json=body)) == ("/form_version", "form_not_taken")
    url = f"{URL}/{named['id']}/complete"
    newer = outcome(evidence={"land_area_m2": 12.5})
    assert first_error(await tksk.act(url, newer)) == ("/evidence/land_area_m2", "not_on_form")
    done = await tksk.act(url, {**newer, "form_version": 2})
    assert (done.json()["form_version"], done.json()["evidence"]["land_area_m2"]) == (2, 12.5)
    late = await tksk.act(f"{URL}/{old['id']}/complete", outcome())
    assert (late.status_code, late.json()["form_version"]) == (200, 1)
    assert late.json()["evidence"]["large_livestock"] is None


async def test_a_printed_form_goes_with_the_visit_to_another_day(as_):
    tksk = await as_("tksk", PANJANG)
    before = (FORMS[2].valid_from - timedelta(days=1)).isoformat()
    later = await add_visit(tksk, visited_on=before)
    earlier = await add_visit(tksk)
    seen = {"If-Match": '"v1"'}
    moved = await tksk.patch(f"{URL}/{later['id']}", json={"visited_on": day()}, headers=seen)
    assert moved.json()["form_version"] == 1
    back = await tksk.patch(f"{URL}/{earlier['id']}", json={"visited_on": before}, headers=seen)
    assert back.json()["form_version"] == 1  # the second one had not begun


@pytest.mark.parametrize(
    ("field", "content", "code"),
    [
        ("floor_area_m2", b"1e400", None),
        ("floor_area_m2", b"NaN", None),
        ("floor_area_m2", b"10000.1", "out_of_range"),
        ("savings", b"1000000000001", "out_of_range"),
        ("savings", b"99999999999999999999999999999999", None),
        ("large_livestock", b"-1", "out_of_range"),
        ("large_livestock", b"1.0", "wrong_type"),
        ("aid_received", b'["pkh","pkh"]', "duplicate_entry"),
        ("aid_received", b'{"pkh":true}', "wrong_type"),
        ("toilet", b'["own"]', "wrong_type"),
        ("toilet", b'"' + b"x" * 65 + b'"', "bad_format"),
    ],
)
async def test_a_hostile_answer_is_refused(as_, field, content, code):
    tksk = await as_("tksk", PANJANG)
    url = f"{URL}/{(await add_visit(tksk))['id']}/complete"
    body = b'{"outcome":"met","finding":"eligible","evidence":{"' + field.encode() + b'":' + content + b"}}"
    answer = await tksk.post(url, content=body, headers={"If-Match": '"v1"', "Content-Type": "application/json"})
    if code is None:
        assert (answer.status_code, code_of(answer)) == (400, "malformed_request")
    else:
        pointer, said = first_error(answer)
        assert (pointer.startswith(f"/evidence/{field}"), said) == (True, code)


# ---- outcomes, places, and which visit holds -------------------------------------------------------------------------


async def test_a_planned_visit_is_cancelled_with_its_reason(as_, owner):
    tksk, head = await as_("tksk", PANJANG), await as_("village_head", SRENGSEM)
    planned = await add_visit(tksk)
    url = f"{URL}/{planned['id']}"
    assert first_error(await tksk.act(f"{url}/cancel", {"reason": "x"})) == ("/reason", "too_short")
    denied = await head.post(f"{url}/cancel", json={"reason": "Sudah pindah"}, headers={"If-Match": '"v1"'})
    assert code_of(denied) == "permission_denied"
    assert code_of(await tksk.post(f"{url}/cancel", json={"reason": "Sudah pindah"})) == "precondition_required"
    done = await tksk.act(f"{url}/cancel", {"reason": "Sudah pindah"})
    assert (done.status_code, done.json()["status"], done.json()["cancel_reason"]) == (200, "cancelled", "Sudah pindah")
    again = await tksk.act(f"{url}/complete", outcome())
    assert (code_of(again), again.json()["allowed_actions"]) == ("transition_refused", [])
    completed = await add_visit(tksk)
    await tksk.act(f"{URL}/{completed['id']}/complete", outcome())
    assert code_of(await tksk.act(f"{URL}/{completed['id']}/cancel", {"reason": "Terlambat"})) == "transition_refused"
    note = "SELECT note FROM transitions WHERE entity_id = $1"
    assert await owner.fetchval(note, UUID(planned["id"])) == "Sudah pindah"


async def found(tksk: Any, person: dict[str, Any], on: int, **over: Any) -> str:
    """A completed visit of a day; returns its id."""
    planned = await add_visit(tksk, person, visited_on=day(on))
    done = await tksk.act(f"{URL}/{planned['id']}/complete", outcome(**over))
    assert done.status_code == 200, done.text
    return str(planned["id"])


async def test_the_newest_finding_speaks_for_the_person_whenever_it_arrives(as_):
    tksk = await as_("tksk", PANJANG)
    person, neighbour = await add_person(tksk), await add_person(tksk)
    first = await found(tksk, person, -9)
    third = await found(tksk, person, -2)
    second = await found(tksk, person, -5)  # a phone that was offline sends it late
    closed = await found(tksk, person, 0, outcome="nobody_home", finding=None)
    theirs = await found(tksk, neighbour, -9)

    async def superseded() -> dict[str, Any]:
        return {item["id"]: item["superseded_by"] for item in (await tksk.get(URL)).json()["items"]}

    assert await superseded() == {first: second, second: third, third: None, closed: None, theirs: None}
    current = (await tksk.get(f"{URL}?current=true")).json()["items"]
    assert {item["id"] for item in current} == {third, theirs}
    others = (await tksk.get(f"{URL}?current=false&beneficiary_id={person['id']}")).json()["items"]
    assert {item["id"] for item in others} == {first, second, closed}
    same_day = await found(tksk, person, -2, finding="needs_assessment")
    assert (await superseded())[third] == same_day


async def test_a_visit_elsewhere_supersedes_too(as_):
    west, there = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    person = await add_person(west)
    before = await found(west, person, -4)
    move = {"village_code": AMPENAN_VILLAGE, "reason": "Ikut suami bekerja"}
    await west.act(f"/v1/beneficiaries/{person['id']}/move", move)
    after = await found(there, person, -1)
    assert (await west.get(f"{URL}/{before}")).json()["superseded_by"] == after


async def test_findings_at_once_leave_one_that_holds(as_, owner):
    tksk = await as_("tksk", PANJANG)
    person = await add_person(tksk)
    planned = [await add_visit(tksk, person, visited_on=day(-number)) for number in range(4)]
    urls = [f"{URL}/{item['id']}/complete" for item in planned]
    answers = await asyncio.gather(*(tksk.act(url, outcome(), version=1) for url in urls))
    assert [answer.status_code for answer in answers] == [200] * 4
    rows = await owner.fetch("SELECT id, superseded_by FROM visits ORDER BY visited_on DESC")
    assert [row["superseded_by"] for row in rows] == [None, *(row["id"] for row in rows[:-1])]


async def test_a_superseded_visit_carries_no_verification(as_):
    tksk, clerk = await as_("tksk", PANJANG), await as_("village_clerk", SRENGSEM)
    person = await add_person(tksk)
    old = await found(tksk, person, -3)
    new = await found(tksk, person, -1)
    made = await clerk.post("/v1/sktm-applications", json=application(person["id"]))
    url = f"/v1/sktm-applications/{made.json()['id']}"
    documents = [{"kind": kind, "status": "ok"} for kind in BASE_DOCUMENTS]
    for caller, action, body in ((clerk, "submit", None), (clerk, "check", {"documents": documents})):
        assert (await caller.act(f"{url}/{action}", body)).status_code == 200
    refused = await tksk.act(f"{url}/verify", {"visit_id": old, "recommendation": "Layak dibantu."})
    assert first_error(refused) == ("/visit_id", "visit_superseded")
    assert (await tksk.act(f"{url}/verify", {"visit_id": new, "recommendation": "Layak dibantu."})).status_code == 200


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ({"lat": -5.5006, "lon": 105.337, "accuracy": None}, None),
        ({"lat": -6.2, "lon": 106.8}, "location_far_away"),
        ({"lat": 48.85, "lon": 2.35}, "location_outside_indonesia"),
        ({"lat": 0, "lon": 0}, "location_outside_indonesia"),
    ],
)
async def test_an_odd_place_is_said_and_taken(as_, location, code):
    tksk = await as_("tksk", PANJANG)
    planned = await add_visit(tksk, location=location)
    assert [hint["code"] for hint in planned["warnings"]] == ([code] if code else [])
    here = {"lat": -5.4992, "lon": 105.3385, "accuracy": 6.5}
    done = (await tksk.act(f"{URL}/{planned['id']}/complete", outcome(location=here))).json()
    assert (done["location"], done["warnings"]) == (here, [])


async def test_swapped_coordinates_are_named_as_such(as_):
    tksk = await as_("tksk", PANJANG)
    swapped = {"lat": 105.337, "lon": -5.5006}
    body = visit(await add_person(tksk), location=swapped)
    assert first_error(await tksk.post(URL, json=body)) == ("/location", "coordinates_swapped")


async def test_a_no_without_a_reason_is_taken_with_a_hint(as_):
    tksk = await as_("tksk", PANJANG)
    for reasons, hints in (([], ["reasons_missing"]), (["sufficient_income"], [])):
        url = f"{URL}/{(await add_visit(tksk))['id']}/complete"
        done = await tksk.act(url, outcome(finding="not_eligible", reasons=reasons))
        assert [hint["code"] for hint in done.json()["warnings"]] == hints


# ---- worksheets ------------------------------------------------------------------------------------------------------


def text_of(answer: Any) -> str:
    """The text of a PDF, with every run of white space as one space."""
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf"), answer.text
    pages = pypdf.PdfReader(io.BytesIO(answer.content)).pages
    return " ".join(" ".join(page.extract_text().split()) for page in pages)


async def test_the_worksheet_names_the_family_and_what_was_seen_last(as_, owner):
    tksk, head = await as_("tksk", PANJANG, full_name="Rina Wulandari"), await as_("village_head", SRENGSEM)
    person, child = await add_person(tksk), await add_person(tksk, full_name="Muhammad Rizki")
    members = [
        {"beneficiary_id": person["id"], "relationship": "head_of_family"},
        {"beneficiary_id": child["id"], "relationship": "child"},
    ]
    family = {"village_code": SRENGSEM, "address": {"street": "Gang Melati 7"}, "members": members}
    assert (await tksk.post("/v1/families", json=family)).status_code == 201
    await found(tksk, person, -30)
    planned = await add_visit(tksk, person, notes="Rumah biru di belakang masjid")
    printed = await head.get(f"{URL}/{planned['id']}/worksheet")
    assert printed.headers["Cache-Control"] == "no-store"
    text = text_of(printed)
    for expected in (
        "Siti Rahmawati",
        "Muhammad Rizki",
        "Rina Wulandari",
        "RT 001 / RW 002",
        "Kelurahan Srengsem",
        "Rumah biru di belakang masjid",
        "850.000 rupiah",
        planned["id"],
    ):
        assert expected in text
    number = "SELECT nik_last4 FROM beneficiaries WHERE id = $1"
    assert f"************{await owner.fetchval(number, UUID(person['id']))}" in text
    rows = await owner.fetch(
        "SELECT operation, object_id, subject_ids FROM access_log WHERE user_id = $1", head.user_id
    )
    assert [(row["operation"], str(row["object_id"])) for row in rows] == [("get_visit_worksheet", planned["id"])]
    assert {str(subject) for subject in rows[0]["subject_ids"]} == {person["id"], child["id"]}


async def test_a_days_worksheets_are_the_officers_own_planned_visits(as_):
    tksk, cover = await as_("tksk", PANJANG), await as_("tksk", PANJANG)
    first, second, later, theirs = [
        await add_person(tksk, full_name=name) for name in ("Aminah", "Basuki", "Citra", "Dewi")
    ]
    for caller, person, on in ((tksk, second, 3), (tksk, first, 3), (tksk, later, 4), (cover, theirs, 3)):
        await add_visit(caller, person, visited_on=day(on))
    text = text_of(await tksk.get(f"{URL}/worksheets?visited_on={day(3)}"))
    assert [name in text for name in ("Aminah", "Basuki", "Citra", "Dewi")] == [True, True, False, False]
    assert (await tksk.get(f"{URL}/worksheets?visited_on={day(5)}")).status_code == 404
    assert first_error(await tksk.get(f"{URL}/worksheets"))[1] == "missing"
    assert first_error(await tksk.get(f"{URL}/worksheets?visited_on=kemarin"))[1] == "bad_date"


async def test_no_worksheet_of_somebody_elsewhere_gone_or_restricted(as_, owner):
    tksk, other = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    person = await add_person(tksk)
    url = f"{URL}/{(await add_visit(tksk, person))['id']}/worksheet"
    assert (await other.get(url)).status_code == 404
    await owner.execute("UPDATE beneficiaries SET restricted_at = now() WHERE id = $1", UUID(person["id"]))
    stopped = await tksk.get(url)
    assert (stopped.status_code, code_of(stopped)) == (409, "processing_restricted")
    assert (await tksk.get(f"{URL}/worksheets?visited_on={day()}")).status_code == 404
    await owner.execute("UPDATE beneficiaries SET restricted_at = NULL WHERE id = $1", UUID(person["id"]))
    move = {"village_code": AMPENAN_VILLAGE, "reason": "Ikut suami bekerja"}
    await tksk.act(f"/v1/beneficiaries/{person['id']}/move", move)
    assert (await tksk.get(url)).status_code == 404
