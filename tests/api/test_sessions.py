"""Sessions: how long they live, how their tokens rotate, who sees and ends them."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from accounts import PASSWORD, add_account, bearer, refresh, sign_in, signed_in
from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_user, code_of, person

SESSIONS = "/v1/auth/sessions"
USABLE = "SELECT count(*) FROM refresh_tokens WHERE used_at IS NULL AND revoked_at IS NULL"


@pytest.fixture
async def user(owner) -> UUID:
    return await add_account(owner, "tksk.panjang")


async def test_each_refresh_token_works_once(client, user):
    first = (await sign_in(client)).json()
    second = (await refresh(client, first["refresh_token"])).json()
    third = (await refresh(client, second["refresh_token"])).json()
    assert len({p["refresh_token"] for p in (first, second, third)}) == 3
    assert (await client.get("/v1/me", headers=bearer(third))).status_code == 200


async def test_reuse_after_the_successor_was_used_ends_the_whole_family(client, user, owner):
    first = (await sign_in(client)).json()
    second = (await refresh(client, first["refresh_token"])).json()
    third = (await refresh(client, second["refresh_token"])).json()
    stolen = await refresh(client, first["refresh_token"])
    assert (stolen.status_code, code_of(stolen)) == (401, "refresh_refused")
    assert code_of(await refresh(client, third["refresh_token"])) == "refresh_refused"
    assert (await client.get("/v1/me", headers=bearer(third))).status_code == 401
    assert await owner.fetchval("SELECT revoked_reason FROM user_sessions") == "refresh_token_reused"


async def test_a_lost_reply_may_be_asked_for_again(client, user):
    first = (await sign_in(client)).json()
    lost = (await refresh(client, first["refresh_token"])).json()
    again = await refresh(client, first["refresh_token"])
    assert again.status_code == 200
    assert again.json()["refresh_token"] != lost["refresh_token"]
    assert (await refresh(client, again.json()["refresh_token"])).status_code == 200


async def test_a_withdrawn_successor_that_is_used_ends_the_whole_family(client, user, owner):
    """Two held the first token, within the grace: whichever of them is the thief does not go on."""
    first = (await sign_in(client)).json()
    victims = (await refresh(client, first["refresh_token"])).json()
    thiefs = (await refresh(client, first["refresh_token"])).json()
    assert code_of(await refresh(client, victims["refresh_token"])) == "refresh_refused"
    assert code_of(await refresh(client, thiefs["refresh_token"])) == "refresh_refused"
    assert (await client.get("/v1/me", headers=bearer(thiefs))).status_code == 401
    assert await owner.fetchval("SELECT revoked_reason FROM user_sessions") == "refresh_token_reused"


async def test_a_lost_reply_is_lost_after_the_grace(client, user, owner):
    first = (await sign_in(client)).json()
    await refresh(client, first["refresh_token"])
    await owner.execute("UPDATE refresh_tokens SET used_at = now() - interval '31 seconds' WHERE used_at IS NOT NULL")
    assert code_of(await refresh(client, first["refresh_token"])) == "refresh_refused"
    assert await owner.fetchval("SELECT revoked_at IS NOT NULL FROM user_sessions") is True


async def test_twenty_refreshes_at_once_leave_one_usable_token(client, user, owner):
    first = (await sign_in(client)).json()
    answers = await asyncio.gather(*(refresh(client, first["refresh_token"]) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert await owner.fetchval(USABLE) == 1
    newest = "SELECT count(*) FROM refresh_tokens WHERE digest IN (SELECT replaced_by FROM refresh_tokens)"
    assert await owner.fetchval(newest) == 1  # the one the first token points to


async def test_refreshes_of_two_generations_at_once_do_not_wait_for_each_other_in_a_ring(client, user, owner):
    """The older token withdraws the younger one while that one is being used: either order is right, a 503 is not."""
    for _ in range(8):
        first = (await signed_in(client))["refresh_token"]
        second = (await refresh(client, first)).json()["refresh_token"]
        answers = await asyncio.gather(*(refresh(client, token) for token in (first, second) * 4))
        assert {answer.status_code for answer in answers} <= {200, 401}
    assert await owner.fetchval(
        "SELECT max(n) FROM (SELECT count(*) n FROM refresh_tokens t JOIN user_sessions s "
        "ON s.id = t.session_id WHERE s.revoked_at IS NULL AND t.used_at IS NULL "
        "AND t.revoked_at IS NULL GROUP BY s.id) x"
    ) in (None, 1)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE refresh_tokens SET expires_at = now() - interval '1 second'",
        "UPDATE user_sessions SET expires_at = now() - interval '1 second'",
        "UPDATE user_sessions SET revoked_at = now()",
        "UPDATE users SET disabled_at = now()",
    ],
    ids=["idle too long", "absolute end", "revoked", "disabled"],
)
async def test_a_session_that_is_over_is_not_refreshed(client, user, owner, change):
    pair = (await sign_in(client)).json()
    await owner.execute(change)
    assert code_of(await refresh(client, pair["refresh_token"])) == "refresh_refused"


async def test_refreshing_never_outlives_the_session(client, user, owner):
    pair = (await sign_in(client)).json()
    await owner.execute("UPDATE user_sessions SET expires_at = now() + interval '1 hour'")
    await refresh(client, pair["refresh_token"])
    longest = await owner.fetchval(
        "SELECT max(t.expires_at) <= max(s.expires_at) FROM refresh_tokens t, user_sessions s WHERE t.used_at IS NULL"
    )
    assert longest is True


async def test_signing_out_ends_this_session_and_no_other(client, user):
    one, two = (await sign_in(client)).json(), (await sign_in(client)).json()
    assert (await client.post("/v1/auth/logout", headers=bearer(one))).status_code == 204
    assert (await client.get("/v1/me", headers=bearer(one))).status_code == 401
    assert code_of(await refresh(client, one["refresh_token"])) == "refresh_refused"
    assert (await client.get("/v1/me", headers=bearer(two))).status_code == 200


async def test_disabling_ends_every_session_at_once(client, user, as_):
    pair = (await sign_in(client)).json()
    office = await as_("regency_office", "18.71")
    answer = await office.post(f"/v1/users/{user}/disable", headers={"If-Match": '"v1"'})
    assert answer.status_code == 200, answer.text
    assert (await client.get("/v1/me", headers=bearer(pair))).status_code == 401
    assert code_of(await refresh(client, pair["refresh_token"])) == "refresh_refused"
    assert code_of(await sign_in(client)) == "credentials_refused"


async def test_a_refresh_token_of_nobody_is_refused(client, user):
    for odd in ("x" * 43, "tidak-dikenal-tidak-dikenal", "' OR 1=1 -- aaaaaaaaaaaaaaa"):
        assert code_of(await refresh(client, odd)) == "refresh_refused"


# ---- how long --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "region", "kind", "idle", "absolute"),
    [
        ("tksk", PANJANG, "field", timedelta(days=14), timedelta(days=60)),
        ("village_clerk", SRENGSEM, "field", timedelta(days=14), timedelta(days=60)),
        ("village_head", SRENGSEM, "field", timedelta(days=14), timedelta(days=60)),
        ("district_head", PANJANG, "field", timedelta(days=14), timedelta(days=60)),
        ("regency_office", BANDAR_LAMPUNG, "office", timedelta(hours=12), timedelta(hours=12)),
        ("province_office", "18", "office", timedelta(hours=12), timedelta(hours=12)),
        ("ministry", None, "office", timedelta(hours=12), timedelta(hours=12)),
        ("auditor", None, "office", timedelta(hours=12), timedelta(hours=12)),
        ("admin", None, "admin", timedelta(hours=8), timedelta(hours=8)),
    ],
)
async def test_a_session_lives_as_long_as_its_kind_of_user_needs(client, owner, role, region, kind, idle, absolute):
    await add_account(owner, "somebody", role, region)
    await signed_in(client, "somebody")
    row = await owner.fetchrow(
        "SELECT s.kind, s.expires_at - s.created_at AS absolute, t.expires_at - t.issued_at AS idle "
        "FROM user_sessions s JOIN refresh_tokens t ON t.session_id = s.id"
    )
    assert row["kind"] == kind
    assert abs(row["absolute"] - absolute) < timedelta(seconds=5)
    assert abs(row["idle"] - idle) < timedelta(seconds=5)


async def test_refreshing_extends_the_idle_time_and_never_the_absolute_one(client, user, owner):
    pair = await signed_in(client)
    end = await owner.fetchval("SELECT expires_at FROM user_sessions")
    await owner.execute("UPDATE refresh_tokens SET expires_at = now() + interval '1 minute'")
    pair = (await refresh(client, pair["refresh_token"])).json()
    assert await owner.fetchval("SELECT max(expires_at) > now() + interval '13 days' FROM refresh_tokens") is True
    assert await owner.fetchval("SELECT expires_at FROM user_sessions") == end


async def test_an_access_token_ends_with_its_session(client, user, owner):
    pair = await signed_in(client)
    await owner.execute("UPDATE user_sessions SET expires_at = now()")
    assert code_of(await client.get("/v1/me", headers=bearer(pair))) == "unauthenticated"


# ---- changes hold from the next request on --------------------------------------------------------------------------


async def test_a_new_role_a_new_region_and_a_new_password_hold_for_an_old_token(client, user, owner, as_):
    pair, office = await signed_in(client), await as_("regency_office", BANDAR_LAMPUNG)
    url = f"/v1/users/{user}"
    assert "visit:write" in (await client.get("/v1/me", headers=bearer(pair))).json()["permissions"]

    body = {"role": "village_clerk", "region_code": SRENGSEM}
    assert (await office.patch(url, json=body, headers={"If-Match": '"v1"'})).status_code == 200
    visit = {"beneficiary_id": str(uuid4()), "visited_on": "2026-11-02"}
    assert code_of(await client.post("/v1/visits", json=visit, headers=bearer(pair))) == "permission_denied"

    clerk = await as_("village_clerk", SRENGSEM)
    created = await clerk.post("/v1/beneficiaries", json=person())
    row = f"/v1/beneficiaries/{created.json()['id']}"
    assert (await client.get(row, headers=bearer(pair))).status_code == 200
    body = {"region_code": "18.71.04.1003"}
    assert (await office.patch(url, json=body, headers={"If-Match": '"v2"'})).status_code == 200
    assert (await client.get(row, headers=bearer(pair))).status_code == 404

    other = await signed_in(client)
    change = {"current_password": PASSWORD, "new_password": "ombak memecah di pantai"}
    assert (await client.post("/v1/me/password", json=change, headers=bearer(other))).status_code == 204
    assert (await client.get("/v1/me", headers=bearer(pair))).status_code == 401


async def test_a_session_shrinks_to_what_a_new_role_is_given(client, user, owner, as_):
    await signed_in(client)
    admin = await as_("admin")
    body = {"role": "regency_office", "region_code": BANDAR_LAMPUNG}
    answer = await admin.patch(f"/v1/users/{user}", json=body, headers={"If-Match": '"v1"'})
    assert answer.status_code == 200, answer.text
    row = await owner.fetchrow("SELECT * FROM user_sessions WHERE user_id = $1", user)
    assert (row["kind"], row["idle_seconds"]) == ("office", 12 * 3600)
    assert abs(row["expires_at"] - row["created_at"] - timedelta(hours=12)) < timedelta(seconds=5)


# ---- seeing and ending them ------------------------------------------------------------------------------------------


async def listed(client: Any, pair: dict[str, Any], url: str = SESSIONS) -> list[dict[str, Any]]:
    answer = await client.get(url, headers=bearer(pair))
    assert answer.status_code == 200, answer.text
    assert answer.json()["next_cursor"] is None
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_my_sessions_are_listed_with_their_devices(client, user, owner):
    phone = "Mozilla/5.0 (Linux; Android 13; SM-A125F) AppleWebKit/537.36 (KHTML, like Gecko)"
    await signed_in(client, device_name="HP lapangan")
    await signed_in(client, headers={"User-Agent": phone})
    await signed_in(client, headers={"User-Agent": "okhttp/4.12"})
    pair = await signed_in(client, headers={"User-Agent": ""})
    await add_user(owner, "tksk", PANJANG)  # somebody else's session
    items = await listed(client, pair)
    names = ["-", "okhttp/4.12", "Linux; Android 13; SM-A125F", "HP lapangan"]
    assert [item["device_name"] for item in items] == names
    assert [item["current"] for item in items] == [True, False, False, False]
    assert items[0].keys() == {
        "id", "device_name", "kind", "created_at", "last_refreshed_at", "expires_at", "current"
    }  # fmt: skip
    assert datetime.fromisoformat(items[0]["expires_at"]) > datetime.fromisoformat(items[0]["created_at"])


@pytest.mark.parametrize(
    "change",
    [
        "revoked_at = now()",
        "expires_at = now()",
        "last_refreshed_at = now() - make_interval(secs => idle_seconds)",
    ],
)
async def test_a_session_that_is_over_is_not_listed(client, user, owner, change):
    over, pair = await signed_in(client, device_name="lama"), await signed_in(client)
    assert len(await listed(client, pair)) == 2
    await owner.execute(f"UPDATE user_sessions SET {change} WHERE device_name = 'lama'")
    assert len(await listed(client, pair)) == 1
    assert over["access_token"] != pair["access_token"]


async def test_one_session_ends_and_the_others_go_on(client, user):
    one, two = await signed_in(client), await signed_in(client)
    mine = next(item["id"] for item in await listed(client, one) if item["current"])
    assert (await client.delete(f"{SESSIONS}/{mine}", headers=bearer(two))).status_code == 204
    assert (await client.get("/v1/me", headers=bearer(one))).status_code == 401
    assert code_of(await refresh(client, one["refresh_token"])) == "refresh_refused"
    assert (await client.get("/v1/me", headers=bearer(two))).status_code == 200
    assert (await client.delete(f"{SESSIONS}/{mine}", headers=bearer(two))).status_code == 404


async def test_nobody_ends_anothers_session_over_their_own(client, user, as_):
    other = await as_("tksk", PANJANG)
    pair = await signed_in(client)
    for key in (other.session_id, uuid4()):
        answer = await client.delete(f"{SESSIONS}/{key}", headers=bearer(pair))
        assert (answer.status_code, code_of(answer)) == (404, "not_found")
    assert (await other.get("/v1/me")).status_code == 200


async def test_an_office_sees_and_ends_the_sessions_of_its_users(client, user, as_):
    office = await as_("regency_office", BANDAR_LAMPUNG)
    one, two, three = [await signed_in(client) for _ in range(3)]
    url = f"/v1/users/{user}"
    items = (await office.get(f"{url}/sessions")).json()["items"]
    assert [item["current"] for item in items] == [False, False, False]
    assert (await office.delete(f"{url}/sessions/{items[0]['id']}")).status_code == 204
    assert (await client.get("/v1/me", headers=bearer(three))).status_code == 401
    assert (await client.get("/v1/me", headers=bearer(two))).status_code == 200
    assert code_of(await office.post(f"{url}/sign-out")) == "precondition_required"
    assert (await office.post(f"{url}/sign-out", headers={"If-Match": '"v1"'})).status_code == 204
    for pair in (one, two):
        assert (await client.get("/v1/me", headers=bearer(pair))).status_code == 401
    assert (await sign_in(client)).status_code == 200


async def test_the_session_named_must_be_the_named_users(client, user, as_):
    office, other = await as_("regency_office", BANDAR_LAMPUNG), await as_("tksk", PANJANG)
    assert (await office.delete(f"/v1/users/{user}/sessions/{other.session_id}")).status_code == 404
    assert (await other.get("/v1/me")).status_code == 200


async def test_other_offices_and_users_above_are_out_of_reach(client, user, as_, owner):
    stranger, office = await as_("regency_office", "52.71"), await as_("regency_office", BANDAR_LAMPUNG)
    colleague, session_id = await add_user(owner, "regency_office", BANDAR_LAMPUNG)
    match = {"If-Match": '"v1"'}
    for caller, key, status in ((stranger, user, 404), (office, colleague, 403)):
        url = f"/v1/users/{key}"
        assert (await caller.get(f"{url}/sessions")).status_code == status
        assert (await caller.delete(f"{url}/sessions/{session_id}")).status_code == status
        assert (await caller.post(f"{url}/sign-out", headers=match)).status_code == status
        assert (await caller.post(f"{url}/reset-otp", headers=match)).status_code == status
    assert (await (await as_("tksk", AMPENAN)).get(f"/v1/users/{user}/sessions")).status_code == 403
