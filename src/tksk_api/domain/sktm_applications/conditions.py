"""What an application needs under its policy, and the facts that decide it."""

from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.tables import table_of
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.rules import age_on
from tksk_api.domain.decile_snapshots.models import DecileSnapshot
from tksk_api.domain.families.models import FamilyMember
from tksk_api.domain.history.access import record_access
from tksk_api.domain.records import load
from tksk_api.domain.regions.service import local_today, require_region
from tksk_api.domain.sktm_applications.models import SktmApplication
from tksk_api.domain.sktm_applications.schemas import Requirements
from tksk_api.domain.sktm_policies.rules import Policy
from tksk_api.domain.sktm_policies.service import policy_for

_IDENTITY_CARD_AGE = 17  # UU 24/2013 Pasal 63 ayat (1)


async def conditions_of(session: AsyncSession, row: SktmApplication) -> frozenset[str]:
    """Codes of the list document_conditions that hold: those the applicant stated, and those the register knows."""
    applicant = select(Beneficiary).where(Beneficiary.id == row.beneficiary_id)  # type: ignore[arg-type]
    person = (await session.execute(applicant)).scalars().first()
    if person is None:  # moved out of the caller's area
        return frozenset(row.circumstances)
    province = await require_region(session, (row.region_code or "")[:2], "/region_code")
    held = {
        "no_nik": person.nik_index is None,
        "no_family_card": person.family_card_index is None,
        "under_17": age_on(person.birth_date, local_today(province.timezone)) < _IDENTITY_CARD_AGE,
        "no_decile": not await _has_decile(session, row.beneficiary_id),
    }
    return frozenset(row.circumstances) | {code for code, holds in held.items() if holds}


async def requirements_of(session: AsyncSession, key: UUID) -> Requirements:
    """What the application needs: under today's policy until it is submitted, then under the one of that day.

    Raises not_found.
    """
    row = await load(session, SktmApplication, key)
    await record_access(session, [row.beneficiary_id, *row.dependants], purpose="letter_processing")
    policy = Policy(**row.policy) if row.policy else await policy_for(session, row.region_code or "")
    conditions = await conditions_of(session, row)
    brought = {entry["kind"]: entry for entry in row.documents}
    return Requirements(
        documents=[
            {"kind": item.kind, "stamped": item.stamped, "status": _status(brought.get(item.kind))}
            for item in policy.requirements(row.purpose, conditions)
        ],
        conditions=sorted(conditions),
        visit_required=policy.needs_visit(row.purpose),
        signatories=policy.signatories,
        signature=policy.signature,
        validity_months=policy.validity_months,
    )


def _status(entry: dict[str, object] | None) -> object:
    return "absent" if entry is None else entry.get("status") or "brought"


async def _has_decile(session: AsyncSession, person: UUID) -> bool:
    members, snapshots = table_of(FamilyMember).c, table_of(DecileSnapshot).c
    known = select(
        exists().where(
            members.beneficiary_id == person,
            members.left_on.is_(None),
            snapshots.family_id == members.family_id,
            snapshots.decile.is_not(None),
        )
    )
    return bool((await (await session.connection()).execute(known)).scalar())
