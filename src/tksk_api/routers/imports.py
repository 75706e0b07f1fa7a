"""Imports: a table read, looked through, written by the rules that hold one by one, and taken back."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from tempfile import TemporaryFile
from time import monotonic
from typing import Annotated, BinaryIO, Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import Depends, Header, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tksk_api.database.reads import Reader, Stored
from tksk_api.documents.import_sheets import WriteRow, error_file, template
from tksk_api.domain.imports import service, uploads, work
from tksk_api.domain.imports.contract import FateName, Fault, Row
from tksk_api.domain.imports.mapping import Layout
from tksk_api.domain.imports.reading.reader import Head
from tksk_api.domain.imports.reads import IMPORT_MAPPINGS, IMPORT_ROWS, IMPORT_UPLOADS, IMPORTS, MOST_BYTES
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
    UploadCreate,
    UploadRead,
)
from tksk_api.domain.imports.workflow import WORKING, Status
from tksk_api.domain.jobs.worker import Handler
from tksk_api.domain.threads import in_threads
from tksk_api.errors import DomainError, invalid
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import House, HouseDep, ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.problems import language_of
from tksk_api.http.replies import PRIVATE, keep, no_content, reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.http.uploads import FIELDS_BYTES, checked, multipart_schema, part_schema, received, received_part
from tksk_api.security.permissions import Permission
from tksk_api.settings import IMPORT_BYTES
from tksk_api.types import Code

router = Router("imports")
URL = "/imports"
_EVENT_STREAM = "text/event-stream"
_CSV, _XLSX = "text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_EVENT = {
    "type": "object",
    "description": "One event",
    "properties": {
        "event": {"type": "string", "enum": ["progress", "end", "refused"]},
        "data": {"type": "string", "description": "JSON: the import, or the `code` of a problem"},
    },
}
_TYPES = {"csv": _CSV, "xlsx": _XLSX, "json": "application/json"}
_FOLLOWED = (
    "event: progress\n"
    'data: {"id": "0199d0a0-0000-7000-8000-000000000001", "status": "committing", '
    '"progress": {"done": 4500, "total": 10000, "seconds_left": 12}, "version": 2}\n\n'
    "event: end\n"
    'data: {"id": "0199d0a0-0000-7000-8000-000000000001", "status": "done", '
    '"progress": {"done": 10000, "total": 10000, "seconds_left": 0}, "version": 3}\n\n'
)
_REJECTED = [
    {
        "row": 7,
        "cells": {"NIK": "1,87104E+15", "Nama Lengkap": "Siti Rahmawati"},
        "faults": [
            {
                "column": "NIK",
                "code": "digits_lost",
                "problem": "Nomor ini pernah tersimpan sebagai angka dan angka ke-16-nya hilang.",
                "what_to_do": "Simpan kolom ini sebagai Teks, lalu ketik nomornya lagi dari dokumen.",
            }
        ],
    }
]
_REJECTED_FAULT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["column", "code", "problem", "what_to_do"],
    "properties": {
        "column": {"type": ["string", "null"], "description": "The heading as it stands in the file; null: the row"},
        "code": {"type": "string", "description": "Of import_codes, or of a problem"},
        "problem": {"type": "string", "description": "In the language of Accept-Language"},
        "what_to_do": {"type": ["string", "null"]},
    },
}
_REJECTED_ROW = {
    "type": "object",
    "additionalProperties": False,
    "required": ["row", "cells", "faults"],
    "properties": {
        "row": {"type": "integer", "description": "As a spreadsheet numbers it"},
        "cells": {
            "type": "object",
            "additionalProperties": {"type": ["string", "null"]},
            "description": "What stands in the file, by its headings",
        },
        "faults": {"type": "array", "items": _REJECTED_FAULT},
    },
}
_JSON = {"application/json": {"schema": {"type": "array", "items": _REJECTED_ROW, "examples": [_REJECTED]}}}
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
    async with received(request, house.settings.import_bytes, instead="upload") as upload:
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
    openapi_extra={"requestBody": multipart_schema(ImportCreate, instead="upload"), "x-statuses": ("410",)},
)
async def create_import(upload: ReceivedDep, session: SessionDep, house: HouseDep) -> Response:
    """`multipart/form-data`: the `file` (CSV or XLSX, at most 256 MiB), or the `upload` that came in parts, and how it
    is to be taken. Needs the permission to write its kind one by one, too.

    The rows are judged in your name, under every rule that holds for one of them. With `mode=validate` nothing is
    written until `commit`. Follow its `Location`, or `events`; cancel and undo go by the same address.

    `uploaded`, `validating`, `committing`, `undoing`: it works, ask again. `validated`: nothing is written; `commit`,
    `validate` or `cancel` it. `done`: written, except what is `rejected` in `counts`; it can be undone. `failed`:
    `error` says why; `validate` it when nothing was written, `commit` goes on where it stopped otherwise. `cancelled`
    and `undone` can be undone (again), as far as something was written.

    Send an `Idempotency-Key`, and the same one again when the answer is lost: the import is made once. Another request
    with the same file is another import, which says so in `same_as` and writes nothing twice where rows have a NIK or
    another key of their kind. `kind=users` asks a person for a fresh proof of identity (`step_up_required`), here and
    with `commit`.
    """
    quota = house.settings.attachment_quota_bytes
    async with uploads.whole(session, house.vault, upload) as table:
        stored = await service.start(session, house.vault, table, quota, house.settings.step_up_minutes * 60)
    return keep(session, respond(stored, 202, headers={"Location": f"/v1{URL}/{stored.id}"}))


@router.get(URL, permission=Permission.IMPORT_RUN, response_model=Page[ImportRead], summary="List one's own imports")
async def list_imports(reader: ReaderDep, request: Request, query: Annotated[ImportQuery, Query()]) -> Response:
    """The newest first. Nobody else sees them, and they are deleted some time after they ended."""
    return await respond_page(reader, request, IMPORTS, query)


@router.get(
    URL + "/uploads",
    permission=Permission.IMPORT_RUN,
    response_model=Page[UploadRead],
    summary="List one's own unfinished uploads",
)
async def list_import_uploads(reader: ReaderDep, request: Request, query: Annotated[PageQuery, Query()]) -> Response:
    """Files of which some parts may still be missing. Nobody else sees them."""
    return await respond_page(reader, request, IMPORT_UPLOADS, query)


@router.post(
    URL + "/uploads",
    permission=Permission.IMPORT_RUN,
    status_code=201,
    response_model=UploadRead,
    summary="Announce a file that comes in parts",
)
async def begin_import_upload(
    session: SessionDep, request: Request, *, house: HouseDep, body: UploadCreate
) -> Response:
    """For a link that breaks: what has arrived stays for a day after the last part, and the same file announced again
    is the same upload, to be gone on with at its `offset`. Its space is taken at once. When it is complete, import it
    by its id (`upload` of `POST /v1/imports`)."""
    settings = house.settings
    stored = await uploads.begin(session, body, settings.import_bytes, settings.attachment_quota_bytes)
    return reply(session, request, stored)


@router.get(
    URL + "/uploads/{id}", permission=Permission.IMPORT_RUN, response_model=UploadRead, summary="One unfinished upload"
)
async def get_import_upload(reader: ReaderDep, id: UUID) -> Response:
    """How much of it has arrived: the next part begins at `offset`."""
    return respond(await reader.one(IMPORT_UPLOADS, id))


async def _offset(
    given: Annotated[
        str | None,
        Header(alias="Upload-Offset", description="Where in the file this part begins", examples=["1048576"]),
    ] = None,
) -> int:
    if given is None or not re.fullmatch(r"[0-9]{1,15}", given):
        raise invalid("/upload_offset", "missing" if given is None else "bad_format")
    return int(given)


async def _part(
    request: Request, reader: ReaderDep, id: UUID, offset: Annotated[int, Depends(_offset)]
) -> AsyncIterator[uploads.Part]:
    """Received before a transaction is open; who is at another place is told before they send it all."""
    stored = json.loads((await reader.one(IMPORT_UPLOADS, id)).body)
    uploads.refuse_elsewhere(offset, stored["offset"], stored["bytes"])
    async with received_part(request) as (content, size):
        yield uploads.Part(offset, content, size)


PartDep = Annotated[uploads.Part, Depends(_part, scope="function")]


@router.patch(
    URL + "/uploads/{id}",
    permission=Permission.IMPORT_RUN,
    status_code=204,
    summary="Send the next part",
    body_limit=MOST_BYTES,
    openapi_extra={"requestBody": part_schema()},
    responses={
        204: {
            "headers": {"Upload-Offset": {"schema": {"type": "integer"}, "description": "Where the next part begins"}}
        }
    },
)
async def append_import_upload(part: PartDep, session: SessionDep, id: UUID, *, house: HouseDep) -> Response:
    """The bytes of the file from `Upload-Offset` on, 8 MiB at most, and 64 KiB at least unless they are the last. A
    part arrives whole or not at all. When its answer is lost, send it again: `upload_offset_differs` tells in `offset`
    where to go on."""
    offset = await uploads.append(session, house.vault, id, part)
    return Response(status_code=204, headers={"Upload-Offset": str(offset)})


@router.delete(URL + "/uploads/{id}", permission=Permission.IMPORT_RUN, status_code=204, summary="Give up an upload")
async def delete_import_upload(session: SessionDep, id: UUID, version: IfMatch) -> Response:
    """What has arrived of it is forgotten."""
    await uploads.give_up(session, id, version)
    return no_content(session)


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
    explains each in Indonesian and English; `*` marks what is required. A CSV is UTF-8 with commas, and its one line.
    """
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
    responses={200: {"content": {_EVENT_STREAM: {"schema": _EVENT, "example": _FOLLOWED}}}},
    response_class=Response,
)
async def follow_import(reader: ReaderDep, id: UUID) -> Response:
    """Server-sent events: `progress` every second with the import as `GET` answers it, and `end` with its last state.
    `refused` with a `code` is the last one when you may not see it any more, `unauthenticated` when the token ended.
    After a quarter of an hour the stream ends in between, with an `end` whose `status` is still at work; ask again."""
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
    responses={200: {"content": {_CSV: _TEXT, _XLSX: _BINARY, **_JSON}}},
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
    there and send the file as it is: those columns are not read.

    A CSV has the delimiter and the encoding of the file, a workbook its sheet. The headings of the added columns begin
    with `!`: row, code, problem, what to do, in the language of `Accept-Language`. Without a rejected row only headings
    are left. 409 as long as the file is not read, or where it could not be, and `workbook_full` where an XLSX cannot
    hold them; 404 once it was deleted."""
    row = await service.opened(session, id)
    head, layout = Head.from_json((row.head or {})["file"]), Layout.from_json((row.head or {})["layout"])
    chosen = format or head.format
    with TemporaryFile() as file:
        made = error_file(file, chosen, head, layout, language_of(request.scope["headers"]))
        async with in_threads(made, lambda: service.still_there(session, id)) as write:
            async for part in service.rejected(session, house.vault, row):
                await asyncio.to_thread(_write, write, part)
        file.flush()
        file.seek(0)
        copy = os.fdopen(os.dup(file.fileno()), "rb")
    name = f"{row.file_name.rpartition('.')[0] or row.file_name}-kesalahan.{chosen}"
    headers = {**PRIVATE, "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return StreamingResponse(_chunks(copy), headers=headers, media_type=_TYPES[chosen])


def _write(write: WriteRow, part: Sequence[tuple[Row, Sequence[Fault]]]) -> None:
    for one, faults in part:
        write(one, faults)


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
    """The same file, understood as the body says: another delimiter, sheet or order of dates, other columns. From
    `validated` or `failed`, as long as nothing was written; `error` and `file.headings` tell what to say differently.
    """
    proof_seconds = house.settings.step_up_minutes * 60
    return reply(session, request, await service.again(session, id, version, body, proof_seconds))


@router.post(URL + "/{id}/commit", permission=Permission.IMPORT_RUN, response_model=ImportRead, summary="Write it")
async def commit_import(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, *, house: HouseDep
) -> Response:
    """What was validated, judged once more by the data and rights of the moment. One that failed in the middle goes on
    where it stopped. With `atomic=all` and rejected rows: 409 `rows_rejected`."""
    proof_seconds = house.settings.step_up_minutes * 60
    return reply(session, request, await service.commit(session, id, version, proof_seconds))


@router.post(URL + "/{id}/cancel", permission=Permission.IMPORT_RUN, response_model=ImportRead, summary="Call it off")
async def cancel_import(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """The page under way is finished, and nothing follows it; what was written stays and can be undone. Until then
    `is_cancelling` is true; with `atomic=all` it is written whole or not at all."""
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
