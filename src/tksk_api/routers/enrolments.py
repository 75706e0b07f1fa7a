"""What people receive, as it came of their referrals."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.beneficiaries.service import require_visible
from tksk_api.domain.enrolments.reads import ENROLMENTS
from tksk_api.domain.enrolments.schemas import EnrolmentRead
from tksk_api.http.dependencies import ReaderDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import Code

router = Router("enrolments")


class EnrolmentQuery(PageQuery):
    program: Annotated[Code | None, Field(description="Code of a programme")] = None


@router.get(
    "/beneficiaries/{id}/enrolments",
    permission=Permission.BENEFICIARY_READ,
    response_model=Page[EnrolmentRead],
    summary="Benefits of a person",
)
async def list_beneficiary_enrolments(
    reader: ReaderDep, request: Request, id: UUID, query: Annotated[EnrolmentQuery, Query()]
) -> Response:
    """Benefits that run or ran, newest first: which programme, from when to when, and why it ended. A referral makes
    one when it is activated."""
    await require_visible(reader, id)
    return await respond_page(reader, request, ENROLMENTS, query, beneficiary_id=id)
