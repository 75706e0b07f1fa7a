"""Kinds of signature: recorded, sealed by a certificate, signed by hand; certificates of offices; scans."""

import asyncio
import hashlib
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial
from io import BytesIO
from typing import Any
from uuid import UUID

import pymupdf
import pytest
import segno
from cryptography.hazmat.primitives import serialization
from PIL import Image
from pydantic import SecretStr
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from certificates import OFFICE, PASSWORD, asking_for, certificate, curve_key, p12, rsa_key, with_mac_of_rfc9579
from files import picture
from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of, nik
from sktm_flow import URL, Offices, issued, offices, ok, verified
from tksk_api.cli.doctor import _certificates
from tksk_api.documents.scanning import ScannerMissingError, addresses_in
from tksk_api.documents.sealing import BsreSealer, OfficeSealer
from tksk_api.domain.sktm_letters.offline import decode
from tksk_api.domain.sktm_letters.seals import seal_unavailable
from tksk_api.http import idempotency
from tksk_api.security.crypto import KeyFileError
from tksk_api.security.letter_keys import published_keys

CERTIFICATES = "/v1/office-certificates"


async def policy(team: Offices, kind: str, region: str = SRENGSEM, **more: Any) -> None:
    stored = await team.dinsos.get(f"/v1/sktm-policies/{region}")
    headers = {"If-Match": etag} if (etag := stored.headers.get("etag")) else {}
    ok(await team.dinsos.put(f"/v1/sktm-policies/{region}", json={"signature": kind, **more}, headers=headers))


async def upload(caller: Any, content: bytes | None = None, region: str = SRENGSEM, **more: Any) -> Any:
    fields = {"region_code": region, "password": more.pop("password", PASSWORD), **more.pop("fields", {})}
    file = ("kantor.p12", content if content is not None else p12(), "application/x-pkcs12")
    return await caller.post(CERTIFICATES, data=fields, files={"file": file}, **more)


async def sealing_team(as_: Any, **over: Any) -> Offices:
    """A village whose letters are sealed, with a certificate in order unless told otherwise."""
    team = await offices(as_)
    await policy(team, "sealed")
    if over.get("content") is not False:
        assert (await upload(team.dinsos, **over)).status_code == 201
    return team


async def attach(caller: Any, person: str, kind: str = "signed_letter", content: bytes | None = None) -> str:
    file = ("surat.jpg", content if content is not None else picture(colour=tuple(UUID(person).bytes[:3])))
    answer = await caller.post("/v1/attachments", data={"kind": kind, "beneficiary_id": person}, files={"file": file})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def counter(owner: Any) -> int | None:
    last: int | None = await owner.fetchval("SELECT last FROM sktm_counters WHERE issuer_code = $1", SRENGSEM)
    return last


# ---- policy ----------------------------------------------------------------------------------------------------------


async def test_a_kind_is_inherited_and_an_application_keeps_the_one_it_was_submitted_under(as_, owner):
    team = await offices(as_)
    seen = ok(await team.clerk.get(f"/v1/sktm-policies/{SRENGSEM}"))
    assert (seen["values"]["signature"], seen["origins"]["signature"]) == ("recorded", "default")
    row = await verified(owner, team)
    await policy(team, "wet", BANDAR_LAMPUNG)
    seen = ok(await team.clerk.get(f"/v1/sktm-policies/{SRENGSEM}"))
    assert (seen["values"]["signature"], seen["origins"]["signature"]) == ("wet", BANDAR_LAMPUNG)
    assert ok(await team.clerk.get(f"{URL}/{row['id']}/requirements"))["signature"] == "recorded"
    letter = ok(await team.head.act(f"{URL}/{row['id']}/sign"))["letter"]
    assert (letter["signature"], letter["seal"], letter["scan"], letter["status"]) == ("recorded", None, None, "valid")
    refused = await team.dinsos.put(f"/v1/sktm-policies/{PANJANG}", json={"signature": "stempel"})
    assert refused.json()["errors"][0]["pointer"] == "/signature"


# ---- sealed ----------------------------------------------------------------------------------------------------------


async def test_a_sealed_letter_is_what_its_digest_says_and_the_same_every_time(as_, owner, client):
    team = await sealing_team(as_)
    row = await issued(owner, team)
    letter = row["letter"]
    assert (letter["signature"], letter["status"], letter["scan"]) == ("sealed", "valid", None)
    assert letter["seal"] == {
        "by": "office_certificate",
        "is_certified": False,
        "subject": f"{OFFICE}, Pemerintah Kota Bandar Lampung, ID",
        "issuer": f"{OFFICE}, Pemerintah Kota Bandar Lampung, ID",
        "certificate_sha256": ok(await team.dinsos.get(CERTIFICATES))["items"][0]["sha256"],
    }
    first, second = [await team.clerk.get(f"{URL}/{row['id']}/letter") for _ in range(2)]
    assert first.content == second.content
    assert hashlib.sha256(first.content).hexdigest() == letter["sha256"]
    (seal,) = PdfFileReader(BytesIO(first.content)).embedded_signatures
    trust = ValidationContext(trust_roots=[seal.signer_cert], allow_fetching=False)
    assert (await asyncio.to_thread(validate_pdf_signature, seal, trust)).bottom_line
    assert seal.sig_object["/Reason"] == f"SKTM Nomor {letter['number']}"
    copy = await team.clerk.get(f"{URL}/{row['id']}/letter?copy=true")
    assert PdfFileReader(BytesIO(copy.content)).embedded_signatures == []
    page = await client.get(
        letter["verification_url"].removeprefix("http://test"), headers={"Accept": "application/json"}
    )
    assert (page.json()["signature"], page.json()["status"]) == ("sealed", "valid")


async def test_twenty_signers_at_once_with_a_seal_make_one_number_and_one_letter(as_, owner):
    team = await sealing_team(as_)
    row = await verified(owner, team)
    heads = [team.head, *[await as_("village_head", SRENGSEM, full_name=f"Lurah {n}") for n in range(19)]]
    version = row["version"]
    answers = await asyncio.gather(*(head.act(f"{URL}/{row['id']}/sign", version=version) for head in heads))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 19}
    assert await owner.fetchval("SELECT count(*) FROM sktm_letters") == await counter(owner) == 1
    assert await owner.fetchval("SELECT count(*) FROM sktm_signatures") == 1


@pytest.mark.parametrize(
    ("why", "days"),
    [
        ("certificate_missing", None),
        ("certificate_expired", (-20, -1)),
        ("certificate_not_yet_valid", (1, 20)),
        ("key_unreadable", (-20, 20)),
    ],
)
async def test_without_a_seal_the_application_stays_and_no_number_is_spent(as_, owner, app, why, days):
    team = await sealing_team(as_, **({"content": False} if days is None else {}))
    row = await verified(owner, team)
    if days is not None:
        moved = "UPDATE office_certificates SET not_before = now() + $1, not_after = now() + $2"
        await owner.execute(moved, *(timedelta(days=day) for day in days))
    if why == "key_unreadable":
        await owner.execute("UPDATE office_certificates SET key_cipher = set_byte(key_cipher, 40, 1)")
    before = ok(await team.head.get(f"{URL}/{row['id']}"))
    refused = await team.head.act(f"{URL}/{row['id']}/sign")
    assert (refused.status_code, code_of(refused), refused.json()["why"]) == (409, "seal_unavailable", why)
    assert ok(await team.head.get(f"{URL}/{row['id']}")) == before
    assert await counter(owner) is None
    assert await owner.fetchval("SELECT count(*) FROM sktm_signatures") == 0
    # Once the office has a certificate in force, the same application is signed, and its number is the first.
    renewed = p12(curve_key(), ends=timedelta(days=900))
    assert (await upload(team.dinsos, renewed)).status_code == 201
    assert "/001/" in ok(await team.head.act(f"{URL}/{row['id']}/sign"))["letter"]["number"]


async def test_a_failing_seal_after_the_number_gives_the_number_back(as_, owner, monkeypatch):
    team = await sealing_team(as_)
    row = await verified(owner, team)

    def fails(*_: Any, **__: Any) -> bytes:
        raise seal_unavailable("service_unreachable")

    with monkeypatch.context() as patched:
        patched.setattr(OfficeSealer, "seal", fails)
        assert code_of(await team.head.act(f"{URL}/{row['id']}/sign")) == "seal_unavailable"
    assert await counter(owner) is None
    assert "/001/" in ok(await team.head.act(f"{URL}/{row['id']}/sign"))["letter"]["number"]


async def test_the_nearest_office_upwards_seals_and_an_expired_one_is_not_passed_over(as_, owner):
    team = await offices(as_)
    await policy(team, "sealed")
    for region in (BANDAR_LAMPUNG, PANJANG):
        assert (await upload(team.dinsos, p12(name=region), region)).status_code == 201
    row = await issued(owner, team)
    assert row["letter"]["seal"]["subject"].startswith(PANJANG)
    await owner.execute("UPDATE office_certificates SET not_after = now() WHERE region_code = $1", PANJANG)
    row = await verified(owner, team)
    assert (await team.head.act(f"{URL}/{row['id']}/sign")).json()["why"] == "certificate_expired"
    listed = ok(await team.dinsos.get(f"{CERTIFICATES}?region_code={PANJANG}"))["items"]
    ok(await team.dinsos.act(f"{CERTIFICATES}/{listed[0]['id']}/retire"))
    sealed = ok(await team.head.act(f"{URL}/{row['id']}/sign"))
    assert sealed["letter"]["seal"]["subject"].startswith(BANDAR_LAMPUNG)


# ---- certificates ----------------------------------------------------------------------------------------------------


async def test_a_certificate_is_kept_sealed_and_read_as_words_only(as_, owner, settings, app):
    team = await offices(as_)
    content = p12()
    answer = await upload(team.dinsos, content)
    assert answer.status_code == 201
    row = answer.json()
    assert (row["region_code"], row["key_type"], row["is_self_signed"], row["is_expired"]) == (
        SRENGSEM,
        "RSA 2048",
        True,
        False,
    )
    again = await upload(team.dinsos, content)
    assert (again.status_code, again.json()["id"]) == (200, row["id"])
    read = await team.dinsos.get(f"{CERTIFICATES}/{row['id']}")
    assert read.json() == row
    assert not {"key_cipher", "certificate", "chain", "password", "create_digest"} & row.keys()
    stored = await owner.fetchrow("SELECT * FROM office_certificates")
    private = rsa_key().private_numbers().d.to_bytes(256, "big")
    assert private not in bytes(stored["key_cipher"])
    said = await owner.fetch("SELECT fields::text AS fields FROM changes WHERE entity = 'office_certificates'")
    assert not any(stored["key_cipher"].hex() in change["fields"] for change in said)
    # Another row's ciphertext opens nothing: it is bound to its row.
    with pytest.raises(KeyFileError):
        app.state.house.keyring.decrypt("office_certificates.key", str(team.head.user_id), bytes(stored["key_cipher"]))
    retired = ok(await team.dinsos.act(f"{CERTIFICATES}/{row['id']}/retire"))
    assert retired["retired_at"] is not None
    assert await owner.fetchval("SELECT key_cipher FROM office_certificates") is None
    assert code_of(await team.dinsos.act(f"{CERTIFICATES}/{row['id']}/retire")) == "transition_refused"
    assert (await upload(team.dinsos, content)).status_code == 201  # it may be given anew


async def test_the_doctor_tells_of_a_certificate_a_month_before_it_ends(as_, owner, settings):
    dinsos = await as_("regency_office", BANDAR_LAMPUNG)
    assert (await upload(dinsos)).status_code == 201
    assert await _certificates(settings) is None
    assert (await upload(dinsos, p12(ends=timedelta(days=29)), PANJANG)).status_code == 201
    said = await _certificates(settings)
    assert said is not None and said.startswith(f"of {PANJANG} ({OFFICE}")
    (ending,) = ok(await dinsos.get(f"{CERTIFICATES}?region_code={PANJANG}"))["items"]
    ok(await dinsos.act(f"{CERTIFICATES}/{ending['id']}/retire"))
    assert await _certificates(settings) is None


BAD_FILES: dict[str, tuple[Any, str, str]] = {
    "not_pkcs12": (lambda: b"%PDF-1.7 surat", "/file", "certificate_unreadable"),
    "empty": (lambda: b"", "/file", "certificate_unreadable"),
    "cut_off": (lambda: p12()[:-40], "/file", "certificate_unreadable"),
    "wrong_password": (lambda: p12(password="keliru"), "/password", "certificate_password"),
    "no_key": (lambda: p12(with_key=False), "/file", "certificate_no_key"),
    "expired": (lambda: p12(ends=timedelta(days=-1)), "/file", "certificate_expired"),
    "not_yet_valid": (lambda: p12(begins=timedelta(days=1)), "/file", "certificate_not_yet_valid"),
    "weak": (lambda: p12(rsa_key(1024)), "/file", "certificate_weak_key"),
    "for_encryption": (lambda: p12(usage="encryption"), "/file", "certificate_not_for_signing"),
    # Of a standstill of seconds for the whole process, had anybody tried: one over the limit with its other parts.
    "hours_to_open": (lambda: asking_for(p12(), 999_999), "/file", "certificate_unreadable"),
    "hours_in_hiding": (lambda: with_mac_of_rfc9579(p12(), 12_000_000), "/file", "certificate_unreadable"),
    "of_a_web_site": (lambda: p12(for_servers=True), "/file", "certificate_not_for_signing"),
}


async def test_a_file_that_cannot_seal_is_refused_with_the_reason(as_, owner):
    dinsos = await as_("regency_office", BANDAR_LAMPUNG)
    for name, (content, pointer, code) in BAD_FILES.items():
        refused = await upload(dinsos, content())
        assert refused.status_code == 422, name
        assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == [(pointer, code)], name
        assert PASSWORD not in refused.text
    assert code_of(await upload(dinsos, b"0" * 65_537)) == "body_too_large"
    unknown = await upload(dinsos, region="18.71.04.1999")
    assert unknown.json()["errors"][0]["code"] == "unknown_region"
    missing = await dinsos.post(CERTIFICATES, data={"region_code": SRENGSEM}, files={"file": ("x.p12", p12())})
    assert missing.json()["errors"][0]["pointer"] == "/password"
    assert await owner.fetchval("SELECT count(*) FROM office_certificates") == 0


async def test_a_file_is_opened_in_a_process_that_ends_with_it_and_only_for_the_senders_own_area(
    as_, owner, app, monkeypatch
):
    dinsos = await as_("regency_office", BANDAR_LAMPUNG)
    monkeypatch.setattr("tksk_api.security.certificates.pkcs12", None)  # of this process; the other has its own
    unlocked: list[bytes] = []
    inspectors = app.state.house.inspectors
    before = set(inspectors._processes)  # of photographs: what other files sent stays for the next one

    async def unlock(request: bytes) -> Any:
        unlocked.append(request)
        return await type(inspectors).unlock(inspectors, request)

    monkeypatch.setattr(inspectors, "unlock", unlock)
    assert code_of(await upload(dinsos, region=AMPENAN)) == "not_found"
    assert unlocked == []
    made = await upload(dinsos, p12(curve_key()))
    assert (made.status_code, made.json()["key_type"], len(unlocked)) == (201, "EC secp256r1", 1)
    assert inspectors._processes == before

    async def dies(_: bytes) -> Any:
        return None, b""

    monkeypatch.setattr(inspectors, "unlock", dies)
    refused = await upload(dinsos, region=PANJANG)
    assert refused.json()["errors"][0]["code"] == "certificate_unreadable"


async def test_certificates_are_given_by_the_office_above_for_its_own_area(as_, owner):
    team = await offices(as_)
    assert code_of(await upload(team.dinsos, region=AMPENAN)) == "not_found"
    for caller in (team.head, team.camat, team.tksk, team.clerk, await as_("province_office", "18")):
        assert code_of(await upload(caller)) == "permission_denied"
        assert code_of(await caller.get(CERTIFICATES)) == "permission_denied"
    admin = await as_("admin")
    key = (await upload(admin, region=AMPENAN)).json()["id"]
    assert code_of(await team.dinsos.get(f"{CERTIFICATES}/{key}")) == "not_found"
    assert ok(await team.dinsos.get(CERTIFICATES))["items"] == []
    assert [row["id"] for row in ok(await admin.get(CERTIFICATES))["items"]] == [key]


async def test_a_retry_of_an_upload_is_one_upload_whatever_is_said_of_the_password(as_, owner):
    dinsos = await as_("regency_office", BANDAR_LAMPUNG)
    content, headers = p12(), {"Idempotency-Key": "unggah-1"}
    first = await upload(dinsos, content, headers=headers)
    again = await upload(dinsos, content, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert code_of(await upload(dinsos, p12(), headers=headers)) == "idempotency_mismatch"
    assert await owner.fetchval("SELECT count(*) FROM office_certificates") == 1
    assert {"password", "passphrase"} <= idempotency.SECRETS


# ---- BSrE ------------------------------------------------------------------------------------------------------------


async def test_where_bsre_seals_the_signer_brings_what_it_asks_for_and_nothing_of_it_is_kept(
    as_, owner, limited, monkeypatch, caplog
):
    team = await offices(as_)
    await policy(team, "sealed")
    row = await verified(owner, team)
    limited(sealer="bsre")
    with_secret = {"nik": nik(), "passphrase": "rahasia-lurah-1"}
    refused = await team.head.act(f"{URL}/{row['id']}/sign", with_secret)
    assert refused.json()["why"] == "service_not_configured"
    limited(sealer="bsre", bsre_url="http://127.0.0.1:9", bsre_user="tksk", bsre_password=SecretStr("kata-sandi"))
    assert (await team.head.act(f"{URL}/{row['id']}/sign")).json()["why"] == "credentials_missing"
    headers = {"If-Match": f'"v{row["version"]}"', "Idempotency-Key": "tanda-1"}
    refused = await team.head.post(f"{URL}/{row['id']}/sign", json=with_secret, headers=headers)
    assert (code_of(refused), refused.json()["why"]) == ("seal_unavailable", "service_unreachable")
    assert await counter(owner) is None
    # What BSrE does with it is the contract's business (tests/documents/test_sealing.py); here it works at once.
    asked: list[Any] = []

    def seal(self: BsreSealer, pdf: bytes, **more: Any) -> bytes:
        asked.append(self.credentials)
        der = certificate(rsa_key()).public_bytes(serialization.Encoding.DER)
        return OfficeSealer(der, (), rsa_key()).seal(pdf, **more)

    monkeypatch.setattr(BsreSealer, "seal", seal)
    signed = await team.head.post(f"{URL}/{row['id']}/sign", json=with_secret, headers=headers)
    letter = ok(signed)["letter"]
    assert (letter["seal"]["by"], letter["seal"]["is_certified"]) == ("bsre", False)  # nobody said who BSrE is
    assert [(given.nik, given.passphrase) for given in asked] == [(with_secret["nik"], with_secret["passphrase"])]
    assert "rahasia-lurah-1" not in signed.text + caplog.text
    again = await team.head.post(f"{URL}/{row['id']}/sign", json={**with_secret, "passphrase": "lain"}, headers=headers)
    assert again.headers["Idempotency-Replayed"] == "true"  # a passphrase is no part of what is compared
    assert len(asked) == 1


async def test_a_service_that_takes_its_time_keeps_its_own_signers_waiting_and_nobody_else(as_, owner, monkeypatch):
    team = await sealing_team(as_)
    row = await verified(owner, team)
    began, answered, seal = threading.Event(), threading.Event(), OfficeSealer.seal

    def slow(*what: Any, **more: Any) -> bytes:
        began.set()
        answered.wait(20)
        return seal(*what, **more)

    monkeypatch.setattr(OfficeSealer, "seal", slow)
    with ThreadPoolExecutor(1) as only_one:  # of those that all the rest of the server shares
        monkeypatch.setattr(asyncio, "to_thread", partial(asyncio.get_running_loop().run_in_executor, only_one))
        signing = asyncio.create_task(team.head.act(f"{URL}/{row['id']}/sign"))
        while not began.is_set():
            await asyncio.sleep(0.01)
        try:
            assert await asyncio.wait_for(asyncio.to_thread(int, "1"), 5) == 1
        finally:
            answered.set()
        assert ok(await signing)["letter"]["signature"] == "sealed"


# ---- wet -------------------------------------------------------------------------------------------------------------


async def wet(as_: Any, owner: Any, **over: Any) -> tuple[Offices, dict[str, Any]]:
    """A letter with room for the pen."""
    team = await offices(as_)
    await policy(team, "wet")
    return team, await issued(owner, team, **over)


async def test_a_letter_signed_by_hand_is_not_yet_valid_until_its_scan_is_there(as_, owner, client):
    team, row = await wet(as_, owner)
    letter = row["letter"]
    assert (letter["signature"], letter["status"], letter["scan"], letter["seal"]) == (
        "wet",
        "not_yet_valid",
        None,
        None,
    )
    address = letter["verification_url"].removeprefix("http://test")
    json = {"Accept": "application/json"}
    assert (await client.get(address, headers=json)).json()["status"] == "not_yet_valid"
    page = (await client.get(address, headers={"Accept": "text/html"})).text
    assert "Jangan terima surat ini dulu" in page and "Terima surat ini mulai" not in page
    assert "penerbit belum menerima pindaiannya" in page and "pindaiannya disimpan penerbit" not in page
    # Without a network it is no valid letter either, neither before nor after.
    pdf = (await team.clerk.get(f"{URL}/{row['id']}/letter")).content
    (code,) = {decode(address) for address in addresses_in(pdf)}
    known = published_keys((await client.get("/.well-known/sktm-keys.json")).json())
    assert code.verdict(known, date.fromisoformat(letter["issued_on"])) == "signed_by_hand"
    assert code_of(await team.clerk.act(f"{URL}/{row['id']}/collect")) == "scan_missing"
    scan = await attach(team.clerk, row["beneficiary_id"])
    with_scan = ok(await team.clerk.act(f"{URL}/{row['id']}/signed-scan", {"attachment_id": scan}))
    assert (with_scan["status"], with_scan["letter"]["status"]) == ("issued", "valid")
    assert with_scan["letter"]["scan"]["attachment_id"] == scan
    assert (await client.get(address, headers=json)).json()["status"] == "valid"
    assert with_scan["version"] == row["version"] + 1
    # A better one takes its place; the one before stays on record, and neither can be taken back.
    better = await attach(team.tksk, row["beneficiary_id"], content=picture(colour=(9, 90, 200)))
    replaced = ok(await team.tksk.act(f"{URL}/{row['id']}/signed-scan", {"attachment_id": better}))
    assert replaced["letter"]["scan"]["attachment_id"] == better
    steps = ok(await team.clerk.get(f"{URL}/{row['id']}/history"))["items"]
    assert [step["details"]["attachment_id"] for step in steps if step["action"] == "signed-scan"] == [scan, better]
    for key in (scan, better):
        taken = await team.clerk.delete(f"/v1/attachments/{key}", headers={"If-Match": '"v1"'})
        assert code_of(taken) == "attachment_in_use"
    assert ok(await team.clerk.act(f"{URL}/{row['id']}/collect"))["status"] == "collected"
    late = await team.clerk.act(f"{URL}/{row['id']}/signed-scan", {"attachment_id": scan})
    assert code_of(late) == "transition_refused"


async def test_only_a_scan_of_the_applicant_as_signed_letter_is_taken_and_not_by_who_signed(as_, owner):
    team, row = await wet(as_, owner)
    url = f"{URL}/{row['id']}/signed-scan"
    other = await add_person(team.clerk, full_name="Dewi Lestari")
    for key, code in (
        (await attach(team.clerk, row["beneficiary_id"], "letter_scan"), "signed_letter_expected"),
        (await attach(team.clerk, other["id"]), "unknown_reference"),
        (other["id"], "unknown_reference"),
    ):
        refused = await team.clerk.act(url, {"attachment_id": key})
        assert [(e["pointer"], e["code"]) for e in refused.json()["errors"]] == [("/attachment_id", code)]
    scan = await attach(team.clerk, row["beneficiary_id"])
    for caller in (team.head, team.camat, team.dinsos):
        assert code_of(await caller.act(url, {"attachment_id": scan})) == "permission_denied"
    # An official who changed desks since.
    await owner.execute("UPDATE sktm_signatures SET user_id = $1", team.clerk.user_id)
    assert code_of(await team.clerk.act(url, {"attachment_id": scan})) == "separation_of_duties"
    assert code_of(await team.tksk.act(url, {"attachment_id": scan}, version=1)) == "stale_version"
    assert (await team.tksk.post(url, json={"attachment_id": scan})).status_code == 428
    assert ok(await team.tksk.act(url, {"attachment_id": scan}))["letter"]["status"] == "valid"


async def test_a_letter_that_is_not_signed_by_hand_takes_no_scan(as_, owner):
    team = await offices(as_)
    row = await issued(owner, team)
    scan = await attach(team.clerk, row["beneficiary_id"])
    refused = await team.clerk.act(f"{URL}/{row['id']}/signed-scan", {"attachment_id": scan})
    assert code_of(refused) == "scan_not_expected"


async def test_a_replaced_letter_holds_until_the_scan_of_its_successor_is_there(as_, owner):
    team, old = await wet(as_, owner)
    scan = await attach(team.clerk, old["beneficiary_id"])
    ok(await team.clerk.act(f"{URL}/{old['id']}/signed-scan", {"attachment_id": scan}))
    person = {"id": old["beneficiary_id"]}
    new = await issued(owner, team, person, replaces_id=old["id"])
    assert ok(await team.clerk.get(f"{URL}/{old['id']}"))["letter"]["status"] == "valid"
    again = await attach(team.clerk, old["beneficiary_id"], content=picture(colour=(1, 2, 3)))
    ok(await team.clerk.act(f"{URL}/{new['id']}/signed-scan", {"attachment_id": again}))
    assert ok(await team.clerk.get(f"{URL}/{old['id']}"))["letter"]["status"] == "superseded"


def photographed(pdf: bytes) -> bytes:
    """What a telephone makes of the paper."""
    taken: bytes = pymupdf.open(stream=pdf)[0].get_pixmap(dpi=150).tobytes("jpeg")
    return taken


def scanned(pdf: bytes, words: str = "") -> bytes:
    """What a scanner makes of it: a picture on a page, with what it read in it as text that is not drawn."""
    paper = pymupdf.open()
    page = paper.new_page()
    page.insert_image(page.rect, stream=photographed(pdf))
    page.insert_text((72, 72), words, render_mode=3)
    content: bytes = paper.tobytes()
    return content


def carelessly_written(pdf: bytes) -> bytes:
    """As some scanners leave a PDF: metadata that are no XML, and a list of notes with nothing in it."""
    paper = pymupdf.open(stream=pdf)
    paper.set_xml_metadata("<x:xmpmeta>scanner")
    paper.xref_set_key(paper[0].xref, "Annots", "[null]")
    content: bytes = paper.tobytes()
    return content


def beside_a_code_of_others(content: bytes) -> bytes:
    """The letter's own code lies under the stamp; on the paper beside it is one that somebody else checks."""
    whole = Image.open(BytesIO(content)).convert("RGB").resize((1600, 1200))
    code = BytesIO()
    segno.make("https://kk.example.id/verify/AbCdEf123456", error="m").save(code, kind="png", scale=8, border=4)
    whole.paste(Image.open(code).convert("RGB"), (100, 100))
    taken = BytesIO()
    whole.save(taken, "JPEG")
    return taken.getvalue()


async def test_a_scan_is_compared_with_the_letter_by_its_code(as_, owner, monkeypatch):
    team, row = await wet(as_, owner)
    url = f"{URL}/{row['id']}/signed-scan"
    pdf = (await team.clerk.get(f"{URL}/{row['id']}/letter")).content
    other = await issued(owner, team, await add_person(team.clerk, full_name="Dewi Lestari"))
    pdf_of_other = (await team.clerk.get(f"{URL}/{other['id']}/letter")).content
    for content in (photographed(pdf_of_other), scanned(pdf_of_other)):
        scan = await attach(team.clerk, row["beneficiary_id"], content=content)
        (error,) = (await team.clerk.act(url, {"attachment_id": scan})).json()["errors"]
        assert (error["pointer"], error["code"]) == ("/attachment_id", "qr_of_another_letter")
    for content, warnings in (
        (picture(), ["qr_unreadable"]),
        (photographed(pdf), []),
        (scanned(pdf, words=row["letter"]["verification_url"]), []),
        (carelessly_written(scanned(pdf)), []),
        (beside_a_code_of_others(picture()), ["qr_unreadable"]),
    ):
        scan = await attach(team.clerk, row["beneficiary_id"], content=content)
        seen = ok(await team.clerk.act(url, {"attachment_id": scan}))["letter"]
        assert (seen["scan"]["warnings"], seen["status"]) == (warnings, "valid")

    def without_opencv(_: bytes) -> Any:
        raise ScannerMissingError
        yield

    monkeypatch.setattr("tksk_api.documents.scanning._in_picture", without_opencv)
    scan = await attach(team.clerk, row["beneficiary_id"], content=picture(colour=(4, 5, 6)))
    assert ok(await team.clerk.act(url, {"attachment_id": scan}))["letter"]["scan"]["warnings"] == ["qr_not_checked"]


async def test_the_file_that_nobody_signed_is_no_scan_of_the_letter(as_, owner):
    team, row = await wet(as_, owner)
    url = f"{URL}/{row['id']}/signed-scan"
    pdf = (await team.clerk.get(f"{URL}/{row['id']}/letter")).content
    copy = (await team.clerk.get(f"{URL}/{row['id']}/letter?copy=true")).content
    other = await issued(owner, team, await add_person(team.clerk, full_name="Dewi Lestari"))
    of_other = (await team.clerk.get(f"{URL}/{other['id']}/letter")).content
    for content in (pdf, pdf + b"\n%%EOF\n", copy, of_other, *rewritten(pdf)):
        key = await attach(team.clerk, row["beneficiary_id"], content=content)
        refused = await team.clerk.act(url, {"attachment_id": key})
        (error,) = refused.json()["errors"]
        assert (error["pointer"], error["code"]) == ("/attachment_id", "scan_is_the_letter")
    assert ok(await team.clerk.get(f"{URL}/{row['id']}"))["letter"]["status"] == "not_yet_valid"


def rewritten(pdf: bytes) -> list[bytes]:
    """The same letter as other programs write it, each leaving out more of what tells whose it is."""
    paper = pymupdf.open(stream=pdf)
    files = [paper.tobytes(garbage=4, deflate=True, use_objstms=1)]
    paper.set_metadata({})
    paper.del_xml_metadata()
    files.append(paper.tobytes(garbage=4, deflate=True))
    for page in paper:
        for link in page.get_links():
            page.delete_link(link)
    files.append(paper.tobytes(garbage=4, deflate=True))
    drawn = pymupdf.open("pdf", pymupdf.open("svg", paper[0].get_svg_image().encode()).convert_to_pdf())
    assert "/verify/" not in drawn[0].get_text()
    files.append(drawn.tobytes(deflate=True))
    return files


@pytest.mark.parametrize("what", ["died", "changed", "merged"])
async def test_a_letter_of_somebody_who_is_not_who_was_checked_becomes_valid_by_no_scan(as_, owner, what):
    team = await offices(as_)
    await policy(team, "wet")
    child = await add_person(team.clerk, full_name="Budi Santoso", nik=None, nik_status="belum_rekam")
    row = await issued(owner, team, dependants=[child["id"]])
    scan = await attach(team.clerk, row["beneficiary_id"])
    person = f"/v1/beneficiaries/{row['beneficiary_id'] if what == 'died' else child['id']}"
    if what == "died":
        today = (await owner.fetchval("SELECT app.local_today($1)", SRENGSEM)).isoformat()
        ok(await team.clerk.act(f"{person}/deceased", {"died_on": today, "source": "family"}))
    elif what == "changed":
        version = ok(await team.clerk.get(person))["version"]
        new = {"json": {"full_name": "Budi Santosa"}, "headers": {"If-Match": f'"v{version}"'}}
        assert (await team.clerk.patch(person, **new)).status_code == 200
    else:
        stays = await add_person(team.clerk, full_name="Budi Santosa")
        ok(await team.tksk.act(f"{person}/merge", {"into_id": stays["id"], "reason": "Dicatat dua kali"}))
    refused = await team.clerk.act(f"{URL}/{row['id']}/signed-scan", {"attachment_id": scan})
    assert code_of(refused) == ("beneficiary_deceased" if what == "died" else "facts_changed")
    assert ok(await team.clerk.get(f"{URL}/{row['id']}"))["letter"]["status"] == "not_yet_valid"


async def test_a_better_scan_asks_nothing_of_a_letter_that_is_valid_already(as_, owner):
    team, row = await wet(as_, owner)
    url = f"{URL}/{row['id']}/signed-scan"
    ok(await team.clerk.act(url, {"attachment_id": await attach(team.clerk, row["beneficiary_id"])}))
    await owner.execute("UPDATE beneficiaries SET street = 'Gang Baru' WHERE id = $1::uuid", row["beneficiary_id"])
    better = await attach(team.clerk, row["beneficiary_id"], content=picture(colour=(1, 2, 3)))
    assert ok(await team.clerk.act(url, {"attachment_id": better}))["letter"]["status"] == "valid"


async def test_nothing_is_replaced_by_paper_once_it_was_revoked(as_, owner):
    team, old = await wet(as_, owner)
    scan = await attach(team.clerk, old["beneficiary_id"])
    new = await issued(owner, team, {"id": old["beneficiary_id"]}, replaces_id=old["id"])
    reason = {"reason_code": "false_statement", "note": "Keterangan palsu"}
    ok(await team.dinsos.act(f"{URL}/{old['id']}/revoke", reason))
    refused = await team.clerk.act(f"{URL}/{new['id']}/signed-scan", {"attachment_id": scan})
    assert [error["code"] for error in refused.json()["errors"]] == ["nothing_to_replace"]
    assert ok(await team.clerk.get(f"{URL}/{new['id']}"))["letter"]["status"] == "not_yet_valid"


async def test_the_applicant_is_called_when_the_signed_paper_is_there_and_once(as_, owner):
    team = await offices(as_)
    await policy(team, "wet")
    person = await add_person(team.clerk, phone="081298765432", message_channel="whatsapp")
    row = await issued(owner, team, person)

    async def told() -> tuple[list[str], int]:
        items = ok(await team.clerk.get("/v1/notifications"))["items"]
        sent = await owner.fetchval("SELECT count(*) FROM messages WHERE user_id IS NULL")
        about_letters = ("sktm_to_scan", "sktm_issued")
        return [item["template"] for item in reversed(items) if item["template"] in about_letters], sent

    assert await told() == (["sktm_to_scan"], 0)
    for colour in ((1, 2, 3), (4, 5, 6)):  # a better scan is no news
        scan = await attach(team.tksk, person["id"], content=picture(colour=colour))
        ok(await team.tksk.act(f"{URL}/{row['id']}/signed-scan", {"attachment_id": scan}))
        assert await told() == (["sktm_to_scan", "sktm_issued"], 1)


@pytest.mark.parametrize("worth", ["expired", "superseded"])
async def test_nobody_is_called_for_a_letter_that_its_scan_makes_no_better(as_, owner, worth):
    team = await offices(as_)
    await policy(team, "wet")
    person = await add_person(team.clerk, phone="081298765432", message_channel="whatsapp")
    row = await issued(owner, team, person)
    change = {"expired": "valid_until = current_date - 9", "superseded": "superseded_at = now()"}[worth]
    await owner.execute(f"UPDATE sktm_letters SET {change}")
    scan = await attach(team.clerk, person["id"])
    late = ok(await team.clerk.act(f"{URL}/{row['id']}/signed-scan", {"attachment_id": scan}))
    assert late["letter"]["status"] == worth
    told = await owner.fetch("SELECT template FROM notifications WHERE entity_id = $1::uuid", row["id"])
    assert {notice["template"] for notice in told}.isdisjoint({"sktm_issued", "applicant_issued"})
    assert await owner.fetchval("SELECT count(*) FROM messages WHERE user_id IS NULL") == 0


async def test_the_statement_tells_how_a_letter_was_signed_and_an_erasure_takes_the_scan_along(as_, owner):
    team, row = await wet(as_, owner)
    scan = await attach(team.clerk, row["beneficiary_id"])
    ok(await team.clerk.act(f"{URL}/{row['id']}/signed-scan", {"attachment_id": scan}))
    url = f"/v1/beneficiaries/{row['beneficiary_id']}/statement"
    stated = ok(await team.tksk.get(url))
    (application,) = stated["applications"]
    assert application["letter"]["signature"] == "wet"
    assert application["letter"]["scan_received_at"] is not None
    assert [file["kind"] for file in stated["attachments"]] == ["signed_letter"]
    printed = await team.tksk.get(f"{url}?format=pdf")
    assert "ditandatangani dengan tangan" in " ".join(
        " ".join(page.get_text() for page in pymupdf.open(stream=printed.content)).split()
    )
    async with owner.transaction():
        await owner.execute("SELECT set_config('app.regions', 'ID', true)")
        assert await owner.fetchval("SELECT app.erase_subject($1, NULL, now())", UUID(row["beneficiary_id"]))
    assert await owner.fetchval("SELECT key_cipher FROM attachments WHERE id = $1::uuid", scan) is None
