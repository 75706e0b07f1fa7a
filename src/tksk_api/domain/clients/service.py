"""Managing machine clients: who may make which, and their secrets."""

import hashlib
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import NATION, principal_of, scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.agencies.models import Agency
from tksk_api.domain.clients.models import Client, ClientSecret
from tksk_api.domain.clients.reads import CLIENTS, IS_LIVE
from tksk_api.domain.clients.rules import repeated, smallest
from tksk_api.domain.clients.schemas import ClientCreate, ClientUpdate, NewSecret, PublicJwk
from tksk_api.domain.records import create_once, load, load_reference, patched, refuse_null, save
from tksk_api.domain.regions.service import require_region
from tksk_api.errors import DomainError, FieldError, invalid
from tksk_api.security.jose import public_key
from tksk_api.security.permissions import AGENCY_SCOPES, CLIENT_SCOPES, MANAGES, Permission, Role

_PREFIX = "tksk_secret_"  # scanners of repositories and logs find a leaked secret by it


async def create(session: AsyncSession, body: ClientCreate) -> Stored:
    """A client without a secret; `rotate_secret` gives the first one, unless it brings a public key.

    Raises invalid_request (outside_scope, not_allowed for a scope the caller may not give, unknown_region,
    duplicate_entry, unknown_reference, bad_key), id_in_use.
    """
    await _check_home(session, body.region_code)
    if body.agency_id is not None:
        if not _speaks_for_agencies(session):
            raise invalid("/agency_id", "outside_scope")
        await load_reference(session, Agency, body.agency_id, "/agency_id")
    givable = _givable(session, body.agency_id, body.region_codes)
    facts = await _checked(session, body.model_dump(exclude={"id", "public_jwk"}), body.public_jwk, givable)
    return await create_once(session, CLIENTS, body, Client, lambda: Client(id=new_id(), **facts))


async def update(session: AsyncSession, key: UUID, version: int, patch: ClientUpdate) -> Stored:
    """Change it; less scope or area holds from the client's next request, another key ends its tokens and secrets.

    Raises permission_denied, client_disabled, invalid_request as `create`, stale_version, not_found.
    """
    row = await _load_managed(session, key, version)
    refuse_null(patch, "name", "scopes", "region_codes")
    regions = patch.region_codes if patch.region_codes is not None else row.region_codes
    givable = _givable(session, row.agency_id, regions)
    changes = await _checked(session, patched(patch), patch.public_jwk, givable)
    if "public_jwk" in changes and changes["public_jwk"] != row.public_jwk:
        row.session_id = uuid4()
        await _end(await _live(session, row.id))
    for name, value in changes.items():
        setattr(row, name, value)
    _refuse_beyond_gift(session, row)  # another area may make more of the scopes it has
    return await save(session, CLIENTS, row)


async def disable(session: AsyncSession, key: UUID, version: int) -> None:
    """End it for good, with the tokens it holds; row and history are kept. Raises permission_denied, stale_version."""
    row = await load(session, Client, key, version, lock=True)
    _refuse_beyond_reach(session, row)
    row.disabled_at = row.disabled_at or datetime.now(UTC)
    await session.flush()


async def rotate_secret(
    session: AsyncSession, key: UUID, version: int, overlap: timedelta, *, revoke_others: bool
) -> NewSecret:
    """One more secret of 256 random bits; two live at most, so that one can be replaced without a gap.

    The one before ends after the overlap, an older one at once. `revoke_others` ends them all, and by a new session
    every token given so far. Raises permission_denied, client_disabled, client_uses_key, stale_version, not_found.
    """
    row = await _load_managed(session, key, version)
    if row.public_jwk is not None:
        raise DomainError("client_uses_key")
    now = datetime.now(UTC)
    live = await _live(session, row.id)
    ends = None
    if revoke_others:
        row.session_id = uuid4()
        await _end(live)
    elif live:
        await _end(live[:-1])
        ends = live[-1].expires_at = min(live[-1].expires_at or now + overlap, now + overlap)
    row.secret_rotated_at = now
    secret = _PREFIX + secrets.token_urlsafe(32)
    session.add(ClientSecret(id=new_id(), client_id=row.id, digest=digest_of(secret), created_at=now))
    await session.flush()
    return NewSecret(client_id=row.id, client_secret=secret, others_expire_at=ends)


def digest_of(secret: str) -> bytes:
    """SHA-256: a random secret of 256 bits needs no slow hash."""
    return hashlib.sha256(secret.encode()).digest()


async def _live(session: AsyncSession, client_id: UUID) -> Sequence[ClientSecret]:
    """The client's secrets that work now, oldest first."""
    query = select(ClientSecret).where(ClientSecret.client_id == client_id, *IS_LIVE)  # type: ignore[arg-type]
    return (await session.execute(query.order_by(ClientSecret.created_at))).scalars().all()  # type: ignore[arg-type]


async def _end(ended: Sequence[ClientSecret]) -> None:
    for secret in ended:
        secret.revoked_at = datetime.now(UTC)


async def _load_managed(session: AsyncSession, key: UUID, version: int) -> Client:
    row = await load(session, Client, key, version, lock=True)
    _refuse_beyond_reach(session, row)
    _refuse_beyond_gift(session, row)
    if row.disabled_at is not None:
        raise DomainError("client_disabled")
    return row


def _refuse_beyond_reach(session: AsyncSession, row: Client) -> None:
    # Whoever can give a client a new secret can act as it: never for a client that sees more than oneself.
    beyond = [region for region in row.region_codes if not _reaches(session, region)]
    if beyond or (row.agency_id is not None and not _speaks_for_agencies(session)):
        raise DomainError("permission_denied", permission=f"{Permission.CLIENT_MANAGE} ({', '.join(beyond) or '-'})")


def _refuse_beyond_gift(session: AsyncSession, row: Client) -> None:
    # As above, for one that may do more than the caller may give. Ending it needs no more than reach.
    beyond = sorted(set(row.scopes) - _givable(session, row.agency_id, row.region_codes))
    if beyond:
        raise DomainError("permission_denied", permission=f"{Permission.CLIENT_MANAGE} ({', '.join(beyond)})")


def _givable(session: AsyncSession, agency_id: UUID | None, region_codes: Collection[str]) -> frozenset[str]:
    """The scopes that the caller may give to such a client."""
    own = CLIENT_SCOPES[Role(principal_of(session).role)]
    only_mail = agency_id is not None and not region_codes and _speaks_for_agencies(session)
    return own | AGENCY_SCOPES if only_mail else own


def _reaches(session: AsyncSession, region: str) -> bool:
    return scope_of(session).contains(None if region == NATION else region)


def _speaks_for_agencies(session: AsyncSession) -> bool:
    return Role.AGENCY in MANAGES.get(Role(principal_of(session).role), frozenset())


async def _check_home(session: AsyncSession, region_code: str | None) -> None:
    if not scope_of(session).contains(region_code):
        raise invalid("/region_code", "outside_scope")
    if region_code is not None:
        await require_region(session, region_code, "/region_code")


async def _checked(
    session: AsyncSession, members: dict[str, Any], key: PublicJwk | None, givable: frozenset[str]
) -> dict[str, Any]:
    """Members of a body as columns of the table. Raises invalid_request, naming every wrong entry of a list."""
    errors = list(_list_errors(session, members, givable))
    if errors:
        raise DomainError("invalid_request", errors=errors)
    if "region_codes" in members:
        for index, region in enumerate(members["region_codes"]):
            if region != NATION:
                await require_region(session, region, f"/region_codes/{index}")
        members["region_codes"] = smallest(members["region_codes"])
    if key is not None:
        members["public_jwk"] = _checked_key(key)
    return members


def _list_errors(session: AsyncSession, members: Mapping[str, Any], givable: frozenset[str]) -> Iterator[FieldError]:
    for name in ("scopes", "region_codes"):
        for index in repeated(members.get(name, ())):
            yield FieldError(f"/{name}/{index}", "duplicate_entry")
    for index, scope in enumerate(members.get("scopes", ())):
        if scope not in givable:
            yield FieldError(f"/scopes/{index}", "not_allowed", {"expected": ", ".join(sorted(givable))})
    for index, region in enumerate(members.get("region_codes", ())):
        if not _reaches(session, region):
            yield FieldError(f"/region_codes/{index}", "outside_scope")


def _checked_key(key: PublicJwk) -> dict[str, str]:
    jwk = key.model_dump(include={"kty", "crv", "x", "y"})
    try:
        public_key(jwk)
    except ValueError as error:
        raise invalid("/public_jwk", "bad_key") from error
    return jwk
