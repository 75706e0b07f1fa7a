"""Links that carry their own, short credentials: for a browser, which sends no token with an image."""

import base64
import binascii
import time
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request

from tksk_api.errors import DomainError
from tksk_api.security.crypto import KeyFileError, Keyring
from tksk_api.security.tokens import Credentials

LIFETIME_MINUTES = 1
SIGNATURE = "signature"
_PURPOSE = "links.signature"


def signed_link(
    keyring: Keyring, credentials: Credentials, path: str, *, minutes: int = LIFETIME_MINUTES, **query: str
) -> str:
    """The address with its expiry and signature: whoever holds it is taken for this session, for this address, now.

    The signature is authenticated encryption (AES-256-GCM) of session and user under path, query and expiry: nobody
    can make or change one, and it does not show whose it is.
    """
    query["expires"] = str(int(time.time()) + minutes * 60)
    holder = credentials.session_id.bytes + credentials.user_id.bytes
    sealed = keyring.encrypt(_PURPOSE, _bound(path, query), holder)
    signature = base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
    return f"{path}?{urlencode({**query, SIGNATURE: signature})}"


def link_credentials(request: Request) -> Credentials | None:
    """Whose link this is; None when the address carries no signature. Raises link_refused."""
    query = dict(request.query_params)
    signature = query.pop(SIGNATURE, None)
    if signature is None:
        return None
    expires = query.get("expires", "")
    if not expires.isascii() or not expires.isdigit() or len(expires) > 12 or int(expires) < time.time():
        raise DomainError("link_refused")
    keyring = request.app.state.house.keyring
    try:
        holder = keyring.decrypt(_PURPOSE, _bound(request.url.path, query), _bytes(signature))
    except (KeyFileError, ValueError, binascii.Error) as error:
        raise DomainError("link_refused") from error
    return Credentials(UUID(bytes=holder[:16]), UUID(bytes=holder[16:]), int(expires))


def _bytes(signature: str) -> bytes:
    sealed = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    if base64.urlsafe_b64encode(sealed).rstrip(b"=").decode() != signature:
        raise ValueError("another spelling of the same bytes")
    return sealed


def _bound(path: str, query: dict[str, str]) -> str:
    return f"{path}?{urlencode(sorted(query.items()))}"
