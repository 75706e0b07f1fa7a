"""What anybody may send costs time in proportion to its length, and no identity number hides in a text."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from helpers import SRENGSEM, add_person
from tksk_api.domain.beneficiaries.rules import names_person
from tksk_api.domain.records import Body
from tksk_api.errors import DomainError
from tksk_api.http.limits import MAX_TEXT, parse_json
from tksk_api.types import clean_text, without_identity_number

LOGIN = "/v1/auth/login"
LIMIT = 1_048_576
ROOM = LIMIT - 200  # leaves place for what stands around it
MARKS = "\u0315\u0300"  # in the other order once they are normalised
CODE_PATTERN = r"^[a-z0-9_]{1,64}$"
JSON = {"Content-Type": "application/json"}
SECONDS = 0.5


def entries(text: str, count: int) -> bytes:
    return b"[" + b",".join([f'"{text}"'.encode()] * count) + b"]"


def member(text: str) -> bytes:
    return f'{{"username": "a{text}", "password": "x"}}'.encode()


HOSTILE = {
    "an open text with escaped quotes": b"[]" * 66 + b'"' + b'\\"' * (ROOM // 2),
    "an open text of backslashes": b"[]" * 66 + b'"' + b"\\" * ROOM,
    "escaped quotes outside of texts": b"[]" * 66 + b'\\"' * (ROOM // 2),
    "quotes": b'"' * ROOM,
    "texts": b"[" + b'"",' * (ROOM // 3) + b'""]',
    "brackets": b"[]" * (ROOM // 2),
    "closing brackets": b"[" * 60 + b"]" * ROOM,
    "commas": b"[" + b"1," * (ROOM // 2) + b"1]",
    "members": b"{" + b",".join(b'"k%d":1' % index for index in range(80_000)) + b"}",
    "as many members as are read": b"{" + b",".join(b'"k%d":1' % index for index in range(4_990)) + b"}",
    "lists in members": b"{" + b",".join(b'"k%d":[0]' % index for index in range(2_400)) + b"}",
    "blanks": b" " * ROOM,
    "lines": b"\n" * ROOM + b"[",
    "a long number": b"[" + b"9" * ROOM + b"]",
    "a long fraction": b"[9007199254740993." + b"0" * ROOM + b"1]",
    "a long exponent": b"[1e" + b"9" * ROOM + b"]",
    "a name of marks": f'{{"a{MARKS * (ROOM // 4)}": 1}}'.encode(),
    "a text of marks": member(MARKS * (ROOM // 4)),
    "a text of escaped marks": member(r"\u0315\u0300" * (ROOM // 12)),
    "a short text of marks": member(MARKS * 3_000),
    "as many marks as are allowed": entries(("a" + MARKS * 15) * 264, 60),
    "Hangul in parts": entries("\u1100\u1161\u11a8" * 5_300, 20),
    "a long user name": member("b" * (ROOM // 2)),
    "digits": entries("1 " * 8_000, 60),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
async def test_no_body_of_a_stranger_costs_more_than_half_a_second(client, body):
    assert len(body) <= LIMIT
    await client.post(LOGIN, json={})  # what is made ready once is not counted
    began = time.process_time()
    answer = await client.post(LOGIN, content=body, headers=JSON)
    assert time.process_time() - began < SECONDS
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Accept-Language", "en;q=0.1," * 10_000),
        ("Content-Type", "application/json" + ";a=b" * 20_000),
        ("Authorization", "Basic " + "A" * 60_000),
        ("Authorization", "Bearer " + "a." * 30_000),
        ("User-Agent", "(" * 60_000),
        ("User-Agent", "(a" * 30_000),
        ("If-None-Match", '"v1",' * 12_000),
        ("X-Request-ID", "-" * 60_000),
        ("Origin", "https://" + "a" * 60_000),
    ],
    ids=lambda value: value[:12],
)
async def test_no_header_of_a_stranger_costs_more_than_half_a_second(client, value, name):
    began = time.process_time()
    await client.post(LOGIN, content=member(""), headers={**JSON, name: value, "X-Odd": "1"})
    await client.get("/v1/regions", headers={name: value})
    await client.post("/oauth2/token", content=b"grant_type=client_credentials", headers={name: value})
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize(
    "form",
    [b"a=" + b"%CC%95%CC%80" * 1_360, b"&" * 16_000, b"a=b&" * 4_000, b"a=" + b"%41" * 5_000 + b"%4", b"%41" * 5_400],
    ids=["marks", "empty", "pairs", "an open escape", "no value"],
)
async def test_no_form_of_a_stranger_costs_more_than_half_a_second(client, form):
    began = time.process_time()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.post("/oauth2/token", content=form, headers=headers)
    assert time.process_time() - began < SECONDS
    assert answer.status_code == 400


async def test_marks_piled_up_are_refused_wherever_text_is_taken(client):
    body = await client.post(LOGIN, content=member(MARKS * 16), headers=JSON)
    assert [(entry["pointer"], entry["code"]) for entry in body.json()["errors"]] == [
        ("/username", "forbidden_character")
    ]
    query = await client.get("/v1/regions", params={"q": "a" + MARKS * 16})
    assert "forbidden_character" in {entry["code"] for entry in query.json()["errors"]}
    path = await client.get(f"/v1/regions/a{MARKS * 16}")
    assert path.status_code == 404


def test_thirty_marks_on_a_letter_are_text():
    assert clean_text("a" + "\u0301" * 30 + "\n" + "\u0301" * 30) == "\u00e1" + "\u0301" * 29 + "\n" + "\u0301" * 30
    with pytest.raises(ValueError, match="forbidden"):
        clean_text("a" + "\u0301" * 31)


def test_limits_of_a_body_are_reached_and_not_passed():
    most = b"[" + b"1," * 4_998 + b"1]"
    assert len(parse_json(most)) == 4_999
    for body, reason in (
        (b"[" + b"1," * 5_000 + b"1]", "more than 5000 values"),
        (b'["\\\\",' + b"[" * 64 + b"]" * 64 + b"]", "more than 64 levels"),
    ):
        with pytest.raises(DomainError) as refusal:
            parse_json(body)
        assert refusal.value.facts["reason"] == reason
    assert parse_json(b'["' + b"[" * MAX_TEXT + b'", "\\"[", "\\\\"]') == ["[" * MAX_TEXT, '"[', "\\"]
    with pytest.raises(DomainError) as refusal:
        parse_json(b'{"a": ["' + b"b" * (MAX_TEXT + 1) + b'"]}')
    assert [(error.pointer, error.code) for error in refusal.value.errors] == [("/a/0", "too_long")]


# ---- identity numbers in texts ---------------------------------------------------------------------------------------

NUMBER = "1871041401757251"


def in_digits_from(zero: int) -> str:
    return "".join(chr(zero + int(digit)) for digit in NUMBER)


@pytest.mark.parametrize(
    "text",
    [
        NUMBER,
        f"NIK{NUMBER}.",
        "1871 0414 0175 7251",
        "187104.140175.7251",
        "1871-0414 0175.7251",
        "1871 - 0414 - 0175 - 7251",
        "1871\u00a00414\u20130175\n7251",
        "\u200b".join(NUMBER),
        "18\u00ad7104\u20601401\ufe0f757251",
        in_digits_from(0xFF10),
        "\uff11\uff18\uff17\uff11\uff0e\uff10\uff14\uff11\uff14\uff0e0175\u22127251",
        "1871     0414\u2003\u2003\u2003\u20030175     7251",
        in_digits_from(0x0660),
        in_digits_from(0x1D7CE),
        "1871 0414 0175 7251 0812 3456 7890",
        "RT 001 1871 0414 0175 7251",
        f"081234567890 {NUMBER}",
    ],
)
def test_a_number_is_found_however_it_is_written(text):
    with pytest.raises(ValueError, match="identity number"):
        without_identity_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "0812-3456-7890, 0813-4567-8901",
        "0812 3456 7890 0813 4567 8901",
        "081234567890 081345678901",
        "+62 812 3456 7890",
        "(0721) 251234 / 711222",
        "400.9/001/18.71.04.1002/XI/2026",
        "470/12/18.01.04.1002/2026",
        "18.01.04.1002 18.01.04.1003",
        "18.01.04.1002 - 18.01.05",
        "Rp 1.250.000.000 dan 12.500.000 11.250.000",
        "1.555.000 155.500.000",
        "1.500.000\n2.000.000\n250.000",
        "11-01-2026 - 11-12-2026",
        "11.01.2026-11.12.2026",
        "11-01-2026-11-12-2026 5 hari",
        "2026-11-12 2026-11-30",
        "-5.473214, 105.326812",
        "198503252010011002",
        "9876543210987654",
    ],
)
def test_other_numbers_are_left_alone(text):
    assert without_identity_number(text) == text


def kept_in_clear() -> list[str]:
    """Members of request bodies that take a number as a text."""
    found = []
    for body in bodies(Body):
        for name, field in body.model_fields.items():
            adapter: TypeAdapter[Any] = TypeAdapter(Annotated[field.annotation, Field(), *field.metadata])
            for text in (NUMBER, f"{NUMBER} dan keterangan"):
                with suppress(ValidationError):
                    if isinstance(adapter.validate_python(text), str) and CODE_PATTERN not in str(
                        adapter.json_schema()
                    ):
                        found.append(f"{body.__name__}.{name}")
    return sorted(set(found))


def bodies(base: type[Body]) -> Iterator[type[Body]]:
    for body in base.__subclasses__():
        if body.__module__.startswith("tksk_api."):
            yield body
            yield from bodies(body)


def test_no_member_keeps_a_number_in_clear(app):
    """The fields of its own; what is only compared, not kept. Codes are looked up in a list."""
    own = {f"{body.__name__}.{name}" for body in bodies(Body) for name in ("nik", "family_card_number")}
    made_here = {f"{upload}.file_sha256" for upload in ("AttachmentUpload", "OfficeCertificateUpload", "ImportUpload")}
    compared = {"Login.username", "Refresh.refresh_token"} | made_here
    taken_out = {"UploadCreate.file_name"}  # a person's browser names the file: the number goes, the rest is kept
    assert set(kept_in_clear()) - own == compared | taken_out


async def test_a_reason_holds_neither_the_number_nor_the_name(as_):
    clerk = await as_("village_clerk", SRENGSEM)
    someone = await add_person(clerk, full_name="Zulaikha Maharani Uji-X")
    url = f"/v1/beneficiaries/{someone['id']}/reveal"
    asked = {"fields": ["nik"], "purpose": "identity_check"}
    for reason, code in (
        ("Dicocokkan: 1871 0414 0175 7251", "identity_number_in_text"),
        ("Diminta oleh Maharani-Uji, x", "name_in_text"),
        ("Surat untuk Zulai\u200bkha Maharaninya", "name_in_text"),
        ("          ", "too_short"),
        ("Terlalu panjang " * 40, "too_long"),
    ):
        answer = await clerk.post(url, json={**asked, "reason": reason})
        assert [(entry["pointer"], entry["code"]) for entry in answer.json()["errors"]] == [("/reason", code)]
    assert (await clerk.post(url, json={**asked, "reason": "Mencocokkan KTP asli"})).status_code == 200


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("untuk Uji-x", "Uji X", True),
        ("untuk UJI\u200b X.", "Uji X", True),
        ("untuk \uff35j\u0301i x", "Uji X", True),
        ("u.j.i.x", "Uji X", True),
        ("pengujian xenon", "Uji X", False),
        ("pengujian", "Uji", False),
        ("oleh uji", "Uji", True),
        ("maharani_putrinya", "Zulaikha Maharani Putri", True),
        ("Zulaikha, Putri", "Zulaikha Maharani Putri", False),
        ("data M.A. Jakarta", "M. A. Rahman", False),
        ("kata A. Rahman", "M. A. Rahman", True),
        ("jalan 5", "5", False),
    ],
)
def test_a_name_is_its_letters(text, name, expected):
    assert names_person(text, name) is expected
