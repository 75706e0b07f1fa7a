"""Shapes of users and of signing in and out."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, SecretStr, StringConstraints

from tksk_api.domain.records import Body, Read
from tksk_api.security.permissions import Role
from tksk_api.types import Line, RegionCode

Username = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{2,59}$", to_lower=True),
    Field(examples=["tksk.panjang"]),
]
EmployeeNumber = Annotated[str, StringConstraints(pattern=r"^[0-9]{18}$")]


class UserCreate(Body):
    """`region_code` is the region the role works in; national roles have none. Agency users need `agency_id`.

    An officer (tksk) who is assigned to districts works in those instead.
    """

    id: UUID | None = None
    username: Username
    full_name: Line
    role: Role
    region_code: RegionCode | None = None
    agency_id: UUID | None = None
    position_title: Annotated[Line | None, Field(description="As printed under a signature, e.g. Lurah Srengsem")] = (
        None
    )
    employee_number: Annotated[EmployeeNumber | None, Field(description="NIP, 18 digits")] = None


class UserUpdate(Body):
    full_name: Line | None = None
    role: Role | None = None
    region_code: RegionCode | None = None
    agency_id: UUID | None = None
    position_title: Line | None = None
    employee_number: EmployeeNumber | None = None


class UserRead(Read):
    id: UUID
    username: str
    full_name: str
    role: Role
    region_code: str | None
    agency_id: UUID | None
    position_title: str | None
    employee_number: str | None
    must_change_password: bool
    disabled_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


class SetupSecret(Read):
    """A one-time first password; it is shown once, expires, and must be replaced at the first sign-in."""

    username: str
    setup_secret: str
    expires_at: datetime


class OwnAssignment(Read):
    """A district the caller holds or covers today, or a region the caller coordinates."""

    region_code: str
    region_name: str | None
    kind: Literal["holder", "acting", "coordinator"]
    until: Annotated[date | None, Field(description="The last day, where one is set")]


class Me(Read):
    """The caller, where the caller works today, and what the caller may do.

    An officer who was ever assigned works in the districts of `assignments`, and nowhere when they are over; everybody
    else in `region_code`. `regions` says the result: `ID` is the nation, an empty list no region at all.
    """

    id: UUID
    username: str
    full_name: str
    role: Role
    region_code: str | None
    region_name: str | None
    regions: list[str]
    assignments: list[OwnAssignment]
    agency_id: UUID | None
    position_title: str | None
    must_change_password: bool
    permissions: list[str]


Password = Annotated[SecretStr, Field(min_length=1, max_length=128)]


class Login(Body):
    """A first-party session login (not an OAuth grant)."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=100), Field(examples=["tksk.panjang"])]
    password: Password
    otp: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")] | None = None
    device_name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)] | None = None


class Refresh(Body):
    refresh_token: Annotated[str, StringConstraints(min_length=20, max_length=100)]


class TokenPair(Read):
    """Use the access token as `Authorization: Bearer`; each refresh token works once."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str


class PasswordChange(Body):
    current_password: Password
    new_password: Password
