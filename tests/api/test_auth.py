"""Signing in, passwords, and tokens anybody can verify. Sessions: test_sessions.py; guessing: test_sign_in.py."""

import base64
import json
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from accounts import PASSWORD, add_account, bearer, sign_in
from helpers import SRENGSEM, code_of


@pytest.fixture
async def user(owner) -> UUID:
    return await add_account(owner, "tksk.panjang")


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


async def test_a_password_may_be_written_in_either_unicode_form(client, owner):
    await add_account(owner, "tksk.panjang", password="caf\u00e9 di tepi pantai")
    assert (await sign_in(client, password="cafe\u0301 di tepi pantai")).status_code == 200


async def test_every_refusal_of_a_sign_in_looks_alike(client, user, owner):
    for name, change in (
        ("disabled", "UPDATE users SET disabled_at = now() WHERE username = 'disabled'"),
        (
            "expired",
            "UPDATE users SET must_change_password = true, setup_expires_at = now() WHERE username = 'expired'",
        ),
        ("unset", "UPDATE users SET password_hash = NULL WHERE username = 'unset'"),
    ):
        await add_account(owner, name)
        await owner.execute(change)
    answers = [await sign_in(client, name) for name in ("disabled", "expired", "unset", "nobody")]
    answers.append(await sign_in(client, password="salah salah salah"))
    documents = [{**answer.json(), "instance": None} for answer in answers]
    assert {answer.status_code for answer in answers} == {401}
    assert all(document == documents[0] for document in documents)
    assert documents[0]["code"] == "credentials_refused"
    assert await owner.fetchval("SELECT count(*) FROM refresh_tokens") == 0


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
        (PASSWORD, "empat belas hu", "/new_password", "password_too_short"),
        (PASSWORD, "1871041203150002", "/new_password", "password_common"),
        (PASSWORD, "tksk.panjang1234", "/new_password", "password_common"),
        (PASSWORD, "password123456789", "/new_password", "password_common"),
        (PASSWORD, "rahasia-dinsos-tksk", "/new_password", "password_common"),
        (PASSWORD, "BandarLampung2026", "/new_password", "password_common"),
        (PASSWORD, "qwertyuiopasdfghjkl", "/new_password", "password_common"),
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


@pytest.mark.parametrize("new", ["kopi pahit tanpa gula", "x" + "ombak di pantai " * 7, "señales éàü ñandú ç"])
async def test_a_long_password_needs_no_special_characters_and_no_limit_below_128(client, user, new):
    pair = (await sign_in(client)).json()
    change = {"current_password": PASSWORD, "new_password": new}
    answer = await client.post("/v1/me/password", json=change, headers=bearer(pair))
    assert answer.status_code == 204, answer.text
    assert (await sign_in(client, password=new)).status_code == 200
    assert code_of(await sign_in(client, password=new[:-1])) == "credentials_refused"


async def test_a_weak_new_password_is_no_failed_attempt(client, user, owner):
    pair = (await sign_in(client)).json()
    change = {"current_password": PASSWORD, "new_password": "aaaaaaaaaaaaaaaa"}
    for _ in range(4):
        answer = await client.post("/v1/me/password", json=change, headers=bearer(pair))
        assert answer.status_code == 422
    assert await owner.fetchval("SELECT max(failures) FROM sign_in_throttles") == 0


async def test_a_password_change_is_retried_with_its_key(client, user):
    pair = (await sign_in(client)).json()
    change = {"current_password": PASSWORD, "new_password": "ombak memecah di pantai"}
    headers = bearer(pair) | {"Idempotency-Key": "change-once"}
    first = await client.post("/v1/me/password", json=change, headers=headers)
    again = await client.post("/v1/me/password", json=change, headers=headers)
    assert (first.status_code, again.status_code) == (204, 204)
    assert again.headers["idempotency-replayed"] == "true"


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
