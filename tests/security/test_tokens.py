"""Forged, odd and dead access tokens: each is 401 with the same words (RELIABILITY §2.3, by case number)."""

import base64
import hmac
import json
import secrets
import socket
import string
import time
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given, settings
from hypothesis import strategies as st
from jose import jwt

from helpers import AMPENAN, PANJANG, add_client, add_person
from tksk_api.errors import DomainError
from tksk_api.security.crypto import SigningKey
from tksk_api.security.passwords import Passwords, setup_secret

URL = "/v1/me"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of the group P-256


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Forge:
    """Makes tokens by hand, so that every part can be wrong; knows the real key, as only the house does."""

    def __init__(self, app: Any, user_id: Any, session_id: Any) -> None:
        house = app.state.house
        self.key = house.keyring.signing[0]
        self.tokens = house.tokens
        self.header: dict[str, Any] = {"alg": "ES256", "typ": "at+jwt", "kid": self.key.kid}
        now = int(time.time())
        self.claims: dict[str, Any] = {
            "iss": "http://test",
            "aud": "tksk-api",
            "sub": str(user_id),
            "sid": str(session_id),
            "client_id": "tksk-first-party",
            "iat": now,
            "exp": now + 600,
            "jti": str(uuid4()),
        }

    @property
    def private(self) -> Any:
        return serialization.load_pem_private_key(self.key.private_pem.encode(), None)

    def public(self, encoding: str, form: str) -> bytes:
        public = self.private.public_key()
        return bytes(
            public.public_bytes(getattr(serialization.Encoding, encoding), getattr(serialization.PublicFormat, form))
        )

    def sign(self, head: str, body: str, private: Any = None) -> str:
        der = (private or self.private).sign(f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
        r, s = utils.decode_dss_signature(der)
        return f"{head}.{body}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def raw(self, header: bytes, claims: bytes, private: Any = None) -> str:
        return self.sign(b64(header), b64(claims), private)

    def make(self, header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None, **kwargs: Any) -> str:
        """A signed token with members replaced; the value `...` leaves a member out."""
        return self.raw(
            json.dumps(_merged(self.header, header)).encode(),
            json.dumps(_merged(self.claims, claims)).encode(),
            **kwargs,
        )

    def hmac(self, secret: bytes, alg: str = "HS256") -> str:
        head = b64(json.dumps({**self.header, "alg": alg}).encode())
        body = b64(json.dumps(self.claims).encode())
        digest = hmac.digest(secret, f"{head}.{body}".encode(), alg.replace("HS", "sha"))
        return f"{head}.{body}.{b64(digest)}"


def _merged(members: dict[str, Any], over: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in {**members, **(over or {})}.items() if value is not ...}


@pytest.fixture
async def forge(app, as_):
    caller = await as_("tksk", PANJANG)
    return Forge(app, caller.user_id, caller.session_id)


async def ask(client: httpx.AsyncClient, token: str | bytes) -> httpx.Response:
    value = b"Bearer " + (token if isinstance(token, bytes) else token.encode())
    return await client.get(URL, headers={b"authorization": value})


def signature(r: int, s: int) -> str:
    return b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def headers() -> dict[str, dict[str, Any]]:
    """Case -> header members."""
    return {
        "4 alg missing": {"alg": ...},
        "4 alg null": {"alg": None},
        "4 alg int": {"alg": 256},
        "4 alg list": {"alg": ["ES256"]},
        "4 alg dict": {"alg": {"ES256": 1}},
        "11 alg ES384": {"alg": "ES384"},
        "11 alg RS256": {"alg": "RS256"},
        "11 alg PS256": {"alg": "PS256"},
        "16 kid path": {"kid": "../../dev/null"},
        "16 kid sql": {"kid": "x' OR '1'='1"},
        "16 kid long": {"kid": "k" * 900},
        "16 kid int": {"kid": 1},
        "16 kid dict": {"kid": {}},
        "16 kid missing": {"kid": ...},
        "16 kid empty": {"kid": ""},
        "16 kid list": {"kid": ["a"]},
        "16 kid of another issuer": {"kid": SigningKey.generate().kid},
        "17 jku": {"jku": "https://evil.example/jwks.json"},
        "17 x5u": {"x5u": "https://evil.example/x5u"},
        "18 jwk": {"jwk": {"kty": "EC"}},
        "18 x5c": {"x5c": ["MIIB"]},
        "19 crit unknown": {"crit": ["exp"]},
        "20 crit b64": {"crit": ["b64"], "b64": False},
        "21 crit empty": {"crit": []},
        "22 zip": {"zip": "DEF"},
        "25 nested": {"cty": "JWT"},
        "26 typ missing": {"typ": ...},
        "26 typ JWT": {"typ": "JWT"},
        "26 typ refresh": {"typ": "refresh+jwt"},
        "26 typ id": {"typ": "id_token"},
        "26 typ logout": {"typ": "logout+jwt"},
        "26 typ null": {"typ": None},
        "26 typ list": {"typ": ["at+jwt"]},
        "26 typ case": {"typ": "AT+JWT"},
    }


def claims() -> dict[str, dict[str, Any]]:
    """Case -> claims."""
    now = int(time.time())
    return {
        "28 aud other": {"aud": "webhook"},
        "28 aud of machines": {"aud": "tksk-api-machine"},
        "28 aud of machines, as one": {"aud": "tksk-api-machine", "client_id": str(uuid4()), "scope": "visit:read"},
        "28 scope of machines": {"scope": "beneficiary:read"},
        "29 iss other": {"iss": "https://staging.example"},
        "30 iss missing": {"iss": ...},
        "30 iss list": {"iss": ["http://test"]},
        "30 iss slash": {"iss": "http://test/"},
        "31 aud missing": {"aud": ...},
        "31 aud list": {"aud": ["tksk-api"]},
        "31 aud empty": {"aud": []},
        "31 aud dict": {"aud": {}},
        "31 client other": {"client_id": "another"},
        "32 expired": {"iat": now - 700, "exp": now - 31},
        "33 no exp": {"exp": ...},
        "34 exp text": {"exp": str(now + 600)},
        "34 exp float": {"exp": now + 600.5},
        "34 exp bool": {"exp": True},
        "34 exp null": {"exp": None},
        "34 exp list": {"exp": [now + 600]},
        "34 exp huge": {"exp": 10**40},
        "34 exp negative": {"exp": -1},
        "34 exp zero": {"exp": 0},
        "35 nbf future": {"nbf": now + 300},
        "34 exp too far": {"exp": now + 86_400},
        "36 iat future": {"iat": now + 120, "exp": now + 600},
        "36 iat missing": {"iat": ...},
        "36 iat bool": {"iat": True},
        "36 iat after exp": {"iat": now + 20, "exp": now + 10},
        "37 sub missing": {"sub": ...},
        "37 sub int": {"sub": 1},
        "37 sub dict": {"sub": {}},
        "37 sub empty": {"sub": ""},
        "37 sub NUL": {"sub": "\x00"},
        "37 sub null": {"sub": None},
        "37 sid list": {"sid": []},
        "37 sid unknown": {"sid": str(uuid4())},
        "37 sid int": {"sid": 7},
        "38 jti missing": {"jti": ...},
        "38 jti odd": {"jti": "one"},
        "38 jti null": {"jti": None},
        "40 extra claim": {"is_admin": True},
        "40 role": {"role": "admin"},
        "46 long integer": {"exp": int("9" * 300)},
    }


def spellings(forge: Forge) -> dict[str, str | bytes]:
    """Case -> the whole token."""
    valid = forge.make()
    head, body, sig = valid.split(".")
    head_of = {alg: b64(json.dumps({**forge.header, "alg": alg}).encode()) for alg in ("none", "None", "nOnE")}
    stranger = ec.generate_private_key(ec.SECP256R1())
    der = forge.private.sign(f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
    text = json.dumps(forge.claims)
    header = json.dumps(forge.header)
    deep = ("[" * 1000 + "]" * 1000).encode()
    last = string.ascii_letters + string.digits + "-_"
    return {
        "1 none": f"{head_of['none']}.{body}.",
        "2 None": f"{head_of['None']}.{body}.",
        "2 nOnE": f"{head_of['nOnE']}.{body}.",
        "3 none with signature": f"{head_of['none']}.{body}.{sig}",
        "5 public PEM as secret": forge.hmac(forge.public("PEM", "SubjectPublicKeyInfo")),
        "6 public DER as secret": forge.hmac(forge.public("DER", "SubjectPublicKeyInfo")),
        "7 public point as secret": forge.hmac(forge.public("X962", "UncompressedPoint")),
        "8 OpenSSH as secret": forge.hmac(forge.public("OpenSSH", "OpenSSH")),
        "9 JWKS as secret": forge.hmac(json.dumps(forge.tokens.keys.jwks).encode()),
        "10 HS384": forge.hmac(b"x", "HS384"),
        "10 HS512": forge.hmac(b"x", "HS512"),
        "12 psychic": f"{head}.{body}.{signature(0, 0)}",
        "12 r too large": f"{head}.{body}.{signature(ORDER, 1)}",
        "12 s too large": f"{head}.{body}.{signature(1, ORDER)}",
        "12 DER signature": f"{head}.{body}.{b64(der)}",
        "12 long signature": f"{head}.{body}.{sig}{sig}",
        "13 wrong key": forge.make(private=stranger),
        "14 empty secret": forge.hmac(b""),
        "15 weak secret": forge.hmac(b"secret"),
        "15 default secret": forge.hmac(b"changeme"),
        "23 JWE bomb": ".".join([head, "", b64(b"iv"), "A" * 300_000, b64(b"tag")]),
        "23 JWE": ".".join([head, "", b64(b"iv"), b64(b"text"), b64(b"tag")]),
        "24 JSON serialisation": json.dumps({"payload": body, "protected": head, "signature": sig}),
        "34 exp NaN": forge.raw(header.encode(), text.replace(str(forge.claims["exp"]), "NaN").encode()),
        "34 exp 1e400": forge.raw(header.encode(), text.replace(str(forge.claims["exp"]), "1e400").encode()),
        "39 exp twice": forge.raw(header.encode(), text.replace('"exp"', '"exp": 1, "exp"').encode()),
        "39 aud twice": forge.raw(header.encode(), text.replace('"aud"', '"aud": "x", "aud"').encode()),
        "40 role, own key": forge.make(claims={"role": "admin", "region": "ID"}, private=stranger),
        "39 sub twice": forge.raw(header.encode(), text.replace('"sub"', '"sub": "x", "sub"').encode()),
        "39 alg twice": forge.raw(header.replace('"alg"', '"alg": "none", "alg"').encode(), text.encode()),
        "43 no signature": f"{head}.{body}.",
        "43 truncated": valid[:-1],
        "43 last character": valid[:-1] + last[(last.index(valid[-1]) ^ 1) % 64],
        "43 padding": valid + "==",
        "43 alphabet": f"{head}.{body}.{'+/' + sig[2:]}",
        "43 space inside": f"{head}. {body}.{sig}",
        "43 line feed inside": f"{head}.{body[:9]}%0A{body[9:]}.{sig}",
        "43 padding inside": f"{head}=.{body}.{sig}",
        "44 one part": head,
        "44 two parts": f"{head}.{body}",
        "44 four parts": f"{valid}.{sig}",
        "44 dots": "..",
        "44 empty": "",
        "44 non-ASCII": valid.encode()[:-1] + "é".encode(),
        "44 full width": (valid[:-1] + "Ａ").encode(),
        "45 deep header": f"{b64(deep)}.{body}.{sig}",
        "45 deep payload": forge.raw(header.encode(), deep),
        "45 deeper header": f"{b64(deep * 10)}.{body}.{sig}",
        "45 just over the limit": forge.raw(header.encode(), b"[" * 9 + b"]" * 9),
        "45 header is a list": forge.raw(b"[]", text.encode()),
        "45 payload is text": forge.raw(header.encode(), b'"x"'),
        "46 5,000 digits": forge.raw(header.encode(), b'{"exp":' + b"9" * 5000 + b"}"),
        "47 huge": "a" * 1_000_000,
        "48 BOM": forge.raw(b"\xef\xbb\xbf" + header.encode(), text.encode()),
        "48 UTF-16": forge.raw(header.encode("utf-16"), text.encode()),
        "48 lone surrogate": forge.raw(header.encode(), text.replace("tksk-api", "\\ud800").encode()),
    }


async def refused_alike(client: httpx.AsyncClient, tokens: dict[str, str | bytes]) -> None:
    """Every token is 401, with the same document as for no token, fast, and without an error of ours."""
    reference = await client.get(URL)
    assert reference.status_code == 401
    expected = {**reference.json(), "instance": None}
    for case, token in tokens.items():
        began = time.perf_counter()
        answer = await ask(client, token)
        seconds = time.perf_counter() - began
        assert answer.status_code == 401, (case, answer.text)
        assert {**answer.json(), "instance": None} == expected, case
        assert answer.headers["www-authenticate"] == 'Bearer realm="tksk", error="invalid_token"', case
        assert seconds < 0.5, (case, seconds)


async def test_the_forge_makes_valid_tokens(client, forge):
    assert (await ask(client, forge.make())).status_code == 200


async def test_odd_headers_are_refused_alike(client, forge):
    await refused_alike(client, {case: forge.make(header) for case, header in headers().items()})


async def test_odd_claims_are_refused_alike(client, forge):
    await refused_alike(client, {case: forge.make(claims=members) for case, members in claims().items()})


async def test_forged_and_misspelt_tokens_are_refused_alike(client, forge):
    await refused_alike(client, spellings(forge))


async def test_what_is_given_for_another_use_is_no_access_token(client, forge, app, owner):
    """A refresh token, a first secret, a client's secret, a client's assertion; and a machine's token for a person."""
    client_id, session_id = await add_client(owner, ["visit:read"], [PANJANG])
    tokens = app.state.house.tokens
    times = {"iat": int(time.time()), "exp": int(time.time()) + 120}
    parties = {"iss": str(client_id), "sub": str(client_id), "aud": "http://test/oauth2/token"}
    await refused_alike(
        client,
        {
            "27 refresh": secrets.token_urlsafe(32),
            "27 first secret": setup_secret(),
            "27 client secret": f"tksk_secret_{secrets.token_urlsafe(32)}",
            "27 assertion": jwt.encode({**parties, **times, "jti": "x"}, forge.key.private_pem, "ES256"),
            "27 assertion by our key": jwt.encode(
                {**parties, **times, "jti": str(uuid4())}, forge.key.private_pem, "ES256", headers=forge.header
            ),
            "28 a person's session": tokens.issue_to_machine(client_id, UUID(forge.claims["sid"]), ["visit:read"]),
            "28 a machine's session": tokens.issue(UUID(forge.claims["sub"]), session_id),
        },
    )


async def test_an_access_token_is_no_refresh_token(client, forge):
    answer = await client.post("/v1/auth/refresh", json={"refresh_token": forge.make()})
    assert answer.status_code in (401, 422)


async def test_addresses_inside_a_token_are_not_visited(client, forge, monkeypatch):
    asked = []
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **kw: asked.append(host) or resolve(host, *a, **kw))
    connect = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", lambda sock, address: asked.append(address) or connect(sock, address))
    evil = "https://evil.example/keys.json"
    for header in ({"jku": evil}, {"x5u": evil}, {"kid": evil}, {"jwk": {"kty": "EC", "x5u": evil}}):
        assert (await ask(client, forge.make(header))).status_code == 401
    assert [place for place in asked if "evil" in str(place)] == []


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer"])
async def test_the_scheme_has_no_case(client, forge, scheme):
    assert (await client.get(URL, headers={"Authorization": f"{scheme} {forge.make()}"})).status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        "Basic {}",
        "{}",
        "Bearer  {}",
        "Bearer {} x",
        "Token {}",
        "Bearer\t{}",
        "Bearer",
        "Bearer ",
        "Bearer {},Bearer {}",
    ],
)
async def test_other_schemes_and_spacings_are_refused(client, forge, value):
    answer = await client.get(URL, headers={"Authorization": value.replace("{}", forge.make())})
    assert answer.status_code == 401


async def test_two_authorization_headers_are_refused(client, forge):
    header = ("Authorization", f"Bearer {forge.make()}")
    assert (await client.get(URL, headers=[header, header])).status_code == 401


async def test_a_token_in_the_query_is_not_looked_at(client, forge):
    token = forge.make()
    assert (await client.get(f"{URL}?access_token={token}")).status_code == 401
    assert (await client.get(f"{URL}?access_token={token}", headers={"Authorization": "Bearer x"})).status_code == 401


async def test_the_clock_tolerance_is_thirty_seconds(client, forge):
    now = int(time.time())
    late = forge.make(claims={"iat": now - 600, "exp": now - 25})
    early = forge.make(claims={"iat": now + 25, "exp": now + 600})
    assert (await ask(client, late)).status_code == 200
    assert (await ask(client, early)).status_code == 200


async def test_a_token_once_seen_still_expires(client, forge, monkeypatch):
    token = forge.make()
    assert (await ask(client, token)).status_code == 200
    now = time.time
    monkeypatch.setattr("tksk_api.security.tokens.time.time", lambda: now() + 631)
    assert (await ask(client, token)).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE user_sessions SET revoked_at = now() WHERE id = $2 AND user_id = $1",
        "UPDATE user_sessions SET expires_at = now() WHERE id = $2 AND user_id = $1",
        "UPDATE users SET disabled_at = now() WHERE id = $1 AND $2::uuid IS NOT NULL",
        "WITH s AS (DELETE FROM user_sessions WHERE id = $2) DELETE FROM users WHERE id = $1",
    ],
    ids=["revoked", "over", "disabled", "deleted"],
)
async def test_a_dead_session_is_refused_like_a_bad_token(client, as_, owner, change):
    caller = await as_("tksk", PANJANG)
    assert (await caller.get(URL)).status_code == 200
    await owner.execute(change, caller.user_id, caller.session_id)
    for url in (URL, "/v1/beneficiaries"):
        answer = await caller.get(url)
        assert answer.status_code == 401
        assert {**answer.json(), "instance": 0} == {**(await client.get(URL)).json(), "instance": 0}


async def test_a_changed_region_holds_from_the_next_request(as_, owner):
    caller = await as_("tksk", PANJANG)
    mine = await add_person(caller)
    assert (await caller.get(f"/v1/beneficiaries/{mine['id']}")).status_code == 200
    await owner.execute("UPDATE users SET region_code = $2 WHERE id = $1", caller.user_id, AMPENAN)
    assert (await caller.get(f"/v1/beneficiaries/{mine['id']}")).status_code == 404
    assert (await caller.get("/v1/beneficiaries")).json()["items"] == []
    assert (await caller.get("/v1/me")).json()["region_code"] == AMPENAN


async def test_a_changed_password_ends_the_tokens_of_other_sessions(client, as_, owner):
    """41, and 36: what was issued before the password changed is worth nothing."""
    caller = await as_("tksk", PANJANG)
    passwords = Passwords(1, 4)
    await owner.execute(
        "UPDATE users SET password_hash = $2, otp_confirmed_at = NULL WHERE id = $1",
        caller.user_id,
        await passwords.hash("padi menguning di sawah"),
    )
    passwords.close()
    login = {"username": await owner.fetchval("SELECT username FROM users"), "password": "padi menguning di sawah"}
    other = (await client.post("/v1/auth/login", json=login)).json()["access_token"]
    assert (await ask(client, other)).status_code == 200
    change = {"current_password": login["password"], "new_password": "lima ekor bebek menyeberang sungai"}
    assert (await ask(client, other)).status_code == 200
    answer = await caller.post("/v1/me/password", json=change)
    assert answer.status_code == 204, answer.text
    assert (await ask(client, other)).status_code == 401
    assert (await caller.get(URL)).status_code == 200


async def test_a_changed_role_holds_from_the_next_request(as_, owner):
    caller = await as_("tksk", PANJANG)
    mine = await add_person(caller)
    await owner.execute("UPDATE users SET role = 'district_head' WHERE id = $1", caller.user_id)
    answer = await caller.patch(f"/v1/beneficiaries/{mine['id']}", json={"notes": "x"}, headers={"If-Match": '"v1"'})
    assert answer.status_code == 403


async def test_any_changed_character_of_a_token_is_refused(app, forge):
    valid = forge.make()
    verify = app.state.house.tokens.verify
    verify(valid)
    alphabet = string.ascii_letters + string.digits + "-_." + "=+/ \n\x00é"

    @given(st.integers(0, len(valid) - 1), st.sampled_from(alphabet))
    @settings(max_examples=120, deadline=None, database=None, derandomize=True)
    def changed(position: int, character: str) -> None:
        other = valid[:position] + character + valid[position + 1 :]
        if other != valid:
            with pytest.raises(DomainError, match="unauthenticated"):
                verify(other)

    changed()


def flipped(token: str, bit: int) -> str:
    """The token with one bit changed, as HTTP would hand it on."""
    raw = bytearray(token.encode())
    raw[bit // 8] ^= 1 << (bit % 8)
    return raw.decode("latin-1")


async def test_any_flipped_bit_of_a_token_is_refused(app, forge, owner):
    """Every single bit of both kinds of token; none is slow to refuse."""
    client_id, session_id = await add_client(owner, ["visit:read"], [PANJANG])
    tokens = app.state.house.tokens
    for valid in (forge.make(), tokens.issue_to_machine(client_id, session_id, ["visit:read"])):
        assert tokens.verify(valid)
        costs = []
        for bit in range(len(valid) * 8):
            began = time.thread_time()
            with pytest.raises(DomainError, match="unauthenticated"):
                tokens.verify(flipped(valid, bit))
            costs.append(time.thread_time() - began)
        # All but a handful: a collection of garbage may fall into any of them.
        assert sorted(costs)[-5] < 0.05


async def test_any_flipped_bit_is_answered_alike(client, forge):
    """The same over HTTP, for bits that Hypothesis chooses: 401 with the words of any other refusal, and no fault."""
    valid = forge.make()
    chosen: set[int] = set()

    @given(st.integers(0, len(valid) * 8 - 1))
    @settings(max_examples=80, deadline=None, database=None, derandomize=True)
    def choose(bit: int) -> None:
        chosen.add(bit)

    choose()
    await refused_alike(client, {f"bit {bit}": flipped(valid, bit).encode("latin-1") for bit in sorted(chosen)})
    assert len(chosen) > 40


async def test_any_bytes_are_refused_without_a_fault(app):
    @given(st.text(string.printable + "é\ud800\x00.", max_size=200))
    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    def odd(token: str) -> None:
        with pytest.raises(DomainError, match="unauthenticated"):
            app.state.house.tokens.verify(token)

    odd()


async def test_the_signature_check_itself_is_what_refuses(forge, app):
    """The twin of the flips above: the same token with an honest signature over the changed part is accepted."""
    body = json.dumps({**forge.claims, "jti": str(uuid4())}).encode()
    resigned = forge.raw(json.dumps(forge.header).encode(), body)
    assert app.state.house.tokens.verify(resigned).session_id
