"""Many of a kind in one request, each by itself."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.domain.records import Read
from tksk_api.errors import PROBLEMS, DomainError, Language, field_detail, invalid


class Refusal(Read):
    """Why one was refused: the problem's code, and what is wrong where."""

    code: str
    title: str
    detail: str
    errors: list[dict[str, str]]


async def one_by_one(
    session: AsyncSession,
    keys: Sequence[UUID],
    act: Callable[[UUID], Awaitable[Stored]],
    language: Language,
) -> list[Stored | Refusal]:
    """What `act` makes of each key: one that is refused changes nothing and holds up none of the others.

    Raises invalid_request (duplicate_entry) at /ids.
    """
    refuse_twice(keys)
    return [await _one(session, key, act, language) for key in keys]


def refuse_twice(keys: Sequence[UUID]) -> None:
    """Raises invalid_request (duplicate_entry) at /ids."""
    if len(set(keys)) != len(keys):
        raise invalid("/ids", "duplicate_entry")


async def _one(
    session: AsyncSession, key: UUID, act: Callable[[UUID], Awaitable[Stored]], language: Language
) -> Stored | Refusal:
    savepoint = await session.begin_nested()
    try:
        stored = await act(key)
    except DomainError as error:
        await savepoint.rollback()
        session.expunge_all()
        return told(error, language)
    await savepoint.commit()
    return stored


def told(error: DomainError, language: Language) -> Refusal:
    """A refusal as it stands beside the others."""
    text = PROBLEMS[error.code]
    return Refusal(
        code=error.code,
        title=text.title(language),
        detail=text.detail(language, error.facts),
        errors=[
            {"pointer": wrong.pointer, "code": wrong.code, "detail": field_detail(wrong.code, language, wrong.facts)}
            for wrong in error.errors
        ],
    )
