"""The register of letter numbers: each with its letter, or with the reason why it has none."""

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.sktm_numbers import service
from tksk_api.domain.sktm_numbers.reads import SKTM_NUMBERS
from tksk_api.domain.sktm_numbers.schemas import (
    NumberRead,
    NumberStatus,
    NumbersVoid,
    NumbersVoided,
    Series,
    Year,
)
from tksk_api.http.dependencies import ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import PRIVATE, keep, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import VillageCode

router = Router("sktm-numbers")


class NumberQuery(PageQuery):
    region_code: VillageCode | None = None
    year: Year | None = None
    series: Series | None = None
    status: NumberStatus | None = None


@router.get(
    "/sktm-numbers",
    permission=Permission.SKTM_READ,
    response_model=Page[NumberRead],
    summary="The register of letter numbers",
)
async def list_sktm_numbers(reader: ReaderDep, request: Request, query: Annotated[NumberQuery, Query()]) -> Response:
    """Numbers of the caller's area, the last given first. Within a series none is missing and none comes twice."""
    return await respond_page(reader, request, SKTM_NUMBERS, query)


@router.post(
    "/sktm-numbers/void",
    permission=Permission.NUMBER_VOID,
    step_up=True,
    response_model=NumbersVoided,
    summary="Void numbers that no letter will bear",
    openapi_extra={"x-statuses": ["404"]},
)
async def void_sktm_numbers(session: SessionDep, body: NumbersVoid) -> Response:
    """For a village that numbered on paper before, and after a backup was restored: every number up to `through` that
    is still free is given up for good, so that none is given twice. At most 2,000 at once."""
    voided = await service.void(session, body)
    return keep(session, Response(voided.model_dump_json(), headers=PRIVATE, media_type="application/json"))
