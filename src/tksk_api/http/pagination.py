"""Lists: one query model each, keyset cursors that are opaque, signed, and bound to caller, operation and filters."""

import base64
import binascii
import hmac
import json
import re
import time
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError
from starlette.requests import Request

from tksk_api.database.reads import PageRequest, Resource
from tksk_api.errors import DomainError, invalid

CURSOR_LIFETIME_SECONDS = 24 * 3600
_MAC_BYTES = 16
T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """One page of a list. Follow `next_cursor` with the same filters until it is null."""

    items: list[T]
    next_cursor: str | None = Field(description="Pass as `cursor` to get the next page; null on the last one")


def _digits(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,9}", value):
        raise PydanticCustomError("wrong_type", "integer expected", {"expected": "integer"})  # not 1_0, " 5" or 5.0
    return value


class PageQuery(BaseModel):
    """Base of every list's query model: fields beside these three are filters of the list."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, BeforeValidator(_digits), Field(ge=1, le=200, description="Items on a page")] = 50
    cursor: Annotated[str | None, Field(max_length=1024, description="`next_cursor` of the page before")] = None
    sort: Annotated[str | None, Field(max_length=40, description="Order; `-` is descending")] = None


CountedAs = Annotated[
    str | None,
    Field(
        max_length=200,
        description="Those that `report`, which is needed with it, counts under this key, as its numbers name it",
    ),
]


def needs(query: PageQuery, name: str, other: str) -> None:
    """One filter says nothing without the other. Raises invalid_request (missing) at the other."""
    if getattr(query, name) is not None and getattr(query, other) is None:
        raise invalid(f"/{other}", "missing")


def page_request(request: Request, resource: Resource, query: PageQuery, fixed: Mapping[str, Any]) -> PageRequest:
    """A checked request for a page. Raises invalid_request (unknown sort), cursor_invalid or cursor_expired."""
    sort = query.sort or resource.default_sort
    if sort not in resource.sorts:
        raise invalid("/sort", "not_allowed", expected=", ".join(resource.sorts))
    filters = {
        name: value
        for name, value in {**query.model_dump(exclude={"limit", "cursor", "sort"}), **fixed}.items()
        if value is not None
    }
    wanted = PageRequest(query.limit, sort, filters)
    if query.cursor is None:
        return wanted
    values = _open(request, wanted, query.cursor)
    columns = (*resource.sorts[sort].columns, resource.key)
    types = {column.name: column.type.python_type for column in resource.projection() if column.name in columns}
    try:
        after = tuple(_typed(types[name], value) for name, value in zip(columns, values, strict=True))
    except (ValueError, TypeError) as error:
        raise DomainError("cursor_invalid") from error
    return PageRequest(query.limit, sort, filters, after)


def next_cursor(request: Request, wanted: PageRequest, last_key: tuple[Any, ...]) -> str:
    values = [value.isoformat() if isinstance(value, date | datetime) else _plain(value) for value in last_key]
    payload = json.dumps([int(time.time()), *values], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_mac(request, wanted, payload) + payload).rstrip(b"=").decode()


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def _typed(kind: type, value: Any) -> Any:
    if kind is datetime or kind is date:
        return kind.fromisoformat(value)
    return UUID(value) if kind is UUID else kind(value)


def _open(request: Request, wanted: PageRequest, cursor: str) -> list[Any]:
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != cursor:
            raise ValueError("another spelling")
    except (binascii.Error, ValueError) as error:
        raise DomainError("cursor_invalid") from error
    payload = raw[_MAC_BYTES:]
    if not hmac.compare_digest(_mac(request, wanted, payload), raw[:_MAC_BYTES]):
        raise DomainError("cursor_invalid")
    issued, *values = json.loads(payload)
    if issued + CURSOR_LIFETIME_SECONDS < time.time():
        raise DomainError("cursor_expired")
    return list(values)


def _mac(request: Request, wanted: PageRequest, payload: bytes) -> bytes:
    admission = getattr(request.state, "admission", None)
    credentials = getattr(request.state, "credentials", None)
    bound = [
        str(credentials.user_id) if credentials else "public",
        admission.operation if admission else request.scope["route"].name,
        request.scope["path"],
        wanted.sort,
        *(f"{name}={wanted.filters[name]}" for name in sorted(wanted.filters)),
    ]
    keyring = request.app.state.house.keyring
    return bytes(keyring.mac("cursor", "\x00".join(bound).encode() + b"\x00" + payload, _MAC_BYTES))
