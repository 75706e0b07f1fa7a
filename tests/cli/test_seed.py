"""`tksk seed`: synthetic people with sealed numbers, as many as asked for, and never among real ones."""

import asyncio
from collections import Counter
from random import Random
from typing import Any

import pytest

from cli import test_cli
from cli.test_cli import environment  # noqa: F401 - a fixture
from helpers import BANDAR_LAMPUNG, PANJANG
from tksk_api.cli.seed import districts_in, fill, people_in
from tksk_api.domain.synthetic import origin_of, people_of
from tksk_api.types import check_nik


async def seeded(env: Any, count: int, *more: str) -> Any:
    """The command has an event loop of its own, so it gets a thread of its own."""
    options = ("--beneficiaries", str(count), "--regions", PANJANG, *more)
    return await asyncio.to_thread(test_cli.run, "seed", *options, env=env)


async def test_people_are_registered_once_whatever_happens_between(owner, owner_url, environment):  # noqa: F811
    first = await seeded(environment, 120)
    assert first.exit_code == 0, first.output
    assert "120 people registered; 0 were there before." in first.output
    again = await seeded(environment, 150)
    assert "30 people registered; 120 were there before." in again.output
    assert await owner.fetchval("SELECT count(*) FROM beneficiaries") == 150
    assert await owner.fetchval("SELECT count(*) FROM subject_keys") == 150
    made = "SELECT action, operation, actor_role, count(*) FROM changes WHERE entity = 'beneficiaries' GROUP BY 1, 2, 3"
    rows = await owner.fetch(made)
    assert [tuple(row) for row in rows] == [("create", "seed", "system", 150)]
    known = {person.id: person for person in await people_in(owner_url, 150, regions=PANJANG)}
    for row in await owner.fetch("SELECT * FROM beneficiaries"):
        person = known[row["id"]]
        assert (row["full_name"], row["birth_date"]) == (person.full_name, person.birth_date)
        assert row["district_code"] == PANJANG and row["name_keys"] and row["birth_place"] == "Bandar Lampung"
        assert (row["nik_index"] is None) == (row["nik_status"] == "none") == (person.nik is None)
    resting = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'beneficiaries'::regclass AND tgenabled <> 'O'"
    assert await owner.fetchval(resting) == 0


async def test_what_was_sealed_opens_and_is_found(as_, app, owner, owner_url):
    await fill(owner_url, app.state.house.keyring, 60, seed=7, regions=PANJANG)
    tksk = await as_("tksk", PANJANG)
    person = next(one for one in await people_in(owner_url, 60, seed=7, regions=PANJANG) if one.nik)
    (hit,) = (await tksk.post("/v1/beneficiaries/search", json={"nik": person.nik})).json()["items"]
    assert (hit["id"], hit["full_name"]) == (str(person.id), person.full_name)
    family = (await tksk.post("/v1/beneficiaries/search", json={"family_card_number": person.family_card})).json()
    assert str(person.id) in {item["id"] for item in family["items"]}
    body = {
        "fields": ["nik", "family_card_number"],
        "purpose": "identity_check",
        "reason": "Mencocokkan nomor dengan kartu yang dibawa",
    }
    office = await as_("regency_office", BANDAR_LAMPUNG)
    shown = (await office.post(f"/v1/beneficiaries/{person.id}/reveal", json=body)).json()
    assert shown == {"nik": person.nik, "family_card_number": person.family_card}
    history = (await tksk.get(f"/v1/beneficiaries/{person.id}/history")).json()["items"]
    assert [(change["action"], change["operation"]) for change in history] == [("create", "seed")]


async def test_several_processes_make_the_same_people(app, owner, owner_url, monkeypatch):
    monkeypatch.setattr("tksk_api.cli.seed._CHUNK", 100)
    await fill(owner_url, app.state.house.keyring, 300, regions=BANDAR_LAMPUNG, workers=2)
    people = await people_in(owner_url, 300, regions=BANDAR_LAMPUNG)
    found = {row["id"] for row in await owner.fetch("SELECT id FROM beneficiaries")}
    assert found == {person.id for person in people}
    assert len({person.village_code for person in people}) > 50


async def test_real_users_are_left_alone_unless_asked_twice(as_, owner, environment):  # noqa: F811
    await as_("tksk", PANJANG)
    refused = await seeded(environment, 10)
    assert refused.exit_code == 1
    assert "looks real" in refused.output and "--yes" in refused.output
    assert await owner.fetchval("SELECT count(*) FROM beneficiaries") == 0
    assert (await seeded(environment, 10, "--yes")).exit_code == 0
    assert await owner.fetchval("SELECT count(*) FROM beneficiaries") == 10


async def test_an_address_of_the_open_net_looks_real_too(owner, environment):  # noqa: F811
    refused = await seeded({**environment, "TKSK_PUBLIC_URL": "https://tksk.example.go.id"}, 10)
    assert refused.exit_code == 1
    assert "real installation" in refused.output


@pytest.mark.parametrize("regions", ["99", "18.71.99", "Lampung", "", "18,99"])
async def test_a_region_that_is_not_there_is_named(owner, environment, regions):  # noqa: F811
    options = ("seed", "--beneficiaries", "10", "--regions", regions)
    refused = await asyncio.to_thread(test_cli.run, *options, env=environment)
    assert refused.exit_code == 2
    assert "No villages below" in refused.output


def test_people_are_the_same_every_time_and_their_numbers_are_their_own():
    villages = [f"12.71.01.{number}" for number in range(1001, 1009)]
    people = list(people_of(1, villages, 2_000))
    assert people == list(people_of(1, villages, 2_000))
    assert people[:50] == list(people_of(1, villages, 200))[:50]
    assert people[0].full_name != next(people_of(2, villages, 1)).full_name
    numbers = [check_nik(person.nik) for person in people if person.nik]
    assert len(set(numbers)) == len(numbers) > 1_800
    assert 0.05 < sum(not number.startswith("127101") for number in numbers) / len(numbers) < 0.2
    assert Counter(person.relationship for person in people)["head_of_family"] > 400
    assert len({person.full_name for person in people}) > 1_400


async def test_every_province_has_names(owner_url):
    districts = await districts_in(owner_url, 20_000)
    provinces = {district.villages[0][:2]: district for district in districts}
    assert len(provinces) >= 38
    for district in provinces.values():
        assert next(people_of(1, district.villages, 1)).full_name


def test_names_follow_the_region():
    chance = Random(1)
    assert Counter(origin_of(chance, "51.71.01") for _ in range(200)).most_common(1)[0][0] == "bali"
    assert Counter(origin_of(chance, "12.71.01") for _ in range(200)).most_common(1)[0][0] == "batak"
    balinese = [person.full_name for person in people_of(1, ["51.71.01.1001"], 300)]
    assert sum(any(word in name for word in ("Wayan", "Made", "Nyoman", "Ketut")) for name in balinese) > 100
