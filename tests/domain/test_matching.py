"""Names that sound alike, and whether two descriptions mean one person."""

import time
from datetime import date
from typing import Any

import asyncpg
import pytest

from tksk_api.domain.beneficiaries.matching import DUPLICATE_THRESHOLD, Facts, compare, date_match, name_similarity
from tksk_api.domain.beneficiaries.names import keys_of, words_of
from tksk_api.domain.synthetic import people_of

BORN = date(1991, 3, 25)
ODD_NAMES = [
    "",
    "Y",
    "H.",
    "O'",
    "'",
    "x" * 200,
    "Moh " * 50,
    "فاطمة الزهراء",
    "فَاطِمَة",
    "👩🏽‍🌾 Siti 🌾",
    "123",
    "Straße Øster Ærø",
    "D’Souza",
    "Nur\u200bhayati",
    "ﬁtri ＡＢＤＵＬ",
    "Ñoño, S.Pd., M.M.",
    "Rahmawati, Siti",
    "Sjech Jusoef Tadjoel Chalwatiah",
    "abdurrahman abdurahman abdurrrahman",
]


def facts(name: str = "Siti Rahmawati", born: date | None = BORN, village: str | None = "18.71.04.1002", **more: Any):
    return Facts(name, born, village, more.pop("card", None), more.pop("nik", None), **more)


@pytest.mark.parametrize(
    "spellings",
    [
        ("Muhammad Rizki", "Moh. Rizqi", "M. Rizky", "Mochamad Rizki", "MUHAMAD RISKI", "Muh Rizki", "Mohd. Rizki"),
        ("Siti Aminah", "St. Aminah", "Hj. Sitti Aminah", "Almh. Siti Aminah, S.Pd."),
        ("Abdul Rahman", "Abdurrahman", "Abd. Rochman", "Abdurahman", "H. Abdul Rahman"),
        ("Nurhayati", "Nur Hayati", "Noerhayati", "Noor Hayati"),
        ("Suyanto", "Soejanto", "Suyanto, S.E."),
        ("Sujono", "Soedjono", "Sudjono"),
        ("Cahyono", "Tjahjono", "Tjahyono"),
        ("Ahmad Fauzi", "Achmad Fauzi", "Akhmad Pauzi", "Achmat Fauzi"),
        ("Syarifuddin", "Sjarifoeddin", "Sarifudin", "Syarifudin"),
        ("Yusuf", "Jusuf", "Joesoef", "Yusup"),
        ("Fitri", "Fitry", "Pitri"),
        ("Candra", "Chandra", "Tjandra"),
    ],
)
def test_spellings_that_sound_alike_have_the_same_keys(spellings):
    assert len({tuple(keys_of(name)) for name in spellings}) == 1, [keys_of(name) for name in spellings]


@pytest.mark.parametrize(
    ("one", "other"),
    [("Budi", "Dewi"), ("Siti Aminah", "Siti Fatimah"), ("Suyanto", "Sujono"), ("Banjar", "Banyar"), ("Wati", "Yati")],
)
def test_different_names_do_not_become_one(one, other):
    assert keys_of(one) != keys_of(other)
    assert name_similarity(one, other) < 1


async def test_database_and_program_make_the_same_keys(owner_url):
    """The two are written apart; this holds them together, over thousands of names and what clerks do to them."""
    villages = ["18.71.04.1001", "12.71.01.1001", "51.71.01.1001", "73.71.01.1001", "32.73.01.1001", "53.71.01.1001"]
    names = [person.full_name for seed in (1, 2) for code in villages for person in people_of(seed, [code], 400)]
    names = [*dict.fromkeys(names), *ODD_NAMES, *(f"Dr. {name}, S.Sos." for name in names[:50])]
    connection = await asyncpg.connect(owner_url)
    rows = await connection.fetch("SELECT name, app.name_keys(name) AS keys FROM unnest($1::text[]) AS t (name)", names)
    await connection.close()
    assert [(row["name"], row["keys"]) for row in rows if row["keys"] != keys_of(row["name"])] == []
    assert len(rows) > 3000


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_like_themselves_and_cost_nothing(name):
    begun = time.perf_counter()
    assert name_similarity(name, name) == 1
    assert 0 <= name_similarity(name, "Siti Rahmawati") < 0.7 or "Siti" in name
    assert time.perf_counter() - begun < 0.2


def test_titles_say_nothing_unless_there_is_nothing_else():
    assert words_of("Drs. H. Budi Santoso, M.Si.") == ("budi", "santoso")
    assert words_of("H.") == ("h",)
    assert keys_of("Ni Made") == keys_of("Made")
    assert keys_of("فاطمة") == ["فاطمة"]  # no transliteration: the same script finds it
    assert keys_of("🌾") == []


@pytest.mark.parametrize(
    ("said", "least"),
    [
        ("Siti Rahmwati", 0.9),
        ("St. Rahmawati", 0.99),
        ("Rahmawati Siti", 0.99),
        ("Rahmawati", 0.85),
        ("S. Rahmawati", 0.9),
        ("Hj. Siti Rahmawati", 0.99),
        ("Sitti Rachmawaty", 0.9),
    ],
)
def test_a_damaged_name_stays_near_and_its_order_does_not_matter(said, least):
    assert least <= name_similarity(said, "Siti Rahmawati") <= 1
    assert name_similarity(said, "Siti Rahmawati") == name_similarity("Siti Rahmawati", said)
    assert name_similarity(said, "Siti Rahmawati") > name_similarity(said, "Siti Aminah")


@pytest.mark.parametrize(
    ("other", "match"),
    [
        (date(1991, 3, 25), "exact"),
        (date(1991, 3, 26), "one_digit"),
        (date(1981, 3, 25), "one_digit"),
        (date(1919, 3, 25), "transposed"),
        (date(1991, 1, 1), "year_only"),
        (date(1991, 11, 4), "same_year"),
        (date(1984, 7, 8), "different"),
    ],
)
def test_birth_dates_agree_by_degrees(other, match):
    assert date_match(BORN, other) == match
    assert date_match(other, BORN) == match


def test_day_and_month_may_have_changed_places():
    assert date_match(date(1991, 3, 12), date(1991, 12, 3)) == "day_month_swapped"


def test_the_score_explains_itself():
    found = compare(facts("Siti Rahmwati"), facts())
    assert found.reasons == [
        {"field": "full_name", "match": "similar", "similarity": found.reasons[0]["similarity"]},
        {"field": "birth_date", "match": "exact"},
        {"field": "village_code", "match": "same"},
    ]
    assert found.score > DUPLICATE_THRESHOLD
    assert compare(facts(), facts()).score == 1


def test_what_one_side_does_not_know_weighs_nothing():
    alone = compare(facts(born=None, village=None), facts())
    assert (alone.score, [reason["field"] for reason in alone.reasons]) == (1, ["full_name"])
    assert compare(facts("", None, None), facts()).score == 0


def test_each_field_moves_the_score_as_it_should():
    whole = compare(facts("Siti Rahmwati"), facts()).score
    for worse in (
        facts("Siti Rahmwati", date(1991, 3, 26)),
        facts("Siti Rahmwati", village="18.71.04.1003"),
        facts("Siti Rahmawan"),
    ):
        assert compare(worse, facts()).score < whole
    same_card = compare(facts(card=b"1"), facts("Siti Aminah", card=b"1"))
    assert same_card.score > compare(facts(card=b"1"), facts("Siti Aminah", card=b"2")).score
    assert compare(facts(sex="male"), facts(sex="female")).score < 1
    mother = compare(facts(mother_name="Sumiati"), facts("Siti Rahmawan", mother_name="Sumiyati"))
    assert mother.score > compare(facts(mother_name="Sumiati"), facts("Siti Rahmawan", mother_name="Kartini")).score


def test_a_number_one_slip_away_counts_only_where_the_caller_says_so():
    near = compare(facts(born=None, nik=b"1"), facts(nik=b"2"), near_niks={b"2"})
    assert {"field": "nik", "match": "one_digit"} in near.reasons
    assert all(reason["field"] != "nik" for reason in compare(facts(nik=b"1"), facts(nik=b"2")).reasons)
    assert compare(facts("Budi", nik=b"1"), facts(nik=b"1")).score > DUPLICATE_THRESHOLD


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (facts("Muhammad Hasan"), facts("Muhammad Husein", date(1983, 8, 1))),
        (facts("Siti Aminah"), facts("Siti Aminah", date(1962, 11, 9))),
        (facts("Wayan Sudarma"), facts("Made Sudarma", date(1988, 3, 2))),
        (facts("Siti Aminah"), facts("Budi Santoso")),
    ],
)
def test_people_who_are_merely_alike_are_no_duplicates(one, other):
    assert compare(one, other).score < DUPLICATE_THRESHOLD


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (facts("Muhammad Rizki Pratama"), facts("M. Rizky Pratama")),
        (facts("Soedjono"), facts("Sujono", date(1991, 3, 26))),
        (facts("Siti Rahmawati"), facts("Rahmawati", village="18.71.04.1003")),
        (facts("Nur Hayati"), facts("Noerhajati", date(1991, 5, 25))),
    ],
)
def test_two_entries_of_one_person_are_found(one, other):
    assert compare(one, other).score >= DUPLICATE_THRESHOLD
