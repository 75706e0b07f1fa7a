"""People in need. Identity numbers are always masked; `reveal` is the one recorded way to a full number."""

import asyncio
from dataclasses import replace
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.documents.statement import render_statement
from tksk_api.domain.beneficiaries import search, service
from tksk_api.domain.beneficiaries.as_of import PERSON_AS_OF, VILLAGE_AS_OF, AsOf
from tksk_api.domain.beneficiaries.reads import BENEFICIARIES, CHANGES
from tksk_api.domain.beneficiaries.schemas import (
    BeneficiaryAsOf,
    BeneficiaryCreate,
    BeneficiaryRead,
    BeneficiarySearch,
    BeneficiaryUpdate,
    ChangeRead,
    Move,
    Moved,
    NikStatus,
    Reveal,
    Revealed,
    SearchResult,
)
from tksk_api.domain.duplicates import intake
from tksk_api.domain.privacy_requests import statement
from tksk_api.domain.privacy_requests.statement import Statement
from tksk_api.domain.timelines.reads import TIMELINE
from tksk_api.domain.timelines.schemas import EventKind, TimelineEntry
from tksk_api.errors import invalid
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import HouseDep, ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import PRIVATE, keep, keep_secret, no_content, reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import Code, Moment, VillageCode

router = Router("beneficiaries")


class BeneficiaryQuery(PageQuery):
    village_code: VillageCode | None = None
    ppks_category: Code | None = None
    nik_status: NikStatus | None = None
    as_of: AsOf | None = None


class TimelineQuery(PageQuery):
    kind: EventKind | None = None
    since: Annotated[Moment | None, Field(alias="from", description="Recorded at this moment or later")] = None
    until: Annotated[Moment | None, Field(alias="to", description="Recorded before this moment")] = None


@router.post(
    "/beneficiaries",
    permission=Permission.BENEFICIARY_WRITE,
    status_code=201,
    response_model=BeneficiaryRead,
    summary="Register a person",
)
async def create_beneficiary(
    session: SessionDep, house: HouseDep, request: Request, body: BeneficiaryCreate
) -> Response:
    """A NIK that exists already is refused; one that disagrees with birth date, sex or region is taken with a warning.

    A client that was offline may send its own `id`; the same id with the same content again answers 200. Each NIK that
    turns out to be registered outside your area counts like a question to `exists`; when those are used up, so are
    registrations with a NIK until `Retry-After`. So does each warning that somebody outside your area may be the same
    person; when those are used up the person is registered without it, and the pair is left to the office above both.
    """
    stored = await intake.register(session, house.reads, body, house.settings.exists_per_hour)
    return reply(session, request, stored)


@router.get(
    "/beneficiaries",
    permission=Permission.BENEFICIARY_READ,
    response_model=Page[BeneficiaryRead | BeneficiaryAsOf],
    summary="List people",
)
async def list_beneficiaries(
    reader: ReaderDep, request: Request, query: Annotated[BeneficiaryQuery, Query()]
) -> Response:
    """People of the caller's area, newest first.

    With `as_of` and a village: who lived there then, each as they were, also those who moved on since, as far as they
    are registered in the caller's area today.
    """
    if query.as_of is None:
        return await respond_page(reader, request, BENEFICIARIES, query)
    if query.village_code is None:
        raise invalid("/village_code", "missing")
    return await respond_page(reader, request, VILLAGE_AS_OF, query)


@router.post(
    "/beneficiaries/search",
    permission=Permission.BENEFICIARY_READ,
    response_model=SearchResult,
    summary="Find a person",
)
async def search_beneficiaries(reader: ReaderDep, house: HouseDep, body: BeneficiarySearch) -> Response:
    """By NIK or family card number exactly, or by a name that may be misspelt, best matches first.

    With a name, a NIK or birth date that was written down wrongly still finds the person. Numbers go into the body,
    never into an address. Whoever sees more than a regency finds misspelt names once `region_code` or `village_code`
    names a regency or a part of it, or the birth date is given.
    """
    page = await search.find(reader, house.keyring, body)
    return Response(b'{"items":[' + page.items + b"]}", headers=PRIVATE, media_type="application/json")


@router.get(
    "/beneficiaries/{id}",
    permission=Permission.BENEFICIARY_READ,
    response_model=BeneficiaryRead | BeneficiaryAsOf,
    summary="One person",
)
async def get_beneficiary(reader: ReaderDep, id: UUID, as_of: Annotated[AsOf | None, Query()] = None) -> Response:
    """A person of the caller's area. Reading is recorded.

    With `as_of` as they were then, without an ETag: the past is not edited. Whoever was registered later was not there.
    """
    if as_of is None:
        return respond(await reader.one(BENEFICIARIES, id))
    return respond(replace(await reader.one(PERSON_AS_OF, id, as_of=as_of), version=None))


@router.patch(
    "/beneficiaries/{id}",
    permission=Permission.BENEFICIARY_WRITE,
    response_model=BeneficiaryRead,
    summary="Correct a person's data",
)
async def update_beneficiary(
    session: SessionDep, house: HouseDep, request: Request, *, id: UUID, version: IfMatch, body: BeneficiaryUpdate
) -> Response:
    """Merge patch: null clears, missing keeps. Village and NIK change by their own actions.

    Each new pair with somebody outside your area counts like a question to `exists`, as at the registration.
    """
    per_hour = house.settings.exists_per_hour
    return reply(
        session, request, await intake.correct(session, house.reads, id, version, body, exists_per_hour=per_hour)
    )


@router.delete(
    "/beneficiaries/{id}", permission=Permission.BENEFICIARY_DELETE, status_code=204, summary="Withdraw a registration"
)
async def delete_beneficiary(session: SessionDep, id: UUID, version: IfMatch) -> Response:
    """For a registration made by mistake. The history stays; the NIK is free again."""
    await service.withdraw(session, id, version)
    return no_content(session)


@router.post(
    "/beneficiaries/{id}/reveal",
    permission=Permission.BENEFICIARY_REVEAL,
    step_up=True,
    response_model=Revealed,
    summary="Reveal identity numbers",
)
async def reveal_beneficiary(session: SessionDep, house: HouseDep, id: UUID, body: Reveal) -> Response:
    """The full NIK or family card number, for a purpose and with a reason. Who asked, when and why is kept.

    A limited number of times an hour for each user, statements included.
    """
    revealed = await service.reveal(session, id, body, house.settings.reveals_per_hour)
    return keep_secret(session, Response(revealed.model_dump_json(), headers=PRIVATE, media_type="application/json"))


@router.post(
    "/beneficiaries/{id}/move", permission=Permission.BENEFICIARY_MOVE, response_model=Moved, summary="Record a move"
)
async def move_beneficiary(session: SessionDep, house: HouseDep, id: UUID, version: IfMatch, body: Move) -> Response:
    """The person lives in another village now. If it lies outside your area you no longer see them."""
    moved = await intake.move(session, house.reads, id, version, body, exists_per_hour=house.settings.exists_per_hour)
    headers = {**PRIVATE, "ETag": f'"v{moved.version}"'}
    return keep(session, Response(moved.model_dump_json(), headers=headers, media_type="application/json"))


@router.get(
    "/beneficiaries/{id}/history",
    permission=Permission.BENEFICIARY_READ,
    response_model=Page[ChangeRead],
    summary="What changed",
)
async def list_beneficiary_history(
    reader: ReaderDep, request: Request, id: UUID, query: Annotated[PageQuery, Query()]
) -> Response:
    """Field-level changes, newest first, with who made them. Values of identity numbers are never shown."""
    await service.require_visible(reader, id)
    return await respond_page(reader, request, CHANGES, query, entity_id=id)


@router.get(
    "/beneficiaries/{id}/timeline",
    permission=Permission.TIMELINE_READ,
    response_model=Page[TimelineEntry],
    summary="What happened to a person",
)
async def list_beneficiary_timeline(
    reader: ReaderDep, request: Request, id: UUID, query: Annotated[TimelineQuery, Query()]
) -> Response:
    """Registration, corrections, moves, visits, letters, referrals and all the rest in one list, newest first.

    Each entry is there for those who may read its record: a role without the permission, or an office that does not
    see the village where it happened, does not find it. Labels of the codes are in the list `timeline_events`.
    """
    return await respond_page(reader, request, TIMELINE, query, beneficiary_id=id)


@router.get(
    "/beneficiaries/{id}/statement",
    permission=Permission.BENEFICIARY_STATEMENT,
    step_up=True,
    response_model=Statement,
    responses={200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}},
    summary="The statement of a person's own data",
)
async def get_beneficiary_statement(
    session: SessionDep, house: HouseDep, id: UUID, format: Literal["json", "pdf"] = "json"
) -> Response:
    """Everything held about the person, with full identity numbers, and who processed it when and for what purpose: to
    be handed to the person, their guardian or heir (UU 27/2022 Pasal 32). Making it is recorded and counts as a reveal.
    """
    made = await statement.make(session, id, house.settings.reveals_per_hour)
    if format == "json":
        return Response(made.model_dump_json(), headers=PRIVATE, media_type="application/json")
    headers = {**PRIVATE, "Content-Disposition": 'attachment; filename="keterangan-data-pribadi.pdf"'}
    return Response(await asyncio.to_thread(render_statement, made), headers=headers, media_type="application/pdf")
