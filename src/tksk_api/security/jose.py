"""Strict reading of signed tokens (JWS compact form, RFC 7515): access tokens and the assertions of machine clients.

The library alone can be crashed by deep JSON, ignores `crit`, and takes altered last characters (RELIABILITY §2.3);
nothing reaches it here that is not exactly of the form expected (RFC 8725).
"""

import base64
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jose import jws
from jose.backends import ECKey
from jose.exceptions import JOSEError

ALGORITHM = "ES256"
CLOCK_TOLERANCE_SECONDS = 30
_MAX_LENGTH = 4096
_MAX_NESTING = 8
_FORM = re.compile(r"[A-Za-z0-9_-]{1,1024}\.[A-Za-z0-9_-]{1,2048}\.[A-Za-z0-9_-]{86}")
_COORDINATE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Shape:
    """The members a kind of token has: those it must have, and those it may have besides."""

    header: frozenset[str]
    claims: frozenset[str]
    optional_header: frozenset[str] = frozenset()
    optional_claims: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Token:
    """A token of the right form; whether its signature is good is still to be asked."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    def check_signature(self, key: ECKey) -> None:
        """Raises ValueError."""
        try:
            jws.verify(self.text, key, [ALGORITHM])
        except JOSEError as error:
            raise ValueError("signature") from error

    def check_times(self, longest_seconds: int) -> None:
        """`iat` and `exp` are whole seconds, not long ago and not far ahead of each other. Raises ValueError."""
        issued, expires, now = self.claims["iat"], self.claims["exp"], time.time()
        if type(issued) is not int or type(expires) is not int or not 0 < issued < expires < 2**33:
            raise ValueError("times")
        if expires - issued > longest_seconds or issued > now + CLOCK_TOLERANCE_SECONDS:
            raise ValueError("lifetime")
        if expires + CLOCK_TOLERANCE_SECONDS < now:
            raise ValueError("expired")


def read(text: str, shape: Shape) -> Token:
    """The token's members, before any cryptography. Raises ValueError for every other form or spelling."""
    if len(text) > _MAX_LENGTH or not _FORM.fullmatch(text):
        raise ValueError("form")
    header, payload, _ = (decoded(part) for part in text.split("."))
    fields = _members(header, shape.header, shape.optional_header)
    if fields["alg"] != ALGORITHM or not isinstance(fields.get("kid", ""), str):
        raise ValueError("header")
    return Token(text, fields, _members(payload, shape.claims, shape.optional_claims))


def decoded(part: str) -> bytes:
    """Base64url without padding, in its one canonical spelling. Raises ValueError."""
    if len(part) % 4 == 1:
        raise ValueError("base64url length")
    raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != part:
        raise ValueError("another spelling of the same bytes")
    return raw


def public_key(jwk: Mapping[str, Any]) -> ECKey:
    """The key of a public P-256 JWK (RFC 7517). Raises ValueError, also for a point that is not on the curve."""
    if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256" or "d" in jwk:
        raise ValueError("not a public P-256 key")
    for name in ("x", "y"):
        if not isinstance(jwk.get(name), str) or not _COORDINATE.fullmatch(jwk[name]):
            raise ValueError("coordinate")
        decoded(jwk[name])
    try:
        return ECKey(dict(jwk), ALGORITHM)
    except JOSEError as error:
        raise ValueError("key") from error


def _members(raw: bytes, required: frozenset[str], optional: frozenset[str]) -> dict[str, Any]:
    if raw.count(b"[") + raw.count(b"{") > _MAX_NESTING:
        raise ValueError("nesting")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise ValueError("duplicate member")
        return members

    def refuse(_: str) -> Any:
        raise ValueError("not a whole number")

    members = json.loads(raw.decode("utf-8"), object_pairs_hook=once, parse_constant=refuse, parse_float=refuse)
    if type(members) is not dict or not required <= set(members) <= required | optional:
        raise ValueError("members")
    return members
