"""Whom a page of a file is not compared with: nobody of them could have been a pair."""

from datetime import date, timedelta
from itertools import product

import pytest

from tksk_api.domain.beneficiaries.matching import DUPLICATE_THRESHOLD, Facts, compare, date_match
from tksk_api.domain.beneficiaries.search import nik_neighbours
from tksk_api.domain.duplicates.intake import _days

VILLAGE = "18.71.04.1002"
BORN = date(1991, 3, 25)
OWN, NEAR, OTHER = b"own", b"near", b"other"
# How an entry may agree with (VILLAGE, BORN, OWN) in all but the name, which is the same.
PLACES = (VILLAGE, "18.71.04.1003", "18.71.05.1001", "52.71.01.1004", None)
CARDS = ((None, None), (b"card", None), (b"card", b"card"), (b"card", b"another"))
SEXES = ((None, None), ("female", "female"), ("female", "male"))


def highest(born: date, numbers: tuple[bytes | None, bytes | None], cards=CARDS) -> float:
    """What two people of one name reach at best, who were born on these days and have these numbers."""
    near = {NEAR} if numbers[0] else set()
    return max(
        compare(
            Facts("Siti Rahmawati", BORN, VILLAGE, card, numbers[0], sex=sex),
            Facts("Siti Rahmawati", born, place, other_card, numbers[1], sex=other_sex),
            near,
        ).score
        for place, (card, other_card), (sex, other_sex) in product(PLACES, cards, SEXES)
    )


@pytest.mark.parametrize("born", [BORN, date(2000, 2, 29), date(1999, 12, 21), date(1970, 1, 1), date(2012, 11, 10)])
def test_every_day_that_a_birth_date_may_have_become_is_looked_at(born: date):
    listed = set(_days(born).strip("{}").split(","))
    days = (date(1900, 1, 1) + timedelta(days=number) for number in range(47_000))
    apart = {day.isoformat() for day in days if date_match(born, day) not in {"same_year", "different"}}
    if born.month == born.day == 1:  # any day of the year, where the name leads to it
        apart = {day for day in apart if date_match(born, date.fromisoformat(day)) != "year_only"}
    assert apart <= listed
    assert len(listed) < 80


@pytest.mark.parametrize("born", [date(1991, 8, 14), date(1950, 8, 14)], ids=["same_year", "different"])
def test_who_was_born_on_another_day_is_a_pair_by_a_number_at_most(born: date):
    for numbers in ((None, None), (None, OTHER), (OWN, None), (OWN, OTHER)):
        assert highest(born, numbers) < DUPLICATE_THRESHOLD, numbers
    assert date_match(BORN, born) == "same_year" or highest(born, (OWN, NEAR)) < DUPLICATE_THRESHOLD


def test_whose_number_is_another_is_a_pair_by_the_card_at_most():
    assert highest(BORN, (OWN, OTHER), CARDS[:2]) < DUPLICATE_THRESHOLD
    assert highest(BORN, (OWN, OTHER), CARDS[3:]) < DUPLICATE_THRESHOLD
    assert highest(BORN, (OWN, OTHER)) == highest(BORN, (OWN, OTHER), CARDS[2:3]) == DUPLICATE_THRESHOLD


def test_numbers_a_slip_away_are_known_by_their_last_digits():
    nik = "1871046503910072"
    for other in nik_neighbours(nik):
        same = [one == another for one, another in zip(nik[-4:], other[-4:], strict=True)]
        assert all(same[:2]) or all(same[2:]) or (same[0] and same[3]), other
