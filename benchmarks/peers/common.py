"""What the compared servers share: where the table is, and the same secrets work as the application's."""

import os
from pathlib import Path
from uuid import UUID

from tksk_api.security.crypto import load_key_file

OWNER_URL = os.environ["BENCH_OWNER_URL"]
DISTRICT_LIMIT = 20
# The owner's connections pass by the policies; replica mode rests the history trigger, since these servers write
# the history row themselves, as a program without our triggers has to.
CONNECTION_SETTINGS = {"session_replication_role": "replica", "timezone": "UTC"}

_KEYRING = load_key_file(Path(os.environ["TKSK_KEY_FILE"]))
_PURPOSE = "beneficiaries.nik"


def seal_nik(row_id: UUID, nik: str) -> tuple[bytes, bytes, str]:
    """Ciphertext (AES-256-GCM), blind index (HMAC-SHA-256) and the last four digits."""
    return _KEYRING.encrypt(_PURPOSE, str(row_id), nik.encode()), _KEYRING.blind_index(_PURPOSE, nik), nik[-4:]
