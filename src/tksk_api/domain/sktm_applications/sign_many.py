"""Signing many applications by a job, which can do nothing that its signer could not do one by one.

Signing is a personal act (DOMAIN §3.2 and §7.2: whoever signs answers for it). A batch is one all the same when the
signer has seen what they sign and says so: the request names each application with the version that was looked at, and
`confirmed`, under a fresh proof of identity. There is no filter here, because nobody has seen what a filter finds
later. Whatever changed since is refused by its version and waits for another look.

The job holds no right of its own. Each letter is one transaction in the signer's name, in the session that asked: their
account, role, area, one-time code and session are looked up anew, then the same `sign` as one by one decides on turn,
separation of duties, version and facts. Ending the session or the account ends the job before the next letter.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.admission import Principal
from tksk_api.database.reads import Stored
from tksk_api.database.session import acting_for, principal_of
from tksk_api.database.tables import table_of
from tksk_api.domain.history.access import leave_refusal, outcome_of
from tksk_api.domain.jobs.in_name import admission_of, asked_by
from tksk_api.domain.jobs.models import Job
from tksk_api.domain.jobs.service import enqueue
from tksk_api.domain.jobs.worker import MAX_ATTEMPTS, Progress
from tksk_api.domain.sktm_applications.schemas import SignedMany, SignedRead, SignMany
from tksk_api.domain.sktm_letters.models import SktmLetter
from tksk_api.errors import DomainError, invalid
from tksk_api.security.permissions import Permission
from tksk_api.telemetry import log

KIND = "sign_sktm_applications"
PROOF_SECONDS = 4 * 3600  # how long a job may go on signing after the signer's proof of identity
# One signature: application, version; the names, keys and printer of this house are in it.
Sign = Callable[[AsyncSession, UUID, int], Awaitable[Stored]]


async def start(session: AsyncSession, body: SignMany) -> Stored:
    """A job that signs for the caller. Raises invalid_request (duplicate_entry)."""
    rows = [[str(item.id), item.version] for item in body.items]
    if len({key for key, _ in rows}) != len(rows):
        raise invalid("/items", "duplicate_entry")
    region = principal_of(session).region_code or ""
    return await enqueue(session, KIND, region, {**asked_by(session), "rows": rows})


async def step(session: AsyncSession, job: Job, *, sign: Sign, otp_required: bool) -> Progress:
    """The next application: signed or refused together with the note of it, so that none is tried twice.

    The job fails, with what was done as its result, when the signer may not sign any more.
    """
    rows, done, attempts = job.parameters["rows"], job.done, job.attempts
    refused: dict[str, str] = dict(job.checkpoint.get("refused", {}))
    key, version = UUID(rows[done][0]), rows[done][1]
    # As of a signer who comes by themselves; only their proof may be as old as the job.
    admission = admission_of(job, Permission.SKTM_SIGN, KIND, otp_required=otp_required, step_up_seconds=PROOF_SECONDS)
    signer: Principal | None = None
    try:
        async with acting_for(session, admission):
            signer = principal_of(session)
            await sign(session, key, version)
    except DomainError as refusal:
        if signer is None:
            return Progress({}, done, len(rows), await _result(session, rows[:done], refused), refusal.code)
        if (outcome := outcome_of(refusal.code)) is not None:
            await leave_refusal(session, signer, admission, outcome=outcome, action="write", asked=key)
        refused[str(key)] = refusal.code
    except Exception as error:
        # Undone and tried again, as any step; what fails again and again must not keep the others waiting.
        if signer is None or attempts + 1 < MAX_ATTEMPTS:
            raise
        log.error("signing_failed", application=str(key), kind=type(error).__name__)
        refused[str(key)] = "internal_error"
    done += 1
    result = await _result(session, rows, refused) if done == len(rows) else None
    return Progress({"refused": refused}, done, len(rows), result)


async def _result(session: AsyncSession, tried: list[list[Any]], refused: Mapping[str, str]) -> dict[str, Any]:
    letters = table_of(SktmLetter).c
    signed = [UUID(key) for key, _ in tried if key not in refused]
    found = select(letters.application_id, letters.number).where(letters.application_id.in_(signed))
    numbers = {str(key): number for key, number in await (await session.connection()).execute(found)}

    def item(key: str) -> SignedRead:
        if key in refused:
            return SignedRead(id=UUID(key), status="refused", number=None, code=refused[key])
        number = numbers.get(key)
        return SignedRead(id=UUID(key), status="issued" if number else "signing", number=number, code=None)

    items = [item(key) for key, _ in tried]
    told = SignedMany(kind=KIND, signed=len(signed), refused=len(refused), items=items)
    return told.model_dump(mode="json")
