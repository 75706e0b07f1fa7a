"""The conventions of API §1, held against every operation of the published document."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid4

import httpx
import jsonschema_rs
import pytest

from architecture.specification import READS_BY_POST, REVALIDATED, Operation, operations, resolved
from architecture.world import BODIES, World, build_world
from helpers import code_of, nik, person
from tksk_api.errors import PROBLEMS

LIMIT = 1_048_576
# A date and an application of another kind of answer than JSON.
NOT_JSON = {
    "get_sktm_letter": "application/pdf",
    "get_visit_worksheet": "application/pdf",
    "get_visit_worksheets": "application/pdf",
    "verify_letter": "text/html",
    "verify_report": "text/html",
    "get_attachment_content": "image/jpeg",
    "get_referral_file": "image/jpeg",
    "get_sktm_logo": "image/jpeg",
    "get_chart": "image/svg+xml",
    "get_dashboard": "text/html",
    "get_import_template": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "get_import_errors": "text/csv",
    "follow_import": "text/event-stream",
    "get_export_content": "text/csv",
}
# Looked at before the rest of the query, as a token is.
CREDENTIALS = {"signature": ("link_refused",)}
# Published as required, since a reader should send it; derived when it is left out.
FILLED_IN = {"nik_status"}
# Any text may be asked about.
ANY_TEXT = {"verify_letter", "verify_report"}
NAMES = {"bukan-uuid", "1", "99999999999999999999"}  # of what is made by its name
DEEP = b"[" * 100_000 + b"]" * 100_000
LAST_DAY = "9999-12-31"  # has no day after it, and is infinity to the database


@pytest.fixture(scope="module")
async def world(app, module_owner) -> AsyncIterator[World]:
    async with build_world(app, module_owner) as built:
        yield built


@pytest.fixture
async def unchanged(world) -> AsyncIterator[None]:
    """Whatever the test sends must leave every row of every table as it was."""
    before = await world.fingerprint()
    yield
    assert await world.fingerprint() == before


def with_body(world: World) -> list[Operation]:
    return [operation for operation in operations(world.app) if operation.body_schema is not None]


async def send(world: World, operation: Operation, path: str | None = None, **over: Any) -> httpx.Response:
    caller = world.home["tksk"] if operation.is_public else world.holder(operation)
    answer: httpx.Response = await world.send(operation, caller, path, **over)
    return answer


def check(answer: httpx.Response, operation: Operation, *codes: str) -> None:
    """A problem document of one of these codes, published for the operation, and never an error of ours."""
    place = f"{operation.name}: {answer.status_code} {answer.text[:300]}"
    assert answer.headers.get("content-type") == "application/problem+json", place
    document = answer.json()
    assert document["code"] in codes, f"{place}, expected {codes}"
    assert document.keys() >= {"type", "title", "status", "detail", "instance", "code"}, place
    assert document["status"] == answer.status_code == PROBLEMS[document["code"]].status, place
    assert document["type"] == f"http://test/docs/problems/{document['code']}", place
    assert document["instance"] == f"urn:uuid:{answer.headers['x-request-id']}", place
    assert str(answer.status_code) in operation.raw["responses"], f"{place} is not published"
    for entry in document.get("errors", ()):
        assert entry.keys() == {"pointer", "code", "detail"}, place
        assert entry["pointer"] == "" or entry["pointer"].startswith("/"), place


def headers(kind: str = "application/json") -> dict[str, str]:
    return {"Content-Type": kind}


# ---- bodies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "malformed_request"),
        (b"{]", "malformed_request"),
        (b"\xff\xfe{\x00}\x00", "malformed_request"),
        (b"\xef\xbb\xbf{}", "malformed_request"),
        (b'{"a": NaN}', "malformed_request"),
        (b'{"a": -Infinity}', "malformed_request"),
        (b'{"a": 1e400}', "malformed_request"),
        (b'{"a": 1, "a": 1}', "malformed_request"),
        (b'{"a": {"b": 1, "b": 1}}', "malformed_request"),
        (b'{"a": %s}' % (b"9" * 5000), "malformed_request"),
        (DEEP, "malformed_request"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "malformed_request"),
        (rb'{"a": "\u0000"}', "invalid_request"),
        (rb'{"a": "\ud800"}', "invalid_request"),
        (rb'{"\u0000": 1}', "invalid_request"),
        ('{"a": "\u202e"}'.encode(), "invalid_request"),
        (b"", "invalid_request"),
        (b"[]", "invalid_request"),
        (b"null", "invalid_request"),
        (b"1", "invalid_request"),
        (b'"x"', "invalid_request"),
    ],
    ids=lambda value: value[:16].decode("latin-1") if isinstance(value, bytes) else value,
)
async def test_a_hostile_body_is_refused_by_every_operation(world, unchanged, body, code):
    for operation in with_body(world):
        # A body that may be left out is, and the sample's version is looked at.
        is_left_out = body in (b"", b"null") and not operation.needs_body
        expected = "stale_version" if is_left_out else code
        check(await send(world, operation, content=body, headers=headers()), operation, expected)


async def test_an_unknown_member_is_refused_by_every_operation(world, unchanged):
    for operation in with_body(world):
        for member in ("shoe_size", "version", "created_by", "region_id"):
            if member in operation.body_properties:
                continue
            body = operation.body(**BODIES.get(operation.name, {})) | {member: "x"}
            answer = await send(world, operation, json=body)
            check(answer, operation, "invalid_request")
            errors = {(entry["pointer"], entry["code"]) for entry in answer.json()["errors"]}
            assert (f"/{member}", "unknown_field") in errors, (operation.name, errors)


def wrong_values(schema: dict[str, Any]) -> Iterator[Any]:
    """Values of other types, and beyond every limit."""
    kind = schema.get("type")
    if kind == "string":
        yield from (7, {"nested": 1})
        shape = schema.get("pattern", "")
        if (
            schema.get("format") in ("uuid", "date", "date-time")
            or "enum" in schema
            or not re.search(shape, "tidak sah")
        ):
            yield "tidak sah"
        if schema.get("format") == "date-time":
            yield from ("2026-11-02T09:00:00", "2026-13-02T09:00:00Z")
        if schema.get("format") == "date":
            yield from ("2026-02-30", "2026-11-02T10:00:00", 20261102, LAST_DAY)
        else:
            yield "x" * 5000
    elif kind == "integer":
        yield from ("x", 1.5, 2**63, -(2**31), [7])
    elif kind == "number":
        yield from ("x", 1e300)
    elif kind == "boolean":
        yield from ("ya", [True])
    elif kind == "array":
        yield from ("x", [{"nested": 1}], [None], ["x"] * 300)
    elif kind == "object":
        yield from ("x", [1], {"nested": 1})


async def test_a_value_of_the_wrong_type_is_refused_by_every_operation(world, unchanged):
    for operation in with_body(world):
        valid = operation.body(**BODIES.get(operation.name, {}))
        for name, schema in operation.body_properties.items():
            for value in wrong_values(resolved(schema, operation.document)):
                answer = await send(world, operation, json={**valid, name: value})
                place = f"{operation.name}.{name} = {str(value)[:60]!r}: {answer.status_code} {answer.text[:200]}"
                assert answer.status_code == 422, place
                pointers = [entry["pointer"] for entry in answer.json().get("errors", ())]
                assert any(pointer.startswith(f"/{name}") or pointer == "" for pointer in pointers), place
                if isinstance(value, str) and len(value) > 4:
                    assert value not in answer.text, place


async def test_a_missing_member_is_named(world, unchanged):
    for operation in with_body(world):
        valid = operation.body(**BODIES.get(operation.name, {}))
        for name in set(operation.body_schema.get("required", ())) - FILLED_IN:
            answer = await send(world, operation, json={k: v for k, v in valid.items() if k != name})
            check(answer, operation, "invalid_request")
            assert f"/{name}" in [entry["pointer"] for entry in answer.json()["errors"]]


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "", "json"])
async def test_another_content_type_is_refused_by_every_operation(world, unchanged, kind):
    for operation in with_body(world):
        check(await send(world, operation, content=b"{}", headers=headers(kind)), operation, "unsupported_media_type")


async def test_merge_patch_belongs_to_patch_alone(world, unchanged):
    for operation in with_body(world):
        answer = await send(
            world, operation, content=b"{]", headers=headers("application/merge-patch+json; charset=utf-8")
        )
        check(answer, operation, "malformed_request" if operation.method == "PATCH" else "unsupported_media_type")


async def test_a_body_over_the_limit_is_refused_with_or_without_its_length(world, unchanged):
    big = b'{"full_name": "' + b"x" * 10_000_000 + b'"}'

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, 2 * LIMIT, 65_536):
            yield big[start : start + 65_536]

    for operation in with_body(world):
        for content in (big, chunks()):
            answer = await send(world, operation, content=content, headers=headers())
            check(answer, operation, "body_too_large")
            assert str(LIMIT) in answer.json()["detail"]


@pytest.mark.parametrize("length", ["-1", "9" * 20, "9" * 5000, "x", "1.5", "٣"])
async def test_an_odd_content_length_is_refused(world, unchanged, length):
    operation = next(o for o in operations(world.app) if o.name == "create_beneficiary")
    answer = await send(world, operation, content=b"{}", headers={**headers(), b"content-length": length.encode()})
    check(answer, operation, "body_too_large")


# ---- queries and paths -----------------------------------------------------------------------------------------------


async def test_an_unknown_or_repeated_query_parameter_is_refused_by_every_operation(world, unchanged):
    for operation in operations(world.app):
        path = world.path(operation)
        path += "&" if "?" in path else "?"
        check(await send(world, operation, f"{path}shoe_size=43"), operation, "invalid_request")
        check(await send(world, operation, f"{path}x=1&x=1"), operation, "invalid_request")
        for parameter in operation.query_parameters:
            answer = await send(world, operation, f"{path}{parameter['name']}=1&{parameter['name']}=1")
            check(answer, operation, "invalid_request", *CREDENTIALS.get(parameter["name"], ()))
            if parameter["name"] not in CREDENTIALS:
                assert "repeated_parameter" in [entry["code"] for entry in answer.json()["errors"]]


async def test_a_wrong_query_value_is_refused_by_every_list(world, unchanged):
    odd = ["%00", "%0d%0a", "%ED%A0%80", "%E2%80%AE", "x" * 3000, "{}", "1e400", "' OR 1=1--"]
    numbers = ["0", "-1", "201", "1_0", "9" * 30, "1.5", "NaN", ""]
    for operation in operations(world.app):
        for parameter in operation.query_parameters:
            schema = resolved(parameter["schema"], operation.document)
            free = schema.get("type") == "string" and not schema.keys() & {"format", "enum"}
            days = [LAST_DAY] if schema.get("format") == "date" else []
            for value in (*odd, *days, *(numbers if schema.get("type") == "integer" else ())):
                answer = await send(world, operation, f"{world.path(operation)}?{parameter['name']}={value}")
                place = f"{operation.name}?{parameter['name']}={value[:40]}: {answer.status_code} {answer.text[:200]}"
                if answer.status_code == 200:
                    assert free or is_within(value, schema), place
                    assert re.search(schema.get("pattern", ""), unquote(value)), place
                    continue
                if is_within(value, schema) and answer.status_code == 404:
                    continue  # a number that there could be, and is not
                check(answer, operation, "invalid_request", "cursor_invalid", *CREDENTIALS.get(parameter["name"], ()))


def is_within(value: str, schema: dict[str, Any]) -> bool:
    """A whole number that the published limits allow."""
    whole = schema.get("type") == "integer" and re.fullmatch("[0-9]+", value)
    return bool(whole) and schema.get("minimum", float("-inf")) <= int(value) <= schema.get("maximum", float("inf"))


@pytest.mark.parametrize(
    "odd",
    ["bukan-uuid", "%00", "%ED%A0%80", "%2e%2e%2fetc", "1", "' OR 1=1--", "x" * 1500, "99999999999999999999", "*"],
)
async def test_an_odd_path_parameter_is_refused_by_every_operation(world, unchanged, odd):
    for operation in operations(world.app):
        if operation.name == "put_import_mapping" and odd in NAMES:
            continue
        if operation.path_parameters:
            path = world.path(operation, **dict.fromkeys(operation.path_parameters, odd))
            answer = await send(world, operation, path)
            if operation.name in ANY_TEXT and answer.status_code in (200, 429):
                continue
            if (operation.name, odd) == ("get_visit_form", "1"):
                continue  # there is such a version
            if "%2f" in odd:
                assert code_of(answer) in ("not_found", "invalid_request")
            else:
                check(answer, operation, "invalid_request", "not_found")


async def test_a_long_address_is_refused(world):
    answer = await world.home["tksk"].get(f"/v1/beneficiaries?cursor={'x' * 5000}")
    assert (answer.status_code, code_of(answer)) == (414, "uri_too_long")


async def test_a_trailing_slash_or_another_case_is_another_address(world):
    for operation in operations(world.app):
        path = world.path(operation).partition("?")[0]
        for other in (f"{path}/", f"//{path.lstrip('/')}", path.upper()):
            answer = await send(world, operation, f"http://test{other}")
            assert (answer.status_code, code_of(answer)) == (404, "not_found"), (operation.name, other)


# ---- methods ---------------------------------------------------------------------------------------------------------


async def test_another_method_is_405_and_allow_names_all_that_work(world, unchanged):
    every = operations(world.app)
    for path in {world.path(operation) for operation in every}:
        methods = {o.method for o in every if re.fullmatch(re.sub(r"{\w+}", "[^/]+", o.path), path)}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "TRACE"} - methods:
            answer = await world.home["tksk"].request(method, path)
            assert answer.status_code == 405, (method, path, answer.text)
            assert method == "HEAD" or code_of(answer) == "method_not_allowed"
            assert set(answer.headers["allow"].split(", ")) == methods, (method, path)


async def test_a_method_cannot_be_overridden(world, unchanged):
    url = f"/v1/beneficiaries/{world.ids['beneficiaries']}"
    override = {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "DELETE"}
    answer = await world.home["regency_office"].get(f"{url}", headers=override)
    assert answer.status_code == 200


# ---- who may ---------------------------------------------------------------------------------------------------------


async def test_without_a_token_only_the_public_operations_answer(world, unchanged):
    async with httpx.AsyncClient(transport=world.home["tksk"]._transport, base_url="http://test") as nobody:
        for operation in operations(world.app):
            if not operation.is_public:
                answer = await world.send(operation, nobody)
                check(answer, operation, "unauthenticated")
                assert answer.headers["www-authenticate"].startswith("Bearer ")


async def test_a_role_without_the_permission_is_refused_by_every_operation(world, unchanged):
    for operation in operations(world.app):
        for role, caller in world.home.items():
            if not operation.is_public and role not in operation.roles:
                answer = await world.send(operation, caller)
                check(answer, operation, "permission_denied")
                assert answer.json()["permission"] == operation.permission


async def test_a_permission_is_asked_before_anything_else(world, unchanged):
    """No token, no word about the body; no permission, no word about the row."""
    for operation in with_body(world):
        auditor = world.home["auditor"]
        if "auditor" not in operation.roles and not operation.is_public:
            valid = operation.body(**BODIES.get(operation.name, {}))
            paths = [world.path(operation)]
            paths += [world.path(operation, id=str(uuid4()))] if "id" in operation.path_parameters else []
            answers = [await world.send(operation, auditor, path, json=valid) for path in paths]
            assert {answer.status_code for answer in answers} == {403}, operation.name


# ---- conditions ------------------------------------------------------------------------------------------------------


async def test_a_change_needs_the_version_that_was_seen(world, unchanged):
    for operation in operations(world.app):
        if not operation.needs_version:
            continue
        valid = operation.body(**BODIES.get(operation.name, {}))
        kwargs = {} if valid is None else {"json": valid}
        caller = world.holder(operation)
        missing = await world.send(operation, caller, headers={"If-Match": None}, **kwargs)
        check(missing, operation, "precondition_required")
        for stale in ('W/"v1"', '"v999999999"', '"v99999999999"', "*", '"v1", "v2"', "é"):
            answer = await world.send(operation, caller, headers={"If-Match": stale.encode()}, **kwargs)
            # A step from the wrong state, or a row of somebody else's, may be refused before its version is looked at.
            codes = ("stale_version", "transition_refused", "permission_denied", "invalid_request", "not_merged")
            check(answer, operation, *codes)
            if stale != '"v999999999"':
                assert answer.status_code == 412, (operation.name, stale, answer.text)


# ---- retries ---------------------------------------------------------------------------------------------------------


def keyed(world: World) -> list[Operation]:
    return [
        operation
        for operation in operations(world.app)
        if operation.method == "POST" and not operation.is_public and operation.name not in READS_BY_POST
    ]


async def test_every_post_honours_an_idempotency_key(world):
    """The key is already there with other content: refused before anything happens, whatever the state of the row."""
    for operation in keyed(world):
        caller, path, key = world.holder(operation), world.path(operation), str(uuid4())
        await world.owner.execute(
            "INSERT INTO idempotency_keys (user_id, operation, key, fingerprint, status, body) "
            "VALUES ($1, $2, $3, 'other', 200, '')",
            caller.user_id,
            f"POST {path}",
            key,
        )
        for spelling in (key, f'"{key}"'):
            answer = await world.send(operation, caller, headers={"Idempotency-Key": spelling})
            check(answer, operation, "idempotency_mismatch")


async def test_an_odd_idempotency_key_is_refused(world, unchanged):
    for operation in keyed(world):
        for odd in (b"", b'""', b"x" * 129, "é".encode(), b"a b"):
            answer = await world.send(operation, world.holder(operation), headers={b"idempotency-key": odd})
            check(answer, operation, "idempotency_key_invalid")


@pytest.mark.parametrize("count", [2, 8])
async def test_duplicates_at_once_have_one_effect(world, count):
    key, body = {"Idempotency-Key": str(uuid4())}, person(nik=nik())
    tksk = world.home["tksk"]
    answers = await asyncio.gather(*(tksk.post("/v1/beneficiaries", json=body, headers=key) for _ in range(count)))
    assert [answer.status_code for answer in answers] == [201] * count
    assert len({answer.json()["id"] for answer in answers}) == 1
    replayed = [answer for answer in answers if answer.headers.get("idempotency-replayed") == "true"]
    assert len(replayed) == count - 1
    first = next(answer for answer in answers if answer not in replayed)
    for answer in replayed:
        assert answer.content == first.content
        for name in ("etag", "location", "content-type", "cache-control"):
            assert answer.headers[name] == first.headers[name]
    stored = "SELECT count(*) FROM beneficiaries WHERE id = $1"
    assert await world.owner.fetchval(stored, UUID(first.json()["id"])) == 1


async def test_a_replay_is_stored_encrypted_and_another_body_is_refused(world):
    key, body = {"Idempotency-Key": str(uuid4())}, person(nik=nik(), full_name="Kenari Sandi")
    tksk = world.home["tksk"]
    await tksk.post("/v1/beneficiaries", json=body, headers=key)
    other = await tksk.post("/v1/beneficiaries", json={**body, "notes": "x"}, headers=key)
    assert (other.status_code, code_of(other)) == (422, "idempotency_mismatch")
    row = await world.owner.fetchrow("SELECT * FROM idempotency_keys WHERE key = $1", key["Idempotency-Key"])
    assert b"Kenari" not in row["body"]
    assert "Kenari" not in str(dict(row))


async def test_a_refusal_is_not_remembered(world):
    """Only effects are stored: after correcting the mistake the same key works."""
    key, tksk = {"Idempotency-Key": str(uuid4())}, world.home["tksk"]
    refused = await tksk.post("/v1/beneficiaries", json=person(village_code="52.71.01.1004"), headers=key)
    assert refused.status_code == 422
    assert (await tksk.post("/v1/beneficiaries", json=person(), headers=key)).status_code == 201


async def test_a_key_is_forgotten_after_seven_days(world):
    key, tksk = {"Idempotency-Key": str(uuid4())}, world.home["tksk"]
    await tksk.post("/v1/beneficiaries", json=person(), headers=key)
    await world.owner.execute(
        "UPDATE idempotency_keys SET created_at = now() - interval '8 days' WHERE key = $1", key["Idempotency-Key"]
    )
    again = await tksk.post("/v1/beneficiaries", json=person(), headers=key)
    assert again.status_code == 201
    assert "idempotency-replayed" not in again.headers


# ---- answers ---------------------------------------------------------------------------------------------------------


async def test_every_answer_fits_its_published_schema_and_carries_the_common_headers(world):
    for operation in operations(world.app):
        if operation.method != "GET":
            continue
        answer = await send(world, operation)
        place = f"{operation.name}: {answer.status_code} {answer.text[:200]}"
        assert answer.status_code == 200, place
        assert re.fullmatch(r"\d+\.\d+\.\d+", answer.headers["api-version"]), place
        assert UUID(answer.headers["x-request-id"]), place
        assert answer.headers["x-content-type-options"] == "nosniff", place
        if not operation.is_public:
            kept = "private, no-cache" if operation.name in REVALIDATED else "no-store"
            assert answer.headers["cache-control"] == kept or operation.collection == "programs", place
        expected = NOT_JSON.get(operation.name, "application/json")
        assert answer.headers["content-type"].split(";")[0] == expected, place
        if expected == "application/json":
            schema = operation.raw["responses"]["200"]["content"]["application/json"]["schema"]
            fits(answer.json(), schema, operation.document, place)
        if operation.is_list:
            assert answer.json().keys() == {"items", "next_cursor"}, place
        elif operation.collection not in ("reference", "visit-forms") and "version" in (
            answer.json() if expected == "application/json" else {}
        ):
            assert answer.headers["etag"] == f'"v{answer.json()["version"]}"', place


def fits(value: Any, schema: dict[str, Any], document: dict[str, Any], place: str) -> None:
    whole = {**schema, "components": document["components"]}
    errors = list(jsonschema_rs.validator_for(whole, validate_formats=True).iter_errors(value))
    assert errors == [], f"{place}: {errors}"


def test_the_schema_check_sees_a_missing_member(app):
    operation = next(o for o in operations(app) if o.name == "get_me")
    schema = operation.raw["responses"]["200"]["content"]["application/json"]["schema"]
    with pytest.raises(AssertionError, match="username"):
        fits({}, schema, operation.document, "")


async def test_lists_page_by_link_and_cursor_without_repeating(world):
    tksk = world.home["tksk"]
    for _ in range(3):
        await tksk.post("/v1/beneficiaries", json=person())
    whole = [item["id"] for item in (await tksk.get("/v1/beneficiaries?limit=200")).json()["items"]]
    seen, url = [], "/v1/beneficiaries?limit=1"
    while url:
        page = await tksk.get(url)
        seen += [item["id"] for item in page.json()["items"]]
        link = re.match(r'<([^>]+)>; rel="next"', page.headers.get("link", ""))
        assert (link is None) == (page.json()["next_cursor"] is None)
        url = link[1] if link else ""
    assert seen == whole


async def test_every_list_takes_its_own_sorts_and_refuses_others(world):
    for operation in operations(world.app):
        if operation.is_list:
            answer = await send(world, operation, f"{world.path(operation)}?sort=password_hash")
            check(answer, operation, "invalid_request")
            assert answer.json()["errors"][0]["pointer"] == "/sort"


async def test_a_request_id_is_echoed_when_it_is_one(world):
    mine = str(uuid4())
    answer = await world.home["tksk"].get("/v1/me", headers={"X-Request-ID": mine})
    assert answer.headers["x-request-id"] == mine
    for odd in ("x", "1\r\nX-Evil: 1", "é", ""):
        answer = await world.home["tksk"].get("/v1/me", headers={b"x-request-id": odd.encode()})
        assert UUID(answer.headers["x-request-id"])
        assert "x-evil" not in answer.headers


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("id", "id"),
        ("en", "en"),
        ("en-GB,id;q=0.5", "en"),
        ("id;q=0.2, en;q=0.8", "en"),
        ("en; q=0.1, id; q=0.9", "id"),
        ("en; q=0.9, id; q=0.1", "en"),
        ("fr", "id"),
        ("*", "id"),
        ("en;q=0", "id"),
        ("en;q=x", "id"),
        ("en;q=nan", "id"),
        ("", "id"),
        (",;=,," * 100, "id"),
    ],
)
async def test_problems_speak_the_language_that_is_preferred(world, accept, language):
    answer = await world.home["tksk"].get(f"/v1/beneficiaries/{uuid4()}", headers={"Accept-Language": accept})
    assert answer.headers["content-language"] == language
    assert answer.json()["title"] == {"id": "Tidak ditemukan", "en": "Not found"}[language]
    assert answer.json()["code"] == "not_found"
    assert "Accept-Language" in answer.headers["vary"]


async def test_an_unknown_address_is_a_problem_too(world):
    for path in ("/", "/v1", "/v1/nothing", "/v2/beneficiaries", "/v1/beneficiaries/x/y/z", "/static-offline-docs/x"):
        answer = await world.home["tksk"].get(path)
        assert (answer.status_code, code_of(answer)) == (404, "not_found"), path


async def test_an_evil_host_or_forwarded_header_changes_nothing(world):
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher"}
    for path in ("/v1/beneficiaries?limit=1", f"/v1/beneficiaries/{uuid4()}"):
        answer = await world.home["tksk"].get(path, headers=evil)
        assert "evil.example" not in answer.text + str(answer.headers)


async def test_no_answer_shows_how_it_is_made(world):
    for operation in operations(world.app):
        answer = await send(world, operation, **_broken(operation))
        for word in ("Traceback", "asyncpg", "sqlalchemy", "SELECT ", "site-packages", "tksk_api", ".py"):
            assert word not in answer.text, (operation.name, word)


def _broken(operation: Operation) -> dict[str, Any]:
    return {} if operation.body_schema is None else {"content": json.dumps({"x": "y"}), "headers": headers()}


async def test_cors_is_not_open(world):
    answer = await world.home["tksk"].get("/v1/me", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control-")]
