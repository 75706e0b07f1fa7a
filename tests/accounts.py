"""Signing in over HTTP as a client does: users with a password, pairs of tokens, one-time codes."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pyotp
from fastapi import FastAPI
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from helpers import PANJANG, add_user
from tksk_api.main import create_app
from tksk_api.settings import Settings

PASSWORD = "padi menguning di sawah"
# Argon2id as in production, with parameters that cost nothing; they are part of the hash.
_CHEAP = PasswordHash((Argon2Hasher(memory_cost=64, time_cost=1, parallelism=1),))


def hashed(password: str = PASSWORD) -> str:
    return _CHEAP.hash(password)


async def add_account(
    owner: Any, username: str, role: str = "tksk", region: str | None = PANJANG, password: str = PASSWORD
) -> UUID:
    """A user with a password, without one-time codes and not signed in."""
    user_id, session_id = await add_user(
        owner, role, region, username=username, password_hash=hashed(password), otp_enrolled=False
    )
    await owner.execute("DELETE FROM user_sessions WHERE id = $1", session_id)
    return user_id


async def sign_in(
    client: Any, username: str = "tksk.panjang", password: str = PASSWORD, headers: Any = None, **over: Any
) -> httpx.Response:
    body = {"username": username, "password": password, **over}
    answer: httpx.Response = await client.post("/v1/auth/login", json=body, headers=headers)
    return answer


async def signed_in(client: Any, username: str = "tksk.panjang", **over: Any) -> dict[str, Any]:
    """The pair of tokens of a sign-in that works."""
    answer = await sign_in(client, username, **over)
    assert answer.status_code == 200, answer.text
    pair: dict[str, Any] = answer.json()
    return pair


async def refresh(client: Any, token: str) -> httpx.Response:
    answer: httpx.Response = await client.post("/v1/auth/refresh", json={"refresh_token": token})
    return answer


def bearer(pair: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair['access_token']}"}


def code(secret: str, steps: int = 0) -> str:
    """What the app shows now, or so many steps of 30 seconds later."""
    return pyotp.TOTP(secret).at(int(time.time()), counter_offset=steps)


async def enrol(client: Any, headers: dict[str, str], password: str = PASSWORD) -> tuple[str, list[str]]:
    """Set up one-time codes; the secret and the recovery codes. The code of this half minute is used up by it."""
    begun = await client.post("/v1/me/otp", json={"password": password}, headers=headers)
    assert begun.status_code == 200, begun.text
    secret: str = begun.json()["secret"]
    confirmed = await client.post("/v1/me/otp/confirm", json={"otp": code(secret)}, headers=headers)
    assert confirmed.status_code == 200, confirmed.text
    return secret, confirmed.json()["recovery_codes"]


async def next_code(owner: Any, secret: str) -> str:
    """The code of this half minute, as if none had been used yet: tests do not wait for the next one."""
    await owner.execute("UPDATE users SET otp_last_step = NULL")
    return code(secret)


@asynccontextmanager
async def another_app(settings: Settings, **over: Any) -> AsyncIterator[FastAPI]:
    """A second process of the same installation, as far as a test can have one."""
    app = create_app(settings.model_copy(update=over))
    async with app.router.lifespan_context(app):
        yield app


def caller_from(app: FastAPI, host: str) -> httpx.AsyncClient:
    """HTTP without credentials from another address."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(host, 40_000))
    return httpx.AsyncClient(transport=transport, base_url="http://test")
