"""Users: who may make whom, where, and how a first password comes about."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_user, code_of
from tksk_api.security.permissions import MANAGES, ROLE_REGION_LEVEL, Role, levels_of

URL = "/v1/users"
REGIONS = {"province": "18", "regency": BANDAR_LAMPUNG, "district": PANJANG, "village": SRENGSEM, None: None}


def user(role: str = "tksk", region: str | None = PANJANG, **over: Any) -> dict[str, Any]:
    """A valid body for POST /v1/users."""
    return {
        "username": f"u{uuid4().hex[:12]}",
        "full_name": "Rina Wulandari",
        "role": role,
        "region_code": region,
        **over,
    }


async def add_agency(owner: Any, region: str | None = BANDAR_LAMPUNG) -> str:
    key = uuid4()
    await owner.execute(
        "INSERT INTO agencies (id, version, name, kind, region_code, is_active, created_by) "
        "VALUES ($1, 1, 'BPJS Kesehatan', 'bpjs_office', $2, true, $1)",
        key,
        region,
    )
    return str(key)


def error_of(answer: Any) -> tuple[str, str]:
    assert answer.status_code == 422, answer.text
    error = answer.json()["errors"][0]
    return error["pointer"], error["code"]


async def test_an_office_creates_reads_lists_and_changes_a_user(as_):
    office = await as_("regency_office", BANDAR_LAMPUNG)
    created = await office.post(URL, json=user(position_title="TKSK Panjang"))
    assert created.status_code == 201, created.text
    assert created.headers["etag"] == '"v1"'
    row = created.json()
    assert row["must_change_password"] is True
    assert "password" not in str(row.keys() - {"must_change_password"})
    url = f"{URL}/{row['id']}"
    assert created.headers["location"] == url
    assert (await office.get(url)).json() == row
    assert row in (await office.get(f"{URL}?username={row['username']}")).json()["items"]
    changed = await office.patch(url, json={"full_name": "Rina W."}, headers={"If-Match": '"v1"'})
    assert (changed.json()["full_name"], changed.json()["version"]) == ("Rina W.", 2)


@pytest.mark.parametrize("manager", [Role.ADMIN, Role.PROVINCE_OFFICE, Role.REGENCY_OFFICE])
async def test_nobody_makes_a_user_above_themselves(as_, owner, manager):
    caller = await as_(manager, REGIONS[ROLE_REGION_LEVEL[manager]])
    agency = await add_agency(owner)
    for role in Role:
        body = user(role, REGIONS[ROLE_REGION_LEVEL[role]])
        if role is Role.AGENCY:
            body |= {"agency_id": agency, "region_code": BANDAR_LAMPUNG}
        answer = await caller.post(URL, json=body)
        expected = 201 if role in MANAGES[manager] else 403
        assert answer.status_code == expected, f"{manager} makes {role}: {answer.text}"


async def test_offices_do_not_make_their_equals():
    assert Role.ADMIN not in MANAGES[Role.PROVINCE_OFFICE] | MANAGES[Role.REGENCY_OFFICE]
    assert Role.PROVINCE_OFFICE not in MANAGES[Role.PROVINCE_OFFICE]
    assert Role.REGENCY_OFFICE not in MANAGES[Role.REGENCY_OFFICE]


@pytest.mark.parametrize("role", sorted(set(Role) - MANAGES.keys()))
async def test_other_roles_make_nobody(as_, owner, role):
    agency = await add_agency(owner) if role == Role.AGENCY else None
    caller = await as_(role, REGIONS[ROLE_REGION_LEVEL[Role(role)]], agency_id=agency)
    assert code_of(await caller.post(URL, json=user())) == "permission_denied"


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.AGENCY])
async def test_a_role_takes_only_a_region_of_its_own_level(as_, role):
    admin = await as_("admin")
    levels = levels_of(role) or (None,)
    for other, code in REGIONS.items():
        answer = await admin.post(URL, json=user(role, code))
        if other in levels:
            assert answer.status_code == 201, answer.text
        else:
            assert error_of(answer) == ("/region_code", "region_level")


@pytest.mark.parametrize(
    ("region", "code"),
    [
        ("99.99.99", "unknown_region"),
        ("18.71.99", "unknown_region"),
        ("18.71.4", "bad_format"),
        ("panjang", "bad_format"),
    ],
)
async def test_a_region_must_exist(as_, region, code):
    assert error_of(await (await as_("admin")).post(URL, json=user(region=region))) == ("/region_code", code)


async def test_an_office_makes_users_only_in_its_own_area(as_):
    office = await as_("regency_office", BANDAR_LAMPUNG)
    assert error_of(await office.post(URL, json=user(region=AMPENAN))) == ("/region_code", "outside_scope")
    assert error_of(await office.post(URL, json=user(region="18.72.01"))) == ("/region_code", "outside_scope")


async def test_another_regency_does_not_see_or_change_the_user(as_):
    row = (await (await as_("regency_office", BANDAR_LAMPUNG)).post(URL, json=user())).json()
    other = await as_("regency_office", "52.71")
    url = f"{URL}/{row['id']}"
    assert (await other.get(url)).status_code == 404
    match = {"If-Match": '"v1"'}
    assert (await other.patch(url, json={"full_name": "X"}, headers=match)).status_code == 404
    for action in ("disable", "enable", "reset-password"):
        assert (await other.post(f"{url}/{action}", headers=match)).status_code == 404
    assert (await other.get(f"{URL}?username={row['username']}")).json()["items"] == []


async def test_an_office_cannot_touch_users_above_it_in_its_own_area(as_, owner):
    office = await as_("regency_office", BANDAR_LAMPUNG)
    colleague, _ = await add_user(owner, "regency_office", BANDAR_LAMPUNG)
    match = {"If-Match": '"v1"'}
    url = f"{URL}/{colleague}"
    assert (await office.get(url)).status_code == 200
    assert code_of(await office.patch(url, json={"full_name": "X"}, headers=match)) == "permission_denied"
    for action in ("disable", "enable", "reset-password"):
        assert code_of(await office.post(f"{url}/{action}", headers=match)) == "permission_denied"


async def test_a_user_cannot_be_lifted_above_their_maker(as_):
    office = await as_("regency_office", BANDAR_LAMPUNG)
    row = (await office.post(URL, json=user())).json()
    url, match = f"{URL}/{row['id']}", {"If-Match": '"v1"'}
    for role, region in (("admin", None), ("province_office", "18"), ("regency_office", BANDAR_LAMPUNG)):
        answer = await office.patch(url, json={"role": role, "region_code": region}, headers=match)
        assert code_of(answer) == "permission_denied"
    answer = await office.patch(url, json={"region_code": AMPENAN}, headers=match)
    assert error_of(answer) == ("/region_code", "outside_scope")
    answer = await office.patch(url, json={"region_code": None}, headers=match)
    assert error_of(answer) == ("/region_code", "region_level")
    moved = await office.patch(url, json={"role": "village_head", "region_code": SRENGSEM}, headers=match)
    assert moved.status_code == 200, moved.text


async def test_a_user_name_is_taken_only_once_whatever_its_case(as_):
    admin = await as_("admin")
    assert (await admin.post(URL, json=user(username="tksk.kedaton"))).status_code == 201
    for other in ("tksk.kedaton", "TKSK.Kedaton"):
        assert code_of(await admin.post(URL, json=user(username=other))) == "username_taken"
    answers = await asyncio.gather(*(admin.post(URL, json=user(username="tksk.rajabasa")) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


@pytest.mark.parametrize("name", ["ab", "-abc", "a b", "é" * 5, "a" * 61, "a@b"])
async def test_a_user_name_has_plain_letters(as_, name):
    answer = await (await as_("admin")).post(URL, json=user(username=name))
    assert error_of(answer)[0] == "/username"


async def test_an_agencys_user_needs_an_agency_and_others_have_none(as_, owner):
    admin, agency = await as_("admin"), await add_agency(owner)
    assert error_of(await admin.post(URL, json=user("agency", None))) == ("/agency_id", "agency_required")
    assert error_of(await admin.post(URL, json=user(agency_id=agency))) == ("/agency_id", "unknown_field")
    unknown = await admin.post(URL, json=user("agency", None, agency_id=str(uuid4())))
    assert error_of(unknown) == ("/agency_id", "unknown_reference")
    assert (await admin.post(URL, json=user("agency", BANDAR_LAMPUNG, agency_id=agency))).status_code == 201


async def test_a_first_password_is_a_secret_that_must_be_replaced(as_, client):
    office = await as_("regency_office", BANDAR_LAMPUNG)
    row = (await office.post(URL, json=user())).json()
    name = row["username"]
    refused = await client.post("/v1/auth/login", json={"username": name, "password": "x"})
    assert code_of(refused) == "credentials_refused"  # not before a secret was given

    reset = await office.post(f"{URL}/{row['id']}/reset-password", headers={"If-Match": '"v1"'})
    assert reset.status_code == 200
    assert reset.headers["cache-control"] == "no-store"
    secret = reset.json()["setup_secret"]
    hours = (datetime.fromisoformat(reset.json()["expires_at"]) - datetime.now(UTC)).total_seconds() / 3600
    assert 71 < hours <= 72

    signed_in = await client.post("/v1/auth/login", json={"username": name, "password": secret})
    token = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
    for url in ("/v1/beneficiaries", "/v1/visits"):
        assert code_of(await client.get(url, headers=token)) == "password_change_required"
    assert code_of(await client.post("/v1/beneficiaries", json={}, headers=token)) == "password_change_required"
    me = (await client.get("/v1/me", headers=token)).json()
    assert me["permissions"] == ["session:use"]

    change = {"current_password": secret, "new_password": "padi menguning di sawah"}
    assert (await client.post("/v1/me/password", json=change, headers=token)).status_code == 204
    assert (await client.get("/v1/beneficiaries", headers=token)).status_code == 200
    again = await client.post("/v1/auth/login", json={"username": name, "password": secret})
    assert code_of(again) == "credentials_refused"


async def test_a_secret_that_expired_opens_nothing(as_, client, owner):
    office = await as_("regency_office", BANDAR_LAMPUNG)
    row = (await office.post(URL, json=user())).json()
    reset = (await office.post(f"{URL}/{row['id']}/reset-password", headers={"If-Match": '"v1"'})).json()
    await owner.execute(
        "UPDATE users SET setup_expires_at = now() - interval '1 second' WHERE username = $1", row["username"]
    )
    body = {"username": row["username"], "password": reset["setup_secret"]}
    assert code_of(await client.post("/v1/auth/login", json=body)) == "credentials_refused"


async def test_a_reset_ends_the_users_sessions(as_):
    office, officer = await as_("regency_office", BANDAR_LAMPUNG), await as_("tksk", PANJANG)
    assert (await officer.get("/v1/me")).status_code == 200
    await office.post(f"{URL}/{officer.user_id}/reset-password", headers={"If-Match": '"v1"'})
    assert (await officer.get("/v1/me")).status_code == 401


async def test_a_secret_is_never_stored_for_a_replay(as_, owner):
    office = await as_("regency_office", BANDAR_LAMPUNG)
    row = (await office.post(URL, json=user())).json()
    headers = {"If-Match": '"v1"', "Idempotency-Key": "reset-once"}
    first = await office.post(f"{URL}/{row['id']}/reset-password", headers=headers)
    assert first.status_code == 200
    again = await office.post(f"{URL}/{row['id']}/reset-password", headers=headers)
    assert (again.status_code, code_of(again)) == (412, "stale_version")
    assert await owner.fetchval("SELECT count(*) FROM idempotency_keys") == 0


async def test_disabled_users_are_out_at_once_and_can_come_back(as_):
    office, officer = await as_("regency_office", BANDAR_LAMPUNG), await as_("tksk", PANJANG)
    url = f"{URL}/{officer.user_id}"
    disabled = await office.post(f"{url}/disable", headers={"If-Match": '"v1"'})
    assert disabled.json()["disabled_at"] is not None
    assert (await officer.get("/v1/me")).status_code == 401
    enabled = await office.post(f"{url}/enable", headers={"If-Match": disabled.headers["etag"]})
    assert enabled.json()["disabled_at"] is None
    assert (await officer.get("/v1/me")).status_code == 401  # the old session stays ended


async def test_nobody_disables_themselves(as_):
    admin = await as_("admin")
    answer = await admin.post(f"{URL}/{admin.user_id}/disable", headers={"If-Match": '"v1"'})
    assert error_of(answer) == ("", "same_person")
    assert (await admin.get("/v1/me")).status_code == 200


async def test_lists_filter_and_sort(as_):
    admin = await as_("admin")
    names = ["b.satu", "a.dua", "c.tiga"]
    for name in names:
        await admin.post(URL, json=user(username=name))
    listed = (await admin.get(f"{URL}?role=tksk&sort=username&limit=200")).json()["items"]
    assert [row["username"] for row in listed] == sorted(names)
    assert (await admin.get(f"{URL}?region_code={AMPENAN}")).json()["items"] == []
    page = (await admin.get(f"{URL}?role=tksk&sort=username&limit=2")).json()
    rest = (await admin.get(f"{URL}?role=tksk&sort=username&limit=2&cursor={page['next_cursor']}")).json()
    assert [row["username"] for row in (*page["items"], *rest["items"])] == sorted(names)


# ---- step-up and four eyes -------------------------------------------------------------------------------------------


async def test_changing_users_asks_for_a_fresh_proof_and_disabling_does_not(as_, owner):
    admin, officer = await as_("admin"), await as_("tksk", PANJANG)
    await owner.execute("UPDATE user_sessions SET strong_at = now() - interval '7 hours'")
    url, match = f"{URL}/{officer.user_id}", {"If-Match": '"v1"'}
    refused = [await admin.post(URL, json=user("admin", None)), await admin.patch(url, json={}, headers=match)]
    actions = ("reset-password", "reset-otp", "enable", "sign-out")
    refused += [await admin.post(f"{url}/{action}", headers=match) for action in actions]
    assert {(answer.status_code, code_of(answer)) for answer in refused} == {(401, "step_up_required")}
    assert (await admin.post(f"{url}/disable", headers=match)).status_code == 200


@pytest.mark.parametrize("change", [{"role": "tksk", "region_code": PANJANG}, {"role": "auditor"}])
async def test_nobody_gives_themselves_another_role_or_place(as_, change):
    admin = await as_("admin")
    url, match = f"{URL}/{admin.user_id}", {"If-Match": '"v1"'}
    assert error_of(await admin.patch(url, json=change, headers=match)) == ("", "same_person")
    named = await admin.patch(url, json={"role": "admin", "full_name": "Admin Dua"}, headers=match)
    assert named.status_code == 200, named.text


@pytest.mark.parametrize(("first", "second"), [("reset-otp", "reset-password"), ("reset-password", "reset-otp")])
async def test_one_person_does_not_reset_both_password_and_codes(as_, owner, first, second):
    office, colleague = await as_("regency_office", BANDAR_LAMPUNG), await as_("regency_office", BANDAR_LAMPUNG)
    head = await as_("village_head", SRENGSEM)
    url = f"{URL}/{head.user_id}"
    assert (await office.post(f"{url}/{first}", headers={"If-Match": '"v1"'})).status_code == 200
    answer = await office.post(f"{url}/{second}", headers={"If-Match": '"v2"'})
    assert (answer.status_code, code_of(answer)) == (409, "second_person_required")
    assert "24" in answer.json()["detail"]
    again = await office.post(f"{url}/{first}", headers={"If-Match": '"v2"'})
    assert again.status_code == 200  # the same one again gives nothing more
    version = await owner.fetchval("SELECT version FROM users WHERE id = $1", head.user_id)
    assert (await colleague.post(f"{url}/{second}", headers={"If-Match": f'"v{version}"'})).status_code == 200


async def test_a_day_later_one_person_may_reset_the_other(as_, owner):
    office, head = await as_("regency_office", BANDAR_LAMPUNG), await as_("village_head", SRENGSEM)
    url = f"{URL}/{head.user_id}"
    assert (await office.post(f"{url}/reset-password", headers={"If-Match": '"v1"'})).status_code == 200
    await owner.execute("UPDATE changes SET at = at - interval '25 hours'")
    assert (await office.post(f"{url}/reset-otp", headers={"If-Match": '"v2"'})).status_code == 200
