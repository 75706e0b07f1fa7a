"""Signing in and out: sessions, rotating refresh tokens, passwords, and tokens anybody can verify."""

import asyncio
import base64
import json
import time
from typing import Any
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from helpers import PANJANG, SRENGSEM, add_user, code_of
from tksk_api.security.passwords import Passwords

PASSWORD = "padi menguning di sawah"
LOGIN = "/v1/auth/login"
REFRESH = "/v1/auth/refresh"


@pytest.fixture(scope="session")
async def hashed() -> Any:
    """The password above, hashed once: argon2id is slow on purpose."""
    passwords = Passwords(1, 4)
    yield await passwords.hash(PASSWORD)
    passwords.close()


@pytest.fixture
async def user(owner, hashed) -> UUID:
    user_id, _ = await add_user(owner, "tksk", PANJANG, username="tksk.panjang", password_hash=hashed)
    await owner.execute("DELETE FROM user_sessions WHERE user_id = $1", user_id)
    return user_id


async def sign_in(client: Any, username: str = "tksk.panjang", password: str = PASSWORD, **over: Any) -> Any:
    return await client.post(LOGIN, json={"username": username, "password": password, **over})


async def refresh(client: Any, token: str) -> Any:
    return await client.post(REFRESH, json={"refresh_token": token})


def bearer(pair: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair['access_token']}"}


async def test_signing_in_gives_a_pair_that_works(client, user):
    answer = await sign_in(client, device_name="HP lapangan")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    pair = answer.json()
    assert pair["token_type"] == "Bearer"
    assert pair["expires_in"] == 900
    me = await client.get("/v1/me", headers=bearer(pair))
    assert me.json()["id"] == str(user)


async def test_neither_password_nor_refresh_token_is_stored(client, user, owner):
    pair = (await sign_in(client)).json()
    stored = [
        dict(row)
        for table in ("users", "user_sessions", "refresh_tokens")
        for row in await owner.fetch(f"SELECT * FROM {table}")
    ]
    assert PASSWORD not in str(stored)
    assert pair["refresh_token"] not in str(stored)
    assert pair["access_token"] not in str(stored)


async def test_the_user_name_has_no_case_and_the_password_is_taken_exactly(client, user):
    assert (await sign_in(client, "TKSK.Panjang")).status_code == 200
    for wrong in (PASSWORD.upper(), PASSWORD + " ", PASSWORD[:-1]):
        assert code_of(await sign_in(client, password=wrong)) == "credentials_refused"


async def test_every_refusal_of_a_sign_in_looks_alike(client, user, owner, hashed):
    for name, change in (
        ("disabled", "UPDATE users SET disabled_at = now() WHERE username = 'disabled'"),
        (
            "expired",
            "UPDATE users SET must_change_password = true, setup_expires_at = now() WHERE username = 'expired'",
        ),
        ("unset", "UPDATE users SET password_hash = NULL WHERE username = 'unset'"),
    ):
        await add_user(owner, "tksk", PANJANG, username=name, password_hash=hashed)
        await owner.execute(change)
    answers = [await sign_in(client, name) for name in ("disabled", "expired", "unset", "nobody")]
    answers.append(await sign_in(client, password="salah salah salah"))
    documents = [{**answer.json(), "instance": None} for answer in answers]
    assert {answer.status_code for answer in answers} == {401}
    assert all(document == documents[0] for document in documents)
    assert documents[0]["code"] == "credentials_refused"
    assert await owner.fetchval("SELECT count(*) FROM refresh_tokens") == 0


async def test_an_unknown_user_costs_the_same_work(client, user, app, monkeypatch):
    verified: list[str | None] = []
    verify = Passwords.verify

    async def counted(self: Passwords, password: str, stored: str | None) -> bool:
        verified.append(stored)
        return await verify(self, password, stored)

    monkeypatch.setattr(Passwords, "verify", counted)
    durations = []
    for name in ("tksk.panjang", "nobody"):
        began = time.perf_counter()
        await sign_in(client, name, "salah salah salah")
        durations.append(time.perf_counter() - began)
    assert len(verified) == 2
    assert verified[1] is None  # and then the house's own hash is worked on
    assert durations[1] > durations[0] / 4


async def test_too_many_sign_ins_at_once_are_told_to_come_back(client, user, app):
    room = app.state.house.settings.password_queue
    answers = await asyncio.gather(*(sign_in(client, "nobody") for _ in range(room + 14)))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused
    assert {answer.status_code for answer in answers} == {401, 503}
    assert refused[0].headers["retry-after"] == "5"
    assert (await sign_in(client)).status_code == 200


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
    assert code_of(await refresh(client, lost["refresh_token"])) == "refresh_refused"
    assert (await refresh(client, again.json()["refresh_token"])).status_code == 200


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
    usable = "SELECT count(*) FROM refresh_tokens WHERE used_at IS NULL AND revoked_at IS NULL"
    assert await owner.fetchval(usable) == 1


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


async def test_a_changed_password_ends_the_other_sessions(client, user):
    mine, other = (await sign_in(client)).json(), (await sign_in(client)).json()
    new = "ombak memecah di pantai"
    change = {"current_password": PASSWORD, "new_password": new}
    answer = await client.post("/v1/me/password", json=change, headers=bearer(mine))
    assert answer.status_code == 204, answer.text
    assert (await client.get("/v1/me", headers=bearer(mine))).status_code == 200
    assert (await client.get("/v1/me", headers=bearer(other))).status_code == 401
    assert code_of(await sign_in(client)) == "credentials_refused"
    assert (await sign_in(client, password=new)).status_code == 200


@pytest.mark.parametrize(
    ("current", "new", "pointer", "code"),
    [
        ("salah", "ombak memecah di pantai", "/current_password", "password_wrong"),
        (PASSWORD, "pendek", "/new_password", "password_too_short"),
        (PASSWORD, PASSWORD, "/new_password", "password_unchanged"),
        (PASSWORD, "981273645098", "/new_password", "password_common"),
        (PASSWORD, "tksk.panjang1234", "/new_password", "password_common"),
        (PASSWORD, "password123456", "/new_password", "password_common"),
        (PASSWORD, "aaaaaaaaaaaaaaaa", "/new_password", "password_common"),
        (PASSWORD, "x" * 129, "/new_password", "too_long"),
        (PASSWORD, "", "/new_password", "too_short"),
    ],
)
async def test_a_weak_password_is_refused_and_never_repeated(client, user, current, new, pointer, code):
    pair = (await sign_in(client)).json()
    change = {"current_password": current, "new_password": new}
    answer = await client.post("/v1/me/password", json=change, headers=bearer(pair))
    assert answer.status_code == 422
    assert answer.json()["errors"][0] == {**answer.json()["errors"][0], "pointer": pointer, "code": code}
    assert not new or new not in answer.text
    assert (await sign_in(client)).status_code == 200


async def test_me_says_what_the_caller_may_do(as_):
    head = await as_("village_head", SRENGSEM, full_name="Hendra Saputra", position_title="Lurah Srengsem")
    me = (await head.get("/v1/me")).json()
    assert me["full_name"] == "Hendra Saputra"
    assert me["position_title"] == "Lurah Srengsem"
    assert (me["role"], me["region_code"], me["region_name"]) == ("village_head", SRENGSEM, "Srengsem")
    assert "sktm:sign" in me["permissions"]
    assert "user:manage" not in me["permissions"]
    assert me["permissions"] == sorted(me["permissions"])
    ministry = (await (await as_("ministry")).get("/v1/me")).json()
    assert (ministry["region_code"], ministry["region_name"]) == (None, None)


async def test_anybody_can_verify_our_tokens_with_the_published_keys(client, user):
    """By the standard alone (RFC 7515, RFC 7517), with another library than the one that signs."""
    token = (await sign_in(client)).json()["access_token"]
    answer = await client.get("/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    head, body, signature = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    header, claims = json.loads(head), json.loads(body)
    assert header.keys() == {"alg", "typ", "kid"}
    assert claims.keys() == {"iss", "aud", "sub", "sid", "client_id", "iat", "exp", "jti"}
    key = next(key for key in answer.json()["keys"] if key["kid"] == header["kid"])
    assert key.keys() == {"kty", "crv", "use", "alg", "kid", "x", "y"}  # and no private part
    x, y = (int.from_bytes(base64.urlsafe_b64decode(key[axis] + "==")) for axis in ("x", "y"))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    der = utils.encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    signed = token.rsplit(".", 1)[0].encode()
    public.verify(der, signed, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(der, signed + b"x", ec.ECDSA(hashes.SHA256()))


async def test_a_refresh_token_of_nobody_is_refused(client, user):
    for odd in ("x" * 43, "tidak-dikenal-tidak-dikenal", "' OR 1=1 -- aaaaaaaaaaaaaaa"):
        assert code_of(await refresh(client, odd)) == "refresh_refused"
