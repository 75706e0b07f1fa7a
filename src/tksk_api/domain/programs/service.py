"""Finding the programmes that a body names, and what they ask for; writing down what they will ask for."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Date, bindparam, cast, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.scope import NATION
from tksk_api.database.session import principal_of, scope_of
from tksk_api.domain.programs.models import Program, ProgramVersion
from tksk_api.domain.programs.reads import PROGRAMS, TABLE, VERSIONS, version_of
from tksk_api.domain.programs.rules import may_write, not_running, span_refusal, unknown_codes
from tksk_api.domain.programs.schemas import (
    ProgramDetail,
    ProgramVersionPut,
    ProgramVersionRead,
    ProgramVersionSummary,
)
from tksk_api.domain.references.lists import codes
from tksk_api.domain.regions.service import require_region, today_in
from tksk_api.errors import DomainError, FieldError, invalid, not_found
from tksk_api.security.permissions import Permission

_JAKARTA = "31"  # whose calendar the nation's rules follow
_AT = select(version_of(bindparam("code"), bindparam("region"), cast(bindparam("on"), Date)))


async def version_on(session: AsyncSession, code: str, region_code: str | None, day: date) -> ProgramVersion | None:
    """The version that holds at a place on a day; None when none does."""
    found = await (await session.connection()).execute(_AT, {"code": code, "region": region_code, "on": day})
    row = found.mappings().first()
    return None if row is None else ProgramVersion(**row)


async def numbered(session: AsyncSession, code: str, number: int | None) -> ProgramVersion | None:
    """A version by its number, whether it still holds or not."""
    return None if number is None else await session.get(ProgramVersion, (code, number))


async def require_running(
    session: AsyncSession, code: str, region_code: str | None, day: date, pointer: str
) -> ProgramVersion:
    """The version of the programme that holds there and then.

    Raises invalid_request (unknown_code, program_ended, program_not_started).
    """
    version = await version_on(session, code, region_code, day)
    if version is None:
        why = await why_not_running(session, code, day)
        if why is None:
            raise invalid(pointer, "unknown_code", list="programs")
        raise invalid(pointer, why[0])
    return version


async def why_not_running(session: AsyncSession, code: str, day: date) -> tuple[str, str] | None:
    """Why no version holds on a day, program_ended or program_not_started, and where it is written: the source of the
    version that ended last, or that is the first to come. None when there is no such programme."""
    begins, source = VERSIONS.c.effective_from, VERSIONS.c.source
    versions = select(begins, source).where(VERSIONS.c.program_code == code).order_by(begins.asc().nulls_first())
    found = (await (await session.connection()).execute(versions)).all()
    if not found:
        return None
    begun = [row for row in found if row.effective_from is None or row.effective_from <= day]
    return not_running(found[0].effective_from, day), (begun[-1] if begun else found[0]).source


async def require_known(session: AsyncSession, codes: Sequence[str], pointer: str) -> None:
    """Every code is a programme's, also an ended one's, and stands once.

    Raises invalid_request (unknown_code, duplicate_entry).
    """
    if not codes:
        return
    known = set((await session.execute(select(TABLE.c.code).where(TABLE.c.code.in_(codes)))).scalars())
    for index, code in enumerate(codes):
        if code not in known:
            raise invalid(f"{pointer}/{index}", "unknown_code", list="programs")
    if len(set(codes)) != len(codes):
        raise invalid(pointer, "duplicate_entry")


async def detail(session: AsyncSession, code: str, region_code: str | None, on: date | None) -> ProgramDetail:
    """A programme as it stands at a place on a day, with the list of its versions. Raises not_found."""
    stored = await PROGRAMS.stored(session, code)
    day = on or await today_in(session, region_code or _JAKARTA)
    current = await version_on(session, code, region_code, day)
    rows = select(VERSIONS).where(VERSIONS.c.program_code == code).order_by(VERSIONS.c.number)
    versions = (await (await session.connection()).execute(rows)).mappings()
    return ProgramDetail.model_validate_json(
        b'{"on":"%s","current":null,"versions":[],%s' % (day.isoformat().encode(), stored.body[1:])
    ).model_copy(
        update={
            "current": None if current is None else _shown(ProgramVersionRead, current.model_dump()),
            "versions": [_shown(ProgramVersionSummary, row) for row in versions],
        }
    )


async def add_version(session: AsyncSession, code: str, version: int, body: ProgramVersionPut) -> ProgramDetail:
    """What the programme asks for from a day on. Versions before it stay as they are, and with them the past.

    Raises not_found, permission_denied (another's programme), stale_version, invalid_request (unknown_region,
    region_level, outside_scope, in_past, before_start, unknown_code).
    """
    program = await session.get(Program, code)
    if program is None:
        raise not_found()
    scope = scope_of(session)
    if not may_write(is_local=program.is_local, is_national=scope.is_national, region_code=body.region_code):
        raise DomainError("permission_denied", permission=f"{Permission.PROGRAM_WRITE} ({body.region_code or NATION})")
    await _check_place(session, body.region_code)
    today = await today_in(session, body.region_code or _JAKARTA)
    refused = span_refusal(body.effective_from, body.effective_until, today)
    if refused is not None:
        raise invalid(*refused)
    stored = body.stored_rules()
    _check_codes(body, stored)
    # The guard also makes writers of one programme wait for each other: two versions never get one number.
    raised = update(TABLE).where(TABLE.c.code == code, TABLE.c.version == version).values(version=TABLE.c.version + 1)
    connection = await session.connection()
    number = (await connection.execute(raised.returning(TABLE.c.version))).scalar()
    if number is None:
        raise DomainError("stale_version", current_version=program.version)
    await connection.execute(
        insert(VERSIONS),
        {
            **body.model_dump(exclude=set(stored)),
            **stored,
            "program_code": code,
            "number": number,
            "created_by": principal_of(session).user_id,
        },
    )
    return await detail(session, code, body.region_code, body.effective_from)


async def _check_place(session: AsyncSession, region_code: str | None) -> None:
    if not scope_of(session).contains(region_code):
        raise invalid("/region_code", "outside_scope")
    if region_code is not None:
        region = await require_region(session, region_code, "/region_code")
        if region.level not in ("province", "regency"):
            raise invalid("/region_code", "region_level", level="regency")


def _check_codes(body: ProgramVersionPut, stored: dict[str, list[dict[str, Any]]]) -> None:
    errors = unknown_codes(stored["rules"], "/rules")
    for index, document in enumerate(stored["documents"]):
        errors += _unknown(document["kinds"], f"/documents/{index}/kinds", "document_kinds")
        for member in ("when", "unless"):
            if member in document:
                at = f"/documents/{index}/{member}"
                found = unknown_codes([document[member]], "")
                errors += [
                    FieldError(at + error.pointer.removeprefix("/0"), error.code, error.facts) for error in found
                ]
    errors += _unknown(body.agency_kinds, "/agency_kinds", "agency_kinds")
    if errors:
        raise DomainError("invalid_request", errors=errors)


def _unknown(chosen: Sequence[str], pointer: str, code_list: str) -> list[FieldError]:
    return [
        FieldError(f"{pointer}/{index}", "unknown_code", {"list": code_list})
        for index, code in enumerate(chosen)
        if code not in codes(code_list)
    ]


def _shown(schema: Any, row: Any) -> Any:
    return schema.model_validate({name: row[name] for name in schema.model_fields})
