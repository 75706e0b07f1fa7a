"""Row scope, said once: which regions, for an agency which addressee, and by grant which people, a caller may see."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Table, and_, any_, bindparam, false, or_, true

NATION = "ID"
_LEVELS = {2: "province_code", 5: "regency_code", 8: "district_code", 13: "region_code"}


@dataclass(frozen=True)
class RegionScope:
    """A caller's regions (`("ID",)` is the whole nation) and, for agency users, the agency they speak for.

    Regions are Kemendagri codes of 2, 5, 8 or 13 characters; a code covers itself and everything below it.
    `granted` are people outside it whom the caller broke the glass for: to read one by one, never to list or write.
    An empty scope sees nothing.
    """

    regions: tuple[str, ...] = ()
    agency_id: str | None = None
    granted: tuple[str, ...] = ()

    @property
    def is_national(self) -> bool:
        return NATION in self.regions

    @property
    def shape(self) -> str:
        """Names the predicate's SQL, so that one compiled statement serves every caller of the same shape."""
        if self.is_national:
            return NATION  # as long as a province's code, but another predicate
        levels = "+".join(str(len(region)) for region in self.regions)
        return f"{levels}/{'agency' if self.agency_id else ''}/{'granted' if self.granted else ''}"

    def contains(self, region_code: str | None) -> bool:
        """Whether a row of this region lies inside; rows without a region belong to the nation."""
        if self.is_national:
            return True
        return region_code is not None and any(
            region_code == region or region_code.startswith(region + ".") for region in self.regions
        )

    def predicate(self, table: Table, *, grants: bool = False) -> ColumnElement[bool]:
        """The WHERE of wall one. Values are bound as `scope_0..n`, `scope_agency`, `scope_granted` (see `parameters`).

        `grants` adds the people granted to the caller, where the table holds people.
        """
        if self.is_national:
            return true()
        columns = table.c
        choices = [self._covers(columns, f"scope_{index}", region) for index, region in enumerate(self.regions)]
        if table.info.get("other_region"):
            # A pair, each half in a region of its own. A plain OR leaves the planner the choice of the list's order,
            # of both halves' indexes, and of the people's own: ids collected first would cost the whole area each time.
            choices += [
                self._covers(columns, f"scope_{index}", region, "other_") for index, region in enumerate(self.regions)
            ]
        if self.agency_id and "agency_id" in columns and table.info.get("addressed_to_agency"):
            mine = columns.agency_id == bindparam("scope_agency", self.agency_id, type_=columns.agency_id.type)
            # Drafts, and drafts that were cancelled, were never sent: they are not the agency's to see.
            choices.append(and_(mine, columns.submitted_at.is_not(None)))
        if grants and self.granted and table.info.get("reached_by_grant"):
            ids = bindparam("scope_granted", list(self.granted), type_=ARRAY(columns.id.type))
            choices.append(columns.id == any_(ids))
        return or_(*choices) if choices else false()

    @staticmethod
    def _covers(columns: Any, name: str, region: str, which: str = "") -> ColumnElement[bool]:
        own: ColumnElement[bool] = columns[which + _LEVELS[len(region)]] == bindparam(name, region)
        if len(region) == 13:
            # The list indexes start with the district; naming it lets a village use them.
            return and_(columns[f"{which}district_code"] == bindparam(f"{name}_district", region[:8]), own)
        return own

    def parameters(self) -> Iterator[tuple[str, Any]]:
        """Values for the parameters that `predicate` binds."""
        for index, region in enumerate(self.regions):
            yield f"scope_{index}", region
            if len(region) == 13:
                yield f"scope_{index}_district", region[:8]
        if self.agency_id:
            yield "scope_agency", self.agency_id
        if self.granted:
            yield "scope_granted", list(self.granted)


NATIONAL = RegionScope((NATION,))
