"""Dated deciles of families, as the national data (DTSEN) delivered them."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.decile_snapshots import service
from tksk_api.domain.decile_snapshots.reads import DECILE_SNAPSHOTS
from tksk_api.domain.decile_snapshots.schemas import DecileSnapshotCreate, DecileSnapshotRead
from tksk_api.http.dependencies import ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import reply, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import Line, VillageCode

router = Router("decile_snapshots")


class DecileSnapshotQuery(PageQuery):
    family_id: UUID | None = None
    village_code: VillageCode | None = None
    batch: Annotated[Line | None, Field(max_length=100)] = None


@router.post(
    "/decile_snapshots",
    permission=Permission.DECILE_WRITE,
    status_code=201,
    response_model=DecileSnapshotRead,
    summary="Record a family's decile",
)
async def create_decile_snapshot(session: SessionDep, request: Request, body: DecileSnapshotCreate) -> Response:
    """For a family of the caller's area. The same family, source, day and content again answers 200 with what is there;
    other content of that day is refused: a correction has its own day.
    """
    return reply(session, request, await service.create(session, body))


@router.get(
    "/decile_snapshots",
    permission=Permission.FAMILY_READ,
    response_model=Page[DecileSnapshotRead],
    summary="List deciles",
)
async def list_decile_snapshots(
    reader: ReaderDep, request: Request, query: Annotated[DecileSnapshotQuery, Query()]
) -> Response:
    """Of families of the caller's area, the last recorded first. Reading is recorded."""
    return await respond_page(reader, request, DECILE_SNAPSHOTS, query)
