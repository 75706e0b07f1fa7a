"""Passwords: argon2id in a bounded pool, so that a storm of sign-ins cannot take the API down."""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from tksk_api.errors import DomainError, invalid

MIN_LENGTH = 12
MAX_LENGTH = 128
_CONTEXT = (
    "tksk",
    "sktm",
    "dinsos",
    "bansos",
    "kecamatan",
    "kelurahan",
    "password",
    "katasandi",
    "rahasia",
    "123456",
    "qwerty",
)
_T = TypeVar("_T")


class Passwords:
    """Hash and verify with OWASP's argon2id minimum (19 MiB, t=2, p=1); more waiting than the queue holds is a 503."""

    def __init__(self, workers: int, queue: int) -> None:
        self._hash = PasswordHash((Argon2Hasher(memory_cost=19_456, time_cost=2, parallelism=1),))
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._room = queue
        self._waiting = 0
        # Verified against when the user is unknown, so that both cases cost the same.
        self._nobody = self._hash.hash(secrets.token_urlsafe(16))

    async def _bounded(self, call: "partial[_T]") -> _T:
        if self._waiting >= self._room:
            raise DomainError("unavailable", retry_after=5)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, call)
        finally:
            self._waiting -= 1

    async def hash(self, password: str) -> str:
        return await self._bounded(partial(self._hash.hash, password))

    async def verify(self, password: str, stored: str | None) -> bool:
        """True only for the right password of a known user; the work is the same either way."""
        matches = await self._bounded(partial(self._hash.verify, password, stored or self._nobody))
        return matches and stored is not None

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def check_new_password(password: str, *context: str) -> None:
    """Length, guessable words and the user's own names (NIST SP 800-63B-4: no composition rules, no rotation).

    Raises invalid_request with `password_too_short` or `password_common` at /new_password.
    """
    if len(password) < MIN_LENGTH:
        raise invalid("/new_password", "password_too_short", min=MIN_LENGTH)
    plain = password.casefold()
    for word in (*_CONTEXT, *(part.casefold() for name in context for part in name.replace(".", " ").split())):
        if len(word) > 3:
            plain = plain.replace(word, "")
    if len(plain) < 8 or len(set(plain)) < 5 or plain.isdigit():
        raise invalid("/new_password", "password_common")


def setup_secret() -> str:
    """A first-login secret of 128 random bits; it is shown once and must be replaced at the first sign-in."""
    return secrets.token_urlsafe(16)
