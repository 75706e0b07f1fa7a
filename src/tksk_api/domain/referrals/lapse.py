"""What ends by itself: a place on a waiting list that was not renewed, an approval that was not activated in time."""

from typing import Any

from sqlalchemy import and_, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from tksk_api.database.session import enter_system
from tksk_api.database.tables import new_id, table_of
from tksk_api.domain.history.models import Transition
from tksk_api.domain.referrals.models import Referral
from tksk_api.domain.referrals.workflow import LAPSE

_T = table_of(Referral).c
_AT_ONCE = 200
# State -> the day that has passed, and why it ended (list referral_reason_codes).
_REASONS = {"waitlisted": ("expires_on", "waiting_list_expired"), "approved": ("activate_by", "account_not_activated")}


async def lapse(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Cancel whatever has passed its last day by the calendar of the person's place; returns how many.

    A step of the system: the history says so. Several servers may do it at once.
    """
    lapsed = 0
    while True:
        async with enter_system(sessions, "lapse_referrals") as session:
            found = await _lapse_some(session)
        lapsed += found
        if found < _AT_ONCE:
            return lapsed


async def _lapse_some(session: AsyncSession) -> int:
    due = or_(
        *(
            and_(_T.status == state, _T[column] < func.app.local_today(_T.region_code))
            for state, (column, _) in _REASONS.items()
        )
    )
    connection = await session.connection()
    chosen = select(_T.id, _T.status, _T.expires_on, _T.activate_by).where(due)
    rows = (await connection.execute(chosen.limit(_AT_ONCE).with_for_update(skip_locked=True))).mappings().all()
    for row in rows:
        await connection.execute(
            update(table_of(Referral))
            .where(_T.id == row["id"])
            .values(status="cancelled", reason_code=_REASONS[row["status"]][1], version=_T.version + 1)
        )
    if rows:
        await connection.execute(insert(table_of(Transition)).inline(), [_step(row) for row in rows])
    return len(rows)


def _step(row: Any) -> dict[str, Any]:
    column, reason = _REASONS[row["status"]]
    return {
        "id": new_id(),
        "entity": "referrals",
        "entity_id": row["id"],
        "action": LAPSE,
        "from_state": row["status"],
        "to_state": "cancelled",
        "actor_role": "system",
        "reason_code": reason,
        "details": {column: row[column].isoformat()},
    }
