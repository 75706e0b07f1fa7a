"""What each region demands of an SKTM: documents, visit, signatories, numbering, validity."""

from typing import Annotated

from fastapi import Header, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.sktm_policies import service
from tksk_api.domain.sktm_policies.schemas import EffectivePolicy, SktmPolicyPut, SktmPolicyRead
from tksk_api.http.concurrency import etag, required_version
from tksk_api.http.dependencies import ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import PRIVATE, reply, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import REGION_PATTERN, Day, RegionCode

router = Router("sktm-policies")
Code = Annotated[str, Path(pattern=REGION_PATTERN, max_length=13, examples=["18.71"])]


class PolicyQuery(PageQuery):
    region_code: RegionCode | None = None


@router.get(
    "/sktm-policies",
    permission=Permission.POLICY_READ,
    response_model=Page[SktmPolicyRead],
    summary="List the regions' own settings",
)
async def list_sktm_policies(reader: ReaderDep, request: Request, query: Annotated[PolicyQuery, Query()]) -> Response:
    """Only what regions set themselves; ask for one region to see what holds there."""
    return await respond_page(reader, request, service.SKTM_POLICIES, query)


@router.get(
    "/sktm-policies/{region_code}",
    permission=Permission.POLICY_READ,
    response_model=EffectivePolicy,
    summary="What holds in a region",
)
async def get_sktm_policy(
    session: SessionDep,
    region_code: Code,
    on: Annotated[Day | None, Query(description="A day by the region's calendar; today when left out")] = None,
    effective: Annotated[bool, Query(description="False: only what the region sets itself")] = True,
) -> Response:
    """Each value with the region it is inherited from: village, district, regency, province, or the default.

    `planned` names the later days on which something changes; ask for one with `on`.
    """
    found = await service.effective(session, region_code, on, inherited=effective)
    headers = PRIVATE if found.version is None else {**PRIVATE, "ETag": etag(found.version)}
    return Response(found.model_dump_json(), headers=headers, media_type="application/json")


@router.put(
    "/sktm-policies/{region_code}",
    permission=Permission.POLICY_WRITE,
    response_model=SktmPolicyRead,
    summary="Set a region's own policy",
)
async def put_sktm_policy(
    session: SessionDep,
    request: Request,
    region_code: Code,
    body: SktmPolicyPut,
    if_match: Annotated[str | None, Header(alias="If-Match", description="Needed once the region has a policy")] = None,
) -> Response:
    """Replaces the region's own settings from `effective_from` on; those before stay on record. Applications already
    submitted keep the policy they were submitted under. Once the region has settings, send its version in `If-Match`.
    """
    version = required_version(if_match) if if_match is not None else None
    return reply(session, request, await service.put(session, region_code, version, body))
