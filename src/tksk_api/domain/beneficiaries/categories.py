"""PPKS categories of a person: which are sensitive, who may know of them, and the two places where they are kept.

Ordinary codes stand in the column `ppks_categories`, and the database keeps an active assessment for each. Sensitive
ones are assessments alone, behind a row policy of their own (migration 0014): a projection shows them to whoever the
policy lets see them.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    FromClause,
    Text,
    Uuid,
    cast,
    column,
    func,
    literal_column,
    or_,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.session import principal_of
from tksk_api.domain.references.lists import LISTS
from tksk_api.errors import DomainError, FieldError
from tksk_api.security.permissions import Permission, roles_with

SENSITIVE = frozenset(item.code for item in LISTS["ppks_categories"].items if item.attributes["sensitive"])
DISCLOSED = "ppks_sensitive"  # what an access row names that showed one
# Above this package: assessments know people, people do not know them.
_ASSESSMENTS = table(
    "ppks_assessments",
    column("beneficiary_id", Uuid),
    column("category", Text),
    column("sensitive", Boolean),
    column("status", Text),
)
_CODES = literal_column("'{" + ",".join(sorted(SENSITIVE)) + "}'::text[]", ARRAY(Text))
_NONE = literal_column("'{}'::text[]", ARRAY(Text))


def sees_sensitive(session: AsyncSession) -> bool:
    """Whether the caller's role needs the sensitive categories: as `app.sees_sensitive()`, for an answer in words."""
    return principal_of(session).role in roles_with(Permission.PPKS_SENSITIVE)


def refuse_sensitive(session: AsyncSession, categories: Sequence[str], pointer: str) -> None:
    """Raises invalid_request (sensitive_category) at `pointer`/index of each that the caller may not record."""
    if sees_sensitive(session):
        return
    errors = [
        FieldError(f"{pointer}/{index}", "sensitive_category")
        for index, code in enumerate(categories)
        if code in SENSITIVE
    ]
    if errors:
        raise DomainError("invalid_request", errors=errors)


def ordinary(categories: Sequence[str]) -> list[str]:
    """Those that may stand in the column."""
    return [code for code in categories if code not in SENSITIVE]


async def set_sensitive(session: AsyncSession, person: UUID, region: str | None, categories: Sequence[str]) -> None:
    """The person has these sensitive categories and no others; of the ordinary ones among them nothing is done.

    Only for a caller who sees all there are, or what they cannot see would be closed.
    """
    codes = [code for code in categories if code in SENSITIVE]
    await (await session.connection()).execute(select(func.app.set_categories(person, region, codes, True)))


def shown_categories(people: Any) -> ColumnElement[Any]:
    """The ordinary codes of a row of `beneficiaries` and the sensitive ones that the caller may see."""
    hidden = _ASSESSMENTS.alias("s")
    codes = select(func.array_agg(aggregate_order_by(hidden.c.category, hidden.c.category))).where(
        hidden.c.beneficiary_id == people.c.id, hidden.c.sensitive, hidden.c.status == literal_column("'active'")
    )
    sensitive = func.coalesce(codes.correlate(people).scalar_subquery(), _NONE)
    return people.c.ppks_categories.op("||", return_type=ARRAY(Text))(sensitive)  # type: ignore[no-any-return]


def has_category(people: Any, code: Any) -> ColumnElement[bool]:
    """The criterion of a list's filter; of a sensitive code nobody is found by whoever may not see it."""
    hidden = _ASSESSMENTS.alias("s")
    found = select(hidden.c.beneficiary_id).where(
        hidden.c.category == cast(code, Text), hidden.c.sensitive, hidden.c.status == literal_column("'active'")
    )
    return or_(people.c.ppks_categories.contains(func.array_append(_NONE, code)), people.c.id.in_(found))


def shows_sensitive(row: FromClause) -> ColumnElement[bool]:
    """Whether a row of an answer names a sensitive category."""
    return row.c.ppks_categories.op("&&", is_comparison=True)(_CODES)
