"""The base of every table: naming convention, common columns, and the mixins that make rows scoped."""

from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy import FetchedValue, MetaData, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlalchemy.orm import declared_attr
from sqlmodel import Field, SQLModel

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Table(SQLModel):
    """Root of all tables. SQLModel validates nothing on `table=True`: build rows only from checked schemas."""

    metadata = MetaData(naming_convention=NAMING)


RegionText = Text(collation="C")


def table_of(model: type[Table]) -> sa.Table:
    """The Core table of a mapped class, for statements on columns."""
    table: sa.Table = model.__table__  # type: ignore[attr-defined]
    return table


def new_id() -> UUID:
    """A time-ordered UUID (version 7, RFC 9562): ids made on the server keep inserts local in the index."""
    milliseconds = int(datetime.now(UTC).timestamp() * 1000)
    value = (milliseconds << 80) | (uuid4().int & ((1 << 80) - 1))
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)


class Record(Table):
    """A row with an id the client may choose, a version for `If-Match`, and database times."""

    id: UUID = Field(default_factory=new_id, primary_key=True, sa_type=PgUuid)
    version: int = Field(default=None, sa_column_kwargs={"nullable": False})
    created_at: datetime = Field(
        default=None,
        sa_type=sa.DateTime(timezone=True),
        sa_column_kwargs={"server_default": sa.func.now(), "nullable": False},
    )
    updated_at: datetime = Field(
        default=None,
        sa_type=sa.DateTime(timezone=True),
        sa_column_kwargs={"server_default": sa.func.now(), "nullable": False},
    )
    created_by: UUID | None = Field(default=None, sa_type=PgUuid)
    create_digest: bytes | None = Field(default=None, sa_type=sa.LargeBinary)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.__table__.c.version, "eager_defaults": False}  # type: ignore[attr-defined]


class RegionScoped(SQLModel):
    """Declares a table whose rows belong to a region. Both walls find it by this mixin.

    `region_code` is a Kemendagri code; the other three are generated from it by the database.
    """

    region_code: str | None = Field(sa_type=RegionText)
    province_code: str | None = Field(
        default=None, sa_type=RegionText, sa_column_kwargs={"server_default": FetchedValue()}
    )
    regency_code: str | None = Field(
        default=None, sa_type=RegionText, sa_column_kwargs={"server_default": FetchedValue()}
    )
    district_code: str | None = Field(
        default=None, sa_type=RegionText, sa_column_kwargs={"server_default": FetchedValue()}
    )


class AddressedToAgency(SQLModel):
    """A scoped table whose rows are also shown to the agency they are addressed to."""

    agency_id: UUID = Field(sa_type=PgUuid)
    addressed_to_agency: ClassVar[bool] = True


def scoped_tables() -> list[type[Any]]:
    """Every mapped class that carries `RegionScoped`."""
    return [m.class_ for m in Table._sa_registry.mappers if issubclass(m.class_, RegionScoped)]


def case_number() -> Any:
    """The short name of a case, which the database makes of its id (`app.case_number`); no two of a table have one."""
    return Field(
        default=None, sa_type=RegionText, sa_column_kwargs={"server_default": FetchedValue(), "nullable": False}
    )


def json_list() -> Any:
    return _json(list, "[]")


def json_object() -> Any:
    return _json(dict, "{}")


def _json(factory: Any, empty: str) -> Any:
    default = {"nullable": False, "server_default": sa.text(f"'{empty}'::jsonb")}
    return Field(default_factory=factory, sa_type=JSONB, sa_column_kwargs=default)


def text_array() -> Any:
    return _array(Text, "text")


def uuid_array() -> Any:
    return _array(PgUuid, "uuid")


def _array(item: Any, name: str) -> Any:
    default = {"nullable": False, "server_default": sa.text(f"'{{}}'::{name}[]")}
    return Field(default_factory=list, sa_type=ARRAY(item), sa_column_kwargs=default)


def moment(**kwargs: Any) -> Any:
    return Field(default=None, sa_type=sa.DateTime(timezone=True), **kwargs)
