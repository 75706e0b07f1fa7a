"""Tables of SKTM policies: a region's own settings; what is null is inherited. Open to read, so not row scoped."""

from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionText, Table


class SktmPolicy(Record, table=True):
    """What one region demands from a day on; every other column may be null and is then inherited from above.

    A change is a row of its own. `version` counts through all rows of a region, so that `If-Match` guards the whole.
    """

    __tablename__ = "sktm_policies"
    __table_args__ = (sa.Index("uq_sktm_policies_region_code", "region_code", "effective_from", unique=True),)

    region_code: str = Field(sa_type=RegionText)
    effective_from: date
    classification: str | None = Field(default=None, sa_type=Text)
    unit_code: str | None = Field(default=None, sa_type=Text)
    number_pattern: str | None = Field(default=None, sa_type=Text)
    validity_months: int | None = None
    signatories: list[str] | None = Field(default=None, sa_type=sa.ARRAY(Text))
    visit_required: bool | None = None
    visit_required_for: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    stamped_statement: bool | None = None
    documents: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    letterhead: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    office_address: str | None = Field(default=None, sa_type=Text)
    service_days: int | None = None
    wording: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    english_page: bool | None = None
    logo: str | None = Field(default=None, sa_type=Text, foreign_key="sktm_logos.sha256")
    signature: str | None = Field(default=None, sa_type=Text)


class SktmLogo(Table, table=True):
    """A picture for letterheads, a small JPEG. Never changed nor removed: letters that bear it are printed again."""

    __tablename__ = "sktm_logos"

    sha256: str = Field(primary_key=True, sa_type=Text)
    image: bytes
