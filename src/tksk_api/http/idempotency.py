"""`Idempotency-Key`: the first answer is stored with its effect, in one transaction, and given again to a retry."""

import json
import re
from typing import Any
from urllib.parse import quote

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.database.session import principal_of, scope_of
from tksk_api.domain.history.access import record_access
from tksk_api.errors import DomainError
from tksk_api.security.crypto import Keyring

KEPT_DAYS = 7
_KEY = re.compile(r'"?([!#-~]{1,128})"?')
_PURPOSE = "idempotency_keys.body"
# Members of bodies that are left out of the fingerprint: what is kept for a week must tell nothing about a password.
SECRETS = frozenset({"password", "current_password", "new_password", "otp", "recovery_code", "passphrase"})
_CLAIM = text(
    "INSERT INTO idempotency_keys (user_id, operation, key, fingerprint) VALUES (:user, :operation, :key, :print) "
    "ON CONFLICT (user_id, operation, key) DO UPDATE SET fingerprint = excluded.fingerprint, created_at = now(), "
    "status = NULL, body = NULL, headers = '{}', subject_ids = '{}', fields = NULL "
    "WHERE idempotency_keys.created_at < now() - make_interval(days => :days) RETURNING 1"
)
_FIND = text(
    "SELECT fingerprint, status, headers, body, subject_ids, fields FROM idempotency_keys "
    "WHERE user_id = :user AND operation = :operation AND key = :key"
)
_KEEP = text(
    "UPDATE idempotency_keys SET status = :status, headers = CAST(:headers AS jsonb), body = :body, "
    "subject_ids = app.recorded_people(), fields = app.recorded_fields() "
    "WHERE user_id = :user AND operation = :operation AND key = :key"
)

_RELEASE = text("DELETE FROM idempotency_keys WHERE user_id = :user AND operation = :operation AND key = :key")


class Replayed(Exception):
    """The request was answered before; this is that answer."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class KeyedRequest:
    """One request that carries an Idempotency-Key, inside the transaction of its effect."""

    def __init__(self, session: AsyncSession, keyring: Keyring, request: Request, header: str) -> None:
        match = _KEY.fullmatch(header.strip())
        if match is None:
            raise DomainError("idempotency_key_invalid")
        self._session = session
        self._keyring = keyring
        # Where and for whom the caller works belongs to the request: what was answered in one place or office is not
        # given again in another.
        scope = scope_of(session)
        place = [scope.regions, scope.agency_id, principal_of(session).role]
        content = [_without_secrets(getattr(request, "_json", None)), place]
        self._print = keyring.mac("idempotency", json.dumps(content, sort_keys=True, ensure_ascii=False).encode())
        self._row = {
            "user": principal_of(session).user_id,
            "operation": f"{request.method} {quote(request.url.path)}"[:300],
            "key": match[1],
        }
        self._bound = f"{self._row['user']}|{self._row['operation']}|{match[1]}"

    async def claim(self) -> None:
        """Claim the key. A concurrent duplicate waits here for the first one.

        Raises Replayed, idempotency_mismatch (other content) or idempotency_in_progress (waited in vain).
        """
        connection = await self._session.connection()
        try:
            claimed = await connection.execute(_CLAIM, {**self._row, "print": self._print, "days": KEPT_DAYS})
        except DBAPIError as error:
            if isinstance(getattr(error.orig, "__cause__", None), asyncpg.LockNotAvailableError):
                raise DomainError("idempotency_in_progress", retry_after=2) from error
            raise
        if claimed.first() is not None:
            return
        first: Any = (await connection.execute(_FIND, self._row)).one()
        if bytes(first.fingerprint) != self._print:
            raise DomainError("idempotency_mismatch")
        if first.status is None:
            raise DomainError("idempotency_in_progress", retry_after=2)
        body = self._keyring.decrypt(_PURPOSE, self._bound, bytes(first.body))
        if first.subject_ids:
            await record_access(self._session, first.subject_ids, purpose="service", fields=first.fields)
            await self._session.commit()  # nothing else was done; Replayed would undo it
        raise Replayed(Response(body, first.status, {**first.headers, "Idempotency-Replayed": "true"}))

    async def release(self) -> None:
        """Give the key back: the answer holds a secret and is not kept."""
        await (await self._session.connection()).execute(_RELEASE, self._row)

    async def keep(self, response: Response) -> None:
        """Store the answer beside the effect."""
        headers = {
            name: value
            for name, value in response.headers.items()
            if name in ("content-type", "etag", "location", "cache-control")
        }
        connection = await self._session.connection()
        await connection.execute(
            _KEEP,
            {
                **self._row,
                "status": response.status_code,
                "headers": json.dumps(headers),
                "body": self._keyring.encrypt(_PURPOSE, self._bound, bytes(response.body)),
            },
        )


def _without_secrets(body: Any) -> Any:
    return {name: value for name, value in body.items() if name not in SECRETS} if isinstance(body, dict) else body
