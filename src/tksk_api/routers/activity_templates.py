"""Templates for work that comes again: an officer's own, and those that an office shares with its region."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.activities.schemas import ActivityRead
from tksk_api.domain.activity_kinds.schemas import Pillar
from tksk_api.domain.activity_templates import service
from tksk_api.domain.activity_templates.reads import ACTIVITY_TEMPLATES
from tksk_api.domain.activity_templates.schemas import (
    ActivityTemplateCreate,
    ActivityTemplateRead,
    ActivityTemplateUpdate,
    ActivityTemplateUse,
    DueTemplates,
)
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import PRIVATE, keep, no_content, reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import Code, Day

router = Router("activity-templates")


class ActivityTemplateQuery(PageQuery):
    pillar: Pillar | None = None
    kind: Code | None = None
    is_shared: Annotated[bool | None, Field(description="True: what offices share; false: one's own")] = None


@router.post(
    "/activity-templates",
    permission=Permission.ACTIVITY_TEMPLATE,
    status_code=201,
    response_model=ActivityTemplateRead,
    summary="Keep a template",
)
async def create_activity_template(session: SessionDep, request: Request, body: ActivityTemplateCreate) -> Response:
    """An officer's own; of an office, for the officers of `region_code`. A recurrence suggests, and makes nothing."""
    return reply(session, request, await service.create(session, body))


@router.get(
    "/activity-templates",
    permission=Permission.ACTIVITY_TEMPLATE,
    response_model=Page[ActivityTemplateRead],
    summary="List templates",
)
async def list_activity_templates(
    reader: ReaderDep, request: Request, query: Annotated[ActivityTemplateQuery, Query()]
) -> Response:
    """The caller's own, and those that offices share with the caller's region, from above it or inside it."""
    return await respond_page(reader, request, ACTIVITY_TEMPLATES, query)


@router.get(
    "/activity-templates/due",
    permission=Permission.ACTIVITY_WRITE,
    response_model=DueTemplates,
    summary="Which templates are due",
)
async def list_due_activity_templates(
    session: SessionDep,
    on: Annotated[Day | None, Query(description="A day; today in the caller's region when left out")] = None,
) -> Response:
    """Templates whose day came on `on` or before it, and of which you have logged nothing since."""
    found = await service.due(session, on)
    return Response(found.model_dump_json(), headers=dict(PRIVATE), media_type="application/json")


@router.get(
    "/activity-templates/{id}",
    permission=Permission.ACTIVITY_TEMPLATE,
    response_model=ActivityTemplateRead,
    summary="One template",
)
async def get_activity_template(reader: ReaderDep, id: UUID) -> Response:
    """One of the caller's own, or shared with the caller's region."""
    return respond(await reader.one(ACTIVITY_TEMPLATES, id))


@router.patch(
    "/activity-templates/{id}",
    permission=Permission.ACTIVITY_TEMPLATE,
    response_model=ActivityTemplateRead,
    summary="Change a template",
)
async def update_activity_template(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: ActivityTemplateUpdate
) -> Response:
    """Merge patch, for one's own; for shared ones, by an office of their region or above. What was logged stays."""
    return reply(session, request, await service.update(session, id, version, body))


@router.delete(
    "/activity-templates/{id}",
    permission=Permission.ACTIVITY_TEMPLATE,
    status_code=204,
    summary="Withdraw a template",
)
async def delete_activity_template(session: SessionDep, id: UUID, version: IfMatch) -> Response:
    """Nothing new is logged from it; what was stays."""
    await service.withdraw(session, id, version)
    return no_content(session)


@router.post(
    "/activity-templates/{id}/use",
    permission=Permission.ACTIVITY_WRITE,
    status_code=201,
    response_model=ActivityRead,
    summary="Log work from a template",
)
async def use_activity_template(session: SessionDep, id: UUID, body: ActivityTemplateUse) -> Response:
    """A draft of your own that begins with the template; the body says what differs this time."""
    stored = await service.use(session, id, body)
    headers = {"Location": f"/v1/activities/{stored.id}"} if stored.created else {}
    return keep(session, respond(stored, 201 if stored.created else 200, headers=headers))
