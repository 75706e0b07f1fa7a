"""Every province, regency, district and village of Indonesia, by Kemendagri code."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.regions.schemas import Level, RegionRead
from tksk_api.domain.regions.service import REGIONS
from tksk_api.http.dependencies import PublicReaderDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import respond, respond_page
from tksk_api.http.routing import PUBLIC, Router
from tksk_api.types import REGION_PATTERN, RegionCode

router = Router("regions")


class RegionQuery(PageQuery):
    parent: RegionCode | None = None
    level: Level | None = None
    q: Annotated[str | None, Field(min_length=2, max_length=60, description="Part of the name")] = None


@router.get("/regions", permission=PUBLIC, response_model=Page[RegionRead], summary="List or search regions")
async def list_regions(reader: PublicReaderDep, request: Request, query: Annotated[RegionQuery, Query()]) -> Response:
    """By parent (`?parent=18.71.04` gives the villages of Panjang), by level, or by a part of the name."""
    return await respond_page(reader, request, REGIONS, query, public=True)


@router.get("/regions/{code}", permission=PUBLIC, response_model=RegionRead, summary="One region")
async def get_region(
    reader: PublicReaderDep, code: Annotated[str, Path(pattern=REGION_PATTERN, max_length=13)]
) -> Response:
    """A region with its level, kind, parent and time zone."""
    return respond(await reader.one(REGIONS, code), headers={"Cache-Control": "public, max-age=3600"})
