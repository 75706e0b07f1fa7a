"""Reference rows that live in tables: the programmes, the offices they lead to, and the days on which those work."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from tksk_api.domain.notifications.notices import DEFAULT_CHANNELS, NOTICES, readers_of, templates
from tksk_api.domain.programs.packaged import PackagedVersion, packaged_versions
from tksk_api.domain.references.lists import LISTS
from tksk_api.domain.worklist.calendar import load_working_days

_NAMESPACE = UUID("6f0d8f0e-3a52-5d0b-9c7e-18710452710a")

# "region:kind" -> office; "ID" serves the nation. Offices only: no person, no address, no telephone number.
AGENCIES = {
    "ID:ministry": "Kementerian Sosial Republik Indonesia",
    "18:social_service_office": "Dinas Sosial Provinsi Lampung",
    "18:education_office": "Dinas Pendidikan dan Kebudayaan Provinsi Lampung",
    "18:university": "Universitas Lampung",
    "18:health_office": "Dinas Kesehatan Provinsi Lampung",
    "18:hospital": "RSUD Dr. H. Abdul Moeloek Provinsi Lampung",
    "18:electricity_company": "PLN Unit Induk Distribusi Lampung",
    "18:court": "Pengadilan Tinggi Tanjungkarang",
    "18.71:social_service_office": "Dinas Sosial Kota Bandar Lampung",
    "18.71:bpjs_office": "BPJS Kesehatan Kantor Cabang Bandar Lampung",
    "18.71:education_office": "Dinas Pendidikan dan Kebudayaan Kota Bandar Lampung",
    "18.71:health_office": "Dinas Kesehatan Kota Bandar Lampung",
    "18.71:hospital": "RSUD dr. A. Dadi Tjokrodipo Kota Bandar Lampung",
    "18.71:electricity_company": "PLN UP3 Tanjung Karang",
    "18.71:court": "Pengadilan Negeri Tanjungkarang",
    "52.71:social_service_office": "Dinas Sosial Kota Mataram",
    "52.71:bpjs_office": "BPJS Kesehatan Kantor Cabang Mataram",
    "52.71:education_office": "Dinas Pendidikan Kota Mataram",
    "52.71:health_office": "Dinas Kesehatan Kota Mataram",
    "52.71:hospital": "RSUD Kota Mataram",
    "52.71:electricity_company": "PLN UP3 Mataram",
    "52.71:court": "Pengadilan Negeri Mataram",
}


def agency_id(key: str) -> UUID:
    """The id of a seeded office, the same in every installation; KeyError for a key that is not in `AGENCIES`."""
    if key not in AGENCIES:
        raise KeyError(key)
    return uuid5(_NAMESPACE, key)


async def load_seeds(owner_url: str) -> None:
    """Insert the packaged programmes with their versions, the kinds of activity, the offices and the working days.

    What is there already stays. Idempotent.
    """
    connection = await asyncpg.connect(owner_url)
    try:
        await _load_programs(connection)
        await _load_notices(connection)
        await _load_activity_kinds(connection)
        await load_working_days(connection)
        await connection.executemany(
            "INSERT INTO agencies (id, version, name, kind, region_code, is_active) VALUES ($1, 1, $2, $3, $4, true) "
            "ON CONFLICT (id) DO NOTHING",
            [(agency_id(key), name, *_kind_and_region(key)) for key, name in AGENCIES.items()],
        )
    finally:
        await connection.close()


async def _load_notices(connection: Any) -> None:
    """What is told to whom, as this version of the software says it. A text that was told once stays."""
    async with connection.transaction():
        await connection.executemany(
            "INSERT INTO notification_templates (code, title_id, title_en, body_id, body_en) "
            "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (code) DO UPDATE SET title_id = excluded.title_id, "
            "title_en = excluded.title_en, body_id = excluded.body_id, body_en = excluded.body_en",
            [tuple(vars(template).values()) for template in templates()],
        )
        await connection.execute("DELETE FROM notification_rules")
        await connection.executemany(
            "INSERT INTO notification_rules (position, entity, action, state, recipients, readers, template, kind, "
            "channels) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            [
                (
                    position,
                    notice.entity,
                    notice.action,
                    notice.state,
                    notice.recipients,
                    readers_of(notice.entity),
                    notice.template,
                    notice.kind,
                    DEFAULT_CHANNELS[notice.kind],
                )
                for position, notice in enumerate(NOTICES)
            ],
        )


async def _load_programs(connection: Any) -> None:
    versions = packaged_versions()
    await connection.executemany(
        "INSERT INTO programs (code, name_id, name_en, note_id, note_en, is_local, version) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (code) DO UPDATE SET is_local = excluded.is_local, "
        "version = greatest(programs.version, excluded.version)",
        [
            (
                item.code,
                item.label_id,
                item.label_en,
                item.note_id,
                item.note_en,
                bool(item.attributes.get("is_local")),
                max(version.number for version in versions if version.program == item.code),
            )
            for item in LISTS["programs"].items
        ],
    )
    columns = [name for name in PackagedVersion.model_fields if name != "program"]
    places = ", ".join(f"${index + 2}" for index in range(len(columns)))
    await connection.executemany(
        f"INSERT INTO program_versions (program_code, {', '.join(columns)}) VALUES ($1, {places}) "
        "ON CONFLICT (program_code, number) DO NOTHING",
        [(version.program, *_cells(version, columns)) for version in versions],
    )


async def _load_activity_kinds(connection: Any) -> None:
    await connection.executemany(
        "INSERT INTO activity_kinds (id, version, code, label_id, label_en, pillar, function, valid_from, valid_until) "
        "VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (code) DO NOTHING",
        [
            (
                uuid5(_NAMESPACE, f"activity_kind:{item.code}"),
                item.code,
                item.label_id,
                item.label_en,
                item.attributes.get("pillar"),
                item.attributes["function"],
                item.valid_from,
                item.valid_until,
            )
            for item in LISTS["activity_kinds"].items
        ],
    )


def _cells(version: PackagedVersion, columns: Sequence[str]) -> list[Any]:
    stored = {**dict(version), **version.stored_rules()}
    return [json.dumps(stored[name]) if name in ("rules", "documents") else stored[name] for name in columns]


def _kind_and_region(key: str) -> tuple[str, str | None]:
    region, kind = key.split(":")
    return kind, None if region == "ID" else region
