"""Receiving one file with its fields, or a part of one: streamed to an unnamed temporary file, never in memory."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from tempfile import TemporaryFile
from typing import BinaryIO, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from tksk_api.domain.refusals import field_errors
from tksk_api.errors import DomainError, FieldError
from tksk_api.http.limits import media_type
from tksk_api.types import clean_text

MULTIPART = "multipart/form-data"
PART = ("application/partial-upload", "application/octet-stream")  # the first by draft-ietf-httpbis-resumable-upload
FIELDS_BYTES = 65_536  # what fields and boundaries may take beside the file
_MAX_FIELDS = 12
_MAX_FIELD_BYTES = 1024
_FILE = "file"
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class ReceivedFile:
    """The file, the name the client gave it, its digest, and the fields beside it."""

    file: BinaryIO
    name: str
    sha256: str
    fields: Mapping[str, str]


class _Parser(MultiPartParser):
    """Starlette's, which spools early and closes its files on every failure, and tells whether the end was seen."""

    spool_max_size = 65_536
    is_complete = False

    def on_end(self) -> None:
        self.is_complete = True


@asynccontextmanager
async def received(request: Request, limit: int, *, instead: str | None = None) -> AsyncIterator[ReceivedFile]:
    """The upload, for as long as the block runs; its temporary file has no name and goes with it. It is empty where
    the field `instead` names a file that came before.

    Raises unsupported_media_type, malformed_upload, body_too_large, or invalid_request for a field that is repeated,
    unknown or dirty. A client that goes away in the middle leaves nothing.
    """
    if media_type(request) != MULTIPART:
        raise DomainError("unsupported_media_type", expected=[MULTIPART])
    parser = _Parser(
        request.headers, request.stream(), max_files=1, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise DomainError("malformed_upload") from error
    try:
        if not parser.is_complete:
            raise DomainError("malformed_upload")
        file, fields = _sorted(form.multi_items(), instead)
        if (file.size or 0) > limit:
            raise DomainError("body_too_large", limit_bytes=limit)
        digest = await asyncio.to_thread(_sha256, file.file)
        yield ReceivedFile(file.file, file.filename or "", digest, fields)
    finally:
        await form.close()


@asynccontextmanager
async def received_part(request: Request) -> AsyncIterator[tuple[BinaryIO, int]]:
    """The body as it is and its length, for as long as the block runs. One that breaks off leaves nothing.

    Raises unsupported_media_type, body_too_large.
    """
    if media_type(request) not in PART:
        raise DomainError("unsupported_media_type", expected=list(PART))
    with TemporaryFile() as file:
        async for chunk in request.stream():
            await asyncio.to_thread(file.write, chunk)
        yield file, file.tell()


def part_schema() -> dict[str, object]:
    """The request body for the published document."""
    return {"required": True, "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in PART}}


def _sorted(items: list[tuple[str, UploadFile | str]], instead: str | None) -> tuple[UploadFile, dict[str, str]]:
    """The file and the clean fields; there is either a file or the field that stands for one."""
    file: UploadFile | None = None
    fields: dict[str, str] = {}
    errors: list[FieldError] = []
    for name, value in items:
        pointer = f"/{name}" if name.isidentifier() and name.isascii() else ""
        if isinstance(value, UploadFile) != (name == _FILE):
            errors.append(FieldError(pointer, "missing" if name == _FILE else "unknown_field"))
        elif isinstance(value, UploadFile):
            file = value
        elif name in fields:
            errors.append(FieldError(pointer, "repeated_parameter"))
        else:
            try:
                fields[name] = clean_text(value)
            except ValueError:
                errors.append(FieldError(pointer, "forbidden_character"))
    if instead is not None and fields.get(instead):
        errors += [FieldError(f"/{_FILE}", "unknown_field")] if file is not None else []
        file = UploadFile(BytesIO(), size=0, filename="")
    if file is None and not errors:
        errors.append(FieldError(f"/{_FILE}", "missing"))
    if errors or file is None:
        raise DomainError("invalid_request", errors=errors)
    return file, fields


def checked(model: type[M], fields: Mapping[str, str]) -> M:
    """The fields as a body; a field left empty was not given. Raises invalid_request."""
    try:
        return model.model_validate({name: value for name, value in fields.items() if value != ""})
    except ValidationError as error:
        errors = [{**entry, "loc": ("body", *entry["loc"])} for entry in error.errors()]
        raise DomainError("invalid_request", errors=field_errors(errors)) from error


def multipart_schema(model: type[BaseModel], *, instead: str | None = None) -> dict[str, object]:
    """The request body for the published document: the fields of the model and the file, which `instead` may name."""
    schema = model.model_json_schema()
    properties = {_FILE: {"type": "string", "contentMediaType": "application/octet-stream"}, **schema["properties"]}
    required = [*([] if instead else [_FILE]), *schema.get("required", ())]
    body = {**schema, "properties": properties, "required": required}
    return {"required": True, "content": {MULTIPART: {"schema": body}}}


def _sha256(file: BinaryIO) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(1 << 18):
        digest.update(chunk)
    return digest.hexdigest()
