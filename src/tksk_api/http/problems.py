"""The only renderer of errors: RFC 9457 problem documents, in Indonesian or English, without the caller's values."""

import json
from collections.abc import Iterable, MutableMapping
from typing import Any

import asyncpg
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from tksk_api.domain.refusals import database_error, field_errors
from tksk_api.errors import PROBLEMS, DomainError, Language, field_detail
from tksk_api.telemetry import log

MEDIA_TYPE = "application/problem+json"


def language_of(headers: Iterable[tuple[bytes, bytes]]) -> Language:
    """`en` when Accept-Language prefers it to Indonesian, else `id`."""
    best: tuple[float, Language] = (0.0, "id")
    for name, value in headers:
        if name != b"accept-language":
            continue
        for part in value.decode("latin-1")[:200].split(","):
            tag, _, quality = (piece.strip() for piece in part.partition(";"))
            try:
                weight = float(quality.removeprefix("q=") or 1)
            except ValueError:
                continue
            primary = tag.split("-")[0].lower()
            if weight > best[0] and primary in ("id", "en"):
                best = (weight, "en" if primary == "en" else "id")
    return best[1]


def problem_document(error: DomainError, language: Language, base_url: str, request_id: str) -> dict[str, Any]:
    """The members of the problem; facts of the error become extension members."""
    text = PROBLEMS[error.code]
    document: dict[str, Any] = {
        "type": f"{base_url}/docs/problems/{error.code}",
        "title": text.title(language),
        "status": text.status,
        "detail": text.detail(language, error.facts),
        "instance": f"urn:uuid:{request_id}",
        "code": error.code,
    }
    if error.errors:
        document["errors"] = [
            {"pointer": e.pointer, "code": e.code, "detail": field_detail(e.code, language, e.facts)}
            for e in error.errors
        ]
    for name, value in error.facts.items():
        document.setdefault(name, sorted(value) if isinstance(value, set | frozenset) else value)
    return document


def problem_headers(error: DomainError) -> dict[str, str]:
    status = PROBLEMS[error.code].status
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        detail = {
            "unauthenticated": ', error="invalid_token"',
            "step_up_required": f', error="insufficient_user_authentication", max_age={error.facts.get("max_age")}',
        }.get(error.code, "")  # RFC 6750 §3.1, RFC 9470 §3
        scheme = "Basic" if error.code == "client_refused" else "Bearer"  # RFC 6749 §5.2
        headers["WWW-Authenticate"] = f'{scheme} realm="tksk"{detail}'
    if "retry_after" in error.facts:
        headers["Retry-After"] = str(error.facts["retry_after"])
    if error.code == "method_not_allowed" and error.facts.get("allowed"):
        headers["Allow"] = str(error.facts["allowed"])
    return headers


def render(error: DomainError, scope: MutableMapping[str, Any]) -> Response:
    """The answer to a refused request; its code is noted for the log line."""
    scope["problem"] = error.code
    language = language_of(scope["headers"])
    house = scope["app"].state.house if "app" in scope else None
    base_url = house.settings.public_url if house else ""
    document = problem_document(error, language, base_url, scope.get("request_id", "-"))
    return Response(
        json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str).encode(),
        PROBLEMS[error.code].status,
        {**problem_headers(error), "Content-Language": language, "Vary": "Accept-Language"},
        MEDIA_TYPE,
    )


def _methods_of(request: Request) -> list[str]:
    """Every method the address knows; the framework names only those of the first route that fits."""
    routes = request.app.routes
    return [
        method
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


def install(app: FastAPI) -> None:
    """Every refusal, ours or the framework's, leaves through `render`."""

    async def domain(request: Request, error: Exception) -> Response:
        return render(error if isinstance(error, DomainError) else DomainError("internal_error"), request.scope)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        found = field_errors(error.errors(), error.body)
        return render(DomainError("invalid_request", errors=found), request.scope)

    async def framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        codes = {
            400: "malformed_request",
            401: "unauthenticated",
            404: "not_found",
            405: "method_not_allowed",
            413: "body_too_large",
        }
        facts: dict[str, Any] = {"reason": "body"} if error.status_code == 400 else {}
        if error.status_code == 405:
            facts["allowed"] = ", ".join(_methods_of(request))
        return render(DomainError(codes.get(error.status_code, "internal_error"), **facts), request.scope)

    async def database(request: Request, error: Exception) -> Response:
        meaning = database_error(error)
        if meaning is None:
            raise error
        if meaning.code == "unavailable":
            log.warning("database_unavailable", kind=type(error).__name__)
        return render(meaning, request.scope)

    app.add_exception_handler(DomainError, domain)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, framework)
    for kind in (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        app.add_exception_handler(kind, database)
