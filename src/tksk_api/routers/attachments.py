"""Photos and papers: of people, of visits, of activities."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.database.reads import Stored
from tksk_api.domain.attachments import service
from tksk_api.domain.attachments.prepare import Prepared, prepared
from tksk_api.domain.attachments.reads import ATTACHMENTS
from tksk_api.domain.attachments.rules import ENDINGS, MAX_BYTES
from tksk_api.domain.attachments.schemas import (
    AttachmentCreate,
    AttachmentLinked,
    AttachmentRead,
    AttachmentUpload,
    Variant,
)
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import House, HouseDep, ReaderDep, SessionDep
from tksk_api.http.downloads import FileResponse
from tksk_api.http.links import signed_link
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import no_content, reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.http.uploads import FIELDS_BYTES, checked, multipart_schema, received
from tksk_api.security.permissions import Permission
from tksk_api.types import Code

router = Router("attachments")
Purpose = Annotated[Code, Field(description="What the file is read for; code of the list reveal_purposes, or service")]


class AttachmentQuery(PageQuery):
    beneficiary_id: UUID | None = None
    visit_id: UUID | None = None
    activity_id: UUID | None = None
    kind: Code | None = None


class ContentQuery(BaseModel):
    """What is asked of the file; the last two stand in a link, and do instead of a token."""

    model_config = ConfigDict(extra="forbid")

    variant: Annotated[Variant, Field(description="`thumbnail` is a small JPEG; a PDF has none")] = "original"
    purpose: Purpose = service.DEFAULT_PURPOSE
    expires: Annotated[str | None, Field(max_length=12)] = None
    signature: Annotated[str | None, Field(max_length=256)] = None


async def _prepared(request: Request, house: HouseDep, reader: ReaderDep) -> AsyncIterator[Prepared]:
    """The upload, received and looked into before a transaction is open; who may not attach is told first."""
    await reader.principal()
    async with received(request, MAX_BYTES) as upload:
        fields = checked(AttachmentCreate, upload.fields)
        body = AttachmentUpload(**fields.model_dump(), file_sha256=upload.sha256)
        request._json = body.model_dump(mode="json")  # what an Idempotency-Key is compared by
        async with prepared(house.inspectors, body, upload.file, upload.name) as ready:
            yield ready


PreparedDep = Annotated[Prepared, Depends(_prepared, scope="function")]


@router.post(
    "/attachments",
    permission=Permission.ATTACHMENT_WRITE,
    status_code=201,
    response_model=AttachmentRead,
    summary="Attach a photo or a paper",
    body_limit=MAX_BYTES + FIELDS_BYTES,
    openapi_extra={"requestBody": multipart_schema(AttachmentCreate)},
)
async def create_attachment(upload: PreparedDep, session: SessionDep, house: HouseDep, request: Request) -> Response:
    """`multipart/form-data`: the `file` (JPEG, PNG, WebP or PDF, at most 20 MiB), its `kind`, and what it belongs to.

    What a file is, its content says. Pictures are stored anew: turned upright, at most 2,560 pixels long, and without
    anything the camera wrote into them; place and time are kept as fields of visit photos alone. A PDF that is locked,
    runs or carries something is refused. The same file for the same owner again answers 200 with the stored one.
    """
    return reply(
        session, request, await service.create(session, house.vault, upload, house.settings.attachment_quota_bytes)
    )


@router.get(
    "/attachments",
    permission=Permission.ATTACHMENT_READ,
    response_model=Page[AttachmentRead],
    summary="List attachments",
)
async def list_attachments(reader: ReaderDep, request: Request, query: Annotated[AttachmentQuery, Query()]) -> Response:
    """Attachments of the caller's area, newest first; `visit_id`, `activity_id` or `beneficiary_id` narrow it down."""
    return await respond_page(reader, request, ATTACHMENTS, query)


@router.get(
    "/attachments/{id}",
    permission=Permission.ATTACHMENT_READ,
    response_model=AttachmentLinked,
    summary="One attachment, with links to its file",
)
async def get_attachment(
    reader: ReaderDep,
    house: HouseDep,
    request: Request,
    id: UUID,
    purpose: Annotated[Purpose, Query()] = service.DEFAULT_PURPOSE,
) -> Response:
    """The links need no token, so that a browser can show them; they are good for a minute, while your session lasts.

    Your rights are looked at again when they are followed: the picture of an identity document needs the permission
    `beneficiary:reveal` as well. `purpose` stands in the access log of what is fetched by them.
    """
    stored = await reader.one(ATTACHMENTS, id)
    return respond(_linked(request, house, stored, purpose))


@router.get(
    "/attachments/{id}/content",
    permission=Permission.ATTACHMENT_READ,
    summary="The file itself",
    signed_link=True,
    responses={200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in ENDINGS}}},
    response_class=Response,
    openapi_extra={"x-statuses": ["410", "429"]},
)
async def get_attachment_content(
    session: SessionDep,
    house: HouseDep,
    id: UUID,
    query: Annotated[ContentQuery, Query()],
) -> Response:
    """By a link of `GET /v1/attachments/{id}`, or with a token. Recorded with its purpose, every time.

    The picture of an identity card or a family card needs the permission `beneficiary:reveal` and a proof of identity
    of a moment ago (`POST /v1/auth/step-up`) as well, and counts as revealing a number. The whole file is proven
    intact before the first byte leaves; ranges are not served.
    """
    file = await service.open_file(session, id, query.variant, query.purpose, house.settings)
    return FileResponse(house.vault, file)


@router.delete(
    "/attachments/{id}", permission=Permission.ATTACHMENT_WRITE, status_code=204, summary="Take an attachment back"
)
async def delete_attachment(session: SessionDep, id: UUID, version: IfMatch) -> Response:
    """Refused while something submitted or completed refers to it. The file itself is removed some weeks later."""
    await service.withdraw(session, id, version)
    return no_content(session)


def _linked(request: Request, house: House, stored: Stored, purpose: str) -> Stored:
    """The resource with its links, appended to what the database made."""

    def link(variant: Variant) -> str:
        path = f"{request.url.path}/content"
        return signed_link(house.keyring, request.state.credentials, path, variant=variant, purpose=purpose)

    has_thumbnail = json.loads(stored.body)["has_thumbnail"]
    links = {"content_url": link("original"), "thumbnail_url": link("thumbnail") if has_thumbnail else None}
    return replace(stored, body=stored.body[:-1] + b"," + json.dumps(links).encode()[1:])
