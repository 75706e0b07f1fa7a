"""The only renderer of errors: RFC 9457 problem documents, in Indonesian or English, without the caller's values."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import asyncpg
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from tksk_api.errors import FIELD_CODES, PROBLEMS, DomainError, FieldError, Language, field_detail
from tksk_api.telemetry import log

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2

_CONSTRAINTS: Mapping[str, str] = {
    "uq_beneficiaries_nik_index": "nik_taken",
    "uq_users_username": "username_taken",
    "uq_ppks_assessments_person": "assessment_active",
    "uq_ppks_assessments_family": "assessment_active",
    "uq_sktm_applications_running": "duplicate_application",
    "uq_sktm_applications_replaces_id": "duplicate_application",
    "uq_sktm_applications_case_number": "id_in_use",
    "uq_referrals_case_number": "id_in_use",
    "uq_sktm_letters_number": "conflict",
    "uq_family_members_person": "already_in_family",
    "uq_decile_snapshots_family_id": "snapshot_exists",
    "ex_assignments_district_held": "district_already_held",
    "ex_assignments_officer_holds": "assignment_overlaps",
    "ex_assignments_repeated": "assignment_overlaps",
    "uq_activity_kinds_code": "kind_exists",
    "processing_restricted": "processing_restricted",
    "person_gone": "conflict",
    "person_merged": "conflict",
}
_TRANSIENT = ("08", "40", "53", "55", "57", "58", "25006")
_PYDANTIC: Mapping[str, str] = {
    "missing": "missing",
    "extra_forbidden": "unknown_field",
    "string_too_short": "too_short",
    "string_too_long": "too_long",
    "too_short": "too_short",
    "too_long": "too_many",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than": "out_of_range",
    "less_than_equal": "out_of_range",
    "literal_error": "not_allowed",
    "enum": "not_allowed",
    "string_pattern_mismatch": "bad_format",
    "finite_number": "not_finite",
    "timezone_aware": "bad_datetime",
}
_PYDANTIC_PREFIXES = (
    ("uuid_", "bad_uuid"),
    ("datetime_", "bad_datetime"),
    ("date_", "bad_date"),
    ("decimal_", "bad_format"),
)
_EXPECTED = {
    "string_type": "text",
    "int_type": "integer",
    "int_parsing": "integer",
    "int_from_float": "integer",
    "bool_type": "true/false",
    "bool_parsing": "true/false",
    "list_type": "array",
    "dict_type": "object",
    "model_attributes_type": "object",
    "model_type": "object",
    "float_type": "number",
    "float_parsing": "number",
    "decimal_type": "number",
    "decimal_parsing": "number",
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


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


def field_errors(errors: Sequence[Mapping[str, Any]], body: Any = None) -> list[FieldError]:
    """Pydantic's errors as pointers and our own codes; neither the value nor an odd member name is repeated."""
    found = (_field_error(error, body) for error in errors[:50])
    return list({(error.pointer, error.code): error for error in found}.values())


def _place(location: Sequence[int | str], body: Any, missing: int | str | None) -> Iterator[int | str]:
    """The steps of a location that lead through the body: Pydantic also names which kind of a union it tried."""
    for part in location:
        if isinstance(body, dict) and isinstance(part, str) and (part in body or part == missing):
            yield part
            body = body.get(part)
        elif isinstance(body, list) and isinstance(part, int):
            yield part
            body = body[part] if part < len(body) else None


def _field_error(error: Mapping[str, Any], body: Any) -> FieldError:
    kind, context = str(error["type"]), error.get("ctx") or {}
    steps = error["loc"][1:]
    if isinstance(body, dict | list) and error["loc"][0] == "body":
        steps = _place(steps, body, steps[-1] if kind == "missing" else None)
    place = [part for part in steps if not isinstance(part, str) or _NAME.fullmatch(part)]
    pointer = "".join(f"/{part}" for part in place)
    facts = {
        "min": context.get("min_length", context.get("ge", context.get("gt", "-"))),
        "max": context.get("max_length", context.get("le", context.get("lt", "-"))),
        "expected": context.get("expected", _EXPECTED.get(kind, "-")),
    }
    if kind == "too_long" and context.get("field_type") == "Value":
        kind = "string_too_long"  # a secret text, not a list
    if kind == "too_long" and isinstance(error.get("input"), str | bytes | SecretStr):
        return FieldError(pointer, "too_long", facts)
    if kind in _PYDANTIC:
        return FieldError(pointer, _PYDANTIC[kind], facts)
    if kind in FIELD_CODES:
        return FieldError(pointer, kind, {**facts, **context})
    if kind in _EXPECTED:
        return FieldError(pointer, "wrong_type", facts)
    for prefix, code in _PYDANTIC_PREFIXES:
        if kind.startswith(prefix):
            return FieldError(pointer, code, facts)
    return FieldError(pointer, "invalid", facts)


def database_error(error: BaseException) -> DomainError | None:
    """What a database failure means to the caller; None when it is a fault of ours."""
    if isinstance(error, StaleDataError):
        return DomainError("stale_version")
    cause = (getattr(error.orig, "__cause__", None) or error) if isinstance(error, DBAPIError) else error
    if isinstance(cause, asyncpg.PostgresError):
        return _refused_by_database(cause)
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return DomainError("unavailable", retry_after=RETRY_SECONDS)
    if isinstance(cause, PoolTimeout | asyncpg.InterfaceError | asyncpg.InternalClientError | OSError | TimeoutError):
        return DomainError("unavailable", retry_after=RETRY_SECONDS)
    return None


def _refused_by_database(error: asyncpg.PostgresError) -> DomainError | None:
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        name = error.constraint_name or ""
        return DomainError(_CONSTRAINTS.get(name) or ("id_in_use" if name.startswith("pk_") else "conflict"))
    if isinstance(error, asyncpg.InsufficientPrivilegeError) and "row-level security" in str(error):
        return DomainError("not_found")  # the policy's WITH CHECK: outside the scope
    if (error.sqlstate or "").startswith(_TRANSIENT):
        return DomainError("unavailable", retry_after=RETRY_SECONDS)
    return None


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
