"""The forms of a visit: data that agrees with itself, and a new version that needs nothing but data."""

from datetime import date, timedelta

import pytest

from tksk_api.domain.references.lists import codes
from tksk_api.domain.visit_forms import forms
from tksk_api.domain.visit_forms.forms import FORMS, Form, every_field, form_on, gathered, is_taken, parse, said, widest
from tksk_api.domain.visits.rules import check_answers
from tksk_api.errors import DomainError

NEXT = """
version = 3
title_id = "Formulir kunjungan rumah"
title_en = "Home visit form"
valid_from = 2030-01-01
source = "Uji"

[[sections]]
code = "house"
label_id = "Rumah"
label_en = "House"

[[fields]]
name = "floor_type"
section = "house"
type = "code"
list = "floor_type"
label_id = "Lantai"
label_en = "Floor"

[[fields]]
name = "dependants"
section = "house"
type = "integer"
minimum = 0
maximum = 20
label_id = "Tanggungan"
label_en = "Dependants"

[[fields]]
name = "doors"
section = "house"
type = "integer"
minimum = 1
maximum = 9
label_id = "Jumlah pintu"
label_en = "Doors"
"""


@pytest.fixture
def with_next(monkeypatch: pytest.MonkeyPatch) -> Form:
    """A third version, as a file more would bring it."""
    third = parse(NEXT)
    monkeypatch.setattr(forms, "FORMS", gathered([*FORMS.values(), third]))
    every_field.cache_clear()
    widest.cache_clear()
    yield third
    monkeypatch.undo()
    every_field.cache_clear()
    widest.cache_clear()


def wrong(form: Form, **evidence: object) -> list[tuple[str, str]]:
    with pytest.raises(DomainError) as caught:
        check_answers(form, evidence, [])
    return [(error.pointer, error.code) for error in caught.value.errors]


def test_the_form_of_a_day_is_the_newest_that_has_begun():
    second = FORMS[2].valid_from
    assert form_on(second - timedelta(days=1)).version == 1
    assert form_on(second).version == 2
    assert form_on(date(2019, 1, 1)).version == 1


def test_an_older_form_is_taken_on_later_days_and_a_newer_one_never_before_its_own(monkeypatch):
    second = FORMS[2].valid_from
    assert is_taken(1, second + timedelta(days=40))
    assert not is_taken(2, second - timedelta(days=1))
    assert not is_taken(7, second)
    ended = parse(NEXT.replace("valid_from = 2030-01-01", "valid_from = 2030-01-01\nvalid_until = 2030-06-30"))
    monkeypatch.setattr(forms, "FORMS", {**FORMS, 3: ended})
    assert is_taken(3, date(2030, 6, 30))
    assert not is_taken(3, date(2030, 7, 1))


def test_each_version_takes_its_own_answers_and_no_others(with_next):
    second = FORMS[2]
    check_answers(with_next, {"floor_type": "earth", "dependants": 20, "doors": 2}, [])
    check_answers(second, {"dependants": 50, "land_area_m2": 12.5}, [])
    assert wrong(with_next, dependants=21) == [("/evidence/dependants", "out_of_range")]
    assert wrong(with_next, land_area_m2=1.0) == [("/evidence/land_area_m2", "not_on_form")]
    assert wrong(second, doors=2) == [("/evidence/doors", "not_on_form")]
    assert wrong(FORMS[1], large_livestock=1, floor_type="gold") == [
        ("/evidence/large_livestock", "not_on_form"),
        ("/evidence/floor_type", "unknown_code"),
    ]


def test_a_new_version_brings_its_fields_and_words_by_data_alone(with_next):
    assert every_field()["doors"].label_id == "Jumlah pintu"
    assert said("doors", 2) == ("Jumlah pintu", "2")
    assert widest("dependants").maximum == 50  # nothing that an older form takes is refused at the door
    assert form_on(date(2030, 1, 1)) is with_next
    assert form_on(date(2029, 12, 31)) is FORMS[2]


def test_answers_are_said_in_words_with_their_unit():
    assert said("floor_area_m2", 1234.5) == ("Luas lantai", "1.234,5 m²")
    assert said("income_per_month", 850000)[1] == "850.000 rupiah"
    assert said("assets", [])[1] == "tidak ada"
    assert said("assets", ["motorcycle", "gone_since"])[1] == "Sepeda motor, gone_since"
    assert said("aid_in_last_year", False)[1] == "tidak"


@pytest.mark.parametrize("form", FORMS.values(), ids=str)
def test_every_packaged_form_is_complete(form):
    for entry in form.fields:
        assert entry.label_id and entry.label_en and entry.source, entry.name
        assert (entry.unit_id is None) == (entry.unit_en is None), entry.name
        assert (entry.note_id is None) == (entry.note_en is None), entry.name
        if entry.list is not None:
            chosen = entry.example if isinstance(entry.example, list) else [entry.example]
            assert set(chosen) <= codes(entry.list), entry.name
    check_answers(form, {entry.name: entry.example for entry in form.fields}, [])


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('name = "doors"', 'name = "floor_type"', "given twice"),
        ('list = "floor_type"', 'list = "colours"', "do not fit"),
        ('type = "code"\nlist = "floor_type"', 'type = "boolean"\nlist = "floor_type"', "do not fit"),
        ('section = "house"\ntype = "code"', 'section = "garden"\ntype = "code"', "garden"),
        ("maximum = 9\n", "", "no maximum"),
        ('label_en = "Doors"', 'lable_en = "Doors"', "lable_en"),
        ('source = "Uji"', "", "source"),
    ],
)
def test_a_damaged_form_is_refused(old, new, complaint):
    assert old in NEXT
    with pytest.raises((ValueError, KeyError), match=complaint):
        parse(NEXT.replace(old, new))


def test_a_field_keeps_its_type_and_versions_their_order():
    other_type = NEXT.replace('type = "code"\nlist = "floor_type"', 'type = "codes"\nmaximum = 3\nlist = "floor_type"')
    with pytest.raises(ValueError, match="floor_type has another type"):
        gathered([*FORMS.values(), parse(other_type)])
    with pytest.raises(ValueError, match="begin later"):
        gathered([*FORMS.values(), parse(NEXT.replace("2030-01-01", "2020-01-01"))])
