"""PPKS categories of people, families, groups and communities: since when, found by whom, and until when.

Sensitive categories are shown to the officers (`tksk`) and social offices of the regency alone; for everybody else they
are not there. Every answer that shows one leaves an access row that says so.
"""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.ppks_assessments import service
from tksk_api.domain.ppks_assessments.reads import PPKS_ASSESSMENTS
from tksk_api.domain.ppks_assessments.schemas import (
    AgeBand,
    AssessmentStatus,
    PpksAssessmentClose,
    PpksAssessmentCreate,
    PpksAssessmentRead,
)
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import ReaderDep, SessionDep
from tksk_api.http.pagination import CountedAs, Page, PageQuery, needs
from tksk_api.http.replies import reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import Code, Day, RegionCode, Sex, VillageCode

router = Router("ppks-assessments")


class PpksAssessmentQuery(PageQuery):
    beneficiary_id: UUID | None = None
    family_id: UUID | None = None
    category: Code | None = None
    status: AssessmentStatus | None = None
    village_code: VillageCode | None = None
    within: Annotated[RegionCode | None, Field(description="In this region and in those inside it")] = None
    assessed_from: Day | None = None
    assessed_until: Day | None = None
    sex: Annotated[Sex | Literal["none"] | None, Field(description="`none`: of a family, a group or a community")] = (
        None
    )
    age_band: Annotated[AgeBand | None, Field(description="By the person's age on the day of assessing")] = None
    sensitive: Annotated[bool | None, Field(description="Of a sensitive category, for whoever sees those")] = None
    report: Annotated[UUID | None, Field(description="Those that this report, recap or revision counts")] = None
    counted_as: CountedAs = None


@router.post(
    "/ppks-assessments",
    permission=Permission.PPKS_WRITE,
    status_code=201,
    response_model=PpksAssessmentRead,
    summary="Assess a PPKS category",
)
async def create_ppks_assessment(session: SessionDep, request: Request, body: PpksAssessmentCreate) -> Response:
    """You become its assessor. Several categories hold at once, each once; an unusual age or sex is a warning only.

    A client that was offline may send its own `id`; the same id with the same content again answers 200.
    """
    return reply(session, request, await service.create(session, body))


@router.get(
    "/ppks-assessments",
    permission=Permission.PPKS_READ,
    response_model=Page[PpksAssessmentRead],
    summary="List PPKS assessments",
)
async def list_ppks_assessments(
    reader: ReaderDep, request: Request, query: Annotated[PpksAssessmentQuery, Query()]
) -> Response:
    """Of the caller's area, newest first; sensitive ones for those who need them. Reading is recorded."""
    needs(query, "counted_as", "report")
    return await respond_page(reader, request, PPKS_ASSESSMENTS, query)


@router.get(
    "/ppks-assessments/{id}",
    permission=Permission.PPKS_READ,
    response_model=PpksAssessmentRead,
    summary="One PPKS assessment",
)
async def get_ppks_assessment(reader: ReaderDep, id: UUID) -> Response:
    """An assessment of the caller's area. Reading is recorded."""
    return respond(await reader.one(PPKS_ASSESSMENTS, id))


@router.post(
    "/ppks-assessments/{id}/close",
    permission=Permission.PPKS_WRITE,
    response_model=PpksAssessmentRead,
    summary="End a PPKS category",
)
async def close_ppks_assessment(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: PpksAssessmentClose
) -> Response:
    """The category no longer holds: until when, and why. The assessment stays; a new one may follow later."""
    return reply(session, request, await service.close(session, id, version, body))
