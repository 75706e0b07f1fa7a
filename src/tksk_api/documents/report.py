"""Print a report as a PDF/A-2b file that a head of office can sign: the same bytes each time, without the network."""

import io
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import segno

from tksk_api.documents.report_tables import (
    OFFICER_KINDS,
    STATES,
    Column,
    Part,
    Table,
    Value,
    facts,
    parts,
    period_name,
    said,
    title_of,
)
from tksk_api.documents.typesetting import line, lines, local_moment, typeset
from tksk_api.domain.reports.content import Child, Officer, ReportContent, Signed, Standing
from tksk_api.domain.reports.printing import Printable, missing_of
from tksk_api.domain.sktm_letters.content import indonesian_date

_TEMPLATE = Path(__file__).with_name("report.typ")
_NOTHING = "–"
_MOST_BARS = 12
_MARKS = {"draft": "DRAF", "submitted": "", "returned": "DIKEMBALIKAN", "accepted": ""}
_ELSEWHERE = frozenset({"Laporan", "Wilayah", "Di dalam", "Periode", "SHA-256 isi"})  # larger, or on every page
_MINISTRY = "Kementerian Sosial Republik Indonesia"


def render_report(printed: Printable) -> bytes:
    """Print on A4 and give the PDF/A-2b file.

    The same report gives the same bytes with the same release of this template and of typst: the date inside the file
    is the last signature's, or that of the counting. Text is handed over as data and never read as markup. Threads and
    failures as in `typeset`.
    """
    signed = [one.at for one in _signatures(printed.standing) if one is not None]
    moment = max((printed.content.compiled_at, *signed))
    return typeset(_TEMPLATE, "report", _view(printed), moment)


def _view(printed: Printable) -> dict[str, Any]:
    """Give what the template prints: finished strings, in Indonesian, times in the zone of the region."""
    content, standing = printed.content, printed.standing
    sections = [_section(part) for part in parts(content, printed.districts) if part.code != "children"]
    return {
        "title": title_of(content),
        "office": line(content.region.office),
        "above": [line(name) for name in content.region.above],
        "period": period_name(content),
        "days": f"{indonesian_date(content.period.first)} – {indonesian_date(content.period.last)}",
        "logo": list(printed.logo or b""),
        "mark": _MARKS[standing.status],
        "revision": str(standing.revision),
        "officers": [_officer(officer) for officer in content.identity.officers],
        "facts": [(name, line(_said(value), 40)) for name, value in facts(content, standing) if name not in _ELSEWHERE],
        "digest": standing.sha256 or "",
        "counted": local_moment(content.compiled_at.astimezone(ZoneInfo(content.period.timezone))),
        "children": _recap(printed),
        "sections": sections,
        "charts": _charts(content),
        "narrative": [
            (title, _paragraphs(text))
            for title, text in (
                ("Ringkasan", content.narrative.summary),
                ("Hambatan dan upaya", content.narrative.obstacles),
                ("Rencana periode berikutnya", content.narrative.plan),
            )
            if text
        ],
        "photos": [list(photo) for photo in printed.photos],
        "signers": _signers(content, standing),
        "verification_target": standing.verification_url or "",
        "verification_url": line(standing.verification_url or "", 90),
        "qr": _qr(standing.verification_url) if standing.verification_url else "",
    }


def _officer(officer: Officer) -> dict[str, str]:
    decree = [f"SK {officer.decree_number}"] if officer.decree_number else []
    if officer.decree_date:
        decree.append(f"tanggal {indonesian_date(officer.decree_date)}")
    if officer.decree_issuer:
        decree.append(f"oleh {said('assignment_sources', officer.decree_issuer)}")
    return {
        "name": line(officer.full_name),
        "number": line(officer.employee_number or ""),
        "kind": OFFICER_KINDS[officer.kind],
        "decree": line(" ".join(decree)) or "Tanpa surat keputusan yang tercatat",
        "days": f"{indonesian_date(officer.first)} – {indonesian_date(officer.last)}",
    }


def _section(part: Part) -> dict[str, Any]:
    return {"code": part.code, "title": part.title, "tables": [_table(table) for table in part.tables]}


def _table(table: Table) -> dict[str, Any]:
    """Columns without any value are left out, and a heading over neighbours is said once."""
    used = [
        index
        for index, column in enumerate(table.columns)
        if column.kind == "number" or any(row[index] is not None for row in table.rows)
    ]
    columns = [table.columns[index] for index in used]
    groups: list[list[Any]] = []
    for column in columns:
        if groups and column.group and groups[-1][0] == column.group:
            groups[-1][1] += 1
        else:
            groups.append([column.group, 1])
    return {
        "name": table.name,
        "note": table.note,
        "empty": table.empty,
        "heads": [column.title for column in columns],
        "groups": groups if any(name for name, _ in groups) else [],
        "kinds": [column.kind for column in columns],
        "widths": [column.width for column in columns],
        "rows": [_cells(columns, [row[index] for index in used]) for row in table.rows],
        "total": _cells(columns, [table.total[index] for index in used], nothing="") if table.total else [],
    }


def _cells(columns: Sequence[Column], row: Sequence[Value], nothing: str = _NOTHING) -> list[str]:
    # A table is some 100 letters wide, which its columns share; a longer word may break.
    total = sum(column.width for column in columns)
    return [
        lines(_said(value, nothing), max(12, 100 * column.width // total))
        for column, value in zip(columns, row, strict=True)
    ]


def _said(value: Value, nothing: str = _NOTHING) -> str:
    if value is None:
        return nothing
    if isinstance(value, date):
        return f"{value:%d-%m-%Y}"
    return _number(value) if isinstance(value, int) else value


def _number(value: int) -> str:
    return f"{value:,}".replace(",", ".")


def _recap(printed: Printable) -> dict[str, Any] | None:
    """What a recap was built from; the nation's names its districts only where they are missing."""
    children = printed.content.children
    if children is None:
        return None
    part = next(part for part in parts(printed.content, printed.districts) if part.code == "children")
    tables = part.tables[:1] if printed.content.region.level == "nation" else part.tables
    missing: dict[str, list[str]] = {}
    for one in missing_of(printed):
        if isinstance(one, Child):
            missing.setdefault("", []).append(f"{one.region_name} ({STATES[one.state].lower()})")
        else:
            missing.setdefault(one.regency, []).append(one.name)
    return {
        "title": part.title,
        "sentence": f"Dari {_number(children.districts)} kecamatan, {_number(children.reported)} laporan diterima, "
        f"{_number(children.late)} di antaranya terlambat; {_number(children.vacant)} kecamatan tanpa TKSK.",
        "missing": [[line(name), line(", ".join(names))] for name, names in missing.items()],
        "tables": [_table(table) for table in tables],
    }


# ------------------------------------------------------------------------------------------------------------- charts


def _charts(content: ReportContent) -> dict[str, dict[str, Any]]:
    """By the section they stand in: bars from zero with their values, no more than can be read."""
    made = {}
    if content.work.by_function:
        pillars = list(dict.fromkeys(row.pillar for row in content.work.by_function))
        functions = [code for code in _FUNCTIONS if any(row.function == code for row in content.work.by_function)]
        counts = {(row.pillar, row.function): row.activities.count for row in content.work.by_function}
        made["work"] = _chart(
            "Kegiatan menurut pilar dan fungsi",
            [said("functions", code) for code in functions],
            [(said("pillars", pillar), [counts.get((pillar, code), 0) for code in functions]) for pillar in pillars],
        )
    if content.sktm:
        reached: dict[str, int] = {}
        for row in content.sktm:
            reached[row.state] = reached.get(row.state, 0) + row.applications.count
        bars = [(STATES[state], [reached[state]]) for state in STATES if state in reached]
        made["sktm"] = _chart("Permohonan SKTM menurut tahap yang dicapai", [], bars)
    rows = content.children.rows if content.children is not None else ()
    found = [(row.region_name, [row.activities]) for row in rows if row.activities is not None]
    if found:
        most = sorted(found, key=lambda bar: -bar[1][0])[:_MOST_BARS]
        title = "Kegiatan menurut wilayah"
        made["children"] = _chart(title if len(most) == len(found) else f"{title}, {_MOST_BARS} terbanyak", [], most)
    return made


_FUNCTIONS = ("coordination", "facilitation", "administration")


def _chart(title: str, series: Sequence[str], bars: Iterable[tuple[str, Sequence[int]]]) -> dict[str, Any]:
    drawn = list(bars)
    rows = [{"label": line(name, 24), "values": list(values), "total": _number(sum(values))} for name, values in drawn]
    most = max(1, *(sum(values) for _, values in drawn))
    return {"title": title, "series": list(series), "bars": rows, "most": most}


# --------------------------------------------------------------------------------------------------------- signatures


def _signatures(standing: Standing) -> tuple[Signed | None, ...]:
    return standing.submitted, standing.acknowledged, standing.accepted


def _signers(content: ReportContent, standing: Standing) -> list[dict[str, str]]:
    """Who made it, who has seen it and who took it; room for a pen where the system has no record."""
    region, zone = content.region, content.period.timezone
    above = region.above[0] if region.above else ""
    offices = {
        "district": (f"TKSK {region.office}", f"Dinas Sosial {above}"),
        "regency": (f"Dinas Sosial {region.office}", f"Dinas Sosial {above}"),
        "province": (f"Dinas Sosial {region.office}", _MINISTRY),
        "nation": (_MINISTRY, _MINISTRY),
    }
    author, reviewer = offices[region.level]
    made = [
        ("Pelapor,", author, "Diajukan", standing.submitted),
        ("Diterima oleh,", reviewer, "Diterima", standing.accepted),
    ]
    if region.level == "district":
        made.insert(0, ("Mengetahui,", f"Camat {region.name}", "Diketahui", standing.acknowledged))
    return [
        {
            "heading": heading,
            "title": line((signed and signed.title) or place),
            "name": line(signed.full_name) if signed else "",
            "number": line((signed and signed.employee_number) or ""),
            "when": f"{done} secara elektronik {local_moment(signed.at.astimezone(ZoneInfo(zone)))}" if signed else "",
        }
        for heading, place, done, signed in made
    ]


def _paragraphs(text: str) -> list[str]:
    return lines(text).split("\n")


def _qr(url: str) -> str:
    """As an SVG with the quiet zone of four modules that ISO/IEC 18004 asks for."""
    drawing = io.BytesIO()
    segno.make_qr(url, error="m").save(drawing, kind="svg", border=4, title=None)
    return drawing.getvalue().decode()
