"""Hours of work in the region's own zone, and the words of the work log."""

from datetime import UTC, date, datetime, timedelta
from typing import get_args

import pytest

from tksk_api.domain.activities.rules import check_day, check_headcount, check_hours
from tksk_api.domain.activities.schemas import Pillar, TkskFunction, TkskRole
from tksk_api.domain.activity_kinds.models import ActivityKind
from tksk_api.domain.activity_kinds.rules import check_kind
from tksk_api.domain.activity_templates.rules import last_due
from tksk_api.domain.activity_templates.schemas import Recurrence
from tksk_api.domain.references.lists import LISTS, codes
from tksk_api.errors import DomainError

TODAY = date(2026, 11, 22)


def refusal(check, *facts):
    with pytest.raises(DomainError) as caught:
        check(*facts)
    (error,) = caught.value.errors
    return error.pointer, error.code


def test_pillars_functions_and_roles_are_those_of_the_lists():
    assert set(get_args(get_args(Pillar)[0])) == codes("pillars")
    assert set(get_args(get_args(TkskFunction)[0])) == codes("functions")
    assert set(get_args(TkskRole)) == codes("activity_roles")


def kind_of(code, **over):
    """A packaged kind as the table has it."""
    item = next(item for item in LISTS["activity_kinds"].items if item.code == code)
    facts = {"region_code": None, "valid_from": None, "valid_until": None, **over}
    return ActivityKind(code=code, pillar=item.attributes.get("pillar"), **facts)


def test_every_kind_fits_its_pillar_and_only_general_ones_fit_all():
    for item in LISTS["activity_kinds"].items:
        for pillar in codes("pillars"):
            if item.attributes.get("pillar", pillar) == pillar:
                check_kind(kind_of(item.code), pillar, "18.71.04", TODAY)
            else:
                assert refusal(check_kind, kind_of(item.code), pillar, "18.71.04", TODAY) == (
                    "/kind",
                    "kind_other_pillar",
                )


@pytest.mark.parametrize(
    ("place", "day", "code"),
    [
        ("18.71.04.1002", TODAY, None),
        ("18.71", TODAY, None),
        ("18.7", TODAY, "unknown_code"),
        ("18.72.01", TODAY, "unknown_code"),
        ("18.71.04", TODAY - timedelta(days=1), "kind_ended"),
        ("18.71.04", TODAY + timedelta(days=1), None),
        ("18.71.04", TODAY + timedelta(days=2), "kind_ended"),
    ],
)
def test_a_kind_holds_in_its_region_and_below_within_its_days(place, day, code):
    kind = kind_of("home_visit", region_code="18.71", valid_from=TODAY, valid_until=TODAY + timedelta(days=1))
    if code is None:
        check_kind(kind, "protection", place, day)
    else:
        assert refusal(check_kind, kind, "protection", place, day) == ("/kind", code)


def test_what_an_officer_does_to_a_referral_has_a_kind_that_fits_its_pillar():
    for program in LISTS["programs"].items:
        check_kind(kind_of(program.attributes["activity_kind"]), program.attributes["pillar"], "18.71.04", TODAY)


def test_every_kind_says_which_function_it_usually_serves():
    assert {item.attributes["function"] for item in LISTS["activity_kinds"].items} == codes("functions")


MONDAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("recurrence", "on", "due"),
    [
        ({"every": "week", "weekday": 1}, MONDAY, MONDAY),
        ({"every": "week", "weekday": 1}, MONDAY + timedelta(days=6), MONDAY),
        ({"every": "week", "weekday": 7}, MONDAY, MONDAY - timedelta(days=1)),
        ({"every": "month", "day": 5}, date(2026, 12, 4), date(2026, 11, 5)),
        ({"every": "month", "day": 31}, date(2028, 2, 29), date(2028, 2, 29)),
        ({"every": "month", "day": 31}, date(2027, 3, 30), date(2027, 2, 28)),
        ({"every": "month", "day": 1}, date(2027, 1, 1), date(2027, 1, 1)),
        ({"every": "month", "day": 2}, date(2027, 1, 1), date(2026, 12, 2)),
        ({"every": "week", "weekday": 1, "starts_on": MONDAY + timedelta(days=1)}, MONDAY, None),
        ({"every": "week", "weekday": 1, "ends_on": MONDAY + timedelta(days=3)}, MONDAY + timedelta(days=30), MONDAY),
    ],
)
def test_recurring_work_is_due_on_its_last_day(recurrence, on, due):
    assert last_due(Recurrence(**recurrence), on) == due


@pytest.mark.parametrize(
    ("zone", "midnight"),
    [("Asia/Jakarta", 17), ("Asia/Makassar", 16), ("Asia/Jayapura", 15)],
    ids=["WIB", "WITA", "WIT"],
)
def test_a_day_begins_at_local_midnight(zone, midnight):
    first = datetime(2026, 11, 21, midnight, tzinfo=UTC)
    check_hours(TODAY, first, None, zone)
    check_hours(TODAY, first + timedelta(hours=23, minutes=59), None, zone)
    for outside in (first - timedelta(seconds=1), first + timedelta(hours=24)):
        assert refusal(check_hours, TODAY, outside, None, zone) == ("/started_at", "other_day")


def test_work_may_run_past_midnight_but_not_beyond_a_day():
    start = datetime(2026, 11, 22, 15, tzinfo=UTC)  # 22:00 WIB
    check_hours(TODAY, start, start + timedelta(hours=24), "Asia/Jakarta")
    longer = start + timedelta(hours=24, microseconds=1)
    assert refusal(check_hours, TODAY, start, longer, "Asia/Jakarta") == ("/ended_at", "too_long_span")


def test_a_year_back_includes_the_same_day_of_last_year_after_a_leap_day():
    check_day(date(2027, 3, 1), date(2028, 2, 29))
    check_day(date(2027, 6, 1), date(2028, 6, 1))
    assert refusal(check_day, date(2027, 5, 31), date(2028, 6, 1)) == ("/occurred_on", "too_old")


def test_no_headcount_is_no_claim():
    check_headcount(None, 3)
    check_headcount({}, 3)
