"""A region's own settings: dated, inherited, with documents that depend on the case."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from helpers import SRENGSEM, add_person, code_of, nik
from sktm_flow import URL, application, checked, draft, issued, offices, ok, submitted, verified

POLICIES = "/v1/sktm-policies"


def today(days: int = 0) -> str:
    return str((datetime.now(UTC) + timedelta(hours=7, days=days)).date())


async def put(caller, region: str, body: dict, version: int | None = None):
    headers = {} if version is None else {"If-Match": f'"v{version}"'}
    return await caller.put(f"{POLICIES}/{region}", json=body, headers=headers)


async def test_a_change_is_dated_and_planned_ahead(as_):
    team = await offices(as_)
    first = ok(await put(team.dinsos, "18.71", {"validity_months": 6}))
    assert (first["effective_from"], first["version"]) == (today(), 1)
    ahead = today(40)
    later = ok(await put(team.dinsos, "18.71", {"validity_months": 1, "effective_from": ahead}, 1))
    assert (later["effective_from"], later["version"]) == (ahead, 2)

    seen = await team.clerk.get(f"{POLICIES}/{SRENGSEM}")
    assert seen.json()["values"]["validity_months"] == 6
    assert seen.json()["planned"] == [{"region_code": "18.71", "effective_from": ahead}]
    on_the_day = ok(await team.clerk.get(f"{POLICIES}/{SRENGSEM}?on={ahead}"))
    assert (on_the_day["values"]["validity_months"], on_the_day["origins"]["validity_months"]) == (1, "18.71")
    assert on_the_day["planned"] == []
    before = ok(await team.clerk.get(f"{POLICIES}/{SRENGSEM}?on={today(-1)}"))
    assert (before["values"]["validity_months"], before["origins"]["validity_months"]) == (3, "default")

    own = await team.dinsos.get(f"{POLICIES}/18.71?effective=false")
    assert own.headers["etag"] == '"v2"'
    assert {name: value for name, value in own.json()["values"].items() if value is not None} == {"validity_months": 6}
    assert own.json()["origins"] == {"validity_months": "18.71"}
    listed = ok(await team.dinsos.get(f"{POLICIES}?region_code=18.71"))["items"]
    assert [row["effective_from"] for row in listed] == [today(), ahead]


async def test_a_plan_is_told_of_and_called_off(as_):
    team = await offices(as_)
    day, later = today(40), today(80)
    ok(await put(team.dinsos, "18.71", {"validity_months": 6}))
    planned = ok(await put(team.dinsos, "18.71", {"validity_months": 1, "effective_from": day}, 1))
    assert "planned_change_follows" not in planned["warnings"]
    now = ok(await put(team.dinsos, "18.71", {"validity_months": 6, "office_address": "Jl. Baru 1"}, 2))
    assert "planned_change_follows" in now["warnings"]  # the new address ends on that day
    assert ok(await team.clerk.get(f"{POLICIES}/{SRENGSEM}?on={day}"))["values"]["office_address"] is None

    async def call_off(caller, day, version, region="18.71"):
        return await caller.delete(f"{POLICIES}/{region}/planned/{day}", headers={"If-Match": f'"v{version}"'})

    assert code_of(await call_off(team.dinsos, day, 2)) == "stale_version"
    for nothing in (later, today(), today(-1)):
        assert (await call_off(team.dinsos, nothing, 3)).status_code == 404
    assert (await call_off(team.clerk, day, 3)).status_code == 403
    assert (await call_off(await as_("regency_office", "52.71"), day, 3)).status_code == 404
    assert (await call_off(team.dinsos, day, 3)).status_code == 204
    seen = await team.clerk.get(f"{POLICIES}/{SRENGSEM}?on={day}")
    assert (seen.json()["planned"], seen.json()["values"]["office_address"]) == ([], "Jl. Baru 1")
    assert code_of(await put(team.dinsos, "18.71", {"validity_months": 9}, 3)) == "stale_version"
    after = ok(await put(team.dinsos, "18.71", {"validity_months": 9}, 4))
    assert "planned_change_follows" not in after["warnings"]
    # A region that has nothing but a plan inherits everything without it; its version counts on all the same.
    ok(await put(team.dinsos, "18.71.05", {"validity_months": 1, "effective_from": day}))
    assert (await call_off(team.dinsos, day, 1, "18.71.05")).status_code == 204
    bare = ok(await team.clerk.get(f"{POLICIES}/18.71.05"))
    assert (bare["version"], bare["planned"]) == (2, [])
    assert "18.71.05" not in bare["origins"].values()
    assert code_of(await put(team.dinsos, "18.71.05", {"effective_from": later})) == "precondition_required"
    again = ok(await put(team.dinsos, "18.71.05", {"validity_months": 2, "effective_from": later}, 2))
    assert again["version"] == 3
    # Whoever saw the first plan does not call off the second one.
    assert code_of(await call_off(team.dinsos, later, 1, "18.71.05")) == "stale_version"


async def test_a_version_guards_all_days_of_a_region(as_):
    team = await offices(as_)
    ok(await put(team.dinsos, "18.71", {"validity_months": 6}))
    assert code_of(await put(team.dinsos, "18.71", {"effective_from": today(1)})) == "precondition_required"
    ok(await put(team.dinsos, "18.71", {"validity_months": 2, "effective_from": today(1)}, 1))
    assert code_of(await put(team.dinsos, "18.71", {"validity_months": 9}, 1)) == "stale_version"
    same_day = ok(await put(team.dinsos, "18.71", {"validity_months": 9}, 2))
    assert (same_day["version"], same_day["validity_months"]) == (3, 9)
    past = await put(team.dinsos, "18.71", {"effective_from": today(-1)}, 3)
    assert (past.status_code, past.json()["errors"][0]["code"]) == (422, "in_past")
    at_once = await asyncio.gather(*(put(team.dinsos, "18.71.05", {"validity_months": n}) for n in range(1, 7)))
    assert sorted(answer.status_code for answer in at_once) == [200, 428, 428, 428, 428, 428]


async def test_a_pending_application_keeps_its_policy_through_a_dated_change(as_, owner):
    team = await offices(as_)
    row = await verified(owner, team)
    ok(
        await put(
            team.dinsos, "18.71", {"validity_months": 1, "visit_required": False, "signatories": ["district_head"]}
        )
    )
    done = ok(await team.head.act(f"{URL}/{row['id']}/sign"))
    assert done["status"] == "issued"


@pytest.mark.parametrize(
    ("said", "facts", "needed"),
    [
        ([], {}, True),
        (["already_born"], {}, False),
        ([], {"nik": None}, True),
    ],
)
async def test_a_birth_needs_the_health_facility_letter_unless_the_child_is_there(as_, said, facts, needed):
    team = await offices(as_)
    rules = {
        "any": ["ktp", {"kind": "cover_letter", "when": ["no_nik"]}],
        "maternity": [
            {"kind": "health_facility_letter", "unless": ["already_born"]},
            {"kind": "income_statement", "when": ["no_decile"]},
        ],
    }
    ok(await put(team.dinsos, "18.71", {"documents": rules}))
    person = await add_person(team.clerk, **facts)
    row = await submitted(team, person, purpose="maternity", circumstances=said)
    asked = ok(await team.clerk.get(f"{URL}/{row['id']}/requirements"))
    kinds = {document["kind"]: document["status"] for document in asked["documents"]}
    assert ("health_facility_letter" in kinds) is needed
    assert ("cover_letter" in kinds) is ("nik" in facts)
    assert kinds["income_statement"] == "absent"
    assert kinds["ktp"] == "brought"
    assert set(said) <= set(asked["conditions"])
    brought = [{"kind": kind, "status": "ok"} for kind in kinds]
    short = await team.clerk.act(f"{URL}/{row['id']}/check", {"documents": brought[1:]})
    assert (code_of(short), short.json()["missing"]) == ("requirements_missing", ["ktp"])
    assert ok(await team.clerk.act(f"{URL}/{row['id']}/check", {"documents": brought}))["status"] == "checked"


async def test_a_family_with_a_decile_needs_no_income_statement(as_, owner):
    team = await offices(as_)
    ok(await put(team.dinsos, "18.71", {"documents": {"any": [{"kind": "income_statement", "when": ["no_decile"]}]}}))
    person = await add_person(team.clerk)
    row = await draft(team, person)
    assert [d["kind"] for d in ok(await team.clerk.get(f"{URL}/{row['id']}/requirements"))["documents"]] == [
        "income_statement"
    ]
    family = (
        await team.clerk.post(
            "/v1/families",
            json={
                "village_code": SRENGSEM,
                "address": {"street": "Jalan Yos Sudarso"},
                "members": [{"beneficiary_id": person["id"], "relationship": "head_of_family"}],
            },
        )
    ).json()
    await owner.execute(
        "INSERT INTO decile_snapshots (id, version, region_code, family_id, decile, source, batch, dated_on) "
        "VALUES (gen_random_uuid(), 1, $1, $2::uuid, 2, 'dtsen', '2026-Q3', current_date)",
        SRENGSEM,
        family["id"],
    )
    assert ok(await team.clerk.get(f"{URL}/{row['id']}/requirements"))["documents"] == []


async def test_what_is_asked_of_a_minor_and_a_stamped_statement(as_):
    team = await offices(as_)
    rules = {"any": [{"kind": "ktp", "unless": ["under_17"]}, "family_card"]}
    ok(await put(team.dinsos, "18.71", {"documents": rules, "stamped_statement": True}))
    child = await add_person(team.clerk, birth_date="2015-03-02", nik=nik(born="020315"))
    row = await draft(team, child)
    asked = ok(await team.clerk.get(f"{URL}/{row['id']}/requirements"))
    assert [(d["kind"], d["stamped"]) for d in asked["documents"]] == [
        ("family_card", False),
        ("poverty_statement", True),
    ]
    assert {"under_17", "no_decile"} <= set(asked["conditions"])


async def test_a_purpose_may_do_without_a_visit(as_):
    team = await offices(as_)
    ok(await put(team.dinsos, "18.71", {"visit_required_for": {"legal_aid": False}}))
    with_visit = await checked(team)
    assert code_of(await team.head.act(f"{URL}/{with_visit['id']}/sign")) == "transition_refused"
    person = await add_person(team.clerk)
    row = await checked(team, person, purpose="legal_aid")
    assert ok(await team.clerk.get(f"{URL}/{row['id']}/requirements"))["visit_required"] is False
    assert ok(await team.head.act(f"{URL}/{row['id']}/sign"))["status"] == "issued"


async def test_each_type_of_letter_may_be_counted_apart(as_, owner):
    team = await offices(as_)
    ok(await put(team.dinsos, "18.71", {"number_pattern": "{classification}/{sequence}/{type}/{year}"}))
    numbers = [
        (await issued(owner, team, purpose=purpose, purpose_detail=f"Keperluan {n}"))["letter"]["number"]
        for n, purpose in enumerate(["education", "legal_aid", "education"])
    ]
    assert [number.split("/")[1:3] for number in numbers] == [["001", "PD"], ["001", "BH"], ["002", "PD"]]


async def test_what_no_policy_can_say_is_refused_with_its_place(as_):
    team = await offices(as_)
    cases = {
        "/documents/health/0": {"documents": {"health": ["shoe"]}},
        "/documents/any/1/unless": {"documents": {"any": ["ktp", {"kind": "ktp", "unless": ["rainy"]}]}},
    }
    for pointer, body in cases.items():
        refused = await put(team.dinsos, "18.71", body)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)
    person = await add_person(team.clerk)
    for stated in (["no_nik"], ["already_born", "already_born"]):
        refused = await team.clerk.post(URL, json=application(person["id"], circumstances=stated))
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["pointer"].startswith("/circumstances")
