"""Programmes that people are referred to: what they are called, what they ask for, and when they ran or run."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.programs.reads import PROGRAMS
from tksk_api.domain.programs.schemas import ProgramRead
from tksk_api.http.dependencies import ReaderDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import Day

router = Router("programs")


class ProgramQuery(PageQuery):
    on: Annotated[Day | None, Field(description="Only programmes that run on this day", examples=["2026-11-22"])] = None


@router.get(
    "/programs", permission=Permission.PROGRAM_READ, response_model=Page[ProgramRead], summary="List programmes"
)
async def list_programs(reader: ReaderDep, request: Request, query: Annotated[ProgramQuery, Query()]) -> Response:
    """All programmes by code, ended ones included, for old referrals keep their meaning; `on` leaves those of a day."""
    return await respond_page(reader, request, PROGRAMS, query)


@router.get("/programs/{code}", permission=Permission.PROGRAM_READ, response_model=ProgramRead, summary="One programme")
async def get_program(reader: ReaderDep, code: Annotated[str, Path(pattern=r"^[a-z0-9_]{1,64}$")]) -> Response:
    """A programme with the kinds of agency it leads to and the documents it asks for."""
    return respond(await reader.one(PROGRAMS, code))
