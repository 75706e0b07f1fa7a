"""Tokens for machine clients: OAuth 2.0 client credentials, by secret or by signed assertion."""

import hashlib
import hmac
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import and_, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.tables import table_of
from tksk_api.domain.clients.models import ClientAssertion
from tksk_api.domain.clients.reads import IS_LIVE, SECRETS, TABLE
from tksk_api.domain.clients.rules import GRANT_TYPE, TokenRequest, client_refused, token_error
from tksk_api.domain.clients.schemas import SCOPES, AuthorizationServer, MachineToken
from tksk_api.domain.clients.service import digest_of
from tksk_api.security.jose import ALGORITHM, CLOCK_TOLERANCE_SECONDS, Shape, Token, public_key, read
from tksk_api.security.tokens import Tokens

ASSERTION_SECONDS = 300
_ASSERTION = Shape(
    header=frozenset({"alg"}),
    claims=frozenset({"iss", "sub", "aud", "iat", "exp", "jti"}),
    optional_header=frozenset({"typ", "kid"}),
    optional_claims=frozenset({"nbf"}),
)
_TYPES = ("JWT", "client-authentication+jwt")
_USED = table_of(ClientAssertion)
_NO_DIGEST = bytes(32)


def metadata(public_url: str) -> AuthorizationServer:
    """What a client needs to know about this authorization server (RFC 8414)."""
    return AuthorizationServer(
        issuer=public_url,
        token_endpoint=token_endpoint(public_url),
        jwks_uri=f"{public_url}/.well-known/jwks.json",
        scopes_supported=SCOPES,
        response_types_supported=[],  # required by RFC 8414 §2; there is no authorization endpoint
        grant_types_supported=[GRANT_TYPE],
        token_endpoint_auth_methods_supported=["client_secret_basic", "client_secret_post", "private_key_jwt"],
        token_endpoint_auth_signing_alg_values_supported=[ALGORITHM],
        service_documentation=f"{public_url}/docs",
    )


def token_endpoint(public_url: str) -> str:
    return f"{public_url}/oauth2/token"


async def grant(session: AsyncSession, asked: TokenRequest, tokens: Tokens, public_url: str) -> MachineToken:
    """A token for the client that proved itself, for the scopes it asked for or all it has.

    Raises client_refused, or scope_refused for more than the client has.
    """
    if asked.assertion is not None:
        client = await _by_assertion(session, asked, asked.assertion, public_url)
    else:
        client = await _by_secret(session, asked)
    granted = frozenset(client.scopes)
    if not (asked.scopes or frozenset()) <= granted:
        raise token_error("scope_refused", "invalid_scope", "more than the client was given")
    scopes = granted if asked.scopes is None else asked.scopes
    return MachineToken(
        access_token=tokens.issue_to_machine(client.id, client.session_id, scopes),
        token_type="Bearer",  # noqa: S106 - a scheme, not a secret
        expires_in=tokens.lifetime_seconds,
        scope=" ".join(sorted(scopes)),
    )


async def _by_secret(session: AsyncSession, asked: TokenRequest) -> Any:
    """The client whose live secret was sent; the same work for a client nobody knows. Raises client_refused."""
    rows = await _rows(session, _client_id(asked.client_id))
    sent = digest_of(asked.secret or "")
    digests = [bytes(row.digest) for row in rows if row.digest is not None] or [_NO_DIGEST]
    matches = [hmac.compare_digest(digest, sent) for digest in digests]
    if not rows or not any(matches) or rows[0].public_jwk is not None:
        raise client_refused()
    return rows[0]


async def _by_assertion(session: AsyncSession, asked: TokenRequest, assertion: str, public_url: str) -> Any:
    """The client that signed the assertion (RFC 7523 §3), which then is used up. Raises client_refused."""
    try:
        token = read(assertion, _ASSERTION)
        subject = _subject(token, {public_url, token_endpoint(public_url)})
        rows = await _rows(session, _client_id(subject))
        if not rows or rows[0].public_jwk is None or asked.client_id not in ("", subject):
            raise ValueError("client")
        token.check_signature(public_key(rows[0].public_jwk))
    except ValueError as error:
        raise client_refused() from error
    await _use_up(session, rows[0].id, token)
    return rows[0]


def _subject(token: Token, audiences: set[str]) -> str:
    """Who the assertion is about, when it is addressed to us and fresh. Raises ValueError."""
    claims = token.claims
    subject, jti = claims["sub"], claims["jti"]
    if not isinstance(subject, str) or claims["iss"] != subject:
        raise ValueError("issuer")
    if not isinstance(claims["aud"], str) or claims["aud"] not in audiences:
        raise ValueError("audience")
    if not isinstance(jti, str) or not 1 <= len(jti) <= 255:
        raise ValueError("jti")
    if token.header.get("typ", "JWT") not in _TYPES:
        raise ValueError("type")
    begins = claims.get("nbf", claims["iat"])
    if type(begins) is not int or begins > time.time() + CLOCK_TOLERANCE_SECONDS:
        raise ValueError("not yet")
    token.check_times(ASSERTION_SECONDS)
    return subject


async def _use_up(session: AsyncSession, client_id: UUID, token: Token) -> None:
    """Remember the assertion until it has expired. Raises client_refused for one that was used."""
    until = datetime.fromtimestamp(token.claims["exp"], UTC) + timedelta(seconds=2 * CLOCK_TOLERANCE_SECONDS)
    digest = hashlib.sha256(token.claims["jti"].encode()).digest()
    expired = delete(_USED).where(_USED.c.client_id == client_id, _USED.c.expires_at < datetime.now(UTC))
    await session.execute(expired)
    used = insert(_USED).values(client_id=client_id, jti_digest=digest, expires_at=until).on_conflict_do_nothing()
    if (await session.execute(used.returning(_USED.c.client_id))).first() is None:
        raise client_refused()


async def _rows(session: AsyncSession, client_id: UUID) -> Sequence[Any]:
    """The client as often as it has live secrets, at least once; nothing when it is unknown or disabled."""
    secrets = and_(SECRETS.c.client_id == TABLE.c.id, *IS_LIVE)
    found = (
        select(TABLE.c.id, TABLE.c.session_id, TABLE.c.scopes, TABLE.c.public_jwk, SECRETS.c.digest)
        .select_from(TABLE.outerjoin(SECRETS, secrets))
        .where(TABLE.c.id == client_id, TABLE.c.disabled_at.is_(None))
    )
    return (await session.execute(found)).all()


def _client_id(text: str) -> UUID:
    # What is no id of ours is looked for all the same: the answer takes as long.
    try:
        return UUID(text)
    except ValueError:
        return uuid4()
