"""The packaged code lists are complete, well formed and agree with each other and with the contract."""

import re
from datetime import date

import pytest

from tksk_api.domain.references.lists import LISTS, CodeList, Item, codes, label, parse
from tksk_api.domain.visit_forms.forms import said
from tksk_api.domain.visits.schemas import PovertyEvidence

CODE = re.compile(r"^[a-z0-9_]+$")
EXPECTED_COUNTS = {
    "ppks_categories": 26,
    "psks_types": 13,
    "sktm_purposes": 8,
    "programs": 16,
    "relationships": 11,
    "nik_statuses": 4,
    "sexes": 2,
    "visit_outcomes": 3,
    "visit_findings": 3,
    "pillars": 4,
    "functions": 3,
    "activity_roles": 5,
    "consent": 3,
    "roles": 11,
    "electricity_power": 5,
}
EVIDENCE = {
    "house_ownership",
    "floor_type",
    "wall_type",
    "roof_type",
    "water_source",
    "lighting",
    "electricity_power",
    "cooking_fuel",
    "toilet",
    "assets",
}
OTHER_LISTS = {
    "import_codes",
    "worklist_kinds",
    "timeline_events",
    "family_change_reasons",
    "family_warnings",
    "decile_sources",
    "beneficiary_warnings",
    "document_kinds",
    "reason_codes",
    "referral_reason_codes",
    "agency_kinds",
    "visit_reasons",
    "visit_warnings",
    "activity_kinds",
    "assignment_sources",
    "reveal_purposes",
    "access_grant_reasons",
    "attachment_kinds",
    "assignment_end_reasons",
    "partner_offers",
    "partner_end_reasons",
    "privacy_refusal_reasons",
    "presentation_outcomes",
    "document_conditions",
    "number_void_reasons",
    "report_sections",
    "report_checks",
    "processing_activities",
    "processing_purposes",
    "personal_fields",
    "eligibility_questions",
    "nik_documents",
    "name_documents",
    "death_sources",
    "ppks_closing_reasons",
}
CONTRACT = {
    "sktm_purposes": "education health maternity bpjs_pbi legal_aid electricity_subsidy social_aid other",
    "document_kinds": "cover_letter ktp family_card school_letter health_facility_letter poverty_statement "
    "house_photo electricity_bill income_statement other",
    "reason_codes": "incomplete_documents not_registered_dtsen out_of_area nik_not_matched capable_household "
    "visit_contradicts duplicate_active expired_cover_letter wrong_letter_type withdrawn false_statement",
    "programs": "pbi_jk pbi_jk_reactivation pbi_daerah pip kip_kuliah local_scholarship jampersal "
    "maternity_local pkh sembako atensi ppse legal_aid electricity_subsidy housing other",
    "nik_statuses": "verified unverified belum_rekam none",
    "sexes": "male female",
    "visit_outcomes": "met refused nobody_home",
    "visit_findings": "eligible not_eligible needs_assessment",
    "pillars": "rehabilitation social_security empowerment protection",
    "functions": "coordination facilitation administration",
    "activity_roles": "facilitator motivator educator mobilizer dynamizer",
    "consent": "given not_needed overridden",
    "roles": "admin ministry province_office regency_office district_head village_head "
    "village_clerk tksk coordinator agency auditor",
}
MINIMAL = 'code = "colours"\ntitle_id = "Warna"\ntitle_en = "Colours"\nversion = "2026-11"\n'
RED = '[[items]]\ncode = "red"\nlabel_id = "Merah"\nlabel_en = "Red"\n'

every_list = pytest.mark.parametrize("code_list", LISTS.values(), ids=LISTS.keys())


def items(list_code: str) -> dict[str, Item]:
    return {item.code: item for item in LISTS[list_code].items}


def many(item: Item, attribute: str) -> set[object]:
    """The members of an attribute that holds several values."""
    value = item.attributes[attribute]
    assert isinstance(value, tuple)
    return set(value)


def test_no_list_is_missing_or_unexpected() -> None:
    assert set(LISTS) == set(EXPECTED_COUNTS) | EVIDENCE | OTHER_LISTS


@pytest.mark.parametrize(("list_code", "count"), EXPECTED_COUNTS.items())
def test_counts(list_code: str, count: int) -> None:
    assert len(LISTS[list_code].items) == len(codes(list_code)) == count


@pytest.mark.parametrize(("list_code", "expected"), CONTRACT.items())
def test_the_codes_of_the_contract_are_there(list_code: str, expected: str) -> None:
    assert set(expected.split()) <= codes(list_code)


@every_list
def test_list_is_complete(code_list: CodeList) -> None:
    assert CODE.match(code_list.code)
    assert code_list.version == "2026-11"
    assert code_list.title_id.strip()
    assert code_list.title_en.strip()
    for item in code_list.items:
        assert CODE.match(item.code), item.code
        assert item.source, item.code
        for text in (item.label_id, item.label_en):
            assert text, item.code
            assert text == " ".join(text.split()), item.code
        assert (item.note_id is None) == (item.note_en is None), item.code
        assert item.valid_from is None or item.valid_until is None or item.valid_from <= item.valid_until


@every_list
def test_labels_tell_items_apart(code_list: CodeList) -> None:
    for labels in ([item.label_id for item in code_list.items], [item.label_en for item in code_list.items]):
        assert len(labels) == len(set(labels))


@pytest.mark.parametrize(
    ("list_code", "attribute", "allowed"),
    [
        ("reason_codes", "actions", {"return", "reject", "revoke"}),
        ("referral_reason_codes", "actions", {"reject", "waitlist", "end"}),
        ("visit_reasons", "findings", {"eligible", "not_eligible", "needs_assessment"}),
        (
            "privacy_refusal_reasons",
            "kinds",
            {"access", "correction", "restriction", "lift_restriction", "erasure"},
        ),
    ],
)
def test_each_reason_names_where_it_applies(list_code: str, attribute: str, allowed: set[object]) -> None:
    applies = [many(item, attribute) for item in LISTS[list_code].items]
    assert all(applies)
    assert set().union(*applies) == allowed


def test_ppks_categories_follow_the_regulation() -> None:
    categories = LISTS["ppks_categories"].items
    assert [item.attributes["number"] for item in categories] == list(range(1, 27))
    assert all(isinstance(item.attributes["sensitive"], bool) for item in categories)
    units = {item.code: item.attributes["unit"] for item in categories if item.attributes["unit"] != "person"}
    assert units == {"keluarga_bermasalah_psikologis": "family", "kat": "community"}


def test_unconfirmed_ages_are_never_plain_limits_and_carry_a_note() -> None:
    for item in LISTS["ppks_categories"].items:
        assumed = {key.removeprefix("assumed_") for key in item.attributes if key.startswith("assumed_")}
        assert not assumed & item.attributes.keys(), item.code
        assert not assumed or item.note_id, item.code


def test_psks_types_name_their_unit() -> None:
    units = {item.attributes["unit"] for item in LISTS["psks_types"].items}
    assert units == {"person", "family", "institution", "any"}


def test_programs_point_at_known_documents() -> None:
    for program in LISTS["programs"].items:
        assert many(program, "optional_documents") <= codes("document_kinds"), program.code


def test_purposes_point_at_known_agencies_and_documents() -> None:
    for purpose in LISTS["sktm_purposes"].items:
        assert many(purpose, "agency_kinds") <= codes("agency_kinds"), purpose.code
        assert many(purpose, "extra_documents") | many(purpose, "optional_documents") <= codes("document_kinds")


def test_jampersal_is_a_dated_programme() -> None:
    jampersal = items("programs")["jampersal"]
    assert (jampersal.valid_from, jampersal.valid_until) == (date(2022, 7, 12), date(2022, 12, 31))


def test_every_pillar_has_its_kinds_of_activity() -> None:
    pillars = [item.attributes["pillar"] for item in LISTS["activity_kinds"].items if "pillar" in item.attributes]
    assert set(pillars) == codes("pillars")
    assert all(pillars.count(pillar) >= 6 for pillar in codes("pillars"))


def test_label_speaks_both_languages() -> None:
    assert label("relationships", "child", "id") == "Anak"
    assert label("relationships", "child", "en") == "Child"


@pytest.mark.parametrize("lookup", [lambda: codes("colours"), lambda: label("colours", "red", "id")])
def test_unknown_list_raises_key_error(lookup: object) -> None:
    assert callable(lookup)
    with pytest.raises(KeyError, match="colours"):
        lookup()


def test_unknown_code_raises_key_error() -> None:
    with pytest.raises(KeyError, match="cousin"):
        label("relationships", "cousin", "id")


def test_lists_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        items("sexes")["male"].attributes["letter"] = "X"  # type: ignore[index]


def test_an_item_takes_the_source_of_its_list_unless_it_names_one() -> None:
    green = RED.replace("red", "green").replace("Red", "Green") + 'source = "own"\n'
    parsed = parse(MINIMAL + 'source = "shared"\n' + RED + green)
    assert [item.source for item in parsed.items] == ["shared", "own"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + RED + RED, "given twice: red"),
        (MINIMAL + RED + 'lable_id = "x"\n', "unknown keys lable_id"),
        (MINIMAL + 'titel = "x"\n' + RED, "unknown keys titel"),
    ],
)
def test_a_damaged_list_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_everything_seen_at_a_visit_has_words_for_the_statement():
    """From its form: a citizen reads no `income_per_month`."""
    assert [name for name in PovertyEvidence.model_fields if said(name, 1)[0] == name] == []
