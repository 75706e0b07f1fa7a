"""FastAPI and SQLModel the way most write it: entities, a session a request, `response_model`, refresh after commit."""

from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from fastapi import Depends, FastAPI, HTTPException  # noqa: TID251 - as most write it
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Computed, MetaData, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel import Field, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from peers.common import CONNECTION_SETTINGS, DISTRICT_LIMIT, OWNER_URL, seal_nik
from tksk_api.database.tables import new_id


class Base(SQLModel):
    metadata = MetaData()


class Person(Base, table=True):
    __tablename__ = "beneficiaries"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    version: int = 1
    region_code: str
    district_code: str | None = Field(default=None, sa_column=sa.Column(Text, Computed("left(region_code, 8)")))
    created_at: datetime = Field(
        default=None, sa_column=sa.Column(sa.DateTime(timezone=True), server_default=sa.func.now())
    )
    updated_at: datetime = Field(
        default=None, sa_column=sa.Column(sa.DateTime(timezone=True), server_default=sa.func.now())
    )
    created_by: UUID | None = None
    nik_cipher: bytes | None = None
    nik_index: bytes | None = None
    nik_last4: str | None = None
    nik_status: str
    full_name: str
    birth_place: str | None = None
    birth_date: date
    sex: str
    street: str
    rt: str | None = None
    rw: str | None = None
    phone: str | None = None
    family_card_last4: str | None = None
    relationship: str | None = None
    ppks_categories: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))
    notes: str | None = None
    warnings: list[dict[str, str]] = Field(default_factory=list, sa_type=JSONB)
    deceased_on: date | None = None
    deleted_at: datetime | None = Field(default=None, sa_type=sa.DateTime(timezone=True))

    @property
    def nik_masked(self) -> str | None:
        return "************" + self.nik_last4 if self.nik_last4 else None

    @property
    def family_card_masked(self) -> str | None:
        return "************" + self.family_card_last4 if self.family_card_last4 else None

    @property
    def village_code(self) -> str:
        return self.region_code

    @property
    def address(self) -> "Address":
        return Address(street=self.street, rt=self.rt, rw=self.rw)


class History(Base, table=True):
    __tablename__ = "changes"

    id: int | None = Field(default=None, sa_column=sa.Column(sa.BigInteger, sa.Identity(always=True), primary_key=True))
    entity: str
    entity_id: UUID
    entity_version: int
    action: str
    actor_id: UUID
    actor_role: str
    request_id: UUID
    operation: str


class Address(BaseModel):
    street: str
    rt: str | None = None
    rw: str | None = None


class PersonCreate(BaseModel):
    nik: str = Field(regex=r"^[1-9][0-9]{15}$")
    full_name: str = Field(min_length=1, max_length=200)
    birth_place: str | None = None
    birth_date: date
    sex: str
    address: Address
    village_code: str = Field(regex=r"^[0-9]{2}\.[0-9]{2}\.[0-9]{2}\.[123][0-9]{3}$")
    phone: str | None = None
    relationship: str | None = None
    ppks_categories: list[str] = []
    notes: str | None = None


class PersonRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    nik_masked: str | None
    nik_status: str
    full_name: str
    birth_place: str | None
    birth_date: date
    sex: str
    address: Address
    village_code: str
    region_code: str
    phone: str | None
    family_card_masked: str | None
    relationship: str | None
    ppks_categories: list[str]
    notes: str | None
    warnings: list[dict[str, str]]
    deceased_on: date | None
    version: int
    created_at: datetime
    updated_at: datetime


class PersonPage(BaseModel):
    items: list[PersonRead]
    next_cursor: UUID | None


engine = create_async_engine(
    OWNER_URL.replace("postgresql://", "postgresql+asyncpg://", 1),
    pool_size=10,
    max_overflow=0,
    connect_args={"server_settings": CONNECTION_SETTINGS},
)
sessions = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
app = FastAPI()


async def get_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]


@app.get("/livez")
async def livez() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/v1/beneficiaries/{id}", response_model=PersonRead)
async def read_person(id: UUID, session: SessionDep) -> Any:
    person = await session.get(Person, id)
    if person is None or person.deleted_at is not None:
        raise HTTPException(status_code=404)
    return person


@app.get("/v1/beneficiaries", response_model=PersonPage)
async def read_people(session: SessionDep, district: str, limit: int = DISTRICT_LIMIT) -> Any:
    statement = (
        select(Person)
        .where(Person.district_code == district, sa.column("deleted_at").is_(None))
        .order_by(sa.desc(Person.created_at), sa.desc(Person.id))
        .limit(limit + 1)
    )
    people = (await session.exec(statement)).all()
    return {"items": people[:limit], "next_cursor": people[limit - 1].id if len(people) > limit else None}


@app.post("/v1/beneficiaries", response_model=PersonRead, status_code=201)
async def create_person(body: PersonCreate, session: SessionDep) -> Any:
    person = Person(
        **body.model_dump(exclude={"nik", "address", "village_code"}),
        **body.address.model_dump(),
        region_code=body.village_code,
        nik_status="unverified",
        created_by=UUID(int=1),
    )
    person.nik_cipher, person.nik_index, person.nik_last4 = seal_nik(person.id, body.nik)
    session.add(person)
    session.add(
        History(
            entity="beneficiaries",
            entity_id=person.id,
            entity_version=1,
            action="create",
            actor_id=UUID(int=1),
            actor_role="tksk",
            request_id=uuid4(),
            operation="create_person",
        )
    )
    await session.commit()
    await session.refresh(person)
    return person
