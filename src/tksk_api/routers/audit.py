"""Who has seen and changed whose data: the access log, for auditors."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.audit.reads import ACCESS_LOG
from tksk_api.domain.audit.schemas import AccessRead
from tksk_api.http.dependencies import ReaderDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import Code, Moment

router = Router("audit")


class AuditQuery(PageQuery):
    subject_id: Annotated[UUID | None, Field(description="The person whose data it was")] = None
    actor_id: Annotated[UUID | None, Field(description="The user or machine client who acted")] = None
    action: Code | None = None
    operation: Annotated[Code | None, Field(description="An `operationId` of this document")] = None
    outcome: Literal["ok", "denied", "not_found"] | None = None
    since: Annotated[Moment | None, Field(alias="from", description="At this moment or later")] = None
    until: Annotated[Moment | None, Field(alias="to", description="Before this moment")] = None


@router.get("/audit", permission=Permission.AUDIT_READ, response_model=Page[AccessRead], summary="Read the access log")
async def list_audit(reader: ReaderDep, request: Request, query: Annotated[AuditQuery, Query()]) -> Response:
    """Every reading and writing of a person's data, and every refusal, newest first.

    Name a person or an actor, or give a period: the other filters then look through what is left. Reading the log is
    recorded in it.
    """
    return await respond_page(reader, request, ACCESS_LOG, query)
