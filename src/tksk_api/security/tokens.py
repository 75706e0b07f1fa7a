"""The one place where tokens are made and verified: ES256 by python-jose, behind a strict pre-check.

The library alone can be crashed by deep JSON, ignores `crit`, and takes altered last characters (RELIABILITY §2.3);
nothing reaches it here that is not exactly of the form this system issues (RFC 8725, RFC 9068).
"""

import base64
import binascii
import hashlib
import json
import re
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from cachetools import LRUCache
from jose import jwt
from jose.backends import ECKey
from jose.exceptions import JOSEError

from tksk_api.errors import DomainError
from tksk_api.security.crypto import Keyring

ALGORITHM = "ES256"
AUDIENCE = "tksk-api"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type, not a secret
CLIENT_ID = "tksk-first-party"
_CLOCK_TOLERANCE_SECONDS = 30
_MAX_LENGTH = 2048
_MAX_NESTING = 8
_FORM = re.compile(r"[A-Za-z0-9_-]{1,1024}\.[A-Za-z0-9_-]{1,1024}\.[A-Za-z0-9_-]{86}")
_HEADER = {"alg", "typ", "kid"}
_CLAIMS = {"iss", "aud", "sub", "sid", "client_id", "iat", "exp", "jti"}


@dataclass(frozen=True)
class Credentials:
    """What a valid token says: which session. Role and region are asked of the database."""

    session_id: UUID
    user_id: UUID
    expires_at: int


class Tokens:
    """Issues and verifies access tokens. A token whose signature was checked once is remembered until it expires."""

    def __init__(self, keyring: Keyring, issuer: str, lifetime_seconds: int) -> None:
        self._issuer = issuer
        self._lifetime = lifetime_seconds
        self._signing = keyring.signing[0]
        self._keys = {key.kid: ECKey(key.jwk, ALGORITHM) for key in keyring.signing}
        self._seen: LRUCache[bytes, Credentials] = LRUCache(maxsize=50_000)
        self.jwks = {"keys": [key.jwk for key in keyring.signing]}

    @property
    def lifetime_seconds(self) -> int:
        return self._lifetime

    def issue(self, user_id: UUID, session_id: UUID) -> str:
        """A token for one session; nothing in it grants anything."""
        now = int(time.time())
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "sid": str(session_id),
            "client_id": CLIENT_ID,
            "iat": now,
            "exp": now + self._lifetime,
            "jti": str(uuid4()),
        }
        token: str = jwt.encode(
            claims, self._signing.private_pem, ALGORITHM, headers={"kid": self._signing.kid, "typ": TOKEN_TYPE}
        )
        return token

    def verify(self, token: str) -> Credentials:
        """The credentials of a token of ours that has not expired. Raises `unauthenticated` for anything else."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._seen.get(digest)
        if known is None:
            try:
                known = self._verify(token)
            except (ValueError, TypeError, KeyError, RecursionError, JOSEError, binascii.Error) as error:
                raise DomainError("unauthenticated") from error
            self._seen[digest] = known
        if known.expires_at + _CLOCK_TOLERANCE_SECONDS < time.time():
            raise DomainError("unauthenticated")
        return known

    def _verify(self, token: str) -> Credentials:
        if len(token) > _MAX_LENGTH or not _FORM.fullmatch(token):
            raise ValueError("form")
        header, payload, _ = (_part(part) for part in token.split("."))
        fields = _members(header, _HEADER)
        if fields["alg"] != ALGORITHM or fields["typ"] != TOKEN_TYPE or not isinstance(fields["kid"], str):
            raise ValueError("header")
        claims = _members(payload, _CLAIMS)
        if claims["iss"] != self._issuer or claims["aud"] != AUDIENCE or claims["client_id"] != CLIENT_ID:
            raise ValueError("addressed to somebody else")
        issued, expires = claims["iat"], claims["exp"]
        if type(issued) is not int or type(expires) is not int or not 0 < issued < expires < 2**33:
            raise ValueError("times")
        if expires - issued > self._lifetime or issued > time.time() + _CLOCK_TOLERANCE_SECONDS:
            raise ValueError("lifetime")
        _uuid(claims["jti"])
        credentials = Credentials(_uuid(claims["sid"]), _uuid(claims["sub"]), expires)
        jwt.decode(
            token,
            self._keys[fields["kid"]],
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=self._issuer,
            options={"leeway": _CLOCK_TOLERANCE_SECONDS},
        )
        return credentials


def _part(part: str) -> bytes:
    if len(part) % 4 == 1:
        raise ValueError("base64url length")
    decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != part:
        raise ValueError("another spelling of the same bytes")
    return decoded


def _uuid(value: Any) -> UUID:
    if not isinstance(value, str):
        raise ValueError("not text")  # UUID() of anything else raises AttributeError
    return UUID(value)


def _members(raw: bytes, expected: set[str]) -> dict[str, Any]:
    if raw.count(b"[") + raw.count(b"{") > _MAX_NESTING:
        raise ValueError("nesting")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise ValueError("duplicate member")
        return members

    def refuse(_: str) -> Any:
        raise ValueError("not a number")

    members = json.loads(raw.decode("utf-8"), object_pairs_hook=once, parse_constant=refuse, parse_float=refuse)
    if type(members) is not dict or set(members) != expected:
        raise ValueError("members")
    return members
