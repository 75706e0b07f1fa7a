"""The work log: what officers did, in the four pillars of social welfare."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.activities import service
from tksk_api.domain.activities.reads import ACTIVITIES, TRANSITIONS
from tksk_api.domain.activities.schemas import (
    ActivityCreate,
    ActivityRead,
    ActivityReturn,
    ActivityStatus,
    ActivityUpdate,
    Pillar,
    TkskFunction,
)
from tksk_api.domain.history.reads import TransitionRead
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import no_content, reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import Code, Day, RegionCode

router = Router("activities")


class ActivityQuery(PageQuery):
    pillar: Pillar | None = None
    function: TkskFunction | None = None
    status: ActivityStatus | None = None
    kind: Code | None = None
    officer_id: UUID | None = None
    occurred_from: Day | None = None
    occurred_until: Day | None = None
    region_code: RegionCode | None = None


@router.post(
    "/activities",
    permission=Permission.ACTIVITY_WRITE,
    status_code=201,
    response_model=ActivityRead,
    summary="Log a piece of work",
)
async def create_activity(session: SessionDep, request: Request, body: ActivityCreate) -> Response:
    """A draft of your own. Dates follow the calendar of `region_code`, a district or village of your area.

    A client that was offline may send its own `id`; the same id with the same content again answers 200.
    """
    return reply(session, request, await service.create(session, body))


@router.get(
    "/activities",
    permission=Permission.ACTIVITY_READ,
    response_model=Page[ActivityRead],
    summary="List the work log",
)
async def list_activities(reader: ReaderDep, request: Request, query: Annotated[ActivityQuery, Query()]) -> Response:
    """Work of the caller's area, the latest entries first, or with `sort=-occurred_on` the latest work first.

    `occurred_from` and `occurred_until` are included in the range; `region_code` matches exactly.
    """
    return await respond_page(reader, request, ACTIVITIES, query)


@router.get(
    "/activities/{id}", permission=Permission.ACTIVITY_READ, response_model=ActivityRead, summary="One piece of work"
)
async def get_activity(reader: ReaderDep, id: UUID) -> Response:
    """An entry of the work log of the caller's area."""
    return respond(await reader.one(ACTIVITIES, id))


@router.patch(
    "/activities/{id}",
    permission=Permission.ACTIVITY_WRITE,
    response_model=ActivityRead,
    summary="Correct a piece of work",
)
async def update_activity(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: ActivityUpdate
) -> Response:
    """Your own entry, while it is a draft or was returned. Merge patch: null clears, missing keeps."""
    return reply(session, request, await service.update(session, id, version, body))


@router.delete(
    "/activities/{id}", permission=Permission.ACTIVITY_WRITE, status_code=204, summary="Withdraw a piece of work"
)
async def delete_activity(session: SessionDep, id: UUID, version: IfMatch) -> Response:
    """Your own entry, while it is a draft or was returned. The history stays."""
    await service.withdraw(session, id, version)
    return no_content(session)


@router.post(
    "/activities/{id}/submit", permission=Permission.ACTIVITY_WRITE, response_model=ActivityRead, summary="Submit"
)
async def submit_activity(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """Hand your entry to the social service office; until it is returned nobody changes it."""
    return reply(session, request, await service.submit(session, id, version))


@router.post(
    "/activities/{id}/return", permission=Permission.ACTIVITY_REVIEW, response_model=ActivityRead, summary="Return"
)
async def return_activity(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: ActivityReturn
) -> Response:
    """Give a submitted entry back to its author, saying what is missing."""
    return reply(session, request, await service.send_back(session, id, version, body))


@router.post(
    "/activities/{id}/accept", permission=Permission.ACTIVITY_REVIEW, response_model=ActivityRead, summary="Accept"
)
async def accept_activity(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """Take a submitted entry as done. Nobody accepts their own work."""
    return reply(session, request, await service.accept(session, id, version))


@router.get(
    "/activities/{id}/history",
    permission=Permission.ACTIVITY_READ,
    response_model=Page[TransitionRead],
    summary="The steps it took",
)
async def list_activity_history(
    reader: ReaderDep, request: Request, id: UUID, query: Annotated[PageQuery, Query()]
) -> Response:
    """Submissions, returns with their notes, and the acceptance, oldest first."""
    await service.require_visible(reader, id)
    return await respond_page(reader, request, TRANSITIONS, query, entity_id=id)
