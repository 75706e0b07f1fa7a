"""Home visits by file: plans, and what was written on paper, as visits of whoever imports them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import principal_of
from tksk_api.database.tables import table_of
from tksk_api.domain.imports import cells
from tksk_api.domain.imports.cells import Reader, Reading
from tksk_api.domain.imports.contract import Cell, Column, Fate, Kind
from tksk_api.domain.imports.kinds.one_by_one import Match, Values, applying, naming, undoing
from tksk_api.domain.imports.kinds.recognising import degrees, people_of
from tksk_api.domain.records import load
from tksk_api.domain.visit_forms.forms import FormField, every_field
from tksk_api.domain.visits import service
from tksk_api.domain.visits.models import Visit
from tksk_api.domain.visits.schemas import (
    FormVersion,
    VisitCancel,
    VisitComplete,
    VisitCreate,
    VisitUpdate,
    rounded,
)
from tksk_api.domain.visits.workflow import require_editable
from tksk_api.errors import invalid
from tksk_api.security.permissions import Permission
from tksk_api.types import Latitude, Longitude, Note

_TABLE = table_of(Visit)
_NONE = frozenset({"tidak ada", "tidak punya", "nihil", "none"})
_METRES: TypeAdapter[Any] = TypeAdapter(Annotated[float, rounded(1)])
_PLAN, _PLACE = ("visited_on", "notes", "form_version"), ("lat", "lon", "accuracy")
_SEEN = ("outcome", "finding", "reasons")


def _number(cell: Cell) -> Reading:
    value, notes = cells.decimal(cell)
    return (None if value is None else float(value)), notes


def _metres(cell: Cell) -> Reading:
    value, notes = _number(cell)
    return (None if value is None else _METRES.validate_python(value)), notes


def _codes(list_code: str) -> Reader:
    """A reader of several codes; a word for none is an answer, too: there are none."""
    read = cells.many(cells.listed(list_code))

    def codes_of(cell: Cell) -> Reading:
        if isinstance(cell, str) and cell.strip().casefold() in _NONE:
            return [], ()
        return read(cell)

    return codes_of


def _answer(entry: FormField) -> Reader:
    match entry.type:
        case "code":
            return cells.listed(entry.list or "")
        case "codes":
            return _codes(entry.list or "")
        case "integer":
            return cells.whole
        case "number":
            return _number
        case "boolean":
            return cells.boolean


def _asked(entry: FormField) -> Column:
    """The column of a field of the form, whatever the version; a new version brings its columns without any code."""
    codes = tuple(item.code for item in entry.choices)
    unit = (f" ({entry.unit_id})", f" ({entry.unit_en})") if entry.unit_id else ("", "")
    words = (
        f"Kode dari daftar {entry.list}" if entry.list else f"{entry.label_id}{unit[0]}",
        f"Codes of the list {entry.list}" if entry.list else f"{entry.label_en}{unit[1]}",
    )
    choices = codes if entry.type == "code" else ()
    return Column(f"evidence_{entry.name}", _answer(entry), entry.label_id, words=words, choices=choices)


_COLUMNS = (
    Column("id", cells.uuid, "ID", aliases=("ID Kunjungan",), words=("UUID kunjungan yang sudah tercatat", "Its UUID")),
    Column(
        "nik",
        cells.nik,
        "NIK",
        aliases=("NIK Warga", "NIK Penerima Manfaat", "NIK PPKS"),
        example="1871046503910001",
        words=(
            "Yang dikunjungi, terdaftar di wilayah Anda; sel berformat Teks; boleh kosong bila ID Warga diisi",
            "Who is visited, registered in your area, in a cell formatted as text; empty where their id is given",
        ),
        is_identity=True,
    ),
    Column("beneficiary_id", cells.uuid, "ID Warga", words=("UUID warga", "UUID of the person")),
    Column(
        "visited_on",
        cells.day,
        "Tanggal Kunjungan",
        required=True,
        aliases=("Tanggal", "Tgl Kunjungan", "Tgl"),
        example="21/11/2026",
        words=("Hari kunjungan, juga yang akan datang", "The day of the visit, also one to come"),
    ),
    Column("notes", cells.typed(Note, cells.text), "Catatan", aliases=("Keterangan",)),
    Column("location_lat", degrees(Annotated[Latitude, rounded(6)]), "Lintang", aliases=("Latitude", "Lat")),
    Column("location_lon", degrees(Annotated[Longitude, rounded(6)]), "Bujur", aliases=("Longitude", "Long", "Lon")),
    Column("location_accuracy", _metres, "Ketelitian (m)", aliases=("Akurasi",)),
    Column(
        "outcome",
        cells.listed("visit_outcomes"),
        "Pelaksanaan",
        aliases=("Hasil Kunjungan", "Status Kunjungan"),
        example="met",
        words=("Kosong bila kunjungan baru direncanakan", "Left empty where the visit is only planned"),
        choices=("met", "refused", "nobody_home"),
    ),
    Column(
        "finding",
        cells.listed("visit_findings"),
        "Kesimpulan",
        aliases=("Temuan", "Rekomendasi", "Kelayakan"),
        example="eligible",
        words=("Wajib bila yang dikunjungi ditemui", "Needed where somebody was met"),
        choices=("eligible", "not_eligible", "needs_assessment"),
    ),
    Column(
        "reasons",
        cells.many(cells.listed("visit_reasons")),
        "Alasan",
        words=("Kode dari daftar visit_reasons, dipisah titik koma", "Codes of visit_reasons, divided by semicolons"),
    ),
    Column(
        "form_version",
        cells.typed(FormVersion, cells.whole),
        "Versi Formulir",
        words=("Kosong berarti formulir yang berlaku hari itu", "Left empty, the form in force on that day"),
    ),
    *(_asked(entry) for entry in every_field().values()),
)
_EVIDENCE = tuple(every_field())


def _key(values: Values) -> str | None:
    """Two rows are one visit by the id, or by the person and the day."""
    if values.get("id"):
        return str(values["id"])
    person = values.get("nik") or values.get("beneficiary_id")
    return f"{person}|{values['visited_on']}" if person else None


async def _prepare(session: AsyncSession, values: Values) -> tuple[Values, Sequence[UUID]]:
    """The person for their NIK; an id beside it must be theirs."""
    said = {**values}
    number = said.pop("nik", None)
    if number is None:
        return said, ()
    people = await people_of(session, [number], "/nik")
    if said.setdefault("beneficiary_id", people[0]) != people[0]:
        raise invalid("/beneficiary_id", "unknown_reference")
    return said, people


async def _find(session: AsyncSession, values: Values) -> Match | None:
    """The visit of this id and person, or the importer's own to the person on the day that was not called off."""
    person = values.get("beneficiary_id")
    if (key := values.get("id")) is not None:
        condition = [_TABLE.c.id == key, *([_TABLE.c.beneficiary_id == person] if person else [])]
    elif person is None:
        raise invalid("/nik", "missing")
    else:
        condition = [
            _TABLE.c.officer_id == principal_of(session).user_id,
            _TABLE.c.beneficiary_id == person,
            _TABLE.c.visited_on == values["visited_on"],
            _TABLE.c.status != "cancelled",
        ]
    found = select(Visit).where(*condition).order_by(_TABLE.c.created_at, _TABLE.c.id).limit(1)
    row = (await session.execute(found)).scalars().first()
    if row is None:
        return None
    now = {name: getattr(row, name) for name in ("id", "beneficiary_id", *_PLAN, *_SEEN)}
    now |= {"location_lat": row.latitude, "location_lon": row.longitude}
    now |= {"location_accuracy": None if row.accuracy is None else float(row.accuracy)}
    return Match(row.id, row.version, now | {f"evidence_{name}": row.evidence.get(name) for name in _EVIDENCE})


def _plan(values: Values) -> dict[str, Any]:
    """What is said of a visit that is still to be paid. A place that is all empty is no place, as it was before."""
    body = {name: values[name] for name in _PLAN if name in values}
    place = {part: values[f"location_{part}"] for part in _PLACE if f"location_{part}" in values}
    if place:
        body["location"] = place if any(value is not None for value in place.values()) else None
    return body


def _completed(values: Values) -> VisitComplete | None:
    """How it went, where the row says it."""
    seen = {name: values[name] for name in _SEEN if name in values}
    answers = {name: values[f"evidence_{name}"] for name in _EVIDENCE if f"evidence_{name}" in values}
    if not seen and not answers:
        return None
    version = {"form_version": values["form_version"]} if "form_version" in values else {}
    return VisitComplete.model_validate({**seen, **version, "evidence": answers})


async def _create(session: AsyncSession, values: Values) -> Stored:
    """Plan the visit, and complete it where the row says how it went."""
    who = {name: values[name] for name in ("id", "beneficiary_id") if name in values}
    made = await service.create(session, VisitCreate.model_validate(who | _plan(values)))
    completed = _completed(values)
    if completed is None or not made.created:
        return made
    stored = await service.complete(session, UUID(str(made.id)), made.version or 0, completed)
    return replace(stored, created=True)


async def _update(session: AsyncSession, key: UUID, version: int, values: Values) -> Stored:
    """Change what is planned, and complete it where the row says how it went. What was completed is never rewritten."""
    require_editable((await load(session, Visit, key, version)).status)
    completed = _completed(values)
    plan = _plan({name: value for name, value in values.items() if completed is None or name != "form_version"})
    stored = None
    if plan or completed is None:
        stored = await service.update(session, key, version, VisitUpdate.model_validate(plan))
    if completed is None:
        assert stored is not None
        return stored
    return await service.complete(session, key, (stored and stored.version) or version, completed)


async def _put_back(session: AsyncSession, key: UUID, version: int, values: Values) -> Stored:
    """Only a plan is put back; a visit that was completed stays, and says so."""
    plan = {name: value for name, value in _plan(values).items() if name != "form_version"}
    return await service.update(session, key, version, VisitUpdate.model_validate(plan))


async def _remove(session: AsyncSession, fate: Fate) -> None:
    """A planned visit is called off; what was seen on one that was paid stays on record."""
    assert fate.record_id is not None
    await service.cancel(session, fate.record_id, fate.version or 0, VisitCancel(reason="Impor dibatalkan"))


VISITS = Kind(
    name="visits",
    permission=Permission.VISIT_WRITE,
    columns=_COLUMNS,
    key=_key,
    apply=applying("visits", _find, _create, _update, _prepare),
    undo=undoing(_remove, _put_back),
    page=100,
    named=naming(_key, _find, _prepare),
)
