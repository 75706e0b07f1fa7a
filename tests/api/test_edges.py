"""The edges: who is believed about the caller's address, which browsers may read, what every answer says of itself."""

import base64
import hashlib
import io
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse

from architecture.specification import REVALIDATED, operations
from architecture.world import build_world
from helpers import PANJANG, Caller, add_person, add_user, code_of
from tksk_api.main import create_app
from tksk_api.settings import Settings
from tksk_api.telemetry import configure_logging

APP = "https://app.example.go.id"
PUBLIC_URL = "/v1/reference/pillars"
# They end the session of who asks, so they come last.
ENDING = {"logout", "end_session"}
# What may be stored by anybody: reference data, keys and addresses for the public.
STORABLE = re.compile(r"public, max-age=\d+")


@asynccontextmanager
async def running(settings: Settings, **over: Any) -> AsyncIterator[FastAPI]:
    """An application with other settings, and one more address that shows what it takes the caller for."""
    app = create_app(Settings(**{**settings.model_dump(), **over}))

    async def seen(request: Request) -> JSONResponse:
        return JSONResponse([request.client.host if request.client else None, request.url.scheme])

    app.add_route("/seen", seen)
    async with app.router.lifespan_context(app):
        yield app


def visitor(app: FastAPI, address: str = "203.0.113.7") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(address, 1234))
    return httpx.AsyncClient(transport=transport, base_url="http://test")


# ---- trusted proxies -------------------------------------------------------------------------------------------------

NOBODY: tuple[str, ...] = ()
PROXIES = ("10.0.0.5", "10.1.0.0/16", "fd00::/8")


@pytest.mark.parametrize(
    ("trusted", "peer", "headers", "seen"),
    [
        (NOBODY, "203.0.113.7", [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https")], "203.0.113.7 http"),
        (NOBODY, "127.0.0.1", [("X-Forwarded-For", "1.2.3.4")], "127.0.0.1 http"),
        (PROXIES, "203.0.113.7", [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https")], "203.0.113.7 http"),
        (PROXIES, "10.0.0.5", [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https")], "1.2.3.4 https"),
        (PROXIES, "10.0.0.5", [], "10.0.0.5 http"),
        (PROXIES, "10.0.0.6", [("X-Forwarded-For", "1.2.3.4")], "10.0.0.6 http"),
        # What the caller itself wrote stands left of what the proxy adds.
        (PROXIES, "10.0.0.5", [("X-Forwarded-For", "6.6.6.6, 1.2.3.4")], "1.2.3.4 http"),
        (PROXIES, "10.0.0.5", [("X-Forwarded-For", "10.0.0.5, 1.2.3.4")], "1.2.3.4 http"),
        (PROXIES, "10.0.0.5", [("X-Forwarded-For", "6.6.6.6, 1.2.3.4, 10.1.2.3, 10.0.0.5")], "1.2.3.4 http"),
        (PROXIES, "10.0.0.5", [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "1.2.3.4")], "1.2.3.4 http"),
        (PROXIES, "10.1.9.9", [("X-Forwarded-For", "1.2.3.4:5678")], "1.2.3.4 http"),
        (PROXIES, "fd00::1", [("X-Forwarded-For", "2001:db8::7")], "2001:db8::7 http"),
        (PROXIES, "10.0.0.5", [("X-Forwarded-For", "[2001:db8::7]:443")], "2001:db8::7 http"),
        (PROXIES, "10.0.0.5", [("X-Forwarded-For", "")], "10.0.0.5 http"),
        (PROXIES, "10.0.0.5", [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "gopher")], "1.2.3.4 http"),
        (PROXIES, "10.0.0.5", [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https,http")], "1.2.3.4 http"),
        (PROXIES, "10.0.0.5", [("X-Forwarded-Host", "evil.example"), ("Forwarded", "for=6.6.6.6")], "10.0.0.5 http"),
    ],
)
async def test_only_a_trusted_proxy_is_believed_and_only_its_own_word(settings, trusted, peer, headers, seen):
    async with running(settings, trusted_proxies=trusted) as app, visitor(app, peer) as http:
        assert " ".join((await http.get("/seen", headers=headers)).json()) == seen


async def test_garbage_from_a_proxy_is_no_fault_and_counts_as_one_caller(settings):
    over = {"trusted_proxies": "10.0.0.5", "public_requests_per_minute": 5}
    async with running(settings, **over) as app, visitor(app, "10.0.0.5") as http:
        garbage = ["unknown", "' OR 1=1", "999.1.1.1", "::ffff:zz", "x" * 3000, "\x7f,,", "[::1"]
        answers = [await http.get(PUBLIC_URL, headers={"X-Forwarded-For": value}) for value in garbage]
        assert {answer.status_code for answer in answers} <= {200, 429}
        assert answers[-1].status_code == 429
        assert (await http.get(PUBLIC_URL, headers={"X-Forwarded-For": "1.2.3.4"})).status_code == 200


@pytest.mark.parametrize("value", ["*", "10.0.0.5/8", "proxy.internal", "10.0.0", "10.0.0.5;10.0.0.6"])
def test_a_proxy_is_an_address_or_a_network(settings, value):
    with pytest.raises(ValidationError, match="addresses or networks"):
        Settings(**{**settings.model_dump(), "trusted_proxies": value})


def test_lists_are_written_with_commas(settings, monkeypatch):
    monkeypatch.setenv("TKSK_TRUSTED_PROXIES", " 10.0.0.5 , fd00::/8,")
    monkeypatch.setenv("TKSK_CORS_ORIGINS", "")
    read = Settings(database_url=settings.database_url, key_file=settings.key_file)
    assert read.trusted_proxies == ("10.0.0.5/32", "fd00::/8")
    assert read.cors_origins == ()


async def test_the_host_header_never_becomes_part_of_an_answer(settings, owner):
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil.example"}
    over = {"security_contact": "mailto:aman@example.go.id", "trusted_proxies": "203.0.113.7"}
    async with running(settings, **over) as app, visitor(app) as http:
        user_id, session_id = await add_user(owner, "tksk", PANJANG)
        token = app.state.house.tokens.issue(user_id, session_id)
        async with Caller(app, token, user_id=user_id, session_id=session_id, role="tksk", region=PANJANG) as tksk:
            tksk.headers.update(evil)
            await add_person(tksk)
            await add_person(tksk)
            page = await tksk.get("/v1/beneficiaries?limit=1")
            assert "link" in page.headers
        paths = ("/docs", "/openapi.json", "/.well-known/security.txt", "/v1/me", "/verify/abc", "/nothing")
        for answer in [page, *[await http.get(path, headers=evil) for path in paths]]:
            assert "evil.example" not in answer.text + str(answer.headers)


# ---- headers ---------------------------------------------------------------------------------------------------------


async def test_every_answer_of_every_operation_is_closed_to_others_and_not_stored(app, owner):
    async with build_world(app, owner) as world, visitor(app) as nobody:
        for operation in sorted(operations(app), key=lambda operation: operation.name in ENDING):
            caller = world.home["tksk"] if operation.is_public else world.holder(operation)
            answers = {
                "as asked": await world.send(operation, caller),
                "without a token": await world.send(operation, nobody),
                "with an unknown parameter": await world.send(
                    operation, caller, f"{world.path(operation)}?shoe_size=1"
                ),
            }
            for kind, answer in answers.items():
                place = f"{operation.name} {kind}: {answer.status_code}"
                is_storable = operation.is_public and answer.status_code == 200
                is_storable |= operation.collection == "programs" and answer.status_code == 200
                stored = answer.headers.get_list("cache-control")
                kept = "private, no-cache" if operation.name in REVALIDATED and answer.is_success else "no-store"
                assert stored == [kept] or (is_storable and STORABLE.fullmatch(*stored)), place
                assert len(policies := answer.headers.get_list("content-security-policy")) == 1, place
                assert "default-src 'none'" in policies[0], place
                assert "frame-ancestors 'none'" in policies[0], place
                assert answer.headers["x-content-type-options"] == "nosniff", place
                assert answer.headers["referrer-policy"] == "no-referrer", place
                assert answer.headers["x-frame-options"] == "DENY", place
                assert answer.headers["cross-origin-opener-policy"] == "same-origin", place
                assert answer.headers["cross-origin-resource-policy"] == "same-site", place
                assert "geolocation=()" in answer.headers["permissions-policy"], place
                assert "strict-transport-security" not in answer.headers, place  # public_url of the tests is http
                assert "set-cookie" not in answer.headers, place


@pytest.mark.parametrize("path", ["/nothing", "/v1/beneficiaries/", f"/v1/x?{'x' * 5000}", "/readyz", "/metrics"])
async def test_answers_outside_the_operations_are_closed_too(client, path):
    answer = await client.get(path)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


async def test_https_is_demanded_where_the_public_address_has_it(settings):
    async with running(settings, public_url="https://tksk.example.go.id") as app, visitor(app) as http:
        for path in ("/livez", "/nothing", "/docs"):
            answer = await http.get(path)
            assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


async def test_the_verification_page_may_use_its_own_style_and_nothing_else(client):
    page = await client.get("/verify/abc", headers={"Accept": "text/html"})
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "style-src 'unsafe-inline'" in policy
    assert "script-src" not in policy
    assert "<script" not in page.text


async def test_the_documentation_page_may_run_its_own_scripts_and_nothing_else(client):
    page = await client.get("/docs")
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    scripts = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert len(scripts) == 1
    assert policy["script-src"] == f"'self' 'sha256-{digests[0]}'"
    assert policy["default-src"] == "'none'"
    assert "unsafe" not in str(policy)
    assert not re.findall(r"<style|style=|onload=|onclick=", page.text)
    for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert address.startswith("/static-offline-docs/")
        assert (await client.get(address)).status_code == 200


# ---- CORS ------------------------------------------------------------------------------------------------------------

PREFLIGHT = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization, if-match"}


def allowed(answer: httpx.Response) -> str | None:
    return answer.headers.get("access-control-allow-origin")


async def test_a_listed_origin_may_ask_without_a_token_what_it_may_send(settings):
    async with running(settings, cors_origins=APP) as app, visitor(app) as http:
        answer = await http.options("/v1/beneficiaries/x", headers={"Origin": APP, **PREFLIGHT})
        assert answer.status_code == 200
        assert allowed(answer) == APP
        methods = set(answer.headers["access-control-allow-methods"].split(", "))
        assert methods == {"GET", "POST", "PUT", "PATCH", "DELETE"}
        headers = {name.lower() for name in answer.headers["access-control-allow-headers"].split(", ")}
        assert headers >= {"authorization", "content-type", "if-match", "if-none-match", "idempotency-key"}
        assert headers >= {"accept-language", "x-request-id"}
        assert "access-control-allow-credentials" not in answer.headers
        assert "origin" in answer.headers["vary"].lower()
        assert answer.headers["content-security-policy"]
        assert answer.headers["x-request-id"]


async def test_a_listed_origin_may_read_every_answer_errors_too(settings, owner, monkeypatch):
    async with running(settings, cors_origins=f"{APP},https://other.example", public_requests_per_minute=4) as app:
        async with visitor(app) as http:
            http.headers["Origin"] = APP
            monkeypatch.setattr("tksk_api.routers.reference.LISTS", None)  # a fault of ours
            too_long = {"Content-Length": "99999999"}
            answers = [
                await http.get("/v1/me"),
                await http.get("/v1/regions?limit=0"),
                await http.get("/nothing"),
                await http.post("/v1/auth/login", headers=too_long),
                await http.get("/v1/reference"),
                await http.get("/v1/me"),
                await http.get("/v1/me"),
                await http.get("/livez"),
            ]
        assert [answer.status_code for answer in answers] == [401, 422, 404, 413, 500, 401, 429, 200]
        for answer in answers:
            assert allowed(answer) == APP
            assert "origin" in answer.headers["vary"].lower()
        exposed = set(answers[0].headers["access-control-expose-headers"].split(", "))
        assert exposed == {
            "ETag",
            "Location",
            "Link",
            "Retry-After",
            "RateLimit",
            "RateLimit-Policy",
            "X-Request-ID",
            "Idempotency-Replayed",
            "Content-Language",
            "API-Version",
            "Upload-Offset",
        }


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        f"{APP}.evil.example",
        "https://evil-app.example.go.id",
        "https://sub.app.example.go.id",
        "http://app.example.go.id",
        f"{APP}:8443",
        f"{APP}/",
        APP.upper(),
        "https://app.example.go.id\x00",
        "*",
    ],
)
async def test_any_other_origin_is_not_allowed_anything(settings, origin):
    async with running(settings, cors_origins=APP) as app, visitor(app) as http:
        preflight = await http.options("/v1/me", headers={"Origin": origin, **PREFLIGHT})
        assert (preflight.status_code, code_of(preflight)) == (405, "method_not_allowed")
        answer = await http.get(PUBLIC_URL, headers={"Origin": origin})
        for each in (preflight, answer):
            assert allowed(each) is None
            assert "origin" in each.headers["vary"].lower()


@pytest.mark.parametrize(
    "wish", [{"Access-Control-Request-Method": "TRACE"}, {**PREFLIGHT, "Access-Control-Request-Headers": "x-evil"}]
)
async def test_a_listed_origin_is_refused_what_nobody_needs(settings, wish):
    async with running(settings, cors_origins=APP) as app, visitor(app) as http:
        answer = await http.options("/v1/me", headers={"Origin": APP, **wish})
        assert (answer.status_code, code_of(answer)) == (405, "method_not_allowed")


async def test_without_a_list_there_is_no_cors_at_all(client):
    preflight = await client.options("/v1/me", headers={"Origin": APP, **PREFLIGHT})
    assert preflight.status_code == 405
    answer = await client.get(PUBLIC_URL, headers={"Origin": APP})
    assert not [name for name in (*answer.headers, *preflight.headers) if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "value",
    [
        "*",
        "null",
        "https://",
        "app.example.go.id",
        "ftp://app.example.go.id",
        "https://*.example.go.id",
        "https://user@app.example.go.id",
        "https://App.example.go.id",
        f"{APP}/",
        f"{APP}/x",
        f"{APP}?x",
        f"{APP},*",
    ],
)
def test_an_origin_is_written_exactly(settings, value):
    with pytest.raises(ValidationError, match="exact origins"):
        Settings(**{**settings.model_dump(), "cors_origins": value})


# ---- addresses and methods -------------------------------------------------------------------------------------------


async def test_the_documents_can_be_left_out(settings):
    async with running(settings, docs_enabled=False) as app, visitor(app) as http:
        paths = ["/docs", "/docs/", "/openapi.json", "/openapi/sktm.json", "/redoc", "/docs/oauth2-redirect"]
        for path in [*paths, "/static-offline-docs/swagger-ui.css"]:
            answer = await http.get(path)
            assert (answer.status_code, code_of(answer)) == (404, "not_found"), path
        problem = (await http.get("/v1/me")).json()
        assert (await http.get(problem["type"].removeprefix("http://test"))).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../livez",
        "/v1/../v1/me",
        "/v1/./me",
        "/v1//me",
        "//v1/me",
        "/v1/me/",
        "/V1/me",
        "/v1/Me",
        "/v1/%2e%2e/livez",
        "/v1/..%2flivez",
        "/static-offline-docs/../livez",
        "/static-offline-docs/..%2f..%2f__init__.py",
        "/v1/me;x=1",
        "/v1/me%00",
    ],
)
async def test_another_spelling_is_another_address(app, path):
    """Sent as it stands: a client library would tidy it up."""
    raw, _, _ = path.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": httpx.URL(f"http://test/{raw.removeprefix('/')}").path if "%" in raw else raw,
        "raw_path": raw.encode(),
        "query_string": b"",
        "headers": [(b"host", b"test")],
        "client": ("203.0.113.7", 1234),
        "server": ("test", 80),
        "root_path": "",
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert sent[0]["status"] == 404
    assert json.loads(b"".join(message.get("body", b"") for message in sent[1:]))["code"] == "not_found"


async def test_odd_methods_and_overrides_do_nothing(as_, owner):
    office = await as_("regency_office", "18.71")
    tksk = await as_("tksk", PANJANG)
    url = f"/v1/beneficiaries/{(await add_person(tksk))['id']}"
    for method in ("OPTIONS", "TRACE", "CONNECT", "PROPFIND", "HEAD"):
        answer = await office.request(method, url)
        assert answer.status_code == 405, method
        assert answer.headers["allow"] == "GET, PATCH, DELETE"
    names = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
    override = {**dict.fromkeys(names, "DELETE"), "If-Match": '"v1"'}
    assert (await office.get(url, headers=override)).status_code == 200
    assert (await office.post(f"{url}?_method=DELETE", headers=override)).status_code == 405
    assert await owner.fetchval("SELECT deleted_at FROM beneficiaries") is None


# ---- security.txt ----------------------------------------------------------------------------------------------------


async def test_security_txt_says_whom_to_tell(settings):
    over = {
        "security_contact": "mailto:aman@example.go.id",
        "security_policy": "https://example.go.id/keamanan",
        "public_url": "https://tksk.example.go.id",
    }
    async with running(settings, **over) as app, visitor(app) as http:
        answer = await http.get("/.well-known/security.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    fields = dict(line.split(": ", 1) for line in answer.text.splitlines())
    assert fields.pop("Contact") == "mailto:aman@example.go.id"
    assert fields.pop("Canonical") == "https://tksk.example.go.id/.well-known/security.txt"
    assert fields.pop("Preferred-Languages") == "id, en"
    assert fields.pop("Policy") == "https://example.go.id/keamanan"
    expires = datetime.fromisoformat(fields.pop("Expires"))
    assert timedelta(days=30) < expires - datetime.now(UTC) < timedelta(days=365)
    assert fields == {}


async def test_without_a_contact_there_is_no_security_txt(client):
    answer = await client.get("/.well-known/security.txt")
    assert (answer.status_code, code_of(answer)) == (404, "not_found")


@pytest.mark.parametrize("value", ["aman@example.go.id", "http://example.go.id", "mailto:a@b\r\nX: y", "mailto: a@b"])
def test_a_contact_is_an_address_that_can_be_used(settings, value):
    with pytest.raises(ValidationError, match="mailto"):
        Settings(**{**settings.model_dump(), "security_contact": value})


# ---- the log line ----------------------------------------------------------------------------------------------------


@pytest.fixture
def lines(monkeypatch):
    before = structlog.get_config()
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging("INFO")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines() if '"event": "request"' in line]
    structlog.configure(**before)


async def test_a_refusal_is_logged_as_a_warning_with_its_code_and_session(as_, client, lines):
    agency = await as_("auditor")
    denied = await agency.post("/v1/users", json={})
    assert denied.status_code == 403
    failed = await client.post("/v1/auth/login", json={"username": "siti.nurhaliza", "password": "salah semua"})
    assert failed.status_code == 401
    assert (await agency.get("/v1/me")).status_code == 200
    assert (await agency.get("/v1/visits?shoe_size=1")).status_code == 422
    first, second, third, fourth = lines()
    assert (first["level"], first["operation"], first["code"]) == ("warning", "create_user", code_of(denied))
    assert first["session"] == str(agency.session_id)
    assert first["request_id"] == denied.headers["x-request-id"]
    assert (second["level"], second["operation"], second["code"]) == ("warning", "login", code_of(failed))
    assert "session" not in second
    assert (third["level"], third["session"]) == ("info", str(agency.session_id))
    assert "code" not in third
    assert (fourth["level"], fourth["code"]) == ("info", "invalid_request")
    assert "siti" not in str(lines())
    assert str(agency.user_id) not in str(lines())
