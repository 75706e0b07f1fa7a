"""Work that takes longer than a request: what an answer 202 leads to."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.jobs import service
from tksk_api.domain.jobs.reads import JOBS
from tksk_api.domain.jobs.schemas import JobRead
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import ReaderDep, SessionDep
from tksk_api.http.replies import reply, respond
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission

router = Router("jobs")


@router.get("/jobs/{id}", permission=Permission.JOB_FOLLOW, response_model=JobRead, summary="Progress and result")
async def get_job(reader: ReaderDep, id: UUID) -> Response:
    """A job of the caller's own: how far it is, and what came of it. Ask until it is done, failed or cancelled."""
    return respond(await reader.one(JOBS, id))


@router.post("/jobs/{id}/cancel", permission=Permission.JOB_FOLLOW, response_model=JobRead, summary="Cancel a job")
async def cancel_job(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """Nothing more is done of it; what was done stays done. The version changes only when a job ends."""
    return reply(session, request, await service.cancel(session, id, version))
