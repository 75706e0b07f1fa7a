"""Passwords: argon2id in a bounded pool, so that a storm of sign-ins cannot take the API down."""

import asyncio
import re
import secrets
import unicodedata
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from zxcvbn import zxcvbn

from tksk_api.errors import DomainError, invalid

MAX_LENGTH = 128
LENGTH_ALONE = 15  # NIST SP 800-63B-4 §3.1.1.2: a password that is the only factor
LENGTH_WITH_CODE = 8  # and one that is used with a one-time code
_GUESSES_ALONE = 10**10
_GUESSES_WITH_CODE = 10**8
_LOOKED_AT = 40  # characters: guessing how to guess costs time by the square of the length
_RETRY_SECONDS = 5
# What people of this house, and of this country, take for a password when they may choose one.
_CONTEXT = (
    "tksk sktm dinsos bansos kemensos dtsen dtks pkh sembako kecamatan kelurahan desa camat lurah dinas sosial bantuan "
    "kesejahteraan petugas admin operator password katasandi sandi rahasia masuk indonesia merdeka garuda pancasila "
    "jakarta bismillah alhamdulillah sayang sayangku cinta cintaku selamanya keluarga semangat sukses selamat bahagia"
)
_T = TypeVar("_T")


class Passwords:
    """Hash and verify with OWASP's argon2id minimum (19 MiB, t=2, p=1); more waiting than the queue holds is a 503."""

    def __init__(self, workers: int, queue: int) -> None:
        self._argon2 = PasswordHash((Argon2Hasher(memory_cost=19_456, time_cost=2, parallelism=1),))
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._room = queue
        self._waiting = 0
        # Verified against when the user is unknown, so that both cases cost the same.
        self._nobody = self._argon2.hash(secrets.token_urlsafe(16))

    @contextmanager
    def turn(self) -> Iterator["Turn"]:
        """A place in the queue. Taken before anything else is done, it keeps a storm away from the database too.

        Raises unavailable when the queue is full.
        """
        if self._waiting >= self._room:
            raise DomainError("unavailable", retry_after=_RETRY_SECONDS)
        self._waiting += 1
        try:
            yield Turn(self._argon2, self._pool, self._nobody)
        finally:
            self._waiting -= 1

    async def hash(self, password: str) -> str:
        with self.turn() as turn:
            return await turn.hash(password)

    async def verify(self, password: str, stored: str | None) -> bool:
        with self.turn() as turn:
            return await turn.verify(password, stored)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


class Turn:
    """What the holder of a place may ask for; each call runs as soon as a worker is free."""

    def __init__(self, argon2: PasswordHash, pool: ThreadPoolExecutor, nobody: str) -> None:
        self._argon2 = argon2
        self._pool = pool
        self._nobody = nobody

    async def _run(self, call: Callable[..., _T], *arguments: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, call, *arguments)

    async def hash(self, password: str) -> str:
        return await self._run(self._argon2.hash, _exactly(password))

    async def verify(self, password: str, stored: str | None) -> bool:
        """True only for the right password of a known user; the work is the same either way."""
        matches = await self._run(self._argon2.verify, _exactly(password), stored or self._nobody)
        return matches and stored is not None

    async def check_new(self, password: str, names: Collection[str], *, with_code: bool) -> None:
        """Length and guessability (NIST SP 800-63B-4 §3.1.1.2: no rules of composition, no expiry).

        `names` are the user's own: user name, full name, places. Raises invalid_request with `password_too_short` or
        `password_common` at /new_password.
        """
        shortest = LENGTH_WITH_CODE if with_code else LENGTH_ALONE
        if len(_exactly(password)) < shortest:
            raise invalid("/new_password", "password_too_short", min=shortest)
        enough = _GUESSES_WITH_CODE if with_code else _GUESSES_ALONE
        if await self._run(guesses, _exactly(password), tuple(names)) < enough:
            raise invalid("/new_password", "password_common")


def _exactly(password: str) -> str:
    """As it was typed; only the two ways to write one accented letter are made one (Unicode NFC)."""
    return unicodedata.normalize("NFC", password)


def guesses(password: str, names: Collection[str]) -> int:
    """About how many tries somebody needs who knows the user: words, names, dates and keyboard rows count little.

    Digits alone are a phone number or a NIK: looked up, not guessed.
    """
    if password.isdigit():
        return 0
    known = [*_CONTEXT.split(), *(name.casefold() for name in names)]
    known += [part for name in names for part in re.findall(r"[^\W_]{3,}", name.casefold())]
    seen = password[:_LOOKED_AT]
    tries = [int(zxcvbn(seen, user_inputs=known)["guesses"])]
    joined = re.sub(r"[\W_]+", "", seen)
    if joined:  # words of a list stay words of a list with a hyphen or a blank between them
        found = zxcvbn(joined, user_inputs=known)
        if all(match["pattern"] != "bruteforce" for match in found["sequence"]):
            tries.append(int(found["guesses"]) * 2 ** (len(seen) - len(joined)))
    return min(tries)


def setup_secret() -> str:
    """A first-login secret of 128 random bits; it is shown once and must be replaced at the first sign-in."""
    return secrets.token_urlsafe(16)
