"""Reading and setting what a region demands of an SKTM."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Resource, Sort, Stored
from tksk_api.database.session import principal_of, scope_of
from tksk_api.database.tables import new_id, table_of
from tksk_api.domain.records import save
from tksk_api.domain.references.lists import codes
from tksk_api.domain.regions.service import require_region
from tksk_api.domain.sktm_policies.models import SktmPolicy
from tksk_api.domain.sktm_policies.rules import Policy, resolve
from tksk_api.domain.sktm_policies.schemas import EffectivePolicy, SktmPolicyPut, SktmPolicyRead
from tksk_api.errors import DomainError, invalid

_TABLE = table_of(SktmPolicy)

SKTM_POLICIES = Resource(
    schema=SktmPolicyRead,
    table=_TABLE,
    scoped=False,
    sorts={"region_code": Sort(("region_code",), descending=False)},
    filters={"region_code": lambda value: _TABLE.c.region_code == value},
)


async def effective(session: AsyncSession, region_code: str) -> EffectivePolicy:
    """The values that hold in this region and where each comes from. Raises invalid_request (unknown_region)."""
    await require_region(session, region_code, "/region_code")
    codes_above = [region_code[:length] for length in (13, 8, 5, 2) if length <= len(region_code)]
    query = select(_TABLE).where(_TABLE.c.region_code.in_(codes_above))
    rows = {row.region_code: dict(row._mapping) for row in await (await session.connection()).execute(query)}
    values, origins = resolve((code, rows[code]) for code in codes_above if code in rows)
    own = rows.get(region_code)
    version = own["version"] if own else None
    return EffectivePolicy(region_code=region_code, version=version, values=values, origins=origins)


async def policy_for(session: AsyncSession, region_code: str) -> Policy:
    """The policy an application submitted now in this village falls under."""
    return Policy(**(await effective(session, region_code)).values)


async def put(session: AsyncSession, region_code: str, version: int | None, body: SktmPolicyPut) -> Stored:
    """Replace a region's own settings; applications already submitted keep theirs.

    Raises invalid_request, precondition_required (it exists and no version was given), stale_version.
    """
    if not scope_of(session).contains(region_code):
        raise DomainError("not_found")
    await require_region(session, region_code, "/region_code")
    for purpose, kinds in (body.documents or {}).items():
        for index, kind in enumerate(kinds):
            if kind not in codes("document_kinds"):
                raise invalid(f"/documents/{purpose}/{index}", "unknown_code", list="document_kinds")
    found = select(SktmPolicy).where(SktmPolicy.region_code == region_code)  # type: ignore[arg-type]
    row = (await session.execute(found)).scalars().first()
    if row is None:
        if version is not None:
            raise DomainError("stale_version", current_version=None)
        row = SktmPolicy(id=new_id(), region_code=region_code, created_by=principal_of(session).user_id)
        session.add(row)
    elif version is None:
        raise DomainError("precondition_required")
    elif row.version != version:
        raise DomainError("stale_version", current_version=row.version)
    for name in SktmPolicyPut.model_fields:
        setattr(row, name, getattr(body, name))
    return await save(session, SKTM_POLICIES, row)
