"""The days on which offices work: Monday to Friday without national holidays and joint leave (cuti bersama).

Both are set each year by a decree of three ministers; the library `holidays` carries them as decreed, and estimates the
days of the moon for years that have no decree yet. `tksk migrate` writes the days of the installed release anew.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
from holidays import country_holidays

FIRST_YEAR = 2020
YEARS_AHEAD = 5
_WEEKEND = 5


def working_days(first_year: int, last_year: int) -> list[date]:
    """Every working day of these years in order, the same in all zones of the country."""
    off = country_holidays("ID", years=range(first_year, last_year + 1), categories=("public", "government"))
    first, end = date(first_year, 1, 1), date(last_year + 1, 1, 1)
    days = (first + timedelta(days=index) for index in range((end - first).days))
    return [day for day in days if day.weekday() < _WEEKEND and day not in off]


async def load_working_days(connection: "asyncpg.Connection[Any]") -> None:
    """Replace the table where the days differ from it. Idempotent."""
    days = working_days(FIRST_YEAR, datetime.now(UTC).year + YEARS_AHEAD)
    known = await connection.fetch("SELECT day FROM working_days ORDER BY ordinal")
    if [row["day"] for row in known] == days:
        return
    async with connection.transaction():
        await connection.execute("DELETE FROM working_days")
        records = [(day, ordinal) for ordinal, day in enumerate(days, 1)]
        await connection.copy_records_to_table("working_days", records=records, columns=("day", "ordinal"))
