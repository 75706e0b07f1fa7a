"""What an activity can be: the nation's kinds, and those that provinces and regencies add."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.activity_kinds import service
from tksk_api.domain.activity_kinds.reads import ACTIVITY_KINDS
from tksk_api.domain.activity_kinds.schemas import ActivityKindCreate, ActivityKindRead, ActivityKindUpdate, Pillar
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import Day, RegionCode

router = Router("activity-kinds")


class ActivityKindQuery(PageQuery):
    pillar: Annotated[Pillar | None, Field(description="Kinds of this pillar, and the general ones")] = None
    serving: Annotated[RegionCode | None, Field(description="Kinds that hold in this region")] = None
    on: Annotated[Day | None, Field(description="Kinds that hold on this day")] = None
    region_code: Annotated[RegionCode | None, Field(description="Only the kinds that this region added")] = None


@router.post(
    "/activity-kinds",
    permission=Permission.ACTIVITY_KIND_WRITE,
    status_code=201,
    response_model=ActivityKindRead,
    summary="Add a kind of activity",
)
async def create_activity_kind(session: SessionDep, request: Request, body: ActivityKindCreate) -> Response:
    """For the caller's province or regency and everything below it; the ministry leaves `region_code` out."""
    return reply(session, request, await service.create(session, body))


@router.get(
    "/activity-kinds",
    permission=Permission.ACTIVITY_READ,
    response_model=Page[ActivityKindRead],
    summary="List kinds of activity",
)
async def list_activity_kinds(
    reader: ReaderDep, request: Request, query: Annotated[ActivityKindQuery, Query()]
) -> Response:
    """By code. What a phone offers in Srengsem today: `serving=18.71.04.1002&on=2026-11-22`."""
    return await respond_page(reader, request, ACTIVITY_KINDS, query)


@router.get(
    "/activity-kinds/{id}",
    permission=Permission.ACTIVITY_READ,
    response_model=ActivityKindRead,
    summary="One kind of activity",
)
async def get_activity_kind(reader: ReaderDep, id: UUID) -> Response:
    """A kind of any region, also one that no longer holds."""
    return respond(await reader.one(ACTIVITY_KINDS, id))


@router.patch(
    "/activity-kinds/{id}",
    permission=Permission.ACTIVITY_KIND_WRITE,
    response_model=ActivityKindRead,
    summary="Rename or retire a kind of activity",
)
async def update_activity_kind(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: ActivityKindUpdate
) -> Response:
    """Merge patch, for kinds of the caller's own area. `valid_until` retires it; work of the days before keeps it."""
    return reply(session, request, await service.update(session, id, version, body))
