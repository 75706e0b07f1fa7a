"""Rules of assignments, without a database: level, decree, dates, end."""

from datetime import date, timedelta
from uuid import uuid4

import pytest

from tksk_api.domain.assignments.rules import check_cover, check_decree, check_level, check_span, last_day
from tksk_api.errors import DomainError

TODAY = date(2026, 11, 22)
DECREE = {"decree_number": "460/1/SK", "decree_date": TODAY, "decree_issuer": "kemensos"}
NOTHING = dict.fromkeys(DECREE)


def refusal(call, *arguments):
    """Pointer and code of what a rule raises; None when it does not."""
    try:
        call(*arguments)
    except DomainError as error:
        return error.errors[0].pointer, error.errors[0].code
    return None


@pytest.mark.parametrize(
    ("kind", "fitting"),
    [("holder", {"district"}), ("acting", {"district"}), ("coordinator", {"regency", "province"})],
)
def test_each_kind_has_its_levels(kind, fitting):
    for level in ("province", "regency", "district", "village"):
        expected = None if level in fitting else ("/region_code", "region_level")
        assert refusal(check_level, kind, level) == expected, level


def test_a_decree_is_whole_and_only_acting_cover_may_do_without():
    for kind in ("holder", "acting", "coordinator"):
        assert refusal(check_decree, kind, DECREE) is None
        assert refusal(check_decree, kind, {**DECREE, "decree_date": None}) == ("/decree_date", "missing")
        assert refusal(check_decree, kind, {**DECREE, "decree_issuer": "own"}) == ("/decree_issuer", "unknown_code")
    assert refusal(check_decree, "acting", NOTHING) is None
    assert refusal(check_decree, "holder", NOTHING) == ("/decree_number", "missing")


def test_cover_lasts_at_most_so_many_days_counting_both_ends():
    assert refusal(check_span, "acting", TODAY, TODAY + timedelta(days=179), 180) is None
    assert refusal(check_span, "acting", TODAY, TODAY + timedelta(days=180), 180) == ("/ends_on", "cover_too_long")
    assert refusal(check_span, "acting", TODAY, None, 180) == ("/ends_on", "missing")
    assert refusal(check_span, "holder", TODAY, None, 180) is None
    assert refusal(check_span, "holder", TODAY, TODAY + timedelta(days=3650), 180) is None
    assert refusal(check_span, "holder", TODAY, TODAY - timedelta(days=1), 180) == ("/ends_on", "before_start")


def test_only_acting_cover_stands_in_and_for_somebody_else():
    me, other = uuid4(), uuid4()
    assert refusal(check_cover, "acting", me, other) is None
    assert refusal(check_cover, "holder", me, None) is None
    assert refusal(check_cover, "holder", me, other) == ("/acting_for", "only_for_acting")
    assert refusal(check_cover, "acting", me, me) == ("/acting_for", "same_person")


@pytest.mark.parametrize(
    ("wanted", "starts", "ends", "expected"),
    [
        (0, -10, None, (0, True)),  # today: at once
        (5, -10, None, (5, False)),  # later: on that day
        (3, -10, 3, (3, False)),  # as it would end anyway
        (0, 7, None, (7, True)),  # never begins
        (9, 7, None, (9, False)),  # begins, then ends
        (0, 0, 0, (0, True)),  # made and ended on one day
    ],
)
def test_an_end_is_today_or_later(wanted, starts, ends, expected):
    def day(offset):
        return None if offset is None else TODAY + timedelta(days=offset)

    assert last_day(day(wanted), day(starts), day(ends), TODAY) == (day(expected[0]), expected[1])


def test_an_end_is_neither_past_nor_later_than_it_was():
    yesterday, tomorrow = TODAY - timedelta(days=1), TODAY + timedelta(days=1)
    assert refusal(last_day, yesterday, date(2026, 1, 1), None, TODAY) == ("/ends_on", "in_past")
    assert refusal(last_day, tomorrow, date(2026, 1, 1), TODAY, TODAY) == ("/ends_on", "after_end")
