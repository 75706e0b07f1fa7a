"""Programmes that people are referred to: what they ask for from which day on, who may qualify, and how many would."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.eligibility import service as eligibility
from tksk_api.domain.eligibility import simulation
from tksk_api.domain.eligibility.schemas import EligibilityQuestion, EligibilityRead, SimulationCreate
from tksk_api.domain.jobs.schemas import JobRead
from tksk_api.domain.programs import service
from tksk_api.domain.programs.reads import PROGRAMS
from tksk_api.domain.programs.schemas import ProgramDetail, ProgramRead, ProgramVersionPut
from tksk_api.http.concurrency import IfMatch, etag
from tksk_api.http.dependencies import ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.problems import language_of
from tksk_api.http.replies import PRIVATE, keep, respond_page, under_way
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import Day, RegionCode

router = Router("programs")
Code = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,64}$")]
On = Annotated[Day | None, Query(description="As of this day; left out, today", examples=["2022-08-17"])]
Place = Annotated[RegionCode | None, Query(description="Where; left out, what holds in the nation", examples=["18.71"])]


class ProgramQuery(PageQuery):
    on: Annotated[Day | None, Field(description="Only programmes that run on this day", examples=["2026-11-22"])] = None


@router.get(
    "/programs", permission=Permission.PROGRAM_READ, response_model=Page[ProgramRead], summary="List programmes"
)
async def list_programs(reader: ReaderDep, request: Request, query: Annotated[ProgramQuery, Query()]) -> Response:
    """All programmes by code, ended ones included, for old referrals keep their meaning; `on` leaves those of a day."""
    return await respond_page(reader, request, PROGRAMS, query)


@router.get(
    "/programs/{code}", permission=Permission.PROGRAM_READ, response_model=ProgramDetail, summary="One programme"
)
async def get_program(session: SessionDep, code: Code, on: On = None, region_code: Place = None) -> Response:
    """A programme, and the version of its rules that holds on a day and at a place: the nearest region that has one.

    `versions` lists all of them. The ETag counts versions; `PUT` needs it.
    """
    return _detail(await service.detail(session, code, region_code, on))


@router.put(
    "/programs/{code}",
    permission=Permission.PROGRAM_WRITE,
    response_model=ProgramDetail,
    summary="Write a new version of a programme",
)
async def put_program(session: SessionDep, code: Code, version: IfMatch, body: ProgramVersionPut) -> Response:
    """What the programme asks for from a day on that has not passed. No version is ever changed: before that day, and
    for whoever was referred before, everything stays as it was.

    The ministry writes for the nation; a province or regency only a local programme's rules, for its own area.
    """
    return _detail(await service.add_version(session, code, version, body))


@router.post(
    "/programs/{code}/eligibility",
    permission=Permission.PROGRAM_ADVISE,
    response_model=EligibilityRead,
    summary="Advice on one person",
)
async def advise_eligibility(session: SessionDep, request: Request, code: Code, body: EligibilityQuestion) -> Response:
    """What the rules say of a person of the caller's area, with their sources. Advice only, never a block: the agency
    decides. Where something is not known the outcome is `needs_assessment`, and the reasons say what to find out.
    """
    found = await eligibility.advise(session, code, body, language_of(request.scope["headers"]))
    return keep(session, Response(found.model_dump_json(), headers=dict(PRIVATE), media_type="application/json"))


@router.post(
    "/programs/{code}/simulate",
    permission=Permission.PROGRAM_SIMULATE,
    status_code=202,
    response_model=JobRead,
    summary="Count who would qualify",
)
async def simulate_program(session: SessionDep, code: Code, body: SimulationCreate) -> Response:
    """Starts a job that counts the people of a region by outcome, by reason and by the regions below it, with the rules
    of the day or with others. It names nobody; a caller who may not see people counts today by the rules in force, and
    is told every number in steps of five.
    """
    stored = await simulation.start(session, code, body)
    return under_way(session, stored)


def _detail(found: ProgramDetail) -> Response:
    headers = {**PRIVATE, "ETag": etag(found.version)}
    return Response(found.model_dump_json(), headers=headers, media_type="application/json")
