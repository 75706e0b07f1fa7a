"""Hostile bodies and queries are refused here, before any work: size, nesting, duplicates, NaN, NUL, surrogates.

Whoever sends a body has not signed in yet, so every look at one takes time in proportion to its length.
"""

import itertools
import json
import math
import re
from typing import Any

from starlette.requests import Request

from tksk_api.errors import DomainError, FieldError, not_found
from tksk_api.types import clean_text

MAX_DEPTH = 64
MAX_VALUES = 5_000  # members and entries of a body, in all; the largest that is of use has a few hundred
MAX_TEXT = 16_384  # characters of one text; the longest that any member takes has 4,000
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
_UNSTRUCTURED = bytes(set(range(256)) - set(b"[]{},"))
_STEPS = dict(zip(b"[{]}", (1, 1, -1, -1), strict=True))


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


async def read_json(request: Request, accepted: tuple[str, ...]) -> None:
    """Read and check the body once; FastAPI then finds it already parsed.

    Raises unsupported_media_type, body_too_large, malformed_request, or invalid_request for forbidden characters.
    """
    body = await request.body()
    if not body:
        return  # FastAPI reports a required body that is missing
    if media_type(request) not in accepted:
        raise DomainError("unsupported_media_type", expected=list(accepted))
    request._json = parse_json(body)


def parse_json(body: bytes) -> Any:
    """JSON by RFC 8259 and I-JSON: UTF-8, unique members, finite numbers, clean text, and within the limits above."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DomainError("malformed_request", reason="UTF-8") from error
    _check_structure(body)
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_integer
        )
    except (json.JSONDecodeError, RecursionError) as error:
        reason = f"position {error.pos}" if isinstance(error, json.JSONDecodeError) else "nesting"
        raise DomainError("malformed_request", reason=reason) from error
    return _clean(value, "")


def _check_structure(body: bytes) -> None:
    structure = _outside_texts(body).translate(None, _UNSTRUCTURED)
    if structure.count(b",") + structure.count(b"[") + structure.count(b"{") > MAX_VALUES:
        raise DomainError("malformed_request", reason=f"more than {MAX_VALUES} values")
    depths = itertools.accumulate(_STEPS.get(byte, 0) for byte in structure)
    if max(depths, default=0) > MAX_DEPTH:
        raise DomainError("malformed_request", reason=f"more than {MAX_DEPTH} levels")


def _outside_texts(body: bytes) -> bytes:
    """What stands outside of quotes. No pattern: one that looks for a closing quote reads an open text again and again.

    Backslashes count from the left, in pairs; one outside of quotes is refused by the parser, whatever follows it.
    """
    return b"".join(body.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise DomainError("malformed_request", reason="duplicate member")
    return members


def _refuse_constant(_: str) -> Any:
    raise DomainError("malformed_request", reason="NaN or Infinity")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise DomainError("malformed_request", reason="number too large")
    return value


def _integer(digits: str) -> int:
    if len(digits) > 20:
        raise DomainError("malformed_request", reason="number too large")
    return int(digits)


def _clean(value: Any, pointer: str) -> Any:
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise DomainError("invalid_request", errors=[FieldError(pointer, "too_long", {"max": MAX_TEXT})])
        try:
            return clean_text(value)
        except ValueError as error:
            raise DomainError("invalid_request", errors=[FieldError(pointer, "forbidden_character")]) from error
    if isinstance(value, list):
        return [_clean(item, f"{pointer}/{index}") for index, item in enumerate(value)]
    if isinstance(value, dict):
        cleaned = {}
        for name, item in value.items():
            safe = name if re.fullmatch(r"\w{1,64}", name) else "-"
            cleaned[_clean(name, pointer)] = _clean(item, f"{pointer}/{safe}")
        return cleaned
    return value


def check_path(request: Request) -> None:
    """A path with forbidden characters names nothing. Raises not_found."""
    for value in request.path_params.values():
        try:
            clean_text(value)
        except ValueError as error:
            raise not_found() from error


def check_query(request: Request, known: frozenset[str] | None) -> None:
    """Refuse unknown, repeated and dirty query parameters; `known` None leaves the names to the query model."""
    errors: list[FieldError] = []
    seen: set[str] = set()
    for name, value in request.query_params.multi_items():
        pointer = f"/{name}" if re.fullmatch(r"[a-z_]{1,40}", name) else ""
        if name in seen:
            errors.append(FieldError(pointer, "repeated_parameter"))
        seen.add(name)
        if known is not None and name not in known:
            errors.append(FieldError(pointer, "unknown_parameter"))
        try:
            clean_text(value)
            value.encode("utf-8")
        except (ValueError, UnicodeEncodeError):
            errors.append(FieldError(pointer, "forbidden_character"))
    if errors:
        raise DomainError("invalid_request", errors=errors[:20])
