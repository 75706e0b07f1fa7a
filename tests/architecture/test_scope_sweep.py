"""Nobody sees, lists or changes what lies in another district, nor can tell it from a missing row: every operation.

The operations come from the published document, so a new one is swept without a new test. One that cannot be swept
fails here, and says what to add to world.py.
"""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from architecture.specification import OPEN_COLLECTIONS, READS_BY_POST, Operation, operations
from architecture.world import BODIES, HOME, REGIONAL, World, activity, assignment, build_world
from helpers import AMPENAN, AMPENAN_VILLAGE, person
from tksk_api.security.permissions import Role

# Operations without an id of a row, whose answers the list sweep below looks through.
COLLECTION_READS = {"search_beneficiaries"}
# Lists of something else than the rows of their collection.
OTHER_LISTS = {"list_vacancies"}
# Operations that act on the caller alone.
ABOUT_THE_CALLER = {"get_me", "change_password", "logout"}
# Ids in bodies: member -> the collection whose row it names.
NAMED_IN_BODIES = {
    "beneficiary_id": "beneficiaries",
    "beneficiary_ids": "beneficiaries",
    "dependants": "beneficiaries",
    "visit_id": "visits",
    "attachment_ids": "attachments",
    "sktm_application_id": "sktm-applications",
    "user_id": "users",
}
# Members that name rows everybody may see, or nothing that exists yet.
NOT_SCOPED_IN_BODIES = {"id", "agency_id", "agency_ids", "partner_ids", "attachment_id"}


@pytest.fixture(scope="module")
async def world(app, _owner) -> AsyncIterator[World]:
    connection, empty = _owner
    async with build_world(app, connection) as built:
        yield built
    await connection.execute(
        f"SET session_replication_role = replica; {empty}; DELETE FROM agencies WHERE created_by IS NOT NULL; "
        "SET session_replication_role = origin"
    )


def on_one_row(app: Any) -> list[Operation]:
    """Operations on a row of somebody's region."""
    return [
        operation
        for operation in operations(app)
        if operation.path_parameters and not operation.is_public and operation.collection not in OPEN_COLLECTIONS
    ]


def regional(operation: Operation) -> list[str]:
    """The roles that hold the permission and work in a region, and agencies, which have their own scope."""
    return [role for role in operation.roles if role in REGIONAL or role == Role.AGENCY]


def alike(answer: httpx.Response) -> dict[str, Any]:
    return {**answer.json(), "instance": None}


def test_every_operation_is_swept_or_on_a_list(app):
    known = {operation.name for operation in on_one_row(app)} | COLLECTION_READS | ABOUT_THE_CALLER
    for operation in operations(app):
        swept = (
            operation.name in known
            or operation.is_public
            or operation.collection in OPEN_COLLECTIONS
            or operation.is_list
            or operation.name.startswith("create_")
        )
        assert swept, f"{operation.name}: {operation.method} {operation.path} is not looked at by any sweep"


async def test_every_row_answers_the_others_like_a_missing_one(world):
    """With a permission, the right shape and an If-Match: 404, and not a letter more than for a random id."""
    swept = 0
    for operation in on_one_row(world.app):
        for role in regional(operation):
            caller = world.away[role]
            outside = await world.send(operation, caller)
            missing = await world.send(operation, caller, world.path(operation, id=str(uuid4())))
            place = f"{operation.name} by {role}: {outside.text}"
            assert outside.status_code == 404, f"{place} (a body that is refused first? see BODIES in world.py)"
            assert alike(outside) == alike(missing), place
            assert dict(outside.headers).keys() == dict(missing.headers).keys(), place
            swept += 1
    assert swept > 100


async def test_the_same_requests_find_the_row_at_home(world):
    """The twin: it is the region that makes the 404 above, not a wrong address or body."""
    for operation in on_one_row(world.app):
        role = "tksk" if "tksk" in operation.roles else operation.roles[0]
        answer = await world.send(operation, world.home[role], headers={"If-Match": '"v987"'})
        place = f"{operation.name} by {role}: {answer.status_code} {answer.text}"
        if operation.method == "GET":
            assert answer.status_code == 200, place
        else:
            assert answer.status_code != 404, place
            assert answer.status_code < 500, place


async def test_neighbours_inside_one_regency_are_strangers_too(world):
    """A village beside the village: the officer of the district sees both, their clerks only their own."""
    await world.owner.execute(
        "UPDATE users SET region_code = '18.71.04.1003' WHERE id = $1", world.away["village_clerk"].user_id
    )
    try:
        for operation in on_one_row(world.app):
            if "village_clerk" in operation.roles:
                answer = await world.send(operation, world.away["village_clerk"])
                assert answer.status_code == 404, f"{operation.name}: {answer.text}"
    finally:
        await world.owner.execute(
            "UPDATE users SET region_code = $2 WHERE id = $1", world.away["village_clerk"].user_id, AMPENAN_VILLAGE
        )


async def test_no_list_shows_a_row_of_another_district(world):
    """Plain, and with every filter set to what would find the row."""
    scoped_ids = {name: key for name, key in world.ids.items() if name not in OPEN_COLLECTIONS}
    for operation in operations(world.app):
        if not operation.is_list or operation.path_parameters or operation.collection in OPEN_COLLECTIONS:
            continue
        for role in regional(operation):
            for query in _queries(world, operation):
                answer = await world.away[role].get(operation.path, params=query)
                assert answer.status_code in (200, 422), answer.text
                shown = [key for key in scoped_ids.values() if key in answer.text]
                assert shown == [], f"{operation.name} by {role} with {query}"
                if query:
                    assert answer.status_code == 422 or answer.json()["items"] == [], (operation.name, role, query)


async def test_the_same_lists_show_the_row_at_home(world):
    for operation in operations(world.app):
        if operation.name in OTHER_LISTS:
            continue
        if operation.is_list and not operation.path_parameters and operation.collection in world.ids:
            for role in regional(operation):
                if role == Role.AGENCY and operation.collection != "referrals":
                    continue
                items = (await world.home[role].get(operation.path, params={"limit": 200})).json()["items"]
                assert world.ids[operation.collection] in [item["id"] for item in items], (operation.name, role)


def _queries(world: World, operation: Operation) -> list[dict[str, str]]:
    queries: list[dict[str, str]] = [{}]
    for parameter in operation.query_parameters:
        name = parameter["name"]
        if name in NAMED_IN_BODIES:
            queries.append({name: world.ids[NAMED_IN_BODIES[name]]})
        elif name == "officer_id":
            queries.append({name: str(world.home["tksk"].user_id)})
        elif name in ("village_code", "region_code"):
            queries += [{name: code} for code in HOME.values()]
    return queries


async def test_a_search_finds_nobody_of_another_district(world):
    number = await world.owner.fetchval("SELECT nik_last4 FROM beneficiaries WHERE id = $1", world.ids["beneficiaries"])
    operation = next(o for o in operations(world.app) if o.name == "search_beneficiaries")
    assert operation.name in READS_BY_POST
    full = f"187104650391{number}"
    for body in ({"nik": full}, {"name": "Siti Rahmawati"}, {"birth_date": "1991-03-25"}):
        at_home = await world.home["tksk"].post(operation.path, json=body)
        assert [hit["id"] for hit in at_home.json()["items"]] == [world.ids["beneficiaries"]], body
        for role in regional(operation):
            answer = await world.away[role].post(operation.path, json=body)
            assert answer.status_code == 200
            assert answer.json() == {"items": []}, (role, body)


async def test_an_agency_sees_what_is_addressed_to_it_and_nothing_else(world):
    ours, theirs = world.home["agency"], world.away["agency"]
    url = f"/v1/referrals/{world.ids['referrals']}"
    assert (await ours.get(url)).status_code == 200
    assert (await theirs.get(url)).status_code == 404
    assert (await theirs.get("/v1/referrals")).json()["items"] == []
    for collection in ("beneficiaries", "visits", "sktm-applications", "activities", "users"):
        assert (await ours.get(f"/v1/{collection}")).status_code == 403


async def test_a_row_named_in_a_body_answers_the_others_like_a_missing_one(world):
    """A visit, an application or a referral for a person elsewhere: refused as for a person who does not exist."""
    tksk = world.away["tksk"]
    own = await tksk.post("/v1/beneficiaries", json=person(village_code=AMPENAN_VILLAGE))
    own_id = own.json()["id"]
    valid: dict[str, dict[str, Any]] = {
        "create_visit": {"beneficiary_id": own_id, "visited_on": "2026-11-02"},
        "create_sktm_application": {
            "beneficiary_id": own_id,
            "purpose": "education",
            "purpose_detail": "Beasiswa",
            "addressed_to": "Universitas Mataram",
        },
        "create_referral": {
            "beneficiary_id": own_id,
            "program": "pbi_jk",
            "agency_id": world.ids["agencies"],
            "reason": "Tidak mampu membayar iuran",
            "consent": "given",
        },
        "create_activity": activity(own_id) | {"region_code": AMPENAN_VILLAGE},
        "create_assignment": assignment(tksk.user_id) | {"region_code": AMPENAN},
    }
    for operation in operations(world.app):
        if not operation.name.startswith("create_"):
            continue
        named = {name for name in operation.body_properties if name.endswith(("_id", "_ids")) or name == "dependants"}
        unknown = named - NAMED_IN_BODIES.keys() - NOT_SCOPED_IN_BODIES
        assert not unknown, f"{operation.name}: say in NAMED_IN_BODIES what {unknown} names"
        caller = tksk if "tksk" in operation.roles else world.away[regional(operation)[-1]]
        for name in sorted(named & NAMED_IN_BODIES.keys()):
            answers = []
            for key in (world.ids[NAMED_IN_BODIES[name]], str(uuid4())):
                value: Any = [key] if isinstance(valid[operation.name].get(name), list) or name == "dependants" else key
                answers.append(await caller.post(operation.path, json={**valid[operation.name], name: value}))
            assert [a.status_code for a in answers] == [422, 422], (operation.name, name, answers[0].text)
            assert alike(answers[0]) == alike(answers[1])
            assert "18.71" not in answers[0].text


async def test_an_id_taken_elsewhere_is_refused_without_a_word_about_it(world):
    """The client may choose ids, so a taken one must be refused; the answer names neither place nor person."""
    body = person(id=world.ids["beneficiaries"], village_code=AMPENAN_VILLAGE)
    answer = await world.away["tksk"].post("/v1/beneficiaries", json=body)
    assert answer.status_code == 409
    assert answer.json()["code"] == "id_in_use"
    assert "18.71" not in answer.text
    assert "Siti" not in answer.text


async def test_another_users_idempotency_key_is_not_seen(world):
    key = {"Idempotency-Key": "shared"}
    first = await world.home["tksk"].post("/v1/beneficiaries", json=person(), headers=key)
    other = await world.away["tksk"].post("/v1/beneficiaries", json=person(village_code=AMPENAN_VILLAGE), headers=key)
    assert (first.status_code, other.status_code) == (201, 201)
    assert "Idempotency-Replayed" not in other.headers


def test_a_path_parameter_without_a_row_says_what_to_do(world):
    unknown = Operation("GET", "/v1/families/{id}", "get_family", "beneficiary:read", {}, {})
    with pytest.raises(KeyError, match="Make one in _fill"):
        world.path(unknown)


def test_the_bodies_table_names_existing_operations(app):
    assert BODIES.keys() <= {operation.name for operation in operations(app)}
