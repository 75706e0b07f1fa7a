"""Advice on one person: what the register knows, what has to be found out, and who may ask."""

from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest

from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of
from tksk_api.domain.regions.service import local_today
from tksk_api.domain.seeds import agency_id

TODAY = local_today("Asia/Jakarta")
CAMPUS = {"accepted_by_campus": True, "holds_kip": False, "holds_kks": False, "lives_in_orphanage": False}


async def ask(caller, program, person, headers=None, **over):
    body = {"beneficiary_id": person if isinstance(person, str) else person["id"], **over}
    return await caller.post(f"/v1/programs/{program}/eligibility", json=body, headers=headers)


async def advice(caller, program, person, **over):
    answer = await ask(caller, program, person, **over)
    assert answer.status_code == 200, answer.text
    return answer.json()


def codes(body):
    return [reason["question"] or reason["code"] for reason in body["reasons"]]


def places(answer):
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


async def visited(tksk, person, finding="eligible", **evidence):
    made = await tksk.post("/v1/visits", json={"beneficiary_id": person["id"], "visited_on": str(TODAY)})
    done = {"outcome": "met", "finding": finding, "evidence": evidence}
    answer = await tksk.act(f"/v1/visits/{made.json()['id']}/complete", done)
    assert answer.status_code == 200, answer.text


async def in_family(owner, person, decile=..., size=1, dated_on=TODAY):
    """A family of the person with a decile, written by the owner."""
    family = uuid4()
    await owner.execute(
        "INSERT INTO families (id, version, region_code, street, status) VALUES ($1, 1, $2, 'Jl. Laut 1', 'active')",
        family,
        SRENGSEM,
    )
    for number in range(size):
        key = UUID(person["id"])
        if number:
            key = uuid4()
            await owner.execute(
                "INSERT INTO beneficiaries (id, version, region_code, nik_status, full_name, birth_date, sex, street) "
                "VALUES ($1, 1, $2, 'none', 'Anak', '2015-01-01', 'male', 'Jl. Laut 1')",
                key,
                SRENGSEM,
            )
        await owner.execute(
            "INSERT INTO family_members (id, version, region_code, family_id, beneficiary_id, relationship, joined_on) "
            "VALUES (gen_random_uuid(), 1, $1, $2, $3, $4, '2020-01-01')",
            SRENGSEM,
            family,
            key,
            "child" if number else "head_of_family",
        )
    if decile is not ...:
        await owner.execute(
            "INSERT INTO decile_snapshots (id, version, region_code, family_id, decile, source, batch, dated_on) "
            "VALUES (gen_random_uuid(), 1, $1, $2, $3, 'dtsen', 'x', $4)",
            SRENGSEM,
            family,
            decile,
            dated_on,
        )


async def test_the_scholarship_by_decile_or_by_the_income_a_visit_found(as_, owner):
    tksk = await as_("tksk", PANJANG)
    student = await add_person(tksk, birth_date="2008-05-01", nik=None, nik_status="none")
    assert codes(await advice(tksk, "kip_kuliah", student, answers=CAMPUS)) == ["nik_missing"]
    student = await add_person(tksk, full_name="Ayu Lestari")
    await in_family(owner, student, decile=6, size=6)
    unknown = await advice(tksk, "kip_kuliah", student, answers=CAMPUS)
    assert (unknown["outcome"], codes(unknown), unknown["rule_version"]) == (
        "needs_assessment",
        ["income_unknown"],
        2,
    )
    assert "Rp4.000.000" in unknown["reasons"][0]["detail"]
    await visited(tksk, student, income_per_month=4_400_000)
    found = await advice(tksk, "kip_kuliah", student, answers=CAMPUS)
    assert (found["outcome"], codes(found)[-1]) == ("eligible", "member_income_fits")
    assert found["reasons"][-1]["source"] == "Ketentuan KIP Kuliah 2024–2026 (Puslapdik)"
    assert found["documents"] == [["family_card"], ["kip_card", "social_welfare_card", "dtsen_proof", "sktm"]]


async def test_a_birth_without_insurance_in_2022_and_today(as_):
    tksk = await as_("tksk", PANJANG)
    mother = await add_person(tksk)
    birth = {"pregnant_or_postpartum": True, "registered_in_jkn": False}
    then = await advice(tksk, "jampersal", mother, on="2022-08-17", answers=birth)
    assert (then["outcome"], codes(then), then["rule_version"]) == ("needs_assessment", ["not_visited"], 1)
    now = await advice(tksk, "jampersal", mother, answers=birth)
    assert (now["outcome"], codes(now), now["rule_version"], now["documents"]) == (
        "not_eligible",
        ["program_ended"],
        None,
        [],
    )
    before = await advice(tksk, "jampersal", mother, on="2022-07-11")
    assert codes(before) == ["program_not_started"]
    assert {reason["source"] for advice in (now, before) for reason in advice["reasons"]} == {"Inpres 5/2022"}
    city = await advice(tksk, "maternity_local", mother, answers={**birth, "resident_one_year": True})
    assert (city["outcome"], city["rule_version"]) == ("eligible", 2)
    assert ["health_facility_letter"] in city["documents"]


async def test_an_undetermined_decile_is_looked_into_and_a_snapshot_counts_from_its_day(as_, owner):
    tksk = await as_("tksk", PANJANG)
    person = await add_person(tksk)
    assert codes(await advice(tksk, "pbi_jk", person)) == ["decile_unknown", "not_visited"]
    await in_family(owner, person, decile=None, dated_on=date(2026, 3, 1))
    assert codes(await advice(tksk, "pbi_jk", person)) == ["decile_undetermined", "not_visited"]
    await owner.execute("UPDATE decile_snapshots SET decile = 5")
    assert (await advice(tksk, "pbi_jk", person))["outcome"] == "eligible"
    assert (await advice(tksk, "pbi_jk", person, on="2026-02-28"))["outcome"] == "needs_assessment"
    earlier = await advice(tksk, "pbi_jk", person, on="2026-01-31")
    assert (earlier["rule_version"], codes(earlier)) == (1, ["not_visited"])


async def test_what_is_asked_is_said_in_the_language_of_whoever_asks(as_):
    tksk = await as_("tksk", PANJANG)
    person = await add_person(tksk)
    english = (await ask(tksk, "pip", person, {"Accept-Language": "en"})).json()
    indonesian = (await ask(tksk, "pip", person)).json()
    assert english["reasons"][0]["detail"].startswith("The age of")
    assert indonesian["reasons"][0]["detail"].startswith("Umur")
    child = await add_person(tksk, birth_date=str(TODAY.replace(year=TODAY.year - 10, day=1)))
    asked = await advice(tksk, "pip", child)
    assert (asked["outcome"], asked["reasons"][0]["question"]) == ("needs_assessment", "enrolled_in_school")
    assert asked["reasons"][0]["detail"].startswith("Cari tahu: Apakah")


async def test_sensitive_categories_tell_only_whoever_sees_them(as_, owner):
    tksk, clerk = await as_("tksk", PANJANG), await as_("village_clerk", SRENGSEM)
    child = await add_person(tksk, birth_date=str(TODAY.replace(year=TODAY.year - 10, day=1)), ppks_categories=[])
    await owner.execute(
        "INSERT INTO ppks_assessments (id, version, region_code, category, unit, beneficiary_id, since, assessed_on, "
        "status) VALUES (gen_random_uuid(), 1, $1, 'anak_disabilitas', 'person', $2, $3, $3, 'active')",
        SRENGSEM,
        UUID(child["id"]),
        TODAY - timedelta(days=1),
    )
    answers = {"enrolled_in_school": True}
    assert (await advice(tksk, "pip", child, answers=answers))["outcome"] == "eligible"
    hidden = await advice(clerk, "pip", child, answers=answers)
    assert hidden["outcome"] == "needs_assessment"
    assert "category_unknown" in codes(hidden)


async def test_the_dead_and_the_restricted(as_, owner):
    tksk = await as_("tksk", PANJANG)
    person = await add_person(tksk)
    await owner.execute("UPDATE beneficiaries SET deceased_on = $1", TODAY)
    assert codes(await advice(tksk, "pbi_jk", person)) == ["deceased"]
    await owner.execute("UPDATE beneficiaries SET deceased_on = NULL, restricted_at = now()")
    assert code_of(await ask(tksk, "pbi_jk", person)) == "processing_restricted"


async def test_what_is_wrong_with_a_question(as_):
    tksk, other = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    person = await add_person(tksk)
    assert code_of(await ask(tksk, "no_such_programme", person)) == "not_found"
    assert places(await ask(other, "pip", person)) == [("/beneficiary_id", "unknown_reference")]
    assert places(await ask(tksk, "pip", person, answers={"x": True})) == [("/answers/x", "unknown_code")]
    assert code_of(await ask(tksk, "pip", person, answers={"holds_kip": "yes"})) == "invalid_request"


@pytest.mark.parametrize(
    ("role", "region", "allowed"),
    [
        ("village_clerk", SRENGSEM, True),
        ("regency_office", BANDAR_LAMPUNG, True),
        ("district_head", PANJANG, False),
        ("ministry", None, False),
        ("agency", None, False),
    ],
)
async def test_who_handles_people_may_ask_and_it_is_recorded(as_, owner, role, region, allowed):
    agency = agency_id("18.71:bpjs_office") if role == "agency" else None
    tksk, caller = await as_("tksk", PANJANG), await as_(role, region, agency_id=agency)
    person = await add_person(tksk)
    answer = await ask(caller, "pip", person)
    assert answer.status_code == (200 if allowed else 403)
    rows = await owner.fetch(
        "SELECT action, purpose, subject_ids FROM access_log WHERE user_id = $1 AND outcome = 'ok'", caller.user_id
    )
    expected = [("read", "eligibility_check", [UUID(person["id"])])] if allowed else []
    assert [tuple(row.values()) for row in rows] == expected
