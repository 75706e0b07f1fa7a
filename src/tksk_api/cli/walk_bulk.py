"""The demo's chapter on tables: ten thousand rows that Excel has been at, corrected, written, and taken back."""

import csv
import io
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from random import Random
from typing import Any

from tksk_api.cli.walk import StepFailedError, Walk, today
from tksk_api.domain.imports.workflow import WORKING
from tksk_api.domain.sktm_letters.content import indonesian_date
from tksk_api.domain.synthetic import Person, people_of

OFFICER, OUTSIDER = "tksk.panjang", "tksk.ampenan"
ROWS = 10_000
IMPORTS = "/v1/imports"
_SEED = 20_261_122
_DISTRICT = "18.71.04"
_FILE = "DATA WARGA PANJANG.csv"
_TITLE = "DATA WARGA KECAMATAN PANJANG"
_HEADINGS = [
    "NO",
    "NO_KK",
    "NIK",
    "NAMA_LENGKAP",
    "TMPT_LAHIR",
    "TGL_LAHIR",
    "JENIS KELAMIN",
    "ALAMAT",
    "RT",
    "RW",
    "KODE DESA",
    "SHDK",
]
_NIK, _NAME, _BORN, _SEX, _VILLAGE = 2, 3, 5, 6, 10
_FIRST_ROW = 3  # below the title and the headings
_FAR_AWAY = "52.71.01.1004"  # Ampenan
_RELATIONS = {"head_of_family": "KEPALA KELUARGA", "wife": "ISTRI", "child": "ANAK"}
_MARK, _ROW, _CODE = "!", "! Row", "! Code"  # what an error file adds
_COPY = "the row above once more"
_RARELY = 250  # one row of so many is wrong in each way
_ACTIONS = {"commit": "has it written", "undo": "takes it back"}
_PATIENCE_SECONDS, _LOOK_SECONDS = 600.0, 0.5
_SAID = 5

Cells = list[str]


def bulk(walk: Walk, rows: int = ROWS) -> None:
    """A file as an office has it: looked through, corrected by its own error file, written, sent twice, taken back."""
    walk.chapter(f"B1. A table of {rows:,} people of Panjang, as it comes out of Excel")
    for who in (OFFICER, OUTSIDER):
        walk.sign_in(who)
    _clear(walk)
    villages = sorted(item["code"] for item in walk.look(OFFICER, f"/v1/regions?parent={_DISTRICT}&limit=200")["items"])
    right, written, wrong = _table(villages, rows)
    walk.save(_content(written), _FILE, "imports")
    for what, count in wrong.most_common():
        walk.say("", f"{count:,} rows: {what}")

    walk.chapter("B2. A dry run: every row's fate, and nothing is written")
    dry = _sent(walk, _content(written), "sends it to be looked through", mode="validate")
    _told(walk, dry)
    walk.expects(dry["counts"]["rejected"] == sum(wrong.values()), f"{sum(wrong.values())} rows are rejected")
    walk.act(OUTSIDER, "an officer from Ampenan looks", "GET", f"{IMPORTS}/{dry['id']}", expect=404)
    errors = _errors(walk, dry)

    walk.chapter("B3. What was right is written; what was wrong is corrected in the error file")
    done = _acted(walk, dry, "commit")
    walk.expects(done["counts"] == dry["counts"], "the commit does what the dry run told")
    corrected = _corrected(errors, right)
    copies = wrong[_COPY]
    walk.say("", f"{sum(wrong.values()) - copies:,} cells put right", f"{copies:,} second copies deleted")
    walk.save(corrected, _FILE.replace(".csv", ".errors.csv"), "imports")
    fixed = _sent(walk, corrected, "sends the corrected rows", mode="commit", atomic="all")
    walk.expects(not fixed["counts"]["rejected"], "no row is wrong any more")

    walk.chapter("B4. The same file once more")
    again = _sent(walk, _content(written), "sends the first file again", mode="commit")
    walk.expects(again["same_as"] is not None and not again["counts"]["created"], "it came before, and changes nothing")

    walk.chapter("B5. Taken back, except what was built upon")
    made = walk.look(OFFICER, f"{IMPORTS}/{done['id']}/rows?fate=created&limit=1")["items"]
    if made:
        visit = {"beneficiary_id": made[0]["record_id"], "visited_on": today()}
        walk.act(OFFICER, f"plans a visit at row {made[0]['row']}", "POST", "/v1/visits", visit, expect=201)
    for one in (fixed, done):
        _acted(walk, one, "undo")
    for row in walk.look(OFFICER, f"{IMPORTS}/{done['id']}/rows?obstacle=true&limit={_SAID}")["items"]:
        walk.say("", f"row {row['row']} stays", f"{row['obstacle']['code']} {row['obstacle']['facts']}")


# ---- the table -------------------------------------------------------------------------------------------------------


def _cells(number: int, person: Person) -> Cells:
    """A row as it ought to be."""
    place = (person.street, person.rt, person.rw, person.village_code)
    sex = "L" if person.sex == "male" else "P"
    born = ("Bandar Lampung", f"{person.birth_date:%d/%m/%Y}")
    relation = _RELATIONS[person.relationship]
    return [str(number), person.family_card, person.nik or "", person.full_name, *born, sex, *place, relation]


def _changed(cells: Cells, place: int, value: str) -> Cells:
    return [*cells[:place], value, *cells[place + 1 :]]


def _long_date(cells: Cells) -> Cells:
    day, month, year = cells[_BORN].split("/")
    return _changed(cells, _BORN, indonesian_date(date(int(year), int(month), int(day))))


def _spaced(cells: Cells) -> Cells:
    nik = cells[_NIK]
    return _changed(cells, _NIK, " ".join(nik[at : at + 4] for at in range(0, len(nik), 4)))


# What is understood, and what is not; a spreadsheet, another system or haste did it.
_UNTIDY: tuple[Callable[[Cells], Cells], ...] = (
    lambda cells: _changed(cells, _NIK, f"'{cells[_NIK]}"),
    _spaced,
    lambda cells: _changed(cells, _NIK, "".join(chr(ord(digit) + 0xFEE0) for digit in cells[_NIK])),
    lambda cells: _changed(cells, _NAME, f"  {cells[_NAME].upper()} "),
    _long_date,
)
_WRONG: Mapping[str, Callable[[Cells], Cells]] = {
    "NIK as 1,87104E+15": lambda cells: _changed(cells, _NIK, "1,87104E+15"),
    "NIK a digit short": lambda cells: _changed(cells, _NIK, cells[_NIK][:-1]),
    "born on 31 February": lambda cells: _changed(cells, _BORN, f"31/02/{cells[_BORN][-4:]}"),
    "no name": lambda cells: _changed(cells, _NAME, ""),
    "sex X": lambda cells: _changed(cells, _SEX, "X"),
    "a village of Ampenan": lambda cells: _changed(cells, _VILLAGE, _FAR_AWAY),
}


def _table(villages: list[str], rows: int) -> tuple[dict[int, Cells], list[Cells], Counter[str]]:
    """The rows as they ought to be by the number that a spreadsheet shows, as they stand there, and what is wrong."""
    chance = Random(_SEED)  # noqa: S311 - the same table every time
    right: dict[int, Cells] = {}
    written: list[Cells] = []
    wrong: Counter[str] = Counter()
    people = (person for person in people_of(_SEED, villages, 2 * rows) if person.nik)
    twice: Cells | None = None
    for number in range(_FIRST_ROW, _FIRST_ROW + rows):
        if twice is not None and chance.randrange(_RARELY) == 0:
            written.append(twice)
            wrong[_COPY] += 1
            twice = None
            continue
        cells = _cells(number, next(people))
        right[number], twice = cells, None
        what = chance.choice(list(_WRONG))
        if chance.randrange(_RARELY // len(_WRONG)) == 0:
            written.append(_WRONG[what](cells))
            wrong[what] += 1
        else:
            written.append(chance.choice(_UNTIDY)(cells) if chance.random() < 0.5 else cells)
            twice = cells
    return right, written, wrong


def _content(rows: list[Cells]) -> bytes:
    """Semicolons, a title above the headings, CRLF and a mark at the beginning: Excel in Indonesia."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";")
    writer.writerow([_TITLE, *[""] * (len(_HEADINGS) - 1)])
    writer.writerow(_HEADINGS)
    writer.writerows(rows)
    return out.getvalue().encode("utf-8-sig")


def _corrected(errors: bytes, right: Mapping[int, Cells]) -> bytes:
    """The error file after the officer was through with it: cells put right, second copies deleted."""
    rows = list(csv.DictReader(io.StringIO(errors.decode("utf-8-sig"), newline=""), delimiter=";"))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), delimiter=";")
    writer.writeheader()
    for row in rows:
        truth = right.get(int(row[_ROW]))
        if truth is not None:
            writer.writerow({**row, **dict(zip(_HEADINGS, truth, strict=True))})
    return out.getvalue().encode("utf-8-sig")


# ---- imports ---------------------------------------------------------------------------------------------------------


def _sent(walk: Walk, content: bytes, what: str, **said: str) -> Any:
    body = {"kind": "beneficiaries", **said}
    one = walk.act(
        OFFICER,
        what,
        "POST",
        IMPORTS,
        body,
        file=(_FILE, content),
        expect=202,
        show=lambda row: f"{row['file_bytes']:,} bytes, {row['mode']}, atomic {row['atomic']}",
    )
    return _at_rest(walk, one)


def _acted(walk: Walk, one: Mapping[str, Any], action: str) -> Any:
    path = f"{IMPORTS}/{one['id']}"
    return _at_rest(walk, walk.step(OFFICER, _ACTIONS[action], f"{path}/{action}", show=lambda row: row["status"]))


def _at_rest(walk: Walk, one: Mapping[str, Any]) -> Any:
    """The import once the job is done with it. Raises StepFailedError."""
    begun = time.monotonic()
    with walk.console.status("") as shown:  # of a terminal only, while it lasts
        while one["status"] in WORKING:
            if time.monotonic() - begun > _PATIENCE_SECONDS:
                raise StepFailedError(f"the import is {one['status']} still: {one['progress']}")
            done, total = one["progress"]["done"], one["progress"]["total"]
            shown.update(f"{one['status']}, {done:,} of {total:,} rows" if total else one["status"])
            time.sleep(_LOOK_SECONDS)
            one = walk.look(OFFICER, f"{IMPORTS}/{one['id']}")
    counts = {**{fate: rows for fate, rows in one["counts"].items() if rows}, **_undone(one)}
    fates = ", ".join(f"{rows:,} {fate}" for fate, rows in counts.items())
    walk.say("", f"{one['status']} after {time.monotonic() - begun:.1f} s", fates)
    walk.expects(one["status"] not in {"failed", "cancelled"}, f"it does not fail ({one['error']})")
    walk.expects(sum(one["counts"].values()) == one["rows"], "the fates add up to the rows of the file")
    return one


def _undone(one: Mapping[str, Any]) -> dict[str, int]:
    return {"taken back": one["undo"]["undone"], "kept": one["undo"]["kept"]} if one["status"] == "undone" else {}


def _told(walk: Walk, one: Mapping[str, Any]) -> None:
    file = one["file"]
    read = ", ".join(f"{item['heading']} = {item['column']}" for item in file["headings"] if item["column"])
    walk.say("", f"{file['format']}, {file['encoding']}, {file['delimiter']}, row {file['heading_row']}", read)


def _errors(walk: Walk, one: Mapping[str, Any]) -> bytes:
    """The rejected rows as they came in, with what is wrong and what to do; the first of each kind is read out."""
    path = f"{IMPORTS}/{one['id']}/errors"
    content: bytes = walk.act(OFFICER, "downloads the error file", "GET", path, show=lambda got: f"{len(got):,} bytes")
    first: dict[str, tuple[str, ...]] = {}
    counted: Counter[str] = Counter()
    for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"):
        counted[row[_CODE]] += 1
        first.setdefault(row[_CODE], tuple(value for name, value in row.items() if name.startswith(_MARK))[2:])
    for code, rows in counted.most_common():
        walk.say("", f"{rows:,} rows: {code}", " ".join(first[code]))
    return content


def _clear(walk: Walk) -> None:
    """What a walk that was broken off has left."""
    for one in _left(walk):
        _acted(walk, one, "undo")


def _left(walk: Walk) -> Iterator[Any]:
    done = walk.look(OFFICER, f"{IMPORTS}?kind=beneficiaries&status=done&limit=200")["items"]
    yield from (one for one in done if one["file_name"] == _FILE and one["counts"]["created"])
