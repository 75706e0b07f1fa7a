"""Charts: honest, small, readable without colour and without eyes, and nothing in them that runs or fetches."""

import re
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from tksk_api.documents.charts import Figures, arranged, bars, figures, lines, table, tiles
from tksk_api.domain.regions.dataset import rows
from tksk_api.domain.statistics.maps import Place
from tksk_api.domain.statistics.schemas import Dimension, Figure, Span, StatisticsCell, StatisticsRead

SVG = "{http://www.w3.org/2000/svg}"
NTB = {row.code: row for row in rows() if row.level == "regency" and row.code.startswith("52.")}
PLACES = {code: Place(row.latitude, row.longitude) for code, row in NTB.items()}
PILLARS = ("rehabilitation", "social_security", "empowerment", "protection")
DRAW = {"bars": bars, "lines": lines, "map": lambda shown: tiles(shown, PLACES)}


def statistics(
    by: Sequence[Dimension],
    counts: dict[tuple[str, ...], int | None],
    before: dict[tuple[str, ...], int | None] | None = None,
    regions: dict[str, str] | None = None,
) -> StatisticsRead:
    def figure(count: int | None, previous: int | None) -> dict[str, Any]:
        facts = dict.fromkeys(("change", "change_percent", "filter"))
        return {"count": count, "previous": previous, **facts, "suppressed": count is None}

    return StatisticsRead(
        of="activities",
        region="52",
        region_name="Provinsi Nusa Tenggara Barat",
        level="province",
        from_=date(2026, 1, 1),
        to=date(2026, 12, 31),
        previous=Span(from_=date(2025, 1, 1), to=date(2025, 12, 31)) if before else None,
        by=list(by),
        cells=[
            StatisticsCell(keys=dict(zip(by, keys, strict=True)), **figure(count, before.get(keys) if before else None))
            for keys, count in counts.items()
        ],
        totals=Figure(**figure(sum(count or 0 for count in counts.values()), None)),
        regions=regions or {},
        suppressed_below=None,
    )


def by_pillar_and_month() -> Figures:
    counts: dict[tuple[str, ...], int | None] = {
        (f"2026-{month:02}", pillar): (month * 37 * (index + 2)) % 190 + 10 * index
        for month in range(1, 13)
        for index, pillar in enumerate(PILLARS)
    }
    counts["2026-05", "protection"] = None
    return figures(statistics(("month", "pillar"), counts), "id")


def by_region() -> Figures:
    counts: dict[tuple[str, ...], int | None] = {(code,): 97 * index % 611 for index, code in enumerate(NTB)}
    counts["52.08",] = None
    return figures(statistics(("region",), counts, regions={code: row.name for code, row in NTB.items()}), "id")


def by_pillar() -> Figures:
    counts: dict[tuple[str, ...], int | None] = {(pillar,): 120 + 90 * at for at, pillar in enumerate(PILLARS)}
    return figures(statistics(("pillar",), counts, {(pillar,): 100 for pillar in PILLARS}), "en")


SAMPLES = {
    "bars": by_pillar_and_month,
    "lines": by_pillar_and_month,
    "map": by_region,
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_chart_is_a_picture_with_words_and_nothing_else(kind: str) -> None:
    drawn = DRAW[kind](SAMPLES[kind]())
    root = Xml.fromstring(drawn)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    title, described = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None and described is not None and title.text and described.text
    assert root.get("aria-labelledby") == f"{title.get('id')} {described.get('id')}"
    assert "Provinsi Nusa Tenggara Barat, 1 Januari 2026 – 31 Desember 2026" in title.text
    assert "ditahan" in described.text
    assert len(drawn) < 100_000
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "defs", "pattern", "rect", "path", "circle", "g", "text"}
    assert not re.search(r"https?:(?!//www\.w3\.org/2000/svg)|@import|<style| on\w+=|href", drawn)
    assert drawn == DRAW[kind](SAMPLES[kind]())


def test_bars_are_as_long_as_their_numbers() -> None:
    shown = by_pillar()
    found = [
        float(bar.get("width", "0")) for bar in Xml.fromstring(bars(shown)).iter(f"{SVG}rect") if bar.get("x") == "210"
    ]
    counts = [count for row in shown.counts for count in row]
    for width, count in zip(found, counts, strict=True):
        assert width / max(found) == pytest.approx((count or 0) / max(c or 0 for c in counts), abs=0.01)


def test_what_is_withheld_is_hatched_and_never_a_number() -> None:
    counts: dict[tuple[str, ...], int | None] = dict.fromkeys([(pillar,) for pillar in PILLARS], None)
    shown = figures(statistics(("pillar",), counts), "en")
    for draw in (bars, lines):
        assert draw(shown).count('fill="url(#h') >= 4
        assert "withheld, being fewer than 5" in draw(shown)
    assert table(shown).count("<td>withheld</td>") == 4
    whole = figures(statistics(("pillar",), dict.fromkeys([(pillar,) for pillar in PILLARS], 7)), "en")
    assert 'fill="url(#h' not in bars(whole)


@pytest.mark.parametrize("most", [0, 1, 4, 5, 6, 99, 100, 101, 7_285, 2_500_000])
def test_axes_begin_at_zero_and_reach_the_largest(most: int) -> None:
    counts: dict[tuple[str, ...], int | None] = {("protection",): most, ("empowerment",): 0}
    drawn = bars(figures(statistics(("pillar",), counts), "en"))
    ticks = [
        int((text.text or "").replace(",", ""))
        for text in Xml.fromstring(drawn).iter(f"{SVG}text")
        if text.get("text-anchor") == "middle"
    ]
    assert ticks[0] == 0
    assert ticks[-1] >= most
    assert len(ticks) <= 6
    assert len({high - low for low, high in pairwise(ticks)}) == 1


def test_of_many_series_the_small_ones_are_summed_up() -> None:
    counts: dict[tuple[str, ...], int | None] = {("2026-10", f"kind_{number}"): number for number in range(1, 31)}
    shown = figures(statistics(("month", "kind"), counts), "id")
    assert shown.series[-1] == "Lainnya"
    assert len(shown.series) == 8
    assert sum(count or 0 for count in shown.counts[0]) == sum(range(1, 31))


def test_tiles_never_lie_on_each_other_and_keep_their_neighbours() -> None:
    cells = arranged(list(PLACES.items()))
    assert len(set(cells.values())) == len(PLACES)
    assert cells["52.71"][0] < cells["52.72"][0]  # Mataram lies west of Bima
    assert cells == arranged(list(PLACES.items()))
    every = [
        (row.code, Place(row.latitude, row.longitude))
        for row in rows()
        if row.code.startswith("35.") and row.level == "district"
    ]
    assert len(set(arranged(every).values())) == len(every) > 600


def test_a_place_nobody_knows_is_named_and_put_apart() -> None:
    shown = by_region()
    lost = {**PLACES, "52.04": Place(None, None)}
    assert "Tanpa koordinat, diletakkan di bawah menurut kode: Sumbawa." in tiles(shown, lost)
    cells = arranged(list(lost.items()))
    assert cells["52.04"][1] > max(row for code, (_, row) in cells.items() if code != "52.04")


def test_a_large_province_stays_small_enough() -> None:
    many = [row for row in rows() if row.code.startswith("35.") and row.level == "district"]
    counts: dict[tuple[str, ...], int | None] = {(row.code,): len(row.name) * 11 for row in many}
    read = statistics(("region",), counts, regions={row.code: row.name for row in many})
    shown = figures(read, "id")
    assert len(tiles(shown, {row.code: Place(row.latitude, row.longitude) for row in many})) > 0
    assert len(bars(figures(read.model_copy(update={"cells": read.cells[:60]}), "id"))) < 100_000


def test_words_are_escaped() -> None:
    counts: dict[tuple[str, ...], int | None] = {("<b>&\"'",): 5}
    shown = figures(statistics(("kind",), counts), "id")
    for drawn in (bars(shown), lines(shown), tiles(shown, {})):
        Xml.fromstring(drawn)
    assert "<b>" not in table(shown)


def test_nothing_is_said_to_be_nothing() -> None:
    shown = figures(statistics(("pillar",), {}), "id")
    for drawn in (bars(shown), lines(shown), tiles(shown, {})):
        assert "Tidak ada data." in drawn
