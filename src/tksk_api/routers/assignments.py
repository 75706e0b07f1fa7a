"""Who is the TKSK of which district, who stands in, and which districts are vacant."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.assignments import service
from tksk_api.domain.assignments.reads import ASSIGNMENTS, VACANCIES
from tksk_api.domain.assignments.schemas import (
    AssignmentCreate,
    AssignmentEnd,
    AssignmentKind,
    AssignmentRead,
    VacancyRead,
)
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import HouseDep, ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import Day, RegionCode

router = Router("assignments")

Area = Annotated[RegionCode | None, Field(description="This region and those inside it")]


class AssignmentQuery(PageQuery):
    region_code: Area = None
    user_id: UUID | None = None
    active_on: Annotated[Day | None, Field(description="In force on this day")] = None
    kind: AssignmentKind | None = None


class VacancyQuery(PageQuery):
    region_code: Area = None


@router.post(
    "/assignments",
    permission=Permission.ASSIGNMENT_MANAGE,
    status_code=201,
    response_model=AssignmentRead,
    summary="Assign an officer",
)
async def create_assignment(session: SessionDep, house: HouseDep, request: Request, body: AssignmentCreate) -> Response:
    """To a district as its one holder, or as acting cover with or without a decree, or as coordinator.

    From the first one on, the officer sees and writes in the districts held or covered on the day, and nowhere else.
    So does a user with the role coordinator in the regency or province of the decree; of an officer who coordinates
    besides it is recorded, and changes nothing of what they see. Correct a mistake by ending it and assigning anew.
    """
    made = await service.create(session, body, house.settings.acting_cover_days)
    return reply(session, request, made)


@router.get(
    "/assignments",
    permission=Permission.ASSIGNMENT_READ,
    response_model=Page[AssignmentRead],
    summary="List assignments",
)
async def list_assignments(reader: ReaderDep, request: Request, query: Annotated[AssignmentQuery, Query()]) -> Response:
    """Past, present and planned ones of the caller's area; `active_on` leaves those in force on a day."""
    return await respond_page(reader, request, ASSIGNMENTS, query)


@router.get(
    "/assignments/vacancies",
    permission=Permission.ASSIGNMENT_READ,
    response_model=Page[VacancyRead],
    summary="Districts without a holder",
)
async def list_vacancies(reader: ReaderDep, request: Request, query: Annotated[VacancyQuery, Query()]) -> Response:
    """Districts of the caller's area that nobody holds today: since when, and who is acting there."""
    return await respond_page(reader, request, VACANCIES, query)


@router.get(
    "/assignments/{id}", permission=Permission.ASSIGNMENT_READ, response_model=AssignmentRead, summary="One assignment"
)
async def get_assignment(reader: ReaderDep, id: UUID) -> Response:
    """An assignment of the caller's area."""
    return respond(await reader.one(ASSIGNMENTS, id))


@router.post(
    "/assignments/{id}/end",
    permission=Permission.ASSIGNMENT_MANAGE,
    response_model=AssignmentRead,
    summary="End an assignment",
)
async def end_assignment(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: AssignmentEnd
) -> Response:
    """Today or on a later day. Ended today, the officer's very next request is refused what lies in that district."""
    return reply(session, request, await service.end(session, id, version, body))
