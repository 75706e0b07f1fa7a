"""Machine clients: who may make which, what they may do, and how their secrets come and go."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, add_client, code_of
from tksk_api.security.crypto import SigningKey
from tksk_api.security.permissions import (
    AGENCY_SCOPES,
    CLIENT_SCOPES,
    MACHINE_SCOPES,
    ROLE_PERMISSIONS,
    ROLE_REGION_LEVEL,
    Permission,
    Role,
)

URL = "/v1/clients"
TOKEN = "/oauth2/token"
REGIONS = {"province": "18", "regency": BANDAR_LAMPUNG, "district": PANJANG, "village": f"{PANJANG}.1002", None: None}


def body(**over: Any) -> dict[str, Any]:
    """A valid body for POST /v1/clients by an office of Lampung."""
    return {
        "name": "SIKS-NG Lampung",
        "scopes": ["beneficiary:read", "visit:read"],
        "region_codes": [BANDAR_LAMPUNG],
        "region_code": "18",
        **over,
    }


def jwk(**over: Any) -> dict[str, Any]:
    """A public key, as a client would register it."""
    full = SigningKey.generate().jwk
    return {name: full[name] for name in ("kty", "crv", "x", "y")} | over


async def made(office: Any, **over: Any) -> dict[str, Any]:
    answer = await office.post(URL, json=body(**over))
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def rotated(office: Any, row: dict[str, Any], **over: Any) -> str:
    """A new secret of the client as it is now."""
    answer = await office.act(f"{URL}/{row['id']}/rotate-secret", over)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["client_secret"])


async def token(client: Any, row: dict[str, Any], secret: str) -> Any:
    form = {"grant_type": "client_credentials", "client_id": row["id"], "client_secret": secret}
    return await client.post(TOKEN, data=form)


async def bearer(client: Any, row: dict[str, Any], secret: str) -> dict[str, str]:
    answer = await token(client, row, secret)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def errors_of(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


@pytest.fixture
async def office(as_):
    return await as_("province_office", "18")


async def test_an_office_makes_reads_lists_and_changes_a_client(office):
    answer = await office.post(URL, json=body())
    assert answer.status_code == 201
    row = answer.json()
    assert row["secrets"] == []
    assert row["secret_rotated_at"] is None
    url = f"{URL}/{row['id']}"
    assert answer.headers["location"] == url
    assert answer.headers["etag"] == '"v1"'
    assert (await office.get(url)).json() == row
    assert (await office.get(f"{URL}?region_code=18")).json()["items"] == [row]
    assert (await office.get(f"{URL}?region_code=18.71")).json()["items"] == []
    patch = {"name": "SIKS-NG", "scopes": ["visit:read"], "region_codes": ["18.71.04"]}
    changed = await office.patch(url, json=patch, headers={"If-Match": '"v1"'})
    assert changed.status_code == 200
    assert {**row, **patch, "version": 2, "updated_at": changed.json()["updated_at"]} == changed.json()
    assert (await office.patch(url, json=patch, headers={"If-Match": '"v1"'})).status_code == 412
    assert (await office.patch(url, json=patch)).status_code == 428


async def test_a_repeated_create_is_one_client(office):
    wanted = body(id=str(uuid4()))
    first, again = [await office.post(URL, json=wanted) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert code_of(await office.post(URL, json={**wanted, "name": "Lain"})) == "id_in_use"


async def test_the_secret_is_shown_once_and_kept_as_a_digest(office, owner):
    row = await made(office)
    url = f"{URL}/{row['id']}"
    key = {"Idempotency-Key": "once", "If-Match": '"v1"'}
    answer = await office.post(f"{url}/rotate-secret", json={}, headers=key)
    secret = answer.json()["client_secret"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {"client_id": row["id"], "client_secret": secret, "others_expire_at": None}
    assert len(secret.removeprefix("tksk_secret_")) == 43
    again = await office.post(f"{url}/rotate-secret", json={}, headers=key)
    assert code_of(again) == "stale_version"  # the retry sees that it happened, and never the secret
    stored = await owner.fetch(
        "SELECT s::text AS t FROM client_secrets s UNION ALL SELECT k::text FROM idempotency_keys k "
        "UNION ALL SELECT c::text FROM changes c UNION ALL SELECT c::text FROM clients c"
    )
    assert not [line["t"] for line in stored if secret in line["t"] or secret.encode().hex() in line["t"]]
    shown = (await office.get(url)).json()
    assert len(shown["secrets"]) == 1
    assert shown["version"] == 2
    assert secret not in str(shown)


async def test_two_secrets_live_and_a_third_ends_the_oldest(office, client, owner):
    row = await made(office)
    first, second = await rotated(office, row), await rotated(office, row)
    assert [(await token(client, row, s)).status_code for s in (first, second)] == [200, 200]
    live = (await office.get(f"{URL}/{row['id']}")).json()["secrets"]
    ends = datetime.fromisoformat(live[0]["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=6, hours=23) < ends <= timedelta(days=7)
    assert live[1]["expires_at"] is None
    third = await rotated(office, row)
    assert [(await token(client, row, s)).status_code for s in (first, second, third)] == [401, 200, 200]
    await owner.execute("UPDATE client_secrets SET expires_at = now() WHERE expires_at IS NOT NULL")
    assert [(await token(client, row, s)).status_code for s in (second, third)] == [401, 200]
    assert len((await office.get(f"{URL}/{row['id']}")).json()["secrets"]) == 1


async def test_rotating_alone_leaves_the_tokens_and_revoking_the_others_ends_them(office, client):
    row = await made(office)
    first = await rotated(office, row)
    headers = await bearer(client, row, first)
    second = await rotated(office, row)
    assert (await client.get("/v1/visits", headers=headers)).status_code == 200
    third = await rotated(office, row, revoke_others=True)
    assert code_of(await client.get("/v1/visits", headers=headers)) == "unauthenticated"
    assert [(await token(client, row, s)).status_code for s in (first, second, third)] == [401, 401, 200]
    assert (await client.get("/v1/visits", headers=await bearer(client, row, third))).status_code == 200


async def test_less_scope_or_area_holds_from_the_next_request(office, client):
    row = await made(office)
    headers = await bearer(client, row, await rotated(office, row))
    assert (await client.get("/v1/visits", headers=headers)).status_code == 200
    url = f"{URL}/{row['id']}"
    await office.patch(url, json={"scopes": ["beneficiary:read"]}, headers={"If-Match": '"v2"'})
    assert code_of(await client.get("/v1/visits", headers=headers)) == "permission_denied"
    assert (await client.get("/v1/beneficiaries", headers=headers)).status_code == 200
    await office.patch(url, json={"scopes": []}, headers={"If-Match": '"v3"'})
    assert code_of(await client.get("/v1/beneficiaries", headers=headers)) == "permission_denied"
    # More scope does not widen a token that was given for less.
    await office.patch(url, json={"scopes": ["referral:read"]}, headers={"If-Match": '"v4"'})
    assert code_of(await client.get("/v1/referrals", headers=headers)) == "permission_denied"


async def test_an_ended_client_is_out_at_once_and_for_good(office, client):
    row = await made(office)
    secret = await rotated(office, row)
    headers = await bearer(client, row, secret)
    url = f"{URL}/{row['id']}"
    assert (await office.delete(url)).status_code == 428
    ended = await office.delete(url, headers={"If-Match": '"v2"'})
    assert (ended.status_code, ended.content) == (204, b"")
    assert code_of(await client.get("/v1/visits", headers=headers)) == "unauthenticated"
    assert code_of(await token(client, row, secret)) == "client_refused"
    shown = (await office.get(url)).json()
    assert shown["disabled_at"] is not None
    assert (await office.delete(url, headers={"If-Match": '"v3"'})).status_code == 204
    assert (await office.get(url)).json()["disabled_at"] == shown["disabled_at"]
    assert code_of(await office.patch(url, json={"name": "x"}, headers={"If-Match": '"v3"'})) == "client_disabled"
    assert code_of(await office.act(f"{url}/rotate-secret", {})) == "client_disabled"


@pytest.mark.parametrize(
    ("over", "errors"),
    [
        ({"scopes": ["beneficiary:reveal"]}, [("/scopes/0", "not_allowed")]),
        ({"scopes": ["visit:read", "*"]}, [("/scopes/1", "not_allowed")]),
        ({"scopes": ["visit:read", "visit:read"]}, [("/scopes/1", "duplicate_entry")]),
        ({"region_codes": ["18", "18"]}, [("/region_codes/1", "duplicate_entry")]),
        ({"region_codes": ["18.71", AMPENAN]}, [("/region_codes/1", "outside_scope")]),
        ({"region_codes": ["ID"]}, [("/region_codes/0", "outside_scope")]),
        ({"region_codes": ["18.99"]}, [("/region_codes/0", "unknown_region")]),
        ({"region_codes": ["18.7"]}, [("/region_codes/0", "bad_format")]),
        ({"region_codes": ["18"] * 21}, [("/region_codes", "too_many")]),
        ({"region_code": "52"}, [("/region_code", "outside_scope")]),
        ({"region_code": None}, [("/region_code", "outside_scope")]),
        ({"region_code": "18.99"}, [("/region_code", "unknown_region")]),
        ({"agency_id": str(uuid4())}, [("/agency_id", "outside_scope")]),
        ({"session_id": str(uuid4())}, [("/session_id", "unknown_field")]),
        ({"public_jwk": jwk(crv="P-384")}, [("/public_jwk/crv", "not_allowed")]),
        ({"public_jwk": jwk(kty="RSA")}, [("/public_jwk/kty", "not_allowed")]),
        ({"public_jwk": jwk(d="A" * 43)}, [("/public_jwk/d", "unknown_field")]),
        ({"public_jwk": jwk(x="A" * 42)}, [("/public_jwk/x", "bad_format")]),
        ({"public_jwk": jwk(x="A" * 43)}, [("/public_jwk", "bad_key")]),
        ({"public_jwk": jwk(y="A" * 42 + "B")}, [("/public_jwk", "bad_key")]),
        ({"public_jwk": {"kty": "EC"}}, [(f"/public_jwk/{name}", "missing") for name in ("crv", "x", "y")]),
    ],
)
async def test_what_a_client_cannot_be(office, over, errors):
    assert errors_of(await office.post(URL, json=body(**over))) == errors
    row = await made(office)
    patch = {name: value for name, value in over.items() if name in ("scopes", "region_codes", "public_jwk")}
    if patch:
        changed = await office.patch(f"{URL}/{row['id']}", json=patch, headers={"If-Match": '"v1"'})
        assert errors_of(changed) == errors


async def test_areas_are_kept_in_the_fewest_codes(office, as_):
    codes = ["18.71.04.1002", "18.71.05", "18.71", "18.01.07"]
    assert (await made(office, region_codes=codes))["region_codes"] == ["18.71", "18.01.07"]
    admin = await as_("admin")
    wide = {"scopes": ["program:read"], "region_code": None, "region_codes": ["52", "ID"]}
    assert (await made(admin, **wide))["region_codes"] == ["ID"]


async def test_who_may_manage_and_who_may_see(as_, office, owner):
    row = await made(office)
    for role in Role:
        caller = await as_(role, REGIONS[ROLE_REGION_LEVEL[role]]) if role is not Role.AGENCY else None
        if caller is None:
            continue
        sees = Permission.CLIENT_READ in ROLE_PERMISSIONS[role]
        manages = Permission.CLIENT_MANAGE in ROLE_PERMISSIONS[role]
        assert (await caller.get(f"{URL}/{row['id']}")).status_code == (200 if sees else 403), role
        wanted = body(scopes=["program:read"])
        assert (await caller.post(URL, json=wanted)).status_code == (201 if manages else 403), role
    other = await as_("province_office", "52")
    assert (await other.get(f"{URL}/{row['id']}")).status_code == 404
    assert (await other.get(URL)).json()["items"] == []
    assert (
        await other.post(f"{URL}/{row['id']}/rotate-secret", json={}, headers={"If-Match": '"v1"'})
    ).status_code == 404


async def test_nobody_takes_over_a_client_that_sees_more_than_they_do(office, as_, owner):
    """A new secret makes its holder the client: an office must not win the nation, or an agency's mail, that way."""
    agency = await owner.fetchval(
        "INSERT INTO agencies (id, version, name, kind, region_code, is_active, created_by) "
        "VALUES ($1, 1, 'BPJS', 'bpjs_office', '18.71', true, $1) RETURNING id",
        uuid4(),
    )
    wider = [
        await add_client(owner, ["visit:read"], ["18", "52.71"], region_code="18"),
        await add_client(owner, ["visit:read"], ["ID"], region_code="18"),
        await add_client(owner, ["program:read"], ["18"], region_code="18", agency_id=agency),
    ]
    admin, ministry = await as_("admin"), await as_("ministry")
    for client_id, _ in wider:
        url, seen = f"{URL}/{client_id}", {"If-Match": '"v1"'}
        assert (await office.get(url)).status_code == 200
        for answer in (
            await office.post(f"{url}/rotate-secret", json={}, headers=seen),
            await office.patch(url, json={"public_jwk": jwk()}, headers=seen),
            await office.delete(url, headers=seen),
        ):
            assert code_of(answer) == "permission_denied", answer.text
        taker = admin if client_id == wider[2][0] else ministry
        assert (await taker.post(f"{url}/rotate-secret", json={}, headers=seen)).status_code == 200


async def test_nobody_gives_a_client_more_than_their_role_may_do(as_, office):
    """Whoever makes a client can act as it: the administrator, who sees nobody, must not read the nation so."""
    admin, ministry = await as_("admin"), await as_("ministry")
    nation = {"region_code": None, "region_codes": ["ID"]}
    for scope in sorted(MACHINE_SCOPES):
        for caller, place in ((admin, nation), (ministry, nation), (office, {})):
            answer = await caller.post(URL, json=body(scopes=[scope], **place))
            if scope in CLIENT_SCOPES[Role(caller.role)]:
                assert answer.status_code == 201, (caller.role, scope)
            else:
                assert errors_of(answer) == [("/scopes/0", "not_allowed")], (caller.role, scope)
    people = {"beneficiary", "visit", "sktm", "referral", "activity"}
    assert {scope for scope in CLIENT_SCOPES[Role.ADMIN] if scope.split(":")[0] in people} == set()
    counting = {
        Permission.PROGRAM_SIMULATE,
        Permission.JOB_FOLLOW,
        Permission.FIGURES_READ,
        Permission.IMPORT_RUN,
        Permission.EXPORT_RUN,
        Permission.DECILE_WRITE,
    }  # the first three name nobody; a table also needs the scope of what is in it
    assert {scope for scope in CLIENT_SCOPES[Role.MINISTRY] - counting if not scope.endswith(":read")} == set()
    assert CLIENT_SCOPES[Role.PROVINCE_OFFICE] - ROLE_PERMISSIONS[Role.PROVINCE_OFFICE] == {
        Permission.BENEFICIARY_WRITE,
        Permission.REFERRAL_CREATE,
    }
    # Every scope can be given by somebody.
    assert frozenset.union(AGENCY_SCOPES, *CLIENT_SCOPES.values()) == MACHINE_SCOPES


async def test_nobody_takes_over_a_client_that_may_do_more_than_they_may_give(as_, office, owner):
    importing = await made(office, scopes=["beneficiary:write"])
    url, seen = f"{URL}/{importing['id']}", {"If-Match": '"v1"'}
    for caller in (await as_("admin"), await as_("ministry")):
        for answer in (
            await caller.post(f"{url}/rotate-secret", json={}, headers=seen),
            await caller.patch(url, json={"public_jwk": jwk()}, headers=seen),
            await caller.patch(url, json={"scopes": []}, headers=seen),
        ):
            assert code_of(answer) == "permission_denied", answer.text
    # Ending it gives nobody anything, and must be quick.
    assert (await (await as_("admin")).delete(url, headers=seen)).status_code == 204


async def test_a_client_of_an_agency_is_made_by_the_administrator(as_, owner, office, client):
    agency = await owner.fetchval(
        "INSERT INTO agencies (id, version, name, kind, region_code, is_active, created_by) "
        "VALUES ($1, 1, 'BPJS', 'bpjs_office', '18.71', true, $1) RETURNING id",
        uuid4(),
    )
    assert errors_of(await office.post(URL, json=body(agency_id=str(agency)))) == [("/agency_id", "outside_scope")]
    admin = await as_("admin")
    unknown = await admin.post(URL, json=body(agency_id=str(uuid4())))
    assert errors_of(unknown) == [("/agency_id", "unknown_reference")]
    row = await made(admin, agency_id=str(agency), region_codes=[], scopes=["referral:read"])
    headers = await bearer(client, row, await rotated(admin, row))
    assert (await client.get("/v1/referrals", headers=headers)).json()["items"] == []
    # Only the agency's mail: with an area it would read the referrals of everybody there.
    both = body(agency_id=str(agency), scopes=["referral:read"])
    assert errors_of(await admin.post(URL, json=both)) == [("/scopes/0", "not_allowed")]
    widened = await admin.patch(f"{URL}/{row['id']}", json={"region_codes": ["ID"]}, headers={"If-Match": '"v2"'})
    assert code_of(widened) == "permission_denied"


async def test_a_client_with_a_key_of_its_own_has_no_secret(office, client):
    row = await made(office)
    secret = await rotated(office, row)
    headers = await bearer(client, row, secret)
    url, key = f"{URL}/{row['id']}", jwk()
    named = await office.patch(url, json={"public_jwk": {**key, "kid": "2026"}}, headers={"If-Match": '"v2"'})
    assert named.json()["public_jwk"] == key
    assert named.json()["secrets"] == []
    assert code_of(await client.get("/v1/visits", headers=headers)) == "unauthenticated"
    assert code_of(await token(client, row, secret)) == "client_refused"
    assert code_of(await office.act(f"{url}/rotate-secret", {})) == "client_uses_key"
    cleared = await office.patch(url, json={"public_jwk": None}, headers={"If-Match": '"v3"'})
    assert cleared.json()["public_jwk"] is None
    assert code_of(await token(client, row, secret)) == "client_refused"  # what ended stays ended
    assert (await token(client, row, await rotated(office, row))).status_code == 200


async def test_managing_needs_a_fresh_proof_and_reading_does_not(office, owner):
    row = await made(office)
    await owner.execute(
        "UPDATE user_sessions SET strong_at = now() - interval '1 hour' WHERE id = $1", office.session_id
    )
    url, seen = f"{URL}/{row['id']}", {"If-Match": '"v1"'}
    for answer in (
        await office.post(URL, json=body()),
        await office.patch(url, json={"name": "x"}, headers=seen),
        await office.delete(url, headers=seen),
        await office.post(f"{url}/rotate-secret", json={}, headers=seen),
    ):
        assert code_of(answer) == "step_up_required"
    assert (await office.get(url)).status_code == 200


async def test_what_was_changed_is_history_without_secrets(office, owner):
    row = await made(office)
    await rotated(office, row)
    await rotated(office, row, revoke_others=True)
    fields = await owner.fetch("SELECT fields::text AS f, actor_id FROM changes WHERE entity = 'clients' ORDER BY id")
    assert len(fields) == 3
    assert {line["actor_id"] for line in fields} == {office.user_id}
    assert "secret_rotated_at" in fields[1]["f"]
    session = await owner.fetchval("SELECT session_id::text FROM clients")
    assert '"session_id": {"hidden": true}' in fields[2]["f"]
    assert session not in fields[2]["f"]


def test_a_machine_is_never_given_what_needs_a_person():
    people = {"reveal", "sign", "manage", "decide", "revoke", "export", "delete", "print", "statement", "use"}
    assert {scope for scope in MACHINE_SCOPES if scope.split(":")[1] in people} == set()
