"""What a visit found otherwise than the register says: raised, never written, decided by people."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, SRENGSEM, Caller, add_person, code_of
from tksk_api.domain.regions import service as regions

URL = "/v1/proposals"
PIDADA = "18.71.04.1004"


def day(offset: int = 0) -> str:
    return (regions.local_today("Asia/Jakarta") + timedelta(days=offset)).isoformat()


async def visited(
    tksk: Caller, someone: dict[str, Any], differs: dict[str, Any] | None = None, *, on: str | None = None, **over: Any
) -> dict[str, Any]:
    """A completed visit that says so; the answer to its completion."""
    planned = await tksk.post("/v1/visits", json={"beneficiary_id": someone["id"], "visited_on": on or day()})
    assert planned.status_code == 201, planned.text
    body = {"outcome": "met", "finding": "eligible", "register_differs": differs, **over}
    done = await tksk.act(f"/v1/visits/{planned.json()['id']}/complete", body)
    assert done.status_code == 200, done.text
    result: dict[str, Any] = done.json()
    return result


async def listed(caller: Caller, query: str = "") -> list[dict[str, Any]]:
    answer = await caller.get(f"{URL}?{query}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def proposed(tksk: Caller, someone: dict[str, Any], differs: dict[str, Any], **over: Any) -> dict[str, Any]:
    """The one proposal that a visit raises."""
    visit = await visited(tksk, someone, differs, **over)
    (proposal,) = await listed(tksk, f"visit_id={visit['id']}")
    return proposal


async def registered(caller: Caller, someone: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = (await caller.get(f"/v1/beneficiaries/{someone['id']}")).json()
    return result


def refused(answer: Any) -> tuple[str, str]:
    assert answer.status_code == 422, answer.text
    return answer.json()["errors"][0]["pointer"], answer.json()["errors"][0]["code"]


async def test_what_differs_is_proposed_and_nothing_is_changed_by_itself(as_, owner):
    tksk, clerk = await as_("tksk", PANJANG), await as_("village_clerk", SRENGSEM)
    someone = await add_person(tksk, relationship="wife")
    differs = {
        "full_name": "Siti Rahmawati binti Umar",
        "birth_place": "Panjang",
        "sex": None,
        "address": {"rt": "5"},
        "phone": "0812 3456 7890",
        "relationship": "head_of_family",
        "ppks_categories": {"add": ["pemulung"]},
    }
    visit = await visited(tksk, someone, differs)
    items = {item["field"]: item for item in await listed(clerk, f"visit_id={visit['id']}")}
    now = {"street": "Jl. Yos Sudarso 12", "rt": "001", "rw": "002"}
    assert {field: (item["current_value"], item["proposed_value"]) for field, item in items.items()} == {
        "full_name": ("Siti Rahmawati", "Siti Rahmawati binti Umar"),
        "address": (now, {**now, "rt": "005"}),
        "phone": (None, "+6281234567890"),
        "relationship": ("wife", "head_of_family"),
        "ppks_categories": (["fakir_miskin"], ["fakir_miskin", "pemulung"]),
    }
    assert {(item["status"], item["origin"], item["raised_by"]) for item in items.values()} == {
        ("open", "officer", str(tksk.user_id))
    }
    before = await registered(clerk, someone)
    assert (before["full_name"], before["version"]) == ("Siti Rahmawati", 1)
    read = await clerk.get(f"{URL}/{items['phone']['id']}")
    assert (read.json(), read.headers["ETag"]) == (items["phone"], '"v1"')
    for query, wanted in {
        f"beneficiary_id={someone['id']}": 5,
        f"beneficiary_id={uuid4()}": 0,
        "status=open&field=phone": 1,
        "status=accepted": 0,
        f"village_code={SRENGSEM}": 5,
        f"village_code={PIDADA}": 0,
    }.items():
        assert len(await listed(clerk, query)) == wanted, query
    reads = "SELECT subject_ids FROM access_log WHERE user_id = $1 AND operation = 'get_proposal'"
    assert [row["subject_ids"] for row in await owner.fetch(reads, clerk.user_id)] == [[UUID(someone["id"])]]


async def test_accepting_writes_it_into_the_register_and_says_why(as_, owner):
    tksk, clerk = await as_("tksk", PANJANG), await as_("village_clerk", SRENGSEM, full_name="Agus Pratama")
    someone = await add_person(tksk)
    facts = {
        "full_name": "Siti Rahmawati binti Umar",
        "birth_date": "1991-03-24",
        "address": {"street": "Gang Melati 7"},
        "ppks_categories": {"add": ["pemulung"], "remove": ["fakir_miskin"]},
    }
    await visited(tksk, someone, facts)
    for item in await listed(clerk):
        done = await clerk.act(f"{URL}/{item['id']}/accept", {"note": "Sesuai KK"})
        assert done.status_code == 200, done.text
        body = done.json()
        assert (body["status"], body["decided_by"], body["decided_by_name"], body["note"]) == (
            "accepted",
            str(clerk.user_id),
            "Agus Pratama",
            "Sesuai KK",
        )
        assert body["version"] == 2
    now = await registered(clerk, someone)
    assert (now["full_name"], now["birth_date"]) == ("Siti Rahmawati binti Umar", "1991-03-24")
    assert (now["address"], now["ppks_categories"]) == (
        {"street": "Gang Melati 7", "rt": "001", "rw": "002"},
        ["pemulung"],
    )
    change = await owner.fetchrow(
        "SELECT reason, actor_id, fields FROM changes WHERE entity_id = $1 AND fields ? 'full_name' ORDER BY id DESC",
        UUID(someone["id"]),
    )
    assert (change["reason"], change["actor_id"]) == ("Temuan kunjungan rumah", clerk.user_id)


async def test_what_agrees_with_the_register_is_no_proposal(as_):
    tksk = await as_("tksk", PANJANG)
    someone = await add_person(tksk)
    same = {
        "full_name": someone["full_name"],
        "birth_date": someone["birth_date"],
        "address": {"street": "Jl. Yos Sudarso 12", "rt": "1"},
        "moved_to_village": SRENGSEM,
        "ppks_categories": {"add": ["fakir_miskin"], "remove": ["pemulung"]},
    }
    await visited(tksk, someone, same)
    await visited(tksk, someone, {})
    assert await listed(tksk) == []


async def test_once_the_register_changed_a_proposal_is_outdated(as_):
    tksk = await as_("tksk", PANJANG)
    someone = await add_person(tksk)
    await visited(tksk, someone, {"full_name": "Siti Rahmawati Umar", "phone": "0812 3456 7890"})
    corrected = await tksk.patch(
        f"/v1/beneficiaries/{someone['id']}", json={"full_name": "Siti R."}, headers={"If-Match": '"v1"'}
    )
    assert corrected.status_code == 200, corrected.text
    items = {item["field"]: item for item in await listed(tksk)}
    assert {field: item["status"] for field, item in items.items()} == {"full_name": "outdated", "phone": "open"}
    for version in (1, 2):
        late = await tksk.act(f"{URL}/{items['full_name']['id']}/accept", {}, version=version)
        assert (late.status_code, code_of(late)) == (409, "proposal_outdated")
    assert (await registered(tksk, someone))["full_name"] == "Siti R."
    assert (await tksk.act(f"{URL}/{items['phone']['id']}/accept", {})).status_code == 200


async def test_a_newer_visit_says_otherwise_and_an_older_one_that_comes_late_does_not(as_):
    tksk = await as_("tksk", PANJANG)
    someone = await add_person(tksk)
    first = await proposed(tksk, someone, {"full_name": "Siti Rahmawati Umar"}, on=day(-9))
    again = await visited(tksk, someone, {"full_name": "Siti Rahmawati Umar"}, on=day(-8))
    assert await listed(tksk, f"visit_id={again['id']}") == []  # it is asked already
    second = await proposed(tksk, someone, {"full_name": "Siti Rahmawati Usman"}, on=day(-2))
    late = await visited(
        tksk, someone, {"full_name": "Siti", "birth_place": "Metro"}, on=day(-5), finding="not_eligible"
    )
    assert [item["field"] for item in await listed(tksk, f"visit_id={late['id']}")] == ["birth_place"]
    states = {item["id"]: item["status"] for item in await listed(tksk, "field=full_name")}
    assert states == {first["id"]: "outdated", second["id"]: "open"}


async def test_a_finding_against_somebody_registered_as_very_poor_asks_to_take_that_away(as_):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    someone = await add_person(tksk, ppks_categories=["fakir_miskin", "pemulung"])
    visit = await visited(tksk, someone, finding="not_eligible", reasons=["sufficient_income"])
    (item,) = await listed(office, f"visit_id={visit['id']}")
    assert (item["field"], item["origin"], item["proposed_value"]) == ("ppks_categories", "finding", ["pemulung"])
    assert (await office.act(f"{URL}/{item['id']}/accept", {})).status_code == 200
    assert (await registered(tksk, someone))["ppks_categories"] == ["pemulung"]
    await visited(tksk, someone, finding="not_eligible")
    assert await listed(office, "status=open") == []


async def test_a_family_of_another_size_is_corrected_by_its_own_actions_first(as_):
    tksk = await as_("tksk", PANJANG)
    head, child, forgotten = [await add_person(tksk) for _ in range(3)]
    members = [
        {"beneficiary_id": head["id"], "relationship": "head_of_family"},
        {"beneficiary_id": child["id"], "relationship": "child"},
    ]
    family = await tksk.post(
        "/v1/families",
        json={"village_code": SRENGSEM, "address": {"street": "Gang Melati 7"}, "members": members},
    )
    assert family.status_code == 201, family.text
    await visited(tksk, head, evidence={"dependants": 1})
    assert await listed(tksk) == []
    await visited(tksk, head, evidence={"dependants": 2})
    (item,) = await listed(tksk)
    assert (item["field"], item["origin"]) == ("dependants", "evidence")
    assert (item["current_value"], item["proposed_value"]) == (1, 2)
    early = await tksk.act(f"{URL}/{item['id']}/accept", {})
    assert (early.status_code, code_of(early)) == (409, "family_differs")
    assert (early.json()["registered"], early.json()["seen"]) == (1, 2)
    added = await tksk.act(
        f"/v1/families/{family.json()['id']}/members",
        {"beneficiary_id": forgotten["id"], "relationship": "child"},
    )
    assert added.status_code in (200, 201), added.text
    assert (await tksk.act(f"{URL}/{item['id']}/accept", {})).json()["status"] == "accepted"


async def test_a_person_without_a_family_in_the_register_is_not_compared(as_):
    tksk = await as_("tksk", PANJANG)
    await visited(tksk, await add_person(tksk), evidence={"dependants": 7})
    assert await listed(tksk) == []


async def test_neighbours_say_that_somebody_died_or_moved(as_):
    tksk, clerk = await as_("tksk", PANJANG), await as_("village_clerk", SRENGSEM)
    nobody = {"outcome": "nobody_home", "finding": None}
    dead, gone = await add_person(tksk), await add_person(tksk)
    death = await proposed(tksk, dead, {"deceased_on": day(-3)}, **nobody)
    assert (await clerk.act(f"{URL}/{death['id']}/accept", {})).status_code == 200
    assert (await registered(clerk, dead))["deceased_on"] == day(-3)
    both = await visited(tksk, gone, {"moved_to_village": PIDADA, "phone": "0812 3456 7890"}, **nobody)
    items = {item["field"]: item for item in await listed(clerk, f"visit_id={both['id']}")}
    moved = await clerk.act(f"{URL}/{items['village_code']['id']}/accept", {})
    assert (moved.status_code, moved.json()["status"]) == (200, "accepted"), moved.text
    assert (await registered(tksk, gone))["village_code"] == PIDADA
    # What is still open goes where the person went; what was decided stays where it was.
    assert (await clerk.get(f"{URL}/{items['phone']['id']}")).status_code == 404
    there = await as_("village_clerk", PIDADA)
    assert [item["field"] for item in await listed(there)] == ["phone"]
    assert (await there.act(f"{URL}/{items['phone']['id']}/accept", {})).status_code == 200


@pytest.mark.parametrize(
    ("differs", "pointer", "code"),
    [
        ({"ppks_categories": {"add": ["pemulung", "odha"]}}, "/ppks_categories/add/1", "sensitive_not_proposed"),
        ({"ppks_categories": {"remove": ["korban_napza"]}}, "/ppks_categories/remove/0", "sensitive_not_proposed"),
        ({"ppks_categories": {"add": ["rich"]}}, "/ppks_categories/add/0", "unknown_code"),
        (
            {"ppks_categories": {"add": ["pemulung"], "remove": ["pemulung"]}},
            "/ppks_categories/remove/0",
            "duplicate_entry",
        ),
        ({"relationship": "cousin"}, "/relationship", "unknown_code"),
        ({"moved_to_village": "18.71.04.1999"}, "/moved_to_village", "unknown_region"),
        ({"deceased_on": "1980-01-01"}, "/deceased_on", "before_birth"),
        ({"deceased_on": "2999-01-01"}, "/deceased_on", "in_future"),
        ({"birth_date": "2999-01-01"}, "/birth_date", "in_future"),
        ({"full_name": "Siti 1871046503910002"}, "/full_name", "identity_number_in_text"),
        ({"full_name": "Siti \u202eitiS"}, "/full_name", "forbidden_character"),
        ({"nik": "1871046503910002"}, "/nik", "unknown_field"),
    ],
)
async def test_what_can_be_no_proposal_is_refused_with_the_whole_completion(as_, differs, pointer, code):
    tksk = await as_("tksk", PANJANG)
    someone = await add_person(tksk)
    planned = (await tksk.post("/v1/visits", json={"beneficiary_id": someone["id"], "visited_on": day()})).json()
    body = {"outcome": "met", "finding": "eligible", "register_differs": differs}
    answer = await tksk.act(f"/v1/visits/{planned['id']}/complete", body)
    found, said = refused(answer)
    assert (found, said) == (f"/register_differs{pointer}", code)
    assert (await tksk.get(f"/v1/visits/{planned['id']}")).json() == planned
    assert await listed(tksk) == []


async def test_sensitive_categories_never_show_in_a_proposal(as_):
    tksk, clerk = await as_("tksk", PANJANG), await as_("village_clerk", SRENGSEM)
    someone = await add_person(tksk)
    found = {"category": "odha", "beneficiary_id": someone["id"]}
    noted = await tksk.post("/v1/ppks-assessments", json={**found, "since": day(-9), "assessed_on": day(-1)})
    assert noted.status_code == 201, noted.text
    await visited(tksk, someone, {"ppks_categories": {"add": ["pemulung"]}}, finding="not_eligible")
    for reader in (tksk, clerk):
        assert "odha" not in str(await listed(reader))


async def test_a_rejection_says_why_and_is_the_end(as_):
    tksk = await as_("tksk", PANJANG)
    someone = await add_person(tksk)
    item = await proposed(tksk, someone, {"full_name": "Siti Rahmawati Umar"})
    url = f"{URL}/{item['id']}"
    assert refused(await tksk.act(f"{url}/reject", {}))[0] == "/reason"
    assert code_of(await tksk.post(f"{url}/reject", json={"reason": "Sesuai KTP"})) == "precondition_required"
    assert code_of(await tksk.act(f"{url}/reject", {"reason": "Sesuai KTP"}, version=7)) == "stale_version"
    done = (await tksk.act(f"{url}/reject", {"reason": "Sesuai KTP"})).json()
    assert (done["status"], done["note"]) == ("rejected", "Sesuai KTP")
    for action, body in (("accept", {}), ("reject", {"reason": "Sekali lagi"})):
        again = await tksk.act(f"{url}/{action}", body)
        assert (again.status_code, code_of(again)) == (409, "transition_refused")
    assert (await registered(tksk, someone))["full_name"] == "Siti Rahmawati"
    second = await proposed(tksk, someone, {"full_name": "Siti Rahmawati Umar"})  # another visit may see it again
    assert second["status"] == "open"


async def test_two_decisions_at_once_are_one(as_, owner):
    tksk, clerk = await as_("tksk", PANJANG), await as_("village_clerk", SRENGSEM)
    item = await proposed(tksk, await add_person(tksk), {"full_name": "Siti Rahmawati Umar"})
    answers = await asyncio.gather(
        tksk.act(f"{URL}/{item['id']}/accept", {}, version=1),
        clerk.act(f"{URL}/{item['id']}/reject", {"reason": "Sesuai KTP"}, version=1),
    )
    first, second = sorted(answers, key=lambda answer: answer.status_code)
    assert (first.status_code, second.status_code in (409, 412)) == (200, True)
    steps = "SELECT count(*) FROM transitions WHERE entity = 'proposals' AND entity_id = $1"
    assert await owner.fetchval(steps, UUID(item["id"])) == 1


async def test_who_reads_and_who_decides(as_):
    tksk = await as_("tksk", PANJANG)
    item = await proposed(tksk, await add_person(tksk), {"full_name": "Siti Rahmawati Umar"})
    url = f"{URL}/{item['id']}"
    head, other = await as_("village_head", SRENGSEM), await as_("tksk", AMPENAN)
    assert (await head.get(url)).status_code == 200
    for action, body in (("accept", {}), ("reject", {"reason": "Sesuai KTP"})):
        denied = await head.post(f"{url}/{action}", json=body, headers={"If-Match": '"v1"'})
        assert (denied.status_code, code_of(denied)) == (403, "permission_denied")
        assert (await other.post(f"{url}/{action}", json=body, headers={"If-Match": '"v1"'})).status_code == 404
    assert (await other.get(url)).status_code == 404
    assert await listed(other) == []


async def test_a_restricted_person_is_not_changed_but_a_proposal_may_be_put_away(as_, owner):
    tksk = await as_("tksk", PANJANG)
    someone = await add_person(tksk)
    await visited(tksk, someone, {"full_name": "Siti Rahmawati Umar", "phone": "0812 3456 7890"})
    await owner.execute("UPDATE beneficiaries SET restricted_at = now() WHERE id = $1", UUID(someone["id"]))
    first, second = await listed(tksk)
    stopped = await tksk.act(f"{URL}/{first['id']}/accept", {})
    assert (stopped.status_code, code_of(stopped)) == (409, "processing_restricted")
    assert (await tksk.act(f"{URL}/{second['id']}/reject", {"reason": "Atas permintaan orangnya"})).status_code == 200


async def test_a_withdrawn_registration_leaves_nothing_to_decide(as_):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    someone = await add_person(tksk)
    item = await proposed(tksk, someone, {"full_name": "Siti Rahmawati Umar"})
    await office.delete(f"/v1/beneficiaries/{someone['id']}", headers={"If-Match": '"v1"'})
    assert code_of(await tksk.act(f"{URL}/{item['id']}/accept", {})) == "proposal_outdated"


async def test_an_erasure_takes_the_values_and_a_statement_shows_them(as_, owner):
    tksk, clerk, office = [
        await as_(role, region)
        for role, region in (("tksk", PANJANG), ("village_clerk", SRENGSEM), ("regency_office", BANDAR_LAMPUNG))
    ]
    someone = await add_person(tksk)
    await visited(tksk, someone, {"birth_place": "Talangpadang", "phone": "0812 3456 7890"})
    plan = {"beneficiary_id": someone["id"], "visited_on": day(2)}
    planned = (await tksk.post("/v1/visits", json=plan)).json()
    await tksk.act(f"/v1/visits/{planned['id']}/cancel", {"reason": "Dirawat di Talangpadang"})
    stated = (await tksk.get(f"/v1/beneficiaries/{someone['id']}/statement")).json()
    assert {(item["field"], item["proposed_value"]) for item in stated["proposals"]} == {
        ("birth_place", "Talangpadang"),
        ("phone", "+6281234567890"),
    }
    assert "Dirawat di Talangpadang" in [visit["cancel_reason"] for visit in stated["visits"]]
    printed = await tksk.get(f"/v1/beneficiaries/{someone['id']}/statement?format=pdf")
    assert printed.status_code == 200, printed.text
    wish = {
        "beneficiary_id": someone["id"],
        "kind": "erasure",
        "reason": "Data tidak diperlukan lagi",
        "requested_by": "self",
        "received_on": day(),
    }
    request = (await clerk.post("/v1/privacy-requests", json=wish)).json()
    erased = await office.act(f"/v1/privacy-requests/{request['id']}/fulfil", {"note": "Sudah dihapus"})
    assert erased.status_code == 200, erased.text
    left = await owner.fetch("SELECT status, current_value, proposed_value, note FROM proposals")
    assert {tuple(row.values()) for row in left} == {("outdated", None, None, None)}
    everywhere = "SELECT string_agg(t::text, ' ') FROM {} t"
    for table in ("proposals", "visits", "changes", "transitions"):
        assert "Talangpadang" not in str(await owner.fetchval(everywhere.format(table))), table


async def test_a_merge_leaves_open_proposals_behind_and_orders_the_visits_anew(as_, owner):
    tksk = await as_("tksk", PANJANG)
    twin, kept = await add_person(tksk), await add_person(tksk, nik=None, nik_status="belum_rekam")
    older = await visited(tksk, kept, {"birth_place": "Metro"}, on=day(-4))
    newer = await visited(tksk, twin, {"birth_place": "Kalianda"}, on=day(-1))
    await owner.execute(
        "UPDATE visits SET beneficiary_id = $1 WHERE beneficiary_id = $2", UUID(kept["id"]), UUID(twin["id"])
    )
    await owner.execute(
        "UPDATE proposals SET beneficiary_id = $1 WHERE beneficiary_id = $2", UUID(kept["id"]), UUID(twin["id"])
    )
    states = {item["proposed_value"]: item["status"] for item in await listed(tksk)}
    assert states == {"Metro": "open", "Kalianda": "outdated"}
    now = {visit["id"]: visit["superseded_by"] for visit in (await tksk.get("/v1/visits")).json()["items"]}
    assert now == {older["id"]: newer["id"], newer["id"]: None}


async def test_a_name_that_is_none_never_becomes_a_proposal(as_):
    """What the register would not take, the visit does not take either: nobody could accept it."""
    tksk = await as_("tksk", PANJANG)
    someone = await add_person(tksk)
    planned = await tksk.post("/v1/visits", json={"beneficiary_id": someone["id"], "visited_on": day()})
    body = {"outcome": "met", "finding": "eligible", "register_differs": {"full_name": "Siti 😀 Rahma"}}
    answer = await tksk.act(f"/v1/visits/{planned.json()['id']}/complete", body)
    assert refused(answer) == ("/register_differs/full_name", "name_symbols")


@pytest.mark.parametrize(
    ("field", "differs", "kept", "code"),
    [
        ("full_name", {"full_name": "Siti Rahma"}, "Siti 😀 Rahma", "name_symbols"),
        ("phone", {"phone": "081234567890"}, "12", "phone_format"),
        ("deceased_on", {"deceased_on": day(-1)}, "1700-01-01", "too_old"),
    ],
)
async def test_a_value_that_is_taken_no_more_is_refused_and_can_be_rejected(as_, owner, field, differs, kept, code):
    """Proposals outlive the rules they were written under."""
    tksk = await as_("tksk", PANJANG)
    someone = await add_person(tksk)
    url = f"{URL}/{(await proposed(tksk, someone, differs))['id']}"
    await owner.execute("UPDATE proposals SET proposed_value = to_jsonb($1::text) WHERE field = $2", kept, field)
    assert refused(await tksk.act(f"{url}/accept", {})) == ("/proposed_value", code)
    assert (await tksk.get(url)).json()["status"] == "open"
    answer = await tksk.act(f"{url}/reject", {"reason": "Salah tulis"})
    assert (answer.status_code, answer.json()["status"]) == (200, "rejected")
    assert (await registered(tksk, someone))["version"] == 1
