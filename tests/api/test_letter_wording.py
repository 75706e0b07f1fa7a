"""What a letter says and looks like by its region's policy: sentences, logo, a page in English, and copies."""

import hashlib
import io
import re
from datetime import UTC, datetime, timedelta

import pymupdf
import pypdf
import pytest
from PIL import Image

from files import archive, bomb, camera_picture, paper, picture
from helpers import PANJANG, SRENGSEM, add_person, code_of
from sktm_flow import URL, application, draft, issued, offices, ok, verified
from tksk_api.domain.sktm_letters.wording import WORDING

POLICIES = "/v1/sktm-policies"
OWN = "Surat keterangan ini diberikan untuk kelengkapan berkas beasiswa kota, sebagai berikut:"


async def put(caller, region: str, body: dict):
    seen = ok(await caller.get(f"{POLICIES}/{region}"))["version"]
    return await caller.put(f"{POLICIES}/{region}", json=body, headers=at(seen))


async def put_logo(caller, region: str, content: bytes, **how):
    seen = ok(await caller.get(f"{POLICIES}/{region}"))["version"]
    files = {"file": ("logo.png", content, "application/octet-stream")}
    return await caller.put(f"{POLICIES}/{region}/logo", files=files, headers=at(how.get("version", seen)))


def at(version: int | None) -> dict[str, str]:
    return {} if version is None else {"If-Match": f'"v{version}"'}


def logo(colour: str = "navy", size: tuple[int, int] = (800, 900)) -> bytes:
    return picture("PNG", size, colour)


def today(days: int = 0) -> str:
    return str((datetime.now(UTC) + timedelta(hours=7, days=days)).date())


async def letter(caller, row: dict, query: str = "") -> bytes:
    answer = await caller.get(f"{URL}/{row['id']}/letter{query}")
    assert answer.status_code == 200, answer.text
    return bytes(answer.content)


def pages(document: bytes) -> list[str]:
    return [re.sub(r"\s+", " ", page.extract_text()) for page in pypdf.PdfReader(io.BytesIO(document)).pages]


def pictures(document: bytes) -> list[bytes]:
    opened = pymupdf.open(stream=document)
    return [opened.extract_image(image[0])["image"] for image in opened[0].get_images()]


async def test_each_purpose_has_its_words_and_a_region_its_own(as_, owner):
    team = await offices(as_)
    person = await add_person(team.clerk, full_name="Siti Aminah")
    (text,) = pages(await letter(team.clerk, await issued(owner, team, person)))
    assert WORDING["education"]["finding_id"] in text
    assert WORDING["education"]["use_id"] in text

    wording = {"education": {"use_id": f"  {OWN}\n"}, "any": {"finding_id": "Menurut musyawarah RW, warga ini #layak."}}
    held = await verified(owner, team, person, purpose_detail="Sebelum aturan baru")
    ok(await put(team.dinsos, "18.71", {"wording": wording}))
    seen = ok(await team.clerk.get(f"{POLICIES}/{SRENGSEM}"))
    assert seen["values"]["wording"] == {"education": {"use_id": OWN}, "any": wording["any"]}
    assert seen["origins"]["wording"] == "18.71"

    row = await issued(owner, team, person, purpose_detail="Beasiswa kota")
    before = await letter(team.clerk, row)
    (text,) = pages(before)
    assert OWN in text
    assert "Menurut musyawarah RW, warga ini #layak." in text
    # Whatever the policy says since, a letter says what it said, and an application keeps the words of its day.
    ok(await put(team.dinsos, "18.71", {}))
    assert await letter(team.clerk, row) == before
    assert OWN in pages(await letter(team.clerk, row, "?copy=true"))[0]
    ok(await team.head.act(f"{URL}/{held['id']}/sign"))
    assert WORDING["education"]["use_id"] in pages(await letter(team.clerk, held))[0]


@pytest.mark.parametrize(
    ("wording", "pointer", "code"),
    [
        (
            {"education": {"use_id": "Untuk {nama} yang tersebut di atas:"}},
            "/wording/education/use_id",
            "nothing_filled_in",
        ),
        (
            {"any": {"finding_id": "Warga 1871046503910003 tidak mampu."}},
            "/wording/any/finding_id",
            "identity_number_in_text",
        ),
        ({"any": {"finding_id": "x" * 601}}, "/wording/any/finding_id", "too_long"),
        ({"any": {"use_en": "This certificate is issued for:"}}, "/wording/any/use_id", "missing"),
        ({"weddings": {}}, "/wording/weddings", None),
    ],
    ids=["placeholder", "nik", "long", "english alone", "purpose"],
)
async def test_words_that_no_letter_can_bear_are_refused(as_, wording, pointer, code):
    dinsos = await as_("regency_office", "18.71")
    refused = await put(dinsos, "18.71", {"wording": wording})
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert error["pointer"].startswith(pointer)
    assert code in (error["code"], None)


async def test_a_page_in_english_by_policy_or_for_one_letter(as_, owner):
    team = await offices(as_)
    person = await add_person(team.clerk, full_name="Siti Aminah")
    child = await add_person(team.clerk, full_name="Dewi Lestari", birth_date="2010-03-12", relationship="child")
    asked = await issued(owner, team, person, english=True, dependants=[child["id"]])
    assert asked["english"] is True
    indonesian, english = pages(await letter(team.clerk, asked))
    assert "Halaman 1 dari 2" in indonesian
    for expected in (
        "CERTIFICATE OF FINANCIAL HARDSHIP",
        "Courtesy translation. The Indonesian text of this letter prevails.",
        asked["letter"]["number"],
        WORDING["education"]["finding_en"],
        WORDING["education"]["use_en"],
        "Purpose : Education",
        "Beasiswa KIP Kuliah",
        "12 March 2010 Child",
        "Hendra Saputra, S.Sos.",
        "Scan to check",
    ):
        assert expected in english

    ok(await put(team.dinsos, "18.71", {"english_page": True, "wording": {"any": {"use_id": OWN}}}))
    by_policy = await issued(owner, team, person, purpose_detail="Sekolah")
    english = pages(await letter(team.clerk, by_policy))[1]
    assert WORDING["education"]["finding_en"] in english
    assert f"{OWN} (in Indonesian, in the words of the issuing office)" in english
    row = await draft(team, person, purpose_detail="Kuliah", english=True)
    off = ok(await team.clerk.patch(f"{URL}/{row['id']}", json={"english": None}, headers=at(1)))
    assert off["english"] is None
    without = await issued(owner, team, person, purpose_detail="Kursus", english=False)
    assert len(pages(await letter(team.clerk, without))) == 1


async def test_a_logo_is_cleaned_inherited_printed_and_stays_on_its_letters(as_, owner):
    team = await offices(as_)
    person = await add_person(team.clerk)
    camera = camera_picture(size=(900, 700), colour="navy", comment=b"rahasia")
    answer = await put_logo(team.dinsos, "18.71", camera)
    digest = ok(answer)["logo"]
    seen = ok(await team.clerk.get(f"{POLICIES}/{SRENGSEM}"))
    assert (seen["values"]["logo"], seen["origins"]["logo"]) == (digest, "18.71")
    shown = await team.clerk.get(f"{POLICIES}/{SRENGSEM}/logo")
    assert (shown.headers["content-type"], shown.headers["etag"]) == ("image/jpeg", f'"{digest}"')
    assert hashlib.sha256(shown.content).hexdigest() == digest
    assert b"rahasia" not in shown.content
    with Image.open(io.BytesIO(shown.content)) as small:
        assert max(small.size) == 320
        assert not small.getexif()
    again = await team.clerk.get(f"{POLICIES}/{SRENGSEM}/logo", headers={"If-None-Match": shown.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")

    row = await issued(owner, team, person)
    before = await letter(team.clerk, row)
    assert pictures(before) == [shown.content]
    ok(await put_logo(team.dinsos, PANJANG, logo("maroon")))
    other = ok(await team.clerk.get(f"{POLICIES}/{SRENGSEM}"))
    assert other["origins"]["logo"] == PANJANG
    assert await letter(team.clerk, row) == before
    assert pictures(await letter(team.clerk, row, "?copy=true")) == [shown.content]

    gone = await team.dinsos.delete(f"{POLICIES}/{PANJANG}/logo", headers=at(1))
    assert gone.status_code == 204
    assert ok(await team.clerk.get(f"{POLICIES}/{SRENGSEM}"))["origins"]["logo"] == "18.71"
    twice = await team.dinsos.delete(f"{POLICIES}/{PANJANG}/logo", headers=at(2))
    assert twice.status_code == 404
    assert (await team.clerk.get(f"{POLICIES}/52.71/logo")).status_code == 404


async def test_a_logo_and_the_settings_beside_it_leave_each_other_alone(as_):
    dinsos = await as_("regency_office", "18.71")
    ok(await put(dinsos, "18.71", {"validity_months": 6}))
    later = ok(await put(dinsos, "18.71", {"validity_months": 1, "effective_from": today(9)}))
    digest = ok(await put_logo(dinsos, "18.71", logo()))["logo"]
    ok(await put(dinsos, "18.71", {"validity_months": 2, "effective_from": today(5)}))
    ok(await put(dinsos, "18.71", {"validity_months": 4}))
    for day, months in ((0, 4), (5, 2), (9, 1)):
        values = ok(await dinsos.get(f"{POLICIES}/18.71?on={today(day)}"))["values"]
        assert (values["logo"], values["validity_months"]) == (digest, months)
    assert code_of(await put_logo(dinsos, "18.71", logo(), version=later["version"])) == "stale_version"
    assert code_of(await put_logo(dinsos, "18.71", logo(), version=None)) == "precondition_required"
    assert (await put_logo(dinsos, "52.71", logo(), version=None)).status_code == 404


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (lambda: picture("PNG", (100, 120), "navy"), "logo_expected"),
        (lambda: picture("PNG", (1, 2000), "navy"), "logo_expected"),
        (lambda: picture("PNG", (2000, 159), "navy"), "logo_expected"),
        (paper, "logo_expected"),
        (bomb, "image_too_large"),
        (lambda: logo() + archive(), "file_two_faced"),
        (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "file_type_refused"),
        (lambda: logo()[:200], "file_damaged"),
    ],
    ids=["tiny", "line", "strip", "pdf", "bomb", "archive", "svg", "cut"],
)
async def test_what_is_no_logo_is_refused(as_, content, code):
    dinsos = await as_("regency_office", "18.71")
    refused = await put_logo(dinsos, "18.71", content())
    assert refused.status_code == 422, refused.text
    assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == [("/file", code)]
    assert (await dinsos.get(f"{POLICIES}/18.71/logo")).status_code == 404


async def test_a_logo_is_for_those_who_set_policies_and_no_larger_than_needed(as_):
    clerk, dinsos = await as_("village_clerk", SRENGSEM), await as_("regency_office", "18.71")
    assert code_of(await put_logo(clerk, SRENGSEM, logo())) == "permission_denied"
    assert (await put_logo(dinsos, "18.71", b"\x89PNG\r\n\x1a\n" + bytes(2_200_000))).status_code == 413


async def test_a_copy_is_marked_and_counted_and_the_original_stays_what_it_is(as_, owner, settings):
    team = await offices(as_)
    person = await add_person(team.clerk, full_name="Siti Aminah")
    row = await issued(owner, team, person, english=True)
    assert (await team.clerk.get(f"{URL}/{(await draft(team))['id']}/letter?copy=true")).status_code == 404
    first = await team.clerk.get(f"{URL}/{row['id']}/letter")
    answer = await team.clerk.get(f"{URL}/{row['id']}/letter?copy=true")
    assert "etag" not in answer.headers
    assert answer.headers["content-disposition"].endswith('-SALINAN.pdf"')
    texts = pages(answer.content)
    assert len(texts) == 2
    for text in texts:
        assert "SALINAN / COPY" in text
        assert "bukan naskah asli / not the original" in text
        assert re.search(r"dicetak ulang \d+ \w+ \d{4} pukul \d\d\.\d\d WIB", text)
    assert "Siti Aminah" in texts[0]
    assert row["letter"]["sha256"] not in " ".join(texts)
    assert hashlib.sha256(answer.content).hexdigest() != row["letter"]["sha256"]
    assert not any("SALINAN" in text for text in pages(first.content))

    again = await team.clerk.get(f"{URL}/{row['id']}/letter")
    assert again.content == first.content
    assert hashlib.sha256(again.content).hexdigest() == row["letter"]["sha256"]
    fetched = (
        "SELECT count(*) FROM access_log WHERE operation = 'get_sktm_letter' AND fields = '{nik}' AND outcome = 'ok'"
    )
    assert await owner.fetchval(fetched) == 3


async def test_a_letter_of_the_first_format_is_copied_with_the_words_it_had(as_, owner, monkeypatch):
    from tksk_api.domain.sktm_letters import content  # noqa: PLC0415

    team = await offices(as_)
    later = ("finding", "use", "english", "signature")
    to_json = content.LetterContent.to_json

    def first_format(self):
        stored = {name: value for name, value in to_json(self).items() if name not in later}
        head = {name: value for name, value in stored["letterhead"].items() if name != "logo"}
        return {**stored, "format": 1, "letterhead": head}

    monkeypatch.setattr(content.LetterContent, "to_json", first_format)
    row = await issued(owner, team, await add_person(team.clerk, full_name="Siti Aminah"))
    monkeypatch.undo()
    (text,) = pages(await letter(team.clerk, row, "?copy=true"))
    assert "tergolong keluarga kurang mampu (tidak mampu). Surat keterangan ini diberikan untuk:" in text
    assert "Siti Aminah" in text


async def test_an_application_says_which_page_it_wants_and_nothing_else(as_):
    team = await offices(as_)
    person = await add_person(team.clerk)
    refused = await team.clerk.post(URL, json=application(person["id"], english="maybe"))
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/english")
