"""How stored resources and pages leave: bytes as the database made them, with their ETag, Location and Link."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.database.reads import Reader, Resource, Stored
from tksk_api.http.concurrency import etag
from tksk_api.http.pagination import PageQuery, next_cursor, page_request

PRIVATE = {"Cache-Control": "no-store"}


def respond(stored: Stored, status: int = 200, *, headers: dict[str, str] | None = None) -> Response:
    """A resource read by a reader."""
    head = {**PRIVATE, **(headers or {})}
    if stored.version is not None:
        head["ETag"] = etag(stored.version)
    return Response(stored.body, status, head, "application/json")


def reply(session: AsyncSession, request: Request, stored: Stored) -> Response:
    """A resource just written: 201 with its Location when it is new, else 200. Kept for a retry with the same key."""
    headers = {"Location": f"{request.url.path.rstrip('/')}/{stored.id}"} if stored.created else {}
    return keep(session, respond(stored, 201 if stored.created else 200, headers=headers))


def under_way(session: AsyncSession, job: Stored) -> Response:
    """A job that was asked for: 202, and where to follow it. Kept for a retry with the same key."""
    return keep(session, respond(job, 202, headers={"Location": f"/v1/jobs/{job.id}"}))


def keep(session: AsyncSession, response: Response) -> Response:
    """Remember the answer, so that an Idempotency-Key can store it with the effect."""
    session.info["reply"] = response
    return response


def keep_secret(session: AsyncSession, response: Response) -> Response:
    """An answer that is never stored for a replay: a retry does the work anew, with today's rights."""
    session.info["reply"] = None
    return response


def no_content(session: AsyncSession) -> Response:
    return keep(session, Response(status_code=204))


async def respond_page(
    reader: Reader, request: Request, resource: Resource, query: PageQuery, *, public: bool = False, **fixed: Any
) -> Response:
    """One page of a list; `fixed` are filters that the path decides."""
    wanted = page_request(request, resource, query, fixed)
    page = await reader.page(resource, wanted)
    cursor = next_cursor(request, wanted, page.last_key) if page.last_key is not None else None
    headers = {"Cache-Control": "public, max-age=3600"} if public else dict(PRIVATE)
    tail = b"null"
    if cursor is not None:
        tail = f'"{cursor}"'.encode()
        link = request.url.include_query_params(cursor=cursor)
        headers["Link"] = f'<{link.path}?{link.query}>; rel="next"'
    return Response(b'{"items":[' + page.items + b'],"next_cursor":' + tail + b"}", 200, headers, "application/json")
