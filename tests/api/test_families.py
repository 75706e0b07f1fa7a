"""Families: who belongs to one, under which card; what happens to it, and what of it who may see."""

import asyncio
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from architecture.test_reads import counting
from family_flow import FAMILIES as URL
from family_flow import HOUSE, TODAY, add_family, add_snapshot, errors_of, family, joining
from helpers import AMPENAN, AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of, nik, person
from tksk_api.domain.families.rules import Kin, warnings_of

NEXT_DOOR = "18.71.04.1003"
YESTERDAY = str(TODAY - timedelta(days=1))


async def people(caller: Any, count: int, **over: Any) -> list[dict[str, Any]]:
    return [await add_person(caller, **over) for _ in range(count)]


async def trio(caller: Any, **over: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A family of a man, his wife and their child."""
    man = await add_person(caller, nik=None, nik_status="none", sex="male", full_name="Budi", birth_date="1980-01-02")
    wife = await add_person(caller, nik=None, nik_status="none", full_name="Ani", birth_date="1982-03-04")
    child = await add_person(caller, nik=None, nik_status="none", full_name="Cici", birth_date="2015-05-06")
    members = [joining(man, "head_of_family"), joining(wife, "wife"), joining(child, "child")]
    return await add_family(caller, *members, **over), [man, wife, child]


async def seen(caller: Any, row: dict[str, Any]) -> dict[str, Any]:
    answer = await caller.get(f"{URL}/{row['id']}")
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def relationships(row: dict[str, Any]) -> dict[str | None, str]:
    return {member["full_name"]: member["relationship"] for member in row["members"]}


def member_of(row: dict[str, Any], someone: dict[str, Any]) -> str:
    return next(str(m["member_id"]) for m in row["members"] if m["beneficiary_id"] == someone["id"])


async def removed(caller: Any, row: dict[str, Any], member_id: str, **query: Any) -> Any:
    headers = {"If-Match": f'"v{(await seen(caller, row))["version"]}"'}
    return await caller.delete(f"{URL}/{row['id']}/members/{member_id}", params=query, headers=headers)


async def died(owner: Any, someone: dict[str, Any], on: date = TODAY) -> None:
    await owner.execute("UPDATE beneficiaries SET deceased_on = $2 WHERE id = $1", UUID(someone["id"]), on)


# ---- making one ------------------------------------------------------------------------------------------------------


async def test_a_family_is_registered_and_read_with_its_members(as_):
    tksk, card = await as_("tksk", PANJANG), nik()
    row, (man, wife, child) = await trio(tksk, family_card_number=card)
    assert (row["version"], row["status"], row["needs_head"], row["warnings"]) == (1, "active", False, [])
    assert (row["family_card_masked"], row["village_code"], row["address"]) == ("*" * 12 + card[-4:], SRENGSEM, HOUSE)
    assert relationships(row) == {"Budi": "head_of_family", "Ani": "wife", "Cici": "child"}
    assert row["members"][0] == {
        "member_id": row["members"][0]["member_id"],
        "beneficiary_id": man["id"],
        "full_name": "Budi",
        "birth_date": "1980-01-02",
        "sex": "male",
        "nik_masked": None,
        "relationship": "head_of_family",
        "joined_on": str(TODAY),
        "outside_scope": False,
    }
    assert set(row["beneficiary_ids"]) == {man["id"], wife["id"], child["id"]}
    assert await seen(tksk, row) == row
    assert (await tksk.get(URL)).json()["items"] == [row]
    assert card not in str(row)


async def test_a_members_own_record_follows_the_card_and_keeps_it(as_):
    """Household is not the card: leaving the family does not take the card from a person."""
    tksk, card = await as_("tksk", PANJANG), nik()
    row, (man, _wife, child) = await trio(tksk, family_card_number=card)
    own = (await tksk.get(f"/v1/beneficiaries/{child['id']}")).json()
    assert (own["relationship"], own["family_card_masked"]) == ("child", "*" * 12 + card[-4:])
    wanted = {"fields": ["family_card_number"], "purpose": "letter_processing", "reason": "Surat untuk sekolah anak"}
    revealed = await tksk.post(f"/v1/beneficiaries/{man['id']}/reveal", json=wanted)
    assert revealed.json()["family_card_number"] == card
    late = await add_person(tksk, nik=None, nik_status="none")
    assert (await tksk.act(f"{URL}/{row['id']}/members", joining(late, "other_relative"))).status_code == 200
    found = (await tksk.post("/v1/beneficiaries/search", json={"family_card_number": card})).json()["items"]
    assert len(found) == 4
    assert (await removed(tksk, row, member_of(row, child), reason="own_household")).status_code == 200
    assert (await tksk.get(f"/v1/beneficiaries/{child['id']}")).json()["family_card_masked"] == "*" * 12 + card[-4:]


async def test_a_family_is_found_by_its_card_and_by_a_former_one(as_):
    tksk, stranger, old, new = await as_("tksk", PANJANG), await as_("tksk", AMPENAN), nik(), nik()
    row, _ = await trio(tksk, family_card_number=old)
    changed = await tksk.act(f"{URL}/{row['id']}/card", {"family_card_number": new, "reason": "divorce"})
    assert errors_of(changed) == [("/valid_from", "before_start")]  # the first one is of today, too
    await _age(tksk, row)
    changed = await tksk.act(f"{URL}/{row['id']}/card", {"family_card_number": new, "reason": "divorce"})
    assert (changed.status_code, changed.json()["family_card_masked"]) == (200, "*" * 12 + new[-4:])
    for number in (old, new):
        hits = (await tksk.post(f"{URL}/search", json={"family_card_number": number})).json()["items"]
        assert [hit["id"] for hit in hits] == [row["id"]]
        assert (await stranger.post(f"{URL}/search", json={"family_card_number": number})).json()["items"] == []
    assert len((await tksk.post("/v1/beneficiaries/search", json={"family_card_number": new})).json()["items"]) == 3
    assert errors_of(await tksk.post(f"{URL}/search", json={"family_card_number": "123"})) == [
        ("/family_card_number", "family_card_format")
    ]


async def _age(tksk: Any, row: dict[str, Any]) -> None:
    # As if the first card had been recorded the day before.
    owner = tksk.owner
    await owner.execute("UPDATE family_cards SET valid_from = valid_from - 1 WHERE family_id = $1", UUID(row["id"]))


@pytest.fixture
def as_(as_, owner):
    """Callers who know the database's owner."""

    async def sign_in(*arguments: Any, **over: Any) -> Any:
        caller = await as_(*arguments, **over)
        caller.owner = owner
        return caller

    return sign_in


async def test_forty_members_at_most(as_):
    tksk = await as_("tksk", PANJANG)
    many = [await add_person(tksk, nik=None, nik_status="none") for _ in range(41)]
    members = [joining(many[0], "head_of_family"), *(joining(someone, "other") for someone in many[1:])]
    assert errors_of(await tksk.post(URL, json=family(*members))) == [("/members", "too_many")]
    row = await add_family(tksk, *members[:40])
    assert len(row["members"]) == 40
    refused = await tksk.act(f"{URL}/{row['id']}/members", members[40])
    assert errors_of(refused) == [("/beneficiary_id", "too_many")]


async def test_what_is_no_family_is_refused(as_, owner):
    tksk = await as_("tksk", PANJANG)
    one, other, dead = await people(tksk, 3, nik=None, nik_status="none")
    await died(owner, dead)
    elsewhere = await add_person(await as_("tksk", AMPENAN), village_code=AMPENAN_VILLAGE)
    head = joining(one, "head_of_family")
    for members, wrong in (
        ([joining(one, "child")], [("/members", "head_missing")]),
        ([], [("/members", "too_short")]),
        ([head, joining(other, "head_of_family")], [("/members/1/relationship", "second_head")]),
        ([head, joining(one, "child")], [("/members/1/beneficiary_id", "duplicate_entry")]),
        ([joining(one, "boss")], [("/members/0/relationship", "unknown_code")]),
        ([head, joining(dead, "wife")], [("/members/1/beneficiary_id", "deceased_person")]),
        ([head, joining(elsewhere, "wife")], [("/members/1/beneficiary_id", "unknown_reference")]),
        ([head, joining(str(uuid4()), "wife")], [("/members/1/beneficiary_id", "unknown_reference")]),
        ([joining(one, "head_of_family", joined_on="2099-01-01")], [("/members/0/joined_on", "in_future")]),
    ):
        assert errors_of(await tksk.post(URL, json=family(*members))) == wrong
    for over, wrong in (
        ({"village_code": AMPENAN_VILLAGE}, ("/village_code", "outside_scope")),
        ({"village_code": "18.71.04.1999"}, ("/village_code", "unknown_region")),
        ({"family_card_number": "1871"}, ("/family_card_number", "family_card_format")),
        ({"address": {"street": " "}}, ("/address/street", "too_short")),
    ):
        assert errors_of(await tksk.post(URL, json=family(head, **over))) == [wrong]
    assert (await tksk.get(URL)).json()["items"] == []


async def test_nobody_is_in_two_families(as_):
    tksk, elsewhere = await as_("tksk", PANJANG), await as_("province_office", "52")
    row, (man, *_) = await trio(tksk)
    other = await add_person(tksk)
    taken = await tksk.post(URL, json=family(joining(other, "head_of_family"), joining(man, "parent")))
    assert (taken.status_code, code_of(taken)) == (409, "already_in_family")
    assert [error["pointer"] for error in taken.json()["errors"]] == ["/members/1/beneficiary_id"]
    # Also in one that the caller does not see any more, which is all they learn.
    moved = {"village_code": AMPENAN_VILLAGE, "address": HOUSE, "reason": "moved"}
    assert (await tksk.act(f"{URL}/{row['id']}/move", moved)).json()["in_scope"] is False
    unseen = await tksk.post(URL, json=family(joining(man, "head_of_family")))
    assert (unseen.status_code, code_of(unseen)) == (409, "already_in_family")
    assert "52.71" not in unseen.text and row["id"] not in unseen.text
    assert {member["outside_scope"] for member in (await seen(elsewhere, row))["members"]} == {True}


async def test_the_same_family_sent_twice_is_one(as_):
    tksk, one = await as_("tksk", PANJANG), None
    one = await add_person(tksk)
    body = family(joining(one, "head_of_family"), id=str(uuid4()), family_card_number=nik())
    first, again = await tksk.post(URL, json=body), await tksk.post(URL, json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.headers["Location"] == f"{URL}/{body['id']}"
    other = {**body, "village_code": NEXT_DOOR}
    assert code_of(await tksk.post(URL, json=other)) == "id_in_use"


async def test_what_is_odd_is_taken_with_a_warning(as_):
    tksk = await as_("tksk", PANJANG)
    none = {"nik": None, "nik_status": "none"}
    head = await add_person(tksk, **none, birth_date="2000-01-01")
    child = await add_person(tksk, **none, birth_date="1999-01-01")
    bride = await add_person(tksk, **none, birth_date=str(TODAY - timedelta(days=15 * 365)))
    row = await add_family(tksk, joining(head, "head_of_family"), joining(child, "child"), joining(bride, "wife"))
    assert [warning["code"] for warning in row["warnings"]] == ["descendant_older_than_head", "spouse_very_young"]
    better = (await removed(tksk, row, member_of(row, child), reason="recorded_wrongly")).json()
    assert [warning["code"] for warning in better["warnings"]] == ["spouse_very_young"]


def test_the_warnings_of_a_family():
    today, joined = date(2026, 11, 22), date(2020, 1, 1)
    head = Kin("head_of_family", date(1980, 1, 1), joined)

    def of(*others: Kin, head: Kin | None = head) -> list[str]:
        return warnings_of([*([head] if head else []), *others], today)

    assert of(Kin("child", date(2005, 1, 1), joined), Kin("parent", date(1950, 1, 1), joined)) == []
    assert of(Kin("child", date(1980, 1, 1), joined)) == ["descendant_older_than_head"]
    assert of(Kin("parent_in_law", date(1990, 1, 1), joined)) == ["ascendant_younger_than_head"]
    assert of(Kin("wife", date(2010, 11, 22), joined)) == []
    assert of(Kin("wife", date(2010, 11, 23), joined)) == ["spouse_very_young"]
    assert of(Kin("child", date(2020, 1, 2), joined)) == ["born_after_joining"]
    assert of(head=Kin("head_of_family", date(2012, 1, 1), joined)) == ["head_very_young"]
    assert of(Kin("child", date(1970, 1, 1), joined), head=None) == []


# ---- what happens to one ---------------------------------------------------------------------------------------------


async def test_a_member_joins_and_leaves_and_the_history_says_why(as_):
    tksk = await as_("tksk", PANJANG)
    row, (man, wife, child) = await trio(tksk, family_card_number=nik())
    baby = await add_person(tksk, nik=None, nik_status="belum_rekam", full_name="Dedi", birth_date=YESTERDAY)
    url = f"{URL}/{row['id']}"
    joined = await tksk.act(f"{url}/members", joining(baby, "child", joined_on=YESTERDAY))
    assert (joined.status_code, joined.json()["version"], joined.headers["ETag"]) == (200, 2, '"v2"')
    assert relationships(joined.json())["Dedi"] == "child"
    second = await add_person(tksk)
    for body, wrong in (
        (joining(second, "head_of_family"), ("/relationship", "second_head")),
        (joining(second, "boss"), ("/relationship", "unknown_code")),
        (joining(str(uuid4()), "child"), ("/beneficiary_id", "unknown_reference")),
    ):
        assert errors_of(await tksk.act(f"{url}/members", body)) == [wrong]
    assert code_of(await tksk.act(f"{url}/members", joining(baby, "child"))) == "already_in_family"
    gone = member_of(joined.json(), child)
    assert errors_of(await removed(tksk, row, gone, reason="bored")) == [("/reason", "unknown_code")]
    assert errors_of(await removed(tksk, row, gone, reason="moved", left_on="2020-01-01")) == [
        ("/left_on", "before_start")
    ]
    assert errors_of(await removed(tksk, row, gone, reason="moved", successor_id=wife["id"])) == [
        ("/successor_id", "not_the_head")
    ]
    left = await removed(tksk, row, gone, reason="own_household")
    assert (left.status_code, sorted(relationships(left.json()))) == (200, ["Ani", "Budi", "Dedi"])
    assert code_of(await removed(tksk, row, gone, reason="moved")) == "not_found"
    assert (await tksk.post(URL, json=family(joining(child, "head_of_family")))).status_code == 201
    happened = (await tksk.get(f"{url}/history")).json()["items"]
    assert [(item["entity"], item["action"], item["operation"]) for item in happened] == [
        ("family_members", "update", "remove_family_member"),
        ("family_members", "create", "add_family_member"),
        ("family_cards", "create", "create_family"),
        *[("family_members", "create", "create_family")] * 3,
        ("families", "create", "create_family"),
    ]
    leaving = next(item for item in happened if item["operation"] == "remove_family_member")
    assert leaving["fields"]["left_reason"] == {"from": None, "to": "own_household"}
    assert (leaving["reason"], leaving["beneficiary_id"], leaving["actor_id"]) == (
        "own_household",
        child["id"],
        str(tksk.user_id),
    )
    assert {item["beneficiary_id"] for item in happened} >= {man["id"], wife["id"], child["id"], baby["id"], None}
    assert [item["id"] for item in happened] == sorted((item["id"] for item in happened), reverse=True)


async def test_the_head_leaves_only_with_a_successor(as_):
    tksk = await as_("tksk", PANJANG)
    row, (man, wife, _child) = await trio(tksk)
    head = member_of(row, man)
    assert errors_of(await removed(tksk, row, head, reason="divorce")) == [("/successor_id", "head_needed")]
    for wrong in (man["id"], str(uuid4())):
        assert errors_of(await removed(tksk, row, head, reason="divorce", successor_id=wrong)) == [
            ("/successor_id", "unknown_reference")
        ]
    left = await removed(tksk, row, head, reason="divorce", successor_id=wife["id"])
    assert relationships(left.json()) == {"Ani": "head_of_family", "Cici": "child"}
    assert (await tksk.get(f"/v1/beneficiaries/{wife['id']}")).json()["relationship"] == "head_of_family"


async def test_another_head(as_):
    tksk = await as_("tksk", PANJANG)
    row, (man, wife, child) = await trio(tksk)
    url, change = f"{URL}/{row['id']}/change-head", {"beneficiary_id": wife["id"], "reason": "agreed"}
    assert errors_of(await tksk.act(url, change)) == [("/former_head_relationship", "missing")]
    for over, wrong in (
        ({"former_head_relationship": "head_of_family"}, ("/former_head_relationship", "second_head")),
        ({"former_head_relationship": "boss"}, ("/former_head_relationship", "unknown_code")),
        ({"beneficiary_id": man["id"]}, ("/beneficiary_id", "second_head")),
        ({"beneficiary_id": str(uuid4())}, ("/beneficiary_id", "unknown_reference")),
        ({"reason": "bored"}, ("/reason", "unknown_code")),
    ):
        assert errors_of(await tksk.act(url, {**change, **over})) == [wrong]
    changed = await tksk.act(url, {**change, "former_head_relationship": "husband"})
    assert relationships(changed.json()) == {"Ani": "head_of_family", "Budi": "husband", "Cici": "child"}
    assert child["id"] in changed.json()["beneficiary_ids"]


async def test_a_death_ends_the_membership_and_leaves_the_family_in_need_of_a_head(as_, owner):
    tksk = await as_("tksk", PANJANG)
    row, (man, wife, child) = await trio(tksk)
    await died(owner, man)
    bereaved = await seen(tksk, row)
    assert (bereaved["needs_head"], bereaved["status"], bereaved["version"]) == (True, "active", 2)
    assert relationships(bereaved) == {"Ani": "wife", "Cici": "child"}
    ended = await owner.fetchrow("SELECT * FROM family_members WHERE beneficiary_id = $1", UUID(man["id"]))
    assert (ended["left_on"], ended["left_reason"]) == (TODAY, "death")
    led = await tksk.act(f"{URL}/{row['id']}/change-head", {"beneficiary_id": wife["id"], "reason": "death"})
    assert (led.json()["needs_head"], relationships(led.json())["Ani"]) == (False, "head_of_family")
    await died(owner, child, TODAY - timedelta(days=3))
    await died(owner, wife)
    over = await seen(tksk, row)
    assert (over["status"], over["needs_head"], over["members"]) == ("ended", False, [])
    late = await tksk.act(f"{URL}/{row['id']}/members", joining(await add_person(tksk), "head_of_family"))
    assert (late.status_code, code_of(late)) == (409, "transition_refused")
    assert [item["id"] for item in (await tksk.get(f"{URL}?status=ended")).json()["items"]] == [row["id"]]


async def test_nobody_joins_before_they_left_where_they_were(as_):
    tksk = await as_("tksk", PANJANG)
    long_ago, early, late = "2020-01-01", str(TODAY - timedelta(days=5)), YESTERDAY
    other, other_man = await add_person(tksk, full_name="Dewi"), await add_person(tksk, full_name="Eka")
    second = await add_family(tksk, joining(other, "head_of_family", joined_on=long_ago))
    third = await add_family(tksk, joining(other_man, "head_of_family", joined_on=long_ago))
    url = f"{URL}/{second['id']}/members"
    guest = await add_person(tksk, full_name="Fitri")
    assert (await tksk.act(url, joining(guest, "other_relative", joined_on=long_ago))).status_code == 200
    member = member_of(await seen(tksk, second), guest)
    assert (await removed(tksk, second, member, reason="own_household", left_on=late)).status_code == 200
    there = f"{URL}/{third['id']}/members"
    answer = await tksk.act(there, joining(guest, "other_relative", joined_on=early))
    assert errors_of(answer) == [("/joined_on", "still_in_family")]
    founded = await tksk.post(URL, json=family(joining(guest, "head_of_family", joined_on=early)))
    assert errors_of(founded) == [("/members/0/joined_on", "still_in_family")]
    # On the day of leaving one may join.
    assert (await tksk.act(there, joining(guest, "other_relative", joined_on=late))).status_code == 200


async def test_a_family_costs_as_many_statements_whatever_its_members(as_, app):
    tksk = await as_("tksk", PANJANG)
    costs = []
    for count in (1, 2, 9):
        head, *others = await people(tksk, count, nik=None, nik_status="none")
        members = [joining(head, "head_of_family"), *(joining(someone, "child") for someone in others)]
        body = family(*members, family_card_number=nik())
        with counting(app) as counter:
            assert (await tksk.post(URL, json=body)).status_code == 201
            costs.append(counter.take())
    assert costs[0] == costs[1] == costs[2], costs


async def test_the_id_of_a_split_belongs_to_the_family_it_was_sent_for(as_):
    tksk = await as_("tksk", PANJANG)
    row, (_, wife, _) = await trio(tksk)
    other, _ = await trio(tksk)
    going = [joining(wife, "head_of_family")]
    body = {"id": str(uuid4()), "members": going, "reason": "divorce"}
    answers = [await tksk.act(f"{URL}/{family['id']}/split", body) for family in (row, row, other)]
    assert [answer.status_code for answer in answers] == [201, 200, 409]
    assert code_of(answers[2]) == "id_in_use"
    assert (await seen(tksk, row))["version"] == 2  # what was sent again changed nothing


async def test_who_is_withdrawn_from_the_register_leaves_their_family(as_, owner):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    row, (man, _wife, _child) = await trio(tksk)
    url = f"/v1/beneficiaries/{man['id']}"
    version = (await tksk.get(url)).headers["ETag"]
    assert (await office.delete(url, headers={"If-Match": version})).status_code == 204
    without = await seen(tksk, row)
    assert (without["needs_head"], without["status"], without["version"]) == (True, "active", 2)
    assert relationships(without) == {"Ani": "wife", "Cici": "child"}
    ended = await owner.fetchrow("SELECT * FROM family_members WHERE beneficiary_id = $1", UUID(man["id"]))
    assert (ended["left_on"], ended["left_reason"]) == (TODAY, "recorded_wrongly")
    steps = await owner.fetch("SELECT action FROM transitions WHERE entity_id = $1", UUID(row["id"]))
    assert [step["action"] for step in steps] == ["member_withdrawn"]


async def test_words_about_a_person_stay_with_the_person(as_, owner):
    """A family elsewhere, whose child stayed here: the office there reads its history, but not why the child left."""
    tksk, there = await as_("tksk", PANJANG), await as_("village_clerk", AMPENAN_VILLAGE)
    row, (_man, _wife, child) = await trio(tksk)
    place = {"village_code": AMPENAN_VILLAGE, "address": {"street": "Jl. Baru 1"}, "reason": "moved"}
    assert (await tksk.act(f"{URL}/{row['id']}/move", place)).status_code == 200
    note = "Tenggelam di sungai dekat rumah"
    death = {"died_on": str(TODAY), "source": "village_letter", "note": note}
    assert (await tksk.act(f"/v1/beneficiaries/{child['id']}/deceased", death)).status_code == 200
    url = f"{URL}/{row['id']}/history"
    history = await there.get(url)
    assert history.status_code == 200 and note not in history.text
    assert "moved" in {item["reason"] for item in history.json()["items"]}
    kept = await owner.fetch("SELECT entity, entity_id::text FROM changes WHERE reason = $1", note)
    assert [tuple(change) for change in kept] == [("beneficiaries", child["id"])]
    # Also words that stand beside a member's row are only for those who see the member.
    await owner.execute("UPDATE changes SET reason = $1 WHERE entity LIKE 'famil%'", note)
    assert note not in (await there.get(url)).text


async def test_a_split_makes_two_families_with_one_head_each(as_):
    tksk = await as_("tksk", PANJANG)
    row, (man, wife, child) = await trio(tksk, family_card_number=nik())
    url, card = f"{URL}/{row['id']}/split", nik()
    going = [
        {"beneficiary_id": man["id"], "relationship": "head_of_family"},
        {"beneficiary_id": child["id"], "relationship": "child"},
    ]
    body = {"id": str(uuid4()), "members": going, "reason": "divorce", "family_card_number": card}
    for over, wrong in (
        ({}, ("/successor_id", "head_needed")),
        ({"members": going[1:]}, ("/members", "head_missing")),
        ({"members": [going[0], going[0]]}, ("/members/1/relationship", "second_head")),
        ({"members": [going[0], going[1], going[1]]}, ("/members/2/beneficiary_id", "duplicate_entry")),
        ({"successor_id": child["id"]}, ("/successor_id", "unknown_reference")),
        ({"members": [*going, {"beneficiary_id": wife["id"], "relationship": "other"}]}, ("/members", "nobody_left")),
        (
            {"members": [going[0], {"beneficiary_id": str(uuid4()), "relationship": "child"}]},
            ("/members/1/beneficiary_id", "unknown_reference"),
        ),
        ({"successor_id": wife["id"], "village_code": AMPENAN_VILLAGE}, ("/village_code", "outside_scope")),
        ({"successor_id": wife["id"], "on": "2020-01-01"}, ("/on", "before_start")),
    ):
        assert errors_of(await tksk.act(url, {**body, **over})) == [wrong], over
    body["successor_id"] = wife["id"]
    made = await tksk.act(url, body)
    assert (made.status_code, made.headers["Location"]) == (201, f"{URL}/{body['id']}")
    new = made.json()
    assert relationships(new) == {"Budi": "head_of_family", "Cici": "child"}
    assert (new["split_from"], new["address"], new["family_card_masked"]) == (row["id"], HOUSE, "*" * 12 + card[-4:])
    old = await seen(tksk, row)
    assert (relationships(old), old["family_card_masked"]) == ({"Ani": "head_of_family"}, row["family_card_masked"])
    again = await tksk.post(url, json=body, headers={"If-Match": '"v1"'})
    assert (again.status_code, again.json()["id"]) == (200, new["id"])
    assert [item["id"] for item in (await tksk.get(f"{URL}?beneficiary_id={man['id']}")).json()["items"]] == [new["id"]]


async def test_a_family_moves_alone_or_with_those_of_its_members_one_sees(as_):
    clerk, tksk = await as_("village_clerk", SRENGSEM), await as_("tksk", PANJANG)
    row, (man, _wife, child) = await trio(tksk)
    away = {"village_code": NEXT_DOOR, "reason": "Pindah ikut nenek"}
    assert (await tksk.act(f"/v1/beneficiaries/{child['id']}/move", away)).status_code == 200
    body = {"village_code": AMPENAN_VILLAGE, "address": {"street": "Jl. Baru 1"}, "reason": "moved"}
    url = f"{URL}/{row['id']}/move"
    assert errors_of(await clerk.act(url, {**body, "village_code": "18.71.04.1999"})) == [
        ("/village_code", "unknown_region")
    ]
    assert errors_of(await clerk.act(url, {**body, "village_code": PANJANG})) == [("/village_code", "bad_format")]
    version = (await seen(clerk, row))["version"]
    moved = await clerk.act(url, {**body, "with_members": True})
    assert moved.json() == {
        "id": row["id"],
        "village_code": AMPENAN_VILLAGE,
        "in_scope": False,
        "version": version + 1,
    }
    assert (await clerk.get(f"{URL}/{row['id']}")).status_code == 404
    there = await as_("tksk", AMPENAN)
    arrived = await seen(there, row)
    assert arrived["address"] == {"street": "Jl. Baru 1", "rt": None, "rw": None}
    assert sorted(member["outside_scope"] for member in arrived["members"]) == [False, False, True]
    assert (await there.get(f"/v1/beneficiaries/{man['id']}")).json()["village_code"] == AMPENAN_VILLAGE
    assert (await tksk.get(f"/v1/beneficiaries/{child['id']}")).json()["village_code"] == NEXT_DOOR
    reasons = {item["reason"] for item in (await there.get(f"{URL}/{row['id']}/history")).json()["items"]}
    assert "moved" in reasons


async def test_the_address_is_corrected_by_merge_patch(as_):
    tksk = await as_("tksk", PANJANG)
    row, _ = await trio(tksk)
    url, first = f"{URL}/{row['id']}", {"If-Match": '"v1"'}
    assert code_of(await tksk.patch(url, json={"address": {"rt": "9"}})) == "precondition_required"
    assert errors_of(await tksk.patch(url, json={"address": None}, headers=first)) == [("/address", "null_not_allowed")]
    better = await tksk.patch(url, json={"address": {"rt": "9", "rw": None}}, headers=first)
    assert better.json()["address"] == {"street": HOUSE["street"], "rt": "009", "rw": None}
    assert code_of(await tksk.patch(url, json={}, headers=first)) == "stale_version"


# ---- two at once -----------------------------------------------------------------------------------------------------


async def test_of_two_heads_at_once_one_wins(as_):
    tksk, colleague = await as_("tksk", PANJANG), await as_("tksk", PANJANG)
    row, (_man, wife, child) = await trio(tksk)
    url, first = f"{URL}/{row['id']}/change-head", {"If-Match": '"v1"'}
    bodies = [
        {"beneficiary_id": someone["id"], "former_head_relationship": "other", "reason": "agreed"}
        for someone in (wife, child)
    ]
    answers = await asyncio.gather(
        *(c.post(url, json=body, headers=first) for c, body in zip((tksk, colleague), bodies, strict=True))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert list(relationships(await seen(tksk, row)).values()).count("head_of_family") == 1


@pytest.mark.parametrize("gone", ["died", "withdrawn"])
async def test_who_ends_a_membership_waits_for_the_family_before_the_person(as_, owner, gone):
    """The actions of a family lock it before its people. Who locked a person first and the family then would die in a
    deadlock with them."""
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    row, (_man, _wife, child) = await trio(tksk)
    url = f"/v1/beneficiaries/{child['id']}"
    version = {"If-Match": (await tksk.get(url)).headers["ETag"]}
    death = {"died_on": str(TODAY), "source": "village_letter"}
    async with owner.transaction():
        await owner.execute("SELECT 1 FROM families WHERE id = $1 FOR UPDATE", UUID(row["id"]))
        ending = asyncio.create_task(
            tksk.post(f"{url}/deceased", json=death, headers=version)
            if gone == "died"
            else office.delete(url, headers=version)
        )
        while not await owner.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)
        assert await owner.fetchval("SELECT id FROM beneficiaries WHERE id = $1 FOR UPDATE NOWAIT", UUID(child["id"]))
    assert (await ending).status_code in {200, 204}
    assert len((await seen(tksk, row))["members"]) == 2


async def test_of_two_families_that_take_one_person_at_once_one_wins(as_):
    tksk = await as_("tksk", PANJANG)
    someone, one, other = await people(tksk, 3)
    answers = await asyncio.gather(
        *(
            tksk.post(URL, json=family(joining(head, "head_of_family"), joining(someone, "child")))
            for head in (one, other)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert code_of(next(answer for answer in answers if answer.status_code == 409)) == "already_in_family"
    assert len((await tksk.get(URL)).json()["items"]) == 1


# ---- who sees what ---------------------------------------------------------------------------------------------------


async def test_a_member_elsewhere_is_a_place_without_a_name(as_):
    tksk, head = await as_("tksk", PANJANG), await as_("village_head", SRENGSEM)
    clerk, next_door = await as_("village_clerk", SRENGSEM), await as_("village_clerk", NEXT_DOOR)
    row, (man, wife, _child) = await trio(tksk)
    grandmother = await add_person(tksk, village_code=NEXT_DOOR, full_name="Nenek Rahasia")
    assert (await tksk.act(f"{URL}/{row['id']}/members", joining(grandmother, "parent"))).status_code == 200
    shown = await head.get(f"{URL}/{row['id']}")
    hidden = next(member for member in shown.json()["members"] if member["outside_scope"])
    assert hidden == {
        "member_id": hidden["member_id"],
        **dict.fromkeys(("beneficiary_id", "full_name", "birth_date", "sex", "nik_masked")),
        "relationship": "parent",
        "joined_on": str(TODAY),
        "outside_scope": True,
    }
    history = await head.get(f"{URL}/{row['id']}/history")
    for answer in (shown, history, await head.get(URL)):
        assert grandmother["id"] not in answer.text and "Rahasia" not in answer.text
        assert man["id"] in answer.text
    # No question about her tells anything, here or where she lives.
    for caller, expected in ((tksk, [row["id"]]), (head, []), (next_door, [])):
        found = (await caller.get(f"{URL}?beneficiary_id={grandmother['id']}")).json()["items"]
        assert [item["id"] for item in found] == expected
    assert (await next_door.get(f"{URL}/{row['id']}")).status_code == 404
    taken = await clerk.post(URL, json=family(joining(grandmother, "head_of_family")))
    assert errors_of(taken) == [("/members/0/beneficiary_id", "unknown_reference")]
    # She can be named nowhere, but her place can be given up.
    change = {"beneficiary_id": grandmother["id"], "former_head_relationship": "child", "reason": "agreed"}
    assert errors_of(await clerk.act(f"{URL}/{row['id']}/change-head", change)) == [
        ("/beneficiary_id", "unknown_reference")
    ]
    left = await removed(clerk, row, hidden["member_id"], reason="moved")
    assert (left.status_code, len(left.json()["members"])) == (200, 3)
    assert wife["id"] in left.json()["beneficiary_ids"]


async def test_who_reads_and_who_writes(as_):
    tksk = await as_("tksk", PANJANG)
    row, _ = await trio(tksk)
    for role, region, status in (
        ("tksk", AMPENAN, 404),
        ("regency_office", BANDAR_LAMPUNG, 200),
        ("ministry", None, 200),
        ("auditor", None, 200),
        ("admin", None, 403),
    ):
        reader = await as_(role, region)
        assert (await reader.get(f"{URL}/{row['id']}")).status_code == status
        assert (await reader.get(f"{URL}/{row['id']}/history")).status_code == status
    office = await as_("regency_office", BANDAR_LAMPUNG)
    assert code_of(await office.post(URL, json=family(joining(str(uuid4()), "head_of_family")))) == "permission_denied"


async def test_reading_a_family_names_its_members_in_the_access_log(as_, owner):
    tksk = await as_("tksk", PANJANG)
    row, everybody = await trio(tksk)
    answer = await tksk.get(f"{URL}/{row['id']}")
    logged = await owner.fetchrow(
        "SELECT subject_ids FROM access_log WHERE request_id = $1", UUID(answer.headers["x-request-id"])
    )
    assert {str(key) for key in logged["subject_ids"]} == {someone["id"] for someone in everybody}


# ---- rights of the people --------------------------------------------------------------------------------------------


async def test_restricted_and_erased_people(as_, owner):
    """Nobody restricted joins; the family outlives an erased member, and its card the last but one."""
    tksk, card = await as_("tksk", PANJANG), nik()
    row, (man, wife, child) = await trio(tksk, family_card_number=card)
    shy = await add_person(tksk)
    await owner.execute("UPDATE beneficiaries SET restricted_at = now() WHERE id = $1", UUID(shy["id"]))
    assert code_of(await tksk.act(f"{URL}/{row['id']}/members", joining(shy, "other"))) == "processing_restricted"

    async def erase(someone: dict[str, Any]) -> None:
        async with owner.transaction():
            await owner.execute("SELECT app.enter_system('test', NULL)")
            assert await owner.fetchval("SELECT app.erase_subject($1, NULL, now())", UUID(someone["id"]))

    await erase(man)
    after = await seen(tksk, row)
    assert (after["needs_head"], len(after["members"]), after["family_card_masked"]) == (
        True,
        2,
        row["family_card_masked"],
    )
    await erase(wife)
    await erase(child)
    left = await owner.fetchrow("SELECT * FROM families WHERE id = $1", UUID(row["id"]))
    assert (left["status"], left["street"], left["rt"]) == ("ended", "(dihapus)", None)
    numbers = await owner.fetchrow("SELECT * FROM family_cards WHERE family_id = $1", UUID(row["id"]))
    assert (numbers["number_cipher"], numbers["number_index"], numbers["number_last4"]) == (None, None, None)
    assert await owner.fetchval("SELECT count(*) FROM subject_keys WHERE subject_id = $1", UUID(row["id"])) == 0
    kept = await owner.fetch("SELECT fields FROM changes WHERE entity LIKE 'famil%'")
    assert not any(HOUSE["street"] in change["fields"] for change in kept)


async def test_an_erasure_takes_the_person_out_of_what_was_said_of_their_family(as_, owner):
    """Also of a family that was another record's before the two were merged."""
    tksk = await as_("tksk", PANJANG)
    row, (man, _wife, _child) = await trio(tksk)
    stays = await add_person(tksk, full_name="Budiarto Kusnadi", sex="male", birth_date="1980-01-02")
    merging = {"into_id": stays["id"], "reason": "Orang yang sama, dicatat dua kali"}
    merged = await tksk.act(f"/v1/beneficiaries/{man['id']}/merge", merging)
    assert merged.status_code == 200, merged.text
    url, note = f"/v1/beneficiaries/{stays['id']}", "Menurut tetangga Kusnadi meninggal di kebun"
    death = {"died_on": str(TODAY), "source": "village_letter", "note": note}
    assert (await tksk.act(f"{url}/deceased", death)).status_code == 200
    version = (await tksk.get(url)).json()["version"]
    undone = await tksk.act(f"{url}/deceased/undo", {"reason": "Kusnadi datang sendiri"}, version=version)
    assert undone.status_code == 200, undone.text
    # As if it had been kept there, too: by a transaction of before, or in another's words.
    await owner.execute("UPDATE changes SET reason = 'Kusnadi pergi' WHERE entity_id = $1", UUID(row["id"]))
    async with owner.transaction():
        await owner.execute("SELECT app.enter_system('test', NULL)")
        assert await owner.fetchval("SELECT app.erase_subject($1, NULL, now())", UUID(stays["id"]))
    kept = [change["reason"] for change in await owner.fetch("SELECT reason FROM changes WHERE reason IS NOT NULL")]
    assert [reason for reason in kept if "Kusnadi" in reason] == []
    assert "(dihapus) pergi" in kept


async def test_nobody_is_told_what_a_family_was_before_they_joined(as_, owner):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    head, late = await people(tksk, 2, nik=None, nik_status="none", ppks_categories=[])
    members = [joining(head, "head_of_family", joined_on="2020-01-01"), joining(late, "other", joined_on="2025-01-01")]
    row = await add_family(tksk, *members)
    days = ("2023-01-01", "2024-01-01", "2026-01-01")
    for day, decile in zip(days, (1, 2, 3), strict=True):
        await add_snapshot(office, row, dated_on=day, decile=decile)
    for until in (date(2024, 6, 30), date(2025, 1, 1), None):
        await owner.execute(
            "INSERT INTO ppks_assessments (id, version, region_code, category, unit, family_id, since, until, "
            "assessed_on, status) VALUES (gen_random_uuid(), 1, $1, 'fakir_miskin', 'family', $2, '2023-01-01', $3, "
            "'2023-01-01', CASE WHEN $3::date IS NULL THEN 'active' ELSE 'closed' END)",
            SRENGSEM,
            UUID(row["id"]),
            until,
        )
    # What was in force on the day of joining is theirs.
    for someone, deciles, spans in ((head, [1, 2, 3], 3), (late, [2, 3], 2)):
        told = (await tksk.get(f"/v1/beneficiaries/{someone['id']}/statement")).json()
        assert [each["decile"] for each in told["families"][0]["deciles"]] == deciles
        assert len(told["assessments"]) == spans
        events = (await tksk.get(f"/v1/beneficiaries/{someone['id']}/timeline?kind=decile")).json()["items"]
        assert sorted(event["facts"]["decile"] for event in events) == deciles


async def test_the_statement_tells_a_person_of_their_families(as_, owner):
    tksk, card = await as_("tksk", PANJANG), nik()
    row, (man, wife, child) = await trio(tksk, family_card_number=card)
    assert (await removed(tksk, row, member_of(row, child), reason="own_household")).status_code == 200
    told = (await tksk.get(f"/v1/beneficiaries/{wife['id']}/statement")).json()["families"]
    assert [(one["relationship"], one["street"], one["cards"]) for one in told] == [
        ("wife", HOUSE["street"], ["*" * 12 + card[-4:]])
    ]
    told = (await tksk.get(f"/v1/beneficiaries/{child['id']}/statement")).json()["families"]
    assert [(one["left_reason"], one["street"], one["village_code"]) for one in told] == [("own_household", None, None)]
    printed = await tksk.get(f"/v1/beneficiaries/{man['id']}/statement?format=pdf")
    assert printed.status_code == 200
    assert person()["full_name"] not in str(told)
