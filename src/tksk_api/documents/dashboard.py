"""The page of a region for whoever has no client yet: figures as tables and charts, to be read, printed, followed down.

One HTML file without script or requests to anywhere; links to other regions and to the other language are given by the
caller, for they carry their own credentials.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from html import escape

from tksk_api.documents import charts
from tksk_api.documents.verification import CONTENT_POLICY, Words, next_steps, page_around
from tksk_api.domain.sktm_letters.content import english_date, indonesian_date
from tksk_api.domain.statistics.dashboard import Dashboard
from tksk_api.domain.statistics.schemas import Figure, StatisticsRead
from tksk_api.errors import PROBLEMS, DomainError, Language

Link = Callable[[str, Language], str]
"""The address of a page by its region's code and its language."""
_NARROW = 360  # fits a phone; letters as large as the text's
_MOST_NAMES = 60
_WORDS: Mapping[Language, Mapping[str, str]] = {
    "id": {
        "title": "Dasbor TKSK",
        "language": "Bahasa",
        "other": "English",
        "above": "Naik ke",
        "nation": "Indonesia",
        "jump": "Langsung ke",
        "reach": "Jangkauan",
        "reports": "Laporan bulanan",
        "below": "Wilayah di dalamnya",
        "key": "Jenis",
        "now": "Bulan ini",
        "before": "Bulan lalu",
        "change": "Selisih",
        "total": "Jumlah",
        "none": "Tidak ada dalam bulan ini.",
        "withheld": "ditahan",
        "unvisited": "Desa/kelurahan tanpa kunjungan dalam {days} hari",
        "vacant": "Kecamatan tanpa TKSK",
        "of": "{part} dari {whole}",
        "handed": "Sudah diajukan",
        "missing": "Belum diajukan",
        "more": "dan {count} lainnya",
        "region": "Wilayah",
        "work": "Kegiatan",
        "made": "Dibuat {day} pukul {time}. Tautan di halaman ini berlaku {minutes} menit; sesudahnya minta yang baru.",
        "why": "Angka yang ditahan: di bawah 5 orang, atau akan mengungkapkan angka demikian.",
        "scroll": "Peta, dapat digeser ke samping",
    },
    "en": {
        "title": "TKSK dashboard",
        "language": "Language",
        "other": "Bahasa Indonesia",
        "above": "Up to",
        "nation": "Indonesia",
        "jump": "Go to",
        "reach": "Coverage",
        "reports": "Monthly reports",
        "below": "Regions inside",
        "key": "Kind",
        "now": "This month",
        "before": "Month before",
        "change": "Change",
        "total": "Total",
        "none": "None in this month.",
        "withheld": "withheld",
        "unvisited": "Villages without a visit in {days} days",
        "vacant": "Districts without an officer",
        "of": "{part} of {whole}",
        "handed": "Handed in",
        "missing": "Not handed in",
        "more": "and {count} more",
        "region": "Region",
        "work": "Activities",
        "made": "Made on {day} at {time}. Links on this page are good for {minutes} minutes; then ask for a new one.",
        "why": "Withheld: fewer than 5 people, or a number that would tell one.",
        "scroll": "Map, can be moved sideways",
    },
}

_REFUSED: Mapping[Language, Words] = {
    "id": Words(
        "TAUTAN TIDAK BERLAKU LAGI",
        "Tautan ke dasbor berlaku {minutes} menit, dan hanya selama yang memintanya masih masuk.",
        ("Kembali ke aplikasi TKSK; bila perlu, masuk lagi.", "Minta tautan dasbor yang baru, lalu buka."),
    ),
    "en": Words(
        "LINK NO LONGER VALID",
        "A link to the dashboard is good for {minutes} minutes, while whoever asked for it is signed in.",
        (
            "Go back to the TKSK application; sign in again if it asks.",
            "Ask for a new link to the dashboard and open it.",
        ),
    ),
}
_NEXT: Mapping[Language, str] = {"id": "Langkah berikutnya", "en": "What to do next"}

_STYLE = """
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0;background:#f3f4f6;color:#1a1f26;font:1rem/1.5 system-ui,"Noto Sans",Roboto,Arial,sans-serif}
.page{max-width:62rem;margin:0 auto;background:#fff;min-height:100vh;padding:0 1rem 1.25rem}
nav{display:flex;flex-wrap:wrap;gap:0 1rem}
header nav{justify-content:space-between}
a{color:#0b4a8f}
nav a,td a,th a{display:inline-block;min-height:2.75rem;padding:.6rem 0}
a:focus-visible,.map:focus-visible{outline:3px solid #0b4a8f;outline-offset:2px}
h1{margin:.25rem 0 0;font-size:1.5rem;line-height:1.2}
.month{margin:.15rem 0 .5rem;font-size:1.1rem;color:#4a5361}
h2{margin:0 0 .35rem;font-size:1.1rem}
.parts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem}
section{border-top:3px solid #0b4a8f;padding-top:.6rem;break-inside:avoid}
section.wide{grid-column:1/-1}
svg{display:block;max-width:100%;height:auto;margin:.25rem 0}
.map{overflow-x:auto}.map svg{max-width:none}
table{border-collapse:collapse;width:100%;font-size:.95rem}
caption{text-align:left;font-weight:600}
th,td{padding:.3rem .4rem;border-bottom:1px solid #d5d9df;text-align:right;vertical-align:middle}
th:first-child,td:first-child{text-align:left;overflow-wrap:break-word}
th{font-weight:600}tbody th{font-weight:400}tfoot th,tfoot td{font-weight:700;border-top:2px solid #1a1f26}
.withheld{color:#4a5361;font-style:italic}
dl{margin:0;display:grid;grid-template-columns:1fr auto;gap:.35rem .75rem}
dt{color:#4a5361}dd{margin:0;font-weight:700;text-align:right}
footer{margin-top:1rem;font-size:.875rem;color:#4a5361}
.below td{white-space:nowrap}
@media(max-width:36rem){table{font-size:.875rem}th,td{padding:.3rem .2rem}
.below :is(td,th):is(:nth-child(3),:nth-child(4)){display:none}}
@media print{@page{margin:1.5cm}body,.page{background:#fff;max-width:none;min-height:0;padding:0}nav{display:none}
a{color:#000;text-decoration:none}td a,th a{min-height:0;padding:0}.parts{display:block}section{margin-bottom:1rem}
.below :is(td,th):is(:nth-child(3),:nth-child(4)){display:table-cell}.map svg{max-width:100%}footer,dt{color:#000}}
"""


def render_dashboard(seen: Dashboard, language: Language, link: Link, minutes: int) -> str:
    """Give the complete HTML page. Every value is escaped; `link` gives addresses, `minutes` how long they are good."""
    words = dict(_WORDS[language]) | {name: charts.what_of(read, language) for name, read in seen.figures.items()}
    other: Language = "en" if language == "id" else "id"
    month = _month(seen.month, language)
    above = (
        f'<a rel="up" href="{escape(link(seen.above, language))}">{words["above"]} '
        f"{escape(words['nation'] if seen.above == 'ID' else seen.above)}</a>"
        if seen.above
        else "<span></span>"
    )
    parts = [
        ("pillars", _compared(seen.figures["pillars"], language)),
        ("reach", _reach(seen, words)),
        ("sktm", _compared(seen.figures["sktm"], language)),
        ("referrals", _compared(seen.figures["referrals"], language)),
        ("reports", _reports(seen, language)),
        *([("below", _below(seen, language, link))] if seen.children else ()),
    ]
    jumps = "".join(f'<a href="#{name}">{words[name]}</a>' for name, _ in parts)
    wide = {"below": ' class="wide"'}
    body = "".join(
        f'<section id="{name}" aria-labelledby="h-{name}"{wide.get(name, "")}><h2 id="h-{name}">{words[name]}</h2>'
        f"{inner}</section>"
        for name, inner in parts
    )
    day = english_date(seen.made_at) if language == "en" else indonesian_date(seen.made_at)
    made = words["made"].format(day=day, time=f"{seen.made_at:%H.%M}", minutes=minutes)
    why = f"<p>{words['why']}</p>" if seen.below.suppressed_below else ""
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex">\n<meta name="referrer" content="no-referrer">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(seen.name)}, {month} · {words['title']}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<div class="page">\n<header>\n<nav aria-label="{words["language"]}">{above}'
        f'<a href="{escape(link(seen.area, other))}" hreflang="{other}" lang="{other}">{words["other"]}</a></nav>\n'
        f'<h1>{escape(seen.name)}</h1>\n<p class="month">{words["title"]}, {month}</p>\n'
        f'<nav aria-label="{words["jump"]}">{jumps}</nav>\n</header>\n<main class="parts">\n{body}\n</main>\n'
        f"<footer><p>{made}</p>{why}</footer>\n</div>\n</body>\n</html>\n"
    )


def _month(day: date, language: Language) -> str:
    """`November 2026`."""
    return (english_date(day) if language == "en" else indonesian_date(day)).partition(" ")[2]


def _compared(read: StatisticsRead, language: Language) -> str:
    """A chart of both months, and the same numbers as a table with their change."""
    words = _WORDS[language]
    if not read.cells:
        return f"<p>{words['none']}</p>"
    shown = charts.figures(read, language)
    cells = {cell.keys[read.by[0]]: cell for cell in read.cells}
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th>{_numbers(cells[code], language)}</tr>'
        for label, code in zip(shown.labels, shown.codes, strict=True)
    )
    heads = "".join(f'<th scope="col">{words[key]}</th>' for key in ("key", "now", "before", "change"))
    caption = f"<caption>{charts.what_of(read, language)}</caption>"
    return (
        f"{charts.bars(shown, _NARROW)}<table>{caption}<thead><tr>{heads}</tr></thead>"
        f'<tbody>{rows}</tbody><tfoot><tr><th scope="row">{words["total"]}</th>{_numbers(read.totals, language)}</tr>'
        "</tfoot></table>"
    )


def _numbers(figure: Figure, language: Language) -> str:
    cells = [_number(figure.count, language), _number(figure.previous, language)]
    change = "–" if figure.change is None else charts.number(figure.change, language)
    if figure.change and figure.change > 0:
        change = f"+{change}"
    return "".join(f"<td>{cell}</td>" for cell in (*cells, change))


def _number(count: int | None, language: Language) -> str:
    if count is None:
        return f'<span class="withheld">{_WORDS[language]["withheld"]}</span>'
    return charts.number(count, language)


def _reach(seen: Dashboard, words: Mapping[str, str]) -> str:
    found = seen.coverage.totals
    rows = (
        (words["unvisited"].format(days=seen.coverage.days), found.villages_without_visit, found.villages),
        (words["vacant"], found.districts_without_officer, found.districts),
    )
    return (
        "<dl>"
        + "".join(
            f"<dt>{escape(name)}</dt><dd>{words['of'].format(part=part, whole=whole)}</dd>"
            for name, part, whole in rows
        )
        + "</dl>"
    )


def _reports(seen: Dashboard, language: Language) -> str:
    words = _WORDS[language]
    districts = sum(found.districts for found in seen.reports.values())
    handed_in = sum(found.handed_in for found in seen.reports.values())
    names = [name for found in seen.reports.values() for name in found.missing]
    listed = ", ".join(escape(name) for name in names[:_MOST_NAMES])
    if len(names) > _MOST_NAMES:
        listed += ", " + words["more"].format(count=charts.number(len(names) - _MOST_NAMES, language))
    month = _month(seen.reported_month, language)
    missing = f"<p><strong>{words['missing']}:</strong> {listed}</p>" if names else ""
    return (
        f"<dl><dt>{words['handed']}, {month}</dt><dd>{words['of'].format(part=handed_in, whole=districts)}</dd></dl>"
        f"{missing}"
    )


def _below(seen: Dashboard, language: Language, link: Link) -> str:
    """A map, and a row for each region with the way down to its own page."""
    words = _WORDS[language]
    shown = charts.figures(seen.below, language)
    counts = {code: row[0] for code, row in zip(shown.codes, shown.counts, strict=True)}
    names = dict(zip(shown.codes, shown.labels, strict=True))
    reached = {row.region: row for row in seen.coverage.rows}
    rows = []
    for code in shown.codes:
        row, reports = reached.get(code), seen.reports.get(code)
        rows.append(
            f'<tr><th scope="row"><a href="{escape(link(code, language))}">{escape(names[code])}</a></th>'
            f"<td>{_number(counts[code], language)}</td>"
            f"<td>{_of((row.villages_without_visit, row.villages) if row else None, words)}</td>"
            f"<td>{_of((row.districts_without_officer, row.districts) if row else None, words)}</td>"
            f"<td>{_of((reports.handed_in, reports.districts) if reports else None, words)}</td></tr>"
        )
    heads: Sequence[str] = (
        words["region"],
        words["work"],
        words["unvisited"].format(days=seen.coverage.days),
        words["vacant"],
        words["reports"],
    )
    return (
        f'<div class="map" role="region" aria-label="{words["scroll"]}" tabindex="0">'
        f"{charts.tiles(shown, seen.places)}</div>"
        f'<table class="below"><caption>{words["below"]}</caption><thead><tr>'
        f'{"".join(f"""<th scope="col">{escape(head)}</th>""" for head in heads)}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _of(found: tuple[int, int] | None, words: Mapping[str, str]) -> str:
    return "–" if found is None else words["of"].format(part=found[0], whole=found[1])


def render_refused(refusal: DomainError, language: Language, minutes: int) -> str:
    """Give the page for a browser that is refused one: mostly because its link is too old."""
    title, words = _WORDS[language]["title"], _REFUSED[language]
    problem = PROBLEMS[refusal.code]
    if problem.status != 401:
        told = Words(problem.title(language).upper(), problem.detail(language, refusal.facts), ())
        return page_around(told, language, "unknown", "", title=title)
    told = Words(words.status, words.meaning.format(minutes=minutes), words.steps)
    return page_around(told, language, "expired", next_steps(words.steps, _NEXT[language]), title=title)
