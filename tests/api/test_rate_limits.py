"""Quotas: shared by all processes, said in every answer, and not to be talked out of."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from architecture.specification import operations
from helpers import PANJANG, Caller, add_person, add_user, code_of
from tksk_api.domain.limits.service import counter_key, window_end
from tksk_api.http import rate
from tksk_api.http.rate import Policy, RateLimits, address_of
from tksk_api.main import create_app
from tksk_api.security.crypto import load_key_file
from tksk_api.settings import Settings

PUBLIC_URL = "/v1/reference/pillars"
REVEAL = {"fields": ["nik"], "purpose": "letter_processing", "reason": "Melengkapi surat untuk sekolah"}
LIMITS = ("requests_per_minute", "public_requests_per_minute", "sign_in_per_minute", "verification_per_minute")


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _shared_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "_SHARE_SECONDS", 3600.0)


@asynccontextmanager
async def running(settings: Settings, clock: Clock, **over: Any) -> AsyncIterator[FastAPI]:
    """An application of its own, as another process would be, with small quotas; it shares when it is told to."""
    app = create_app(settings.model_copy(update={**dict.fromkeys(LIMITS, 5), **over}))
    async with app.router.lifespan_context(app):
        app.state.house.limits._clock = clock
        yield app


def browser(app: FastAPI, address: str, **headers: str) -> httpx.AsyncClient:
    """Somebody without a token at an address."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(address, 1234))
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)


def address() -> str:
    """One that no other test, and no test before this one, has used."""
    return f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"


async def share(*apps: FastAPI) -> None:
    for app in apps:
        await app.state.house.limits.share(app.state.house.engine)


def left(answer: httpx.Response) -> int:
    return int(re.fullmatch(r'"[a-z-]+";r=(\d+);t=\d+', answer.headers["ratelimit"])[1])  # type: ignore[index]


async def caller(app: FastAPI, owner: Any) -> Caller:
    user_id, session_id = await add_user(owner, "tksk", PANJANG)
    token = app.state.house.tokens.issue(user_id, session_id)
    return Caller(app, token, user_id=user_id, session_id=session_id, role="tksk", region=PANJANG)


# ---- one process -----------------------------------------------------------------------------------------------------


async def test_what_is_left_falls_until_429_and_comes_back_with_the_next_window(settings, owner, clock):
    async with running(settings, clock) as app, await caller(app, owner) as tksk:
        answers = [await tksk.get("/v1/me") for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        assert [left(answer) for answer in answers] == [4, 3, 2, 1, 0, 0, 0]
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"default";q=5;w=60'}
        refused = answers[-1]
        assert code_of(refused) == "too_many_requests"
        assert refused.json()["violated_policies"] == ["default"]
        wait = int(refused.headers["retry-after"])
        assert refused.json()["retry_after"] == wait
        assert refused.headers["ratelimit"] == f'"default";r=0;t={wait}'
        clock.now += wait - 1
        assert (await tksk.get("/v1/me")).status_code == 429
        clock.now += 1
        assert (await tksk.get("/v1/me")).status_code == 200


async def test_each_user_has_a_quota_of_their_own_whatever_the_address(settings, owner, clock):
    async with running(settings, clock) as app, await caller(app, owner) as one, await caller(app, owner) as other:
        for _ in range(6):
            last = await one.get("/v1/me")
        assert last.status_code == 429
        assert (await other.get("/v1/me")).status_code == 200


async def test_every_operation_says_what_is_left_but_the_checks_of_health(settings, clock):
    async with running(settings, clock, **dict.fromkeys(LIMITS, 1000)) as app, browser(app, address()) as nobody:
        for operation in operations(app):
            path = operation.url(**dict.fromkeys(operation.path_parameters, "x"))
            answer = await nobody.request(operation.method, path)
            silent = operation.name in ("livez", "readyz")
            assert ("ratelimit" in answer.headers) is not silent, operation.name
            assert ("429" in operation.raw["responses"]) is not silent, operation.name


async def test_a_public_address_is_limited_and_a_bad_token_does_not_help(settings, clock):
    async with running(settings, clock) as app, browser(app, "203.0.113.7") as nobody:
        statuses = [(await nobody.get(PUBLIC_URL)).status_code for _ in range(3)]
        bad = {"Authorization": "Bearer x"}
        statuses += [(await nobody.get("/v1/me", headers=bad)).status_code for _ in range(2)]
        assert statuses == [200, 200, 200, 401, 401]
        answer = await nobody.get("/v1/me", headers=bad)
        assert (answer.status_code, answer.json()["violated_policies"]) == (429, ["public"])
        assert (await nobody.get(PUBLIC_URL)).status_code == 429


async def test_signing_in_has_a_quota_of_its_own(settings, clock):
    async with running(settings, clock, public_requests_per_minute=100) as app, browser(app, address()) as nobody:
        body = {"refresh_token": "x" * 43}
        answers = [await nobody.post("/v1/auth/refresh", json=body) for _ in range(6)]
        assert answers[0].headers["ratelimit-policy"] == '"sign-in";q=5;w=60'
        assert [answer.status_code for answer in answers] == [401] * 5 + [429]
        assert (await nobody.get(PUBLIC_URL)).status_code == 200


def test_everything_that_gives_tokens_counts_as_signing_in(app):
    public_posts = {
        operation.name for operation in operations(app) if operation.is_public and operation.method == "POST"
    }
    signing_in = {operation.name for operation in operations(app) if operation.raw.get("x-rate-limit") == "sign-in"}
    assert public_posts >= {"login", "refresh"}
    assert signing_in >= public_posts


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Forwarded-For", "198.51.100.{}"),
        ("X-Real-IP", "198.51.100.{}"),
        ("Forwarded", "for=198.51.100.{}"),
        ("X-Client-IP", "198.51.100.{}"),
    ],
)
async def test_a_forwarded_address_that_nobody_vouches_for_changes_nothing(settings, clock, name, value):
    async with running(settings, clock) as app, browser(app, address()) as nobody:
        answers = [await nobody.get(PUBLIC_URL, headers={name: value.format(number)}) for number in range(6)]
        assert answers[-1].status_code == 429


@pytest.mark.parametrize(
    ("client", "counted"),
    [
        (("203.0.113.9", 1), "203.0.113.9"),
        (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::/64"),
        (("2001:db8:1:2:ffff::1", 1), "2001:db8:1:2::/64"),
        (("::ffff:203.0.113.9", 1), "203.0.113.9"),
        (("fe80::1%eth0", 1), "fe80::/64"),
        (("", 1), "-"),
        (("garbage", 1), "-"),
        (("203.0.113.9, 10.0.0.1", 1), "-"),
        (None, "-"),
    ],
)
def test_an_address_is_counted_as_what_one_customer_holds(client, counted):
    assert address_of({"client": client}) == counted


@pytest.mark.parametrize(
    ("accept", "language", "word"),
    [
        ("text/html", "id", "Tunggu"),
        ("text/html,*/*;q=0.8", "en", "reload this page"),
        ("application/json", "id", None),
    ],
)
async def test_too_many_verifications_are_refused_as_a_page_for_people(settings, clock, accept, language, word):
    headers = {"Accept": accept, "Accept-Language": language}
    async with running(settings, clock, verification_per_minute=2) as app, browser(app, address(), **headers) as phone:
        answers = [await phone.get("/verify/abc") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        refused = answers[-1]
        wait = refused.headers["retry-after"]
        assert refused.headers["ratelimit-policy"] == '"verification";q=2;w=60'
        if word is None:
            assert code_of(refused) == "too_many_requests"
        else:
            assert refused.headers["content-type"].startswith("text/html")
            assert refused.headers["content-language"] == language
            assert f'<html lang="{language}">' in refused.text
            assert word in refused.text
            assert f" {wait} " in refused.text


# ---- several processes -----------------------------------------------------------------------------------------------


async def test_two_processes_share_one_quota(settings, clock):
    host = address()
    async with (
        running(settings, clock, public_requests_per_minute=10) as one,
        running(settings, clock, public_requests_per_minute=10) as two,
        browser(one, host) as here,
        browser(two, host) as there,
    ):
        for _ in range(3):
            assert (await here.get(PUBLIC_URL)).status_code == 200
            assert (await there.get(PUBLIC_URL)).status_code == 200
        await share(one, two)
        assert left(await there.get(PUBLIC_URL)) == 3
        assert left(await here.get(PUBLIC_URL)) == 6  # when it asked, the other had said nothing yet
        await share(one, two)
        assert left(await there.get(PUBLIC_URL)) == 1
        assert left(await here.get(PUBLIC_URL)) == 2
        await share(one, two)  # all ten are used; the first to ask has learnt of nine
        answers = [await http.get(PUBLIC_URL) for http in (there, here, there)]
        assert [answer.status_code for answer in answers] == [429, 200, 429]


async def test_the_task_shares_by_itself(settings, clock, monkeypatch):
    monkeypatch.setattr(rate, "_SHARE_SECONDS", 0.05)
    host = address()
    async with (
        running(settings, clock) as one,
        running(settings, clock) as two,
        browser(one, host) as here,
        browser(two, host) as there,
    ):
        for _ in range(4):
            await here.get(PUBLIC_URL)
        await asyncio.sleep(0.5)
        assert (await there.get(PUBLIC_URL)).status_code == 200
        await asyncio.sleep(0.5)
        assert (await there.get(PUBLIC_URL)).status_code == 429


async def test_what_is_stored_names_nobody_and_is_deleted_when_over(settings, owner, clock):
    await owner.execute("DELETE FROM rate_limits")
    async with running(settings, clock) as app, browser(app, "203.0.113.77") as nobody:
        await nobody.get(PUBLIC_URL)
        await share(app)
        row = await owner.fetchrow("SELECT * FROM rate_limits")
        assert row["used"] == 1
        assert len(row["key"]) == 16
        assert b"203" not in row["key"]
        assert row["key"] == counter_key(app.state.house.keyring, Policy.PUBLIC, "203.0.113.77")
        assert clock.now < row["window_end"] <= clock.now + 60
        limits, engine = app.state.house.limits, app.state.house.engine
        await limits._forget(engine)
        assert await owner.fetchval("SELECT count(*) FROM rate_limits") == 1
        clock.now += 200
        await limits._forget(engine)
        assert await owner.fetchval("SELECT count(*) FROM rate_limits") == 0


async def test_without_the_database_each_process_goes_on_counting(settings, clock):
    host = address()
    broken = {
        "database_url": SecretStr("postgresql://nobody@127.0.0.1:1/none"),
        "read_database_url": settings.database_url,
    }
    async with (
        running(settings, clock) as app,
        running(settings, clock, **broken) as cut_off,
        browser(app, host) as here,
        browser(cut_off, host) as there,
    ):
        for _ in range(3):
            assert (await there.get(PUBLIC_URL)).status_code == 200
        with pytest.raises(OSError, match="Connect call failed"):
            await share(cut_off)
        assert [(await there.get(PUBLIC_URL)).status_code for _ in range(3)] == [200, 200, 429]
        # What it counted meanwhile is not lost: it is added when the database is back.
        await cut_off.state.house.limits.share(app.state.house.engine)
        assert left(await here.get(PUBLIC_URL)) == 4
        await share(app)
        assert (await here.get(PUBLIC_URL)).status_code == 429


# ---- what is remembered ----------------------------------------------------------------------------------------------


def test_a_flood_of_addresses_is_forgotten_oldest_first(settings, clock):
    limits = RateLimits(load_key_file(settings.key_file), {Policy.PUBLIC: 3}, most_keys=100, clock=clock)
    for number in range(1000):
        limits.take({}, Policy.PUBLIC, f"address {number}")
    assert len(limits) == 100
    assert len(limits._changed) == 100
    scope: dict[str, Any] = {}
    limits.take(scope, Policy.PUBLIC, "address 999")
    assert scope["rate_limit"][1][1].startswith(b'"public";r=1;')


def test_windows_of_callers_do_not_all_begin_in_the_same_second():
    keys = [number.to_bytes(4, "big") + bytes(12) for number in range(1000)]
    ends = {window_end(key, 60, 1_800_000_000.5) for key in keys}
    assert len(ends) == 60
    assert all(1_800_000_000.5 < end <= 1_800_000_060.5 for end in ends)


@pytest.mark.parametrize("now", [1_799_999_999.999, 1_800_000_000.0, 1_800_000_000.001])
def test_a_window_ends_after_now_and_lasts_its_length(now):
    key = bytes(16)
    end = window_end(key, 60, now)
    assert 0 < end - now <= 60
    assert window_end(key, 60, end) == end + 60


# ---- strictly --------------------------------------------------------------------------------------------------------


async def test_revealing_is_limited_exactly_also_for_fifty_requests_at_once(settings, owner, clock):
    over = {"requests_per_minute": 1000, "reveals_per_hour": 7, "pool_size": 20, "pool_timeout_seconds": 30.0}
    async with running(settings, clock, **over) as app, await caller(app, owner) as tksk:
        url = f"/v1/beneficiaries/{(await add_person(tksk))['id']}/reveal"
        answers = await asyncio.gather(*(tksk.post(url, json=REVEAL) for _ in range(50)))
        assert sorted({answer.status_code for answer in answers}) == [200, 429]
        assert sum(answer.status_code == 200 for answer in answers) == 7
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.json()["violated_policies"] == ["full_numbers"]
        assert 0 < int(refused.headers["retry-after"]) <= 3600
        recorded = "SELECT count(*) FROM access_log WHERE operation = 'reveal_beneficiary' AND fields IS NOT NULL"
        assert await owner.fetchval(recorded) == 7
        async with await caller(app, owner) as colleague:
            assert (await colleague.post(url, json=REVEAL)).status_code == 200
        await owner.execute("UPDATE rate_limits SET window_end = window_end - 3600")
        assert (await tksk.post(url, json=REVEAL)).status_code == 200


async def test_a_reveal_that_failed_is_not_counted(settings, owner, clock):
    async with running(settings, clock, reveals_per_hour=1) as app, await caller(app, owner) as tksk:
        url = f"/v1/beneficiaries/{(await add_person(tksk))['id']}/reveal"
        assert (await tksk.post(f"/v1/beneficiaries/{uuid4()}/reveal", json=REVEAL)).status_code == 404
        assert (await tksk.post(url, json=REVEAL)).status_code == 200
        assert (await tksk.post(url, json=REVEAL)).status_code == 429


async def test_a_statement_counts_as_a_reveal(settings, owner, clock):
    async with running(settings, clock, requests_per_minute=1000, reveals_per_hour=2) as app:
        async with await caller(app, owner) as tksk:
            url = f"/v1/beneficiaries/{(await add_person(tksk))['id']}"
            assert (await tksk.post(f"{url}/reveal", json=REVEAL)).status_code == 200
            assert (await tksk.get(f"{url}/statement")).status_code == 200
            for refused in (
                await tksk.post(f"{url}/reveal", json=REVEAL),
                await tksk.get(f"{url}/statement"),
                await tksk.get(f"{url}/statement", params={"format": "pdf"}),
            ):
                assert (refused.status_code, refused.json()["violated_policies"]) == (429, ["full_numbers"])
        shown = "SELECT count(*) FROM access_log WHERE fields IS NOT NULL"
        assert await owner.fetchval(shown) == 2
