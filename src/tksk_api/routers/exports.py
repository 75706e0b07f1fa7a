"""Exports: what the lists show as a file, for whoever may see it, for a day."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.database.reads import Stored
from tksk_api.documents.export_tables import export_file
from tksk_api.domain.exports import service, work
from tksk_api.domain.exports.reads import EXPORTS
from tksk_api.domain.exports.schemas import ExportCreate, ExportLinked, ExportRead, Status
from tksk_api.domain.jobs.worker import Handler
from tksk_api.domain.partners.rules import check_search
from tksk_api.domain.refusals import field_errors
from tksk_api.errors import DomainError, invalid
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import House, HouseDep, ReaderDep, SessionDep
from tksk_api.http.downloads import FileResponse
from tksk_api.http.links import signed_link
from tksk_api.http.pagination import Page, PageQuery, needs
from tksk_api.http.replies import keep, no_content, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.routers.activities import ActivityQuery
from tksk_api.routers.beneficiaries import BeneficiaryQuery
from tksk_api.routers.decile_snapshots import DecileSnapshotQuery
from tksk_api.routers.families import FamilyQuery
from tksk_api.routers.partners import PartnerQuery
from tksk_api.routers.ppks_assessments import PpksAssessmentQuery
from tksk_api.routers.referrals import ReferralQuery
from tksk_api.routers.regions import RegionQuery
from tksk_api.routers.sktm_applications import SktmApplicationQuery
from tksk_api.routers.sktm_numbers import NumberQuery
from tksk_api.routers.users import UserQuery
from tksk_api.routers.visits import VisitQuery
from tksk_api.security.permissions import Permission
from tksk_api.types import Code

router = Router("exports")
URL = "/exports"

# What each list may be asked, said where the list is.
QUERIES: Mapping[str, type[PageQuery]] = {
    "beneficiaries": BeneficiaryQuery,
    "families": FamilyQuery,
    "decile_snapshots": DecileSnapshotQuery,
    "ppks_assessments": PpksAssessmentQuery,
    "visits": VisitQuery,
    "activities": ActivityQuery,
    "sktm_applications": SktmApplicationQuery,
    "sktm_numbers": NumberQuery,
    "referrals": ReferralQuery,
    "partners": PartnerQuery,
    "users": UserQuery,
    "regions": RegionQuery,
}
NOT_ASKED = frozenset(PageQuery.model_fields)


def _asked_well(query: PageQuery) -> None:
    """What the lists say of filters that go together, with pointers as there. Raises invalid_request."""
    if isinstance(query, PartnerQuery):
        check_search(query.q, query.region_code, query.serving)
    if isinstance(query, BeneficiaryQuery):
        needs(query, "as_of", "village_code")
    if hasattr(query, "counted_as"):
        needs(query, "counted_as", "report")


class ExportQuery(PageQuery):
    kind: Code | None = None
    status: Status | None = None


class ContentQuery(BaseModel):
    """What stands in a link, and does instead of a token."""

    model_config = ConfigDict(extra="forbid")

    expires: Annotated[str | None, Field(max_length=12)] = None
    signature: Annotated[str | None, Field(max_length=256)] = None


@router.post(URL, permission=Permission.EXPORT_RUN, status_code=202, response_model=ExportRead, summary="Export a list")
async def create_export(session: SessionDep, house: HouseDep, body: ExportCreate) -> Response:
    """The rows that `GET` of the list would show you with the same filters, in one file. Needs the permission to read
    that list, too.

    They are read in your name, page by page, and each page is recorded as reading the list is. Identity numbers are
    masked; with `full_numbers`, of people and of families, they are not, which takes the permission
    `beneficiary:reveal`, a proof of identity of a moment ago, a purpose and a reason, and is limited for each user and
    day. Follow its `Location`; the file is removed a day after it is there.

    Headings are those that an import knows. A table of families has a line for each member, as `rows` counts them; in
    `jsonl` a row is always what the list answers.
    """
    asked = service.Asked(body, _filters(body))
    stored = await service.start(session, asked, house.settings)
    return keep(session, respond(stored, 202, headers={"Location": f"/v1{URL}/{stored.id}"}))


@router.get(URL, permission=Permission.EXPORT_RUN, response_model=Page[ExportRead], summary="List one's own exports")
async def list_exports(reader: ReaderDep, request: Request, query: Annotated[ExportQuery, Query()]) -> Response:
    """The newest first. Nobody else sees them."""
    return await respond_page(reader, request, EXPORTS, query)


@router.get(URL + "/{id}", permission=Permission.EXPORT_RUN, response_model=ExportLinked, summary="One export")
async def get_export(reader: ReaderDep, house: HouseDep, request: Request, id: UUID) -> Response:
    """How far it is, and once it is `done` a link to its file, good for a minute."""
    return respond(_linked(request, house, await reader.one(EXPORTS, id)))


@router.get(
    URL + "/{id}/content",
    permission=Permission.EXPORT_RUN,
    summary="The exported file",
    signed_link=True,
    responses={
        200: {
            "content": {
                kind.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
                for kind in service.MEDIA_TYPES.values()
            }
        }
    },
    response_class=Response,
    openapi_extra={"x-statuses": ["409", "410", "429"]},
)
async def get_export_content(
    session: SessionDep, house: HouseDep, id: UUID, _query: Annotated[ContentQuery, Query()]
) -> Response:
    """By the link of `GET /v1/exports/{id}`, or with a token; only whoever asked for it, and only as long as they may
    read the list and see no less than then. Recorded, every time.

    One with full numbers needs a proof of identity of a moment ago (`POST /v1/auth/step-up`) and counts as revealing a
    number. The file is proven intact before the first byte leaves; ranges are not served.
    """
    return FileResponse(house.vault, await service.open_file(session, id, house.settings))


@router.delete(URL + "/{id}", permission=Permission.EXPORT_RUN, status_code=204, summary="End an export")
async def delete_export(session: SessionDep, id: UUID, version: IfMatch) -> Response:
    """Before its time: one under way is called off, and a file cannot be read any more. What stood in it stays on
    record."""
    await service.remove(session, id, version)
    return no_content(session)


def exporting(house: House) -> Handler:
    """What the job of an export does in this house."""
    settings = house.settings
    rooms = work.House(
        vault=house.vault,
        reads=house.reads,
        file=export_file,
        otp_required=settings.otp_required,
        hours=settings.export_hours,
        numbers_per_day=settings.export_numbers_per_day,
    )
    return partial(work.step, house=rooms)


def _filters(body: ExportCreate) -> Mapping[str, Any]:
    """The filters as the list would take them. Raises invalid_request at /filter/<name>, or at /kind."""
    service.kind_of(body.kind)
    model = QUERIES[body.kind]
    known = set(model.model_fields) - NOT_ASKED
    unknown = sorted(set(body.filter) - known)
    if unknown:
        raise invalid("/filter", "not_allowed", expected=", ".join(sorted(known)))
    try:
        query = model.model_validate(body.filter)
    except ValidationError as error:
        errors = [{**entry, "loc": ("body", "filter", *entry["loc"])} for entry in error.errors()]
        raise DomainError("invalid_request", errors=field_errors(errors)) from error
    try:
        _asked_well(query)
    except DomainError as refusal:
        errors_there = [replace(error, pointer=f"/filter{error.pointer}") for error in refusal.errors]
        raise DomainError(refusal.code, errors=errors_there) from refusal
    return {name: value for name, value in query.model_dump().items() if name in known and value is not None}


def _linked(request: Request, house: House, stored: Stored) -> Stored:
    """The resource with its link, appended to what the database made."""
    is_there = json.loads(stored.body)["status"] == "done"
    path = f"{request.url.path}/content"
    link = signed_link(house.keyring, request.state.credentials, path) if is_there else None
    return replace(stored, body=stored.body[:-1] + b"," + json.dumps({"content_url": link}).encode()[1:])
