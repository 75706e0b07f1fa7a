"""Versioned code lists with Indonesian and English labels."""

from typing import Annotated

from fastapi import Path
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.references.lists import LISTS
from tksk_api.domain.references.schemas import ReferenceList, ReferenceSummary
from tksk_api.errors import not_found
from tksk_api.http.concurrency import is_known
from tksk_api.http.pagination import Page
from tksk_api.http.routing import PUBLIC, Router

router = Router("reference")
_CACHED = {"Cache-Control": "public, max-age=3600"}
_LIST = TypeAdapter(ReferenceList)


@router.get("/reference", permission=PUBLIC, response_model=Page[ReferenceSummary], summary="Names of the code lists")
async def list_references() -> Response:
    """All code lists with their versions; fetch one for its codes."""
    summaries = [
        ReferenceSummary.model_validate(code_list, from_attributes=True, extra="ignore") for code_list in LISTS.values()
    ]
    page = Page[ReferenceSummary](items=summaries, next_cursor=None)
    return Response(page.model_dump_json(), headers=_CACHED, media_type="application/json")


@router.get("/reference/{list}", permission=PUBLIC, response_model=ReferenceList, summary="One code list")
async def get_reference(
    request: Request, name: Annotated[str, Path(alias="list", pattern=r"^[a-z_]{1,40}$")]
) -> Response:
    """The codes of a list with labels, validity and source; a client may keep it as long as the ETag stays."""
    code_list = LISTS.get(name)
    if code_list is None:
        raise not_found()
    etag = f'"{code_list.version}"'
    if is_known(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers={**_CACHED, "ETag": etag})
    body = _LIST.dump_json(_LIST.validate_python(code_list, from_attributes=True))
    return Response(body, headers={**_CACHED, "ETag": etag}, media_type="application/json")
