"""Files of any content through the whole of an import, over HTTP: whatever stands in them, it ends and adds up.

No answer is a fault of ours, no row fails without a reason, the counts are those of the rows that can be read back, a
dry run writes nothing and the commit does what it told, and what stands in the tables is what the fates say.

`HYPOTHESIS_PROFILE=long` looks for minutes and at random; otherwise the same examples come every time.
"""

import asyncio
import io
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import xlsxwriter
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from family_flow import add_family, joining
from helpers import AMPENAN, AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, SRENGSEM, Caller, add_person, nik
from import_flow import URL, send, table, work
from imports import ugly
from tksk_api.domain.imports.contract import Formula
from tksk_api.domain.imports.kinds import KINDS

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
EXAMPLES = 20 if LONG else 1
OF_CELLS, OF_BYTES = 24 * EXAMPLES, 12 * EXAMPLES
PAGE = 3
TODAY = date.today()  # noqa: DTZ011 - the day before it has ended everywhere in Indonesia
WAYS = ("commit", "validate", "validate, commit", "commit, undo")
TABLES = {
    "beneficiaries": "beneficiaries",
    "families": "family_members",
    "partners": "partners",
    "activities": "activities",
    "visits": "visits",
    "decile_snapshots": "decile_snapshots",
    "users": "users",
}
UUIDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# Cells ----------------------------------------------------------------------------------------------------------------

ODD = (
    *(
        "",
        " ",
        "\t",
        "-",
        "'",
        '"',
        '""',
        ";",
        "=1+1",
        "@A1",
        "'0812",
        "\x00",
        "a\x00b",
        "\x07\x1b[0m",
        "\ufeff",
        "\u202e",
    ),
    *(
        "null",
        "NaN",
        "inf",
        "-inf",
        "1e999",
        "-0",
        "0",
        "-1",
        "1,5",
        "1.000,00",
        "١٢٣",
        "１２３",
        "²",
        "½",
        "①",
        "Ⅷ",
        "ⅷ",
    ),
    *(
        "1.87105E+15",
        "9" * 16,
        "9" * 40,
        "1871 0465 0391 0003",
        "18710465039100O3",
        "0" * 16,
        "18.71",
        "18.71.04.1002 ",
    ),
    *("31/02/2020", "00/00/0000", "99-99-9999", "32 Januari 2020", "0001-01-01", "9999-12-31", "2020-01-01T00:00:00Z"),
    *("24:00", "25.61", "08.30 WIB", "+62", "+620000000000000000", "ya", "tidak", "P", "L", "head_of_family", "other"),
    *(
        "x" * 300,
        "é" * 2_100,
        "x" * 40_000,
        "a\r\nb",
        "😀",
        "e\u0301",
        "İß",
        "\ud7ff",
        "\U0010ffff",
        "<b>&amp;</b>",
        "%s%n{0}",
    ),
    *("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
)
TEXT = st.one_of(st.sampled_from(ODD), st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
NUMBER = st.one_of(
    st.integers(-(10**18), 10**18), st.floats(allow_nan=False, allow_infinity=False), st.integers(-3, 60_000)
)
TYPED = st.one_of(
    TEXT,
    NUMBER,
    st.booleans(),
    st.dates(date(1900, 3, 1), date(2199, 12, 31)),
    st.datetimes(datetime(1904, 1, 2), datetime(2199, 12, 31)),  # noqa: DTZ001 - a workbook knows no zones
    st.builds(Formula, st.sampled_from(("=1+1", "=A1&B1", '=HYPERLINK("http://x")'))),
)


def workbook(headings: list[str], rows: list[list[Any]]) -> bytes:
    """As `table`, each cell of its own type."""
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True, "default_date_format": "dd/mm/yyyy"}) as book:
        sheet = book.add_worksheet("Data")
        for line, row in enumerate([headings, *rows]):
            for place, cell in enumerate(row):
                match cell:
                    case Formula():
                        sheet.write_formula(line, place, cell.text)
                    case bool():
                        sheet.write_boolean(line, place, cell)
                    case date():
                        sheet.write_datetime(line, place, cell)
                    case int() | float():
                        sheet.write_number(line, place, cell)
                    case str():
                        sheet.write_string(line, place, cell[:32_767])
    return target.getvalue()


# The world ------------------------------------------------------------------------------------------------------------


@dataclass
class World:
    """Who imports what, and what stands in the register already."""

    app: FastAPI
    owner: Any
    callers: dict[str, Caller]
    niks: list[str]
    cards: list[str]
    ids: list[str]

    def good(self, kind: str, number: int) -> dict[str, Any]:
        """A row as it should be; a few numbers, so that rows meet each other and what is registered."""
        day, person = f"{TODAY - timedelta(days=1 + number):%d/%m/%Y}", self.niks[number % len(self.niks)]
        card = self.cards[number % len(self.cards)]
        letter = "ABCDEFGHIJ"[number]
        match kind:
            case "beneficiaries":
                name = {"Nama Lengkap": f"Sari {letter}", "Tanggal Lahir": "25/03/1991", "Jenis Kelamin": "P"}
                where = {"Alamat": "Jalan Bahari 7", "RT": "1", "RW": "2", "Kode Desa/Kelurahan": SRENGSEM}
                return {"NIK": person} | name | where | {"Nomor KK": card, "Kategori PPKS": "", "Nomor Telepon": ""}
            case "families":
                head = "Istri" if number % 3 else "Kepala Keluarga"
                return {"Nomor KK": card, "NIK": person, "Hubungan Keluarga": head, "Alamat": "Gang Mawar 3", "RT": ""}
            case "activities":
                said = {"Tanggal": day, "Jenis Kegiatan": "sktm_verification", "Judul": f"Verifikasi {letter}"}
                hours = {"Jam Mulai": "08.30", "Jam Selesai": "10.15", "Jumlah Anak": "", "Lintang": "", "Bujur": ""}
                return (
                    said
                    | hours
                    | {"NIK Warga": self.niks[0], "Hasil": "Lengkap", "Peran": "", "Kode Wilayah": SRENGSEM}
                )
            case "visits":
                seen = (
                    {"Pelaksanaan": "met", "Kesimpulan": "eligible", "Alasan": "no_fixed_income"} if number % 2 else {}
                )
                return {"NIK": self.niks[0], "Tanggal Kunjungan": day, "Catatan": "", "evidence_floor_type": ""} | seen
            case "partners":
                said = {
                    "Jenis PSKS": "karang_taruna",
                    "Nama Mitra": f"Karang Taruna {letter}",
                    "Kode Wilayah": SRENGSEM,
                }
                return said | {"Telepon": "0812-3456-7890", "Bantuan": "food", "Catatan": "", "Badan Hukum": ""}
            case "decile_snapshots":
                said = {"Nomor KK": card, "Desil": str(1 + number), "Sumber": "DTSEN", "Gelombang": "DTSEN 2026"}
                return said | {"Tanggal Data": day}
            case _:
                said = {"Nama Pengguna": f"tksk.{letter.lower()}", "Nama Lengkap": "Rina Wulandari", "Peran": "tksk"}
                return said | {"Kode Wilayah": PANJANG, "NIP": "19850101 201001 2 001", "Jabatan": ""}

    async def standing(self) -> dict[str, dict[str, int]]:
        """Every record, by table and id, with its version."""
        return {
            name: {str(row["id"]): row["version"] for row in await self.owner.fetch(f"SELECT id, version FROM {name}")}
            for name in (*TABLES.values(), "families")
        }

    async def changes(self) -> int:
        wanted = "SELECT count(*) FROM changes WHERE entity <> ALL ('{imports,import_rows,jobs,attachment_usage}')"
        return int(await self.owner.fetchval(wanted))


@pytest.fixture
async def world(app, owner, as_, monkeypatch) -> World:
    for name, kind in KINDS.items():
        monkeypatch.setitem(KINDS, name, replace(kind, page=PAGE))
    tksk, clerk = await as_("tksk", PANJANG), await as_("village_clerk", SRENGSEM)
    office, away = await as_("regency_office", BANDAR_LAMPUNG), await as_("tksk", AMPENAN)
    numbers, theirs = [nik() for _ in range(5)], nik()
    people = [await add_person(tksk, nik=number) for number in numbers[:3]]
    others = await add_person(away, nik=theirs, village_code=AMPENAN_VILLAGE)
    card = nik()
    family = await add_family(clerk, joining(people[0], "head_of_family"), family_card_number=card)
    callers = {
        **dict.fromkeys(("beneficiaries", "activities", "visits", "partners"), tksk),
        "families": clerk,
        "decile_snapshots": office,
        "users": office,
    }
    ids = [people[0]["id"], others["id"], family["id"], str(uuid4())]
    return World(app, owner, callers, [*numbers, theirs], [card, nik()], ids)


# One import -----------------------------------------------------------------------------------------------------------


class Trial:
    """A file that is imported one way, and everything that must then hold."""

    def __init__(self, world: World, kind: str, met: Counter[str]) -> None:
        self.world, self.kind, self.met = world, kind, met
        self.caller = world.callers[kind]

    async def run(self, content: bytes, name: str, way: str, **said: str) -> None:
        before, changes = await self.world.standing(), await self.world.changes()
        first, *then = way.split(", ")
        answer = await send(self.caller, content, name, kind=self.kind, mode=first, **said)
        if answer.status_code != 202:
            assert 400 <= answer.status_code < 500, answer.text
            self.met["refused at once"] += 1
            return
        url = f"{URL}/{answer.json()['id']}"
        one, rows = await self.came_to(url)
        dry = None
        if first == "validate":
            assert one["status"] in ("validated", "failed"), one
            assert (await self.world.standing(), await self.world.changes()) == (before, changes)
            dry = [(row["row"], row["fate"], codes(row)) for row in rows]
        if then == ["commit"] and one["status"] == "validated":
            acted = await self.caller.act(f"{url}/commit")
            if said["atomic"] == "all" and one["counts"]["rejected"]:
                assert acted.status_code == 409, acted.text
                return
            assert acted.status_code == 200, acted.text
            one, rows = await self.came_to(url)
        if one["status"] == "failed":
            self.met[one["error"]] += 1
            assert one["error"] not in ("internal_error", "unavailable"), one
        if one["status"] != "done":
            assert one["status"] in ("validated", "failed"), one
            assert (await self.world.standing(), await self.world.changes()) == (before, changes)
            return
        assert one["counts"]["not_reached"] == 0
        assert said["atomic"] == "row" or not one["counts"]["rejected"]
        if dry is not None:
            assert [(row["row"], row["fate"], codes(row)) for row in rows] == dry
        self.compare(rows, before, await self.world.standing())
        if then == ["undo"]:
            acted = await self.caller.act(f"{url}/undo")
            assert acted.status_code == 200, acted.text
            one, _ = await self.came_to(url)
            assert one["status"] == "undone", one
            assert sum(one["undo"].values()) == one["counts"]["created"] + one["counts"]["updated"]

    async def came_to(self, url: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The import at rest, and its rows; nothing of either names a number."""
        await work(self.world.app)
        answer = await self.caller.get(url)
        assert answer.status_code == 200, answer.text
        one = answer.json()
        rows: list[dict[str, Any]] = []
        cursor = ""
        while cursor is not None:
            page = await self.caller.get(f"{url}/rows?limit=5{cursor and f'&cursor={cursor}'}")
            assert page.status_code == 200, page.text
            rows += page.json()["items"]
            cursor = page.json()["next_cursor"]
        self.met.update(fate for row in rows for fate in (row["fate"], *codes(row)))
        assert sum(one["counts"].values()) == one["rows"], one
        found = Counter(row["fate"] for row in rows)
        assert one["counts"] == {**dict.fromkeys(one["counts"], 0), **found, "not_reached": one["rows"] - len(rows)}
        assert len({row["row"] for row in rows}) == len(rows)
        assert not any("internal_error" in codes(row) for row in rows), rows
        said = UUIDS.sub("", json.dumps([one, rows], ensure_ascii=False))
        digits = re.sub(r"[\s.\-]", "", said)
        assert not any(number in digits for number in (*self.world.niks, *self.world.cards, "1871046503910003"))
        for wanted in ("csv", "json"):
            file = await self.caller.get(f"{url}/errors?format={wanted}")
            assert file.status_code in (200, 409), file.text  # 409: it could not be read
        return one, rows

    def compare(self, rows: list[dict[str, Any]], before: Any, after: Any) -> None:
        """What is new was created by a row, and what has another version now was updated by one."""
        mine = TABLES[self.kind]
        created = [row["record_id"] for row in rows if row["fate"] == "created"]
        updated = {row["record_id"] for row in rows if row["fate"] == "updated"}
        assert len(set(created)) == len(created)
        assert after[mine].keys() - before[mine].keys() == set(created)
        changed = {key for key, version in before[mine].items() if after[mine][key] != version}
        assert changed <= updated or self.kind == "visits"  # a finding takes the place of an older one
        assert updated <= changed | set(created)
        beside = {"families": {"families"}, "visits": {"activities"}}.get(self.kind, set())  # one paid is work done
        for name in before.keys() - {mine} - beside:
            assert after[name].keys() == before[name].keys()


def codes(row: dict[str, Any]) -> frozenset[str]:
    return frozenset(fault["code"] for fault in row["faults"])


async def attempted(example: Callable[[Callable[[Coroutine[Any, Any, None]], None]], None]) -> None:
    """Hypothesis draws in a thread; each example runs here, in the loop that owns the pools."""
    loop = asyncio.get_running_loop()

    def run(trial: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(trial, loop).result(120)

    with ThreadPoolExecutor(1) as pool:
        await loop.run_in_executor(pool, example, run)


def tried(examples: int) -> Any:
    return settings(
        max_examples=examples,
        derandomize=not LONG,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # what went before an example stands in the register: a smaller one is another one
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


async def test_whatever_stands_in_the_cells_it_ends_and_adds_up(world):
    met: Counter[str] = Counter()

    def example(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        @tried(OF_CELLS)
        @given(st.data())
        def attempt(data: st.DataObject) -> None:
            kind = data.draw(st.sampled_from(sorted(TABLES)), "kind")
            way, atomic = data.draw(st.sampled_from(WAYS), "way"), data.draw(st.sampled_from(("row", "all")), "atomic")
            on_match = data.draw(st.sampled_from(KINDS[kind].on_match), "on_match")
            is_book = data.draw(st.booleans(), "workbook")
            rows = [
                world.good(kind, number) for number in data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=7))
            ]
            headings = list(dict.fromkeys(name for row in rows for name in row))
            headings += data.draw(
                st.lists(st.sampled_from([c.header for c in KINDS[kind].columns]), max_size=2, unique=True)
            )
            headings = list(dict.fromkeys(headings))
            cell = st.one_of(TYPED if is_book else TEXT, st.sampled_from([*world.niks, *world.cards, *world.ids]))
            for place in data.draw(st.lists(st.tuples(st.integers(0, 6), st.sampled_from(headings)), max_size=6)):
                rows[place[0] % len(rows)][place[1]] = data.draw(cell)
            if data.draw(st.integers(0, 9)) == 0:  # a heading that is something else
                headings[0] = data.draw(TEXT)
            cells = [[row.get(name, "") for name in headings] for row in rows]
            note(str(cells))
            content = workbook(headings, cells) if is_book else table_of(headings, cells)
            name = "tabel.xlsx" if is_book else "tabel.csv"
            run(Trial(world, kind, met).run(content, name, way, atomic=atomic, on_match=on_match))

        attempt()

    await attempted(example)
    assert {"created", "rejected", "unchanged", "rows_rejected"} <= met.keys(), met


async def test_a_heading_with_a_nul_is_a_heading(world):
    """The database keeps no NUL; a workbook has one in `_x0000_`."""
    rows = [world.good("partners", number) for number in range(2)]
    content = workbook([*rows[0], "Ca_x0000_tatan\x00", "\x07"], [[*row.values(), "x", ""] for row in rows])
    met: Counter[str] = Counter()
    await Trial(world, "partners", met).run(content, "tabel.xlsx", "commit", atomic="row", on_match="skip")
    assert met == {"created": 2}


def table_of(headings: list[str], rows: list[list[Any]]) -> bytes:
    numbered = [str(place) for place in range(len(headings))]
    body = table(*(dict(zip(numbered, row, strict=True)) for row in ([*headings], *rows)))
    return body.split(b"\r\n", 1)[1]


async def test_whatever_the_bytes_of_a_file_it_ends_and_adds_up(world):
    met: Counter[str] = Counter()
    files = [ugly.content(name) for name in ugly.labels() if "bomb" not in name and "million" not in name]
    change = st.tuples(
        st.integers(0, 1 << 16), st.sampled_from(("flip", "cut", "put", "twice", "end")), st.binary(max_size=12)
    )

    def example(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        @tried(OF_BYTES)
        @given(
            st.one_of(*[st.sampled_from(files)] * 6, st.binary(max_size=400)),
            st.lists(change, max_size=4),
            st.sampled_from(WAYS),
            st.sampled_from(("row", "all")),
            st.sampled_from(KINDS["beneficiaries"].on_match),
        )
        def attempt(content: bytes, changes: Any, way: str, atomic: str, on_match: str) -> None:
            for where, what, data in changes:
                content = mutated(content, where, what, data)
            trial = Trial(world, "beneficiaries", met)
            run(trial.run(content, "tabel.csv", way, atomic=atomic, on_match=on_match))

        attempt()

    await attempted(example)
    assert {"created", "rejected", "headings_missing"} <= met.keys(), met


def mutated(content: bytes, where: int, what: str, data: bytes) -> bytes:
    place = where % (len(content) + 1)
    match what:
        case "flip":
            return content[:place] + bytes(byte ^ 0x55 for byte in content[place : place + 1]) + content[place + 1 :]
        case "cut":
            return content[:place] + content[place + len(data) :]
        case "put":
            return content[:place] + data + content[place:]
        case "twice":
            return content[:place] + content[max(0, place - 200) :]
        case _:
            return content[:place]
