"""Every number of a report with the list that shows its rows.

The lists take `report`, the id of a report or of one of its revisions, which stands for its districts, its period and,
of activities, the very rows; domain/reported.py says what each of them then shows.
"""

from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from tksk_api.domain.reports.content import SENSITIVE, BySex, Number


@dataclass(frozen=True)
class Numbers:
    """Numbers of one report or revision."""

    of: UUID

    def activities(self, count: int, **filters: str) -> Number:
        """Activities, by pillar, function, kind, type of partner, obstacle or follow-up."""
        return self._number(count, "activities", **filters)

    def by_sex(self, category: str, event: str, male: int, female: int, groups: int) -> BySex:
        """Assessments of one category that something happened to: new, served, referred or closed."""
        which = {"sensitive": "true"} if category == SENSITIVE else {"category": category, "sensitive": "false"}

        def number(count: int, sex: str) -> Number:
            return self._number(count, "ppks-assessments", event=event, **which, sex=sex)

        return BySex(male=number(male, "male"), female=number(female, "female"), groups=number(groups, "none"))

    def sktm(self, count: int, purpose: str, state: str) -> Number:
        """Applications for a purpose that reached a state."""
        return self._number(count, "sktm-applications", purpose=purpose, reached=state)

    def referrals(self, count: int, program: str, state: str) -> Number:
        """Referrals to a programme that reached a state."""
        return self._number(count, "referrals", program=program, reached=state)

    def visits(self, count: int, outcome: str) -> Number:
        """Completed visits with an outcome."""
        return self._number(count, "visits", outcome=outcome)

    def partners(self, count: int, psks_type: str) -> Number:
        """Partners of a type that took part."""
        return self._number(count, "partners", type=psks_type)

    def _number(self, count: int, collection: str, **filters: str) -> Number:
        return Number(count=count, filter=f"/v1/{collection}?{urlencode({'report': str(self.of), **filters})}")
