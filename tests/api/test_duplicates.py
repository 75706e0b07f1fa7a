"""Whom somebody may be registered as already: found at intake, shown as far as one may see, decided by people."""

from typing import Any
from uuid import UUID

import pytest

from helpers import (
    AMPENAN,
    AMPENAN_VILLAGE,
    BANDAR_LAMPUNG,
    PANJANG,
    SRENGSEM,
    Caller,
    add_person,
    code_of,
    nik,
    person,
)
from sktm_flow import ok

URL = "/v1/duplicates"
PEOPLE = "/v1/beneficiaries"
PANJANG_UTARA = "18.71.04.1003"
PIDADA = "18.71.04.1004"
# Another district of the same city.
ELSEWHERE, ELSEWHERE_VILLAGE = "18.71.05", "18.71.05.1002"
REASON = {"reason": "Saudara kembar, dua orang"}


async def pairs(caller: Caller, **query: Any) -> list[dict[str, Any]]:
    answer = await caller.get(URL, params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def misspelt(caller: Caller, **over: Any) -> dict[str, Any]:
    """The same woman as `add_person` makes, written down by somebody else."""
    return await add_person(caller, **{"nik": None, "nik_status": "belum_rekam", "full_name": "St. Rahmawaty", **over})


def warned(row: dict[str, Any]) -> list[str | None]:
    return [w.get("beneficiary_id") for w in row["warnings"] if w["code"] == "possible_duplicate"]


# ---- finding ---------------------------------------------------------------------------------------------------------


async def test_a_second_registration_is_taken_and_warned_of(as_, owner):
    clerk = await as_("village_clerk", SRENGSEM)
    first = await add_person(clerk)
    assert warned(first) == []
    second = await misspelt(clerk)
    assert warned(second) == [first["id"]]
    [pair] = await pairs(clerk)
    assert (pair["status"], pair["ask_office"]) == ("open", None)
    assert {person["id"] for person in pair["people"]} == {first["id"], second["id"]} == set(pair["beneficiary_ids"])
    reasons = {reason["field"]: reason["match"] for reason in pair["reasons"]}
    assert (reasons["full_name"], reasons["birth_date"], reasons["village_code"]) == ("similar", "exact", "same")
    assert 0.8 <= pair["score"] <= 1
    for someone in (first, second):
        listed = (await clerk.get(f"{PEOPLE}/{someone['id']}/duplicates")).json()["items"]
        assert [item["id"] for item in listed] == [pair["id"]]
    # Somebody quite different, of the same village, is nobody's duplicate.
    other = await add_person(clerk, full_name="Budi Hartono", birth_date="1975-08-17", nik=None, nik_status="none")
    assert warned(other) == []
    assert len(await pairs(clerk)) == 1
    low, high = await owner.fetchrow("SELECT low_id, high_id FROM duplicate_candidates")
    assert low < high


@pytest.mark.parametrize(
    "damage",
    [
        {"full_name": "Siti Rachmawati", "birth_date": "1991-03-26"},
        {"full_name": "Rahmawati Siti"},
        {"full_name": "Siti Rahmawati", "village_code": PIDADA},
        {"full_name": "Sti Rahmawati", "birth_date": "1991-01-01", "family_card_number": "1871041203150002"},
    ],
)
async def test_kinds_of_second_entries_that_are_found(as_, damage):
    tksk = await as_("tksk", PANJANG)
    first = await add_person(tksk, family_card_number="1871041203150002")
    assert warned(await misspelt(tksk, **damage)) == [first["id"]]


async def test_a_number_one_digit_off_is_found_too(as_):
    tksk = await as_("tksk", PANJANG)
    number = nik(4711)
    first = await add_person(tksk, nik=number)
    second = await add_person(tksk, nik=nik(4712), full_name="Siti Rahmawati")
    assert warned(second) == [first["id"]]
    [pair] = await pairs(tksk)
    assert {"field": "nik", "match": "one_digit"} in [
        {key: reason[key] for key in ("field", "match")} for reason in pair["reasons"]
    ]


async def test_an_equal_number_is_refused_on_every_way_in(as_, owner):
    """Exactly the same NIK is no candidate but an error: at registration, when attached, and by the database itself."""
    tksk = await as_("tksk", PANJANG)
    number = nik()
    await add_person(tksk, nik=number)
    without = await add_person(tksk, nik=None, nik_status="none", full_name="Budi Hartono", sex="male")
    body = {key: without[key] for key in ("full_name", "birth_date", "sex", "address", "village_code")}
    created = await tksk.post(PEOPLE, json={**body, "nik": number})
    attached = await tksk.act(f"{PEOPLE}/{without['id']}/attach-nik", {"nik": number, "document": "ktp"})
    for refused in (created, attached):
        assert (refused.status_code, code_of(refused)) == (409, "nik_taken")


async def test_a_correction_finds_and_scores_anew(as_):
    tksk = await as_("tksk", PANJANG)
    first = await add_person(tksk)
    second = await misspelt(tksk, full_name="Budi Hartono", birth_date="1975-08-17")
    assert await pairs(tksk) == []
    url = f"{PEOPLE}/{second['id']}"
    renamed = await tksk.patch(
        url, json={"full_name": "Siti Rahmawati", "birth_date": "1991-03-25"}, headers={"If-Match": '"v1"'}
    )
    assert renamed.status_code == 200
    [pair] = await pairs(tksk)
    assert set(pair["beneficiary_ids"]) == {first["id"], second["id"]}
    # A phone number says nothing; another birth date leaves the pair open, with what is true now.
    headers = {"If-Match": f'"v{renamed.json()["version"]}"'}
    changed = await tksk.patch(url, json={"birth_date": "1960-11-30", "phone": "081234567890"}, headers=headers)
    assert changed.status_code == 200
    [now] = await pairs(tksk)
    assert (now["id"], now["status"]) == (pair["id"], "open")
    assert now["score"] < pair["score"]


async def test_the_withdrawn_the_dead_in_rights_and_repeats_make_no_pairs(as_, owner):
    dinsos = await as_("regency_office", BANDAR_LAMPUNG)
    clerk = await as_("village_clerk", SRENGSEM)
    first = await add_person(clerk)
    second = await misspelt(clerk)
    assert (await dinsos.delete(f"{PEOPLE}/{second['id']}", headers={"If-Match": '"v1"'})).status_code == 204
    assert [pair["status"] for pair in await pairs(clerk)] == ["dismissed"]
    await owner.execute("UPDATE beneficiaries SET restricted_at = now() WHERE id = $1", UUID(first["id"]))
    assert warned(await misspelt(clerk)) == []
    key = {"Idempotency-Key": "sekali"}
    body = {
        "nik_status": "none",
        "full_name": "Wayan Sudarma",
        "birth_date": "1980-02-01",
        "sex": "male",
        "address": {"street": "Jl. Melati 3"},
        "village_code": SRENGSEM,
    }
    once = [await clerk.post(PEOPLE, json=body, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in once] == [201, 201]
    assert await owner.fetchval("SELECT count(*) FROM duplicate_candidates WHERE status = 'open'") == 0


async def test_intake_asks_the_same_number_of_questions_however_many_are_near(as_, owner):
    clerk = await as_("village_clerk", SRENGSEM)
    for serial in range(8):
        made = await misspelt(clerk, address={"street": f"Jl. Melati {serial}"})
    assert len(warned(made)) == 5
    assert await owner.fetchval("SELECT max(n) FROM (SELECT count(*) AS n FROM access_log GROUP BY request_id) x") < 20


# ---- seeing ----------------------------------------------------------------------------------------------------------


async def test_of_a_pair_across_offices_each_sees_its_half_and_the_office_above_both(as_, owner):
    here, there = await as_("tksk", PANJANG), await as_("tksk", ELSEWHERE)
    above = await as_("regency_office", BANDAR_LAMPUNG)
    first = await add_person(here)
    second = await misspelt(there, village_code=ELSEWHERE_VILLAGE)
    [warning] = [w for w in second["warnings"] if w["code"] == "possible_duplicate"]
    assert warning["beneficiary_id"] is None
    assert "Dinas Sosial Kota Bandar Lampung" in warning["detail"]
    for caller, own, foreign in ((here, first, second), (there, second, first)):
        [pair] = await pairs(caller)
        assert pair["ask_office"] == "Dinas Sosial Kota Bandar Lampung"
        assert [person["id"] for person in pair["people"]] == [own["id"]] == pair["beneficiary_ids"]
        assert (pair["score"], pair["reasons"]) == (0, [])
        assert foreign["id"] not in (await caller.get(URL)).text
        assert await pairs(caller, min_score=0.1) == []
        url = f"{URL}/{pair['id']}"
        assert foreign["full_name"] not in (await caller.get(url)).text
        refused = await caller.act(f"{url}/dismiss", REASON)
        assert (refused.status_code, code_of(refused)) == (409, "duplicate_elsewhere")
        listed = await caller.get(f"{PEOPLE}/{own['id']}/duplicates")
        assert foreign["id"] not in listed.text
        assert (await caller.get(f"{PEOPLE}/{foreign['id']}/duplicates")).status_code == 404
        unreachable = await caller.act(
            f"{PEOPLE}/{own['id']}/merge", {"into_id": foreign["id"], "reason": "Satu orang"}
        )
        assert (unreachable.status_code, unreachable.json()["errors"][0]["code"]) == (422, "unknown_reference")
    [both] = await pairs(above)
    assert (both["ask_office"], len(both["people"])) == (None, 2)
    seen = await owner.fetch("SELECT subject_ids FROM access_log WHERE user_id = $1 AND action = 'read'", above.user_id)
    assert {str(key) for row in seen for key in row["subject_ids"]} == {first["id"], second["id"]}
    stranger = await as_("tksk", AMPENAN)
    assert await pairs(stranger) == []
    assert (await stranger.get(f"{URL}/{both['id']}")).status_code == 404


async def test_pairs_with_people_elsewhere_count_as_questions_and_are_then_kept_for_the_office_above(as_, limited):
    """That somebody like this is registered elsewhere is what `exists` tells; nobody may fish for it by registering."""
    there, here = await as_("tksk", ELSEWHERE), await as_("tksk", PANJANG)
    above = await as_("regency_office", BANDAR_LAMPUNG)
    await add_person(there, village_code=ELSEWHERE_VILLAGE)
    limited(exists_per_hour=1)
    first = await misspelt(here)
    assert warned(first) == [None]
    second = await misspelt(here, full_name="Siti Rachmawati")
    # Of one's own people one is told all the same, and the registration stands.
    assert warned(second) == [first["id"]]
    listed = f"{PEOPLE}/{second['id']}/duplicates"
    assert [pair["ask_office"] for pair in (await here.get(listed)).json()["items"]] == [None]
    assert sorted(len(pair["people"]) for pair in await pairs(here)) == [1, 2]
    assert len(await pairs(there)) == 1
    assert {len(pair["people"]) for pair in await pairs(above)} == {2}
    assert len(await pairs(above)) == 3
    hidden = {pair["id"] for pair in await pairs(above)} - {pair["id"] for pair in await pairs(here)}
    for caller, status in ((here, 404), (there, 404), (above, 200)):
        assert (await caller.get(f"{URL}/{next(iter(hidden))}")).status_code == status
    refused = await here.post(f"{PEOPLE}/exists", json={"nik": nik(9100)})
    assert (refused.status_code, refused.json()["violated_policies"]) == (429, ["exists"])
    # What was told is not counted again, and what was not is told once there is something left to ask with.
    patched = await here.patch(f"{PEOPLE}/{first['id']}", json={"sex": "male"}, headers={"If-Match": '"v1"'})
    assert patched.status_code == 200, patched.text
    assert len(await pairs(there)) == 1
    limited(exists_per_hour=2)
    url = f"{PEOPLE}/{second['id']}"
    assert (await here.patch(url, json={"sex": "female"}, headers={"If-Match": '"v1"'})).status_code == 200
    assert len(await pairs(there)) == 2
    assert len((await here.get(listed)).json()["items"]) == 2
    assert (await here.post(f"{PEOPLE}/exists", json={"nik": nik(9100)})).status_code == 429


async def test_a_number_one_digit_off_somebody_elsewhere_is_counted_too(as_, limited):
    there, here = await as_("tksk", ELSEWHERE), await as_("tksk", PANJANG)
    await add_person(there, nik=nik(4711), village_code=ELSEWHERE_VILLAGE)
    limited(exists_per_hour=1)
    assert warned(await add_person(here, nik=nik(4712))) == [None]
    body = {"nik": nik(4713), "village_code": SRENGSEM}
    assert (await here.post(PEOPLE, json=person(**body))).status_code == 429
    # A correction may not ask either, which is how one would go on asking with one's own record.
    other = await add_person(here, nik=None, nik_status="none", full_name="Budi Hartono", birth_date="1975-08-17")
    asking = {"full_name": "Siti Rahmawati", "birth_date": "1991-03-25"}
    answer = await here.patch(f"{PEOPLE}/{other['id']}", json=asking, headers={"If-Match": '"v1"'})
    assert answer.status_code == 200
    offices = [pair["ask_office"] for pair in (await here.get(f"{PEOPLE}/{other['id']}/duplicates")).json()["items"]]
    assert offices == [None]


async def test_a_filter_does_not_tell_where_the_other_one_lives(as_):
    here, there = await as_("tksk", PANJANG), await as_("tksk", ELSEWHERE)
    above = await as_("regency_office", BANDAR_LAMPUNG)
    await add_person(here)
    await misspelt(there, village_code=ELSEWHERE_VILLAGE)
    for caller, own, foreign in ((here, SRENGSEM, ELSEWHERE_VILLAGE), (there, ELSEWHERE_VILLAGE, SRENGSEM)):
        assert len(await pairs(caller, village_code=own)) == 1
        assert await pairs(caller, village_code=foreign) == []
    for village in (SRENGSEM, ELSEWHERE_VILLAGE):
        assert len(await pairs(above, village_code=village)) == 1


async def test_a_pair_follows_its_people(as_):
    here, away = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    first, second = await add_person(here), await misspelt(here)
    [pair] = await pairs(here)
    seen = (await here.get(f"{PEOPLE}/{second['id']}")).json()
    moving = {"village_code": AMPENAN_VILLAGE, "reason": "Ikut suami"}
    assert (await here.act(f"{PEOPLE}/{second['id']}/move", moving, version=seen["version"])).status_code == 200
    [here_now], [away_now] = await pairs(here), await pairs(away)
    assert [person["id"] for person in here_now["people"]] == [first["id"]]
    assert [person["id"] for person in away_now["people"]] == [second["id"]]
    assert (here_now["ask_office"], away_now["ask_office"]) == (
        "Dinas Sosial Kota Mataram",
        "Dinas Sosial Kota Bandar Lampung",
    )
    assert here_now["id"] == away_now["id"] == pair["id"]


async def test_the_queue_is_filtered_sorted_and_paged(as_):
    tksk = await as_("tksk", PANJANG)
    await add_person(tksk)
    await misspelt(tksk, village_code=PIDADA)
    await misspelt(tksk, full_name="Siti Rahmawati")
    everything = await pairs(tksk)
    assert len(everything) == 3
    best_first = [pair["score"] for pair in await pairs(tksk, sort="-score")]
    assert best_first == sorted(best_first, reverse=True)
    assert len(await pairs(tksk, village_code=PIDADA)) == 2
    assert len(await pairs(tksk, village_code=PANJANG_UTARA)) == 0
    assert len(await pairs(tksk, min_score=best_first[0])) >= 1
    assert await pairs(tksk, status="merged") == []
    page = (await tksk.get(URL, params={"limit": 2, "sort": "-score"})).json()
    rest = (await tksk.get(URL, params={"limit": 2, "sort": "-score", "cursor": page["next_cursor"]})).json()
    assert [item["score"] for item in page["items"] + rest["items"]] == best_first
    for query in ({"min_score": "2"}, {"min_score": "NaN"}, {"status": "baru"}, {"village_code": "18.71"}, {"x": "1"}):
        assert (await tksk.get(URL, params=query)).status_code == 422, query


# ---- deciding --------------------------------------------------------------------------------------------------------


async def test_a_dismissed_pair_stays_dismissed_until_somebody_opens_it(as_, owner):
    clerk = await as_("village_clerk", SRENGSEM, full_name="Agus Pratama")
    await add_person(clerk)
    second = await misspelt(clerk)
    [pair] = await pairs(clerk)
    url = f"{URL}/{pair['id']}"
    for sent, code in (({}, "missing"), ({"reason": "beda"}, "too_short"), ({**REASON, "x": 1}, "unknown_field")):
        refused = await clerk.act(f"{url}/dismiss", sent)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, code)
    assert (await clerk.post(f"{url}/dismiss", json=REASON)).status_code == 428
    assert (await clerk.act(f"{url}/dismiss", REASON, version=9)).status_code == 412
    done = ok(await clerk.act(f"{url}/dismiss", REASON))
    assert (done["status"], done["reason"], done["decided_by_name"]) == ("dismissed", REASON["reason"], "Agus Pratama")
    again = await clerk.act(f"{url}/dismiss", REASON)
    assert (again.status_code, code_of(again)) == (409, "transition_refused")
    changed = await clerk.patch(
        f"{PEOPLE}/{second['id']}", json={"full_name": "Siti Rahmawati"}, headers={"If-Match": '"v1"'}
    )
    assert changed.status_code == 200
    assert [row["status"] for row in await pairs(clerk)] == ["dismissed"]
    opened = ok(await clerk.act(f"{url}/reopen", {"reason": "Petunjuk baru dari RT"}))
    assert (opened["status"], opened["decided_by"], opened["reason"]) == ("open", None, None)
    steps = await owner.fetch("SELECT reason FROM changes WHERE entity = 'duplicate_candidates' ORDER BY id")
    assert [step["reason"] for step in steps] == [None, REASON["reason"], "Petunjuk baru dari RT"]
    head = await as_("village_head", SRENGSEM)
    assert (await head.act(f"{url}/dismiss", REASON)).status_code == 403


async def test_a_merge_closes_the_pair_and_hands_on_the_others(as_):
    tksk = await as_("tksk", PANJANG)
    first, second, third = await add_person(tksk), await misspelt(tksk), await misspelt(tksk, village_code=PIDADA)
    assert len(await pairs(tksk, status="open")) == 3
    merge = {"into_id": first["id"], "reason": "Orang yang sama, dua kali dicatat"}
    ok(await tksk.act(f"{PEOPLE}/{second['id']}/merge", merge))
    [left] = await pairs(tksk, status="open")
    assert set(left["beneficiary_ids"]) == {first["id"], third["id"]}
    assert len(await pairs(tksk, status="merged")) == 2
    [closed] = [p for p in await pairs(tksk, status="merged") if first["id"] in p["beneficiary_ids"]]
    assert {person["merged_into"] for person in closed["people"]} == {None, first["id"]}
    refused = await tksk.act(f"{URL}/{closed['id']}/reopen", {"reason": "Ingin dilihat lagi"})
    assert (refused.status_code, code_of(refused)) == (409, "transition_refused")
    ok(await tksk.act(f"{PEOPLE}/{second['id']}/unmerge", {"reason": "Ternyata dua orang bersaudara"}))
    assert len(await pairs(tksk, status="open")) == 3


async def test_who_two_people_cannot_be_is_told_to_nobody_else(as_, owner):
    """The history of a pair is for those who see the pair."""
    tksk = await as_("tksk", PANJANG)
    await add_person(tksk)
    await misspelt(tksk)
    [pair] = await pairs(tksk)
    changes = await owner.fetchval(
        "SELECT count(*) FROM changes WHERE entity = 'duplicate_candidates' AND entity_id = $1", UUID(pair["id"])
    )
    assert changes == 1
