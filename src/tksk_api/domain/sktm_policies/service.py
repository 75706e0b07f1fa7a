"""Reading and setting what a region demands of an SKTM."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Text,
    and_,
    case,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Resource, Sort, Stored
from tksk_api.database.tables import table_of
from tksk_api.domain.dated_settings import (
    Row,
    first_day,
    own_today,
    set_from,
    settings_of,
    settings_to_change,
    version_of,
)
from tksk_api.domain.references.lists import codes
from tksk_api.domain.regions.service import local_today, require_region
from tksk_api.domain.sktm_policies.models import SktmLogo, SktmPolicy
from tksk_api.domain.sktm_policies.rules import DEFAULT, Policy, resolve
from tksk_api.domain.sktm_policies.schemas import (
    DocumentRule,
    EffectivePolicy,
    PlannedChange,
    SktmPolicyPut,
    SktmPolicyRead,
)
from tksk_api.errors import invalid, not_found

_TABLE = table_of(SktmPolicy)
_LOGOS = table_of(SktmLogo)


def _warnings() -> ColumnElement[Any]:
    """What a region should know of its own settings, inherited as they are below."""
    shared = or_(
        _TABLE.c.number_pattern.not_like(literal_column("'%{unit}%'")),
        _TABLE.c.unit_code.not_like(literal_column("'%{region_code}%'")),
    )
    above_villages = func.length(_TABLE.c.region_code) < literal_column("13")
    told = case((and_(above_villages, shared), literal_column("'villages_share_numbers'", Text)))
    later = _TABLE.alias("later")
    follows = exists().where(
        later.c.region_code == _TABLE.c.region_code,
        later.c.effective_from > _TABLE.c.effective_from,
        later.c.effective_from > func.app.local_today(_TABLE.c.region_code),
    )
    planned = case((follows, literal_column("'planned_change_follows'", Text)))
    return func.array_remove(postgresql.array([told, planned]), literal_column("NULL", Text), type_=ARRAY(Text))


SKTM_POLICIES = Resource(
    schema=SktmPolicyRead,
    table=_TABLE,
    columns={"warnings": _warnings()},
    scoped=False,
    sorts={"region_code": Sort(("region_code", "effective_from"), descending=False)},
    filters={"region_code": lambda value: _TABLE.c.region_code == value},
)


async def effective(
    session: AsyncSession, region_code: str, on: date | None = None, *, inherited: bool = True
) -> EffectivePolicy:
    """The values that hold in this region on a day (today by its calendar) and where each comes from.

    Raises invalid_request (unknown_region).
    """
    region = await require_region(session, region_code, "/region_code")
    on = on or local_today(region.timezone)
    levels = (13, 8, 5, 2) if inherited else (len(region_code),)
    above = [region_code[:length] for length in levels if length <= len(region_code)]
    rows = await settings_of(session, _TABLE, above)
    in_force = {row["region_code"]: row for row in rows if row["effective_from"] <= on}
    values, origins = resolve((code, in_force[code]) for code in above if code in in_force)
    if not inherited:
        values = {name: value if origins[name] == region_code else None for name, value in values.items()}
        origins = {name: origin for name, origin in origins.items() if origin == region_code}
    return EffectivePolicy(
        region_code=region_code,
        on=on,
        version=version_of(rows, region_code),
        values=values,
        origins=origins,
        planned=[
            PlannedChange(region_code=row["region_code"], effective_from=row["effective_from"])
            for row in rows
            if row["effective_from"] > on
        ],
    )


async def policy_for(session: AsyncSession, region_code: str) -> Policy:
    """The policy an application submitted now in this village falls under."""
    return Policy(**(await effective(session, region_code)).values)


async def put(session: AsyncSession, region_code: str, version: int | None, body: SktmPolicyPut) -> Stored:
    """Set a region's own settings from a day on; applications already submitted keep theirs.

    Raises invalid_request, precondition_required (it has settings and no version was given), stale_version.
    """
    today = await own_today(session, region_code)
    _check_codes(body)
    day = first_day(body.effective_from, today)
    rows = await settings_to_change(session, _TABLE, region_code, version)
    settings = body.model_dump(mode="json", exclude={"effective_from"})
    for name in ("letterhead", "wording"):
        settings[name] = body.model_dump(include={name}, exclude_none=True).get(name)
    return await _write(session, region_code, day, rows, settings)


async def call_off(session: AsyncSession, region_code: str, version: int, day: date) -> None:
    """Take back what was planned for a day to come: what holds on the day before goes on. Of a region that had nothing
    but this plan a row is left that inherits everything.

    Raises not_found (nothing of the region's own is planned for that day, or the day has come), stale_version.
    """
    today = await own_today(session, region_code)
    rows = await settings_to_change(session, _TABLE, region_code, version)
    if day <= today or day not in {row["effective_from"] for row in rows}:
        raise not_found()
    connection = await session.connection()
    await connection.execute(delete(_TABLE).where(_TABLE.c.region_code == region_code, _TABLE.c.effective_from == day))
    # The version counts on, and never begins anew: whoever has seen the plan does not change what they have not seen.
    left = [row["id"] for row in rows if row["effective_from"] != day]
    if left:
        await connection.execute(update(_TABLE).where(_TABLE.c.id == left[-1]).values(version=version + 1))
    else:
        await set_from(session, _TABLE, region_code, today, rows, values=dict.fromkeys(DEFAULT))


async def put_logo(session: AsyncSession, region_code: str, version: int | None, image: bytes) -> Stored:
    """Print this picture in the region's letterheads from today on, planned changes included.

    Raises not_found, precondition_required, stale_version.
    """
    today = await own_today(session, region_code)
    rows = await settings_to_change(session, _TABLE, region_code, version)
    digest = hashlib.sha256(image).hexdigest()
    kept = postgresql.insert(_LOGOS).values(sha256=digest, image=image).on_conflict_do_nothing()
    await (await session.connection()).execute(kept)
    return await _write_logo(session, region_code, today, rows, digest)


async def remove_logo(session: AsyncSession, region_code: str, version: int) -> None:
    """Inherit the picture again from today on. Raises not_found when the region has none of its own, stale_version."""
    today = await own_today(session, region_code)
    rows = await settings_to_change(session, _TABLE, region_code, version)
    if rows[-1]["logo"] is None:
        raise not_found()
    await _write_logo(session, region_code, today, rows, None)


async def logo(session: AsyncSession, sha256: str) -> bytes:
    """The picture that a policy or a letter names."""
    query = select(_LOGOS.c.image).where(_LOGOS.c.sha256 == sha256)
    return bytes((await (await session.connection()).execute(query)).scalar_one())


async def logo_in_force(session: AsyncSession, region_code: str, on: date | None = None) -> tuple[str, bytes]:
    """The digest and the picture that letters of this region bear on a day (today by its calendar), its own or
    inherited. Raises not_found."""
    digest = (await effective(session, region_code, on)).values["logo"]
    if digest is None:
        raise not_found()
    return digest, await logo(session, digest)


async def _write(
    session: AsyncSession, region_code: str, day: date, rows: Sequence[Row], settings: Mapping[str, Any]
) -> Stored:
    """These settings from `day` on; what they do not name stays as on the day before."""
    before: Row = next((row for row in reversed(rows) if row["effective_from"] <= day), {})
    values = {name: before.get(name) for name in DEFAULT} | dict(settings)
    return await SKTM_POLICIES.stored(session, await set_from(session, _TABLE, region_code, day, rows, values=values))


async def _write_logo(
    session: AsyncSession, region_code: str, today: date, rows: Sequence[Row], digest: str | None
) -> Stored:
    # A planned change was made before the picture, and knows nothing of it.
    later = update(_TABLE).where(_TABLE.c.region_code == region_code, _TABLE.c.effective_from > today)
    await (await session.connection()).execute(later.values(logo=digest))
    return await _write(session, region_code, today, rows, {"logo": digest})


def _check_codes(body: SktmPolicyPut) -> None:
    for purpose, wording in (body.wording or {}).items():
        for which in ("finding", "use"):
            if getattr(wording, f"{which}_en") and not getattr(wording, f"{which}_id"):
                raise invalid(f"/wording/{purpose}/{which}_id", "missing")
    for purpose, entries in (body.documents or {}).items():
        for index, entry in enumerate(entries):
            rule = entry if isinstance(entry, DocumentRule) else DocumentRule(kind=entry)
            pointer = f"/documents/{purpose}/{index}"
            if rule.kind not in codes("document_kinds"):
                raise invalid(pointer, "unknown_code", list="document_kinds")
            if unknown := {*rule.when, *rule.unless} - codes("document_conditions"):
                name = "when" if unknown & set(rule.when) else "unless"
                raise invalid(f"{pointer}/{name}", "unknown_code", list="document_conditions")
