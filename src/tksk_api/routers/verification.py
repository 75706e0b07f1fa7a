"""Is this letter genuine? For whoever holds the paper: no account needed."""

import json
from dataclasses import replace
from datetime import date
from typing import Annotated, Literal

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tksk_api.documents.verification import CONTENT_POLICY, render_busy, render_verification
from tksk_api.domain.clients.schemas import JsonWebKeySet
from tksk_api.domain.records import Read
from tksk_api.domain.references.lists import label
from tksk_api.domain.sktm_letters.content import SignatureKind, Status
from tksk_api.domain.sktm_letters.service import find_public
from tksk_api.errors import DomainError, Language
from tksk_api.http.dependencies import HouseDep, PublicReaderDep
from tksk_api.http.problems import language_of, problem_headers
from tksk_api.http.rate import Policy
from tksk_api.http.routing import PUBLIC, Router
from tksk_api.security.letter_keys import MAX_AGE_SECONDS

router = Router("verification", prefix="")


_HEADERS = {"Cache-Control": "no-store", "Vary": "Accept, Accept-Language", "X-Robots-Tag": "noindex"}


class Verification(Read):
    """What the paper must agree with. An unknown token has only its status; why a letter was revoked is not said."""

    status: Status
    number: str | None
    purpose: str | None
    masked_name: str | None
    issuer: str | None
    issued_on: date | None
    valid_until: date | None
    revoked_on: date | None
    superseded_on: date | None
    signature: SignatureKind | None


@router.get(
    "/verify/{token}",
    permission=PUBLIC,
    response_model=Verification,
    summary="Verify a letter",
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
    openapi_extra={"x-statuses": ["429"]},
    limit=None,  # counted below, where a person can be told in a page
)
async def verify_letter(
    reader: PublicReaderDep,
    house: HouseDep,
    request: Request,
    token: Annotated[str, Path(max_length=200)],
    lang: Annotated[Literal["id", "en"] | None, Query(description="Language of the page")] = None,
) -> Response:
    """A page for people (`text/html`), or the same facts for programs (`Accept: application/json`).

    Answers 200 also for an unknown token: the question was answered. The issuing office sees how often a letter was
    looked up, never by whom.
    """
    language = lang or language_of(request.scope["headers"])
    accept = request.headers.get("accept", "*/*")
    try:
        house.limits.take(request.scope, Policy.VERIFICATION)
    except DomainError as refusal:
        if "text/html" not in accept:
            raise
        return _page(render_busy(str(refusal.facts["retry_after"]), language), language, refusal)
    letter = await find_public(reader, token, house.look_ups)
    if "application/json" in accept and "text/html" not in accept:
        body = Verification.model_validate(letter).model_dump_json()
        return Response(body, headers=_HEADERS, media_type="application/json")
    if letter.purpose is not None:
        letter = replace(letter, purpose=label("sktm_purposes", letter.purpose, language))
    return _page(render_verification(letter, language), language)


@router.get(
    "/.well-known/sktm-keys.json",
    permission=PUBLIC,
    response_model=JsonWebKeySet,
    summary="Public keys of our letters",
)
async def sktm_keys(house: HouseDep) -> Response:
    """JSON Web Key Set (RFC 8037) with the Ed25519 keys that verify the QR codes of letters without asking us, as
    `tksk verify-qr` does. Keys that sign no more stay in it, for letters are shown for years; a key appears a day
    before it signs. Save it, and get it anew now and then."""
    headers = {"Cache-Control": f"public, max-age={MAX_AGE_SECONDS}"}
    return Response(json.dumps(house.letter_keys.jwks), headers=headers, media_type="application/json")


def _page(page: str, language: Language, refusal: DomainError | None = None) -> Response:
    policy = f"{CONTENT_POLICY}; frame-ancestors 'none'"  # which a page cannot say about itself
    headers = {**_HEADERS, "Content-Language": language, "Content-Security-Policy": policy}
    if refusal is not None:
        return HTMLResponse(page, 429, {**headers, **problem_headers(refusal)})
    return HTMLResponse(page, headers=headers)
