"""What every resource does alike: create once, load for a change, merge a patch."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Reader, Resource, Stored
from tksk_api.database.session import principal_of, refuse_outside, scope_of
from tksk_api.database.tables import Record, table_of
from tksk_api.errors import DomainError, invalid, not_found
from tksk_api.security.crypto import Keyring
from tksk_api.security.permissions import ROLE_PERMISSIONS, Permission, Role

R = TypeVar("R", bound=Record)
B = TypeVar("B", bound=BaseModel)


class Body(BaseModel):
    """Base of every request body: unknown members are refused."""

    model_config = ConfigDict(extra="forbid")


class Read(BaseModel):
    """Base of every response: exactly what the projection provides, no defaults."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")


def keyring_of(session: AsyncSession) -> Keyring:
    keyring: Keyring = session.info["keyring"]
    return keyring


def holds(session: AsyncSession, permission: Permission) -> bool:
    """Whether the caller could do this too: by their role, or by what a machine's token was narrowed to."""
    scopes = session.info["admission"].token_scopes
    return permission in (ROLE_PERMISSIONS[Role(principal_of(session).role)] if scopes is None else scopes)


def office_of(session: AsyncSession) -> str:
    """Where the caller works: their region, or the first district of an officer sent elsewhere; "" is the nation.

    Raises not_found for who has no place, as everything is for them.
    """
    principal = principal_of(session)
    own, area = principal.region_code, principal.scope
    if area.is_national:
        return ""
    if not area.regions:
        raise not_found()
    return own if own in area.regions else area.regions[0]


async def held_by(reader: Reader) -> Callable[[Permission], bool]:
    """As `holds`, of the caller of a read."""
    scopes = reader.admission.token_scopes if reader.admission else None
    granted = ROLE_PERMISSIONS[Role(await reader.role())] if scopes is None else scopes
    return lambda permission: permission in granted


async def create_once(
    session: AsyncSession,
    resource: Resource,
    body: BaseModel,
    row_type: type[R],
    build: Callable[[], R],
    *,
    below: UUID | None = None,
) -> Stored:
    """Insert the row, or answer with the stored one when the client repeats its own id and content.

    `below` is the key of the path, where the row belongs to another: the body alone does not say to which. Raises
    id_in_use when the id belongs to other content, here or outside the caller's scope.
    """
    before = await created_before(session, resource, body, row_type, below)
    if before is not None:
        return before
    row = build()
    wanted: UUID | None = getattr(body, "id", None)
    if wanted is not None:
        row.id = wanted
    row.create_digest = create_digest(keyring_of(session), body, below)
    row.created_by = principal_of(session).user_id
    row.version = 1
    refuse_outside(scope_of(session), row)
    return await resource.insert(session, row)


async def created_before(
    session: AsyncSession, resource: Resource, body: BaseModel, row_type: type[R], below: UUID | None = None
) -> Stored | None:
    """The row of an earlier, equal request with the client's own id, below the same row where it is below one.

    Raises id_in_use when the content differs.
    """
    wanted: UUID | None = getattr(body, "id", None)
    if wanted is None:
        return None
    # The lock makes a double tap wait for the first; only then can the next statement see its row.
    connection = await session.connection()
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:id, 0))"), {"id": str(wanted)})
    table = table_of(row_type)
    found = (await connection.execute(select(table.c.create_digest).where(table.c.id == wanted))).first()
    if found is None:
        return None
    if found.create_digest is None or bytes(found.create_digest) != create_digest(keyring_of(session), body, below):
        raise DomainError("id_in_use")
    return await resource.stored(session, wanted)


def create_digest(keyring: Keyring, body: BaseModel, below: UUID | None = None) -> bytes:
    """By which a client's repetition of the same content is known again."""
    content: Any = body.model_dump(mode="json")
    if below is not None:
        content = [str(below), content]
    return keyring.mac("create", json.dumps(content, sort_keys=True).encode())


async def load(
    session: AsyncSession, row_type: type[R], key: UUID, version: int | None = None, *, lock: bool = False
) -> R:
    """The row inside the caller's scope; `lock` makes concurrent writers of it wait here, before any other work.

    Raises not_found, merged for a record that another stands for, or stale_version when it moved on since `version`.
    """
    query = select(row_type).where(row_type.id == key)  # type: ignore[arg-type]
    row = (await session.execute(query.with_for_update() if lock else query)).scalars().first()
    if (survivor := getattr(row, "merged_into", None)) is not None:
        raise DomainError("merged", merged_into=survivor)
    if row is None or getattr(row, "deleted_at", None) is not None:
        raise not_found()
    if version is not None and row.version != version:
        raise DomainError("stale_version", current_version=row.version)
    return row


async def load_reference(session: AsyncSession, row_type: type[R], key: UUID, pointer: str) -> R:
    """The row an id inside a body names. Raises invalid_request at `pointer`; missing and out of scope look alike.

    A record that was merged is refused with the one that stands: nobody writes about a person they did not name.
    """
    try:
        return await load(session, row_type, key)
    except DomainError as error:
        if error.code == "merged":
            raise invalid(pointer, "merged_person", **error.facts) from error
        raise invalid(pointer, "unknown_reference") from error


async def save(session: AsyncSession, resource: Resource, row: Record) -> Stored:
    """Write the changes with a guarded UPDATE and answer as a reader would see them. Raises stale_version."""
    await session.flush()
    return await resource.stored(session, row.id)


def patched(patch: BaseModel) -> dict[str, Any]:
    """The members a merge patch (RFC 7396) names: null clears, missing keeps."""
    return {name: getattr(patch, name) for name in patch.model_fields_set}


def merged(model: type[B], current: Mapping[str, Any] | None, patch: BaseModel | None, pointer: str) -> B | None:
    """A nested object after a merge patch: what the patch names replaces, the rest stays; null clears the whole.

    Raises invalid_request (missing) for what the object still lacks.
    """
    if patch is None:
        return None
    members = {**(current or {}), **patch.model_dump(exclude_unset=True)}
    for name, info in model.model_fields.items():
        if info.is_required() and members.get(name) is None:
            raise invalid(f"{pointer}/{name}", "missing")
    return model.model_validate(members)


def refuse_null(patch: BaseModel, *names: str) -> None:
    """Required members cannot be cleared. Raises invalid_request."""
    for name in names:
        if name in patch.model_fields_set and getattr(patch, name) is None:
            raise invalid(f"/{name}", "null_not_allowed")
