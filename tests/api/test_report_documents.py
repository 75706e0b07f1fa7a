"""Reports as files over HTTP: the same numbers in all three, and what is in the database."""

import io
from typing import Any
from uuid import UUID

import pypdf
import pytest
from python_calamine import CalamineWorkbook
from test_reports import LAST_MONTH, URL, compiled, full_month, log, submitted

from files import camera_picture
from helpers import BANDAR_LAMPUNG, PANJANG
from sktm_flow import Offices, offices, ok
from tksk_api.domain.reports.content import ReportContent

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pytest.fixture
async def team(as_: Any) -> Offices:
    return await offices(as_)


async def document(caller: Any, report: Any, kind: str, **over: Any) -> Any:
    answer = await caller.get(f"{URL}/{report['id']}/document", params={"format": kind, **over})
    assert answer.status_code == 200, answer.text
    return answer


def sheets(answer: Any) -> dict[str, list[list[Any]]]:
    book = CalamineWorkbook.from_filelike(io.BytesIO(answer.content))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


def words(answer: Any) -> str:
    return " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(answer.content)).pages).split())


async def test_all_three_say_what_is_in_the_database(owner, team):
    report = await full_month(owner, team)
    content = ReportContent.from_json((await document(team.tksk, report, "json")).text)
    read = sheets(await document(team.tksk, report, "xlsx"))
    count = content.work.activities.count
    assert count == await owner.fetchval(
        "SELECT count(*) FROM activities WHERE status = 'submitted' AND deleted_at IS NULL AND superseded_by IS NULL"
    )
    assert read["Kegiatan per pilar dan fungsi"][-1][2] == count
    assert read["Kegiatan menurut jenis"][-1][2] == count
    issued = await owner.fetchval("SELECT count(*) FROM transitions WHERE to_state = 'issued'")
    head, *rows = read["SKTM menurut keperluan"]
    assert rows[-1][head.index("Terbit")] == issued == 1
    assert read["Daftar tindak lanjut"][1][3] == content.follow_ups.items[0].due_on
    assert read["PSKS menurut jenis"][1] == ["Lembaga Kesejahteraan Sosial (LKS)", 1, 1]
    said = words(await document(team.tksk, report, "pdf"))
    assert f"Jumlah {count} " in said
    assert "Jalan terputus banjir" in said
    assert "DRAF" in said


async def test_a_frozen_report_is_the_same_file_and_is_not_sent_twice(owner, team):
    await log(team.tksk)
    report = await submitted(team.tksk)
    for kind, media_type in (("json", "application/json"), ("pdf", "application/pdf"), ("xlsx", XLSX)):
        first = await document(team.dinsos, report, kind)
        assert first.headers["content-type"] == media_type
        assert first.headers["content-disposition"] == (
            f'attachment; filename="laporan-{PANJANG}-{LAST_MONTH}-r1.{kind}"'
        )
        again = await document(team.camat, report, kind)
        assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
        known = {"If-None-Match": first.headers["etag"]}
        answer = await team.dinsos.get(f"{URL}/{report['id']}/document?format={kind}", headers=known)
        assert (answer.status_code, answer.content) == (304, b"")
    before = await document(team.dinsos, report, "pdf")
    accepted = ok(await team.dinsos.act(f"{URL}/{report['id']}/accept"))
    after = await document(team.dinsos, accepted, "pdf")
    assert after.headers["etag"] != before.headers["etag"]
    revision = ok(await team.dinsos.get(f"{URL}/{report['id']}/revisions/1"))
    assert revision["verification_url"] in words(after).replace(" ", "")


async def test_a_recap_lists_its_districts_and_who_is_missing(owner, team):
    await log(team.tksk)
    report = await submitted(team.tksk)
    ok(await team.dinsos.act(f"{URL}/{report['id']}/accept"))
    recap = await compiled(team.dinsos, region=BANDAR_LAMPUNG)
    rows = sheets(await document(team.dinsos, recap, "xlsx"))["Laporan yang direkap"]
    assert [row[1] for row in rows[1:] if row[2] == "Diterima"] == ["Panjang"]
    districts = await owner.fetchval("SELECT count(*) FROM regions WHERE parent_code = $1", BANDAR_LAMPUNG)
    assert len(rows) == districts + 1
    said = words(await document(team.dinsos, recap, "pdf"))
    assert "Belum ada dalam rekapitulasi ini" in said
    other = await owner.fetchval(
        "SELECT name FROM regions WHERE parent_code = $1 AND code <> $2", BANDAR_LAMPUNG, PANJANG
    )
    assert other in said


async def test_a_province_lists_every_district(owner, team, as_):
    await log(team.tksk)
    report = await submitted(team.tksk)
    ok(await team.dinsos.act(f"{URL}/{report['id']}/accept"))
    regency = await submitted(team.dinsos, region=BANDAR_LAMPUNG)
    province = await as_("province_office", "18")
    ok(await province.act(f"{URL}/{regency['id']}/accept"))
    recap = await compiled(province, region="18")
    head, *rows = sheets(await document(province, recap, "xlsx"))["Kecamatan"]
    assert len(rows) == await owner.fetchval(
        "SELECT count(*) FROM regions WHERE level = 'district' AND code LIKE '18.%' AND valid_until IS NULL"
    )
    (found,) = [row for row in rows if row[3] == "Ya"]
    assert found[:5] == [PANJANG, "Kota Bandar Lampung", "Panjang", "Ya", 1]
    assert found[head.index("Kegiatan")] == 1


async def test_photos_are_on_the_paper_only_when_asked_for_and_that_is_recorded(owner, team):
    entry = await log(team.tksk, submit=False)
    answer = await team.tksk.post(
        "/v1/attachments",
        data={"activity_id": entry["id"], "kind": "activity_photo"},
        files={"file": ("banjir.jpg", camera_picture(), "image/jpeg")},
    )
    assert answer.status_code == 201, answer.text
    key = UUID(answer.json()["id"])
    version = {"If-Match": f'"v{entry["version"]}"'}
    body = {"attachment_ids": [str(key)]}
    ok(await team.tksk.patch(f"/v1/activities/{entry['id']}", json=body, headers=version))
    ok(await team.tksk.act(f"/v1/activities/{entry['id']}/submit"))
    report = await compiled(team.tksk)
    assert "Foto kegiatan" not in words(await document(team.tksk, report, "pdf"))
    recorded = "SELECT count(*) FROM access_log WHERE object_id = $1"
    count = await owner.fetchval(recorded, key)
    assert "Foto kegiatan" in words(await document(team.tksk, report, "pdf", photos=True))
    assert await owner.fetchval(recorded, key) == count + 1


async def test_nobody_else_gets_it(team, as_):
    report = await compiled(team.tksk)
    stranger = await as_("tksk", "52.71.01")
    for kind in ("json", "pdf", "xlsx"):
        answer = await stranger.get(f"{URL}/{report['id']}/document?format={kind}")
        assert answer.status_code == 404
    assert (await team.tksk.get(f"{URL}/{report['id']}/document?format=docx")).status_code == 422
