"""Entering the database: who asks, for which operation, and what the database says about them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tksk_api.database.scope import RegionScope
from tksk_api.errors import DomainError

# The arguments of `Admission`, in their order.
ENTER = (
    "SELECT * FROM app.enter(CAST($1 AS uuid), CAST($2 AS text[]), CAST($3 AS text), CAST($4 AS uuid), "
    "CAST($5 AS text), CAST($6 AS boolean), CAST($7 AS boolean), CAST($8 AS text[]), CAST($9 AS integer))"
)

MACHINE = "machine"  # the role that app.enter gives to every machine client


@dataclass(frozen=True)
class Admission:
    """What a request brings along: its verified session, and what the operation asks of the caller.

    `roles` may perform it, machine clients need `permission` among their scopes. `otp_roles` must have enrolled a
    one-time code. `step_up_seconds`: how recently the caller must have proven themselves; None: any session will do.
    `opening` marks the operations of a session that is not complete yet: change the password, enrol a code.
    `token_scopes`: what a machine client's token was narrowed to; None: a person's token.
    """

    session_id: UUID
    roles: tuple[str, ...]
    permission: str
    request_id: UUID
    operation: str
    opening: bool = False
    otp_roles: frozenset[str] = frozenset()
    step_up_seconds: int | None = None
    token_scopes: frozenset[str] | None = None

    def arguments(self, *, read: bool) -> tuple[Any, ...]:
        # What a token was narrowed to is refused by the database like any scope a client lacks: no client has "".
        is_open = self.token_scopes is None or self.permission in self.token_scopes
        permission = self.permission if is_open else ""
        return (
            self.session_id,
            list(self.roles),
            permission,
            self.request_id,
            self.operation,
            read,
            self.opening,
            sorted(self.otp_roles),
            self.step_up_seconds,
        )


@dataclass(frozen=True)
class Principal:
    """The caller as the database knows them at this moment; nothing of it is taken from the token."""

    user_id: UUID
    session_id: UUID
    role: str
    scope: RegionScope
    region_code: str | None
    must_change_password: bool

    @property
    def agency_id(self) -> UUID | None:
        return UUID(self.scope.agency_id) if self.scope.agency_id else None


def admit(admission: Admission, row: Any | None) -> Principal:
    """Turn the row of `app.enter` into a principal.

    Raises `unauthenticated` (session ended, user disabled, client revoked), `permission_denied`,
    `password_change_required`, `otp_enrolment_required`, `agency_inactive` (the caller is nothing but an agency
    that was closed) or `step_up_required` (RFC 9470).
    """
    if row is None or row["user_id"] is None:
        raise DomainError("unauthenticated")
    if (row["role"] == MACHINE) != (admission.token_scopes is not None):
        raise DomainError("unauthenticated")  # a token of the one kind for a session of the other
    match row["refusal"]:
        case "permission_denied":
            raise DomainError("permission_denied", permission=admission.permission)
        case "step_up_required":
            raise DomainError("step_up_required", max_age=admission.step_up_seconds)
        case "password_change_required" | "otp_enrolment_required" | "agency_inactive" as refusal:
            raise DomainError(refusal)
    agency = row["agency_id"]
    return Principal(
        user_id=row["user_id"],
        session_id=admission.session_id,
        role=row["role"],
        scope=RegionScope(
            tuple(row["regions"]), str(agency) if agency else None, tuple(str(key) for key in row["granted"])
        ),
        region_code=row["region_code"],
        must_change_password=row["must_change_password"],
    )
