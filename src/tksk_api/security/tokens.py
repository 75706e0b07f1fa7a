"""The one place where access tokens are made and verified (RFC 9068): ES256 by python-jose, behind a strict pre-check.

People and machine clients have audiences of their own, so that no token of the one kind passes as the other's.
"""

import hashlib
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from cachetools import LRUCache
from jose import jwt

from tksk_api.errors import DomainError
from tksk_api.security.jose import ALGORITHM, CLOCK_TOLERANCE_SECONDS, Shape, Token, read
from tksk_api.security.signing import SigningKeys

AUDIENCE = "tksk-api"
MACHINE_AUDIENCE = "tksk-api-machine"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type, not a secret
CLIENT_ID = "tksk-first-party"
_HEADER = frozenset({"alg", "typ", "kid"})
_CLAIMS = frozenset({"iss", "aud", "sub", "sid", "client_id", "iat", "exp", "jti"})
_SHAPE = Shape(_HEADER, _CLAIMS, optional_claims=frozenset({"scope"}))


@dataclass(frozen=True)
class Credentials:
    """What a valid token says: which session. Role and region are asked of the database.

    `scopes` is what a machine client's token was narrowed to; None: a person's token, which has no scopes.
    """

    session_id: UUID
    user_id: UUID
    expires_at: int
    scopes: frozenset[str] | None = None


class Tokens:
    """Issues and verifies access tokens. A token whose signature was checked once is remembered until it expires."""

    def __init__(self, keys: SigningKeys, issuer: str, lifetime_seconds: int) -> None:
        self._issuer = issuer
        self._lifetime = lifetime_seconds
        self._seen: LRUCache[bytes, tuple[str, Credentials]] = LRUCache(maxsize=50_000)
        self.keys = keys

    @property
    def lifetime_seconds(self) -> int:
        return self._lifetime

    def issue(self, user_id: UUID, session_id: UUID) -> str:
        """A token for a person's session; nothing in it grants anything."""
        return self._sign({"aud": AUDIENCE, "sub": str(user_id), "sid": str(session_id), "client_id": CLIENT_ID})

    def issue_to_machine(self, client_id: UUID, session_id: UUID, scopes: Collection[str]) -> str:
        """A token for a machine client. Its scopes only narrow what the database says the client may do."""
        own = {"sub": str(client_id), "sid": str(session_id), "client_id": str(client_id)}
        return self._sign({"aud": MACHINE_AUDIENCE, **own, "scope": " ".join(sorted(scopes))})

    def _sign(self, claims: dict[str, Any]) -> str:
        now = int(time.time())
        key = self.keys.current()
        times = {"iat": now, "exp": now + self._lifetime}
        token: str = jwt.encode(
            {"iss": self._issuer, **claims, **times, "jti": str(uuid4())},
            key.private_pem,
            ALGORITHM,
            headers={"kid": key.kid, "typ": TOKEN_TYPE},
        )
        return token

    def verify(self, token: str) -> Credentials:
        """The credentials of a token of ours that has not expired. Raises `unauthenticated` for anything else."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._seen.get(digest)
        if known is None:
            try:
                known = self._verify(token)
            except ValueError as error:
                raise DomainError("unauthenticated") from error
            self._seen[digest] = known
        kid, credentials = known
        if self.keys.verifier(kid) is None or credentials.expires_at + CLOCK_TOLERANCE_SECONDS < time.time():
            raise DomainError("unauthenticated")
        return credentials

    def _verify(self, text: str) -> tuple[str, Credentials]:
        token = read(text, _SHAPE)
        if token.header["typ"] != TOKEN_TYPE or token.claims["iss"] != self._issuer:
            raise ValueError("made by somebody else, or for another use")
        token.check_times(self._lifetime)
        _uuid(token.claims["jti"])
        credentials = _credentials(token)
        key = self.keys.verifier(token.header["kid"])
        if key is None:
            raise ValueError("unknown key")
        token.check_signature(key)
        return token.header["kid"], credentials


def _credentials(token: Token) -> Credentials:
    """Whose token it is, by its audience. Raises ValueError for one that mixes the kinds."""
    claims = token.claims
    session_id, caller_id = _uuid(claims["sid"]), _uuid(claims["sub"])
    if claims["aud"] == AUDIENCE and claims["client_id"] == CLIENT_ID and "scope" not in claims:
        return Credentials(session_id, caller_id, claims["exp"])
    if claims["aud"] == MACHINE_AUDIENCE and claims["client_id"] == claims["sub"]:
        scope = claims.get("scope")
        if isinstance(scope, str):
            return Credentials(session_id, caller_id, claims["exp"], frozenset(scope.split()))
    raise ValueError("addressed to somebody else")


def _uuid(value: Any) -> UUID:
    if not isinstance(value, str):
        raise ValueError("not text")  # UUID() of anything else raises AttributeError
    return UUID(value)
