"""Where regions lie, for maps: a point each, of the packaged list."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.tables import table_of
from tksk_api.domain.regions.models import Region
from tksk_api.domain.statistics.subjects import NATION

_REGIONS = table_of(Region)


@dataclass(frozen=True, slots=True)
class Place:
    """Degrees; null where the list has none."""

    latitude: float | None
    longitude: float | None

    @property
    def point(self) -> tuple[float, float] | None:
        """East and north, where both are known."""
        return None if self.latitude is None or self.longitude is None else (self.longitude, self.latitude)


async def places(session: AsyncSession, area: str | None) -> dict[str, Place]:
    """Of the regions just below an area, or of provinces, by their codes."""
    below = _REGIONS.c.parent_code.is_(None) if area in (None, NATION) else _REGIONS.c.parent_code == area
    found = await session.execute(select(_REGIONS.c.code, _REGIONS.c.latitude, _REGIONS.c.longitude).where(below))
    return {row.code: Place(row.latitude, row.longitude) for row in found}
