"""Everything about one person in order: what is in it, for whom, page by page, at what cost."""

import json
from typing import Any
from uuid import uuid4

import asyncpg

from architecture.world import activity, attached
from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of, nik
from sktm_flow import issued, offices
from tksk_api.database.admission import Admission
from tksk_api.database.reads import _WRAP_PAGE, PageRequest
from tksk_api.database.scope import RegionScope
from tksk_api.domain.ppks_assessments.workflow import WORKFLOW as ASSESSMENTS
from tksk_api.domain.privacy_requests.workflow import WORKFLOW as REQUESTS
from tksk_api.domain.proposals.workflow import WORKFLOW as PROPOSALS
from tksk_api.domain.references.lists import codes
from tksk_api.domain.referrals.workflow import WORKFLOW as REFERRALS
from tksk_api.domain.sktm_applications.workflow import WORKFLOW as APPLICATIONS
from tksk_api.domain.timelines.reads import PARTS, TIMELINE
from tksk_api.domain.visits.workflow import WORKFLOW as VISITS

OTHER_VILLAGE = "18.71.04.1003"


async def registered(caller: Any, **over: Any) -> dict[str, Any]:
    """A person of no category, which would be an entry of its own."""
    return await add_person(caller, ppks_categories=[], **over)


async def timeline(caller: Any, person_id: str, **query: Any) -> list[dict[str, Any]]:
    answer = await caller.get(f"/v1/beneficiaries/{person_id}/timeline", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def codes_in(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["code"] for entry in entries]


async def test_a_life_in_the_register_newest_first(as_, owner):
    team = await offices(as_)
    person = await registered(team.clerk)
    url = f"/v1/beneficiaries/{person['id']}"
    patch = {"phone": "081234567890", "address": {"rt": "5"}}
    assert (await team.clerk.patch(url, json=patch, headers={"If-Match": '"v1"'})).status_code == 200
    letter = await issued(owner, team, person)
    await attached(team.clerk, "supporting_document", beneficiary_id=person["id"])
    assert (await team.tksk.post("/v1/activities", json=activity(person["id"]))).status_code == 201
    revoked = await team.dinsos.act(
        f"/v1/sktm-applications/{letter['id']}/revoke", {"reason_code": "false_statement", "note": "Tidak benar"}
    )
    assert revoked.status_code == 200, revoked.text

    entries = await timeline(team.tksk, person["id"])
    assert [entry["at"] for entry in entries] == sorted((entry["at"] for entry in entries), reverse=True)
    assert codes_in(entries)[0] == "sktm_revoke"
    assert codes_in(entries)[-2:] == ["corrected", "registered"]
    assert set(codes_in(entries)) >= {"letter_issued", "sktm_sign", "sktm_drafted", "activity_logged", "attached"}
    by_code = {entry["code"]: entry for entry in entries}
    assert by_code["corrected"]["facts"]["fields"] == ["phone", "rt"]
    assert by_code["registered"]["actor"] == {
        "id": str(team.clerk.user_id),
        "name": "Agus Pratama",
        "role": "village_clerk",
    }
    assert by_code["sktm_revoke"]["kind"] == "letter"
    assert by_code["sktm_revoke"]["facts"]["note"] == "Tidak benar"
    assert by_code["letter_issued"]["facts"]["number"] == letter["letter"]["number"]
    assert by_code["letter_issued"]["actor"]["role"] == "village_head"
    for entry in entries:
        assert entry["code"] in codes("timeline_events"), entry
        if entry["entity"] != "attachments":
            assert (await team.tksk.get(entry["href"])).status_code == 200, entry["href"]


async def test_a_person_is_registered_before_they_are_assessed(as_):
    """Both in one transaction, which has one moment; several people, for ids may fall either way."""
    tksk = await as_("tksk", PANJANG)
    for _ in range(5):
        person = await add_person(tksk, ppks_categories=["fakir_miskin", "lansia_terlantar"])
        entries = await timeline(tksk, person["id"])
        assert codes_in(entries) == ["ppks_assessed", "ppks_assessed", "registered"]
        assert entries[1]["at"] > entries[2]["at"]


async def test_pages_join_without_gap_or_repetition(as_):
    clerk = await as_("village_clerk", SRENGSEM)
    person = await registered(clerk)
    url = f"/v1/beneficiaries/{person['id']}"
    for version in range(1, 8):
        changed = await clerk.patch(url, json={"notes": f"Catatan {version}"}, headers={"If-Match": f'"v{version}"'})
        assert changed.status_code == 200
    whole = await timeline(clerk, person["id"])
    assert len(whole) == 8
    pages, query = [], {"limit": 3}
    while True:
        answer = (await clerk.get(f"{url}/timeline", params=query)).json()
        pages += answer["items"]
        if answer["next_cursor"] is None:
            break
        query["cursor"] = answer["next_cursor"]
    assert pages == whole
    middle = whole[4]["at"]
    assert await timeline(clerk, person["id"], **{"from": middle}) == whole[:5]
    assert await timeline(clerk, person["id"], to=middle) == whole[5:]
    assert codes_in(await timeline(clerk, person["id"], kind="registration")) == ["registered"]
    assert await timeline(clerk, person["id"], kind="visit") == []
    assert code_of(await clerk.get(f"{url}/timeline?kind=horoscope")) == "invalid_request"
    assert code_of(await clerk.get(f"{url}/timeline?cursor={query['cursor']}&kind=visit")) == "cursor_invalid"


async def test_each_entry_is_for_those_who_may_read_its_record(as_, owner):
    team = await offices(as_)
    ministry, agency = await as_("ministry"), await owner.fetchval("SELECT id FROM agencies LIMIT 1")
    person = await registered(team.clerk)
    await attached(team.clerk, "supporting_document", beneficiary_id=person["id"])
    request = {
        "beneficiary_id": person["id"],
        "kind": "access",
        "reason": "Ingin tahu data apa yang disimpan",
        "requested_by": "self",
        "received_on": "2026-11-02",
    }
    assert (await team.clerk.post("/v1/privacy-requests", json=request)).status_code == 201
    assert set(codes_in(await timeline(team.clerk, person["id"]))) == {"registered", "attached", "privacy_requested"}
    # A village head sees papers but no requests, the ministry neither.
    assert set(codes_in(await timeline(team.head, person["id"]))) == {"registered", "attached"}
    assert codes_in(await timeline(ministry, person["id"])) == ["registered"]
    bpjs = await as_("agency", agency_id=agency)
    assert code_of(await bpjs.get(f"/v1/beneficiaries/{person['id']}/timeline")) == "permission_denied"


async def test_what_happened_elsewhere_stays_with_the_office_there(as_):
    """As with the lists it is made of: a record belongs to the region where it was made."""
    regency, clerk = await as_("regency_office", BANDAR_LAMPUNG), await as_("village_clerk", SRENGSEM)
    tksk, neighbour = await as_("tksk", PANJANG), await as_("village_clerk", OTHER_VILLAGE)
    person = await registered(clerk)
    visit = {"beneficiary_id": person["id"], "visited_on": "2026-11-02"}
    assert (await tksk.post("/v1/visits", json=visit)).status_code == 201
    url = f"/v1/beneficiaries/{person['id']}"
    moved = await clerk.post(
        f"{url}/move", json={"village_code": OTHER_VILLAGE, "reason": "Ikut anak"}, headers={"If-Match": '"v1"'}
    )
    assert moved.status_code == 200
    assert codes_in(await timeline(neighbour, person["id"])) == ["moved", "registered"]
    for superior in (tksk, regency):
        entries = await timeline(superior, person["id"])
        assert codes_in(entries) == ["moved", "visit_planned", "registered"]
        assert entries[0]["facts"] == {
            "fields": ["village_code"],
            "from_village": SRENGSEM,
            "to_village": OTHER_VILLAGE,
            "reason": "Ikut anak",
        }
    assert code_of(await clerk.get(f"{url}/timeline")) == "not_found"
    assert code_of(await (await as_("tksk", AMPENAN)).get(f"{url}/timeline")) == "not_found"


async def test_no_correction_hides_behind_the_request_of_a_step(as_):
    """The id of a request is the client's own choice: what belongs together is what one transaction wrote."""
    clerk = await as_("village_clerk", SRENGSEM)
    person = await registered(clerk)
    url, same = f"/v1/beneficiaries/{person['id']}", {"X-Request-ID": str(uuid4())}
    verified = await clerk.post(f"{url}/verify-nik", json={"document": "ktp"}, headers={"If-Match": '"v1"', **same})
    assert verified.status_code == 200, verified.text
    patched = await clerk.patch(url, json={"phone": "081234567890"}, headers={"If-Match": '"v2"', **same})
    assert patched.status_code == 200, patched.text
    assert codes_in(await timeline(clerk, person["id"])) == ["corrected", "person_verify_nik", "registered"]


async def test_a_grant_shows_the_person_but_not_what_offices_did(as_):
    clerk, stranger = await as_("village_clerk", SRENGSEM), await as_("tksk", AMPENAN)
    number = nik()
    person = await registered(clerk, nik=number)
    body = {"nik": number, "reason_code": "medical_emergency", "reason": "Pasien tidak sadar di IGD rumah sakit"}
    assert (await stranger.post("/v1/access-grants", json=body)).status_code == 201
    assert codes_in(await timeline(stranger, person["id"])) == ["registered"]


async def test_reading_is_recorded_also_when_it_is_refused(as_, owner):
    clerk, stranger = await as_("village_clerk", SRENGSEM), await as_("tksk", AMPENAN)
    person = await registered(clerk)
    await timeline(clerk, person["id"])
    await stranger.get(f"/v1/beneficiaries/{person['id']}/timeline")
    rows = await owner.fetch(
        "SELECT outcome, object_id::text, subject_ids::text[] AS people FROM access_log "
        "WHERE operation = 'list_beneficiary_timeline' ORDER BY id"
    )
    assert [row["outcome"] for row in rows] == ["ok", "not_found"]
    assert {row["object_id"] for row in rows} == {person["id"]}
    assert rows[0]["people"] == [person["id"]]


def test_every_code_has_a_label():
    for prefix, workflow in (
        ("visit", VISITS),
        ("sktm", APPLICATIONS),
        ("referral", REFERRALS),
        ("privacy_request", REQUESTS),
        ("ppks", ASSESSMENTS),
        ("proposal", PROPOSALS),
    ):
        for action in workflow.steps:
            assert f"{prefix}_{action.replace('-', '_')}" in codes("timeline_events")
    assert {part.name for part in PARTS if "_step" not in part.name} - {"changed"} <= codes("timeline_events")


async def test_a_long_history_is_read_from_its_end_by_index(as_, owner, settings):
    tksk = await as_("tksk", PANJANG)
    person = await registered(tksk)
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(
        "INSERT INTO visits (id, version, region_code, beneficiary_id, officer_id, visited_on, status, created_at) "
        "SELECT gen_random_uuid(), 1, $1, $2::uuid, $3, current_date, 'planned', now() - i * interval '1 minute' "
        "FROM generate_series(1, 3000) i",
        SRENGSEM,
        person["id"],
        tksk.user_id,
    )
    await owner.execute(
        "INSERT INTO changes (at, entity, entity_id, entity_version, action, fields) "
        "SELECT now() - i * interval '1 minute', 'beneficiaries', $1::uuid, i, 'update', '{\"notes\": {}}' "
        "FROM generate_series(1, 3000) i",
        person["id"],
    )
    await owner.execute("SET session_replication_role = origin")
    await owner.execute("ANALYZE visits, changes")
    assert len(await timeline(tksk, person["id"])) == 50
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        plan = await _plan(connection, {"beneficiary_id": person["id"]})
    finally:
        await connection.close()
    nodes = list(_nodes(plan))
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]
    assert "ix_visits_beneficiary_created" in {node.get("Index Name") for node in nodes}
    # What app.changes_about asks, for which the owner's plan is not to be seen from outside.
    inner = await owner.fetchval(
        "EXPLAIN (FORMAT JSON) SELECT * FROM changes WHERE entity_id = $1::uuid AND action = 'update' "
        "AND at <= 'infinity' ORDER BY at DESC, id DESC LIMIT 52",
        person["id"],
    )
    assert [node.get("Index Name") for node in _nodes(json.loads(inner)[0]["Plan"])] == [None, "ix_changes_entity_at"]


async def _plan(connection: Any, filters: dict[str, Any]) -> Any:
    scope = RegionScope((PANJANG,))
    request = PageRequest(50, "-at", filters)
    compiled = TIMELINE.compiled(
        "plan", lambda: TIMELINE.select_page(scope, request, admitted=True), wrap=_WRAP_PAGE[True]
    )
    values = {"limit": 50, **{f"filter_{name}": value for name, value in filters.items()}, **dict(scope.parameters())}
    await connection.execute("SET enable_seqscan = off")  # most tables are all but empty here
    plan = await connection.fetchval(
        f"EXPLAIN (FORMAT JSON) {compiled.sql}",
        *Admission(uuid4(), ("tksk",), "x", uuid4(), "x").arguments(read=True),
        list(scope.regions),
        None,
        [],
        *compiled.arguments(values),
    )
    return json.loads(plan)[0]["Plan"]


def _nodes(plan: dict[str, Any]) -> Any:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
