"""Sending messages while gateways fail, servers die and people sleep: at least once, under one id."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from helpers import add_person
from sktm_flow import application, issued, offices
from tksk_api.cli.app import app as cli
from tksk_api.domain.notifications import outbox
from tksk_api.domain.notifications.gateways import (
    FileGateway,
    GatewayError,
    HttpGateway,
    Outgoing,
    SmtpGateway,
    gateways_of,
    signed,
)

SETTINGS = "/v1/me/notification-settings"
WANTED = {"phone": "081234567890", "email": "rina@tksk.example", "channels": {"task": ["in_app", "sms"]}}


@dataclass
class Provider:
    """A gateway that fails as often as it is told to, and remembers what it took."""

    failures: list[GatewayError] = field(default_factory=list)
    taken: list[Outgoing] = field(default_factory=list)

    async def send(self, message: Outgoing) -> None:
        if self.failures:
            raise self.failures.pop()
        self.taken.append(message)


@pytest.fixture
async def team(as_):
    return await offices(as_)


@pytest.fixture
def sessions(app):
    return app.state.house.sessions


@pytest.fixture
async def waiting(owner, team):
    """One message to the officer, due now; returns its id."""
    assert (await team.tksk.put(SETTINGS, json=WANTED)).status_code == 200
    await hand_in(team)
    return await owner.fetchval("SELECT id FROM messages")


async def hand_in(team, **over):
    person = await add_person(team.clerk, **over)
    row = (await team.clerk.post("/v1/sktm-applications", json=application(person["id"]))).json()
    answer = await team.clerk.act(f"/v1/sktm-applications/{row['id']}/submit")
    assert answer.status_code == 200, answer.text
    return person


async def send(sessions, provider, per_day=20):
    return await outbox.send_round(sessions, {"sms": provider, "whatsapp": provider}, per_day)


async def state(owner, key):
    return await owner.fetchrow(
        "SELECT state, attempts, error, due_at > now() AS later FROM messages WHERE id = $1", key
    )


async def test_a_message_is_sent_once_with_the_first_name_alone(owner, sessions, waiting):
    provider = Provider()
    assert [await send(sessions, provider) for _ in range(2)] == [1, 0]
    (message,) = provider.taken
    assert (message.id, message.channel, message.address) == (waiting, "sms", "+6281234567890")
    assert "Siti" in message.body
    assert "Rahmawati" not in message.body
    assert tuple(await state(owner, waiting)) == ("sent", 1, None, True)


async def test_killed_between_sending_and_noting_it_is_sent_again_under_the_same_id(owner, sessions, waiting):
    provider = Provider()
    (taken,) = await outbox._claim(sessions, ["sms"], 20)
    await provider.send(Outgoing(taken.id, taken.channel, taken.address, taken.title, taken.body))
    # Here the server dies. Until its lease ends the others leave the message alone.
    assert await send(sessions, provider) == 0
    await owner.execute("UPDATE messages SET due_at = now(), claimed_at = now() - interval '2 minutes'")
    assert await send(sessions, provider) == 1
    assert [message.id for message in provider.taken] == [waiting, waiting]
    assert (await state(owner, waiting))["state"] == "sent"


async def test_servers_share_and_none_sends_what_another_has(owner, sessions, team):
    await team.tksk.put(SETTINGS, json=WANTED)
    for _ in range(5):
        await hand_in(team)
    provider = Provider()
    assert sum(await asyncio.gather(*(send(sessions, provider) for _ in range(4)))) == 5
    assert len({message.id for message in provider.taken}) == len(provider.taken) == 5


async def test_failures_are_tried_again_later_and_later_then_given_up_and_seen(
    owner, sessions, waiting, settings, monkeypatch
):
    provider = Provider([GatewayError("timeout") for _ in range(outbox.MAX_ATTEMPTS)])
    for attempt in range(1, outbox.MAX_ATTEMPTS + 1):
        assert await send(sessions, provider) == 1
        found = await state(owner, waiting)
        assert (found["attempts"], found["error"]) == (attempt, "timeout")
        assert found["state"] == ("dead" if attempt == outbox.MAX_ATTEMPTS else "waiting")
        assert found["later"]
        await owner.execute("UPDATE messages SET due_at = now()")
    assert await send(sessions, provider) == 0
    monkeypatch.setenv("TKSK_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("TKSK_KEY_FILE", str(settings.key_file))
    runner = CliRunner()
    listed = await asyncio.to_thread(runner.invoke, cli, ["notifications", "list", "--dead"])
    assert listed.exit_code == 1
    assert str(waiting)[:8] in listed.output
    assert "timeout" in listed.output
    assert "812345" not in listed.output
    assert (await asyncio.to_thread(runner.invoke, cli, ["notifications", "retry"])).exit_code == 2
    again = await asyncio.to_thread(runner.invoke, cli, ["notifications", "retry", str(waiting)])
    assert "1 messages" in again.output
    assert await send(sessions, provider) == 1
    assert [message.id for message in provider.taken] == [waiting]


def test_pauses_double_with_some_chance_up_to_six_hours():
    assert [15 <= outbox.pause_after(1).total_seconds() <= 30 for _ in range(20)] == [True] * 20
    assert 240 <= outbox.pause_after(5).total_seconds() <= 480
    assert 3 * 3600 <= outbox.pause_after(50).total_seconds() <= 6 * 3600
    assert len({outbox.pause_after(3) for _ in range(5)}) == 5


async def test_what_is_refused_for_good_is_not_tried_again(owner, sessions, waiting):
    assert await send(sessions, Provider([GatewayError("recipient_refused", is_final=True)])) == 1
    assert (await state(owner, waiting))["state"] == "dead"


async def test_one_that_a_gateway_chokes_on_holds_up_no_other(owner, sessions, team):
    await team.tksk.put(SETTINGS, json=WANTED)
    for _ in range(2):
        await hand_in(team)

    class Choking(Provider):
        async def send(self, message: Outgoing) -> None:
            if not self.taken:
                self.taken.append(message)
                raise ZeroDivisionError
            await super().send(message)

    assert await send(sessions, Choking()) == 2
    states = await owner.fetch("SELECT state, error FROM messages ORDER BY state")
    assert [tuple(row) for row in states] == [("sent", None), ("waiting", "ZeroDivisionError")]


async def test_quiet_hours_and_the_days_measure_are_kept(owner, sessions, team, waiting):
    clock = "SELECT to_char(now() AT TIME ZONE 'Asia/Jakarta' + $1::text::interval, 'HH24:MI')"
    now = [await owner.fetchval(clock, offset) for offset in ("-1 hour", "1 hour")]
    await team.tksk.put(SETTINGS, json=WANTED | {"quiet_hours": {"starts": now[0], "ends": now[1]}})
    provider = Provider()
    assert await send(sessions, provider) == 0
    minutes = "SELECT extract(epoch FROM due_at - now()) / 60 FROM messages"
    assert 58 <= await owner.fetchval(minutes) <= 61
    await team.tksk.put(SETTINGS, json=WANTED)
    for _ in range(3):
        await hand_in(team)
    await owner.execute("UPDATE messages SET due_at = now()")
    assert await send(sessions, provider, per_day=2) == 2
    await owner.execute("UPDATE messages SET due_at = now() WHERE state = 'waiting'")
    assert await send(sessions, provider, per_day=2) == 0
    assert 58 <= await owner.fetchval(minutes + " WHERE state = 'waiting' LIMIT 1") <= 61


async def test_disabled_users_and_taken_back_addresses_get_nothing(owner, sessions, team, waiting):
    await team.tksk.put(SETTINGS, json={})
    assert await send(sessions, Provider()) == 0
    assert (await state(owner, waiting))["state"] == "dropped"


async def test_a_changed_address_is_told_at_the_one_before_and_then_forgotten(owner, sessions, team):
    for address in ("rina@tksk.example", "other@tksk.example"):
        await team.tksk.put(SETTINGS, json={"email": address})
    provider = Provider()
    assert await outbox.send_round(sessions, {"email": provider}, 20) == 1
    (warning,) = provider.taken
    assert warning.address == "rina@tksk.example"
    assert tuple(await owner.fetchrow("SELECT state, address FROM messages")) == ("sent", None)


@pytest.fixture
async def agreed(owner, team):
    """A person who agreed to messages, and whose letter was just issued; the officer has no phone."""
    person = await add_person(team.clerk, phone="081298765432", message_channel="whatsapp")
    await issued(owner, team, person)
    await owner.execute("UPDATE messages SET due_at = now()")
    return person


async def day(owner):
    """By day: a person is let sleep from 21 to 6."""
    hour = await owner.fetchval("SELECT extract(hour FROM now() AT TIME ZONE 'Asia/Jakarta')")
    return 6 <= hour < 21


async def test_the_applicant_is_told_by_telephone_when_they_agreed(owner, sessions, agreed):
    provider = Provider()
    sent = await send(sessions, provider)
    if not await day(owner):
        assert sent == 0
        return
    (message,) = provider.taken
    assert (message.channel, message.address) == ("whatsapp", "+6281298765432")
    assert message.body.startswith("Yth. Siti, surat dengan nomor perkara ")
    row = await owner.fetchrow("SELECT role, subject_ids FROM access_log WHERE action = 'send'")
    assert tuple(row) == ("system", [UUID(agreed["id"])])


async def test_who_did_not_agree_is_sent_nothing(owner, team):
    await issued(owner, team, await add_person(team.clerk, phone="081298765432"))
    assert await owner.fetchval("SELECT count(*) FROM messages") == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE beneficiaries SET deceased_on = current_date",
        "UPDATE beneficiaries SET deleted_at = now()",
        "UPDATE beneficiaries SET restricted_at = now()",
        "UPDATE beneficiaries SET phone = NULL",
        "UPDATE beneficiaries SET message_channel = NULL",
        "UPDATE beneficiaries SET message_channel = 'sms'",
    ],
    ids=["dead", "withdrawn", "restricted", "no_phone", "consent_gone", "another_channel"],
)
async def test_what_changed_since_keeps_a_message_from_going(owner, sessions, agreed, change):
    await owner.execute(change)
    assert await send(sessions, Provider()) == 0
    assert await owner.fetchval("SELECT state FROM messages") == "dropped"


async def test_what_could_not_be_said_for_days_is_not_said_any_more(owner, sessions, waiting):
    await owner.execute("UPDATE messages SET created_at = now() - interval '4 days'")
    assert await outbox.send_round(sessions, {"email": Provider()}, 20) == 0
    assert tuple(await state(owner, waiting))[:3] == ("dead", 0, "too_late")


# ---- gateways --------------------------------------------------------------------------------------------------------


def message(**over):
    said = {"channel": "sms", "address": "+6281234567890", "title": "SKTM terbit", "body": "Surat a.n. Siti"}
    return Outgoing(uuid4(), **{**said, **over})


async def test_files_are_whole_private_and_one_for_each_message(tmp_path):
    sent = message()
    gateway = FileGateway(tmp_path / "messages")
    for _ in range(2):
        await gateway.send(sent)
    (file,) = (tmp_path / "messages" / "new").iterdir()
    assert file.name == f"{sent.id}.json"
    assert file.stat().st_mode & 0o077 == 0
    assert json.loads(file.read_text())["text"] == "Surat a.n. Siti"
    # What nobody collects goes by itself: no erasure reaches it.
    await gateway.tidy()
    assert file.exists()
    os.utime(file, (0, time.time() - 4 * 86400))
    await gateway.tidy()
    assert not file.exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(GatewayError, match="folder_unwritable"):
        await FileGateway(tmp_path / "file" / "below").send(sent)


@asynccontextmanager
async def serving(handle) -> AsyncIterator[int]:
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def http(answer: bytes, seen: list[bytes]):
    async def handle(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        seen.append(head + await reader.readexactly(length))
        writer.write(answer)
        await writer.drain()
        writer.close()

    return handle


async def test_the_http_gateway_signs_what_it_sends():
    seen: list[bytes] = []
    sent = message()
    async with serving(http(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n", seen)) as port:
        await HttpGateway(f"http://127.0.0.1:{port}/messages", "rahasia").send(sent)
    head, _, body = seen[0].partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert json.loads(body) == {
        "id": str(sent.id),
        "channel": "sms",
        "to": "+6281234567890",
        "title": "SKTM terbit",
        "text": "Surat a.n. Siti",
    }
    at = int(headers["webhook-timestamp"])
    assert abs(time.time() - at) < 60
    expected = signed("rahasia", str(sent.id), at, body)
    assert {name: headers[name] for name in expected} == expected


def test_the_signature_is_that_of_standard_webhooks():
    """The example of the specification's own libraries."""
    secret, key, at = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
    made = signed(secret, key, at, b'{"test": 2432232314}')
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("status", "is_final"),
    [("302 Found", False), ("404 Where", False), ("500 Error", False), ("429 Wait", False), ("422 No", True)],
    ids=str,
)
async def test_the_http_gateway_follows_nothing_and_says_what_was_answered(status, is_final):
    seen: list[bytes] = []
    elsewhere: list[bytes] = []
    async with serving(http(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", elsewhere)) as other:
        answer = f"HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:{other}/\r\ncontent-length: 0\r\n\r\n".encode()
        async with serving(http(answer, seen)) as port:
            with pytest.raises(GatewayError, match=f"status_{status[:3]}") as refused:
                await HttpGateway(f"http://127.0.0.1:{port}/", "rahasia").send(message())
    assert (len(seen), elsewhere) == (1, [])
    assert refused.value.is_final is is_final


async def test_a_gateway_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr("tksk_api.domain.notifications.gateways.TIMEOUT_SECONDS", 0.2)

    async def handle(reader, writer):
        await asyncio.sleep(1)
        writer.close()

    async with serving(handle) as port:
        for gateway in (
            HttpGateway(f"http://127.0.0.1:{port}/", "x"),
            SmtpGateway(f"smtp://127.0.0.1:{port}", "a@b.c"),
        ):
            began = time.monotonic()
            with pytest.raises(GatewayError):
                await gateway.send(message(address="rina@tksk.example"))
            assert time.monotonic() - began < 0.9


async def test_a_mail_server_that_drips_is_given_up_and_takes_no_thread(monkeypatch):
    monkeypatch.setattr("tksk_api.domain.notifications.gateways.TIMEOUT_SECONDS", 0.3)
    closed = []

    async def handle(reader, writer):
        try:
            while not reader.at_eof():
                writer.write(b"220-wait\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            pass
        finally:
            closed.append(True)
            writer.close()

    async with serving(handle) as port:
        gateway = SmtpGateway(f"smtp://127.0.0.1:{port}", "tksk@dinsos.example")
        sent = [message(channel="email", address="rina@tksk.example") for _ in range(20)]
        round_of_20 = asyncio.gather(*(gateway.send(one) for one in sent), return_exceptions=True)
        began = time.monotonic()
        await asyncio.sleep(0.1)
        await asyncio.to_thread(lambda: None)  # where letters are drawn
        assert time.monotonic() - began < 0.3
        failures = await round_of_20
        assert {failure.code for failure in failures} == {"timeout"}
        assert time.monotonic() - began < 1.5
        await asyncio.sleep(0.3)
        assert len(closed) == 20  # nothing goes on behind the back of whoever gave up


async def test_a_message_that_was_taken_is_sent_though_the_server_never_says_goodbye():
    class Rude(MailServer):
        async def __call__(self, reader, writer):
            await super().__call__(Deaf(reader), writer)

    class Deaf:
        def __init__(self, reader):
            self.reader, self.readuntil = reader, reader.readuntil

        async def readline(self):
            while (line := await self.reader.readline()) and line.startswith(b"QUIT"):
                pass
            return line

    server = Rude()
    async with serving(server) as port:
        await SmtpGateway(f"smtp://127.0.0.1:{port}", "tksk@dinsos.example").send(
            message(channel="email", address="rina@tksk.example")
        )
    assert server.mail


class MailServer:
    """As much of SMTP as a client says to it; `refuse` is the answer to a recipient."""

    def __init__(self, refuse: bytes | None = None) -> None:
        self.refuse, self.lines, self.mail = refuse, [], b""

    async def __call__(self, reader, writer):
        writer.write(b"220 test\r\n")
        while line := await reader.readline():
            self.lines.append(line.strip())
            match line[:4].upper():
                case b"EHLO":
                    writer.write(b"250-test\r\n250 SMTPUTF8\r\n")
                case b"RCPT" if self.refuse:
                    writer.write(self.refuse)
                case b"DATA":
                    writer.write(b"354 go on\r\n")
                    self.mail = await reader.readuntil(b"\r\n.\r\n")
                    writer.write(b"250 taken\r\n")
                case b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                case _:
                    writer.write(b"250 ok\r\n")
        writer.close()


async def test_mail_has_a_stable_id_and_a_plain_text():
    sent, server = message(channel="email", address="rina@tksk.example"), MailServer()
    async with serving(server) as port:
        await SmtpGateway(f"smtp://127.0.0.1:{port}", "tksk@dinsos.example").send(sent)
    text = server.mail.decode()
    assert f"Message-ID: <{sent.id}@dinsos.example>" in text
    assert "Subject: SKTM terbit" in text
    assert "Auto-Submitted: auto-generated" in text
    assert text.partition("\r\n\r\n")[2].startswith("Surat a.n. Siti")


@pytest.mark.parametrize(
    ("answer", "is_final"),
    [(b"550 nobody\r\n", True), (b"451 later\r\n", False), (b"554 5.7.1 no relay\r\n", False)],
    ids=["550", "451", "relay"],
)
async def test_a_refused_recipient_is_said_without_the_address(answer, is_final):
    async with serving(MailServer(answer)) as port:
        with pytest.raises(GatewayError) as refused:
            await SmtpGateway(f"smtp://127.0.0.1:{port}", "tksk@dinsos.example").send(message(address="x@tksk.example"))
    assert (str(refused.value), refused.value.is_final) == ("recipient_refused", is_final)


def test_channels_go_where_the_configuration_says(settings, tmp_path):
    assert gateways_of(settings) == {}
    files = {"message_folder": tmp_path}
    mail = {"smtp_url": SecretStr("smtp://mail.example"), "message_sender": "tksk@dinsos.example"}
    phones = {"gateway_url": "https://sms.example/send", "gateway_secret": SecretStr("rahasia")}
    found = gateways_of(settings.model_copy(update=files | mail))
    assert {channel: type(gateway) for channel, gateway in found.items()} == {
        "email": SmtpGateway,
        "whatsapp": FileGateway,
        "sms": FileGateway,
    }
    assert set(gateways_of(settings.model_copy(update=phones))) == {"whatsapp", "sms"}
