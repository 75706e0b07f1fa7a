"""Tables of families. At most one family per person and one head per family: the database refuses a second."""

from datetime import date
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text, text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, json_list


class Family(Record, RegionScoped, table=True):
    """A family at its address; active until nobody is left in it. The card is an attribute with a history, never the
    key: several families may share one, and one family has several in its time. `needs_head` after the head died."""

    __tablename__ = "families"

    street: str = Field(sa_type=Text)
    rt: str | None = Field(default=None, sa_type=Text)
    rw: str | None = Field(default=None, sa_type=Text)
    status: str = Field(sa_type=Text)
    needs_head: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    split_from: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="families.id")
    warnings: list[dict[str, str]] = json_list()


class FamilyMember(Record, RegionScoped, table=True):
    """A person's time in a family. The region is the family's: the person may live, and be seen, elsewhere.

    A row joins a person to a family, so neither a person nor a family can be a member of itself, at any distance.
    """

    __tablename__ = "family_members"
    __table_args__ = (
        sa.CheckConstraint("left_on >= joined_on", name="span"),
        sa.Index("ix_family_members_family_id", "family_id"),
        sa.Index("ix_family_members_beneficiary_id", "beneficiary_id"),
        sa.Index("uq_family_members_person", "beneficiary_id", unique=True, postgresql_where=text("left_on IS NULL")),
        sa.Index(
            "uq_family_members_head",
            "family_id",
            unique=True,
            postgresql_where=text("left_on IS NULL AND relationship = 'head_of_family'"),
        ),
    )

    family_id: UUID = Field(sa_type=PgUuid, foreign_key="families.id")
    beneficiary_id: UUID = Field(sa_type=PgUuid, foreign_key="beneficiaries.id")
    relationship: str = Field(sa_type=Text)
    joined_on: date
    left_on: date | None = None
    left_reason: str | None = Field(default=None, sa_type=Text)


class FamilyCard(Record, RegionScoped, table=True):
    """A family card (KK) from its day to the next one's.

    The number is sealed under a key of the family's own (in `subject_keys`, by the family's id), because it belongs to
    no single member: the erasure of the last one destroys the key, that of any other leaves it to those who stay.
    """

    __tablename__ = "family_cards"
    __table_args__ = (
        sa.CheckConstraint("valid_until >= valid_from", name="span"),
        sa.Index("ix_family_cards_family_id", "family_id", "valid_from"),
        sa.Index("ix_family_cards_number_index", "number_index"),
        sa.Index("uq_family_cards_present", "family_id", unique=True, postgresql_where=text("valid_until IS NULL")),
    )

    family_id: UUID = Field(sa_type=PgUuid, foreign_key="families.id")
    number_cipher: bytes | None = None
    number_index: bytes | None = None
    number_last4: str | None = Field(default=None, sa_type=Text)
    valid_from: date
    valid_until: date | None = None
    reason: str = Field(sa_type=Text)
