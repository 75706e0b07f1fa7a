"""One-time codes, recovery codes, and proving oneself again."""

import asyncio
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from accounts import PASSWORD, add_account, another_app, bearer, caller_from, code, enrol, next_code, sign_in, signed_in
from helpers import BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of
from tksk_api.domain.users.schemas import Code, OtpConfirmation
from tksk_api.http.idempotency import SECRETS
from tksk_api.openapi import whole_document
from tksk_api.services import SERVICES

OTP = "/v1/me/otp"
STEP_UP = "/v1/auth/step-up"
REVEAL = {"fields": ["nik"], "purpose": "letter_processing", "reason": "Surat untuk sekolah anak"}


@pytest.fixture
async def user(owner) -> UUID:
    return await add_account(owner, "tksk.panjang")


def error_of(answer: Any) -> tuple[str, str]:
    assert answer.status_code == 422, answer.text
    error = answer.json()["errors"][0]
    return error["pointer"], error["code"]


# ---- setting up ------------------------------------------------------------------------------------------------------


async def test_setting_up_gives_a_secret_for_the_app_and_counts_from_the_first_code(client, user, owner):
    headers = bearer(await signed_in(client))
    begun = await client.post(OTP, json={"password": PASSWORD}, headers=headers)
    assert begun.status_code == 200, begun.text
    assert begun.headers["cache-control"] == "no-store"
    secret, uri = begun.json()["secret"], urlsplit(begun.json()["otpauth_uri"])
    assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/TKSK:tksk.panjang")
    assert parse_qs(uri.query) == {"secret": [secret], "issuer": ["TKSK"]}
    assert len(secret) == 32  # 160 bits, RFC 4226 §4
    assert (await client.get("/v1/me", headers=headers)).json()["otp_enrolled"] is False
    assert (await sign_in(client)).status_code == 200  # not yet in force

    confirmed = await client.post(f"{OTP}/confirm", json={"otp": code(secret)}, headers=headers)
    codes = confirmed.json()["recovery_codes"]
    assert len(set(codes)) == 10
    assert (await client.get("/v1/me", headers=headers)).json()["otp_enrolled"] is True
    assert code_of(await sign_in(client)) == "otp_required"
    assert (await sign_in(client, otp=await next_code(owner, secret))).status_code == 200


async def test_neither_secret_nor_codes_are_stored_in_clear_or_for_a_replay(client, user, owner):
    headers = bearer(await signed_in(client)) | {"Idempotency-Key": "once"}
    begun = await client.post(OTP, json={"password": PASSWORD}, headers=headers)
    secret = begun.json()["secret"]
    confirmed = await client.post(f"{OTP}/confirm", json={"otp": code(secret)}, headers=headers)
    codes = confirmed.json()["recovery_codes"]
    again = await client.post(OTP, json={"password": PASSWORD, "recovery_code": codes[0]}, headers=headers)
    assert again.json()["secret"] != secret  # the work done anew
    stored = [
        dict(row)
        for table in ("users", "recovery_codes", "changes", "idempotency_keys", "access_log")
        for row in await owner.fetch(f"SELECT * FROM {table}")
    ]
    assert await owner.fetchval("SELECT count(*) FROM idempotency_keys") == 0
    assert await owner.fetchval("SELECT count(*) FROM recovery_codes") == 10
    for plain in (secret, secret.encode(), *codes, *(c.replace("-", "").encode() for c in codes)):
        assert str(plain) not in str(stored)


async def test_the_history_says_that_codes_were_set_up_and_not_which_and_no_sign_in_moves_the_version(
    client, user, owner
):
    secret, _ = await enrol(client, bearer(await signed_in(client)))
    rows = await owner.fetch("SELECT fields FROM changes WHERE entity = 'users' AND action = 'update' ORDER BY id")
    assert '"otp_cipher": {"hidden": true}' in rows[-1]["fields"]
    version = await owner.fetchval("SELECT version FROM users")
    assert (await sign_in(client, otp=await next_code(owner, secret))).status_code == 200
    assert await owner.fetchval("SELECT otp_last_step IS NOT NULL FROM users") is True
    assert await owner.fetchval("SELECT version FROM users") == version


async def test_setting_up_needs_the_password_and_later_a_code_too(client, user, owner):
    headers = bearer(await signed_in(client))
    wrong = await client.post(OTP, json={"password": "salah"}, headers=headers)
    assert error_of(wrong) == ("/password", "password_wrong")
    secret, codes = await enrol(client, headers)
    missing = await client.post(OTP, json={"password": PASSWORD}, headers=headers)
    assert error_of(missing) == ("/otp", "missing")
    refused = await client.post(OTP, json={"password": PASSWORD, "otp": "000000"}, headers=headers)
    assert code_of(refused) == "otp_refused"
    body = {"password": PASSWORD, "recovery_code": codes[0]}
    begun = await client.post(OTP, json=body, headers=headers)
    assert begun.status_code == 200, begun.text

    assert (await sign_in(client, otp=await next_code(owner, secret))).status_code == 200  # the old one is in force
    fresh = begun.json()["secret"]
    confirmed = await client.post(f"{OTP}/confirm", json={"otp": code(fresh)}, headers=headers)
    assert confirmed.status_code == 200
    assert code_of(await sign_in(client, otp=await next_code(owner, secret))) == "otp_refused"
    assert (await sign_in(client, otp=await next_code(owner, fresh))).status_code == 200
    assert code_of(await sign_in(client, recovery_code=codes[1])) == "otp_refused"  # the old set is void


async def test_confirming_needs_something_to_confirm_and_the_right_code(client, user):
    headers = bearer(await signed_in(client))
    nothing = await client.post(f"{OTP}/confirm", json={"otp": "123456"}, headers=headers)
    assert (nothing.status_code, code_of(nothing)) == (409, "otp_not_set_up")
    secret = (await client.post(OTP, json={"password": PASSWORD}, headers=headers)).json()["secret"]
    wrong = f"{(int(code(secret)) + 1) % 1_000_000:06d}"
    assert code_of(await client.post(f"{OTP}/confirm", json={"otp": wrong}, headers=headers)) == "otp_refused"
    assert (await client.get("/v1/me", headers=headers)).json()["otp_enrolled"] is False


async def test_confirming_again_says_that_it_is_done(client, user):
    headers = bearer(await signed_in(client))
    await enrol(client, headers)
    again = await client.post(f"{OTP}/confirm", json={"otp": "123456"}, headers=headers)
    assert (again.status_code, code_of(again)) == (409, "otp_already_confirmed")


async def test_of_two_confirmations_at_once_one_gives_recovery_codes(client, user, owner):
    headers = bearer(await signed_in(client))
    secret = (await client.post(OTP, json={"password": PASSWORD}, headers=headers)).json()["secret"]
    body = {"otp": code(secret)}
    answers = await asyncio.gather(*(client.post(f"{OTP}/confirm", json=body, headers=headers) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert await owner.fetchval("SELECT count(*) FROM recovery_codes") == 10


async def test_confirming_ends_the_sessions_that_were_opened_without_a_code(client, user):
    mine, other = await signed_in(client), await signed_in(client)
    await enrol(client, bearer(mine))
    assert (await client.get("/v1/me", headers=bearer(mine))).status_code == 200
    assert (await client.get("/v1/me", headers=bearer(other))).status_code == 401


# ---- codes -----------------------------------------------------------------------------------------------------------


async def test_a_code_works_once(client, user, owner):
    secret, _ = await enrol(client, bearer(await signed_in(client)))
    otp = await next_code(owner, secret)
    assert (await sign_in(client, otp=otp)).status_code == 200
    assert (code_of(await sign_in(client, otp=otp)), (await sign_in(client, otp=otp)).status_code) == (
        "otp_refused",
        401,
    )


async def test_of_many_uses_of_one_code_at_once_one_succeeds(client, user, owner):
    secret, _ = await enrol(client, bearer(await signed_in(client)))
    otp = await next_code(owner, secret)
    answers = await asyncio.gather(*(sign_in(client, otp=otp) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]


async def test_a_clock_half_a_minute_off_is_forgiven_and_no_more(client, user, owner):
    secret, _ = await enrol(client, bearer(await signed_in(client)))
    await owner.execute("UPDATE users SET otp_last_step = NULL")
    if time.time() % 30 > 25:
        await asyncio.sleep(30 - time.time() % 30)  # the steps below must mean the same to client and server
    for steps, status in ((-2, 401), (-1, 200), (0, 200), (1, 200), (2, 401), (-1, 401)):
        answer = await sign_in(client, otp=code(secret, steps))
        assert answer.status_code == status, steps
    await owner.execute("DELETE FROM sign_in_throttles; UPDATE users SET otp_last_step = NULL")
    assert (await sign_in(client, otp=code(secret, 1))).status_code == 200
    assert code_of(await sign_in(client, otp=code(secret, 0))) == "otp_refused"  # earlier than one that was used


@pytest.mark.parametrize("shown", ["{} {}", " {}-{} ", "{}\u00a0{}"])
async def test_a_code_is_taken_as_an_app_shows_it(client, user, owner, shown):
    secret, _ = await enrol(client, bearer(await signed_in(client)))
    otp = await next_code(owner, secret)
    assert (await sign_in(client, otp=shown.format(otp[:3], otp[3:]))).status_code == 200


@pytest.mark.parametrize("otp", ["12345", "1234567", "12345a", "１２３４５６", "", "123 45", "-- --"])
async def test_a_code_has_six_digits(client, user, otp):
    assert error_of(await sign_in(client, otp=otp)) == ("/otp", "bad_format")


async def test_a_recovery_code_works_once_however_it_was_copied(client, user):
    _, codes = await enrol(client, bearer(await signed_in(client)))
    written = codes[0].lower().replace("-", "").replace("0", "o").replace("1", "l")
    assert (await sign_in(client, recovery_code=written)).status_code == 200
    assert code_of(await sign_in(client, recovery_code=codes[0])) == "otp_refused"
    assert (await sign_in(client, recovery_code=f" {codes[2].lower().replace('-', ' ')} ")).status_code == 200
    answers = await asyncio.gather(*(sign_in(client, recovery_code=codes[1]) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 401]


async def test_another_users_recovery_code_opens_nothing(client, user, owner):
    _, codes = await enrol(client, bearer(await signed_in(client)))
    await add_account(owner, "other")
    await enrol(client, bearer(await signed_in(client, "other")))
    assert code_of(await sign_in(client, "other", recovery_code=codes[0])) == "otp_refused"


async def test_new_recovery_codes_replace_the_old(client, user, owner):
    headers = bearer(await signed_in(client))
    url, body = f"{OTP}/recovery-codes", {"password": PASSWORD}
    assert code_of(await client.post(url, json=body, headers=headers)) == "otp_not_set_up"
    secret, old = await enrol(client, headers)
    assert error_of(await client.post(url, json=body, headers=headers)) == ("/otp", "missing")
    renewed = await client.post(url, json=body | {"otp": await next_code(owner, secret)}, headers=headers)
    assert len(set(renewed.json()["recovery_codes"]) - set(old)) == 10
    assert code_of(await sign_in(client, recovery_code=old[0])) == "otp_refused"
    assert (await sign_in(client, recovery_code=renewed.json()["recovery_codes"][0])).status_code == 200


async def test_the_wrong_password_is_not_told_from_a_right_one_by_the_code(client, user):
    """Nobody learns from the answer whether a user has codes, unless they know the password."""
    await enrol(client, bearer(await signed_in(client)))
    for more in ({}, {"otp": "123456"}, {"recovery_code": "AAAA-BBBB-CCCC"}):
        assert code_of(await sign_in(client, password="salah salah salah", **more)) == "credentials_refused"
        assert code_of(await sign_in(client, "nobody", **more)) == "credentials_refused"


# ---- giving up, losing the phone -------------------------------------------------------------------------------------


async def give_up(client: Any, headers: Any, **body: Any) -> Any:
    return await client.request("DELETE", OTP, json={"password": PASSWORD, **body}, headers=headers)


async def test_codes_can_be_given_up_with_password_and_code(client, user, owner):
    headers = bearer(await signed_in(client))
    assert code_of(await give_up(client, headers)) == "otp_not_set_up"
    secret, codes = await enrol(client, headers)
    other = await signed_in(client, recovery_code=codes[0])
    assert error_of(await give_up(client, headers)) == ("/otp", "missing")
    assert code_of(await give_up(client, headers, otp="000000")) == "otp_refused"
    otp = await next_code(owner, secret)
    assert error_of(await give_up(client, headers, otp=otp, password="salah salah salah")) == (
        "/password",
        "password_wrong",
    )
    await owner.execute("UPDATE sign_in_throttles SET blocked_until = now()")
    assert (await give_up(client, headers, otp=await next_code(owner, secret))).status_code == 204
    assert (await client.get("/v1/me", headers=bearer(other))).status_code == 401
    assert (await sign_in(client)).status_code == 200
    assert await owner.fetchval("SELECT count(*) FROM recovery_codes") == 0


async def test_a_role_that_must_use_codes_cannot_give_them_up(client, owner):
    await add_account(owner, "lurah", "village_head", SRENGSEM)
    headers = bearer(await signed_in(client, "lurah"))
    secret, _ = await enrol(client, headers)
    answer = await give_up(client, headers, otp=await next_code(owner, secret))
    assert (answer.status_code, code_of(answer)) == (409, "otp_mandatory")


async def test_with_codes_a_password_may_be_shorter_but_then_not_stand_alone(client, user, owner):
    headers, short = bearer(await signed_in(client)), "kq7#vbzx"
    change = {"current_password": PASSWORD, "new_password": short}
    assert error_of(await client.post("/v1/me/password", json=change, headers=headers)) == (
        "/new_password",
        "password_too_short",
    )
    _, codes = await enrol(client, headers)
    assert error_of(await client.post("/v1/me/password", json=change, headers=headers)) == ("/otp", "missing")
    change["recovery_code"] = codes[1]
    assert (await client.post("/v1/me/password", json=change, headers=headers)).status_code == 204
    answer = await give_up(client, headers, password=short, recovery_code=codes[0])
    assert error_of(answer) == ("/password", "password_too_short_alone")
    too_short = {"current_password": short, "new_password": "kq7#vbz"}
    assert error_of(await client.post("/v1/me/password", json=too_short, headers=headers))[1] == "password_too_short"


async def test_an_office_removes_the_codes_of_a_lost_phone(client, user, owner, as_):
    headers = bearer(await signed_in(client))
    await enrol(client, headers)
    office, version = (
        await as_("regency_office", BANDAR_LAMPUNG),
        await owner.fetchval("SELECT max(version) FROM users"),
    )
    answer = await office.post(f"/v1/users/{user}/reset-otp", headers={"If-Match": f'"v{version}"'})
    assert answer.status_code == 200, answer.text
    assert answer.json()["version"] > version
    assert (await client.get("/v1/me", headers=headers)).status_code == 401
    headers = bearer(await signed_in(client))
    me = (await client.get("/v1/me", headers=headers)).json()
    assert (me["otp_enrolled"], me["must_change_password"]) == (False, True)
    change = {"current_password": PASSWORD, "new_password": "ombak memecah di pantai"}
    assert (await client.post("/v1/me/password", json=change, headers=headers)).status_code == 204
    assert (await client.get("/v1/beneficiaries", headers=headers)).status_code == 200


async def test_nobody_removes_their_own_codes_as_an_administrator(as_):
    admin = await as_("admin")
    answer = await admin.post(f"/v1/users/{admin.user_id}/reset-otp", headers={"If-Match": '"v1"'})
    assert error_of(answer) == ("", "same_person")


# ---- roles that must -------------------------------------------------------------------------------------------------


async def test_a_new_office_changes_its_secret_sets_up_codes_and_only_then_works(client, as_, owner):
    admin = await as_("admin")
    body = {
        "username": "dinsos.baru",
        "full_name": "Dewi Kartika",
        "role": "regency_office",
        "region_code": BANDAR_LAMPUNG,
    }
    url = (await admin.post("/v1/users", json=body)).headers["location"]
    reset = (await admin.post(f"{url}/reset-password", headers={"If-Match": '"v1"'})).json()
    headers = bearer(await signed_in(client, "dinsos.baru", password=reset["setup_secret"]))
    assert code_of(await client.get("/v1/beneficiaries", headers=headers)) == "password_change_required"
    assert (await client.get("/v1/me", headers=headers)).json()["permissions"] == ["session:use"]

    change = {"current_password": reset["setup_secret"], "new_password": PASSWORD}
    assert (await client.post("/v1/me/password", json=change, headers=headers)).status_code == 204
    assert code_of(await client.get("/v1/beneficiaries", headers=headers)) == "otp_enrolment_required"
    assert code_of(await client.post("/v1/users", json=body, headers=headers)) == "otp_enrolment_required"
    me = (await client.get("/v1/me", headers=headers)).json()
    assert (me["otp_required"], me["otp_enrolled"], me["permissions"]) == (True, False, ["session:use"])

    secret, _ = await enrol(client, headers)
    assert (await client.get("/v1/beneficiaries", headers=headers)).status_code == 200
    me = (await client.get("/v1/me", headers=headers)).json()
    assert (me["otp_enrolled"], "user:manage" in me["permissions"]) == (True, True)
    assert code_of(await sign_in(client, "dinsos.baru")) == "otp_required"
    assert (await sign_in(client, "dinsos.baru", otp=await next_code(owner, secret))).status_code == 200


async def test_an_officer_in_the_field_may_do_without(client, user):
    me = (await client.get("/v1/me", headers=bearer(await signed_in(client)))).json()
    assert (me["otp_required"], me["otp_enrolled"]) == (False, False)
    assert "visit:write" in me["permissions"]


async def test_an_installation_may_leave_it_to_its_users(settings, owner):
    await add_account(owner, "dinsos.baru", "regency_office", BANDAR_LAMPUNG)
    async with another_app(settings, otp_required=False) as app, caller_from(app, "127.0.0.1") as client:
        headers = bearer(await signed_in(client, "dinsos.baru"))
        assert (await client.get("/v1/beneficiaries", headers=headers)).status_code == 200
        assert (await client.get("/v1/me", headers=headers)).json()["otp_required"] is False


# ---- proving oneself again -------------------------------------------------------------------------------------------


async def grow_old(owner: Any) -> None:
    await owner.execute("UPDATE user_sessions SET strong_at = now() - interval '16 minutes'")


def asks_for_proof(answer: Any) -> None:
    assert (answer.status_code, code_of(answer)) == (401, "step_up_required")
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="tksk", error="insufficient_user_authentication", max_age=900'
    )
    assert answer.json()["max_age"] == 900


async def test_an_old_session_proves_itself_with_the_password_before_it_reveals(client, user, owner, as_):
    person = await add_person(await as_("tksk", PANJANG))
    reveal = f"/v1/beneficiaries/{person['id']}/reveal"
    headers = bearer(await signed_in(client))
    assert (await client.post(reveal, json=REVEAL, headers=headers)).status_code == 200  # signing in was a proof
    await grow_old(owner)
    asks_for_proof(await client.post(reveal, json=REVEAL, headers=headers))
    assert (await client.get(f"/v1/beneficiaries/{person['id']}", headers=headers)).status_code == 200
    assert error_of(await client.post(STEP_UP, json={}, headers=headers)) == ("/password", "missing")
    wrong = await client.post(STEP_UP, json={"password": "salah salah salah"}, headers=headers)
    assert error_of(wrong) == ("/password", "password_wrong")
    asks_for_proof(await client.post(reveal, json=REVEAL, headers=headers))
    assert (await client.post(STEP_UP, json={"password": PASSWORD}, headers=headers)).status_code == 204
    assert (await client.post(reveal, json=REVEAL, headers=headers)).status_code == 200


async def test_who_has_codes_proves_themselves_with_one(client, user, owner, as_):
    person = await add_person(await as_("tksk", PANJANG))
    reveal = f"/v1/beneficiaries/{person['id']}/reveal"
    headers = bearer(await signed_in(client))
    secret, codes = await enrol(client, headers)
    await grow_old(owner)
    assert error_of(await client.post(STEP_UP, json={"password": PASSWORD}, headers=headers)) == ("/otp", "missing")
    assert code_of(await client.post(STEP_UP, json={"otp": "000000"}, headers=headers)) == "otp_refused"
    asks_for_proof(await client.post(reveal, json=REVEAL, headers=headers))
    otp = await next_code(owner, secret)
    assert (await client.post(STEP_UP, json={"otp": otp}, headers=headers)).status_code == 204
    assert (await client.post(reveal, json=REVEAL, headers=headers)).status_code == 200
    assert code_of(await client.post(STEP_UP, json={"otp": otp}, headers=headers)) == "otp_refused"
    await grow_old(owner)
    assert (await client.post(STEP_UP, json={"recovery_code": codes[0]}, headers=headers)).status_code == 204
    assert (await client.post(reveal, json=REVEAL, headers=headers)).status_code == 200


async def test_signing_a_letter_asks_too_and_only_this_session_is_proven(owner, as_):
    head = await as_("village_head", SRENGSEM)
    sign = f"/v1/sktm-applications/{head.user_id}/sign"
    await grow_old(owner)
    asks_for_proof(await head.post(sign, headers={"If-Match": '"v1"'}))
    await owner.execute("UPDATE user_sessions SET strong_at = now() WHERE id = $1", head.session_id)
    assert code_of(await head.post(sign, headers={"If-Match": '"v1"'})) == "not_found"


async def test_stepping_up_proves_one_session(client, user, owner):
    one, two = bearer(await signed_in(client)), bearer(await signed_in(client))
    await grow_old(owner)
    assert (await client.post(STEP_UP, json={"password": PASSWORD}, headers=one)).status_code == 204
    assert (await client.get("/v1/me", headers=two)).status_code == 200
    fresh = "SELECT count(*) FROM user_sessions WHERE strong_at > now() - interval '1 minute'"
    assert await owner.fetchval(fresh) == 1


async def test_a_lost_reply_to_a_proof_is_given_again(client, user, owner):
    headers = bearer(await signed_in(client))
    secret, _ = await enrol(client, headers)
    body = {"otp": await next_code(owner, secret)}
    keyed = headers | {"Idempotency-Key": "prove-once"}
    first, again = [await client.post(STEP_UP, json=body, headers=keyed) for _ in range(2)]
    assert (first.status_code, again.status_code) == (204, 204)
    assert again.headers["idempotency-replayed"] == "true"
    # What is kept of the request says nothing about the code: another one would be answered alike.
    other = await client.post(STEP_UP, json={"otp": "000000"}, headers=keyed)
    assert other.headers["idempotency-replayed"] == "true"


def test_every_secret_of_a_body_is_left_out_of_what_is_kept(app):
    """A member named like a secret in the published documents, or a code, is not in a fingerprint."""
    schemas = whole_document(app, SERVICES, "http://test")["components"]["schemas"]
    hidden = {
        name
        for schema in schemas.values()
        for name, member in schema.get("properties", {}).items()
        if "password" in (member.get("format"), *(part.get("format") for part in member.get("anyOf", ())))
    }
    assert hidden
    assert hidden | Code.model_fields.keys() | OtpConfirmation.model_fields.keys() <= SECRETS
