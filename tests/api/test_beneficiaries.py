"""Registering, reading, correcting, moving and finding people."""

import asyncio
from uuid import uuid4

import pytest

from helpers import AMPENAN, AMPENAN_VILLAGE, PANJANG, SRENGSEM, add_person, code_of, nik, person

URL = "/v1/beneficiaries"


async def test_officer_registers_and_reads_a_person(as_):
    tksk = await as_("tksk", PANJANG)
    created = await tksk.post(URL, json=person(nik="1871046503910003"))
    assert created.status_code == 201
    assert created.headers["ETag"] == '"v1"'
    body = created.json()
    assert body["nik_masked"] == "************0003"
    assert body["warnings"] == []
    assert "1871046503910003" not in created.text
    read = await tksk.get(created.headers["Location"])
    assert read.json() == body
    assert read.headers["Cache-Control"] == "no-store"


async def test_officer_elsewhere_gets_404_like_for_a_missing_person(as_):
    mine = await add_person(await as_("tksk", PANJANG))
    other = await as_("tksk", AMPENAN)
    outside, missing = await other.get(f"{URL}/{mine['id']}"), await other.get(f"{URL}/{uuid4()}")
    assert outside.status_code == missing.status_code == 404
    assert {k: v for k, v in outside.json().items() if k != "instance"} == {
        k: v for k, v in missing.json().items() if k != "instance"
    }
    assert (await other.get(URL)).json()["items"] == []


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("187104650391003", "nik_format"),
        ("18710465039100031", "nik_format"),
        ("18710465O3910003", "nik_format"),
        ("1871040003910003", "nik_birth_date"),
        ("1871043203910003", "nik_birth_date"),
        ("1871044003910003", "nik_birth_date"),
        ("1871047203910003", "nik_birth_date"),
        ("1871046513910003", "nik_birth_date"),
        ("1871046902910003", "nik_birth_date"),
        ("1871046503910000", "nik_serial"),
        ("1800046503910003", "nik_region"),
        ("0971046503910003", "nik_format"),
        (1871046503910003, "wrong_type"),
        ("************0003", "masked_value"),
    ],
)
async def test_impossible_nik_is_refused(as_, bad, code):
    tksk = await as_("tksk", PANJANG)
    answer = await tksk.post(URL, json=person(nik=bad))
    assert answer.status_code == 422
    assert answer.json()["errors"][0] == {**answer.json()["errors"][0], "pointer": "/nik", "code": code}
    assert str(bad) not in answer.text


@pytest.mark.parametrize(
    ("over", "warning"),
    [
        ({"nik": "1899886503910003"}, "nik_region_unknown"),
        ({"nik": "5271016503910003"}, "nik_region_differs"),
        ({"birth_date": "1991-03-24"}, "nik_birth_date_differs"),
        ({"sex": "male"}, "nik_sex_differs"),
        ({"nik": "1871046502000001", "birth_date": "1900-02-25"}, "age_implausible"),
        ({"ppks_categories": ["anak_balita_terlantar"]}, "ppks_category_unusual"),
    ],
)
async def test_odd_data_is_taken_with_a_warning(as_, over, warning):
    tksk = await as_("tksk", PANJANG)
    answer = await tksk.post(URL, json=person(**over))
    assert answer.status_code == 201, answer.text
    assert warning in [entry["code"] for entry in answer.json()["warnings"]]


async def test_person_without_a_nik_is_first_class(as_):
    tksk = await as_("tksk", PANJANG)
    answer = await tksk.post(URL, json=person(nik=None, nik_status="belum_rekam"))
    assert answer.status_code == 201
    assert answer.json()["nik_masked"] is None
    assert code_of(await tksk.post(URL, json=person(nik=None, nik_status="verified"))) == "invalid_request"


async def test_leading_zero_width_and_separators_of_a_nik_meet_the_same_index(as_):
    tksk = await as_("tksk", PANJANG)
    await add_person(tksk, nik="1871046503910003")
    answer = await tksk.post(URL, json=person(nik="187104 650391-0003"))
    assert (answer.status_code, code_of(answer)) == (409, "nik_taken")


async def test_two_creators_of_one_nik_at_once(as_):
    one, two = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    number = nik()
    answers = await asyncio.gather(
        one.post(URL, json=person(nik=number)), two.post(URL, json=person(nik=number, village_code=AMPENAN_VILLAGE))
    )
    assert sorted(a.status_code for a in answers) == [201, 409]
    loser = next(a for a in answers if a.status_code == 409)
    assert code_of(loser) == "nik_taken"
    assert "18.71" not in loser.text and "52.71" not in loser.text


async def test_same_client_id_twice_is_one_person(as_):
    tksk = await as_("tksk", PANJANG)
    body = person(id=str(uuid4()))
    first, again = await asyncio.gather(tksk.post(URL, json=body), tksk.post(URL, json=body))
    assert sorted([first.status_code, again.status_code]) == [200, 201]
    assert first.json() == again.json()
    changed = await tksk.post(URL, json={**body, "full_name": "Orang Lain"})
    assert (changed.status_code, code_of(changed)) == (409, "id_in_use")
    stranger = await (await as_("tksk", AMPENAN)).post(URL, json=person(id=body["id"], village_code=AMPENAN_VILLAGE))
    assert (stranger.status_code, code_of(stranger)) == (409, "id_in_use")


async def test_edit_needs_the_version_seen(as_):
    tksk = await as_("tksk", PANJANG)
    created = await add_person(tksk)
    url = f"{URL}/{created['id']}"
    assert code_of(await tksk.patch(url, json={"notes": "x"})) == "precondition_required"
    first = await tksk.patch(url, json={"notes": "x"}, headers={"If-Match": '"v1"'})
    assert first.status_code == 200
    assert first.headers["ETag"] == '"v2"'
    stale = await tksk.patch(url, json={"notes": "y"}, headers={"If-Match": '"v1"'})
    assert (stale.status_code, code_of(stale)) == (412, "stale_version")
    races = await asyncio.gather(
        *(tksk.patch(url, json={"notes": str(n)}, headers={"If-Match": '"v2"'}) for n in range(5))
    )
    assert sorted(a.status_code for a in races) == [200, 412, 412, 412, 412]


async def test_merge_patch_clears_and_keeps(as_):
    tksk = await as_("tksk", PANJANG)
    created = await add_person(tksk, phone="081234567890", notes="tinggal sendiri")
    assert created["phone"] == "+6281234567890"
    patched = await tksk.patch(
        f"{URL}/{created['id']}",
        content=b'{"phone": null}',
        headers={"If-Match": '"v1"', "Content-Type": "application/merge-patch+json"},
    )
    assert patched.json()["phone"] is None
    assert patched.json()["notes"] == "tinggal sendiri"
    refused = await tksk.patch(f"{URL}/{created['id']}", json={"full_name": None}, headers={"If-Match": '"v2"'})
    assert refused.json()["errors"][0]["code"] == "null_not_allowed"


async def test_reveal_gives_the_number_and_leaves_a_trace(as_, owner):
    tksk = await as_("tksk", PANJANG)
    created = await add_person(tksk, nik="1871046503910003")
    answer = await tksk.post(
        f"{URL}/{created['id']}/reveal",
        json={"fields": ["nik"], "purpose": "letter_processing", "reason": "Surat untuk sekolah anak"},
    )
    assert answer.json() == {"nik": "1871046503910003", "family_card_number": None}
    row = await owner.fetchrow("SELECT * FROM access_log WHERE fields IS NOT NULL")
    assert (row["user_id"], row["fields"], row["reason"]) == (tksk.user_id, ["nik"], "Surat untuk sekolah anak")
    clerk_elsewhere = await as_("tksk", AMPENAN)
    assert (
        await clerk_elsewhere.post(
            f"{URL}/{created['id']}/reveal",
            json={"fields": ["nik"], "purpose": "referral", "reason": "ingin tahu saja ya"},
        )
    ).status_code in (404, 422)
    head = await as_("village_head", SRENGSEM)
    assert code_of(await head.post(f"{URL}/{created['id']}/reveal", json={})) == "permission_denied"


async def test_every_read_of_a_person_leaves_an_access_row(as_, owner):
    tksk = await as_("tksk", PANJANG)
    created = await add_person(tksk)
    await tksk.get(f"{URL}/{created['id']}")
    await tksk.get(URL)
    await tksk.post(f"{URL}/search", json={"name": "siti"})
    rows = await owner.fetch(
        "SELECT operation, action, subject_ids FROM access_log WHERE user_id = $1 ORDER BY id", tksk.user_id
    )
    assert [(row["operation"], row["action"]) for row in rows] == [
        ("create_beneficiary", "create"),
        ("get_beneficiary", "read"),
        ("list_beneficiaries", "read"),
        ("search_beneficiaries", "read"),
    ]
    assert all([str(i) for i in row["subject_ids"]] == [created["id"]] for row in rows)


async def test_search_finds_misspelt_names_and_exact_numbers_only_in_ones_own_area(as_):
    tksk, other = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    created = await add_person(tksk, nik="1871046503910003", family_card_number="1871041203150002")
    for query in ({"name": "siti rahmwati"}, {"nik": "1871046503910003"}, {"family_card_number": "1871041203150002"}):
        assert [hit["id"] for hit in (await tksk.post(f"{URL}/search", json=query)).json()["items"]] == [created["id"]]
        assert (await other.post(f"{URL}/search", json=query)).json()["items"] == []
    assert code_of(await tksk.post(f"{URL}/search", json={})) == "invalid_request"


async def test_move_out_of_the_area_lets_go_of_the_person(as_):
    tksk, there = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    created = await add_person(tksk)
    villages = (await tksk.get(f"/v1/regions?parent={AMPENAN}")).json()["items"]
    moved = await tksk.act(
        f"{URL}/{created['id']}/move", {"village_code": villages[0]["code"], "reason": "Ikut suami bekerja"}
    )
    assert moved.status_code == 200, moved.text
    assert moved.json()["in_scope"] is False
    assert (await tksk.get(f"{URL}/{created['id']}")).status_code == 404
    assert (await there.get(f"{URL}/{created['id']}")).json()["village_code"] == villages[0]["code"]


async def test_history_names_fields_but_never_numbers(as_):
    tksk = await as_("tksk", PANJANG, full_name="Budi Santoso")
    created = await add_person(tksk, nik="1871046503910003")
    await tksk.patch(
        f"{URL}/{created['id']}",
        json={"full_name": "Siti Rahma", "family_card_number": "1871041203150002"},
        headers={"If-Match": '"v1"'},
    )
    history = await tksk.get(f"{URL}/{created['id']}/history")
    update, create = history.json()["items"]
    assert update["fields"]["full_name"] == {"from": "Siti Rahmawati", "to": "Siti Rahma"}
    assert update["fields"]["family_card_cipher"] == {"hidden": True}
    assert update["actor_name"] == "Budi Santoso"
    assert create["action"] == "create"
    assert "1871041203150002" not in history.text
    assert (await (await as_("tksk", AMPENAN)).get(f"{URL}/{created['id']}/history")).status_code == 404


async def test_pages_are_complete_and_cursors_are_bound(as_):
    tksk = await as_("tksk", PANJANG)
    ids = {(await add_person(tksk, nik=nik()))["id"] for _ in range(7)}
    seen: list[str] = []
    url: str | None = f"{URL}?limit=3"
    while url:
        page = await tksk.get(url)
        seen += [item["id"] for item in page.json()["items"]]
        cursor = page.json()["next_cursor"]
        url = f"{URL}?limit=3&cursor={cursor}" if cursor else None
    assert len(seen) == 7
    assert set(seen) == ids
    cursor = (await tksk.get(f"{URL}?limit=3")).json()["next_cursor"]
    assert code_of(await tksk.get(f"{URL}?limit=3&cursor={cursor[:-2]}AA")) == "cursor_invalid"
    assert code_of(await tksk.get(f"{URL}?limit=3&nik_status=none&cursor={cursor}")) == "cursor_invalid"
    colleague = await as_("tksk", PANJANG)
    assert code_of(await colleague.get(f"{URL}?limit=3&cursor={cursor}")) == "cursor_invalid"


async def test_withdrawn_person_is_gone_and_the_nik_free_again(as_):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", "18.71")
    created = await add_person(tksk, nik="1871046503910003")
    url = f"{URL}/{created['id']}"
    assert code_of(await tksk.delete(url, headers={"If-Match": '"v1"'})) == "permission_denied"
    assert (await office.delete(url, headers={"If-Match": '"v1"'})).status_code == 204
    assert (await tksk.get(url)).status_code == 404
    assert (await tksk.post(URL, json=person(nik="1871046503910003"))).status_code == 201


async def test_a_revealed_number_is_never_stored_for_a_replay(as_, owner):
    tksk = await as_("tksk", PANJANG)
    created = await add_person(tksk, nik="1871046503910003")
    url = f"{URL}/{created['id']}/reveal"
    body = {"fields": ["nik"], "purpose": "letter_processing", "reason": "Surat untuk sekolah"}
    for _ in range(3):
        answer = await tksk.post(url, json=body, headers={"Idempotency-Key": "again"})
        assert answer.json()["nik"] == "1871046503910003"
        assert "Idempotency-Replayed" not in answer.headers
    assert await owner.fetchval("SELECT count(*) FROM access_log WHERE fields IS NOT NULL") == 3
    await owner.execute("UPDATE users SET region_code = '18.71.01' WHERE id = $1", tksk.user_id)
    assert (await tksk.post(url, json=body, headers={"Idempotency-Key": "again"})).status_code == 404


async def test_an_answer_is_not_replayed_in_another_area(as_, owner):
    tksk = await as_("tksk", PANJANG)
    body = person()
    assert (await tksk.post(URL, json=body, headers={"Idempotency-Key": "one"})).status_code == 201
    await owner.execute("UPDATE users SET region_code = '18.71.01' WHERE id = $1", tksk.user_id)
    assert code_of(await tksk.post(URL, json=body, headers={"Idempotency-Key": "one"})) == "idempotency_mismatch"


async def test_a_nested_merge_patch_keeps_what_it_does_not_name(as_):
    tksk = await as_("tksk", PANJANG)
    created = await add_person(tksk)
    url = f"{URL}/{created['id']}"
    patched = await tksk.patch(url, json={"address": {"rt": "9"}}, headers={"If-Match": '"v1"'})
    assert patched.json()["address"] == {"street": "Jl. Yos Sudarso 12", "rt": "009", "rw": "002"}
    cleared = await tksk.patch(url, json={"address": {"rw": None}}, headers={"If-Match": '"v2"'})
    assert cleared.json()["address"] == {"street": "Jl. Yos Sudarso 12", "rt": "009", "rw": None}
    refused = await tksk.patch(url, json={"address": {"street": None}}, headers={"If-Match": '"v3"'})
    assert refused.json()["errors"][0]["pointer"] == "/address/street"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("full_name", "1871046503910003", "identity_number_in_text"),
        ("notes", "NIK ibunya 1871046503910003.", "identity_number_in_text"),
        ("full_name", "\u200b\ufeff", "nothing_readable"),
        ("notes", "a" + "\n" * 100 + "b", "too_many_lines"),
        ("phone", "0001-01-01", "phone_format"),
        ("birth_date", 669859200, "bad_date"),
        ("birth_date", "1991-03-25T00:00:00", "bad_date"),
    ],
)
async def test_free_text_is_text(as_, field, value, code):
    tksk = await as_("tksk", PANJANG)
    answer = await tksk.post(URL, json=person(**{field: value}))
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(f"/{field}", code)]
