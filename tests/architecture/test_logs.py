"""Logs hold names, codes and durations, never a person: a canary NIK goes everywhere a request can take it."""

import io
import json
import logging
import sys

import pytest
import structlog

from helpers import AMPENAN, PANJANG, nik, person
from tksk_api.domain.beneficiaries import service
from tksk_api.telemetry import configure_logging, log

CANARY = "1871046503914242"
CARD = "1871041203154242"
NAME = "Kenari Pengkhianat"
URL = "/v1/beneficiaries"


@pytest.fixture
def logged(monkeypatch, caplog):
    """Everything written to stderr, stdout and the standard logging module, so far."""
    before = structlog.get_config()
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "stdout", stream)
    configure_logging("DEBUG")
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.WARNING, "httpx")  # the test's own client

    def text() -> str:
        return stream.getvalue() + caplog.text

    yield text
    structlog.configure(**before)


def betrays(text: str) -> list[str]:
    return [word for word in (CANARY, CARD, NAME, CANARY[-6:]) if word in text]


async def test_no_identity_number_or_name_is_logged(as_, logged):
    tksk, other = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    body = person(nik=CANARY, family_card_number=CARD, full_name=NAME)
    created = await tksk.post(URL, json=body)
    assert created.status_code == 201
    url = f"{URL}/{created.json()['id']}"
    reveal = {"fields": ["nik"], "purpose": "letter_processing", "reason": f"Surat untuk {NAME}"}
    answers = [
        await tksk.post(URL, json=body),  # duplicate
        await tksk.post(URL, json={**body, "nik": CANARY + "9"}),  # refused
        await tksk.post(URL, json={**body, CANARY: CANARY}),  # as an unknown member
        await tksk.post(URL, content=json.dumps(body)[:-1]),  # broken
        await tksk.post(f"{URL}/search", json={"nik": CANARY}),
        await tksk.post(f"{URL}/search", json={"name": NAME}),
        await tksk.get(f"{URL}?nik={CANARY}"),  # where it never belongs
        await tksk.get(f"{URL}/{CANARY}"),
        await tksk.get(f"/v1/{CANARY}"),
        await tksk.get(url, headers={"X-Request-ID": CANARY, "User-Agent": CANARY, "Accept-Language": CANARY}),
        await tksk.patch(url, json={"notes": CANARY}, headers={"If-Match": CANARY}),
        await tksk.patch(url, json={"notes": CANARY}, headers={"If-Match": '"v1"'}),
        await tksk.post(URL, json=person(nik=nik()), headers={"Idempotency-Key": CANARY}),
        await tksk.get(f"{url}/history"),
        await tksk.post(f"{url}/reveal", json=reveal),
        await other.get(url),
        await other.get(f"{URL}?cursor={CANARY}"),
    ]
    assert all(answer.status_code < 500 for answer in answers)
    refused = [answer for answer in answers if answer.status_code >= 400]
    assert len(refused) >= 10
    assert [answer.text for answer in refused if CANARY in answer.text] == []
    text = logged()
    assert text.count('"event": "request"') >= len(answers)
    assert betrays(text) == []


async def test_a_fault_of_ours_is_logged_by_place_and_not_by_content(as_, logged, monkeypatch):
    async def fails(*_arguments: object) -> None:
        raise RuntimeError(f"could not write {CANARY}")

    monkeypatch.setattr(service, "create", fails)
    answer = await (await as_("tksk", PANJANG)).post(URL, json=person(nik=CANARY))
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert not set(answer.text.split()) & {"Traceback", "RuntimeError"}
    text = logged()
    assert '"event": "unhandled"' in text
    assert "RuntimeError" in text
    assert betrays(text) == []
    assert betrays(answer.text) == []


async def test_a_failure_of_the_database_is_logged_without_its_parameters(as_, owner, logged):
    await owner.execute(
        "CREATE FUNCTION pg_temp.fail() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION 'row of {CANARY} %', NEW.full_name; END $$; "
        "CREATE TRIGGER fail BEFORE INSERT ON beneficiaries FOR EACH ROW EXECUTE FUNCTION pg_temp.fail()"
    )
    try:
        answer = await (await as_("tksk", PANJANG)).post(URL, json=person(nik=CANARY, full_name=NAME))
    finally:
        await owner.execute("DROP TRIGGER fail ON beneficiaries")
    assert answer.status_code == 500
    assert betrays(answer.text) == []
    assert betrays(logged()) == []


async def test_a_line_break_cannot_forge_a_line(logged):
    log.info("request", operation='x\n{"event": "forged"}')
    lines = [line for line in logged().splitlines() if "forged" in line]
    assert len(lines) == 1
    assert json.loads(lines[0])["event"] == "request"


async def test_the_canary_is_seen_when_it_is_there(logged):
    log.info("request", operation=f"{CANARY} {NAME}")
    assert betrays(logged()) == [CANARY, NAME, CANARY[-6:]]
