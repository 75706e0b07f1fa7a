"""Possible duplicates and what becomes of them. Found at every intake, decided by people, merged by nobody else."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.beneficiaries.schemas import BeneficiaryRead
from tksk_api.domain.beneficiaries.service import require_visible
from tksk_api.domain.duplicates import service
from tksk_api.domain.duplicates.reads import DUPLICATES, MERGES
from tksk_api.domain.duplicates.schemas import (
    Dismissal,
    DuplicateRead,
    DuplicateStatus,
    MergeRead,
    Merging,
    Reopening,
    Unmerging,
)
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import VillageCode

router = Router("duplicates")


class DuplicateQuery(PageQuery):
    status: DuplicateStatus | None = None
    village_code: Annotated[VillageCode | None, Field(description="Where one of the two lives")] = None
    min_score: Annotated[float | None, Field(ge=0, le=1, description="Pairs you see both of, from this score")] = None


class PairQuery(PageQuery):
    status: DuplicateStatus | None = None


@router.get(
    "/duplicates",
    permission=Permission.BENEFICIARY_READ,
    response_model=Page[DuplicateRead],
    summary="Pairs to look at",
)
async def list_duplicates(reader: ReaderDep, request: Request, query: Annotated[DuplicateQuery, Query()]) -> Response:
    """People of the caller's area who may be registered twice, newest first, or with `sort=-score` the surest first.

    Of a pair whose other half lies outside the area you learn only which office to ask; the office above both sees it.
    """
    return await respond_page(reader, request, DUPLICATES, query)


@router.get(
    "/duplicates/{id}", permission=Permission.BENEFICIARY_READ, response_model=DuplicateRead, summary="One pair"
)
async def get_duplicate(reader: ReaderDep, id: UUID) -> Response:
    """A pair of which at least one person is of the caller's area."""
    return respond(await reader.one(DUPLICATES, id))


@router.post(
    "/duplicates/{id}/dismiss",
    permission=Permission.DUPLICATE_DECIDE,
    response_model=DuplicateRead,
    summary="Two different people",
)
async def dismiss_duplicate(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: Dismissal
) -> Response:
    """The two are not one person: the pair is not proposed again. Needs both to be of the caller's area."""
    return reply(session, request, await service.dismiss(session, id, version, body))


@router.post(
    "/duplicates/{id}/reopen",
    permission=Permission.DUPLICATE_DECIDE,
    response_model=DuplicateRead,
    summary="Look at a pair again",
)
async def reopen_duplicate(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: Reopening
) -> Response:
    """A dismissed pair is open again."""
    return reply(session, request, await service.reopen(session, id, version, body))


@router.get(
    "/beneficiaries/{id}/duplicates",
    permission=Permission.BENEFICIARY_READ,
    response_model=Page[DuplicateRead],
    summary="Who a person may be as well",
)
async def list_beneficiary_duplicates(
    reader: ReaderDep, request: Request, id: UUID, query: Annotated[PairQuery, Query()]
) -> Response:
    """The pairs of one person, decided ones too, as the caller may see them."""
    await require_visible(reader, id)
    return await respond_page(reader, request, DUPLICATES, query, person=id)


@router.get(
    "/beneficiaries/{id}/merges",
    permission=Permission.BENEFICIARY_READ,
    response_model=Page[MergeRead],
    summary="Which records were merged",
)
async def list_beneficiary_merges(
    reader: ReaderDep, request: Request, id: UUID, query: Annotated[PageQuery, Query()]
) -> Response:
    """Every merge of the person's records, also those taken back: who, when, why, and until when it can be undone."""
    await require_visible(reader, id)
    return await respond_page(reader, request, MERGES, query, person=id)


@router.post(
    "/beneficiaries/{id}/merge",
    permission=Permission.BENEFICIARY_MERGE,
    response_model=BeneficiaryRead,
    summary="Two records of one person",
)
async def merge_beneficiary(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: Merging
) -> Response:
    """This record goes, `into_id` stands. Visits, letters, referrals, activities, papers and family move there.

    The version is that of the record that goes. Its id then answers with the one that stands, and `merged_into` names
    it. Nothing of the record that stands changes unless `take` says so. Can be taken back within 30 days.
    """
    return reply(session, request, await service.merge(session, id, version, body))


@router.post(
    "/beneficiaries/{id}/unmerge",
    permission=Permission.BENEFICIARY_MERGE,
    response_model=BeneficiaryRead,
    summary="Two people after all",
)
async def unmerge_beneficiary(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: Unmerging
) -> Response:
    """Takes the merge of this record back, within 30 days. The version is that of the record that stands.

    What the merge moved comes back, also when it went on since; what was written about the record that stands stays
    there, and so does an application that became a letter in the meantime.
    """
    return reply(session, request, await service.unmerge(session, id, version, body))
