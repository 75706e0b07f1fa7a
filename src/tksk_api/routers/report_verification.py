"""Is this report the one that was accepted? For whoever holds the paper: no account needed."""

from typing import Annotated

from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.documents.report_verification import render_report_verification
from tksk_api.documents.verification import CONTENT_POLICY, render_busy
from tksk_api.domain.reports.schemas import ReportVerification
from tksk_api.domain.reports.service import find_public
from tksk_api.http.dependencies import HouseDep, PublicReaderDep
from tksk_api.http.pages import PAGE_HEADERS, PageLanguage, page, refused_look, spoken, wants_facts
from tksk_api.http.routing import PUBLIC, Router

router = Router("report-verification", prefix="")


@router.get(
    "/verify-report/{token}",
    permission=PUBLIC,
    response_model=ReportVerification,
    summary="Verify a report",
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
    openapi_extra={"x-statuses": ["429"]},
    limit=None,  # counted below, where a person can be told in a page
)
async def verify_report(
    reader: PublicReaderDep,
    house: HouseDep,
    request: Request,
    token: Annotated[str, Path(max_length=200)],
    lang: PageLanguage = None,
) -> Response:
    """A page for people (`text/html`), or the same facts for programs (`Accept: application/json`): region, period,
    revision and digest. Answers 200 also for an unknown token: the question was answered."""
    language = spoken(request, lang)
    if (refusal := refused_look(house, request)) is not None:
        return page(render_busy(str(refusal.facts["retry_after"]), language), language, CONTENT_POLICY, refusal)
    report = await find_public(reader, token)
    if wants_facts(request):
        return Response(report.model_dump_json(), headers=dict(PAGE_HEADERS), media_type="application/json")
    return page(render_report_verification(report, language), language, CONTENT_POLICY)
