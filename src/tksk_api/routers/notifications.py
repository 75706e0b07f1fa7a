"""What happened and what waits: the caller's own inbox, and how they want to be told."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.notifications import service
from tksk_api.domain.notifications.gateways import available
from tksk_api.domain.notifications.notices import Kind
from tksk_api.domain.notifications.reads import NOTIFICATIONS
from tksk_api.domain.notifications.schemas import (
    NotificationRead,
    NotificationSettingsRead,
    NotificationSettingsUpdate,
    ReadAll,
    Unread,
)
from tksk_api.http.dependencies import HouseDep, ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import PRIVATE, keep, reply, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission

router = Router("notifications")


class NotificationQuery(PageQuery):
    unread: bool | None = None
    kind: Kind | None = None


def _shown(content: BaseModel) -> Response:
    return Response(content.model_dump_json(), headers=PRIVATE, media_type="application/json")


@router.get(
    "/notifications",
    permission=Permission.NOTIFICATION_OWN,
    response_model=Page[NotificationRead],
    summary="My inbox",
)
async def list_notifications(
    reader: ReaderDep, request: Request, query: Annotated[NotificationQuery, Query()]
) -> Response:
    """What happened to your cases and what waits for you, newest first, in the language of your settings. Kept for 90
    days; the cases themselves stay in their lists, and what is due is in the worklist."""
    return await respond_page(reader, request, NOTIFICATIONS, query)


@router.get(
    "/notifications/unread",
    permission=Permission.NOTIFICATION_OWN,
    response_model=Unread,
    summary="How many I have not read",
)
async def count_unread_notifications(session: SessionDep) -> Response:
    """For a badge: counted up to 99."""
    return _shown(await service.unread(session))


@router.post(
    "/notifications/{id}/read",
    permission=Permission.NOTIFICATION_OWN,
    response_model=NotificationRead,
    summary="Mark as read",
)
async def read_notification(session: SessionDep, request: Request, id: UUID) -> Response:
    """One of your own; again is no mistake. The time of the first reading stays."""
    return reply(session, request, await service.mark_read(session, id))


@router.post(
    "/notifications/read-all",
    permission=Permission.NOTIFICATION_OWN,
    response_model=Unread,
    summary="Mark all as read",
)
async def read_all_notifications(session: SessionDep, body: ReadAll) -> Response:
    """Everything up to a moment: `created_at` of the newest one that was shown, so that what came meanwhile stays."""
    return keep(session, _shown(await service.mark_all(session, body.until)))


@router.get(
    "/me/notification-settings",
    permission=Permission.NOTIFICATION_OWN,
    response_model=NotificationSettingsRead,
    summary="How I am told",
)
async def get_notification_settings(session: SessionDep, house: HouseDep) -> Response:
    """Your addresses, which nobody else sees, quiet hours, language, and the channels of every kind."""
    return _shown(await service.settings(session, available(house.settings)))


@router.put(
    "/me/notification-settings",
    permission=Permission.NOTIFICATION_OWN,
    step_up=True,
    response_model=NotificationSettingsRead,
    summary="Set how I am told",
)
async def put_notification_settings(session: SessionDep, house: HouseDep, body: NotificationSettingsUpdate) -> Response:
    """Replaces all of it. A channel needs its address. What is sent bears a first name and a case number, no more.

    After a fresh proof of identity. Whoever changes or drops an address is told so where warnings went before."""
    return keep(session, _shown(await service.put_settings(session, body, available(house.settings))))
