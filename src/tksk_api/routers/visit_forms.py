"""The forms that the evidence of a home visit is written on, by version."""

import hashlib
from functools import cache
from typing import Annotated

from fastapi import Path
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.visit_forms.forms import FORMS
from tksk_api.domain.visit_forms.schemas import VisitFormRead, VisitFormSummary
from tksk_api.errors import not_found
from tksk_api.http.concurrency import is_known
from tksk_api.http.pagination import Page
from tksk_api.http.routing import PUBLIC, Router

router = Router("visit-forms")
_CACHED = {"Cache-Control": "public, max-age=3600"}
_FORM = TypeAdapter(VisitFormRead)


@router.get(
    "/visit-forms", permission=PUBLIC, response_model=Page[VisitFormSummary], summary="Versions of the visit form"
)
async def list_visit_forms() -> Response:
    """Newest first. The one in force on a day is the newest whose `valid_from` has come."""
    newest_first = sorted(FORMS.values(), key=lambda form: -form.version)
    summaries = [VisitFormSummary.model_validate(form, from_attributes=True, extra="ignore") for form in newest_first]
    page = Page[VisitFormSummary](items=summaries, next_cursor=None)
    return Response(page.model_dump_json(), headers=_CACHED, media_type="application/json")


@router.get(
    "/visit-forms/{version}", permission=PUBLIC, response_model=VisitFormRead, summary="One version of the visit form"
)
async def get_visit_form(
    request: Request, version: Annotated[str, Path(pattern=r"^[1-9][0-9]{0,3}$", examples=["1"])]
) -> Response:
    """Sections, fields, choices and limits, with words in both languages: a phone draws the form from it, offline too,
    and keeps it as long as the ETag stays."""
    if int(version) not in FORMS:
        raise not_found()
    body, etag = _published(int(version))
    headers = {**_CACHED, "ETag": etag}
    if is_known(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


@cache
def _published(version: int) -> tuple[bytes, str]:
    # By content: the choices come from the reference lists, which may get a code more.
    body = _FORM.dump_json(_FORM.validate_python(FORMS[version], from_attributes=True))
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'
