"""Guessing at the front door: slow for whoever guesses, open for everybody else, silent about who exists."""

import asyncio
import statistics
import time
from typing import Any
from uuid import UUID, uuid4

import pyotp
import pytest
from sqlalchemy import event

from accounts import (
    PASSWORD,
    add_account,
    another_app,
    bearer,
    caller_from,
    enrol,
    next_code,
    sign_in,
    signed_in,
)
from helpers import BANDAR_LAMPUNG, PANJANG, code_of
from tksk_api.domain.users.rules import delay_after, device_name_of, network_of, plain_recovery_code
from tksk_api.security.passwords import Passwords, guesses

WRONG = "salah salah salah"
CHANGE = {"current_password": PASSWORD, "new_password": "ombak memecah di pantai"}


@pytest.fixture
async def user(owner) -> UUID:
    return await add_account(owner, "tksk.panjang")


async def patience(owner: Any) -> None:
    """As if everybody had waited long enough."""
    await owner.execute("UPDATE sign_in_throttles SET blocked_until = now() - interval '1 second'")


async def worst(owner: Any) -> int:
    """The highest count of failures."""
    return int(await owner.fetchval("SELECT coalesce(max(failures), 0) FROM sign_in_throttles"))


def is_delayed(answer: Any, seconds: range) -> None:
    assert (answer.status_code, code_of(answer)) == (429, "sign_in_delayed"), answer.text
    assert int(answer.headers["retry-after"]) in seconds
    assert answer.json()["retry_after"] == int(answer.headers["retry-after"])


# ---- accounts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tksk.panjang", "nobody"])
async def test_after_three_wrong_attempts_each_waits_twice_as_long(client, user, owner, name):
    for _ in range(3):
        assert code_of(await sign_in(client, name, WRONG)) == "credentials_refused"
    for delay in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900):
        is_delayed(await sign_in(client, name, WRONG), range(delay - 1, delay + 1))
        is_delayed(await sign_in(client, name), range(delay - 1, delay + 1))  # the right password too
        await patience(owner)
        assert code_of(await sign_in(client, name, WRONG)) == "credentials_refused"


async def test_waiting_costs_no_work_and_is_not_counted(client, user, owner, monkeypatch):
    for _ in range(3):
        await sign_in(client, password=WRONG)
    began = await worst(owner)

    def worked(*_: object) -> None:
        raise AssertionError("argon2 was asked")

    monkeypatch.setattr("tksk_api.security.passwords.Turn.verify", worked)
    for _ in range(5):
        is_delayed(await sign_in(client, password=WRONG), range(3))
    assert await worst(owner) == began


async def test_a_success_forgets_the_failures(client, user, owner):
    for _ in range(5):
        await sign_in(client, password=WRONG)
        await patience(owner)
    assert (await sign_in(client)).status_code == 200
    assert await owner.fetchval("SELECT failures FROM sign_in_throttles WHERE forget_at IS NULL") == 0
    assert await worst(owner) == 5  # the address's, which no success of one account clears
    for _ in range(3):
        assert code_of(await sign_in(client, password=WRONG)) == "credentials_refused"


async def test_parallel_guesses_do_not_slip_through(client, user):
    answers = await asyncio.gather(*(sign_in(client, password=f"{WRONG} {n}") for n in range(15)))
    assert sorted(answer.status_code for answer in answers) == [401] * 3 + [429] * 12


async def test_a_hundred_failures_need_an_administrator(client, user, owner, as_):
    await sign_in(client, password=WRONG)
    await owner.execute("UPDATE sign_in_throttles SET failures = 99 WHERE forget_at IS NULL")
    assert code_of(await sign_in(client, password=WRONG)) == "credentials_refused"
    await owner.execute(
        "UPDATE sign_in_throttles SET last_failed_at = now() - interval '3 years', "
        "blocked_until = now() - interval '3 years'"
    )
    is_delayed(await sign_in(client), range(86_400, 86_401))  # time alone opens nothing
    office = await as_("regency_office", BANDAR_LAMPUNG)
    reset = await office.post(f"/v1/users/{user}/reset-password", headers={"If-Match": '"v1"'})
    assert (await sign_in(client, password=reset.json()["setup_secret"])).status_code == 200


async def test_names_that_nobody_has_are_forgotten_in_time_and_those_of_users_are_not(client, user, owner):
    for name in ("tksk.panjang", "nobody"):
        await sign_in(client, name, WRONG)
    kept = await owner.fetch("SELECT forget_at - last_failed_at AS kept FROM sign_in_throttles ORDER BY kept")
    assert [row["kept"].days if row["kept"] else None for row in kept] == [1, 30, None]
    await owner.execute("UPDATE sign_in_throttles SET forget_at = now() - interval '1 second' WHERE forget_at > now()")
    await sign_in(client, "tksk.panjang", WRONG)
    assert await owner.fetchval("SELECT count(*) FROM sign_in_throttles") == 2  # the account's and the address's
    assert await worst(owner) == 2


async def test_nothing_about_who_tried_is_stored_in_clear(client, user, owner):
    await sign_in(client, password=WRONG, device_id=str(uuid4()))
    rows = str([dict(row) for row in await owner.fetch("SELECT * FROM sign_in_throttles")])
    assert "panjang" not in rows
    assert "127.0.0" not in rows


async def test_counters_outlive_the_process(settings, client, user):
    for _ in range(3):
        await sign_in(client, password=WRONG)
    async with another_app(settings) as restarted, caller_from(restarted, "203.0.113.7") as http:
        is_delayed(await sign_in(http), range(3))


# ---- addresses and devices -------------------------------------------------------------------------------------------


async def address_has_failed(owner: Any, times: int) -> None:
    """As if others had failed from there: the one row that is kept for a day."""
    changed = await owner.execute(
        "UPDATE sign_in_throttles SET failures = $1 WHERE forget_at < now() + interval '2 days'", times
    )
    assert changed == "UPDATE 1"


async def test_one_address_that_tries_many_names_has_to_wait(app, client, user, owner):
    async with caller_from(app, "198.51.100.7") as http, caller_from(app, "198.51.100.99") as neighbour:
        for n in range(3):
            assert code_of(await sign_in(http, f"nobody.{n}", WRONG)) == "credentials_refused"
        assert await worst(owner) == 3
        await address_has_failed(owner, 49)
        assert code_of(await sign_in(http, "nobody.49", WRONG)) == "credentials_refused"
        is_delayed(await sign_in(http, "nobody.50", WRONG), range(3))
        is_delayed(await sign_in(neighbour), range(3))  # the same /24
        assert (await sign_in(client)).status_code == 200  # another address, the same moment
        await owner.execute("UPDATE sign_in_throttles SET forget_at = now() WHERE failures >= 50")
        assert (await sign_in(http)).status_code == 200  # after a day


async def test_an_office_that_signs_in_from_one_address_is_not_slowed(client, user, owner):
    await sign_in(client, "nobody", WRONG)
    await address_has_failed(owner, 45)
    for _ in range(12):
        assert (await sign_in(client)).status_code == 200
    assert await worst(owner) == 45


async def test_a_device_that_fails_for_several_users_has_to_wait(client, user):
    device = {"device_id": str(uuid4())}
    for n in range(5):
        assert code_of(await sign_in(client, f"nobody.{n}", WRONG, **device)) == "credentials_refused"
    is_delayed(await sign_in(client, **device), range(3))
    assert (await sign_in(client, device_id=str(uuid4()))).status_code == 200


async def test_a_device_that_was_in_before_is_not_held_up_by_strangers(app, client, user, owner):
    """Neither by those who guess from elsewhere nor by those of the same network, and not after a hundred of them."""
    device = {"device_id": str(uuid4())}
    await signed_in(client, **device)
    for _ in range(3):
        await sign_in(client, password=WRONG)
    await owner.execute("UPDATE sign_in_throttles SET failures = 100")
    is_delayed(await sign_in(client), range(86_400, 86_401))
    is_delayed(await sign_in(client, device_id=str(uuid4())), range(86_400, 86_401))
    await owner.execute("DELETE FROM sign_in_throttles WHERE forget_at IS NOT NULL")  # the device's own, raised above
    assert (await sign_in(client, **device)).status_code == 200
    is_delayed(await sign_in(client), range(86_400, 86_401))  # a success there opens nothing to strangers


async def test_a_device_that_was_in_before_guesses_no_faster_and_is_freed_by_a_reset(client, user, owner, as_):
    device = {"device_id": str(uuid4())}
    await signed_in(client, **device)
    for _ in range(3):
        assert code_of(await sign_in(client, password=WRONG, **device)) == "credentials_refused"
    is_delayed(await sign_in(client, **device), range(3))
    assert (await sign_in(client)).status_code == 200  # other devices are counted by themselves
    await owner.execute("UPDATE sign_in_throttles SET failures = 100 WHERE forget_at IS NULL AND failures > 0")
    await patience(owner)
    is_delayed(await sign_in(client, **device), range(86_400, 86_401))
    secret = await secret_of(as_, user)
    assert (await sign_in(client, password=secret, **device)).status_code == 200


async def test_another_users_device_is_no_known_device(client, user, owner):
    await add_account(owner, "other")
    device = {"device_id": str(uuid4())}
    await signed_in(client, "other", **device)
    for _ in range(3):
        await sign_in(client, password=WRONG)
    is_delayed(await sign_in(client, **device), range(3))


async def test_a_header_cannot_change_the_address(client, user, owner):
    await sign_in(client, "nobody", WRONG)
    await address_has_failed(owner, 49)
    await sign_in(client, "nobody", WRONG, headers={"X-Forwarded-For": "203.0.113.1"})
    for name, value in (
        ("X-Forwarded-For", "203.0.113.2"),
        ("X-Real-IP", "203.0.113.3"),
        ("Forwarded", "for=203.0.1.4"),
    ):
        is_delayed(await sign_in(client, headers={name: value}), range(3))


# ---- the second factor and the own account ---------------------------------------------------------------------------


async def test_a_password_without_its_code_is_neither_a_failure_nor_a_success(client, user, owner):
    secret, _ = await enrol(client, bearer(await signed_in(client)))
    for _ in range(2):
        await sign_in(client, password=WRONG)
    for _ in range(5):
        assert code_of(await sign_in(client)) == "otp_required"
    assert await worst(owner) == 2
    assert code_of(await sign_in(client, otp="000000")) == "otp_refused"
    is_delayed(await sign_in(client, otp=await next_code(owner, secret)), range(3))
    await patience(owner)
    assert (await sign_in(client, otp=await next_code(owner, secret))).status_code == 200


async def test_guessing_codes_is_slowed_wherever_they_are_taken(client, user, owner):
    pair = await signed_in(client)
    _, recovery = await enrol(client, bearer(pair))
    headers = bearer(pair)
    wrong = {"recovery_code": "AAAA-BBBB-CCCC"}
    proof = {"password": PASSWORD, **wrong}
    assert code_of(await client.post("/v1/auth/step-up", json=wrong, headers=headers)) == "otp_refused"
    assert code_of(await client.post("/v1/me/otp", json=proof, headers=headers)) == "otp_refused"
    assert code_of(await client.request("DELETE", "/v1/me/otp", json=proof, headers=headers)) == "otp_refused"
    for method, url, body in (
        ("POST", "/v1/auth/step-up", {"recovery_code": recovery[0]}),
        ("POST", "/v1/me/otp", {"password": PASSWORD, "recovery_code": recovery[0]}),
        ("POST", "/v1/me/otp/confirm", {"otp": "123456"}),
        ("POST", "/v1/me/otp/recovery-codes", {"password": PASSWORD, "recovery_code": recovery[0]}),
        ("DELETE", "/v1/me/otp", {"password": PASSWORD, "recovery_code": recovery[0]}),
        ("POST", "/v1/me/password", CHANGE | {"recovery_code": recovery[0]}),
    ):
        is_delayed(await client.request(method, url, json=body, headers=headers), range(3))
    assert await owner.fetchval("SELECT count(*) FROM recovery_codes WHERE used_at IS NOT NULL") == 0
    assert (await sign_in(client, recovery_code=recovery[0])).status_code == 200  # who guesses there is not in here


async def test_a_password_alone_does_not_forgive_wrong_codes(client, user, owner):
    """Whoever holds a session and the password finds no way of trying codes without end."""
    headers = bearer(await signed_in(client))
    _, recovery = await enrol(client, headers)
    renew, wrong = "/v1/me/otp/recovery-codes", {"password": PASSWORD, "otp": "000000"}
    for _ in range(2):
        assert code_of(await client.post(renew, json=wrong, headers=headers)) == "otp_refused"
    missing = await client.post("/v1/me/password", json=CHANGE, headers=headers)
    assert (missing.status_code, missing.json()["errors"][0]["pointer"]) == (422, "/otp")
    change = CHANGE | {"otp": "000000"}
    assert code_of(await client.post("/v1/me/password", json=change, headers=headers)) == "otp_refused"
    is_delayed(await client.post(renew, json=wrong, headers=headers), range(3))
    assert (await sign_in(client, recovery_code=recovery[0])).status_code == 200
    is_delayed(await client.post(renew, json=wrong, headers=headers), range(3))  # nor does another session's success
    await patience(owner)
    change = CHANGE | {"recovery_code": recovery[1]}
    assert (await client.post("/v1/me/password", json=change, headers=headers)).status_code == 204
    wrong["password"] = CHANGE["new_password"]
    assert code_of(await client.post(renew, json=wrong, headers=headers)) == "otp_refused"  # a right code forgives


async def test_guessing_the_password_inside_a_session_is_slowed(client, user):
    headers = bearer(await signed_in(client))
    change = {"current_password": WRONG, "new_password": "ombak memecah di pantai"}
    for _ in range(3):
        assert (await client.post("/v1/me/password", json=change, headers=headers)).status_code == 422
    is_delayed(await client.post("/v1/me/password", json=change, headers=headers), range(3))
    is_delayed(await client.post("/v1/auth/step-up", json={"password": PASSWORD}, headers=headers), range(3))
    other = bearer(await signed_in(client))
    assert (await client.post("/v1/auth/step-up", json={"password": PASSWORD}, headers=other)).status_code == 204


async def test_strangers_do_not_hold_up_who_is_inside(client, user, owner):
    headers = bearer(await signed_in(client))
    for _ in range(5):
        await sign_in(client, password=WRONG)
    is_delayed(await sign_in(client), range(17))
    assert (await client.post("/v1/auth/step-up", json={"password": PASSWORD}, headers=headers)).status_code == 204
    is_delayed(await sign_in(client), range(17))  # which forgives the strangers nothing
    assert (await client.post("/v1/me/password", json=CHANGE, headers=headers)).status_code == 204


async def test_a_hundred_failures_in_a_session_end_at_a_new_sign_in(client, user, owner):
    headers = bearer(await signed_in(client))
    await client.post("/v1/auth/step-up", json={"password": WRONG}, headers=headers)
    await owner.execute("UPDATE sign_in_throttles SET failures = 100 WHERE forget_at > now() + interval '60 days'")
    await patience(owner)
    step_up = await client.post("/v1/auth/step-up", json={"password": PASSWORD}, headers=headers)
    is_delayed(step_up, range(86_400, 86_401))
    headers = bearer(await signed_in(client))
    assert (await client.post("/v1/auth/step-up", json={"password": PASSWORD}, headers=headers)).status_code == 204


@pytest.mark.parametrize(("method", "url"), [
    ("POST", "/v1/me/password"),
    ("POST", "/v1/me/otp"),
    ("POST", "/v1/me/otp/confirm"),
    ("POST", "/v1/me/otp/recovery-codes"),
    ("DELETE", "/v1/me/otp"),
])  # fmt: skip
async def test_what_takes_a_password_or_code_has_the_quota_of_sign_ins(client, user, method, url):
    answer = await client.request(method, url, json={}, headers=bearer(await signed_in(client)))
    assert answer.headers["ratelimit-policy"].startswith('"sign-in"')


async def test_parallel_guesses_of_a_code_do_not_slip_through(client, user, owner):
    headers = bearer(await signed_in(client))
    secret, _ = await enrol(client, headers)
    right = await next_code(owner, secret)
    wrong = [f"{(int(right) + n) % 1_000_000:06d}" for n in range(1, 13)]
    answers = await asyncio.gather(
        *(client.post("/v1/auth/step-up", json={"otp": otp}, headers=headers) for otp in wrong)
    )
    assert sorted(answer.status_code for answer in answers) == [401] * 3 + [429] * 9


# ---- first secrets ---------------------------------------------------------------------------------------------------


async def secret_of(as_: Any, user: UUID, version: int = 1) -> str:
    office = await as_("regency_office", BANDAR_LAMPUNG)
    answer = await office.post(f"/v1/users/{user}/reset-password", headers={"If-Match": f'"v{version}"'})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["setup_secret"])


MINUTE_LATER = "UPDATE users SET setup_expires_at = setup_expires_at - interval '61 seconds'"


async def test_a_first_secret_opens_one_session(client, user, as_, owner):
    secret = await secret_of(as_, user)
    headers = bearer(await signed_in(client, password=secret))
    await owner.execute(MINUTE_LATER)
    assert code_of(await sign_in(client, password=secret)) == "credentials_refused"
    change = {"current_password": secret, "new_password": PASSWORD}
    assert (await client.post("/v1/me/password", json=change, headers=headers)).status_code == 204
    assert code_of(await sign_in(client, password=secret)) == "credentials_refused"
    assert (await sign_in(client)).status_code == 200


async def test_a_first_secret_whose_reply_was_lost_opens_another_session_for_a_minute(client, user, as_, owner):
    secret = await secret_of(as_, user)
    lost = await signed_in(client, password=secret)
    first_use = await owner.fetchval("SELECT setup_expires_at FROM users WHERE id = $1", user)
    headers = bearer(await signed_in(client, password=secret))
    assert (await client.get("/v1/me", headers=bearer(lost))).status_code == 401
    assert await owner.fetchval("SELECT setup_expires_at FROM users WHERE id = $1", user) == first_use
    change = {"current_password": secret, "new_password": PASSWORD}
    assert (await client.post("/v1/me/password", json=change, headers=headers)).status_code == 204
    assert code_of(await sign_in(client, password=secret)) == "credentials_refused"


async def test_a_first_secret_whose_session_was_ended_opens_no_other(client, user, as_):
    secret = await secret_of(as_, user)
    headers = bearer(await signed_in(client, password=secret))
    assert (await client.post("/v1/auth/logout", headers=headers)).status_code == 204
    assert code_of(await sign_in(client, password=secret)) == "credentials_refused"


async def test_of_several_first_sign_ins_at_once_one_session_stays(client, user, as_, owner):
    secret = await secret_of(as_, user)
    answers = await asyncio.gather(*(sign_in(client, password=secret) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {200}
    open_ones = "SELECT count(*) FROM user_sessions WHERE user_id = $1 AND revoked_at IS NULL"
    assert await owner.fetchval(open_ones, user) == 1


async def test_a_newer_secret_ends_an_older_one_and_its_session(client, user, as_, owner):
    older = await secret_of(as_, user)
    pair = await signed_in(client, password=older)
    newer = await secret_of(as_, user, await owner.fetchval("SELECT version FROM users WHERE id = $1", user))
    assert (await client.get("/v1/me", headers=bearer(pair))).status_code == 401
    assert code_of(await sign_in(client, password=older)) == "credentials_refused"
    assert (await sign_in(client, password=newer)).status_code == 200


async def test_a_first_secret_is_used_up_only_with_its_code(client, user, as_, owner):
    _, recovery = await enrol(client, bearer(await signed_in(client)))
    secret = await secret_of(as_, user, await owner.fetchval("SELECT max(version) FROM users"))
    assert code_of(await sign_in(client, password=secret)) == "otp_required"
    assert code_of(await sign_in(client, password=secret, otp="000000")) == "otp_refused"
    assert (await sign_in(client, password=secret, recovery_code=recovery[0])).status_code == 200


# ---- storms and silence ----------------------------------------------------------------------------------------------


async def test_a_storm_of_sign_ins_leaves_the_rest_of_the_api_alone(settings, owner, as_):
    tksk = await as_("tksk", PANJANG)
    small = {"pool_size": 2, "read_pool_size": 2, "pool_timeout_seconds": 5.0, "password_queue": 8}
    async with another_app(settings, **small) as app, caller_from(app, "127.0.0.1") as http:
        headers = {"Authorization": f"Bearer {app.state.house.tokens.issue(tksk.user_id, tksk.session_id)}"}
        await add_account(owner, "tksk.panjang")
        storm = [asyncio.create_task(_from_somewhere(app, n)) for n in range(100)]
        ordinary = []
        while not all(task.done() for task in storm):
            ordinary.append((await http.get("/v1/beneficiaries", headers=headers)).status_code)  # the read pool
            ordinary.append((await http.get("/v1/me", headers=headers)).status_code)  # the write pool
        answers = await asyncio.gather(*storm)
        assert set(ordinary) == {200}
        assert len(ordinary) >= 4
        refused = [answer for answer in answers if answer.status_code == 503]
        assert {answer.status_code for answer in answers} == {401, 503}
        assert len(refused) >= 80
        assert {(code_of(answer), answer.headers["retry-after"]) for answer in refused} == {("unavailable", "5")}
        assert (await sign_in(http)).status_code == 200
    # Who found no place in the queue has not failed.
    accounts = "SELECT count(*) FROM sign_in_throttles WHERE forget_at > now() + interval '2 days'"
    assert await owner.fetchval(accounts) == len(answers) - len(refused)


async def _from_somewhere(app: Any, n: int) -> Any:
    async with caller_from(app, f"10.{n}.0.1") as http:
        return await sign_in(http, f"nobody.{n}", WRONG)


async def test_no_connection_is_held_while_a_password_is_compared(settings, owner, monkeypatch):
    """One connection is enough for many who wait for argon2."""
    await add_account(owner, "tksk.panjang")
    verify, busy = "tksk_api.security.passwords.Turn.verify", []

    async def watched(turn: Any, password: str, stored: str | None) -> bool:
        busy.append(app.state.house.engine.pool.checkedout())
        await asyncio.sleep(0.01)
        return bool(await turn._run(turn._argon2.verify, password, stored or turn._nobody)) and stored is not None

    monkeypatch.setattr(verify, watched)
    async with another_app(settings, pool_size=1) as app, caller_from(app, "127.0.0.1") as http:
        pair = await signed_in(http)
        headers = bearer(pair)
        assert (await http.post("/v1/auth/step-up", json={"password": PASSWORD}, headers=headers)).status_code == 204
        change = {"current_password": PASSWORD, "new_password": "ombak memecah di pantai"}
        assert (await http.post("/v1/me/password", json=change, headers=headers)).status_code == 204
    assert busy == [0, 0, 0]


async def test_unknown_disabled_and_mistyped_cost_the_same(client, app, owner):
    """In processor time, which other programs of the machine do not lengthen, and in questions to the database."""
    passwords: Passwords = app.state.house.passwords
    for name in ("known", "disabled"):
        user = await add_account(owner, name)
        await owner.execute("UPDATE users SET password_hash = $2 WHERE id = $1", user, await passwords.hash(PASSWORD))
    await owner.execute("UPDATE users SET disabled_at = now() WHERE username = 'disabled'")
    seconds: dict[str, list[float]] = {"known": [], "disabled": [], "unknown": []}
    statements: dict[str, set[tuple[str, ...]]] = {name: set() for name in seconds}
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    engine = app.state.house.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        for _ in range(11):
            for name, taken in seconds.items():
                await owner.execute("DELETE FROM sign_in_throttles")
                sent.clear()
                began = time.process_time()
                answer = await sign_in(client, name, WRONG)
                taken.append(time.process_time() - began)
                statements[name].add(tuple(statement for statement in sent if "rate_limits" not in statement))
                assert code_of(answer) == "credentials_refused"
    finally:
        event.remove(engine, "before_cursor_execute", note)
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    assert max(medians.values()) - min(medians.values()) < 0.005, medians
    assert min(medians.values()) > 0.01, medians  # it was argon2 that was measured
    assert statements["known"] == statements["disabled"] == statements["unknown"]
    assert len(statements["known"]) == 1


# ---- the rules by themselves -----------------------------------------------------------------------------------------


def test_the_delay_grows_to_a_quarter_of_an_hour_and_no_further():
    assert [delay_after(n, 3).total_seconds() for n in (0, 2, 3, 4, 12, 13, 99, 10_000)] == [
        0, 0, 1, 2, 512, 900, 900, 900
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("testclient", "-"),
        (None, "-"),
    ],
)
def test_an_address_stands_for_its_network(host, network):
    assert network_of(host) == network


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("", "-"),
        ("()", "()"),
        ("okhttp/4.12.0 gzip", "okhttp/4.12.0"),
        ("Mozilla/5.0 (X11; Linux x86_64) Gecko", "X11; Linux x86_64"),
        ("Mozilla/5.0 (<script>alert(1)</script>) x", "1"),
        ("\x00\x1b[31m\r\nX", "[31m"),
        ("x" * 500, "x" * 60),
        ("(" * 200 + ";" * 200, "(" * 60),
    ],
)
def test_a_device_name_is_short_and_clean(header, name):
    assert device_name_of(header) == name


def test_a_recovery_code_is_read_as_it_was_meant():
    assert plain_recovery_code("7k2m-9qxd-4tra") == "7K2M9QXD4TRA"
    assert plain_recovery_code("OoIl-iL") == "001111"
    assert plain_recovery_code(" kx2k 8php\u00a0bjsd ") == "KX2K8PHPBJSD"


def test_own_names_and_places_make_a_password_easy():
    names = ["rina.w", "Rina Wulandari", "Kota Bandar Lampung", "Panjang"]
    assert guesses("Rina Wulandari 1990", []) > 10**10 > guesses("Rina Wulandari 1990", names)
    assert guesses("Panjang-Lampung", []) > 10**10 > guesses("Panjang-Lampung", names)
    assert guesses("kopi pahit tanpa gula", names) > 10**15


def test_judging_the_worst_password_takes_no_longer_than_comparing_one():
    began = time.perf_counter()
    guesses("p@ssw0rd4$1!" * 10 + "ab12" * 2, ["Rina Wulandari"] * 8)
    assert time.perf_counter() - began < 0.5


def test_the_codes_of_an_app_are_those_of_the_standard():
    """RFC 6238 Appendix B, SHA-1, the last six digits."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert [pyotp.TOTP(secret).at(t) for t in (59, 1111111109, 20000000000)] == ["287082", "081804", "353130"]
