"""`application/x-www-form-urlencoded`, read strictly: the one body that is not JSON is a token request (RFC 6749)."""

import re
from typing import Annotated
from urllib.parse import unquote_to_bytes

from fastapi import Depends
from starlette.requests import Request

from tksk_api.domain.clients.rules import TokenRequest, request_error, token_request
from tksk_api.errors import DomainError
from tksk_api.http.limits import media_type
from tksk_api.types import clean_text

FORM = "application/x-www-form-urlencoded"
_MAX_BYTES = 16_384
_PAIR = re.compile(rb"((?:[A-Za-z0-9*._+-]|%[0-9A-Fa-f]{2}){1,100})=((?:[!-$'-/0-;<>-~]|%[0-9A-Fa-f]{2})*)")


async def read_form(request: Request) -> dict[str, str]:
    """The members of the form; one without a value counts as left out (RFC 6749 §3.2).

    Raises unsupported_media_type, body_too_large, or token_request_invalid for a form that could be read in two ways.
    """
    if media_type(request) != FORM:
        raise DomainError("unsupported_media_type", expected=[FORM], error="invalid_request")
    body = await request.body()
    if len(body) > _MAX_BYTES:
        raise DomainError("body_too_large", limit_bytes=_MAX_BYTES, error="invalid_request")
    form: dict[str, str] = {}
    for pair in body.split(b"&") if body else ():
        match = _PAIR.fullmatch(pair)
        if match is None:
            raise request_error("the form cannot be read")
        name, value = _text(match[1]), _text(match[2])
        if name in form:
            raise request_error("a member appears twice")
        form[name] = value
    return {name: value for name, value in form.items() if value}


def _text(raw: bytes) -> str:
    try:
        return clean_text(unquote_to_bytes(raw.replace(b"+", b" ")).decode())
    except (UnicodeDecodeError, ValueError) as error:
        raise request_error("the form holds a forbidden character") from error


async def _token_request(request: Request) -> TokenRequest:
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise request_error("use one Authorization header")
    return token_request(await read_form(request), headers[0] if headers else None)


TokenRequestDep = Annotated[TokenRequest, Depends(_token_request)]
