"""Months and spans of days, as pure functions."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

LONGEST_MONTHS, LONGEST_UNSEEN_MONTHS = 120, 24


def first_day(day: date) -> date:
    return day.replace(day=1)


def last_day(day: date) -> date:
    """Of the month."""
    return day.replace(day=monthrange(day.year, day.month)[1])


def months_later(day: date, months: int) -> date:
    """The first day of the month so many months later, or earlier."""
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


@dataclass(frozen=True)
class Period:
    """From one day to another, both included."""

    first: date
    last: date

    @property
    def is_whole(self) -> bool:
        """Whether it consists of whole months."""
        return self.first.day == 1 and self.last == last_day(self.last)

    def months(self) -> Iterator[date]:
        """The first days of the months it touches."""
        month = first_day(self.first)
        while month <= self.last:
            yield month
            month = months_later(month, 1)

    def month(self, month: date) -> "Period":
        """The part of it within a month."""
        return Period(max(self.first, month), min(self.last, last_day(month)))

    def before(self) -> "Period":
        """As long, and just before: in months where it is whole months, else in days."""
        end = self.first - timedelta(days=1)
        if self.is_whole:
            return Period(months_later(self.first, -len(list(self.months()))), end)
        return Period(end - (self.last - self.first), end)
