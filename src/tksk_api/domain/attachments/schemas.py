"""Shapes of attachments."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from tksk_api.domain.records import Body, Read
from tksk_api.types import Code

Variant = Literal["original", "thumbnail"]


class AttachmentCreate(Body):
    """The fields beside the file; exactly one of the three says what it belongs to."""

    id: UUID | None = None
    kind: Annotated[Code, Field(description="Code of the list attachment_kinds", examples=["visit_photo"])]
    beneficiary_id: UUID | None = None
    visit_id: UUID | None = None
    activity_id: UUID | None = None

    @model_validator(mode="after")
    def _belongs_to_one(self) -> "AttachmentCreate":
        if sum(key is not None for key in (self.beneficiary_id, self.visit_id, self.activity_id)) != 1:
            raise PydanticCustomError("one_owner", "exactly one owner")
        return self


class AttachmentUpload(AttachmentCreate):
    """What a retry must repeat: the fields and the digest of the file."""

    file_sha256: str


class AttachmentRead(Read):
    """A stored file. Images are kept without what the camera wrote into them; place and time only of visit photos."""

    id: UUID
    kind: str
    beneficiary_id: UUID | None
    visit_id: UUID | None
    activity_id: UUID | None
    region_code: str
    name: str
    media_type: Literal["image/jpeg", "image/png", "image/webp", "application/pdf"]
    size_bytes: int
    sha256: Annotated[str, Field(description="Of the stored file, hexadecimal; also its ETag")]
    width: int | None
    height: int | None
    pages: int | None
    latitude: float | None
    longitude: float | None
    taken_at: datetime | None
    has_thumbnail: bool
    created_by: UUID | None
    version: int
    created_at: datetime
    updated_at: datetime


class AttachmentLinked(AttachmentRead):
    """With links to the file that are good for a minute."""

    content_url: str
    thumbnail_url: Annotated[str | None, Field(description="A small JPEG; null for a PDF")]
