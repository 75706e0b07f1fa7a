"""What the paper of a report needs besides what it says: the office's logo, a recap's districts, a few photos."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.domain.attachments.models import Attachment
from tksk_api.domain.attachments.service import DEFAULT_PURPOSE, content_of
from tksk_api.domain.attachments.vault import Vault
from tksk_api.domain.history.access import record_access
from tksk_api.domain.regions.service import local_today, valid_within
from tksk_api.domain.reports.content import Child, ReportContent, Standing
from tksk_api.domain.reports.service import Document
from tksk_api.domain.sktm_policies.service import logo_in_force
from tksk_api.errors import DomainError

MOST_PHOTOS = 6  # one page
PHOTO = "activity_photo"

# The districts' revisions that a revision, or a draft, sums up, whatever the level of the recap.
_DISTRICTS = text(f"""
WITH summed AS (
    SELECT coalesce(v.source_ids, r.source_ids) AS ids, r.region_code, r.period_start, r.period_end
      FROM reports r LEFT JOIN report_revisions v ON v.report_id = r.id AND v.number = :number WHERE r.id = :id
), found AS MATERIALIZED (
    SELECT s.region_code, s.number, s.is_late, s.content::json AS said
      FROM report_revisions s WHERE s.id IN (SELECT unnest(ids) FROM summed)
)
SELECT g.code, CASE p.kind WHEN 'kota' THEN 'Kota ' ELSE 'Kabupaten ' END || p.name AS regency, g.name,
       f.number AS revision, f.is_late, (f.said #>> '{{work,activities,count}}')::integer AS activities,
       ARRAY(SELECT o ->> 'full_name' FROM json_array_elements(f.said #> '{{identity,officers}}') o) AS officers
  FROM summed CROSS JOIN regions g JOIN regions p ON p.code = g.parent_code LEFT JOIN found f ON f.region_code = g.code
 WHERE g.level = 'district'
   AND (f.number IS NOT NULL OR {valid_within("g", "summed.period_start", "summed.period_end")})
   AND (summed.region_code IS NULL OR g.code > summed.region_code || '.' AND g.code < summed.region_code || '/')
 ORDER BY g.code
""")


@dataclass(frozen=True)
class District:
    """One district of a recap; without a revision its report is not in it."""

    code: str
    regency: str
    name: str
    revision: int | None
    is_late: bool | None
    activities: int | None
    officers: tuple[str, ...]


@dataclass(frozen=True)
class Printable:
    """Everything a document is made of; photos are small JPEGs."""

    content: ReportContent
    standing: Standing
    districts: tuple[District, ...] = ()
    logo: bytes | None = None
    photos: tuple[bytes, ...] = ()


async def printable(session: AsyncSession, vault: Vault, found: Document, *, photos: bool = False) -> Printable:
    """The document with what else is on its paper. A frozen one bears the logo of the day it was submitted, so that it
    is the same whenever it is printed; photos, which can be taken back, are on it only where asked for."""
    return Printable(
        found.content,
        found.standing,
        await _districts(session, found),
        await _logo(session, found),
        await _photos(session, vault, found.content) if photos else (),
    )


async def _districts(session: AsyncSession, found: Document) -> tuple[District, ...]:
    if found.content.children is None:
        return ()
    asked = {"id": found.standing.report_id, "number": found.standing.revision}
    rows = (await (await session.connection()).execute(_DISTRICTS, asked)).mappings()
    return tuple(District(**{**row, "officers": tuple(dict.fromkeys(row["officers"]))}) for row in rows)


async def _logo(session: AsyncSession, found: Document) -> bytes | None:
    place, zone = found.content.region.code, found.content.period.timezone
    if place is None:
        return None
    submitted = found.standing.submitted
    day = submitted.at.astimezone(ZoneInfo(zone)).date() if submitted else local_today(zone)
    with suppress(DomainError):  # none is set here or above
        return (await logo_in_force(session, place, day))[1]
    return None


async def _photos(session: AsyncSession, vault: Vault, content: ReportContent) -> tuple[bytes, ...]:
    """The first photos of activities, which are about nobody; reading each is recorded."""
    wanted = [one.id for one in content.attachments if one.kind == PHOTO]
    query = select(Attachment).where(
        Attachment.id.in_(wanted),  # type: ignore[attr-defined]
        Attachment.beneficiary_id.is_(None),  # type: ignore[union-attr]
        Attachment.deleted_at.is_(None),  # type: ignore[union-attr]
        Attachment.thumbnail_bytes.is_not(None),  # type: ignore[union-attr]
    )
    there = {row.id: row for row in (await session.execute(query)).scalars()} if wanted else {}
    made = []
    for row in [there[key] for key in wanted if key in there][:MOST_PHOTOS]:
        with suppress(DomainError):  # a damaged photo keeps nobody from the report
            made.append(await content_of(session, vault, row, "thumbnail"))
            await record_access(session, [], purpose=DEFAULT_PURPOSE, fields=[row.kind], object_id=row.id)
    return tuple(made)


def document_etag(found: Document, printed: Printable | None, kind: str) -> str:
    """Changes with what is said, where it stands, what is on the paper besides, and the release that prints it."""
    digest = hashlib.sha256(f"{version('tksk-api')} {kind} {found.text} {found.standing!r}".encode())
    if printed is not None:
        digest.update(repr((printed.districts, printed.logo, printed.photos)).encode())
    return f'"{digest.hexdigest()}"'


def missing_of(printed: Printable) -> tuple[Child | District, ...]:
    """Districts whose report a recap is without, in the order of their codes; vacant ones are among them."""
    children = printed.content.children
    if children is None:
        return ()
    if printed.content.region.level == "regency":
        return tuple(child for child in children.rows if child.state != "accepted")
    return tuple(one for one in printed.districts if one.revision is None)
