"""Nobody sees or changes a person's data without leaving a row in the access log, in the same transaction.

The operations come from the published document. One that is about people must be driven by tests/architecture/story.py;
one that is not stands in NOT_ABOUT_PEOPLE, with the reason.
"""

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from architecture.specification import operations
from architecture.story import NOT_ABOUT_PEOPLE, Story, about_people, gather
from helpers import Caller, add_user
from tksk_api.cli.database import upgrade
from tksk_api.database.admission import Admission
from tksk_api.database.reads import _WRAP_PAGE, PageRequest
from tksk_api.database.scope import NATIONAL
from tksk_api.domain.audit.reads import ACCESS_LOG

UUIDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ONE_OF_MANY = {"submit_referrals", "submit_activities", "accept_activities"}
LINK = re.compile(r'"entity_id":"[0-9a-f-]{36}"')
CREATED = re.compile(r'{"id":"([0-9a-f-]{36})"')  # the answer's own id; others beside it are of users and agencies


@dataclass(frozen=True)
class Exchange:
    """One request and its answer."""

    operation: str
    caller: Caller
    status: int
    request_id: str
    said: str  # address and body of the request, body of the answer


class Witness:
    """Listens to what callers send and get."""

    def __init__(self, app: Any) -> None:
        self.exchanges: list[Exchange] = []
        self._operations = [
            (operation.method, re.compile(re.sub(r"{\w+}", "[^/]+", operation.path)), operation.name)
            for operation in operations(app)
        ]

    def listen_to(self, caller: Caller) -> None:
        async def hear(answer: Any) -> None:
            await answer.aread()
            request = answer.request
            await request.aread()
            said = f"{request.url} {request.content.decode(errors='replace')} {answer.content.decode(errors='replace')}"
            if "/notifications" in request.url.path:
                said = LINK.sub("", said)  # a notice says one first name; whom else the record is about, it does not
            self.exchanges.append(
                Exchange(
                    self._name(request.method, request.url.path),
                    caller,
                    answer.status_code,
                    answer.headers["x-request-id"],
                    said,
                )
            )

        caller.event_hooks = {**caller.event_hooks, "response": [hear]}

    def _name(self, method: str, path: str) -> str:
        # A fixed address comes before one with an id: /beneficiaries/search is nobody's record.
        fitting = [name for verb, pattern, name in self._operations if verb == method and pattern.fullmatch(path)]
        return fitting[-1] if path.endswith(("/search", "/exists")) else fitting[0]


class People:
    """Who is meant by an id or a number: a person's own, or that of a record about them."""

    def __init__(self, registered: set[str]) -> None:
        self._registered = registered
        self._meant: dict[str, set[str]] = {key: {key} for key in registered}

    def named_in(self, text: str) -> set[str]:
        tokens = {*UUIDS.findall(text), *re.findall(r"\b\d{16}\b", text)}
        return set().union(*(self._meant.get(token, set()) for token in tokens))

    def learn(self, exchange: Exchange) -> None:
        """A record that was made or changed is about the people in the answer; a number that was registered, too."""
        people, made = self._registered & set(UUIDS.findall(exchange.said)), {*CREATED.findall(exchange.said)}
        for key in made - self._registered:
            self._meant[key] = people
        for number in re.findall(r'"nik": ?"(\d{16})"', exchange.said):
            self._meant.setdefault(number, people & made or people)  # theirs, not of whom they may be as well


@pytest.fixture(scope="module")
async def told(app, module_owner) -> AsyncIterator[tuple[Story, Witness]]:
    """The story, and everything that was said in it."""

    async def sign_in(role: str, region: str | None = None, **over: Any) -> Caller:
        user_id, session_id = await add_user(module_owner, role, region, **over)
        token = app.state.house.tokens.issue(user_id, session_id)
        return Caller(app, token, user_id=user_id, session_id=session_id, role=role, region=region)

    story, witness = await gather(sign_in, module_owner), Witness(app)
    for caller in story.callers:
        witness.listen_to(caller)
    await story.tell()
    yield story, witness
    for caller in story.callers:
        await caller.aclose()


async def rows_by_request(owner: Any) -> dict[str, list[Any]]:
    rows = defaultdict(list)
    for row in await owner.fetch("SELECT *, xmin::text AS transaction FROM access_log ORDER BY id"):
        rows[str(row["request_id"])].append(row)
    return rows


def gaps(exchange: Exchange, rows: list[Any], people: set[str]) -> list[str]:
    """What the log lacks of a successful request."""
    if not rows:
        return ["no row"]
    found = []
    if not people:
        found.append("the story does not say whom it is about")
    if people - {str(key) for row in rows for key in row["subject_ids"]}:
        found.append(f"does not name {people}")
    expected = {
        "user_id": exchange.caller.user_id,
        "session_id": exchange.caller.session_id,
        "role": exchange.caller.role,
        "actor_region": exchange.caller.region,
        "operation": exchange.operation,
        "outcome": "ok",
    }
    for row in rows:
        found += [f"{name} is {row[name]}" for name, value in expected.items() if row[name] != value]
        found += [f"{name} is empty" for name in ("at", "action", "purpose") if not row[name]]
    return found


async def test_every_operation_about_people_leaves_its_row(app, told, module_owner):
    story, witness = told
    registered = {str(row["id"]) for row in await module_owner.fetch("SELECT id FROM beneficiaries")}
    rows, people = await rows_by_request(module_owner), People(registered)
    wrong: dict[str, list[str]] = {}
    for exchange in witness.exchanges:
        # The agency that scans a letter learns of nobody: whose it is, only the story knows.
        shown = {story.mother} if exchange.operation == "create_presentation" else set()
        missing = gaps(exchange, rows[exchange.request_id], people.named_in(exchange.said) | shown)
        if missing:
            wrong.setdefault(exchange.operation, []).extend(missing)
        if exchange.operation.startswith(("create_", "update_")):
            people.learn(exchange)
    assert wrong == {}
    told_of = {exchange.operation for exchange in witness.exchanges if exchange.status < 300}
    untold = {operation.name for operation in about_people(app)} - told_of
    assert untold == set(), "drive them in tests/architecture/story.py, or say in NOT_ABOUT_PEOPLE why not"


async def test_the_check_above_sees_a_missing_person_and_a_missing_field(told, module_owner):
    story, witness = told
    rows = await rows_by_request(module_owner)
    shown = next(one for one in witness.exchanges if one.operation == "get_sktm_application")
    both = {story.mother, story.child}
    assert gaps(shown, rows[shown.request_id], both) == []
    assert gaps(shown, [], both) == ["no row"]
    alone = [{**row, "subject_ids": [story.mother], "session_id": None} for row in rows[shown.request_id]]
    assert gaps(shown, alone, both) == [f"does not name {both}", "session_id is None"]


async def test_changes_and_their_rows_are_of_one_transaction(told, module_owner):
    written = await module_owner.fetch(
        "SELECT request_id, array_agg(DISTINCT xmin::text) AS transactions FROM changes "
        "WHERE request_id IS NOT NULL AND entity <> 'agencies' GROUP BY request_id"
    )
    rows = await rows_by_request(module_owner)
    assert len(written) > 40
    for change in written:
        about = rows[str(change["request_id"])]
        transactions, changed = {row["transaction"] for row in about}, set(change["transactions"])
        # One of many at once is written inside a savepoint, which PostgreSQL numbers like a transaction of its own.
        is_one_of_many = {row["operation"] for row in about} <= ONE_OF_MANY
        assert changed <= transactions if is_one_of_many else changed == transactions


async def test_a_plain_change_leaves_exactly_one_row(told, module_owner):
    """The answer shows the person too, but they were recorded already."""
    _, witness = told
    rows = await rows_by_request(module_owner)
    changes = [one for one in witness.exchanges if one.operation in ("update_visit", "create_visit", "accept_activity")]
    assert len(changes) == 4
    assert [len(rows[one.request_id]) for one in changes] == [1] * 4


async def test_whom_a_change_takes_out_is_named_too(told, module_owner):
    story, witness = told
    change = next(one for one in witness.exchanges if one.operation == "update_activity")
    (row,) = (await rows_by_request(module_owner))[change.request_id]
    assert {str(key) for key in row["subject_ids"]} == {story.mother, story.child}


def test_the_list_of_exceptions_names_existing_collections(app):
    assert {name for o in operations(app) for name in (o.collection, o.name)} >= NOT_ABOUT_PEOPLE.keys()


# ---- plans -----------------------------------------------------------------------------------------------------------


async def plan_of(connection: Any, **filters: Any) -> dict[str, Any]:
    """The plan of the statement the API sends, with what it did."""
    request = PageRequest(50, "-at", filters)
    compiled = ACCESS_LOG.compiled(
        ("plan", *filters),
        lambda: ACCESS_LOG.select_page(NATIONAL, request, admitted=True),
        wrap=_WRAP_PAGE[ACCESS_LOG.is_recorded],
    )
    session = await connection.fetchval("SELECT current_setting('test.session')::uuid")
    admission = Admission(session, ("auditor",), "audit:read", uuid4(), "list_audit")
    values = {"limit": 50, **{f"filter_{name}": value for name, value in filters.items()}}
    plan = await connection.fetchval(
        f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled.sql}",
        *admission.arguments(read=True),
        ["ID"],
        None,
        [],
        *compiled.arguments(values),
    )
    found: dict[str, Any] = json.loads(plan)[0]["Plan"]
    return found


def touched(plan: dict[str, Any]) -> tuple[set[str], float]:
    """The indexes of the log that were used, and how many of its rows were looked at."""
    own = plan.get("Relation Name") == "access_log" and plan["Node Type"] != "ModifyTable"
    rows = plan["Actual Loops"] * (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) if own else 0
    indexes = {plan["Index Name"]} if "Index Name" in plan else set()
    for child in plan.get("Plans", ()):
        more, seen = touched(child)
        indexes, rows = indexes | more, rows + seen
    return indexes, rows


async def test_no_question_reads_the_whole_log(scratch, cluster):
    """Under the row policy, as the app role, with 60,000 rows: each way in walks an index and stops."""
    await asyncio.to_thread(upgrade, scratch)
    owner = await asyncpg.connect(scratch)
    user, session, someone, actor = uuid4(), uuid4(), uuid4(), uuid4()
    await owner.execute(
        "INSERT INTO users (id, version, username, full_name, role, must_change_password, otp_confirmed_at) "
        "VALUES ($1, 1, 'auditor', 'A', 'auditor', false, now())",
        user,
    )
    await owner.execute(
        "INSERT INTO user_sessions (id, user_id, expires_at) VALUES ($1, $2, now() + interval '1 day')", session, user
    )
    await owner.execute(
        "INSERT INTO access_log (at, user_id, role, operation, subject_ids) "
        "SELECT timestamptz '2026-01-01' + i * interval '1 minute', "
        "CASE WHEN i % 600 = 0 THEN $1::uuid ELSE gen_random_uuid() END, 'tksk', 'x', "
        "ARRAY[CASE WHEN i % 700 = 0 THEN $2::uuid ELSE gen_random_uuid() END] FROM generate_series(1, 60000) i",
        actor,
        someone,
    )
    await owner.execute("VACUUM ANALYZE access_log")
    connection = await asyncpg.connect(cluster.url(scratch.rsplit("/", 1)[1], "tksk_app", "test"))
    try:
        await connection.execute(f"SET test.session = '{session}'")
        period = {"since": datetime(2026, 1, 10, tzinfo=UTC), "until": datetime(2026, 1, 11, tzinfo=UTC)}
        for filters, index in (
            ({}, "ix_access_log_at"),
            (period, "ix_access_log_at"),
            ({"actor_id": actor}, "ix_access_log_user_id"),
            ({"actor_id": actor, **period}, "ix_access_log_user_id"),
            ({"subject_id": someone}, "pk_access_log"),  # of the ids that the function finds by the GIN index
        ):
            indexes, rows = touched(await plan_of(connection, **filters))
            assert index in indexes, (filters, indexes)
            assert rows < 1500, (filters, rows)
        finding = "SELECT id FROM access_log WHERE subject_ids @> ARRAY[$1::uuid]"
        plan = json.loads(await owner.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {finding}", someone))[0]["Plan"]
        assert touched(plan)[0] == {"ix_access_log_subject_ids"}
    finally:
        await connection.close()
        await owner.close()
