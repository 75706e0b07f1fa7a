"""Finding out whether somebody changed the access log or its seals: everything is computed anew from the rows."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tksk_api.domain.audit import merkle
from tksk_api.domain.audit.service import ALL_ROWS, ENTRY_BYTES, SEALS, Sessions, as_auditor, digests, seal_hash

_STALE = timedelta(minutes=10)
_SEALS_AT_ONCE = 20

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Finding:
    """Something that cannot come from ordinary work. `code` names the kind, `text` the row or seal in words."""

    code: str
    text: str


class _Rows:
    """The log in the order of its ids, with the next row in view."""

    def __init__(self, rows: AsyncIterator[tuple[int, datetime, bytes]]) -> None:
        self._rows = rows
        self.next: tuple[int, datetime, bytes] | None = None

    async def advance(self) -> None:
        self.next = await anext(self._rows, None)

    async def until(self, last: int) -> dict[int, bytes]:
        """Id and digest of every row up to this id that was not taken yet."""
        taken = {}
        while self.next is not None and self.next[0] <= last:
            taken[self.next[0]] = self.next[2]
            await self.advance()
        return taken


async def verify(sessions: Sessions, anchor: bytes | None, report: Report) -> AsyncIterator[Finding]:
    """Walk all seals and all rows once; memory does not grow with the log. `report` is told rows done and in all.

    `anchor` is a hash that was printed earlier: without one, a log that was cut at its end and sealed anew looks whole.
    """
    async with as_auditor(sessions, "verify_access_log") as connection:
        expected = int((await connection.execute(select(func.coalesce(func.sum(SEALS.c.row_count), 0)))).scalar_one())
        rows = _Rows(digests(connection, ALL_ROWS))
        await rows.advance()
        done, anchored = 0, anchor is None
        last: Mapping[str, Any] = {"number": 0, "hash": merkle.GENESIS}
        async for seal in _seals(connection):
            sealed = _entries(seal["leaves"])
            for finding in _check_chain(last, seal, sealed):
                yield finding
            if seal["number"] != last["number"] + 1 and sealed:
                await rows.until(min(sealed) - 1)  # under a seal that is missing: nothing to compare with
            present = await rows.until(max(sealed, default=seal["last_id"]))
            for finding in _compare(seal["number"], sealed, present):
                yield finding
            anchored = anchored or seal["hash"] == anchor
            last, done = seal, done + len(sealed)
            report(done, expected)
        if not anchored:
            yield Finding("anchor_not_found", "no seal has the hash of the anchor: seals were removed or made anew")
        if rows.next is not None and datetime.now(UTC) - rows.next[1] > _STALE:
            yield Finding(
                "sealing_stopped", f"row {rows.next[0]} of {rows.next[1]:%Y-%m-%d %H:%M} UTC is not sealed yet"
            )


async def _seals(connection: AsyncConnection) -> AsyncIterator[Any]:
    result = await connection.stream(
        select(SEALS).order_by(SEALS.c.number), execution_options={"yield_per": _SEALS_AT_ONCE}
    )
    async for row in result.mappings():
        yield row


def _check_chain(last: Mapping[str, Any], seal: Mapping[str, Any], sealed: Mapping[int, bytes]) -> list[Finding]:
    """What is wrong with a seal itself, or with its place after the one before."""
    number, findings = seal["number"], []
    if number != last["number"] + 1:
        missing = f"{last['number'] + 1}" if number == last["number"] + 2 else f"{last['number'] + 1} to {number - 1}"
        findings.append(Finding("seal_missing", f"seal {missing} is missing"))
    elif bytes(seal["previous"]) != bytes(last["hash"]):
        findings.append(Finding("seal_out_of_order", f"seal {number} does not follow the seal before it"))
    if bytes(seal["hash"]) != seal_hash(seal) or not _fits(seal, sealed):
        findings.append(Finding("seal_edited", f"seal {number} was changed"))
    return findings


def _fits(seal: Mapping[str, Any], sealed: Mapping[int, bytes]) -> bool:
    """Whether its leaves are what the rest of it says."""
    bounds = (min(sealed, default=None), max(sealed, default=None), len(sealed) * ENTRY_BYTES)
    return (
        bounds == (seal["first_id"], seal["last_id"], len(seal["leaves"]))
        and len(sealed) == seal["row_count"]
        and merkle.root(list(sealed.values())) == bytes(seal["root"])
    )


def _entries(leaves: bytes) -> dict[int, bytes]:
    """Id and digest of every row as it was when it was sealed, in order."""
    cuts = range(0, len(leaves), ENTRY_BYTES)
    return {int.from_bytes(leaves[cut : cut + 8], "big", signed=True): leaves[cut + 8 : cut + 40] for cut in cuts}


def _compare(number: int, sealed: Mapping[int, bytes], present: Mapping[int, bytes]) -> list[Finding]:
    """Rows that are not what was sealed."""
    findings = []
    for key in sorted(sealed.keys() | present.keys()):
        if key not in present:
            findings.append(Finding("row_deleted", f"row {key} of seal {number} was deleted"))
        elif key not in sealed:
            findings.append(Finding("row_inserted", f"row {key} was inserted among the rows of seal {number}"))
        elif sealed[key] != present[key]:
            findings.append(Finding("row_edited", f"row {key} of seal {number} was changed"))
    return findings
