"""Every number of a report with the list that shows its rows.

The lists take `report`, the id of a report or of one of its revisions, which stands for the very rows. What a held
activity says of itself stays, so one asks for some of them by their own filters; for whatever may change, by the key
that rows were counted under (`counted_as`). domain/reported.py says what each of them then shows.
"""

from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from tksk_api.domain.reports.content import BySex, FollowUpState, Number


def key(*parts: str) -> str:
    """What rows are counted under."""
    return ".".join(parts)


def follow_up_key(state: FollowUpState) -> str:
    """Activities with a follow-up: done by later work, or not yet, by the day it was due."""
    return key("follow_up", state)


def partner_key(psks_type: str) -> str:
    """Activities in which partners of a type took part."""
    return key("partner", psks_type)


@dataclass(frozen=True)
class Numbers:
    """Numbers of one report or revision."""

    of: UUID

    def activities(self, count: int, **filters: str) -> Number:
        """Activities, by pillar, function and kind."""
        return self._number(count, "activities", **filters)

    def follow_up(self, count: int, state: FollowUpState) -> Number:
        """Activities by what became of their follow-up."""
        return self._number(count, "activities", counted_as=follow_up_key(state))

    def with_partner(self, count: int, psks_type: str) -> Number:
        """Activities with partners of a type."""
        return self._number(count, "activities", counted_as=partner_key(psks_type))

    def by_sex(self, category: str, event: str, male: int, female: int, groups: int) -> BySex:
        """Assessments of one category that something happened to: new, served, referred or closed."""

        def number(count: int, sex: str) -> Number:
            return self._number(count, "ppks-assessments", counted_as=key(category, event, sex))

        return BySex(male=number(male, "male"), female=number(female, "female"), groups=number(groups, "none"))

    def sktm(self, count: int, purpose: str, state: str) -> Number:
        """Applications for a purpose that reached a state."""
        return self._number(count, "sktm-applications", counted_as=key(purpose, state))

    def referrals(self, count: int, program: str, state: str) -> Number:
        """Referrals to a programme that reached a state."""
        return self._number(count, "referrals", counted_as=key(program, state))

    def visits(self, count: int, outcome: str) -> Number:
        """Completed visits with an outcome."""
        return self._number(count, "visits", counted_as=outcome)

    def partners(self, count: int, psks_type: str) -> Number:
        """Partners of a type that took part."""
        return self._number(count, "partners", counted_as=psks_type)

    def _number(self, count: int, collection: str, **filters: str) -> Number:
        return Number(count=count, filter=f"/v1/{collection}?{urlencode({'report': str(self.of), **filters})}")
