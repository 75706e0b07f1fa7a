"""The demo's offices: synthetic users of Panjang, their superiors, and an outsider from Ampenan."""

import asyncio
from uuid import UUID

import asyncpg

from tksk_api.database.tables import new_id
from tksk_api.domain.seeds import agency_id
from tksk_api.domain.synthetic import people_of
from tksk_api.security.passwords import Passwords

BPJS = agency_id("18.71:bpjs_office")
HOSPITAL = agency_id("18.71:hospital")
CAMPUS = agency_id("18:university")

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
    "lurah.panjangselatan": (
        "village_head",
        "18.71.04.1001",
        "Rosmala Dewi, S.E.",
        "Lurah Panjang Selatan",
        None,
        None,
    ),
    "camat.panjang": ("district_head", "18.71.04", "Yuni Astuti, M.Si.", "Camat Panjang", None, None),
    "dinsos.bandarlampung": ("regency_office", "18.71", "Dewi Kartika", None, None, None),
    "koordinator.bandarlampung": ("coordinator", "18.71", "Sri Hartati", "Koordinator TKSK", None, None),
    "dinsos.lampung": ("province_office", "18", "Fajar Nugroho", None, None, None),
    "bpjs.bandarlampung": ("agency", None, "Lukman Hakim", None, None, BPJS),
    "rsud.bandarlampung": ("agency", None, "Indah Permatasari", None, None, HOSPITAL),
    "kampus.lampung": ("agency", None, "Bayu Nugraha", None, None, CAMPUS),
    "tksk.ampenan": ("tksk", "52.71.01", "Baiq Ayu Lestari", "TKSK Kecamatan Ampenan", None, None),
    "dinsos.ntb": ("province_office", "52", "Lalu Wirajaya", None, None, None),
    "kemensos": ("ministry", None, "Maya Permata", None, None, None),
    "auditor": ("auditor", None, "Taufik Rahman", None, None, None),
}


# A province in which five districts have no officer.
PROVINCE = "52"
VACANT = ("52.01.15", "52.04.27", "52.04.29", "52.06.17", "52.71.06")
PROVINCE_USERS = r"^(tksk|dinsos)[.]52[.]"

# Each officer of the demo holds the district they belong to, unless they or somebody else does so already.
_HOLD = """
INSERT INTO assignments (id, version, user_id, region_code, kind, decree_number, decree_date, decree_issuer, starts_on)
SELECT gen_random_uuid(), 1, id, region_code, 'holder', '460/001/SK-CONTOH', '2024-01-02', 'regency', '2024-01-02'
  FROM users WHERE username = ANY ($1)
ON CONFLICT DO NOTHING
"""
# With the password of the province's office: one is hashed, not a hundred.
_STAFF = """
INSERT INTO users (id, version, username, role, region_code, full_name, position_title, password_hash,
                   must_change_password)
SELECT gen_random_uuid(), 1, r.username, r.role, r.code, r.name, r.title, o.password_hash, false
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) r (username, role, code, name, title)
  JOIN users o ON o.username = 'dinsos.ntb'
ON CONFLICT (lower(username)) DO UPDATE SET password_hash = excluded.password_hash
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


async def seed_province(owner_url: str) -> None:
    """An officer in every other district of NTB, and somebody in the office of each regency: `tksk.52.02.01`,
    `dinsos.52.02`, with the password of `dinsos.ntb`. Synthetic people only."""
    connection = await asyncpg.connect(owner_url)
    try:
        regions = await connection.fetch(
            "SELECT r.code, r.name, r.level = 'district' AS is_district FROM regions r WHERE starts_with(r.code, $1) "
            "AND r.level IN ('regency', 'district') AND r.valid_until IS NULL AND r.code <> ALL ($2) "
            "AND NOT EXISTS (SELECT 1 FROM users u WHERE u.username = ANY ($3) AND u.role = 'tksk' "
            "AND u.region_code = r.code) ORDER BY r.code",
            f"{PROVINCE}.",
            list(VACANT),
            list(USERS),
        )
        staff = [
            (f"tksk.{code}", "tksk", code, _name(code), f"TKSK Kecamatan {name}")
            if is_district
            else (f"dinsos.{code}", "regency_office", code, _name(code), f"Dinas Sosial {name}")
            for code, name, is_district in regions
        ]
        await connection.execute(_STAFF, *(list(column) for column in zip(*staff, strict=True)))
        await connection.execute(_HOLD, [row[0] for row in staff if row[1] == "tksk"])
    finally:
        await connection.close()


def _name(code: str) -> str:
    """Somebody's name as people there have them."""
    district = code if len(code) == len("52.02.01") else f"{code}.01"
    return next(people_of(len(code), [f"{district}.1001"], 1)).full_name.title()
