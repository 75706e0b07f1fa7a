"""Where a letter was used: told by agencies, seen by the officer, and how often it was looked up."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from helpers import AMPENAN, PANJANG, add_person, code_of, machine
from sktm_flow import URL, application, issued, offices, ok

JSON = {"Accept": "application/json"}


async def agency(owner, name, region="18.71"):
    return await owner.fetchval(
        "INSERT INTO agencies (id, version, name, kind, region_code, is_active, created_by) "
        "VALUES ($1, 1, $2, 'hospital', $3, true, $1) RETURNING id",
        uuid4(),
        name,
        region,
    )


@pytest.fixture
async def team(as_):
    return await offices(as_)


@pytest.fixture
async def letter(owner, team):
    """An application whose letter was just issued."""
    return await issued(owner, team)


@pytest.fixture
async def hospital(as_, owner):
    return await as_("agency", agency_id=await agency(owner, "RSUD Abdul Moeloek"))


@pytest.fixture
async def bpjs(as_, owner):
    return await as_("agency", agency_id=await agency(owner, "BPJS Mataram", "52.71"))


def token_of(row):
    return row["letter"]["verification_url"].rsplit("/", 1)[1].partition("#")[0]


def address(row):
    return f"/v1/sktm-letters/{token_of(row)}/presentations"


async def presented(caller, row, status=201, **body):
    answer = await caller.post(address(row), json={"outcome": "used", **body})
    assert answer.status_code == status, answer.text
    return answer.json()


async def listed(caller, row):
    answer = await caller.get(f"{URL}/{row['id']}/presentations")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_the_officer_sees_where_a_letter_was_used_and_for_what(team, letter, hospital):
    receipt = await presented(hospital, letter, program="jampersal", note="Persalinan, kelas 3")
    assert receipt == {
        "id": receipt["id"],
        "letter_number": letter["letter"]["number"],
        "presented_on": letter["letter"]["issued_on"],
        "outcome": "used",
        "program": "jampersal",
        "note": "Persalinan, kelas 3",
        "letter_status": "valid",
        "warnings": [],
        "also_presented_elsewhere": False,
        "version": 1,
        "created_at": receipt["created_at"],
        "updated_at": receipt["updated_at"],
    }
    (seen,) = await listed(team.tksk, letter)
    assert (seen["agency_name"], seen["outcome"], seen["program"]) == ("RSUD Abdul Moeloek", "used", "jampersal")
    assert seen["beneficiary_id"] == letter["beneficiary_id"]
    shown = (await team.tksk.get(f"{URL}/{letter['id']}")).json()["letter"]["presentations"]
    assert (shown["count"], shown["agencies"]) == (1, 1)


async def test_a_second_agency_is_told_that_there_was_another_but_not_which(team, letter, hospital, bpjs):
    assert (await presented(hospital, letter))["also_presented_elsewhere"] is False
    second = await bpjs.post(address(letter), json={"outcome": "used"})
    assert second.status_code == 201
    assert second.json()["also_presented_elsewhere"] is True
    assert "Moeloek" not in second.text
    assert str(letter["beneficiary_id"]) not in second.text
    # The officer sees both, and that there are two.
    assert {row["agency_name"] for row in await listed(team.tksk, letter)} == {"RSUD Abdul Moeloek", "BPJS Mataram"}
    shown = (await team.tksk.get(f"{URL}/{letter['id']}")).json()["letter"]["presentations"]
    assert (shown["count"], shown["agencies"]) == (2, 2)


async def test_two_agencies_at_once_cannot_both_be_the_first(letter, hospital, bpjs):
    answers = await asyncio.gather(*(presented(caller, letter) for caller in (hospital, bpjs)))
    assert sorted(answer["also_presented_elsewhere"] for answer in answers) == [False, True]


async def test_the_same_outcome_on_the_same_day_is_one_presentation(team, letter, hospital):
    first = await presented(hospital, letter)
    assert await presented(hospital, letter, 200) == first
    at_once = await asyncio.gather(*(hospital.post(address(letter), json={"outcome": "seen"}) for _ in range(5)))
    assert sorted(answer.status_code for answer in at_once) == [200, 200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in at_once}) == 1
    assert len(await listed(team.tksk, letter)) == 2


async def test_other_words_for_what_is_recorded_already_are_refused_not_dropped(team, letter, hospital):
    own = {"id": str(uuid4())}
    first = await presented(hospital, letter, **own, program="jampersal", note="Rawat jalan")
    for other in ({"note": "Rawat inap"}, {}, {"note": "Rawat jalan", "id": str(uuid4())}):
        refused = await hospital.post(address(letter), json={"outcome": "used", "program": "jampersal", **other})
        assert (refused.status_code, code_of(refused)) == (409, "already_presented")
        assert refused.json()["presentation_id"] == first["id"]
    for same in ({}, own):
        again = await presented(hospital, letter, 200, **same, program="jampersal", note="Rawat jalan")
        assert again == first
    assert [row["note"] for row in await listed(team.tksk, letter)] == ["Rawat jalan"]


async def test_a_letter_used_for_two_programmes_on_one_day_is_told_of_both(team, letter, hospital):
    programs = ["pbi_jk", "jampersal", None]
    first = [await presented(hospital, letter, program=program) for program in programs]
    assert len({receipt["id"] for receipt in first}) == 3
    assert [await presented(hospital, letter, 200, program=program) for program in programs] == first
    assert {row["program"] for row in await listed(team.tksk, letter)} == set(programs)


async def test_an_own_id_with_other_words_is_refused_on_the_same_day_too(letter, hospital):
    own = {"id": str(uuid4())}
    first = await presented(hospital, letter, **own, note="Rawat jalan")
    assert await presented(hospital, letter, 200, **own, note="Rawat jalan") == first
    other = await hospital.post(address(letter), json={**own, "outcome": "used", "note": "Rawat inap"})
    assert (other.status_code, code_of(other)) == (409, "id_in_use")


async def test_a_key_and_an_own_id_make_a_retry_safe(team, letter, hospital):
    key = {"Idempotency-Key": str(uuid4())}
    body = {"id": str(uuid4()), "outcome": "refused", "note": "Bukan peserta wilayah kami"}
    first = await hospital.post(address(letter), json=body, headers=key)
    again = await hospital.post(address(letter), json=body, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert (again.headers["Idempotency-Replayed"], again.json()) == ("true", first.json())
    assert first.json()["id"] == body["id"]
    other = {**body, "outcome": "used"}
    assert code_of(await hospital.post(address(letter), json=other)) == "id_in_use"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("valid_until = current_date - 2, issued_on = current_date - 9", "expired"),
        ("revoked_at = now()", "revoked"),
        ("superseded_at = now()", "superseded"),
        ("issued_on = current_date + 3", "not_yet_valid"),
    ],
)
async def test_a_letter_out_of_force_is_recorded_with_a_warning(owner, team, letter, hospital, client, change, status):
    await owner.execute(f"UPDATE sktm_letters SET {change}")
    receipt = await presented(hospital, letter)
    assert (receipt["letter_status"], receipt["warnings"]) == (status, [f"letter_{status}"])
    (seen,) = await listed(team.tksk, letter)
    assert seen["letter_status"] == status
    assert (await client.get(f"/verify/{token_of(letter)}", headers=JSON)).json()["status"] == status
    assert (await team.tksk.get(f"{URL}/{letter['id']}")).json()["letter"]["status"] == status


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"outcome": "refused"}, "/note", "missing"),
        ({"outcome": "used", "program": "no_such_program"}, "/program/0", "unknown_code"),
        ({"outcome": "sold"}, "/outcome", None),
        ({"outcome": "used", "note": "x" * 501}, "/note", None),
    ],
)
async def test_what_is_told_must_make_sense(letter, hospital, body, pointer, code):
    answer = await hospital.post(address(letter), json=body)
    assert code_of(answer) == "invalid_request"
    (error,) = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert code is None or error["code"] == code


async def test_only_agencies_record_and_only_officers_read(as_, owner, app, team, letter, hospital):
    for caller in (team.tksk, team.head, await as_("admin")):
        assert code_of(await caller.post(address(letter), json={"outcome": "used"})) == "permission_denied"
    desk = await machine(app, owner, ["presentation:create"], [PANJANG])
    assert code_of(await desk.post(address(letter), json={"outcome": "used"})) == "permission_denied"
    system = await machine(app, owner, ["presentation:create"], [], agency_id=await agency(owner, "RS Advent"))
    assert (await presented(system, letter))["outcome"] == "used"
    for caller in (desk, system):
        await caller.aclose()
    assert code_of(await hospital.get(f"{URL}/{letter['id']}/presentations")) == "permission_denied"
    elsewhere = await as_("tksk", AMPENAN)
    assert code_of(await elsewhere.get(f"{URL}/{letter['id']}/presentations")) == "not_found"


async def test_an_unknown_token_is_not_found(hospital):
    answer = await hospital.post(f"/v1/sktm-letters/{'x' * 32}/presentations", json={"outcome": "used"})
    assert (answer.status_code, code_of(answer)) == (404, "not_found")


async def test_the_access_log_says_which_agency_had_the_letter(owner, team, letter, hospital):
    await presented(hospital, letter)
    await listed(team.tksk, letter)
    rows = await owner.fetch(
        "SELECT user_id, operation, action FROM access_log WHERE $1 = ANY (subject_ids) "
        "AND operation LIKE '%presentation%' ORDER BY id",
        UUID(letter["beneficiary_id"]),
    )
    assert (rows[0]["user_id"], rows[0]["operation"], rows[0]["action"]) == (
        hospital.user_id,
        "create_presentation",
        "create",
    )
    told = (hospital.user_id, "create_presentation")  # the officer's notice of it
    assert {(row["user_id"], row["operation"]) for row in rows[1:]} == {told, (team.tksk.user_id, "list_presentations")}


async def test_a_person_is_told_where_their_letter_was_used_and_erasure_takes_the_words(owner, team, letter, hospital):
    await presented(hospital, letter, outcome="used", note="Rawat jalan Siti Rahmawati")
    person = letter["beneficiary_id"]
    statement = (await team.tksk.get(f"/v1/beneficiaries/{person}/statement", headers=JSON)).json()
    (stated,) = statement["presentations"]
    assert (stated["agency"], stated["outcome"]) == ("RSUD Abdul Moeloek", "used")
    assert stated["number"] == letter["letter"]["number"]
    pdf = await team.tksk.get(f"/v1/beneficiaries/{person}/statement", headers={"Accept": "application/pdf"})
    assert pdf.status_code == 200
    async with owner.transaction():
        await owner.execute("SELECT set_config('app.regions', 'ID', true)")
        assert await owner.fetchval("SELECT app.erase_subject($1, NULL, now())", UUID(person))
    row = await owner.fetchrow("SELECT note, outcome FROM presentations")
    assert (row["note"], row["outcome"]) == (None, "used")


async def test_look_ups_are_counted_by_day_and_shown_to_the_officer(app, owner, team, letter, client):
    before = (await team.tksk.get(f"{URL}/{letter['id']}")).json()["letter"]["verifications"]
    assert before == {"count": 0, "last_at": None}
    path = f"/verify/{token_of(letter)}"
    pages = await asyncio.gather(*(client.get(path) for _ in range(20)), client.get(path, headers=JSON))
    assert {page.status_code for page in pages} == {200}
    await client.get(f"/verify/{'x' * 32}")
    await app.state.house.look_ups.share(app.state.house.engine)
    await client.get(path)
    await app.state.house.look_ups.share(app.state.house.engine)
    after = (await team.tksk.get(f"{URL}/{letter['id']}")).json()["letter"]["verifications"]
    assert after["count"] == 22
    assert after["last_at"] is not None
    assert await owner.fetchval("SELECT count(*) FROM letter_look_ups") == 1
    columns = await owner.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'letter_look_ups'::regclass AND attnum > 0"
    )  # nothing of who looked
    assert {row["attname"] for row in columns} == {"letter_id", "day", "count", "last_at"}


async def test_a_lookup_waits_for_nobody_while_the_counters_row_is_held(app, owner, letter, client, owner_url):
    path = f"/verify/{token_of(letter)}"
    await client.get(path)
    await app.state.house.look_ups.share(app.state.house.engine)
    other = await asyncpg.connect(owner_url)
    async with other.transaction():
        await other.execute("SELECT 1 FROM letter_look_ups FOR UPDATE")
        answers = await asyncio.wait_for(asyncio.gather(*(client.get(path) for _ in range(10))), 2)
        assert {answer.status_code for answer in answers} == {200}
    await other.close()


async def test_a_letter_that_replaces_another_puts_it_out_of_force(owner, team, client):
    someone = await add_person(team.clerk)
    old = await issued(owner, team, someone)
    refused = await team.clerk.post(URL, json=application(someone["id"]))
    assert code_of(refused) == "duplicate_application"
    new = await issued(owner, team, someone, replaces_id=old["id"], addressed_to="Politeknik Lampung")
    assert new["replaces_id"] == old["id"]
    before, after = [(await client.get(f"/verify/{token_of(row)}", headers=JSON)).json() for row in (old, new)]
    assert (before["status"], after["status"]) == ("superseded", "valid")
    assert before["superseded_on"] == after["issued_on"]
    page = (await client.get(f"/verify/{token_of(old)}")).text.replace("<wbr>", "")
    assert old["letter"]["number"] in page
    assert new["letter"]["number"] not in page
    again = await team.clerk.post(URL, json=application(someone["id"], replaces_id=old["id"]))
    assert again.json()["errors"][0]["code"] == "nothing_to_replace"


async def test_only_a_letter_of_the_same_person_and_purpose_is_replaced(owner, team, letter):
    stranger = await add_person(team.clerk)
    for body, code in (
        (application(stranger["id"], replaces_id=letter["id"]), "application_other_person"),
        (application(letter["beneficiary_id"], replaces_id=letter["id"], purpose="health"), "nothing_to_replace"),
        (application(letter["beneficiary_id"], replaces_id=str(uuid4())), "unknown_reference"),
    ):
        answer = await team.clerk.post(URL, json=body)
        assert [error["code"] for error in answer.json()["errors"]] == [code]
    assert ok(await team.clerk.get(f"{URL}/{letter['id']}"))["letter"]["superseded_at"] is None
