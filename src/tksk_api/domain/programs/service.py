"""Finding the programmes that a body names."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.domain.programs.models import Program
from tksk_api.domain.programs.reads import TABLE
from tksk_api.domain.programs.rules import not_running
from tksk_api.errors import invalid


async def require_running(session: AsyncSession, code: str, day: date, pointer: str) -> Program:
    """The programme, which runs on `day`. Raises invalid_request (unknown_code, program_ended, program_not_started)."""
    program = await session.get(Program, code)
    if program is None:
        raise invalid(pointer, "unknown_code", list="programs")
    refusal = not_running(program.valid_from, program.valid_until, day)
    if refusal is not None:
        raise invalid(pointer, refusal)
    return program


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
