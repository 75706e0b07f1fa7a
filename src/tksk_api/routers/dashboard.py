"""A region at a glance, for people who have no client yet."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tksk_api.documents.dashboard import render_dashboard, render_refused
from tksk_api.documents.verification import CONTENT_POLICY
from tksk_api.domain.statistics.dashboard import area_of, dashboard
from tksk_api.domain.statistics.schemas import DashboardLink, DashboardLinkCreate
from tksk_api.errors import DomainError, Language
from tksk_api.http.dependencies import HouseDep, SessionDep
from tksk_api.http.links import signed_link
from tksk_api.http.pages import page, spoken, wants_page
from tksk_api.http.replies import PRIVATE, keep_secret
from tksk_api.http.routing import Handler, Route, Router
from tksk_api.security.permissions import Permission

MINUTES = 15


class PageRoute(Route):
    """An operation whose refusals are pages too, where a browser asks for one."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def shown(request: Request) -> Response:
            try:
                return await handle(request)
            except DomainError as refusal:
                if self.response_class is not HTMLResponse or not wants_page(request):
                    raise
                request.scope["problem"] = refusal.code
                asked = request.query_params.get("lang")
                language = spoken(request, "en" if asked == "en" else "id" if asked == "id" else None)
                return page(render_refused(refusal, language, MINUTES), language, CONTENT_POLICY, refusal)

        return shown


router = Router("dashboard", prefix="")
router.route_class = PageRoute


class DashboardQuery(BaseModel):
    """What is asked of the page; the last two stand in a link, and do instead of a token."""

    model_config = ConfigDict(extra="forbid")

    month: Annotated[
        str | None,
        Field(
            pattern=r"^20\d\d-(0[1-9]|1[0-2])$",
            description="YYYY-MM; left out: this month, or the last one over for who may not see the rows",
        ),
    ] = None
    lang: Annotated[Literal["id", "en"] | None, Field(description="Language of the page")] = None
    expires: Annotated[str | None, Field(max_length=12)] = None
    signature: Annotated[str | None, Field(max_length=256)] = None


@router.post(
    "/v1/statistics/dashboard-links",
    permission=Permission.FIGURES_READ,
    status_code=201,
    response_model=DashboardLink,
    summary="A link to a region's page",
)
async def create_dashboard_link(
    session: SessionDep, house: HouseDep, request: Request, body: DashboardLinkCreate
) -> Response:
    """An address that a browser opens without a token, good for a quarter of an hour and while your session lasts. The
    pages it leads to are yours: your rights are looked at again each time. Not for machines, which ask for the figures.
    """
    if request.state.credentials.scopes is not None:
        raise DomainError("permission_denied", permission=f"{Permission.FIGURES_READ} (people)")
    area = await area_of(session, body.region_code)
    path = signed_link(house.keyring, request.state.credentials, f"/dashboard/{area}", minutes=MINUTES)
    link = DashboardLink(
        url=f"{house.settings.public_url}{path}", expires_at=datetime.now(UTC) + timedelta(minutes=MINUTES)
    )
    return keep_secret(session, Response(link.model_dump_json(), 201, headers=PRIVATE, media_type="application/json"))


@router.get(
    "/dashboard/{region_code}",
    permission=Permission.FIGURES_READ,
    summary="A region at a glance",
    signed_link=True,
    response_class=HTMLResponse,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
    openapi_extra={"x-statuses": ["404"]},
)
async def get_dashboard(
    session: SessionDep,
    house: HouseDep,
    request: Request,
    region_code: Annotated[str, Path(pattern=r"^(ID|\d\d(\.\d\d(\.\d\d)?)?)$", description="Its code; ID: the nation")],
    query: Annotated[DashboardQuery, Query()],
) -> Response:
    """A page to read, print and follow down: activities by pillar beside the month before, SKTM and referrals by state,
    coverage, missing reports, and a map of the regions inside. By a link of `dashboard-links`, or with a token. A
    browser (`Accept: text/html`) that is refused, as with a link that is too old, is told so in a page."""
    language = spoken(request, query.lang)
    month = date.fromisoformat(f"{query.month}-01") if query.month else None
    seen = await dashboard(session, region_code, month)

    def link(region: str, lang: Language) -> str:
        asked = {"lang": lang} | ({"month": query.month} if query.month else {})
        return signed_link(house.keyring, request.state.credentials, f"/dashboard/{region}", minutes=MINUTES, **asked)

    return page(render_dashboard(seen, language, link, MINUTES), language, CONTENT_POLICY)
