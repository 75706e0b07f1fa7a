"""The directory of agencies: everybody reads, offices maintain their own area."""

import asyncio
from uuid import uuid4

import pytest

from helpers import BANDAR_LAMPUNG, PANJANG, code_of
from tksk_api.domain.seeds import AGENCIES, agency_id, load_seeds

URL = "/v1/agencies"


def office(**over):
    return {"name": "Puskesmas Panjang", "kind": "health_center", "region_code": PANJANG, **over}


async def add_office(caller, **over):
    answer = await caller.post(URL, json=office(**over))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_office_lists_an_agency_and_everybody_sees_it(as_):
    dinsos = await as_("regency_office", BANDAR_LAMPUNG)
    answer = await dinsos.post(URL, json=office(programs=["pbi_daerah"], phone="0721-5550100"))
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["is_active"], body["version"], body["programs"]) == (True, 1, ["pbi_daerah"])
    for reader in (await as_("tksk", "52.71.01"), await as_("agency", agency_id=agency_id("52.71:bpjs_office"))):
        read = await reader.get(answer.headers["Location"])
        assert (read.status_code, read.json()) == (200, body)


async def test_seeded_offices_are_there_once_however_often_they_are_loaded(as_, owner, owner_url):
    await load_seeds(owner_url)
    rows = await owner.fetch(
        "SELECT id, name, kind, region_code, address, phone FROM agencies WHERE created_by IS NULL"
    )
    assert {row["id"]: row["name"] for row in rows} == {agency_id(key): name for key, name in AGENCIES.items()}
    assert all(row["address"] is None and row["phone"] is None for row in rows)
    bpjs = (await (await as_("tksk", PANJANG)).get(f"{URL}/{agency_id('18.71:bpjs_office')}")).json()
    assert (bpjs["kind"], bpjs["region_code"]) == ("bpjs_office", "18.71")
    with pytest.raises(KeyError):
        agency_id("18.71:no_such_office")


async def test_list_is_filtered_by_kind_region_and_programme(as_):
    dinsos = await as_("regency_office", BANDAR_LAMPUNG)
    clinic = await add_office(dinsos, programs=["pip"])

    async def ids(query):
        return {item["id"] for item in (await dinsos.get(f"{URL}?limit=200&{query}")).json()["items"]}

    assert await ids("kind=court") == {str(agency_id(key)) for key in AGENCIES if key.endswith(":court")}
    assert await ids(f"region_code={PANJANG}") == {clinic["id"]}
    pip = await ids("program=pip")
    assert clinic["id"] in pip
    assert str(agency_id("18.71:education_office")) in pip
    assert str(agency_id("18.71:court")) not in pip
    assert await ids("program=legal_aid&region_code=52.71") == {str(agency_id("52.71:court"))}
    assert await ids("program=no_such_programme") == set()
    names = [item["name"] for item in (await dinsos.get(f"{URL}?sort=name&limit=200")).json()["items"]]
    assert len(names) == len(AGENCIES) + 1


@pytest.mark.parametrize(
    ("over", "pointer", "code"),
    [
        ({"kind": "no_such_kind"}, "/kind", "unknown_code"),
        ({"programs": ["pip", "no_such_programme"]}, "/programs/1", "unknown_code"),
        ({"programs": ["pip", "pip"]}, "/programs", "duplicate_entry"),
        ({"region_code": "18.71.99"}, "/region_code", "unknown_region"),
        ({"region_code": "52.71"}, "/region_code", "outside_scope"),
        ({"region_code": "18"}, "/region_code", "outside_scope"),
        ({"region_code": None}, "/region_code", "outside_scope"),
        ({"phone": "call me"}, "/phone", "phone_format"),
        ({"name": " "}, "/name", "too_short"),
        ({"head_of_office": "x"}, "/head_of_office", "unknown_field"),
    ],
)
async def test_what_is_wrong_with_an_agency_is_said_at_its_member(as_, over, pointer, code):
    dinsos = await as_("regency_office", BANDAR_LAMPUNG)
    answer = await dinsos.post(URL, json=office(**over))
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]


async def test_only_national_callers_list_a_national_agency(as_):
    created = await add_office(await as_("admin"), name="Kementerian Contoh", kind="ministry", region_code=None)
    assert created["region_code"] is None
    dinsos = await as_("province_office", "18")
    refused = await dinsos.patch(f"{URL}/{created['id']}", json={"name": "X"}, headers={"If-Match": '"v1"'})
    assert (refused.status_code, code_of(refused)) == (403, "permission_denied")


async def test_office_changes_agencies_of_its_own_area_only(as_):
    dinsos, elsewhere = await as_("regency_office", BANDAR_LAMPUNG), await as_("regency_office", "52.71")
    url = f"{URL}/{(await add_office(dinsos))['id']}"
    refused = await elsewhere.patch(url, json={"name": "X"}, headers={"If-Match": '"v1"'})
    assert (refused.status_code, code_of(refused)) == (403, "permission_denied")
    away = await dinsos.patch(url, json={"region_code": "52.71"}, headers={"If-Match": '"v1"'})
    assert away.json()["errors"][0]["code"] == "outside_scope"
    cleared = await dinsos.patch(url, json={"is_active": None}, headers={"If-Match": '"v1"'})
    assert cleared.json()["errors"][0] == {**cleared.json()["errors"][0], "code": "null_not_allowed"}
    changed = await dinsos.patch(url, json={"is_active": False, "address": "Jl. Contoh"}, headers={"If-Match": '"v1"'})
    assert changed.status_code == 200
    assert changed.headers["ETag"] == '"v2"'
    assert (changed.json()["is_active"], changed.json()["kind"]) == (False, "health_center")
    assert code_of(await dinsos.patch(url, json={"name": "X"})) == "precondition_required"
    assert code_of(await dinsos.patch(f"{URL}/{uuid4()}", json={}, headers={"If-Match": '"v1"'})) == "not_found"


async def test_of_five_changes_at_once_one_wins(as_):
    dinsos = await as_("regency_office", BANDAR_LAMPUNG)
    url = f"{URL}/{(await add_office(dinsos))['id']}"
    answers = await asyncio.gather(
        *(dinsos.patch(url, json={"name": f"Puskesmas {n}"}, headers={"If-Match": '"v1"'}) for n in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]


@pytest.mark.parametrize(("role", "region"), [("tksk", PANJANG), ("village_head", "18.71.04.1002"), ("auditor", None)])
async def test_who_does_not_maintain_the_directory_only_reads_it(as_, role, region):
    caller = await as_(role, region)
    assert (await caller.get(URL)).status_code == 200
    assert code_of(await caller.post(URL, json=office())) == "permission_denied"


async def test_the_same_client_id_twice_is_one_agency(as_):
    dinsos, body = await as_("regency_office", BANDAR_LAMPUNG), office(id=str(uuid4()))
    first, again = await asyncio.gather(dinsos.post(URL, json=body), dinsos.post(URL, json=body))
    assert sorted([first.status_code, again.status_code]) == [200, 201]
    assert first.json() == again.json()
