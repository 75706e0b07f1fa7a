"""How long an answer takes tells nothing: whether an account exists, a row lies elsewhere, a person is registered.

Both questions are asked in turn, and what counts is the median of the differences of the pairs, so that a busy machine
slows both alike. A busy moment may still spoil a round, so a gap must show in three.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median
from uuid import uuid4

from helpers import AMPENAN, AMPENAN_VILLAGE, PANJANG, add_person, add_user, nik

LIMIT = 0.005
ROUNDS = 3
Ask = Callable[[], Awaitable[object]]


async def gap(one: Ask, other: Ask, pairs: int) -> float:
    """The median difference in seconds; the smallest of the rounds, and no further round once one is good."""
    smallest = float("inf")
    for _ in range(ROUNDS):
        await one(), await other()
        differences = []
        for number in range(pairs):
            first, second = (one, other) if number % 2 else (other, one)
            took = {ask: await _seconds(ask) for ask in (first, second)}
            differences.append(took[one] - took[other])
        smallest = min(smallest, abs(median(differences)))
        if smallest < LIMIT:
            break
    return smallest


async def _seconds(ask: Ask) -> float:
    started = time.perf_counter()
    await ask()
    return time.perf_counter() - started


async def test_an_unknown_user_takes_as_long_as_a_wrong_password(app, client, owner):
    known = f"dikenal.{uuid4().hex[:8]}"
    hashed = await app.state.house.passwords.hash("tujuh belas kapal nelayan")
    await add_user(owner, "tksk", PANJANG, username=known, password_hash=hashed, otp_enrolled=False)

    def sign_in(username: str) -> Ask:
        async def ask() -> None:
            answer = await client.post("/v1/auth/login", json={"username": username, "password": "kapal yang salah"})
            assert (answer.status_code, answer.json()["code"]) == (401, "credentials_refused")
            await owner.execute("DELETE FROM sign_in_throttles")  # else the fourth try would be put off

        return ask

    assert await gap(sign_in(known), sign_in("tidak.dikenal"), 12) < LIMIT


async def test_a_row_elsewhere_takes_as_long_as_none(as_):
    here, there = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    elsewhere = (await add_person(there, village_code=AMPENAN_VILLAGE))["id"]

    def read(key: str) -> Ask:
        async def ask() -> None:
            assert (await here.get(f"/v1/beneficiaries/{key}")).status_code == 404

        return ask

    assert await gap(read(elsewhere), read(str(uuid4())), 60) < LIMIT


async def test_yes_takes_as_long_as_no(as_, owner):
    """It says which, of course; but the time is not to say more, as of somebody whose data is being processed."""
    here, there = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    number = nik()
    await add_person(there, nik=number, village_code=AMPENAN_VILLAGE)

    def exists(asked: str, *, expected: bool) -> Ask:
        async def ask() -> None:
            answer = await here.post("/v1/beneficiaries/exists", json={"nik": asked})
            assert answer.status_code == 200, answer.text
            assert answer.json()["exists"] is expected
            await owner.execute("DELETE FROM rate_limits")

        return ask

    assert await gap(exists(number, expected=True), exists(nik(), expected=False), 40) < LIMIT


async def test_a_gap_is_noticed():
    async def slow() -> None:
        await asyncio.sleep(0.012)

    async def fast() -> None:
        await asyncio.sleep(0.001)

    assert 0.006 < await gap(slow, fast, 5) < 0.1
    assert 0.006 < await gap(fast, slow, 5) < 0.1
    assert await gap(fast, fast, 5) < LIMIT
