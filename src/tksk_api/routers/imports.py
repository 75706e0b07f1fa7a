"""Imports: a table read, looked through, written by the rules that hold one by one, and taken back."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from functools import partial
from tempfile import TemporaryFile
from time import monotonic
from typing import Annotated, BinaryIO, Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import Depends, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tksk_api.database.reads import Reader, Stored
from tksk_api.documents.import_sheets import error_file, template
from tksk_api.domain.imports import service, work
from tksk_api.domain.imports.contract import FateName
from tksk_api.domain.imports.mapping import Layout
from tksk_api.domain.imports.reading.reader import Head
from tksk_api.domain.imports.reads import IMPORT_MAPPINGS, IMPORT_ROWS, IMPORTS
from tksk_api.domain.imports.schemas import (
    ImportAgain,
    ImportCreate,
    ImportRead,
    ImportRowRead,
    ImportUpload,
    KindName,
    MappingName,
    MappingRead,
    MappingWrite,
)
from tksk_api.domain.imports.workflow import WORKING, Status
from tksk_api.domain.jobs.worker import Handler
from tksk_api.errors import DomainError
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import House, HouseDep, ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.problems import language_of
from tksk_api.http.replies import PRIVATE, keep, no_content, reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.http.uploads import FIELDS_BYTES, checked, multipart_schema, received
from tksk_api.security.permissions import Permission
from tksk_api.settings import IMPORT_BYTES
from tksk_api.types import Code

router = Router("imports")
URL = "/imports"
_EVENT_STREAM = "text/event-stream"
_CSV, _XLSX = "text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_TYPES = {"csv": _CSV, "xlsx": _XLSX, "json": "application/json"}
_TEXT, _BINARY = {"schema": {"type": "string"}}, {"schema": {"type": "string", "format": "binary"}}
_EVERY_SECONDS = 1.0
_LONGEST_SECONDS = 900  # then the client asks again, as it does after any broken line


class ImportQuery(PageQuery):
    kind: Code | None = None
    status: Status | None = None


class ImportRowQuery(PageQuery):
    fate: FateName | None = None
    code: Annotated[Code | None, Query(description="Rows with this code among their faults")] = None
    obstacle: Annotated[bool | None, Query(description="Rows that an undo could, or could not, take back")] = None


class MappingQuery(PageQuery):
    kind: Code | None = None


async def _received(request: Request, house: HouseDep, reader: ReaderDep) -> AsyncIterator[service.ReceivedTable]:
    """The upload, received before a transaction is open; who may not import is told first."""
    await reader.principal()
    async with received(request, house.settings.import_bytes) as upload:
        fields = checked(ImportCreate, upload.fields)
        body = ImportUpload(**fields.model_dump(), file_sha256=upload.sha256)
        request._json = body.model_dump(mode="json")  # what an Idempotency-Key is compared by
        upload.file.seek(0, 2)
        yield service.ReceivedTable(body, upload.file, upload.name, upload.file.tell())


ReceivedDep = Annotated[service.ReceivedTable, Depends(_received, scope="function")]


@router.post(
    URL,
    permission=Permission.IMPORT_RUN,
    status_code=202,
    response_model=ImportRead,
    summary="Import a table",
    body_limit=IMPORT_BYTES + FIELDS_BYTES,
    openapi_extra={"requestBody": multipart_schema(ImportCreate)},
)
async def create_import(upload: ReceivedDep, session: SessionDep, house: HouseDep) -> Response:
    """`multipart/form-data`: the `file` (CSV or XLSX, at most 256 MiB) and how it is to be taken. Needs the permission
    to write its kind one by one, too.

    The rows are judged in your name, under every rule that holds for one of them. With `mode=validate` nothing is
    written until `commit`. Follow its `Location`, or `events`; cancel and undo go by the same address.
    """
    quota = house.settings.attachment_quota_bytes
    stored = await service.start(session, house.vault, upload, quota, house.settings.step_up_minutes * 60)
    return keep(session, respond(stored, 202, headers={"Location": f"/v1{URL}/{stored.id}"}))


@router.get(URL, permission=Permission.IMPORT_RUN, response_model=Page[ImportRead], summary="List one's own imports")
async def list_imports(reader: ReaderDep, request: Request, query: Annotated[ImportQuery, Query()]) -> Response:
    """The newest first. Nobody else sees them, and they are deleted some time after they ended."""
    return await respond_page(reader, request, IMPORTS, query)


@router.get(
    URL + "/mappings",
    permission=Permission.IMPORT_RUN,
    response_model=Page[MappingRead],
    summary="List mappings of the office",
)
async def list_import_mappings(
    reader: ReaderDep, request: Request, query: Annotated[MappingQuery, Query()]
) -> Response:
    """Which headings of the office's own tables are which of our columns, by name."""
    return await respond_page(reader, request, IMPORT_MAPPINGS, query)


@router.get(
    URL + "/mappings/{name}", permission=Permission.IMPORT_RUN, response_model=MappingRead, summary="One mapping"
)
async def get_import_mapping(session: SessionDep, name: MappingName) -> Response:
    """Of the caller's own office."""
    return respond(await service.mapping(session, name))


@router.put(
    URL + "/mappings/{name}", permission=Permission.IMPORT_RUN, response_model=MappingRead, summary="Keep a mapping"
)
async def put_import_mapping(session: SessionDep, request: Request, name: MappingName, body: MappingWrite) -> Response:
    """Under this name, for everybody of the office; one that has the name already is replaced. An import names it as
    `mapping`."""
    return keep(session, respond(await service.keep_mapping(session, name, body)))


@router.delete(URL + "/mappings/{name}", permission=Permission.IMPORT_RUN, status_code=204, summary="Forget a mapping")
async def delete_import_mapping(session: SessionDep, name: MappingName, version: IfMatch) -> Response:
    """Imports that used it stay as they are."""
    await service.forget_mapping(session, name, version)
    return no_content(session)


@router.get(
    URL + "/templates/{kind}",
    permission=Permission.IMPORT_RUN,
    summary="An empty table to fill in",
    responses={200: {"content": {_CSV: _TEXT, _XLSX: _BINARY}}},
    response_class=Response,
)
async def get_import_template(
    reader: ReaderDep,
    kind: KindName,
    format: Annotated[Literal["csv", "xlsx"], Query(description="XLSX offers choices")] = "xlsx",
) -> Response:
    """With the headings of our columns. In a workbook they are formatted as text, offer what may be chosen, and a sheet
    explains each in Indonesian and English."""
    await reader.principal()
    content = await asyncio.to_thread(template, service.kind_of(kind), format)
    headers = {**PRIVATE, "Content-Disposition": f'attachment; filename="{kind}.{format}"'}
    return Response(content, headers=headers, media_type=_TYPES[format])


@router.get(URL + "/{id}", permission=Permission.IMPORT_RUN, response_model=ImportRead, summary="One import")
async def get_import(reader: ReaderDep, id: UUID) -> Response:
    """How far it is, what the file turned out to be, and how many rows met which fate."""
    return respond(await reader.one(IMPORTS, id))


@router.get(
    URL + "/{id}/events",
    permission=Permission.IMPORT_RUN,
    summary="Follow an import",
    responses={200: {"content": {_EVENT_STREAM: {"schema": {"type": "string"}}}}},
    response_class=Response,
)
async def follow_import(reader: ReaderDep, id: UUID) -> Response:
    """Server-sent events: `progress` every second with the import as `GET` answers it, and `end` with its last state.
    After a quarter of an hour the stream ends in between; ask again."""
    first = await reader.one(IMPORTS, id)
    return StreamingResponse(_events(reader, id, first), headers=PRIVATE, media_type=_EVENT_STREAM)


async def _events(reader: Reader, key: UUID, stored: Stored) -> AsyncIterator[bytes]:
    """Each event is a read of its own, by the rights of that moment."""
    end = monotonic() + _LONGEST_SECONDS
    while json.loads(stored.body)["status"] in WORKING and monotonic() < end:
        yield b"event: progress\ndata: " + stored.body + b"\n\n"
        await asyncio.sleep(_EVERY_SECONDS)
        try:
            stored = await reader.one(IMPORTS, key)
        except DomainError as refusal:
            yield f'event: refused\ndata: {{"code": "{refusal.code}"}}\n\n'.encode()
            return
    yield b"event: end\ndata: " + stored.body + b"\n\n"


@router.get(
    URL + "/{id}/rows",
    permission=Permission.IMPORT_RUN,
    response_model=Page[ImportRowRead],
    summary="What became of the rows",
)
async def list_import_rows(
    reader: ReaderDep, request: Request, id: UUID, query: Annotated[ImportRowQuery, Query()]
) -> Response:
    """In the order of the file. Values of the file are not repeated; the error file has them."""
    await reader.one(IMPORTS, id)
    return await respond_page(reader, request, IMPORT_ROWS, query, import_id=id)


@router.get(
    URL + "/{id}/errors",
    permission=Permission.IMPORT_RUN,
    summary="The rejected rows, to be corrected",
    responses={200: {"content": {_CSV: _TEXT, _XLSX: _BINARY, "application/json": {"schema": {"type": "array"}}}}},
    response_class=Response,
)
async def get_import_errors(
    session: SessionDep,
    house: HouseDep,
    request: Request,
    id: UUID,
    format: Annotated[
        Literal["csv", "xlsx", "json"] | None, Query(description="That of the file, unless another is asked for")
    ] = None,
) -> Response:
    """As they came in, in their order, with columns at the end that say what is wrong and what to do. Correct them
    there and send the file as it is: those columns are not read."""
    row = await service.opened(session, id)
    head, layout = Head.from_json((row.head or {})["file"]), Layout.from_json((row.head or {})["layout"])
    chosen = format or head.format
    with TemporaryFile() as file:
        with error_file(file, chosen, head, layout, language_of(request.scope["headers"])) as write:
            async for part in service.rejected(session, house.vault, row):
                for one, faults in part:
                    write(one, faults)
        file.flush()
        file.seek(0)
        copy = os.fdopen(os.dup(file.fileno()), "rb")
    name = f"{row.file_name.rpartition('.')[0] or row.file_name}-kesalahan.{chosen}"
    headers = {**PRIVATE, "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return StreamingResponse(_chunks(copy), headers=headers, media_type=_TYPES[chosen])


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(1 << 16):
            yield chunk


@router.post(
    URL + "/{id}/validate", permission=Permission.IMPORT_RUN, response_model=ImportRead, summary="Read it once more"
)
async def validate_import(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, *, house: HouseDep, body: ImportAgain
) -> Response:
    """The same file, understood as the body says: another delimiter, sheet or order of dates, other columns. As long
    as nothing was written."""
    proof_seconds = house.settings.step_up_minutes * 60
    return reply(session, request, await service.again(session, id, version, body, proof_seconds))


@router.post(URL + "/{id}/commit", permission=Permission.IMPORT_RUN, response_model=ImportRead, summary="Write it")
async def commit_import(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, *, house: HouseDep
) -> Response:
    """What was validated, judged once more by the data and rights of the moment. One that failed in the middle goes on
    where it stopped."""
    proof_seconds = house.settings.step_up_minutes * 60
    return reply(session, request, await service.commit(session, id, version, proof_seconds))


@router.post(URL + "/{id}/cancel", permission=Permission.IMPORT_RUN, response_model=ImportRead, summary="Call it off")
async def cancel_import(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """The page under way is finished, and nothing follows it; what was written stays and can be undone."""
    return reply(session, request, await service.cancel(session, id, version))


@router.post(URL + "/{id}/undo", permission=Permission.IMPORT_RUN, response_model=ImportRead, summary="Take it back")
async def undo_import(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """What it made is withdrawn and what it replaced is put back, as far as nobody built on it or changed it since;
    `rows?obstacle=true` names what stands in the way. It can be done again."""
    return reply(session, request, await service.undo(session, id, version))


def importing(house: House) -> Handler:
    """What the job of an import does in this house."""
    settings = house.settings
    rooms = work.House(
        vault=house.vault,
        otp_required=settings.otp_required,
        all_rows=settings.import_all_rows,
        elsewhere_per_day=settings.import_elsewhere_per_day,
    )
    return partial(work.step, house=rooms)
