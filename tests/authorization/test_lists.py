"""No list, search or count shows a row its reader may not see, and none hides one they may."""

import re
from itertools import product
from typing import Any

import pytest

from architecture.specification import READS_BY_POST, Operation, operations
from architecture.world import HOME, sign_in
from authorization.model import BELOW_A_ROW, LISTS, NOT_MODELLED, lies_in, regions_of, sees
from authorization.positions import MACHINE, PLACES, ROLES, Positions, asked
from helpers import Caller
from tksk_api.security.permissions import MACHINE_SCOPES, ROLE_REGION_LEVEL, Role


def readers(operation: Operation) -> list[str]:
    """The roles that may ask; others are refused, as the matrix shows."""
    machines = [MACHINE] if operation.permission in MACHINE_SCOPES else []
    return [role for role in ROLES if role in operation.roles] + machines


def lists(app: Any) -> list[Operation]:
    return [operation for operation in operations(app) if operation.is_list]


async def rows_of(at: Positions, table: str) -> list[dict[str, Any]]:
    """All there is, in the order it was made."""
    return [dict(row) for row in await at.owner.fetch(f"SELECT * FROM {table} ORDER BY created_at, id")]


async def ids_of(caller: Caller, path: str, **query: Any) -> list[str]:
    """The ids of every page."""
    found: list[str] = []
    url, params = path, {name: str(value) for name, value in query.items()} or None
    while url:
        answer = await caller.get(url, params=params)
        assert answer.status_code == 200, f"{url} {query}: {answer.text}"
        page = answer.json()
        assert page.keys() == {"items", "next_cursor"}, "a list tells its items and nothing about the rest"
        found += [str(item["id"]) for item in page["items"]]
        link = re.fullmatch(r'<([^>]+)>; rel="next"', answer.headers.get("link", ""))
        assert (link is None) == (page["next_cursor"] is None)
        url, params = (link[1] if link else ""), None
    assert len(found) == len(set(found)), "a row stands on two pages"
    return found


def test_every_list_is_modelled_or_reference_data(app):
    assert {operation.name for operation in lists(app)} == LISTS.keys() | BELOW_A_ROW.keys() | NOT_MODELLED.keys()


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_shows_exactly_what_the_model_says(at, name):
    """Page by page, plain; then with every filter, by what lies here and by what lies elsewhere."""
    operation, listed = asked(at.app)[name], LISTS[name]
    rows = await rows_of(at, listed.table)
    filters = [] if listed.is_open else [p["name"] for p in operation.query_parameters]
    # As of a date it is another list: tests/api/test_as_of.py.
    filters = [name for name in filters if name not in ("limit", "cursor", "sort", "as_of", *listed.elsewhere)]
    for role in readers(operation):
        caller = at.callers[role]
        seen = [row for row in rows if sees(at, role, listed, row)]
        found = await ids_of(caller, operation.path, limit=2 if len(seen) < 12 else 9)
        assert sorted(found) == sorted(str(row["id"]) for row in seen), (name, role)
        for filter_ in filters:
            for value in listed.values(filter_, rows):
                found = await ids_of(caller, operation.path, limit=200, **{filter_: value})
                wanted = [str(row["id"]) for row in seen if listed.matches(row, filter_, value)]
                assert sorted(found) == sorted(wanted), (name, role, filter_, value)
        everything = {str(row["id"]) for row in seen}
        for place, (filter_, values) in product(("own", "other_province"), listed.elsewhere.items()):
            report = at.row("reports", place)
            for value in values or (report,):
                found = await ids_of(caller, operation.path, limit=200, **{"report": report, filter_: value})
                assert everything.issuperset(found), (name, role, filter_, value)


async def test_the_roles_of_the_path_see_different_parts(at):
    """The twin: the model is not simply everything or nothing."""
    rows = await rows_of(at, "visits")
    listed, path = LISTS["list_visits"], ["village_head", "tksk", "regency_office", "province_office", "auditor"]
    counts = {role: sum(sees(at, role, listed, row) for row in rows) for role in (*path, MACHINE)}
    assert 0 < counts["village_head"] < counts["tksk"] == counts[MACHINE]
    assert counts["tksk"] < counts["regency_office"] < counts["province_office"] < counts["auditor"] == len(rows)


@pytest.mark.parametrize("name", BELOW_A_ROW)
async def test_a_list_below_a_row_shows_what_happened_to_that_row(at, name):
    operation = asked(at.app)[name]
    for position in ("own", "own_district"):
        key = at.row(operation.collection, position)
        ids = await at.owner.fetch(f"SELECT id FROM {BELOW_A_ROW[name]} WHERE entity_id = $1::uuid", key)
        for role in readers(operation):
            if role == "agency" and position != "own":
                continue
            if any(lies_in(PLACES[position]["village"], region) for region in regions_of(role)) or role == "agency":
                found = await ids_of(at.callers[role], at.path(operation, position), limit=2)
                assert sorted(found) == sorted(str(row["id"]) for row in ids), (name, role)
                assert position != "own" or name == "list_activity_history" or found


async def test_a_search_finds_exactly_what_the_model_says(at):
    operation = asked(at.app)["search_beneficiaries"]
    assert {operation.name, "search_families"} == READS_BY_POST, "another search needs a test of its own"
    rows, listed = await rows_of(at, "beneficiaries"), LISTS["list_beneficiaries"]
    by_id = {str(row["id"]): row for row in rows}
    for role in readers(operation):
        seen = {key for key, row in by_id.items() if sees(at, role, listed, row)}
        for place, world in at.worlds.items():
            mine = {world.ids["beneficiaries"]} & seen
            village = PLACES[place]["village"]
            there = {key for key in seen if by_id[key]["region_code"] == village}
            for body, wanted in (
                ({"nik": world.nik}, mine),
                ({"family_card_number": world.family_card}, mine),
                ({"name": "Siti Rahmawati", "village_code": village}, there),
                ({"birth_date": "1991-03-25", "village_code": village}, there),
            ):
                assert await _searched(at.callers[role], operation, body) == wanted, (role, place, body.keys())
        assert await _searched(at.callers[role], operation, {"name": "Siti Rahmawaty", "limit": 50}) == seen, role


async def test_a_search_for_families_finds_exactly_what_the_model_says(at):
    operation = asked(at.app)["search_families"]
    rows, listed = await rows_of(at, "families"), LISTS["list_families"]
    for role in readers(operation):
        seen = {str(row["id"]) for row in rows if sees(at, role, listed, row)}
        for place, world in at.worlds.items():
            found = await _searched(at.callers[role], operation, {"family_card_number": world.family_card})
            assert found == {world.ids["families"]} & seen, (role, place)


async def _searched(caller: Caller, operation: Operation, body: dict[str, Any]) -> set[str]:
    answer = await caller.post(operation.path, json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"items"}, "a search tells its hits and nothing about the rest"
    return {hit["id"] for hit in answer.json()["items"]}


async def twin(at: Positions, role: str) -> Caller:
    """A second user of the same role and region as one of the callers."""
    level = ROLE_REGION_LEVEL[Role(role)]
    return await sign_in(at.own, role, HOME[level] if level else None)


async def _first_page(at: Positions, operation: Operation) -> tuple[str, str]:
    """A role that sees more than one row, and the cursor behind the first one."""
    for role in readers(operation):
        cursor = (await at.callers[role].get(operation.path, params={"limit": 1})).json()["next_cursor"]
        if cursor is not None and role != MACHINE:
            return role, str(cursor)
    raise AssertionError(f"{operation.name}: nobody sees two rows")


async def test_a_cursor_serves_nobody_but_the_caller_it_was_made_for(at):
    """Not even a colleague of the same role and region, and no other list or filter of its own caller."""
    tried = 0
    for operation in lists(at.app):
        if operation.is_public or operation.path_parameters:
            continue
        role, cursor = await _first_page(at, operation)
        mine, theirs = at.callers[role], await twin(at, role)
        asked_with = {"limit": 1, "cursor": cursor}
        assert (await mine.get(operation.path, params=asked_with)).status_code == 200
        replayed = await theirs.get(operation.path, params=asked_with)
        assert (replayed.status_code, replayed.json()["code"]) == (400, "cursor_invalid"), operation.name
        other = next(o for o in lists(at.app) if o.path != operation.path and role in o.roles and not o.path_parameters)
        assert (await mine.get(other.path, params=asked_with)).status_code == 400, (operation.name, other.name)
        tried += 1
    assert tried >= 8
