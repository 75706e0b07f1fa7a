"""The evidence of a visit is what its forms ask for, and is read back as it was written."""

from typing import get_args

from tksk_api.domain.references.lists import codes
from tksk_api.domain.visit_forms.forms import FORMS, every_field
from tksk_api.domain.visits.schemas import PovertyEvidence, PovertyEvidenceRead, VisitFinding, VisitOutcome


def test_every_field_of_evidence_is_read_back():
    assert list(PovertyEvidence.model_fields) == list(PovertyEvidenceRead.model_fields)


def test_the_shape_of_evidence_comes_from_the_forms_alone():
    assert set(PovertyEvidence.model_fields) == set(every_field())


def test_the_first_form_asks_what_was_always_asked():
    """Visits written before there were versions answer it (migration 0017)."""
    assert [entry.name for entry in FORMS[1].fields] == [
        "house_ownership",
        "floor_area_m2",
        "floor_type",
        "wall_type",
        "roof_type",
        "water_source",
        "lighting",
        "electricity_power",
        "toilet",
        "cooking_fuel",
        "assets",
        "savings",
        "income_per_month",
        "dependants",
        "head_at_most_primary_school",
        "aid_in_last_year",
    ]


def test_outcomes_and_findings_are_those_of_the_lists():
    for kind, name in ((VisitOutcome, "visit_outcomes"), (VisitFinding, "visit_findings")):
        assert set(get_args(get_args(kind)[0])) == codes(name)
