"""The rule language: every test held, failed and not told, Kleene's logic, and the packaged rules on whole people."""

from dataclasses import replace
from datetime import date

import pytest

from tksk_api.domain.eligibility.rules import (
    REASONS,
    TESTS,
    Facts,
    age_on,
    evaluate,
    holds,
    missing_documents,
    needed_documents,
)
from tksk_api.domain.eligibility.suppression import in_steps
from tksk_api.domain.programs.packaged import packaged_versions

DAY = date(2026, 11, 22)
SITI = Facts(birth_date=date(1991, 3, 25), sex="female", region_code="18.71.04.1002", has_nik=True)
LEAP = Facts(birth_date=date(2008, 2, 29), sex="male", region_code="18.71.04.1002", has_nik=False)


def rules_of(program, number=1):
    """The packaged rules, as they are stored."""
    found = next(v for v in packaged_versions() if (v.program, v.number) == (program, number))
    return found.stored_rules()


def codes(advice):
    return [reason.question or reason.code for reason in advice.reasons]


TABLE = [
    ({"test": "age_between", "min": 35, "max": 35}, {}, "met", "age_fits"),
    ({"test": "age_between", "min": 36}, {}, "not_met", "age_outside"),
    ({"test": "age_between", "max": 34}, {}, "not_met", "age_outside"),
    ({"test": "sex_is", "sex": "female"}, {}, "met", "sex_fits"),
    ({"test": "sex_is", "sex": "male"}, {}, "not_met", "sex_other"),
    ({"test": "has_nik"}, {}, "met", "nik_present"),
    ({"test": "has_nik"}, {"has_nik": False}, "not_met", "nik_missing"),
    ({"test": "listed_in_dtsen"}, {"has_snapshot": True}, "met", "dtsen_listed"),
    ({"test": "listed_in_dtsen"}, {}, "unknown", "decile_unknown"),
    ({"test": "decile_at_most", "max": 4}, {"has_snapshot": True, "decile": 4}, "met", "decile_fits"),
    ({"test": "decile_at_most", "max": 4}, {"has_snapshot": True, "decile": 5}, "not_met", "decile_too_high"),
    ({"test": "decile_at_most", "max": 4}, {"has_snapshot": True}, "unknown", "decile_undetermined"),
    ({"test": "decile_at_most", "max": 4}, {}, "unknown", "decile_unknown"),
    ({"test": "ppks_any_of", "categories": ["prse"]}, {"categories": frozenset({"prse"})}, "met", "category_fits"),
    ({"test": "ppks_any_of", "categories": ["prse"]}, {"categories": frozenset({"kat"})}, "not_met", "category_other"),
    ({"test": "ppks_any_of", "categories": ["prse"]}, {}, "unknown", "category_unknown"),
    ({"test": "found_needy"}, {"finding": "eligible"}, "met", "found_needy"),
    ({"test": "found_needy"}, {"finding": "not_eligible"}, "not_met", "found_not_needy"),
    ({"test": "found_needy"}, {"finding": "needs_assessment"}, "unknown", "visit_inconclusive"),
    ({"test": "found_needy"}, {}, "unknown", "not_visited"),
    ({"test": "receives_any_of", "programs": ["pkh"]}, {"family_receives": frozenset({"pkh"})}, "met", "receives"),
    ({"test": "receives_any_of", "programs": ["pkh"]}, {}, "not_met", "receives_none"),
    (
        {"test": "receives_none_of", "programs": ["pip"]},
        {"receives": frozenset({"pip"})},
        "not_met",
        "receives_already",
    ),
    (
        {"test": "receives_none_of", "programs": ["pip"]},
        {"family_receives": frozenset({"pip"})},
        "met",
        "receives_nothing_else",
    ),
    ({"test": "income_at_most", "family": 4_000_000, "member": 750_000}, {}, "unknown", "income_unknown"),
    (
        {"test": "income_at_most", "family": 4_000_000, "member": 750_000},
        {"income": 4_000_000},
        "met",
        "income_fits",
    ),
    (
        {"test": "income_at_most", "family": 4_000_000, "member": 750_000},
        {"income": 4_000_001},
        "unknown",
        "family_size_unknown",
    ),
    (
        {"test": "income_at_most", "family": 4_000_000, "member": 750_000},
        {"income": 4_500_000, "family_size": 6},
        "met",
        "member_income_fits",
    ),
    (
        {"test": "income_at_most", "family": 4_000_000, "member": 750_000},
        {"income": 4_500_001, "family_size": 6},
        "not_met",
        "income_too_high",
    ),
    ({"test": "lives_in", "regions": ["18.71"]}, {}, "met", "lives_there"),
    ({"test": "lives_in", "regions": ["18.7", "52"]}, {}, "not_met", "lives_elsewhere"),
    ({"test": "answered", "question": "holds_kip", "is": True}, {"answers": {"holds_kip": True}}, "met", "answer_fits"),
    (
        {"test": "answered", "question": "registered_in_jkn", "is": False},
        {"answers": {"registered_in_jkn": True}},
        "not_met",
        "answer_against",
    ),
    ({"test": "answered", "question": "holds_kip", "is": True}, {}, "unknown", "answer_missing"),
]


@pytest.mark.parametrize(("rule", "known", "verdict", "code"), TABLE)
def test_each_test_tells_what_it_found_in_both_languages(rule, known, verdict, code):
    advice = evaluate([{**rule, "source": "Perwali"}], replace(SITI, **known), DAY)
    (reason,) = advice.reasons
    assert (reason.verdict, reason.code, reason.source) == (verdict, code, "Perwali")
    for language in ("id", "en"):
        said = reason.detail(language)
        assert said
        assert "{" not in said


def test_the_table_above_shows_every_test_and_every_reason():
    assert {row[0]["test"] for row in TABLE} == TESTS.keys()
    shown = {row[3] for row in TABLE} | {"deceased", "no_rules", "program_ended", "program_not_started"}
    assert shown == REASONS.keys()


MET, FAILED, OPEN = (
    {"test": "has_nik", "source": "a"},
    {"test": "sex_is", "sex": "male", "source": "b"},
    {"test": "found_needy", "source": "c"},
)


@pytest.mark.parametrize(
    ("rules", "outcome", "reasons"),
    [
        ([MET], "eligible", ["nik_present"]),
        ([MET, OPEN], "needs_assessment", ["not_visited"]),
        ([MET, OPEN, FAILED], "not_eligible", ["sex_other"]),
        ([{"test": "any_of", "of": [FAILED, OPEN, MET]}], "eligible", ["nik_present"]),
        ([{"test": "any_of", "of": [FAILED, OPEN]}], "needs_assessment", ["not_visited"]),
        ([{"test": "any_of", "of": [FAILED, FAILED]}, MET], "not_eligible", ["sex_other", "sex_other"]),
        ([], "needs_assessment", ["no_rules"]),
    ],
)
def test_all_rules_must_hold_one_of_any_is_enough_and_what_decides_is_told(rules, outcome, reasons):
    advice = evaluate(rules, SITI, DAY)
    assert (advice.outcome, codes(advice)) == (outcome, reasons)


def test_the_dead_qualify_for_nothing_from_their_day_on():
    late = replace(SITI, deceased_on=DAY)
    assert codes(evaluate([MET], late, DAY)) == ["deceased"]
    assert evaluate([MET], late, date(2026, 11, 21)).outcome == "eligible"


@pytest.mark.parametrize(
    ("day", "age"), [(date(2025, 2, 28), 16), (date(2025, 3, 1), 17), (date(2024, 2, 29), 16), (date(2008, 2, 29), 0)]
)
def test_a_leap_day_child_turns_on_the_first_of_march(day, age):
    assert age_on(LEAP.birth_date, day) == age


def test_documents_depend_on_the_person():
    needed = [
        {"kinds": ["family_card"]},
        {"kinds": ["ktp"], "when": {"test": "age_between", "min": 17, "source": "x"}},
        {"kinds": ["sktm", "dtsen_proof"], "unless": {"test": "decile_at_most", "max": 5, "source": "x"}},
    ]
    assert needed_documents(needed, SITI, DAY) == [("family_card",), ("ktp",), ("sktm", "dtsen_proof")]
    poor_child = replace(SITI, birth_date=date(2018, 1, 1), has_snapshot=True, decile=1)
    assert needed_documents(needed, poor_child, DAY) == [("family_card",)]
    asked = needed_documents(needed, SITI, DAY)
    assert missing_documents(asked, {"ktp"}) == ["family_card", "sktm/dtsen_proof"]
    assert missing_documents(asked, {"ktp", "family_card", "dtsen_proof"}) == []


# The three cases of DOMAIN §4.1, §4.3 and §4.4, by the packaged rules.
CAMPUS = {"accepted_by_campus": True, "holds_kip": False, "holds_kks": False, "lives_in_orphanage": False}


@pytest.mark.parametrize(
    ("known", "outcome", "reasons"),
    [
        ({"income": 3_900_000}, "eligible", ["income_fits"]),
        ({"income": 4_200_000, "family_size": 6}, "eligible", ["member_income_fits"]),
        ({"income": 6_000_000, "family_size": 4}, "needs_assessment", ["decile_unknown"]),
        (
            {"income": 6_000_000, "family_size": 4, "has_snapshot": True, "decile": 7},
            "not_eligible",
            ["holds_kip", "receives_none", "holds_kks", "decile_too_high", "lives_in_orphanage", "income_too_high"],
        ),
        ({"income": 6_000_000, "has_snapshot": True, "decile": 3}, "eligible", ["decile_fits"]),
        ({"has_snapshot": True, "decile": 7}, "needs_assessment", ["income_unknown"]),
    ],
)
def test_kip_kuliah_takes_any_of_its_grounds_and_the_income_last(known, outcome, reasons):
    student = replace(SITI, birth_date=date(2008, 5, 1), answers=CAMPUS, **known)
    advice = evaluate(rules_of("kip_kuliah", 2)["rules"], student, DAY)
    decisive = codes(advice)[-len(reasons) :] if outcome == "eligible" else codes(advice)
    assert (advice.outcome, decisive) == (outcome, reasons)


BIRTH = {"pregnant_or_postpartum": True, "registered_in_jkn": False}


def test_a_birth_without_insurance_under_jampersal_and_under_the_citys_scheme():
    mother = replace(SITI, finding="eligible", answers=BIRTH)
    assert evaluate(rules_of("jampersal")["rules"], mother, date(2022, 8, 17)).outcome == "eligible"
    insured = replace(mother, answers={**BIRTH, "registered_in_jkn": True})
    assert codes(evaluate(rules_of("jampersal")["rules"], insured, DAY)) == ["registered_in_jkn"]
    local = rules_of("maternity_local", 2)
    assert codes(evaluate(local["rules"], mother, DAY)) == ["resident_one_year"]
    resident = replace(mother, answers={**BIRTH, "resident_one_year": True})
    assert evaluate(local["rules"], resident, DAY).outcome == "eligible"
    asked = needed_documents(local["documents"], resident, DAY)
    assert missing_documents(asked, {"ktp", "family_card"}) == ["health_facility_letter"]


def test_a_reactivation_needs_the_letter_of_the_facility_and_no_sktm():
    packaged = rules_of("pbi_jk_reactivation")
    asked = needed_documents(packaged["documents"], SITI, DAY)
    assert missing_documents(asked, {"ktp", "family_card"}) == ["health_facility_letter"]
    assert missing_documents(asked, {"ktp", "family_card", "health_facility_letter"}) == []
    answers = {"removed_from_pbi": True, "needs_health_service": True}
    assert evaluate(packaged["rules"], replace(SITI, answers=answers), DAY).outcome == "eligible"
    assert codes(evaluate(packaged["rules"], SITI, DAY)) == ["removed_from_pbi", "needs_health_service"]


def test_sembako_in_the_decile_where_the_sources_conflict_is_looked_at():
    for decile, outcome in ((4, "eligible"), (5, "needs_assessment"), (6, "not_eligible")):
        family = replace(SITI, has_snapshot=True, decile=decile)
        assert evaluate(rules_of("sembako")["rules"], family, DAY).outcome == outcome


@pytest.mark.parametrize(
    ("answer", "demanded", "said"),
    [(False, False, "The answer no is as demanded: "), (True, False, "The answer yes is not as demanded: ")],
)
def test_what_was_answered_is_said_with_the_question(answer, demanded, said):
    rule = {"test": "answered", "question": "registered_in_jkn", "is": demanded, "source": "Inpres 5/2022"}
    (reason,) = evaluate([rule], replace(SITI, answers={"registered_in_jkn": answer}), DAY).reasons
    assert reason.detail("en").startswith(said + "Is this person registered in JKN")
    assert reason.detail("id").startswith("Jawaban ya tidak" if answer else "Jawaban tidak sesuai")


def test_no_rules_is_sourced_by_something_its_reader_can_look_up():
    (reason,) = evaluate([], SITI, DAY).reasons
    assert "API" not in reason.source


def test_holds_gives_one_verdict():
    assert holds(MET, SITI, DAY) == "met"


def test_counts_in_steps_do_not_tell_whether_there_is_anybody():
    assert [in_steps(count) for count in (0, 1, 4, 5, 9, 10, 18)] == [0, 0, 0, 5, 5, 10, 15]
