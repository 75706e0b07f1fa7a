"""Families: who lives together as one, its card with its history, and what happens to it."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.decile_snapshots import service as deciles
from tksk_api.domain.decile_snapshots.schemas import FamilyDecileRead
from tksk_api.domain.families import service
from tksk_api.domain.families.reads import FAMILIES, HISTORY
from tksk_api.domain.families.schemas import (
    FamilyCardCreate,
    FamilyChangeRead,
    FamilyCreate,
    FamilyHeadChange,
    FamilyLeaving,
    FamilyMemberCreate,
    FamilyMove,
    FamilyMoved,
    FamilyRead,
    FamilySearch,
    FamilySearchResult,
    FamilySplit,
    FamilyStatus,
    FamilyUpdate,
)
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import HouseDep, ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import PRIVATE, keep, reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import Day, VillageCode

router = Router("families")


class FamilyQuery(PageQuery):
    village_code: VillageCode | None = None
    beneficiary_id: Annotated[UUID | None, Field(description="The family of this person, whom you see")] = None
    status: FamilyStatus | None = None


@router.post(
    "/families",
    permission=Permission.FAMILY_WRITE,
    status_code=201,
    response_model=FamilyRead,
    summary="Register a family",
)
async def create_family(session: SessionDep, request: Request, body: FamilyCreate) -> Response:
    """Its members are people of the caller's area who belong to no other family; exactly one is the head.

    With a card, each member's own record gets the number and the relationship. What looks odd is taken with a warning.
    """
    return reply(session, request, await service.create(session, body))


@router.get("/families", permission=Permission.FAMILY_READ, response_model=Page[FamilyRead], summary="List families")
async def list_families(reader: ReaderDep, request: Request, query: Annotated[FamilyQuery, Query()]) -> Response:
    """Families of the caller's area, newest first, with their present members. Reading is recorded."""
    return await respond_page(reader, request, FAMILIES, query)


@router.post(
    "/families/search",
    permission=Permission.FAMILY_READ,
    response_model=FamilySearchResult,
    summary="Find a family by its card",
)
async def search_families(reader: ReaderDep, house: HouseDep, body: FamilySearch) -> Response:
    """By a present or former family card number, which never stands in an address."""
    page = await service.search(reader, house.keyring, body)
    return Response(b'{"items":[' + page.items + b"]}", headers=PRIVATE, media_type="application/json")


@router.get("/families/{id}", permission=Permission.FAMILY_READ, response_model=FamilyRead, summary="One family")
async def get_family(reader: ReaderDep, id: UUID) -> Response:
    """A family of the caller's area. A member who lives elsewhere is shown as a place without a name."""
    return respond(await reader.one(FAMILIES, id))


@router.patch(
    "/families/{id}",
    permission=Permission.FAMILY_WRITE,
    response_model=FamilyRead,
    summary="Correct a family's address",
)
async def update_family(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: FamilyUpdate
) -> Response:
    """Merge patch: null clears, missing keeps. Where the members live is theirs and does not follow."""
    return reply(session, request, await service.update(session, id, version, body))


@router.post(
    "/families/{id}/members", permission=Permission.FAMILY_WRITE, response_model=FamilyRead, summary="Add a member"
)
async def add_family_member(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: FamilyMemberCreate
) -> Response:
    """Somebody joins: born, married, moved in. Answers the family, with 40 members at most."""
    return reply(session, request, await service.add_member(session, id, version, body))


@router.delete(
    "/families/{id}/members/{member_id}",
    permission=Permission.FAMILY_WRITE,
    response_model=FamilyRead,
    summary="Remove a member",
)
async def remove_family_member(
    session: SessionDep,
    request: Request,
    *,
    id: UUID,
    member_id: UUID,
    version: IfMatch,
    query: Annotated[FamilyLeaving, Query()],
) -> Response:
    """Somebody leaves; the membership stays in the history. `member_id` is that of the membership, so that one whose
    person you do not see can be ended, too. When the head leaves others, `successor_id` names the member who becomes
    head. A death is recorded with the person and ends the membership by itself.
    """
    return reply(session, request, await service.remove_member(session, id, member_id, version, query))


@router.post(
    "/families/{id}/change-head",
    permission=Permission.FAMILY_WRITE,
    response_model=FamilyRead,
    summary="Another head",
)
async def change_family_head(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: FamilyHeadChange
) -> Response:
    """A member becomes head, and the former one what `former_head_relationship` says. Ends `needs_head`."""
    return reply(session, request, await service.change_head(session, id, version, body))


@router.post(
    "/families/{id}/card", permission=Permission.FAMILY_WRITE, response_model=FamilyRead, summary="Another card"
)
async def change_family_card(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: FamilyCardCreate
) -> Response:
    """The new family card; the one before stays in the history, and still finds the family."""
    return reply(session, request, await service.change_card(session, id, version, body))


@router.post(
    "/families/{id}/split",
    permission=Permission.FAMILY_WRITE,
    status_code=201,
    response_model=FamilyRead,
    summary="Split a family",
)
async def split_family(session: SessionDep, id: UUID, version: IfMatch, body: FamilySplit) -> Response:
    """Some members become a family of their own, which is the answer. If the head goes along, name a successor."""
    stored = await service.split(session, id, version, body)
    location = {"Location": f"/v1/families/{stored.id}"}
    return keep(session, respond(stored, 201 if stored.created else 200, headers=location if stored.created else {}))


@router.post(
    "/families/{id}/move",
    permission=Permission.BENEFICIARY_MOVE,
    response_model=FamilyMoved,
    summary="Record a family's move",
)
async def move_family(session: SessionDep, id: UUID, version: IfMatch, body: FamilyMove) -> Response:
    """The family lives in another village now. If it lies outside your area you no longer see it."""
    moved = await service.move(session, id, version, body)
    headers = {**PRIVATE, "ETag": f'"v{moved.version}"'}
    return keep(session, Response(moved.model_dump_json(), headers=headers, media_type="application/json"))


@router.get(
    "/families/{id}/history",
    permission=Permission.FAMILY_READ,
    response_model=Page[FamilyChangeRead],
    summary="What happened to a family",
)
async def list_family_history(
    reader: ReaderDep, request: Request, id: UUID, query: Annotated[PageQuery, Query()]
) -> Response:
    """Changes of the family, its members and its cards, newest first, with who made them and why."""
    await service.require_visible(reader, id)
    return await respond_page(reader, request, HISTORY, query, family_id=id)


@router.get(
    "/families/{id}/decile",
    permission=Permission.FAMILY_READ,
    response_model=FamilyDecileRead,
    summary="A family's decile beside the findings",
)
async def get_family_decile(reader: ReaderDep, id: UUID, on: Day | None = None) -> Response:
    """The newest official decile on a day, today unless given, and what officers found at its members by then."""
    return respond(await deciles.of_family(reader, id, on))
