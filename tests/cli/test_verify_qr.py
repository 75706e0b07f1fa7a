"""A letter's QR code is checked without us: from text, photo and PDF, by keys that outlive their signing."""

import json
import secrets
import sys
import time
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import cv2
import numpy
import pymupdf
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from documents.test_letter import letter
from sktm_flow import URL, issued, offices
from tksk_api.cli import verify_qr
from tksk_api.cli.app import app as cli
from tksk_api.documents.letter import render_letter
from tksk_api.domain.references.lists import codes
from tksk_api.domain.regions.dataset import timezone_of
from tksk_api.domain.sktm_letters.masking import mask_name
from tksk_api.domain.sktm_letters.offline import PURPOSES, OfflineLetter, decode, encode
from tksk_api.security.crypto import KeyFileError, create_key_file, load_key_file
from tksk_api.security.letter_keys import LetterKey, LetterKeyError, revoked, rotated, signing_at
from tksk_api.security.letter_signing import LetterKeys, revoke_letter_key, rotate_letter_key

HOST = "https://tksk.bandarlampungkota.go.id"
TODAY = date.today()  # noqa: DTZ011
KEYS = [
    LetterKey(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw(), seed)
    for seed in (bytes([number]) * 32 for number in range(1, 9))
]
KEY = KEYS[0]
TOKEN = "an8RYQ2sVuK0ThlWm4cZpo7XjE1gD5bf"
FACTS = OfflineLetter(
    number="400.9/12/SRG/VI/2026",
    purpose="education",
    masked_name=mask_name("Muhammad Abdurrahman bin Nur'aini"),
    issued_on=TODAY - timedelta(days=3),
    valid_until=TODAY + timedelta(days=87),
    issuer_code="18.71.04.1002",
)


def address(facts: OfflineLetter = FACTS, key: LetterKey = KEY, token: str = TOKEN) -> str:
    return f"{HOST}/verify/{token}#{encode(facts, token, key.kid, key.sign)}"


def run(*arguments: str, stdin: str | None = None) -> Any:
    return CliRunner().invoke(cli, ["verify-qr", *arguments], input=stdin, env={"COLUMNS": "200"})


@pytest.fixture
def keys(tmp_path: Path) -> str:
    return saved(tmp_path / "sktm-keys.json", KEY)


def saved(path: Path, *known: LetterKey) -> str:
    path.write_text(json.dumps({"keys": [key.jwk for key in known]}))
    return str(path)


# ---- the code --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "facts",
    [
        FACTS,
        replace(FACTS, masked_name="S***", issuer_code="01.01.01.0001"),
        replace(FACTS, masked_name="É*** ق**** O'N****", number="1/2026"),
        *(replace(FACTS, purpose=purpose) for purpose in PURPOSES),
    ],
)
def test_a_code_says_what_went_into_it(facts: OfflineLetter) -> None:
    code = decode(address(facts))
    assert (code.letter, code.kid) == (facts, KEY.kid)
    assert code.verdict({KEY.kid: KEY.public}, TODAY) == "valid"


def test_a_code_cannot_say_that_officials_signed_by_hand() -> None:
    """Whether they have is known on the page; who knows only the first format takes the code for none of ours."""
    paper = replace(FACTS, by_hand=True)
    code = decode(address(paper))
    assert code.letter == paper
    assert code.verdict({KEY.kid: KEY.public}, TODAY) == "signed_by_hand"
    assert code.verdict({KEY.kid: KEY.public}, FACTS.valid_until + timedelta(days=1)) == "expired"
    values = (int(address(facts).partition("#")[2]) for facts in (FACTS, paper))
    assert [value.to_bytes((value.bit_length() + 7) // 8, "big")[0] for value in values] == [1, 2]


def test_every_purpose_has_its_place_in_the_code() -> None:
    assert codes("sktm_purposes") == set(PURPOSES)


def test_a_very_long_name_is_cut_and_a_very_long_number_has_no_code() -> None:
    long = decode(address(replace(FACTS, masked_name=" ".join(["A-B-C-D-E-F-G"] * 9)))).letter.masked_name
    assert long.endswith("…") and len(long) < 50
    assert encode(replace(FACTS, number="x" * 200), TOKEN, KEY.kid, KEY.sign) is None


def test_no_changed_digit_passes() -> None:
    text, keys = address(), {KEY.kid: KEY.public}
    start = text.index("#") + 1
    for place in range(start, len(text)):
        changed = text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :]
        try:
            verdict = decode(changed).verdict(keys, TODAY)
        except ValueError:
            continue
        assert verdict in ("forged", "unknown_key"), place


def test_a_genuine_code_under_another_letters_address_is_forged() -> None:
    moved = address().replace(TOKEN, secrets.token_urlsafe(24))
    assert decode(moved).verdict({KEY.kid: KEY.public}, TODAY) == "forged"


@pytest.mark.parametrize(
    "text",
    ["", "https://x/verify/abc", HOST + "/verify/" + TOKEN, address()[:-40], "1" * 300, address() + "a"]
    + [f"{HOST}/verify/{TOKEN}#{'9' * length}" for length in (151, 200, 400, 900, 5000)],
    ids=map(str, range(11)),  # the texts differ from run to run
)
def test_what_is_no_code_is_never_taken_for_one(text: str) -> None:
    try:
        verdict = decode(text).verdict({KEY.kid: KEY.public}, TODAY)
    except ValueError:
        return
    assert verdict in ("forged", "unknown_key")


# ---- the command -----------------------------------------------------------------------------------------------------


def test_the_exit_code_says_what_the_letter_is_worth(keys: str) -> None:
    valid = run(address(), "--keys", keys)
    assert valid.exit_code == 0
    assert "400.9/12/SRG/VI/2026" in valid.output and FACTS.masked_name in valid.output
    assert run("-", "--keys", keys, stdin=address() + "\n").exit_code == 0
    paper = run(address(replace(FACTS, by_hand=True)), "--keys", keys)
    assert paper.exit_code == 4
    assert "SIGNED BY HAND" in paper.output and "400.9/12/SRG/VI/2026" in paper.output
    forged = run(address(key=replace(LetterKey.generate(), public=KEY.public)), "--keys", keys)
    assert (forged.exit_code, "FORGED" in forged.output) == (1, True)
    assert "400.9" not in forged.output  # what a forger wrote is not repeated as a fact
    for day in (TODAY + timedelta(days=88), TODAY - timedelta(days=4)):
        assert run(address(), "--keys", keys, "--on", str(day)).exit_code == 2


@pytest.mark.parametrize("issuer_code", ["11.01.01.2001", "94.01.01.2001"])
def test_a_letter_of_today_is_valid_at_once_by_the_calendar_of_its_issuer(keys: str, issuer_code: str) -> None:
    """Where it is shown, or on this machine, it may be the day before still, or the day after."""
    there = datetime.now(ZoneInfo(timezone_of(issuer_code))).date()
    today = replace(FACTS, issuer_code=issuer_code, issued_on=there, valid_until=there)
    assert run(address(today), "--keys", keys).exit_code == 0
    assert (timezone_of("11"), timezone_of("94.01"), timezone_of("00")) == (
        "Asia/Jakarta",
        "Asia/Jayapura",
        "Asia/Jakarta",
    )


@pytest.mark.parametrize("source", ["no-such-file.png", HOST, "tulisan biasa"])
def test_what_cannot_be_read_is_neither_valid_nor_forged(keys: str, source: str) -> None:
    answer = run(source, "--keys", keys)
    assert (answer.exit_code, "Not checked" in answer.output) == (3, True)


def test_a_key_that_is_not_known_proves_nothing(keys: str, tmp_path: Path) -> None:
    answer = run(address(key=LetterKey.generate()), "--keys", keys)
    assert (answer.exit_code, "not among yours" in answer.output) == (3, True)
    for content in ("", "[]", '{"keys": []}', '{"keys": [{"kid": "a", "crv": "Ed25519", "x": "AA"}]}'):
        (tmp_path / "broken.json").write_text(content)
        assert run(address(), "--keys", str(tmp_path / "broken.json")).exit_code == 3
    assert run(address(), "--keys", str(tmp_path / "missing.json")).exit_code == 3


def test_a_slip_in_the_command_line_is_not_taken_for_a_letters_state() -> None:
    assert run().exit_code == verify_qr.USAGE
    assert run(address(), "--keys", "x", "--on", "besok").exit_code == verify_qr.USAGE


def test_keys_come_from_the_system_one_names_never_from_the_code(monkeypatch: Any, tmp_path: Path) -> None:
    asked = []

    def get(url: str, timeout: float) -> Any:
        asked.append(url)
        raise verify_qr.httpx.ConnectError("offline")

    monkeypatch.setattr(verify_qr.httpx, "get", get)
    assert run(address(), "--keys", "https://tksk.go.id").exit_code == 3
    assert asked == ["https://tksk.go.id/.well-known/sktm-keys.json"]


# ---- paper -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def printed() -> bytes:
    return letter_signed_by(KEY)


def letter_signed_by(key: LetterKey) -> bytes:
    code = encode(FACTS, TOKEN, key.kid, key.sign)
    return render_letter(letter(verification_url=f"{HOST}/verify/{TOKEN}", offline_code=code))


def scanned(pdf: bytes, dpi: int) -> Any:
    page = pymupdf.open(stream=pdf)[0].get_pixmap(dpi=dpi, colorspace=pymupdf.csGRAY)
    return numpy.frombuffer(page.samples, dtype=numpy.uint8).reshape(page.height, page.stride)[:, : page.width]


def test_the_letter_itself_is_read(keys: str, printed: bytes, tmp_path: Path) -> None:
    (tmp_path / "surat.pdf").write_bytes(printed)
    answer = run(str(tmp_path / "surat.pdf"), "--keys", keys)
    assert answer.exit_code == 0, answer.output


@pytest.mark.parametrize(("dpi", "kind"), [(150, "png"), (200, "jpg"), (300, "pdf")])
def test_a_scan_of_the_paper_is_read(keys: str, printed: bytes, tmp_path: Path, dpi: int, kind: str) -> None:
    picture = scanned(printed, dpi)
    path = tmp_path / f"pindai.{kind}"
    if kind == "pdf":
        page = pymupdf.open().new_page()
        page.insert_image(page.rect, stream=cv2.imencode(".jpg", picture)[1].tobytes())
        path.write_bytes(page.parent.tobytes())
    else:
        cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 60])
    answer = run(str(path), "--keys", keys)
    assert answer.exit_code == 0, answer.output


@pytest.mark.parametrize("key", KEYS, ids=map(str, range(len(KEYS))))
def test_a_photo_held_askew_in_bad_light_is_read(tmp_path: Path, key: LetterKey) -> None:
    """Whatever the pattern: every signature makes another one."""
    page, keys = scanned(letter_signed_by(key), 180), saved(tmp_path / "sktm-keys.json", key)
    corner = page[int(page.shape[0] * 0.8) :, : page.shape[1] // 2]
    turned = cv2.getRotationMatrix2D((corner.shape[1] / 2, corner.shape[0] / 2), 6, 0.9)
    photo = cv2.warpAffine(corner, turned, (corner.shape[1], corner.shape[0]), borderValue=230)
    noise = numpy.random.default_rng(7).normal(0, 8, photo.shape)
    dim = numpy.clip(cv2.GaussianBlur(photo, (0, 0), 0.7) * 0.6 + 20 + noise, 0, 255).astype(numpy.uint8)
    cv2.imwrite(str(tmp_path / "foto.jpg"), dim, [cv2.IMWRITE_JPEG_QUALITY, 70])
    answer = run(str(tmp_path / "foto.jpg"), "--keys", keys)
    assert answer.exit_code == 0, answer.output


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7 nothing", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"x" * 99])
def test_a_broken_file_is_unreadable(keys: str, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rusak").write_bytes(content)
    assert run(str(tmp_path / "rusak"), "--keys", keys).exit_code == 3


def test_without_opencv_a_picture_says_what_to_install(
    keys: str, printed: bytes, tmp_path: Path, monkeypatch: Any
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), scanned(printed, 100))
    monkeypatch.setitem(sys.modules, "cv2", None)
    answer = run(str(tmp_path / "a.png"), "--keys", keys)
    assert (answer.exit_code, "tksk-api[scan]" in answer.output) == (3, True)
    (tmp_path / "a.pdf").write_bytes(printed)
    assert run(str(tmp_path / "a.pdf"), "--keys", keys).exit_code == 0


# ---- the keys --------------------------------------------------------------------------------------------------------


def test_a_new_key_is_published_before_it_signs_and_an_old_one_stays_for_good() -> None:
    first = LetterKey.generate()
    keys = rotated([first], 1000, 500)
    assert (signing_at(keys, 1400), signing_at(keys, 1500)) == (first, keys[1])
    with pytest.raises(LetterKeyError, match="signs in 500 seconds"):
        rotated(keys, 1000, 500)
    later = rotated(keys, 2000, 500)
    assert [key.kid for key in later[:2]] == [first.kid, keys[1].kid]
    assert (later[0].seed, later[0].public) == (None, first.public)  # it can sign no more
    assert signing_at(later, 2400) == keys[1]


def test_a_key_that_leaked_is_gone_at_once() -> None:
    first = LetterKey.generate()
    waiting = rotated([first], 1000, 500)
    (heir,) = revoked(waiting, first.kid, 1100)
    assert signing_at([heir], 1100) == heir
    assert [key.kid for key in revoked([first], first.kid, 1000)] != [first.kid]
    with pytest.raises(LetterKeyError, match="There is no key"):
        revoked([first], "00000000", 1000)


def test_the_commands_change_the_key_file_and_running_processes_follow(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    create_key_file(path)
    running = LetterKeys(load_key_file(path).letters, path)
    first = running.current()
    assert first is not None
    second = rotate_letter_key(path, 0)
    time.sleep(0.01)
    assert running.current() == second
    assert [jwk["kid"] for jwk in running.jwks["keys"]] == [first.kid, second.kid]
    assert not {"d", "private"} & {name for jwk in running.jwks["keys"] for name in jwk}
    revoke_letter_key(path, first.kid)
    assert [jwk["kid"] for jwk in running.jwks["keys"]] == [second.kid]
    assert load_key_file(path).signing  # the rest of the file is as it was
    path.unlink()
    assert running.current() == second


def test_a_key_file_of_the_first_release_signs_no_codes_until_a_key_is_made(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    create_key_file(path)
    content = json.loads(path.read_text())
    del content["letters"]
    path.write_text(json.dumps(content))
    running = LetterKeys(load_key_file(path).letters, path)
    assert (running.current(), running.jwks) == (None, {"keys": []})
    assert rotate_letter_key(path, 3600) == running.current()
    content["letters"] = [{**LetterKey.generate().entry(), "public": LetterKey.generate().entry()["public"]}]
    path.write_text(json.dumps(content))
    with pytest.raises(KeyFileError):
        load_key_file(path)


# ---- all together ----------------------------------------------------------------------------------------------------


async def test_a_letter_of_the_application_is_good_offline_before_and_after_rotation(
    as_: Any, owner: Any, client: Any, settings: Any, tmp_path: Path
) -> None:
    team = await offices(as_)
    row = await issued(owner, team)
    pdf = (await team.clerk.get(f"{URL}/{row['id']}/letter")).content
    (tmp_path / "surat.pdf").write_bytes(pdf)

    async def check() -> Any:
        published = await client.get("/.well-known/sktm-keys.json")
        assert published.headers["cache-control"] == "public, max-age=86400"
        (tmp_path / "keys.json").write_bytes(published.content)
        return run(str(tmp_path / "surat.pdf"), "--keys", str(tmp_path / "keys.json"))

    before = await check()
    assert before.exit_code == 0, before.output
    assert row["letter"]["number"] in before.output and "S*** R********" in before.output
    rotate_letter_key(settings.key_file, 0)
    assert (await check()).exit_code == 0
    assert (await team.clerk.get(f"{URL}/{row['id']}/letter")).content == pdf
