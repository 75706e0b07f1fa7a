"""Is this letter genuine? For whoever holds the paper: no account needed."""

from dataclasses import replace
from datetime import date
from typing import Annotated, Literal

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tksk_api.documents.verification import render_verification
from tksk_api.domain.records import Read
from tksk_api.domain.references.lists import label
from tksk_api.domain.sktm_letters.service import find_public
from tksk_api.http.dependencies import HouseDep, PublicReaderDep
from tksk_api.http.problems import language_of
from tksk_api.http.routing import PUBLIC, Router

router = Router("verification", prefix="")


class Verification(Read):
    """What the paper must agree with. An unknown token has only its status."""

    status: Literal["valid", "expired", "revoked", "unknown"]
    number: str | None
    purpose: str | None
    masked_name: str | None
    issuer: str | None
    issued_on: date | None
    valid_until: date | None
    revoked_on: date | None


@router.get(
    "/verify/{token}",
    permission=PUBLIC,
    response_model=Verification,
    summary="Verify a letter",
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
    openapi_extra={"x-statuses": ["429"]},
)
async def verify_letter(
    reader: PublicReaderDep,
    house: HouseDep,
    request: Request,
    token: Annotated[str, Path(max_length=200)],
    lang: Annotated[Literal["id", "en"] | None, Query(description="Language of the page")] = None,
) -> Response:
    """A page for people (`text/html`), or the same facts for programs (`Accept: application/json`).

    Answers 200 also for an unknown token: the question was answered.
    """
    limits = house.verification_limit.take(request.client.host if request.client else "-")
    letter = await find_public(reader, token)
    language = lang or language_of(request.scope["headers"])
    headers = {"Cache-Control": "no-store", "Vary": "Accept, Accept-Language", "X-Robots-Tag": "noindex", **limits}
    accept = request.headers.get("accept", "*/*")
    if "application/json" in accept and "text/html" not in accept:
        body = Verification.model_validate(letter).model_dump_json()
        return Response(body, headers=headers, media_type="application/json")
    if letter.purpose is not None:
        letter = replace(letter, purpose=label("sktm_purposes", letter.purpose, language))
    page = render_verification(letter, language)
    return HTMLResponse(page, headers={**headers, "Content-Language": language})
