"""Is this letter genuine? For whoever holds the paper: no account needed."""

import json
from dataclasses import replace
from datetime import date
from typing import Annotated

from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.documents.verification import CONTENT_POLICY, render_busy, render_verification
from tksk_api.domain.clients.schemas import JsonWebKeySet
from tksk_api.domain.records import Read
from tksk_api.domain.references.lists import label
from tksk_api.domain.sktm_letters.content import SignatureKind, Status
from tksk_api.domain.sktm_letters.service import find_public
from tksk_api.http.dependencies import HouseDep, PublicReaderDep
from tksk_api.http.pages import PAGE_HEADERS, PageLanguage, page, refused_look, spoken, wants_facts
from tksk_api.http.routing import PUBLIC, Router
from tksk_api.security.letter_keys import MAX_AGE_SECONDS

router = Router("verification", prefix="")


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
    lang: PageLanguage = None,
) -> Response:
    """A page for people (`text/html`), or the same facts for programs (`Accept: application/json`).

    Answers 200 also for an unknown token: the question was answered. The issuing office sees how often a letter was
    looked up, never by whom.
    """
    language = spoken(request, lang)
    if (refusal := refused_look(house, request)) is not None:
        return page(render_busy(str(refusal.facts["retry_after"]), language), language, CONTENT_POLICY, refusal)
    letter = await find_public(reader, token, house.look_ups)
    if wants_facts(request):
        body = Verification.model_validate(letter).model_dump_json()
        return Response(body, headers=dict(PAGE_HEADERS), media_type="application/json")
    if letter.purpose is not None:
        letter = replace(letter, purpose=label("sktm_purposes", letter.purpose, language))
    return page(render_verification(letter, language), language, CONTENT_POLICY)


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
