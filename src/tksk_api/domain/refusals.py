"""What Pydantic says of a value, and PostgreSQL of a row, as our own codes: for requests and imported rows alike."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import asyncpg
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError

from tksk_api.errors import FIELD_CODES, DomainError, FieldError

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
