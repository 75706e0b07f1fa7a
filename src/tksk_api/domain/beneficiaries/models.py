"""Tables of beneficiaries."""

from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text, text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, json_list, moment, text_array


class Beneficiary(Record, RegionScoped, table=True):
    """A person. NIK and family card number are ciphertext plus a keyed digest (blind index); only the last four
    digits are readable. `search_name` and `name_keys` are maintained by the database from `full_name`. While
    `restricted_at` is set the database refuses new processing; `legal_hold` says why the person may not be erased.
    `merged_into` is the record that stands, of one that turned out to be a second one of the same person: it is gone as
    a withdrawn one is, and lies where the one that stands does."""

    __tablename__ = "beneficiaries"
    __table_args__ = (
        sa.Index("uq_beneficiaries_nik_index", "nik_index", unique=True, postgresql_where=text("deleted_at IS NULL")),
        sa.Index("ix_beneficiaries_family_card_index", "family_card_index"),
        sa.Index(
            "ix_beneficiaries_name",
            "regency_code",
            "search_name",
            postgresql_using="gin",
            postgresql_ops={"search_name": "gin_trgm_ops"},
        ),
        sa.Index("ix_beneficiaries_name_keys", "regency_code", "name_keys", postgresql_using="gin"),
        sa.Index("ix_beneficiaries_birth_date", "birth_date", text("left(region_code, 5)")),
        sa.Index("ix_beneficiaries_merged_into", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
        sa.Index("ix_beneficiaries_merged_nik", "nik_index", postgresql_where=text("merged_into IS NOT NULL")),
        sa.CheckConstraint("merged_into IS NULL OR deleted_at IS NOT NULL", name="merged"),
        {"info": {"reached_by_grant": True}},
    )

    nik_cipher: bytes | None = None
    nik_index: bytes | None = None
    nik_last4: str | None = Field(default=None, sa_type=Text)
    nik_status: str = Field(sa_type=Text)
    nik_verified_at: datetime | None = moment()
    nik_verified_by: UUID | None = Field(default=None, sa_type=PgUuid)
    nik_verified_document: str | None = Field(default=None, sa_type=Text)
    full_name: str = Field(sa_type=Text)
    search_name: str | None = Field(default=None, sa_type=Text, sa_column_kwargs={"server_default": sa.FetchedValue()})
    name_keys: list[str] | None = Field(
        default=None, sa_type=sa.ARRAY(Text), sa_column_kwargs={"server_default": sa.FetchedValue()}
    )
    birth_place: str | None = Field(default=None, sa_type=Text)
    birth_date: date
    sex: str = Field(sa_type=Text)
    street: str = Field(sa_type=Text)
    rt: str | None = Field(default=None, sa_type=Text)
    rw: str | None = Field(default=None, sa_type=Text)
    phone: str | None = Field(default=None, sa_type=Text)
    message_channel: str | None = Field(default=None, sa_type=Text)
    family_card_cipher: bytes | None = None
    family_card_index: bytes | None = None
    family_card_last4: str | None = Field(default=None, sa_type=Text)
    relationship: str | None = Field(default=None, sa_type=Text)
    ppks_categories: list[str] = text_array()
    notes: str | None = Field(default=None, sa_type=Text)
    warnings: list[dict[str, str]] = json_list()
    deceased_on: date | None = None
    deceased_source: str | None = Field(default=None, sa_type=Text)
    deleted_at: datetime | None = moment()
    moved_at: datetime | None = moment()
    moved_by: UUID | None = Field(default=None, sa_type=PgUuid)
    restricted_at: datetime | None = moment()
    legal_hold: str | None = Field(default=None, sa_type=Text)
    merged_into: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="beneficiaries.id")
