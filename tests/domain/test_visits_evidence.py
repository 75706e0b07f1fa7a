"""The evidence of a visit speaks the codes of the reference lists, and is read back as it was written."""

from typing import get_args

from tksk_api.domain.references.lists import LISTS, codes
from tksk_api.domain.visits.rules import CODED_EVIDENCE
from tksk_api.domain.visits.schemas import PovertyEvidence, PovertyEvidenceRead, VisitFinding, VisitOutcome


def test_every_field_of_evidence_is_read_back():
    assert list(PovertyEvidence.model_fields) == list(PovertyEvidenceRead.model_fields)


def test_every_field_that_has_a_list_is_checked_against_it():
    assert set(CODED_EVIDENCE) | {"assets"} == set(PovertyEvidence.model_fields) & set(LISTS)


def test_outcomes_and_findings_are_those_of_the_lists():
    for kind, name in ((VisitOutcome, "visit_outcomes"), (VisitFinding, "visit_findings")):
        assert set(get_args(get_args(kind)[0])) == codes(name)
