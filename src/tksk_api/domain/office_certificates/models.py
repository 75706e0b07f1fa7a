"""Table of office certificates."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, moment


class OfficeCertificate(Record, RegionScoped, table=True):
    """A certificate (DER, with those above it in `chain`) and its private key, which only the master key opens.

    Retiring it destroys the key; what it sealed names it for good.
    """

    __tablename__ = "office_certificates"
    __table_args__ = (
        sa.CheckConstraint("(key_cipher IS NULL) = (retired_at IS NOT NULL)", name="key"),
        sa.Index(
            "uq_office_certificates_region_code",
            "region_code",
            "sha256",
            unique=True,
            postgresql_where=text("retired_at IS NULL"),
        ),
    )

    subject: str = Field(sa_type=Text)
    issuer: str = Field(sa_type=Text)
    serial_number: str = Field(sa_type=Text)
    not_before: datetime = moment(nullable=False)
    not_after: datetime = moment(nullable=False)
    sha256: bytes
    key_type: str = Field(sa_type=Text)
    is_self_signed: bool
    certificate: bytes
    chain: list[bytes] = Field(
        default_factory=list, sa_type=ARRAY(sa.LargeBinary), sa_column_kwargs={"nullable": False}
    )
    key_cipher: bytes | None = None
    retired_at: datetime | None = moment()
