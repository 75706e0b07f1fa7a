"""Tokens for machine clients (RFC 6749, 7523, 8414), and what a machine may and may not do with one."""

import asyncio
import base64
import json
import time
from typing import Any
from uuid import uuid4

import httpx
import pytest
from jose import jwt

from architecture.specification import OPEN_COLLECTIONS, operations
from architecture.world import build_world
from helpers import AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, add_client, add_person, code_of, machine, person
from tksk_api.domain.clients.rules import ASSERTION_TYPE
from tksk_api.domain.clients.service import digest_of
from tksk_api.security.crypto import SigningKey
from tksk_api.security.permissions import MACHINE_SCOPES

URL = "/oauth2/token"
SECRET = "tksk_secret_padi-menguning-di-sawah-seberang-kali"
SCOPES = ["beneficiary:read", "visit:read"]


def basic(client_id: Any, secret: str = SECRET) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


async def ask(client: httpx.AsyncClient, headers: dict[str, str] | None = None, **form: str) -> httpx.Response:
    return await client.post(URL, data={"grant_type": "client_credentials", **form}, headers=headers)


@pytest.fixture
async def known(owner) -> Any:
    """The id of a client with the secret above."""
    client_id, _ = await add_client(owner, SCOPES, [BANDAR_LAMPUNG])
    await owner.execute(
        "INSERT INTO client_secrets (id, client_id, digest) VALUES ($1, $2, $3)", uuid4(), client_id, digest_of(SECRET)
    )
    return client_id


@pytest.fixture
async def keyed(owner) -> tuple[Any, SigningKey]:
    """The id of a client with a public key, and the key."""
    client_id, _ = await add_client(owner, SCOPES, [BANDAR_LAMPUNG])
    key = SigningKey.generate()
    public = {name: key.jwk[name] for name in ("kty", "crv", "x", "y")}
    await owner.execute("UPDATE clients SET public_jwk = $2 WHERE id = $1", client_id, json.dumps(public))
    return client_id, key


def assertion(client_id: Any, key: SigningKey, headers: dict[str, Any] | None = None, **over: Any) -> str:
    """A signed assertion; the value `...` leaves a claim out."""
    now = int(time.time())
    claims = {
        "iss": str(client_id),
        "sub": str(client_id),
        "aud": "http://test/oauth2/token",
        "iat": now,
        "exp": now + 120,
        "jti": str(uuid4()),
        **over,
    }
    kept = {name: value for name, value in claims.items() if value is not ...}
    result: str = jwt.encode(kept, key.private_pem, "ES256", headers=headers)
    return result


async def assert_with(client: httpx.AsyncClient, text: str, **form: str) -> httpx.Response:
    return await ask(client, client_assertion_type=ASSERTION_TYPE, client_assertion=text, **form)


# ---- by secret -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["basic", "post"])
async def test_a_secret_gives_a_token_that_works(client, known, way, as_):
    mine = await add_person(await as_("tksk", PANJANG))
    form = {} if way == "basic" else {"client_id": str(known), "client_secret": SECRET}
    answer = await ask(client, basic(known) if way == "basic" else None, **form)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    token = answer.json()
    assert token.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 900, "beneficiary:read visit:read")
    claims = jwt.get_unverified_claims(token["access_token"])
    assert (claims["aud"], claims["sub"], claims["client_id"]) == ("tksk-api-machine", str(known), str(known))
    listed = await client.get("/v1/beneficiaries", headers={"Authorization": f"Bearer {token['access_token']}"})
    assert [row["id"] for row in listed.json()["items"]] == [mine["id"]]


async def test_a_narrowed_token_does_less_than_its_client(client, known, owner):
    answer = await ask(client, basic(known), scope="visit:read")
    assert answer.json()["scope"] == "visit:read"
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await client.get("/v1/visits", headers=headers)).status_code == 200
    refused = await client.get("/v1/beneficiaries", headers=headers)
    assert code_of(refused) == "permission_denied"
    assert refused.json()["permission"] == "beneficiary:read"
    assert (await client.post("/v1/beneficiaries", json=person(), headers=headers)).status_code == 403
    denied = await owner.fetch("SELECT role, user_id FROM access_log WHERE outcome = 'denied'")
    assert [tuple(row) for row in denied] == [("machine", known)] * 2


async def test_a_client_without_scopes_gets_a_token_that_does_nothing(client, known, owner):
    await owner.execute("UPDATE clients SET scopes = '{}'")
    answer = await ask(client, basic(known))
    assert answer.json()["scope"] == ""
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await client.get("/v1/visits", headers=headers)).status_code == 403


async def test_whoever_is_not_let_in_reads_the_same_words(client, known, keyed, owner):
    bare, _ = await add_client(owner, SCOPES, [BANDAR_LAMPUNG])
    ended, _ = await add_client(owner, SCOPES, [BANDAR_LAMPUNG])
    old, _ = await add_client(owner, SCOPES, [BANDAR_LAMPUNG])
    for client_id, when in ((ended, None), (old, "now()"), (keyed[0], None)):
        await owner.execute(
            f"INSERT INTO client_secrets (id, client_id, digest, expires_at) VALUES ($1, $2, $3, {when or 'NULL'})",
            uuid4(),
            client_id,
            digest_of(SECRET),
        )
    await owner.execute("UPDATE clients SET disabled_at = now() WHERE id = $1", ended)
    refused = {
        "wrong secret": basic(known, SECRET + "x"),
        "empty secret": basic(known, ""),
        "unknown": basic(uuid4()),
        "no id": basic("siks-ng"),
        "no secret yet": basic(bare),
        "ended": basic(ended),
        "old secret": basic(old),
        "has a key": basic(keyed[0]),
        "no colon": {"Authorization": "Basic " + base64.b64encode(b"siks").decode()},
        "not base64": {"Authorization": "Basic ***"},
        "not text": {"Authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()},
        "bearer": {"Authorization": "Bearer x"},
        "nothing": {},
    }
    expected = None
    for case, headers in refused.items():
        answer = await ask(client, headers)
        assert code_of(answer) == "client_refused", case
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="tksk"'
        assert answer.headers["cache-control"] == "no-store"
        document = {**answer.json(), "instance": None}
        expected = expected or document
        assert document == expected, case
    assert (expected["error"], expected["error_description"]) == ("invalid_client", "client authentication failed")
    assert (await ask(client, basic(known))).status_code == 200


@pytest.mark.parametrize(
    ("content", "code", "error"),
    [
        (b"", "token_request_invalid", "invalid_request"),
        (b"scope=visit:read", "token_request_invalid", "invalid_request"),
        (b"grant_type=", "token_request_invalid", "invalid_request"),
        (b"grant_type=password", "grant_type_unsupported", "unsupported_grant_type"),
        (b"grant_type=refresh_token", "grant_type_unsupported", "unsupported_grant_type"),
        (b"grant_type=client_credentials&grant_type=client_credentials", "token_request_invalid", "invalid_request"),
        (b"grant_type=client_credentials&grant%5Ftype=client_credentials", "token_request_invalid", "invalid_request"),
        (b"grant_type", "token_request_invalid", "invalid_request"),
        (b"grant_type=client_credentials&&", "token_request_invalid", "invalid_request"),
        (b"grant_type=%zz", "token_request_invalid", "invalid_request"),
        (b"grant_type=client_credentials%00", "token_request_invalid", "invalid_request"),
        (b"grant_type=%ff", "token_request_invalid", "invalid_request"),
        (b"grant_type=\xc3\xa9", "token_request_invalid", "invalid_request"),
        (b"grant_type=client_credentials&client_secret=x", "token_request_invalid", "invalid_request"),
        (b"grant_type=client_credentials&client_assertion=x", "token_request_invalid", "invalid_request"),
        (b"grant_type=client_credentials&scope=visit:read++beneficiary:read", "scope_refused", "invalid_scope"),
        (b"grant_type=client_credentials&scope=%22", "scope_refused", "invalid_scope"),
        (b'{"grant_type": "client_credentials"}', "token_request_invalid", "invalid_request"),
        (b"a=" + b"x" * 20_000, "body_too_large", "invalid_request"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_malformed_request_is_an_oauth_error(client, known, content, code, error):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if b"scope" in content and code == "scope_refused":
        headers |= basic(known)
    answer = await client.post(URL, content=content, headers=headers)
    assert code_of(answer) == code, answer.text
    assert answer.json()["error"] == error
    if code != "body_too_large":
        assert answer.status_code == 400
        assert answer.json()["error_description"].isascii()


async def test_other_bodies_are_not_read(client, known):
    answer = await client.post(URL, json={"grant_type": "client_credentials"}, headers=basic(known))
    assert code_of(answer) == "unsupported_media_type"
    assert answer.json()["error"] == "invalid_request"
    assert (await client.get(URL)).status_code == 405
    in_the_address = await client.post(f"{URL}?client_secret=x", data={"grant_type": "client_credentials"})
    assert in_the_address.status_code == 422


async def test_exactly_one_way_of_proving_who_asks(client, known):
    own = {"client_id": str(known), "client_secret": SECRET}
    assert code_of(await ask(client, basic(known), **own)) == "token_request_invalid"
    assert code_of(await ask(client, basic(known), client_id=str(uuid4()))) == "token_request_invalid"
    assert (await ask(client, basic(known), client_id=str(known))).status_code == 200
    assert code_of(await ask(client, **own, client_assertion="x")) == "token_request_invalid"
    twice = [("Authorization", basic(known)["Authorization"])] * 2
    answer = await client.post(URL, data={"grant_type": "client_credentials"}, headers=twice)
    assert code_of(answer) == "token_request_invalid"


@pytest.mark.parametrize("scope", ["referral:read", "visit:read referral:read", "*", "beneficiary:reveal"])
async def test_more_than_was_granted_is_refused(client, known, scope):
    answer = await ask(client, basic(known), scope=scope)
    assert (code_of(answer), answer.json()["error"]) == ("scope_refused", "invalid_scope")


async def test_the_secret_is_not_in_the_log_or_the_answer(client, known, capsys):
    answer = await ask(client, basic(known, "rahasia-yang-salah"))
    captured = capsys.readouterr()
    assert "rahasia-yang-salah" not in answer.text + captured.err + captured.out


# ---- by assertion ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("audience", ["http://test", "http://test/oauth2/token"])
async def test_an_assertion_opens_once(client, keyed, audience):
    text = assertion(*keyed, aud=audience)
    first = await assert_with(client, text)
    assert first.status_code == 200, first.text
    headers = {"Authorization": f"Bearer {first.json()['access_token']}"}
    assert (await client.get("/v1/visits", headers=headers)).status_code == 200
    again = await assert_with(client, text)
    assert (code_of(again), again.json()["error"]) == ("client_refused", "invalid_client")
    assert (await assert_with(client, assertion(*keyed), client_id=str(keyed[0]))).status_code == 200


async def test_of_parallel_uses_one_succeeds(client, keyed):
    text = assertion(*keyed)
    answers = await asyncio.gather(*(assert_with(client, text) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 9


async def test_used_assertions_are_forgotten_once_they_have_expired(client, keyed, owner):
    assert (await assert_with(client, assertion(*keyed))).status_code == 200
    await owner.execute("UPDATE client_assertions SET expires_at = now() - interval '1 second'")
    assert (await assert_with(client, assertion(*keyed))).status_code == 200
    assert await owner.fetchval("SELECT count(*) FROM client_assertions") == 1


async def test_odd_and_forged_assertions_are_refused_alike(client, keyed, known, app):
    client_id, key = keyed
    now = int(time.time())
    stranger = SigningKey.generate()
    valid = assertion(client_id, key)
    head, claims, signature = valid.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    cases = {
        "other key": assertion(client_id, stranger),
        "client without a key": assertion(known, key),
        "unknown client": assertion(uuid4(), key),
        "no id": assertion("siks-ng", key),
        "issuer differs": assertion(client_id, key, iss=str(known)),
        "audience differs": assertion(client_id, key, aud="https://other.example"),
        "audience is a list": assertion(client_id, key, aud=["http://test"]),
        "audience is the API": assertion(client_id, key, aud="tksk-api"),
        "no audience": assertion(client_id, key, aud=...),
        "no expiry": assertion(client_id, key, exp=...),
        "no issue time": assertion(client_id, key, iat=...),
        "no jti": assertion(client_id, key, jti=...),
        "empty jti": assertion(client_id, key, jti=""),
        "odd jti": assertion(client_id, key, jti=7),
        "expired": assertion(client_id, key, iat=now - 200, exp=now - 31),
        "too long": assertion(client_id, key, exp=now + 301),
        "far ahead": assertion(client_id, key, iat=now + 3600, exp=now + 3700),
        "not yet": assertion(client_id, key, nbf=now + 60),
        "unknown claim": assertion(client_id, key, scope="*"),
        "typ of an access token": assertion(client_id, key, {"typ": "at+jwt"}),
        "typ is a list": assertion(client_id, key, {"typ": ["JWT"]}),
        "crit": assertion(client_id, key, {"crit": ["exp"]}),
        "jku": assertion(client_id, key, {"jku": "https://evil.example"}),
        "jwk": assertion(client_id, key, {"jwk": stranger.jwk}),
        "kid is a number": assertion(client_id, key, {"kid": 1}),
        "none": f"{none}.{claims}.",
        "HS256": jwt.encode(jwt.get_unverified_claims(valid), "secret", "HS256"),
        "altered": f"{head}.{claims}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        "an access token": app.state.house.tokens.issue_to_machine(client_id, uuid4(), SCOPES),
        "not a token": "x",
    }
    expected = None
    for case, text in cases.items():
        answer = await assert_with(client, text)
        assert code_of(answer) == "client_refused", (case, answer.text)
        document = {**answer.json(), "instance": None}
        expected = expected or document
        assert document == expected, case
    assert code_of(await assert_with(client, valid, client_id=str(known))) == "client_refused"
    assert (await assert_with(client, valid)).status_code == 200  # nothing above used it up


@pytest.mark.parametrize("header", [{"typ": "JWT", "kid": "x"}, {"typ": "client-authentication+jwt"}, {}])
async def test_the_headers_that_libraries_send_are_taken(client, keyed, header):
    assert (await assert_with(client, assertion(*keyed, header))).status_code == 200


# ---- audiences -------------------------------------------------------------------------------------------------------


async def test_no_token_passes_for_the_other_kind(app, as_, owner):
    """Even signed by the house itself: a person's session in a machine's token, and the reverse, open nothing."""
    user = await as_("tksk", PANJANG)
    own = await machine(app, owner, SCOPES, [PANJANG])
    tokens = app.state.house.tokens
    crossed = [
        tokens.issue_to_machine(user.user_id, user.session_id, ["visit:read", "session:use"]),
        tokens.issue(own.user_id, own.session_id),
        tokens._sign({"aud": "tksk-api", "sub": str(own.user_id), "sid": str(own.session_id), "client_id": "x"}),
        tokens._sign(
            {
                "aud": "tksk-api-machine",
                "sub": str(own.user_id),
                "sid": str(own.session_id),
                "client_id": str(uuid4()),
                "scope": "visit:read",
            }
        ),
        tokens._sign(
            {
                "aud": "tksk-api-machine",
                "sub": str(own.user_id),
                "sid": str(own.session_id),
                "client_id": str(own.user_id),
            }
        ),
        tokens._sign(
            {
                "aud": "tksk-api",
                "sub": str(user.user_id),
                "sid": str(user.session_id),
                "client_id": "tksk-first-party",
                "scope": "visit:read",
            }
        ),
    ]
    for caller in (user, own):
        assert (await caller.get("/v1/visits")).status_code == 200
        for token in crossed:
            caller.headers["Authorization"] = f"Bearer {token}"
            for answer in (await caller.get("/v1/visits"), await caller.patch(f"/v1/visits/{uuid4()}", json={})):
                assert code_of(answer) == "unauthenticated"


# ---- what is published -----------------------------------------------------------------------------------------------


async def test_the_metadata_leads_to_what_works(client, known):
    answer = await client.get("/.well-known/oauth-authorization-server")
    assert answer.headers["cache-control"] == "public, max-age=300"
    document = answer.json()
    assert document["issuer"] == "http://test"
    assert document["token_endpoint"] == "http://test/oauth2/token"
    assert document["grant_types_supported"] == ["client_credentials"]
    assert document["token_endpoint_auth_methods_supported"] == [
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
    ]
    assert document["token_endpoint_auth_signing_alg_values_supported"] == ["ES256"]
    assert document["scopes_supported"] == sorted(MACHINE_SCOPES)
    token = await client.post(
        document["token_endpoint"], data={"grant_type": "client_credentials"}, headers=basic(known)
    )
    keys = (await client.get(document["jwks_uri"])).json()
    claims = jwt.decode(token.json()["access_token"], keys, ["ES256"], audience="tksk-api-machine")
    assert claims["iss"] == document["issuer"]


# ---- a machine in the whole API --------------------------------------------------------------------------------------


# What lists places, which there are elsewhere too, and what is for people alone.
PLACES = {
    "list_unvisited_villages",
    "list_missing_reports",
    "list_report_calendars",
    "list_vacancies_on",
    "create_dashboard_link",
    "put_import_mapping",
    "get_import_template",
}
OWNED = {"jobs", "imports", "import-uploads", "import-mappings", "exports"}  # by whoever began it, or by one office


async def test_a_machine_meets_every_operation(app, owner):
    """With every scope: never a fault, 403 exactly where there is no scope; without: 403; elsewhere: 404."""
    async with build_world(app, owner) as world:
        everywhere = await machine(app, owner, MACHINE_SCOPES, [BANDAR_LAMPUNG])
        elsewhere = await machine(app, owner, MACHINE_SCOPES, ["14", "18.01"])
        nothing = await machine(app, owner, [], ["ID"])
        nowhere = await machine(app, owner, MACHINE_SCOPES, [])
        reached, some = 0, str(uuid4())
        for operation in operations(app):
            if operation.is_public:
                continue
            has_scope = operation.permission in MACHINE_SCOPES
            # A presentation is an agency's alone, and these have none; the table is of partners, which none may write.
            is_open = has_scope and operation.name not in {"create_presentation", "create_import"}
            path = (
                world.path(operation) if has_scope else operation.url(**dict.fromkeys(operation.path_parameters, some))
            )
            over = {"json": operation.body(new_password=SECRET)} if operation.name == "change_password" else {}
            answer = await world.send(operation, everywhere, path, headers={"If-Match": '"v987"'}, **over)
            place = f"{operation.name}: {answer.status_code} {answer.text[:300]}"
            assert answer.status_code < 500, place
            is_for_people = operation.name == "create_dashboard_link"  # a link is bound to somebody's session
            assert (answer.status_code == 403) != (is_open and not is_for_people), place
            assert (await world.send(operation, nothing, path, **over)).status_code == 403, operation.name
            if not is_open or operation.collection in OPEN_COLLECTIONS or operation.name in PLACES:
                continue
            reached += 1
            if operation.path_parameters:
                assert answer.status_code != 404 or operation.collection in OWNED, place
                # What is drawn for an area is not found by the address alone.
                inside = f"?region={BANDAR_LAMPUNG}" if operation.name == "get_chart" else ""
                away = await world.send(operation, elsewhere, world.path(operation) + inside)
                assert away.status_code == 404, operation.name
            elif operation.is_list:
                for caller in (elsewhere, nowhere):
                    listed = await world.send(operation, caller)
                    assert listed.json().get("items") == [], (operation.name, listed.text)
        assert reached > 20
        for caller in (everywhere, elsewhere, nothing, nowhere):
            await caller.aclose()


async def test_a_machine_registers_people_and_its_name_stands_in_the_history(app, owner, as_):
    own = await machine(app, owner, ["beneficiary:read", "beneficiary:write"], [PANJANG])
    key = {"Idempotency-Key": "satu"}
    wanted = person()
    first = await own.post("/v1/beneficiaries", json=wanted, headers=key)
    again = await own.post("/v1/beneficiaries", json=wanted, headers=key)
    assert (first.status_code, again.headers.get("idempotency-replayed")) == (201, "true")
    refused = await own.post("/v1/beneficiaries", json=person(village_code=AMPENAN_VILLAGE))
    assert refused.status_code in (404, 422)
    officer = await as_("tksk", PANJANG)
    history = (await officer.get(f"/v1/beneficiaries/{first.json()['id']}/history")).json()["items"]
    name = await owner.fetchval("SELECT name FROM clients WHERE id = $1", own.user_id)
    assert [(row["actor_name"], row["actor_role"]) for row in history] == [(name, "machine")]
    rows = await owner.fetch("SELECT DISTINCT user_id, role FROM access_log WHERE role = 'machine'")
    assert [tuple(row) for row in rows] == [(own.user_id, "machine")]


async def test_a_machine_answers_a_referral_for_its_agency(app, owner):
    async with build_world(app, owner) as world:
        scopes = ["referral:read", "referral:answer"]
        agency = world.ids["agencies"]
        own = await machine(app, owner, scopes, [], agency_id=agency)
        url = f"/v1/referrals/{world.ids['referrals']}"
        seen = (await own.get(url)).json()
        answered = await own.post(f"{url}/receive", headers={"If-Match": f'"v{seen["version"]}"'})
        assert answered.status_code == 200, answered.text
        taken = "SELECT actor_name, actor_role, details FROM transitions WHERE action = 'receive' AND actor_role = $1"
        rows = await owner.fetch(taken, "machine")
        name = await owner.fetchval("SELECT name FROM clients WHERE id = $1", own.user_id)
        assert [(row["actor_name"], row["actor_role"]) for row in rows] == [(name, "machine")]
        assert json.loads(rows[0]["details"]) == {}  # the agency's own word, not one recorded from paper
        other = await machine(app, owner, scopes, [], agency_id=None)
        assert (await other.get(url)).status_code == 404
        await own.aclose()
        await other.aclose()


async def test_a_machine_pages_and_its_cursor_is_its_own(app, owner, as_):
    officer = await as_("tksk", PANJANG)
    for _ in range(3):
        await add_person(officer)
    own, other = [await machine(app, owner, ["beneficiary:read"], [PANJANG, "52"]) for _ in range(2)]
    first = (await own.get("/v1/beneficiaries?limit=2")).json()
    second = (await own.get(f"/v1/beneficiaries?limit=2&cursor={first['next_cursor']}")).json()
    assert (len(first["items"]), len(second["items"]), second["next_cursor"]) == (2, 1, None)
    stolen = await other.get(f"/v1/beneficiaries?limit=2&cursor={first['next_cursor']}")
    assert code_of(stolen) == "cursor_invalid"
