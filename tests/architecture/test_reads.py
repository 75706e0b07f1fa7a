"""Compiled reads: every projection is valid SQL for every kind of caller, uses its index, and costs one statement."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from pydantic import create_model
from sqlalchemy import event

from architecture.resources import RESOURCES
from architecture.specification import operations
from architecture.world import activity, build_world
from helpers import AMPENAN, PANJANG, SRENGSEM, add_person, add_user
from tksk_api.cli.database import upgrade
from tksk_api.database.admission import Admission
from tksk_api.database.reads import PageRequest, ReadPool, Resource, wrap_of
from tksk_api.database.scope import NATIONAL, RegionScope
from tksk_api.database.tables import scoped_tables, table_of
from tksk_api.domain.beneficiaries.reads import BENEFICIARIES
from tksk_api.services import import_models

SCOPES = [
    NATIONAL,
    RegionScope(("18",)),
    RegionScope(("18.71",)),
    RegionScope((PANJANG,)),
    RegionScope((SRENGSEM,)),
    RegionScope((PANJANG, AMPENAN)),
    RegionScope((), str(uuid4())),
    RegionScope((PANJANG,), None, (str(uuid4()),)),
    RegionScope(()),
]
# Statements of each GET that is not one compiled read: 0 asks nobody, more than 1 enters first, or reads twice.
BUDGET = {
    "jwks": 0,
    "sktm_keys": 0,
    "oauth_authorization_server": 0,
    "list_visit_forms": 0,
    "get_visit_form": 0,
    "list_references": 0,
    "get_reference": 0,
    "livez": 0,
    "readyz": 1,
    "get_me": 3,
    "count_unread_notifications": 2,
    "get_notification_settings": 2,
    "list_sessions": 2,
    "list_user_sessions": 3,
    "get_sktm_letter": 6,  # one of them for the applicant's own key, one asks whether somebody it names is restricted
    "get_beneficiary_statement": 7,  # whatever the length of what is held
    "get_attachment_content": 4,  # one of them for the person's own key
    "get_export_content": 4,  # enters, the export, the access row, and how often it was fetched
    "get_import_errors": 4,  # enters, the import, the access row, and the faults of each part that has some
    "get_import_mapping": 3,
    "list_import_rows": 2,
    # However many visits, people and families: each kind of thing once, and one access row for all.
    "get_visit_worksheet": 6,
    "get_visit_worksheets": 6,
    "list_beneficiary_history": 2,
    "list_beneficiary_duplicates": 2,
    "list_beneficiary_merges": 2,
    "list_beneficiary_enrolments": 2,
    "get_program": 4,  # itself, the version that holds there and then, and all of them
    "list_sktm_application_history": 2,
    "list_presentations": 2,
    "list_referral_history": 2,
    "list_referral_files": 4,  # enters, the referral, its files, and the access row
    "get_referral_file": 5,  # one of them asks whether the person is restricted, one is for their key
    "list_activity_history": 2,
    "list_family_history": 2,
    "get_sktm_policy": 2,
    "get_statistics": 2,
    "get_chart": 2,
    "get_coverage": 3,  # enters, the places, and their names
    "list_open_data": 0,
    "get_open_data_metadata": 0,
    "get_dashboard": 13,  # enters; four questions with their regions, places, coverage, and reports
    "get_report_calendar": 3,
    "check_report": 4,  # enters, the report, the counts, and what is logged beside them
    "get_report_document": 3,
    "list_report_revisions": 2,
    "list_report_history": 2,
    "list_due_activity_templates": 3,  # enters, what recurs, and what was logged of it
    "get_sktm_logo": 3,  # the settings, and the picture
    "get_sktm_requirements": 5,  # enters, application, person, decile, and the access row; a draft asks for its policy
}


def statements(resource: Resource, scope: RegionScope) -> Iterator[str]:
    """The SQL of reading one, and of a page with each order, each filter, all filters, and behind a cursor."""
    key: Any
    yield resource.compiled(
        ("one", scope.shape), lambda: resource.select_one(scope, admitted=True), wrap=wrap_of(resource, one=True)
    ).sql
    filters = [{}, dict.fromkeys(resource.filters)]
    if scope == SCOPES[0]:
        filters += [{name: None} for name in resource.filters]
    for sort, chosen, behind in itertools.product(resource.sorts, filters, (False, True)):
        after = (None,) * (len(resource.sorts[sort].columns) + 1) if behind else None
        request = PageRequest(50, sort, chosen, after)
        key = (sort, *chosen, behind, scope.shape)
        yield resource.compiled(
            key, lambda r=request: resource.select_page(scope, r, admitted=True), wrap=wrap_of(resource, one=False)
        ).sql
    if not resource.scoped:
        yield resource.compiled("public", lambda: resource.select_one(NATIONAL), wrap=None).sql


def fresh(resource: Resource) -> Resource:
    """A copy with an empty statement cache, so that test keys never meet the application's."""
    return replace(resource)


@pytest.mark.parametrize("name", RESOURCES)
async def test_every_projection_is_valid_for_every_kind_of_caller(settings, owner, name):
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    resource = fresh(RESOURCES[name])
    try:
        seen = {sql for scope in SCOPES for sql in statements(resource, scope)}
        for sql in seen:
            await connection.execute(f"EXPLAIN (GENERIC_PLAN) {sql}")
    finally:
        await connection.close()


def test_every_module_with_reads_was_found():
    assert {name.split(".")[0] for name in RESOURCES} >= {
        "activities",
        "agencies",
        "beneficiaries",
        "programs",
        "referrals",
        "regions",
        "sktm_applications",
        "users",
        "visits",
    }


def test_every_projection_provides_its_schema():
    for resource in RESOURCES.values():
        assert [label.name for label in resource.projection()] == list(resource.schema.model_fields)


def test_a_schema_field_that_nothing_provides_is_noticed():
    wider = create_model("Wider", __base__=BENEFICIARIES.schema, shoe_size=(int, ...))
    with pytest.raises(KeyError, match="shoe_size"):
        replace(BENEFICIARIES, schema=wider).projection()


def test_only_reference_data_is_unscoped():
    open_ones = {resource.table.name for resource in RESOURCES.values() if not resource.scoped}
    open_ones.discard("inbox")  # each user's own, by its predicate and by its row policy
    open_ones -= {"activity_kinds", "activity_templates"}  # names of work; one's own and shared templates
    # Auditors alone read the access log, all of it.
    known = {"regions", "programs", "agencies", "partners", "sktm_policies", "report_calendars", "access_log"}
    assert open_ones <= known
    scoped = {table_of(model).name for model in scoped_tables()}
    scoped.add("sktm_numbers")  # a view over two of them, with the rights of whoever asks
    for name, resource in RESOURCES.items():
        if resource.scoped:
            deciding = resource.scope_table if resource.scope_table is not None else resource.table
            assert deciding.name in scoped, name


def test_reading_a_person_is_recorded():
    """A resource that shows one person's data names the person: an access row follows from it."""
    silent = {
        name
        for name, resource in RESOURCES.items()
        if {"beneficiary_id", "beneficiary_ids", "dependants", "nik_masked"} & resource.schema.model_fields.keys()
        and not resource.is_recorded
    }
    assert silent == set()


# ---- plans -----------------------------------------------------------------------------------------------------------

_VALUES = {
    "uuid": "gen_random_uuid()",
    "text": "'x' || i",
    "date": "current_date",
    "integer": "i",
    "bigint": "i",
    "numeric": "0.9",
    "bytea": "sha256(i::text::bytea)",
    "boolean": "false",
    "jsonb": "'{}'",
    "timestamp with time zone": "now()",
}


_DIGITS = "' || substr(md5(i::text), 2)"


async def fill(connection: asyncpg.Connection, table: str, rows: int) -> None:
    """Rows in 50 districts of a dozen provinces; whatever else a row must have is made up from its type."""
    columns = await connection.fetch(
        "SELECT column_name AS name, data_type AS kind FROM information_schema.columns WHERE table_name = $1 "
        "AND table_schema = 'public' AND is_generated = 'NEVER' AND is_nullable = 'NO' AND column_default IS NULL",
        table,
    )
    values = {column["name"]: "'{}'" if column["kind"] == "ARRAY" else _VALUES[column["kind"]] for column in columns}
    other = "format('%s.01.%s', 11 + i % 12, lpad((i % 50)::text, 2, '0'))"
    district = f"CASE i % 50 WHEN 0 THEN '18.71.04' ELSE {other} END"
    values["region_code"] = f"{district} || '.100' || (1 + i % 3)"
    values["created_at"] = "now() - i * interval '1 minute'"
    if table == "users":
        values["role"] = "'tksk'"
    if table == "report_revisions":
        values["sha256"] = "sha256(convert_to('x' || i, 'UTF8'))"
    if table == "jobs":
        values["state"] = "'done'"
    if table == "office_certificates":
        values["key_cipher"] = "sha256(i::text::bytea)"  # it is in use
    if table in ("attachments", "ppks_assessments"):
        values["beneficiary_id"] = "gen_random_uuid()"  # it belongs to something
    if table == "duplicate_candidates":
        values |= {"low_id": f"('0{_DIGITS})::uuid", "high_id": f"('f{_DIGITS})::uuid"}
    chosen = f"SELECT {', '.join(values.values())} FROM generate_series(1, {rows}) i"
    await connection.execute(f"INSERT INTO {table} ({', '.join(values)}) {chosen}")
    await connection.execute(f"ANALYZE {table}")


def scans(plan: dict[str, Any]) -> Iterator[str]:
    """The index of every scan in a plan, and `Seq Scan on <table>`."""
    if "Index Name" in plan:
        yield plan["Index Name"]
    if plan["Node Type"] == "Seq Scan":
        yield f"Seq Scan on {plan['Relation Name']}"
    for child in plan.get("Plans", ()):
        yield from scans(child)


async def scans_of(connection: asyncpg.Connection, resource: Resource, scope: RegionScope, **filters: Any) -> set[str]:
    request = PageRequest(50, resource.default_sort, filters)
    compiled = resource.compiled(
        ("plan", scope.shape, *filters),
        lambda: resource.select_page(scope, request, admitted=True),
        wrap=wrap_of(resource, one=False),
    )
    chosen = {f"filter_{name}": value for name, value in filters.items()}
    arguments = compiled.arguments({"limit": 50, **dict(scope.parameters()), **chosen})
    admission = Admission(uuid4(), ("tksk",), "x", uuid4(), "x")
    plan = await connection.fetchval(
        f"EXPLAIN (FORMAT JSON) {compiled.sql}",
        *admission.arguments(read=True),
        list(scope.regions),
        scope.agency_id,
        list(scope.granted),
        *arguments,
    )
    return set(scans(json.loads(plan)[0]["Plan"]))


async def test_lists_of_a_district_and_of_a_village_use_their_index_under_the_policy(scratch, cluster):
    upgrade(scratch)
    import_models()
    lists = {
        resource.table.name: fresh(resource)
        for resource in RESOURCES.values()
        if resource.scoped
        and resource.scope_table is None
        and resource.default_sort == "-created_at"
        and resource.key == "id"  # a revision of a report is asked for by its number alone, and never listed so
    }
    assert lists.keys() >= {"beneficiaries", "visits", "sktm_applications", "referrals", "users"}
    owner = await asyncpg.connect(scratch)
    await owner.execute("SET session_replication_role = replica")
    for table in lists:
        await fill(owner, table, 6000)
    app_role = await asyncpg.connect(cluster.url(scratch.rsplit("/", 1)[1], "tksk_app", "test"))
    try:
        for (table, resource), region in itertools.product(lists.items(), (PANJANG, SRENGSEM)):
            found = await scans_of(app_role, resource, RegionScope((region,)))
            assert any(index.startswith(f"ix_{table}_district") for index in found), (region, found)
            assert f"Seq Scan on {table}" not in found, region
        # The twin: under the same policy, but without the session's own predicate, the index is out of reach.
        for table, resource in lists.items():
            found = await scans_of(app_role, resource, NATIONAL)
            assert not any(index.startswith(f"ix_{table}_district") for index in found), found
    finally:
        await app_role.close()
        await owner.close()


async def test_pairs_are_found_by_what_is_asked_and_not_by_walking_the_area(scratch, cluster):
    """A province has very many: a page of them is read in its order, those of one person by that person."""
    upgrade(scratch)
    import_models()
    pairs = next(fresh(resource) for resource in RESOURCES.values() if resource.table.name == "duplicate_candidates")
    table = pairs.table.name
    owner = await asyncpg.connect(scratch)
    await owner.execute("SET session_replication_role = replica")
    await fill(owner, table, 6000)
    await owner.execute(
        f"UPDATE {table} SET other_region_code = region_code, region_code = "
        "CASE WHEN random() < 0.7 THEN '18.71.04.1002' ELSE region_code END"
    )
    await owner.execute(f"VACUUM ANALYZE {table}")
    app_role = await asyncpg.connect(cluster.url(scratch.rsplit("/", 1)[1], "tksk_app", "test"))
    ordered, of_person = {f"ix_{table}_created_at"}, {f"uq_{table}_pair", f"ix_{table}_high_id"}
    try:
        for region in ("18", PANJANG, SRENGSEM):
            scope = RegionScope((region,))
            found = await scans_of(app_role, pairs, scope)
            assert {name for name in found if table in name} == ordered, (region, found)
            found = await scans_of(app_role, pairs, scope, person=uuid4())
            assert {name for name in found if table in name} == of_person, (region, found)
        few = await scans_of(app_role, pairs, RegionScope((AMPENAN,)))
        halves = {f"ix_{table}_district_code", f"ix_{table}_other_district_code"}
        assert {name for name in few if table in name} <= halves
    finally:
        await app_role.close()
        await owner.close()


# ---- budgets ---------------------------------------------------------------------------------------------------------


class Counter:
    """How many SQL statements were sent since the last `take`."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def take(self) -> int:
        taken, self.sent = len(self.sent), []
        return taken


@contextmanager
def counting(app: Any) -> Iterator[Counter]:
    counter = Counter()
    fetchrow = ReadPool.fetchrow

    async def counted(self: ReadPool, sql: str, arguments: list[Any]) -> Any:
        counter.sent.append(sql)
        return await fetchrow(self, sql, arguments)

    def executed(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "rate_limits" not in statement:  # shared once a second, beside the requests
            counter.sent.append(statement)

    engine = app.state.house.engine.sync_engine
    event.listen(engine, "before_cursor_execute", executed)
    ReadPool.fetchrow = counted  # type: ignore[method-assign]
    try:
        yield counter
    finally:
        ReadPool.fetchrow = fetchrow  # type: ignore[method-assign]
        event.remove(engine, "before_cursor_execute", executed)


async def test_every_read_keeps_its_budget_whatever_the_page(app, owner):
    async with build_world(app, owner) as world:
        with counting(app) as counter:
            small = await _costs(world, counter, 1)
            tksk = world.home["tksk"]
            for _ in range(6):
                someone = (await add_person(tksk))["id"]
                for url, body in (
                    ("/v1/visits", {"beneficiary_id": someone, "visited_on": "2026-11-02"}),
                    ("/v1/activities", activity(someone)),
                ):
                    assert (await tksk.post(url, json=body)).status_code == 201
                await add_user(owner, "tksk", PANJANG)
            large = await _costs(world, counter, 200)
    assert small == large
    assert large == {name: BUDGET.get(name, 1) for name in large}


async def _costs(world: Any, counter: Counter, limit: int) -> dict[str, int]:
    costs = {}
    for operation in operations(world.app):
        if operation.method != "GET":
            continue
        caller = world.home["auditor"] if operation.is_public else world.holder(operation)
        url = world.path(operation) + (f"?limit={limit}" if operation.is_list else "")
        assert (await caller.get(url)).status_code == 200, url  # the first call learns the caller's regions
        counter.take()
        assert (await caller.get(url)).status_code == 200
        costs[operation.name] = counter.take()
    return costs


async def test_the_counter_sees_both_ways_to_the_database(app, as_):
    caller = await as_("tksk", PANJANG)
    with counting(app) as counter:
        await caller.get("/v1/beneficiaries")
        assert counter.take() == 2  # who asks, then the page
        await caller.get("/v1/beneficiaries")
        assert counter.take() == 1
        await caller.get("/v1/me")
        assert counter.take() > 1
