"""Pages for people without a client: which language, whether a page or facts are asked for, and how it is sent."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import HTMLResponse

from tksk_api.errors import PROBLEMS, DomainError, Language
from tksk_api.http.dependencies import House
from tksk_api.http.problems import language_of, problem_headers
from tksk_api.http.rate import Policy

PageLanguage = Annotated[Literal["id", "en"] | None, Query(description="Language of the page")]
# What both the page and the same facts for programs are sent with.
PAGE_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Vary": "Accept, Accept-Language",
    "X-Robots-Tag": "noindex",
}


def spoken(request: Request, chosen: Language | None) -> Language:
    """The language of a page: the one chosen, else the browser's."""
    return chosen or language_of(request.scope["headers"])


def wants_page(request: Request) -> bool:
    """Whether a browser asks."""
    return "text/html" in request.headers.get("accept", "*/*")


def wants_facts(request: Request) -> bool:
    """Whether a program asks, by naming JSON and no page."""
    return "application/json" in request.headers.get("accept", "*/*") and not wants_page(request)


def refused_look(house: House, request: Request) -> DomainError | None:
    """Count a look at a paper; the refusal where there were too many, to be told in a page.

    Raises it where no browser asks.
    """
    try:
        house.limits.take(request.scope, Policy.VERIFICATION)
    except DomainError as refusal:
        if not wants_page(request):
            raise
        return refusal
    return None


def page(content: str, language: Language, content_policy: str, refusal: DomainError | None = None) -> HTMLResponse:
    """The page with its language and policy; of a refusal also its status and headers."""
    headers = {
        **PAGE_HEADERS,
        "Content-Language": language,
        "Content-Security-Policy": f"{content_policy}; frame-ancestors 'none'",  # which a page cannot say about itself
    }
    if refusal is None:
        return HTMLResponse(content, headers=headers)
    return HTMLResponse(content, PROBLEMS[refusal.code].status, {**headers, **problem_headers(refusal)})
