"""Is this report the one that was accepted? For whoever holds the paper: no account needed."""

from typing import Annotated, Literal

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tksk_api.documents.report_verification import render_report_verification
from tksk_api.documents.verification import CONTENT_POLICY, render_busy
from tksk_api.domain.reports.schemas import ReportVerification
from tksk_api.domain.reports.service import find_public
from tksk_api.errors import DomainError, Language
from tksk_api.http.dependencies import HouseDep, PublicReaderDep
from tksk_api.http.problems import language_of, problem_headers
from tksk_api.http.rate import Policy
from tksk_api.http.routing import PUBLIC, Router

router = Router("report-verification", prefix="")

_HEADERS = {"Cache-Control": "no-store", "Vary": "Accept, Accept-Language", "X-Robots-Tag": "noindex"}


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
    lang: Annotated[Literal["id", "en"] | None, Query(description="Language of the page")] = None,
) -> Response:
    """A page for people (`text/html`), or the same facts for programs (`Accept: application/json`): region, period,
    revision and digest. Answers 200 also for an unknown token: the question was answered."""
    language = lang or language_of(request.scope["headers"])
    accept = request.headers.get("accept", "*/*")
    try:
        house.limits.take(request.scope, Policy.VERIFICATION)
    except DomainError as refusal:
        if "text/html" not in accept:
            raise
        busy = render_busy(str(refusal.facts["retry_after"]), language)
        return HTMLResponse(busy, 429, {**_page_headers(language), **problem_headers(refusal)})
    report = await find_public(reader, token)
    if "application/json" in accept and "text/html" not in accept:
        return Response(report.model_dump_json(), headers=_HEADERS, media_type="application/json")
    return HTMLResponse(render_report_verification(report, language), headers=_page_headers(language))


def _page_headers(language: Language) -> dict[str, str]:
    policy = f"{CONTENT_POLICY}; frame-ancestors 'none'"  # which a page cannot say about itself
    return {**_HEADERS, "Content-Language": language, "Content-Security-Policy": policy}
