"""The demo's offices: synthetic users of Panjang, their superiors, and an outsider from Ampenan."""

import asyncio
from uuid import UUID

import asyncpg

from tksk_api.database.tables import new_id
from tksk_api.domain.seeds import agency_id
from tksk_api.security.passwords import Passwords

BPJS = agency_id("18.71:bpjs_office")

# username: role, region, full name, position title, NIP, agency
USERS: dict[str, tuple[str, str | None, str, str | None, str | None, UUID | None]] = {
    "admin": ("admin", None, "Admin Sistem", None, None, None),
    "tksk.panjang": ("tksk", "18.71.04", "Rina Wulandari", "TKSK Kecamatan Panjang", None, None),
    "clerk.srengsem": ("village_clerk", "18.71.04.1002", "Agus Pratama", None, None, None),
    "clerk.panjangselatan": ("village_clerk", "18.71.04.1001", "Nurul Hidayah", None, None, None),
    "lurah.srengsem": (
        "village_head",
        "18.71.04.1002",
        "Hendra Saputra, S.Sos.",
        "Lurah Srengsem",
        None,
        None,
    ),
    "camat.panjang": ("district_head", "18.71.04", "Yuni Astuti, M.Si.", "Camat Panjang", None, None),
    "dinsos.bandarlampung": ("regency_office", "18.71", "Dewi Kartika", None, None, None),
    "koordinator.bandarlampung": ("coordinator", "18.71", "Sri Hartati", "Koordinator TKSK", None, None),
    "dinsos.lampung": ("province_office", "18", "Fajar Nugroho", None, None, None),
    "bpjs.bandarlampung": ("agency", None, "Lukman Hakim", None, None, BPJS),
    "tksk.ampenan": ("tksk", "52.71.01", "Baiq Ayu Lestari", "TKSK Kecamatan Ampenan", None, None),
    "dinsos.ntb": ("province_office", "52", "Lalu Wirajaya", None, None, None),
    "kemensos": ("ministry", None, "Maya Permata", None, None, None),
    "auditor": ("auditor", None, "Taufik Rahman", None, None, None),
}


# Each officer of the demo holds the district they belong to, unless they or somebody else does so already.
_HOLD = """
INSERT INTO assignments (id, version, user_id, region_code, kind, decree_number, decree_date, decree_issuer, starts_on)
SELECT gen_random_uuid(), 1, id, region_code, 'holder', '460/001/SK-CONTOH', app.local_today(region_code), 'regency',
       app.local_today(region_code)
  FROM users WHERE username = ANY ($1)
ON CONFLICT DO NOTHING
"""


async def seed_offices(owner_url: str, password: str) -> None:
    """Create the demo users and the officers' assignments, or give them this run's password.

    What was tried with their sign-in is undone. Synthetic people only.
    """
    passwords = Passwords(2, len(USERS) + 1)
    hashes = await asyncio.gather(*(passwords.hash(password) for _ in USERS))
    passwords.close()
    connection = await asyncpg.connect(owner_url)
    try:
        await connection.executemany(
            "INSERT INTO users (id, version, username, role, region_code, full_name, position_title, employee_number, "
            "agency_id, password_hash, must_change_password) VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, false) "
            "ON CONFLICT (lower(username)) DO UPDATE SET password_hash = excluded.password_hash, disabled_at = NULL, "
            "must_change_password = false, setup_expires_at = NULL, otp_cipher = NULL, otp_pending_cipher = NULL, "
            "otp_confirmed_at = NULL, otp_last_step = NULL",
            [(new_id(), name, *user, hashed) for (name, user), hashed in zip(USERS.items(), hashes, strict=True)],
        )
        officers = [name for name, user in USERS.items() if user[0] == "tksk"]
        await connection.execute(_HOLD, officers)
        await connection.execute("DELETE FROM sign_in_throttles")
    finally:
        await connection.close()
