"""Who sees which row, said once more and plainly: the lists are held against this, not against their own SQL."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from architecture.world import HOME
from authorization.positions import MACHINE, Positions
from tksk_api.security.permissions import ROLE_REGION_LEVEL, Role

Row = Mapping[str, Any]


def _equal(stored: Any, value: Any) -> bool:
    return bool(stored == value)


def _is_overdue(created_at: datetime, value: str) -> bool:
    return (created_at + timedelta(hours=72) < datetime.now(UTC)) == (value == "true")


def _is_during(during: Any, value: Any) -> bool:
    return bool(during.lower <= value < during.upper)


def _is_given(stored: Any, value: str) -> bool:
    return (stored is not None) == (value == "true")


def _is_handed_in(status: Any, value: str) -> bool:
    return (status in ("submitted", "accepted")) == (value == "true")


def _is_due(follow_up: Any, first: date, last: date) -> bool:
    return follow_up is not None and first <= date.fromisoformat(json.loads(follow_up)["due_on"]) <= last


_FOLLOWED = ("pending", "done")
_DAYS = (date(2020, 1, 1), date(2099, 1, 1))


@dataclass(frozen=True)
class Filter:
    """A filter that looks at another column than its name says, or otherwise than for the same value."""

    column: str
    matches: Callable[[Any, Any], bool] = _equal
    values: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Listed:
    """The table behind a list, and the filters that are not simply `column = value`.

    `is_open`: everybody signed in sees all of it. `elsewhere` gives values of filters that look at other tables: what
    they find is held against the rows by tests/api/test_reports.py and test_statistics_figures.py, and here only that
    it lies within what the role sees.
    """

    table: str
    filters: Mapping[str, Filter] = field(default_factory=dict)
    is_open: bool = False
    elsewhere: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def matches(self, row: Row, name: str, value: Any) -> bool:
        chosen = self.filters.get(name, Filter(name))
        return chosen.matches(row[chosen.column], value)

    def values(self, name: str, rows: list[Row]) -> list[Any]:
        """What to filter by: the values of the first and of the last row, found here and elsewhere."""
        chosen = self.filters.get(name, Filter(name))
        stored = [row[chosen.column] for row in (rows[0], rows[-1])]
        flat = [value for item in stored for value in (item if isinstance(item, list) else [item])]
        return list(chosen.values or {value: None for value in flat if value is not None})


def _is_below(stored: Any, value: Any) -> bool:
    return lies_in(stored, value)


def _from_until(column: str, name: str) -> dict[str, Filter]:
    """The filters `<name>_from` and `<name>_until` of a day."""
    return {
        f"{name}_from": Filter(column, lambda stored, value: bool(stored >= value)),
        f"{name}_until": Filter(column, lambda stored, value: bool(stored <= value)),
    }


# Rows are written today: of days far enough away for every calendar.
_AROUND = (datetime.now(UTC).date() - timedelta(days=2), datetime.now(UTC).date() + timedelta(days=2))
_WITHIN = {"within": Filter("region_code", _is_below)}
_DRAFTED = {
    "drafted_from": Filter("created_at", lambda stored, value: bool(stored.date() >= value), _AROUND),
    "drafted_until": Filter("created_at", lambda stored, value: bool(stored.date() <= value), _AROUND),
}
_REPORTED: dict[str, tuple[str, ...]] = {"report": (), "counted_as": ("submitted",)}

LISTS = {
    "list_beneficiaries": Listed(
        "beneficiaries",
        {
            "village_code": Filter("region_code"),
            "ppks_category": Filter("ppks_categories", lambda stored, value: value in stored),
        },
    ),
    # None of them is superseded; of that, tests/api/test_visits.py.
    "list_visits": Listed(
        "visits",
        {
            **_WITHIN,
            **_from_until("visited_on", "visited"),
            "current": Filter("finding", _is_given, ("true", "false")),
            "outcome": Filter("outcome", lambda stored, value: (stored or "none") == value, ("none", "met")),
        },
        elsewhere=_REPORTED,
    ),
    "list_proposals": Listed("proposals", {"village_code": Filter("region_code")}),
    "list_sktm_applications": Listed("sktm_applications", {**_WITHIN, **_DRAFTED}, elsewhere=_REPORTED),
    "list_sktm_numbers": Listed("sktm_numbers"),
    "list_referrals": Listed("referrals", {**_WITHIN, **_DRAFTED}, elsewhere=_REPORTED),
    "list_activities": Listed(
        "activities",
        {
            **_WITHIN,
            **_from_until("occurred_on", "occurred"),
            # None of them was corrected; of that, tests/api/test_activities_frozen.py.
            "counted": Filter("status", _is_handed_in, ("true", "false")),
            "has_result": Filter("result", _is_given, ("true", "false")),
            # Nobody took any of them up; of that, and of reports and partners, tests/api/test_counted_work.py.
            "follow_up": Filter("follow_up", lambda stored, value: bool(stored and value == "pending"), _FOLLOWED),
            "follow_up_due_from": Filter("follow_up", lambda stored, value: _is_due(stored, value, date.max), _DAYS),
            "follow_up_due_until": Filter("follow_up", lambda stored, value: _is_due(stored, date.min, value), _DAYS),
            "partner_type": Filter("id", lambda stored, value: False, ("wpks",)),
            "left_out_of": Filter("id", lambda stored, value: False, (uuid4(),)),
        },
        elsewhere=_REPORTED,
    ),
    "list_users": Listed("users"),
    "list_access_grants": Listed("access_grants"),
    "list_clients": Listed("clients"),
    "list_office_certificates": Listed("office_certificates"),
    "list_privacy_requests": Listed(
        "privacy_requests", {"overdue": Filter("created_at", _is_overdue, ("true", "false"))}
    ),
    "list_ppks_assessments": Listed(
        "ppks_assessments",
        {**_WITHIN, **_from_until("assessed_on", "assessed"), "village_code": Filter("region_code")},
        elsewhere={
            **_REPORTED,
            "sex": ("female", "none"),
            "age_band": ("18-59", "none"),
        },
    ),
    "list_attachments": Listed("attachments"),
    "list_families": Listed(
        "families",
        {
            "village_code": Filter("region_code"),
            # Of nobody there is no family; of whom there is one, tests/api/test_families.py.
            "beneficiary_id": Filter("id", lambda stored, value: False, (uuid4(),)),
        },
    ),
    "list_decile_snapshots": Listed("decile_snapshots", {"village_code": Filter("region_code")}),
    "list_assignments": Listed(
        "assignments",
        {
            "region_code": Filter("region_code", _is_below),
            "active_on": Filter("during", _is_during, (datetime.now(UTC).date(), date(2020, 1, 1))),
        },
    ),
    "list_agencies": Listed("agencies", is_open=True),
    "list_partners": Listed("partners", is_open=True, elsewhere=_REPORTED),
    "list_activity_kinds": Listed("activity_kinds", is_open=True),
    "list_reports": Listed(
        "reports",
        {
            "region_code": Filter("region_code", _is_below),
            "officer_id": Filter("officer_ids", lambda stored, value: value in stored),
        },
    ),
    "list_report_calendars": Listed("report_calendars", is_open=True),
    "list_sktm_policies": Listed("sktm_policies", is_open=True),
}
NOT_MODELLED = {
    "list_notifications": "each user's own (tests/api/test_notifications.py)",
    "list_disagreements": "of families, as far as evidence disagrees (tests/api/test_statistics.py)",
    "list_family_history": "of a family, its members and its cards (tests/api/test_families.py)",
    "list_duplicates": "pairs, whose halves may lie in two places (tests/api/test_duplicates.py)",
    "list_beneficiary_duplicates": "below one person, as far as one sees the other (tests/api/test_duplicates.py)",
    "list_beneficiary_merges": "below one person, of all their records (tests/api/test_merge.py)",
    "list_imports": "each caller's own (tests/api/test_imports.py)",
    "list_import_uploads": "each caller's own (tests/api/test_import_uploads.py)",
    "list_exports": "each caller's own (tests/api/test_exports.py)",
    "list_import_rows": "below one of those",
    "list_import_mappings": "of one's office (tests/api/test_imports.py)",
    "list_worklist": "of many tables, for each role other rows (tests/api/test_worklist.py)",
    "count_worklist": "how many of those (tests/api/test_worklist.py)",
    "list_regions": "public",
    "list_programs": "reference data",
    "list_report_revisions": "below one report, by their numbers (tests/api/test_reports.py)",
    "list_missing_reports": "regions without a report (tests/api/test_reports.py)",
    "list_beneficiary_enrolments": "what one person receives (tests/api/test_enrolments.py)",
    "list_activity_templates": "one's own, and shared with one's region (tests/api/test_activities_from_a_phone.py)",
    "list_unvisited_villages": "villages without a visit (tests/api/test_statistics_figures.py)",
    "list_vacancies_on": "districts that nobody holds on a day (tests/api/test_vacancies.py)",
    "list_beneficiary_timeline": "below one person, from many tables (tests/api/test_timeline.py)",
    "list_vacancies": "districts that nobody holds (tests/api/test_assignments.py)",
    "list_document_names": "below one person (tests/api/test_identity.py)",
    "list_presentations": "below an application, by its filter (tests/api/test_presentations.py)",
    "list_audit": "auditors alone may ask, and see all of it; the policy is probed by test_walls.py",
}
# Lists below one row: what happened to it -> the table of the happenings. Whoever sees the row sees all of them.
BELOW_A_ROW = {
    "list_beneficiary_history": "changes",
    "list_sktm_application_history": "transitions",
    "list_referral_history": "transitions",
    "list_report_history": "transitions",
    "list_activity_history": "transitions",
}


def regions_of(role: str) -> tuple[str, ...]:
    """The regions of the callers in Positions: `()` for an agency, the empty prefix for the nation."""
    if role == Role.AGENCY:
        return ()
    level = "district" if role == MACHINE else ROLE_REGION_LEVEL[Role(role)]
    return (HOME[level] if level else "",)


def sees(at: Positions, role: str, listed: Listed, row: Row) -> bool:
    """Whether a role's list shows the row."""
    if row.get("deleted_at") is not None:
        return False
    if row.get("sensitive") and role not in (Role.TKSK, Role.REGENCY_OFFICE):
        return False
    if listed.is_open:
        return True
    if role == Role.AGENCY:
        return str(row["agency_id"]) == at.own.ids["agencies"] and row["submitted_at"] is not None
    return any(lies_in(row["region_code"], region) for region in regions_of(role))


def lies_in(region_code: str | None, region: str) -> bool:
    return not region or (region_code is not None and f"{region_code}.".startswith(f"{region}."))
