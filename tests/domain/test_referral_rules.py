"""The rules of referrals, programmes and agencies, without a database."""

from datetime import date, timedelta
from typing import get_args

import pytest

from tksk_api.domain.agencies.rules import refusal
from tksk_api.domain.programs.rules import may_write, not_running, span_refusal
from tksk_api.domain.references.lists import LISTS, codes
from tksk_api.domain.referrals.rules import (
    activation_refusal,
    date_refusal,
    deadline_refusal,
    end_refusal,
    last_day,
    reason_refusal,
    still_requested,
)
from tksk_api.domain.referrals.schemas import Consent
from tksk_api.domain.referrals.workflow import WORKFLOW

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("first_from", "expected"),
    [(None, "program_ended"), (TODAY, "program_ended"), (TODAY + timedelta(days=1), "program_not_started")],
)
def test_a_programme_without_rules_for_a_day_is_to_come_or_over(first_from, expected):
    assert not_running(first_from, TODAY) == expected


@pytest.mark.parametrize(
    ("effective_from", "until", "expected"),
    [
        (TODAY, None, None),
        (TODAY, TODAY, None),
        (TODAY - timedelta(days=1), None, ("/effective_from", "in_past")),
        (TODAY + timedelta(days=1), TODAY, ("/effective_until", "before_start")),
    ],
)
def test_a_version_says_nothing_of_the_past(effective_from, until, expected):
    assert span_refusal(effective_from, until, TODAY) == expected


@pytest.mark.parametrize(
    ("local", "national", "region", "allowed"),
    [
        (False, True, None, True),
        (True, True, "18.71", True),
        (True, False, "18.71", True),
        (True, False, None, False),
        (False, False, "18.71", False),
    ],
)
def test_offices_write_local_programmes_for_their_own_area(local, national, region, allowed):
    assert may_write(is_local=local, is_national=national, region_code=region) is allowed


def test_last_days_come_from_the_agency_else_from_the_programme():
    tomorrow = TODAY + timedelta(days=1)
    assert last_day(tomorrow, TODAY, 90) == tomorrow
    assert last_day(None, TODAY, 90) == TODAY + timedelta(days=90)
    assert last_day(None, TODAY, None) is None
    assert deadline_refusal(tomorrow, TODAY, TODAY) is None
    assert deadline_refusal(TODAY - timedelta(days=1), TODAY - timedelta(days=2), TODAY) == "in_past"
    assert activation_refusal(TODAY, TODAY, TODAY) is None
    assert activation_refusal(TODAY - timedelta(days=5), TODAY - timedelta(days=1), TODAY) == "deadline_passed"


@pytest.mark.parametrize(
    ("kind", "programs", "active", "expected"),
    [
        ("bpjs_office", [], True, None),
        ("court", ["pbi_jk"], True, None),
        ("court", ["pip"], True, "agency_not_fitting"),
        ("bpjs_office", ["pbi_jk"], False, "agency_inactive"),
    ],
)
def test_an_agency_serves_by_its_kind_or_because_it_says_so(kind, programs, active, expected):
    assert refusal(kind, programs, "pbi_jk", ["social_service_office", "bpjs_office"], is_active=active) == expected


def test_a_decision_of_tomorrow_is_none():
    assert date_refusal(TODAY, TODAY) is None
    assert date_refusal(TODAY + timedelta(days=1), TODAY) == "in_future"


def test_a_benefit_ends_on_its_first_day_at_the_earliest():
    assert end_refusal(TODAY, TODAY) is None
    assert end_refusal(TODAY, TODAY - timedelta(days=1)) == "before_start"


def test_the_reason_other_needs_a_note():
    assert reason_refusal(None, {"other"}, None) is None
    assert reason_refusal("quota_full", {"other"}, None) == ("/reason_code", "unknown_code")
    assert reason_refusal("other", {"other"}, None) == ("/note", "other_note_required")
    assert reason_refusal("other", {"other"}, "Kantor tutup") is None


def test_what_was_not_supplied_stays_requested():
    wanted = [{"kind": "ktp", "note": None}, {"kind": "sktm", "note": None}]
    assert still_requested(wanted, {"ktp", "other"}) == [wanted[1]]


def test_every_state_is_reached_and_only_the_last_ones_are_final():
    reached = {step.target for step in WORKFLOW.steps.values()} | {WORKFLOW.initial}
    assert reached == set(WORKFLOW.states)
    assert {state for state in WORKFLOW.states if not WORKFLOW.actions_from(state)} == {
        "rejected",
        "ended",
        "cancelled",
    }


def test_reasons_name_steps_of_the_workflow_and_consent_follows_its_list():
    for item in LISTS["referral_reason_codes"].items:
        assert set(item.attributes["actions"]) <= {"reject", "waitlist", "end"} <= set(WORKFLOW.steps)
    assert set(get_args(get_args(Consent)[0])) == codes("consent")
