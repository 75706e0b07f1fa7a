"""Shapes of grants beyond one's own area, and of asking whether somebody is registered at all."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from tksk_api.domain.records import Body, Read
from tksk_api.types import Code, Nik, Note


class Exists(Body):
    """Only a full NIK is asked about; the question is recorded."""

    nik: Nik


class Existence(Read):
    """Yes or no, and whose office to ask; nothing about the person."""

    exists: bool
    office: Annotated[str | None, Field(examples=["Dinas Sosial Kota Bandar Lampung"])]


class AccessGrantCreate(Body):
    """Whom, and why it cannot wait for their own office."""

    nik: Nik
    reason_code: Annotated[Code, Field(description="Code of the list access_grant_reasons")]
    reason: Annotated[Note, Field(min_length=10, examples=["Pasien tidak sadar di IGD RSUD, perlu data keluarga"])]


class AccessGrantRead(Read):
    """Who reads a person from outside the person's area, why and until when."""

    id: UUID
    user_id: UUID
    user_name: str
    beneficiary_id: UUID
    region_code: Annotated[str, Field(description="Where the person is registered")]
    reason_code: str
    reason: str
    expires_at: datetime
    revoked_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime
