"""`ETag` and `If-Match`: nobody overwrites what they have not seen (RFC 9110 §13.1.1, RFC 6585 §3)."""

import re
from typing import Annotated

from fastapi import Depends, Header

from tksk_api.errors import DomainError

_ETAG = re.compile(r'"v([1-9][0-9]{0,8})"')


def etag(version: int) -> str:
    return f'"v{version}"'


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Whether the caller holds this version already: a list, `*`, weak comparison (RFC 9110 §13.1.2)."""
    known = {part.strip().removeprefix("W/") for part in (if_none_match or "").split(",")}
    return bool(known & {tag, "*"})


def required_version(if_match: str | None) -> int:
    """The version in `If-Match`. Raises precondition_required without one, stale_version for one that can't be ours."""
    if if_match is None:
        raise DomainError("precondition_required")
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise DomainError("stale_version")
    return int(match[1])


async def _if_match(
    if_match: Annotated[
        str | None, Header(alias="If-Match", description="ETag of the version you saw", examples=['"v7"'])
    ] = None,
) -> int:
    return required_version(if_match)


IfMatch = Annotated[int, Depends(_if_match)]
