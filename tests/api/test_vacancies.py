"""Districts without an officer on a day, and the coordinator, who sees where by decree and nobody's file."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from helpers import BANDAR_LAMPUNG, PANJANG, add_person, code_of

URL = "/v1/statistics/vacancies"


def day(offset: int = 0) -> str:
    return str((datetime.now(UTC) + timedelta(hours=7, days=offset)).date())


def decree(user: Any, region: str, kind: str, **over: Any) -> dict[str, Any]:
    """A valid body for POST /v1/assignments of a holder or a coordinator."""
    return {
        "user_id": str(user.user_id),
        "region_code": region,
        "kind": kind,
        "decree_number": "460/7/SK-CONTOH",
        "decree_date": "2026-01-05",
        "decree_issuer": "regency",
        "starts_on": day(-30),
        **over,
    }


async def assigned(office: Any, body: dict[str, Any]) -> dict[str, Any]:
    answer = await office.post("/v1/assignments", json=body)
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def panjang(caller: Any, **query: Any) -> dict[str, Any] | None:
    answer = await caller.get(URL, params={"region": PANJANG, **query})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found[0] if found else None


async def test_a_vacancy_tells_since_when_who_was_last_and_who_acts(as_):
    office, tksk = await as_("regency_office", BANDAR_LAMPUNG), await as_("tksk", PANJANG, full_name="Rina Wulandari")
    cover = await as_("tksk", "18.71.05", full_name="Dwi Purnama")
    assert (await panjang(office))["last_holder"] is None
    held = await assigned(office, decree(tksk, PANJANG, "holder", starts_on=day(-30), ends_on=day(-3)))
    acting = {"user_id": str(cover.user_id), "region_code": PANJANG, "kind": "acting"}
    await assigned(office, {**acting, "starts_on": day(-1), "ends_on": day(30)})
    today = await panjang(office)
    assert today["vacant_since"] == day(-2)
    assert today["last_holder"] == {
        "user_id": str(tksk.user_id),
        "user_name": "Rina Wulandari",
        "until": held["ends_on"],
        "end_reason": None,
    }
    assert [one["user_name"] for one in today["acting"]] == ["Dwi Purnama"]
    assert await panjang(office, on=day(-10)) is None
    then = await panjang(office, on=day(-2))
    assert (then["vacant_since"], then["acting"]) == (day(-2), [])
    before = await panjang(office, on=day(-40))
    assert (before["vacant_since"], before["last_holder"]) == (None, None)


async def test_vacancies_are_paged_and_of_ones_own_area(as_):
    office, tksk = await as_("regency_office", BANDAR_LAMPUNG), await as_("tksk", PANJANG)
    first = (await office.get(URL, params={"limit": 3, "on": day()})).json()
    second = (await office.get(URL, params={"limit": 3, "on": day(), "cursor": first["next_cursor"]})).json()
    codes = [item["region_code"] for item in first["items"] + second["items"]]
    assert codes == sorted(set(codes)) and all(code.startswith(BANDAR_LAMPUNG) for code in codes)
    assert [item["region_code"] for item in (await tksk.get(URL)).json()["items"]] == [PANJANG]
    assert (await office.get(URL, params={"region": "52.71"})).json()["items"] == []
    assert code_of(await office.get(URL, params={"on": "kemarin"})) == "invalid_request"


@pytest.mark.parametrize("region", [BANDAR_LAMPUNG, "18"])
async def test_a_coordinator_sees_work_and_districts_but_nobodys_file(as_, region):
    coordinator, tksk = await as_("coordinator", region), await as_("tksk", PANJANG)
    person = await add_person(tksk)
    work = {
        "occurred_on": day(),
        "pillar": "social_security",
        "function": "facilitation",
        "roles": [],
        "kind": "home_visit",
        "title": "Kunjungan rumah",
        "region_code": "18.71.04.1002",
        "beneficiary_ids": [person["id"]],
        "headcount": {"male": 0, "female": 1, "children": 0, "disabled": 0},
    }
    assert (await tksk.post("/v1/activities", json=work)).status_code == 201
    assert len((await coordinator.get("/v1/activities")).json()["items"]) == 1
    assert await panjang(coordinator) is not None
    for url in ("beneficiaries", f"beneficiaries/{person['id']}", "visits", "sktm-applications", "referrals", "users"):
        assert code_of(await coordinator.get(f"/v1/{url}")) == "permission_denied"
    for url in (f"beneficiaries/{person['id']}/timeline", "families", "statistics/disagreements"):
        assert code_of(await coordinator.get(f"/v1/{url}")) == "permission_denied"
    assert code_of(await coordinator.post("/v1/assignments", json={})) == "permission_denied"


async def test_a_coordinators_area_follows_the_decree(as_):
    province, coordinator = await as_("province_office", "18"), await as_("coordinator", BANDAR_LAMPUNG)
    assert await panjang(coordinator) is not None
    made = await assigned(province, decree(coordinator, "18.01", "coordinator"))
    assert await panjang(coordinator) is None
    others = (await coordinator.get(URL, params={"limit": 200})).json()["items"]
    assert others and all(item["region_code"].startswith("18.01.") for item in others)
    url = f"/v1/assignments/{made['id']}/end"
    assert (await province.act(url, {"end_reason": "term_ended"})).status_code == 200
    assert (await coordinator.get(URL)).json()["items"] == []


async def test_who_may_be_assigned_as_what(as_):
    office, coordinator = await as_("regency_office", BANDAR_LAMPUNG), await as_("coordinator", BANDAR_LAMPUNG)
    refused = await office.post("/v1/assignments", json=decree(coordinator, PANJANG, "holder"))
    assert refused.json()["errors"][0]["code"] == "not_an_officer"
    tksk = await as_("tksk", PANJANG)
    await assigned(office, decree(tksk, BANDAR_LAMPUNG, "coordinator"))
    assert (await add_person(tksk))["village_code"].startswith(PANJANG)  # an officer who coordinates keeps the district


async def test_offices_make_coordinators_of_a_regency_or_province(as_):
    regency, province = await as_("regency_office", BANDAR_LAMPUNG), await as_("province_office", "18")
    body = {"username": "koordinator.satu", "full_name": "Koordinator Satu", "role": "coordinator"}
    assert (await regency.post("/v1/users", json={**body, "region_code": BANDAR_LAMPUNG})).status_code == 201
    above = {**body, "username": "koordinator.dua", "region_code": "18"}
    assert code_of(await regency.post("/v1/users", json=above)) == "invalid_request"
    assert (await province.post("/v1/users", json=above)).status_code == 201
    for wrong in (PANJANG, None):
        answer = await province.post("/v1/users", json={**body, "username": "koordinator.tiga", "region_code": wrong})
        assert answer.json()["errors"][0] == {
            "pointer": "/region_code",
            "code": "region_level",
            "detail": answer.json()["errors"][0]["detail"],
        }
