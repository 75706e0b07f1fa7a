"""Open data: tables for everybody, with the metadata that Satu Data Indonesia asks for (Perpres 39/2019 Pasal 3-9).

Standard, metadata, interoperability by common codes: region codes of the Ministry of Home Affairs, the code lists of
this API, and one table layout for all. Counts that point at few people are withheld, whoever asks.
"""

import asyncio
import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.domain.eligibility.suppression import SMALLEST
from tksk_api.domain.references.lists import LISTS, label
from tksk_api.domain.regions.dataset import SOURCE
from tksk_api.domain.statistics.periods import Period, last_day, months_later
from tksk_api.domain.statistics.schemas import (
    DatasetColumn,
    DatasetMetadata,
    DatasetRow,
    Dimension,
    Distribution,
    StatisticsRead,
    Subject,
)
from tksk_api.domain.statistics.service import Question, answer, children
from tksk_api.domain.statistics.subjects import NATION, SOURCES
from tksk_api.errors import not_found

URL = "/v1/statistics/open-data"
COLUMNS = ("region_code", "region_name", "month", "code", "label", "count", "suppressed")
_MONTHS = 12


@dataclass(frozen=True)
class Dataset:
    """One table: counts of a subject by region, month, and the key that is open to all, whose codes are of a list."""

    of: Subject
    title_id: str
    title_en: str
    unit_id: str
    unit_en: str

    @property
    def key(self) -> Dimension:
        return SOURCES[self.of].open_key

    @property
    def list_code(self) -> str:
        return SOURCES[self.of].open_list


DATASETS: Mapping[str, Dataset] = {
    "activities-by-pillar": Dataset(
        "activities",
        "Kegiatan TKSK menurut pilar dan bulan",
        "Activities of district social workers by pillar and month",
        "kegiatan",
        "activities",
    ),
    "visits-by-outcome": Dataset(
        "visits",
        "Kunjungan rumah menurut hasil dan bulan",
        "Home visits by outcome and month",
        "kunjungan",
        "visits",
    ),
    "sktm-by-purpose": Dataset(
        "sktm",
        "Permohonan SKTM menurut keperluan dan bulan pengajuan",
        "SKTM applications by purpose and month of drafting",
        "permohonan",
        "applications",
    ),
    "referrals-by-program": Dataset(
        "referrals",
        "Rujukan menurut program dan bulan pengajuan",
        "Referrals by programme and month of drafting",
        "rujukan",
        "referrals",
    ),
    "ppks-by-category": Dataset(
        "ppks",
        "Asesmen PPKS menurut kategori dan bulan",
        "PPKS assessments by category and month",
        "asesmen",
        "assessments",
    ),
}


def dataset(name: str) -> Dataset:
    """Raises not_found."""
    if name not in DATASETS:
        raise not_found()
    return DATASETS[name]


async def area_of(session: AsyncSession, region: str | None) -> str:
    """Tables go down to the districts of a regency. Raises not_found."""
    if region is None:
        return NATION
    if len(region) > len("00.00") or not await children(session, region):
        raise not_found()
    return region


def last_months(today: date) -> Period:
    """The twelve months that were over last."""
    end = last_day(months_later(today, -1))
    return Period(months_later(end, 1 - _MONTHS), end)


async def rows(session: AsyncSession, name: str, area: str, period: Period) -> list[DatasetRow]:
    """One for every region just below the area, month, and code that occurs."""
    found = dataset(name)
    asked = Question(found.of, area, period, ("region", "month", found.key), shows_rows=False)
    return await asyncio.to_thread(_rows, found, await answer(session, asked))


def _rows(found: Dataset, told: StatisticsRead) -> list[DatasetRow]:
    return [
        DatasetRow(
            region_code=cell.keys["region"],
            region_name=told.regions.get(cell.keys["region"], ""),
            month=cell.keys["month"],
            code=cell.keys[found.key],
            label=_label(found, cell.keys[found.key]),
            count=cell.count,
            suppressed=cell.suppressed,
        )
        for cell in told.cells
    ]


def _label(found: Dataset, code: str) -> str:
    known = {item.code for item in LISTS[found.list_code].items}
    return label(found.list_code, code, "id") if code in known else code


def as_csv(table: list[DatasetRow]) -> Iterator[str]:
    """Line by line, with a header. A withheld count is empty; nothing in it starts a formula."""
    for line in (COLUMNS, *(_fields(row) for row in table)):
        text = io.StringIO()
        csv.writer(text, lineterminator="\r\n").writerow(line)
        yield text.getvalue()


def _fields(row: DatasetRow) -> tuple[str, ...]:
    values = (
        "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        for value in row.model_dump().values()
    )
    return tuple(f"'{value}" if value[:1] in "=+-@\t\r" and value else value for value in values)


def metadata(name: str, publisher: str, licence: str, public_url: str, period: Period) -> DatasetMetadata:
    """What the table is, who answers for it, and what its columns mean."""
    found = dataset(name)
    codes = f"{public_url}/v1/references/{found.list_code}"
    return DatasetMetadata(
        id=name,
        title_id=found.title_id,
        title_en=found.title_en,
        description_id=f"Jumlah {found.unit_id} menurut wilayah, bulan dan kode; bulan yang sudah berakhir saja.",
        description_en=f"Number of {found.unit_en} by region, month and code; of months that are over.",
        publisher=publisher,
        licence=licence,
        language=["id", "en"],
        period=f"{period.first:%Y-%m}/{period.last:%Y-%m}",
        frequency="monthly",
        updated=datetime.now(UTC),
        unit_id=found.unit_id,
        unit_en=found.unit_en,
        reference_codes=[f"Kode wilayah: {SOURCE}", codes],
        standard="Perpres 39/2019 (Satu Data Indonesia)",
        suppression_id=f"Jumlah 1 sampai {SMALLEST - 1} tidak ditampilkan, begitu pula jumlah lain yang dapat "
        "mengungkapkannya: untuk wilayah sebelahnya dan untuk seluruh kode yang sama. Kategori sensitif tidak dimuat.",
        suppression_en=f"Counts of 1 to {SMALLEST - 1} are withheld, and others that would tell them: of neighbouring "
        "regions, and of the same code in all of them. Sensitive categories are not in it.",
        columns=[
            DatasetColumn(name="region_code", type="string", description="Kode wilayah Kemendagri", reference=SOURCE),
            DatasetColumn(name="region_name", type="string", description="Nama wilayah", reference=None),
            DatasetColumn(name="month", type="string", description="Bulan, YYYY-MM (ISO 8601)", reference=None),
            DatasetColumn(name="code", type="string", description=found.key, reference=codes),
            DatasetColumn(name="label", type="string", description="Nama kode dalam bahasa Indonesia", reference=codes),
            DatasetColumn(name="count", type="integer", description=found.unit_id, reference=None),
            DatasetColumn(name="suppressed", type="boolean", description="Benar: tidak ditampilkan", reference=None),
        ],
        distributions=[
            Distribution(media_type=media_type, url=f"{public_url}{URL}/{name}?format={kind}")
            for kind, media_type in (("csv", "text/csv"), ("json", "application/json"))
        ],
    )
