"""Certificates by which offices seal letters."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.office_certificates import service
from tksk_api.domain.office_certificates.keystores import opened_apart
from tksk_api.domain.office_certificates.reads import OFFICE_CERTIFICATES
from tksk_api.domain.office_certificates.schemas import (
    OfficeCertificateCreate,
    OfficeCertificateRead,
    OfficeCertificateUpload,
)
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import DoorDep, HouseDep, ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.http.uploads import FIELDS_BYTES, checked, multipart_schema, received
from tksk_api.security.certificates import MAX_BYTES, Keystore
from tksk_api.security.permissions import Permission
from tksk_api.types import RegionCode

router = Router("office-certificates")
URL = "/office-certificates"
Opened = tuple[OfficeCertificateUpload, Keystore]


class OfficeCertificateQuery(PageQuery):
    region_code: RegionCode | None = None


async def _opened(request: Request, house: HouseDep, reader: ReaderDep, door: DoorDep) -> Opened:
    """The file, received and opened before a transaction is; who may not send one, or not for this office, is told
    before it is opened."""
    await reader.principal()
    async with received(request, MAX_BYTES) as upload:
        fields = checked(OfficeCertificateCreate, upload.fields)
        body = OfficeCertificateUpload(id=fields.id, region_code=fields.region_code, file_sha256=upload.sha256)
        request._json = body.model_dump(mode="json")  # what an Idempotency-Key is compared by
        async with door.look() as session:
            await service.check_place(session, fields.region_code)
        upload.file.seek(0)
        password = fields.password.get_secret_value()
        content = upload.file.read(MAX_BYTES)
        opened = await opened_apart(house.inspectors, content, password, datetime.now(UTC))
        return body, opened


@router.post(
    URL,
    permission=Permission.CERTIFICATE_MANAGE,
    step_up=True,
    status_code=201,
    response_model=OfficeCertificateRead,
    summary="Give an office its certificate",
    body_limit=MAX_BYTES + FIELDS_BYTES,
    openapi_extra={"requestBody": multipart_schema(OfficeCertificateCreate), "x-statuses": ["404"]},
)
async def create_office_certificate(
    opened: Annotated[Opened, Depends(_opened, scope="function")], session: SessionDep, request: Request
) -> Response:
    """`multipart/form-data`: the `file` (PKCS#12, .p12 or .pfx, at most 64 KiB), its `password` and the office's
    `region_code`. The password opens the file once and is not kept; the key is kept sealed, and nobody reads it back.
    Refused unless it holds a private key of a good size and a certificate for signatures that is in force. The same
    certificate again answers 200 with the stored one.
    """
    return reply(session, request, await service.create(session, *opened))


@router.get(
    URL,
    permission=Permission.CERTIFICATE_READ,
    response_model=Page[OfficeCertificateRead],
    summary="List certificates of offices",
)
async def list_office_certificates(
    reader: ReaderDep, request: Request, query: Annotated[OfficeCertificateQuery, Query()]
) -> Response:
    """Of the caller's area, retired ones included, newest first."""
    return await respond_page(reader, request, OFFICE_CERTIFICATES, query)


@router.get(
    URL + "/{id}",
    permission=Permission.CERTIFICATE_READ,
    response_model=OfficeCertificateRead,
    summary="One certificate of an office",
)
async def get_office_certificate(reader: ReaderDep, id: UUID) -> Response:
    """What it says of itself; never its key."""
    return respond(await reader.one(OFFICE_CERTIFICATES, id))


@router.post(
    URL + "/{id}/retire",
    permission=Permission.CERTIFICATE_MANAGE,
    step_up=True,
    response_model=OfficeCertificateRead,
    summary="Retire a certificate",
)
async def retire_office_certificate(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """From now on it seals nothing and its key is destroyed; letters it sealed stay as they are. The next letter is
    sealed by another certificate of the office, or of the nearest office above."""
    return reply(session, request, await service.retire(session, id, version))
