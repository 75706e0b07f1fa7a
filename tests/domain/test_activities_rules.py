"""Hours of work in the region's own zone, and the words of the work log."""

from datetime import UTC, date, datetime, timedelta
from typing import get_args

import pytest

from tksk_api.domain.activities.rules import check_day, check_headcount, check_hours, check_kind
from tksk_api.domain.activities.schemas import Pillar, TkskFunction, TkskRole
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


def test_every_kind_fits_its_pillar_and_only_general_ones_fit_all():
    for item in LISTS["activity_kinds"].items:
        for pillar in codes("pillars"):
            if item.attributes.get("pillar", pillar) == pillar:
                check_kind(item.code, pillar)
            else:
                assert refusal(check_kind, item.code, pillar) == ("/kind", "kind_other_pillar")


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
