"""What a body or an address tries beside the contract: columns, nested members, odd spellings of a path."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from architecture.specification import Operation, operations, resolved, sample
from architecture.world import BODIES, World, build_world
from files import picture
from tksk_api.database.tables import Table
from tksk_api.services import import_models

# What attackers of other systems send beside the columns (OWASP API3:2023).
TRICKS = {
    "is_admin",
    "admin",
    "permissions",
    "scopes",
    "roles",
    "approved_by",
    "_id",
    "owner_id",
    "tenant_id",
    "actor_id",
    "__proto__",
    "constructor",
    "password",
}
AT_ONCE = 40  # a problem names fifty at most
FIELDS_AT_ONCE = 10  # an upload has twelve at most
FULL_NUMBER = re.compile(r"(?<![0-9a-f])\d{16}(?![0-9a-f])")
# The recorded ways to a full number; a letter is a PDF.
SHOWS_NUMBERS = {"reveal_beneficiary", "get_beneficiary_statement", "get_sktm_letter"}


@pytest.fixture(scope="module")
async def world(app, module_owner) -> AsyncIterator[World]:
    async with build_world(app, module_owner) as built:
        yield built


@pytest.fixture
async def unchanged(world) -> AsyncIterator[None]:
    before = await world.fingerprint()
    yield
    assert await world.fingerprint() == before


def columns() -> set[str]:
    """Every column of every table."""
    import_models()
    return {column.name for table in Table.metadata.tables.values() for column in table.c}


def objects(operation: Operation) -> Iterator[tuple[str, Any, set[str]]]:
    """Pointer, a valid body in which it leads to an object, and what that object may hold: the body, and all inside."""
    valid = operation.body(**BODIES.get(operation.name, {}))
    yield "", valid, set(operation.body_properties)
    for name, raw in operation.body_properties.items():
        schema, is_list = resolved(raw, operation.document), False
        if schema.get("type") == "array":
            schema, is_list = resolved(schema["items"], operation.document), True
        if "properties" in schema:
            inner = sample(schema, operation.document)
            pointer = f"/{name}/0" if is_list else f"/{name}"
            yield pointer, {**valid, name: [inner] if is_list else inner}, set(schema["properties"])


def with_more(body: Any, pointer: str, members: dict[str, Any]) -> Any:
    """The body with members added to the object at the pointer."""
    if not pointer:
        return {**body, **members}
    name, is_list = pointer.strip("/").partition("/")[0], pointer.endswith("/0")
    inner = body[name][0] if is_list else body[name]
    return {**body, name: [{**inner, **members}] if is_list else {**inner, **members}}


def named(answer: httpx.Response) -> set[str]:
    """Where the answer found members it does not know."""
    assert answer.status_code == 422, answer.text
    return {error["pointer"] for error in answer.json()["errors"] if error["code"] == "unknown_field"}


def with_body(app: Any) -> list[Operation]:
    return [operation for operation in operations(app) if operation.body_schema is not None]


async def ask(world: World, operation: Operation, body: Any) -> httpx.Response:
    caller = world.home["tksk"] if operation.is_public else world.holder(operation)
    answer: httpx.Response = await world.send(operation, caller, json=body)
    return answer


async def test_no_column_and_no_trick_is_taken_by_any_body(world, unchanged):
    """Every column of every table that the contract does not name, in the body and in every object inside it."""
    tried = 0
    for operation in with_body(world.app):
        for pointer, body, known in objects(operation):
            foreign = sorted((columns() | TRICKS) - known)
            for start in range(0, len(foreign), AT_ONCE):
                names = foreign[start : start + AT_ONCE]
                answer = await ask(world, operation, with_more(body, pointer, dict.fromkeys(names, "x")))
                # A name that is none by our own rule is not repeated in the answer.
                wanted = {f"{pointer}/{name}" for name in names if re.fullmatch(r"[a-z]\w*", name)}
                assert named(answer) >= wanted, f"{operation.name}{pointer}: {wanted - named(answer)}"
                tried += len(names)
    assert tried > 5000


async def test_no_column_and_no_trick_is_taken_beside_a_file(world, unchanged):
    for operation in operations(world.app):
        if operation.takes_file:
            schema = operation.raw["requestBody"]["content"]["multipart/form-data"]["schema"]
            foreign = sorted((columns() | TRICKS) - schema["properties"].keys())
            for start in range(0, len(foreign), FIELDS_AT_ONCE):
                names = foreign[start : start + FIELDS_AT_ONCE]
                fields = {"kind": "other", "beneficiary_id": world.ids["beneficiaries"], **dict.fromkeys(names, "x")}
                files = {"file": ("x.jpg", picture(colour="red"))}
                answer = await world.send(operation, world.holder(operation), data=fields, files=files)
                assert named(answer) >= {f"/{name}" for name in names}, operation.name


@pytest.mark.parametrize(
    ("name", "value"),
    [("role", "admin"), ("is_admin", True), ("deleted_at", None), ("password_hash", "x"), ("permissions", ["*"])],
)
async def test_a_single_such_member_is_named_alone(world, unchanged, name, value):
    for operation in with_body(world.app):
        if name not in operation.body_properties:
            body = {**operation.body(**BODIES.get(operation.name, {})), name: value}
            assert named(await ask(world, operation, body)) == {f"/{name}"}, operation.name


async def test_no_answer_but_the_recorded_ones_holds_a_full_number(world):
    """And the published schema is all there is: its members are closed, so `additional` ones would not fit."""
    looked = 0
    for operation in operations(world.app):
        if operation.method != "GET" or operation.name in SHOWS_NUMBERS:
            continue
        for caller in (
            {world.holder(operation), world.home["auditor"]} if not operation.is_public else {world.home["tksk"]}
        ):
            answer = await world.send(operation, caller)
            assert FULL_NUMBER.findall(answer.text) == [], operation.name
            looked += answer.status_code == 200
    assert looked > 30


def open_objects(schema: Any, document: dict[str, Any], seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Objects of a published answer that would let any further member pass."""
    if isinstance(schema, list):
        for item in schema:
            yield from open_objects(item, document, seen)
    if not isinstance(schema, dict):
        return
    name = schema.get("$ref", "").rsplit("/", 1)[-1]
    if name and name not in seen:
        yield from open_objects(document["components"]["schemas"][name], document, seen | {name})
    if "properties" in schema and schema.get("additionalProperties") is not False:
        yield str(schema.get("title"))
    for member in schema.values():
        yield from open_objects(member, document, seen)


def test_every_published_answer_is_closed(app):
    """With the schema check of tests/api/test_conventions.py: no answer has a member that its schema does not name."""
    for operation in operations(app):
        for status, answer in operation.raw["responses"].items():
            content = answer.get("content", {}).get("application/json")
            if status.startswith("2") and content:
                pages = {"Page", "Problem"}
                found = [
                    title
                    for title in open_objects(content["schema"], operation.document)
                    if not title.startswith(tuple(pages))
                ]
                assert found == [], (operation.name, found)


ODD = {
    "a slash doubled inside": lambda path: path.replace("/", "//").removeprefix("/"),
    "the base twice": lambda path: f"/v1{path}",
    "an encoded slash": lambda path: path[0] + path[1:].replace("/", "%2F"),
    "a doubly encoded slash": lambda path: path[0] + path[1:].replace("/", "%252F"),
    "one letter in another case": lambda path: re.sub(r"[a-z](?=[a-z-]*(/|$))", lambda m: m[0].upper(), path, count=1),
    "an encoded step up": lambda path: f"/x/%2e%2e{path}",
    "a semicolon": lambda path: f"{path};x=1",
    "a suffix": lambda path: f"{path}.json",
    "a space": lambda path: f"{path}%20",
    "a null": lambda path: f"{path}%00",
}


@pytest.mark.parametrize("how", ODD)
async def test_an_odd_spelling_of_an_address_finds_nothing(world, unchanged, how):
    """Whatever the operation: such a spelling passes by the rules of a gateway in front, and must not arrive here."""
    for operation in operations(world.app):
        caller = world.home["tksk"] if operation.is_public else world.holder(operation)
        path = ODD[how](world.path(operation))
        if path == world.path(operation) or operation.name in ("verify_letter", "verify_report"):
            continue  # there is nothing to spell otherwise; of a token in any spelling the page says that it is unknown
        answer = await world.send(operation, caller, f"http://test{path}")
        assert answer.status_code in (404, 405, 422), (operation.name, path, answer.status_code)
