"""Pure rules of machine clients: their areas, and what a token request (RFC 6749, RFC 7523) may look like."""

import base64
import binascii
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_plus

from tksk_api.errors import DomainError

GRANT_TYPE = "client_credentials"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_BASIC = re.compile(r"basic +([A-Za-z0-9+/]+={0,2})", re.IGNORECASE)
_SCOPE = re.compile(r"[!#-\[\]-~]+( [!#-\[\]-~]+)*")  # RFC 6749 §3.3


@dataclass(frozen=True)
class TokenRequest:
    """Who asks, by secret or by signed assertion, and for which scopes; None: all that the client has."""

    client_id: str
    secret: str | None
    assertion: str | None
    scopes: frozenset[str] | None


def repeated(entries: Sequence[str]) -> Iterator[int]:
    """Places of entries that stood in the list before."""
    return (index for index, entry in enumerate(entries) if entry in entries[:index])


def smallest(regions: Collection[str]) -> list[str]:
    """The same area in the fewest codes, widest first: what lies inside another code is left out."""
    if "ID" in regions:
        return ["ID"]
    kept = [code for code in regions if not any(code.startswith(other + ".") for other in regions)]
    return sorted(kept, key=lambda code: (len(code), code))


def token_error(code: str, error: str, reason: str) -> DomainError:
    """A problem that is also an OAuth error: `error` and `error_description` of RFC 6749 §5.2 (plain ASCII)."""
    return DomainError(code, error=error, error_description=reason, reason=reason)


def request_error(reason: str) -> DomainError:
    return token_error("token_request_invalid", "invalid_request", reason)


def client_refused() -> DomainError:
    """One answer for every reason: unknown, disabled, wrong or old secret, bad or used assertion."""
    return token_error("client_refused", "invalid_client", "client authentication failed")


def token_request(form: Mapping[str, str], authorization: str | None) -> TokenRequest:
    """The request for a token, with exactly one way of proving who asks (RFC 6749 §2.3).

    Raises token_request_invalid, grant_type_unsupported, scope_refused, client_refused.
    """
    if "grant_type" not in form:
        raise request_error("grant_type is missing")
    if form["grant_type"] != GRANT_TYPE:
        raise token_error("grant_type_unsupported", "unsupported_grant_type", f"use {GRANT_TYPE}")
    ways = [authorization is not None, "client_secret" in form, "client_assertion" in form]
    if sum(ways) != 1:
        raise request_error("use one way of client authentication") if any(ways) else client_refused()
    scopes = _scopes(form.get("scope"))
    if authorization is not None:
        client_id, secret = _basic(authorization)
        if form.get("client_id", client_id) != client_id:
            raise request_error("client_id differs from the Authorization header")
        return TokenRequest(client_id, secret, None, scopes)
    if "client_secret" in form:
        if "client_id" not in form:
            raise request_error("client_id is missing")
        return TokenRequest(form["client_id"], form["client_secret"], None, scopes)
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise request_error(f"client_assertion_type must be {ASSERTION_TYPE}")
    return TokenRequest(form.get("client_id", ""), None, form["client_assertion"], scopes)


def _scopes(asked: str | None) -> frozenset[str] | None:
    if asked is None:
        return None
    if not _SCOPE.fullmatch(asked):
        raise token_error("scope_refused", "invalid_scope", "scopes are separated by one space")
    return frozenset(asked.split(" "))


def _basic(authorization: str) -> tuple[str, str]:
    # RFC 6749 §2.3.1: both parts are form-encoded before they are joined and base64-encoded.
    match = _BASIC.fullmatch(authorization)
    try:
        pair = base64.b64decode(match[1], validate=True).decode() if match else ""
    except (binascii.Error, UnicodeDecodeError) as error:
        raise client_refused() from error
    client_id, colon, secret = pair.partition(":")
    if not colon:
        raise client_refused()
    return unquote_plus(client_id), unquote_plus(secret)
