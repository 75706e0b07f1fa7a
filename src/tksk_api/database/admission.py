"""Entering the database: who asks, for which operation, and what the database says about them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tksk_api.database.scope import RegionScope
from tksk_api.errors import DomainError

ENTER = (
    "SELECT * FROM app.enter(CAST({session} AS uuid), CAST({roles} AS text[]), CAST({request} AS uuid), "
    "CAST({operation} AS text), CAST({read} AS boolean))"
)


@dataclass(frozen=True)
class Admission:
    """What a request brings along: its verified session, and the roles that may perform the operation."""

    session_id: UUID
    roles: tuple[str, ...]
    permission: str
    request_id: UUID
    operation: str
    allow_password_change: bool = False

    def arguments(self, *, read: bool) -> tuple[Any, ...]:
        return (self.session_id, list(self.roles), self.request_id, self.operation, read)


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

    Raises `unauthenticated` (session ended, user disabled), `permission_denied` or `password_change_required`.
    """
    if row is None or row["user_id"] is None:
        raise DomainError("unauthenticated")
    if not row["allowed"]:
        raise DomainError("permission_denied", permission=admission.permission)
    if row["must_change_password"] and not admission.allow_password_change:
        raise DomainError("password_change_required")
    agency = row["agency_id"]
    return Principal(
        user_id=row["user_id"],
        session_id=admission.session_id,
        role=row["role"],
        scope=RegionScope(tuple(row["regions"]), str(agency) if agency else None),
        region_code=row["region_code"],
        must_change_password=row["must_change_password"],
    )
