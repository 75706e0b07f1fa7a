"""Shapes of office certificates."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, SecretStr

from tksk_api.domain.records import Body, Read
from tksk_api.types import RegionCode


class OfficeCertificateCreate(Body):
    """The fields beside the file."""

    id: UUID | None = None
    region_code: Annotated[
        RegionCode, Field(description="The office it is of; letters of all villages below may use it")
    ]
    password: Annotated[SecretStr, Field(max_length=256, description="Of the file; it is not kept")]


class OfficeCertificateUpload(Body):
    """What a retry must repeat: the fields but the password, and the digest of the file."""

    id: UUID | None = None
    region_code: RegionCode
    file_sha256: str


class OfficeCertificateRead(Read):
    """What the certificate says. Its private key is never given out; a retired one has none any more."""

    id: UUID
    region_code: str
    subject: str
    issuer: str
    serial_number: Annotated[str, Field(description="Hexadecimal")]
    not_before: datetime
    not_after: datetime
    sha256: Annotated[str, Field(description="Fingerprint, hexadecimal, as PDF viewers show it")]
    key_type: Annotated[str, Field(examples=["RSA 2048"])]
    is_self_signed: Annotated[bool, Field(description="Nobody but the office itself vouches for it")]
    is_expired: bool
    retired_at: datetime | None
    created_by: UUID | None
    version: int
    created_at: datetime
    updated_at: datetime
