"""What each region demands of an SKTM: documents, visit, signatories, numbering, validity."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Header, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.records import Body
from tksk_api.domain.sktm_policies import service
from tksk_api.domain.sktm_policies.logos import MAX_BYTES, letterhead_picture
from tksk_api.domain.sktm_policies.schemas import EffectivePolicy, SktmPolicyPut, SktmPolicyRead
from tksk_api.http.concurrency import IfMatch, etag, is_known, required_version
from tksk_api.http.dependencies import HouseDep, ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import PRIVATE, no_content, reply, respond_page
from tksk_api.http.routing import Router
from tksk_api.http.uploads import FIELDS_BYTES, checked, multipart_schema, received
from tksk_api.security.permissions import Permission
from tksk_api.types import REGION_PATTERN, Day, RegionCode

router = Router("sktm-policies")
Code = Annotated[str, Path(pattern=REGION_PATTERN, max_length=13, examples=["18.71"])]
OwnVersion = Annotated[str | None, Header(alias="If-Match", description="Needed once the region has a policy")]


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
    if_match: OwnVersion = None,
) -> Response:
    """Replaces the region's own settings from `effective_from` on; those before stay on record, and so does the logo.
    Applications already submitted keep the policy they were submitted under. Once the region has settings, send its
    version in `If-Match`. What is planned for a later day stays as it was planned (`planned_change_follows`).
    """
    version = required_version(if_match) if if_match is not None else None
    return reply(session, request, await service.put(session, region_code, version, body))


@router.delete(
    "/sktm-policies/{region_code}/planned/{effective_from}",
    permission=Permission.POLICY_WRITE,
    status_code=204,
    summary="Call off a planned change",
)
async def delete_planned_sktm_policy(
    session: SessionDep,
    region_code: Code,
    effective_from: Annotated[Day, Path(description="A day to come, one of `planned`", examples=["2027-01-01"])],
    version: IfMatch,
) -> Response:
    """What the region itself planned for that day; the settings of the day before go on. 404 once the day has come:
    what has been in force stays on record. `If-Match` is the version of the region's policy.
    """
    await service.call_off(session, region_code, version, effective_from)
    return no_content(session)


class LogoUpload(Body):
    """A logo comes alone."""


async def _picture(request: Request, house: HouseDep, reader: ReaderDep) -> AsyncIterator[bytes]:
    """The logo, looked into and made small before a transaction is open; who may not set it is told first."""
    await reader.principal()
    async with received(request, MAX_BYTES) as upload:
        checked(LogoUpload, upload.fields)
        picture = await letterhead_picture(house.inspectors, upload.file)
    yield picture


@router.put(
    "/sktm-policies/{region_code}/logo",
    permission=Permission.POLICY_WRITE,
    response_model=SktmPolicyRead,
    summary="Set the logo of a region's letterhead",
    body_limit=MAX_BYTES + FIELDS_BYTES,
    openapi_extra={"requestBody": multipart_schema(LogoUpload)},
)
async def put_sktm_logo(
    picture: Annotated[bytes, Depends(_picture, scope="function")],
    session: SessionDep,
    request: Request,
    region_code: Code,
    if_match: OwnVersion = None,
) -> Response:
    """`multipart/form-data` with the `file`: a JPEG or PNG of at most 2 MiB, its shorter side at least 160 pixels.

    Printed at the left of the letterhead here and below, from today on, for applications submitted from now on. Stored
    anew as a small JPEG on white. Letters already issued keep the logo they bear, printed again as well.
    """
    version = required_version(if_match) if if_match is not None else None
    return reply(session, request, await service.put_logo(session, region_code, version, picture))


@router.get(
    "/sktm-policies/{region_code}/logo",
    permission=Permission.POLICY_READ,
    summary="The logo that letters of a region bear",
    responses={200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}}},
    response_class=Response,
)
async def get_sktm_logo(session: SessionDep, request: Request, region_code: Code) -> Response:
    """Its own or the one inherited; 404 where letters bear none. A client may keep it and ask with `If-None-Match`."""
    digest, picture = await service.logo_in_force(session, region_code)
    headers = {"Cache-Control": "private, no-cache", "ETag": f'"{digest}"'}
    if is_known(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(picture, headers=headers, media_type="image/jpeg")


@router.delete(
    "/sktm-policies/{region_code}/logo",
    permission=Permission.POLICY_WRITE,
    status_code=204,
    summary="Inherit the logo again",
)
async def delete_sktm_logo(session: SessionDep, region_code: Code, version: IfMatch) -> Response:
    """From today on. 404 when the region has no logo of its own; `If-Match` is the version of its policy."""
    await service.remove_logo(session, region_code, version)
    return no_content(session)
