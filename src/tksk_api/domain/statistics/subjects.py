"""What is counted, as data: by which keys, who may see the rows, and how a list is asked for the same rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import urlencode

from tksk_api.domain.statistics.schemas import Dimension, Subject
from tksk_api.security.permissions import Permission

NATION = "ID"
DISTRICT = 8


@dataclass(frozen=True)
class Source:
    """`parameters` are the keys in the order in which migration 0029 keeps them, each with its name in the list at
    `path`; `period` names the list's first and last day. Whoever holds `permission` sees the rows; who does not asks by
    `open_key` alone, whose codes are the list `open_list`: two keys that depend on each other tell of one what is
    withheld of the other."""

    path: str
    parameters: Mapping[Dimension, str]
    period: tuple[str, str]
    permission: Permission
    open_key: Dimension
    open_list: str
    always: Mapping[str, str] = field(default_factory=dict)

    def number(self, dimension: Dimension) -> int:
        """The place of a key in the database's array, from 1."""
        return list(self.parameters).index(dimension) + 1

    def query(self, area: str, place: str, first: date, last: date, keys: Mapping[Dimension, str]) -> str:
        """Path and query of the list whose rows are counted in one `place` of an `area`."""
        wanted = dict(self.always)
        if place == area and len(place) == DISTRICT and "region" in keys:
            wanted["region_code"] = place  # in the district, but in no village of it
        elif place != NATION:
            wanted["within"] = place
        wanted |= dict(zip(self.period, (first.isoformat(), last.isoformat()), strict=True))
        wanted |= {self.parameters[name]: value for name, value in keys.items() if name in self.parameters}
        return f"{self.path}?{urlencode(wanted)}"


_DRAFTED = ("drafted_from", "drafted_until")
SOURCES: Mapping[Subject, Source] = {
    "activities": Source(
        "/v1/activities",
        {"pillar": "pillar", "function": "function", "kind": "kind"},
        ("occurred_from", "occurred_until"),
        Permission.ACTIVITY_READ,
        "pillar",
        "pillars",
        {"counted": "true"},
    ),
    "sktm": Source(
        "/v1/sktm-applications",
        {"purpose": "purpose", "state": "status"},
        _DRAFTED,
        Permission.SKTM_READ,
        "purpose",
        "sktm_purposes",
    ),
    "referrals": Source(
        "/v1/referrals",
        {"program": "program", "state": "status"},
        _DRAFTED,
        Permission.REFERRAL_READ,
        "program",
        "programs",
    ),
    "ppks": Source(
        "/v1/ppks-assessments",
        {"ppks_category": "category", "sex": "sex", "age_band": "age_band", "state": "status"},
        ("assessed_from", "assessed_until"),
        Permission.PPKS_READ,
        "ppks_category",
        "ppks_categories",
    ),
    "visits": Source(
        "/v1/visits",
        {"state": "status", "outcome": "outcome"},
        ("visited_from", "visited_until"),
        Permission.VISIT_READ,
        "outcome",
        "visit_outcomes",
    ),
}
EVERYWHERE: frozenset[Dimension] = frozenset({"month", "region"})


def subject_of(by: Sequence[Dimension]) -> Subject | None:
    """The one subject that has all these keys; activities where they are common to all, None where several have."""
    asked = set(by) - EVERYWHERE
    fitting = [subject for subject, source in SOURCES.items() if asked <= source.parameters.keys()]
    return "activities" if not asked else fitting[0] if len(fitting) == 1 else None
