"""Figures over many rows, and where evidence disagrees."""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal, get_args

from cachetools import TTLCache
from fastapi import Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.documents import charts
from tksk_api.domain.assignments.reads import VACANCIES, VACANCIES_ON
from tksk_api.domain.assignments.schemas import VacancyRead
from tksk_api.domain.records import held_by, holds
from tksk_api.domain.regions.service import local_today
from tksk_api.domain.statistics import coverage, maps, open_data, service
from tksk_api.domain.statistics.coverage import UNVISITED, UNVISITED_UNDATED
from tksk_api.domain.statistics.periods import Period
from tksk_api.domain.statistics.reads import DISAGREEMENTS
from tksk_api.domain.statistics.schemas import (
    CoverageRead,
    DatasetCatalogue,
    DatasetMetadata,
    DatasetRow,
    DatasetTable,
    Dimension,
    DisagreementKind,
    DisagreementRead,
    StatisticsRead,
    Subject,
    UnvisitedVillageRead,
)
from tksk_api.errors import invalid, not_found
from tksk_api.http.concurrency import is_known
from tksk_api.http.dependencies import House, HouseDep, ReaderDep, SessionDep, SystemSessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.problems import language_of
from tksk_api.http.replies import PRIVATE, respond_page
from tksk_api.http.routing import PUBLIC, Router
from tksk_api.security.permissions import Permission
from tksk_api.types import Day, RegionCode, digits_only

router = Router("statistics")
_PUBLIC_FOR_A_DAY = {"Cache-Control": "public, max-age=86400"}
# Tables that were asked for within a day, as they left: anybody may ask, and months that are over hardly change.
_made: TTLCache[tuple[str, str, Period, str], bytes] = TTLCache(maxsize=32 * 2**20, ttl=86_400, getsizeof=len)
_PICTURE = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "Vary": "Accept-Language",
}
Days = Annotated[
    int, BeforeValidator(digits_only), Field(ge=1, le=3650, description="Without a completed visit in so many days")
]
_Region = Annotated[RegionCode | None, Field(description="This region and those inside it")]


class VacancyOnQuery(PageQuery):
    region: _Region = None
    on: Annotated[Day | None, Field(description="On this day; unless given, today by the district's calendar")] = None


class DisagreementQuery(PageQuery):
    region: _Region = None
    from_: Annotated[Day | None, Field(alias="from", description="Of the finding, this day or later")] = None
    to: Annotated[Day | None, Field(description="Of the finding, this day or earlier")] = None
    kind: DisagreementKind | None = None


class UnvisitedQuery(PageQuery):
    region: _Region = None
    days: Days = 90


class StatisticsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    region: Annotated[RegionCode | None, Field(description="Unless given, your own area")] = None
    from_: Annotated[
        Day | None, Field(alias="from", description="First day; unless given, of the twelve months up to `to`")
    ] = None
    to: Annotated[Day | None, Field(description="Last day; unless given, the last one of this month")] = None
    by: Annotated[
        str | None,
        Field(
            max_length=120,
            description="What to count by, separated by commas: " + ", ".join(get_args(Dimension)),
            examples=["month,pillar"],
        ),
    ] = None
    of: Annotated[Subject | None, Field(description="What to count; unless given, what has all of `by`")] = None
    compare: Annotated[
        Literal["previous"] | None, Field(description="Compare with the period before, of the same length")
    ] = None


class CoverageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    region: Annotated[RegionCode | None, Field(description="Unless given, your own area")] = None
    days: Days = 90


class DatasetQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal["csv", "json"] = "json"
    region: Annotated[
        RegionCode | None, Field(description="A province or a regency: the regions below it; else all provinces")
    ] = None
    from_: Annotated[Day | None, Field(alias="from", description="First day of a month")] = None
    to: Annotated[Day | None, Field(description="Last day of a month that is over")] = None


@router.get(
    "/statistics", permission=Permission.FIGURES_READ, response_model=StatisticsRead, summary="Count what was done"
)
async def get_statistics(session: SessionDep, query: Annotated[StatisticsQuery, Query()]) -> Response:
    """Counts of one subject in a region and a period, by any of its keys, by month, and by the regions just below.

    Every number names the list of exactly the rows it counts; follow `region` of a cell to drill down. Of the nation
    and of provinces figures are of whole months. Who may not see the rows is told no count of one to four, nor what
    would give one away, and asks by one key, the same for all, of at most 24 whole months that are over.
    """
    asked = await service.question(
        session,
        region=query.region,
        first=query.from_,
        last=query.to,
        by=_dimensions(query.by),
        of=query.of,
        compare=query.compare is not None,
    )
    return _private(await service.answer(session, asked))


@router.get(
    "/statistics/charts/{kind}.svg",
    permission=Permission.FIGURES_READ,
    summary="A chart of counts",
    response_class=Response,
    responses={200: {"content": {"image/svg+xml": {"schema": {"type": "string"}}}}},
)
async def get_chart(
    session: SessionDep, request: Request, kind: charts.Kind, query: Annotated[StatisticsQuery, Query()]
) -> Response:
    """The same counts by the same parameters, drawn: `bars` by any one or two keys, `lines` by month and one more,
    `map` by region, as tiles near where the regions lie. In the language of `Accept-Language`.

    One SVG without script or anything from elsewhere; its `<desc>` says in words what it shows. What is withheld is
    hatched. A client may keep it and ask with `If-None-Match`.
    """
    by = _dimensions(query.by) or charts.USUAL[kind]
    charts.check(kind, by, compare=query.compare is not None)
    asked = await service.question(
        session,
        region=query.region,
        first=query.from_,
        last=query.to,
        by=by,
        of=query.of,
        compare=query.compare is not None,
    )
    shown = charts.figures(await service.answer(session, asked), language_of(request.scope["headers"]))
    drawn = charts.draw(kind, shown, await maps.places(session, asked.area) if kind == "map" else {})
    etag = f'"{hashlib.sha256(drawn.encode()).hexdigest()}"'
    if is_known(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers={**_PICTURE, "ETag": etag})
    return Response(drawn, headers={**_PICTURE, "ETag": etag}, media_type="image/svg+xml")


@router.get(
    "/statistics/coverage",
    permission=Permission.FIGURES_READ,
    response_model=CoverageRead,
    summary="Where nobody has been or works",
    openapi_extra={"x-statuses": ["404"]},
)
async def get_coverage(session: SessionDep, query: Annotated[CoverageQuery, Query()]) -> Response:
    """Villages without a completed visit in the last days, and districts without an officer: of a region and of those
    just below it, each number with the list of the places it counts. Who may not see visits asks for 30, 90, 180 or
    365 days."""
    coverage.check_days(query.days, sees_visits=holds(session, Permission.VISIT_READ))
    area = await service.area_of(session, query.region)
    return _private(await coverage.coverage(session, area, query.days))


@router.get(
    "/statistics/unvisited-villages",
    permission=Permission.FIGURES_READ,
    response_model=Page[UnvisitedVillageRead],
    summary="Villages without a visit",
)
async def list_unvisited_villages(
    reader: ReaderDep, request: Request, query: Annotated[UnvisitedQuery, Query()]
) -> Response:
    """Villages of the caller's area where no visit was completed in the last days, and when the last one was. Who may
    not see visits asks for 30, 90, 180 or 365 days, and is not told when."""
    sees_visits = (await held_by(reader))(Permission.VISIT_READ)
    coverage.check_days(query.days, sees_visits=sees_visits)
    return await respond_page(reader, request, UNVISITED if sees_visits else UNVISITED_UNDATED, query)


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


@router.get(
    "/statistics/open-data", permission=PUBLIC, response_model=DatasetCatalogue, summary="What open data there is"
)
async def list_open_data(house: HouseDep) -> Response:
    """Every table with its metadata, by the standard of Satu Data Indonesia. Nothing here until the installation names
    who answers for it."""
    tables = [_metadata(house, name, open_data.last_months(_today())) for name in open_data.DATASETS]
    return _public(DatasetCatalogue(items=tables))


@router.get(
    "/statistics/open-data/{dataset}/metadata",
    permission=PUBLIC,
    response_model=DatasetMetadata,
    summary="What a table of open data means",
)
async def get_open_data_metadata(house: HouseDep, dataset: str) -> Response:
    """Publisher, licence, period, unit, columns, reference codes, and how small counts are withheld."""
    return _public(_metadata(house, dataset, open_data.last_months(_today())))


@router.get(
    "/statistics/open-data/{dataset}",
    permission=PUBLIC,
    response_model=DatasetTable,
    summary="A table of open data",
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def get_open_data(
    session: SystemSessionDep, house: HouseDep, dataset: str, query: Annotated[DatasetQuery, Query()]
) -> Response:
    """Counts by region, month and code, of whole months that are over: the last twelve unless others are asked for, at
    most 24.

    Counts of one to four are withheld, and whatever would give one away. As CSV the columns stay as they are. A table
    may be a day old.
    """
    usual = open_data.last_months(_today())
    period = Period(query.from_ or usual.first, query.to or usual.last)
    described = _metadata(house, dataset, period)
    service.check_period(period, _today(), whole=True, over=True)
    area = await open_data.area_of(session, query.region)
    asked = (dataset, area, period, query.format)
    body = _made.get(asked)
    if body is None:
        rows = await open_data.rows(session, dataset, area, period)
        body = _made[asked] = await asyncio.to_thread(_written, described, rows, query.format)
    if query.format == "json":
        return Response(body, headers=_PUBLIC_FOR_A_DAY, media_type="application/json")
    headers = {**_PUBLIC_FOR_A_DAY, "Content-Disposition": f'attachment; filename="{dataset}.csv"'}
    return Response(body, headers=headers, media_type="text/csv; charset=utf-8")


def _written(described: DatasetMetadata, rows: list[DatasetRow], kind: Literal["csv", "json"]) -> bytes:
    if kind == "csv":
        return "".join(open_data.as_csv(rows)).encode()
    return DatasetTable(metadata=described, rows=rows).model_dump_json(by_alias=True).encode()


def _dimensions(by: str | None) -> Sequence[Dimension]:
    names: list[Any] = by.split(",") if by else []
    if not set(names) <= set(get_args(Dimension)):
        raise invalid("/by", "not_allowed", expected=", ".join(get_args(Dimension)))
    return names


def _metadata(house: House, dataset: str, period: Period) -> DatasetMetadata:
    """Raises not_found, also while nobody answers for the data."""
    settings = house.settings
    if settings.open_data_publisher is None:
        raise not_found()
    publisher, licence = settings.open_data_publisher, settings.open_data_licence
    return open_data.metadata(dataset, publisher, licence, settings.public_url, period)


def _today() -> date:
    return local_today("Asia/Jakarta")


def _private(found: BaseModel) -> Response:
    return Response(found.model_dump_json(by_alias=True), headers=PRIVATE, media_type="application/json")


def _public(found: BaseModel) -> Response:
    return Response(found.model_dump_json(by_alias=True), headers=_PUBLIC_FOR_A_DAY, media_type="application/json")
