"""What is due for the caller: computed at every reading, never stored."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.worklist.reads import counts_of, worklist_of
from tksk_api.domain.worklist.schemas import Kind, WorklistCount, WorklistItem
from tksk_api.http.dependencies import ReaderDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import RegionCode

router = Router("worklist")
Area = Annotated[RegionCode | None, Field(description="This region and those inside it")]
Officer = Annotated[
    UUID | Literal["none"] | None,
    Field(description="Whose work it is; `none`: in districts that nobody holds", examples=["none"]),
]


class WorklistQuery(PageQuery):
    kind: Annotated[Kind | None, Field(description="Code of the list worklist_kinds")] = None
    region_code: Area = None
    officer_id: Officer = None
    overdue: bool | None = None


class CountsQuery(PageQuery):
    region_code: Area = None
    officer_id: Officer = None
    by: Annotated[Literal["officer"] | None, Field(description="One line for each kind and officer")] = None


@router.get(
    "/worklist", permission=Permission.WORKLIST_READ, response_model=Page[WorklistItem], summary="What is due for me"
)
async def list_worklist(reader: ReaderDep, request: Request, query: Annotated[WorklistQuery, Query()]) -> Response:
    """What waits for somebody of the caller's role in the caller's area, most urgent first; each kind is a code of the
    list worklist_kinds. Nothing else need be asked in the morning.

    Service times are working days by the calendar of the place; they stop while an applicant is asked for papers.
    Whoever watches over others' work sees what is overdue there. Reading is recorded.
    """
    resource = worklist_of(await reader.role(), query.kind)
    return await respond_page(reader, request, resource, _area(query), **_chosen(query), kind=query.kind)


@router.get(
    "/worklist/counts",
    permission=Permission.WORKLIST_READ,
    response_model=Page[WorklistCount],
    summary="How much is due for me",
)
async def count_worklist(reader: ReaderDep, request: Request, query: Annotated[CountsQuery, Query()]) -> Response:
    """Of each kind that waits, how much there is and how much of it is overdue, with the filter that lists it.

    `by=officer` gives a line for each officer, so that nobody's cases are left lying; names nobody else.
    """
    resource = counts_of(await reader.role(), by_officer=query.by is not None)
    return await respond_page(reader, request, resource, _area(query), **_chosen(query))


def _area(query: PageQuery) -> PageQuery:
    return PageQuery(limit=query.limit, cursor=query.cursor, sort=query.sort)


def _chosen(query: WorklistQuery | CountsQuery) -> dict[str, Any]:
    officer = None if query.officer_id is None else str(query.officer_id)
    overdue = query.overdue if isinstance(query, WorklistQuery) else None
    return {"region_code": query.region_code, "officer_id": officer, "overdue": overdue}
