"""Each of the two walls holds alone, and every stone of each is missed when it is taken out."""

import ast
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import tksk_api
from architecture.resources import RESOURCES
from architecture.specification import Operation
from architecture.world import BODIES, FILES
from authorization.matrix import MATRIX, NOT_ASKED, Block, Line, differences, parse
from authorization.model import LISTS, lies_in, regions_of
from authorization.positions import PLACES, Positions, asked
from authorization.walls import (
    OPEN_TO_WRITE,
    Above,
    Underneath,
    blind_at,
    policies,
    scoped_resources,
    uncriticised,
    unrefused,
    unscoped,
    without_wall_one,
    without_wall_two,
)
from tksk_api.database.tables import scoped_tables
from tksk_api.services import import_models

# The callers who try: an officer, whose district is not the whole regency, and an office without any region.
OUTSIDE = {
    "tksk": ("sibling_district", "other_regency", "other_province"),
    "agency": ("own_district", "sibling_district", "other_regency", "other_province"),
}
OPEN = {"agencies", "sktm_policies", "report_calendars"}  # what happens to them is open as they are
SOURCES = Path(tksk_api.__file__).parent
# They open nothing: two say in the answer whether the caller still sees who moved, one counts a number that is taken
# elsewhere (tests/api/test_access_grants.py), and two name the office to ask where the database refuses the write
# (tests/api/test_duplicates.py, test_merge.py).
SAYS_ONLY = {
    ("domain/beneficiaries/service.py", "move"),
    ("domain/beneficiaries/service.py", "taken"),
    ("domain/families/service.py", "move"),
    ("domain/duplicates/service.py", "_pair"),
    ("domain/duplicates/service.py", "unmerge"),
    # Only asked by readings of counts (tests/api/test_statistics_figures.py, test_dashboard.py); the second one whether
    # a page leads to the one above, which asks by itself.
    ("domain/statistics/service.py", "area_of"),
    ("domain/statistics/dashboard.py", "_above"),
    # A file that is fetched by less than it was asked for, and a village named without its code (tests/api/
    # test_exports.py, test_import_beneficiaries.py): neither is made by a request for a place.
    ("domain/exports/service.py", "open_file"),
    ("domain/imports/kinds/beneficiaries.py", "_find_villages"),
}
# Without their own predicate they still show nothing: one needs a person whom the caller sees, by a predicate of
# theirs, and app.as_of asks for the place itself.
HELD_TWICE = {"statistics.reads.DISAGREEMENTS", "beneficiaries.as_of.PERSON_AS_OF"}
import_models()


def outside(at: Positions, role: str) -> dict[str, list[str]]:
    """Table -> the rows beyond the role's area, as JSON."""
    worlds = [at.made[position] for position in OUTSIDE[role]]
    rows = {table: sorted(row for world in worlds for row in world[table]) for table in worlds[0]}
    return {
        table: [row for row in found if not _is_open(table, json.loads(row), role)] for table, found in rows.items()
    }


def _is_open(table: str, row: dict[str, Any], role: str) -> bool:
    """Changes of what everybody sees; and a template that an office shares is for everybody below it."""
    if table == "activity_templates":
        return any(lies_in(region, row["region_code"] or "") for region in regions_of(role))
    return row.get("entity") in OPEN


def ids_outside(at: Positions, role: str) -> dict[str, set[str]]:
    rows = {table: [json.loads(row) for row in rows] for table, rows in outside(at, role).items()}
    found = {table: {str(row["id"]) for row in rows if "id" in row} for table, rows in rows.items()}
    return {**found, "sktm_numbers": found["sktm_letters"] | found["sktm_voided_numbers"]}  # the view over both


@pytest.fixture(scope="module")
async def walled(at):
    return await policies(at.owner)


@pytest.fixture
async def wall_two_is_gone(at, owner_url):
    async with without_wall_two(at, SecretStr(owner_url)):
        yield


def test_there_is_something_to_find_in_every_walled_table(at):
    empty = [table for table, rows in outside(at, "tksk").items() if not rows]
    assert empty == [], "make a row of it in _fill() of tests/architecture/world.py"


# ---- wall two --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", OUTSIDE)
async def test_the_policies_alone_hide_and_refuse_everything_outside(at, walled, role):
    open_to_write = {f"write {table}" for table in OPEN_TO_WRITE}
    assert await Underneath(at.owner, walled, outside(at, role)).leaks(at.callers[role]) == open_to_write


async def test_every_policy_is_missed_when_it_is_gone_or_says_yes(at, walled):
    """One after the other, in a transaction of the owner that is rolled back."""
    probe, tksk = Underneath(at.owner, walled, outside(at, "tksk")), at.callers["tksk"]
    for table in walled:
        name, policy = table["name"], f"ALTER POLICY {table['policy']} ON {table['name']}"
        written = (table["inserts"] or table["updates"]) and name not in OPEN_TO_WRITE
        everything = {f"read {name}"} | ({f"write {name}"} if written else set())
        assert await probe.leaks(tksk, f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY") >= everything, name
        assert f"read {name}" in await probe.leaks(tksk, f"{policy} USING (true)"), name
        if written:
            assert f"write {name}" in await probe.leaks(tksk, f"{policy} WITH CHECK (true)"), name
    assert len(walled) >= 15


# ---- wall one --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", OUTSIDE)
@pytest.mark.usefixtures("wall_two_is_gone")
async def test_the_predicates_alone_hide_and_refuse_everything_outside(at, role):
    probe, caller = Above(at, ids_outside(at, role)), at.callers[role]
    assert (await probe.reads(caller), await probe.writes(caller)) == (set(), set())


@pytest.mark.usefixtures("wall_two_is_gone")
async def test_every_predicate_is_missed_when_it_is_gone(at):
    """Every compiled read and every scoped table, one after the other."""
    probe, tksk = Above(at, ids_outside(at, "tksk")), at.callers["tksk"]
    for name, resource in scoped_resources().items():
        with unscoped(resource):
            assert await probe.reads(tksk) == (set() if name in HELD_TWICE else {f"compiled {name}"})
    for model in scoped_tables():
        with uncriticised(model):
            assert await probe.reads(tksk) == {f"select {model.__tablename__}"}
    with unrefused():
        found = await probe.writes(tksk)
    assert found == {f"{how} {model.__tablename__}" for how in ("flush", "create") for model in scoped_tables()}
    assert len(scoped_resources()) >= 12
    assert len(scoped_tables()) >= 8


# ---- both, over HTTP -------------------------------------------------------------------------------------------------


def some(role: str, *, positions: tuple[str, ...], operations: dict[str, Operation]) -> list[Block]:
    """The matrix, but only these operations, this role and these positions."""
    blocks = []
    for block in parse(MATRIX.read_text()):
        names = tuple(name for name in block.operations if name in operations)
        lines = [line for line in block.lines if role in line.roles and len(line.statuses) == len(block.positions)]
        kept = [
            Line(
                line.number,
                (role,),
                tuple(_if(p in positions, s) for p, s in zip(block.positions, line.statuses, strict=True)),
            )
            for line in lines
        ]
        blocks.append(replace(block, operations=names, lines=kept))
    return blocks


def _if(is_wanted: bool, status: str) -> str:
    return status if is_wanted else NOT_ASKED


async def leaks_over_http(at: Positions, role: str) -> list[str]:
    """Rows outside that a GET or a list gives to the role."""
    operations = asked(at.app)
    by_id = {name: o for name, o in operations.items() if o.method == "GET" and "id" in o.path_parameters}
    wrong = await differences(at, some(role, positions=OUTSIDE[role], operations=by_id), operations)
    found = [str(difference) for difference in wrong]
    shown_by_lists = {listed.table for listed in LISTS.values() if not listed.is_open}
    ids = ids_outside(at, role)
    hidden = {key for table in shown_by_lists for key in ids[table]}
    for operation in operations.values():
        if operation.is_list and role in operation.roles and not operation.path_parameters:
            answer = await at.callers[role].get(operation.path, params={"limit": 200})
            shown = {item.get("id") for item in answer.json()["items"]} & hidden
            found += [f"{operation.name} shows {key}" for key in shown]
    return found


@pytest.mark.parametrize("role", OUTSIDE)
async def test_either_wall_is_enough(at, owner_url, role):
    with without_wall_one():
        assert await leaks_over_http(at, role) == []
    async with without_wall_two(at, SecretStr(owner_url)):
        assert await leaks_over_http(at, role) == []
    assert await leaks_over_http(at, role) == []


async def test_without_any_wall_everything_leaks(at, owner_url):
    """The twin: it is the walls that keep the answers above clean."""
    async with without_wall_two(at, SecretStr(owner_url)):
        with without_wall_one():
            found = await leaks_over_http(at, "tksk")
    assert {line.split()[0] for line in found} >= {
        "get_beneficiary",
        "list_beneficiaries",
        "get_visit",
        "list_visits",
        "get_sktm_application",
        "list_sktm_applications",
        "get_referral",
        "list_referrals",
        "get_activity",
        "list_activities",
    }


# ---- questions that single use cases ask -----------------------------------------------------------------------------


def questions() -> Iterator[tuple[str, str]]:
    """File and function of every `scope.contains(...)` in the domain."""
    for path in sorted((SOURCES / "domain").rglob("*.py")):
        text = path.read_text()
        for function in ast.walk(ast.parse(text)) if ".contains(" in text else ():
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(_asks, ast.walk(function))):
                yield str(path.relative_to(SOURCES)), function.name


def _asks(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "contains"):
        return False
    asked_of = ast.unparse(node.func.value)
    return asked_of.startswith("scope_of(") or asked_of.split(".")[-1] == "scope"


async def clients_that_reach_beyond(at: Positions) -> list[int]:
    """A machine client of one's own area for another one: the matrix asks only where it belongs."""
    body = {"name": "Sistem mitra", "scopes": [], "region_codes": ["52.71.01"], "region_code": "18.71.04"}
    answer = await at.callers["province_office"].post("/v1/clients", json=body)
    return [] if answer.status_code == 422 else [answer.status_code]


async def templates_that_reach_beyond(at: Positions) -> list[int]:
    """A template of the office above, changed by the one below; and one of an officer who wrote it elsewhere, used."""
    meeting = BODIES["create_activity_template"]
    made = await at.callers["province_office"].post(
        "/v1/activity-templates", json={**meeting, "title": "Rapat", "region_code": "18"}
    )
    changed = await at.callers["regency_office"].patch(
        f"/v1/activity-templates/{made.json()['id']}", json={"title": "Rapat lain"}, headers={"If-Match": '"v1"'}
    )
    own = (await at.callers["tksk"].post("/v1/activity-templates", json={**meeting, "title": "Rapat"})).json()["id"]
    await at.owner.execute("UPDATE activity_templates SET region_code = '18.71.05' WHERE id = $1::uuid", own)
    used = await at.callers["tksk"].post(f"/v1/activity-templates/{own}/use", json={})
    return [answer.status_code for answer, right in ((changed, 403), (used, 201)) if answer.status_code != right]


async def certificates_that_reach_beyond(at: Positions) -> list[int]:
    """A certificate for an office elsewhere: the file, which is none, is not opened before the place is asked for."""
    fields, _ = FILES["create_office_certificate"](PLACES["other_province"])
    answer = await at.callers["regency_office"].post(
        "/v1/office-certificates", data=fields, files={"file": ("kantor.p12", b"bukan sertifikat")}
    )
    return [] if answer.status_code == 404 else [answer.status_code]


QUESTIONS = set(questions())


@pytest.mark.parametrize(("file", "function"), sorted(QUESTIONS - SAYS_ONLY))
async def test_every_question_for_the_place_is_missed_when_it_is_not_asked(at, file, function):
    operations = asked(at.app)
    changing = {name: o for name, o in operations.items() if o.method != "GET" and not o.is_public}
    far = {name: o for name, o in changing.items() if o.name.startswith(("create_", "update_", "put_"))}
    found = []
    with blind_at(file, function):
        for role in ("tksk", "regency_office", "province_office"):
            blocks = some(role, positions=("other_province",), operations=far)
            found += await differences(at, blocks, operations)
        found += await clients_that_reach_beyond(at)
        found += await templates_that_reach_beyond(at)
        found += await certificates_that_reach_beyond(at)
    assert found, f"{function} of {file} may say yes to everything, and nothing notices"


async def test_the_questions_are_asked_when_nothing_is_missing(at):
    assert await clients_that_reach_beyond(at) == []
    assert await templates_that_reach_beyond(at) == []
    assert await certificates_that_reach_beyond(at) == []


def test_the_questions_are_found():
    assert len(QUESTIONS) >= 8
    assert QUESTIONS >= SAYS_ONLY
    assert PLACES.keys() >= {position for positions in OUTSIDE.values() for position in positions}
    assert len(RESOURCES) > len(scoped_resources())
