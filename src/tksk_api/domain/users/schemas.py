"""Shapes of users and of signing in and out."""

import re
from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, SecretStr, StringConstraints

from tksk_api.domain.records import Body, Read
from tksk_api.security.permissions import Role
from tksk_api.types import Line, RegionCode, without_identity_number

Username = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{2,59}$", to_lower=True),
    AfterValidator(without_identity_number),
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
    otp_enrolled: bool
    otp_required: bool
    permissions: list[str]


Password = Annotated[SecretStr, Field(min_length=1, max_length=128)]
OneTimeCode = Annotated[
    str,
    StringConstraints(pattern=r"^[\s-]*([0-9][\s-]*){6}$", max_length=20),
    AfterValidator(lambda shown: re.sub(r"[\s-]", "", shown)),
    Field(
        examples=["123456"],
        description="The 6 digits an authenticator app shows (RFC 6238), with or without blanks and dashes",
    ),
]
RecoveryCode = Annotated[
    str,
    StringConstraints(pattern=r"^[\s-]*([0-9A-Za-z][\s-]*){12}$", max_length=40),
    Field(
        examples=["7K2M-9QXD-4TRA"],
        description="One of the recovery codes, with or without blanks and dashes, in any case; each works once",
    ),
]

DeviceName = Annotated[Line, StringConstraints(max_length=100), Field(examples=["HP lapangan"])]


class Code(Body):
    """A one-time code, or a recovery code when the phone is lost."""

    otp: OneTimeCode | None = None
    recovery_code: RecoveryCode | None = None

    @property
    def has_code(self) -> bool:
        return self.otp is not None or self.recovery_code is not None


class Login(Code):
    """A first-party session login (not an OAuth grant). Who has set up one-time codes sends one, too."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=100), Field(examples=["tksk.panjang"])]
    password: Password
    device_name: Annotated[DeviceName | None, Field(description="Shown in the list of sessions")] = None
    device_id: Annotated[UUID | None, Field(description="Chosen once by the installation of a client")] = None


class StepUp(Code):
    """`otp` or `recovery_code` from who has set up one-time codes, the password from everybody else."""

    password: Password | None = None


class Proof(Code):
    """The password, and a code from who has set up one-time codes already."""

    password: Password


class OtpEnrolment(Read):
    """The secret of an authenticator app, shown once; `otpauth_uri` is what the QR code holds."""

    secret: str
    otpauth_uri: str


class OtpConfirmation(Body):
    otp: OneTimeCode


class RecoveryCodes(Read):
    """Shown once: print them or write them down. Each replaces one code of the app, once."""

    recovery_codes: list[str]


class SessionRead(Read):
    """One sign-in on one device; `expires_at` is its last moment however often it is refreshed."""

    id: UUID
    device_name: str
    kind: Literal["field", "office", "admin"]
    created_at: datetime
    last_refreshed_at: datetime
    expires_at: datetime
    current: bool


class Refresh(Body):
    refresh_token: Annotated[str, StringConstraints(min_length=20, max_length=100)]


class TokenPair(Read):
    """Use the access token as `Authorization: Bearer`; each refresh token works once."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str


class PasswordChange(Code):
    """The present password, the new one, and a code from who has set up one-time codes."""

    current_password: Password
    new_password: Password
