"""What a letter's QR code says besides the address of its page: the letter's facts, signed, to be checked offline.

The code stands behind the `#` of the address, so it never reaches a server, and a phone's camera opens the page as
ever. It is a number, because digits are what a QR code packs densest among the characters an address may have
(ten bits for three); docs/decisions/0011-offline-check.md has the measurements.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from tksk_api.security.letter_keys import KEY_ID_BYTES, is_signed

# The first byte: the second format is of letters that officials sign by hand, for a code cannot know whether they have.
# Whoever reads only the first takes it for no code of ours, and not for a valid letter.
FORMAT, BY_HAND = 1, 2
# The place in this list is printed on paper: only ever append.
PURPOSES = (
    "education",
    "health",
    "maternity",
    "bpjs_pbi",
    "legal_aid",
    "electricity_subsidy",
    "social_aid",
    "other",
)
Verdict = Literal["valid", "signed_by_hand", "forged", "expired", "not_yet_valid", "unknown_key"]
_EPOCH = date(2020, 1, 1)
_SIGNATURE_BYTES = 64
_LONGEST_NAME, _LONGEST_NUMBER = 48, 80
_CONTEXT = b"tksk-sktm-letter\x00"
_ADDRESS = re.compile(r"https?://[^\s#]{1,300}/verify/(?P<token>[A-Za-z0-9_-]{16,200})#(?P<code>[1-9][0-9]{150,900})")
_STARS = re.compile(r"\*{2,31}")
_PACKED_STARS = re.compile("[\x02-\x1f]")


@dataclass(frozen=True, slots=True)
class OfflineLetter:
    """The facts that paper and code must agree on. `purpose` is None for one that this release does not know yet."""

    number: str
    purpose: str | None
    masked_name: str
    issued_on: date
    valid_until: date
    issuer_code: str
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """A code as read: what it claims, and what it takes to believe it."""

    letter: OfflineLetter
    kid: str
    _message: bytes
    _signature: bytes

    def verdict(self, keys: Mapping[str, bytes], today: date) -> Verdict:
        """What the claim is worth, given the published keys. A revocation is seen on the page only, and of a
        letter signed by hand also whether it is valid at all.
        """
        if self.kid not in keys:
            return "unknown_key"
        if not is_signed(keys[self.kid], self._signature, self._message):
            return "forged"
        if today > self.letter.valid_until:
            return "expired"
        if today < self.letter.issued_on:
            return "not_yet_valid"
        return "signed_by_hand" if self.letter.by_hand else "valid"


def encode(letter: OfflineLetter, token: str, kid: str, sign: Callable[[bytes], bytes]) -> str | None:
    """The code for a letter under this token, which is signed with it but not repeated. None: it would be too large."""
    number, name = letter.number.encode(), _packed(letter.masked_name)
    if len(number) > _LONGEST_NUMBER:
        return None
    facts = b"".join(
        (
            bytes([BY_HAND if letter.by_hand else FORMAT]),
            bytes.fromhex(kid),
            _day(letter.issued_on),
            _day(letter.valid_until),
            int(letter.issuer_code.replace(".", "")).to_bytes(5, "big"),
            bytes([PURPOSES.index(letter.purpose) + 1 if letter.purpose in PURPOSES else 0]),
            bytes([len(number)]),
            number,
            name,
        )
    )
    return str(int.from_bytes(facts + sign(_message(token, facts)), "big"))


def decode(address: str) -> Code:
    """Read the address of a QR code. Raises ValueError for anything that is none of ours."""
    match = _ADDRESS.fullmatch(address.strip())
    if match is None:
        raise ValueError("not the address of a letter with an offline code")
    value = int(match["code"])
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    facts, signature = raw[:-_SIGNATURE_BYTES], raw[-_SIGNATURE_BYTES:]
    if len(facts) < 16 or facts[0] not in (FORMAT, BY_HAND):
        raise ValueError("a code of another kind")
    kid, rest = facts[1 : 1 + KEY_ID_BYTES].hex(), facts[1 + KEY_ID_BYTES :]
    length = rest[10]
    number, name = rest[11 : 11 + length], rest[11 + length :]
    if len(number) != length:
        raise ValueError("a code that is cut off")
    letter = OfflineLetter(
        number=number.decode(),
        purpose=PURPOSES[rest[9] - 1] if 0 < rest[9] <= len(PURPOSES) else None,
        masked_name=_unpacked(name),
        issued_on=_EPOCH + timedelta(days=int.from_bytes(rest[0:2], "big")),
        valid_until=_EPOCH + timedelta(days=int.from_bytes(rest[2:4], "big")),
        issuer_code=_region(rest[4:9]),
        by_hand=facts[0] == BY_HAND,
    )
    return Code(letter, kid, _message(match["token"], facts), signature)


def _message(token: str, facts: bytes) -> bytes:
    return _CONTEXT + token.encode() + b"\x00" + facts


def _day(value: date) -> bytes:
    return (value - _EPOCH).days.to_bytes(2, "big")


def _region(raw: bytes) -> str:
    digits = f"{int.from_bytes(raw, 'big'):010d}"
    return f"{digits[:2]}.{digits[2:4]}.{digits[4:6]}.{digits[6:]}"


def _packed(name: str) -> bytes:
    """Most of a masked name is stars: each run becomes one byte. A name that is still too long ends in `…`."""
    short = _STARS.sub(lambda run: chr(len(run[0])), name)
    if len(short.encode()) > _LONGEST_NAME:
        short = short.encode()[: _LONGEST_NAME - 3].decode(errors="ignore") + "…"
    return short.encode()


def _unpacked(raw: bytes) -> str:
    return _PACKED_STARS.sub(lambda run: "*" * ord(run[0]), raw.decode())
