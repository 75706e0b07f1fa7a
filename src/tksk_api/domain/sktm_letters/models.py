"""Tables of issued letters and of the counters that number them."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, RegionText, Table, moment, text_array


def _book(table: str) -> tuple[sa.Index, ...]:
    """The register of numbers is read in this order over a village, a regency, a province and the nation, from letters
    and voided numbers at once (the view `sktm_numbers`). Few villages are in a district: what it has is sorted."""
    order = ("year", "series", "sequence", "id")
    levels = (("nation",), ("province", "province_code"), ("regency", "regency_code"))
    return tuple(sa.Index(f"ix_{table}_book_{name}", *column, *order) for name, *column in levels)


class SktmCounter(Table, table=True):
    """The last number of an issuer's series in a year; its row lock makes the numbers gap-free."""

    __tablename__ = "sktm_counters"

    issuer_code: str = Field(primary_key=True, sa_type=RegionText)
    year: int = Field(primary_key=True)
    series: str = Field(default="", primary_key=True, sa_type=Text, sa_column_kwargs={"server_default": ""})
    last: int


class SktmLetter(Record, RegionScoped, table=True):
    """A letter as it was issued. Content and PDF are ciphertext; what the public verification shows is not.

    `seal` says whose certificate sealed it; the scan is of the paper that officials signed by hand, the newest one.
    """

    __tablename__ = "sktm_letters"
    __table_args__ = (
        sa.Index("uq_sktm_letters_application_id", "application_id", unique=True),
        sa.Index("uq_sktm_letters_sequence", "issuer_code", "year", "series", "sequence", unique=True),
        sa.Index("uq_sktm_letters_number", "issuer_code", "year", "number", unique=True),
        sa.Index("uq_sktm_letters_token", "token", unique=True),
        sa.Index(
            "ix_sktm_letters_valid_until",
            "valid_until",
            postgresql_where=sa.text("revoked_at IS NULL AND superseded_at IS NULL"),
        ),
        *_book("sktm_letters"),
    )

    application_id: UUID = Field(sa_type=PgUuid, foreign_key="sktm_applications.id")
    issuer_code: str = Field(sa_type=RegionText)
    year: int
    series: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})
    sequence: int
    number: str = Field(sa_type=Text)
    token: str = Field(sa_type=Text)
    verification_url: str = Field(sa_type=Text)
    issued_on: date
    valid_until: date
    timezone: str = Field(sa_type=Text)
    purpose: str = Field(sa_type=Text)
    masked_name: str = Field(sa_type=Text)
    issuer_name: str = Field(sa_type=Text)
    content_cipher: bytes
    pdf_cipher: bytes
    sha256: bytes
    revoked_at: datetime | None = moment()
    revoked_reason: str | None = Field(default=None, sa_type=Text)
    superseded_at: datetime | None = moment()
    signature: str = Field(default="recorded", sa_type=Text, sa_column_kwargs={"server_default": "recorded"})
    seal: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    scan_attachment_id: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="attachments.id")
    scan_received_at: datetime | None = moment()
    scan_warnings: list[str] = text_array()


class SktmVoidedNumber(Record, RegionScoped, table=True):
    """A number of an issuing village that no letter bears and none ever will."""

    __tablename__ = "sktm_voided_numbers"
    __table_args__ = (
        sa.Index("uq_sktm_voided_numbers_sequence", "region_code", "year", "series", "sequence", unique=True),
        *_book("sktm_voided_numbers"),
    )

    year: int
    series: str = Field(sa_type=Text)
    sequence: int
    reason_code: str = Field(sa_type=Text)
    note: str = Field(sa_type=Text)


class LetterLookUps(Table, table=True):
    """How often a letter was verified on one day of its issuer's calendar. Nobody is kept who did."""

    __tablename__ = "letter_look_ups"

    letter_id: UUID = Field(primary_key=True, sa_type=PgUuid, foreign_key="sktm_letters.id")
    day: date = Field(primary_key=True)
    count: int
    last_at: datetime = Field(sa_type=sa.DateTime(timezone=True))
