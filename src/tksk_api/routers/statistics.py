"""Figures over many rows, and where evidence disagrees."""

from typing import Annotated

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.assignments.reads import VACANCIES, VACANCIES_ON
from tksk_api.domain.assignments.schemas import VacancyRead
from tksk_api.domain.statistics.reads import DISAGREEMENTS
from tksk_api.domain.statistics.schemas import DisagreementKind, DisagreementRead
from tksk_api.http.dependencies import ReaderDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import Day, RegionCode

router = Router("statistics")


class VacancyOnQuery(PageQuery):
    region: Annotated[RegionCode | None, Field(description="This region and those inside it")] = None
    on: Annotated[Day | None, Field(description="On this day; unless given, today by the district's calendar")] = None


class DisagreementQuery(PageQuery):
    region: Annotated[RegionCode | None, Field(description="This region and those inside it")] = None
    from_: Annotated[Day | None, Field(alias="from", description="Of the finding, this day or later")] = None
    to: Annotated[Day | None, Field(description="Of the finding, this day or earlier")] = None
    kind: DisagreementKind | None = None


@router.get(
    "/statistics/disagreements",
    permission=Permission.STATISTICS_READ,
    response_model=Page[DisagreementRead],
    summary="Where decile and finding disagree",
)
async def list_disagreements(
    reader: ReaderDep, request: Request, query: Annotated[DisagreementQuery, Query()]
) -> Response:
    """Families of the caller's area whose newest decile and newest finding disagree, to be sent up: left out though an
    officer found them eligible, or let in though not. Reading is recorded.
    """
    return await respond_page(reader, request, DISAGREEMENTS, query)


@router.get(
    "/statistics/vacancies",
    permission=Permission.ASSIGNMENT_READ,
    response_model=Page[VacancyRead],
    summary="Districts without an officer on a day",
)
async def list_vacancies_on(reader: ReaderDep, request: Request, query: Annotated[VacancyOnQuery, Query()]) -> Response:
    """Districts of the caller's area that nobody held on the day: since when, who held them last, who was acting."""
    area = PageQuery(limit=query.limit, cursor=query.cursor, sort=query.sort)
    vacancies = VACANCIES if query.on is None else VACANCIES_ON
    return await respond_page(reader, request, vacancies, area, region_code=query.region, on=query.on)
