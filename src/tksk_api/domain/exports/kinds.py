"""What may be exported: each kind is a list of the API, with its projection, scope, masking and filters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tksk_api.database.reads import Resource
from tksk_api.domain.activities.reads import ACTIVITIES
from tksk_api.domain.beneficiaries.as_of import VILLAGE_AS_OF
from tksk_api.domain.beneficiaries.reads import BENEFICIARIES
from tksk_api.domain.decile_snapshots.reads import DECILE_SNAPSHOTS
from tksk_api.domain.exports.columns import PLAIN, Shape
from tksk_api.domain.exports.numbers import Numbers, of_families, of_people
from tksk_api.domain.exports.pseudonyms import (
    Kept,
    as_it_is,
    how_many,
    ordinary,
    the_district,
    the_id,
    the_ids,
    the_month,
    the_year,
)
from tksk_api.domain.families.reads import FAMILIES
from tksk_api.domain.partners.reads import PARTNERS
from tksk_api.domain.ppks_assessments.reads import PPKS_ASSESSMENTS
from tksk_api.domain.referrals.reads import REFERRALS
from tksk_api.domain.regions.service import REGIONS
from tksk_api.domain.sktm_applications.reads import SKTM_APPLICATIONS
from tksk_api.domain.sktm_numbers.reads import SKTM_NUMBERS
from tksk_api.domain.users.service import USERS
from tksk_api.domain.visit_forms.forms import every_field
from tksk_api.domain.visits.reads import VISITS
from tksk_api.security.permissions import Permission

_P = Permission


@dataclass(frozen=True)
class Kind:
    """A list that may leave as a file. `permission` is that of the list; None: everybody may read it.

    `pseudonymous` are the fields that a file for a recipient keeps, () where the kind has none. `numbers` where its
    rows are about people whose numbers may be given in full. `past` is the list that answers the filter `as_of`.
    `shape` is how its rows stand in a table, so that an import of the kind finds in it what the list said.
    """

    resource: Resource
    permission: Permission | None
    pseudonymous: tuple[Kept, ...] = ()
    numbers: Numbers | None = None
    past: Resource | None = None
    shape: Shape = PLAIN

    def list_of(self, filters: Mapping[str, Any]) -> Resource:
        """The list that these filters ask."""
        return self.past if self.past is not None and "as_of" in filters else self.resource


def _undetermined(decile: int | None) -> int | str:
    return "undetermined" if decile is None else decile


def _nothing_owned(codes: list[str] | None) -> list[str] | str | None:
    """Nothing is an answer to such a question; an empty cell is none."""
    return "none" if codes == [] else codes


KINDS: Mapping[str, Kind] = {
    "beneficiaries": Kind(
        BENEFICIARIES,
        _P.BENEFICIARY_READ,
        (
            the_id(),
            the_year("birth_year", "birth_date"),
            as_it_is("sex"),
            the_district(),
            as_it_is("nik_status"),
            as_it_is("relationship"),
            ordinary("ppks_categories"),
            the_month("registered_in", "created_at"),
        ),
        numbers=of_people,
        past=VILLAGE_AS_OF,
    ),
    "families": Kind(
        FAMILIES,
        _P.FAMILY_READ,
        (the_id(), the_district(), as_it_is("status"), how_many("members", "members"), the_ids("beneficiary_ids")),
        numbers=of_families,
        shape=Shape(each="members", called={"id": "family_id"}),
    ),
    "decile_snapshots": Kind(
        DECILE_SNAPSHOTS,
        _P.FAMILY_READ,
        (
            the_id(),
            the_id("family_id"),
            the_district(),
            as_it_is("decile", "whole"),
            as_it_is("source"),
            as_it_is("dated_on", "day"),
            the_ids("beneficiary_ids"),
        ),
        shape=Shape(spelt={"decile": _undetermined}),
    ),
    "ppks_assessments": Kind(PPKS_ASSESSMENTS, _P.PPKS_READ),
    "visits": Kind(
        VISITS,
        _P.VISIT_READ,
        (
            the_id(),
            the_id("beneficiary_id"),
            the_district(),
            as_it_is("status"),
            the_month("visited_in", "visited_on"),
            as_it_is("outcome"),
            as_it_is("finding"),
            as_it_is("reasons", "texts"),
        ),
        shape=Shape(
            spelt={
                f"evidence_{entry.name}": _nothing_owned for entry in every_field().values() if entry.type == "codes"
            }
        ),
    ),
    "activities": Kind(
        ACTIVITIES,
        _P.ACTIVITY_READ,
        (
            the_id(),
            the_id("officer_id"),
            the_district(),
            as_it_is("status"),
            the_month("occurred_in", "occurred_on"),
            as_it_is("pillar"),
            as_it_is("function"),
            as_it_is("roles", "texts"),
            as_it_is("kind"),
            the_ids("beneficiary_ids"),
        ),
    ),
    "sktm_applications": Kind(
        SKTM_APPLICATIONS,
        _P.SKTM_READ,
        (
            the_id(),
            the_id("beneficiary_id"),
            the_district(),
            as_it_is("purpose"),
            as_it_is("status"),
            as_it_is("circumstances", "texts"),
            the_ids("dependants"),
            the_month("drafted_in", "created_at"),
        ),
    ),
    "sktm_numbers": Kind(SKTM_NUMBERS, _P.SKTM_READ),
    "referrals": Kind(
        REFERRALS,
        _P.REFERRAL_READ,
        (
            the_id(),
            the_id("beneficiary_id"),
            the_district(),
            as_it_is("program"),
            as_it_is("agency_id"),
            as_it_is("status"),
            as_it_is("reason_code"),
            the_month("submitted_in", "submitted_at"),
            the_month("decided_in", "decided_on"),
        ),
    ),
    "partners": Kind(PARTNERS, _P.PARTNER_READ),
    "users": Kind(USERS, _P.USER_READ),
    "regions": Kind(REGIONS, None),
}
